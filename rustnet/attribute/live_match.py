"""`LiveMatch`: match what a running recording has observed with the flows of the capture that runs beside it.

Each step compares new observations with all open and recently ended flows, and new flows with the kept observations; so
its cost follows what is new and what is open, whatever the length of the session. The comparison itself, ranks and
verdict are those of finished files (`rustnet.attribute.claims`, `rustnet.attribute.verdict`).
"""

# ruff: noqa: S608 -- the parts of these statements are constants of this package; values are bound

from collections.abc import Iterable
from typing import TYPE_CHECKING

from rustnet.attribute.claims import (
    CLAIM_BY_ENDS,
    COVERED,
    NEAREST_OUTSIDE,
    add_fragments,
    build_keys,
    compare,
    fill_ranks,
)
from rustnet.attribute.flow_ends import fill_flows
from rustnet.attribute.live_coverage import LiveCoverage
from rustnet.attribute.live_processes import LiveProcesses
from rustnet.attribute.live_stage import (
    CLAIM_COLUMNS,
    FLOW_COLUMNS,
    FLOW_SECONDS,
    OBSERVED,
    VERDICT_COLUMNS,
    LiveStage,
    flow_keys,
    with_key,
)
from rustnet.attribute.observation import Batch, Column
from rustnet.attribute.stage import drop, run
from rustnet.attribute.verdict import judge
from rustnet.policy.ownership import SLACK_SECONDS
from rustnet.store.tables import FLOWS_ENDED, FLOWS_OPEN

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

STEPS_PER_COMPACTION = 16

SLACK_NS = round(SLACK_SECONDS * 1e9)

_TEMPORARY = (
    "own_observation", "own_nat", "own_fact", "own_origin", "own_shift", "own_flow_statement", "own_duplicate",
    "own_closed", "own_continued", "own_fresh", "own_identity", "own_rank", "own_affected", "own_was_open", "own_flow",
    "own_candidate", "own_covered", "own_claim", "own_eligible", "own_rival", "own_verdict",
)  # fmt: skip

# The writer replaces the rows of open flows at each flush; what was found out about them is carried over.
_STILL_OPEN = f"""
SELECT {", ".join(f"f.{name}" for name in FLOW_COLUMNS.split(", "))},
    {", ".join(f"o.{name}" for name in VERDICT_COLUMNS.split(", "))}
FROM {FLOWS_OPEN} f LEFT JOIN own_was_open o ON o.flow_id = f.flow_id
WHERE f.capture_id = $capture"""
_OPEN = f"CREATE OR REPLACE TEMP TABLE live_open AS {with_key(_STILL_OPEN)}"
_ENDED = f"""
SELECT {", ".join(f"f.{name}" for name in FLOW_COLUMNS.split(", "))},
    {", ".join(f"o.{name}" for name in VERDICT_COLUMNS.split(", "))}, f.place, $expires AS expires, false AS retired
FROM (SELECT *, rowid AS place FROM {FLOWS_ENDED} WHERE capture_id = $capture AND rowid >= $row) f
LEFT JOIN own_was_open o ON o.flow_id = f.flow_id"""
_RECENT = f"INSERT INTO live_recent {with_key(_ENDED)}"

_FLOWS = f"SELECT {FLOW_COLUMNS}, {VERDICT_COLUMNS}"

# Flows that are compared with everything kept: those that are new, those without an owner that are still open, and
# those without an owner whose time is over.
_KEYED = "SELECT flow_id, protocol, src_num, src_port, dst_num, dst_port, k"
_NEW_FLOWS = f"""
CREATE OR REPLACE TEMP TABLE own_new_flow AS
{_KEYED}, true AS due FROM live_recent
    WHERE place >= $row OR (NOT retired AND expires <= $now AND process_id IS NULL)
UNION ALL
{_KEYED}, unowned_reason IS NULL FROM live_open WHERE process_id IS NULL"""

