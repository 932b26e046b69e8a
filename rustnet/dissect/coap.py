"""CoAP over UDP (RFC 7252, 7641, 7959): requests to constrained devices.

One row per message: method or response code, path, and response time. Payloads are not kept.
"""

from rustnet.dissect.framework.conversation import NO, YES, Conversation, DissectError, Dissector, Parser, Shape
from rustnet.dissect.framework.pairs import elapsed
from rustnet.records import U16, U32, Host, Identifier, Uri, Word, record

MAX_ROWS = 1_000
MAX_OUTSTANDING = 64
MAX_TEXT = 512
_PORTS = (5683, 5684)
_TYPES = ("confirmable", "non-confirmable", "acknowledgement", "reset")
_CODES = {
    0x00: "Empty", 0x01: "GET", 0x02: "POST", 0x03: "PUT", 0x04: "DELETE", 0x05: "FETCH", 0x06: "PATCH", 0x07: "iPATCH",
    0x41: "2.01 Created", 0x42: "2.02 Deleted", 0x43: "2.03 Valid", 0x44: "2.04 Changed", 0x45: "2.05 Content",
    0x5F: "2.31 Continue", 0x80: "4.00 Bad Request", 0x81: "4.01 Unauthorized", 0x82: "4.02 Bad Option",
    0x83: "4.03 Forbidden", 0x84: "4.04 Not Found", 0x85: "4.05 Method Not Allowed", 0x86: "4.06 Not Acceptable",
    0x88: "4.08 Request Entity Incomplete", 0x89: "4.09 Conflict", 0x8C: "4.12 Precondition Failed",
    0x8D: "4.13 Request Entity Too Large", 0x8F: "4.15 Unsupported Content-Format", 0x96: "4.22 Unprocessable Entity",
    0x9D: "4.29 Too Many Requests", 0xA0: "5.00 Internal Server Error", 0xA1: "5.01 Not Implemented",
    0xA2: "5.02 Bad Gateway", 0xA3: "5.03 Service Unavailable", 0xA4: "5.04 Gateway Timeout",
    0xA5: "5.05 Proxying Not Supported",
}  # fmt: skip
_URI_HOST, _OBSERVE, _URI_PORT, _URI_PATH, _CONTENT, _URI_QUERY, _PROXY_URI = 3, 6, 7, 11, 12, 15, 35
_OPTIONS = frozenset(
    {1, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 14, 15, 16, 17, 19, 20, 21, 23, 27, 28, 31, 35, 39, 60, 252, 258, 292}
)


@record("coap")
class Coap:
    """One CoAP message."""

    method: Word | None = None
    """`GET`, `POST` …; NULL in responses."""
    code: Word | None = None
    """Response code, `2.05 Content` style; `Empty` for pings, resets and separate acknowledgements."""
    message_class: Word | None = None
    """`confirmable`, `non-confirmable`, `acknowledgement` or `reset`."""
    message_id: U32 = 0
    """Message id."""
    token: Identifier | None = None
    """Token that ties responses to their request, hexadecimal."""
    from_src: bool = True
    """Sent by the flow's `src`."""
    host: Host | None = None
    """Uri-Host."""
    uri: Uri | None = None
    """Path and query requested, or the URI for a proxy."""
    content_format: U16 | None = None
    """Content-Format (0 text, 50 JSON, 60 CBOR …)."""
    observe: U32 | None = None
    """Observe: 0 registers and 1 deregisters in a request, a sequence number in a notification."""
    body_bytes: U32 = 0
    """Size of the payload."""
    response_ms: float | None = None
    """From the request to this answer, in milliseconds."""


class _Options:
    """The options of a message."""

    __slots__ = ("content", "host", "known", "observe", "path", "proxy", "query")

    def __init__(self) -> None:
        self.path: list[str] = []
        self.query: list[str] = []
        self.host: str | None = None
        self.proxy: str | None = None
        self.content: int | None = None
        self.observe: int | None = None
        self.known = True
        """All of them are registered options."""

    def take(self, number: int, value: bytes) -> None:
        """Read one option."""
        if number == _URI_PATH:
            self.path.append(_text(value))
        elif number == _URI_QUERY:
            self.query.append(_text(value))
        elif number == _URI_HOST:
            self.host = _text(value)
        elif number == _PROXY_URI:
            self.proxy = _text(value)
        elif number == _CONTENT:
            self.content = int.from_bytes(value[:2], "big")
        elif number == _OBSERVE:
            self.observe = int.from_bytes(value[:3], "big")
        elif number not in _OPTIONS and number < 2048:
            self.known = False

    @property
    def readable(self) -> bool:
        """Whether there is a path in plain ASCII."""
        return bool(self.path) and all(p and p.isascii() and p.isprintable() for p in self.path)

    @property
    def uri(self) -> str | None:
        """Path and query together; None if the message has neither."""
        if self.proxy is not None:
            return self.proxy
        if not self.path and not self.query:
            return None
        text = "/" + "/".join(self.path)
        return (text + "?" + "&".join(self.query) if self.query else text)[:MAX_TEXT]


