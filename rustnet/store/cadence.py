"""`Cadence`: how often what was seen becomes visible to readers and permanent."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cadence:
    """When to flush: insert everything so far, replace the open flows, and commit; and what waits between flushes.

    A flush is due after ``seconds``, ``packets`` or ``rows``, whichever comes first, if there was a packet.
    """

    seconds: float
    packets: int
    rows: int
    share: float
    """Part of the time that flushes may take: where there are very many open flows they become rarer."""
    begin_seconds: float = 1.0
    """A capture's beginning is committed at once if the last one is longer ago than this; 0: ahead of its packets."""
    index_packets: int = 61_440
    """Rows of the packet index that are stored at a time (two row groups)."""
    flow_rows: int = 10_000
    """Ended flows that are held back at most."""
    table_rows: int = 20_000
    """Rows of one table that the analysis holds back at most; small inserts are slow."""
    held_rows: int = 20_000
    """Rows of one table that wait in the writer for more."""
    held_total: int = 100_000
    """Rows of all tables that wait in the writer."""


BATCH = Cadence(seconds=10.0, packets=1 << 62, rows=4_000_000, share=0.02)
"""For captures that are read as fast as possible."""
LIVE = Cadence(seconds=1.0, packets=50_000, rows=500_000, share=0.25, begin_seconds=0.0)
"""For packets that come, or are replayed, in their own time."""
