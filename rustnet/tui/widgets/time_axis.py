"""Labels of a time axis: round times of the zone that is shown, where time was cut out, and dates where they change."""

import datetime as dt
import itertools
from bisect import bisect_left
from collections.abc import Sequence

from rustnet.present.values import short_moment

SECOND = 10**9
_ROUND: tuple[int, ...] = (
    *(m * 10**e for e in range(9) for m in (1, 2, 5)),
    *(SECOND * s for s in (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800)),
    *(3600 * SECOND * h for h in (1, 2, 3, 6, 12, 24, 48, 96, 168, 336, 672, 24 * 91, 24 * 365, 24 * 3650)),
)
"""Distances between labels, in nanoseconds."""
_EPOCH = dt.datetime(1970, 1, 1)  # noqa: DTZ001 -- wall clock of the zone that is shown


def wall_clock(ns: int) -> int:
    """Nanoseconds since 1970 by the wall clock of the zone that is shown."""
    shown = dt.datetime.fromisoformat(short_moment(ns)[:19])
    return round((shown - _EPOCH).total_seconds()) * SECOND + ns % SECOND


def time_axis(times: Sequence[int | None], columns: int, *, ascii_only: bool = False) -> str:
    """Line of ``columns`` characters: ``╵10:05`` where a round time begins, ``⋯`` where time was cut out.

    ``times`` are the begins of spans of equal length that share the columns.
    """
    tick, cut_mark = ("|", "~") if ascii_only else ("╵", "⋯")
    count = len(times)
    known = [time for time in times if time is not None]
    if not known or columns < 1:
        return " " * columns
    span = _span(times)
    wide = 12 if span * count / columns < SECOND / 100 else 8
    distance = _distance(span * count / columns * (wide + 4))
    cells = [" "] * columns
    free = 0
    last_day = ""
    before: int | None = None
    for at, time in enumerate(times):
        column = at * columns // count
        if time is None:
            cells[column] = cut_mark
            free = max(free, column + 1)
            before = None
            continue
        here = wall_clock(time)
        begins = before is None or here // distance != before // distance
        before = here
        if not begins or column < free:
            continue
        first = at == 0 or times[at - 1] is None
        shown = time if first else time - here % distance
        text, last_day = _label(shown, distance, last_day, several=_days(known), exact=first and here % distance > 0)
        label = tick + text
        if column + len(label) <= columns and None not in times[at : at + len(label) * count // columns]:
            cells[column : column + len(label)] = label
            free = column + len(label) + 2
    return "".join(cells)


def _span(times: Sequence[int | None]) -> int:
    """Length of the spans."""
    steps = (b - a for a, b in itertools.pairwise(times) if a is not None and b is not None and b > a)
    return min(steps, default=SECOND)


def _distance(least: float) -> int:
    """First round distance that is not below ``least``."""
    return _ROUND[min(len(_ROUND) - 1, bisect_left(_ROUND, least))]


def _days(known: Sequence[int]) -> bool:
    return short_moment(known[0])[:10] != short_moment(known[-1])[:10]


def _label(ns: int, distance: int, last_day: str, *, several: bool, exact: bool) -> tuple[str, str]:
    """Text of a time, as exact as the distance to the next one needs or to the second; the date where it changes."""
    text = short_moment(ns)
    day, clock = text[:10], text[11:19]
    if distance >= 24 * 3600 * SECOND:
        return day, day
    if distance < SECOND:
        places = 3 if distance >= 10**6 else 6
        clock = f"{clock}.{ns % SECOND // 10 ** (9 - places):0{places}d}"
    elif distance >= 60 * SECOND and not exact:
        clock = clock[:5]
    return (f"{day[5:]} {clock}" if several and day != last_day else clock), day
