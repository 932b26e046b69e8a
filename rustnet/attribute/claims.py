"""Match observations with flows and insert `claims`, in time proportional to the input.

Observations with the same key (way of matching, protocol, ends, rank) are numbered by their start. Most keys have few
observations, and a flow is compared with all of them. For a key with more than `NEAR`, a running count gives the flow's
position among them, and it is compared with the `NEAR` observations that began last before its end, the next one, and
two more from `_fill_longest`: the one that ends last of all earlier ones, and the one of another process that ends
last. This always shows whether an observation covers the flow and whether those of two processes do, and a key shared
by a million flows and a million observations costs little more than a million keys.
"""

# ruff: noqa: S608 -- the parts of these statements are constants of this package; values are bound

from collections.abc import Container
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from rustnet.attribute.clock import Clock, Correction, correct, measure, prepare
from rustnet.attribute.flow_ends import FAMILY, V4_FIRST, fill_flows
from rustnet.attribute.stage import Stage, drop, run
from rustnet.attribute.values import MAX_TIME
from rustnet.policy.ownership import ANY, MATCHES, RANKS, UNTIMED_RANK

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

NEAR = 8
"""Observations of one key and rank that a flow is compared with, counted back from its end."""

OWNERLESS_RANK = 255
"""Rank of observations without a process: they become no claims and only explain `unowned_reason`."""

# Claims of the capture from an earlier run with the same sources.
_EARLIER = """
CREATE OR REPLACE TEMP TABLE own_earlier_claim AS
SELECT c.flow_id, c.process_id, c.source, c.evidence, c.match, c.reversed FROM claims c
SEMI JOIN own_flow f ON f.flow_id = c.flow_id
SEMI JOIN own_origin o ON o.source = c.source AND starts_with(c.evidence, o.name || ':')"""

# Best rank of each way of matching, the most frequent one first.
_BEST = "CASE {0} " + " ".join(f"WHEN '{m.name}' THEN {m.best}" for m in MATCHES) + " END"

# `flip`: the observation's local end is the second end of the key. A key of both ends is the same in either
# orientation; a key with an open end always has the local end first.
_KEYED = f"""
CREATE OR REPLACE TEMP TABLE own_keyed AS
WITH stated AS (
    SELECT s.*, CASE
        WHEN echo >= 0 THEN 'echo'
        WHEN local IS NOT NULL AND remote IS NOT NULL THEN CASE WHEN local_port >= 0 THEN 'tuple' ELSE 'addresses' END
        WHEN remote IS NOT NULL THEN CASE WHEN local IS NULL AND local_port <= 0 AND remote_port >= 0
            THEN CASE WHEN starts_with(quality, 'accept') THEN 'accepted' ELSE 'remote' END ELSE 'wildcard' END
        WHEN local IS NOT NULL THEN 'listener'
        WHEN local_port >= 0 THEN 'port'
        ELSE 'protocol' END AS match
    FROM own_observation s WHERE packet IS NULL{{nat}}
), kinds AS (
    SELECT *, local IS NOT NULL AND remote IS NOT NULL AND echo < 0
        AND (local > remote OR (local = remote AND local_port > remote_port)) AS flip
    FROM stated
)
SELECT k.seq, k.match, k.protocol, k.flip,
    coalesce(CASE WHEN k.flip THEN k.remote ELSE k.local END, 0) AS a,
    CASE WHEN echo >= 0 THEN echo WHEN k.flip THEN k.remote_port ELSE k.local_port END AS ap,
    coalesce(CASE WHEN k.flip THEN k.local ELSE k.remote END, 0) AS b,
    CASE WHEN k.flip THEN k.local_port ELSE k.remote_port END AS bp,
    CASE WHEN k.local IS NULL THEN k.family ELSE 0 END AS family,
    CASE WHEN k.local IS NULL THEN k.host ELSE 0 END AS host,
    coalesce(k.ws, {-MAX_TIME}) AS ws, coalesce(k.we, {MAX_TIME}) AS we, i.process_id,
    CASE WHEN k.fact IS NULL THEN {OWNERLESS_RANK}
        ELSE greatest(r.rank, {_BEST.format("k.match")}, CASE WHEN k.ws IS NULL THEN {UNTIMED_RANK} ELSE 0 END)
        END AS rank
FROM kinds k
JOIN own_rank r ON r.origin = k.origin AND r.quality = k.quality
LEFT JOIN own_identity i ON i.fact = k.fact"""

