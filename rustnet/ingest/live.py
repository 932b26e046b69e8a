"""`LivePasses`: runs the live passes over the rows of each flush."""

from typing import TYPE_CHECKING

from rustnet.derive import hosts
from rustnet.derive.order import PASSES
from rustnet.derive.passes import Evidence, Pass, Span, run_live
from rustnet.store.tables import FLOWS_ENDED, FLOWS_OPEN

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from rustnet.enrich.lookup import Lookup

GROWING = (FLOWS_ENDED, "arp", "icmp")
"""Tables of which the passes process new rows only."""

SELDOM = 5
"""Flushes per run of the passes that are not urgent."""


class LivePasses:
    """Runs the live passes within each flush, over the rows since the previous flush and all open flows."""

    def __init__(self, lookup: "Lookup | None" = None) -> None:
        self._evidence = Evidence(discover=False, lookup=lookup)
        self._since: dict[str, int] = {"dns": 0}  # tries of DNS questions are numbered at the end of the run
        self._since_seldom = dict.fromkeys((FLOWS_ENDED, *hosts.TABLES), 0)
        self._flushes = 0

    def __call__(self, con: "DuckDBPyConnection", capture_id: int) -> None:
        """Run the passes over the rows of a flush of this capture, on the writer's connection."""
        self._run([each for each in PASSES if not each.seldom], con, capture_id, self._since)
        _advance(con, self._since, GROWING)
        if self._flushes % SELDOM == 0:
            self._run([each for each in PASSES if each.seldom], con, capture_id, self._since_seldom)
            _advance(con, self._since_seldom, tuple(self._since_seldom))
        self._flushes += 1

    def _run(self, passes: list[Pass], con: "DuckDBPyConnection", capture_id: int, since: dict[str, int]) -> None:
        run_live(passes, con, Span((capture_id,), since), self._evidence)
        run_live(passes, con, Span((capture_id,), since, FLOWS_OPEN), self._evidence)


def _advance(con: "DuckDBPyConnection", since: dict[str, int], tables: tuple[str, ...]) -> None:
    """Begin the next span after the rows that the tables have now."""
    for table in tables:
        row = con.execute(f"SELECT coalesce(max(rowid) + 1, 0) FROM {table}").fetchall()[0]  # noqa: S608 - our own
        since[table] = row[0]
