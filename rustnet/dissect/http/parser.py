"""HTTP/1.0 and HTTP/1.1 (RFC 9110, 9112), and the preface of HTTP/2 in clear text (RFC 9113).

One row per transaction. The first head of a direction decides whether it carries requests or responses, not who opened
the connection. A row is stored when its response's head is complete and the body's length is known; if the body is
chunked or lasts until the connection closes, at its end, at a gap, or when the flow ends. An interim response (1xx)
gets a row of its own before that of its transaction. Bodies are skipped and counted, never kept. Of credentials and
cookies only the presence is recorded.
"""

import re

import cython

from rustnet.dissect.framework.conversation import MORE, NO, YES, Conversation, DissectError, Dissector, Parser, Shape
from rustnet.dissect.framework.pairs import Entry, Pairs, elapsed
from rustnet.dissect.framework.secrets import authorization_parts
from rustnet.records import U16, U64, FreeText, Host, Mixed, Software, Term, Uri, Word, record

if not cython.compiled:  # compiled, these come from the .pxd as C functions and numbers
    from rustnet.dissect.framework.pairs import NO_SIZE
    from rustnet.dissect.http.fields import (
        MAX_VALUE,
        REQUEST_SEEN,
        REQUEST_TEXTS,
        REQUEST_WANTED,
        RESPONSE_SEEN,
        RESPONSE_TEXTS,
        RESPONSE_WANTED,
        body_length,
        head_end,
        header_text,
        read_fields,
    )

MAX_HEAD = 65_536
"""Maximum size of a head."""
MAX_URI = 8192
"""Maximum size of a start line that is searched for after a loss."""

_HEAD, _CHUNK, _UNTIL_CLOSE, _TRAILER, _LOST, _PAUSED, _PEEK = range(7)
"""State of a direction: in a head, chunks, a body without length, the trailer, after a loss, paused by CONNECT, or
after the head of a response to an unknown request, which has no body if that was HEAD."""

_REQUEST = re.compile(
    rb"([A-Z!#$%&'*+.^_`|~0-9-]{1,32}) ([^\x00-\x20\x7f][^\x00-\x1f\x7f]*) (HTTP/1\.[0-9])[ \t]*\r?\n"
)
_RESPONSE = re.compile(rb"(HTTP/1\.[0-9]) ([1-9][0-9]{2})(?: ([^\r\n]*))?\r?\n")
_OPENING = re.compile(
    rb"HTTP/(?:1(?:\.[^\x00-\x1f\x7f]*\r?)?)?|[A-Z][A-Z!#$%&'*+.^_`|~0-9-]{0,31}(?: [^\x00-\x1f\x7f]*\r?)?"
).fullmatch
_LONG = re.compile(rb"(?:GET|HEAD|POST|PUT|DELETE|OPTIONS|PATCH|PROPFIND|REPORT) (?:/|https?://)").match
_RESTART = re.compile(
    rb"(?:\A|\n)(?=[A-Z-]{3,20} [^\x00-\x20\x7f]{1,8000} HTTP/1\.[01]\r?\n|HTTP/1\.[01] [1-5][0-9]{2}[ \r\n])"
)
_SIZE = re.compile(rb"[ \t]*([0-9A-Fa-f]{1,15})[ \t]*(?:;[^\n]*)?\r?\n")
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_VERSION = b"HTTP/1."
_TARGET = re.compile(rb"(?i:[a-z][a-z0-9+.-]*)://([^/?#]*)").match


