"""From observations to rows of `claims`: which observation is about which flow, in time that grows with the input.

Observations with the same key (the way of matching, protocol, ends, and rank) are numbered by their start. Most keys
have a few, and a flow is held against all of them. Where there are more than `NEAR`, a flow finds its place among
them by one running count and looks at the `NEAR` that began last before its end, at the next one, and at two more
that `_reach` names: of all that began before, the one that lasts longest, and the one of another process that lasts
longest. So whether any observation covers a flow, and whether two processes do, is always known, and a key that a
million flows and a million observations share costs little more than a million keys.
"""

# ruff: noqa: S608 -- the parts of these statements are constants of this package; values are bound

from collections.abc import Container
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from rustnet.attribute.clock import Clock, Correction, correct, measure, prepare
from rustnet.attribute.observation import PORTED
from rustnet.attribute.stage import Stage, drop, run
from rustnet.attribute.values import MAX_TIME
from rustnet.policy.ownership import ANY, MATCHES, RANKS, UNTIMED_RANK

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

NEAR = 8
"""Observations of one key and rank that a flow is held against, counted back from its end."""

OWNERLESS_RANK = 255
"""Stands for observations that name no process: they become no claims and only explain."""

_V4_FIRST = 0xFFFF << 32
"""`::ffff:0.0.0.0`, the first IPv4 address as `flows.src_num` has it."""

_FAMILY = f"CASE WHEN {{0}} BETWEEN {_V4_FIRST}::UHUGEINT AND {_V4_FIRST + 0xFFFFFFFF}::UHUGEINT THEN 4 ELSE 6 END"

_PORTED = ", ".join(f"'{name}'" for name in sorted(PORTED))


def _clamped(time: str) -> str:
    """Nanoseconds of a time, within bounds that let two be subtracted."""
    return f"least(greatest(epoch_ns({time}), {-MAX_TIME}), {MAX_TIME})"


def _port(name: str) -> str:
    return f"CASE WHEN protocol IN ({_PORTED}) THEN coalesce({name}, 0)::INTEGER ELSE -1 END"


_FLOWS = f"""
CREATE OR REPLACE TEMP TABLE own_flow AS
SELECT flow_id, CASE WHEN protocol = 'icmpv6' THEN 'icmp' ELSE protocol END AS protocol,
    src_num AS src, {_port("src_port")} AS src_port, dst_num AS dst, {_port("dst_port")} AS dst_port,
    {_FAMILY.format("src_num")} AS family,
    coalesce((src_flags | dst_flags) & 2 <> 0, false) AS syn, coalesce(icmp_id, -1)::INTEGER AS echo,
    {_clamped("started_at")} AS fs, greatest({_clamped("started_at")}, {_clamped("ended_at")}) AS fe
FROM {{flows}} WHERE capture_id = $capture AND rowid >= $row"""

# Claims of the capture that an earlier reading of the same sources made.
_EARLIER = """
CREATE OR REPLACE TEMP TABLE own_earlier AS
SELECT c.flow_id, c.process_id, c.source, c.evidence, c.match, c.reversed FROM claims c
SEMI JOIN own_flow f ON f.flow_id = c.flow_id
SEMI JOIN own_origin o ON o.source = c.source AND starts_with(c.evidence, o.name || ':')"""

# What each way of matching allows at best, the most frequent one first.
_BEST = "CASE {0} " + " ".join(f"WHEN '{m.name}' THEN {m.best}" for m in MATCHES) + " END"

