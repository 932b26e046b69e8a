"""`Cadence`: how often rows become visible to readers and permanent."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cadence:
    """When to flush (insert everything so far, replace the open flows, commit), and how many rows wait in between.

    A flush is due after ``seconds``, ``packets`` or ``rows``, whichever comes first, if there was a packet.
    """

    seconds: float
    packets: int
    rows: int
    share: float
    """Share of the time that flushes may take: with very many open flows they become rarer."""
    begin_seconds: float = 1.0
    """A capture's beginning is committed at once if the last commit is older than this; 0: before its packets."""
    index_packets: int = 61_440
    """Rows of the packet index that are stored at once (two row groups)."""
    flow_rows: int = 10_000
    """Most ended flows that the analysis keeps back."""
    table_rows: int = 20_000
    """Most rows of one table that the analysis keeps back; small inserts are slow."""
    waiting_bytes: int = 24 << 20
    """About the size of waiting rows of all tables from which the analysis passes them on."""
    held_rows: int = 20_000
    """Most rows of one table that wait in the writer."""
    held_total: int = 100_000
    """Most rows of all tables that wait in the writer."""
    held_bytes: int = 16 << 20
    """Most bytes of one table that wait in the writer."""
    held_total_bytes: int = 48 << 20
    """Most bytes of all tables that wait in the writer."""
    loose_bytes: int = 96 << 20
    """Bytes of stored rows that DuckDB still has in memory, since their row group is not full, from which a flush is
    due."""


BATCH = Cadence(seconds=10.0, packets=1 << 62, rows=4_000_000, share=0.02)
"""For captures that are read as fast as possible."""
LIVE = Cadence(seconds=1.0, packets=400_000, rows=500_000, share=0.25, begin_seconds=0.0)
"""For live packets, and for captures that are replayed at their own pace."""
SHORT_PASSES = 0.2
"""Seconds of the passes of a flush up to which its rows become permanent together with what these change."""
