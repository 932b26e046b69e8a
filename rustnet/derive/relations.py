"""Pass ``relations``: links between rows that can only be determined once a capture is stored.

Each relation sorts the rows involved; flows are read only if a row refers to them.
"""

import typing
from collections.abc import Callable, Collection

from rustnet.derive.dns_tries import count_tries
from rustnet.derive.passes import Evidence, Outcome, Pass, Span

if typing.TYPE_CHECKING:
    import duckdb

MAX_CONFLICTS = 200
"""Maximum of anomalies about duplicate addresses per capture; the rows are marked without limit."""

_DUPLICATES = """
CREATE OR REPLACE TEMP TABLE arp_conflicts AS
WITH claims AS (
    SELECT a.rowid AS row_number, a.capture_id, a.flow_id, a.ts, a.packet, a.sender_ip, a.sender_mac,
        coalesce(f.vlan_id, -1) AS vlan, coalesce(f.outer_vlan_id, -1) AS outer_vlan
    FROM arp a LEFT JOIN flows f USING (flow_id)
    WHERE a.capture_id IN (SELECT unnest($captures)) AND a.sender_ip <> '0.0.0.0'
        AND a.operation IN ('request', 'reply')
        AND a.sender_ip IN (SELECT sender_ip FROM arp WHERE rowid >= $row)
), before AS (
    SELECT *, lag(sender_mac) OVER claimed AS mac_before FROM claims
    WINDOW claimed AS (PARTITION BY capture_id, vlan, outer_vlan, sender_ip ORDER BY packet, row_number)
)
SELECT row_number, capture_id, flow_id, ts, packet, sender_ip, sender_mac,
    last_value(CASE WHEN mac_before <> sender_mac THEN mac_before END IGNORE NULLS) OVER (
        PARTITION BY capture_id, vlan, outer_vlan, sender_ip ORDER BY packet, row_number
        ROWS UNBOUNDED PRECEDING) AS other_mac
FROM before QUALIFY other_mac IS NOT NULL
"""
"""ARP messages whose sender address was claimed by another hardware address earlier, with the latest of these."""

_SHARED = """
SELECT 1 FROM arp WHERE capture_id IN (SELECT unnest($captures)) AND sender_ip <> '0.0.0.0'
    AND sender_ip IN (SELECT sender_ip FROM arp WHERE rowid >= $row)
GROUP BY sender_ip HAVING min(sender_mac) <> max(sender_mac) LIMIT 1
"""
"""Cheap check whether any address has two hardware addresses: few captures have one."""

_MARK_DUPLICATES = """
UPDATE arp SET duplicate = true, duplicate_mac = c.other_mac FROM arp_conflicts c
WHERE arp.rowid = c.row_number AND arp.duplicate_mac IS DISTINCT FROM c.other_mac
"""

_CONFLICTS = """
CREATE OR REPLACE TEMP TABLE arp_reports AS
WITH pairs AS (
    SELECT capture_id, sender_ip, sender_mac, other_mac, arg_min(ts, packet) AS ts, min(packet) AS packet,
        arg_min(flow_id, packet) AS flow_id, count(*) AS messages
    FROM arp_conflicts GROUP BY ALL
)
SELECT ts, capture_id, packet, flow_id, 'arp_duplicate_address' AS kind,
    sender_ip || ' is claimed by ' || sender_mac || ', and was claimed by ' || other_mac || ' before' AS detail,
    messages AS count
FROM pairs
"""

_DELETE_DUPLICATES = """
DELETE FROM anomalies WHERE kind = 'arp_duplicate_address' AND capture_id IN (SELECT unnest($captures))
    AND ($row = 0 OR (capture_id, detail) IN (SELECT (capture_id, detail) FROM arp_reports))
"""

_REPORT_DUPLICATES = """
INSERT INTO anomalies (ts, capture_id, packet, flow_id, kind, detail, count)
SELECT r.* FROM arp_reports r LEFT JOIN (
    SELECT capture_id, count(*) AS rows FROM anomalies WHERE kind = 'arp_duplicate_address' GROUP BY capture_id
) existing ON existing.capture_id = r.capture_id
QUALIFY row_number() OVER (PARTITION BY r.capture_id ORDER BY packet) + coalesce(existing.rows, 0) <= $most
ORDER BY r.capture_id, packet
"""

_QUOTING = """
SELECT 1 FROM icmp WHERE capture_id IN (SELECT unnest($captures)) AND rowid >= $row AND quoted_protocol IS NOT NULL
    AND about_flow_id IS NULL LIMIT 1
"""

