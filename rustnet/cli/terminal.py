"""What stdout is: its width, its colours; and tables that fit. Text from captures is escaped before it is shown."""

import os
import shutil
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TextIO

from rustnet.present.text import cut, pad, width

PLAIN_WIDTH = 100
"""Width of prose and summaries that go to a file or pipe."""
_GAP = "  "


@dataclass(frozen=True, slots=True)
class Terminal:
    """What output goes to."""

    width: int
    tty: bool
    color: bool

    @classmethod
    def of(cls, stream: TextIO, *, color: bool = True) -> "Terminal":
        """Look at a stream and the environment (``COLUMNS``, ``NO_COLOR``, ``TERM``)."""
        tty = stream.isatty()
        wide = shutil.get_terminal_size((80, 24)).columns if tty or os.environ.get("COLUMNS") else PLAIN_WIDTH
        wanted = color and tty and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
        return cls(max(wide, 40), tty, wanted)

    def style(self, text: str, code: str) -> str:
        """``text`` in an SGR style (``1`` bold, ``2`` dim, ``31`` red …), if there are colours."""
        return f"\x1b[{code}m{text}\x1b[0m" if self.color and text else text

    def bold(self, text: str) -> str:
        """Headings."""
        return self.style(text, "1")

    def dim(self, text: str) -> str:
        """Set back what is there for completeness."""
        return self.style(text, "2")

    def good(self, text: str) -> str:
        """Mark what is as it should be."""
        return self.style(text, "32")

    def warn(self, text: str) -> str:
        """Mark what to look at."""
        return self.style(text, "33")

    def bad(self, text: str) -> str:
        """Mark what is wrong."""
        return self.style(text, "31")


def wrap(text: str, limit: int, indent: str) -> str:
    """Break prose at spaces; lines after the first begin with ``indent``. Long words are left whole."""
    return flow_items(text.split(), limit, indent, " ")


def flow_items(items: Iterable[str], limit: int, indent: str, gap: str = "  ") -> str:
    """Set ``items`` one after the other, ``gap`` between them, on lines no wider than ``limit`` where they fit.

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
    """A column of a table: heading, alignment, and whether it gives way first when there is no room."""

    title: str
    right: bool = False
    least: int = 8
    """It is not made narrower than this; 0: it keeps its width."""
    drop: int = 0
    """When there is no room, the column with the largest number is left out first; 0: never."""


def table(
    columns: Sequence[Col],
    rows: Sequence[Sequence[str]],
    limit: int,
    heading: Callable[[str], str] = str,
    indent: str = "  ",
) -> list[str]:
    """Lines of a table of safe text, no wider than ``limit``."""
    keep = list(range(len(columns)))
    widths = [max([width(c.title), *(width(row[i]) for row in rows)]) for i, c in enumerate(columns)]
    room = limit - len(indent)
    while _needed(columns, widths, keep) > room:
        optional = [i for i in keep if columns[i].drop]
        if not optional:
            break
        keep.remove(max(optional, key=lambda i: columns[i].drop))
    _squeeze(columns, widths, keep, room)

    def line(cells: Sequence[str]) -> str:
        made = [pad(cut(cells[i], widths[i]), widths[i], right=columns[i].right) for i in keep]
        return cut(indent + _GAP.join(made).rstrip(), limit)

    return [heading(line([c.title for c in columns])), *(line(row) for row in rows)]


def _least(column: Col, wide: int) -> int:
    return min(wide, column.least or wide)


def _needed(columns: Sequence[Col], widths: Sequence[int], keep: Sequence[int]) -> int:
    return sum(_least(columns[i], widths[i]) for i in keep) + len(_GAP) * (len(keep) - 1)


def _squeeze(columns: Sequence[Col], widths: list[int], keep: Sequence[int], room: int) -> None:
    """Narrow the widest columns, one step at a time, until all fit."""
    excess = sum(widths[i] for i in keep) + len(_GAP) * (len(keep) - 1) - room
    while excess > 0:
        able = [i for i in keep if widths[i] > _least(columns[i], widths[i])]
        able = [i for i in able if widths[i] > columns[i].least > 0]
        if not able:
            return
        widest = max(able, key=lambda i: widths[i])
        widths[widest] -= 1
        excess -= 1


def talk(words: str) -> None:
    """Say something to the person, beside the data."""
    sys.stderr.write(words + "\n")
    sys.stderr.flush()
