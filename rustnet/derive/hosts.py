"""Pass ``hosts``: fills the table ``host_facts`` from what protocols disclose of hosts, and from the traffic itself.

At the end of a run the facts of its captures are derived from all their rows; at a flush only from the new rows, which
are added to those that are stored. `rustnet.derive.host_evidence` declares what each protocol's rows state.
"""

# ruff: noqa: S608 -- the parts of these statements are constants of this package, and numbers of captures and rows

from collections.abc import Collection
from typing import TYPE_CHECKING

from rustnet.attribute.stage import drop, run
from rustnet.derive.host_evidence import COLUMNS, EVIDENCE, FLOW_COLUMNS, statement
from rustnet.derive.host_evidence import Evidence as HostEvidence
from rustnet.derive.passes import Evidence, Outcome, Pass, Span
from rustnet.enrich.vendors import vendors, virtual_router
from rustnet.store.tables import FLOWS_ENDED

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

NAMES_TABLE = "names"
TABLES = (*dict.fromkeys(each.table for each in EVIDENCE), NAMES_TABLE)
"""Tables that facts are derived from, besides those of flows."""

MOST_VALUES = 64
"""Values of a fact by one source that are kept of an address: the most frequent ones; an anomaly counts the others."""

NETWORKS = 3
"""Networks (/16, or /32 of IPv6) whose global addresses have one hardware address: from so many on, it is that of a
router, because a host's own addresses are in fewer."""

MANY_FLOWS = 10_000
"""Flows from which those of the rows are copied first."""

_STAGE = """CREATE OR REPLACE TEMP TABLE own_evidence (
    capture_id INTEGER, flow_id BIGINT, ts TIMESTAMP_NS, last TIMESTAMP_NS, packet BIGINT, ip VARCHAR, mac VARCHAR,
    fact VARCHAR, value VARCHAR, source VARCHAR, count BIGINT)"""

_INSERT = f"INSERT INTO own_evidence ({COLUMNS})"

_STATED_NAMES = "('dhcp', 'mdns', 'netbios', 'llmnr', 'smb', 'ntlm', 'snmp', 'kerberos', 'rpc', 'bgp')"
"""Sources of names that hosts state of themselves or on their link: docs/names.md."""

_NAMED_BY = ("dhcp", "dhcpv6", "dns", "netbios", "smb", "snmp", "kerberos", "nfs", "bgp")
"""Tables in which the message that a name was learned from has a row, with the same time."""

_ANY_STATED = f"SELECT 1 FROM names WHERE {{span}} AND source IN {_STATED_NAMES} LIMIT 1"

_NAMES = f"""
{_INSERT}
WITH stated AS (
    SELECT capture_id, ip, name, source, ts FROM names WHERE {{span}} AND source IN {_STATED_NAMES}
), message AS (
    SELECT capture_id, ts, min(flow_id) AS flow_id, min(packet) AS packet
    FROM ({{messages}}) WHERE ts IN (SELECT ts FROM stated) GROUP BY capture_id, ts
)
SELECT s.capture_id, m.flow_id, s.ts, s.ts, m.packet, s.ip, NULL, 'hostname', s.name, s.source, 1
FROM stated s LEFT JOIN message m ON m.capture_id = s.capture_id AND m.ts = s.ts"""

_FIRST_IPV6 = 1 << 48
"""Numbers of addresses of IPv4, which are IPv4-mapped, are below it."""

_ENDS = (("src", "'inbound', 'external'"), ("dst", "'outbound', 'external'"))
"""Directions in which an end has a global address."""

_END = f"""
SELECT capture_id, {{end}}_mac AS mac, started_at, ended_at, flow_id, first_packet,
    CASE WHEN direction NOT IN ({{directions}}) THEN 0
        WHEN {{end}}_num < {_FIRST_IPV6} THEN 1::UBIGINT << (hash({{end}}_num >> 16::UHUGEINT) & 31)
        ELSE 1::UBIGINT << (hash({{end}}_num >> 96::UHUGEINT) & 31) + 32 END AS network
FROM {{flows}} WHERE {{span}} AND tunnel IS NULL AND {{end}}_mac IS NOT NULL
    AND {{end}}_mac[2] IN ('0', '2', '4', '6', '8', 'a', 'c', 'e') AND {{end}}_mac <> '00:00:00:00:00:00'"""
