"""`LiveCoverage`: how much of what is captured has an owner, kept as the flows pass."""

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rustnet.attribute.live_stage import FLOW_SECONDS
from rustnet.attribute.stage import run

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

ROW_SECONDS = 10.0
"""Seconds between two rows of `coverage`."""

MINUTE = 60.0

# Flows whose time is over are counted for good; of the open ones, those without a packet in the last minute are idle.
_SUMS = """
SELECT phase, count(*), count(process_id), coalesce(sum(size), 0)::BIGINT,
    coalesce(sum(size) FILTER (process_id IS NOT NULL), 0)::BIGINT
FROM (
    SELECT CASE WHEN expires <= $now THEN 'over' ELSE 'recent' END AS phase, process_id, unowned_reason,
        src_bytes + dst_bytes AS size
    FROM live_recent WHERE NOT retired
    UNION ALL
    SELECT CASE WHEN ended_at < make_timestamp_ns($minute) THEN 'idle' ELSE 'recent' END, process_id, unowned_reason,
        src_bytes + dst_bytes
    FROM live_open
) WHERE unowned_reason IS DISTINCT FROM 'not_attributable'
GROUP BY phase"""

_INSERT = "INSERT INTO coverage VALUES (?, make_timestamp_ns(?), ?, ?, ?, ?, ?, ?, ?, ?)"


@dataclass(frozen=True, slots=True)
class Sums:
    """Flows that a process can own, and their bytes."""

    flows: int = 0
    flows_owned: int = 0
    bytes: int = 0
    bytes_owned: int = 0

    def __add__(self, other: "Sums") -> "Sums":
        return Sums(
            self.flows + other.flows,
            self.flows_owned + other.flows_owned,
            self.bytes + other.bytes,
            self.bytes_owned + other.bytes_owned,
        )

    @property
    def values(self) -> tuple[int, int, int, int]:
        """All of them."""
        return self.flows, self.flows_owned, self.bytes, self.bytes_owned


class LiveCoverage:
    """Coverage of one capture, as of the last step."""

    def __init__(self) -> None:
        self.all = Sums()
        """Since the beginning."""
        self.minute = Sums()
        """Of flows with a packet in the last minute."""
        self._over = Sums()
        """Of flows that ended so long ago that nothing about them changes."""
        self._ended: deque[tuple[float, Sums]] = deque()
        """Of those of the last minute, by the time when they ended."""
        self._due = 0.0

    def step(self, con: "DuckDBPyConnection", now: float, wall: int) -> None:
        """Count the flows of a step; ``now`` is in seconds, ``wall`` the machine's clock in nanoseconds."""
        given = {"now": now, "minute": wall - round(MINUTE * 1e9)}
        phases = {phase: Sums(*values) for phase, *values in run(con, _SUMS, given)}
        over, recent = phases.get("over", Sums()), phases.get("recent", Sums())
        self._over += over
        if over.flows:
            self._ended.append((now - FLOW_SECONDS, over))
        while self._ended and self._ended[0][0] < now - MINUTE:
            self._ended.popleft()
        self.all = self._over + recent + phases.get("idle", Sums())
        self.minute = recent
        for _, sums in self._ended:
            self.minute += sums

    def store(self, con: "DuckDBPyConnection", capture_id: int, now: float, wall: int, *, final: bool) -> None:
        """Insert a row if one is due."""
        if final or now >= self._due:
            self._due = now + ROW_SECONDS
            run(con, _INSERT, [capture_id, wall, *self.all.values, *self.minute.values])
