"""What one flow is related to: the lookup of its name, its tunnel, errors about it, other flows of its ends."""

import typing

from rustnet.i18n import marked
from rustnet.query.detail import Fields
from rustnet.query.views.flow_page import Row, Value
from rustnet.query.views.spec import ViewSpec
from rustnet.store.meanings import kind_of

if typing.TYPE_CHECKING:
    from rustnet.query.session import Session

_LOOKUP = """
SELECT d.flow_id, d.packet, d.query, epoch_ns(d.ts) AS ts, f.src_ip FROM dns AS d JOIN flows AS f USING (flow_id)
WHERE d.response AND d.capture_id = $capture AND list_contains(d.answers, $dst)
    AND d.ts = (SELECT max(ts) FROM names WHERE capture_id = $capture AND ip = $dst AND source = 'dns'
        AND client IS NOT DISTINCT FROM $src AND ts <= make_timestamp_ns($started))
ORDER BY d.packet DESC LIMIT 1"""
"""The latest DNS answer with the responder's address that the initiator had before the flow began."""

_ERRORS = """
SELECT flow_id, packet, coalesce(reason, message) AS reason, epoch_ns(ts) AS ts FROM icmp
WHERE about_flow_id = $flow AND ($at IS NULL OR ts <= make_timestamp_ns($at)) ORDER BY ts, packet LIMIT 1"""
_INNER = """
SELECT min(flow_id) AS flow_id, count(*) AS flows FROM flows
WHERE outer_flow_id = $flow AND ($at IS NULL OR started_at <= make_timestamp_ns($at))"""
_SAME_ENDS = """
SELECT flow_id, generation FROM flows
WHERE capture_id = $capture AND generation IN ($generation - 1, $generation + 1) AND protocol = $protocol
    AND ((src_ip = $src AND dst_ip = $dst
            AND src_port IS NOT DISTINCT FROM $sport AND dst_port IS NOT DISTINCT FROM $dport)
        OR (src_ip = $dst AND dst_ip = $src
            AND src_port IS NOT DISTINCT FROM $dport AND dst_port IS NOT DISTINCT FROM $sport))
    AND ($at IS NULL OR started_at <= make_timestamp_ns($at))
ORDER BY generation LIMIT 2"""


def related(session: "Session", spec: ViewSpec, flow: Fields) -> tuple[Row, ...]:
    """Rows about what a flow is related to, each with the flow and packet that it leads to."""
    return (_lookup(session, flow), _outer(flow), _inner(session, spec, flow), _errors(session, spec, flow),
            *_same_ends(session, spec, flow))  # fmt: skip


def _first(session: "Session", sql: str, given: dict[str, object]) -> Fields:
    result = session.execute_own(sql, given)
    return dict(zip(result.columns, result.rows[0], strict=True)) if result.rows else {}


def _lookup(session: "Session", flow: Fields) -> Row:
    label = marked("name asked for before")
    if flow["dst_ip"] is None or "dns" not in session.scope().tables:
        return Row("lookup", label, (Value(None, "dns.query", kind_of("dns", "query")),))
    given = {"capture": flow["capture_id"], "dst": flow["dst_ip"], "src": flow["src_ip"], "started": flow["started_at"]}
    row = _first(session, _LOOKUP, given)
    name = Value(row.get("query"), "dns.query", kind_of("dns", "query"))
    return Row("lookup", label, (name,), source="dns" if row else "", learned_at=row.get("ts"),
               flow_id=row.get("flow_id"), packet=row.get("packet"))  # fmt: skip


def _outer(flow: Fields) -> Row:
    kind = Value(flow["tunnel"], "tunnel", kind_of("flows", "tunnel"))
    number = Value(flow["outer_flow_id"], "outer_flow_id", kind_of("flows", "outer_flow_id"))
    return Row("outer", marked("carried in tunnel"), (kind, number), flow_id=flow["outer_flow_id"])


def _inner(session: "Session", spec: ViewSpec, flow: Fields) -> Row:
    row = _first(session, _INNER, {"flow": flow["flow_id"], "at": spec.at})
    count = row.get("flows") or None
    return Row("inner", marked("flows inside"), (Value(count, "", kind_of("flows", "src_packets")),),
               flow_id=row.get("flow_id"))  # fmt: skip


def _errors(session: "Session", spec: ViewSpec, flow: Fields) -> Row:
    label = marked("ICMP error about it")
    kind = kind_of("icmp", "reason")
    if "about_flow_id" not in session.scope().tables.get("icmp", {}):
        return Row("error", label, (Value(None, "icmp.reason", kind),))
    row = _first(session, _ERRORS, {"flow": flow["flow_id"], "at": spec.at})
    return Row("error", label, (Value(row.get("reason"), "icmp.reason", kind),), learned_at=row.get("ts"),
               source="icmp" if row else "", flow_id=row.get("flow_id"), packet=row.get("packet"))  # fmt: skip


def _same_ends(session: "Session", spec: ViewSpec, flow: Fields) -> tuple[Row, Row]:
    given = {
        "capture": flow["capture_id"], "generation": flow["generation"], "protocol": flow["protocol"], "at": spec.at,
        "src": flow["src_ip"], "dst": flow["dst_ip"], "sport": flow["src_port"], "dport": flow["dst_port"],
    }  # fmt: skip
    rows = session.execute_own(_SAME_ENDS, given).rows
    found = {generation: flow_id for flow_id, generation in rows}
    kind = kind_of("flows", "flow_id")
    before, after = found.get(flow["generation"] - 1), found.get(flow["generation"] + 1)
    return (
        Row("before", marked("previous, same ends"), (Value(before, "flow_id", kind),), flow_id=before),
        Row("after", marked("next, same ends"), (Value(after, "flow_id", kind),), flow_id=after),
    )
