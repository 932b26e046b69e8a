"""From what sources say of processes to rows of `processes`: one row per process, however often it is named."""

# ruff: noqa: S608 -- the parts of these statements are constants of this package; values are bound

from typing import TYPE_CHECKING

from rustnet.attribute.stage import TEXT_FACTS, run

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

SAME_START_NS = 1_000_000_000
"""Start times of one pid that lie this close are one start: sources round to clock ticks, milliseconds, seconds."""

# Processes of earlier captures take part where the host is known: the same pid on an unnamed host may be anybody.
# They carry their `process_id` as a negative fact number.
_EARLIER = f"""
INSERT INTO own_fact (fact, pid, started_at, ppid, uid, gid, {", ".join(TEXT_FACTS)}, lineage)
SELECT -p.process_id, p.pid, epoch_ns(p.started_at), p.ppid, p.uid, p.gid,
    {", ".join(f"p.{name}" for name in TEXT_FACTS)}, p.lineage
FROM processes p WHERE p.host IN (SELECT host FROM own_fact)"""

# What one source leaves out another may know: an unstated path or start time is taken over where the same host, pid
# and name admit only one.
_COMPLETED = f"""
CREATE OR REPLACE TEMP TABLE own_named AS
SELECT f.fact, f.host, f.pid, f.name,
    coalesce(f.exe, CASE WHEN min(f.exe) OVER same = max(f.exe) OVER same THEN min(f.exe) OVER same END) AS exe,
    coalesce(f.started_at, CASE WHEN max(f.started_at) OVER same - min(f.started_at) OVER same <= {SAME_START_NS}
        THEN min(f.started_at) OVER same END) AS started_at
FROM own_fact f
WINDOW same AS (PARTITION BY f.host, f.pid, f.name)"""

# The start tells two users of a pid apart; without it, or without a pid, the name and the path must.
_IDENTIFIED = f"""
CREATE OR REPLACE TEMP TABLE own_identity AS
WITH steps AS (
    SELECT fact, host, pid, name, exe, started_at IS NOT NULL AND pid IS NOT NULL AS dated,
        CASE WHEN started_at - lag(started_at) OVER (PARTITION BY host, pid ORDER BY started_at NULLS FIRST, fact)
            > {SAME_START_NS} THEN 1 ELSE 0 END AS step, started_at
    FROM own_named
), starts AS (
    SELECT *, sum(step) OVER (PARTITION BY host, pid ORDER BY started_at NULLS FIRST, fact
        ROWS UNBOUNDED PRECEDING) AS start
    FROM steps
), people AS (
    SELECT fact, host, pid, CASE WHEN dated THEN start ELSE -1 END AS start,
        CASE WHEN NOT dated THEN name END AS name, CASE WHEN NOT dated THEN exe END AS exe
    FROM starts
), grouped AS (
    SELECT host, pid, start, name, exe, min(fact) AS first_fact, -min(fact) FILTER (WHERE fact < 0) AS process_id
    FROM people GROUP BY ALL
), numbered AS (
    SELECT * REPLACE (coalesce(process_id, (SELECT coalesce(max(process_id), 0) FROM processes)
        + row_number() OVER (PARTITION BY process_id IS NULL ORDER BY first_fact)) AS process_id),
        process_id IS NULL AS fresh
    FROM grouped
)
SELECT p.fact, n.process_id, n.fresh
FROM people p JOIN numbered n ON p.host IS NOT DISTINCT FROM n.host AND p.pid IS NOT DISTINCT FROM n.pid
    AND p.start = n.start AND p.name IS NOT DISTINCT FROM n.name AND p.exe IS NOT DISTINCT FROM n.exe"""


def _latest(name: str) -> str:
    """Select the value that was stated last, of all statements that have one."""
    return f"arg_max(f.{name}, f.fact) FILTER (WHERE f.{name} IS NOT NULL) AS {name}"


_INSERT = f"""
INSERT INTO processes (process_id, started_at, pid, ppid, uid, gid, {", ".join(TEXT_FACTS)}, lineage)
SELECT i.process_id, make_timestamp_ns(min(f.started_at)),
    {", ".join(_latest(name) for name in ("pid", "ppid", "uid", "gid", *TEXT_FACTS, "lineage"))}
FROM own_identity i JOIN own_fact f ON f.fact = i.fact
WHERE i.fresh AND i.process_id BETWEEN $first AND $last GROUP BY i.process_id"""

_AT_ONCE = 32_768
"""Processes that are put together at a time: all their text is in memory then."""


def store_processes(con: "DuckDBPyConnection") -> int:
    """Make rows of `processes` of ``own_fact``, and ``own_identity(fact, process_id, fresh)``; return how many."""
    for statement in (_EARLIER, _COMPLETED, _IDENTIFIED):
        run(con, statement)
    least, most = run(con, "SELECT coalesce(min(process_id), 1), coalesce(max(process_id), 0) FROM own_identity "
                      "WHERE fresh")[0]  # fmt: skip
    made = 0
    for first in range(least, most + 1, _AT_ONCE):
        made += int(run(con, _INSERT, {"first": first, "last": first + _AT_ONCE - 1})[0][0])
    return made
