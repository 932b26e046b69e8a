"""Columns in the memory layout of Arrow: plain buffers, without an object per value.

Integers are NumPy arrays with `NULL` for SQL NULL, floating-point numbers are arrays with NaN for it. Texts and lists
of texts are `Texts` and `Lists`. All of them are cheap to pass to another process.
"""

from typing import Any, NamedTuple

import cython
import numpy as np

from rustnet.bounds import ITEM_BYTES, LIST_BYTES, TEXT_BYTES, cut_list, cut_text

NULL = -(1 << 63)
"""Value for SQL NULL in int64 arrays; as a time it is NumPy's NaT."""
LEAST, MOST = NULL + 1, (1 << 63) - 1
"""The integers that a column of 64 bits can have."""

Array = np.ndarray[Any, np.dtype[Any]]


class Texts(NamedTuple):
    """A column of texts: text ``i`` is ``data[ends[i]:ends[i + 1]]`` in UTF-8."""

    ends: Array
    """int64, one more than texts; the first is 0."""
    data: Array
    valid: Array | None
    """Bitmap, least significant bit first, of the texts that are not NULL; None if none is NULL."""


class Lists(NamedTuple):
    """A column of lists of texts: list ``i`` is ``items[ends[i]:ends[i + 1]]``."""

    ends: Array
    items: Texts
    valid: Array | None


Column = Array | Texts | Lists


def view(array: Array) -> Any:
    """Memoryview of an array, for faster access to single values."""
    return memoryview(array)  # type: ignore[arg-type]  # arrays are buffers before 3.12 too


def length(column: Column) -> int:
    """Number of values of a column."""
    return len(column) if isinstance(column, np.ndarray) else len(column.ends) - 1


def copied(column: Column) -> Column:
    """Copy of a column that does not share the memory of a larger block."""
    if isinstance(column, np.ndarray):
        return column.copy()
    if isinstance(column, Lists):
        return Lists(column.ends.copy(), _copied_texts(column.items), _copied_bitmap(column.valid))
    return _copied_texts(column)


def part(column: Column, start: int, stop: int) -> Column:
    """Values from ``start`` to before ``stop``, which may share memory with the column."""
    if isinstance(column, np.ndarray):
        return column[start:stop]
    ends = column.ends[start : stop + 1]
    first, last = int(ends[0]), int(ends[-1])
    valid = None
    if column.valid is not None:
        flags = np.unpackbits(column.valid, count=length(column), bitorder="little")
        valid = bitmap(flags[start:stop])
    if isinstance(column, Lists):
        items = part(column.items, first, last)
        assert isinstance(items, Texts)
        return Lists(ends - first, items, valid)
    return Texts(ends - first, column.data[first:last], valid)


def _copied_texts(column: Texts) -> Texts:
    return Texts(column.ends.copy(), column.data.copy(), _copied_bitmap(column.valid))


def _copied_bitmap(valid: Array | None) -> Array | None:
    return None if valid is None else valid.copy()


def column_bytes(columns: dict[str, Column]) -> int:
    """Memory of columns, in bytes."""
    return sum(array.nbytes for column in columns.values() for array in arrays_of(column))


def arrays_of(column: Column) -> list[Array]:
    """Arrays that a column consists of."""
    if isinstance(column, np.ndarray):
        return [column]
    own = [column.ends] if column.valid is None else [column.ends, column.valid]
    return [*own, column.data] if isinstance(column, Texts) else [*own, *arrays_of(column.items)]


def bitmap(flags: Array) -> Array:
    """Bitmap of flags."""
    return np.packbits(flags, bitorder="little")


def octets(data: bytes) -> Array:
    """Bytes as an array, without a copy."""
    return np.frombuffer(data, np.uint8)


def texts(values: list[str | None]) -> Texts:
    """Column of texts; lone surrogates, which UTF-8 cannot encode, are escaped, texts over `TEXT_BYTES` are cut."""
    count = len(values)
    ends = np.zeros(count + 1, np.int64)
    places: Any = view(ends)
    size = 0
    missing = 0
    longest = 0
    plain = True
    for i in range(count):
        value = values[i]
        if value is None:
            missing += 1
        else:
            own = len(value)
            size += own
            longest = max(longest, own)
            plain = plain and value.isascii()
        places[i + 1] = size
    if longest > TEXT_BYTES:
        return texts([None if text is None else cut_text(text) for text in values])
    valid: Array | None = None
    present: list[Any] = values
    if missing:
        valid, present = _present(values)
    if missing == count:
        return Texts(ends, octets(b""), valid)
    if plain:
        return Texts(ends, octets("".join(present).encode("ascii")), valid)
    parts = [value.encode("utf-8", "backslashreplace") for value in present]
    size = 0
    for i in range(count):
        if len(parts[i]) > TEXT_BYTES:
            parts[i] = cut_text(present[i]).encode("utf-8", "backslashreplace")
        size += len(parts[i])
        places[i + 1] = size
    return Texts(ends, octets(b"".join(parts)), valid)


