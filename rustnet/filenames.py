r"""File names as text that any table, message and terminal can hold.

On Unix a file name is a sequence of bytes. Python keeps bytes that are no UTF-8 as unpaired surrogates, which neither
DuckDB nor a terminal accepts. As text they are written ``\xNN``, and read back to the same name.
"""

import os
import re

_ESCAPE = re.compile(rb"\\x([89a-f][0-9a-f]|5c)")
_NOT_UTF8 = re.compile("[\udc80-\udcff]")


def as_text(path: str) -> str:
    r"""``path`` with bytes that are no UTF-8 as ``\xNN``; such a path has its backslashes as ``\x5c``."""
    if not _NOT_UTF8.search(path) and not _ESCAPE.search(path.encode("utf-8", "replace")):
        return path
    return _NOT_UTF8.sub(lambda match: f"\\x{ord(match[0]) - 0xDC00:02x}", path.replace("\\", "\\x5c"))


def as_path(text: str) -> str:
    """The path that `as_text` made ``text`` of."""
    return os.fsdecode(_ESCAPE.sub(lambda match: bytes([int(match[1], 16)]), text.encode("utf-8", "surrogateescape")))
