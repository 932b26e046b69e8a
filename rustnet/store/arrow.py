"""`ArrowStream`: columns as a stream of Arrow batches that DuckDB reads where they lie.

The Arrow C data and C stream interfaces (https://arrow.apache.org/docs/format/CDataInterface.html and
CStreamInterface.html), handed over by the PyCapsule protocol (``__arrow_c_stream__``): three structs of pointers, made
once per INSERT. All memory belongs to the `ArrowStream`, which must live until the statement is done.
"""

import ctypes
from collections.abc import Sequence
from ctypes import CFUNCTYPE, POINTER, Structure, addressof, byref, c_char_p, c_int, c_int64, c_void_p, pointer
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
"""Arrow's format strings by the name of NumPy's type."""
LARGE_TEXT, LARGE_LIST, STRUCT = b"U", b"+L", b"+s"


class ArrowSchema(Structure):
    """Type of a column, or of a batch."""


class ArrowArray(Structure):
    """Values of a column, or of a batch."""


class ArrowArrayStream(Structure):
    """Where batches come from."""


_RELEASE_SCHEMA = CFUNCTYPE(None, POINTER(ArrowSchema))
_RELEASE_ARRAY = CFUNCTYPE(None, POINTER(ArrowArray))
_RELEASE_STREAM = CFUNCTYPE(None, POINTER(ArrowArrayStream))
_GET_SCHEMA = CFUNCTYPE(c_int, POINTER(ArrowArrayStream), POINTER(ArrowSchema))
_GET_NEXT = CFUNCTYPE(c_int, POINTER(ArrowArrayStream), POINTER(ArrowArray))
_GET_ERROR = CFUNCTYPE(c_char_p, POINTER(ArrowArrayStream))

ArrowSchema._fields_ = [
    ("format", c_char_p), ("name", c_char_p), ("metadata", c_char_p), ("flags", c_int64), ("n_children", c_int64),
    ("children", POINTER(POINTER(ArrowSchema))), ("dictionary", POINTER(ArrowSchema)), ("release", _RELEASE_SCHEMA),
    ("private_data", c_void_p),
]  # fmt: skip
ArrowArray._fields_ = [
    ("length", c_int64), ("null_count", c_int64), ("offset", c_int64), ("n_buffers", c_int64), ("n_children", c_int64),
    ("buffers", POINTER(c_void_p)), ("children", POINTER(POINTER(ArrowArray))), ("dictionary", POINTER(ArrowArray)),
    ("release", _RELEASE_ARRAY), ("private_data", c_void_p),
]  # fmt: skip
ArrowArrayStream._fields_ = [
    ("get_schema", _GET_SCHEMA), ("get_next", _GET_NEXT), ("get_last_error", _GET_ERROR), ("release", _RELEASE_STREAM),
    ("private_data", c_void_p),
]  # fmt: skip

_capsule = ctypes.pythonapi.PyCapsule_New
_capsule.restype = ctypes.py_object
_capsule.argtypes = [c_void_p, c_char_p, c_void_p]


# Releasing marks a struct as released and frees nothing.
def _release_schema(schema: Any) -> None:
    schema.contents.release = _RELEASE_SCHEMA()


def _release_array(array: Any) -> None:
    array.contents.release = _RELEASE_ARRAY()


def _release_stream(stream: Any) -> None:
    stream.contents.release = _RELEASE_STREAM()


def _no_error(stream: Any) -> None:  # noqa: ARG001
    return None


RELEASE_SCHEMA, RELEASE_ARRAY = _RELEASE_SCHEMA(_release_schema), _RELEASE_ARRAY(_release_array)
RELEASE_STREAM, NO_ERROR = _RELEASE_STREAM(_release_stream), _GET_ERROR(_no_error)


