"""Observations on their way into the session: batches of columns become temporary tables that SQL can join.

All temporary tables are called ``own_…``. A million observations pass through here in batches, never row by row.
"""

# ruff: noqa: S608 -- the parts of these statements are constants of this package; values are bound

from typing import TYPE_CHECKING, Any

import numpy as np

from rustnet.attribute.observation import LINEAGE_SEPARATOR, NO_TIME, NUMBERS, Batch, Column, ProcessFacts
from rustnet.store.nulls import without_pandas

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

TEXT_FACTS = tuple(name for name in ProcessFacts._fields if name not in (*NUMBERS, "lineage"))

_TABLES = (
    """CREATE OR REPLACE TEMP TABLE own_said (
        seq BIGINT, origin INTEGER, fact BIGINT, protocol VARCHAR, quality VARCHAR, position BIGINT, packet BIGINT,
        local UHUGEINT, local_port INTEGER, remote UHUGEINT, remote_port INTEGER, ws BIGINT, we BIGINT, seen BIGINT,
        host INTEGER, pid BIGINT, born BIGINT, family TINYINT, echo INTEGER, alias VARCHAR, service VARCHAR)""",
    """CREATE OR REPLACE TEMP TABLE own_nat (
        seq BIGINT, local UHUGEINT, local_port INTEGER, remote UHUGEINT, remote_port INTEGER, behind VARCHAR)""",
    # What stands on packets of the capture itself, lifted to flows: `seq` names the statement in ``own_said``.
    """CREATE OR REPLACE TEMP TABLE own_lifted (
        flow_id BIGINT, seq BIGINT, reversed BOOLEAN, first BIGINT, last BIGINT, packets BIGINT, number BIGINT)""",
    """CREATE OR REPLACE TEMP TABLE own_origin (
        origin INTEGER, source VARCHAR, name VARCHAR, keep_last BOOLEAN)""",
    # How far the times of a source on a host are moved.
    "CREATE OR REPLACE TEMP TABLE own_shift (origin INTEGER, host INTEGER, added BIGINT)",
    f"""CREATE OR REPLACE TEMP TABLE own_fact (
        fact BIGINT, {", ".join(f"{name} BIGINT" for name in NUMBERS)},
        {", ".join(f"{name} VARCHAR" for name in TEXT_FACTS)}, lineage VARCHAR[])""",
)

_NUMBER = "{0}_hi::UHUGEINT * 18446744073709551616::UHUGEINT + {0}_lo"
_ADDRESS = f"CASE WHEN has_{{0}} THEN {_NUMBER} END"

HOSTS = 32
"""Hosts whose addresses are kept apart; of more, the rest counts as one. Each may listen on a port of every flow."""

Given = dict[str, Any]
"""Values bound to a statement's ``$names``."""


def run(con: "DuckDBPyConnection", sql: str, given: Given | list[Any] | None = None) -> list[tuple[Any, ...]]:
    """Execute a statement and fetch all of its result: DuckDB 2 refuses a next statement while rows are waiting."""
    return con.execute(sql, given).fetchall() if given else con.execute(sql).fetchall()


def drop(con: "DuckDBPyConnection", *tables: str) -> None:
    """Give back the memory of temporary tables."""
    run(con, "; ".join(f'DROP TABLE IF EXISTS temp."{table}"' for table in tables))


def _time(name: str) -> str:
    return f"CASE WHEN {name} <> {NO_TIME} THEN {name} END"


_SAY = f"""
INSERT INTO own_said
SELECT seq, $origin, CASE WHEN fact >= 0 THEN fact + $facts END, protocol, quality, position,
    CASE WHEN packet >= 0 THEN packet END, {_ADDRESS.format("local")}, local_port, {_ADDRESS.format("remote")},
    remote_port, {_time("ws")}, {_time("we")}, {_time("seen")}, host, pid, born, family,
    echo, nullif(alias, ''), nullif(service, '')
FROM own_batch"""

_TRANSLATE = f"""
INSERT INTO own_nat
SELECT row + $seq, {_NUMBER.format("local")}, local_port, {_NUMBER.format("remote")}, remote_port, behind
FROM own_batch"""

_HOST = "coalesce(nullif(host, ''), $host)"
_KNOW = f"""
INSERT INTO own_fact
SELECT fact + $facts, {", ".join(f"CASE WHEN {name} >= 0 THEN {name} END" for name in NUMBERS)},
    {", ".join(f"nullif({name}, '')" for name in TEXT_FACTS).replace("nullif(host, '')", _HOST)},
    CASE WHEN lineage <> '' THEN string_split(lineage, '{LINEAGE_SEPARATOR}') END
FROM own_batch"""

