"""SIP over UDP and TCP (RFC 3261), and the media that its session descriptions announce (RFC 8866).

One row per message. Bodies are not kept; of credentials only the presence is recorded.
"""

import re

from rustnet.dissect.embedded import sdp
from rustnet.dissect.framework.conversation import MORE, NO, YES, Conversation, DissectError, Dissector, Shape
from rustnet.dissect.framework.reading import RowParser, head, number
from rustnet.dissect.framework.secrets import authorization_parts
from rustnet.records import U16, FreeText, Identifier, Mixed, Software, Term, Uri, User, record

MAX_HEAD = 32_768
MAX_BODY = 1 << 24
_LOOK = 16_384
"""Bytes of a body that are buffered."""
_SHORTS = {
    "f": "from", "t": "to", "i": "call-id", "m": "contact", "v": "via", "c": "content-type", "l": "content-length",
    "e": "content-encoding", "s": "subject", "k": "supported", "o": "event", "r": "refer-to",
}  # fmt: skip
_REQUEST = re.compile(r"([A-Z][A-Z0-9._-]{1,19}) (\S+) SIP/2\.0").fullmatch
_RESPONSE = re.compile(r"SIP/2\.0 ([1-6]\d\d)(?: (.*))?").fullmatch
_SCHEMES = rb"(?:sips?|tel|urn|im|pres):"
_BEGIN = re.compile(
    rb"(?:[A-Z][A-Z0-9._-]{1,19} " + _SCHEMES + rb"[!-~]{1,2000} SIP/2\.0|SIP/2\.0 [1-6]\d\d(?: [^\r\n]*)?)\r?\n"
).match
_ROOM = re.compile(
    rb"S(?:I(?:P(?:/(?:2(?:\.(?:0[^\n]*)?)?)?)?)?)?"
    rb"|[A-Z][A-Z0-9._-]{0,19}(?: (?:[a-z]{0,4}|" + _SCHEMES + rb"[!-~]*(?: [SIP/2.0]*\r?)?))?"
).fullmatch
"""Matches an incomplete start line."""
_ANGLED = re.compile(r"<([^>]*)>").search
_BARE = re.compile(r"[^;,\s<>\"]+").match
_USERNAME = re.compile(r'(?:^|[\s,])username\s*=\s*"([^"]*)"', re.IGNORECASE).search


@record("sip")
class Sip:
    """One SIP message."""

    method: Term | None = None
    """Method of a request: `REGISTER`, `INVITE` …; NULL in responses, whose `cseq` names it."""
    uri: Uri | None = None
    """Target of a request."""
    status: U16 | None = None
    """Status code of a response."""
    reason: FreeText | None = None
    """Reason phrase of a response."""
    from_uri: Uri | None = None
    """Sender of the request."""
    to_uri: Uri | None = None
    """Recipient of the request."""
    call_id: Identifier | None = None
    """Identifies the call or the registration."""
    cseq: Term | None = None
    """Sequence number and method, such as `102 INVITE`."""
    contact: Uri | None = None
    """Address at which the sender can be reached directly."""
    via: Mixed | None = None
    """Last hop of the message."""
    user_agent: Software | None = None
    """Software of a client."""
    server: Software | None = None
    """Software of a server."""
    content_type: Term | None = None
    """Type of the body."""
    media: list[Mixed] | None = None
    """Streams that the session description offers: `audio 192.0.2.1:49170 RTP/AVP`."""
    username: User | None = None
    """User name in the credentials."""
    has_authorization: bool = False
    """The message carries credentials."""


def _uri(value: str | None) -> str | None:
    """Address within a name-addr, without its display name and parameters."""
    if not value:
        return None
    angled = _ANGLED(value)
    if angled is not None:
        return angled.group(1)
    bare = _BARE(value)
    return bare.group() if bare is not None else None


class SipParser(RowParser):
    """Messages of one flow."""

    __slots__ = ()
    limit = 5000

    def datagram(self, data: bytes, from_src: bool) -> None:
        """Read one message; keep-alives of line ends, zeros or a few bytes are ignored."""
        if len(data) < 20 or not data.strip(b"\r\n\0"):
            return
        self._message(data.lstrip(b"\r\n"))

    def stream(self, data: bytes, from_src: bool) -> int:
        """Read complete messages."""
        pos = 0
        while pos < len(data) and not self.talk.finished:
            if data[pos] in b"\r\n":
                pos += 1
                continue
            end = data.find(b"\r\n\r\n", pos)
            if end < 0:
                if len(data) - pos > MAX_HEAD:
                    raise DissectError("no end of header section within {limit} bytes", limit=MAX_HEAD)
                break
            _, fields = head(data[pos : end + 4], _SHORTS)
            size = number(fields.get("content-length", "0"), MAX_BODY)
            if size is None:
                raise DissectError("Content-Length is not a number")
            if len(data) < end + 4 + min(size, _LOOK):
                break
            self._message(data[pos : end + 4 + size])
            pos = end + 4 + size
        return pos

    def _message(self, data: bytes) -> None:
        line, fields = head(data, _SHORTS)
        request = _REQUEST(line)
        response = _RESPONSE(line) if request is None else None
        if request is None and response is None:
            raise DissectError("expected a SIP start line")
        get = fields.get
        credentials = get("authorization") or get("proxy-authorization")
        row = Sip(
            from_uri=_uri(get("from")),
            to_uri=_uri(get("to")),
            call_id=get("call-id"),
            cseq=" ".join(get("cseq", "").split()) or None,
            contact=_uri(get("contact")),
            via=get("via"),
            user_agent=get("user-agent"),
            server=get("server"),
            content_type=get("content-type"),
            has_authorization=credentials is not None,
        )
        if request is not None:
            row.method, row.uri = request.group(1), request.group(2)
        elif response is not None:
            row.status = int(response.group(1))
            row.reason = response.group(2)
        if credentials:
            self.talk.keep_secret(*authorization_parts(credentials.encode("utf-8")))
            user = _USERNAME(credentials)
            row.username = user.group(1) if user is not None else None
        start = data.find(b"\r\n\r\n")
        if start >= 0 and (row.content_type or "").lower().startswith("application/sdp"):
            row.media = sdp.media(data[start + 4 :])
        self.store_row(row)


def _probe_sip(data: bytes, talk: Conversation, from_src: bool) -> int:
    """Recognise a complete start line with SIP's version."""
    if not data or not 65 <= data[0] <= 90:
        return NO
    line_end = data.find(b"\n", 0, 2100)
    if line_end >= 0:
        return YES if data.find(b"SIP/2.0", 0, line_end) >= 0 and _BEGIN(data) is not None else NO
    return MORE if talk.transport == "tcp" and len(data) < 2048 and _ROOM(data) is not None else NO


_WORD = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"
"""Bytes of a method after its first."""
_AFTER = _WORD + b" /abcdefghijklmnopqrstuvwxyz"
"""Bytes that can follow two of a method, or ``SIP``."""
SIP = Dissector(
    "sip", "Session Initiation Protocol (RFC 3261)", ("udp", "tcp"), (5060, 5080), (Sip,), _probe_sip, SipParser,
    first=bytes(range(65, 91)),
    shapes=dict.fromkeys(("udp", "tcp"), Shape(at={1: _WORD, 2: _WORD + b" ", 3: _AFTER})),
)  # fmt: skip
