"""Interfaces with their traffic, VLANs, tunnels and gateways."""

from dataclasses import replace
from typing import TYPE_CHECKING

from rustnet.query import catalogue
from rustnet.query.views.listed import Field, Listing, listed
from rustnet.query.views.scoped import span
from rustnet.query.views.spec import ViewSpec
from rustnet.records import Kind
from rustnet.sources.linktypes import link_name

if TYPE_CHECKING:
    from rustnet.query.session import Session

RATE_SECONDS = 10
"""Span of the present rates."""

INTERFACES = (
    Field("capture_id", Kind.KEY), Field("interface", Kind.KEY), Field("name", Kind.OBJECT),
    Field("description", Kind.FREE_TEXT), Field("link_type", Kind.WORD), Field("snaplen", Kind.BYTES),
    Field("packets", Kind.COUNT), Field("bytes", Kind.BYTES), Field("cut", Kind.COUNT), Field("rate", Kind.BYTES),
    Field("packet_rate", Kind.COUNT), Field("first", Kind.TIME), Field("last", Kind.TIME), Field("source", Kind.PATH),
)  # fmt: skip
VLANS = (
    Field("outer_vlan_id", Kind.NUMBER), Field("vlan_id", Kind.NUMBER), Field("flows", Kind.COUNT),
    Field("packets", Kind.COUNT), Field("bytes", Kind.BYTES), Field("addresses", Kind.COUNT), Field("first", Kind.TIME),
    Field("last", Kind.TIME),
)  # fmt: skip
TUNNELS = (
    Field("tunnel", Kind.WORD), Field("src_ip", Kind.ADDRESS), Field("dst_ip", Kind.ADDRESS),
    Field("inner", Kind.COUNT), Field("bytes", Kind.BYTES), Field("first", Kind.TIME), Field("last", Kind.TIME),
    Field("flow_id", Kind.FLOW),
)  # fmt: skip
GATEWAYS = (
    Field("ip", Kind.ADDRESS), Field("mac", Kind.MAC), Field("vendor", Kind.SOFTWARE), Field("confidence", Kind.WORD),
    Field("evidence", Kind.WORD), Field("senders", Kind.COUNT), Field("destinations", Kind.COUNT),
    Field("asked_by", Kind.COUNT), Field("first", Kind.TIME), Field("last", Kind.TIME), Field("capture_id", Kind.KEY),
    Field("flow_id", Kind.FLOW),
)  # fmt: skip

_INTERFACES = """
SELECT i.capture_id, i.interface, nullif(i.name, ''), nullif(i.description, ''), i.link_type, i.snaplen,
    coalesce(p.count, 0), coalesce(p.bytes, 0), coalesce(p.cut, 0), coalesce(recent_bytes, 0) / $seconds::DOUBLE,
    coalesce(recent, 0) / $seconds::DOUBLE, epoch_ns(first), epoch_ns(last), captures.source
FROM interfaces AS i LEFT JOIN (
    SELECT capture_id, interface, count(*) AS count, sum(length)::BIGINT AS bytes,
        count(*) FILTER (captured < length) AS cut, min(ts) AS first, max(ts) AS last,
        count(*) FILTER (ts > make_timestamp_ns($from)) AS recent,
        sum(length) FILTER (ts > make_timestamp_ns($from)) AS recent_bytes
    FROM packets GROUP BY capture_id, interface) AS p ON p.capture_id = i.capture_id AND p.interface = i.interface
LEFT JOIN captures ON captures.capture_id = i.capture_id
ORDER BY i.capture_id, i.interface LIMIT $most"""

_VLANS = """
SELECT outer_vlan_id, vlan_id, count(*) AS flows, sum(src_packets + dst_packets)::BIGINT,
    coalesce(sum(src_bytes + dst_bytes), 0)::BIGINT AS bytes, count(DISTINCT src_ip) AS addresses,
    epoch_ns(min(started_at)), epoch_ns(max(ended_at))
FROM flows GROUP BY outer_vlan_id, vlan_id ORDER BY bytes DESC, outer_vlan_id, vlan_id LIMIT $most"""

_TUNNELS = """
SELECT f.tunnel, o.src_ip, o.dst_ip, count(*) AS inner, coalesce(sum(f.src_bytes + f.dst_bytes), 0)::BIGINT AS bytes,
    epoch_ns(min(f.started_at)), epoch_ns(max(f.ended_at)), f.outer_flow_id
FROM flows AS f LEFT JOIN flows AS o ON o.flow_id = f.outer_flow_id
WHERE f.tunnel IS NOT NULL GROUP BY ALL ORDER BY bytes DESC, f.outer_flow_id LIMIT $most"""


def interfaces(session: "Session", spec: ViewSpec) -> Listing:
    """Interfaces of the captures, with the packets of each."""
    last = spec.at if spec.at is not None else span(session, spec).last
    values = {"seconds": RATE_SECONDS, "from": (last or 0) - RATE_SECONDS * 10**9}
    listing = listed(session, spec, _INTERFACES, INTERFACES, values)
    place = [field.name for field in INTERFACES].index("link_type")
    named = [(*row[:place], link_name(row[place]), *row[place + 1 :]) for row in listing.rows]
    return replace(listing, rows=named)


def vlans(session: "Session", spec: ViewSpec) -> Listing:
    """VLANs with their traffic, the outer tag first; without a tag both are None."""
    return listed(session, spec, _VLANS, VLANS)


def tunnels(session: "Session", spec: ViewSpec) -> Listing:
    """Tunnels with the flows that they carried."""
    return listed(session, spec, _TUNNELS, TUNNELS)


def gateways(session: "Session", spec: ViewSpec) -> Listing:
    """Routers on the link, with the evidence for each, by the saved query of that name."""
    saved = catalogue.load()["gateways"].sql.strip().rstrip(";")
    times = "epoch_ns(first_seen) AS first_seen, epoch_ns(last_seen) AS last_seen"
    sql = f"SELECT * REPLACE ({times}) FROM (\n{saved}\n) LIMIT $most"  # noqa: S608 -- our own query
    return listed(session, spec, sql, GATEWAYS)