_WAITING = f"({_KEYED} FROM live_recent WHERE NOT retired UNION ALL {_KEYED} FROM live_open)"
_WAITING_KEYS = "(SELECT flow_id, k FROM live_recent WHERE NOT retired UNION ALL SELECT flow_id, k FROM live_open)"

_HITS = """
CREATE OR REPLACE TEMP TABLE own_hit AS
WITH new_key AS MATERIALIZED ({new_keys}), kept AS (
    SELECT seq, k FROM live_observation UNION ALL SELECT seq, kn FROM live_observation WHERE kn <> 0
), fresh AS (
    SELECT seq, k FROM own_fresh UNION ALL SELECT seq, kn FROM own_fresh WHERE kn <> 0
), waiting_key AS MATERIALIZED (SELECT w.* FROM ({waiting_keys}) w SEMI JOIN fresh f ON f.k = w.k)
SELECT DISTINCT flow_id, NULL::BIGINT AS seq FROM new_key n SEMI JOIN kept o ON o.k = n.k
UNION
SELECT flow_id, NULL FROM waiting_key
UNION
SELECT NULL, seq FROM kept o SEMI JOIN new_key n ON n.k = o.k
UNION
SELECT NULL, seq FROM fresh f SEMI JOIN waiting_key w ON w.k = f.k"""
_NO_HITS = "CREATE OR REPLACE TEMP TABLE own_hit (flow_id BIGINT, seq BIGINT)"

_AFFECTED = f"""
CREATE OR REPLACE TEMP TABLE own_affected AS
WITH wanted AS (
    SELECT flow_id FROM own_hit WHERE flow_id IS NOT NULL UNION SELECT flow_id FROM own_new_flow WHERE due
), waiting AS (
    {_FLOWS}, coalesce(retired OR expires <= $now, false) AS retiring FROM live_recent WHERE NOT retired
    UNION ALL {_FLOWS}, false FROM live_open
)
SELECT w.* FROM waiting w SEMI JOIN (
    SELECT flow_id FROM wanted UNION
    SELECT i.outer_flow_id FROM waiting i SEMI JOIN wanted n ON n.flow_id = i.flow_id WHERE i.tunnel = 'fragments'
) n ON n.flow_id = w.flow_id"""

_RELEVANT = (
    f"""CREATE OR REPLACE TEMP TABLE own_observation AS
    SELECT {OBSERVED} FROM live_observation o SEMI JOIN own_hit h ON h.seq = o.seq""",
    "CREATE OR REPLACE TEMP TABLE own_nat AS SELECT n.* FROM live_nat n SEMI JOIN own_observation o ON o.seq = n.seq",
    """CREATE OR REPLACE TEMP TABLE own_identity AS
    SELECT DISTINCT fact, fact AS process_id FROM own_observation WHERE fact IS NOT NULL""",
)
_LOCAL_ADDRESSES = """
CREATE OR REPLACE TEMP TABLE own_local_address AS SELECT * FROM live_local_address
WHERE host IN (SELECT host FROM own_observation WHERE local IS NULL)"""

# Only when a flow's time is over is it certain that no observation covers it, and the nearest others become claims.
_COVERED = (
    COVERED
    + """
UNION SELECT flow_id FROM own_affected WHERE NOT retiring
UNION SELECT flow_id FROM live_claim WHERE distance_ms <= $slack / 1e6"""
)

_CLAIM_KEY = ("flow_id", "process_id", "source", "evidence", "match", "reversed")
_ON = " AND ".join(f"l.{name} = n.{name}" for name in _CLAIM_KEY)
_CLAIMS = "INSERT INTO own_claim " + CLAIM_BY_ENDS.replace("{more}", "c.seq, ")
_CHANGED = (
    """
UPDATE {table} AS l SET observed_at = n.observed_at, window_end = n.window_end, distance_ms = n.distance_ms,
    quality = n.quality, rank = n.rank
FROM own_changed_claim n WHERE """
    + _ON
)
_CHANGED_CLAIMS = f"""
CREATE OR REPLACE TEMP TABLE own_changed_claim AS
SELECT n.* FROM own_claim n JOIN live_claim l ON {_ON}
WHERE n.observed_at IS DISTINCT FROM l.observed_at OR n.window_end IS DISTINCT FROM l.window_end
    OR n.distance_ms <> l.distance_ms OR n.quality <> l.quality"""
