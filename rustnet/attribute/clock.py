"""Whether the clock of a source was right: from connections that the capture and the source both saw begin.

A connection whose ends only one flow and one record name has two beginnings. If the source's clock is right they lie
as far apart as the source is slow to notice it; if it is wrong, most lie one and the same distance apart. Old sockets,
reused ports and chance pairs are scattered, so the estimate is that of the narrowest span that holds half of all
differences: its middle, its width, and how many agree with it. Nothing is moved unless the user asks for it.
"""

# ruff: noqa: S608 -- the parts of these statements are constants of this package; values are bound

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from rustnet.attribute.stage import run
from rustnet.attribute.values import MAX_TIME
from rustnet.policy.ownership import AGREEING, PAIRS, TOLERANCE_SECONDS, WRONG_SECONDS

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

Correction = float | Literal["auto"] | None
"""What to add to a source's times: seconds, as much as it was found to be off, or nothing."""

SAMPLE = 50_000
"""Keys that are looked at, about; more say no more."""

TOLERANCE_NS = round(TOLERANCE_SECONDS * 1e9)
WRONG_NS = round(WRONG_SECONDS * 1e9)

# What a source finds open when it begins to look began at some time before: its first moment, if records share it.
_BEGINNINGS = """
WITH opening AS (
    SELECT origin, host, min(ws) AS ws FROM own_said WHERE ws IS NOT NULL GROUP BY origin, host
), shared AS (
    SELECT s.origin, s.host, s.ws FROM own_said s
    JOIN opening o ON o.origin = s.origin AND o.host = s.host AND o.ws = s.ws
    GROUP BY s.origin, s.host, s.ws HAVING count(*) > 1
), alone AS (
    SELECT key, min(fs) AS fs FROM own_fit WHERE key % $part = 0 GROUP BY key HAVING count(*) = 1
), said AS (
    SELECT w.key, s.origin, s.host, min(s.ws) AS ws
    FROM own_window w JOIN own_said s ON s.seq = w.seq
    ANTI JOIN shared o ON o.origin = s.origin AND o.host = s.host AND o.ws = s.ws
    WHERE w.key % $part = 0 AND w.match IN ('tuple', 'nat') AND s.ws IS NOT NULL
    GROUP BY ALL HAVING min(s.ws) = max(s.ws)
)
SELECT said.origin, said.host, list(said.ws - alone.fs ORDER BY said.ws - alone.fs)
FROM said JOIN alone ON alone.key = said.key
GROUP BY said.origin, said.host ORDER BY said.origin, said.host"""

_MOVED = f"greatest(least({{0}}::HUGEINT + a.added, {MAX_TIME}), {-MAX_TIME})::BIGINT"
_SHIFT = f"""
UPDATE own_said SET ws = {_MOVED.format("ws")}, we = {_MOVED.format("we")}, seen = {_MOVED.format("seen")}
FROM own_shift a WHERE a.origin = own_said.origin AND a.host = own_said.host"""


@dataclass(slots=True)
class Clock:
    """Clock of one source on one host."""

    origin: int
    """Number of the source in ``own_origin``."""
    host: int
    """Number of the host in ``own_said``."""
    offset: int
    """Nanoseconds that it is ahead of the capture's; negative: behind."""
    spread: int
    """Width of the narrowest span that holds half of the differences."""
    pairs: int
    """Connections that could be compared."""
    agreeing: int
    """Of these, those within `TOLERANCE_NS` of the offset."""
    added: int = 0
    """Nanoseconds that were added to the source's times."""

    @property
    def wrong(self) -> bool:
        """Whether it is off, and not only slow, scattered or little known."""
        return abs(self.offset) >= WRONG_NS and self.agreeing >= AGREEING * self.pairs


def estimate(differences: list[int]) -> tuple[int, int, int]:
    """Offset, spread and number of those that agree, of sorted differences."""
    half = (len(differences) + 1) // 2
    spans = [differences[i + half - 1] - differences[i] for i in range(len(differences) - half + 1)]
    spread = min(spans)
    place = spans.index(spread)
    middle = differences[place + (half - 1) // 2]
    agreeing = [one for one in differences if abs(one - middle) <= TOLERANCE_NS]
    return agreeing[(len(agreeing) - 1) // 2], spread, len(agreeing)


def prepare(con: "DuckDBPyConnection", correction: Correction) -> None:
    """Fill ``own_shift(origin, host, added)``, and move all times, if they are to be moved by a fixed distance."""
    if isinstance(correction, int | float) and correction:
        added = [round(correction * 1e9)]
        run(con, "INSERT INTO own_shift SELECT DISTINCT origin, host, ?::BIGINT FROM own_said", added)
        run(con, _SHIFT)


def measure(con: "DuckDBPyConnection", keys: int) -> list[Clock]:
    """Compare every source's clock with the capture's; those with fewer than `PAIRS` connections are left out.

    ``own_fit``, ``own_window`` and ``own_said`` of `rustnet.attribute.claims` must exist; ``keys`` is how many keys
    have both ends with ports.
    """
    if keys < PAIRS:
        return []
    shifted = {(origin, host): added for origin, host, added in run(con, "SELECT * FROM own_shift")}
    return [
        Clock(origin, host, *_parts(differences), added=shifted.get((origin, host), 0))
        for origin, host, differences in run(con, _BEGINNINGS, {"part": 1 + keys // SAMPLE})
        if len(differences) >= PAIRS
    ]


def _parts(differences: list[int]) -> tuple[int, int, int, int]:
    offset, spread, agreeing = estimate(differences)
    return offset, spread, len(differences), agreeing


def correct(con: "DuckDBPyConnection", clocks: list[Clock]) -> bool:
    """Move the times of sources whose clock is wrong; returns whether there were any."""
    wrong = [clock for clock in clocks if clock.wrong]
    for clock in wrong:
        clock.added = -clock.offset
        run(con, "INSERT INTO own_shift VALUES (?, ?, ?)", [clock.origin, clock.host, clock.added])
    if wrong:
        run(con, _SHIFT)
    return bool(wrong)