# `flip` says that the observation's local end is the second one of the key; a key of both ends is the same for
# either orientation, a key with an open end always begins with the local one.
_OBSERVED = f"""
CREATE OR REPLACE TEMP TABLE own_observed AS
WITH stated AS (
    SELECT s.*, CASE
        WHEN echo >= 0 THEN 'echo'
        WHEN local IS NOT NULL AND remote IS NOT NULL THEN CASE WHEN local_port >= 0 THEN 'tuple' ELSE 'addresses' END
        WHEN remote IS NOT NULL THEN CASE WHEN local IS NULL AND local_port <= 0 AND remote_port >= 0
            THEN 'remote' ELSE 'wildcard' END
        WHEN local IS NOT NULL THEN 'listener'
        WHEN local_port >= 0 THEN 'port'
        ELSE 'protocol' END AS match
    FROM own_said s WHERE packet IS NULL{{translated}}
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

_TRANSLATED = """
    UNION ALL
    SELECT s.* REPLACE (t.local AS local, t.local_port AS local_port, t.remote AS remote,
        t.remote_port AS remote_port, -1 AS echo), 'nat' AS match
    FROM own_said s JOIN own_nat t ON t.seq = s.seq WHERE s.packet IS NULL"""

_KEYS = """
CREATE OR REPLACE TEMP TABLE own_key AS
SELECT row_number() OVER () AS key, match, protocol, a, ap, b, bp, rank, family, host, count(*) AS size
FROM own_observed GROUP BY match, protocol, a, ap, b, bp, rank, family, host"""

_MATCHES_USED = "SELECT match, count(*), max(size) FROM own_key GROUP BY match"

# Addresses that a host's own records call local; loopback, multicast and `::` are everybody's.
_HOME = f"""
CREATE OR REPLACE TEMP TABLE own_home AS
SELECT DISTINCT host, local AS address, {_FAMILY.format("local")} AS family FROM own_said
WHERE host > 0 AND local > 1 AND local < {0xFF << 120}::UHUGEINT
    AND local NOT BETWEEN {_V4_FIRST + (127 << 24)}::UHUGEINT AND {_V4_FIRST + (128 << 24) - 1}::UHUGEINT
    AND local NOT BETWEEN {_V4_FIRST + (224 << 24)}::UHUGEINT AND {_V4_FIRST + 0xFFFFFFFF}::UHUGEINT
    AND local <> {_V4_FIRST}::UHUGEINT
    AND host IN (SELECT host FROM own_said WHERE local IS NULL)"""

_WINDOWS = """
CREATE OR REPLACE TEMP TABLE own_window AS
WITH keyed AS (
    SELECT k.key, k.size, o.seq, o.ws, o.we, o.flip, o.process_id, o.rank, o.match
    FROM own_observed o JOIN own_key k ON k.match = o.match AND k.protocol = o.protocol
        AND k.a = o.a AND k.ap = o.ap AND k.b = o.b AND k.bp = o.bp AND k.rank = o.rank
        AND k.family = o.family AND k.host = o.host
)
SELECT * EXCLUDE (size), 0::BIGINT AS n, 1::BIGINT AS upto FROM keyed WHERE size = 1
UNION ALL
SELECT * EXCLUDE (size), row_number() OVER (PARTITION BY key ORDER BY ws, seq) - 1 AS n,
    count(*) OVER (PARTITION BY key ORDER BY ws) AS upto
FROM keyed WHERE size > 1"""

# One row per flow and key that fits it; `local_src` is NULL where the key's own order decides.
_FITS_BOTH = """
SELECT f.flow_id, f.fs, f.fe, k.key, k.size,
    (f.src > f.dst OR (f.src = f.dst AND f.src_port > f.dst_port)) AS flip
