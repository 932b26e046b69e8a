"""State of a connection of HTTP/1.x: the messages whose bodies are being skipped (RFC 9112, 6 to 8), and losses."""

import re

import cython

from rustnet.dissect.framework.conversation import Conversation, Parser
from rustnet.dissect.framework.pairs import Entry, Pairs
from rustnet.dissect.http.lines import OPENING
from rustnet.dissect.http.oddities import (
    AMBIGUOUS,
    BARE_LF,
    CHUNK_EXTENSION,
    CHUNK_SPACING,
    LENGTH_INVALID,
    with_words,
)
from rustnet.dissect.http.record import Http

if not cython.compiled:  # compiled, these come from the .pxd as numbers
    from rustnet.dissect.http.fields import CHUNKED, MAX_VALUE

MAX_URI = 8192
"""Maximum size of a start line that is searched for after a loss."""

HEAD, CHUNK, UNTIL_CLOSE, TRAILER, LOST, PAUSED, PEEK = range(7)
"""State of a direction: in a head, chunks, a body without length, the trailer, after a loss, paused by CONNECT, or
after the head of a response to an unknown request, which has no body if that was HEAD."""

_RESTART = re.compile(
    rb"(?:\A|\n)(?=[A-Z-]{3,20} [^\x00-\x20\x7f]{1,8000} HTTP/1\.[01]\r?\n|HTTP/1\.[01] [1-5][0-9]{2}[ \r\n])"
)
_SIZE = re.compile(rb"[ \t]*([0-9A-Fa-f]{1,15})[ \t]*(?:;[^\n]*)?\r?\n")
_VERSION = b"HTTP/1."


class Connection(Parser):
    """Both directions of one connection, its pending requests, and the message of each whose body is being skipped."""

    __slots__ = (
        "anomalies",
        "client",
        "cut_off",
        "handed_over",
        "head_seen",
        "lone",
        "old",
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
        self.state = [HEAD, HEAD]
        self.searched = [0, 0]
        """Bytes of the pending head in which its end was already looked for."""
        self.head_seen = [False, False]
        """By direction: a head was read."""
        self.lone: tuple[bytes, int, int, int] | None = None
        """Request line without version that no empty line follows yet; time and packet of it, and its direction."""
        self.old = False
        """A request without version waits: the response may have no head."""
        self.handed_over = False
        """Another protocol has taken over the connection."""
        self.cut_off = 0
        """Bytes of an incomplete head ahead of a loss, negative if they were read as a message."""
        self.peeked = 0
        """Length of the body that a response to an unknown request has unless that was HEAD, as of `body_length`."""
        self.anomalies = 0

    def _store(self, entry: Entry) -> None:
        row, ts, packet = entry
        self.talk.emit(row, ts, packet)

    def _end_body(self, side: int) -> None:
        """End the body of a direction: a response's row is stored, a request's stays pending."""
        entry = self.open[side]
        self.open[side] = None
        if entry is not None and side != self.client:
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
        self.lone = None
        self._end_body(side)
        self.state[side] = LOST
        self.searched[side] = 0

    def _count(self, side: int, size: int) -> None:
        entry = self.open[side]
        if entry is None:
            return
        if side == self.client:
            entry[0].request_bytes += size
        else:
            entry[0].response_bytes += size

    def _mark(self, row: Http, bits: int, side: int) -> None:
        """Name in a row what is odd about the message of a direction."""
        if side == self.client:
            row.request_oddities = with_words(row.request_oddities, bits)
        else:
            row.response_oddities = with_words(row.response_oddities, bits)
        if bits & AMBIGUOUS:
            message = "a request" if side == self.client else "a response"
            self._report("ambiguous_http", f"conflicting body lengths in {message}")
        if bits & LENGTH_INVALID:
            self._report("malformed_http", "Content-Length is not a number")

    def _report(self, kind: str, detail: str) -> None:
        """Report an anomaly, at most a few per connection."""
        if self.anomalies < 8:
            self.anomalies += 1
            self.talk.anomaly(kind, detail)

    def _await_body(self, entry: Entry, length: int, side: int) -> int:
        """Let the next bytes show whether the response to an unknown request has a body; -1 and -2: without length."""
        if self.pairs.unsure and self.state[1 - side] == PAUSED:
            self.state[1 - side] = LOST
        entry[0].response_bytes = max(0, length)
        self.open[side] = entry
        self.peeked = length
        self.state[side] = PEEK
        return 0

    def _peek(self, data: bytes, pos: int, side: int) -> int:
        """Skip the body of a response to an unknown request, unless the next head follows at once."""
        begin = data[pos : pos + len(_VERSION)]
        if begin == _VERSION:
            entry = self.open[side]
            if entry is not None:
                entry[0].response_bytes = 0
            self.state[side] = HEAD
            self._end_body(side)
            return pos
        if _VERSION.startswith(begin):
            return pos
        if self.peeked >= 0:
            self.state[side] = HEAD
            self._end_body(side)
            return pos + self.peeked
        self.state[side] = CHUNK if self.peeked == CHUNKED else UNTIL_CLOSE
        return pos

    def _chunk(self, data: bytes, pos: int, side: int) -> int:
        """Read one chunk's size and skip the chunk."""
        line = _SIZE.match(data, pos)
        if line is None:
            if len(data) - pos < MAX_VALUE and data.find(b"\n", pos) < 0:
                return pos
            self._report("malformed_http", "expected a chunk size")
            self._resynchronise(side)
            return pos
        digits = line.group(1)
        size = int(digits, 16)
        end = line.end()
        after = 2
        if end - pos != len(digits) + 2 or data[end - 2] != 13:
            after = self._odd_chunk(line, side)
        if size == 0:
            self.state[side] = TRAILER
            return end
        self._count(side, size)
        return end + size + after

    def _odd_chunk(self, line: re.Match[bytes], side: int) -> int:
        """Note what is odd about the size of a chunk; return how many bytes end its data."""
        text, digits = line.group(), line.group(1)
        odd = CHUNK_EXTENSION if b";" in text else 0
        if text.partition(b";")[0].rstrip(b"\r\n") != digits:
            odd |= CHUNK_SPACING
        if not text.endswith(b"\r\n"):
            odd |= BARE_LF
        entry = self.open[side]
        if entry is not None:
            self._mark(entry[0], odd, side)
        return 1 if odd & BARE_LF else 2

    def _trailer(self, data: bytes, pos: int, side: int) -> int:
        """Read one line of the trailer; an empty one ends the message."""
        line_end = data.find(b"\n", pos)
        if line_end < 0:
            if len(data) - pos > MAX_VALUE:
                self._resynchronise(side)
            return pos
        if line_end - pos <= 1 and data[pos] in {10, 13}:
            self.state[side] = HEAD
            self._end_body(side)
        return line_end + 1

    def _resume(self, data: bytes, pos: int, side: int) -> int:
        """Search for the next start line after a loss; keep bytes that may begin one."""
        if data.find(b"HTTP/1.", pos) >= 0:  # cheap search before the expression
            start = _RESTART.search(data, pos)
            if start is not None:
                self.state[side] = HEAD
                self._leave(start.end() - pos, side)
                return start.end()
        line = data.rfind(b"\n", pos)
        keep = line if line >= 0 else pos
        if len(data) - keep < MAX_URI and OPENING(data[keep:].strip(b"\r\n")) is not None:
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
