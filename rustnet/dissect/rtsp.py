"""RTSP 1.0 and 2.0 (RFC 2326, 7826). One row per request with its response, paired by CSeq.

Interleaved media is skipped. Of credentials only the presence is recorded.
"""

import re

from rustnet.dissect.embedded import sdp
from rustnet.dissect.framework.conversation import MORE, NO, YES, Conversation, DissectError, Dissector, Shape
from rustnet.dissect.framework.pairs import elapsed
from rustnet.dissect.framework.reading import head, number
from rustnet.dissect.framework.requests import RequestParser
from rustnet.dissect.framework.secrets import authorization_parts
from rustnet.records import U16, FreeText, Identifier, Mixed, Software, Term, Uri, Word, record

MAX_HEAD = 32_768
MAX_BODY = 1 << 24
_LOOK = 16_384
"""Bytes of a body that are buffered."""
_REQUEST = re.compile(r"([A-Z][A-Z_]{2,15}) (\S+) RTSP/([12]\.\d)").fullmatch
_RESPONSE = re.compile(r"RTSP/([12]\.\d) (\d{3})(?: (.*))?").fullmatch
_BEGIN = re.compile(
    rb"(?:[A-Z][A-Z_]{2,15} (?:\*|rtsp[su]?://[!-~]{1,2000}|/[!-~]{0,2000}) RTSP/[12]\.\d"
    rb"|RTSP/[12]\.\d \d{3}(?: [^\r\n]*)?)\r?\n"
).match
_ROOM = re.compile(
    rb"R(?:T(?:S(?:P(?:/(?:[12](?:\.(?:\d[^\n]*)?)?)?)?)?)?)?"
    rb"|[A-Z][A-Z_]{0,15}(?: (?:[*/r][!-~]*(?: [RTSP/12.0-9]*\r?)?)?)?"
).fullmatch
"""Matches an incomplete start line."""


@record("rtsp")
class Rtsp:
    """One RTSP request and its response."""

    method: Term | None = None
    """`OPTIONS`, `DESCRIBE`, `SETUP`, `PLAY` …; NULL if only the response was seen."""
    uri: Uri | None = None
    """Presentation or stream."""
    version: Word | None = None
    """`1.0` or `2.0`."""
    status: U16 | None = None
    """Status code of the response."""
    reason: FreeText | None = None
    """Reason phrase of the response."""
    cseq: Term | None = None
    """Number that joins request and response."""
    session: Identifier | None = None
    """Session that the server has set up."""
    user_agent: Software | None = None
    """Software of the client."""
    server: Software | None = None
    """Software of the server."""
    media_transport: Mixed | None = None
    """How media is carried and on which ports, as the server grants it, else as the client asks."""
    media: list[Mixed] | None = None
    """Streams that the description offers."""
    content_type: Term | None = None
    """Type of the response's body."""
    has_authorization: bool = False
    """The request carries credentials."""
    response_ms: float | None = None
    """Time from request to response."""


class RtspParser(RequestParser[tuple[bool, str], Rtsp]):
    """Both directions of one connection."""

    __slots__ = ()

    def __init__(self, talk: Conversation) -> None:
        super().__init__(talk, 64)

    def stream(self, data: bytes, from_src: bool) -> int:
        """Read the messages that are complete; skip interleaved media."""
        pos = 0
        size = len(data)
        while pos < size and not self.talk.finished:
            first = data[pos]
            if first == 0x24:
                if size - pos < 4:
                    break
                pos += 4 + ((data[pos + 2] << 8) | data[pos + 3])
            elif first in b"\r\n":
                pos += 1
            else:
                end = data.find(b"\r\n\r\n", pos)
                if end < 0:
                    if size - pos > MAX_HEAD:
                        raise DissectError("no end of header section within {limit} bytes", limit=MAX_HEAD)
                    break
                after = self._message(data, pos, end + 4, from_src)
                if after == pos:
                    break
                pos = after
        return pos

    def close(self) -> None:
        """Store the requests that were not answered."""
        for row, ts, packet in self.waiting.drain():
            self.store_row(row, ts, packet)

    def _message(self, data: bytes, pos: int, start: int, from_src: bool) -> int:
        """Read one message whose head ends at ``start``; return its end, or ``pos`` if it is incomplete."""
        line, fields = head(data[pos:start])
        size = number(fields.get("content-length", "0"), MAX_BODY)
        if size is None:
            raise DissectError("Content-Length is not a number")
        if len(data) < start + min(size, _LOOK):
            return pos
        request = _REQUEST(line)
        if request is not None:
            self._request(request, fields, from_src)
            return start + size
        response = _RESPONSE(line)
        if response is None:
            raise DissectError("expected an RTSP start line")
        self._response(response, fields, data[start : start + size], from_src)
        return start + size

    def _request(self, match: re.Match[str], fields: dict[str, str], from_src: bool) -> None:
        get = fields.get
        row = Rtsp(
            method=match.group(1),
            uri=match.group(2),
            version=match.group(3),
            cseq=get("cseq"),
            session=get("session"),
            user_agent=get("user-agent"),
            media_transport=get("transport"),
            has_authorization="authorization" in fields or "proxy-authorization" in fields,
        )
        for name in ("authorization", "proxy-authorization"):
            if name in fields:
                self.talk.keep_secret(*authorization_parts(fields[name].encode("utf-8")))
        self.add_request((from_src, row.cseq or ""), row)

    def _response(self, match: re.Match[str], fields: dict[str, str], body: bytes, from_src: bool) -> None:
        get = fields.get
        entry = self.waiting.take((not from_src, get("cseq", "")))
        row, ts, packet = entry or (Rtsp(version=match.group(1), cseq=get("cseq")), 0, 0)
        row.status = int(match.group(2))
        row.reason = match.group(3)
        row.server = get("server")
        row.session = get("session") or row.session
        row.media_transport = get("transport") or row.media_transport
        row.content_type = get("content-type")
        row.media = sdp.media(body)
        if ts:
            row.response_ms = elapsed(ts, self.talk.ts)
        self.store_row(row, ts, packet)


def _probe_rtsp(data: bytes, talk: Conversation, from_src: bool) -> int:
    """Recognise a complete start line with RTSP's version."""
    if not data or not 65 <= data[0] <= 90:
        return NO
    line_end = data.find(b"\n", 0, 2100)
    if line_end >= 0:
        return YES if data.find(b"RTSP/", 0, line_end) >= 0 and _BEGIN(data) is not None else NO
    return MORE if len(data) < 2048 and _ROOM(data) is not None else NO


_WORD = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ_"
"""Bytes of a method's name."""
RTSP = Dissector(
    "rtsp", "Real-Time Streaming Protocol (RFC 7826)", ("tcp",), (554, 8554), (Rtsp,), _probe_rtsp, RtspParser,
    first=bytes(range(65, 91)), shapes={"tcp": Shape(at={1: _WORD, 2: _WORD})},
)  # fmt: skip
