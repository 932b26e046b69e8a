"""`ArrowStream`: columns as a stream of Arrow batches that DuckDB reads without a copy.

The Arrow C data and C stream interfaces (https://arrow.apache.org/docs/format/CDataInterface.html and
CStreamInterface.html), passed by the PyCapsule protocol (``__arrow_c_stream__``): structs of pointers, written into
arrays of 64-bit words. All memory belongs to the `ArrowStream`, which must live until the statement has run.
"""

import ctypes
from collections.abc import Iterator, Sequence
from ctypes import CFUNCTYPE, POINTER, c_char_p, c_int, c_int64, c_void_p
from functools import lru_cache
from typing import Any

import numpy as np

from rustnet.columnar import NULL, Array, Column, Lists, Texts, bitmap, length

NULLABLE = 2
"""ARROW_FLAG_NULLABLE"""
NAME = b"arrow_array_stream"

FORMATS = {
    "bool": b"b", "int8": b"c", "uint8": b"C", "int16": b"s", "uint16": b"S", "int32": b"i", "uint32": b"I",
    "int64": b"l", "uint64": b"L", "float64": b"g", "datetime64[ns]": b"tsn:",
}  # fmt: skip
"""Arrow's format strings by NumPy type name."""
LARGE_TEXT, LARGE_LIST, STRUCT = b"U", b"+L", b"+s"

SCHEMA_WORDS, ARRAY_WORDS = 9, 10
"""``ArrowSchema``: format, name, metadata, flags, n_children, children, dictionary, release, private_data.
``ArrowArray``: length, null_count, offset, n_buffers, n_children, buffers, children, dictionary, release,
private_data."""
SCHEMA_RELEASE, ARRAY_RELEASE = 7, 8
WORD = 8

_WORDS = POINTER(c_int64)
_RELEASE = CFUNCTYPE(None, _WORDS)
_GET = CFUNCTYPE(c_int, c_void_p, c_void_p)
_GET_ERROR = CFUNCTYPE(c_char_p, c_void_p)


class _Stream(ctypes.Structure):
    """``ArrowArrayStream``."""

    _fields_ = (
        ("get_schema", _GET), ("get_next", _GET), ("get_last_error", _GET_ERROR), ("release", _RELEASE),
        ("private_data", c_void_p),
    )  # fmt: skip


_capsule = ctypes.pythonapi.PyCapsule_New
_capsule.restype = ctypes.py_object
_capsule.argtypes = [c_void_p, c_char_p, c_void_p]


def _release_schema(schema: Any) -> None:
    """Mark a struct as released; there is nothing to free."""
    schema[SCHEMA_RELEASE] = 0


def _release_array(array: Any) -> None:
    array[ARRAY_RELEASE] = 0


def _release_stream(stream: Any) -> None:
    stream[3] = 0


def _no_error(stream: Any) -> None:  # noqa: ARG001
    return None


RELEASE_SCHEMA, RELEASE_ARRAY = _RELEASE(_release_schema), _RELEASE(_release_array)
RELEASE_STREAM, NO_ERROR = _RELEASE(_release_stream), _GET_ERROR(_no_error)


def _function(callback: Any) -> int:
    """Address of a callback."""
    return int(c_void_p.from_address(ctypes.addressof(callback)).value or 0)


SCHEMA_RELEASED_BY, ARRAY_RELEASED_BY = _function(RELEASE_SCHEMA), _function(RELEASE_ARRAY)


def _address(array: Array) -> int:
    return int(array.__array_interface__["data"][0])


Types = tuple[tuple[str, bytes], ...]
"""Names and formats of columns."""


class _Schema:
    """Type of a batch: a struct of its columns. Row 0 of ``words`` is the struct, the others are its children."""

    def __init__(self, types: Types) -> None:
        lists = sum(form == LARGE_LIST for _, form in types)
        self.words = np.zeros((1 + len(types) + lists, SCHEMA_WORDS), np.int64)
        self.children = np.zeros(len(types) + lists, np.int64)
        self.texts = np.frombuffer(b"\0".join([STRUCT, b"", b"item", LARGE_TEXT, *_texts(types), b""]), np.uint8)
        position = _address(self.texts)
        struct, empty, item, large_text = position, position + 3, position + 4, position + 9
        position += 11
        size = SCHEMA_WORDS * WORD
        base, pointers = _address(self.words), _address(self.children)
        self._write(0, struct, empty, len(types), pointers)
        list_item = len(types)
        for i, (name, form) in enumerate(types):
            self.children[i] = base + (1 + i) * size
            count = children = 0
            if form == LARGE_LIST:
                self.children[list_item] = base + (1 + list_item) * size
                self._write(1 + list_item, large_text, item, 0, 0)
                count, children = 1, pointers + list_item * WORD
                list_item += 1
            self._write(1 + i, position, position + len(form) + 1, count, children)
            position += len(form) + len(name.encode()) + 2

    def _write(self, row: int, form: int, name: int, count: int, children: int) -> None:
        self.words[row] = (form, name, 0, NULLABLE, count, children if count else 0, 0, SCHEMA_RELEASED_BY, 0)


