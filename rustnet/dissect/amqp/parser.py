"""AMQP 0-9-1 (AMQP Working Group) and 1.0 (OASIS; no RFC): connections, exchanges and queues, never the messages.

One row per method or performative, except for acknowledgements and flow control. Message bodies are skipped and
counted. Of SASL (RFC 4422) the mechanism and the user are kept, not the password.
"""

from rustnet.dissect.amqp.types import METHODS, PERFORMATIVES, Reader, Value, performative
from rustnet.dissect.framework.conversation import MORE, NO, YES, Conversation, DissectError, Dissector
from rustnet.dissect.framework.lines import mechanism_name, read_raw_sasl
from rustnet.dissect.framework.reading import RowParser, text
from rustnet.dissect.framework.secrets import raw_parts
from rustnet.dissect.tls.parser import TLS
from rustnet.records import U16, U64, FreeText, Host, Identifier, ObjectName, Software, Term, User, Word, record

MAX_FRAME = 16 << 20
MAX_METHOD = 60_000
"""Maximum size of a frame that is read as a whole."""
_HEAD = 512
"""Bytes of a frame of 1.0 that carries a message which are read."""
_METHOD, _HEADER, _BODY, _HEARTBEAT, _END = 1, 2, 3, 8, 0xCE
_SILENT = frozenset({(60, 80), (60, 120), (60, 90), (20, 20), (20, 21)})
"""Acknowledgements and flow control."""
_CONTENT = frozenset({(60, 40), (60, 50), (60, 60), (60, 71)})
"""Methods that a message follows: publish, return, deliver, get-ok."""
_EXCHANGES = frozenset({(60, 40), (40, 10), (40, 20)})
"""Methods whose first argument, after two reserved bytes, is an exchange."""
_QUEUES = frozenset({(60, 20), (60, 70), (50, 10), (50, 11), (50, 20), (50, 30), (50, 40), (50, 50)})
"""Methods whose first argument is a queue, after two reserved bytes except in `queue.declare-ok`."""
_TRANSFER = 0x14
_ENDS = {0x16: 2, 0x17: 0, 0x18: 0}
"""Index of the error field in performatives that end something."""
_SILENT_PERFORMATIVES = frozenset({0x13, 0x15, 0x42})
_VERSIONS = {
    b"\0\0\x09\x01": "0-9-1", b"\x01\x01\0\x09": "0-9", b"\x01\x01\0\x0a": "0-10", b"\x01\x01\x08\0": "0-8",
    b"\0\x01\0\0": "1.0", b"\x03\x01\0\0": "1.0", b"\x02\x01\0\0": "1.0",
}  # fmt: skip
_TLS_HEADER = b"AMQP\x02\x01\0\0"
_MAX_PENDING_CONTENT = 64
_PORTS = (5672,)


@record("amqp")
class Amqp:
    """One AMQP method (0-9-1) or performative (1.0)."""

    method: Word | None = None
    """Name: `connection.start`, `basic.publish`; `open`, `attach`, `sasl-init`; `header` for a protocol header."""
    version: Word | None = None
    """Version of the connection: `0-9-1`, `1.0`; NULL if its beginning was not seen."""
    channel: U16 | None = None
    """Channel of the connection."""
    exchange: ObjectName | None = None
    """Exchange concerned."""
    routing_key: ObjectName | None = None
    """Routing key."""
    queue: ObjectName | None = None
    """Queue concerned; with 1.0 the address of a link."""
    virtual_host: Host | None = None
    """Virtual host requested; with 1.0 the host."""
    client_id: Identifier | None = None
    """With 1.0: identifier of the container that opens the connection."""
    auth_method: Term | None = None
    """SASL mechanism, or those offered."""
    username: User | None = None
    """User who logs in."""
    has_password: bool = False
    """A secret was sent."""
    program_name: Software | None = None
    """Product that a peer names itself."""
    program_version: Software | None = None
    """Version of that product."""
    reply_code: U16 | None = None
    """Code by which a connection or a channel is closed, or a message returned; with 1.0 the outcome of a login."""
    error: FreeText | None = None
    """Text of that code; with 1.0 the condition."""
    payload_bytes: U64 | None = None
    """Bytes of the message."""


