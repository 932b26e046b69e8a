"""HTTP/1 (RFC 9112) and SSDP: start lines and heads, values replaced by their kind; bodies are removed."""

import re

from rustnet.export.redacted_packets.payload import PayloadContext
from rustnet.export.redacted_packets.payloads import tls
from rustnet.export.redacted_packets.payloads.page import CutError, Page
from rustnet.export.redacted_packets.payloads.replacing import HIDDEN, Replacements, replacements
from rustnet.records import Kind

MAX_LINE = 1 << 16
MAX_FIELDS = 256
MAX_MESSAGES = 4096
MAX_CHUNKS = 1 << 16
NO_BODY = frozenset((204, 304))

METHODS = frozenset((
    b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"CONNECT", b"OPTIONS", b"TRACE", b"PATCH", b"PROPFIND", b"PROPPATCH",
    b"MKCOL", b"COPY", b"MOVE", b"LOCK", b"UNLOCK", b"REPORT", b"SEARCH", b"SUBSCRIBE", b"UNSUBSCRIBE", b"NOTIFY",
    b"M-SEARCH", b"PURGE",
))  # fmt: skip
_REQUEST = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]{1,32})( +)(\S+)( +HTTP/1\.[01][ \t]*)").fullmatch
_STATUS = re.compile(rb"(HTTP/1\.[01] +)(\d{3})( ?)(.*)", re.DOTALL).fullmatch
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]{1,64})[ \t]*:[ \t]*").match
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,8})[ \t]*").match
_DIGITS = re.compile(rb"\d{1,18}").fullmatch
_TYPE = re.compile(rb"([a-z]+)(/)([a-z0-9.+-]+)(.*)", re.DOTALL | re.IGNORECASE).fullmatch
_CACHE = re.compile(rb"(?:max-age|s-maxage|stale-while-revalidate|stale-if-error) ?= ?\d{1,9}").fullmatch

FIELDS = frozenset(b"""
    accept accept-charset accept-encoding accept-language accept-ranges access-control-allow-origin age allow
    authorization bootid.upnp.org cache-control configid.upnp.org connection content-disposition content-encoding
    content-language content-length content-location content-md5 content-range content-security-policy content-type
    cookie date dnt etag expect expires ext forwarded from host http2-settings if-match if-modified-since
    if-none-match if-range if-unmodified-since keep-alive last-modified link location man max-forwards mx nt nts opt
    origin p3p pragma proxy-authenticate proxy-authorization proxy-connection range referer retry-after
    searchport.upnp.org sec-fetch-dest sec-fetch-mode sec-fetch-site sec-websocket-accept sec-websocket-extensions
    sec-websocket-key sec-websocket-protocol sec-websocket-version server set-cookie sid soapaction st
    strict-transport-security te timeout trailer transfer-encoding upgrade upgrade-insecure-requests user-agent usn vary
    via warning www-authenticate x-cache x-content-type-options x-forwarded-for x-forwarded-host x-forwarded-proto
    x-frame-options x-powered-by x-real-ip x-requested-with x-user-agent x-xss-protection 01-nls
""".split())  # fmt: skip
"""Names of fields that stay; others are replaced."""
_NUMBERS = frozenset(b"content-length age max-forwards mx dnt upgrade-insecure-requests bootid.upnp.org".split())
_TERMS = frozenset(
    b"transfer-encoding connection proxy-connection keep-alive content-encoding accept-encoding expect upgrade te "
    b"accept-ranges pragma x-content-type-options sec-fetch-dest sec-fetch-mode sec-fetch-site "
    b"sec-websocket-version man ext allow".split()
)
_KINDS = {
    b"user-agent": Kind.SOFTWARE, b"server": Kind.SOFTWARE, b"x-powered-by": Kind.SOFTWARE,
    b"x-user-agent": Kind.SOFTWARE,
    b"referer": Kind.URI, b"location": Kind.URI, b"content-location": Kind.URI, b"origin": Kind.URI,
    b"x-forwarded-for": Kind.MIXED, b"x-real-ip": Kind.MIXED, b"x-forwarded-host": Kind.HOST, b"st": Kind.MIXED,
    b"nt": Kind.MIXED, b"nts": Kind.TERM, b"usn": Kind.IDENTIFIER,
}  # fmt: skip
_WORDS = frozenset(
    b"chunked gzip deflate br compress identity zstd keep-alive close upgrade te trailers websocket h2c bytes none "
    b"no-cache no-store no-transform must-revalidate proxy-revalidate public private immutable 100-continue * "
    b"ssdp:discover nosniff http2-settings cors navigate same-origin same-site "
    b"cross-site document empty image script style font 13".split()
)
"""Words of fields that control the connection or the cache; they have no other meaning."""
_SCHEMES = frozenset((b"basic", b"digest", b"bearer", b"ntlm", b"negotiate"))
_MAIN_TYPES = frozenset((b"text", b"image", b"audio", b"video", b"application", b"multipart", b"font", b"message"))