class ArrowStream:
    """Batches of the same columns, to be read any number of times while this object lives."""

    def __init__(self, batches: Sequence[dict[str, Column]]) -> None:
        self.kept: list[Any] = []
        """What the structs point to."""
        self.batches = batches
        self.first = self._schema(batches[0])

    def __arrow_c_stream__(self, requested_schema: object = None) -> Any:
        """A capsule with a stream that begins with the first batch."""
        rest = iter(self.batches)

        def get_schema(stream: Any, out: Any) -> int:  # noqa: ARG001
            ctypes.memmove(out, byref(self.first), ctypes.sizeof(ArrowSchema))
            return 0

        def get_next(stream: Any, out: Any) -> int:  # noqa: ARG001
            batch = next(rest, None)
            made = ArrowArray() if batch is None else self._batch(batch)
            ctypes.memmove(out, byref(made), ctypes.sizeof(ArrowArray))
            return 0

        stream = ArrowArrayStream(_GET_SCHEMA(get_schema), _GET_NEXT(get_next), NO_ERROR, RELEASE_STREAM, None)
        self.kept.append(stream)
        return _capsule(addressof(stream), NAME, None)

    def close(self) -> None:
        """Let go of everything: structs and what they call refer to each other."""
        self.kept.clear()
        self.batches = []
        del self.first

    # ---- types ---------------------------------------------------------------------------------------------------

    def _schema(self, batch: dict[str, Column]) -> ArrowSchema:
        """Type of a batch: a struct of its columns."""
        return self._type(STRUCT, b"", [self._column_type(name.encode(), column) for name, column in batch.items()])

    def _column_type(self, name: bytes, column: Column) -> ArrowSchema:
        if isinstance(column, Texts):
            return self._type(LARGE_TEXT, name)
        if isinstance(column, Lists):
            return self._type(LARGE_LIST, name, [self._type(LARGE_TEXT, b"item")])
        return self._type(FORMATS[column.dtype.name], name)

    def _type(self, form: bytes, name: bytes, children: Sequence[ArrowSchema] = ()) -> ArrowSchema:
        pointers = (POINTER(ArrowSchema) * len(children))(*map(pointer, children))
        made = ArrowSchema(form, name, None, NULLABLE, len(children), pointers, None, RELEASE_SCHEMA, None)
        self.kept += (pointers, made)
        return made

    # ---- values --------------------------------------------------------------------------------------------------

    def _batch(self, batch: dict[str, Column]) -> ArrowArray:
        columns = list(batch.values())
        return self._array(length(columns[0]), [None], [self._column(column) for column in columns])

    def _column(self, column: Column) -> ArrowArray:
        if isinstance(column, Texts):
            return self._texts(column)
        if isinstance(column, Lists):
            return self._array(length(column), [column.valid, column.ends], [self._texts(column.items)])
        if column.dtype == np.bool_:
            return self._array(len(column), [None, bitmap(column)])
        valid: bytes | None = None
        if column.dtype == np.int64 or column.dtype.kind == "M":
            present = column.view(np.int64) != NULL
            valid = None if present.all() else bitmap(present)
        elif column.dtype == np.float64:
            absent = np.isnan(column)
            valid = bitmap(~absent) if absent.any() else None
        return self._array(len(column), [valid, column])

    def _texts(self, column: Texts) -> ArrowArray:
        return self._array(length(column), [column.valid, column.ends, column.data])

    def _array(
        self, count: int, buffers: Sequence[bytes | Array | None], children: Sequence[ArrowArray] = ()
    ) -> ArrowArray:
        """Struct of an array; the first of its buffers is the bitmap of what is not NULL, if anything is."""
        addresses = (c_void_p * len(buffers))(*map(self._address, buffers))
        pointers = (POINTER(ArrowArray) * len(children))(*map(pointer, children))
        missing = -1 if buffers[0] is not None else 0
        made = ArrowArray(
            count, missing, 0, len(buffers), len(children), addresses, pointers, None, RELEASE_ARRAY, None
        )
        self.kept += (addresses, pointers, made)
        return made

    def _address(self, buffer: bytes | Array | None) -> int | None:
        """Where a buffer lies, which is kept alive."""
        if buffer is None or not len(buffer):
            return None
        values = np.frombuffer(buffer, np.uint8) if isinstance(buffer, bytes) else np.ascontiguousarray(buffer)
        self.kept.append(values)
        return int(values.__array_interface__["data"][0])
