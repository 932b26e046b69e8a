"""Progress line of an ingest, redrawn in place on stderr; for terminals only."""

import sys
import time
import typing
from pathlib import Path
from typing import TextIO

from rustnet.cli.terminal import Terminal
from rustnet.present.text import cut, printable, width

if typing.TYPE_CHECKING:
    from rustnet.ingest.report import Progress
    from rustnet.tui.writer import WriterProgress

_BAR = 20
_WIDE = 110
"""Terminal width from which all fields are shown."""
_SMOOTH = 0.3
"""Weight of the latest measurement in the displayed rates."""


class ProgressLine:
    """Progress callback for `rustnet.ingest.road` that draws one line."""

    def __init__(self, stream: TextIO = sys.stderr) -> None:
        self._stream = stream
        self._terminal = Terminal.of(stream)
        self._file = -1
        self._last = (0.0, 0, 0)
        self._packets = self._bytes = 0.0
        self._shown = False

    def __call__(self, progress: "Progress | WriterProgress") -> None:
        """Show the state of one file."""
        now = time.monotonic()
        if progress.file_index != self._file:
            self._file = progress.file_index
            self._last = (now, progress.packets, progress.position)
            self._packets = self._bytes = 0.0
        then, packets, position = self._last
        if (elapsed := now - then) > 0.05:
            weight = _SMOOTH if self._packets else 1.0
            self._packets += weight * ((progress.packets - packets) / elapsed - self._packets)
            self._bytes += weight * ((progress.position - position) / elapsed - self._bytes)
            self._last = (now, progress.packets, progress.position)
        line = cut(self._line(progress), self._terminal.width - 1)
        self._stream.write(f"\r{line}\x1b[K")
        self._stream.flush()
        self._shown = True

    def clear(self) -> None:
        """Erase the line."""
        if self._shown:
            self._stream.write("\r\x1b[K")
            self._stream.flush()
            self._shown = False

    def _line(self, progress: "Progress | WriterProgress") -> str:
        from rustnet.present.values import humanised  # noqa: PLC0415 -- a progress line is rare

        name = "stdin" if progress.source == "-" else printable(Path(progress.source).name)
        count = f"[{progress.file_index + 1}/{progress.files}] " if progress.files > 1 else ""
        wide = self._terminal.width >= _WIDE
        cells = _BAR if wide else _BAR // 2
        parts = [f"{progress.packets:,} packets"]
        if wide:
            parts.append(f"{progress.flows:,} flows")
        if self._packets:
            parts += [f"{self._packets:,.0f}{' packets' if wide else ''}/s", f"{humanised(self._bytes)}/s"]
        bar = ""
        if progress.size:
            done = min(1.0, progress.position / progress.size)
            bar = f" {'█' * int(done * cells):░<{cells}} {done:4.0%}"
            if self._bytes and done < 1:
                parts.append(f"{clock((progress.size - progress.position) / self._bytes)} left")
        rest = f"{bar}  {' · '.join(parts)}"
        room = max(8, self._terminal.width - 1 - len(count) - width(rest))
        return f"{count}{cut(name, room)}{rest}"


def clock(seconds: float) -> str:
    """Remaining time: ``0:07``, ``1:02:03``."""
    minutes, second = divmod(int(seconds + 0.5), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02d}:{second:02d}" if hours else f"{minute}:{second:02d}"