_KEYED_NAT = """
    UNION ALL
    SELECT s.* REPLACE (t.local AS local, t.local_port AS local_port, t.remote AS remote,
        t.remote_port AS remote_port, -1 AS echo), 'nat' AS match
    FROM own_observation s JOIN own_nat t ON t.seq = s.seq WHERE s.packet IS NULL"""

_KEYS = """
CREATE OR REPLACE TEMP TABLE own_key AS
SELECT row_number() OVER () AS key, match, protocol, a, ap, b, bp, rank, family, host, count(*) AS size
FROM own_keyed GROUP BY match, protocol, a, ap, b, bp, rank, family, host"""

_MATCHES_USED = "SELECT match, count(*), max(size) FROM own_key GROUP BY match"

# Local addresses of a host by its own records, without loopback, multicast and `::`, which every host has.
OWN_ADDRESS = f"""host > 0 AND local > 1 AND local < {0xFF << 120}::UHUGEINT
    AND local NOT BETWEEN {V4_FIRST + (127 << 24)}::UHUGEINT AND {V4_FIRST + (128 << 24) - 1}::UHUGEINT
    AND local NOT BETWEEN {V4_FIRST + (224 << 24)}::UHUGEINT AND {V4_FIRST + 0xFFFFFFFF}::UHUGEINT
    AND local <> {V4_FIRST}::UHUGEINT"""
_LOCAL_ADDRESSES = f"""
CREATE OR REPLACE TEMP TABLE own_local_address AS
SELECT DISTINCT host, local AS address, {FAMILY.format("local")} AS family FROM own_observation
WHERE {OWN_ADDRESS} AND host IN (SELECT host FROM own_observation WHERE local IS NULL)"""

_WINDOWS = """
CREATE OR REPLACE TEMP TABLE own_window AS
WITH keyed AS (
    SELECT k.key, k.size, o.seq, o.ws, o.we, o.flip, o.process_id, o.rank, o.match
    FROM own_keyed o JOIN own_key k ON k.match = o.match AND k.protocol = o.protocol
        AND k.a = o.a AND k.ap = o.ap AND k.b = o.b AND k.bp = o.bp AND k.rank = o.rank
        AND k.family = o.family AND k.host = o.host
)
SELECT * EXCLUDE (size), 0::BIGINT AS n, 1::BIGINT AS upto FROM keyed WHERE size = 1
UNION ALL
SELECT * EXCLUDE (size), row_number() OVER (PARTITION BY key ORDER BY ws, seq) - 1 AS n,
    count(*) OVER (PARTITION BY key ORDER BY ws) AS upto
FROM keyed WHERE size > 1"""

# One row per flow and matching key.
_MATCH_BOTH_ENDS = """
SELECT f.flow_id, f.fs, f.fe, k.key, k.size,
    (f.src > f.dst OR (f.src = f.dst AND f.src_port > f.dst_port)) AS flip
FROM own_flow f JOIN own_key k ON k.match IN ('tuple', 'addresses', 'nat') AND k.protocol = f.protocol
    AND k.a = least(f.src, f.dst) AND k.b = greatest(f.src, f.dst)
    AND k.ap = CASE WHEN f.src > f.dst OR (f.src = f.dst AND f.src_port > f.dst_port)
        THEN f.dst_port ELSE f.src_port END
    AND k.bp = CASE WHEN f.src > f.dst OR (f.src = f.dst AND f.src_port > f.dst_port)
        THEN f.src_port ELSE f.dst_port END"""