def _present(values: list[str | None]) -> tuple[Array, list[Any]]:
    """Bitmap of the values that are not NULL, and the values with empty text for NULL."""
    count = len(values)
    flags = np.ones(count, np.uint8)
    marks: Any = view(flags)
    present: list[Any] = list(values)
    for i in range(count):
        if values[i] is None:
            marks[i] = 0
            present[i] = ""
    return bitmap(flags), present


def lists(values: list[list[str] | None]) -> Lists:
    """Column of lists of texts; lists over `LIST_BYTES` are cut."""
    count = len(values)
    ends = np.zeros(count + 1, np.int64)
    places: Any = view(ends)
    flags = np.ones(count, np.uint8)
    marks: Any = view(flags)
    missing = 0
    size = 0
    items: list[str | None] = []
    for i in range(count):
        value = values[i]
        if value is None:
            missing += 1
            marks[i] = 0
        elif value:
            items += value
            size += len(value)
        places[i + 1] = size
    column = texts(items)
    if len(column.data) + ITEM_BYTES * len(items) > LIST_BYTES:
        sizes = np.diff(column.ends[ends]) + ITEM_BYTES * np.diff(ends)
        if int(sizes.max()) > LIST_BYTES:
            whole = [None if value is None else ["" if item is None else item for item in value] for value in values]
            return lists([None if value is None else cut_list(value) for value in whole])
    return Lists(ends, column, bitmap(flags) if missing else None)


def integers(values: list[int | None]) -> Array:
    """Column of integers; an invalid value (beyond 64 bits, not an integer) becomes NULL, so that the batch is kept."""
    return integers_within(values, LEAST, MOST)[0]


def integers_within(values: list[int | None], least: int, most: int) -> tuple[Array, int]:
    """Column of integers of a range, and how many values are not: these become NULL."""
    count = len(values)
    array = np.empty(count, np.int64)
    places: Any = view(array)
    null = NULL
    invalid = 0
    for i in range(count):
        value = values[i]
        if value is None:
            places[i] = null
            continue
        try:
            number = value
            places[i] = number
            if number < least or number > most:
                places[i] = null
                invalid += 1
        except (OverflowError, TypeError, ValueError):  # ValueError: raised by Python's memoryview
            places[i] = null
            invalid += 1
    return array, invalid


def doubles(values: list[float | None]) -> tuple[Array, int]:
    """Column of floating-point numbers, and how many values are none: these become NULL."""
    count = len(values)
    array = np.full(count, np.nan)
    places: Any = view(array)
    invalid = 0
    for i in range(count):
        value = values[i]
        if value is not None:
            try:
                places[i] = value
            except (OverflowError, TypeError, ValueError):
                invalid += 1
    return array, invalid


if not cython.compiled:  # compiled, the .pxd has it as an inline function

    def append_ascii(column: "TextBuilder", text: str) -> bool:
        """Append a text's characters to the column's next text; return whether all are ASCII."""
        if not text.isascii():
            return False
        column.need(len(text))
        for char in text:
            column.byte(ord(char))
        return True


class TextBuilder:
    """Builder of a column of at most ``count`` texts, each written as a whole or byte by byte."""

    def __init__(self, count: int) -> None:
        self.ends_array = np.zeros(count + 1, np.int64)
        self.flags_array = np.ones(count, np.uint8)
        self.data_array = np.empty(16 * count + 64, np.uint8)
        self.ends: Any = view(self.ends_array)
        self.flags: Any = view(self.flags_array)
        self.data: Any = view(self.data_array)
        self.room = len(self.data_array)
        self.count = 0
        self.size = 0
        self.missing = 0

    def need(self, size: int) -> None:
        """Ensure capacity for ``size`` more bytes."""
        if self.size + size > self.room:
            self.room = 2 * (self.size + size)
            grown = np.empty(self.room, np.uint8)
            grown[: self.size] = self.data_array[: self.size]
            self.data_array = grown
            self.data = view(grown)

    def null(self) -> None:
        """Append NULL."""
        self.flags[self.count] = 0
        self.missing += 1
        self.end()

    def byte(self, value: int) -> None:
        """Append a byte to the next text, after `need` has ensured capacity."""
        self.data[self.size] = value
        self.size += 1

    def end(self) -> None:
        """Complete the next text."""
        self.count += 1
        self.ends[self.count] = self.size

    def put(self, text: str | None) -> None:
        """Append a text."""
        if text is None:
            self.null()
        elif append_ascii(self, text):
            self.end()
        else:
            self.encoded(text.encode("utf-8", "backslashreplace"))

    def encoded(self, raw: bytes) -> None:
        """Append a text in UTF-8."""
        self.need(len(raw))
        for code in raw:
            self.byte(code)
        self.end()

    def take(self) -> Texts:
        """Return the column."""
        valid = bitmap(self.flags_array[: self.count]) if self.missing else None
        return Texts(self.ends_array[: self.count + 1], self.data_array[: self.size], valid)
