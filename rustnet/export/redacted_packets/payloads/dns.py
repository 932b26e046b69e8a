"""DNS over UDP and TCP, mDNS and LLMNR (RFC 1035, 6762, 4795): headers, names, addresses and numbers of records.

Names are replaced label by label where they are, so that compression pointers stay valid: a label that several names of
a message share is replaced once, as in the first of them.
"""

import contextlib
from collections.abc import Callable, Sequence

from rustnet.export.redacted_packets.payload import Interval, PayloadContext
from rustnet.export.redacted_packets.payloads.page import CutError
from rustnet.export.redacted_packets.payloads.replacing import HIDDEN, Labels, Replacements, replacements

MAX_QUESTIONS = 128
MAX_RECORDS = 4096
"""Questions, and resource records, that are read of one message; what follows them is cut."""
MAX_LABELS = 32_768
"""Labels of all names of one message, those included that pointers point to."""
MAX_NAME = 255
"""Bytes of a name (RFC 1035)."""
MAX_KEYS = 16
"""Keys that a service may declare as mandatory."""
HEADER = 12


class Message:
    """One DNS message that is written again. ``end`` is how far it was understood."""

    __slots__ = ("addresses", "data", "end", "labels", "names", "out", "size", "starts")

    def __init__(self, data: bytes, names: Replacements, context: PayloadContext) -> None:
        self.data = data
        self.size = len(data)
        self.out = bytearray(self.size)
        self.names = names
        self.addresses = context.addresses
        self.starts: dict[int, tuple[Labels, int]] = {}
        """By offset, where pointers may point to: labels of a name, and which of them begins there."""
        self.labels = 0
        """Labels of names that were written."""
        self.end = 0

    def write(self) -> None:
        """Write all sections. Raises `CutError` or `IndexError` where the message is not understood."""
        data, out = self.data, self.out
        if self.size < HEADER:
            raise CutError
        out[:HEADER] = data[:HEADER]
        self.end = pos = HEADER
        asked = data[4] << 8 | data[5]
        records = (data[6] << 8 | data[7]) + (data[8] << 8 | data[9]) + (data[10] << 8 | data[11])
        for _ in range(min(asked, MAX_QUESTIONS)):
            pos = self.name(pos)
            if pos + 4 > self.size:
                raise CutError
            out[pos : pos + 4] = data[pos : pos + 4]
            self.end = pos = pos + 4
        if asked > MAX_QUESTIONS:
            raise CutError
        for _ in range(min(records, MAX_RECORDS)):
            self.end = pos = self._record(pos)

    def _record(self, pos: int) -> int:
        """Write one resource record; return the position after it."""
        data, out = self.data, self.out
        pos = self.name(pos)
        body = pos + 10
        if body > self.size:
            raise CutError
        end = body + (data[pos + 8] << 8 | data[pos + 9])
        if end > self.size:
            raise CutError
        out[pos:body] = data[pos:body]
        kind = data[pos] << 8 | data[pos + 1]
        if kind == 1 and end - body == 4:
            out[body:end] = self.addresses.ipv4[data[body:end]]
        elif kind == 28 and end - body == 16:
            out[body:end] = self.addresses.ipv6[data[body:end]]
        elif kind in _DATA and end > body:
            _DATA[kind](self, body, end)
        return end

    def name(self, start: int, limit: int = 1 << 16) -> int:
        """Write the name at a position; return the position after it."""
        data, out = self.data, self.out
        step = data[start]
        if step >= 0xC0:
            if (step & 0x3F) << 8 | data[start + 1] not in self.starts:
                raise CutError
            out[start : start + 2] = data[start : start + 2]
            return start + 2
        pos, labels = start, []
        while 0 < step < 64:
            after = pos + 1 + step
            labels.append(data[pos + 1 : after])
            pos, step = after, data[after]  # raises IndexError at the end of the message
        own = len(labels)
        if step >= 0xC0:
            known = self.starts.get((step & 0x3F) << 8 | data[pos + 1])
            end = pos + 2
            if known is None or end > limit:
                raise CutError
            whole = (*labels, *known[0][known[1] :])
        elif step == 0:
            end = pos + 1
            whole = tuple(labels)
        else:
            raise CutError
        self.labels += len(whole)
        if end > limit or self.labels > MAX_LABELS or sum(map(len, whole)) + len(whole) >= MAX_NAME:
            raise CutError
        out[pos:end] = data[pos:end]
        self._labels(start, pos, whole, own)
        if step == 0:
            self.starts[pos] = whole, own
        return end

    def _labels(self, start: int, end: int, whole: Labels, own: int) -> None:
        """Write the first labels of a name, which fill a place."""
        replaced = self.names.name(whole)
        if own < len(whole):
            replaced = self.names.fixed_name(whole)
        out, pos, before = self.out, start, start
        for at in range(own):
            label = replaced[at]
            if pos == before:  # labels of reverse names may have other sizes
                self.starts[pos] = whole, at
            size = len(label)
            out[pos] = size
            out[pos + 1 : pos + 1 + size] = label
            pos += 1 + size
            before += 1 + len(whole[at])
        if pos != end:
            raise CutError

    # ---- data of records -------------------------------------------------------------------------------------------

    def keep(self, start: int, stop: int, end: int) -> int:
        """Keep bytes of a record's data; return the position after them."""
        if stop > end:
            raise CutError
        self.out[start:stop] = self.data[start:stop]
        return stop

    def port(self, pos: int) -> None:
        """Write a port, replaced if the policy asks for that."""
        port = self.data[pos] << 8 | self.data[pos + 1]
        self.out[pos : pos + 2] = self.names.redactor.numbers.port(port).to_bytes(2)

    def strings(self, pos: int, end: int) -> None:
        """Keep the lengths of character strings; their contents are zeros."""
        while pos < end:
            after = pos + 1 + self.data[pos]
            if after > end:
                return
            self.out[pos] = self.data[pos]
            pos = after


