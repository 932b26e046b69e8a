"""Escape, measure and cut hostile text for terminals.

Names, URIs and process names come from packets. A terminal must never receive control characters from them, nor
characters that reorder or hide adjacent text.
"""

import re
import unicodedata

INVISIBLE = (
    "\xad\u034f\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f"
    "\u2028-\u202e\u2060-\u206f\u2800\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\ufffe\uffff"
    "\U000110bd\U000110cd\U00013430-\U0001345f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
"""Ranges of characters that reorder text or show nothing: all of Unicode's Cf, Zl and Zp, and blank letters."""
UNSAFE = re.compile(f"[\x00-\x1f\x7f-\x9f{INVISIBLE}\ud800-\udfff]")
"""Control (C0, DEL, C1), direction, invisible and unpaired characters."""

ELLIPSIS = "…"


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    named = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}.get(match[0])
    if named:
        return named
    if 0xDC80 <= code <= 0xDCFF:  # a byte of a file name that is no UTF-8
        return f"\\x{code - 0xDC00:02x}"
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def printable(text: str) -> str:
    """``text`` with control and invisible characters escaped."""
    return text if text.isascii() and text.isprintable() else UNSAFE.sub(_escape, text)


def _char_width(char: str) -> int:
    if unicodedata.category(char) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def width(text: str) -> int:
    """Terminal columns that `printable` text takes."""
    return len(text) if text.isascii() else sum(map(_char_width, text))


def cut(text: str, limit: int) -> str:
    """``text`` cut to ``limit`` columns, ending in an ellipsis if it was longer."""
    if len(text) <= limit and width(text) <= limit:
        return text
    if limit < 1:
        return ""
    used, kept = 0, []
    for char in text:
        used += _char_width(char)
        if used > limit - 1:
            break
        kept.append(char)
    return "".join(kept) + ELLIPSIS


def pad(text: str, columns: int, *, right: bool = False) -> str:
    """``text`` filled with spaces to ``columns``; ``right`` aligns to the right."""
    fill = " " * (columns - width(text))
    return fill + text if right else text + fill


def safe(text: str) -> str:
    """``text`` on one line, without control characters."""
    return printable(" ".join(text.split("\n")))