@record("http")
class Http:
    """One HTTP transaction: a request, its response, or both."""

    method: Term | None = None
    """Request method; NULL if the request was not seen."""
    host: Host | None = None
    """Host header, or the authority of an absolute or CONNECT target."""
    uri: Uri | None = None
    """Target, as on the request line."""
    version: Word | None = None
    """`HTTP/1.1` style: of the request, else of the response."""
    user_agent: Software | None = None
    """User-Agent header."""
    referer: Uri | None = None
    """Referer header."""
    status: U16 | None = None
    """Status code; NULL without a response. An interim one (100, 103) is a row of its own without a request."""
    reason: FreeText | None = None
    """Reason phrase."""
    content_type: Term | None = None
    """Content-Type of the response."""
    request_content_type: Term | None = None
    """Content-Type of the request."""
    server: Software | None = None
    """Server header."""
    location: Uri | None = None
    """Location header: target of a redirection."""
    request_bytes: U64 = 0
    """Body bytes of the request: its Content-Length, or counted if chunked."""
    response_bytes: U64 = 0
    """Body bytes of the response: its Content-Length, or counted if chunked or until the close."""
    response_ms: float | None = None
    """From the request's head to the response's, in milliseconds; NULL if their packets have times in another order."""
    has_authorization: bool = False
    """Credentials were sent (Authorization or Proxy-Authorization); their value is not kept."""
    has_cookie: bool = False
    """Cookies were sent."""
    has_set_cookie: bool = False
    """Cookies were set."""
    forwarded_for: Mixed | None = None
    """X-Forwarded-For header."""
    upgrade: Term | None = None
    """Protocol offered in Upgrade; the chosen one if the server switched (101)."""
    proxy: bool = False
    """The request was meant for a proxy: CONNECT, or an absolute target."""
    pair_unknown: bool = False
    """Bytes of the flow are missing, so that this request and its response cannot be assigned to each other."""


def _fill(row: Http, fields: dict[bytes, bytes], texts: dict[bytes, str], seen: dict[bytes, str]) -> None:
    """Set a row's fields from the header fields that are kept, and from those whose presence is recorded."""
    for key, value in fields.items():
        if key in texts:
            setattr(row, texts[key], header_text(value))
        elif key in seen:
            setattr(row, seen[key], True)


