"""Sessions that a replay makes of crafted captures."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from rustnet.ingest.options import Options
from rustnet.ingest.report import Report
from rustnet.ingest.road import ingest


@dataclass
class ReplayedSession:
    """A session on the disk, open for reading, and the report of its replay."""

    con: duckdb.DuckDBPyConnection
    report: Report

    def ask(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """Rows of a query."""
        return self.con.execute(sql, list(values)).fetchall()

    def claims(self) -> list[tuple[Any, ...]]:
        """Everything of the claims but times, best first."""
        return self.ask(
            """SELECT flow_id, pid, p.name, source, quality, rank, reversed, match, evidence
            FROM claims JOIN processes p USING (process_id) ORDER BY flow_id, rank, reversed, pid"""
        )

    def verdicts(self) -> list[tuple[Any, ...]]:
        """Pid and name of each flow's owner, the source, and whether or why not."""
        return self.ask(
            """SELECT p.pid, p.name, process_source, process_contested, unowned_reason
            FROM flows LEFT JOIN processes p USING (process_id) ORDER BY flow_id"""
        )

    def process(self, pid: int) -> dict[str, Any]:
        """Columns of a process that are not null."""
        result = self.con.execute("SELECT * EXCLUDE (process_id) FROM processes WHERE pid = ?", [pid])
        names = [column[0] for column in result.description or ()]
        rows = result.fetchall()
        assert len(rows) == 1
        return {name: value for name, value in zip(names, rows[0], strict=True) if value is not None}


def replay(session: Path, *captures: Path, **options: Any) -> ReplayedSession:
    """Replay captures into a new session, with parsers whose failures are raised, and open it."""
    session.unlink(missing_ok=True)
    report = ingest([str(path) for path in captures], str(session), Options(strict_parsers=True, **options))
    assert not report.failed, report.failed
    return ReplayedSession(duckdb.connect(str(session), read_only=True), report)
