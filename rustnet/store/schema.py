"""The schema of a session: DDL from record classes, a `meta` table, and views.

A protocol's table has four leading columns (`LEADING`) before those of its record class. Additive changes need no
migration: `reconcile` adds missing tables and columns. Every other change is a migration.
"""

import typing
from collections.abc import Iterable, Sequence

from rustnet.errors import SessionError
from rustnet.records import Column, Kind, columns, table_name
from rustnet.store.flows_at import FLOWS_AT_SQL
from rustnet.store.hosts_view import HOSTS_RULE, HOSTS_SQL
from rustnet.store.machine_views import (
    NEIGHBOURS_RULE,
    NEIGHBOURS_SQL,
    ROUTES_RULE,
    ROUTES_SQL,
    SOCKETS_RULE,
    SOCKETS_SQL,
)
from rustnet.store.tables import CORE_TABLES, FLOWS_ENDED, FLOWS_OPEN, FlowRow

if typing.TYPE_CHECKING:
    import duckdb

LEADING: tuple[Column, ...] = (
    Column("capture_id", "INTEGER", True, Kind.KEY),
    Column("flow_id", "BIGINT", True, Kind.FLOW),
    Column("ts", "TIMESTAMP_NS", True, Kind.TIME),
    Column("packet", "BIGINT", True, Kind.PACKET),
)
"""Columns before the fields of every protocol table."""

META_SQL = "CREATE TABLE IF NOT EXISTS meta(key VARCHAR NOT NULL, value VARCHAR)"
"""Properties of the file: schema_version, rustnet_version, created, and a key for each input."""

INPUT = "input "
"""Start of the keys that name captures and sidecars by their absolute paths."""

WRITING = "rustnet_writing"
"""Variable of the connections to a session that is being written: its open flows are `open` there, and `interrupted`
in a file without a writer."""

_OPEN_REASON = f"CASE WHEN getvariable('{WRITING}') THEN 'open' ELSE 'interrupted' END"
_FLOW_COLUMNS = [column.name for column in columns(FlowRow)]

FLOWS_SQL = f"""CREATE OR REPLACE VIEW flows AS
SELECT {", ".join(_FLOW_COLUMNS)} FROM {FLOWS_ENDED}
UNION ALL
SELECT {", ".join(_OPEN_REASON if name == "end_reason" else name for name in _FLOW_COLUMNS)} FROM {FLOWS_OPEN}"""  # noqa: S608 - our own columns

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
SELECT process_id, processes.host AS host, processes.pid AS pid, processes.name AS process_name,
    processes.username AS username, count(*) AS flows, count(*) FILTER (process_contested) AS contested_flows,
    sum(packets_sent)::BIGINT AS packets_sent, sum(packets_received)::BIGINT AS packets_received,
    sum(bytes_sent)::BIGINT AS bytes_sent, sum(bytes_received)::BIGINT AS bytes_received,
    count(DISTINCT remote_addr) AS remote_hosts,
    min(first_seen) AS first_seen, max(last_seen) AS last_seen
FROM connections JOIN processes USING (process_id)
GROUP BY process_id, processes.host, processes.pid, processes.name, processes.username"""

LOCAL_RULE = (
    "Flows from the local end: the one that the winning ownership claim names; without an owner, dst if the "
    "direction is inbound (public to private), else src, the initiator."
)

VIEWS: dict[str, tuple[str, str]] = {
    "flows": (FLOWS_SQL, " ".join((FlowRow.__doc__ or "").split())),
    "connections": (CONNECTIONS_SQL, LOCAL_RULE),
    "talkers": (TALKERS_SQL, "One row per address: flows, packets and bytes it sent and received, first and last."),
    "hosts": (HOSTS_SQL, HOSTS_RULE),
    "activity": (ACTIVITY_SQL, "One row per process that owns flows: flows, bytes, remote hosts, first and last."),
    "routes": (ROUTES_SQL, ROUTES_RULE),
    "neighbours": (NEIGHBOURS_SQL, NEIGHBOURS_RULE),
    "sockets": (SOCKETS_SQL, SOCKETS_RULE),
}
"""Views by name: SQL and description. A view may use those above it."""


COMPRESSION = {
    (FLOWS_ENDED, "capture_id"): "rle",
    ("packets", "capture_id"): "rle",
    ("packets", "tcp_flags"): "uncompressed",
    (FLOWS_ENDED, "community_id"): "uncompressed",
}
"""Fixed compression of large columns, which saves DuckDB from analysing them: runs of one number (rle); single bytes,
stored in a third less time; random text, whose analysis takes an eighth of the time of storing flows and saves a
quarter of the column."""


def quote_identifier(name: str) -> str:
    """Quote ``name`` as a SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def quote_literal(text: str) -> str:
    """Quote ``text`` as a SQL string, for statements that take no bound values (COPY)."""
    return "'" + text.replace("'", "''") + "'"


