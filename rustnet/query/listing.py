"""Lists and statistics of flows for any filter: the SQL of ``rustnet flows`` and ``rustnet stats``."""

import difflib
import typing
from collections.abc import Sequence
from dataclasses import dataclass

from rustnet.errors import Phrase, UsageError
from rustnet.query.compile import Scope, compile_filter
from rustnet.query.execute import RowStream
from rustnet.store.schema import quote_identifier

if typing.TYPE_CHECKING:
    from rustnet.query.session import Session


def _end(side: str) -> str:
    """SQL for one end of a flow in usual notation: address and port, only the address, or the hardware address."""
    ip, port, mac = f"f.{side}_ip", f"f.{side}_port", f"f.{side}_mac"
    return (
        f"CASE WHEN {ip} IS NULL THEN {mac} WHEN {port} IS NULL THEN {ip} "
        f"WHEN contains({ip}, ':') THEN '[' || {ip} || ']:' || {port} ELSE {ip} || ':' || {port} END"
    )


DERIVED: dict[str, str] = {
    "source": _end("src"),
    "destination": _end("dst"),
    "bytes": "(f.src_bytes + f.dst_bytes)",
    "packets": "(f.src_packets + f.dst_packets)",
    "payload": "(f.src_payload + f.dst_payload)",
    "retransmissions": "(f.src_retransmissions::BIGINT + f.dst_retransmissions)",
    "duration_ms": "((epoch_ns(f.ended_at) - epoch_ns(f.started_at)) / 1000000.0)",
    "process": "p.name",
    "pid": "p.pid",
    "user": "p.username",
    "exe": "p.exe",
}
"""Columns that ``flows`` does not have itself, as SQL over ``f`` (flows) and ``p`` (processes)."""

DEFAULT_COLUMNS = (
    "flow_id", "started_at", "duration_ms", "protocol", "source", "destination", "app", "hostname", "process",
    "bytes", "packets", "state",
)  # fmt: skip
DEFAULT_SORT = "flow_id"


@dataclass(frozen=True, slots=True)
class Dimension:
    """A property by which flows can be grouped."""

    columns: dict[str, str]
    """Names and SQL over ``f`` (flows) and ``p`` (processes); of properties of ends, over ``v``, the end's value."""
    ends: tuple["End", ...] = ()
    """Ends of a flow that count for themselves."""


@dataclass(frozen=True, slots=True)
class End:
    """An end of a flow, in SQL over ``f``: its value, whether it counts, and what it sent and received."""

    value: str
    counts: str
    sent: str
    received: str


def _both_ends(src: str, dst: str, src_counts: str, dst_counts: str) -> tuple[End, End]:
    return End(src, src_counts, "src_bytes", "dst_bytes"), End(dst, dst_counts, "dst_bytes", "src_bytes")


_IP = _both_ends("src_ip", "dst_ip", "TRUE", "dst_ip IS DISTINCT FROM src_ip")
_COUNTRY = _both_ends(
    "src_country", "dst_country", "src_country IS NOT NULL OR dst_country IS NULL",
    "dst_country IS NOT NULL AND dst_country IS DISTINCT FROM src_country",
)  # fmt: skip
_AS = _both_ends(
    "{'asn': src_asn, 'name': src_as_name}", "{'asn': dst_asn, 'name': dst_as_name}",
    "src_asn IS NOT NULL OR dst_asn IS NULL", "dst_asn IS NOT NULL AND dst_asn IS DISTINCT FROM src_asn",
)  # fmt: skip

DIMENSIONS: dict[str, Dimension] = {
    "protocol": Dimension({"protocol": "f.protocol"}),
    "app": Dimension({"protocol": "f.protocol", "app": "f.app", "app_source": "f.app_source"}),
    "host": Dimension({"host": "v"}, _IP),
    "country": Dimension({"country": "v"}, _COUNTRY),
    "as": Dimension({"asn": "v.asn", "as_name": "v.name"}, _AS),
    "source": Dimension({"src_ip": "f.src_ip"}),
    "destination": Dimension({"dst_ip": "f.dst_ip"}),
    "port": Dimension({"protocol": "f.protocol", "dst_port": "f.dst_port", "service": "f.service"}),
    "process": Dimension({"process": "p.name", "pid": "p.pid", "user": "p.username", "unowned": "f.unowned_reason"}),
    "user": Dimension({"user": "p.username"}),
    "name": Dimension({"hostname": "f.hostname"}),
    "vlan": Dimension({"vlan_id": "f.vlan_id"}),
    "state": Dimension({"protocol": "f.protocol", "state": "f.state", "conn_state": "f.conn_state"}),
    "direction": Dimension({"direction": "f.direction"}),
    "tunnel": Dimension({"tunnel": "f.tunnel"}),
    "capture": Dimension({"capture_id": "f.capture_id"}),
    "interface": Dimension({"capture_id": "f.capture_id", "interface": "f.interface"}),
}


