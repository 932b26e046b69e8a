"""Load batches of observations into temporary tables (``own_…``), column by column."""

# ruff: noqa: S608 -- the parts of these statements are constants of this package; values are bound

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from rustnet.attribute.observation import LINEAGE_SEPARATOR, NO_TIME, NUMBERS, Batch, Column, ProcessFacts
from rustnet.probe.redact import redact_line, redact_text
from rustnet.store.nulls import without_pandas

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

TEXT_FACTS = tuple(name for name in ProcessFacts._fields if name not in (*NUMBERS, "lineage"))

TABLES = (
    """CREATE OR REPLACE TEMP TABLE own_observation (
        seq BIGINT, origin INTEGER, fact BIGINT, protocol VARCHAR, quality VARCHAR, position BIGINT, packet BIGINT,
        local UHUGEINT, local_port INTEGER, remote UHUGEINT, remote_port INTEGER, ws BIGINT, we BIGINT, seen BIGINT,
        host INTEGER, pid BIGINT, started_at BIGINT, family TINYINT, echo INTEGER, alias VARCHAR, service VARCHAR)""",
    """CREATE OR REPLACE TEMP TABLE own_nat (
        seq BIGINT, local UHUGEINT, local_port INTEGER, remote UHUGEINT, remote_port INTEGER, pre_nat VARCHAR)""",
    # Statements on packets of the capture, aggregated by flow; `seq` is the statement in ``own_observation``.
    """CREATE OR REPLACE TEMP TABLE own_flow_statement (
        flow_id BIGINT, seq BIGINT, reversed BOOLEAN, first BIGINT, last BIGINT, packets BIGINT, number BIGINT)""",
    """CREATE OR REPLACE TEMP TABLE own_origin (
        origin INTEGER, source VARCHAR, name VARCHAR, keep_last BOOLEAN)""",
    # Correction that was added to the times of a source on a host.
    "CREATE OR REPLACE TEMP TABLE own_shift (origin INTEGER, host INTEGER, added BIGINT)",
    f"""CREATE OR REPLACE TEMP TABLE own_fact (
        fact BIGINT, {", ".join(f"{name} BIGINT" for name in NUMBERS)},
        {", ".join(f"{name} VARCHAR" for name in TEXT_FACTS)}, lineage VARCHAR[])""",
)

_NUMBER = "{0}_hi::UHUGEINT * 18446744073709551616::UHUGEINT + {0}_lo"
_ADDRESS = f"CASE WHEN has_{{0}} THEN {_NUMBER} END"

HOSTS = 32
"""Hosts whose addresses are kept apart; all further ones share a number, as each may listen on a port of every flow."""

Parameters = dict[str, Any]
"""Values bound to a statement's ``$names``."""


def run(con: "DuckDBPyConnection", sql: str, parameters: Parameters | list[Any] | None = None) -> list[tuple[Any, ...]]:
    """Execute a statement and fetch its whole result: DuckDB 2 refuses the next statement while rows are pending."""
    return con.execute(sql, parameters).fetchall() if parameters else con.execute(sql).fetchall()


def drop(con: "DuckDBPyConnection", *tables: str) -> None:
    """Drop temporary tables, which frees their memory."""
    run(con, "; ".join(f'DROP TABLE IF EXISTS temp."{table}"' for table in tables))


def _time(name: str) -> str:
    return f"CASE WHEN {name} <> {NO_TIME} THEN {name} END"


_INSERT_OBSERVATIONS = f"""
INSERT INTO own_observation
SELECT seq, $origin, CASE WHEN fact >= 0 THEN fact + $facts END, protocol, quality, position,
    CASE WHEN packet >= 0 THEN packet END, {_ADDRESS.format("local")}, local_port, {_ADDRESS.format("remote")},
    remote_port, {_time("ws")}, {_time("we")}, {_time("seen")}, host, pid, started_at, family,
    echo, nullif(alias, ''), nullif(service, '')
FROM own_batch"""

_INSERT_NAT = f"""
INSERT INTO own_nat
SELECT row + $seq, {_NUMBER.format("local")}, local_port, {_NUMBER.format("remote")}, remote_port, pre_nat
FROM own_batch"""

_HOST = "coalesce(nullif(host, ''), $host)"
_INSERT_FACTS = f"""
INSERT INTO own_fact
SELECT fact + $facts, {", ".join(f"CASE WHEN {name} >= 0 THEN {name} END" for name in NUMBERS)},
    {", ".join(f"nullif({name}, '')" for name in TEXT_FACTS).replace("nullif(host, '')", _HOST)},
    CASE WHEN lineage <> '' THEN string_split(lineage, '{LINEAGE_SEPARATOR}') END
FROM own_batch"""

# A record that a source wrote several times has the same ends, start and process each time; the last one is kept.
_SAME = ("protocol", "local_port", "remote_port", "ws", "host", "pid", "started_at", "family", "echo")
_DUPLICATES = f"""
CREATE OR REPLACE TEMP TABLE own_duplicate AS
SELECT s.origin, {", ".join(f"s.{name}" for name in _SAME)}, coalesce(s.local, 0) AS local,
    coalesce(s.remote, 0) AS remote, max(s.position) AS kept
FROM own_observation s JOIN own_origin o ON o.origin = s.origin
WHERE o.keep_last AND s.ws IS NOT NULL AND s.packet IS NULL
GROUP BY ALL
HAVING count(*) > 1"""

