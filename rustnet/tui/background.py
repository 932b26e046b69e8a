"""Whether the terminal's background is light: asked of the terminal (OSC 11), else from COLORFGBG."""

import contextlib
import os
import re
import select
import time

PATIENCE = 0.15
"""Seconds to wait for the terminal's answer."""
MOST_BYTES = 1024
"""Bytes of an answer that are read."""
_QUESTION = b"\x1b]11;?\x1b\\\x1b[c"
"""The colour of the background, then the kind of terminal, which every terminal answers: what ends the wait."""
_COLOR = re.compile(rb"\x1b\]11;rgba?:([0-9a-fA-F]{1,4})/([0-9a-fA-F]{1,4})/([0-9a-fA-F]{1,4})")
_END = re.compile(rb"\x1b\[\?[0-9;]*c")


def light_background(keys: int = 0, screen: int = 1) -> bool:
    """Ask the terminal with these descriptors; dark if it does not answer and the environment does not say."""
    answer = _ask(keys, screen)
    light = is_light(answer)
    if light is None:
        light = os.environ.get("COLORFGBG", "").rpartition(";")[2] in ("7", "15")
    return light


def is_light(answer: bytes) -> bool | None:
    """Whether the colour in a terminal's answer is light; None without one."""
    match = _COLOR.search(answer)
    if match is None:
        return None
    red, green, blue = (int(part, 16) / (16 ** len(part) - 1) for part in match.groups())
    return bool(0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.5)


def _ask(keys: int, screen: int) -> bytes:
    """Return what the terminal answers to `_QUESTION`."""
    try:
        import termios  # noqa: PLC0415 -- not on Windows
        import tty  # noqa: PLC0415
    except ImportError:
        return b""
    if not (os.isatty(keys) and os.isatty(screen)):
        return b""
    answer = b""
    with contextlib.suppress(OSError, termios.error):
        before = termios.tcgetattr(keys)
        try:
            tty.setcbreak(keys, termios.TCSANOW)
            os.write(screen, _QUESTION)
            end = time.monotonic() + PATIENCE
            while not _END.search(answer) and len(answer) < MOST_BYTES:
                left = end - time.monotonic()
                if left <= 0 or not select.select([keys], [], [], left)[0]:
                    break
                answer += os.read(keys, MOST_BYTES)
        finally:
            termios.tcsetattr(keys, termios.TCSANOW, before)
    return answer
