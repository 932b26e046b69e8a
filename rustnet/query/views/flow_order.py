"""Which flows a list has and in which order: conditions and sort keys over ``flows``, as SQL."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from rustnet.query.compile import Scope, compile_filter
from rustnet.query.session import Session
from rustnet.query.views import at
from rustnet.query.views.spec import ViewSpec

LOOPBACK = (
    "coalesce((flows.src_num BETWEEN 281472812449792 AND 281472829227007"
    " AND flows.dst_num BETWEEN 281472812449792 AND 281472829227007)"
    " OR (flows.src_num = 1 AND flows.dst_num = 1), false)"
)
"""Flows whose both ends are in 127.0.0.0/8 (as IPv4-mapped numbers) or are ``::1``."""
OPEN = "flows.end_reason IN ('open', 'interrupted')"
"""Flows that had not ended when the session was last written."""

_SIDES = """SELECT EXISTS (SELECT 1 FROM claims WHERE reversed),
    EXISTS (SELECT 1 FROM flows WHERE direction = 'inbound')"""
_REVERSED = (
    "coalesce((flows.flow_id, flows.process_id) IN (SELECT (flow_id, process_id) FROM claims"
    " WHERE flow_id IN (SELECT flow_id FROM claims WHERE reversed) GROUP BY flow_id, process_id"
    " HAVING arg_min(reversed, rank)), false)"
)
_INBOUND = (
    "coalesce(flows.direction = 'inbound' AND (flows.process_id IS NULL OR NOT EXISTS (SELECT 1 FROM claims AS c"
    " WHERE c.flow_id = flows.flow_id AND c.process_id = flows.process_id)), false)"
)

WIDE = re.compile(r"\bSELECT\b")
"""What the condition of a filter has that looks into other tables: free text does, too."""


@dataclass(frozen=True, slots=True)
class Sides:
    """Whether a session has flows whose local end is not ``src``: without them, sorting by ends is much cheaper."""

    reversed: bool = False
    """Some claim on a flow names ``dst`` as the local end."""
    inbound: bool = False
    """Some flow is inbound."""

    @classmethod
    def of(cls, session: Session) -> "Sides":
        """Ask the session."""
        return cls(*session.execute_own(_SIDES).rows[0])

    @property
    def local_is_dst(self) -> str:
        """Condition by the rule of the view `connections`; empty if it holds for no flow."""
        return " OR ".join(sql for sql, needed in ((_REVERSED, self.reversed), (_INBOUND, self.inbound)) if needed)


@dataclass(frozen=True, slots=True)
class Order:
    """How a list of flows is sorted."""

    key: str = "time"
    """One of `SORTS`."""
    descending: bool = False
    names: bool = True
    """Remote ends are shown, and sorted, by name."""
    services: bool = True
    """Remote ports are shown, and sorted, by the name of their service."""


Keys = Callable[[Order, str], tuple[str, ...]]
"""Expressions to sort by, from the order and the condition under which ``dst`` is the local end."""


def _end(column: str, *, local: bool) -> Keys:
    """Sort by a column of the local or the remote end."""
    src, dst = f"flows.src_{column}", f"flows.dst_{column}"
    usual, swapped = (src, dst) if local else (dst, src)
    return lambda _order, side: (f"CASE WHEN {side} THEN {swapped} ELSE {usual} END" if side else usual,)


def _remote(order: Order, side: str) -> tuple[str, ...]:
    name = f"CASE WHEN NOT ({side}) THEN flows.hostname END" if side else "flows.hostname"
    numbers = (*_end("num", local=False)(order, side), *_end("port", local=False)(order, side))
    return (name, *numbers) if order.names else numbers


def _local(order: Order, side: str) -> tuple[str, ...]:
    return (*_end("num", local=True)(order, side), *_end("port", local=True)(order, side))


def _service(order: Order, side: str) -> tuple[str, ...]:
    port = _end("port", local=False)(order, side)
    return ("flows.service", *port) if order.services else port


def _plain(*keys: str) -> Keys:
    return lambda _order, _side: keys


SORTS: dict[str, Keys] = {
    "time": _plain("flows.started_at"),
    "process": _plain("p.name", "p.pid"),
    "remote": _remote,
    "local": _local,
    "country": _end("country", local=False),
    "service": _service,
    "app": _plain("flows.app"),
    "state": _plain("coalesce(flows.state, flows.conn_state)"),
    "rtt": _plain("flows.rtt_ms"),
    "bytes": _plain("flows.src_bytes + flows.dst_bytes"),
    "sent": _end("bytes", local=True),
    "received": _end("bytes", local=False),
    "packets": _plain("flows.src_packets + flows.dst_packets"),
    "duration": _plain("epoch_ns(flows.ended_at) - epoch_ns(flows.started_at)"),
    "ended": _plain("flows.ended_at"),
    "protocol": _plain("flows.protocol"),
    "direction": _plain("flows.direction"),
    "as": _end("asn", local=False),
    "retransmissions": _plain("flows.src_retransmissions::BIGINT + flows.dst_retransmissions"),
    "user": _plain("p.username"),
    "pid": _plain("p.pid"),
    "flow": _plain("flows.flow_id"),
}
"""Sort keys: name, and the expressions over ``flows`` and ``p`` (processes) that it sorts by."""

LARGEST_FIRST = frozenset({"rtt", "bytes", "sent", "received", "packets", "duration", "retransmissions"})
"""Sort keys that begin with the largest value unless reversed."""
OF_PROCESSES = frozenset({"process", "user", "pid"})
"""Sort keys that need the owners of the flows."""


def order_by(order: Order, sides: Sides, *, from_end: bool = False) -> str:
    """Return the expressions of ORDER BY, ending in the flow's number; ``from_end`` begins with the last flow."""
    keys = SORTS[order.key](order, sides.local_is_dst)
    falling = order.descending != from_end
    words = ("DESC" if falling else "ASC") + (" NULLS FIRST" if from_end else " NULLS LAST")
    ids = () if order.key == "flow" else (f"flows.flow_id {'DESC' if from_end else 'ASC'}",)
    return ", ".join((*(f"{key} {words}" for key in keys), *ids))