FROM own_flow f JOIN own_key k ON k.match IN ('tuple', 'addresses', 'nat') AND k.protocol = f.protocol
    AND k.a = least(f.src, f.dst) AND k.b = greatest(f.src, f.dst)
    AND k.ap = CASE WHEN f.src > f.dst OR (f.src = f.dst AND f.src_port > f.dst_port)
        THEN f.dst_port ELSE f.src_port END
    AND k.bp = CASE WHEN f.src > f.dst OR (f.src = f.dst AND f.src_port > f.dst_port)
        THEN f.src_port ELSE f.dst_port END"""

_FITS_OPEN = (
    ("wildcard", "k.a = 0 AND k.ap = f.{0}_port AND k.b = f.{1} AND k.bp = f.{1}_port"),
    ("listener", "k.a = f.{0} AND k.ap = f.{0}_port AND k.b = 0"),
    ("port", "k.a = 0 AND k.ap = f.{0}_port AND k.b = 0"),
    ("echo", "k.a = f.{0} AND k.ap = f.echo AND k.b = f.{1}"),
    ("echo", "k.a = f.{0} AND k.ap = f.echo AND k.b = 0"),
    ("echo", "k.a = 0 AND k.ap = f.echo AND k.b = f.{1}"),
    ("echo", "k.a = 0 AND k.ap = f.echo AND k.b = 0"),
    ("protocol", "k.a = 0"),
    ("remote", "k.a = 0 AND k.b = f.{1} AND k.bp = f.{1}_port"),
)
_ACCEPTING = ("listener", "port")
"""Open TCP sockets that are matched in these ways accept connections and open none."""
_OF_SOURCE = ("listener", "echo", "protocol")
"""Where ICMP is matched in these ways, the socket's end is the one that asks for echoes."""

# Sockets that wait for anybody fit either end of a flow, but only one that is their host's, as far as its addresses are
# known. Who asks for echoes is the flow's `src`; other ICMP without both ends is the kernel's.
_FITS_WAITING = """
SELECT f.flow_id, f.fs, {until} AS fe, k.key, k.size, {flip} AS flip, n.address IS NOT NULL AS home
FROM own_flow f JOIN own_key k ON k.match = '{match}' AND k.protocol = f.protocol AND {condition}
    AND k.family IN (0, f.family){limit}
LEFT JOIN own_home n ON n.host = k.host AND n.address = f.{near}
LEFT JOIN (SELECT DISTINCT host, family FROM own_home) h ON h.host = k.host AND h.family = f.family
WHERE n.address IS NOT NULL OR h.host IS NULL"""

_FITS_ONE_END = """
SELECT flow_id, fs, fe, key, size, flip FROM ({parts})
QUALIFY row_number() OVER (PARTITION BY flow_id, key ORDER BY home DESC, flip) = 1"""

# How many observations of a crowded key began before each flow's end. One window over both does what an ASOF join
# does, in every version of DuckDB: in 1.5 that join takes half a millisecond for each key, however small. The sum
# must stay a sum: a count with a FILTER over such a window takes time by the square of the rows.
_PLACED = f"""
CREATE OR REPLACE TEMP TABLE own_place AS
WITH both_ AS (
    SELECT key, CASE WHEN fe < fs THEN fs ELSE fe + $slack END AS moment, flow_id, fs, fe, flip
    FROM own_fit WHERE size > {NEAR}
    UNION ALL
    SELECT w.key, w.ws, NULL, NULL, NULL, NULL
    FROM own_window w SEMI JOIN own_key k ON k.key = w.key AND k.size > {NEAR}
)
SELECT * EXCLUDE (moment) FROM (
    SELECT *, sum(CASE WHEN flow_id IS NULL THEN 1 ELSE 0 END) OVER (PARTITION BY key
        ORDER BY moment, flow_id NULLS FIRST ROWS UNBOUNDED PRECEDING)::BIGINT AS upto
    FROM both_
) WHERE flow_id IS NOT NULL"""

_HELD = """
    SELECT f.flow_id, f.fs, f.fe, f.flip AS flow_flip, false AS oldest, w.*
    FROM own_fit f JOIN own_window w ON w.key = f.key"""
_HELD_CROWDED = f"""
    WITH looked AS (
        SELECT flow_id, fs, fe, key, flip, unnest(range(greatest(0, upto - {NEAR}), upto + 1)) AS n, upto
        FROM own_place
        UNION ALL
        SELECT p.flow_id, p.fs, p.fe, p.key, p.flip, r.n, p.upto
        FROM own_place p JOIN own_reach r ON r.key = p.key AND r.upto = p.upto
        WHERE r.n < p.upto - {NEAR}
    ){_HELD} WHERE f.size <= {NEAR}
    UNION ALL
    SELECT l.flow_id, l.fs, l.fe, l.flip, l.upto - l.n >= {NEAR}, w.*
    FROM looked l JOIN own_window w ON w.key = l.key AND w.n = l.n"""
