"""Rows as messages of the parsing process, and the check of such messages.

A message is a JSON text and the arrays of its columns, one after another. What comes out of `decode_batches` has only
tables, columns and types of this program, columns of one length, offsets in order, and valid UTF-8: the parsing process
reads hostile bytes, so nothing that it sends is believed to be well-formed.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np

from rustnet.columnar import Array, Column, Lists, Texts, arrays_of, column_bytes, length
from rustnet.ingest.transport import TransportError, padded
from rustnet.records import columns, table_name
from rustnet.store.batches import Batch, Columns, as_columns
from rustnet.store.schema import LEADING

MESSAGE_BYTES = 4 << 20
"""Size from which rows are divided over several messages."""
MOST_ROWS = 1 << 24

INTEGERS = frozenset({"bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"})
TYPES = {"DOUBLE": frozenset({"float64"}), "TIMESTAMP_NS": frozenset({"datetime64[ns]"})}
"""NumPy types by SQL type; all others are integers."""

Tables = Mapping[str, tuple[type, bool]]
"""Record class of each table that may come, and whether it has the leading columns of protocols."""


def tables_by_name(core: Sequence[type], protocols: Sequence[type]) -> Tables:
    """Tables that a parsing process may send rows of."""
    return {table_name(cls): (cls, cls in protocols) for cls in (*core, *protocols)}


# ---- columns: the sender's side --------------------------------------------------------------------------------------


def encode_batches(batches: Sequence[Batch], capture_id: int) -> Iterator[tuple[list[Any], list[Array]]]:
    """Descriptions and arrays of messages that together have the rows of ``batches``, in order."""
    described: list[Any] = []
    arrays: list[Array] = []
    size = 0
    for batch in batches:
        for part in divided(as_columns(batch, capture_id), MESSAGE_BYTES):
            own = [np.ascontiguousarray(array) for column in part.values() for array in arrays_of(column)]
            own_size = sum(array.nbytes for array in own)
            if described and size + own_size > MESSAGE_BYTES:
                yield described, arrays
                described, arrays, size = [], [], 0
            described.append([table_name(batch.cls), [[name, *_described(column)] for name, column in part.items()]])
            arrays += own
            size += own_size
    if described:
        yield described, arrays


def divided(batch: dict[str, Column], most: int) -> Iterator[dict[str, Column]]:
    """The rows of a batch in parts of about ``most`` bytes."""
    if not batch:
        return
    rows = length(next(iter(batch.values())))
    size = column_bytes(batch)
    if size <= most or rows <= 8:
        if rows:
            yield batch
        return
    step = max(8, rows * most // size // 8 * 8)  # a multiple of 8, so that bitmaps can be divided
    if step >= rows:
        step = -(-rows // 2) + 7 & ~7
    for start in range(0, rows, step):
        part = {name: rows_of(column, start, min(rows, start + step)) for name, column in batch.items()}
        yield from divided(part, most)


def rows_of(column: Column, start: int, end: int) -> Column:
    """Values ``start`` to ``end`` of a column; ``start`` is a multiple of 8."""
    if isinstance(column, np.ndarray):
        return column[start:end]
    ends = column.ends[start : end + 1] - column.ends[start]
    valid = None if column.valid is None else column.valid[start // 8 : (end + 7) // 8]
    first, last = int(column.ends[start]), int(column.ends[end])
    if isinstance(column, Texts):
        return Texts(ends, column.data[first:last], valid)
    return Lists(ends, _items(column.items, first, last), valid)


def _items(items: Texts, first: int, last: int) -> Texts:
    """Texts ``first`` to ``last``, at any place."""
    valid = None
    if items.valid is not None:
        flags = np.unpackbits(items.valid, count=length(items), bitorder="little")[first:last]
        valid = np.packbits(flags, bitorder="little")
    ends = items.ends[first : last + 1]
    return Texts(ends - ends[0], items.data[int(ends[0]) : int(ends[-1])], valid)


def _described(column: Column) -> list[Any]:
    """Type and sizes of a column."""
    if isinstance(column, np.ndarray):
        return [column.dtype.name, len(column)]
    if isinstance(column, Texts):
        return ["texts", length(column), len(column.data), column.valid is not None]
    items = column.items
    return ["lists", length(column), column.valid is not None, length(items), len(items.data), items.valid is not None]


# ---- columns: the receiver's side ------------------------------------------------------------------------------------


class _Block:
    """Arrays of a message, taken one after another."""

    def __init__(self, data: Array) -> None:
        self.data = data
        self.at = 0

    def take(self, count: int, dtype: str) -> Array:
        """Next array."""
        if not isinstance(count, int) or not 0 <= count <= MOST_ROWS * 64:
            raise TransportError("the parsing process sent a column with an invalid size")
        size = count * np.dtype(dtype).itemsize
        if self.at + size > len(self.data):
            raise TransportError("the parsing process sent fewer values than it announced")
        part = self.data[self.at : self.at + size].view(dtype)
        self.at += padded(size)
        return part


def decode_batches(described: Any, block: Array, tables: Tables, capture_id: int) -> list[Columns]:
    """Batches of one capture's rows. Raises `TransportError` if they are not rows of ``tables``."""
    source = _Block(block)
    batches = []
    for table, listed in _sequence(described):
        known = tables.get(table) if isinstance(table, str) else None
        if known is None:
            raise TransportError("the parsing process sent rows of an unknown table")
        cls, protocol = known
        types = _types(cls, protocol)
        batch: dict[str, Column] = {}
        for name, kind, *sizes in _sequence(listed):
            if name in batch or not _fits(kind, types.get(name)):
                raise TransportError("the parsing process sent a column that {table} does not have", table=table)
            batch[name] = _column(source, kind, sizes)
        counts = {length(column) for column in batch.values()}
        if len(counts) != 1 or "capture_id" not in batch:
            raise TransportError("the parsing process sent columns of different lengths")
        batch["capture_id"] = np.full(counts.pop(), capture_id, np.int32)
        batches.append(Columns(cls, batch, protocol=True))
    return batches


