"""`LiveProcesses`: recognise the processes of a running recording, and add new ones to `processes`.

A finished file's processes are deduplicated together (`rustnet.attribute.processes`). Here they come bit by bit and the
same rules apply to each in turn: a process with a start time is known by host, pid and start, others by name and path.
"""

# ruff: noqa: S608 -- the parts of these statements are constants of this package; values are bound

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from rustnet.attribute.observation import LINEAGE_SEPARATOR, NUMBERS, TIMES, Column
from rustnet.attribute.processes import SAME_START_NS
from rustnet.attribute.stage import TEXT_FACTS, drop, run

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

PIDS = 65_536
"""Hosts and pids whose processes are kept in memory; of others, the session is asked."""

_NAMES = (*NUMBERS, *TEXT_FACTS)
_PLACE = {name: i for i, name in enumerate((*_NAMES, "lineage"))}
_HOST, _PID, _START, _SINCE, _NAME, _EXE = (
    _PLACE[name] for name in ("host", "pid", "started_at", "changed_at", "name", "exe")
)

_FACTS = f"SELECT fact, {', '.join(_NAMES)}, lineage FROM own_fact ORDER BY fact"
_EARLIER = f"""
SELECT p.process_id, {", ".join(f"epoch_ns(p.{n})" if n in TIMES else f"p.{n}" for n in _NAMES)}, p.lineage
FROM processes p JOIN (SELECT unnest($hosts) AS host, unnest($pids) AS pid) w
    ON w.host IS NOT DISTINCT FROM p.host AND w.pid IS NOT DISTINCT FROM p.pid
ORDER BY p.process_id"""
_INSERT = f"""
INSERT INTO processes (process_id, {", ".join(_NAMES)}, lineage)
SELECT i.process_id, {", ".join(f"make_timestamp_ns(f.{n})" if n in TIMES else f"f.{n}" for n in _NAMES)},
    f.lineage
FROM own_identity i JOIN own_fact f ON f.fact = i.fact WHERE i.fresh"""
_CHANGED = f"""
CREATE OR REPLACE TEMP TABLE own_changed AS
SELECT process_id, {", ".join(f"CASE WHEN {n} >= 0 THEN {n} END AS {n}" for n in NUMBERS)},
    {", ".join(f"nullif({n}, '') AS {n}" for n in TEXT_FACTS)},
    CASE WHEN lineage <> '' THEN string_split(lineage, '{LINEAGE_SEPARATOR}') END AS lineage
FROM own_batch"""
_SET = ", ".join(f"{n} = make_timestamp_ns(f.{n})" if n in TIMES else f"{n} = f.{n}" for n in _NAMES)
_CHANGE = f"""
UPDATE processes AS p SET {_SET}
FROM own_changed f WHERE p.process_id = f.process_id"""
_CHANGE_LINEAGE = """
UPDATE processes AS p SET lineage = f.lineage
FROM own_changed f WHERE p.process_id = f.process_id AND f.lineage IS DISTINCT FROM p.lineage"""

Facts = list[Any]
"""Values of `_NAMES`, then the lineage."""


@dataclass(slots=True)
class _Known:
    """A process of the session."""

    process_id: int
    facts: Facts

    def is_same(self, facts: Facts) -> bool:
        """Whether these facts are about this process, which has their host and pid."""
        start, own = facts[_START], self.facts[_START]
        if start is not None and own is not None and facts[_PID] is not None:
            return bool(abs(start - own) <= SAME_START_NS and facts[_SINCE] == self.facts[_SINCE])
        paths = self.facts[_EXE], facts[_EXE]
        return self.facts[_NAME] == facts[_NAME] and (None in paths or paths[0] == paths[1])

    def take(self, facts: Facts) -> bool:
        """Take over what is stated and new; returns whether anything was."""
        changed = False
        for place, value in enumerate(facts):
            if value is not None and value != self.facts[place] and (place != _START or self.facts[place] is None):
                self.facts[place] = value
                changed = True
        return changed


