"""Observations that are kept for flows to come, and recent flows for observations to come, of a running recording.

The temporary tables ``live_…`` of the writer's connection hold what the next step needs: observations (``open`` ones
may still be continued by a line of the same socket), the flows that are open or ended a short while ago, and the claims
about these flows. Each observation has a coarse key (``k``, and ``kn`` after NAT) by which the few observations and
flows of a step are selected before `rustnet.attribute.claims` compares them exactly.
"""

# ruff: noqa: S608 -- the parts of these statements are constants of this package; values are bound

from collections.abc import Iterable
from typing import TYPE_CHECKING

from rustnet.attribute.claims import OWN_ADDRESS
from rustnet.attribute.flow_ends import FAMILY, port
from rustnet.attribute.flow_ends import PROTOCOL as FLOW_PROTOCOL
from rustnet.attribute.observation import Column
from rustnet.attribute.stage import TABLES, Stage, run
from rustnet.store.tables import FLOWS_ENDED, FLOWS_OPEN

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

OBSERVATION_SECONDS = 30.0
"""How long an observation of a closed socket is kept for flows that are stored later."""

FLOW_SECONDS = 10.0
"""How long an ended flow waits for observations that come later."""

OBSERVATIONS, RECENT_FLOWS, ADDRESSES = 1 << 18, 1 << 17, 1 << 14
"""Observations, ended flows and addresses of hosts that are kept at most; the oldest ones are dropped first."""

ENDS_OF_OPEN = 1 << 20
"""Sockets whose end is kept for the claims about flows that have long ended."""

_OBSERVED = (
    "seq", "origin", "fact", "protocol", "quality", "position", "packet", "local", "local_port", "remote",
    "remote_port", "ws", "we", "seen", "host", "pid", "started_at", "family", "echo", "alias", "service",
)  # fmt: skip
OBSERVED = ", ".join(_OBSERVED)
"""Columns of ``own_observation``."""

FLOW_COLUMNS = (
    "flow_id, capture_id, protocol, src_num, src_port, dst_num, dst_port, src_flags, dst_flags, icmp_id, icmp_type, "
    "started_at, ended_at, tunnel, outer_flow_id, src_bytes, dst_bytes"
)
VERDICT_COLUMNS = "process_id, process_source, process_contested, unowned_reason"
CLAIM_COLUMNS = (
    "flow_id, process_id, source, quality, rank, observed_at, window_start, window_end, distance_ms, reversed, "
    "evidence, match, offset_ms, behind"
)

_TABLES = f"""
CREATE OR REPLACE TEMP TABLE live_observation AS
    SELECT {OBSERVED}, we AS stated_end, false AS open, 0::UBIGINT AS k, 0::UBIGINT AS kn, 0::DOUBLE AS arrived
    FROM own_observation LIMIT 0;
CREATE OR REPLACE TEMP TABLE live_nat AS SELECT * FROM own_nat LIMIT 0;
CREATE OR REPLACE TEMP TABLE live_local_address (host INTEGER, address UHUGEINT, family INTEGER);
CREATE OR REPLACE TEMP TABLE live_open AS SELECT {FLOW_COLUMNS}, {VERDICT_COLUMNS}, 0::UBIGINT AS k
    FROM {FLOWS_OPEN} LIMIT 0;
CREATE OR REPLACE TEMP TABLE live_recent AS
    SELECT {FLOW_COLUMNS}, {VERDICT_COLUMNS}, 0::BIGINT AS place, 0::DOUBLE AS expires, false AS retired,
        0::UBIGINT AS k
    FROM {FLOWS_ENDED} LIMIT 0;
CREATE OR REPLACE TEMP TABLE live_claim AS SELECT 0::BIGINT AS seq, {CLAIM_COLUMNS} FROM claims LIMIT 0;
CREATE OR REPLACE TEMP TABLE live_end (evidence VARCHAR, source VARCHAR, we BIGINT, seen BIGINT)"""

# Coarse keys: both ends; the local port; the remote end; the protocol.
BOTH_ENDS, LOCAL_PORT, REMOTE_END, PROTOCOL = range(4)
_BOTH = (
    "hash(0, {protocol}, least({a}, {b}), greatest({a}, {b}),"
    " CASE WHEN {a} > {b} OR ({a} = {b} AND {ap} > {bp}) THEN {bp} ELSE {ap} END,"
    " CASE WHEN {a} > {b} OR ({a} = {b} AND {ap} > {bp}) THEN {ap} ELSE {bp} END)"
)
_OBSERVED_ENDS = _BOTH.format(protocol="s.protocol", a="s.local", ap="s.local_port", b="s.remote", bp="s.remote_port")
_NAT_ENDS = _BOTH.format(protocol="s.protocol", a="t.local", ap="t.local_port", b="t.remote", bp="t.remote_port")
KIND = f"""CASE WHEN s.echo >= 0 THEN {PROTOCOL}
    WHEN s.local IS NOT NULL AND s.remote IS NOT NULL THEN {BOTH_ENDS}
    WHEN s.remote IS NOT NULL AND s.local IS NULL AND s.local_port <= 0 AND s.remote_port >= 0 THEN {REMOTE_END}
    WHEN s.local IS NULL AND s.remote IS NULL AND s.local_port < 0 THEN {PROTOCOL}
    ELSE {LOCAL_PORT} END"""
