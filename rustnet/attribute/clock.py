"""Measure the clock offset between a source and the capture, from connections whose start both recorded.

A connection whose ends occur in one flow and one record only has two start times. With a correct clock they differ by
the delay of the source; with a wrong one most differ by the same offset. Old sockets, reused ports and chance pairs are
scattered, so the estimate comes from the narrowest interval that holds half of all differences: its middle, its width,
and how many differences agree with it. Times are only corrected on request.
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
"""Correction of a source's times: seconds to add, ``auto`` (the measured offset), or none."""

SAMPLE = 50_000
"""Approximate number of keys that are compared; more do not improve the estimate."""

TOLERANCE_NS = round(TOLERANCE_SECONDS * 1e9)
WRONG_NS = round(WRONG_SECONDS * 1e9)

# Connections that were already open when the recording began have its start as their first time: such shared times are
# excluded.
_DIFFERENCES = """
WITH opening AS (
    SELECT origin, host, min(ws) AS ws FROM own_observation WHERE ws IS NOT NULL GROUP BY origin, host
), shared AS (
    SELECT s.origin, s.host, s.ws FROM own_observation s
    JOIN opening o ON o.origin = s.origin AND o.host = s.host AND o.ws = s.ws
    GROUP BY s.origin, s.host, s.ws HAVING count(*) > 1
), alone AS (
    SELECT key, min(fs) AS fs FROM own_flow_key WHERE key % $part = 0 GROUP BY key HAVING count(*) = 1
), observed AS (
    SELECT w.key, s.origin, s.host, min(s.ws) AS ws
    FROM own_window w JOIN own_observation s ON s.seq = w.seq
    ANTI JOIN shared o ON o.origin = s.origin AND o.host = s.host AND o.ws = s.ws
    WHERE w.key % $part = 0 AND w.match IN ('tuple', 'nat') AND s.ws IS NOT NULL
    GROUP BY ALL HAVING min(s.ws) = max(s.ws)
)
SELECT observed.origin, observed.host, list(observed.ws - alone.fs ORDER BY observed.ws - alone.fs)
FROM observed JOIN alone ON alone.key = observed.key
GROUP BY observed.origin, observed.host ORDER BY observed.origin, observed.host"""

_MOVED = f"greatest(least({{0}}::HUGEINT + a.added, {MAX_TIME}), {-MAX_TIME})::BIGINT"
_SHIFT = f"""
UPDATE own_observation SET ws = {_MOVED.format("ws")}, we = {_MOVED.format("we")}, seen = {_MOVED.format("seen")}
FROM own_shift a WHERE a.origin = own_observation.origin AND a.host = own_observation.host"""


@dataclass(slots=True)
class Clock:
    """Measured clock of one source on one host."""

    origin: int
    """Number of the source in ``own_origin``."""
    host: int
    """Number of the host in ``own_observation``."""
    offset: int
    """Nanoseconds that it is ahead of the capture's clock; negative if it is slow."""
    spread: int
    """Width of the narrowest interval that holds half of the differences."""
    pairs: int
    """Connections that were compared."""
    agreeing: int
    """Of these, connections within `TOLERANCE_NS` of the offset."""
    added: int = 0
    """Nanoseconds that were added to the source's times."""

    @property
    def wrong(self) -> bool:
        """Whether the offset is large and enough connections agree with it."""
        return abs(self.offset) >= WRONG_NS and self.agreeing >= AGREEING * self.pairs


def estimate(differences: list[int]) -> tuple[int, int, int]:
    """Offset, spread and number of agreeing values of sorted differences."""
    half = (len(differences) + 1) // 2
    spans = [differences[i + half - 1] - differences[i] for i in range(len(differences) - half + 1)]
    spread = min(spans)
    start = spans.index(spread)
    middle = differences[start + (half - 1) // 2]
    agreeing = [one for one in differences if abs(one - middle) <= TOLERANCE_NS]
    return agreeing[(len(agreeing) - 1) // 2], spread, len(agreeing)


def prepare(con: "DuckDBPyConnection", correction: Correction) -> None:
    """Apply a fixed correction to all times and record it in ``own_shift(origin, host, added)``."""
    if isinstance(correction, int | float) and correction:
        added = [round(correction * 1e9)]
        run(con, "INSERT INTO own_shift SELECT DISTINCT origin, host, ?::BIGINT FROM own_observation", added)
        run(con, _SHIFT)


def measure(con: "DuckDBPyConnection", keys: int) -> list[Clock]:
    """Compare every source's clock with the capture's; sources with fewer than `PAIRS` connections are omitted.

    Requires ``own_flow_key``, ``own_window`` and ``own_observation`` of `rustnet.attribute.claims`; ``keys`` is the
    number of keys with addresses and ports of both ends.
    """
    if keys < PAIRS:
        return []
    shifted = {(origin, host): added for origin, host, added in run(con, "SELECT * FROM own_shift")}
    return [
        Clock(origin, host, *_measurements(differences), added=shifted.get((origin, host), 0))
        for origin, host, differences in run(con, _DIFFERENCES, {"part": 1 + keys // SAMPLE})
        if len(differences) >= PAIRS
    ]


def _measurements(differences: list[int]) -> tuple[int, int, int, int]:
    offset, spread, agreeing = estimate(differences)
    return offset, spread, len(differences), agreeing


def correct(con: "DuckDBPyConnection", clocks: list[Clock]) -> bool:
    """Correct the times of sources whose clock is wrong; return whether there were any."""
    wrong = [clock for clock in clocks if clock.wrong]
    for clock in wrong:
        clock.added = -clock.offset
        run(con, "INSERT INTO own_shift VALUES (?, ?, ?)", [clock.origin, clock.host, clock.added])
    if wrong:
        run(con, _SHIFT)
    return bool(wrong)