_QUOTES = """
CREATE OR REPLACE TEMP TABLE quotes AS
WITH quoting AS (
    SELECT i.rowid AS row_number, i.capture_id, i.ts, i.quoted_protocol AS protocol,
        i.quoted_src_ip AS src, i.quoted_dst_ip AS dst,
        coalesce(i.quoted_src_port, -1) AS src_port, coalesce(i.quoted_dst_port, -1) AS dst_port,
        coalesce(i.quoted_icmp_id, -1) AS icmp_id, coalesce(f.vlan_id, -1) AS vlan,
        f.dst_ip AS receiver,
        CASE WHEN i.reason IN ('port_unreachable', 'protocol_unreachable') THEN f.src_ip END AS host
    FROM icmp i LEFT JOIN flows f USING (flow_id)
    WHERE i.capture_id IN (SELECT unnest($captures)) AND i.rowid >= $row AND i.quoted_protocol IS NOT NULL
        AND i.about_flow_id IS NULL
), ends AS (
    SELECT row_number, capture_id, ts, protocol, src, dst, src_port, dst_port, icmp_id, vlan, false AS translated
    FROM quoting
    UNION
    SELECT row_number, capture_id, ts, protocol, unnest([receiver, src, receiver]), unnest([dst, host, host]), src_port,
        dst_port, icmp_id, vlan, true
    FROM quoting WHERE src_port >= 0 AND (receiver <> src OR host <> dst)
)
SELECT * FROM ends WHERE src IS NOT NULL AND dst IS NOT NULL
UNION ALL
SELECT row_number, capture_id, ts, protocol, dst, src, dst_port, src_port, icmp_id, vlan, translated
FROM ends WHERE (src <> dst OR src_port <> dst_port) AND src IS NOT NULL AND dst IS NOT NULL
"""
"""Quoted packets in both directions, because a flow is stored from its initiator's side.

An error goes to the sender of the quoted packet, and that about a port comes from its receiver. A router that
translates addresses may leave the quoted ones as they were: ``translated`` rows have those of the error itself instead.
"""

_QUOTED_FLOWS = """
CREATE OR REPLACE TEMP TABLE quoted_flows AS
SELECT flow_id, capture_id, started_at, protocol, src_ip AS src, dst_ip AS dst,
    coalesce(src_port, -1) AS src_port, coalesce(dst_port, -1) AS dst_port, coalesce(icmp_id, -1) AS icmp_id,
    coalesce(vlan_id, -1) AS vlan
FROM flows WHERE capture_id IN (SELECT unnest(?)) AND (capture_id, protocol, src_ip, dst_ip, coalesce(src_port, -1),
    coalesce(dst_port, -1), coalesce(icmp_id, -1)) IN
    (SELECT (capture_id, protocol, src, dst, src_port, dst_port, icmp_id) FROM quotes)
"""

_MARK_QUOTES = """
UPDATE icmp SET about_flow_id = latest.flow_id FROM (
    SELECT q.row_number, arg_max(f.flow_id, f.started_at) AS flow_id
    FROM quotes q ASOF JOIN quoted_flows f ON q.capture_id = f.capture_id AND q.protocol = f.protocol
        AND q.src = f.src AND q.dst = f.dst AND q.src_port = f.src_port AND q.dst_port = f.dst_port
        AND q.icmp_id = f.icmp_id {condition} AND q.ts {later}>= f.started_at
    GROUP BY q.row_number
) latest WHERE icmp.rowid = latest.row_number AND icmp.about_flow_id IS NULL
"""
"""Selects the latest flow between the same ends that started before the error."""

_CHOICES = (
    ("AND q.vlan = f.vlan AND NOT q.translated", ""),
    ("AND NOT q.translated", ""),
    ("AND NOT q.translated", "+ INTERVAL 10 MILLISECONDS "),
    ("AND q.translated", ""),
)
"""Conditions in order, each for the rows that the earlier ones left: cards with several queues may store an error some
milliseconds ahead of the packet that it is about."""


def _duplicate_addresses(con: "duckdb.DuckDBPyConnection", span: Span) -> int:
    """Mark ARP messages that claim an address that another hardware address claimed earlier."""
    values = {"captures": list(span.captures), "row": span.first_row("arp")}
    if not con.execute(_SHARED, values).fetchall():
        return 0
    con.execute(_DUPLICATES, values)
    marked = con.execute(_MARK_DUPLICATES).fetchall()[0][0]
    con.execute(_CONFLICTS)
    con.execute(_DELETE_DUPLICATES, values)
    con.execute(_REPORT_DUPLICATES, {"most": MAX_CONFLICTS})
    con.execute("DROP TABLE arp_conflicts; DROP TABLE arp_reports")
    return int(marked)


def _quoted_flows(con: "duckdb.DuckDBPyConnection", span: Span) -> int:
    """Link ICMP errors to the flows they quote, preferably in the same VLAN and with the quoted addresses."""
    values = {"captures": list(span.captures), "row": span.first_row("icmp")}
    if not con.execute(_QUOTING, values).fetchall():
        return 0
    con.execute(_QUOTES, values)
    con.execute(_QUOTED_FLOWS, [list(span.captures)])
    marked = 0
    for condition, later in _CHOICES:
        marked += con.execute(_MARK_QUOTES.format(condition=condition, later=later)).fetchall()[0][0]
    con.execute("DROP TABLE quotes; DROP TABLE quoted_flows")
    return marked


_RELATIONS: "dict[str, Callable[[duckdb.DuckDBPyConnection, Span], int]]" = {
    "arp": _duplicate_addresses,
    "icmp": _quoted_flows,
    "dns": count_tries,
}
"""Relations by the table they require."""


def relate(con: "duckdb.DuckDBPyConnection", span: Span, tables: Collection[str] = tuple(_RELATIONS)) -> int:
    """Update the relations of a span's rows in ``tables``; returns the number of rows changed."""
    return sum(work(con, span) for table, work in _RELATIONS.items() if table in tables)


def _run(con: "duckdb.DuckDBPyConnection", span: Span, _evidence: Evidence) -> Outcome:
    return Outcome(relate(con, span))


RELATIONS = Pass("relations", _run, live=True)
