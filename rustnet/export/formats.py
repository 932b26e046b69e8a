"""Writes results as table, markdown, csv, json, jsonl or parquet.

Values are exact except in ``table`` and ``markdown``, where sizes are humanised and control characters are escaped.
Times are in UTC, marked by ``Z``; those formats show them in the user's zone, with its offset. No format passes control
sequences from hostile text to a terminal.
"""

import datetime as dt
import decimal
import io
import json
import re
import shutil
import tempfile
import typing
from collections.abc import Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any, BinaryIO, TextIO

from rustnet.errors import UsageError
from rustnet.export.parquet import json_value, write_parquet
from rustnet.present.text import UNSAFE, cut, pad, printable, width
from rustnet.present.values import exact_datetime, exact_moment, humanised, timestamp_ns
from rustnet.query.execute import ResultSet, Row, RowStream, unique

FORMATS: tuple[str, ...] = ("table", "csv", "json", "jsonl", "parquet", "markdown")
"""Formats by name."""

MEASURED_ROWS = 1000
"""Rows from which the column widths of a table are computed."""
WIDEST_CELL = 200
"""Maximum width of a cell if the output is not a terminal."""
NARROWEST_CELL = 6
"""Columns are not narrowed below this width."""
GAP = "  "

SPACED = json.JSONEncoder(ensure_ascii=False, allow_nan=False)
COMPACT = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))
"""Encoders for `dumps`."""

_NUMERIC = re.compile(r"U?(TINY|SMALL|BIG|HUGE)INT|U?INTEGER|FLOAT|DOUBLE|DECIMAL\(.*\)")
_SIZE_NAME = re.compile(r"(.*_)?(bytes|payload)(_.*)?")
_FORMULA = re.compile(r"(^|;)([\s\"']*)(?=[=+\-@|%\uff1d\uff0b\uff0d\uff20])")
"""Where text may begin a formula: at its start, and after the semicolon that separates fields in some countries."""


def write_result(
    result: ResultSet | RowStream,
    fmt: str,
    stream: TextIO | BinaryIO,
    *,
    columns: int | None = None,
    humanise: bool = True,
    spreadsheet: bool = False,
) -> int:
    """Write ``result`` to ``stream`` in a format of `FORMATS`; returns the number of rows.

    ``columns`` is the width of a table, by default the terminal's if the stream is one. ``humanise`` writes sizes in
    tables as ``1.5 MB``. ``spreadsheet`` puts an apostrophe before csv text that a spreadsheet would run as a formula,
    and escapes control characters; without it, csv is exact. Parquet requires a binary stream (or a text stream with a
    ``buffer``).
    """
    batches = result.batches() if isinstance(result, RowStream) else iter([result.rows] if result.rows else [])
    if fmt == "parquet":
        return _write_parquet(result, batches, stream)
    text = typing.cast("TextIO", stream)
    if fmt == "csv":
        return _write_csv(result, batches, text, spreadsheet=spreadsheet)
    if fmt in ("json", "jsonl"):
        return _write_json(result, batches, text, lines=fmt == "jsonl")
    if fmt not in FORMATS:
        raise UsageError("unknown format {fmt!r}; known formats: {formats}", fmt=fmt, formats=", ".join(FORMATS))
    shown = _Cells(result, humanise=humanise)
    if fmt == "markdown":
        count = _write_markdown(shown, batches, text)
    else:
        limit = columns or (shutil.get_terminal_size().columns if _is_terminal(text) else None)
        count = _write_table(shown, batches, text, limit)
    if isinstance(result, ResultSet) and result.truncated:
        text.write(f"\n({count} rows; there are more)\n")
    return count


def _is_terminal(stream: TextIO | BinaryIO) -> bool:
    return bool(getattr(stream, "isatty", lambda: False)())


