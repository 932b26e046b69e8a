"""A redacted copy of a session, column by column, for the leak scan's own tests."""

from pathlib import Path
from typing import Any

import duckdb

from rustnet.policy.redaction import Redactor
from rustnet.store.meanings import kind_of, protocol_tables
from rustnet.store.schema import VIEWS, quote_identifier
from rustnet.store.session import close, create_or_open, session_cursor


def redacted_session(source: Path, target: Path, redactor: Redactor) -> None:
    """Write a session with all values replaced by their kinds."""
    original = duckdb.connect(str(source), read_only=True)
    con = create_or_open(target, protocol_tables())
    out = session_cursor(con)
    tables: dict[str, list[tuple[str, str]]] = {}
    for table, column, kind in original.execute(
        "SELECT table_name, column_name, data_type FROM information_schema.columns ORDER BY ordinal_position"
    ).fetchall():
        if table not in VIEWS and table not in ("meta", "migrations"):
            tables.setdefault(table, []).append((column, kind))
    for table, columns in tables.items():
        rows = original.execute(f"SELECT {', '.join(_shown(*each) for each in columns)} FROM {table}").fetchall()
        if not rows:
            continue
        places = ", ".join("make_timestamp_ns(?)" if kind == "TIMESTAMP_NS" else "?" for _, kind in columns)
        names = ", ".join(quote_identifier(name) for name, _ in columns)
        out.executemany(
            f"INSERT INTO {table} ({names}) VALUES ({places})",
            [
                [_replaced(redactor, table, *column, value) for column, value in zip(columns, row, strict=True)]
                for row in rows
            ],
        )
    original.close()
    out.close()
    close(con)


def _shown(column: str, kind: str) -> str:
    name = quote_identifier(column)
    return f"epoch_ns({name})" if kind == "TIMESTAMP_NS" else name


def _replaced(redactor: Redactor, table: str, column: str, sql_type: str, value: Any) -> Any:
    if sql_type == "TIMESTAMP_NS":
        return value
    replaced = redactor.value(kind_of(table, column), value, column, sql_type)
    return 0 if replaced == "[redacted]" and not sql_type.startswith("VARCHAR") else replaced
