"""Header fields of HTTP/1.x heads (RFC 9112, 5): those that rows record, and those that frame a body."""

import re

from rustnet.dissect.framework.conversation import DissectError
from rustnet.dissect.http.oddities import (
    BARE_LF,
    CODING,
    CODING_OLD,
    FOLDED,
    HOST_REPEATED,
    LEADING_SPACE,
    LENGTH_AND_CODING,
    LENGTH_CONFLICT,
    LENGTH_INVALID,
    LENGTH_REPEATED,
    NO_COLON,
    SPACED_LENGTH,
    SPACED_NAME,
)
from rustnet.dissect.http.record import REQUEST_SEEN, REQUEST_TEXTS, RESPONSE_SEEN, RESPONSE_TEXTS

MAX_HEADERS = 1000
MAX_VALUE = 8192
"""Maximum size of a header value, or of a URI, that is kept."""
CHUNKED, NO_LENGTH, UNCERTAIN = -1, -2, -3
"""Instead of a body's length: it has chunks, none is stated, or what is stated cannot be believed."""

_FOLD = re.compile(rb"\r?\n[ \t]+")
_SMUGGLED = re.compile(
    rb"(?i)\r?\n[ \t]++(?=(?:(?:proxy-)?authorization|(?:set-)?cookie2?|x-(?=[\w-]*(?:token|key|auth))[\w-]*+)[ \t]*+:)"
)
"""A folded line that begins like a field with a credential: it is that field, not a part of the one before it."""
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


def fill(row: object, fields: dict[bytes, bytes], texts: dict[bytes, str], seen: dict[bytes, str]) -> None:
    """Set a row's fields from the header fields that are kept, and from those whose presence is recorded."""
    for key, value in fields.items():
        if key in texts:
            setattr(row, texts[key], header_text(value))
        elif key in seen:
            setattr(row, seen[key], True)


def hostname(host: str) -> str:
    """Host without its port, lower case."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.partition(":")[0].lower()


def same_host(one: str, other: str) -> bool:
    """Whether two hosts are the same; a port that only one of them states makes no difference."""
    if hostname(one) != hostname(other):
        return False
    ports = {text.rpartition("]")[2].partition(":")[2] for text in (one, other)}
    return len(ports - {""}) < 2


def head_end(data: bytes, since: int) -> int:
    """Position after the first empty line at or after ``since``, or -1."""
    strict = data.find(b"\n\r\n", since)
    bare = data.find(b"\n\n", since, strict if strict >= 0 else len(data))
    if bare >= 0:
        return bare + 2
    return strict + 3 if strict >= 0 else -1


def read_fields(  # noqa: C901, PLR0912 the hot loop
    head: bytes, start: int, wanted: dict[bytes, bytes], values: dict[bytes, bytes], folds: bool = True
) -> int:
    """Collect the wanted header fields after the start line; return bits of what is odd about all fields.

    With ``folds`` there may be too many lines, or folded ones.
    """
    size = len(head)
    odd = 0
    lines = 0
    pos = start
    while pos <= size:
        if folds and (lines == MAX_HEADERS or (pos < size and (head[pos] == 32 or head[pos] == 9))):
            if lines:
                return _unfolded(head[start:], wanted, values)
            odd |= LEADING_SPACE
        lines += 1
        colon = pos  # the end of the name, or of a line without a colon
        while colon < size and head[colon] != 58 and head[colon] != 10:
            colon += 1
        end = colon
        while end < size and head[end] != 10:
            end += 1
        if end < size and (end == pos or head[end - 1] != 13):
            odd |= BARE_LF
        length = colon - pos
        if colon == end and length > 1:
            odd |= NO_COLON
        elif length and (head[colon - 1] == 32 or head[colon - 1] == 9):
            odd |= SPACED_NAME
            while length and (head[pos + length - 1] == 32 or head[pos + length - 1] == 9):
                length -= 1
        if 0 < length < 32 and _LIKELY[(length << 5) | (head[pos] & 31)]:
            key = wanted.get(head[pos : pos + length].lower())
            if key is not None:
                if length != colon - pos and key in _FRAMING:
                    odd |= SPACED_LENGTH
                value = head[colon + 1 : end].strip() if colon < end else b""
                if key in values:
                    odd |= _again(key, value, values)
                else:
                    values[key] = value
        pos = end + 1
    return odd


def _again(key: bytes, value: bytes, values: dict[bytes, bytes]) -> int:
    """Handle a field that is there already: of most the first one counts."""
    if key == b"content-length":
        if values[key] == value:
            return LENGTH_REPEATED
        values[key] = values[key] + b"," + value if len(values[key]) < MAX_VALUE else values[key]
        return 0
    if key == b"transfer-encoding":  # one list over several lines (RFC 9110, 5.3)
        values[key] = values[key] + b"," + value if len(values[key]) < MAX_VALUE else values[key]
        return 0
    return HOST_REPEATED if key == b"host" else 0


def _unfolded(fields: bytes, wanted: dict[bytes, bytes], values: dict[bytes, bytes]) -> int:
    """Collect the fields again with folded lines joined; raises `DissectError` if there are too many lines."""
    odd = 0 if fields.count(b"\n") == fields.count(b"\r\n") else BARE_LF
    if fields.startswith((b" ", b"\t")):
        odd |= LEADING_SPACE
    joined, folds = _FOLD.subn(b" ", _SMUGGLED.sub(b"\r\n", fields))
    if joined.count(b"\n") >= MAX_HEADERS:
        raise DissectError("more than {limit} header lines", limit=MAX_HEADERS)
    values.clear()
    return odd | (FOLDED if folds else 0) | read_fields(joined, 0, wanted, values, False)


def framing(values: dict[bytes, bytes], old: bool) -> int:
    """Bits of what is odd about the fields that frame a body; ``old``: the message is of HTTP/1.0."""
    coding = values.get(b"transfer-encoding")
    stated = values.get(b"content-length")
    odd = 0
    if coding is not None:
        if stated is not None:
            odd |= LENGTH_AND_CODING
        if old:
            odd |= CODING_OLD
        if not _is_chunked(coding):
            odd |= CODING
    if stated is not None and not stated.isdigit():
        lengths = _lengths(stated)
        if len(lengths) == 1:
            odd |= LENGTH_INVALID if UNCERTAIN in lengths else LENGTH_REPEATED
        else:
            odd |= LENGTH_CONFLICT | (LENGTH_INVALID if UNCERTAIN in lengths else 0)
    return odd


def _lengths(stated: bytes) -> set[int]:
    """Lengths in a list; `UNCERTAIN` for those that are no numbers."""
    parts = [part.strip() for part in stated.split(b",")]
    return {int(part) if part.isdigit() and len(part) <= 18 else UNCERTAIN for part in parts}


def _is_chunked(coding: bytes) -> bool:
    """Whether the last coding is that of chunks."""
    return coding.lower().rpartition(b",")[2].strip() == b"chunked"


def body_length(values: dict[bytes, bytes], request: bool) -> int:
    """Body length by RFC 9112, 6.3, or one of `CHUNKED`, `NO_LENGTH`, `UNCERTAIN`."""
    coding = values.get(b"transfer-encoding")
    if coding is not None:
        if _is_chunked(coding):
            return CHUNKED
        if coding.lower() != b"identity":  # which once meant that there is no coding
            return UNCERTAIN if request else NO_LENGTH
    stated = values.get(b"content-length")
    if stated is None:
        return NO_LENGTH
    if stated.isdigit() and len(stated) <= 18:
        return int(stated)
    lengths = _lengths(stated)
    return lengths.pop() if len(lengths) == 1 else UNCERTAIN
