"""The row of an HTTP transaction, of any version (RFC 9110)."""

from rustnet.records import U16, U32, U64, FreeText, Host, Mixed, Software, Term, Uri, Word, record

REQUEST_TEXTS = {
    b"host": "host",
    b"user-agent": "user_agent",
    b"referer": "referer",
    b"content-type": "request_content_type",
    b"upgrade": "upgrade",
    b"x-forwarded-for": "forwarded_for",
}
REQUEST_SEEN = {
    b"authorization": "has_authorization",
    b"proxy-authorization": "has_authorization",
    b"cookie": "has_cookie",
}
RESPONSE_TEXTS = {b"content-type": "content_type", b"server": "server", b"location": "location", b"upgrade": "upgrade"}
RESPONSE_SEEN = {b"set-cookie": "has_set_cookie"}
"""Columns by the names of header fields: their texts, and those of which only the presence is recorded."""


@record("http")
class Http:
    """One HTTP transaction: a request, its response, or both."""

    method: Term | None = None
    """Request method; NULL if the request was not seen."""
    host: Host | None = None
    """Authority of an absolute or CONNECT target (RFC 9112, 3.2.2), `:authority` of HTTP/2, else the Host header."""
    uri: Uri | None = None
    """Target, as on the request line; `:path` of HTTP/2, `/package.Service/Method` of gRPC."""
    version: Word | None = None
    """`HTTP/1.1` style: of the request, else of the response; `ICY` of SHOUTcast."""
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
    """Body bytes of the request: its Content-Length, or counted if chunked or HTTP/2."""
    response_bytes: U64 = 0
    """Body bytes of the response: its Content-Length, or counted if chunked, until the close, or HTTP/2."""
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
    """Protocol offered in Upgrade, or in `:protocol` of HTTP/2; the chosen one if the server switched (101)."""
    proxy: bool = False
    """The request was meant for a proxy: CONNECT (without `:protocol`), or an absolute target."""
    pair_unknown: bool = False
    """Bytes of the flow are missing, so that this request and its response cannot be assigned to each other."""
    request_oddities: list[Word] | None = None
    """What the request has against RFC 9112: `spacing` (of the start line), `version` (not `HTTP/1.` and a digit),
    `no-version`, `space-in-target`, `bare-lf`, `obs-fold` (a field over several lines), `leading-space`,
    `space-before-colon`, `no-colon`, `length-conflict`, `length-repeated`, `length-invalid`, `length-and-coding`,
    `unusual-coding`, `coding-in-1.0`, `chunk-extension`, `chunk-spacing`, `host-conflict` (of target and Host),
    `host-repeated`, `no-host`; of HTTP/2 `unknown-fields`: some refer to what is not in the capture. NULL: nothing."""
    response_oddities: list[Word] | None = None
    """The same of the response, and `no-reason`, `icy` (SHOUTcast). A length that several fields contradict is not
    believed; what follows is read from the next start line on."""
    stream_id: U32 | None = None
    """Stream of HTTP/2; 1 of a request that was upgraded from HTTP/1.1."""
    scheme: Term | None = None
    """`:scheme` of HTTP/2."""
    pushed: bool = False
    """The server promised this response before it was asked for (PUSH_PROMISE)."""
    reset_code: Word | None = None
    """Why a stream of HTTP/2 was ended early: `CANCEL`, `REFUSED_STREAM` …, `0x1f` style for others."""
    grpc: bool = False
    """A call of gRPC, by the Content-Type."""
    grpc_status: U32 | None = None
    """Status of a gRPC call: 0 for success."""
    grpc_message: FreeText | None = None
    """Message to the status of a gRPC call."""