def _exact(value: Any, kind: str) -> Any:
    """Value for json and csv: JSON types, with times as text."""
    if value is None or isinstance(value, str | bool):
        return value
    if isinstance(value, int):
        return timestamp_ns(value) if kind == "TIMESTAMP_NS" else value
    if isinstance(value, dt.datetime):
        return value.isoformat(timespec="microseconds") + "Z"
    if isinstance(value, decimal.Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return json_value(value)


def escape_json(match: re.Match[str]) -> str:
    """An unsafe character as JSON's escape."""
    code = ord(match[0])
    if code < 0x10000:
        return f"\\u{code:04x}"
    return f"\\u{0xD800 + (code - 0x10000 >> 10):04x}\\u{0xDC00 + (code & 0x3FF):04x}"


def dumps(value: Any, encoder: json.JSONEncoder = SPACED) -> str:
    """JSON without line breaks, and without control characters and characters that reorder or hide text."""
    text = encoder.encode(value)
    return text if text.isascii() and "\x7f" not in text else UNSAFE.sub(escape_json, text)


def _write_json(result: ResultSet | RowStream, batches: Iterator[list[Row]], out: TextIO, *, lines: bool) -> int:
    names = unique(result.columns)
    count = 0
    if not lines:
        out.write("[")
    for row in chain.from_iterable(batches):
        cells = {n: _exact(v, t) for n, v, t in zip(names, row, result.types, strict=True)}
        if not lines:
            out.write(",\n" if count else "\n")
        out.write(dumps(cells))
        if lines:
            out.write("\n")
        count += 1
    if not lines:
        out.write("\n]\n" if count else "]\n")
    return count


def _csv_cell(value: Any, *, spreadsheet: bool, escape: bool) -> str:
    """One field by RFC 4180. NULL is empty, and an empty text is ``""``."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str):
        return (
            _csv_cell(dumps(value), spreadsheet=spreadsheet, escape=escape)
            if isinstance(value, list | dict)
            else repr(value)
        )
    text = printable(value) if escape or spreadsheet else value
    if spreadsheet:
        text = _FORMULA.sub(r"\1'\2", text)
    quoted = not text or any(c in text for c in ',"\r\n') or text != text.strip()
    return '"' + text.replace('"', '""') + '"' if quoted else text


def _write_csv(result: ResultSet | RowStream, batches: Iterator[list[Row]], out: TextIO, *, spreadsheet: bool) -> int:
    escape = _is_terminal(out)
    count = 0

    def line(values: Sequence[Any]) -> str:
        return ",".join(_csv_cell(v, spreadsheet=spreadsheet, escape=escape) for v in values) + "\r\n"

    out.write(line(result.columns))
    for row in chain.from_iterable(batches):
        out.write(line([_exact(v, t) for v, t in zip(row, result.types, strict=True)]))
        count += 1
    return count


class _Cells:
    """Formats values as safe text for tables; knows which columns are numbers and sizes."""

    def __init__(self, result: ResultSet | RowStream, *, humanise: bool) -> None:
        self.types = result.types
        self.names = [printable(name) for name in result.columns]
        self.right = [bool(_NUMERIC.fullmatch(kind)) for kind in result.types]
        self.sizes = [
            humanise and right and bool(_SIZE_NAME.fullmatch(name))
            for name, right in zip(result.columns, self.right, strict=True)
        ]

    def row(self, row: Row) -> list[str]:
        """Return one row as safe text."""
        return [self._cell(v, t, s) for v, t, s in zip(row, self.types, self.sizes, strict=True)]

    @staticmethod
    def _cell(value: Any, kind: str, size: bool) -> str:
        if value is None:
            return "-"
        if size:
            return humanised(float(value))
        if kind == "TIMESTAMP_NS" and isinstance(value, int):
            return exact_moment(value)
        match value:
            case dt.datetime():
                shown = exact_datetime(value)
            case bool():
                shown = "yes" if value else "no"
            case float():
                shown = f"{value:.3f}".rstrip("0").rstrip(".") if abs(value) >= 0.001 or not value else f"{value:.3g}"
            case list():
                shown = ", ".join("-" if item is None else str(json_value(item)) for item in value)
            case decimal.Decimal():
                shown = str(value)
            case _:
                exact = _exact(value, kind)
                shown = exact if isinstance(exact, str) else dumps(exact)
        return printable(shown)


def _write_table(cells: _Cells, batches: Iterator[list[Row]], out: TextIO, limit: int | None) -> int:
    rows = map(cells.row, chain.from_iterable(batches))
    measured = list(islice(rows, MEASURED_ROWS))
    widths = [max([width(name), *(width(row[i]) for row in measured)]) for i, name in enumerate(cells.names)]
    widths = [min(w, WIDEST_CELL) for w in widths] if limit is None else fit(widths, limit)
    count = 0

    def line(values: Sequence[str]) -> str:
        text = GAP.join(
            pad(cut(value, w), w, right=right) for value, w, right in zip(values, widths, cells.right, strict=True)
        ).rstrip()
        return (text if limit is None else cut(text, limit)) + "\n"

    out.write(line(cells.names))
    out.write(line(["─" * w for w in widths]))
    for row in chain(measured, rows):
        out.write(line(row))
        count += 1
    return count


def fit(widths: Sequence[int], limit: int) -> list[int]:
    """Narrow the widest columns until all fit into ``limit``, but none below `NARROWEST_CELL`."""
    fitted = list(widths)
    excess = sum(fitted) + len(GAP) * (len(fitted) - 1) - limit
    while excess > 0:
        widest = max(fitted)
        if widest <= NARROWEST_CELL:
            break
        widest_columns = [i for i, w in enumerate(fitted) if w == widest]
        below = max([w for w in fitted if w < widest] + [NARROWEST_CELL])
        step = max(1, min(widest - below, excess // len(widest_columns)))
        for i in widest_columns:
            if excess > 0:
                fitted[i] -= step
                excess -= step
    return fitted


def _markdown_cell(text: str) -> str:
    """Escape characters that Markdown would read as a link, an image, HTML or a new column."""
    return re.sub(r"([\\`*\[\]<>|~])", r"\\\1", text)


def _write_markdown(cells: _Cells, batches: Iterator[list[Row]], out: TextIO) -> int:
    count = 0

    def line(values: Sequence[str]) -> str:
        return "| " + " | ".join(values) + " |\n"

    out.write(line([_markdown_cell(name) for name in cells.names]))
    out.write(line(["---:" if right else "---" for right in cells.right]))
    for row in chain.from_iterable(batches):
        out.write(line([_markdown_cell(cell) for cell in cells.row(row)]))
        count += 1
    return count


def _write_parquet(result: ResultSet | RowStream, batches: Iterator[list[Row]], stream: TextIO | BinaryIO) -> int:
    """Write a temporary file and copy it: Parquet needs a seekable file, and a pipe is not."""
    if _is_terminal(stream):
        raise UsageError("parquet is binary and cannot be shown on a terminal: write it to a file with > or -o")
    binary: Any = getattr(stream, "buffer", stream)
    if isinstance(binary, io.TextIOBase):
        raise UsageError("parquet is binary: it needs a file, not text")
    with tempfile.TemporaryDirectory(prefix="rustnet.") as folder:
        path = Path(folder) / "result.parquet"
        count = write_parquet(result.columns, result.types, batches, path)
        with path.open("rb") as source:
            shutil.copyfileobj(source, binary)
    binary.flush()
    return count