class HttpParser(Parser):
    """Both directions of one connection, and its pending requests."""

    __slots__ = (
        "anomalies",
        "client",
        "cut_off",
        "handed_over",
        "head_seen",
        "open",
        "pairs",
        "peeked",
        "searched",
        "state",
    )

    def __init__(self, talk: Conversation) -> None:
        self.talk = talk
        self.pairs = Pairs()
        self.client = -1
        """Direction of the requests, once a head shows it."""
        self.open: list[Entry | None] = [None, None]
        """By direction: the message whose body is being skipped."""
        self.state = [_HEAD, _HEAD]
        self.searched = [0, 0]
        """Bytes of the pending head in which its end was already looked for."""
        self.head_seen = [False, False]
        """By direction: a head was read."""
        self.handed_over = False
        """Another protocol has taken over the connection."""
        self.cut_off = 0
        """Bytes of an incomplete head ahead of a loss, negative if they were read as a message."""
        self.peeked = 0
        """Length of the body that a response to an unknown request has unless that was HEAD, as of `body_length`."""
        self.anomalies = 0

    def stream(self, data: bytes, from_src: bool) -> int:
        """Read heads and skip bodies; may skip beyond ``data``."""
        side = 1 if from_src else 0
        pos = 0
        size = len(data)
        while pos < size and not self.handed_over:
            state = self.state[side]
            if state == _HEAD:
                after = self._head(data, pos, side)
            elif state == _CHUNK:
                after = self._chunk(data, pos, side)
            elif state == _UNTIL_CLOSE:
                self._count(side, size - pos)
                return size
            elif state == _TRAILER:
                after = self._trailer(data, pos, side)
            elif state == _LOST:
                after = self._resume(data, pos, side)
            elif state == _PEEK:
                after = self._peek(data, pos, side)
            else:
                return pos
            if after == pos and self.state[side] == state:
                return pos
            pos = after
        return pos

    def cut(self, data: bytes, from_src: bool) -> None:
        """Read an incomplete head whose rest is lost."""
        side = 1 if from_src else 0
        head = data.lstrip(b"\r\n")
        self.cut_off = len(data)
        if self.state[side] == _HEAD and (_REQUEST.match(head) or _RESPONSE.match(head)):
            talk = self.talk
            before = talk.lost_dst if from_src else talk.lost_src
            answered = self.pairs.lost_answers or (self.client < 0 and before > 0)
            try:
                self._message(head, 0, side)
                self.cut_off = -1
                if answered and side == self.client and not talk.truncated:  # else the response may be missing, too
                    self.pairs.lose_responses()
            except DissectError as error:
                self._report("malformed_http", str(error))

    def gap(self, size: int, from_src: bool) -> None:
        """Count missing bytes of a body without length; in other states search for the next head."""
        side = 1 if from_src else 0
        if self.state[side] == _UNTIL_CLOSE and self.cut_off >= 0:
            self._count(side, size)
        else:
            self._resynchronise(side, size)

    def late(self) -> None:
        """State no more pairs."""
        self.pairs.give_up()

    def close(self) -> None:
        """Store the pending transactions."""
        self._end_body(0)
        self._end_body(1)
        for entry in self.pairs.drain():
            self._store(entry)
        self.pairs.report(self.talk, "HTTP")

    def _store(self, entry: Entry) -> None:
        row, ts, packet = entry
        self.talk.emit(row, ts, packet)

    def _end_body(self, side: int) -> None:
        """End the body of a direction: a response's row is stored, a request's stays pending."""
        entry = self.open[side]
        self.open[side] = None
        if entry is not None and entry[0].status is not None:
            self._store(entry)

    def _resynchronise(self, side: int, size: int = 0) -> None:
        """Drop the current message of a direction, as bytes are missing, and search for the next plausible head."""
        within = self.cut_off < 0 or self.open[side] is not None
        if side == self.client:
            rest = 0 if within and self.talk.truncated else size  # the end of a segment is no other message
            self.pairs.lose_requests(rest + max(0, self.cut_off), within)
        elif self.client >= 0:
            self.pairs.lose_responses(within)
        self.cut_off = 0
        self._end_body(side)
        self.state[side] = _LOST
        self.searched[side] = 0

    def _count(self, side: int, size: int) -> None:
        entry = self.open[side]
        if entry is not None and entry[0].status is not None:
            entry[0].response_bytes += size
        elif entry is not None:
            entry[0].request_bytes += size

    def _report(self, kind: str, detail: str) -> None:
        """Report an anomaly, at most a few per connection."""
        if self.anomalies < 8:
            self.anomalies += 1
            self.talk.anomaly(kind, detail)

    def _head(self, data: bytes, pos: int, side: int) -> int:
        """Read a complete head; return ``pos`` if it is incomplete."""
        start = pos
        size = len(data)
        while pos < size and data[pos] in {10, 13}:  # empty lines before a message (RFC 9112, 2.2)
            pos += 1
        searched = self.searched[side]
        end = head_end(data, start + searched - 3 if searched > pos - start + 3 else pos)
        if end >= 0:
            self.searched[side] = 0
            try:
                after = self._message(data[pos:end], end, side)
                return after if after >= 0 else self._skip_stray(pos, side)
            except DissectError as error:
                self._report("malformed_http", str(error))
                self._resynchronise(side)
                return end
        if size - start > MAX_HEAD - 64:
            self._report("malformed_http", "header section is larger than 64 KiB")
            self._resynchronise(side)
            return size
        if searched == 0 and pos < size and not _plausible(data, pos):
            return self._skip_stray(pos, side)
        self.searched[side] = size - start
        return start

    def _skip_stray(self, pos: int, side: int) -> int:
        """Skip bytes that are not a head: an anomaly, unless the direction begins with them."""
        if self.head_seen[side]:
            self._report("malformed_http", "expected an HTTP start line")
        self._resynchronise(side)
        return pos + 1

    def _message(self, head: bytes, end: int, side: int) -> int:
        """Read a complete head; return the position of the next one, or -1 if it is not a head."""
        line = _REQUEST.match(head)
        if line is not None:
            self.head_seen[side] = True
            return end + self._request(line, head, end, side)
        line = _RESPONSE.match(head)
        if line is not None:
            self.head_seen[side] = True
            return end + self._response(line, head, side)
        return -1

    def _request(self, line: re.Match[bytes], head: bytes, end: int, side: int) -> int:
        """Read a request's head, whose ``end`` is 0 if it is incomplete; return how many body bytes to skip."""
        talk = self.talk
        method, target, version = line.groups()
        fields: dict[bytes, bytes] = {}
        ambiguous = read_fields(head, line.end(), REQUEST_WANTED, fields)
        length = body_length(fields)
        if ambiguous:
            self._report("ambiguous_http", "conflicting body lengths in a request")
        row = Http(method.decode("ascii"), None, header_text(target), version.decode("ascii"))
        _fill(row, fields, REQUEST_TEXTS, REQUEST_SEEN)
        self._target(row, method, target)
        if row.has_authorization:
            for name in (b"authorization", b"proxy-authorization"):
                if name in fields:
                    talk.keep_secret(*authorization_parts(fields[name]))
        if self.client < 0:
            self.client = side
            self.pairs.begin(talk, side == 1)
        size = len(head) if end else NO_SIZE
        for passed in self.pairs.request(row, talk.ts, talk.packet, size, b"expect" in fields):
            self._store(passed)
        if method == b"CONNECT":
            self.state[side] = _PAUSED
        elif length == -1:
            self.open[side] = (row, talk.ts, talk.packet)
            self.state[side] = _CHUNK
        elif length > 0:
            row.request_bytes = length
            return length
        return 0

    def _target(self, row: Http, method: bytes, target: bytes) -> None:
        """Name the host, and recognise requests to proxies."""
        if method == b"CONNECT":
            row.proxy = True
            row.uri = header_text(target.rpartition(b"@")[2])  # without credentials
            row.host = row.host or row.uri
        elif target[:1] != b"/":
            absolute = _TARGET(target)
            if absolute is not None:
                row.proxy = True
                row.host = row.host or header_text(absolute.group(1).rpartition(b"@")[2])
        if row.host:
            if "@" in row.host:
                row.host = row.host.rpartition("@")[2]
            self.talk.name_host(_hostname(row.host), "http")

    def _response(self, line: re.Match[bytes], head: bytes, side: int) -> int:
        """Read a response's head; return how many body bytes to skip."""
        talk = self.talk
        version, code, reason = line.groups()
        fields: dict[bytes, bytes] = {}
        ambiguous = read_fields(head, line.end(), RESPONSE_WANTED, fields)
        status = int(code)
        length = body_length(fields)
        if status < 200 and status != 101:
            talk.emit(
                Http(version=version.decode("ascii"), status=status, reason=header_text(reason) if reason else None)
            )
            return 0
        if ambiguous:
            self._report("ambiguous_http", "conflicting body lengths in a response")
        if self.client < 0:
            self.client = 1 - side
            self.pairs.begin(talk, side == 0)
        entry = self.pairs.response(status == 408)
        orphan = entry is None
        if entry is None:
            row = Http(version=version.decode("ascii"))
            self.pairs.orphan(row)
            entry = (row, talk.ts, talk.packet)
        else:
            row = entry[0]
            row.response_ms = elapsed(entry[1], talk.ts)
        row.status = status
        row.reason = header_text(reason) if reason else None
        _fill(row, fields, RESPONSE_TEXTS, RESPONSE_SEEN)
        if status == 101 or (row.method == "CONNECT" and status < 300):
            self._switch(entry)
            return 0
        if row.method == "CONNECT":
            self.state[1 - side] = _HEAD
        if row.method == "HEAD" or status in {204, 304}:
            length = 0
        if orphan and length:
            return self._await_body(entry, length, side)
        if length >= 0:
            row.response_bytes = length
            self._store(entry)
            return length
        self.open[side] = entry
        self.state[side] = _CHUNK if length == -1 else _UNTIL_CLOSE
        return 0

    def _await_body(self, entry: Entry, length: int, side: int) -> int:
        """Let the next bytes show whether the response to an unknown request has a body; -1 and -2: without length."""
        if self.pairs.unsure and self.state[1 - side] == _PAUSED:
            self.state[1 - side] = _LOST
        entry[0].response_bytes = max(0, length)
        self.open[side] = entry
        self.peeked = length
        self.state[side] = _PEEK
        return 0

    def _peek(self, data: bytes, pos: int, side: int) -> int:
        """Skip the body of a response to an unknown request, unless the next head follows at once."""
        begin = data[pos : pos + len(_VERSION)]
        if begin == _VERSION:
            entry = self.open[side]
            if entry is not None:
                entry[0].response_bytes = 0
            self.state[side] = _HEAD
            self._end_body(side)
            return pos
        if _VERSION.startswith(begin):
            return pos
        if self.peeked >= 0:
            self.state[side] = _HEAD
            self._end_body(side)
            return pos + self.peeked
        self.state[side] = _CHUNK if self.peeked == -1 else _UNTIL_CLOSE
        return pos

    def _switch(self, entry: Entry) -> None:
        """Hand the connection over: a tunnel is probed like a new flow, an upgrade is not read."""
        talk = self.talk
        row = entry[0]
        self._store(entry)
        self.close()
        self.handed_over = True
        if row.status != 101:
            talk.app = None  # a tunnel is named after the protocol inside
            talk.hand_over(None)
            return
        if row.upgrade is not None and row.upgrade.lower() == "h2c":
            talk.app = HTTP2.name
        talk.finish()

    def _chunk(self, data: bytes, pos: int, side: int) -> int:
        """Read one chunk's size and skip the chunk."""
        line = _SIZE.match(data, pos)
        if line is None:
            if len(data) - pos < MAX_VALUE and data.find(b"\n", pos) < 0:
                return pos
            self._report("malformed_http", "expected a chunk size")
            self._resynchronise(side)
            return pos
        size = int(line.group(1), 16)
        if size == 0:
            self.state[side] = _TRAILER
            return line.end()
        self._count(side, size)
        return line.end() + size + 2

    def _trailer(self, data: bytes, pos: int, side: int) -> int:
        """Read one line of the trailer; an empty one ends the message."""
        line_end = data.find(b"\n", pos)
        if line_end < 0:
            if len(data) - pos > MAX_VALUE:
                self._resynchronise(side)
            return pos
        if line_end - pos <= 1 and data[pos] in {10, 13}:
            self.state[side] = _HEAD
            self._end_body(side)
        return line_end + 1

    def _resume(self, data: bytes, pos: int, side: int) -> int:
        """Search for the next start line after a loss; keep bytes that may begin one."""
        if data.find(b"HTTP/1.", pos) >= 0:  # cheap search before the expression
            start = _RESTART.search(data, pos)
            if start is not None:
                self.state[side] = _HEAD
                self._leave(start.end() - pos, side)
                return start.end()
        line = data.rfind(b"\n", pos)
        keep = line if line >= 0 else pos
        if len(data) - keep < MAX_URI and _OPENING(data[keep:].strip(b"\r\n")) is not None:
            self._leave(keep - pos, side)
            return keep
        self._leave(len(data) - pos, side)
        return len(data)

    def _leave(self, size: int, side: int) -> None:
        """Count bytes after a loss that cannot be read."""
        if side == self.client:
            self.pairs.lose_bytes(size)
        elif self.client < 0:
            self.talk.count_lost(size, side == 1)


