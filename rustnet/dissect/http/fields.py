"""Header fields of HTTP/1.x heads (RFC 9112, 5): those that rows record, and those that frame a body."""

import re

from rustnet.dissect.framework.conversation import DissectError

MAX_HEADERS = 1000
MAX_VALUE = 8192
"""Maximum size of a header value, or of a URI, that is kept."""

_FOLD = re.compile(rb"\r?\n[ \t]+")
_SMUGGLED = re.compile(
    rb"(?i)\r?\n[ \t]+(?=(?:(?:proxy-)?authorization|(?:set-)?cookie2?|x-[\w-]*(?:token|key|auth)[\w-]*)[ \t]*:)"
)
"""A folded line that begins like a field with a credential: it is that field, not a part of the one before it."""
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
_FRAMING = (b"content-length", b"transfer-encoding")
REQUEST_WANTED = {name: name for name in (*REQUEST_TEXTS, *REQUEST_SEEN, *_FRAMING, b"expect")}
RESPONSE_WANTED = {name: name for name in (*RESPONSE_TEXTS, *RESPONSE_SEEN, *_FRAMING)}
_LIKELY = bytes(
    number in {(len(name) << 5) | (name[0] & 31) for name in (*REQUEST_WANTED, *RESPONSE_WANTED)}
    for number in range(1 << 10)
)
"""By a field name's length and five bits of its first letter, whether it may be a wanted one."""


def header_text(raw: bytes) -> str:
    """Header bytes as text: UTF-8 if valid, else Latin-1; bounded."""
    try:
        return raw[:MAX_VALUE].decode("utf-8")
    except UnicodeDecodeError:
        return raw[:MAX_VALUE].decode("latin-1")


def head_end(data: bytes, since: int) -> int:
    """Position after the first empty line at or after ``since``, or -1."""
    strict = data.find(b"\n\r\n", since)
    bare = data.find(b"\n\n", since, strict if strict >= 0 else len(data))
    if bare >= 0:
        return bare + 2
    return strict + 3 if strict >= 0 else -1


def read_fields(
    head: bytes, start: int, wanted: dict[bytes, bytes], values: dict[bytes, bytes], folds: bool = True
) -> bool:
    """Collect the wanted header fields after the start line; return whether the framing is ambiguous.

    With ``folds`` there may be too many lines, or folded ones.
    """
    size = len(head)
    ambiguous = False
    lines = 0
    pos = start
    while pos <= size:
        if folds and (lines == MAX_HEADERS or (lines and pos < size and (head[pos] == 32 or head[pos] == 9))):
            return _unfolded(head[start:], wanted, values)
        lines += 1
        colon = pos  # the end of the name, or of a line without a colon
        while colon < size and head[colon] != 58 and head[colon] != 10:
            colon += 1
        end = colon
        while end < size and head[end] != 10:
            end += 1
        length = colon - pos
        if 0 < length < 32 and _LIKELY[(length << 5) | (head[pos] & 31)]:
            key = wanted.get(head[pos:colon].lower())
            if key is not None:
                value = head[colon + 1 : end].strip() if colon < end else b""
                if key in values:
                    ambiguous = ambiguous or (key == b"content-length" and values[key] != value)
                else:
                    values[key] = value
        if length and (head[colon - 1] == 32 or head[colon - 1] == 9):
            ambiguous = ambiguous or head[pos:colon].strip().lower() in _FRAMING
        pos = end + 1
    return ambiguous or (b"content-length" in values and b"transfer-encoding" in values)


def _unfolded(fields: bytes, wanted: dict[bytes, bytes], values: dict[bytes, bytes]) -> bool:
    """Collect the fields again with folded lines joined; raises `DissectError` if there are too many lines."""
    fields = _FOLD.sub(b" ", _SMUGGLED.sub(b"\n", fields))
    if fields.count(b"\n") >= MAX_HEADERS:
        raise DissectError("more than {limit} header lines", limit=MAX_HEADERS)
    values.clear()
    return read_fields(fields, 0, wanted, values, False)


def body_length(values: dict[bytes, bytes]) -> int:
    """Body length: -1 for chunked, -2 if none is given."""
    coding = values.get(b"transfer-encoding")
    if coding is not None and coding.lower().endswith(b"chunked"):
        return -1
    stated = values.get(b"content-length")
    if stated is None:
        return -2
    if not stated.isdigit() or len(stated) > 18:
        raise DissectError("Content-Length is not a number")
    return int(stated)
