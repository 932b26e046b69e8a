"""Processes by their traffic: rates, the last minute, totals, destinations, and the share with an owner."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from rustnet.query.processes import arrange
from rustnet.query.views.scoped import scoped, span
from rustnet.query.views.spec import Statement, ViewSpec

if TYPE_CHECKING:
    from rustnet.query.session import Session

MOST_ROWS = 500
"""Most processes that are listed, those with the most bytes."""
NOW_SECONDS = 10
"""Span of the present rates."""
MINUTE = 60
"""Seconds of the history of a process."""

_PROCESSES = """
WITH peers AS (
    SELECT process_id, remote_addr, count(*) AS flows, count(*) FILTER (end_reason IN ('open', 'interrupted'))
        AS active, coalesce(sum(bytes_sent), 0)::BIGINT AS sent, coalesce(sum(bytes_received), 0)::BIGINT AS received,
        max(hostname) FILTER (local_initiated) AS name, count(*) FILTER (process_contested) AS contested,
        min(first_seen) AS first_seen, max(last_seen) AS last_seen
    FROM connections JOIN (SELECT flow_id, end_reason FROM flows) USING (flow_id) GROUP BY process_id, remote_addr
), retained AS (
    SELECT process_id, sum(flows)::BIGINT AS flows, sum(active)::BIGINT AS active, sum(sent)::BIGINT AS sent,
        sum(received)::BIGINT AS received, count(remote_addr) AS destinations,
        max({'bytes': sent + received, 'peer': remote_addr, 'name': name}) FILTER (remote_addr IS NOT NULL) AS top,
        sum(contested)::BIGINT AS contested, min(first_seen) AS first_seen, max(last_seen) AS last_seen
    FROM peers GROUP BY process_id
), seconds AS (
    SELECT process_id, least($minute - 1, (epoch_ns(ts) - $from) // 1000000000) AS second,
        coalesce(sum(length) FILTER (from_src = local_initiated), 0)::BIGINT AS sent,
        coalesce(sum(length) FILTER (from_src <> local_initiated), 0)::BIGINT AS received
    FROM packets JOIN (SELECT flow_id, process_id, local_initiated FROM connections) USING (flow_id)
    WHERE ts > make_timestamp_ns($from) GROUP BY process_id, second
), recent AS (
    SELECT process_id, sum(sent)::BIGINT AS sent_minute, sum(received)::BIGINT AS received_minute,
        coalesce(sum(sent) FILTER (second >= $minute - $now), 0)::BIGINT AS sent_now,
        coalesce(sum(received) FILTER (second >= $minute - $now), 0)::BIGINT AS received_now,
        max(sent) AS sent_peak, max(received) AS received_peak, list([second, sent, received]) AS history
    FROM seconds GROUP BY process_id
)
SELECT r.process_id, p.name, p.pid, p.username, p.host, coalesce(p.pod, p.container_name) AS container,
    coalesce(sent_now, 0), coalesce(received_now, 0), coalesce(sent_minute, 0), coalesce(received_minute, 0),
    coalesce(sent_peak, 0), coalesce(received_peak, 0), r.sent, r.received, r.flows, r.active, r.destinations, top.peer,
    top.name, r.contested, epoch_ns(r.first_seen), epoch_ns(r.last_seen), history,
    [coalesce(sum(sent_now) OVER (), 0)::BIGINT, coalesce(sum(received_now) OVER (), 0)::BIGINT,
        coalesce(sum(sent_minute) OVER (), 0)::BIGINT, coalesce(sum(received_minute) OVER (), 0)::BIGINT,
        (sum(r.sent) OVER ())::BIGINT, (sum(r.received) OVER ())::BIGINT, count(*) OVER ()]
FROM retained r LEFT JOIN recent ON recent.process_id IS NOT DISTINCT FROM r.process_id
LEFT JOIN processes p ON p.process_id = r.process_id
ORDER BY r.sent + r.received DESC, r.process_id LIMIT $most"""

_COVERAGE = """
SELECT process_id IS NOT NULL AS owned, CASE WHEN process_id IS NULL THEN unowned_reason END AS reason,
    count(*) AS flows, coalesce(sum(src_bytes + dst_bytes), 0)::BIGINT AS bytes,
    count(*) FILTER (src_bytes IS NULL) AS uncounted
FROM flows GROUP BY owned, reason ORDER BY bytes DESC, reason"""


@dataclass(frozen=True, slots=True)
class ProcessRow:
    """A process, or the flows without one, with its traffic."""

    process_id: int | None
    """None: the flows that no process is known of, or in a tree an ancestor without flows."""
    name: str | None
    pid: int | None
    user: str | None
    host: str | None
    container: str | None
    sent_now: float
    """Bytes per second, the mean of the last seconds (`NOW_SECONDS`)."""
    received_now: float
    sent_minute: int
    """Bytes of the last minute."""
    received_minute: int
    sent_peak: int
    """Bytes of the last minute's busiest second."""
    received_peak: int
    sent: int
    """Bytes in all."""
    received: int
    flows: int
    active: int
    """Of these, open."""
    destinations: int
    """Different remote addresses."""
    peer: str | None
    """Remote address with the most bytes."""
    peer_name: str | None
    """Its name, if the process asked for it by one."""
    contested: int
    """Flows whose claims disagree."""
    first_seen: int | None
    last_seen: int | None
    sent_history: tuple[int, ...] = ()
    """Bytes of each second of the last minute."""
    received_history: tuple[int, ...] = ()
    known: bool = True
    """A process, not the flows without one."""
    stem: str = ""
    """Lines that draw its place in the tree."""
    tree_bytes: int = 0
    """Bytes of it and its descendants."""


@dataclass(frozen=True, slots=True)
class Unowned:
    """Flows without a process for one reason."""

    reason: str | None
    """A key of `rustnet.policy.ownership.REASONS`; None: not judged."""
    flows: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums over all processes and the flows without one, listed or not."""

    sent_now: float = 0.0
    received_now: float = 0.0
    sent_minute: int = 0
    received_minute: int = 0
    sent: int = 0
    received: int = 0
    processes: int = 0
    """How many there are; the flows without one count as one."""


@dataclass(frozen=True, slots=True)
class Activity:
    """Processes as of a time."""

    rows: list[ProcessRow]
    totals: Totals
    flows: int
    owned_flows: int
    bytes: int
    owned_bytes: int
    unowned: list[Unowned]
    uncounted: int
    """Flows that carry others and go on after the time: the packet index does not give their bytes up to it."""
    head: int | None
    """Time that the rates lead up to."""
    covered_seconds: float
    """Seconds of packets before it, at most a minute."""
    statement: Statement


def activity(session: "Session", spec: ViewSpec, *, tree: bool = False) -> Activity:
    """Processes with the most bytes first, or each below its parent."""
    times = span(session, spec)
    head = times.last if spec.at is None or times.last is None else spec.at
    begin = (head or 0) - MINUTE * 10**9
    bound = {"from": begin, "most": MOST_ROWS, "minute": MINUTE, "now": NOW_SECONDS}
    question = scoped(session, spec, _PROCESSES, bound)
    answer = question.rows(session)
    rows = [_row(values) for values in answer]
    counted = scoped(session, spec, _COVERAGE).rows(session)
    return Activity(
        _tree(session, rows) if tree else rows,
        _totals(answer[0][-1]) if answer else Totals(),
        sum(flows for _owned, _reason, flows, _size, _unknown in counted),
        sum(flows for owned, _reason, flows, _size, _unknown in counted if owned),
        sum(size for _owned, _reason, _flows, size, _unknown in counted),
        sum(size for owned, _reason, _flows, size, _unknown in counted if owned),
        [Unowned(reason, flows, size) for owned, reason, flows, size, _unknown in counted if not owned],
        sum(unknown for *_rest, unknown in counted),
        head,
        0.0 if head is None or times.first is None else min(float(MINUTE), (head - times.first) / 1e9),
        question.statement,
    )


def _totals(sums: list[int]) -> Totals:
    return Totals(sums[0] / NOW_SECONDS, sums[1] / NOW_SECONDS, *sums[2:])


def _row(values: tuple[Any, ...]) -> ProcessRow:
    row = ProcessRow(*values[:-2])
    sent, received = [0] * MINUTE, [0] * MINUTE
    for second, out, into in values[-2] or ():
        sent[second], received[second] = out, into
    return replace(
        row, sent_now=row.sent_now / NOW_SECONDS, received_now=row.received_now / NOW_SECONDS,
        sent_history=tuple(sent), received_history=tuple(received), known=row.process_id is not None,
        tree_bytes=row.sent + row.received,
    )  # fmt: skip


def _tree(session: "Session", rows: list[ProcessRow]) -> list[ProcessRow]:
    """Rows in the order of the tree, with ancestors that own no flows; the flows without a process come last."""
    by_id = {row.process_id: row for row in rows if row.known and row.process_id is not None}
    sums = {
        number: {"flows": row.flows, "bytes_sent": row.sent, "bytes_received": row.received}
        for number, row in by_id.items()
    }
    arranged: list[ProcessRow] = []
    for node, _depth, stem in arrange(session, sums):
        facts = node.facts
        row = by_id.get(facts["process_id"]) or ProcessRow(
            facts["process_id"], facts["name"], facts["pid"], facts["username"], facts["host"],
            facts["pod"] or facts["container_name"], 0.0, 0.0, 0, 0, 0, 0, 0, 0, 0, 0, 0, None, None, 0, None, None,
        )  # fmt: skip
        arranged.append(replace(row, stem=stem, tree_bytes=node.bytes))
    return arranged + [row for row in rows if not row.known]
