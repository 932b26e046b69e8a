"""Who is on the network: hosts, how each name was learned, and the sockets that traffic proves."""

from typing import TYPE_CHECKING

from rustnet.query.hosts import ANSWERED
from rustnet.query.views.listed import Field, Listing, listed
from rustnet.query.views.spec import ViewSpec
from rustnet.records import Kind

if TYPE_CHECKING:
    from rustnet.query.session import Session

HOSTS = (
    Field("ip", Kind.ADDRESS), Field("hostname", Kind.HOST), Field("hostname_source", Kind.WORD),
    Field("mac", Kind.MAC), Field("vendor", Kind.SOFTWARE), Field("roles", Kind.WORD), Field("os", Kind.SOFTWARE),
    Field("device", Kind.SOFTWARE), Field("learned_from", Kind.WORD), Field("scope", Kind.WORD),
    Field("country", Kind.PLACE), Field("as_name", Kind.AUTONOMOUS_SYSTEM), Field("flows", Kind.COUNT),
    Field("sent", Kind.BYTES), Field("received", Kind.BYTES), Field("first_seen", Kind.TIME),
    Field("last_seen", Kind.TIME), Field("hostnames", Kind.COUNT), Field("macs", Kind.COUNT),
)  # fmt: skip
NAMES = (
    Field("name", Kind.HOST), Field("ip", Kind.ADDRESS), Field("source", Kind.WORD), Field("first", Kind.TIME),
    Field("last", Kind.TIME), Field("times", Kind.COUNT), Field("clients", Kind.COUNT), Field("ttl", Kind.DURATION),
    Field("flows", Kind.COUNT),
)  # fmt: skip
SOCKETS = (
    Field("ip", Kind.ADDRESS), Field("port", Kind.PORT), Field("protocol", Kind.WORD), Field("app", Kind.WORD),
    Field("app_source", Kind.WORD), Field("process", Kind.SOFTWARE), Field("pid", Kind.NUMBER),
    Field("clients", Kind.COUNT), Field("flows", Kind.COUNT), Field("bytes", Kind.BYTES), Field("first", Kind.TIME),
    Field("last", Kind.TIME), Field("example_flow", Kind.FLOW),
)  # fmt: skip
ALIASES = (
    Field("alias", Kind.IDENTIFIER), Field("source", Kind.WORD), Field("service", Kind.TERM),
    Field("flow_id", Kind.FLOW), Field("evidence", Kind.PATH),
)  # fmt: skip

_HOSTS = """
SELECT ip, hostname, hostname_source, mac, vendor, roles, os, device, learned_from, scope, country, as_name, flows,
    coalesce(bytes_sent, 0) AS sent, coalesce(bytes_received, 0) AS received, epoch_ns(hosts.first_seen),
    epoch_ns(hosts.last_seen), hostnames, macs
FROM hosts LEFT JOIN (SELECT ip, flows, bytes_sent, bytes_received FROM talkers) USING (ip)
WHERE mac IS NOT NULL OR NOT $local
ORDER BY bytes_sent + bytes_received DESC NULLS LAST, ip LIMIT $most"""

_ENDS = " WHERE ip IN (SELECT src_ip FROM flows UNION SELECT dst_ip FROM flows)"

_NAMES = """
WITH learned AS (
    SELECT name, ip, source, ts, ttl, client FROM names{ends}
), every AS (
    SELECT name, ip, source, min(ts) AS first, max(ts) AS last, count(*) AS times, count(DISTINCT client) AS clients,
        max(ttl) AS ttl, 0 AS flows
    FROM learned GROUP BY name, ip, source
    UNION ALL
    SELECT hostname, dst_ip, hostname_source, min(coalesce(hostname_ts, started_at)),
        max(coalesce(hostname_ts, started_at)), NULL, count(DISTINCT src_ip), NULL, count(*)
    FROM flows WHERE hostname IS NOT NULL
        AND hostname_source NOT IN (SELECT DISTINCT source FROM learned) GROUP BY hostname, dst_ip, hostname_source
)
SELECT name, ip, source, epoch_ns(first), epoch_ns(last), times, clients, ttl, nullif(flows, 0)
FROM every ORDER BY first, name, ip, source LIMIT $most"""

_SOCKETS = f"""
WITH owned AS (SELECT flow_id, process_id, local_initiated FROM connections WHERE process_id IS NOT NULL)
SELECT dst_ip, dst_port, protocol, coalesce(app, service) AS app,
    CASE WHEN app IS NULL AND service IS NOT NULL THEN 'port' ELSE app_source END AS known_by,
    any_value(processes.name) AS process, any_value(processes.pid) AS pid, count(DISTINCT src_ip) AS clients,
    count(*) AS flows, coalesce(sum(src_bytes + dst_bytes), 0)::BIGINT AS bytes, epoch_ns(min(flows.started_at)),
    epoch_ns(max(ended_at)), min(flows.flow_id) AS example_flow
FROM flows LEFT JOIN owned ON owned.flow_id = flows.flow_id AND NOT owned.local_initiated
LEFT JOIN processes ON processes.process_id = owned.process_id
WHERE {ANSWERED}
GROUP BY dst_ip, dst_port, protocol, coalesce(app, service), known_by, owned.process_id
ORDER BY flows DESC, dst_ip, dst_port, protocol, app, known_by, process, example_flow LIMIT $most"""  # noqa: S608 -- our own condition

_ALIASES = """
SELECT alias, source, service, flow_id, evidence FROM aliases WHERE flow_id IN (SELECT flow_id FROM flows)
ORDER BY flow_id, source, alias LIMIT $most"""


def hosts(session: "Session", spec: ViewSpec, *, local: bool = False) -> Listing:
    """Addresses that sent packets, those with the most bytes first; ``local``: whose hardware address is known."""
    return listed(session, spec, _HOSTS, HOSTS, {"local": local})


def names(session: "Session", spec: ViewSpec) -> Listing:
    """Names in the order in which they were learned; those that only flows have, such as SNI, count flows."""
    return listed(session, spec, _NAMES.format(ends=_ENDS if spec.filter.strip() else ""), NAMES)


def sockets(session: "Session", spec: ViewSpec) -> Listing:
    """Ports that answered: listeners that the traffic proves, with the process if one is known."""
    return listed(session, spec, _SOCKETS, SOCKETS)


def aliases(session: "Session", spec: ViewSpec) -> Listing:
    """Names that other tools have for the flows."""
    return listed(session, spec, _ALIASES, ALIASES)
