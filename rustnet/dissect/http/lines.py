"""Start lines of HTTP/1.x (RFC 9112, 2 to 4), strict and odd ones, and how they show that a stream is HTTP."""

import re

import cython

from rustnet.dissect.framework.conversation import MORE, NO, YES, Conversation
from rustnet.dissect.http.oddities import BARE_LF, ICY, NO_REASON, NO_VERSION, SPACING, TARGET_SPACE, VERSION

if not cython.compiled:  # compiled, it comes from the .pxd as a number
    from rustnet.dissect.http.fields import MAX_VALUE

PORTS = (80, 8080, 8000, 3128, 8008, 8888)
"""Ports of HTTP, on which less than a version shows it."""

REQUEST = re.compile(rb"([A-Z!#$%&'*+.^_`|~0-9-]{1,32}) ([^\x00-\x20\x7f][^\x00-\x1f\x7f]*) (HTTP/1\.[0-9])[ \t]*\r?\n")
RESPONSE = re.compile(rb"(HTTP/1\.[0-9]) ([1-9][0-9]{2})(?: ([^\r\n]*))?\r?\n")
_ODD_REQUEST = re.compile(  # but not the preface of HTTP/2
    rb"(?!PRI \* HTTP/2\.0\r\n)"
    rb"[ \t]{0,8}([A-Z!#$%&'*+.^_`|~0-9-]{1,32})[ \t]{1,64}([^\x00-\x20\x7f][^\x00-\x08\x0a-\x1f\x7f]*)"
    rb"[ \t]((?i:HTTP)/[0-9]{1,2}(?:\.[0-9]{1,2})?)[ \t]*\r?\n"
)
_NO_VERSION = re.compile(
    rb"(GET|HEAD|POST|PUT|DELETE|OPTIONS)[ \t]{1,64}((?:/|https?://)[^\x00-\x20\x7f]*)()[ \t]*\r?\n"
)
_ODD_RESPONSE = re.compile(
    rb"[ \t]{0,8}((?i:HTTP)/[0-9]{1,2}(?:\.[0-9]{1,2})?|HTTP|ICY)"
    rb"[ \t]{1,64}([1-9][0-9]{2})(?:[ \t]{1,64}([^\r\n]*))?\r?\n"
)
_OTHER_VERSION = re.compile(
    rb"[A-Z]{3,20} (?:/|https?://)[^\x00-\x20\x7f]* HTTP/[0-9]{1,2}(?:\.[0-9]{1,2})?[ \t]*\r?\n"
).match
"""Request line of another version that shows HTTP by itself."""
OPENING = re.compile(
    rb"(?i:HTTP)/(?:[0-9]{1,2}(?:[. \t][^\x00-\x08\x0a-\x1f\x7f]*\r?)?)?"
    rb"|[A-Z][A-Z!#$%&'*+.^_`|~0-9-]{0,31}(?:[ \t][^\x00-\x08\x0a-\x1f\x7f]*\r?)?"
).fullmatch
_LONG = re.compile(rb"(?:GET|HEAD|POST|PUT|DELETE|OPTIONS|PATCH|PROPFIND|REPORT) (?:/|https?://)").match
_HOST_LINE = re.compile(rb"[^\n]*\n(?i:host):[ \t]*[^\x00-\x20\x7f]").match


def request_line(head: bytes) -> "re.Match[bytes] | None":
    """Match of a request line: method, target and version, which may be empty."""
    line = REQUEST.match(head)
    if line is None:
        line = _ODD_REQUEST.match(head) or _NO_VERSION.match(head)
    return line


def response_line(head: bytes) -> "re.Match[bytes] | None":
    """Match of a status line: version, status and reason."""
    line = RESPONSE.match(head)
    if line is None:
        line = _ODD_RESPONSE.match(head)
    return line


def request_oddities(line: "re.Match[bytes]") -> int:
    """Bits of what is odd about a request line."""
    method, target, version = line.groups()
    odd = 0
    if not version:
        odd |= NO_VERSION
    elif len(version) != 8 or not version.startswith(b"HTTP/1."):
        odd |= VERSION
    target = target.rstrip(b" \t")
    if b" " in target or b"\t" in target:
        odd |= TARGET_SPACE
    return odd | _spacing(line, b" ".join((method, target, version)) if version else method + b" " + target)


def response_oddities(line: "re.Match[bytes]") -> int:
    """Bits of what is odd about a status line."""
    version, status, reason = line.groups()
    odd = 0
    if version == b"ICY":
        odd |= ICY
    elif version == b"HTTP":
        odd |= NO_VERSION
    elif len(version) != 8 or not version.startswith(b"HTTP/1."):
        odd |= VERSION
    if reason is None:
        odd |= NO_REASON
    parts = (version, status) if reason is None else (version, status, reason)
    return odd | _spacing(line, b" ".join(parts))


def _spacing(line: "re.Match[bytes]", plain: bytes) -> int:
    """Bits of a start line with other blanks than its plain form, or without a carriage return."""
    text = line.group()
    odd = 0 if text.endswith(b"\r\n") else BARE_LF
    return odd | (SPACING if text.rstrip(b"\r\n") != plain else 0)


def plausible(data: bytes, pos: int) -> bool:
    """Whether an incomplete head may become one."""
    if data.find(b"\n", pos) < 0:
        return OPENING(data, pos) is not None
    begin = data[pos : pos + MAX_VALUE]
    return request_line(begin) is not None or response_line(begin) is not None


def lone_request(data: bytes) -> bool:
    """Whether an incomplete head is a request of HTTP/0.9 as far as it goes."""
    return _NO_VERSION.match(data) is not None


def answers_old(data: bytes) -> int:
    """Whether bytes from a server begin with a status line (`NO`), or are the body of a response of HTTP/0.9."""
    begin = data[:5].lstrip(b" \t").upper()
    for start in (b"HTTP/", b"ICY "):
        if start.startswith(begin[: len(start)]):
            return NO if begin.startswith(start) else MORE
    return YES


def probe(data: bytes, talk: Conversation, from_src: bool) -> int:
    """Recognise a complete request or status line; MORE while it may become one."""
    if not data or not (65 <= data[0] <= 90 or (data[0] == 104 and talk.has_port(*PORTS))):
        return NO
    start = data[:5].upper()
    if start == b"HTTP/":
        if data[:4] != b"HTTP" and not talk.has_port(*PORTS):
            return NO
        if response_line(data) is not None:
            return YES
        return MORE if b"\n" not in data[:MAX_VALUE] and len(data) < MAX_VALUE and OPENING(data) is not None else NO
    line_end = data.find(b"\n")
    if line_end >= 0:
        return YES if _whole_line(data, line_end, talk) else NO
    if OPENING(data) is None:
        return NO
    # A request line may exceed what a probe sees: a method and an absolute target are enough then.
    return YES if len(data) >= 1024 and _LONG(data) is not None else MORE


def _whole_line(data: bytes, line_end: int, talk: Conversation) -> bool:
    """Whether a complete first line is one of HTTP; a cheap search saves other text protocols its expressions."""
    if data.find(b"HTTP/1", 0, line_end) > 0 or data.find(b"http/1", 0, line_end) > 0:
        return request_line(data) is not None
    if data.find(b" HTTP/", 0, line_end) > 0:
        return _OTHER_VERSION(data) is not None
    if data[:4].upper() == b"ICY ":
        return response_line(data) is not None
    if data[:1] in b"GHPDO" and _NO_VERSION.match(data) is not None:
        return talk.has_port(*PORTS) or _HOST_LINE(data) is not None
    return False
