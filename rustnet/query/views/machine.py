"""What the machine of a live capture was at a time: its interfaces with counters, routes, neighbours and sockets.

A filter of flows leaves out nothing here.
"""

from typing import TYPE_CHECKING

from rustnet.query.machine import LATEST_ROWS
from rustnet.query.views.listed import Field, Listing, listed
from rustnet.query.views.spec import ViewSpec
from rustnet.records import Kind
from rustnet.store.machine_views import sockets_sql

if TYPE_CHECKING:
    from rustnet.query.session import Session

SECOND = 10**9
RATE_SECONDS = 10
"""Span of the present rates."""

COUNTERS = (
    Field("capture_id", Kind.KEY), Field("name", Kind.OBJECT), Field("kind", Kind.WORD), Field("state", Kind.WORD),
    Field("ip_addresses", Kind.ADDRESS), Field("mac", Kind.MAC), Field("mtu", Kind.NUMBER),
    Field("master", Kind.OBJECT),
    Field("received_rate", Kind.BYTES), Field("sent_rate", Kind.BYTES), Field("received", Kind.BYTES),
    Field("sent", Kind.BYTES), Field("errors", Kind.COUNT), Field("drops", Kind.COUNT), Field("since", Kind.TIME),
)  # fmt: skip
ROUTES = (
    Field("capture_id", Kind.KEY), Field("routing_table", Kind.WORD), Field("destination", Kind.ADDRESS),
    Field("gateway", Kind.ADDRESS), Field("interface_name", Kind.OBJECT), Field("metric", Kind.NUMBER),
    Field("type", Kind.WORD), Field("origin", Kind.WORD), Field("preferred_source", Kind.ADDRESS),
    Field("added", Kind.TIME), Field("removed", Kind.TIME),
)  # fmt: skip
NEIGHBOURS = (
    Field("capture_id", Kind.KEY), Field("ip", Kind.ADDRESS), Field("mac", Kind.MAC), Field("vendor", Kind.SOFTWARE),
    Field("interface_name", Kind.OBJECT), Field("state", Kind.WORD), Field("router", Kind.BOOLEAN),
    Field("since", Kind.TIME), Field("macs", Kind.COUNT),
)  # fmt: skip
OPEN_SOCKETS = (
    Field("capture_id", Kind.KEY), Field("protocol", Kind.WORD), Field("local_addr", Kind.ADDRESS),
    Field("local_port", Kind.PORT), Field("remote_addr", Kind.ADDRESS), Field("remote_port", Kind.PORT),
    Field("state", Kind.WORD), Field("process", Kind.SOFTWARE), Field("pid", Kind.NUMBER), Field("user", Kind.USER),
    Field("opened", Kind.TIME), Field("cmdline", Kind.COMMAND_LINE),
)  # fmt: skip

_RECORDING = f"""recording AS (
    SELECT r.capture_id, min(epoch_ns(r.first)) AS first,
        max(greatest(epoch_ns(r.ts) + {SECOND}, coalesce(epoch_ns(c.last_ts), 0))) AS last
    FROM ({LATEST_ROWS}) r LEFT JOIN captures c ON c.capture_id = r.capture_id GROUP BY r.capture_id
), present AS (
    SELECT capture_id FROM recording WHERE CASE WHEN $at IS NULL THEN last = (SELECT max(last) FROM recording)
        ELSE first <= $at AND last >= $at END
)"""  # noqa: S608 -- our own tables
"""The captures that were going on at the time; a row is added each second."""
_PAST = "capture_id IN (FROM present) AND ($at IS NULL OR ts <= make_timestamp_ns($at))"

_COUNTERS = f"""
WITH {_RECORDING}, latest AS (
    SELECT *, row_number() OVER (PARTITION BY capture_id, ifindex ORDER BY ts DESC, rowid DESC) AS age
    FROM machine_interfaces WHERE {_PAST}
), counted AS (
    SELECT *, max(ts) OVER (PARTITION BY capture_id, interface_name) AS last FROM interface_stats WHERE {_PAST}
), summed AS (
    SELECT capture_id, interface_name, sum(rx_bytes)::BIGINT AS received, sum(tx_bytes)::BIGINT AS sent,
        sum(rx_errors + tx_errors)::BIGINT AS errors, sum(rx_drops + tx_drops)::BIGINT AS drops,
        1000 * sum(rx_bytes) FILTER (near) / sum(span_ms) FILTER (near) AS received_rate,
        1000 * sum(tx_bytes) FILTER (near) / sum(span_ms) FILTER (near) AS sent_rate
    FROM (SELECT *, epoch_ns(ts) > epoch_ns(last) - {RATE_SECONDS * SECOND} AS near FROM counted)
    GROUP BY capture_id, interface_name
)
SELECT l.capture_id, l.name, l.kind, CASE WHEN l.up THEN l.state ELSE 'off' END, l.ip_addresses, l.mac, l.mtu, l.master,
    s.received_rate, s.sent_rate, s.received, s.sent, s.errors, s.drops, epoch_ns(l.ts)
FROM latest l LEFT JOIN summed s ON s.capture_id = l.capture_id AND s.interface_name = l.name
WHERE l.age = 1 AND l.change <> 'removed'
ORDER BY l.capture_id, s.received IS NULL, l.name = 'lo', l.ifindex LIMIT $most"""  # noqa: S608 -- our own numbers