class LiveProcesses:
    """Turns the rows of ``own_fact`` into processes of the session."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[str | None, int | None], list[_Known]] = OrderedDict()
        self._complete = False
        """Whether all processes of the session are in memory."""
        self._begun = False

    def forget(self) -> None:
        """Forget what is in memory, after a transaction was taken back."""
        self._known.clear()
        self._complete = False

    def store(self, con: "DuckDBPyConnection") -> int:
        """Fill ``own_identity(fact, process_id, fresh)``; insert the new processes and return their number."""
        rows = run(con, _FACTS)
        last = run(con, "SELECT coalesce(max(process_id), 0) FROM processes")[0][0]
        if not self._begun:
            self._begun, self._complete = True, last == 0
        self._recall(con, rows)
        first_new = last
        identity: list[tuple[int, int, bool]] = []
        changed: dict[int, Facts] = {}
        for fact, *facts in rows:
            several = self._known.setdefault((facts[_HOST], facts[_PID]), [])
            same = next((one for one in reversed(several) if one.is_same(facts)), None)
            fresh = same is None
            if same is None:
                last += 1
                same = _Known(last, facts)
                several.append(same)
            elif same.take(facts):
                changed[same.process_id] = same.facts
            identity.append((fact, same.process_id, fresh))
        self._write(con, identity, changed)
        while len(self._known) > PIDS:
            self._known.popitem(last=False)
            self._complete = False
        return int(last - first_new)

    def _recall(self, con: "DuckDBPyConnection", rows: list[tuple[Any, ...]]) -> None:
        """Read the processes of the session that have a host and pid of these rows and are not in memory."""
        wanted = dict.fromkeys((row[1 + _HOST], row[1 + _PID]) for row in rows)
        missing = [] if self._complete else [each for each in wanted if each not in self._known]
        for each in wanted.keys() & self._known.keys():
            self._known.move_to_end(each)
        if missing:
            hosts, pids = zip(*missing, strict=True)
            for process_id, *facts in run(con, _EARLIER, {"hosts": list(hosts), "pids": list(pids)}):
                self._known.setdefault((facts[_HOST], facts[_PID]), []).append(_Known(process_id, facts))

    @staticmethod
    def _write(con: "DuckDBPyConnection", identity: list[tuple[int, int, bool]], changed: dict[int, Facts]) -> None:
        """Write new and changed processes."""
        facts, processes, fresh = zip(*identity, strict=True) if identity else ((), (), ())
        columns = {
            "fact": np.array(facts, np.int64),
            "process_id": np.array(processes, np.int64),
            "fresh": np.array(fresh, np.bool_),
        }
        _run_on(con, columns, "CREATE OR REPLACE TEMP TABLE own_identity AS SELECT * FROM own_batch")
        if any(fresh):
            run(con, _INSERT)
        if changed:
            _run_on(con, _columns(changed), _CHANGED)
            run(con, _CHANGE)
            run(con, _CHANGE_LINEAGE)
            drop(con, "own_changed")


def _columns(changed: dict[int, Facts]) -> dict[str, Column]:
    """Processes as columns: an unknown number is -1, unknown text is empty."""
    columns: dict[str, Column] = {"process_id": np.array(list(changed), np.int64)}
    for name, values in zip(_PLACE, zip(*changed.values(), strict=True), strict=True):
        if name in NUMBERS:
            columns[name] = np.array([-1 if value is None else value for value in values], np.int64)
        else:
            column = columns[name] = np.empty(len(values), dtype=object)
            column[:] = [LINEAGE_SEPARATOR.join(v) if type(v) is list else v or "" for v in values]
    return columns


def _run_on(con: "DuckDBPyConnection", columns: dict[str, Column], sql: str) -> None:
    """Run a statement on the columns as ``own_batch``."""
    con.register("own_batch", columns)
    try:
        run(con, sql)
    finally:
        con.unregister("own_batch")