_OPEN_END_CONDITIONS = (
    ("wildcard", "k.a = 0 AND k.ap = f.{0}_port AND k.b = f.{1} AND k.bp = f.{1}_port"),
    ("listener", "k.a = f.{0} AND k.ap = f.{0}_port AND k.b = 0"),
    ("port", "k.a = 0 AND k.ap = f.{0}_port AND k.b = 0"),
    ("echo", "k.a = f.{0} AND k.ap = f.echo AND k.b = f.{1}"),
    ("echo", "k.a = f.{0} AND k.ap = f.echo AND k.b = 0"),
    ("echo", "k.a = 0 AND k.ap = f.echo AND k.b = f.{1}"),
    ("echo", "k.a = 0 AND k.ap = f.echo AND k.b = 0"),
    ("protocol", "k.a = 0"),
    ("remote", "k.a = 0 AND k.b = f.{1} AND k.bp = f.{1}_port"),
    ("accepted", "k.a = 0 AND k.b = f.{1} AND k.bp = f.{1}_port"),
)
_ACCEPTS_ONLY = ("listener", "port")
"""TCP sockets matched in these ways only accept connections."""
_ECHO_SENDER = ("listener", "echo", "protocol")
"""ICMP sockets matched in these ways are the sender of the echo requests."""

# A socket without a remote end can match either end of a flow, but only an end that is an address of its host, as far
# as those are known. The sender of echo requests is the flow's `src`; other ICMP without both ends is the kernel's.
_MATCH_OPEN_END = """
SELECT f.flow_id, f.fs, {until} AS fe, k.key, k.size, {flip} AS flip, n.address IS NOT NULL AS is_local
FROM own_flow f JOIN own_key k ON k.match = '{match}' AND k.protocol = f.protocol AND {condition}
    AND k.family IN (0, f.family){limit}
LEFT JOIN own_local_address n ON n.host = k.host AND n.address = f.{near}
LEFT JOIN (SELECT DISTINCT host, family FROM own_local_address) h ON h.host = k.host AND h.family = f.family
WHERE n.address IS NOT NULL OR h.host IS NULL"""

_MATCH_ONE_END = """
SELECT flow_id, fs, fe, key, size, flip FROM ({parts})
QUALIFY row_number() OVER (PARTITION BY flow_id, key ORDER BY is_local DESC, flip) = 1"""

# Number of observations of a crowded key that began before each flow's end. One window over both replaces an ASOF join,
# which in DuckDB 1.5 takes half a millisecond per key, however small. It must be a sum: a count with a FILTER over such
# a window takes quadratic time.
_POSITIONS = f"""
CREATE OR REPLACE TEMP TABLE own_position AS
WITH events AS (
    SELECT key, CASE WHEN fe < fs THEN fs ELSE fe + $slack END AS moment, flow_id, fs, fe, flip
    FROM own_flow_key WHERE size > {NEAR}
    UNION ALL
    SELECT w.key, w.ws, NULL, NULL, NULL, NULL
    FROM own_window w SEMI JOIN own_key k ON k.key = w.key AND k.size > {NEAR}
)
SELECT * EXCLUDE (moment) FROM (
    SELECT *, sum(CASE WHEN flow_id IS NULL THEN 1 ELSE 0 END) OVER (PARTITION BY key
        ORDER BY moment, flow_id NULLS FIRST ROWS UNBOUNDED PRECEDING)::BIGINT AS upto
    FROM events
) WHERE flow_id IS NOT NULL"""

_COMPARED = """
    SELECT f.flow_id, f.fs, f.fe, f.flip AS flow_flip, false AS oldest, w.*
    FROM own_flow_key f JOIN own_window w ON w.key = f.key"""
_COMPARED_CROWDED = f"""
    WITH selected AS (
        SELECT flow_id, fs, fe, key, flip, unnest(range(greatest(0, upto - {NEAR}), upto + 1)) AS n, upto
        FROM own_position
        UNION ALL
        SELECT p.flow_id, p.fs, p.fe, p.key, p.flip, r.n, p.upto
        FROM own_position p JOIN own_longest r ON r.key = p.key AND r.upto = p.upto
        WHERE r.n < p.upto - {NEAR}
    ){_COMPARED} WHERE f.size <= {NEAR}
    UNION ALL
    SELECT l.flow_id, l.fs, l.fe, l.flip, l.upto - l.n >= {NEAR}, w.*
    FROM selected l JOIN own_window w ON w.key = l.key AND w.n = l.n"""
_CANDIDATES = """
CREATE OR REPLACE TEMP TABLE own_candidate AS
WITH compared AS ({compared}
)
SELECT flow_id, seq, process_id, rank, match, flip <> flow_flip AS reversed, oldest, ws > fe AS later,
    CASE WHEN we < fs THEN fs - we WHEN ws > fe THEN ws - fe ELSE 0 END AS distance
FROM compared"""