"""Flows of a hardware address, with a bit for the network of its end: of 32 for IPv4, and of 32 for IPv6."""

_MACS = f"""
CREATE OR REPLACE TEMP TABLE own_macs AS
SELECT capture_id, mac, count(*) AS flows,
    greatest(bit_count(bit_or(network) & 4294967295), bit_count(bit_or(network) >> 32)) >= {NETWORKS} AS carries,
    min(started_at) AS first, max(ended_at) AS last, arg_min(flow_id, first_packet) AS flow_id,
    min(first_packet) AS packet
FROM ({{ends}}) GROUP BY capture_id, mac"""
"""Hardware addresses of the flows (no groups), and whether they carry global addresses of several networks."""

_NEXT_HOPS = f"""
{_INSERT}
SELECT capture_id, flow_id, first, last, packet, NULL, mac, 'role', 'next hop', 'traffic', flows
FROM own_macs WHERE carries"""

_SERVERS = f"""
{_INSERT}
SELECT capture_id, arg_min(flow_id, first_packet), min(started_at), max(ended_at), min(first_packet), dst_ip, NULL,
    'role', app || ' server', 'traffic', count(*)
FROM {{flows}}
WHERE {{span}} AND app IN ('dns', 'ntp') AND app_source = 'payload' AND dst_packets > 0
    AND direction NOT IN ('multicast', 'broadcast')
GROUP BY capture_id, dst_ip, app"""

_TTLS = f"""
{_INSERT}
SELECT capture_id, arg_min(flow_id, first_packet), min(started_at), max(ended_at), min(first_packet), ip, NULL,
    'initial_ttl', ttl::VARCHAR, 'ip', count(*)
FROM (
    SELECT capture_id, src_ip AS ip, src_ttl AS ttl, flow_id, first_packet, started_at, ended_at FROM {{flows}}
    WHERE {{span}} AND protocol = 'tcp' AND tunnel IS NULL AND src_ttl IN (64, 128, 255)
    UNION ALL
    SELECT capture_id, dst_ip, dst_ttl, flow_id, first_packet, started_at, ended_at FROM {{flows}}
    WHERE {{span}} AND protocol = 'tcp' AND tunnel IS NULL AND dst_ttl IN (64, 128, 255))
WHERE ip IN (SELECT ip FROM own_evidence WHERE fact = 'mac')
GROUP BY capture_id, ip, ttl"""
"""Of hosts on the link: their packets passed no router, so that they still have the value that the sender set."""

MOST_CARDS = 262_144
"""Hardware addresses of a run whose vendors are looked up: those with the most flows; an anomaly counts the others."""

_ALL_CARDS = """
SELECT capture_id, mac, flows FROM own_macs
UNION ALL SELECT capture_id, mac, 0 FROM own_evidence WHERE mac IS NOT NULL"""

_LOOK_UP = f"SELECT mac FROM ({_ALL_CARDS}) GROUP BY mac ORDER BY sum(flows) DESC, mac LIMIT $most"

_NO_VENDOR = f"""
INSERT INTO anomalies (ts, capture_id, packet, flow_id, kind, detail, count)
SELECT NULL, capture_id, NULL, NULL, 'host_facts_left_out', 'vendors: too many hardware addresses', count(*)
FROM (SELECT DISTINCT capture_id, mac FROM ({_ALL_CARDS}) WHERE mac NOT IN (
    SELECT mac FROM ({_ALL_CARDS}) GROUP BY mac ORDER BY sum(flows) DESC, mac LIMIT $most))
GROUP BY capture_id ORDER BY capture_id"""

_VENDORS = f"""
{_INSERT}
SELECT s.capture_id, s.flow_id, s.first, s.last, s.packet, NULL, s.mac, v.fact, v.value, v.source, s.flows
FROM (
    SELECT capture_id, mac, flows, first, last, flow_id, packet FROM own_macs
    UNION ALL
    SELECT capture_id, mac, 0, min(ts), max(last), arg_min(flow_id, packet), min(packet) FROM own_evidence
    WHERE mac IS NOT NULL AND (capture_id, mac) NOT IN (SELECT (capture_id, mac) FROM own_macs)
    GROUP BY capture_id, mac
) s JOIN (
    SELECT unnest($macs) AS mac, unnest($facts) AS fact, unnest($values) AS value, unnest($sources) AS source
) v ON v.mac = s.mac"""

