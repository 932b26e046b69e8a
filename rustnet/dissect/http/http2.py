"""HTTP/2 in clear text (RFC 9113), by its preface or after an upgrade of HTTP/1.1, and gRPC on it.

One row per stream: the request, and the response that has its number. A row is stored when both ends have ended the
stream, when one resets it, or with the flow. Interim responses have rows of their own. Contents of DATA frames are
counted, never kept; of credentials and cookies only the presence is recorded. Of a connection whose beginning is not
in the capture, fields that refer to it are unknown: they are missing, never guessed.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from rustnet.dissect.framework.conversation import (
    MORE,
    NO,
    YES,
    Conversation,
    DissectError,
    Dissector,
    Parser,
    Shape,
)
from rustnet.dissect.framework.pairs import Entry, elapsed
from rustnet.dissect.framework.secrets import authorization_parts
from rustnet.dissect.http import frames
from rustnet.dissect.http.fields import hostname
from rustnet.dissect.http.record import Http
from rustnet.dissect.http.streams import (
    MAX_HOST,
    UNKNOWN,
    VERSION,
    Block,
    Stream,
    bounded_fields,
    request_row,
    set_grpc,
    set_response,
    unknown_fields,
)

if TYPE_CHECKING:
    from rustnet.dissect.http.header_blocks import HeaderBlocks

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
MAX_STREAMS = 512
"""Streams of one connection whose rows are not complete; the oldest one is stored if there are more."""
MAX_TEXT = 1 << 18
"""Bytes of their texts; beyond these the oldest one is stored, too."""
MAX_BLOCK = 60_000
"""Most bytes of a header block."""
MAX_LOST = 1 << 20
"""Bytes of a direction after a loss in which no frame is recognised, until it is no longer read."""
MAX_REPORTS = 8
"""Anomalies of one connection."""

NOTHING, REQUEST, RESPONSE, TRAILERS = range(4)
"""What a header block is."""
_START, _FRAMES, _LOST, _IGNORED = range(4)
"""State of a direction: at its beginning, in frames, after a loss, or no longer read."""


def load_header_blocks() -> "type[HeaderBlocks]":
    """Load the library that decompresses header blocks: few captures have HTTP/2 in the clear."""
    from rustnet.dissect.http.header_blocks import HeaderBlocks  # noqa: PLC0415

    return HeaderBlocks


def _blocks(whole: bool) -> "HeaderBlocks":
    return load_header_blocks()(whole)


class Http2Parser(Parser):
    """Both directions of one connection."""

    __slots__ = (
        "block",
        "blocks",
        "client",
        "handled",
        "limit",
        "lost",
        "newest",
        "readers",
        "reports",
        "size",
        "state",
        "streams",
        "switched",
        "text",
    )

    def __init__(self, talk: Conversation) -> None:
        self.talk = talk
        self.client = -1
        """Direction of the requests, once it is known."""
        self.state = [_START, _START]
        self.blocks: list[HeaderBlocks | None] = [None, None]
        self.block: list[Block | None] = [None, None]
        """By direction: the header block that is not complete."""
        self.limit = [frames.DEFAULT_SIZE, frames.DEFAULT_SIZE]
        """By direction: most bytes of its frames."""
        self.streams: dict[int, Stream] = {}
        self.size = self.text = 0
        """Bytes of their texts, and of those of the header block being read."""
        self.handled = frames.LAST_STREAM
        """Highest number of a request that the server may have handled."""
        self.newest = 0
        """Highest number of a stream."""
        self.lost = [0, 0]
        """By direction: bytes since a loss in which no frame was recognised."""
        self.switched: tuple[Http, int, int] | None = None
        """The response with status 101 of an upgrade, until the one that follows on stream 1 is there."""
        self.reports = 0
        self.readers: dict[int, Callable[[int, int, bytes, int], None]] = {
            frames.HEADERS: self._headers,
            frames.RST_STREAM: self._reset,
            frames.SETTINGS: self._settings,
            frames.PUSH_PROMISE: self._promise,
            frames.GOAWAY: self._goaway,
            frames.CONTINUATION: self._continuation,
        }

    def upgraded(self, entry: Entry, client: int) -> None:
        """Take over a connection of HTTP/1.1 with the request that was answered by 101: it is stream 1."""
        row, ts, packet = entry
        talk = self.talk
        self.client = client
        self.limit = [frames.LARGEST, frames.LARGEST]  # the request's HTTP2-Settings may allow it
        row.stream_id = self.newest = 1
        stream = self.streams[1] = Stream(row, ts, packet)
        stream.asked = stream.ended[client] = True
        interim = Http(version=row.version, status=row.status, reason=row.reason, server=row.server, stream_id=1)
        interim.upgrade = row.upgrade
        self.switched = (interim, talk.ts, talk.packet)

    # ---- frames ------------------------------------------------------------------------------------------------------

    def stream(self, data: bytes, from_src: bool) -> int:
        """Read frames and skip the contents of those that carry data; may skip beyond ``data``."""
        side = 1 if from_src else 0
        pos = 0
        size = len(data)
        if self.state[side] == _START:
            pos = self._start(data, side)
            if pos < 0:
                return 0
        while size - pos >= frames.HEAD:
            if self.state[side] == _IGNORED:
                return size
            if self.state[side] == _LOST:
                begin, known = frames.search(data, pos, self.newest)
                self._leave(begin - pos, side)
                if not known:
                    return begin
                self.state[side] = _FRAMES
                pos = begin
            after = self._frame(data, pos, side)
            if after == pos:
                return pos
            pos = after
        return pos

    def gap(self, size: int, from_src: bool) -> None:
        """Search for the next frame, and forget what lost header blocks may have changed."""
        self._lose(1 if from_src else 0)

    def close(self) -> None:
        """Store the streams that are not complete."""
        for number in list(self.streams):
            self._store(number)

    def _start(self, data: bytes, side: int) -> int:
        """Read the preface; return what follows it, -1 while it is not complete.

        A server begins with SETTINGS. Header blocks of a direction that begins otherwise are not all there.
        """
        begin = data[: len(PREFACE)]
        if PREFACE.startswith(begin) and begin != PREFACE:
            return -1
        if begin == PREFACE:
            self.client = side
            self.state[side] = _FRAMES
            self.blocks[side] = _blocks(True)
            return len(PREFACE)
        if len(data) < frames.HEAD:
            return -1
        self.state[side] = _FRAMES
        _, kind, flags, number = frames.header(data, 0)
        whole = kind == frames.SETTINGS and not flags and not number
        self.blocks[side] = _blocks(whole)
        if not whole:
            self.limit = [frames.LARGEST, frames.LARGEST]
            if frames.chain(data, 0, self.newest) == NO:
                self.state[side] = _LOST
        return 0

    def _frame(self, data: bytes, pos: int, side: int) -> int:
        """Read one frame; return the position after it, or ``pos`` if more of it is needed."""
        length, kind, flags, number = frames.header(data, pos)
        number &= 0x7FFFFFFF
        wrong = frames.fault(length, kind, flags, number, self.limit[side])
        waiting = self.block[side]
        if not wrong and waiting is not None and (kind != frames.CONTINUATION or number != waiting.stream):
            wrong = "a header block is not continued"
        if wrong:
            self._report(wrong)
            self._lose(side)
            return pos + 1
        begin, after = pos + frames.HEAD, pos + frames.HEAD + length
        if kind == frames.DATA:
            if flags & frames.PADDED and begin == len(data):
                return pos
            padding = min(length, 1 + data[begin]) if flags & frames.PADDED and length else 0
            self._data(number, length - padding, bool(flags & frames.END_STREAM), side)
            return after
        reader = self.readers.get(kind)
        if reader is None:
            return after
        if length > MAX_BLOCK:
            self._report("a header block is too large to be read")
            self._forget(side)
        elif after > len(data):
            return pos
        else:
            reader(number, flags, data[begin:after], side)
        return after

    def _lose(self, side: int) -> None:
        """Take into account that bytes are missing, or cannot be read."""
        if self.state[side] != _IGNORED:
            self.state[side] = _LOST
        self.lost[side] = 0
        self.limit = [frames.LARGEST, frames.LARGEST]
        self._forget(side)

    def _forget(self, side: int) -> None:
        """Take into account that a header block is missing."""
        self.block[side] = None
        blocks = self.blocks[side]
        if blocks is None:
            self.blocks[side] = _blocks(False)
        else:
            blocks.forget()

    def _leave(self, size: int, side: int) -> None:
        """Count bytes in which no frame begins."""
        self.lost[side] += size
        if self.lost[side] > MAX_LOST:
            self.state[side] = _IGNORED

    def _report(self, detail: str) -> None:
        """Report an anomaly, at most a few per connection."""
        if self.reports < MAX_REPORTS:
            self.reports += 1
            self.talk.anomaly("malformed_http2", detail)

    # ---- types of frames ---------------------------------------------------------------------------------------------

    def _data(self, number: int, size: int, end: bool, side: int) -> None:
        """Count the bytes of a body."""
        stream = self.streams.get(number)
        if stream is None:
            return
        if side == self.client:
            stream.row.request_bytes += size
        else:
            stream.row.response_bytes += size
        if end:
            self._end(number, stream, side)

    def _headers(self, number: int, flags: int, payload: bytes, side: int) -> None:
        """Read the beginning of a header block."""
        block = frames.unpadded(payload, flags)
        skip = 5 if flags & frames.PRIORITIZED else 0
        if block is None or len(block) < skip:
            self._report("a frame's padding is longer than the frame")
            self._forget(side)
            return
        self._begin(Block(block[skip:], number, bool(flags & frames.END_STREAM), 0), flags, side)

    def _promise(self, number: int, flags: int, payload: bytes, side: int) -> None:
        """Read the request that a server answers before it is asked."""
        block = frames.unpadded(payload, flags)
        if block is None or len(block) < 4:
            self._report("a frame's padding is longer than the frame")
            self._forget(side)
            return
        promised = int.from_bytes(block[:4], "big") & 0x7FFFFFFF
        self._begin(Block(block[4:], number, False, promised), flags, side)

    def _begin(self, block: Block, flags: int, side: int) -> None:
        if flags & frames.END_HEADERS:
            self._complete(block, side)
        else:
            self.block[side] = block

    def _continuation(self, number: int, flags: int, payload: bytes, side: int) -> None:
        """Read the next part of a header block."""
        block = self.block[side]
        if block is None:  # its beginning is missing, or was too large
            return
        block.data += payload
        if len(block.data) > MAX_BLOCK:
            self._report("a header block is too large to be read")
            self._forget(side)
        elif flags & frames.END_HEADERS:
            self.block[side] = None
            self._complete(block, side)

    def _settings(self, number: int, flags: int, payload: bytes, side: int) -> None:
        """Note how large the other side's frames may be."""
        for setting, value in frames.settings(payload):
            if setting == frames.MAX_FRAME_SIZE:
                self.limit[1 - side] = max(self.limit[1 - side], min(value, frames.LARGEST))

    def _reset(self, number: int, flags: int, payload: bytes, side: int) -> None:
        """Store the row of a stream that one end gives up."""
        stream = self.streams.get(number)
        if stream is not None:
            stream.row.reset_code = frames.error_code(int.from_bytes(payload[:4], "big"))
            self._store(number)

    def _goaway(self, number: int, flags: int, payload: bytes, side: int) -> None:
        """Note which requests a server will not handle."""
        if side != self.client:
            self.handled = min(self.handled, int.from_bytes(payload[:4], "big") & 0x7FFFFFFF)

    # ---- messages ----------------------------------------------------------------------------------------------------

    def _complete(self, block: Block, side: int) -> None:
        """Read the fields of a header block."""
        fields = self._fields(block.data, side)
        if fields is None:
            if block.end:
                self._end(block.stream, self.streams.get(block.stream), side)
            return
        number = block.promised or block.stream
        self.newest = max(self.newest, number)
        stream = self.streams.get(number)
        if block.promised:
            if stream is None and side != self.client:
                self._request(number, fields, 1 - side).row.pushed = True
            return
        message = self._message(stream, fields, side)
        if message == REQUEST:
            stream = self._request(number, fields, side)
        elif message == RESPONSE:
            stream = self._response(number, stream, fields, side)
        elif message == TRAILERS and stream is not None:
            self._grow(stream, self.text)
            set_grpc(stream.row, fields)
        if block.end:
            self._end(number, stream, side)

    def _fields(self, data: bytes, side: int) -> dict[bytes, bytes] | None:
        """Decompress a header block; None if that fails."""
        blocks = self.blocks[side]
        if blocks is None:
            blocks = self.blocks[side] = _blocks(False)
        try:
            fields, self.text, cut = bounded_fields(blocks.decode(data), len(data))
        except DissectError as error:
            self._report(str(error))
            return None
        if cut:
            self.talk.anomaly("row_cut", "http: header fields expand to more than a row may have, so cut")
        return fields

    def _message(self, stream: Stream | None, fields: dict[bytes, bytes], side: int) -> int:
        """What a header block of a direction is; `NOTHING` if it is of no use."""
        if b":method" in fields or (side == self.client and stream is None and UNKNOWN in fields):
            return REQUEST if stream is None and self.client in {-1, side} else NOTHING
        if side == self.client:
            return NOTHING
        if b":status" in fields:
            return RESPONSE
        if stream is not None and stream.answered:
            return TRAILERS
        return RESPONSE if UNKNOWN in fields and self.client >= 0 else NOTHING

    def _request(self, number: int, fields: dict[bytes, bytes], side: int) -> Stream:
        """Add the stream of a request."""
        self.client = side
        row = request_row(number, fields)
        for name in (b"authorization", b"proxy-authorization"):
            if name in fields:
                self.talk.keep_secret(*authorization_parts(fields[name]))
        if row.host and len(row.host) <= MAX_HOST:
            self.talk.name_host(hostname(row.host), "http")
        return self._add(number, row, self.text)

    def _add(self, number: int, row: Http, size: int) -> Stream:
        """Add a stream; the oldest ones are stored if there are too many, or with too much text."""
        while self.streams and (len(self.streams) >= MAX_STREAMS or self.size + size > MAX_TEXT):
            self._store(next(iter(self.streams)))
        stream = self.streams[number] = Stream(row, self.talk.ts, self.talk.packet)
        self._grow(stream, size)
        stream.asked = True
        if number % 2 == 0:
            stream.ended[self.client] = True
        return stream

    def _response(self, number: int, stream: Stream | None, fields: dict[bytes, bytes], side: int) -> Stream | None:
        """Read the head of a response, of an interim one into a row of its own."""
        talk = self.talk
        self.client = 1 - side
        code = fields.get(b":status", b"")
        status = int(code) if len(code) == 3 and code.isdigit() else None
        if status is not None and status < 200:
            interim = Http(version=VERSION, status=status, stream_id=number)
            interim.response_oddities = unknown_fields(fields)
            talk.emit(interim)
            return stream
        if stream is None:
            stream = self._add(number, Http(version=VERSION, stream_id=number), 0)
            stream.asked = False
            stream.ended[self.client] = True
        self._grow(stream, self.text)
        row = stream.row
        if stream.asked and not stream.answered:
            row.response_ms = elapsed(stream.ts, talk.ts)
        stream.answered = True
        if number == 1 and self.switched is not None:
            talk.emit(*self.switched)
            self.switched = None
            row.reason = None
        set_response(row, status, fields)
        return stream

    def _grow(self, stream: Stream, size: int) -> None:
        stream.size += size
        self.size += size

    def _end(self, number: int, stream: Stream | None, side: int) -> None:
        """End one direction of a stream; its row is complete when both have ended."""
        if stream is not None:
            stream.ended[side] = True
            if all(stream.ended):
                self._store(number)

    def _store(self, number: int) -> None:
        stream = self.streams.pop(number)
        self.size -= stream.size
        if number > self.handled and number % 2 and not stream.answered and stream.row.reset_code is None:
            stream.row.reset_code = "GOAWAY"
        self.talk.emit(stream.row, stream.ts, stream.packet)


