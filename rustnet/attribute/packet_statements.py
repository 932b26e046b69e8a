"""`PacketStatements`: the statements on one capture's packets, and their staging in DuckDB.

`rustnet.attribute.packets` collects them while the capture is read. Rows that exceed its memory limit are stored in a
temporary table meanwhile.
"""

# ruff: noqa: S608 -- the parts of these statements are constants of this module; values are bound

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rustnet.attribute.formats.statement import ANSWERED, RECEIVES, SENDS, Statement
from rustnet.attribute.observation import Column, Observation, Observations
from rustnet.attribute.stage import Stage, run
from rustnet.attribute.values import bounded_text

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

MAX_STATEMENTS = 1 << 18
"""Maximum number of distinct statements of one capture."""

TABLE = "packet_statements"
FIELDS = ("flow_id", "statement_set", "from_src", "first", "last", "packets", "number")
_TABLE = f"""
CREATE TEMP TABLE IF NOT EXISTS {TABLE} (capture_id INTEGER, flow_id BIGINT, statement_set BIGINT, from_src BOOLEAN,
    first BIGINT, last BIGINT, packets BIGINT, number BIGINT)"""
_AGGREGATE = f"""
INSERT INTO own_flow_statement
SELECT t.flow_id, s.seq, CASE s.place WHEN {ANSWERED} THEN true WHEN {RECEIVES} THEN t.from_src
    WHEN {SENDS} THEN NOT t.from_src ELSE false END AS reversed, min(t.first), max(t.last), sum(t.packets),
    min(t.number)
FROM packet_statements t JOIN own_packet_statement s ON s.statement_set = t.statement_set
WHERE t.capture_id = ? GROUP BY ALL"""


def origin(source: str) -> str:
    """Prefix of the evidence that the packets of a capture carry: its file name."""
    return bounded_text(Path(source).name) or "capture"


def store_rows(con: "DuckDBPyConnection", capture_id: int, columns: dict[str, Column]) -> None:
    """Insert rows of one capture (columns `FIELDS`) into the temporary table `TABLE`."""
    run(con, _TABLE)
    con.register("own_batch", columns)
    try:
        run(con, f"INSERT INTO {TABLE} SELECT ?, {', '.join(FIELDS)} FROM own_batch", [capture_id])
    finally:
        con.unregister("own_batch")


@dataclass(slots=True)
class PacketStatements:
    """Statements on the packets of one capture; ``origin`` is the prefix of their evidence (the capture's name)."""

    capture_id: int
    origin: str
    statements: Sequence[Statement] = ()
    """Distinct statements, whose place is not relevant."""
    members: Column = field(default_factory=lambda: np.zeros((0, 3), np.int64))
    """Rows of (statement set, place, index of the statement): what each statement set consists of."""
    rows: dict[str, Column] = field(default_factory=dict)
    """Rows of flows and statement sets that are not in the table yet (columns `FIELDS`)."""
    dropped: int = 0
    """Statements beyond the limits, which were dropped."""
    unknown: int = 0
    """References to process blocks that do not precede the packet in the file."""

    def __len__(self) -> int:
        return len(self.statements)

    def store(self, con: "DuckDBPyConnection") -> None:
        """Store the rows that are not in the table yet."""
        if self.rows:
            store_rows(con, self.capture_id, self.rows)
            self.rows = {}

    def stage(self, con: "DuckDBPyConnection", stage: Stage) -> None:
        """Stage every statement as an observation, and fill ``own_flow_statement`` with the flows of each."""
        if not self.statements:
            return
        run(con, _TABLE)
        self.store(con)
        seqs = [0] * len(self.statements)
        by_source: dict[str, list[tuple[Statement, int]]] = {}
        for number, statement in enumerate(self.statements):
            by_source.setdefault(statement.source, []).append((statement, number))
        for source, numbered in by_source.items():
            batch = Observations(source, self.origin)
            for statement, number in numbered:
                seqs[number] = stage.observations + len(batch)
                batch.add(_observation(statement))
                if batch.full:
                    stage.add(batch, 0)
                    batch = Observations(source, self.origin)
            stage.add(batch, 0)
        seq_of = np.array(seqs, np.int64)
        sets, places, numbers = (self.members[:, k].copy() for k in range(3))
        con.register(
            "own_batch",
            {"statement_set": sets, "place": places, "seq": seq_of[numbers]},
        )
        try:
            run(
                con,
                "CREATE OR REPLACE TEMP TABLE own_packet_statement AS SELECT statement_set, place, seq FROM own_batch",
            )
        finally:
            con.unregister("own_batch")
        run(con, _AGGREGATE, [self.capture_id])
        stage.flow_statements = True
        run(con, f"DELETE FROM {TABLE} WHERE capture_id = ?", [self.capture_id])

    def losses(self) -> list[tuple[str, str, int]]:
        """Kind, detail and count of statements that were dropped or are incomplete."""
        losses = []
        if self.dropped:
            detail = f"statements on packets beyond the first {MAX_STATEMENTS:,} distinct ones were dropped"
            losses.append(("claims_left_out", detail, self.dropped))
        if self.unknown:
            detail = "packets refer to process blocks that the file does not have"
            losses.append(("packet_process_unknown", detail, self.unknown))
        return losses


def drop_table(con: "DuckDBPyConnection") -> None:
    """Drop the table of `store_rows`."""
    run(con, f"DROP TABLE IF EXISTS temp.{TABLE}")


def _observation(statement: Statement) -> Observation:
    """One statement as an observation without ends: its flows are known."""
    process, quality = statement.process, statement.quality
    return Observation("", None, None, None, None, None, None, None, process, quality, 0, packet=0)