_FACTS = """
CREATE OR REPLACE TEMP TABLE own_facts AS
SELECT capture_id, ip, mac, fact, trim(value) AS value, source, min(ts) AS first_seen, max(last) AS last_seen,
    sum(count)::BIGINT AS count, arg_min(flow_id, packet) AS flow_id, min(packet) AS packet
FROM own_evidence WHERE trim(value) <> '' GROUP BY ALL"""

_GROUP = "capture_id, ip, mac, fact, source"
_MANY = f"SELECT 1 FROM own_facts GROUP BY {_GROUP} HAVING count(*) > {MOST_VALUES} LIMIT 1"
_KEPT = f"row_number() OVER (PARTITION BY {_GROUP} ORDER BY count DESC, first_seen, value) <= {MOST_VALUES}"
_STORE = """
INSERT INTO host_facts BY NAME
SELECT * FROM own_facts {condition} ORDER BY capture_id, ip, mac, fact, source, value"""

_LEFT_OUT = f"""
INSERT INTO anomalies (ts, capture_id, packet, flow_id, kind, detail, count)
SELECT min(first_seen), capture_id, NULL, NULL, 'host_facts_left_out',
    'further values of ' || fact || ' by ' || source || ' of addresses that have more than {MOST_VALUES}', count(*)
FROM (SELECT *, {_KEPT} AS kept FROM own_facts) WHERE NOT kept
GROUP BY capture_id, fact, source ORDER BY capture_id, fact, source"""

_STORED = "SELECT 1 FROM host_facts WHERE {captures} LIMIT 1"
_CLEAR = "DELETE FROM host_facts WHERE {captures}"
_CLEAR_LEFT_OUT = "DELETE FROM anomalies WHERE kind = 'host_facts_left_out' AND {captures}"

_SAME = """h.capture_id = o.capture_id AND h.ip IS NOT DISTINCT FROM o.ip AND h.mac IS NOT DISTINCT FROM o.mac
    AND h.fact = o.fact AND h.value = o.value AND h.source = o.source"""

_ADD = f"""
UPDATE host_facts h SET last_seen = greatest(h.last_seen, o.last_seen), count = h.count + {{count}}
FROM own_facts o WHERE {_SAME}"""

_NEW = f"""
INSERT INTO host_facts BY NAME
SELECT o.* FROM own_facts o WHERE NOT EXISTS (SELECT 1 FROM host_facts h WHERE {_SAME}) ORDER BY ALL"""


def discover(con: "DuckDBPyConnection", span: Span, tables: Collection[str] | None = None) -> int:
    """Derive the facts of a span's captures; returns the number of rows added or changed.

    ``tables``: those with rows of the span, if that is known. The facts of a span that is a part of its captures are
    added to the stored ones.
    """
    run(con, _STAGE)
    if span.flows == FLOWS_ENDED:
        _stage_statements(con, span, tables)
    _stage_traffic(con, span)
    run(con, _FACTS)
    if span.since:
        # flows that are open count once they have ended
        changed = run(con, _ADD.format(count="o.count" if span.flows == FLOWS_ENDED else "0"))[0][0]
        changed += run(con, _NEW)[0][0]
    else:
        changed = _store(con, span)
    drop(con, "own_evidence", "own_macs", "own_facts")
    return int(changed)


def _store(con: "DuckDBPyConnection", span: Span) -> int:
    """Store the facts instead of those that the captures have."""
    captures = _captures(span)
    if run(con, _STORED.format(captures=captures)):
        run(con, _CLEAR.format(captures=captures))
        run(con, _CLEAR_LEFT_OUT.format(captures=captures))
    if run(con, "SELECT 1 FROM own_macs LIMIT 1 OFFSET $most", {"most": MOST_CARDS}):
        run(con, _NO_VENDOR, {"most": MOST_CARDS})
    many = bool(run(con, _MANY))
    if many:
        run(con, _LEFT_OUT)
    return int(run(con, _STORE.format(condition=f"QUALIFY {_KEPT}" if many else ""))[0][0])


def _captures(span: Span) -> str:
    """Condition of the rows of a span's captures. The numbers are written out: parameters take longer to plan."""
    return f"capture_id IN ({', '.join(map(str, span.captures)) or 'NULL'})"