def _text(value: bytes) -> str:
    return value[:MAX_TEXT].decode("utf-8", "backslashreplace")


def _options(data: bytes, pos: int) -> tuple[_Options, int]:
    """Options from ``pos`` on, and the offset of the payload (the end of the message if there is none)."""
    options = _Options()
    number = 0
    size = len(data)
    for _ in range(64):
        if pos >= size:
            return options, size
        first = data[pos]
        pos += 1
        if first == 0xFF:
            if pos == size:
                raise DissectError("payload marker without a payload")
            return options, pos
        delta, pos = _extended(data, first >> 4, pos)
        length, pos = _extended(data, first & 15, pos)
        number += delta
        if pos + length > size:
            raise DissectError("option exceeds its message")
        options.take(number, data[pos : pos + length])
        pos += length
    raise DissectError("more than 64 options in a message")


def _extended(data: bytes, nibble: int, pos: int) -> tuple[int, int]:
    """Read an option's delta or length, and return it with the position after it."""
    if nibble < 13:
        return nibble, pos
    after = pos + nibble - 12
    if nibble == 15 or after > len(data):
        raise DissectError("malformed option header")
    return int.from_bytes(data[pos:after], "big") + (13 if nibble == 13 else 269), after


class CoapParser(Parser):
    """Messages of one flow, and its pending requests."""

    __slots__ = ("asked", "rows")

    def __init__(self, talk: Conversation) -> None:
        super().__init__(talk)
        self.asked: dict[bytes, tuple[int, str | None]] = {}
        self.rows = 0

    def datagram(self, data: bytes, from_src: bool) -> None:
        """Read one message."""
        if len(data) < 4 or data[0] >> 6 != 1 or data[0] & 15 > 8 or len(data) < 4 + (data[0] & 15):
            raise DissectError("expected a CoAP header")
        talk = self.talk
        code = data[1]
        begin = 4 + (data[0] & 15)
        token = data[4:begin]
        options, body = _options(data, begin)
        row = Coap(
            message_class=_TYPES[data[0] >> 4 & 3],
            message_id=data[2] << 8 | data[3],
            token=token.hex(),
            from_src=from_src,
            host=options.host,
            uri=options.uri,
            content_format=options.content,
            observe=options.observe,
            body_bytes=len(data) - body,
        )
        if 1 <= code <= 31:
            row.method = _CODES.get(code) or f"0.{code:02d}"
            if len(self.asked) >= MAX_OUTSTANDING:
                del self.asked[next(iter(self.asked))]
            self.asked[token] = (talk.ts, row.uri)
        else:
            row.code = _CODES.get(code) or f"{code >> 5}.{code & 31:02d}"
            self._match(row, token, code)
        if options.host and row.method:
            talk.name_host(options.host.lower(), "coap")
        talk.emit(row)
        self.rows += 1
        if self.rows >= MAX_ROWS:
            talk.finish()

    def _match(self, row: Coap, token: bytes, code: int) -> None:
        """Find the request that a response is for; notifications go on answering the same one."""
        known = self.asked.get(token) if code else None
        if known is None:
            return
        since, row.uri = known
        if since:
            row.response_ms = elapsed(since, self.talk.ts)
            self.asked[token] = (0, row.uri)


def _probe_coap(data: bytes, talk: Conversation, from_src: bool) -> int:
    """Recognise header and options; on other ports only a request for a readable path, or a response in its form."""
    size = len(data)
    if size < 4 or data[0] >> 6 != 1:
        return NO
    code = data[1]
    tokens = data[0] & 15
    if code not in _CODES or tokens > 8 or size < 4 + tokens:
        return NO
    on_port = talk.has_port(*_PORTS)
    if not code:
        return YES if on_port and size == 4 else NO
    if data[0] & 0x20 and code < 0x20:
        return NO  # neither acknowledgements nor resets carry requests
    try:
        options = _options(data, 4 + tokens)[0]
    except DissectError:
        return NO
    readable = code < 0x20 and size >= 10 and options.readable
    return YES if options.known and (on_port or readable) else NO


COAP = Dissector(
    "coap", "Constrained Application Protocol (RFC 7252)", ("udp",), _PORTS, (Coap,), _probe_coap, CoapParser,
    first=bytes(range(0x40, 0x80)), shapes={"udp": Shape(4, {1: bytes(_CODES)})},
)  # fmt: skip
