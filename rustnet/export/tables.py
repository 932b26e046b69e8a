"""Writes all tables of a session as Parquet, CSV or lines of JSON: a folder with a file for each.

Of the flows it is the view `flows`, which has all of them. A session's file is written by DuckDB itself, one that is
being written, and CSV for spreadsheets, row by row; the values are the same.
"""

import io
import json
import re
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from rustnet import __version__
from rustnet.export.formats import escape_json, write_result
from rustnet.present.text import UNSAFE
from rustnet.query.execute import Caller
from rustnet.query.redaction_mark import redaction_of
from rustnet.query.session import FileSession, Session
from rustnet.store.meanings import about_table, kind_of, text_of
from rustnet.store.schema import VIEWS, quote_identifier
from rustnet.store.table_files import TYPES, TableFiles
from rustnet.store.tables import FLOWS_ENDED, FLOWS_OPEN

if TYPE_CHECKING:
    from rustnet.export.folder import ExportFolder

SCHEMA = "schema.json"
"""Name of the file that describes the others of its folder."""
_PIECE = 1 << 20
"""Characters that are read at once."""
_UNSAFE = re.compile(UNSAFE.pattern.replace("\x00-\x1f", "\x00-\x09\x0b-\x1f"))
"""Characters that JSON's texts have only escaped; ends of lines are between them."""
_ENDS = {"parquet": ".parquet", "csv": ".csv", "jsonl": ".jsonl"}


def write_parquet(session: Session, folder: "ExportFolder") -> list[str]:
    """Write all tables as Parquet."""
    return _write(session, folder, "parquet")


def write_csv(session: Session, folder: "ExportFolder", *, spreadsheet: bool = False) -> list[str]:
    """Write all tables as CSV: exact, or safe to open in a spreadsheet."""
    return _write(session, folder, "csv", spreadsheet=spreadsheet)


def write_jsonl(session: Session, folder: "ExportFolder") -> list[str]:
    """Write all tables as lines of JSON."""
    return _write(session, folder, "jsonl")


def _write(session: Session, folder: "ExportFolder", form: str, *, spreadsheet: bool = False) -> list[str]:
    tables = exported(session)
    files: dict[str, int] = {}
    with _fast(session, folder) as fast:
        for table, columns in tables.items():
            rows = int(session.execute_own(f"SELECT count(*) FROM {quote_identifier(table)}").rows[0][0])  # noqa: S608
            if not rows:
                continue
            files[table] = rows
            name = f"{form}/{table}{_ENDS[form]}"
            if fast is None or spreadsheet or not fast(form, table, columns, name):
                _write_rows(session, folder, form, table, columns, name, spreadsheet=spreadsheet)
    _describe(session, folder, form, {table: tables[table] for table in files}, files)
    return []


def exported(session: Session) -> dict[str, dict[str, str]]:
    """Tables that are exported: name to columns, column to type."""
    left = {*VIEWS, FLOWS_ENDED, FLOWS_OPEN} - {"flows"}
    return {table: columns for table, columns in session.columns().items() if table not in left}


_Fast = Callable[[str, str, Mapping[str, str], str], bool]
"""Writes a table in a format to a name of the folder; returns whether it could."""


@contextmanager
def _fast(session: Session, folder: "ExportFolder") -> "Iterator[_Fast | None]":
    """Return what writes tables by DuckDB itself; None if the session is not a file that can be opened."""
    if not isinstance(session, FileSession):
        yield None
        return
    with (
        ThreadPoolExecutor(1, "rustnet-export") as pool,
        TableFiles(Path(session.path), folder.work) as files,
    ):
        call = Caller(pool, files.con.interrupt, None)

        def write(form: str, table: str, columns: Mapping[str, str], name: str) -> bool:
            if not TYPES.issuperset(columns.values()):
                return False
            if form == "csv" and call(lambda: files.has_special_items(table, columns)):
                return False
            if form == "jsonl":
                raw = folder.work / ".lines"
                call(lambda: files.jsonl(table, columns, raw))
                with folder.create(name) as stream:
                    _escape(raw, stream)
                raw.unlink()
            else:
                path = folder.new(name)
                call(lambda: getattr(files, form)(table, columns, path))
            return True

        yield write


def _escape(raw: Path, stream: BinaryIO) -> None:
    """Write lines of JSON with what they must not show on a terminal escaped."""
    with raw.open(encoding="utf-8", newline="") as lines:
        while piece := lines.read(_PIECE):
            plain = piece.isascii() and "\x7f" not in piece
            stream.write((piece if plain else _UNSAFE.sub(escape_json, piece)).encode())


def _write_rows(
    session: Session,
    folder: "ExportFolder",
    form: str,
    table: str,
    columns: Mapping[str, str],
    name: str,
    *,
    spreadsheet: bool,
) -> None:
    """Write a table row by row."""
    shown = ", ".join(map(quote_identifier, columns))
    sql = f"SELECT {shown} FROM {quote_identifier(table)}"  # noqa: S608 -- quoted
    with session.stream(sql) as rows, folder.create(name) as stream:
        if form == "parquet":
            write_result(rows, form, stream)
            return
        text = io.TextIOWrapper(stream, "utf-8", newline="")
        write_result(rows, form, text, spreadsheet=spreadsheet)
        text.flush()
        text.detach()


def _describe(
    session: Session,
    folder: "ExportFolder",
    form: str,
    tables: Mapping[str, Mapping[str, str]],
    rows: Mapping[str, int],
) -> None:
    """Write what each file and column is."""
    redaction = redaction_of(session)
    data: dict[str, Any] = {
        "tool": f"rustnet {__version__}",
        "format": form,
        "redaction": None if redaction is None else {"policy": redaction.policy, "key": redaction.key},
        "times": _TIMES[form],
        "tables": [
            {
                "table": table,
                "file": f"{table}{_ENDS[form]}",
                "rows": rows[table],
                "meaning": about_table(table),
                "columns": [
                    {
                        "name": column,
                        "type": sql_type,
                        "kind": kind.value if (kind := kind_of(table, column)) else None,
                        "meaning": text_of(table, column),
                    }
                    for column, sql_type in columns.items()
                ],
            }
            for table, columns in tables.items()
        ],
    }
    with folder.create(f"{form}/{SCHEMA}") as stream:
        stream.write(json.dumps(data, indent=2, ensure_ascii=True).encode() + b"\n")


_TIMES = {
    "parquet": "UTC, in microseconds; for each column of type TIMESTAMP_NS a column *_ns has nanoseconds since 1970.",
    "csv": "UTC, as text by ISO 8601 with all nanoseconds.",
    "jsonl": "UTC, as text by ISO 8601 with all nanoseconds.",
}
