"""A live capture without the browser: one line a second on a terminal, redrawn in place; else only messages.

The line never waits for the terminal: while that takes nothing (Ctrl-S, a slow line), packets must not be lost. States
and messages may come from different threads.
"""

import io
import os
import select
import sys
import threading
import time
import typing
from collections import deque
from typing import TextIO

from rustnet.cli.terminal import Terminal
from rustnet.config import Color
from rustnet.i18n import _, ngettext
from rustnet.present.text import cut, safe, width
from rustnet.present.values import bit_rate, percent

if typing.TYPE_CHECKING:
    from rustnet.ingest.live_state import LiveState

EVERY = 1.0
"""Seconds between two lines."""
EVERY_PRINTED = 10.0
"""Seconds between two lines where they cannot be redrawn, or are read aloud."""
EARLY = 0.05
"""Seconds by which a state may come early for the next line."""
HELD = 200
"""Messages that wait for a terminal that takes nothing; what follows is counted."""
_GAP = " · "


class LiveLine:
    """Shows states and messages. ``accessible``: lines are printed one below the other, and rarely."""

    def __init__(self, stream: TextIO = sys.stderr, *, accessible: bool = False, color: Color = "auto") -> None:
        self._stream = stream
        self._color = color
        self._tty = stream.isatty()
        self._in_place = self._tty and not accessible and os.environ.get("TERM") != "dumb"
        self._next = 0.0
        self._drawn = False
        self._held: deque[str] = deque()
        self._lost = 0
        self._lock = threading.Lock()

    @property
    def outputs(self) -> list[str]:
        """No files."""
        return []

    def start(self) -> None:
        """Begin."""

    def put(self, state: "LiveState") -> None:
        """Show a state, if it is time for another line."""
        with self._lock:
            self._release()
            now = time.monotonic()
            if not self._tty or now < self._next - EARLY or not self._takes():
                return
            terminal = Terminal.of(self._stream, color=self._color)
            line = state_line(state, terminal, terminal.width - 1)
            self._next = now + (EVERY if self._in_place else EVERY_PRINTED)
            self._drawn = self._in_place
            self._write(f"\r{line}\x1b[K" if self._in_place else f"{line}\n")

    def message(self, words: str) -> None:
        """Print an error above the line; it may contain captured text."""
        with self._lock:
            self._hold(words)
            self._release()

    def later(self, words: str) -> None:
        """Print an alert above the line, with the next state or at the end; may be called on any thread."""
        with self._lock:
            self._hold(words)

    def _hold(self, words: str) -> None:
        """Keep a message until the terminal takes it."""
        if len(self._held) >= HELD:
            self._lost += 1
        else:
            self._held.append(safe(words))

    def close(self) -> None:
        """Print what waits, and erase the line."""
        with self._lock:
            self._release()
            if self._drawn and self._takes():
                self._write("\r\x1b[K")
            self._drawn = False

    def _release(self) -> None:
        """Print messages as far as the terminal takes them."""
        while self._held and self._takes():
            self._print(self._held.popleft())
        if self._lost and not self._held and self._takes():
            words = ngettext(
                "rustnet: {n} message was not shown", "rustnet: {n} messages were not shown", self._lost
            ).format(n=f"{self._lost:,}")
            self._lost = 0
            self._print(words)

    def _print(self, words: str) -> None:
        self._write(f"\r\x1b[K{words}\n" if self._drawn else f"{words}\n")
        if self._drawn:
            self._drawn = False
            self._next = 0.0

    def _takes(self) -> bool:
        """Whether the stream takes text at once."""
        try:
            poll = select.poll()
            poll.register(self._stream.fileno(), select.POLLOUT)
        except (OSError, io.UnsupportedOperation, AttributeError):
            return True
        return any(event & select.POLLOUT for _descriptor, event in poll.poll(0))

    def _write(self, text: str) -> None:
        try:
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError):  # the terminal is gone; the capture goes on
            self._tty = False


def state_line(state: "LiveState", terminal: Terminal, room: int) -> str:
    """A state in one line of at most ``room`` columns; what does not fit is left out, the least important first."""
    parts = _parts(state)
    while len(parts) > 1 and _width(parts) > room:
        parts.remove(max(parts, key=lambda part: part[0]))
    if _width(parts) > room:
        return cut(parts[0][1], room)
    texts = [terminal.bad(text) if rank == _LOSS else text for rank, text in parts]
    return _GAP.join(texts)


_LOSS = 0
"""Rank of what is never left out before others."""


def _width(parts: list[tuple[int, str]]) -> int:
    return sum(width(text) for _rank, text in parts) + len(_GAP) * (len(parts) - 1)


def _parts(s: "LiveState") -> list[tuple[int, str]]:
    """Rank and text of each part, in the order of the line; parts of the highest rank are left out first."""
    parts = [(1, elapsed(s.seconds))]
    if s.packets_per_second is not None:
        parts.append((2, _("{n} packets/s").format(n=f"{s.packets_per_second:,.0f}")))
    if s.bytes_per_second is not None:
        parts.append((5, bit_rate(8 * s.bytes_per_second)))
    parts.append((6, ngettext("{n} packet", "{n} packets", s.packets).format(n=f"{s.packets:,}")))
    parts.append((4, ngettext("{n} flow", "{n} flows", s.flows).format(n=f"{s.flows:,}")))
    if s.interfaces:
        rank = _LOSS if s.dropped else 3
        parts.append((rank, ngettext("{n} dropped", "{n} dropped", s.dropped).format(n=f"{s.dropped:,}")))
    coverage = s.flows_owned_last_minute or s.flows_owned
    if coverage is not None and coverage.all:
        share = percent(coverage.owned, coverage.all)
        parts.append((3, _("{share} owned").format(share=share)))
    if s.attribution is not None:
        parts.append((7, safe(s.attribution)))
    return parts


def elapsed(seconds: float) -> str:
    """Time since the beginning: ``0:07``, ``1:02:03``, ``49:00:00``."""
    minutes, second = divmod(int(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02d}:{second:02d}" if hours else f"{minute}:{second:02d}"
