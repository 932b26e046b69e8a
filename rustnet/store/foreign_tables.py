"""Tables in files that need not be sessions: databases of DuckDB, Parquet, CSV and lines of JSON, for reading."""

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from rustnet.errors import InputError
from rustnet.store.schema import quote_identifier, quote_literal

MEMORY_LIMIT = "256MB"
_BATCH = 20_000
_LONGEST_ROW = 64 << 20
_READERS = {
    ".parquet": "read_parquet({path})",
    ".csv": "read_csv({path}, all_varchar=true, header=true, sample_size=1000, max_line_size=67108864)",
    ".jsonl": "read_json({path}, format='newline_delimited', maximum_object_size=67108864, convert_strings_to_integers="
    "false, sample_size=20000)",
    ".ndjson": "read_json({path}, format='newline_delimited', maximum_object_size=67108864)",
}
ENDINGS = frozenset((*_READERS, ".duckdb", ".db"))
"""Endings of files that are read as tables."""


class ForeignTables:
    """The tables of one file. Use it in ``with``. Raises `InputError` for a file that is not of its ending's format."""

    def __init__(self, path: Path, ending: str, name: str, spill: Path) -> None:
        import duckdb  # noqa: PLC0415 -- costs 40 ms, which `rustnet --help` must not pay

        self._error = duckdb.Error
        self._path = path
        self.free_blocks = 0
        """Blocks of a database that hold nothing that a statement can reach."""
        self._con = duckdb.connect(config={"memory_limit": MEMORY_LIMIT, "temp_directory": str(spill), "threads": 2})
        try:
            self._open(ending, name)
            self.tables = self._columns()
        except duckdb.Error as error:
            self._con.close()
            raise InputError("{path}: cannot be read: {reason}", path=path, reason=str(error).split("\n")[0]) from None

    def _open(self, ending: str, name: str) -> None:
        self._con.execute("SET python_enable_replacements = false; SET TimeZone = 'UTC'")
        place = quote_literal(str(self._path))
        if ending in _READERS:
            reader = _READERS[ending].format(path=place)
            self._con.execute(f"CREATE VIEW {quote_identifier(name)} AS SELECT * FROM {reader}")  # noqa: S608
            return
        self._con.execute(f"ATTACH {place} AS foreign_file (READ_ONLY, TYPE duckdb)")
        self._con.execute("SET enable_external_access = false; USE foreign_file")
        size = self._con.execute("SELECT free_blocks FROM pragma_database_size() WHERE database_name = 'foreign_file'")
        row = size.fetchone()
        self.free_blocks = int(row[0]) if row else 0

    def _columns(self) -> dict[str, dict[str, str]]:
        """Tables with their columns and types; what a view of a database shows is in its tables."""
        rows = self._con.execute(
            "SELECT c.table_schema, c.table_name, c.column_name, c.data_type FROM information_schema.columns c "
            "WHERE c.table_catalog = current_catalog() AND c.table_schema NOT IN ('information_schema', 'pg_catalog') "
            "ORDER BY c.table_name, c.ordinal_position"
        ).fetchall()
        views = set()
        if self._con.execute("SELECT current_catalog()").fetchone() == ("foreign_file",):
            views = {
                name
                for (name,) in self._con.execute(
                    "SELECT view_name FROM duckdb_views() WHERE database_name = 'foreign_file' AND NOT internal"
                ).fetchall()
            }
        tables: dict[str, dict[str, str]] = {}
        for schema, table, column, kind in rows:
            if table not in views:
                name = table if schema == "main" else f"{schema}.{table}"
                tables.setdefault(name, {})[column] = kind
        return tables

    def definitions(self) -> list[str]:
        """Statements of everything that the file defines, which may hold values: views, defaults, comments."""
        texts: list[str] = []
        for source in ("views", "tables", "indexes", "functions"):
            column = "macro_definition" if source == "functions" else "sql"
            rows = self._con.execute(
                f"SELECT {column} FROM duckdb_{source}() WHERE database_name = current_catalog() AND NOT "  # noqa: S608
                f"{'false' if source == 'indexes' else 'internal'}"
            ).fetchall()
            texts += [str(text) for (text,) in rows if text]
        return texts

    def count(self, table: str) -> int:
        """Rows of a table."""
        row = self._con.execute(f"SELECT count(*) FROM {self._name(table)}").fetchone()  # noqa: S608
        return int(row[0]) if row else 0

    def distinct(self, table: str, column: str) -> Iterator[list[Any]]:
        """Different values of a column, or of the elements of its lists, in batches."""
        kind = self.tables[table][column]
        name = quote_identifier(column)
        shown = f"unnest({name})" if kind.endswith("[]") and kind.count("[") == 1 else name
        cast = "::VARCHAR" if "(" in kind or kind.count("[") > 1 or kind == "JSON" else ""
        select = f"SELECT DISTINCT {shown}{cast} AS value FROM {self._name(table)} WHERE {name} IS NOT NULL"  # noqa: S608
        for batch in self._batches(select):
            yield [row[0] for row in batch if row[0] is not None]

    def rows(self, table: str, columns: list[str]) -> Iterator[tuple[Any, ...]]:
        """All rows of a table, some columns of it, in their order."""
        names = ", ".join(map(quote_identifier, columns))
        for batch in self._batches(f"SELECT {names} FROM {self._name(table)}"):  # noqa: S608
            yield from batch

    def row_of(self, table: str, column: str, value: object) -> int | None:
        """Number of the first row with a value, from 1; of a list, as one of its elements."""
        kind = self.tables[table][column]
        name = quote_identifier(column)
        same = f"list_contains({name}, ?)" if kind.endswith("[]") and kind.count("[") == 1 else f"{name}::VARCHAR = ?"
        given = value if kind.endswith("[]") else str(value)
        found = self._con.execute(
            f"SELECT row FROM (SELECT row_number() OVER () AS row, {name} FROM {self._name(table)}) WHERE {same} "  # noqa: S608
            "ORDER BY row LIMIT 1",
            [given],
        ).fetchone()
        return int(found[0]) if found else None

    def _name(self, table: str) -> str:
        return ".".join(map(quote_identifier, table.split(".", 1) if table not in self.tables else [table]))

    def _batches(self, sql: str) -> Iterator[list[tuple[Any, ...]]]:
        try:
            cursor = self._con.execute(sql)
            while batch := cursor.fetchmany(_BATCH):
                yield batch
        except self._error as error:
            raise InputError(
                "{path}: cannot be read: {reason}", path=self._path, reason=str(error).split("\n")[0]
            ) from None

    def interrupt(self) -> None:
        """Stop the statement that runs."""
        self._con.interrupt()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._con.close()
