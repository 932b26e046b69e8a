"""Removal of captures from a session: all their rows, in every table."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rustnet.store.schema import quote_identifier

if TYPE_CHECKING:
    import duckdb

_TABLES = """
SELECT t.table_name, list(c.column_name) FROM duckdb_tables() AS t
JOIN duckdb_columns() AS c ON c.table_oid = t.table_oid AND c.database_name = t.database_name
WHERE t.database_name = current_database() AND t.schema_name = 'main' AND c.column_name IN ('capture_id', 'flow_id')
GROUP BY t.table_name ORDER BY t.table_name"""


def remove_captures(con: "duckdb.DuckDBPyConnection", captures: Sequence[int]) -> None:
    """Delete the rows of ``captures`` from every table, within a transaction of the caller.

    Rows that only have a flow are those of the captures' flows; processes go with the last claim on their behalf.
    """
    numbers = f"(SELECT unnest({list(map(int, captures))}::INTEGER[]))"
    flows = f"(SELECT flow_id FROM flows WHERE capture_id IN {numbers})"  # noqa: S608 - our own numbers
    tables: list[tuple[str, list[str]]] = con.execute(_TABLES).fetchall()
    con.execute(
        "CREATE OR REPLACE TEMP TABLE removed_processes AS "  # noqa: S608
        f"SELECT DISTINCT process_id FROM claims WHERE flow_id IN {flows}"
    )
    for table, columns in sorted(tables, key=lambda each: "capture_id" in each[1]):  # flows are needed to the end
        where = f"capture_id IN {numbers}" if "capture_id" in columns else f"flow_id IN {flows}"
        con.execute(f"DELETE FROM {quote_identifier(table)} WHERE {where}")  # noqa: S608
    con.execute(
        "DELETE FROM processes WHERE process_id IN (FROM removed_processes) "
        "AND process_id NOT IN (SELECT process_id FROM claims) "
        "AND process_id NOT IN (SELECT process_id FROM flows WHERE process_id IS NOT NULL)"
    )
    con.execute("DROP TABLE removed_processes")
    con.execute(
        "DELETE FROM addresses WHERE num NOT IN (SELECT src_num FROM flows WHERE src_num IS NOT NULL "
        "UNION ALL SELECT dst_num FROM flows WHERE dst_num IS NOT NULL)"
    )


_REFERENCES = """
SELECT c.table_name, c.column_name, c.is_nullable FROM duckdb_columns() AS c
JOIN duckdb_tables() AS t ON t.table_oid = c.table_oid AND t.database_name = c.database_name
WHERE t.database_name = current_database() AND t.schema_name = 'main'
AND (c.column_name IN ('outer_flow_id', 'about_flow_id')
     OR (c.column_name = 'flow_id' AND t.table_name NOT IN ('flows_ended', 'flows_open')))
ORDER BY ALL"""


def clear_missing_flows(con: "duckdb.DuckDBPyConnection") -> None:
    """Remove references to flows that were never stored, within a transaction of the caller."""
    con.execute("CREATE OR REPLACE TEMP TABLE stored_flows AS SELECT flow_id FROM flows")
    for table, column, nullable in con.execute(_REFERENCES).fetchall():
        change = f"UPDATE {quote_identifier(table)} SET {column} = NULL"  # noqa: S608 - our own names
        if not nullable:
            change = f"DELETE FROM {quote_identifier(table)}"  # noqa: S608 - our own names
        missing = f"{column} IS NOT NULL AND {column} NOT IN (SELECT flow_id FROM stored_flows)"  # noqa: S608
        con.execute(f"{change} WHERE {missing}")
    con.execute("DROP TABLE stored_flows")