_NO_CANDIDATES = """
CREATE OR REPLACE TEMP TABLE own_candidate (flow_id BIGINT, seq BIGINT, process_id BIGINT, rank INTEGER, match VARCHAR,
    reversed BOOLEAN, oldest BOOLEAN, later BOOLEAN, distance BIGINT)"""

# Candidates of a datagram's flow also apply to the portless flow that carries its fragments.
_HAS_FRAGMENTS = "SELECT 1 FROM {flows} WHERE capture_id = ? AND tunnel = 'fragments' LIMIT 1"
_FRAGMENT_CANDIDATES = """
INSERT INTO own_candidate
SELECT c.flow_id, n.seq, max(n.process_id), min(n.rank), 'fragments',
    arg_min(n.reversed <> (i.src_num <> c.src), (n.rank, n.flow_id)), bool_or(n.oldest),
    bool_or(coalesce(s.ws > c.fe, false)),
    max(CASE WHEN s.we < c.fs THEN c.fs - s.we WHEN s.ws > c.fe THEN s.ws - c.fe ELSE 0 END)
FROM own_candidate n JOIN {flows} i ON i.flow_id = n.flow_id AND i.capture_id = ? AND i.tunnel = 'fragments'
JOIN own_flow c ON c.flow_id = i.outer_flow_id JOIN own_observation s ON s.seq = n.seq
ANTI JOIN own_candidate k ON k.flow_id = c.flow_id AND k.seq = n.seq
GROUP BY c.flow_id, n.seq"""

_CANDIDATE_COUNTS = """
SELECT count(DISTINCT flow_id) FILTER (oldest AND distance <= $slack),
    count(*) FILTER (distance > $slack AND process_id IS NOT NULL) FROM own_candidate"""

COVERED = """
CREATE OR REPLACE TEMP TABLE own_covered AS
SELECT DISTINCT flow_id FROM own_candidate WHERE distance <= $slack AND process_id IS NOT NULL"""

_INSERT = """
INSERT INTO claims (flow_id, process_id, source, quality, rank, observed_at, window_start, window_end, distance_ms,
    reversed, evidence, match, offset_ms, behind)
SELECT * FROM ({rows}) c"""
_NEW_ONLY = """ ANTI JOIN own_earlier_claim e ON e.flow_id = c.flow_id AND e.process_id = c.process_id
    AND e.source = c.source AND e.evidence = c.evidence AND e.match = c.match AND e.reversed = c.reversed"""

CLAIM_BY_ENDS = """
WITH chosen AS (
    SELECT * FROM own_candidate WHERE distance <= $slack AND process_id IS NOT NULL{nearest_outside}
)
SELECT {more}c.flow_id, c.process_id, o.source, s.quality, c.rank, make_timestamp_ns(s.seen), make_timestamp_ns(s.ws),
    make_timestamp_ns(s.we), c.distance / 1e6, c.reversed AS reversed, o.name || ':' || s.position AS evidence, c.match,
    a.added / 1e6, t.pre_nat
FROM chosen c JOIN own_observation s ON s.seq = c.seq JOIN own_origin o ON o.origin = s.origin
LEFT JOIN own_shift a ON a.origin = s.origin AND a.host = s.host AND a.added <> 0
LEFT JOIN own_nat t ON t.seq = c.seq AND c.match = 'nat'"""
NEAREST_OUTSIDE = """
    UNION ALL
    SELECT * FROM (
        SELECT * FROM own_candidate n ANTI JOIN own_covered c ON c.flow_id = n.flow_id
        WHERE process_id IS NOT NULL
        QUALIFY row_number() OVER (PARTITION BY n.flow_id, later ORDER BY distance, rank, seq DESC) = 1
    )"""

