"""Header fields of HTTP/1.x heads (RFC 9112, 5): those that rows tell about, and what frames a body."""

import re

from rustnet.dissect.framework.conversation import DissectError

MAX_HEADERS = 1000
MAX_VALUE = 8192
"""Bytes of a header value, or of a URI, that are kept."""

_FOLD = re.compile(rb"\r?\n[ \t]+")
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
REQUEST_WANTED = {name: name for name in (*REQUEST_TEXTS, *REQUEST_SEEN, *_FRAMING)}
RESPONSE_WANTED = {name: name for name in (*RESPONSE_TEXTS, *RESPONSE_SEEN, *_FRAMING)}
_LIKELY = bytes(
    number in {(len(name) << 5) | (name[0] & 31) for name in (*REQUEST_WANTED, *RESPONSE_WANTED)}
    for number in range(1 << 10)
)
"""By the length of a field's name and five bits of its first letter, whether it may be one that is wanted."""


def text(raw: bytes) -> str:
    """Header bytes as text: UTF-8 where they are that, else Latin-1; bounded."""
    try:
        return raw[:MAX_VALUE].decode("utf-8")
    except UnicodeDecodeError:
        return raw[:MAX_VALUE].decode("latin-1")


def head_end(data: bytes, since: int) -> int:
    """Position behind the first empty line at or after ``since``, or -1."""
    strict = data.find(b"\n\r\n", since)
    bare = data.find(b"\n\n", since, strict if strict >= 0 else len(data))
    if bare >= 0:
        return bare + 2
    return strict + 3 if strict >= 0 else -1


def read_fields(
    head: bytes, start: int, wanted: dict[bytes, bytes], found: dict[bytes, bytes], folds: bool = True
) -> bool:
    """Collect the wanted header fields of a head behind its start line; return whether its framing is ambiguous.

    With ``folds`` its lines may be too many, or parts of the field above them.
    """
    size = len(head)
    ambiguous = False
    lines = 0
    pos = start
    while pos <= size:
        if folds and (lines == MAX_HEADERS or (lines and pos < size and (head[pos] == 32 or head[pos] == 9))):
            return _unfolded(head[start:], wanted, found)
        lines += 1
        colon = pos  # where the name ends, which is all of a line without a colon
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
                if key in found:
                    ambiguous = ambiguous or (key == b"content-length" and found[key] != value)
                else:
                    found[key] = value
        if length and (head[colon - 1] == 32 or head[colon - 1] == 9):
            ambiguous = ambiguous or head[pos:colon].strip().lower() in _FRAMING
        pos = end + 1
    return ambiguous or (b"content-length" in found and b"transfer-encoding" in found)


def _unfolded(fields: bytes, wanted: dict[bytes, bytes], found: dict[bytes, bytes]) -> bool:
    """Begin anew with the fields whose lines are folded; raises `DissectError` where there are too many lines."""
    fields = _FOLD.sub(b" ", fields)
    if fields.count(b"\n") >= MAX_HEADERS:
        raise DissectError(f"a head has more than {MAX_HEADERS} lines")
    found.clear()
    return read_fields(fields, 0, wanted, found, False)


def body_length(found: dict[bytes, bytes]) -> int:
    """Body length: -1 chunked, -2 none given."""
    coding = found.get(b"transfer-encoding")
    if coding is not None and coding.lower().endswith(b"chunked"):
        return -1
    stated = found.get(b"content-length")
    if stated is None:
        return -2
    if not stated.isdigit() or len(stated) > 18:
        raise DissectError("Content-Length is not a number")
    return int(stated)