# Records that a source wrote several times agree in their ends, their start and their process; the last one stays.
_SAME = ("protocol", "local_port", "remote_port", "ws", "host", "pid", "born", "family", "echo")
_DOUBLES = f"""
CREATE OR REPLACE TEMP TABLE own_double AS
SELECT s.origin, {", ".join(f"s.{name}" for name in _SAME)}, coalesce(s.local, 0) AS local,
    coalesce(s.remote, 0) AS remote, max(s.position) AS kept
FROM own_said s JOIN own_origin o ON o.origin = s.origin
WHERE o.keep_last AND s.ws IS NOT NULL AND s.packet IS NULL
GROUP BY ALL
HAVING count(*) > 1"""

_KEEP_LAST = f"""
DELETE FROM own_said USING own_double d
WHERE own_said.origin = d.origin AND own_said.packet IS NULL AND own_said.position <> d.kept
    AND coalesce(own_said.local, 0) = d.local AND coalesce(own_said.remote, 0) = d.remote
    AND {" AND ".join(f"own_said.{name} = d.{name}" for name in _SAME)}"""


class Stage:
    """The temporary tables ``own_said``, ``own_origin`` and ``own_fact`` of one connection, and what is in them.

    What is known of their content here spares statements that would find nothing, each of which takes a millisecond
    or more to plan.
    """

    def __init__(self, con: "DuckDBPyConnection") -> None:
        self._con = con
        self._origins: dict[tuple[int, str, str, bool], int] = {}
        self._hosts: dict[str, int] = {"": 0}
        self.said = 0
        self.of_owners = 0
        """Of these, observations whose source knows processes."""
        self.facts = 0
        """Descriptions of processes."""
        self.origins: dict[int, tuple[str, str]] = {}
        """Source and name of each origin by its number."""
        self.keeps_last = False
        """Some source writes a record again when it has changed."""
        self.by_ends = False
        """Some observations are matched by their ends; all others stand on packets."""
        self.by_packet = False
        """Some name a packet by its number."""
        self.lifted = False
        """``own_lifted`` has rows."""
        self.translated = False
        """``own_nat`` has rows."""
        self.aliases = False
        """Some observations say what else the flow is called."""
        without_pandas()
        run(con, ";".join(_TABLES))

    @property
    def hosts(self) -> dict[int, str]:
        """Names of hosts by their number in ``own_said``; those that count as one have none."""
        names: dict[int, str] = {}
        for name, number in self._hosts.items():
            names[number] = "" if number in names else name
        return names

    def add(self, batch: Batch, number: int) -> None:
        """Take a batch of input ``number``: files of equal names are told apart by it."""
        if not len(batch):
            return
        origin = self._origin(batch, number)
        columns = batch.columns()
        columns["seq"] = np.arange(self.said, self.said + len(batch), dtype=np.int64)
        hosts = self._hosts
        names = columns["host"].tolist()
        numbers = {n: hosts.setdefault(n or batch.host or "", min(len(hosts), HOSTS)) for n in dict.fromkeys(names)}
        columns["host"] = np.array(list(map(numbers.__getitem__, names)), np.int32)
        self._insert(columns, _SAY, {"origin": origin, "facts": self.facts})
        packets = columns["packet"]
        self.by_ends = self.by_ends or bool((packets < 0).any())
        self.by_packet = self.by_packet or bool((packets > 0).any())
        self.aliases = self.aliases or bool((columns["alias"] != "").any())
        translated = batch.translated()
        if translated:
            self.translated = True
            self._insert(translated, _TRANSLATE, {"seq": self.said})
        self.said += len(batch)
        if not batch.names_only:
            self.of_owners += len(batch)
        facts = batch.facts()
        if facts:
            self._insert(facts, _KNOW, {"facts": self.facts, "host": batch.host})
            self.facts += len(facts["fact"])

    def _insert(self, columns: dict[str, Column], sql: str, given: Given) -> None:
        self._con.register("own_batch", columns)
        try:
            run(self._con, sql, given)
        finally:
            self._con.unregister("own_batch")

    def _origin(self, batch: Batch, number: int) -> int:
        """Give the batch's file and source a number."""
        key = (number, batch.source, batch.origin, batch.keep_last)
        if key not in self._origins:
            made = self._origins[key] = len(self._origins)
            self.origins[made] = batch.source, batch.origin
            self.keeps_last = self.keeps_last or batch.keep_last
            run(self._con, "INSERT INTO own_origin VALUES (?, ?, ?, ?)", [made, *key[1:]])
        return self._origins[key]

    def drop_doubles(self) -> int:
        """Keep the last of records that their source wrote several times, and return how many went."""
        if not self.keeps_last or not run(self._con, _DOUBLES)[0][0]:
            return 0
        return int(run(self._con, _KEEP_LAST)[0][0])