def columns(scope: Scope) -> list[str]:
    """Every column that a list of flows can show and be sorted by."""
    return [*DERIVED, *scope.tables["flows"]]


def all_columns(scope: Scope) -> list[str]:
    """Every column of a list of flows, those of a short list first."""
    return list(dict.fromkeys([*DEFAULT_COLUMNS, *columns(scope)]))


def count(session: "Session", text: str, scope: Scope) -> int:
    """Number of flows that match a filter."""
    condition = compile_filter(text, scope)
    result = session.execute(f"SELECT count(*) FROM flows WHERE {condition.sql}", condition.params)  # noqa: S608
    return int(result.rows[0][0])


def list_flows(
    session: "Session",
    text: str,
    scope: Scope,
    shown: Sequence[str] = DEFAULT_COLUMNS,
    sort: Sequence[str] = (DEFAULT_SORT,),
    limit: int | None = None,
    *,
    seconds: float | None = None,
) -> RowStream:
    """Flows that match a filter, as rows of ``shown`` columns; ``-`` before a ``sort`` column reverses its order.

    Raises `UsageError` for an unknown column.
    """
    condition = compile_filter(text, scope)
    known = columns(scope)
    picked = ", ".join(f"{_expression(name, known)} AS {quote_identifier(name)}" for name in shown)
    order = ", ".join(
        f"{_expression(name.removeprefix('-'), known)} {'DESC' if name.startswith('-') else 'ASC'} NULLS LAST"
        for name in (*sort, "flow_id")
    )
    owners = "LEFT JOIN processes AS p ON p.process_id = f.process_id"
    wanted = condition.sql
    if session.replaces_values and limit is not None:  # only those of the flows that are shown
        wanted = (
            f"flow_id IN (SELECT f.flow_id FROM (SELECT * FROM flows WHERE {condition.sql}) AS f "  # noqa: S608
            f"{owners} ORDER BY {order} LIMIT {int(limit)})"
        )
    sql = (
        f"WITH f AS (SELECT * FROM flows WHERE {wanted}) SELECT {picked} "  # noqa: S608 -- our columns only
        f"FROM f {owners} ORDER BY {order}"
    )
    return session.stream(sql if limit is None else f"{sql} LIMIT {int(limit)}", condition.params, seconds=seconds)


def _expression(name: str, known: Sequence[str]) -> str:
    if name in DERIVED:
        return DERIVED[name]
    if name not in known:
        near = difflib.get_close_matches(name, known, 1)
        hint = Phrase("there is {known}", known=", ".join(known))
        if near:
            hint = Phrase("did you mean {name}?", name=near[0])
        raise UsageError("unknown column {name!r}: {hint}", name=name, hint=hint)
    return f"f.{quote_identifier(name)}"


def statistics(session: "Session", by: str, text: str, scope: Scope, limit: int | None = None) -> RowStream:
    """Flows, packets and bytes of the flows that match a filter, by one of `DIMENSIONS`, the most bytes first.

    ``bytes_sent`` and ``bytes_received`` are those of the flows' ``src``; by host, country or autonomous system, those
    of the end itself, and a flow counts at each of its ends that differ.
    """
    condition = compile_filter(text, scope)
    dimension = DIMENSIONS[by]
    keys = ", ".join(f"{sql} AS {quote_identifier(name)}" for name, sql in dimension.columns.items())
    source = "FROM f LEFT JOIN processes AS p ON p.process_id = f.process_id"
    sent, received = "f.src_bytes", "f.dst_bytes"
    if dimension.ends:
        ends = " UNION ALL ".join(
            f"SELECT {end.value} AS v, {end.sent} AS sent, {end.received} AS received, src_packets, dst_packets, "  # noqa: S608
            f"started_at, ended_at FROM f WHERE {end.counts}"
            for end in dimension.ends
        )
        source, sent, received = f"FROM ({ends}) AS f", "f.sent", "f.received"
    total = "(SELECT nullif(sum(src_bytes + dst_bytes), 0) FROM f)"
    sql = (
        f"WITH f AS (SELECT * FROM flows WHERE {condition.sql}) "  # noqa: S608 -- our columns only
        f"SELECT {keys}, count(*) AS flows, sum(f.src_packets + f.dst_packets)::BIGINT AS packets, "
        f"sum({sent} + {received})::BIGINT AS bytes, sum({sent})::BIGINT AS bytes_sent, "
        f"sum({received})::BIGINT AS bytes_received, "
        f"round(100.0 * sum({sent} + {received}) / {total}, 2) AS percent, "
        f"min(f.started_at) AS first_seen, max(f.ended_at) AS last_seen {source} "
        f"GROUP BY {', '.join(str(n + 1) for n in range(len(dimension.columns)))} "
        f"ORDER BY bytes DESC, flows DESC, {', '.join(str(n + 1) for n in range(len(dimension.columns)))}"
    )
    return session.stream(sql if limit is None else f"{sql} LIMIT {int(limit)}", condition.params)