def _rows(span: Span, key: str) -> str:
    """Condition of a table's rows that are in a span."""
    first = span.first_row(key)
    return f"{_captures(span)} AND rowid >= {first}" if first else _captures(span)


def _stage_statements(con: "DuckDBPyConnection", span: Span, tables: Collection[str] | None) -> None:
    """Collect what the protocols' rows state; few captures have rows in more than some of the tables."""

    def filled(table: str) -> bool:
        if tables is not None:
            return table in tables
        return bool(run(con, f"SELECT 1 FROM {table} WHERE rowid >= {span.first_row(table)} LIMIT 1"))

    present = {table for table in TABLES if filled(table)}
    stating = [each for each in EVIDENCE if each.table in present and _any(con, each, span)]
    flows = _flows_of(con, span, [each for each in stating if each.needs_flow])
    for each in stating:
        run(con, f"{_INSERT} {statement(each, flows, _rows(span, each.table))}")
    drop(con, "own_flows")
    own_rows = _rows(span, NAMES_TABLE)
    if NAMES_TABLE in present and run(con, _ANY_STATED.format(span=own_rows)):
        reading = [table for table in _NAMED_BY if tables is None or table in tables] or _NAMED_BY[:1]
        messages = " UNION ALL ".join(
            f"SELECT capture_id, ts, flow_id, packet FROM {table} WHERE {_captures(span)}" for table in reading
        )
        run(con, _NAMES.format(span=own_rows, messages=messages))


def _any(con: "DuckDBPyConnection", each: HostEvidence, span: Span) -> bool:
    """Whether any row may state something: that is known sooner than a statement is planned."""
    sql = f"SELECT 1 FROM {each.table} WHERE {_rows(span, each.table)} AND ({each.where}) LIMIT 1"
    return each.where == "true" or bool(run(con, sql))


def _flows_of(con: "DuckDBPyConnection", span: Span, stating: list[HostEvidence]) -> str:
    """Table that has the flows of rows: of many flows a copy of those few, which is quicker than reading all again."""
    flows = "flows" if span.since else FLOWS_ENDED
    if len(stating) < 2 or run(con, f"SELECT count(*) FROM {flows}")[0][0] < MANY_FLOWS:
        return flows
    rows = " UNION ALL ".join(
        f"SELECT flow_id FROM {each.table} WHERE {_rows(span, each.table)} AND ({each.where})" for each in stating
    )
    run(con, f"CREATE OR REPLACE TEMP TABLE own_flows AS SELECT {FLOW_COLUMNS} FROM {flows} WHERE flow_id IN ({rows})")
    return "own_flows"


def _stage_traffic(con: "DuckDBPyConnection", span: Span) -> None:
    """Collect what flows show: hardware addresses, routers, servers, and values of TTL."""
    rows = _rows(span, span.flows)
    ends = [_END.format(end=end, directions=words, flows=span.flows, span=rows) for end, words in _ENDS]
    run(con, _MACS.format(ends=" UNION ALL ".join(ends)))
    run(con, _NEXT_HOPS)
    run(con, _SERVERS.format(flows=span.flows, span=rows))
    if run(con, "SELECT 1 FROM own_evidence WHERE fact = 'mac' LIMIT 1"):
        run(con, _TTLS.format(flows=span.flows, span=rows))
    _stage_vendors(con)


def _stage_vendors(con: "DuckDBPyConnection") -> None:
    """Add the vendors of all hardware addresses, and the roles that these themselves show."""
    macs = [mac for (mac,) in run(con, _LOOK_UP, {"most": MOST_CARDS})]
    rows = [(mac, "vendor", name, "address" if name.startswith("(") else "ieee") for mac, name in vendors(macs).items()]
    for mac in macs:
        protocol = virtual_router(mac)
        if protocol is not None:
            rows.append((mac, "role", f"virtual router ({protocol})", "address"))
    if rows:
        columns = [list(column) for column in zip(*rows, strict=True)]
        run(con, _VENDORS, dict(zip(("macs", "facts", "values", "sources"), columns, strict=True)))


def _run(con: "DuckDBPyConnection", span: Span, _evidence: Evidence) -> Outcome:
    return Outcome(discover(con, span))


HOSTS = Pass("hosts", _run, live=True, seldom=True)
