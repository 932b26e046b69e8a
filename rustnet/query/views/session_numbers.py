"""Numbers of a session at the side of the list of flows; no filter changes them."""

from dataclasses import dataclass

from rustnet.query.session import Session
from rustnet.query.views import at
from rustnet.query.views.spec import Statement, ViewSpec

MOST_TYPES = 8
"""Most link types that are named."""

_CAPTURES = """
SELECT count(*), sum(packets)::BIGINT, sum(dropped_kernel)::BIGINT, sum(dropped_interface)::BIGINT,
    coalesce(min(epoch_ns(first_ts)), (SELECT min(epoch_ns(started_at)) FROM flows)),
    coalesce(max(epoch_ns(last_ts)), (SELECT max(epoch_ns(ended_at)) FROM flows)), sum(undecoded)::BIGINT,
    list_sort(list_distinct(flatten(list(coalesce(link_types, []))))), count(*) FILTER (NOT complete)
FROM captures"""

_FLOWS = """
count(flows.flow_id), count(flows.flow_id) FILTER (flows.protocol = 'tcp'),
count(flows.flow_id) FILTER (flows.protocol = 'udp'), count(flows.process_id), count(DISTINCT flows.process_id),
sum(flows.src_bytes + flows.dst_bytes)::BIGINT,
sum(flows.src_bytes + flows.dst_bytes) FILTER (flows.process_id IS NOT NULL)::BIGINT,
sum(flows.src_packets + flows.dst_packets)::BIGINT,
sum(flows.src_retransmissions + flows.dst_retransmissions)::BIGINT,
sum(flows.src_out_of_order + flows.dst_out_of_order)::BIGINT,
sum(flows.src_fast_retransmissions + flows.dst_fast_retransmissions)::BIGINT,
count(flows.flow_id) FILTER (flows.end_reason IN ('open', 'interrupted'))"""

_STATED = (
    "captures", "captured", "dropped_kernel", "dropped_interface", "first_ns", "last_ns", "undecoded", "link_types",
    "incomplete",
)  # fmt: skip
_COUNTED = (
    "flows", "tcp", "udp", "owned", "processes", "bytes", "owned_bytes", "packets", "retransmissions", "out_of_order",
    "fast_retransmissions", "open",
)  # fmt: skip
"""Names of the columns of both statements."""


@dataclass(frozen=True, slots=True)
class SessionNumbers:
    """Captures and flows of a session, up to the packet time that is shown."""

    captures: int
    link_types: tuple[str, ...]
    first_ns: int | None
    last_ns: int | None
    dropped_kernel: int | None
    """None: no capture states it."""
    dropped_interface: int | None
    undecoded: int | None
    incomplete: int
    """Captures that were not read to their end."""
    flows: int
    tcp: int
    udp: int
    owned: int
    """Flows with a known process."""
    processes: int
    bytes: int | None
    owned_bytes: int | None
    packets: int | None
    """Packets of all captures; at a packet time, those of the flows up to it, as far as known."""
    retransmissions: int | None
    out_of_order: int | None
    fast_retransmissions: int | None
    open: int
    statement: Statement

    @property
    def attributed(self) -> float | None:
        """Part of the bytes whose process is known; None without bytes."""
        return None if not self.bytes else (self.owned_bytes or 0) / self.bytes


def session_numbers(session: Session, spec: ViewSpec, moment: at.Moment | None) -> SessionNumbers:
    """Read the numbers of a session."""
    stated = session.execute_own(_CAPTURES).rows[0]
    sql = f"SELECT {_FLOWS} FROM {at.source(moment, _FLOWS)}"  # noqa: S608 -- ours
    counted = session.execute_own(sql).rows[0]
    shown = Statement(f"SELECT {_FLOWS} FROM {at.shown(moment)}")  # noqa: S608 -- ours
    values = dict(zip(_STATED, stated, strict=True)) | dict(zip(_COUNTED, counted, strict=True))
    values["link_types"] = tuple(values["link_types"] or ())[:MOST_TYPES]
    if spec.at is None:
        values["packets"] = values.pop("captured") or values["packets"]
    else:
        values["last_ns"] = spec.at
        values.pop("captured")
    return SessionNumbers(**values, statement=shown)
