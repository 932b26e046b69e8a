"""What the leak scan reports."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from rustnet.export.leaks.searching import Hit, Verdict

MOST = 1_000
"""Most leaks that are listed one by one."""


@dataclass(frozen=True, slots=True)
class Leak:
    """An original value in an output."""

    file: str
    """File, relative to the directory."""
    place: str
    """Table and column, line, or packet; empty where only the offset is known."""
    row: int | None
    """Number of the row, line or packet, from 1; None where there is none."""
    offset: int | None
    """Offset in the file; None for values of columns."""
    kind: str
    """Kind of the value."""
    form: str
    """How it is written there: `text`, `binary`, `reversed` …"""
    value: str
    """The original itself."""

    def record(self) -> dict[str, Any]:
        """Return it as a JSON object."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(slots=True)
class Findings:
    """The result of a scan."""

    leaks: list[Leak] = field(default_factory=list)
    undecided: list[Leak] = field(default_factory=list)
    """Values that are originals and replacements of others, in places without a counterpart in the session."""
    leak_count: int = 0
    undecided_count: int = 0
    unread: list[tuple[str, str]] = field(default_factory=list)
    """Files that could not be looked into, and why."""
    files: int = 0
    bytes: int = 0
    sought: int = 0
    """Values that were looked for."""
    complete: bool = True
    """All values of the session were looked for."""

    def add(self, hit: Hit, file: str, place: str = "", row: int | None = None, offset: int | None = None) -> None:
        """Add a hit."""
        leak = Leak(file, place, row, offset, hit.kind.value, hit.form, hit.text)
        if hit.verdict is Verdict.LEAK:
            self.leak_count += 1
            kept = self.leaks
        else:
            self.undecided_count += 1
            kept = self.undecided
        if len(kept) < MOST:
            kept.append(leak)

    def record(self) -> dict[str, Any]:
        """Return it as a JSON object."""
        return {
            "ok": not self.leak_count,
            "leaks": [leak.record() for leak in self.leaks],
            "leak_count": self.leak_count,
            "undecided": [leak.record() for leak in self.undecided],
            "undecided_count": self.undecided_count,
            "unread": [{"file": file, "reason": reason} for file, reason in self.unread],
            "files": self.files,
            "bytes": self.bytes,
            "sought": self.sought,
            "complete": self.complete,
        }


Step = Callable[[str, int, int], None]
"""Told the file that is looked into, how many bytes are done, and of how many."""


def no_step(_file: str, _done: int, _all: int) -> None:
    """Ignore progress."""