def write(page: Page, context: PayloadContext) -> None:
    """Write one direction of a connection."""
    names = replacements(context)
    pos = 0
    for _ in range(MAX_MESSAGES):
        if tls.is_record(page, pos):  # a tunnel through a proxy
            tls.write_from(page, context, pos)
            return
        head = Head(page, names, pos)
        noted = context.memory.setdefault("methods", [])
        if not isinstance(noted, list):
            raise CutError
        if head.method:
            noted.append(head.method)
            method = head.method
        elif head.status // 100 == 1 and head.status != 101:
            pos = head.end
            continue
        else:
            method = noted.pop(0) if noted else b""
        pos = _after_body(page, names, head, method)


def write_datagram(page: Page, context: PayloadContext) -> None:
    """Write the head of a message in a datagram."""
    Head(page, replacements(context), 0)


def _after_body(page: Page, names: Replacements, head: "Head", method: bytes) -> int:
    """Position after a message's body. Raises `CutError` where the connection has no further message."""
    if head.status:
        if head.status == 101:
            raise CutError
        if method == b"HEAD" or head.status in NO_BODY or (method == b"CONNECT" and head.status // 100 == 2):
            return head.end
        if not head.chunked and head.length is None:
            raise CutError
    if head.chunked:
        return _chunks(page, names, head.end)
    return head.end + (head.length or 0)


def _chunks(page: Page, names: Replacements, pos: int) -> int:
    """Keep the sizes of chunks; return the position after the trailer."""
    for _ in range(MAX_CHUNKS):
        end, after = line(page, pos)
        match = _CHUNK(page.data, pos, end)
        if match is None:
            raise CutError
        page.keep(pos, match.end(1))
        page.put(match.end(1), b" " * (end - match.end(1)))
        page.keep(end, after)
        size = int(match[1], 16)
        if not size:
            return Fields(page, names, after).end
        pos = after + size
        start, pos = line(page, pos)
        if start != after + size:
            raise CutError
        page.keep(start, pos)
    raise CutError


def line(page: Page, pos: int) -> tuple[int, int]:
    """Where a line ends, and where the next one begins."""
    feed = page.data.find(b"\n", pos, min(pos + MAX_LINE, page.size))
    if feed < 0:
        raise CutError
    return feed - (feed > pos and page.data[feed - 1] == 13), feed + 1


class Fields:
    """Writes the fields up to an empty line."""

    def __init__(self, page: Page, names: Replacements, pos: int) -> None:
        self.page = page
        self.names = names
        self.length: int | None = None
        self.chunked = False
        for _ in range(MAX_FIELDS):
            if pos == page.size and pos:  # a datagram may end without an empty line
                break
            end, after = line(page, pos)
            if end > pos:
                self._field(pos, end)
            page.keep(end, after)
            if end == pos:
                pos = after
                break
            pos = after
        else:
            raise CutError
        self.end = pos

    def _field(self, pos: int, end: int) -> None:
        """Write one field: its name, and its value by what it is."""
        page = self.page
        match = _FIELD(page.data, pos, end)
        if match is None:  # the continuation of a line, or no field
            page.put(pos, b" " + HIDDEN * (end - pos - 1))
            return
        name, value = match[1].lower(), page.data[match.end() : end].rstrip(b" \t")
        known = name in FIELDS
        page.put(pos, match[1] if known else self.names.text(Kind.OBJECT, match[1]))
        page.keep(match.end(1), match.end())
        page.put(match.end(), (self._value(name, value) if known else HIDDEN * len(value)).ljust(end - match.end()))

    def _value(self, name: bytes, value: bytes) -> bytes:
        if name in _NUMBERS:
            if _DIGITS(value) is None:
                return HIDDEN * len(value)
            if name == b"content-length" and self.length is None:
                self.length = int(value)
            return value
        if name == b"transfer-encoding" and value.lower().endswith(b"chunked"):
            self.chunked = True
        if name == b"host":
            return self.names.host(value)
        if name in _KINDS:
            return self.names.text(_KINDS[name], value)
        if name == b"content-type":
            return _media_type(value, self.names)
        if name in _TERMS or name == b"cache-control":
            return b",".join(map(_word, value.split(b",")))
        if name.endswith((b"authorization", b"authenticate")):
            scheme, space, rest = value.partition(b" ")
            if scheme.lower() in _SCHEMES:
                return scheme + space + HIDDEN * len(rest)
        return HIDDEN * len(value)


def _word(word: bytes) -> bytes:
    bare = word.strip(b' \t"').lower()
    return word if bare in _WORDS or _CACHE(bare) else HIDDEN * len(word)


def _media_type(value: bytes, names: Replacements) -> bytes:
    """Type and subtype by their kind; parameters are hidden."""
    match = _TYPE(value)
    if match is None or match[1].lower() not in _MAIN_TYPES:
        return HIDDEN * len(value)
    return match[1] + match[2] + names.text(Kind.TERM, match[3]) + _hidden_parameters(match[4])


def _hidden_parameters(rest: bytes) -> bytes:
    return b";" + HIDDEN * (len(rest) - 1) if rest[:1] == b";" else b" " * len(rest)


class Head(Fields):
    """Writes a start line and the fields after it."""

    def __init__(self, page: Page, names: Replacements, pos: int) -> None:
        end, after = line(page, pos)
        self.method = b""
        self.status = 0
        request, status = _REQUEST(page.data, pos, end), _STATUS(page.data, pos, end)
        if status is not None:
            self.status = int(status[2])
            page.keep(pos, status.end(3))
            page.put(status.end(3), reason(self.status, status[4]))
        elif request is not None:
            self.method = request[1] if request[1] in METHODS else b"?"
            page.put(pos, request[1] if request[1] in METHODS else names.text(Kind.TERM, request[1]))
            page.keep(request.end(1), request.start(3))
            page.put(request.start(3), target(self.method, request[3], names))
            page.keep(request.start(4), end)
        else:
            raise CutError
        page.keep(end, after)
        super().__init__(page, names, after)


def target(method: bytes, raw: bytes, names: Replacements) -> bytes:
    """Replacement of a request's target."""
    if raw in (b"*", b"/"):
        return raw
    return names.host(raw) if method == b"CONNECT" else names.text(Kind.URI, raw)


REASONS = {
    100: "Continue", 101: "Switching Protocols", 200: "OK", 201: "Created", 202: "Accepted", 204: "No Content",
    206: "Partial Content", 301: "Moved Permanently", 302: "Found", 303: "See Other", 304: "Not Modified",
    307: "Temporary Redirect", 308: "Permanent Redirect", 400: "Bad Request", 401: "Unauthorized", 403: "Forbidden",
    404: "Not Found", 405: "Method Not Allowed", 407: "Proxy Authentication Required", 408: "Request Timeout",
    409: "Conflict", 410: "Gone", 412: "Precondition Failed", 413: "Payload Too Large", 415: "Unsupported Media Type",
    416: "Range Not Satisfiable", 426: "Upgrade Required", 429: "Too Many Requests", 500: "Internal Server Error",
    501: "Not Implemented", 502: "Bad Gateway", 503: "Service Unavailable", 504: "Gateway Timeout",
}  # fmt: skip
"""Usual phrases of statuses, which stay."""


def reason(status: int, raw: bytes) -> bytes:
    """Replacement of a status' phrase."""
    return raw if raw.decode("latin-1") == REASONS.get(status) else HIDDEN * len(raw)