def base_tables(cls: type) -> tuple[str, ...]:
    """Names of the tables that hold a record class's rows."""
    return (FLOWS_ENDED, FLOWS_OPEN) if cls is FlowRow else (table_name(cls),)


def create_table_sql(cls: type, table: str, leading: Sequence[Column] = ()) -> str:
    """CREATE TABLE of a record class as ``table``, with ``leading`` columns before its fields.

    Only core tables have NOT NULL constraints: protocol tables are filled from hostile input, and one wrong value of a
    parser must not lose its batch.
    """
    lines = [f"{quote_identifier(c.name)} {c.sql_type}" for c in leading]
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
    classes: list[tuple[type, tuple[Column, ...]]] = [(cls, ()) for cls in CORE_TABLES]
    classes += [(cls, LEADING) for cls in dict.fromkeys(tables)]
    seen = {"meta", "migrations", FLOWS_ENDED, FLOWS_OPEN, *(VIEWS.keys() - {"flows"})}
    for cls, leading in classes:
        name = table_name(cls)
        if name in seen:
            raise ValueError(f"two record classes claim the table {name}")
        seen.add(name)
        clash = {c.name for c in leading} & {c.name for c in columns(cls)}
        if clash:
            raise ValueError(f"{name} repeats the leading column {clash.pop()}")
    return classes


COLUMNS_SQL = """
SELECT table_name, column_name, data_type FROM duckdb_columns()
WHERE database_name = current_database() AND schema_name = 'main' ORDER BY table_name, column_index"""
"""Columns of a session's tables and views, with their types."""


def existing_columns(con: "duckdb.DuckDBPyConnection") -> dict[str, dict[str, str]]:
    """Tables and views of a session's main schema: name to columns, column to type."""
    return by_table(con.execute(COLUMNS_SQL).fetchall())


def by_table(rows: Iterable[tuple[str, ...]]) -> dict[str, dict[str, str]]:
    """Group the rows of `COLUMNS_SQL`: table to columns, column to type."""
    tables: dict[str, dict[str, str]] = {}
    for table, column, sql_type in rows:
        tables.setdefault(table, {})[column] = sql_type
    return tables


def reconcile(con: "duckdb.DuckDBPyConnection", tables: Sequence[type]) -> None:
    """Create missing tables, columns and views of a session. Runs inside a transaction of the caller.

    Raises `SessionError` for a column whose type differs from its record's: that needs a migration.
    """
    present = existing_columns(con)
    statements: list[str] = []
    for cls, leading in all_tables(tables):
        for name in base_tables(cls):
            existing = present.get(name)
            if existing is None:
                statements.append(create_table_sql(cls, name, leading))
            else:
                statements += _missing_columns(cls, name, leading, existing)
    statements += [sql for sql, _ in VIEWS.values()]
    statements.append(FLOWS_AT_SQL)
    con.execute(";\n".join(statements))


def _missing_columns(cls: type, name: str, leading: Sequence[Column], existing: dict[str, str]) -> list[str]:
    """ALTER statements for the columns of ``cls`` that its table ``name`` lacks (NULL in existing rows)."""
    table = quote_identifier(name)
    statements = []
    for column in (*leading, *columns(cls)):
        sql_type = existing.get(column.name)
        if sql_type is None:
            statements.append(f"ALTER TABLE {table} ADD COLUMN {quote_identifier(column.name)} {column.sql_type}")
        elif sql_type != column.sql_type:
            raise SessionError(
                "column {name}.{name2} is {sql_type} in the session and {sql_type2} in this program: "
                "another version of rustnet wrote it; write to a new session file",
                name=name,
                name2=column.name,
                sql_type=sql_type,
                sql_type2=column.sql_type,
            )
    return statements