def _texts(types: Types) -> Iterator[bytes]:
    for name, form in types:
        yield form
        yield name.encode()


@lru_cache(maxsize=256)
def _schema(types: Types) -> _Schema:
    return _Schema(types)


def _format(column: Column) -> bytes:
    if isinstance(column, Texts):
        return LARGE_TEXT
    return LARGE_LIST if isinstance(column, Lists) else FORMATS[column.dtype.name]


class _Batch:
    """Values of a batch, in rows as in `_Schema`; up to three buffers per column: bitmap, offsets or values, bytes."""

    def __init__(self, batch: dict[str, Column]) -> None:
        columns = list(batch.values())
        list_items = [column.items for column in columns if isinstance(column, Lists)]
        rows = 1 + len(columns) + len(list_items)
        self.kept: list[Array] = []
        self.buffers = np.zeros((rows, 3), np.int64)
        self.children = np.zeros(rows - 1, np.int64)
        child_pointers, buffer_pointers = _address(self.children), _address(self.buffers)
        all_buffers = [[None], *map(_buffers, columns), *map(_buffers, list_items)]
        self.buffers[:] = [self._addresses(buffers) for buffers in all_buffers]
        next_item = child_pointers + len(columns) * WORD
        words = [(length(columns[0]), 0, 0, 1, len(columns), buffer_pointers, child_pointers, 0, ARRAY_RELEASED_BY, 0)]
        for row, (column, buffers) in enumerate(zip([*columns, *list_items], all_buffers[1:], strict=True), 1):
            nulls = 0 if buffers[0] is None else -1
            own_buffers, count, children = buffer_pointers + row * 3 * WORD, 0, 0
            if isinstance(column, Lists):
                count, children = 1, next_item
                next_item += WORD
            words.append(
                (length(column), nulls, 0, len(buffers), count, own_buffers, children, 0, ARRAY_RELEASED_BY, 0)
            )
        self.words = np.array(words, np.int64)
        self.children[:] = _address(self.words) + np.arange(1, rows) * (ARRAY_WORDS * WORD)

    def _addresses(self, buffers: Sequence[Array | None]) -> tuple[int, int, int]:
        """Addresses of a column's buffers, which live as long as this object; 0 for no buffer."""
        addresses = [0, 0, 0]
        for k, buffer in enumerate(buffers):
            if buffer is not None and len(buffer):
                values = np.ascontiguousarray(buffer)
                self.kept.append(values)
                addresses[k] = _address(values)
        return addresses[0], addresses[1], addresses[2]


def _buffers(column: Column) -> Sequence[Array | None]:
    """Buffers of a column in Arrow's order; the first is the validity bitmap, or None without NULLs."""
    if isinstance(column, Texts):
        return (column.valid, column.ends, column.data)
    if isinstance(column, Lists):
        return (column.valid, column.ends)
    return _values(column)


def _values(column: Array) -> list[Array | None]:
    """Buffers of a column of numbers: validity bitmap (None without NULLs) and values."""
    if column.dtype == np.bool_:
        return [None, bitmap(column)]
    if column.dtype == np.int64 or column.dtype.kind == "M":
        present = column.view(np.int64) != NULL
        return [None if present.all() else bitmap(present), column]
    if column.dtype == np.float64:
        absent = np.isnan(column)
        return [bitmap(~absent) if absent.any() else None, column]
    return [None, column]


class ArrowStream:
    """Batches of the same columns, readable any number of times while this object lives."""

    def __init__(self, batches: Sequence[dict[str, Column]]) -> None:
        self.batches = batches
        self.schema = _schema(tuple((name, _format(column)) for name, column in batches[0].items()))
        self.kept: list[Any] = []
        """Objects that the structs point to."""

    def __arrow_c_stream__(self, requested_schema: object = None) -> Any:
        """Return a capsule with a stream that begins with the first batch."""
        rest = iter(self.batches)

        def get_schema(stream: int, out: int) -> int:  # noqa: ARG001
            ctypes.memmove(out, _address(self.schema.words), SCHEMA_WORDS * WORD)
            return 0

        def get_next(stream: int, out: int) -> int:  # noqa: ARG001
            batch = next(rest, None)
            if batch is None:
                ctypes.memset(out, 0, ARRAY_WORDS * WORD)
            else:
                array = _Batch(batch)
                self.kept.append(array)
                ctypes.memmove(out, _address(array.words), ARRAY_WORDS * WORD)
            return 0

        stream = _Stream(_GET(get_schema), _GET(get_next), NO_ERROR, RELEASE_STREAM, None)
        self.kept.append(stream)
        return _capsule(ctypes.addressof(stream), NAME, None)

    def close(self) -> None:
        """Break the reference cycles between structs and callbacks, and release the batches."""
        self.kept.clear()
        self.batches = []