_KEY = f"""CASE {KIND} WHEN {BOTH_ENDS} THEN {_OBSERVED_ENDS}
    WHEN {LOCAL_PORT} THEN hash({LOCAL_PORT}, s.protocol, s.local_port)
    WHEN {REMOTE_END} THEN hash({REMOTE_END}, s.protocol, s.remote, s.remote_port)
    ELSE hash({PROTOCOL}, s.protocol) END"""

_FLOW_ENDS = _BOTH.format(protocol="p", a="src_num", ap="sp", b="dst_num", bp="dp")
_FLOW_KEYS = {
    LOCAL_PORT: (f"hash({LOCAL_PORT}, p, sp)", f"hash({LOCAL_PORT}, p, dp)"),
    REMOTE_END: (f"hash({REMOTE_END}, p, src_num, sp)", f"hash({REMOTE_END}, p, dst_num, dp)"),
    PROTOCOL: (f"hash({PROTOCOL}, p)",),
}


_ENDS = f"{FLOW_PROTOCOL} AS p, {port('src_port')} AS sp, {port('dst_port')} AS dp"


def flow_keys(keyed: str, flows: str, kinds: Iterable[int]) -> str:
    """Query of ``flow_id`` and the keys ``k``, of these kinds, of flows; ``keyed`` has their keys of both ends."""
    parts = ["SELECT 0 AS flow_id, 0::UBIGINT AS k WHERE false"]
    for kind in sorted(kinds):
        if kind == BOTH_ENDS:
            parts.append(f"SELECT flow_id, k FROM {keyed}")
        else:
            ends = f"(SELECT flow_id, src_num, dst_num, {_ENDS} FROM {flows})"
            parts += [f"SELECT flow_id, {key} AS k FROM {ends}" for key in _FLOW_KEYS[kind]]
    return " UNION ALL ".join(parts)


def with_key(query: str) -> str:
    """The flows of a query with their key of both ends, ``k``."""
    return f"SELECT * EXCLUDE (p, sp, dp), {_FLOW_ENDS} AS k FROM (SELECT *, {_ENDS} FROM ({query}))"


# A later line of a socket replaces the earlier one and keeps its number and position: the claims are the same ones.
_SAME = ("origin", "protocol", "local_port", "remote_port", "ws", "host", "pid", "started_at", "family", "echo")
_CONTINUED = f"""
CREATE OR REPLACE TEMP TABLE own_continued AS
SELECT n.seq AS new_seq, o.seq, o.position FROM own_observation n
JOIN (SELECT * FROM live_observation WHERE open AND ws IS NOT NULL) o
    ON {" AND ".join(f"o.{name} = n.{name}" for name in _SAME)}
    AND coalesce(o.local, 0) = coalesce(n.local, 0) AND coalesce(o.remote, 0) = coalesce(n.remote, 0)"""
_DROP_CONTINUED = (
    "DELETE FROM live_observation WHERE seq IN (SELECT seq FROM own_continued)",
    "DELETE FROM live_nat WHERE seq IN (SELECT seq FROM own_continued)",
)
_FRESH = f"""
CREATE OR REPLACE TEMP TABLE own_fresh AS
SELECT s.* REPLACE (i.process_id AS fact, coalesce(c.seq, s.seq) AS seq, coalesce(c.position, s.position) AS position,
        CASE WHEN x.position IS NOT NULL THEN s.we END AS we),
    s.we AS stated_end, x.position IS NULL AS open, {_KEY} AS k, {{kn}} AS kn, $now::DOUBLE AS arrived
FROM own_observation s LEFT JOIN own_identity i ON i.fact = s.fact LEFT JOIN own_continued c ON c.new_seq = s.seq
LEFT JOIN own_closed x ON x.position = s.position{{nat}}"""
_NAT_KEY = f"coalesce({_NAT_ENDS}, 0)"
_KEEP_NAT = """
INSERT INTO live_nat SELECT n.* REPLACE (coalesce(c.seq, n.seq) AS seq) FROM own_nat n
LEFT JOIN own_continued c ON c.new_seq = n.seq"""

# The addresses of a host by its own records; as in a finished file, without those that every host has.
_KEEP_ADDRESSES = f"""
INSERT INTO live_local_address
SELECT n.* FROM (
    SELECT DISTINCT host, local AS address, {FAMILY.format("local")} AS family FROM own_fresh WHERE {OWN_ADDRESS}
) n ANTI JOIN live_local_address a ON a.host = n.host AND a.address = n.address
LIMIT greatest(0, {ADDRESSES} - (SELECT count(*) FROM live_local_address))"""