_NEAR = """
CREATE OR REPLACE TEMP TABLE own_near AS
WITH held AS ({held}
)
SELECT flow_id, seq, process_id, rank, match, flip <> flow_flip AS reversed, oldest, ws > fe AS later,
    CASE WHEN we < fs THEN fs - we WHEN ws > fe THEN ws - fe ELSE 0 END AS distance
FROM held"""

_NEAR_NONE = """
CREATE OR REPLACE TEMP TABLE own_near (flow_id BIGINT, seq BIGINT, process_id BIGINT, rank INTEGER, match VARCHAR,
    reversed BOOLEAN, oldest BOOLEAN, later BOOLEAN, distance BIGINT)"""

# What is known of a datagram holds for the portless flow that carries its fragments.
_CARRIERS = "SELECT 1 FROM flows WHERE capture_id = ? AND tunnel = 'fragments' LIMIT 1"
_CARRIED = """
INSERT INTO own_near
SELECT c.flow_id, n.seq, any_value(n.process_id), any_value(n.rank), 'fragments',
    any_value(n.reversed <> (i.src_num <> c.src)), bool_or(n.oldest), any_value(coalesce(s.ws > c.fe, false)),
    any_value(CASE WHEN s.we < c.fs THEN c.fs - s.we WHEN s.ws > c.fe THEN s.ws - c.fe ELSE 0 END)
FROM own_near n JOIN flows i ON i.flow_id = n.flow_id AND i.capture_id = ? AND i.tunnel = 'fragments'
JOIN own_flow c ON c.flow_id = i.outer_flow_id JOIN own_said s ON s.seq = n.seq
ANTI JOIN own_near k ON k.flow_id = c.flow_id AND k.seq = n.seq
GROUP BY c.flow_id, n.seq"""

_LOOKED_AT = """
SELECT count(DISTINCT flow_id) FILTER (oldest AND distance <= $slack),
    count(*) FILTER (distance > $slack AND process_id IS NOT NULL) FROM own_near"""

_COVERED = """
CREATE OR REPLACE TEMP TABLE own_covered AS
SELECT DISTINCT flow_id FROM own_near WHERE distance <= $slack AND process_id IS NOT NULL"""

_INSERT = """
INSERT INTO claims (flow_id, process_id, source, quality, rank, observed_at, window_start, window_end, distance_ms,
    reversed, evidence, match, offset_ms, behind)
SELECT * FROM ({rows}) c"""
_NEW_ONLY = """ ANTI JOIN own_earlier e ON e.flow_id = c.flow_id AND e.process_id = c.process_id AND e.source = c.source
    AND e.evidence = c.evidence AND e.match = c.match AND e.reversed = c.reversed"""

_CLAIM = """
WITH chosen AS (
    SELECT * FROM own_near WHERE distance <= $slack AND process_id IS NOT NULL{far}
)
SELECT c.flow_id, c.process_id, o.source, s.quality, c.rank, make_timestamp_ns(s.seen), make_timestamp_ns(s.ws),
    make_timestamp_ns(s.we), c.distance / 1e6, c.reversed AS reversed, o.name || ':' || s.position AS evidence, c.match,
    a.added / 1e6, t.behind
FROM chosen c JOIN own_said s ON s.seq = c.seq JOIN own_origin o ON o.origin = s.origin
LEFT JOIN own_shift a ON a.origin = s.origin AND a.host = s.host AND a.added <> 0
LEFT JOIN own_nat t ON t.seq = c.seq AND c.match = 'nat'"""
_FAR = """
    UNION ALL
    SELECT * FROM (
        SELECT * FROM own_near n ANTI JOIN own_covered c ON c.flow_id = n.flow_id
        WHERE process_id IS NOT NULL
        QUALIFY row_number() OVER (PARTITION BY n.flow_id, later ORDER BY distance, rank, seq DESC) = 1
    )"""