def _plausible(data: bytes, pos: int) -> bool:
    """Whether an incomplete head may become one."""
    if data.find(b"\n", pos) < 0:
        return _OPENING(data, pos) is not None
    return _REQUEST.match(data, pos) is not None or _RESPONSE.match(data, pos) is not None


def _hostname(host: str) -> str:
    """Host without its port, lower case."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.partition(":")[0].lower()


class Http2Parser(Parser):
    """HTTP/2 in clear text: the preface is a row, its frames are not read."""

    __slots__ = ()

    def stream(self, data: bytes, from_src: bool) -> int:
        """Store a row for the preface and read no more."""
        self.talk.emit(Http(version="HTTP/2"))
        self.talk.finish()
        return len(data)


def _probe_http(data: bytes, talk: Conversation, from_src: bool) -> int:
    """Recognise a complete request or status line; MORE while it may become one."""
    if not data or not 65 <= data[0] <= 90:
        return NO
    if data.startswith(b"HTTP/1."):
        if _RESPONSE.match(data) is not None:
            return YES
        return MORE if b"\n" not in data[:MAX_VALUE] and len(data) < MAX_VALUE else NO
    line_end = data.find(b"\n")
    if line_end >= 0:  # a cheap search saves other text protocols the backtracking of the expression
        return YES if data.find(b" HTTP/1.", 0, line_end) > 0 and _REQUEST.match(data) is not None else NO
    if _OPENING(data) is None:
        return NO
    # A request line may exceed what a probe sees: a method and an absolute target are enough then.
    return YES if len(data) >= 1024 and _LONG(data) is not None else MORE


def _probe_http2(data: bytes, talk: Conversation, from_src: bool) -> int:
    """Recognise the connection preface, which is the same for every client."""
    if data.startswith(_PREFACE):
        return YES
    return MORE if data and _PREFACE.startswith(data) else NO


_METHOD = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ!#$%&'*+.^_`|~0123456789- "
"""Bytes of a method after its first, and the space after it."""
HTTP = Dissector(
    "http", "Hypertext Transfer Protocol 1.x (RFC 9112)", ("tcp",), (80, 8080, 8000, 3128, 8008, 8888), (Http,),
    _probe_http, HttpParser, first=bytes(range(65, 91)),
    shapes={"tcp": Shape(at={1: _METHOD, 2: _METHOD, 3: _METHOD + b"/"})},
)  # fmt: skip
HTTP2 = Dissector(
    "http2", "HTTP/2 in clear text (RFC 9113)", ("tcp",), (), (Http,), _probe_http2, Http2Parser, first=b"P"
)
