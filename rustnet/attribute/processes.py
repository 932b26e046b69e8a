"""Deduplicate process descriptions into `processes`: one row per process, however many sources describe it."""

# ruff: noqa: S608 -- the parts of these statements are constants of this package; values are bound

from typing import TYPE_CHECKING

from rustnet.attribute.observation import TIMES
from rustnet.attribute.stage import TEXT_FACTS, run

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

SAME_START_NS = 1_000_000_000
"""Start times of one pid this close are the same start: sources round to clock ticks, milliseconds or seconds."""

# Processes of earlier captures are candidates if their host is known. On an unknown host the same pid may be another
# process, unless it has no claim and all facts are equal. Their `process_id` is stored as a negative fact number.
_EARLIER = f"""
INSERT INTO own_fact (fact, pid, ppid, uid, gid, {", ".join(TIMES)}, {", ".join(TEXT_FACTS)}, lineage)
SELECT -p.process_id, p.pid, p.ppid, p.uid, p.gid, {", ".join(f"epoch_ns(p.{name})" for name in TIMES)},
    {", ".join(f"p.{name}" for name in TEXT_FACTS)}, p.lineage
FROM processes p WHERE p.host IN (SELECT host FROM own_fact) OR (p.host IS NULL AND p.process_id IN (
    SELECT q.process_id FROM processes q JOIN own_fact f ON f.host IS NULL AND q.host IS NULL
        AND f.pid IS NOT DISTINCT FROM q.pid AND f.name IS NOT DISTINCT FROM q.name
        AND f.exe IS NOT DISTINCT FROM q.exe AND f.cmdline IS NOT DISTINCT FROM q.cmdline
        AND f.started_at IS NOT DISTINCT FROM epoch_ns(q.started_at)
    WHERE q.process_id NOT IN (SELECT process_id FROM claims)))"""

# Processes that the same sources claimed before are the same, even on an unknown host.
_REPEATED = " OR p.process_id IN (SELECT process_id FROM own_earlier_claim)"

# One source may state what another omits: a missing path or start time is filled in if it is unique for the host, pid
# and name.
_COMPLETED = f"""
SELECT f.fact, f.host, f.pid, f.name, f.changed_at,
    coalesce(f.exe, CASE WHEN min(f.exe) OVER same = max(f.exe) OVER same THEN min(f.exe) OVER same END) AS exe,
    coalesce(f.started_at, CASE WHEN max(f.started_at) OVER same - min(f.started_at) OVER same <= {SAME_START_NS}
        THEN min(f.started_at) OVER same END) AS started_at
FROM own_fact f
WINDOW same AS (PARTITION BY f.host, f.pid, f.name)"""

# The start time distinguishes two processes with one pid, and the time of the change two programs of one process;
# without start time or pid, name and path do.
_IDENTIFIED = f"""
CREATE OR REPLACE TEMP TABLE own_identity AS
WITH named AS ({_COMPLETED}
), steps AS (
    SELECT fact, host, pid, name, exe, changed_at, started_at IS NOT NULL AND pid IS NOT NULL AS dated,
        CASE WHEN started_at - lag(started_at) OVER (PARTITION BY host, pid ORDER BY started_at NULLS FIRST, fact)
            > {SAME_START_NS} THEN 1 ELSE 0 END AS step, started_at
    FROM named
), starts AS (
    SELECT *, sum(step) OVER (PARTITION BY host, pid ORDER BY started_at NULLS FIRST, fact
        ROWS UNBOUNDED PRECEDING) AS start
    FROM steps
), keyed AS (
    SELECT fact, host, pid, CASE WHEN dated THEN start ELSE -1 END AS start,
        CASE WHEN dated THEN changed_at END AS changed,
        CASE WHEN NOT dated THEN name END AS name, CASE WHEN NOT dated THEN exe END AS exe
    FROM starts
), grouped AS (
    SELECT fact, min(fact) OVER same AS first_fact, count(*) OVER same AS facts FROM keyed
    WINDOW same AS (PARTITION BY host, pid, start, changed, name, exe)
)
SELECT fact, first_fact >= 0 AS fresh, facts, CASE WHEN first_fact < 0 THEN -first_fact
    ELSE $known + dense_rank() OVER (PARTITION BY first_fact < 0 ORDER BY first_fact) END AS process_id
FROM grouped"""


def _latest(name: str) -> str:
    """SQL for the last value that is not NULL."""
    return f"arg_max(f.{name}, f.fact) FILTER (WHERE f.{name} IS NOT NULL) AS {name}"


_COLUMNS = ("pid", "ppid", "uid", "gid", *TEXT_FACTS, "lineage")

# Most processes are described once and need no aggregation.
_INSERT_ALONE = f"""
INSERT INTO processes (process_id, {", ".join((*TIMES, *_COLUMNS))})
SELECT i.process_id, {", ".join(f"make_timestamp_ns(f.{name})" for name in TIMES)},
    {", ".join(f"f.{name}" for name in _COLUMNS)}
FROM own_identity i JOIN own_fact f ON f.fact = i.fact
WHERE i.fresh AND i.facts = 1"""

_INSERT = f"""
INSERT INTO processes (process_id, {", ".join((*TIMES, *_COLUMNS))})
SELECT i.process_id, {", ".join(f"make_timestamp_ns(min(f.{name}))" for name in TIMES)},
    {", ".join(map(_latest, _COLUMNS))}
FROM own_identity i JOIN own_fact f ON f.fact = i.fact
WHERE i.fresh AND i.facts > 1 AND i.process_id BETWEEN $first AND $last GROUP BY i.process_id"""

_CHUNK = 32_768
"""Processes that one statement aggregates: all their text is in memory then."""


def store_processes(con: "DuckDBPyConnection", *, repeated: bool = False) -> int:
    """Insert the processes of ``own_fact`` and fill ``own_identity(fact, process_id)``; return the number inserted.

    ``repeated``: ``own_earlier_claim`` holds claims of the same sources, whose processes are recognised.
    """
    known = run(con, "SELECT coalesce(max(process_id), 0) FROM processes")[0][0]
    if known:
        run(con, _EARLIER + (_REPEATED if repeated else ""))
    run(con, _IDENTIFIED, {"known": known})
    inserted = int(run(con, _INSERT_ALONE)[0][0])
    least, most = run(con, "SELECT coalesce(min(process_id), 1), coalesce(max(process_id), 0) FROM own_identity "
                      "WHERE fresh AND facts > 1")[0]  # fmt: skip
    for first in range(least, most + 1, _CHUNK):
        inserted += int(run(con, _INSERT, {"first": first, "last": first + _CHUNK - 1})[0][0])
    return inserted