def _name(message: Message, pos: int, end: int) -> None:
    message.name(pos, end)


def _after(size: int) -> Callable[[Message, int, int], None]:
    """Numbers of some bytes, then a name."""

    def write(message: Message, pos: int, end: int) -> None:
        message.name(message.keep(pos, pos + size, end), end)

    return write


def _numbers(size: int) -> Callable[[Message, int, int], None]:
    """Numbers of some bytes, then a key, a signature or a hash."""

    def write(message: Message, pos: int, end: int) -> None:
        message.keep(pos, min(pos + size, end), end)

    return write


def _signature(message: Message, pos: int, end: int) -> None:
    """RRSIG (RFC 4034): type that is signed, algorithm, and the signer's name."""
    message.keep(pos, pos + 3, end)
    message.name(pos + 18, end)


def _server(message: Message, pos: int, end: int) -> None:
    """SRV (RFC 2782): priority, weight, port and target."""
    name = message.keep(pos, pos + 6, end)
    message.port(pos + 4)
    message.name(name, end)


def _soa(message: Message, pos: int, end: int) -> None:
    pos = message.name(message.name(pos, end), end)
    message.keep(pos, pos + 20, end)


def _strings(message: Message, pos: int, end: int) -> None:
    message.strings(pos, end)


def _nsec(message: Message, pos: int, end: int) -> None:
    pos = message.name(pos, end)
    while pos + 2 < end:  # blocks of bits, one for each type (RFC 4034, 4.1.2)
        after = pos + 2 + message.data[pos + 1]
        if after > end or not 0 < message.data[pos + 1] <= 32:
            return
        pos = message.keep(pos, after, end)


def _hardware(message: Message, pos: int, end: int) -> None:
    if end - pos == 6:
        message.out[pos:end] = message.addresses.hardware[message.data[pos:end]]


def _service(message: Message, pos: int, end: int) -> None:
    """SVCB and HTTPS (RFC 9460): priority, target, protocols, port and addresses."""
    pos = message.name(message.keep(pos, pos + 2, end), end)
    data, out = message.data, message.out
    while pos + 4 <= end:
        key, size = data[pos] << 8 | data[pos + 1], data[pos + 2] << 8 | data[pos + 3]
        value = pos + 4
        after = value + size
        if after > end:
            raise CutError
        out[pos:value] = data[pos:value]
        if key == 3 and size == 2:
            message.port(value)
        elif key == 0 and size <= 2 * MAX_KEYS:
            out[value:after] = data[value:after]
        elif key == 1:
            _protocols(message, value, after)
        elif key in (4, 6) and size % (4 if key == 4 else 16) == 0:
            step, known = (4, message.addresses.ipv4) if key == 4 else (16, message.addresses.ipv6)
            for at in range(value, after, step):
                out[at : at + step] = known[data[at : at + step]]
        pos = after