_KEEP_LAST = f"""
DELETE FROM own_observation USING own_duplicate d
WHERE own_observation.origin = d.origin AND own_observation.packet IS NULL AND own_observation.position <> d.kept
    AND coalesce(own_observation.local, 0) = d.local AND coalesce(own_observation.remote, 0) = d.remote
    AND {" AND ".join(f"own_observation.{name} = d.{name}" for name in _SAME)}"""


_COMMAND_LINES = ("cmdline", "parent_cmdline", "exe", "parent_exe", "name")
_OTHER_TEXTS = (
    "cwd",
    "cgroup",
    "container_labels",
    "pod_labels",
    "container_image",
    "container_name",
    "pod",
    "lineage",
)
_SHORT_WORDS = re.compile(r"(?:[\w.+-]{0,19}+[/\\])*+[\w.+-]{0,19}+$").match
"""Whether a text is one short word, or a path of such: programs have millions of different names, and no secrets in
them; keys and tokens are longer."""
_shown_line = lru_cache(maxsize=4096)(redact_line)


def _hide_secrets(facts: dict[str, Column]) -> None:
    """Hide what looks like a secret in the texts about processes, whatever source states them."""
    for names, hide in ((_COMMAND_LINES, _shown_line), (_OTHER_TEXTS, redact_text)):
        for name in names:
            if name in facts:
                column = facts[name]
                column[:] = [value if not value or _SHORT_WORDS(value) else hide(value) for value in column]


class Stage:
    """The temporary tables ``own_observation``, ``own_origin`` and ``own_fact`` of one connection, with their counts.

    The flags let callers skip statements that would match no row: planning one takes a millisecond or more.
    """

    def __init__(self, con: "DuckDBPyConnection") -> None:
        self._con = con
        self._origins: dict[tuple[int, str, str, bool], int] = {}
        self._hosts: dict[str, int] = {"": 0}
        self.observations = 0
        self.of_owners = 0
        """Of these, observations of sources that know processes."""
        self.facts = 0
        """Rows of ``own_fact``."""
        self.origins: dict[int, tuple[str, str]] = {}
        """Source and name of each origin, by its number."""
        self.keeps_last = False
        """Some source rewrites records that have changed."""
        self.by_ends = False
        """Some observations are matched by their ends, not by packet."""
        self.by_packet = False
        """Some observations carry a packet number."""
        self.flow_statements = False
        """``own_flow_statement`` has rows."""
        self.translated = False
        """``own_nat`` has rows."""
        self.aliases = False
        """Some observations carry an alias of the flow."""
        without_pandas()
        run(con, ";".join(TABLES))

    @property
    def hosts(self) -> dict[int, str]:
        """Host names by their number in ``own_observation``; a number that several hosts share has none."""
        names: dict[int, str] = {}
        for name, number in self._hosts.items():
            names[number] = "" if number in names else name
        return names

    @property
    def origins_by_number(self) -> dict[int, list[int]]:
        """Origins of each input, by its number."""
        numbers: dict[int, list[int]] = {}
        for (number, *_), origin in self._origins.items():
            numbers.setdefault(number, []).append(origin)
        return numbers

    def add(self, batch: Batch, number: int) -> None:
        """Insert a batch of input ``number``, which distinguishes files of the same name."""
        if not len(batch):
            return
        origin = self._origin(batch, number)
        columns = batch.columns()
        columns["seq"] = np.arange(self.observations, self.observations + len(batch), dtype=np.int64)
        hosts = self._hosts
        names = columns["host"].tolist()
        numbers = {n: hosts.setdefault(n or batch.host or "", min(len(hosts), HOSTS)) for n in dict.fromkeys(names)}
        columns["host"] = np.array(list(map(numbers.__getitem__, names)), np.int32)
        self._insert(columns, _INSERT_OBSERVATIONS, {"origin": origin, "facts": self.facts})
        packets = columns["packet"]
        self.by_ends = self.by_ends or bool((packets < 0).any())
        self.by_packet = self.by_packet or bool((packets > 0).any())
        self.aliases = self.aliases or bool((columns["alias"] != "").any())
        translated = batch.translated()
        if translated:
            self.translated = True
            self._insert(translated, _INSERT_NAT, {"seq": self.observations})
        self.observations += len(batch)
        if not batch.names_only:
            self.of_owners += len(batch)
        facts = batch.facts()
        if facts:
            _hide_secrets(facts)
            self._insert(facts, _INSERT_FACTS, {"facts": self.facts, "host": batch.host})
            self.facts += len(facts["fact"])

    def _insert(self, columns: dict[str, Column], sql: str, parameters: Parameters) -> None:
        self._con.register("own_batch", columns)
        try:
            run(self._con, sql, parameters)
        finally:
            self._con.unregister("own_batch")

    def _origin(self, batch: Batch, number: int) -> int:
        """Number of the batch's file and source."""
        key = (number, batch.source, batch.origin, batch.keep_last)
        if key not in self._origins:
            origin = self._origins[key] = len(self._origins)
            self.origins[origin] = batch.source, batch.origin
            self.keeps_last = self.keeps_last or batch.keep_last
            run(self._con, "INSERT INTO own_origin VALUES (?, ?, ?, ?)", [origin, *key[1:]])
        return self._origins[key]

    def drop_duplicates(self) -> int:
        """Keep only the last copy of records that a source wrote several times; return the number dropped."""
        if not self.keeps_last or not run(self._con, _DUPLICATES)[0][0]:
            return 0
        return int(run(self._con, _KEEP_LAST)[0][0])
