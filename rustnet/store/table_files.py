"""Writes tables of a session's file to files of other formats, in DuckDB itself.

Values are those of `rustnet.export.formats`: times in UTC with all nanoseconds, NULL and empty text apart from each
other, JSON types for lists. Columns of types that no record has are not written here.
"""

import typing
from collections.abc import Mapping
from pathlib import Path

from rustnet.store import session as store
from rustnet.store.schema import quote_identifier, quote_literal

MEMORY = "384MB"
_INTEGERS = frozenset(
    f"{sign}{size}" for sign in ("", "U") for size in ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT")
)
TYPES = _INTEGERS | {"VARCHAR", "VARCHAR[]", "BOOLEAN", "DOUBLE", "TIMESTAMP", "TIMESTAMP_NS"}
"""Types that are written here."""

_SPACE = r"\s\x0b\x1c-\x1f\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}"
_QUOTED = quote_literal(rf'[,"\r\n]|^[{_SPACE}]|[{_SPACE}]$')
"""Text that is put in quotation marks, by RFC 4180 and so that no reader strips it."""
_LINES = r"(FORMAT csv, HEADER false, QUOTE '', ESCAPE '', DELIMITER E'\x01')"
"""Writes one column of texts as lines, as they are."""


class TableFiles:
    """A session's file, open for writing its tables to files in a directory. Use it in ``with``."""

    def __init__(self, session: Path, folder: Path) -> None:
        self.con = store.open_readonly(session, memory_limit=MEMORY, outputs=folder)
        self.con.execute(f"USE {store.ATTACHED}")

    def __enter__(self) -> typing.Self:
        return self

    def __exit__(self, *_: object) -> None:
        store.close(self.con)

    def parquet(self, table: str, columns: Mapping[str, str], path: Path) -> None:
        """Write a table as Parquet: times as µs and as ns in another column, integers of 128 bits as text."""
        shown = ", ".join(sql for name, kind in columns.items() for sql in _for_parquet(name, kind))
        select = f"SELECT {shown} FROM {quote_identifier(table)}"  # noqa: S608 -- quoted
        self._copy(select, path, "(FORMAT parquet, COMPRESSION zstd)")

    def has_special_items(self, table: str, columns: Mapping[str, str]) -> bool:
        """Whether lists of a table have texts with other characters than visible ones of ASCII.

        JSON within CSV escapes some of these, which DuckDB does not do.
        """
        lists = [quote_identifier(name) for name, kind in columns.items() if kind == "VARCHAR[]"]
        found = " OR ".join(f"regexp_matches(array_to_string({name}, ''), '[^ -~]')" for name in lists)
        sql = f"SELECT 1 FROM {quote_identifier(table)} WHERE {found} LIMIT 1"  # noqa: S608 -- quoted
        return bool(lists) and bool(self.con.execute(sql).fetchall())

    def csv(self, table: str, columns: Mapping[str, str], path: Path) -> None:
        """Write a table as CSV, exact."""
        head = ",".join(_csv_head(name) for name in columns)
        cells = " || ',' || ".join(_csv_cell(quote_identifier(name), kind) for name, kind in columns.items())
        rows = f"SELECT {cells} || chr(13) AS line FROM {quote_identifier(table)}"  # noqa: S608 -- quoted
        self._copy(f"SELECT {quote_literal(head)} || chr(13) AS line UNION ALL ({rows})", path, _LINES)

    def jsonl(self, table: str, columns: Mapping[str, str], path: Path) -> None:
        """Write a table as lines of JSON, in which characters beyond ASCII and DEL are as they are."""
        fields = ", ".join(
            f"{quote_literal(name)}: {_json_value(quote_identifier(name), kind)}" for name, kind in columns.items()
        )
        select = f"SELECT to_json({{{fields}}})::VARCHAR AS line FROM {quote_identifier(table)}"  # noqa: S608 -- quoted
        self._copy(select, path, _LINES)

    def _copy(self, select: str, path: Path, options: str) -> None:
        with store.explained(Path(path.name)):
            self.con.execute(f"COPY ({select}) TO {quote_literal(str(path))} {options}")


def _for_parquet(name: str, kind: str) -> tuple[str, ...]:
    column = quote_identifier(name)
    if kind == "TIMESTAMP_NS":
        ns = f"epoch_ns({column})"
        below = f"(({ns} % 1000 + 1000) % 1000)"  # also before 1970, where // would round up
        return f"make_timestamp(({ns} - {below}) // 1000) AS {column}", f"{ns} AS {quote_identifier(f'{name}_ns')}"
    return (f"{column}::VARCHAR AS {column}",) if kind.endswith("HUGEINT") else (column,)


def _moment(column: str, kind: str) -> str:
    """Expression of a moment as text."""
    fraction = "%n" if kind == "TIMESTAMP_NS" else "%f"
    return f"strftime({column}, '%Y-%m-%dT%H:%M:%S.{fraction}') || 'Z'"


def _csv_head(name: str) -> str:
    return f'"{name}"' if any(char in name for char in ',"\r\n') else name


def _csv_cell(column: str, kind: str) -> str:
    if kind.startswith("TIMESTAMP"):
        return f"coalesce({_moment(column, kind)}, '')"
    if kind == "VARCHAR[]":
        column = f"'[' || array_to_string([coalesce(to_json(x)::VARCHAR, 'null') for x in {column}], ', ') || ']'"
    elif kind != "VARCHAR":
        return f"coalesce({column}::VARCHAR, '')"
    quoted = f"""'"' || replace({column}, '"', '""') || '"'"""
    return (
        f"CASE WHEN ({column}) IS NULL THEN '' WHEN ({column}) = '' OR regexp_matches({column}, {_QUOTED}) "
        f"THEN {quoted} ELSE {column} END"
    )


def _json_value(column: str, kind: str) -> str:
    if kind.startswith("TIMESTAMP"):
        return _moment(column, kind)
    return f"CASE WHEN isfinite({column}) THEN {column} END" if kind == "DOUBLE" else column