# A statement that many packets of a flow repeat is one claim, valid from the first to the last of them.
_CLAIM_BY_PACKET = f"""
SELECT p.flow_id, i.process_id, o.source, s.quality, r.rank, max(p.ts), min(p.ts), max(p.ts), 0, false AS reversed,
    o.name || ':' || min(s.position) AS evidence, 'packet' AS match, NULL::DOUBLE, NULL
FROM own_observation s JOIN packets p ON p.capture_id = ? AND p.number = s.packet
JOIN own_origin o ON o.origin = s.origin
JOIN own_rank r ON r.origin = s.origin AND r.quality = s.quality
JOIN own_identity i ON i.fact = s.fact
WHERE s.packet IS NOT NULL AND p.flow_id IS NOT NULL AND r.rank < {OWNERLESS_RANK}
GROUP BY p.flow_id, i.process_id, o.source, o.name, s.quality, r.rank"""

# Statements on packets were aggregated by flow while the capture was read (`rustnet.attribute.packets`).
_CLAIM_BY_STATEMENT = """
SELECT l.flow_id, i.process_id, o.source, s.quality, r.rank, make_timestamp_ns(max(l.last)),
    make_timestamp_ns(min(l.first)), make_timestamp_ns(max(l.last)), 0, l.reversed,
    o.name || ':' || min(l.number) AS evidence, 'packet' AS match, NULL::DOUBLE, NULL
FROM own_flow_statement l JOIN own_observation s ON s.seq = l.seq
JOIN own_origin o ON o.origin = s.origin
JOIN own_rank r ON r.origin = s.origin AND r.quality = s.quality
JOIN own_identity i ON i.fact = s.fact
GROUP BY l.flow_id, i.process_id, o.source, o.name, s.quality, r.rank, l.reversed"""

# Identifiers of the flow in other tools: every record that overlaps it, else the nearest one.
_ALIASES = """
INSERT INTO aliases (flow_id, source, alias, service, distance_ms, reversed, evidence)
SELECT n.flow_id, o.source, s.alias, arg_min(s.service, n.seq), min(n.distance) / 1e6, arg_min(n.reversed, n.seq),
    min_by(o.name || ':' || s.position, n.seq)
FROM own_candidate n JOIN own_observation s ON s.seq = n.seq JOIN own_origin o ON o.origin = s.origin
ANTI JOIN aliases k ON k.flow_id = n.flow_id AND k.source = o.source AND k.alias = s.alias
WHERE s.alias IS NOT NULL AND n.distance <= $slack
GROUP BY n.flow_id, o.source, s.alias
QUALIFY min(n.distance) = 0
    OR row_number() OVER (PARTITION BY n.flow_id, o.source ORDER BY min(n.distance), s.alias) = 1"""
_DROP_ALIAS_CANDIDATES = (
    "DELETE FROM own_candidate WHERE seq IN (SELECT seq FROM own_observation WHERE alias IS NOT NULL)"
)


def select_flows(con: "DuckDBPyConnection", capture_id: int, table: str, first_row: int) -> bool:
    """Fill ``own_flow`` with a capture's flows, from row ``first_row`` of ``table`` on.

    Returns whether a staged source already has claims about them; ``own_earlier_claim`` holds those.
    """
    fill_flows(con, capture_id, table, first_row)
    if not run(con, "SELECT 1 FROM claims LIMIT 1"):
        return False
    run(con, _EARLIER)
    return bool(run(con, "SELECT 1 FROM own_earlier_claim LIMIT 1"))


def store_claims(
    con: "DuckDBPyConnection",
    stage: Stage,
    capture_id: int,
    slack_ns: int,
    correction: Correction = None,
    *,
    repeated: bool = False,
) -> tuple[int, int, list[Clock]]:
    """Match ``own_observation`` with the capture's flows; fill `claims`, and ``own_candidate`` for the verdict.

    ``repeated``: some of the sources were read for this capture before, and only new claims are inserted.
    Returns the number of claims, the number of flows with more overlapping observations than were compared, and the
    sources' clocks as measured before a ``correction``.
    """
    fill_ranks(con, stage)
    prepare(con, correction)
    claims = crowded = 0
    clocks: list[Clock] = []
    if stage.by_ends:
        keys = build_keys(con, stage)
        clocks = measure(con, keys.exact)
        if correction == "auto" and correct(con, clocks):
            keys = build_keys(con, stage)
        compare(con, keys, slack_ns)
        claims, crowded = _claim_by_ends(con, capture_id, slack_ns, repeated)
    else:
        run(con, _NO_CANDIDATES)
    if stage.by_packet:
        claims += _insert(con, _CLAIM_BY_PACKET, repeated, [capture_id])
    if stage.flow_statements:
        claims += _insert(con, _CLAIM_BY_STATEMENT, repeated)
    if stage.aliases:
        run(con, _ALIASES, {"slack": slack_ns})
        run(con, _DROP_ALIAS_CANDIDATES)
    drop(con, "own_fact", "own_identity", "own_rank", "own_flow_statement")
    return int(claims), int(crowded), clocks


