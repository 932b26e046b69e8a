"""The list of flows: how many there are, their order, and the rows of a few of them, for millions of flows.

Nothing here reads all columns of all flows. A page is the numbers of its flows by their order, then the rows of these
numbers. `FlowIndex` has the numbers of all flows of a list in order, eight bytes each.
"""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from rustnet.policy.names import RANKS, REQUESTED, STATED
from rustnet.query.session import Session
from rustnet.query.views import at
from rustnet.query.views.at import Moment
from rustnet.query.views.flow_order import (
    LOOPBACK,
    OF_PROCESSES,
    Group,
    Order,
    Selection,
    Sides,
    is_wide,
    order_by,
    selection,
)
from rustnet.query.views.spec import Statement, ViewSpec

if TYPE_CHECKING:
    import numpy as np

FIRST_ROWS = 50
"""Most rows of a first page: DuckDB reads the other columns of so few sorted rows late."""
MOST_ROWS = 256
"""Most flows whose rows are asked for at once."""
MOST_GROUPS = 5_000
"""Most groups of a list; the flows of further ones are counted as one."""
MOST_GATEWAYS = 1_000
"""Most addresses of gateways that are marked."""
RATE_SECONDS = 10
"""Span of the rates, as in `flows_at`."""
OWN_NAMES = frozenset(s for s, rank in RANKS.items() if rank // 10 * 10 in (REQUESTED, STATED) and s != "inherited")
"""Sources of names that are messages of the flow itself; a name from elsewhere is an inference."""

_COLUMNS = (
    "flow_id", "capture_id", "protocol", "direction", "src_ip", "src_port", "src_mac", "dst_ip", "dst_port", "dst_mac",
    "state", "conn_state", "end_reason", "idle_timeout_ms", "service", "app", "app_source", "hostname",
    "hostname_source", "src_country", "dst_country", "src_asn", "dst_asn", "src_as_name", "dst_as_name", "rtt_ms",
    "src_bytes", "dst_bytes", "src_packets", "dst_packets", "src_retransmissions", "dst_retransmissions",
    "process_contested", "unowned_reason",
)  # fmt: skip
_TIMES = ("started_at", "ended_at", "closed_at")
_PROCESS = ("name", "pid", "username", "namespace", "pod")

_ROWS = """WITH f AS (SELECT {columns} FROM {flows}{within}), owner AS (
    SELECT flow_id, process_id, arg_min(reversed, rank) AS local_is_dst FROM claims
    WHERE flow_id IN ({ids}) GROUP BY flow_id, process_id)
SELECT f.* EXCLUDE (process_id), {process}, coalesce(o.local_is_dst, f.direction = 'inbound', false) AS local_is_dst
FROM f LEFT JOIN processes AS p ON p.process_id = f.process_id
LEFT JOIN owner AS o ON o.flow_id = f.flow_id AND o.process_id = f.process_id"""

_GATEWAYS = """
SELECT DISTINCT coalesce(r.ip, m.ip) AS ip FROM host_facts AS r
LEFT JOIN host_facts AS m ON r.ip IS NULL AND m.fact = 'mac' AND m.mac = r.mac AND m.capture_id = r.capture_id
WHERE r.fact = 'role' AND r.value IN ('default gateway', 'next hop') AND coalesce(r.ip, m.ip) IS NOT NULL"""


@dataclass(frozen=True, slots=True)
class End:
    """One end of a flow."""

    ip: str | None
    port: int | None
    mac: str | None
    country: str | None
    asn: int | None
    as_name: str | None
    bytes: int | None
    """Bytes that it sent; None where they are not known."""
    packets: int | None
    retransmissions: int | None
    rate: float | None
    """Bytes per second that it sent over the last seconds; None where nothing is being sent any more."""

    @property
    def cast(self) -> str:
        """``broadcast`` or ``multicast`` if it is such an address, else empty."""
        if self.ip is None:
            return "broadcast" if self.mac == "ff:ff:ff:ff:ff:ff" else ""
        if self.ip == "255.255.255.255" or self.mac == "ff:ff:ff:ff:ff:ff":
            return "broadcast"
        try:
            return "multicast" if ipaddress.ip_address(self.ip).is_multicast else ""
        except ValueError:
            return ""


@dataclass(frozen=True, slots=True)
class ListedFlow:
    """A flow in the list. Values that are not known at the packet time that is shown are None."""

    flow_id: int
    capture_id: int
    started_ns: int
    ended_ns: int
    """Time of its last packet."""
    closed_ns: int | None
    protocol: str
    direction: str | None
    state: str | None
    conn_state: str | None
    end_reason: str
    idle_timeout_ms: int | None
    local: End
    remote: End
    remote_is_dst: bool
    service: str | None
    app: str | None
    app_source: str | None
    hostname: str | None
    """Name of the responder, which is the remote end if `remote_is_dst`."""
    hostname_source: str | None
    rtt_ms: float | None
    process: str | None
    pid: int | None
    user: str | None
    namespace: str | None
    pod: str | None
    process_contested: bool
    unowned_reason: str | None

    @property
    def open(self) -> bool:
        """Whether it had not ended."""
        return self.end_reason in ("open", "interrupted")

    @property
    def name_is_own(self) -> bool:
        """Whether its name stands in its own messages."""
        return self.hostname_source in OWN_NAMES

    @property
    def bytes(self) -> int | None:
        """Bytes of both directions."""
        sent, received = self.local.bytes, self.remote.bytes
        return None if sent is None or received is None else sent + received

    def staleness(self, now_ns: int | None) -> float | None:
        """Part of its idle timeout that has passed at ``now_ns``; None for an ended flow, or without a timeout."""
        if now_ns is None or not self.open or not self.idle_timeout_ms:
            return None
        return max(0.0, (now_ns - self.ended_ns) / (self.idle_timeout_ms * 1_000_000))


@dataclass(frozen=True, slots=True)
class Context:
    """What a list needs to know of its session first."""

    at: int | None
    moment: Moment | None
    sides: Sides
    gateways: frozenset[str]
    now_ns: int | None
    """Packet time as of which the flows are shown; None without packets."""
    total: int
    """Flows of the session, whatever the filter."""
    loopback: int
    """Flows among them whose both ends are loopback addresses."""
    being_written: bool


@dataclass(frozen=True, slots=True)
class FlowGroup:
    """The flows of all processes of one name."""

    name: str | None
    """None: flows without a known process."""
    flows: int
    tcp: int
    udp: int
    sent: int | None
    received: int | None
    pids: int
    sent_rate: float | None = None
    """Bytes per second over the last seconds, where flows are open; else None."""
    received_rate: float | None = None


@dataclass(frozen=True, slots=True)
class Groups:
    """The groups of a list by name, and what does not fit."""

    groups: tuple[FlowGroup, ...]
    more: int
    """Groups that are not listed."""
    statement: Statement

    @property
    def flows(self) -> int:
        """Flows of all listed groups."""
        return sum(group.flows for group in self.groups)


class FlowIndex:
    """The numbers of all flows of a list, in its order."""

    def __init__(self, ids: "np.ndarray[Any, Any]") -> None:
        self._ids = ids

    def __len__(self) -> int:
        """Number of flows."""
        return len(self._ids)

    def part(self, first: int, end: int) -> list[int]:
        """Numbers of the flows at these places."""
        return [int(each) for each in self._ids[max(0, first) : max(0, end)]]

    def place(self, flow_id: int) -> int | None:
        """Place of a flow in the list; None if it is not in it."""
        found = (self._ids == flow_id).nonzero()[0]
        return int(found[0]) if len(found) else None


def context(session: Session, spec: ViewSpec, old: Context | None = None) -> Context:
    """Read what a list needs first; ``old`` is what it read before, which stays true of a finished session."""
    if old is not None and old.at == spec.at and not old.being_written and not session.being_written:
        return old
    if old is not None and not old.being_written and not session.being_written:
        sides, gateways, total, loopback = old.sides, old.gateways, old.total, old.loopback
    else:
        sides = Sides.of(session)
        found = session.execute_own(_GATEWAYS, limit=MOST_GATEWAYS).rows if _has_facts(session) else []
        gateways = frozenset(str(row[0]) for row in found)
        lonely = LOOPBACK if session.scope().has("flows", "src_num") else "false"
        total, loopback = session.execute_own(f"SELECT count(*), count(*) FILTER ({lonely}) FROM flows").rows[0]  # noqa: S608
    now = spec.at
    if now is None:
        now = session.execute_own("SELECT max(epoch_ns(ended_at)) FROM flows").rows[0][0]
    return Context(spec.at, at.moment(session, spec.at), sides, gateways, now, total, loopback, session.being_written)


def _has_facts(session: Session) -> bool:
    return session.scope().has("host_facts", "fact")


def effective(spec: ViewSpec, known: Context) -> ViewSpec:
    """Return the spec, with loopback flows if the session has no others."""
    if known.total and known.loopback == known.total:
        return ViewSpec(spec.filter, spec.at, spec.since, spec.closed, loopback=True)
    return spec


def choose(session: Session, spec: ViewSpec, known: Context, order: Order, group: Group | None = None) -> Selection:
    """Return the selection of a list, or of one of its groups. Raises `FilterError`."""
    return selection(
        effective(spec, known), session.scope(), known.moment, processes=order.key in OF_PROCESSES, group=group
    )


def page_ids(
    session: Session,
    spec: ViewSpec,
    known: Context,
    order: Order,
    *,
    first: int = 0,
    limit: int = FIRST_ROWS,
    from_end: bool = False,
    group: Group | None = None,
) -> list[int]:
    """Numbers of some flows in the list's order, from place ``first`` on; ``from_end``: of the last ones."""
    chosen = choose(session, spec, known, order, group)
    tail = f" LIMIT {int(limit)}" + (f" OFFSET {int(first)}" if first else "")
    sql = chosen.sql("flows.flow_id", order_by(order, known.sides, from_end=from_end), tail)
    ids = [int(row[0]) for row in session.execute_own(sql, chosen.params).rows if row[0] is not None]
    return ids[::-1] if from_end else ids


def statement(
    session: Session, spec: ViewSpec, known: Context, order: Order, limit: int, group: Group | None = None
) -> Statement:
    """Return the list's statement as a person would write it."""
    chosen = choose(session, spec, known, order, group)
    columns = ", ".join(f"flows.{name}" for name in (*_COLUMNS, *_TIMES) if session.scope().has("flows", name))
    return Statement(chosen.shown(columns, order_by(order, known.sides), f" LIMIT {int(limit)}"), chosen.params)


def known_count(spec: ViewSpec, known: Context) -> int | None:
    """Number of flows of a list, if it follows from what is known."""
    if spec.filter.strip() or spec.at is not None or spec.since is not None or not spec.closed:
        return None
    return known.total if effective(spec, known).loopback else known.total - known.loopback


def count(session: Session, spec: ViewSpec, known: Context, group: Group | None = None) -> int:
    """Number of flows of a list, or of one of its groups."""
    chosen = choose(session, spec, known, Order(), group)
    return int(session.execute_own(chosen.sql("count(flows.flow_id)"), chosen.params).rows[0][0])


def index(session: Session, spec: ViewSpec, known: Context, order: Order, group: Group | None = None) -> FlowIndex:
    """Numbers of all flows of a list in order."""
    chosen = choose(session, spec, known, order, group)
    sql = chosen.sql("coalesce(flows.flow_id, 0) AS flow_id", order_by(order, known.sides))
    return FlowIndex(session.arrays(sql, chosen.params)["flow_id"])


def wants_index(session: Session, spec: ViewSpec, known: Context) -> bool:
    """Whether the order of the whole list is best read at once: a slow filter is then asked once only."""
    return not known.being_written and is_wide(spec, session.scope())


def groups(session: Session, spec: ViewSpec, known: Context) -> Groups:
    """Groups of a list by the name of the process, those without a process last."""
    chosen = choose(session, spec, known, Order())
    side = known.sides.local_is_dst or "false"
    sums = (
        "flows.process_id, count(flows.flow_id) AS flows, count(flows.flow_id) FILTER (flows.protocol = 'tcp') AS tcp, "
        "count(flows.flow_id) FILTER (flows.protocol = 'udp') AS udp, "
        f"sum(CASE WHEN {side} THEN flows.dst_bytes ELSE flows.src_bytes END)::BIGINT AS sent, "
        f"sum(CASE WHEN {side} THEN flows.src_bytes ELSE flows.dst_bytes END)::BIGINT AS received"
    )
    rates = ""
    if known.moment is not None:
        sums += (
            f", sum(CASE WHEN {side} THEN flows.dst_rate ELSE flows.src_rate END) AS sent_rate, "
            f"sum(CASE WHEN {side} THEN flows.src_rate ELSE flows.dst_rate END) AS received_rate"
        )
        rates = ", sum(sent_rate), sum(received_rate)"

    def whole(inner: str) -> str:
        return (
            f"WITH owned AS ({inner} GROUP BY flows.process_id) "  # noqa: S608 -- ours
            "SELECT p.name, sum(owned.flows)::BIGINT, sum(tcp)::BIGINT, sum(udp)::BIGINT, sum(sent)::BIGINT, "
            f"sum(received)::BIGINT, count(DISTINCT p.pid){rates} FROM owned "
            "LEFT JOIN processes AS p ON p.process_id = owned.process_id "
            "GROUP BY p.name ORDER BY lower(p.name) NULLS LAST, p.name"
        )

    rows = session.execute_own(whole(chosen.sql(sums)), chosen.params).rows
    listed = tuple(FlowGroup(*row) for row in rows[:MOST_GROUPS])
    if known.moment is None and known.being_written:
        listed = _with_rates(session, known, chosen, side, listed)
    return Groups(listed, max(0, len(rows) - MOST_GROUPS), Statement(whole(chosen.shown(sums, "")), chosen.params))


def _with_rates(
    session: Session, known: Context, chosen: Selection, side: str, listed: tuple[FlowGroup, ...]
) -> tuple[FlowGroup, ...]:
    """Add the rates of groups in a session that is being written."""
    since = (known.now_ns or 0) - RATE_SECONDS * 10**9
    sql = (
        "WITH recent AS (SELECT flow_id, coalesce(sum(length) FILTER (from_src), 0) AS src, "  # noqa: S608 -- ours
        f"coalesce(sum(length) FILTER (NOT from_src), 0) AS dst FROM packets WHERE ts > make_timestamp_ns({since}) "
        f"GROUP BY flow_id) SELECT p.name, sum(CASE WHEN {side} THEN dst ELSE src END)::BIGINT, "
        f"sum(CASE WHEN {side} THEN src ELSE dst END)::BIGINT FROM flows JOIN recent ON recent.flow_id = flows.flow_id "
        f"LEFT JOIN processes AS p ON p.process_id = flows.process_id WHERE {chosen.where} GROUP BY p.name"
    )
    rates = {row[0]: row[1:] for row in session.execute_own(sql, chosen.params).rows}
    return tuple(
        replace(
            group,
            sent_rate=rates.get(group.name, (0, 0))[0] / RATE_SECONDS,
            received_rate=rates.get(group.name, (0, 0))[1] / RATE_SECONDS,
        )
        for group in listed
    )


def flows_of(session: Session, known: Context, ids: Sequence[int]) -> tuple[ListedFlow, ...]:
    """Rows of flows by their numbers, in this order; those that are gone are left out."""
    if not ids:
        return ()
    if len(ids) > MOST_ROWS:
        raise ValueError(f"at most {MOST_ROWS} flows")
    scope = session.scope()
    names = [name for name in (*_COLUMNS, "process_id") if scope.has("flows", name)]
    times = [name for name in _TIMES if scope.has("flows", name)]
    wanted = [*(f"flows.{name}" for name in names), *(f"epoch_ns(flows.{name}) AS {name}" for name in times)]
    if known.moment is not None:
        wanted += ["flows.src_rate", "flows.dst_rate"]
    columns = ", ".join(wanted)
    owners = [f"p.{name} AS process_{name}" for name in _PROCESS if scope.has("processes", name)]
    listed = ", ".join(str(int(each)) for each in ids)
    sql = _ROWS.format(
        columns=columns,
        flows=at.source(known.moment, columns, ids=ids) if known.moment else "flows",
        within="" if known.moment else f" WHERE flows.flow_id IN (SELECT unnest([{listed}]))",
        ids=listed,
        process=", ".join(owners),
    )
    result = session.execute_own(sql)
    rows = [dict(zip(result.columns, row, strict=True)) for row in result.rows]
    if known.moment is None and known.being_written:
        _add_rates(session, known, rows)
    by_id = {row["flow_id"]: _listed(row) for row in rows}
    return tuple(by_id[each] for each in ids if each in by_id)


def _add_rates(session: Session, known: Context, rows: list[dict[str, Any]]) -> None:
    """Add the rates of open flows in a session that is being written."""
    opened = [row["flow_id"] for row in rows if row["end_reason"] == "open"]
    if not opened or known.now_ns is None:
        return
    ids = ", ".join(str(int(each)) for each in opened)
    sql = (
        "SELECT flow_id, sum(length) FILTER (from_src), sum(length) FILTER (NOT from_src) FROM packets "  # noqa: S608
        f"WHERE ts > make_timestamp_ns(?) AND flow_id IN ({ids}) GROUP BY flow_id"
    )
    since = known.now_ns - RATE_SECONDS * 10**9
    rates = {row[0]: row[1:] for row in session.execute_own(sql, (since,)).rows}
    for row in rows:
        if row["end_reason"] == "open":
            src, dst = rates.get(row["flow_id"], (0, 0))
            row["src_rate"], row["dst_rate"] = (src or 0) / RATE_SECONDS, (dst or 0) / RATE_SECONDS


def _listed(row: dict[str, Any]) -> ListedFlow:
    swapped = bool(row["local_is_dst"])
    src, dst = _end(row, "src"), _end(row, "dst")
    get = row.get
    return ListedFlow(
        row["flow_id"], row["capture_id"] or 0, row["started_at"] or 0, row["ended_at"] or 0, get("closed_at"),
        row["protocol"] or "", get("direction"), get("state"), get("conn_state"), row["end_reason"] or "",
        get("idle_timeout_ms"),
        dst if swapped else src, src if swapped else dst, not swapped,
        get("service"), get("app"), get("app_source"), get("hostname"), get("hostname_source"), get("rtt_ms"),
        get("process_name"), get("process_pid"), get("process_username"), get("process_namespace"),
        get("process_pod"), bool(get("process_contested")), get("unowned_reason"),
    )  # fmt: skip


def _end(row: dict[str, Any], side: str) -> End:
    rate = row.get(f"{side}_rate") if row["end_reason"] in ("open", "interrupted") else None
    get = row.get
    return End(
        get(f"{side}_ip"), get(f"{side}_port"), get(f"{side}_mac"), get(f"{side}_country"), get(f"{side}_asn"),
        get(f"{side}_as_name"), get(f"{side}_bytes"), get(f"{side}_packets"), get(f"{side}_retransmissions"), rate,
    )  # fmt: skip