@dataclass(frozen=True, slots=True)
class Group:
    """The flows of all processes of one name."""

    name: str | None
    """None: flows without a known process."""


@dataclass(frozen=True, slots=True)
class Selection:
    """The flows of a list: the condition and its values, and the packet time as of which they are shown."""

    where: str
    params: tuple[object, ...]
    moment: at.Moment | None
    shown_where: str
    """The condition over `flows_at`, which has no column ``is_open``."""
    processes: bool = False
    """The condition or the order needs the owners of the flows."""

    def sql(self, columns: str, order: str = "", tail: str = "") -> str:
        """Return a statement over the flows."""
        owners = "process_id" if self.processes else ""
        flows = at.source(self.moment, columns, self.where, order, owners)
        return self._statement(flows, self.where, columns, order, tail)

    def shown(self, columns: str, order: str, tail: str = "") -> str:
        """Return the same statement as a person would write it."""
        return self._statement(at.shown(self.moment), self.shown_where, columns, order, tail)

    def _statement(self, flows: str, where: str, columns: str, order: str, tail: str) -> str:
        join = " LEFT JOIN processes AS p ON p.process_id = flows.process_id" if self.processes else ""
        sorting = f" ORDER BY {order}" if order else ""
        return f"SELECT {columns} FROM {flows}{join} WHERE {where}{sorting}{tail}"  # noqa: S608 -- ours


def is_wide(spec: ViewSpec, scope: Scope) -> bool:
    """Whether a filter looks into other tables, or at many columns, so that asking twice is slow."""
    return bool(spec.filter.strip()) and WIDE.search(compile_filter(spec.filter, scope).sql) is not None


def selection(
    spec: ViewSpec,
    scope: Scope,
    moment: at.Moment | None = None,
    *,
    processes: bool = False,
    group: Group | None = None,
) -> Selection:
    """Return the flows that a spec asks for; ``group``: only those of a group. Raises `FilterError`."""
    parts: list[str] = []
    params: list[object] = []
    if spec.filter.strip():
        condition = compile_filter(spec.filter, scope)
        parts.append(condition.sql)
        params += condition.params
    if not spec.loopback and scope.has("flows", "src_num"):
        parts.append(f"NOT {LOOPBACK}")
    if not spec.closed:
        parts.append(OPEN if moment is None else at.OPEN)
    if spec.since is not None:
        parts.append("flows.ended_at >= make_timestamp_ns(?)")
        params.append(spec.since)
    if group is not None:
        parts.append("p.name IS NULL" if group.name is None else "p.name = ?")
        params += [] if group.name is None else [group.name]
    shown = [OPEN if part is at.OPEN else part for part in parts]
    owners = processes or group is not None
    return Selection(" AND ".join(parts) or "TRUE", tuple(params), moment, " AND ".join(shown) or "TRUE", owners)