class AmqpParser(RowParser):
    """One connection."""

    __slots__ = ("begun", "content", "is_1_0", "secure", "version")

    def __init__(self, talk: Conversation) -> None:
        super().__init__(talk)
        self.version: str | None = None
        self.is_1_0 = False
        """Frames are those of 1.0."""
        self.begun = [False, False]
        """By direction: bytes were read."""
        self.content: dict[tuple[bool, int], Amqp] = {}
        """By direction and channel: methods whose content header has not arrived."""
        self.secure = False
        """The client requested TLS."""

    def stream(self, data: bytes, from_src: bool) -> int:
        """Read headers and frames; bodies are skipped."""
        pos = 0
        size = len(data)
        current = self.talk.parser
        while size - pos >= 8 and self.talk.parser is current and not self.talk.finished:
            if self.secure and data.startswith(b"\x16\x03", pos):
                self.talk.hand_over(TLS)
                break
            if data.startswith(b"AMQP", pos):
                self._opening(data[pos : pos + 8])
                pos += 8
                continue
            if not self.begun[0] and not self.begun[1] and self.version is None:
                self.is_1_0 = data[pos + 4] == 2 and data[pos + 5] < 2
            self.begun[from_src] = True
            after = self._frame_1_0(data, pos) if self.is_1_0 else self._frame_0_9(data, pos, from_src)
            if after == pos:
                return pos
            pos = after
        return pos

    def gap(self, size: int, from_src: bool) -> None:
        """Store what is pending: the beginning of the next frame cannot be found."""
        self.close()
        self.talk.finish()

    def close(self) -> None:
        """Store the methods whose content did not follow."""
        while self.content:
            self.store_row(self.content.pop(next(iter(self.content))))

    def _opening(self, header: bytes) -> None:
        """Read a protocol header; it gets a row if no frame precedes it."""
        version = _VERSIONS.get(header[4:8])
        if version is None:
            raise DissectError("unknown version in a protocol header")
        self.is_1_0 = version == "1.0"
        if self.version is None:
            self.store_row(Amqp(method="header", version=version))
        self.version = version
        if header == _TLS_HEADER:
            self.secure = True

    # ---- 0-9-1 -------------------------------------------------------------------------------------------------------

    def _frame_0_9(self, data: bytes, pos: int, from_src: bool) -> int:
        """Read one frame of 0-9-1."""
        kind = data[pos]
        channel = data[pos + 1] << 8 | data[pos + 2]
        length = int.from_bytes(data[pos + 3 : pos + 7], "big")
        end = pos + 7 + length + 1
        if kind not in {_METHOD, _HEADER, _BODY, _HEARTBEAT} or length > MAX_FRAME:
            raise DissectError("expected a frame header")
        if kind == _BODY or length > MAX_METHOD:
            return end
        if end > len(data):
            return pos
        if data[end - 1] != _END:
            raise DissectError("expected a frame-end octet")
        if kind == _METHOD and length >= 4:
            self._method(data[pos + 7 : end - 1], channel, from_src)
        elif kind == _HEADER and length >= 12:
            row = self.content.pop((from_src, channel), None)
            if row is not None:
                row.payload_bytes = int.from_bytes(data[pos + 11 : pos + 19], "big")
                self.store_row(row)
        return end

    def _method(self, body: bytes, channel: int, from_src: bool) -> None:
        number = (body[0] << 8 | body[1], body[2] << 8 | body[3])
        name = METHODS.get(number)
        if name is None:
            raise DissectError("unknown method {method} of class {number}", number=number[0], method=number[1])
        if number in _SILENT:
            return
        row = Amqp(method=name, version=self.version, channel=channel)
        self._fields(row, number, Reader(body, 4))
        if number not in _CONTENT:
            self.store_row(row)
            return
        earlier = self.content.pop((from_src, channel), None)
        if earlier is None and len(self.content) >= _MAX_PENDING_CONTENT:
            earlier = self.content.pop(next(iter(self.content)))
        if earlier is not None:
            self.store_row(earlier)
        self.content[from_src, channel] = row

    def _fields(self, row: Amqp, number: tuple[int, int], arguments: Reader) -> None:
        """Read the method arguments that are kept."""
        if number in {(10, 10), (10, 11)}:
            self._start(row, number[1], arguments)
        elif number == (10, 40):
            row.virtual_host = arguments.short()
        elif number in {(10, 50), (20, 40), (60, 50)}:
            row.reply_code, row.error = arguments.number(2), arguments.short()
            if number == (60, 50):
                row.exchange, row.routing_key = arguments.short(), arguments.short()
        elif number in {(60, 60), (60, 71)}:
            if number == (60, 60):
                arguments.short()  # the consumer's tag
            arguments.number(9)
            row.exchange, row.routing_key = arguments.short(), arguments.short()
        elif number in _EXCHANGES:
            arguments.number(2)
            row.exchange = arguments.short()
            row.routing_key = arguments.short() if number == (60, 40) else None
        elif number in _QUEUES:
            self._queue(row, number, arguments)

    def _queue(self, row: Amqp, number: tuple[int, int], arguments: Reader) -> None:
        if number != (50, 11):
            arguments.number(2)
        row.queue = arguments.short()
        if number in {(50, 20), (50, 50)}:
            row.exchange, row.routing_key = arguments.short(), arguments.short()

    def _start(self, row: Amqp, method: int, arguments: Reader) -> None:
        """Read how a peer describes itself, and a login."""
        if method == 10:
            arguments.number(2)
        properties = arguments.texts()
        row.program_name = properties.get("product")
        row.program_version = properties.get("version")
        if method == 10:
            row.auth_method = text(arguments.counted(4))
            return
        row.auth_method = mechanism_name(arguments.short().encode("utf-8"), self.talk)
        row.username, row.has_password = self._user(row.auth_method, arguments.counted(4))

    # ---- 1.0 ---------------------------------------------------------------------------------------------------------

    def _frame_1_0(self, data: bytes, pos: int) -> int:
        """Read one frame of 1.0."""
        length = int.from_bytes(data[pos : pos + 4], "big")
        start = pos + 4 * data[pos + 4]
        if not 8 <= length <= MAX_FRAME or data[pos + 4] < 2 or start > pos + length or data[pos + 5] > 1:
            raise DissectError("expected a frame header")
        end = pos + length
        if min(end, start + (_HEAD if length > MAX_METHOD else MAX_METHOD)) > len(data):
            return pos
        if start < end:
            channel = data[pos + 6] << 8 | data[pos + 7] if data[pos + 5] == 0 else None
            self._performative(data[start:end], channel)
        return end

    def _performative(self, body: bytes, channel: int | None) -> None:
        code, fields = performative(body)
        name = PERFORMATIVES.get(code)
        if name is None or code in _SILENT_PERFORMATIVES:
            return
        row = Amqp(method=name, version="1.0", channel=channel)
        if code == _TRANSFER:
            row.payload_bytes = len(body)
        elif code >= 0x40:
            self._login(row, code, fields)
        elif code == 0x10:
            row.client_id, row.virtual_host = _text(fields, 0), _text(fields, 1)
        elif code == 0x12:
            row.queue = _address(fields, 6) or _address(fields, 5)
        elif code in _ENDS:
            at = _ENDS[code]
            row.error = _text(fields[at], 0) if len(fields) > at else None
        self.store_row(row)

    def _login(self, row: Amqp, code: int, fields: list[Value]) -> None:
        """Read a performative of SASL."""
        first = fields[0] if fields else None
        if code == 0x40:
            row.auth_method = text(first) if isinstance(first, bytes) else None
        elif code == 0x41:
            row.auth_method = mechanism_name((_text(fields, 0) or "").encode("utf-8"), self.talk)
            answer = fields[1] if len(fields) > 1 else None
            if isinstance(answer, bytes):
                row.username, row.has_password = self._user(row.auth_method, answer)
            row.virtual_host = _text(fields, 2)
        elif code == 0x43:
            row.has_password = True
            if isinstance(first, bytes):
                self.talk.keep_secret(*raw_parts(first))
        elif isinstance(first, int):
            row.reply_code = first & 0xFFFF

    def _user(self, mechanism: str, answer: bytes) -> tuple[str | None, bool]:
        """User in an initial SASL response, and whether it contains a secret; AMQPLAIN is a field table of 0-9-1."""
        if mechanism == "AMQPLAIN":
            table = Reader(len(answer).to_bytes(4, "big") + answer, 0).texts()
            self.talk.keep_secret(table.get("PASSWORD", "").encode("utf-8"))
            return table.get("LOGIN"), "PASSWORD" in table
        if mechanism in {"ANONYMOUS", "EXTERNAL"}:
            return text(answer) or None, False
        return read_raw_sasl(self.talk, mechanism, answer, 1)


