"""Observations on their way into the session: batches of columns become temporary tables that SQL can join.

All temporary tables are called ``own_…``. A million observations pass through here in batches, never row by row.
"""

# ruff: noqa: S608 -- the parts of these statements are constants of this package; values are bound

from typing import TYPE_CHECKING, Any

import numpy as np

from rustnet.attribute.observation import LINEAGE_SEPARATOR, NO_TIME, NUMBERS, Column, Observations, ProcessFacts

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

TEXT_FACTS = tuple(name for name in ProcessFacts._fields if name not in (*NUMBERS, "lineage"))

_TABLES = (
    """CREATE OR REPLACE TEMP TABLE own_said (
        seq BIGINT, origin INTEGER, fact BIGINT, protocol VARCHAR, quality VARCHAR, position BIGINT, packet BIGINT,
        local UHUGEINT, local_port INTEGER, remote UHUGEINT, remote_port INTEGER, ws BIGINT, we BIGINT, seen BIGINT)""",
    """CREATE OR REPLACE TEMP TABLE own_origin (
        origin INTEGER, source VARCHAR, name VARCHAR, host VARCHAR, keep_last BOOLEAN)""",
    f"""CREATE OR REPLACE TEMP TABLE own_fact (
        fact BIGINT, origin INTEGER, {", ".join(f"{name} BIGINT" for name in NUMBERS)},
        {", ".join(f"{name} VARCHAR" for name in TEXT_FACTS)}, lineage VARCHAR[])""",
)

_ADDRESS = "CASE WHEN has_{0} THEN {0}_hi::UHUGEINT * 18446744073709551616::UHUGEINT + {0}_lo END"

Given = dict[str, Any]
"""Values bound to a statement's ``$names``."""


def run(con: "DuckDBPyConnection", sql: str, given: Given | list[Any] | None = None) -> list[tuple[Any, ...]]:
    """Execute a statement and fetch all of its result: DuckDB 2 refuses a next statement while rows are waiting."""
    return con.execute(sql, given).fetchall() if given else con.execute(sql).fetchall()


def drop(con: "DuckDBPyConnection", *tables: str) -> None:
    """Give back the memory of temporary tables; without names, of all that are left."""
    if not tables:
        found = run(con, "SELECT table_name FROM duckdb_tables() WHERE temporary AND starts_with(table_name, 'own_')")
        tables = tuple(name for (name,) in found)
    for table in tables:
        run(con, f'DROP TABLE temp."{table}"')


def _time(name: str) -> str:
    return f"CASE WHEN {name} <> {NO_TIME} THEN {name} END"


_SAY = f"""
INSERT INTO own_said
SELECT seq, $origin, CASE WHEN fact >= 0 THEN fact + $facts END, protocol, quality, position,
    CASE WHEN packet >= 0 THEN packet END, {_ADDRESS.format("local")}, local_port, {_ADDRESS.format("remote")},
    remote_port, {_time("ws")}, {_time("we")}, {_time("seen")}
FROM own_batch"""

_KNOW = f"""
INSERT INTO own_fact
SELECT fact + $facts, $origin, {", ".join(f"CASE WHEN {name} >= 0 THEN {name} END" for name in NUMBERS)},
    {", ".join(f"nullif({name}, '')" for name in TEXT_FACTS)},
    CASE WHEN lineage <> '' THEN string_split(lineage, '{LINEAGE_SEPARATOR}') END
FROM own_batch"""

# Records that a source wrote several times agree in their ends and their start. The one to keep is the last that
# names a process, or the last of all; its number is packed below a flag so that one pass finds it.
_NAMED = 1 << 62
_DOUBLES = f"""
CREATE OR REPLACE TEMP TABLE own_double AS
SELECT s.origin, s.protocol, s.local, s.local_port, s.remote, s.remote_port, s.ws,
    max(CASE WHEN fact IS NULL THEN 0 ELSE {_NAMED} END + seq) % {_NAMED} AS kept
FROM own_said s JOIN own_origin o ON o.origin = s.origin
WHERE o.keep_last AND s.ws IS NOT NULL AND s.local IS NOT NULL AND s.remote IS NOT NULL AND s.packet IS NULL
GROUP BY s.origin, s.protocol, s.local, s.local_port, s.remote, s.remote_port, s.ws
HAVING count(*) > 1"""

_KEEP_LAST = """
DELETE FROM own_said USING own_double d
WHERE own_said.origin = d.origin AND own_said.protocol = d.protocol AND own_said.local = d.local
    AND own_said.local_port = d.local_port AND own_said.remote = d.remote
    AND own_said.remote_port = d.remote_port AND own_said.ws = d.ws AND own_said.packet IS NULL
    AND own_said.seq <> d.kept"""


class Stage:
    """The temporary tables ``own_said``, ``own_origin`` and ``own_fact`` of one connection."""

    def __init__(self, con: "DuckDBPyConnection") -> None:
        self._con = con
        self._origins: dict[tuple[int, str, str, str | None, bool], int] = {}
        self.said = 0
        self._facts = 0
        for statement in _TABLES:
            run(con, statement)

    def add(self, batch: Observations, number: int) -> None:
        """Take a batch of input ``number``: files of equal names are told apart by it."""
        if not len(batch):
            return
        origin = self._origin(batch, number)
        columns = batch.columns()
        columns["seq"] = np.arange(self.said, self.said + len(batch), dtype=np.int64)
        given = {"origin": origin, "facts": self._facts}
        self._insert(columns, _SAY, given)
        self.said += len(batch)
        facts = batch.facts()
        if facts:
            self._insert(facts, _KNOW, given)
            self._facts += len(facts["fact"])

    def _insert(self, columns: dict[str, Column], sql: str, given: Given) -> None:
        self._con.register("own_batch", columns)
        try:
            run(self._con, sql, given)
        finally:
            self._con.unregister("own_batch")

    def _origin(self, batch: Observations, number: int) -> int:
        """Give the batch's file and source a number."""
        key = (number, batch.source, batch.origin, batch.host, batch.keep_last)
        if key not in self._origins:
            self._origins[key] = len(self._origins)
            run(self._con, "INSERT INTO own_origin VALUES (?, ?, ?, ?, ?)", [self._origins[key], *key[1:]])
        return self._origins[key]

    def drop_doubles(self) -> int:
        """Keep the last of records that their source wrote several times, and return how many went."""
        run(self._con, _DOUBLES)
        return int(run(self._con, _KEEP_LAST)[0][0])