def _sequence(value: Any) -> list[Any]:
    if not isinstance(value, list) or not all(isinstance(item, list) and len(item) >= 2 for item in value):
        raise TransportError("the parsing process sent a message of another form")
    return value


@cache
def _types(cls: type, protocol: bool) -> dict[str, str]:
    """SQL types of a table's columns as they are sent; a 128-bit number is sent as two."""
    types = {column.name: column.sql_type for column in (*(LEADING if protocol else ()), *columns(cls))}
    for name, sql_type in list(types.items()):
        if sql_type == "UHUGEINT":
            types |= {f"{name}_hi": "UBIGINT", f"{name}_lo": "UBIGINT"}
    types.setdefault("capture_id", "INTEGER")
    return types


def _fits(kind: Any, sql_type: str | None) -> bool:
    """Whether a column of ``kind`` may be stored as ``sql_type``."""
    if sql_type is None or not isinstance(kind, str):
        return False
    if sql_type.endswith("[]"):
        return kind == "lists"
    return kind == "texts" if sql_type == "VARCHAR" else kind in TYPES.get(sql_type, INTEGERS)


def _column(source: _Block, kind: str, sizes: list[Any]) -> Column:
    """Take one column and check it."""
    try:
        if kind == "texts":
            count, size, missing = sizes
            return _texts(source, count, size, missing)
        if kind == "lists":
            count, missing, items, size, items_missing = sizes
            ends, valid = _ends(source, count, missing)
            _check_ends(ends, items)
            return Lists(ends, _texts(source, items, size, items_missing), valid)
        (count,) = sizes
        values = source.take(count, "uint8" if kind == "bool" else kind)
    except (TypeError, ValueError):
        raise TransportError("the parsing process sent a column of another form") from None
    return values != 0 if kind == "bool" else values


def _texts(source: _Block, count: int, size: int, missing: bool) -> Texts:
    ends, valid = _ends(source, count, missing)
    data = source.take(size, "uint8")
    _check_ends(ends, size)
    if size and data.max() > 127:
        _check_utf8(ends, data)
    return Texts(ends, data, valid)


def _ends(source: _Block, count: int, missing: bool) -> tuple[Array, Array | None]:
    """Offsets of a column, and the bitmap of the values that are not NULL."""
    ends = source.take(count + 1, "int64")
    return ends, source.take((count + 7) // 8, "uint8") if missing else None


def _check_ends(ends: Array, size: int) -> None:
    """Check that offsets begin with 0, never decrease, and end at ``size``."""
    if ends[0] != 0 or ends[-1] != size or (ends[1:] < ends[:-1]).any():
        raise TransportError("the parsing process sent offsets that are not in order")


def _check_utf8(ends: Array, data: Array) -> None:
    """Check that every text is valid UTF-8: all of them together, and none begins within a character."""
    try:
        str(data, "utf-8")  # type: ignore[call-overload]  # arrays are buffers before 3.12 too
    except UnicodeDecodeError:
        raise TransportError("the parsing process sent text that is not valid UTF-8") from None
    starts = data[ends[:-1][ends[:-1] < len(data)]]
    if ((starts & 0xC0) == 0x80).any():
        raise TransportError("the parsing process sent text that begins within a character")


# ---- single records --------------------------------------------------------------------------------------------------

_PYTHON = {"VARCHAR": str, "BOOLEAN": bool, "DOUBLE": float}


def encode_record(row: Any) -> list[Any]:
    """Values of a record class, in the order of its fields."""
    cls: Any = type(row)
    return [getattr(row, column.name) for column in columns(cls)]


def decode_record(cls: Any, values: Any) -> Any:
    """A row of a record class. Raises `TransportError` if a value has another type."""
    described = columns(cls)
    if not isinstance(values, list) or len(values) != len(described):
        raise TransportError("the parsing process sent a record of another form")
    for column, value in zip(described, values, strict=True):
        if value is None and column.nullable:
            continue
        if column.sql_type.endswith("[]"):
            valid = isinstance(value, list) and all(isinstance(item, str) for item in value)
        else:
            valid = type(value) is _PYTHON.get(column.sql_type, int)
        if not valid:
            raise TransportError("the parsing process sent a record with a value of another type")
    return cls(*values)


def dumps(message: object) -> bytes:
    """A message's text."""
    return json.dumps(message, separators=(",", ":")).encode("ascii")


def loads(text: bytes) -> Any:
    """The message of a text; raises `TransportError`."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise TransportError("the parsing process sent a message that is no JSON") from None
