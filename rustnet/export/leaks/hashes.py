"""Sets of very many values in little memory: sorted numbers of 64 bits, and what texts begin with."""

from array import array
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

_FILTER_BITS = 22
_FACTOR = np.uint64(0x9E3779B97F4A7C15)
_GROUPS = 100_000
"""Most groups of strings with the same first bytes whose sizes are remembered."""


class HashSet:
    """A set of numbers, each with the number of a kind; 9 bytes a member once it is sealed."""

    def __init__(self) -> None:
        self._added = array("q")
        self._added_kinds = bytearray()
        self._members = np.empty(0, np.int64)
        self._kinds = np.empty(0, np.uint8)

    def add(self, number: int, kind: int = 0) -> None:
        """Add a number, for the next `seal`."""
        self._added.append(number)
        self._added_kinds.append(kind)

    def seal(self, without: "HashSet | None" = None) -> None:
        """Sort what was added; numbers of ``without`` are left out."""
        members = np.concatenate([self._members, np.frombuffer(self._added, np.int64)])
        kinds = np.concatenate([self._kinds, np.frombuffer(bytes(self._added_kinds), np.uint8)])
        self._members, first = np.unique(members, return_index=True)
        self._kinds = kinds[first]
        self._added, self._added_kinds = array("q"), bytearray()
        if without is not None:
            stay = without.kinds_of(self._members) < 0
            self._members, self._kinds = self._members[stay], self._kinds[stay]

    def kinds_of(self, numbers: "np.ndarray[Any, np.dtype[np.int64]]") -> "np.ndarray[Any, np.dtype[np.int16]]":
        """Kind of each number, -1 for those that are not in the set."""
        if not len(self._members):
            return np.full(len(numbers), -1, np.int16)
        at = np.minimum(np.searchsorted(self._members, numbers), len(self._members) - 1)
        return np.where(self._members[at] == numbers, self._kinds[at].astype(np.int16), np.int16(-1))

    def members_of(self, numbers: Iterable[int]) -> "np.ndarray[Any, np.dtype[np.int16]]":
        """Kind of each number of a sequence, -1 for those that are not in the set."""
        return self.kinds_of(np.fromiter(numbers, np.int64))

    def __contains__(self, number: int) -> bool:
        return bool(self.kinds_of(np.array([number], np.int64))[0] >= 0)

    def __len__(self) -> int:
        return len(self._members)


class Windows:
    """Byte strings that are looked for at any position: by their first bytes, then as a whole; 19 bytes each."""

    def __init__(self, width: int) -> None:
        self.width = width
        """Least bytes of a string, at most 8."""
        self._mask = np.uint64((1 << 8 * width) - 1)
        self._added: tuple[array[int], array[int], array[int], bytearray] = (
            array("Q"),
            array("q"),
            array("H"),
            bytearray(),
        )
        self._heads = np.empty(0, np.uint64)
        self._wholes = np.empty(0, np.int64)
        self._sizes = np.empty(0, np.uint16)
        self._kinds = np.empty(0, np.uint8)
        self._filter = np.zeros(1 << _FILTER_BITS, np.bool_)
        self._groups: dict[int, tuple[int, tuple[int, ...]]] = {}

    def add(self, text: bytes, kind: int) -> None:
        """Add a string, for the next `seal`; of a long one its first 65,535 bytes."""
        text = text[:65_535]
        heads, wholes, sizes, kinds = self._added
        heads.append(int.from_bytes(text[: self.width], "little"))
        wholes.append(hash(text))
        sizes.append(len(text))
        kinds.append(kind)

    def seal(self) -> None:
        """Sort what was added by its first bytes."""
        heads, wholes, sizes, kinds = self._added
        order_by = np.frombuffer(heads, np.uint64), np.frombuffer(wholes, np.int64)
        order = np.lexsort((order_by[1], order_by[0]))
        self._heads, self._wholes = order_by[0][order], order_by[1][order]
        fresh = np.ones(len(order), np.bool_)
        fresh[1:] = (self._heads[1:] != self._heads[:-1]) | (self._wholes[1:] != self._wholes[:-1])
        self._heads, self._wholes = self._heads[fresh], self._wholes[fresh]
        self._sizes = np.frombuffer(sizes, np.uint16)[order][fresh]
        self._kinds = np.frombuffer(bytes(kinds), np.uint8)[order][fresh]
        self._added = array("Q"), array("q"), array("H"), bytearray()
        self._filter[self._slots(self._heads)] = True

    def __len__(self) -> int:
        return len(self._heads)

    @staticmethod
    def _slots(heads: "np.ndarray[Any, np.dtype[np.uint64]]") -> "np.ndarray[Any, np.dtype[np.uint64]]":
        return (heads * _FACTOR) >> np.uint64(64 - _FILTER_BITS)

    def search(self, data: bytes) -> Iterator[tuple[int, bytes, int]]:
        """Offset, text and kind of each string in ``data``."""
        if not len(self._heads) or len(data) < self.width:
            return
        padded = data + bytes(8)
        for shift in range(8):
            count = (len(data) - shift) // 8 + 1
            if shift + 8 * count > len(padded):
                count -= 1
            heads = np.frombuffer(padded, np.uint64, count, shift) & self._mask
            places = np.flatnonzero(self._filter[self._slots(heads)])
            if not len(places):
                continue
            first = np.searchsorted(self._heads, heads[places])
            held = self._heads[np.minimum(first, len(self._heads) - 1)] == heads[places]
            for place, at in zip(places[held].tolist(), first[held].tolist(), strict=True):
                yield from self._at(data, 8 * place + shift, at)

    def _at(self, data: bytes, offset: int, at: int) -> Iterator[tuple[int, bytes, int]]:
        """Strings that begin at an offset, where the first of those with the same first bytes is number ``at``."""
        known = self._groups.get(at)
        if known is None:
            end = at + int(np.searchsorted(self._heads[at:], self._heads[at], "right"))
            known = end, tuple(np.unique(self._sizes[at:end]).tolist())
            if len(self._groups) < _GROUPS:
                self._groups[at] = known
        end, sizes = known
        for size in sizes:
            text = data[offset : offset + size]
            if len(text) < size:
                continue
            whole = hash(text)
            place = at + int(np.searchsorted(self._wholes[at:end], whole))
            if place < end and int(self._wholes[place]) == whole:
                yield offset, text, int(self._kinds[place])