_NEW_CLAIMS = f"DELETE FROM own_claim n USING live_claim l WHERE {_ON}"
_STORE_CLAIMS = (
    f"INSERT INTO claims ({CLAIM_COLUMNS}) SELECT {CLAIM_COLUMNS} FROM own_claim",
    "INSERT INTO live_claim SELECT * FROM own_claim",
)

_SET = "process_id = v.process_id, process_source = v.{source}, process_contested = v.{contested}, "
_SET += "unowned_reason = v.{reason}"
_OF_VERDICT = _SET.format(source="source", contested="contested", reason="reason")
_OF_FLOW = _SET.format(source="process_source", contested="process_contested", reason="unowned_reason")
_WRITE = (
    f"UPDATE live_open AS f SET {_OF_VERDICT} FROM own_verdict v WHERE f.flow_id = v.flow_id",
    f"UPDATE live_recent AS f SET {_OF_VERDICT} FROM own_verdict v WHERE f.flow_id = v.flow_id",
)
_WRITE_ENDED = f"""
UPDATE {FLOWS_ENDED} AS f SET {_OF_VERDICT} FROM own_verdict v
WHERE f.rowid >= $low AND f.capture_id = $capture AND f.flow_id = v.flow_id
    AND (f.process_id IS DISTINCT FROM v.process_id OR f.process_source IS DISTINCT FROM v.source
        OR f.process_contested IS DISTINCT FROM v.contested OR f.unowned_reason IS DISTINCT FROM v.reason)"""
_WRITE_OPEN = f"UPDATE {FLOWS_OPEN} AS f SET {_OF_FLOW} FROM live_open v WHERE f.flow_id = v.flow_id"

_SOURCE_BEGINS = "UPDATE {table} SET unowned_reason = 'no_claim' WHERE capture_id = ? AND unowned_reason = 'no_sidecar'"

# Claims about flows that had ended long before: until when they hold is known once their socket has closed.
_END_CLAIMS = """
UPDATE claims AS c SET window_end = make_timestamp_ns(e.we), observed_at = make_timestamp_ns(e.seen)
FROM live_end e WHERE c.window_end IS NULL AND c.evidence = e.evidence AND c.source = e.source"""


