"""The schema of a session: DDL from record dataclasses, a `meta` table, and the views that people ask first.

A protocol's table is its record class with four columns in front (`LEADING`). Additive change needs no migration:
`reconcile` makes the tables and columns that a file lacks. Everything else is a migration.
"""

import typing
from collections.abc import Sequence

from rustnet.errors import SessionError
from rustnet.policy.names import LEARNED, UNKNOWN
from rustnet.records import Column, Kind, columns, table_name
from rustnet.store.tables import CORE_TABLES

if typing.TYPE_CHECKING:
    import duckdb

LEADING: tuple[Column, ...] = (
    Column("capture_id", "INTEGER", True, Kind.KEY),
    Column("flow_id", "BIGINT", True, Kind.FLOW),
    Column("ts", "TIMESTAMP_NS", True, Kind.TIME),
    Column("packet", "BIGINT", True, Kind.PACKET),
)
"""Columns that stand before the fields of every protocol table."""

META_SQL = "CREATE TABLE IF NOT EXISTS meta(key VARCHAR NOT NULL, value VARCHAR)"
"""What a file is: schema_version, rustnet_version, created."""

CONNECTIONS_SQL = """CREATE OR REPLACE VIEW connections AS
WITH owner AS (
    SELECT flow_id, process_id, arg_min(reversed, rank) AS local_is_dst FROM claims GROUP BY flow_id, process_id
), sided AS (
    SELECT flows.*, coalesce(owner.local_is_dst, flows.direction = 'inbound', false) AS local_is_dst
    FROM flows LEFT JOIN owner ON owner.flow_id = flows.flow_id AND owner.process_id = flows.process_id
)
SELECT
    flow_id, capture_id, protocol,
    CASE WHEN local_is_dst THEN dst_ip ELSE src_ip END AS local_addr,
    CASE WHEN local_is_dst THEN dst_port ELSE src_port END AS local_port,
    CASE WHEN local_is_dst THEN src_ip ELSE dst_ip END AS remote_addr,
    CASE WHEN local_is_dst THEN src_port ELSE dst_port END AS remote_port,
    NOT local_is_dst AS local_initiated,
    processes.pid AS pid, processes.name AS process_name, processes.username AS username,
    state, service, app, app_source, hostname, hostname_source,
    CASE WHEN hostname_source = 'sni' THEN hostname END AS sni,
    direction, conn_state,
    CASE WHEN local_is_dst THEN dst_bytes ELSE src_bytes END AS bytes_sent,
    CASE WHEN local_is_dst THEN src_bytes ELSE dst_bytes END AS bytes_received,
    CASE WHEN local_is_dst THEN dst_packets ELSE src_packets END AS packets_sent,
    CASE WHEN local_is_dst THEN src_packets ELSE dst_packets END AS packets_received,
    CASE WHEN local_is_dst THEN dst_retransmissions ELSE src_retransmissions END AS retransmissions_sent,
    CASE WHEN local_is_dst THEN src_retransmissions ELSE dst_retransmissions END AS retransmissions_received,
    rtt_ms, vlan_id, sided.process_id AS process_id, process_source, process_contested, unowned_reason,
    sided.started_at AS first_seen, ended_at AS last_seen,
    (epoch_ns(ended_at) - epoch_ns(sided.started_at)) / 1000000.0 AS duration_ms
FROM sided LEFT JOIN processes ON processes.process_id = sided.process_id"""

TALKERS_SQL = """CREATE OR REPLACE VIEW talkers AS
WITH ends AS (
    SELECT src_ip AS ip, 1 AS flow, 1 AS initiated, src_packets AS packets_sent, dst_packets AS packets_received,
           src_bytes AS bytes_sent, dst_bytes AS bytes_received, started_at, ended_at
    FROM flows WHERE src_ip IS NOT NULL
    UNION ALL
    SELECT dst_ip, CASE WHEN dst_ip = src_ip THEN 0 ELSE 1 END, 0, dst_packets, src_packets,
           dst_bytes, src_bytes, started_at, ended_at
    FROM flows WHERE dst_ip IS NOT NULL
)
SELECT ip, sum(flow)::BIGINT AS flows, sum(initiated)::BIGINT AS flows_initiated,
    sum(packets_sent)::BIGINT AS packets_sent, sum(packets_received)::BIGINT AS packets_received,
    sum(bytes_sent)::BIGINT AS bytes_sent, sum(bytes_received)::BIGINT AS bytes_received,
    min(started_at) AS first_seen, max(ended_at) AS last_seen
FROM ends GROUP BY ip"""