_KEEP_ENDS = """
INSERT INTO live_end
SELECT o.name || ':' || f.position, o.source, f.stated_end, f.seen
FROM own_fresh f JOIN own_origin o ON o.origin = f.origin
WHERE NOT f.open AND f.seq IN (SELECT seq FROM own_continued)"""

# Flows that are no longer waiting, and observations of sockets that closed long enough ago.
_COMPACT = (
    f"""CREATE OR REPLACE TEMP TABLE live_observation AS SELECT * FROM live_observation
    WHERE open OR arrived > $now - {OBSERVATION_SECONDS} ORDER BY open DESC, arrived DESC LIMIT $observations""",
    "CREATE OR REPLACE TEMP TABLE live_nat AS SELECT n.* FROM live_nat n SEMI JOIN live_observation o ON o.seq = n.seq",
    """CREATE OR REPLACE TEMP TABLE live_recent AS SELECT * FROM live_recent WHERE NOT retired
    ORDER BY place DESC LIMIT $flows""",
    """CREATE OR REPLACE TEMP TABLE live_claim AS SELECT c.* FROM live_claim c
    SEMI JOIN (SELECT flow_id FROM live_open UNION ALL SELECT flow_id FROM live_recent) f ON f.flow_id = c.flow_id""",
)


class LiveStage(Stage):
    """The temporary tables ``live_…`` of one connection."""

    def __init__(self, con: "DuckDBPyConnection") -> None:
        super().__init__(con)
        self.kinds: set[int] = set()
        """Kinds of coarse keys that some observation has."""
        self.fresh_kinds: set[int] = set()
        """Those of the new observations."""
        self.create()

    def create(self) -> None:
        """Create the tables, without a row."""
        run(self._con, ";".join((*TABLES, _TABLES)))

    def begin(self) -> None:
        """Empty the tables ``own_…``, which others use in between."""
        run(self._con, ";".join(TABLES))
        for (_, source, name, keep_last), origin in self._origins.items():
            run(self._con, "INSERT INTO own_origin VALUES (?, ?, ?, ?)", [origin, source, name, keep_last])
        self.facts = 0

    def keep(self, closed: Column, now: float) -> int:
        """Move the new observations to ``own_fresh`` and ``live_observation``; returns how many are repetitions.

        ``closed`` are the positions of lines about sockets that their process no longer holds.
        """
        con = self._con
        repeated = self.drop_duplicates()
        self._insert({"position": closed}, "CREATE OR REPLACE TEMP TABLE own_closed AS SELECT * FROM own_batch", {})
        run(con, _CONTINUED)
        nat = " LEFT JOIN own_nat t ON t.seq = s.seq" if self.translated else ""
        run(con, _FRESH.format(kn=_NAT_KEY if nat else "0::UBIGINT", nat=nat), {"now": now})
        continued = run(con, "SELECT count(*) FROM own_continued")[0][0]
        if continued:
            for statement in _DROP_CONTINUED:
                run(con, statement)
            if run(con, "SELECT count(*) FROM live_end")[0][0] < ENDS_OF_OPEN:
                run(con, _KEEP_ENDS)
        run(con, "INSERT INTO live_observation SELECT * FROM own_fresh WHERE protocol <> 'meta'")
        if self.translated:
            run(con, _KEEP_NAT)
        run(con, _KEEP_ADDRESSES)
        self.fresh_kinds = {kind for (kind,) in run(con, f"SELECT DISTINCT {KIND} FROM own_fresh s")}
        self.fresh_kinds |= {BOTH_ENDS} if self.translated else set()
        self.kinds |= self.fresh_kinds
        return int(repeated + continued)

    def compact(self, now: float) -> int:
        """Forget what has been kept long enough; returns the number of observations that were too many."""
        con = self._con
        kept = f"SELECT count(*) FROM live_observation WHERE open OR arrived > {now} - {OBSERVATION_SECONDS}"
        too_many = max(0, int(run(con, kept)[0][0]) - OBSERVATIONS)
        given = {"now": now, "observations": OBSERVATIONS, "flows": RECENT_FLOWS}
        for statement in _COMPACT:
            run(con, statement, {name: value for name, value in given.items() if "$" + name in statement})
        return too_many

    def end_all(self) -> None:
        """From now on no line continues another: what was open ended when it was last seen."""
        run(
            self._con,
            """INSERT INTO live_end SELECT o.name || ':' || f.position, o.source, f.stated_end, f.seen
            FROM live_observation f JOIN own_origin o ON o.origin = f.origin WHERE f.open""",
        )
        run(self._con, "UPDATE live_observation SET we = stated_end, open = false WHERE open")