class _Keys(NamedTuple):
    """Counts of ``own_key``."""

    exact: int
    """Keys with addresses and ports of both ends."""
    crowded: bool
    """Whether a key has more than `NEAR` observations."""


def build_keys(con: "DuckDBPyConnection", stage: Stage, local_addresses: str = _LOCAL_ADDRESSES) -> _Keys:
    """Fill ``own_key``, ``own_window`` (observations by key) and ``own_flow_key`` (matching flows and keys).

    ``local_addresses`` is the statement that creates ``own_local_address``.
    """
    keyed = _KEYED.format(nat=_KEYED_NAT if stage.translated else "")
    for statement in (keyed, _KEYS, _WINDOWS):
        run(con, statement)
    drop(con, "own_keyed")
    usage = {match: (keys, size) for match, keys, size in run(con, _MATCHES_USED)}
    if not usage.keys().isdisjoint(match for match, _ in _OPEN_END_CONDITIONS):
        run(con, local_addresses)
    run(con, "CREATE OR REPLACE TEMP TABLE own_flow_key AS " + _match_query(usage))
    exact = sum(keys for match, (keys, _) in usage.items() if match in ("tuple", "nat"))
    return _Keys(exact, any(size > NEAR for _, size in usage.values()))


def compare(con: "DuckDBPyConnection", keys: _Keys, slack_ns: int) -> None:
    """Fill ``own_candidate``: the observations that each flow is compared with, and their distance from it."""
    if keys.crowded:
        _fill_longest(con)
        run(con, _POSITIONS, {"slack": slack_ns})
    run(con, _CANDIDATES.format(compared=_COMPARED_CROWDED if keys.crowded else _COMPARED))
    drop(con, "own_flow_key", "own_position", "own_window", "own_longest", "own_key", "own_local_address")


def add_fragments(con: "DuckDBPyConnection", capture_id: int, table: str) -> None:
    """Add the candidates of the flows of ``table`` that came in fragments to the flow of these fragments."""
    if run(con, _HAS_FRAGMENTS.format(flows=table), [capture_id]):
        run(con, _FRAGMENT_CANDIDATES.format(flows=table), [capture_id])


def _insert(
    con: "DuckDBPyConnection", rows: str, repeated: bool, values: dict[str, Any] | list[Any] | None = None
) -> int:
    """Insert rows into `claims`, except those of an earlier run; return the number inserted."""
    return int(run(con, _INSERT.format(rows=rows) + (_NEW_ONLY if repeated else ""), values)[0][0])


def _claim_by_ends(con: "DuckDBPyConnection", capture_id: int, slack_ns: int, repeated: bool) -> tuple[int, int]:
    """Insert claims from ``own_candidate``; return their number and that of flows with observations not compared."""
    parameters = {"slack": slack_ns}
    add_fragments(con, capture_id, "flows")
    crowded, outside = run(con, _CANDIDATE_COUNTS, parameters)[0]
    if outside:
        run(con, COVERED, parameters)
    return _insert(
        con, CLAIM_BY_ENDS.format(more="", nearest_outside=NEAREST_OUTSIDE if outside else ""), repeated, parameters
    ), crowded


