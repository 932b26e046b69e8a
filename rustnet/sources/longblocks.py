"""pcapng blocks that are longer than a batch may hold: passed over by their two lengths, never searched for packets."""

from collections.abc import Callable
from dataclasses import dataclass

from rustnet.sources.ahead import LOOK_BYTES
from rustnet.sources.frames import MAX_FRAME
from rustnet.sources.sniff import byte_order
from rustnet.sources.walk import known_kind

SECTION, SIMPLE, ENHANCED, OLD_PACKET = 0x0A0D0D0A, 3, 6, 2
PACKETS = (OLD_PACKET, SIMPLE, ENHANCED)
AT_HAND = MAX_FRAME + 64
"""Bytes at the start of such a block that are read: one packet always fits."""
_OFTEN_LONG = (SECTION, 4, 9, 10, 0xBAD, 0x40000BAD)
"""Types whose length is believed where the end of the block cannot be looked at."""

Look = Callable[[int, int], bytes | None]
"""Returns bytes behind the present buffer: how many to skip, how many to return (`Ahead.look`)."""


@dataclass(slots=True)
class LongBlock:
    """A block that is being passed over."""

    kind: int
    total: int
    """Its first length."""
    offset: int
    """Its position in the uncompressed input."""
    left: int
    """Bytes of it that were not consumed yet."""
    verified: bool
    """The length at its end is known to be the same."""
    kept: bool
    """It is a valid block, to be copied; otherwise damage."""


@dataclass(frozen=True, slots=True)
class LongPart:
    """Bytes of a batch that belong to a long block."""

    start: int
    stop: int
    block: LongBlock
    first: bool
    """The block begins here."""


def padded(total: int) -> int:
    """Size of a block of that length: some writers omit the padding from the length."""
    return (total + 3) & ~3


class Lengths:
    """Compares the two lengths of long blocks in one buffer, ``data[:end]``."""

    def __init__(self, data: memoryview, end: int, look: Look, big: bool) -> None:
        self._data = data
        self._end = end
        self._look = look
        self._order = byte_order(big)

    def verdict(self, pos: int) -> str:
        """Judge the block at ``pos``: ``same``, ``different``, ``cut`` off by the end of the input, or ``unknown``.

        ``other`` means that only its trailing length is wrong: another block follows. Raises `NotYetError`.
        """
        kind, total = self._number(pos), self._number(pos + 4)
        if kind is None or total is None:
            return "cut"
        size = padded(total)
        trailing = self._number(pos + size - 4)
        if trailing == total:
            return "same"
        if trailing is None:
            far = pos + size - self._end > LOOK_BYTES and self._look(pos + size - 4 - self._end, 4) is None
            return "unknown" if far else "cut"
        return "other" if self._block_at(pos + size) else "different"

    def believed(self, pos: int) -> bool:
        """Whether the length of a block is believed although its end cannot be looked at."""
        kind, total = self._number(pos), self._number(pos + 4)
        return kind in _OFTEN_LONG and total is not None and not total & 3

    def ordinary(self, pos: int) -> bool:
        """Whether a block that the input's end cuts off may have been valid: no packet, and of a usual size."""
        kind, total = self._number(pos), self._number(pos + 4)
        if kind is None or total is None or kind in PACKETS:
            return False
        return (known_kind(kind) or kind == SECTION) and not total & 3 and total <= LOOK_BYTES

    def _block_at(self, pos: int) -> bool:
        """Whether a block with two equal lengths begins at ``pos``, or the input ends there."""
        kind, total = self._number(pos), self._number(pos + 4)
        if kind is None:
            return self._bytes(pos, 1) == b""
        if kind == SECTION:
            return self._bytes(pos + 8, 4) in (b"\x1a\x2b\x3c\x4d", b"\x4d\x3c\x2b\x1a")
        if total is None or total < 12 or total & 3 or not known_kind(kind):
            return False
        return self._number(pos + total - 4) == total

    def _number(self, at: int) -> int | None:
        raw = self._bytes(at, 4)
        return None if raw is None or len(raw) < 4 else int.from_bytes(raw, self._order)

    def _bytes(self, at: int, size: int) -> bytes | None:
        here = bytes(self._data[min(at, self._end) : min(at + size, self._end)])
        if len(here) == size:
            return here
        rest = self._look(max(0, at - self._end), size - len(here))
        return None if rest is None else here + rest