def probe(data: bytes, talk: Conversation, from_src: bool) -> int:
    """Recognise the connection preface, which is the same for every client, or frames with a head of a message."""
    if data.startswith(PREFACE):
        return YES
    if not data or data[0]:
        return MORE if data and PREFACE.startswith(data) else NO
    return _shows_frames(data)


def _shows_frames(data: bytes) -> int:
    """Whether data begins with frames of which one has a method or a status, or is a server's first settings."""
    pos = 0
    while len(data) - pos >= frames.HEAD:
        length = frames.certain(data, pos, 0)
        if length < 0:
            return NO
        _, kind, flags, _ = frames.header(data, pos)
        payload = data[pos + frames.HEAD : pos + frames.HEAD + length]
        pos += frames.HEAD + length
        if pos > len(data):
            break
        if kind == frames.SETTINGS and payload:
            known = all(setting in frames.KNOWN_SETTINGS for setting, _ in frames.settings(payload))
            return YES if known else NO
        if kind == frames.HEADERS and flags & frames.END_HEADERS:
            return YES if _has_head(frames.unpadded(payload, flags), flags) else NO
    return MORE


def _has_head(block: bytes | None, flags: int) -> bool:
    """Whether a header block has a method or a status."""
    if not block:
        return False
    try:
        fields = _blocks(False).decode(block[5:] if flags & frames.PRIORITIZED else block)
    except DissectError:
        return False
    return any(name in {b":method", b":status"} for name, _ in fields)


HTTP2 = Dissector(
    "http2", "HTTP/2 in clear text, and gRPC (RFC 9113)", ("tcp",), (), (Http,), probe, Http2Parser, first=b"P\0",
    shapes={"tcp": Shape(at={1: b"R" + bytes(range(0x41)), 3: b" " + bytes(range(10))})},
)  # fmt: skip
