"""HTTP/1.0 and HTTP/1.1 (RFC 9110, 9112), HTTP/0.9 (RFC 1945), and what servers and clients make of them.

One row per transaction. The first head of a direction decides whether it carries requests or responses, not who opened
the connection. A row is stored when its response's head is complete and the body's length is known; if the body is
chunked or lasts until the connection closes, at its end, at a gap, or when the flow ends. An interim response (1xx)
gets a row of its own before that of its transaction. Bodies are skipped and counted, never kept. Of credentials and
cookies only the presence is recorded. What is odd is read as RFC 9112 demands, and named in the row. After an upgrade
to HTTP/2 the connection is that of `rustnet.dissect.http.http2`.
"""

import re

import cython

from rustnet.dissect.framework.conversation import NO, YES, DissectError, Dissector, Shape
from rustnet.dissect.framework.pairs import Entry, elapsed
from rustnet.dissect.framework.secrets import authorization_parts
from rustnet.dissect.http.connection import Connection
from rustnet.dissect.http.http2 import HTTP2, Http2Parser
from rustnet.dissect.http.lines import PORTS, REQUEST, RESPONSE, probe
from rustnet.dissect.http.oddities import HOST_CONFLICT, NO_HOST, NO_VERSION, with_words
from rustnet.dissect.http.record import REQUEST_SEEN, REQUEST_TEXTS, RESPONSE_SEEN, RESPONSE_TEXTS, Http

if not cython.compiled:  # compiled, these come from the .pxd as C functions and numbers
    from rustnet.dissect.framework.pairs import NO_SIZE
    from rustnet.dissect.http.connection import CHUNK, HEAD, LOST, PAUSED, PEEK, TRAILER, UNTIL_CLOSE
    from rustnet.dissect.http.fields import (
        CHUNKED,
        MAX_VALUE,
        NO_LENGTH,
        REQUEST_WANTED,
        RESPONSE_WANTED,
        UNCERTAIN,
        body_length,
        fill,
        framing,
        head_end,
        header_text,
        hostname,
        read_fields,
        same_host,
    )
    from rustnet.dissect.http.lines import (
        answers_old,
        lone_request,
        plausible,
        request_line,
        request_oddities,
        response_line,
        response_oddities,
    )

MAX_HEAD = 65_536
"""Maximum size of a head."""

OLD = "HTTP/0.9"
"""Version of a request that states none."""
_SSH = (b"SSH-2.0-", b"SSH-1.9")
"""What an SSH server answers to a client that takes it for one of HTTP."""
_TARGET = re.compile(rb"(?i:[a-z][a-z0-9+.-]*)://([^/?#]*)").match


def _version(raw: bytes) -> str:
    """Version as it is stored; a request without one is of HTTP/0.9."""
    return raw.decode("ascii").upper() if raw else OLD