_ROUTES = f"""
WITH {_RECORDING}
SELECT capture_id, routing_table, destination, gateway, interface_name, metric, type, protocol, preferred_source,
    epoch_ns(added_at), epoch_ns(removed_at)
FROM routes WHERE capture_id IN (FROM present) AND CASE WHEN $at IS NULL THEN removed_at IS NULL
    ELSE epoch_ns(first_seen) <= $at AND (removed_at IS NULL OR epoch_ns(removed_at) > $at) END
ORDER BY capture_id, routing_table <> 'main', routing_table, contains(destination, ':'),
    split_part(destination, '/', 2)::INTEGER, destination, metric, route LIMIT $most"""  # noqa: S608 -- our own tables

_NEIGHBOURS = f"""
WITH {_RECORDING}, card AS (
    SELECT mac, max(value) AS vendor FROM host_facts
    WHERE fact = 'vendor' AND source IN ('ieee', 'address') GROUP BY mac
), known AS (
    SELECT capture_id, ip, ifindex, count(DISTINCT mac) AS macs FROM neighbours
    WHERE $at IS NULL OR epoch_ns(since) <= $at GROUP BY capture_id, ip, ifindex
)
SELECT n.capture_id, n.ip, n.mac, card.vendor, n.interface_name, n.state, n.router, epoch_ns(n.since), k.macs
FROM neighbours n JOIN known k ON k.capture_id = n.capture_id AND k.ip = n.ip AND k.ifindex = n.ifindex
LEFT JOIN card ON card.mac = n.mac
WHERE n.capture_id IN (FROM present) AND CASE WHEN $at IS NULL THEN n.until IS NULL
    ELSE epoch_ns(n.since) <= $at AND (n.until IS NULL OR epoch_ns(n.until) > $at) END
ORDER BY n.capture_id, n.interface_name, contains(n.ip, ':'), n.ip LIMIT $most"""  # noqa: S608 -- our own tables

_SHOWN = sockets_sql(
    "$at IS NULL OR ts <= make_timestamp_ns($at)",
    "closed_at IS NULL OR $at IS NOT NULL AND epoch_ns(closed_at) > $at",
)
_SOCKETS = f"""
WITH {_RECORDING}, shown AS (
{_SHOWN}
)
SELECT capture_id, protocol, local_addr, local_port, remote_addr, remote_port, state, process_name, pid, username,
    epoch_ns(opened_at), cmdline
FROM shown WHERE capture_id IN (FROM present)
ORDER BY capture_id, NOT listening, remote_addr IS NOT NULL, pid IS NULL, local_port, protocol, local_addr, remote_addr,
    remote_port, socket LIMIT $most"""  # noqa: S608 -- our own columns


def counters(session: "Session", spec: ViewSpec) -> Listing:
    """Interfaces of the machine as they were, with what their counters grew by since the recording began."""
    return listed(session, spec, _COUNTERS, COUNTERS, {"at": spec.at})


def routes(session: "Session", spec: ViewSpec) -> Listing:
    """Routes that there were."""
    return listed(session, spec, _ROUTES, ROUTES, {"at": spec.at})


def neighbours(session: "Session", spec: ViewSpec) -> Listing:
    """Hardware addresses that the machine knew, with the number of those that it had known for the address."""
    return listed(session, spec, _NEIGHBOURS, NEIGHBOURS, {"at": spec.at})


def open_sockets(session: "Session", spec: ViewSpec) -> Listing:
    """Sockets that were open, those that wait for peers first."""
    return listed(session, spec, _SOCKETS, OPEN_SOCKETS, {"at": spec.at})


def recorded(session: "Session", table: str) -> bool:
    """Whether a live capture recorded rows of a table, such as `route_changes`."""
    sql = f"SELECT EXISTS (FROM {table})"
    return table in session.columns() and bool(session.execute_own(sql).rows[0][0])
