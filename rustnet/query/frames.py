"""Results as frames of pandas, Arrow and Polars. The libraries are loaded on demand.

Times are UTC and keep their nanoseconds; integers stay integers where values are missing.
"""

import importlib
import uuid
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rustnet.errors import RustnetError
from rustnet.records import Kind

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    import pyarrow as pa

    from rustnet.query.execute import ResultSet

_INTEGERS = {
    "TINYINT": "int8", "SMALLINT": "int16", "INTEGER": "int32", "BIGINT": "int64",
    "UTINYINT": "uint8", "USMALLINT": "uint16", "UINTEGER": "uint32", "UBIGINT": "uint64",
}  # fmt: skip
_TIMES = {"TIMESTAMP_NS": "ns", "TIMESTAMP": "us", "TIMESTAMP_MS": "ms", "TIMESTAMP_S": "s"}
_REAL = {"FLOAT": "float32", "DOUBLE": "float64"}
_PANDAS = {"BOOLEAN": "boolean", **_REAL} | {
    sql_type: f"UI{name[2:]}" if name[0] == "u" else f"I{name[1:]}" for sql_type, name in _INTEGERS.items()
}
"""Types of pandas that can lack values (reals are NaN then)."""
_WIDE = ("HUGEINT", "UHUGEINT")
"""Integers of 128 bits, such as sums of BIGINT."""
_LEAST, _MOST = -(1 << 63), (1 << 63) - 1


def _library(name: str, install: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        raise RustnetError(
            "{library} is not installed; install it with 'pip install {package}'", library=name, package=install
        ) from None


def _columns(result: "ResultSet") -> list[list[Any]]:
    return [[row[at] for row in result.rows] for at in range(len(result.columns))]


def _fits(values: Sequence[int | None]) -> bool:
    """Whether every value is one of 64 bits."""
    return all(value is None or _LEAST <= value <= _MOST for value in values)


def to_pandas(result: "ResultSet") -> "pd.DataFrame":
    """Return a pandas frame of a result."""
    library = _library("pandas", "rustnet[notebook]")
    described = zip(result.columns, result.types, result.kinds, _columns(result), strict=True)
    series = {name: _pandas_series(library, sql_type, kind, values) for name, sql_type, kind, values in described}
    frame: pd.DataFrame = library.DataFrame(series, columns=list(result.columns))
    return frame


def _pandas_series(library: Any, sql_type: str, kind: object, values: list[Any]) -> Any:
    if sql_type == "TIMESTAMP_NS":
        return library.Series(library.array(values, dtype="Int64")).astype("datetime64[ns]").dt.tz_localize("UTC")
    if sql_type in _TIMES:
        return library.Series(values, dtype=f"datetime64[{_TIMES[sql_type]}]").dt.tz_localize("UTC")
    if sql_type.startswith("DECIMAL") and not sql_type.endswith("]"):
        return library.Series([None if value is None else float(value) for value in values], dtype="float64")
    dtype = _PANDAS.get(sql_type, "object")
    if sql_type == "HUGEINT" and _fits(values):  # a sum of BIGINT: plots and statistics need a number
        dtype = "Int64"
    elif (sql_type == "VARCHAR" and kind is Kind.WORD) or sql_type.startswith("ENUM"):
        dtype = "category"
    elif sql_type == "VARCHAR":
        shared: dict[str, str] = {}
        values = [value if value is None else shared.setdefault(value, value) for value in values]
    return library.Series(values, dtype=dtype)


def to_arrow(result: "ResultSet") -> "pa.Table":
    """Return an Arrow table of a result."""
    library = _library("pyarrow", "pyarrow")
    arrays = [_arrow_array(library, *column) for column in zip(result.types, _columns(result), strict=True)]
    table: pa.Table = library.Table.from_arrays(arrays, names=list(result.columns))
    return table


def _arrow_array(library: Any, sql_type: str, values: list[Any]) -> Any:
    element, depth = sql_type, 0
    while element.endswith("[]"):
        element, depth = element[:-2], depth + 1
    chosen = _arrow_type(library, element)
    if not depth and (element in _WIDE or element == "UUID"):  # wider than Arrow's integers; Arrow has no such type
        values = [None if value is None else str(value) for value in values]
    if chosen is None:
        return library.array(values)
    for _ in range(depth):
        chosen = library.list_(chosen)
    return library.array(values, chosen)


def _arrow_type(library: Any, sql_type: str) -> Any:
    """Arrow type of a column; ``None`` lets Arrow infer it."""
    if sql_type in _INTEGERS:
        return getattr(library, _INTEGERS[sql_type])()
    if sql_type in _TIMES:
        return library.timestamp(_TIMES[sql_type], "UTC")
    if sql_type in _REAL:
        return getattr(library, _REAL[sql_type])()
    if sql_type in ("VARCHAR", "UUID", *_WIDE) or sql_type.startswith("ENUM"):
        return library.string()
    return {"BOOLEAN": library.bool_(), "DATE": library.date32(), "BLOB": library.binary()}.get(sql_type)


def to_polars(result: "ResultSet") -> "pl.DataFrame":
    """Return a Polars frame of a result."""
    library = _library("polars", "polars")
    series = [
        _polars_series(library, *column) for column in zip(result.columns, result.types, _columns(result), strict=True)
    ]
    frame: pl.DataFrame = library.DataFrame(series)
    return frame


def _polars_series(library: Any, name: str, sql_type: str, values: list[Any]) -> Any:
    if sql_type in _TIMES:
        if sql_type == "TIMESTAMP_NS":
            return library.Series(name, values, library.Int64).cast(library.Datetime("ns", "UTC"))
        unit = "us" if sql_type == "TIMESTAMP_S" else _TIMES[sql_type]
        return library.Series(name, values, library.Datetime(unit)).dt.replace_time_zone("UTC")
    if sql_type == "HUGEINT" and _fits(values):
        return library.Series(name, values, library.Int64)
    if any(isinstance(value, uuid.UUID) for value in values) or sql_type in _WIDE:
        return library.Series(name, [None if value is None else str(value) for value in values], library.String)
    element = sql_type.removesuffix("[]")
    chosen = _polars_type(library, element)
    if chosen is not None and element != sql_type:
        chosen = library.List(chosen)
    return library.Series(name, values, chosen, strict=False)


def _polars_type(library: Any, sql_type: str) -> Any:
    """Polars type of a column; ``None`` lets Polars infer it."""
    if sql_type in _INTEGERS:
        return getattr(library, _PANDAS[sql_type])  # the same names: Int8, UInt8
    return {"FLOAT": library.Float32, "DOUBLE": library.Float64, "VARCHAR": library.String, "BOOLEAN": library.Boolean,
            "DATE": library.Date, "BLOB": library.Binary}.get(sql_type)  # fmt: skip