class HttpParser(Connection):
    """Heads of both directions of one connection."""

    __slots__ = ()

    def stream(self, data: bytes, from_src: bool) -> int:
        """Read heads and skip bodies; may skip beyond ``data``."""
        side = 1 if from_src else 0
        pos = 0
        size = len(data)
        if self.lone is not None and self.lone[3] != side:
            self._take_lone()
        while pos < size and not self.handed_over:
            state = self.state[side]
            if state == HEAD:
                after = self._head(data, pos, side)
            elif state == CHUNK:
                after = self._chunk(data, pos, side)
            elif state == UNTIL_CLOSE:
                self._count(side, size - pos)
                return size
            elif state == TRAILER:
                after = self._trailer(data, pos, side)
            elif state == LOST:
                after = self._resume(data, pos, side)
            elif state == PEEK:
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
        self.lone = None
        if self.state[side] == HEAD and (request_line(head) is not None or response_line(head) is not None):
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
        if self.state[side] == UNTIL_CLOSE and self.cut_off >= 0:
            self._count(side, size)
        else:
            self._resynchronise(side, size)

    def late(self) -> None:
        """State no more pairs."""
        self.pairs.give_up()

    def close(self) -> None:
        """Store the pending transactions."""
        if self.lone is not None:
            self._take_lone()
        self._end_body(0)
        self._end_body(1)
        for entry in self.pairs.drain():
            self._store(entry)
        self.pairs.report(self.talk, "HTTP")

    def _head(self, data: bytes, pos: int, side: int) -> int:
        """Read a complete head; return ``pos`` if it is incomplete."""
        start = pos
        size = len(data)
        if self.old and side != self.client:
            first = self.pairs.first()
            answer = NO if first is None or first.version != OLD else answers_old(data[pos : pos + 5])
            if answer:
                return self._old_answer(pos, side) if answer == YES else pos
        while pos < size and data[pos] in {10, 13}:  # empty lines before a message (RFC 9112, 2.2)
            pos += 1
        searched = self.searched[side]
        end = head_end(data, start + searched - 3 if searched > pos - start + 3 else pos)
        if end >= 0:
            self.searched[side] = 0
            self.lone = None
            try:
                after = self._message(data[pos:end], end, side)
                return after if after >= 0 else self._skip_stray(data, pos, side)
            except DissectError as error:
                self._report("malformed_http", str(error))
                self._resynchronise(side)
                return end
        if size - start > MAX_HEAD - 64:
            self._report("malformed_http", "header section is larger than 64 KiB")
            self._resynchronise(side)
            return size
        if searched == 0 and pos < size and not plausible(data, pos):
            return self._skip_stray(data, pos, side)
        self.searched[side] = size - start
        if self.client < 0 and pos < size <= pos + MAX_VALUE and data[size - 1] == 10:
            self._keep_lone(data[pos:], side)
        return start

    def _keep_lone(self, head: bytes, side: int) -> None:
        """Keep a request of HTTP/0.9, which an empty line need not follow."""
        if lone_request(head):
            talk = self.talk
            ts, packet = (talk.ts, talk.packet) if self.lone is None else self.lone[1:3]
            self.lone = (head, ts, packet, side)

    def _take_lone(self) -> None:
        """Read the request of HTTP/0.9 as its response begins, or the flow ends."""
        if self.lone is None:
            return
        talk = self.talk
        now, number = talk.ts, talk.packet
        head, talk.ts, talk.packet, side = self.lone
        self.lone = None
        try:
            self._message(head, 0, side)
        except DissectError as error:
            self._report("malformed_http", str(error))
        talk.ts, talk.packet = now, number
        self.state[side] = UNTIL_CLOSE

    def _old_answer(self, pos: int, side: int) -> int:
        """Take what follows as the body of a response of HTTP/0.9, which has no head."""
        self.old = False
        entry = self.pairs.response()
        if entry is not None:
            entry[0].response_ms = elapsed(entry[1], self.talk.ts)
            self.head_seen[side] = True
            self.open[side] = entry
            self.state[side] = UNTIL_CLOSE
            return pos
        self._resynchronise(side)
        return pos

    def _skip_stray(self, data: bytes, pos: int, side: int) -> int:
        """Skip bytes that are not a head: an anomaly, unless the direction begins with them.

        If the answer is an SSH server's identification, its protocol reads what follows, and names the flow.
        """
        if not self.head_seen[side] and self.client == 1 - side and data.startswith(_SSH, pos):
            self.close()
            self.handed_over = True
            self.talk.app = None
            self.talk.hand_over(None)
            return pos
        if self.head_seen[side]:
            self._report("malformed_http", "expected an HTTP start line")
        self._resynchronise(side)
        return pos + 1

    def _message(self, head: bytes, end: int, side: int) -> int:
        """Read a complete head; return the position of the next one, or -1 if it is not a head."""
        line = request_line(head)
        if line is not None:
            self.head_seen[side] = True
            return end + self._request(line, head, end, side)
        line = response_line(head)
        if line is not None:
            self.head_seen[side] = True
            return end + self._response(line, head, side)
        return -1

    def _request(self, line: re.Match[bytes], head: bytes, end: int, side: int) -> int:
        """Read a request's head, whose ``end`` is 0 if it is incomplete; return how many body bytes to skip."""
        talk = self.talk
        method, target, version = line.groups()
        odd = 0
        if line.re is not REQUEST or head[line.end(3)] != 13 or b" " in target:
            odd = request_oddities(line)
            target = target.rstrip(b" \t")
        fields: dict[bytes, bytes] = {}
        odd |= read_fields(head, line.end(), REQUEST_WANTED, fields) | framing(fields, version == b"HTTP/1.0")
        length = body_length(fields, True)
        row = Http(method.decode("ascii"), None, header_text(target), _version(version))
        fill(row, fields, REQUEST_TEXTS, REQUEST_SEEN)
        odd |= self._target(row, method, target)
        if row.host is None and end and version == b"HTTP/1.1":
            odd |= NO_HOST
        if row.has_authorization:
            self._keep_credentials(fields)
        if self.client < 0:
            self.client = side
            self.pairs.begin(talk, side == 1)
        if odd:
            self.old = odd & NO_VERSION != 0
            self._mark(row, odd, side)
        size = len(head) if end else NO_SIZE
        for passed in self.pairs.request(row, talk.ts, talk.packet, size, b"expect" in fields):
            self._store(passed)
        if method == b"CONNECT":
            self.state[side] = PAUSED
            return 0
        return self._request_body(row, length, side)

    def _request_body(self, row: Http, length: int, side: int) -> int:
        """Return how many body bytes of a request to skip."""
        if length == CHUNKED:
            self.open[side] = (row, self.talk.ts, self.talk.packet)
            self.state[side] = CHUNK
        elif length == UNCERTAIN:
            self._resynchronise(side)
        elif length > 0:
            row.request_bytes = length
            return length
        return 0

    def _keep_credentials(self, fields: dict[bytes, bytes]) -> None:
        """Let no text of the flow repeat the credentials."""
        for name in (b"authorization", b"proxy-authorization"):
            if name in fields:
                self.talk.keep_secret(*authorization_parts(fields[name]))

    def _target(self, row: Http, method: bytes, target: bytes) -> int:
        """Name the host, recognise requests to proxies, and return bits of what is odd.

        A host in the target counts, whatever the Host field is (RFC 9112, 3.2.2).
        """
        odd = 0
        asked = ""
        if method == b"CONNECT":
            row.proxy = True
            row.uri = asked = header_text(target.rpartition(b"@")[2])  # without credentials
        elif target[:1] != b"/":
            absolute = _TARGET(target)
            if absolute is not None:
                row.proxy = True
                asked = header_text(absolute.group(1).rpartition(b"@")[2])
        if row.host and "@" in row.host:
            row.host = row.host.rpartition("@")[2]
        if asked:
            if row.host is not None and not same_host(row.host, asked):
                odd = HOST_CONFLICT
            row.host = asked
        if row.host:
            self.talk.name_host(hostname(row.host), "http")
        return odd

    def _response(self, line: re.Match[bytes], head: bytes, side: int) -> int:
        """Read a response's head; return how many body bytes to skip."""
        talk = self.talk
        version, code, reason = line.groups()
        odd = 0
        if line.re is not RESPONSE or reason is None or head[line.end() - 2] != 13:
            odd = response_oddities(line)
        fields: dict[bytes, bytes] = {}
        odd |= read_fields(head, line.end(), RESPONSE_WANTED, fields) | framing(fields, version == b"HTTP/1.0")
        status = int(code)
        length = body_length(fields, False)
        if status < 200 and status != 101:
            interim = Http(version=_version(version), status=status, reason=header_text(reason) if reason else None)
            interim.response_oddities = with_words(None, odd)
            talk.emit(interim)
            return 0
        if self.client < 0:
            self.client = 1 - side
            self.pairs.begin(talk, side == 0)
        entry = self.pairs.response(status == 408)
        orphan = entry is None
        if entry is None:
            row = Http(version=_version(version))
            self.pairs.orphan(row)
            entry = (row, talk.ts, talk.packet)
        else:
            row = entry[0]
            row.response_ms = elapsed(entry[1], talk.ts)
            if row.version == OLD:
                self.old = False
        row.status = status
        row.reason = header_text(reason) if reason else None
        fill(row, fields, RESPONSE_TEXTS, RESPONSE_SEEN)
        if odd:
            self._mark(row, odd, side)
        if status == 101 or (row.method == "CONNECT" and status < 300):
            self._switch(entry)
            return 0
        if row.method == "CONNECT":
            self.state[1 - side] = HEAD
        return self._response_body(entry, length, orphan, side)

    def _response_body(self, entry: Entry, length: int, orphan: bool, side: int) -> int:
        """Return how many body bytes of a response to skip, and store its row as soon as they are known."""
        row = entry[0]
        if row.method == "HEAD" or row.status in {204, 304}:
            length = 0
        if orphan and (length > 0 or length in {CHUNKED, NO_LENGTH}):
            return self._await_body(entry, length, side)
        if length >= 0:
            row.response_bytes = length
            self._store(entry)
            return length
        if length == UNCERTAIN:
            self._store(entry)
            self._resynchronise(side)
            return 0
        self.open[side] = entry
        self.state[side] = CHUNK if length == CHUNKED else UNTIL_CLOSE
        return 0

    def _switch(self, entry: Entry) -> None:
        """Hand the connection over: a tunnel is probed like a new flow, of upgrades that to HTTP/2 is read."""
        talk = self.talk
        row = entry[0]
        to_http2 = row.status == 101 and row.method is not None and (row.upgrade or "").lower() == "h2c"
        if not to_http2:
            self._store(entry)
        self.close()
        self.handed_over = True
        if to_http2:
            talk.app = HTTP2.name
            talk.hand_over(HTTP2)
            if isinstance(talk.parser, Http2Parser):
                talk.parser.upgraded(entry, self.client)
        elif row.status != 101:
            talk.app = None  # a tunnel is named after the protocol inside
            talk.hand_over(None)
        else:
            if (row.upgrade or "").lower() == "h2c":
                talk.app = HTTP2.name
            talk.finish()


_METHOD = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ!#$%&'*+.^_`|~0123456789- \t"
"""Bytes of a method after its first, and the blank after it."""
HTTP = Dissector(
    "http", "Hypertext Transfer Protocol 1.x (RFC 9112)", ("tcp",), PORTS, (Http,),
    probe, HttpParser, first=bytes(range(65, 91)),
    shapes={"tcp": Shape(at={1: _METHOD, 2: _METHOD, 3: _METHOD + b"/"})},
)  # fmt: skip