# Many packets of a flow repeat the same statement: it is one claim, which holds from the first to the last of them.
_CLAIM_BY_PACKET = f"""
SELECT p.flow_id, i.process_id, o.source, s.quality, r.rank, max(p.ts), min(p.ts), max(p.ts), 0, false AS reversed,
    o.name || ':' || min(s.position) AS evidence, 'packet' AS match, NULL::DOUBLE, NULL
FROM own_said s JOIN packets p ON p.capture_id = ? AND p.number = s.packet
JOIN own_origin o ON o.origin = s.origin
JOIN own_rank r ON r.origin = s.origin AND r.quality = s.quality
JOIN own_identity i ON i.fact = s.fact
WHERE s.packet IS NOT NULL AND p.flow_id IS NOT NULL AND r.rank < {OWNERLESS_RANK}
GROUP BY p.flow_id, i.process_id, o.source, o.name, s.quality, r.rank"""

# Statements on packets were lifted to their flow while the capture was read (`rustnet.attribute.packets`).
_CLAIM_LIFTED = """
SELECT l.flow_id, i.process_id, o.source, s.quality, r.rank, make_timestamp_ns(max(l.last)),
    make_timestamp_ns(min(l.first)), make_timestamp_ns(max(l.last)), 0, l.reversed,
    o.name || ':' || min(l.number) AS evidence, 'packet' AS match, NULL::DOUBLE, NULL
FROM own_lifted l JOIN own_said s ON s.seq = l.seq
JOIN own_origin o ON o.origin = s.origin
JOIN own_rank r ON r.origin = s.origin AND r.quality = s.quality
JOIN own_identity i ON i.fact = s.fact
GROUP BY l.flow_id, i.process_id, o.source, o.name, s.quality, r.rank, l.reversed"""

# What other tools call the flow: every record that overlaps it, else the nearest one.
_ALIASES = """
INSERT INTO aliases (flow_id, source, alias, service, distance_ms, reversed, evidence)
SELECT n.flow_id, o.source, s.alias, arg_min(s.service, n.seq), min(n.distance) / 1e6, arg_min(n.reversed, n.seq),
    min_by(o.name || ':' || s.position, n.seq)
FROM own_near n JOIN own_said s ON s.seq = n.seq JOIN own_origin o ON o.origin = s.origin
ANTI JOIN aliases k ON k.flow_id = n.flow_id AND k.source = o.source AND k.alias = s.alias
WHERE s.alias IS NOT NULL AND n.distance <= $slack
GROUP BY n.flow_id, o.source, s.alias
QUALIFY min(n.distance) = 0
    OR row_number() OVER (PARTITION BY n.flow_id, o.source ORDER BY min(n.distance), s.alias) = 1"""
_NO_REASON = "DELETE FROM own_near WHERE seq IN (SELECT seq FROM own_said WHERE alias IS NOT NULL)"


def select_flows(con: "DuckDBPyConnection", capture_id: int, table: str, first_row: int) -> bool:
    """Fill ``own_flow`` with a capture's flows from a row of ``table`` on.

    Returns whether one of the staged sources has claims about them already; those are ``own_earlier`` then.
    """
    run(con, _FLOWS.format(flows=table), {"capture": capture_id, "row": first_row})
    if not run(con, "SELECT 1 FROM claims LIMIT 1"):
        return False
    run(con, _EARLIER)
    return bool(run(con, "SELECT 1 FROM own_earlier LIMIT 1"))