def _text(fields: Value, at: int) -> str | None:
    """Text in a list's field."""
    field = fields[at] if isinstance(fields, list) and at < len(fields) else None
    return text(field) if isinstance(field, bytes) else None


def _address(fields: list[Value], at: int) -> str | None:
    """Address of a link's end."""
    return _text(fields[at], 0) if at < len(fields) else None


def _probe_amqp(data: bytes, talk: Conversation, from_src: bool) -> int:
    """Recognise the header that names the version; on the port also frames of an earlier connection."""
    if data[:1] == b"A" or not data:
        if len(data) < 8:
            return MORE if b"AMQP".startswith(data[:4]) else NO
        return YES if data.startswith(b"AMQP") and data[4:8] in _VERSIONS else NO
    if not talk.has_port(*_PORTS):
        return NO
    if data[0] in {_HEADER, _BODY, _HEARTBEAT}:
        end = 7 + int.from_bytes(data[3:7], "big")
        return YES if len(data) >= 8 and data[end : end + 1] == bytes([_END]) else NO
    if data[0] != _METHOD:
        return NO
    if len(data) < 11:
        return MORE
    length = int.from_bytes(data[3:7], "big")
    known = (data[7] << 8 | data[8], data[9] << 8 | data[10]) in METHODS
    if not known or not 4 <= length <= MAX_METHOD:
        return NO
    if len(data) < 8 + length:
        return MORE if len(data) < 2048 else YES
    return YES if data[7 + length] == _END else NO


AMQP = Dissector(
    "amqp", "Advanced Message Queuing Protocol 0-9-1, 1.0 (OASIS)", ("tcp",), _PORTS, (Amqp,), _probe_amqp, AmqpParser,
    first=b"A",
)  # fmt: skip