class LiveMatch:
    """Keeps the owners of one capture's flows current, on the writer's connection."""

    def __init__(self, con: "DuckDBPyConnection", capture_id: int) -> None:
        self.con = con
        self.capture_id = capture_id
        self.stage = LiveStage(con)
        self.processes = LiveProcesses()
        self.has_sources = False
        """A source of ownership has stated something."""
        self.duplicates = 0
        """Observations that repeat an earlier one."""
        self.new_processes = self.claims = self.changed = self.left_out = 0
        """Rows of `processes` and `claims`, flows that changed, and observations there was no room for."""
        self.coverage = LiveCoverage()
        self._first_row = 0
        self._steps = 0

    def recover(self) -> None:
        """Go on after a transaction was taken back; what was kept before is still there, if it was committed."""
        self.processes.forget()
        if not run(self.con, "SELECT 1 FROM duckdb_tables() WHERE temporary AND table_name = 'live_observation'"):
            self.stage.create()

    def step(
        self,
        batches: Iterable[Batch],
        closed: Column,
        now: float,
        wall: int,
        *,
        ended: bool = False,
        final: bool = False,
    ) -> None:
        """Match new observations and new flows; ``now`` is in seconds, ``wall`` the machine's clock in ns.

        ``closed``: see `LiveStage.keep`. With ``ended`` no line of these sockets will follow, with ``final`` no flow
        either.
        """
        con, stage = self.con, self.stage
        stage.begin()
        for batch in batches:
            stage.add(batch, 0)
        self._source_begins(stage)
        self.new_processes += self.processes.store(con)
        self.duplicates += stage.keep(closed, now)
        if ended or final:
            stage.end_all()
        given = {"capture": self.capture_id}
        run(con, "CREATE OR REPLACE TEMP TABLE own_was_open AS SELECT * FROM live_open")
        expires = now if final else now + FLOW_SECONDS
        run(con, _RECENT, {**given, "row": self._first_row, "expires": expires})
        run(con, _OPEN, given)
        run(con, _NEW_FLOWS, {"row": self._first_row, "now": now})
        if self._select(now):
            self._judge()
        self.coverage.step(con, now, wall)
        self.coverage.store(con, self.capture_id, now, wall, final=final)
        run(con, "UPDATE live_recent SET retired = true WHERE expires <= ?", [now])
        run(con, _WRITE_OPEN)
        if final:
            run(con, _END_CLAIMS)
        self._first_row = run(con, f"SELECT coalesce(max(rowid) + 1, 0) FROM {FLOWS_ENDED}")[0][0]
        self._steps += 1
        if self._steps % STEPS_PER_COMPACTION == 0:
            self.left_out += stage.compact(now)
        drop(con, *_TEMPORARY)

    def _source_begins(self, stage: LiveStage) -> None:
        """With the first statement of a source, flows without a claim have no claim rather than no source."""
        if stage.of_owners and not self.has_sources:
            self.has_sources = True
            for table in ("live_open", "live_recent", FLOWS_ENDED):
                run(self.con, _SOURCE_BEGINS.format(table=table), [self.capture_id])

    def _select(self, now: float) -> bool:
        """Fill ``own_affected``, ``own_flow`` and ``own_observation``; returns whether a flow is affected."""
        con, kinds, fresh = self.con, self.stage.kinds, self.stage.fresh_kinds
        if kinds:
            new = flow_keys("own_new_flow", "own_new_flow", kinds)
            run(con, _HITS.format(new_keys=new, waiting_keys=flow_keys(_WAITING_KEYS, _WAITING, fresh)))
        else:
            run(con, _NO_HITS)
        run(con, _AFFECTED, {"now": now})
        if not run(con, "SELECT 1 FROM own_affected LIMIT 1"):
            return False
        for statement in _RELEVANT:
            run(con, statement)
        fill_flows(con, self.capture_id, "own_affected")
        return True

    def _judge(self) -> None:
        """Compare the affected flows with the relevant observations; write claims and verdicts."""
        con, stage = self.con, self.stage
        fill_ranks(con, stage)
        compare(con, build_keys(con, stage, _LOCAL_ADDRESSES), SLACK_NS)
        add_fragments(con, self.capture_id, "own_affected")
        self._store_claims()
        judge(con, self.capture_id, SLACK_NS, self.has_sources, "own_affected", "live_claim")
        for statement in _WRITE:
            run(con, statement)
        low = run(con, "SELECT coalesce(min(place), 0) FROM live_recent WHERE NOT retired")[0][0]
        self.changed += run(con, _WRITE_ENDED, {"low": low, "capture": self.capture_id})[0][0]

    def _store_claims(self) -> None:
        """Insert the claims that are new, and take over what later lines have stated about the others."""
        con, slack = self.con, {"slack": SLACK_NS}
        run(con, "CREATE OR REPLACE TEMP TABLE own_claim AS SELECT * FROM live_claim LIMIT 0")
        outside = run(con, "SELECT 1 FROM own_affected WHERE retiring LIMIT 1")
        if outside:
            run(con, _COVERED, slack)
        run(con, _CLAIMS.format(nearest_outside=NEAREST_OUTSIDE if outside else ""), slack)
        run(con, _CHANGED_CLAIMS)
        if run(con, "SELECT 1 FROM own_changed_claim LIMIT 1"):
            for table in ("live_claim", "claims"):
                run(con, _CHANGED.format(table=table))
        run(con, _NEW_CLAIMS)
        self.claims += run(con, _STORE_CLAIMS[0])[0][0]
        run(con, _STORE_CLAIMS[1])