ACTIVITY_SQL = """CREATE OR REPLACE VIEW activity AS
SELECT process_id, any_value(processes.host) AS host, any_value(processes.pid) AS pid,
    any_value(processes.name) AS process_name, any_value(processes.username) AS username,
    count(*) AS flows, count(*) FILTER (process_contested) AS contested_flows,
    sum(packets_sent)::BIGINT AS packets_sent, sum(packets_received)::BIGINT AS packets_received,
    sum(bytes_sent)::BIGINT AS bytes_sent, sum(bytes_received)::BIGINT AS bytes_received,
    count(DISTINCT remote_addr) AS remote_hosts,
    min(first_seen) AS first_seen, max(last_seen) AS last_seen
FROM connections JOIN processes USING (process_id) GROUP BY process_id"""

NAME_RANK = "CASE source " + " ".join(f"WHEN '{n.source}' THEN {n.rank}" for n in LEARNED) + f" ELSE {UNKNOWN} END"
"""Rank of a row of `names`, by the order of docs/names.md (the better one, of sources that have two)."""

_PLACE = """CASE WHEN protocol = 'arp' THEN 1 WHEN tunnel IS NOT NULL THEN NULL
        WHEN starts_with(src_ip, 'fe80:') THEN 2 WHEN dst_mac = 'ff:ff:ff:ff:ff:ff' THEN 3
        WHEN starts_with(dst_ip, '224.0.0.') OR starts_with(dst_ip, 'ff02:') THEN 3 END"""
"""How a flow shows that `src_mac` is the initiator's own and not a router's, by the words of `learned_from`."""

HOSTS_SQL = f"""CREATE OR REPLACE VIEW hosts AS
WITH learned AS (
    SELECT ip, min(place) FILTER (mac IS NOT NULL) AS place,
        arg_max(mac, (-place, seen)) FILTER (mac IS NOT NULL AND place > 0) AS mac,
        count(DISTINCT mac) FILTER (place > 0) AS macs, min(started_at) AS first_seen, max(seen) AS last_seen
    FROM (
        SELECT src_ip AS ip, src_mac AS mac, {_PLACE} AS place, started_at, ended_at AS seen
        FROM flows WHERE src_packets > 0
        UNION ALL
        SELECT dst_ip, dst_mac, CASE WHEN starts_with(dst_ip, 'fe80:') AND tunnel IS NULL THEN 2 END,
            started_at, ended_at
        FROM flows WHERE dst_packets > 0)
    WHERE ip NOT IN ('0.0.0.0', '::') GROUP BY ip
), called AS (
    SELECT ip, min_by(name, (rank, -ts)) AS name, min_by(source, (rank, -ts)) AS source
    FROM (
        SELECT ip, name, source, epoch_ns(ts) AS ts, {NAME_RANK} AS rank FROM names
        UNION ALL
        SELECT dst_ip, hostname, hostname_source, epoch_ns(started_at), {UNKNOWN} FROM flows WHERE hostname IS NOT NULL)
    GROUP BY ip
)
SELECT learned.ip, mac, NULL::VARCHAR AS vendor, first_seen, last_seen,
    CASE WHEN mac IS NULL THEN 'traffic' ELSE ['arp', 'link-local', 'multicast'][place] END AS learned_from,
    macs, called.name AS hostname, called.source AS hostname_source
FROM learned LEFT JOIN called ON called.ip = learned.ip"""  # noqa: S608 - our own parts

HOSTS_RULE = (
    "One row per address that sent a packet: its name, and its hardware address where ARP, a link-local address or a "
    "packet to all on the link shows it (learned_from; macs counts different ones; vendor is not filled yet)."
)

LOCAL_RULE = (
    "Flows from the local end: the one that the winning ownership claim names; without an owner, dst if the "
    "direction is inbound (public to private), else src, the initiator."
)

VIEWS: dict[str, tuple[str, str]] = {
    "connections": (CONNECTIONS_SQL, LOCAL_RULE),
    "talkers": (TALKERS_SQL, "One row per address: flows, packets and bytes it sent and received, first and last."),
    "hosts": (HOSTS_SQL, HOSTS_RULE),
    "activity": (ACTIVITY_SQL, "One row per process that owns flows: flows, bytes, remote hosts, first and last."),
}
"""Views by name: their SQL and what they show. A view may use those above it."""


