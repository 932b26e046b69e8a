"""`LivePasses`: runs the live passes over the rows of each flush."""

from typing import TYPE_CHECKING

from rustnet.derive import hosts
from rustnet.derive.order import PASSES
from rustnet.derive.passes import Evidence, Span, run_live
from rustnet.store.tables import FLOWS_ENDED, FLOWS_OPEN

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from rustnet.enrich.lookup import Lookup

GROWING = (FLOWS_ENDED, "arp", "icmp")
"""Tables of which the passes process new rows only."""


class LivePasses:
    """Runs the live passes within each flush, over the rows since the previous flush and all open flows."""

    def __init__(self, lookup: "Lookup | None" = None) -> None:
        self._evidence = Evidence(discover=False, lookup=lookup)
        self._since: dict[str, int] = {"dns": 0}  # tries of DNS questions are numbered at the end of the run

    def __call__(self, con: "DuckDBPyConnection", capture_id: int) -> None:
        """Run the passes over the rows of a flush of this capture, on the writer's connection."""
        run_live(PASSES, con, Span((capture_id,), self._since), self._evidence)
        run_live(PASSES, con, Span((capture_id,), self._since, FLOWS_OPEN), self._evidence)
        for table in GROWING:
            row = con.execute(f"SELECT coalesce(max(rowid) + 1, 0) FROM {table}").fetchall()[0]  # noqa: S608 - our own
            self._since[table] = row[0]
        for table in hosts.TABLES:
            row = con.execute(f"SELECT coalesce(max(rowid) + 1, 0) FROM {table}").fetchall()[0]  # noqa: S608 - our own
            self._since[table + hosts.SUFFIX] = row[0]
