"""Types and names of AMQP 0-9-1 and 1.0 (OASIS; no RFC), as far as methods and performatives need them."""

from rustnet.dissect.framework.conversation import DissectError
from rustnet.dissect.framework.reading import need, text

MAX_FIELDS = 32
"""Fields of a list or of a table that are read."""

_CLASSES = {
    10: ("connection", {10: "start", 11: "start-ok", 20: "secure", 21: "secure-ok", 30: "tune", 31: "tune-ok",
                        40: "open", 41: "open-ok", 50: "close",
                        51: "close-ok", 60: "blocked", 61: "unblocked"}),
    20: ("channel", {10: "open", 11: "open-ok", 20: "flow", 21: "flow-ok", 40: "close", 41: "close-ok"}),
    40: ("exchange", {10: "declare", 11: "declare-ok", 20: "delete", 21: "delete-ok", 30: "bind", 31: "bind-ok",
                      40: "unbind", 51: "unbind-ok"}),
    50: ("queue", {10: "declare", 11: "declare-ok", 20: "bind", 21: "bind-ok", 30: "purge", 31: "purge-ok",
                   40: "delete", 41: "delete-ok", 50: "unbind", 51: "unbind-ok"}),
    60: ("basic", {10: "qos", 11: "qos-ok", 20: "consume", 21: "consume-ok", 30: "cancel", 31: "cancel-ok",
                   40: "publish", 50: "return", 60: "deliver", 70: "get", 71: "get-ok", 72: "get-empty", 80: "ack",
                   90: "reject", 100: "recover-async", 110: "recover", 111: "recover-ok", 120: "nack"}),
    85: ("confirm", {10: "select", 11: "select-ok"}),
    90: ("tx", {10: "select", 11: "select-ok", 20: "commit", 21: "commit-ok", 30: "rollback", 31: "rollback-ok"}),
}  # fmt: skip
METHODS = {
    (number, method): f"{name}.{method_name}"
    for number, (name, methods) in _CLASSES.items()
    for method, method_name in methods.items()
}
"""Names of the methods of 0-9-1 by class and method number."""

PERFORMATIVES = {
    0x10: "open", 0x11: "begin", 0x12: "attach", 0x13: "flow", 0x14: "transfer", 0x15: "disposition", 0x16: "detach",
    0x17: "end", 0x18: "close", 0x40: "sasl-mechanisms", 0x41: "sasl-init", 0x42: "sasl-challenge",
    0x43: "sasl-response", 0x44: "sasl-outcome",
}  # fmt: skip
"""Names of the performatives of 1.0 by their code."""

Value = bytes | int | list["Value"] | None
"""A value of 1.0: strings and binaries as bytes; `None` for types that are not read."""

_FIXED = {
    0x40: 0, 0x41: 0, 0x42: 0, 0x43: 0, 0x44: 0, 0x45: 0, 0x50: 1, 0x51: 1, 0x52: 1, 0x53: 1, 0x54: 1, 0x55: 1, 0x56: 1,
    0x60: 2, 0x61: 2, 0x70: 4, 0x71: 4, 0x72: 4, 0x73: 4, 0x74: 4, 0x80: 8, 0x81: 8, 0x82: 8, 0x83: 8, 0x84: 8,
    0x94: 16, 0x98: 16,
}  # fmt: skip
_NUMBERS = frozenset({0x43, 0x44, 0x50, 0x52, 0x53, 0x56, 0x60, 0x70, 0x80})
_TRUE, _FALSE, _EMPTY_LIST = 0x41, 0x42, 0x45


class Reader:
    """Reads the fields of a 0-9-1 method in order."""

    __slots__ = ("body", "pos")

    def __init__(self, body: bytes, pos: int) -> None:
        self.body = body
        self.pos = pos

    def number(self, size: int) -> int:
        """Read a number of ``size`` bytes."""
        need(self.body, self.pos + size, "method")
        self.pos += size
        return int.from_bytes(self.body[self.pos - size : self.pos], "big")

    def counted(self, size: int) -> bytes:
        """Read bytes that follow a length field of ``size`` bytes."""
        length = self.number(size)
        need(self.body, self.pos + length, "method")
        self.pos += length
        return self.body[self.pos - length : self.pos]

    def short(self) -> str:
        """Read a short string."""
        return text(self.counted(1))

    def texts(self) -> dict[str, str]:
        """Read a field table: its long strings, up to the first value of an unsupported type."""
        inner = Reader(self.counted(4), 0)
        texts: dict[str, str] = {}
        for _ in range(MAX_FIELDS):
            if inner.pos >= len(inner.body):
                break
            key = inner.short()
            kind = inner.number(1)
            if kind == 0x53:  # S
                texts[key] = text(inner.counted(4))
            elif kind == 0x46:  # F, a table
                inner.counted(4)
            elif kind == 0x74:  # t, a boolean
                inner.number(1)
            elif kind in b"Ii":
                inner.number(4)
            else:
                break
        return texts


def value(data: bytes, pos: int, depth: int = 0) -> tuple[Value, int]:
    """The 1.0 value at ``pos``, and the position after it. A described value is replaced by its content."""
    need(data, pos + 1, "value")
    code = data[pos]
    pos += 1
    if code == 0:
        if depth > 8:
            raise DissectError("values are nested too deeply")
        _, pos = value(data, pos, depth + 1)
        return value(data, pos, depth + 1)
    size = _FIXED.get(code)
    if size is not None:
        need(data, pos + size, "value")
        result: Value = int.from_bytes(data[pos : pos + size], "big") if code in _NUMBERS else None
        if code in {_TRUE, _FALSE}:
            result = int(code == _TRUE)
        return [] if code == _EMPTY_LIST else result, pos + size
    width = 1 if code >> 4 in {0xA, 0xC, 0xE} else 4 if code >> 4 in {0xB, 0xD, 0xF} else 0
    if not width:
        raise DissectError("unknown type code {code:#04x}", code=code)
    need(data, pos + width, "value")
    end = pos + width + int.from_bytes(data[pos : pos + width], "big")
    need(data, end, "value")
    if code >> 4 in {0xA, 0xB}:
        return data[pos + width : end], end
    if code not in {0xC0, 0xD0}:
        return None, end
    return _items(data[pos + width : end], width, depth), end


def _items(data: bytes, width: int, depth: int) -> Value:
    """Items of a list."""
    if depth > 8:
        raise DissectError("values are nested too deeply")
    need(data, width, "list")
    items: list[Value] = []
    pos = width
    for _ in range(min(MAX_FIELDS, int.from_bytes(data[:width], "big"))):
        item, pos = value(data, pos, depth + 1)
        items.append(item)
    return items


def performative(body: bytes) -> tuple[int, list[Value]]:
    """Code of the performative that a frame's body begins with, and its fields."""
    if body[:2] == b"\0\x53" and len(body) > 3:
        code, pos = body[2], 3
    elif body[:2] == b"\0\x80" and len(body) > 11:
        code, pos = body[9], 10
    else:
        raise DissectError("expected a performative")
    fields, _ = value(body, pos)
    return code, fields if isinstance(fields, list) else []