def _protocols(message: Message, pos: int, end: int) -> None:
    """Keep the lengths of names of protocols: tables show no more of a record's other data."""
    while pos < end:
        after = pos + 1 + message.data[pos]
        if after > end:
            return
        message.out[pos] = message.data[pos]
        message.out[pos + 1 : after] = HIDDEN * (after - pos - 1)
        pos = after


def _options(message: Message, pos: int, end: int) -> None:
    """EDNS (RFC 6891): codes and lengths, lists of algorithms, errors' codes, and the client's network."""
    data, out = message.data, message.out
    while pos + 4 <= end:
        code, size = data[pos] << 8 | data[pos + 1], data[pos + 2] << 8 | data[pos + 3]
        value = pos + 4
        after = value + size
        if after > end:
            return
        out[pos:value] = data[pos:value]
        if code in _KEPT_OPTIONS and size <= _KEPT_OPTIONS[code]:
            out[value:after] = data[value:after]
        elif code == 15 and size >= 2:  # an error's code and text
            out[value : value + 2] = data[value : value + 2]
            out[value + 2 : after] = HIDDEN * (size - 2)
        elif code == 8 and size >= 4:
            out[value : value + 4] = data[value : value + 4]
            out[value + 4 : after] = network(message, data[value + 1], data[value + 2], data[value + 4 : after])
        pos = after


_KEPT_OPTIONS = {5: 32, 6: 32, 7: 32, 11: 2}
"""Understood algorithms (RFC 6975), keepalive; and how many bytes they have at most."""


def network(message: Message, family: int, bits: int, address: bytes) -> bytes:
    """Replacement of a network's address of which the last zero bytes are left out (RFC 7871)."""
    whole = {1: 4, 2: 16}.get(family, 0)
    if len(address) > whole:
        return bytes(len(address))
    known = message.addresses.ipv4 if family == 1 else message.addresses.ipv6
    host = (1 << max(0, 8 * whole - bits)) - 1
    original = address.ljust(whole, b"\0")
    replaced = int.from_bytes(known[original])
    if int.from_bytes(original) & host == 0:
        replaced &= ~host
    return replaced.to_bytes(whole)[: len(address)]


_DATA: dict[int, Callable[[Message, int, int], None]] = {
    **dict.fromkeys((2, 3, 4, 5, 7, 8, 9, 12, 39), _name),
    **dict.fromkeys((15, 18, 21, 36), _after(2)),
    **dict.fromkeys((13, 16, 99), _strings),
    6: _soa,
    33: _server,
    41: _options,
    43: _numbers(4),
    46: _signature,
    47: _nsec,
    48: _numbers(4),
    50: _numbers(4),
    51: _numbers(4),
    52: _numbers(3),
    59: _numbers(4),
    60: _numbers(4),
    64: _service,
    65: _service,
    108: _hardware,
    257: _numbers(1),
}
"""What is kept of records' data by type, other than addresses; of other types nothing."""


def rewrite(payload: bytearray, context: PayloadContext) -> int:
    """Rewrite one message in a datagram."""
    message = Message(bytes(payload), replacements(context), context)
    with contextlib.suppress(CutError, IndexError):
        message.write()
    end = message.end
    payload[:] = message.out[:end].ljust(len(payload), b"\0")
    return end


def rewrite_stream(data: bytearray, holes: Sequence[Interval], context: PayloadContext) -> list[Interval]:
    """Rewrite the messages of a connection, each with its length before it."""
    size = holes[0].start if holes else len(data)
    original = bytes(data)
    data[:] = bytes(len(data))
    names = replacements(context)
    pos = 0
    while pos + 2 < size:
        end = pos + 2 + (original[pos] << 8 | original[pos + 1])
        message = Message(original[pos + 2 : min(end, size)], names, context)
        whole = False
        with contextlib.suppress(CutError, IndexError):
            message.write()
            whole = end <= size
        if not message.end:
            break
        data[pos : pos + 2] = original[pos : pos + 2]
        stop = pos + 2 + message.end
        data[pos + 2 : stop] = message.out[: message.end]
        if not whole:
            return [Interval(0, stop)]
        pos = end
    return [Interval(0, pos)] if pos else []
