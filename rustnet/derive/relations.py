"""What only the whole of a capture tells about single rows, worked out in SQL once its rows are stored.

`relate` runs after the captures of an ingest, before their flows are matched with owners, and looks at the captures
it is given alone. Each relation costs a sort of its own rows; flows are looked at only if something points at them.
"""

import typing
from collections.abc import Callable, Collection, Sequence

if typing.TYPE_CHECKING:
    import duckdb

MAX_CONFLICTS = 200
"""Anomalies about duplicate addresses that one capture gets; the rows themselves are all marked."""

_DUPLICATES = """
CREATE OR REPLACE TEMP TABLE arp_conflicts AS
WITH claims AS (
    SELECT a.rowid AS row_number, a.capture_id, a.flow_id, a.ts, a.packet, a.sender_ip, a.sender_mac,
        coalesce(f.vlan_id, -1) AS vlan, coalesce(f.outer_vlan_id, -1) AS outer_vlan
    FROM arp a LEFT JOIN flows f USING (flow_id)
    WHERE a.capture_id IN (SELECT unnest(?)) AND a.sender_ip <> '0.0.0.0' AND a.operation IN ('request', 'reply')
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
"""ARP messages whose sender's address another hardware address claimed before, with the one that did so last."""

_SHARED = """
SELECT 1 FROM arp WHERE capture_id IN (SELECT unnest(?)) AND sender_ip <> '0.0.0.0'
GROUP BY sender_ip HAVING min(sender_mac) <> max(sender_mac) LIMIT 1
"""
"""Whether any address has two hardware addresses at all: few captures have one."""

_MARK_DUPLICATES = """
UPDATE arp SET duplicate = true, duplicate_mac = c.other_mac FROM arp_conflicts c WHERE arp.rowid = c.row_number
"""

_REPORT_DUPLICATES = """
INSERT INTO anomalies (ts, capture_id, packet, flow_id, kind, detail, count)
WITH pairs AS (
    SELECT capture_id, sender_ip, sender_mac, other_mac, arg_min(ts, packet) AS ts, min(packet) AS packet,
        arg_min(flow_id, packet) AS flow_id, count(*) AS messages
    FROM arp_conflicts GROUP BY ALL
)
SELECT ts, capture_id, packet, flow_id, 'arp_duplicate_address',
    sender_ip || ' is claimed by ' || sender_mac || ', and was claimed by ' || other_mac || ' before', messages
FROM pairs QUALIFY row_number() OVER (PARTITION BY capture_id ORDER BY packet) <= ?
"""

_QUOTING = "SELECT 1 FROM icmp WHERE capture_id IN (SELECT unnest(?)) AND quoted_protocol IS NOT NULL LIMIT 1"

_QUOTES = """
CREATE OR REPLACE TEMP TABLE quotes AS
WITH quoting AS (
    SELECT i.rowid AS row_number, i.capture_id, i.ts, i.quoted_protocol AS protocol,
        i.quoted_src_ip AS src, i.quoted_dst_ip AS dst,
        coalesce(i.quoted_src_port, -1) AS src_port, coalesce(i.quoted_dst_port, -1) AS dst_port,
        coalesce(i.quoted_icmp_id, -1) AS icmp_id, coalesce(f.vlan_id, -1) AS vlan
    FROM icmp i LEFT JOIN flows f USING (flow_id)
    WHERE i.capture_id IN (SELECT unnest(?)) AND i.quoted_protocol IS NOT NULL
)
SELECT * FROM quoting
UNION ALL
SELECT row_number, capture_id, ts, protocol, dst, src, dst_port, src_port, icmp_id, vlan
FROM quoting WHERE src <> dst OR src_port <> dst_port
"""
"""What errors quote, in both orientations: a flow is named by its initiator, whichever end sent the quoted packet."""

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
UPDATE icmp SET about_flow_id = found.flow_id FROM (
    SELECT q.row_number, arg_max(f.flow_id, f.started_at) AS flow_id
    FROM quotes q ASOF JOIN quoted_flows f ON q.capture_id = f.capture_id AND q.protocol = f.protocol
        AND q.src = f.src AND q.dst = f.dst AND q.src_port = f.src_port AND q.dst_port = f.dst_port
        AND q.icmp_id = f.icmp_id {same_vlan} AND q.ts >= f.started_at
    GROUP BY q.row_number
) found WHERE icmp.rowid = found.row_number AND icmp.about_flow_id IS NULL
"""
"""The latest of the flows with these ends that began before the error."""


def _duplicate_addresses(con: "duckdb.DuckDBPyConnection", captures: list[int]) -> None:
    """Mark ARP messages that claim an address which another hardware address claimed before."""
    if not con.execute(_SHARED, [captures]).fetchall():
        return
    con.execute(_DUPLICATES, [captures])
    con.execute(_MARK_DUPLICATES)
    con.execute(_REPORT_DUPLICATES, [MAX_CONFLICTS])
    con.execute("DROP TABLE arp_conflicts")


def _quoted_flows(con: "duckdb.DuckDBPyConnection", captures: list[int]) -> None:
    """Find the flows that ICMP errors are about: those of the error's own VLAN first."""
    if not con.execute(_QUOTING, [captures]).fetchall():
        return
    con.execute(_QUOTES, [captures])
    con.execute(_QUOTED_FLOWS, [captures])
    con.execute(_MARK_QUOTES.format(same_vlan="AND q.vlan = f.vlan"))
    con.execute(_MARK_QUOTES.format(same_vlan=""))
    con.execute("DROP TABLE quotes")
    con.execute("DROP TABLE quoted_flows")


_RELATIONS: "dict[str, Callable[[duckdb.DuckDBPyConnection, list[int]], None]]" = {
    "arp": _duplicate_addresses,
    "icmp": _quoted_flows,
}
"""What is worked out, by the table that must have rows for it."""


def relate(con: "duckdb.DuckDBPyConnection", captures: Sequence[int], tables: Collection[str]) -> None:
    """Work out what the captures' rows in ``tables`` mean to each other."""
    for table, work in _RELATIONS.items():
        if table in tables:
            work(con, list(captures))