COMPRESSION = {
    ("flows", "capture_id"): "rle",
    ("packets", "capture_id"): "rle",
    ("packets", "tcp_flags"): "uncompressed",
    ("flows", "community_id"): "uncompressed",
}
"""Large columns for which DuckDB need not try what stores them smallest: runs of one number; what is a byte anyway, and
takes a third less time; random text, for which trying takes an eighth of the time that storing flows does, and saves a
quarter of the column."""


def quote_identifier(name: str) -> str:
    """``name`` as a SQL identifier, whatever it contains."""
    return '"' + name.replace('"', '""') + '"'


def quote_literal(text: str) -> str:
    """``text`` as a SQL string, for the few statements that take no bound values (COPY)."""
    return "'" + text.replace("'", "''") + "'"


def create_table_sql(cls: type, leading: Sequence[Column] = ()) -> str:
    """CREATE TABLE for a record class, with ``leading`` columns before its fields.

    Core tables say NOT NULL. Protocol tables do not: they are filled from hostile input, and one slip of a parser
    must not cost the batch it stands in.
    """
    lines = [f"{quote_identifier(c.name)} {c.sql_type}" for c in leading]
    table = table_name(cls)
    for column in columns(cls):
        rule = "" if leading or column.nullable else " NOT NULL"
        if (table, column.name) in COMPRESSION:
            rule += f" USING COMPRESSION {COMPRESSION[table, column.name]}"
        lines.append(f"{quote_identifier(column.name)} {column.sql_type}{rule}")
    return f"CREATE TABLE IF NOT EXISTS {quote_identifier(table)}({', '.join(lines)})"


def all_tables(tables: Sequence[type]) -> list[tuple[type, tuple[Column, ...]]]:
    """Every record class of a session with its leading columns: the core tables, then ``tables``.

    Raises ``ValueError`` if two classes claim one table, or a protocol's field repeats a leading column.
    """
    made: list[tuple[type, tuple[Column, ...]]] = [(cls, ()) for cls in CORE_TABLES]
    made += [(cls, LEADING) for cls in dict.fromkeys(tables)]
    seen = {"meta", "migrations", *VIEWS}
    for cls, leading in made:
        name = table_name(cls)
        if name in seen:
            raise ValueError(f"two record classes claim the table {name}")
        seen.add(name)
        clash = {c.name for c in leading} & {c.name for c in columns(cls)}
        if clash:
            raise ValueError(f"{name} repeats the leading column {clash.pop()}")
    return made


def existing_columns(con: "duckdb.DuckDBPyConnection") -> dict[str, dict[str, str]]:
    """Tables and views of a session's main schema: name to columns, column to type."""
    found: dict[str, dict[str, str]] = {}
    rows = con.execute(
        "SELECT table_name, column_name, data_type FROM duckdb_columns() "
        "WHERE database_name = current_database() AND schema_name = 'main' ORDER BY table_name, column_index"
    ).fetchall()
    for table, column, sql_type in rows:
        found.setdefault(table, {})[column] = sql_type
    return found


def reconcile(con: "duckdb.DuckDBPyConnection", tables: Sequence[type]) -> None:
    """Make what a session lacks: tables, columns, views. Run inside a transaction of the caller.

    A column that has another type than its record says is a `SessionError`: it would need a migration.
    """
    present = existing_columns(con)
    statements: list[str] = []
    for cls, leading in all_tables(tables):
        name = table_name(cls)
        have = present.get(name)
        if have is None:
            statements.append(create_table_sql(cls, leading))
            continue
        statements += _missing_columns(cls, leading, have)
    if "hosts" in present and "hostname" not in present["hosts"]:
        statements.append("DROP TABLE hosts")  # first sessions had it as a table that nothing filled
    statements += [sql for sql, _ in VIEWS.values()]
    con.execute(";\n".join(statements))


def _missing_columns(cls: type, leading: Sequence[Column], have: dict[str, str]) -> list[str]:
    """ALTER statements for the columns of ``cls`` that its table lacks (they may be NULL in rows of before)."""
    table = quote_identifier(table_name(cls))
    made = []
    for column in (*leading, *columns(cls)):
        sql_type = have.get(column.name)
        if sql_type is None:
            name = quote_identifier(column.name)
            made.append(f"ALTER TABLE {table} ADD COLUMN {name} {column.sql_type}")
        elif sql_type != column.sql_type:
            raise SessionError(
                f"column {table_name(cls)}.{column.name} is {sql_type} in the session and {column.sql_type} in this "
                "program: another version of rustnet wrote it; write to a new session file"
            )
    return made
