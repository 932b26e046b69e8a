"""Sides of a comparison: sessions, or time ranges of them, as they are written and as they are read."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rustnet.errors import UsageError
from rustnet.query import diff_sets, values
from rustnet.query.matching import Condition

if TYPE_CHECKING:
    from rustnet.query.compile import Scope
    from rustnet.query.session import Session


@dataclass(frozen=True, slots=True)
class SideText:
    """A side as it was written: ``SESSION``, or ``SESSION@FROM..TO``."""

    path: str
    start: int | None = None
    """First nanosecond of the range, since 1970 UTC."""
    end: int | None = None
    """First nanosecond after the range."""


def parse_side(text: str) -> SideText:
    """Read ``SESSION`` or ``SESSION@FROM..TO``; a file that has the whole text as its name is a session.

    The range begins with the first moment of FROM and ends just before the first moment of TO; either may be left out.
    Raises `UsageError`.
    """
    path, mark, span = text.rpartition("@")
    if not mark or ".." not in span or "/" in span or not path or os.path.lexists(text):
        return SideText(text)
    first, _dots, last = span.partition("..")
    start = _moment(text, first) if first else None
    end = _moment(text, last) if last else None
    if start is not None and end is not None and end <= start:
        raise UsageError("{side}: the range ends before it begins; TO is the first moment after it", side=text)
    return SideText(path, start, end)


def _moment(side: str, text: str) -> int:
    try:
        return values.time(text).low
    except ValueError as error:
        raise UsageError("{side}: '{text}' {reason}", side=side, text=text, reason=error) from None


@dataclass(frozen=True, slots=True)
class Side:
    """An open session, or a time range of it."""

    session: "Session"
    start: int | None = None
    """First nanosecond of the range, since 1970 UTC; None: from its beginning."""
    end: int | None = None
    """First nanosecond after the range; None: until its end."""


@dataclass(frozen=True, slots=True)
class SideFacts:
    """What a side consists of."""

    session: str
    """Path of the session."""
    start: int | None
    """First nanosecond of the range that was asked for."""
    end: int | None
    """First nanosecond after that range."""
    first: int | None
    """First moment of the range that its captures cover; None: none of it."""
    last: int | None
    """Last moment of the range that its captures cover."""
    seconds: float
    """Time that its captures cover within the range, without gaps between them."""
    flows: int
    """Flows of the side."""
    owned: int
    """Flows that have a process."""
    bytes: int
    """Bytes on the wire of its flows within the range."""
    growing: bool
    """A capture of it was still being read, or its replay was interrupted."""


def facts_of(side: Side, condition: Condition, scope: "Scope") -> SideFacts:
    """Count a side, and work out the time that it covers."""
    session = side.session
    totals = session.execute_own(diff_sets.totals_sql(side.start, side.end, condition, scope), condition.params).rows
    flows, owned, size, first, last = totals[0]
    rows = session.execute_own(diff_sets.SPANS_SQL).rows
    spans = _clipped([(begin, end) for begin, end, _finished in rows if end is not None], side)
    if not spans and first is not None:
        spans = [(first, last)]
    return SideFacts(
        session.path, side.start, side.end,
        min((span[0] for span in spans), default=None), max((span[1] for span in spans), default=None),
        _covered(spans) / 1e9, flows, owned, size, any(not finished for _begin, _end, finished in rows),
    )  # fmt: skip


def _clipped(spans: list[tuple[int, int]], side: Side) -> list[tuple[int, int]]:
    """Parts of spans that lie within the range of a side."""
    clipped = []
    for begin, end in spans:
        first = begin if side.start is None else max(begin, side.start)
        last = end if side.end is None else min(end, side.end)
        if first <= last:
            clipped.append((first, last))
    return clipped


def _covered(spans: list[tuple[int, int]]) -> int:
    """Nanoseconds that spans cover; where they overlap, once."""
    total, until = 0, None
    for begin, end in sorted(spans):
        if until is None or begin > until:
            total, until = total + end - begin, end
        elif end > until:
            total, until = total + end - until, end
    return total


def same_file(first: str, second: str) -> bool:
    """Whether two paths are the same session."""
    try:
        return Path(first).samefile(second)
    except OSError:
        return first == second
