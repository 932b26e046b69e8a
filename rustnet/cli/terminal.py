"""Width and colours of the terminal, and tables that fit it. Callers escape text from captures first."""

import os
import shutil
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TextIO

from rustnet.config import Color
from rustnet.i18n import _
from rustnet.present.text import cut, pad, safe, width

PLAIN_WIDTH = 100
"""Width of summaries written to a file or pipe."""
_GAP = "  "


@dataclass(frozen=True, slots=True)
class Terminal:
    """Properties of an output stream."""

    width: int
    tty: bool
    color: bool

    @classmethod
    def of(cls, stream: TextIO, *, color: Color = "auto") -> "Terminal":
        """Determine them from a stream and the environment (``COLUMNS``; ``NO_COLOR`` and ``TERM`` if auto)."""
        tty = stream.isatty()
        wide = shutil.get_terminal_size((80, 24)).columns if tty or os.environ.get("COLUMNS") else PLAIN_WIDTH
        usual = tty and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
        return cls(max(wide, 40), tty, usual if color == "auto" else color == "always")

    def style(self, text: str, code: str) -> str:
        """``text`` in an SGR style (``1`` bold, ``2`` dim, ``31`` red …), if there are colours."""
        return f"\x1b[{code}m{text}\x1b[0m" if self.color and text else text

    def bold(self, text: str) -> str:
        """``text`` in bold, for headings."""
        return self.style(text, "1")

    def dim(self, text: str) -> str:
        """``text`` dimmed, for secondary information."""
        return self.style(text, "2")

    def good(self, text: str) -> str:
        """``text`` in green, for success."""
        return self.style(text, "32")

    def warn(self, text: str) -> str:
        """``text`` in yellow, for warnings."""
        return self.style(text, "33")

    def bad(self, text: str) -> str:
        """``text`` in red, for errors."""
        return self.style(text, "31")


def wrap(text: str, limit: int, indent: str) -> str:
    """Wrap ``text`` at spaces; lines after the first begin with ``indent``. Long words are not split."""
    return flow_items(text.split(), limit, indent, " ")


def flow_items(items: Iterable[str], limit: int, indent: str, gap: str = "  ") -> str:
    """Join ``items`` with ``gap``, and wrap lines wider than ``limit`` between items.

    Lines after the first begin with ``indent``.
    """
    lines, line = [], ""
    for item in items:
        if line and width(line) + len(gap) + width(item) > limit:
            lines.append(line)
            line = indent + item
        else:
            line = f"{line}{gap}{item}" if line else item
    return "\n".join([*lines, line])


@dataclass(frozen=True, slots=True)
class Col:
    """A column of a table: heading, alignment, and how it shrinks."""

    title: str
    right: bool = False
    least: int = 8
    """Minimum width; 0: the column is never narrowed."""
    drop: int = 0
    """If the table is too wide, columns with the largest number are dropped first; 0: never."""


def table(
    columns: Sequence[Col],
    rows: Sequence[Sequence[str]],
    limit: int,
    heading: Callable[[str], str] = str,
    indent: str = "  ",
) -> list[str]:
    """Lines of a table no wider than ``limit``; cells must be safe to print."""
    kept = list(range(len(columns)))
    widths = [max([width(c.title), *(width(row[i]) for row in rows)]) for i, c in enumerate(columns)]
    room = limit - len(indent)
    while _needed(columns, widths, kept) > room:
        optional = [i for i in kept if columns[i].drop]
        if not optional:
            break
        kept.remove(max(optional, key=lambda i: columns[i].drop))
    _squeeze(columns, widths, kept, room)

    def line(cells: Sequence[str]) -> str:
        padded = [pad(cut(cells[i], widths[i]), widths[i], right=columns[i].right) for i in kept]
        return cut(indent + _GAP.join(padded).rstrip(), limit)

    return [heading(line([c.title for c in columns])), *(line(row) for row in rows)]


def _min_width(column: Col, wide: int) -> int:
    return min(wide, column.least or wide)


def _needed(columns: Sequence[Col], widths: Sequence[int], kept: Sequence[int]) -> int:
    return sum(_min_width(columns[i], widths[i]) for i in kept) + len(_GAP) * (len(kept) - 1)


def _squeeze(columns: Sequence[Col], widths: list[int], kept: Sequence[int], room: int) -> None:
    """Narrow the widest columns until all fit."""
    excess = sum(widths[i] for i in kept) + len(_GAP) * (len(kept) - 1) - room
    while excess > 0:
        candidates = [i for i in kept if widths[i] > _min_width(columns[i], widths[i])]
        candidates = [i for i in candidates if widths[i] > columns[i].least > 0]
        if not candidates:
            return
        widest = max(candidates, key=lambda i: widths[i])
        widths[widest] -= 1
        excess -= 1


def notify_error(sentence: str) -> None:
    """Print an error that does not end the command; the sentence may contain captured text."""
    notify(_("rustnet: error: {words}").format(words=safe(sentence)))


def notify(words: str) -> None:
    """Print a message for the user on stderr, separate from the data on stdout."""
    sys.stderr.write(words + "\n")
    sys.stderr.flush()
