"""Results as frames of pandas, Arrow and Polars, and as HTML for notebooks. The libraries are loaded on demand.

Times are UTC and keep their nanoseconds; integers stay integers where values are missing.
"""

import html
import importlib
from typing import TYPE_CHECKING, Any

from rustnet.errors import RustnetError
from rustnet.i18n import _
from rustnet.present.text import printable
from rustnet.present.values import moment

if TYPE_CHECKING:
    from rustnet.query.execute import ResultSet

HTML_ROWS = 50
"""Most rows that a notebook shows."""

_INTEGERS = {
    "TINYINT": "int8", "SMALLINT": "int16", "INTEGER": "int32", "BIGINT": "int64",
    "UTINYINT": "uint8", "USMALLINT": "uint16", "UINTEGER": "uint32", "UBIGINT": "uint64",
}  # fmt: skip
_TIMES = {"TIMESTAMP_NS": "ns", "TIMESTAMP": "us", "TIMESTAMP_MS": "ms", "TIMESTAMP_S": "s"}
_REAL = {"FLOAT": "float32", "DOUBLE": "float64"}


def _library(name: str, install: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        raise RustnetError(
            "{library} is not installed; install it with 'pip install {package}'", library=name, package=install
        ) from None


def _columns(result: "ResultSet") -> list[list[Any]]:
    return [[row[at] for row in result.rows] for at in range(len(result.columns))]


def to_pandas(result: "ResultSet") -> Any:
    """Return a pandas frame of a result."""
    pandas = _library("pandas", "rustnet[notebook]")
    series = {}
    for name, kind, values in zip(result.columns, result.types, _columns(result), strict=True):
        series[name] = _pandas_series(pandas, kind, values)
    return pandas.DataFrame(series, columns=list(result.columns))


def _pandas_series(pandas: Any, kind: str, values: list[Any]) -> Any:
    if kind in _INTEGERS:
        name = _INTEGERS[kind]
        return pandas.Series(values, dtype=name[:2].replace("u", "U").replace("i", "I") + name[2:] if name[0] == "i"
                             else f"UI{name[2:]}")  # fmt: skip
    if kind == "TIMESTAMP_NS":
        return pandas.Series(pandas.array(values, dtype="Int64")).astype("datetime64[ns]").dt.tz_localize("UTC")
    if kind in _TIMES:
        return pandas.Series(values, dtype=f"datetime64[{_TIMES[kind]}]").dt.tz_localize("UTC")
    if kind == "BOOLEAN":
        return pandas.Series(values, dtype="boolean")
    if kind in _REAL:
        return pandas.Series(values, dtype=_REAL[kind])
    return pandas.Series(values, dtype="object")


def to_arrow(result: "ResultSet") -> Any:
    """Return an Arrow table of a result."""
    arrow = _library("pyarrow", "pyarrow")
    arrays = []
    for kind, values in zip(result.types, _columns(result), strict=True):
        arrays.append(_arrow_array(arrow, kind, values))
    return arrow.Table.from_arrays(arrays, names=list(result.columns))


def _arrow_array(arrow: Any, kind: str, values: list[Any]) -> Any:
    if kind in _INTEGERS:
        return arrow.array(values, getattr(arrow, _INTEGERS[kind])())
    if kind in _TIMES:
        return arrow.array(values, arrow.timestamp(_TIMES[kind], "UTC"))
    if kind in _REAL:
        return arrow.array(values, getattr(arrow, _REAL[kind])())
    if kind in ("UHUGEINT", "HUGEINT"):  # wider than Arrow's integers
        return arrow.array([None if value is None else str(value) for value in values], arrow.string())
    if kind == "VARCHAR":
        return arrow.array(values, arrow.string())
    return arrow.array(values)


def to_polars(result: "ResultSet") -> Any:
    """Return a Polars frame of a result."""
    polars = _library("polars", "polars")
    schema = {name: _polars_type(polars, kind) for name, kind in zip(result.columns, result.types, strict=True)}
    frame = polars.DataFrame(result.rows, schema=schema, orient="row", infer_schema_length=None)
    times = [
        polars.col(name).cast(polars.Datetime("ns", "UTC"))
        for name, kind in zip(result.columns, result.types, strict=True)
        if kind == "TIMESTAMP_NS"
    ]
    return frame.with_columns(times)


def _polars_type(polars: Any, kind: str) -> Any:
    """Polars type of a column; ``None`` lets Polars infer it."""
    if kind in _INTEGERS:
        name = _INTEGERS[kind]
        return getattr(polars, f"UInt{name[4:]}" if name[0] == "u" else f"Int{name[3:]}")
    if kind == "TIMESTAMP_NS":
        return polars.Int64
    return {"FLOAT": polars.Float32, "DOUBLE": polars.Float64, "VARCHAR": polars.String, "BOOLEAN": polars.Boolean,
            "TIMESTAMP": polars.Datetime("us"), "DATE": polars.Date, "BLOB": polars.Binary}.get(kind)  # fmt: skip


def to_html(result: "ResultSet") -> str:
    """Return an HTML table of a result's first rows, with all text escaped."""

    def cell(value: Any, kind: str) -> str:
        if value is None:
            return ""
        if kind == "TIMESTAMP_NS" and isinstance(value, int):
            return moment(value)
        return html.escape(printable(str(value)))

    head = "".join(f"<th>{html.escape(printable(name))}</th>" for name in result.columns)
    body = "".join(
        "<tr>" + "".join(f"<td>{cell(v, t)}</td>" for v, t in zip(row, result.types, strict=True)) + "</tr>"
        for row in result.rows[:HTML_ROWS]
    )
    count = f"{len(result.rows):,}{'+' if result.truncated else ''}"
    words = _("{rows} rows, {columns} columns").format(rows=count, columns=len(result.columns))
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table><p>{words}</p>"
