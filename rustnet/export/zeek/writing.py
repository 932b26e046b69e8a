"""Writes one log of Zeek from a session: one statement, whose rows are streamed."""

from collections.abc import Mapping
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, BinaryIO

from rustnet.export.zeek.encoding import EMPTY, SEPARATOR, UNSET, is_number, json_line, tsv_line
from rustnet.export.zeek.spec import COMMON, Field, Log
from rustnet.store.schema import quote_identifier

if TYPE_CHECKING:
    from rustnet.export.folder import ExportFolder
    from rustnet.query.session import Session

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
BILLION = 1_000_000_000

Columns = Mapping[str, Mapping[str, str]]


def _decimal(value: str) -> str:
    """SQL text of a number of microseconds, as seconds with six decimals."""
    whole = f"printf('%d.%06d', abs({value}) // 1000000, abs({value}) % 1000000)"
    return f"CASE WHEN {value} < 0 THEN '-' || {whole} ELSE {whole} END"


def _written(field: Field, at: int, *, as_json: bool) -> str:
    """SQL of a field as it is fetched: numbers, times and truth values as text, lists and texts as they are."""
    value = f"x.c{at}"
    if field.is_list or field.change is not None:
        return value
    if field.type in ("time", "interval"):
        shown = _decimal(value)
    elif field.type == "bool":
        true, false = ("true", "false") if as_json else ("T", "F")
        shown = f"CASE {value} WHEN true THEN '{true}' WHEN false THEN '{false}' END"
    elif is_number(field.type):
        shown = f"{value}::VARCHAR"
    else:
        return value
    return shown if as_json else f"coalesce({shown}, '{UNSET}')"


def _computed(field: Field) -> str:
    """SQL of a field's value; of times in microseconds: Zeek does not keep what is smaller."""
    if not field.sql:
        return "NULL::VARCHAR[]" if field.is_list else "NULL::BIGINT" if is_number(field.type) else "NULL::VARCHAR"
    return f"({field.sql}) // 1000" if field.type == "time" and field.change is None else field.sql


def _missing(table: str, present: Columns) -> str:
    """Common table expression that stands for a protocol's table of an older session, with the columns it lacks."""
    from rustnet.records import columns, table_name  # noqa: PLC0415 -- with the parsers, which few commands need
    from rustnet.store.meanings import protocol_tables  # noqa: PLC0415

    lacking = [
        f"NULL::{column.sql_type} AS {quote_identifier(column.name)}"
        for cls in protocol_tables()
        if table_name(cls) == table
        for column in columns(cls)
        if column.name not in present[table]
    ]
    return f"{table} AS (SELECT *, {', '.join(lacking)} FROM main.{table})" if lacking else ""  # noqa: S608 -- our own


def statement(log: Log, present: Columns, *, as_json: bool) -> str:
    """SQL whose rows are the log's."""
    parts = [part for table in log.tables if (part := _missing(table, present))]
    parts += [COMMON[name] for name in log.needs] + list(log.common)
    common = f"WITH {', '.join(parts)}\n" if parts else ""
    computed = ",\n    ".join(f"{_computed(field)} AS c{at}" for at, field in enumerate(log.fields))
    keys = ", ".join(f"{key} AS k{at}" for at, key in enumerate(log.order))
    written = ", ".join(_written(field, at, as_json=as_json) for at, field in enumerate(log.fields))
    order = ", ".join(f"x.k{at}" for at in range(len(log.order)))
    return (
        f"{common}SELECT {written} FROM (\n  SELECT {computed},\n    {keys}\n  FROM {log.source}) x\nORDER BY {order}"  # noqa: S608 -- the log's own
    )


def can_be_written(log: Log, present: Columns) -> bool:
    """Whether a session has the tables that a log is made of."""
    return all(table in present for table in log.tables)


def header(log: Log, opened: int) -> str:
    """Lines before the rows; a log is opened at the time of the first packet."""
    return (
        f"#separator \\x09\n#set_separator\t{SEPARATOR}\n#empty_field\t{EMPTY}\n#unset_field\t{UNSET}\n"
        f"#path\t{log.path}\n#open\t{_moment(opened)}\n"
        f"#fields\t{chr(9).join(field.name for field in log.fields)}\n"
        f"#types\t{chr(9).join(field.type for field in log.fields)}\n"
    )


def _moment(ns: int) -> str:
    return (EPOCH + timedelta(seconds=ns // BILLION)).strftime("%Y-%m-%d-%H-%M-%S")


def write_log(
    session: "Session", folder: "ExportFolder", log: Log, present: Columns, span: tuple[int, int], *, as_json: bool
) -> int:
    """Write one log, unless it has no rows, and return their number. ``span`` is the packets' first and last time."""
    line = json_line(log.fields) if as_json else tsv_line(log.fields)
    count = 0
    with ExitStack() as opened:
        rows = opened.enter_context(session.stream(statement(log, present, as_json=as_json), own=True))
        stream: BinaryIO | None = None
        for batch in rows.batches():
            if stream is None:
                stream = opened.enter_context(folder.create(f"zeek/{log.path}.log"))
                if not as_json:
                    stream.write(header(log, span[0]).encode())
            stream.write("".join(f"{line(row)}\n" for row in batch).encode())
            count += len(batch)
        if stream is not None and not as_json:
            stream.write(f"#close\t{_moment(span[1])}\n".encode())
    return count