def store_claims(
    con: "DuckDBPyConnection",
    stage: Stage,
    capture_id: int,
    slack_ns: int,
    correction: Correction = None,
    *,
    repeated: bool = False,
) -> tuple[int, int, list[Clock]]:
    """Match ``own_said`` with the capture's flows: rows of `claims`, and ``own_near`` for the verdict.

    ``repeated``: some of the sources were read for this capture before; only what is new becomes a claim.
    Returns the number of claims, that of flows for which more observations overlapped than were looked at, and what
    the sources' clocks were found to be before a ``correction`` by their own offset.
    """
    _rank(con, stage)
    prepare(con, correction)
    made = crowded = 0
    clocks: list[Clock] = []
    if stage.by_ends:
        keys = _pair(con, stage)
        clocks = measure(con, keys.exact)
        if correction == "auto" and correct(con, clocks):
            keys = _pair(con, stage)
        _hold(con, keys, slack_ns)
        made, crowded = _claim(con, capture_id, slack_ns, repeated)
    else:
        run(con, _NEAR_NONE)
    if stage.by_packet:
        made += _insert(con, _CLAIM_BY_PACKET, repeated, [capture_id])
    if stage.lifted:
        made += _insert(con, _CLAIM_LIFTED, repeated)
    if stage.aliases:
        run(con, _ALIASES, {"slack": slack_ns})
        run(con, _NO_REASON)
    drop(con, "own_said", "own_fact", "own_identity", "own_rank", "own_lifted")
    return int(made), int(crowded), clocks


class _Keys(NamedTuple):
    """What is in ``own_key``."""

    exact: int
    """Keys of both ends with ports."""
    crowded: bool
    """Some have more than `NEAR` observations."""


def _pair(con: "DuckDBPyConnection", stage: Stage) -> _Keys:
    """``own_key``, ``own_window`` and ``own_fit``: which keys there are, their observations, and the flows they fit."""
    observed = _OBSERVED.format(translated=_TRANSLATED if stage.translated else "")
    for statement in (observed, _KEYS, _WINDOWS):
        run(con, statement)
    drop(con, "own_observed")
    found = {match: (keys, size) for match, keys, size in run(con, _MATCHES_USED)}
    if not found.keys().isdisjoint(match for match, _ in _FITS_OPEN):
        run(con, _HOME)
    run(con, "CREATE OR REPLACE TEMP TABLE own_fit AS " + _fits(found))
    exact = sum(keys for match, (keys, _) in found.items() if match in ("tuple", "nat"))
    return _Keys(exact, any(size > NEAR for _, size in found.values()))


def _hold(con: "DuckDBPyConnection", keys: _Keys, slack_ns: int) -> None:
    """``own_near``: which observations each flow is held against, and how far they lie from it."""
    if keys.crowded:
        _reach(con)
        run(con, _PLACED, {"slack": slack_ns})
    run(con, _NEAR.format(held=_HELD_CROWDED if keys.crowded else _HELD))
    drop(con, "own_fit", "own_place", "own_window", "own_reach", "own_key", "own_home")


def _insert(
    con: "DuckDBPyConnection", rows: str, repeated: bool, values: dict[str, Any] | list[Any] | None = None
) -> int:
    """Insert rows into `claims`, without those of an earlier reading; returns how many."""
    return int(run(con, _INSERT.format(rows=rows) + (_NEW_ONLY if repeated else ""), values)[0][0])


def _claim(con: "DuckDBPyConnection", capture_id: int, slack_ns: int, repeated: bool) -> tuple[int, int]:
    """Make claims of ``own_near``; returns how many, and of how many flows not all observations were looked at."""
    given = {"slack": slack_ns}
    if run(con, _CARRIERS, [capture_id]):
        run(con, _CARRIED, [capture_id])
    crowded, far = run(con, _LOOKED_AT, given)[0]
    if far:
        run(con, _COVERED, given)
    return _insert(con, _CLAIM.format(far=_FAR if far else ""), repeated, given), crowded