def fill_ranks(con: "DuckDBPyConnection", stage: Stage) -> None:
    """Fill ``own_rank``: the policy's rank of every staged quality."""
    sources = {ANY, *(source for source, _ in stage.origins.values())}
    rows = [[source, quality, rank] for (source, quality), rank in RANKS.items() if source in sources]
    values = ", ".join("(?, ?, ?)" for _ in rows)
    run(
        con,
        f"""CREATE OR REPLACE TEMP TABLE own_rank AS
        WITH policy (source, quality, rank) AS (VALUES {values})
        SELECT s.origin, s.quality, coalesce(p.rank, d.rank, a.rank) AS rank
        FROM (SELECT DISTINCT origin, quality FROM own_observation) s JOIN own_origin o ON o.origin = s.origin
        LEFT JOIN policy p ON p.source = o.source AND p.quality = s.quality
        LEFT JOIN policy d ON d.source = o.source AND d.quality = '{ANY}'
        LEFT JOIN policy a ON a.source = '{ANY}' AND a.quality = '{ANY}'""",
        [value for row in rows for value in row],
    )


def _match_query(used: Container[str]) -> str:
    """Query of matching flows and keys, restricted to the ways of matching that some observation uses."""
    parts = []
    for match, condition in _OPEN_END_CONDITIONS:
        for near, far in (("src", "dst"), ("dst", "src")) if match in used else ():
            limit = ""
            if match in _ACCEPTS_ONLY and near == "src":
                limit += " AND (f.protocol <> 'tcp' OR NOT f.syn)"
            if match in _ECHO_SENDER:
                limit += " AND (f.protocol <> 'icmp' OR f.echo >= 0)" if near == "src" else " AND f.protocol <> 'icmp'"
            if (match, near) in (("remote", "dst"), ("accepted", "src")):
                continue
            # A call of `connect` is compared with the flow's start only: an end before the start makes `_POSITIONS`
            # select the observations that began just before it.
            until = "f.fs - 1" if match == "remote" else "f.fe"
            ends = {"near": near, "flip": near == "dst", "match": match, "limit": limit, "until": until}
            parts.append(_MATCH_OPEN_END.format(condition=condition.format(near, far), **ends))
    return " UNION ALL ".join(
        [_MATCH_BOTH_ENDS, _MATCH_ONE_END.format(parts=" UNION ALL ".join(parts))][: 1 + bool(parts)]
    )


def _fill_longest(con: "DuckDBPyConnection") -> None:
    """Fill ``own_longest``: for each position of a crowded key, the two earlier observations that end last."""
    hot: dict[str, Any] = con.execute(
        f"SELECT w.key, w.n, w.upto, w.we, coalesce(w.process_id, 0) AS process FROM own_window w "
        f"SEMI JOIN own_key k ON k.key = w.key AND k.size > {NEAR} ORDER BY w.key, w.n"
    ).fetchnumpy()
    keys, uptos, numbers = hot["key"], hot["upto"], hot["n"]
    best, rival = longest(keys.tolist(), numbers.tolist(), hot["we"].tolist(), hot["process"].tolist())
    columns = {"key": np.concatenate([keys, keys]), "upto": np.concatenate([uptos, uptos])}
    columns["n"] = np.array(best + rival, np.int64)
    # Of observations with the same start only the last has seen all of them; its number is `upto` - 1.
    last = np.concatenate([numbers, numbers]) + 1 == columns["upto"]
    rows: dict[str, Any] = {name: column[last] for name, column in columns.items()}
    con.register("own_batch", rows)
    try:
        run(con, "CREATE OR REPLACE TEMP TABLE own_longest AS SELECT DISTINCT key, upto, n FROM own_batch WHERE n >= 0")
    finally:
        con.unregister("own_batch")


def longest(keys: list[int], numbers: list[int], ends: list[int], processes: list[int]) -> tuple[list[int], list[int]]:
    """For each row, in order of key and start: the row of its key that ends last so far, and that of another process.

    Rows are given by number; -1 if there is no other process.
    """
    best_of: list[int] = []
    rival_of: list[int] = []
    key = best = best_end = best_process = rival = rival_end = -1
    for row_key, number, end, process in zip(keys, numbers, ends, processes, strict=True):
        if row_key != key:
            key, best, best_end, best_process, rival, rival_end = row_key, number, end, process, -1, -MAX_TIME - 1
        elif process == best_process:
            if end >= best_end:
                best, best_end = number, end
        elif end >= best_end:
            rival, rival_end = best, best_end
            best, best_end, best_process = number, end, process
        elif end >= rival_end:
            rival, rival_end = number, end
        best_of.append(best)
        rival_of.append(rival)
    return best_of, rival_of