def _rank(con: "DuckDBPyConnection", stage: Stage) -> None:
    """``own_rank``: the policy's rank of every quality that was staged."""
    sources = {ANY, *(source for source, _ in stage.origins.values())}
    rows = [[source, quality, rank] for (source, quality), rank in RANKS.items() if source in sources]
    values = ", ".join("(?, ?, ?)" for _ in rows)
    run(
        con,
        f"""CREATE OR REPLACE TEMP TABLE own_rank AS
        WITH policy (source, quality, rank) AS (VALUES {values})
        SELECT s.origin, s.quality, coalesce(p.rank, d.rank, a.rank) AS rank
        FROM (SELECT DISTINCT origin, quality FROM own_said) s JOIN own_origin o ON o.origin = s.origin
        LEFT JOIN policy p ON p.source = o.source AND p.quality = s.quality
        LEFT JOIN policy d ON d.source = o.source AND d.quality = '{ANY}'
        LEFT JOIN policy a ON a.source = '{ANY}' AND a.quality = '{ANY}'""",
        [value for row in rows for value in row],
    )


def _fits(used: Container[str]) -> str:
    """Query for the flows that each key fits; ways of matching that no observation uses are not tried."""
    parts = []
    for match, condition in _FITS_OPEN:
        for near, far in (("src", "dst"), ("dst", "src")) if match in used else ():
            limit = ""
            if match in _ACCEPTING and near == "src":
                limit += " AND (f.protocol <> 'tcp' OR NOT f.syn)"
            if match in _OF_SOURCE:
                limit += " AND (f.protocol <> 'icmp' OR f.echo >= 0)" if near == "src" else " AND f.protocol <> 'icmp'"
            if match == "remote" and near == "dst":
                continue
            # Of a conversation that a source saw begin, only the beginning is compared: its end stands before it,
            # which also tells `_PLACED` to look for what began just before that.
            until = "f.fs - 1" if match == "remote" else "f.fe"
            ends = {"near": near, "flip": near == "dst", "match": match, "limit": limit, "until": until}
            parts.append(_FITS_WAITING.format(condition=condition.format(near, far), **ends))
    return " UNION ALL ".join([_FITS_BOTH, _FITS_ONE_END.format(parts=" UNION ALL ".join(parts))][: 1 + bool(parts)])


def _reach(con: "DuckDBPyConnection") -> None:
    """``own_reach``: for each place behind `NEAR` observations of a key, the two earlier ones that last longest."""
    hot = con.execute(
        f"SELECT w.key, w.n, w.upto, w.we, coalesce(w.process_id, 0) AS process FROM own_window w "
        f"SEMI JOIN own_key k ON k.key = w.key AND k.size > {NEAR} ORDER BY w.key, w.n"
    ).fetchnumpy()
    keys, uptos, numbers = hot["key"], hot["upto"], hot["n"]
    best, rival = longest(keys.tolist(), numbers.tolist(), hot["we"].tolist(), hot["process"].tolist())
    columns = {"key": np.concatenate([keys, keys]), "upto": np.concatenate([uptos, uptos])}
    columns["n"] = np.array(best + rival, np.int64)
    # Among observations that start together only the last knows all of them; its number is one less than `upto`.
    last = np.concatenate([numbers, numbers]) + 1 == columns["upto"]
    kept: dict[str, Any] = {name: column[last] for name, column in columns.items()}
    con.register("own_batch", kept)
    try:
        run(con, "CREATE OR REPLACE TEMP TABLE own_reach AS SELECT DISTINCT key, upto, n FROM own_batch WHERE n >= 0")
    finally:
        con.unregister("own_batch")


def longest(keys: list[int], numbers: list[int], ends: list[int], processes: list[int]) -> tuple[list[int], list[int]]:
    """For each row, in order of key and start: which row of its key so far ends last, and which of another process.

    Rows are named by their number; -1 where there is no other process.
    """
    best_of: list[int] = []
    rival_of: list[int] = []
    key = best = best_end = best_process = rival = rival_end = -1
    for now, number, end, process in zip(keys, numbers, ends, processes, strict=True):
        if now != key:
            key, best, best_end, best_process, rival, rival_end = now, number, end, process, -1, -MAX_TIME - 1
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
