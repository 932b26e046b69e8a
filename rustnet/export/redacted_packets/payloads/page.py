"""A payload that is written again from nothing: what is not kept or put is zero, and cut where nothing follows."""

import contextlib
from collections.abc import Callable, Sequence

from rustnet.export.redacted_packets.payload import DatagramRewriter, Interval, PayloadContext, StreamRewriter


class CutError(Exception):
    """What follows is not understood: it is removed, what was written so far stays."""


class Page:
    """The bytes of a payload, and those that replace them.

    All methods raise `CutError` for a place outside of the payload.
    """

    __slots__ = ("_spans", "data", "out", "size")

    def __init__(self, data: bytes | bytearray, size: int | None = None) -> None:
        self.data = bytes(data)
        self.size = len(self.data) if size is None else size
        """Bytes from the start that were captured without a hole."""
        self.out = bytearray(len(self.data))
        self._spans: list[tuple[int, int]] = []

    def need(self, stop: int) -> None:
        """Check that the payload goes as far as this."""
        if stop > self.size:
            raise CutError

    def _span(self, start: int, stop: int) -> None:
        if not 0 <= start <= stop <= self.size:
            raise CutError
        if self._spans and self._spans[-1][1] == start:
            self._spans[-1] = (self._spans[-1][0], stop)
        elif start < stop:
            self._spans.append((start, stop))

    def spans(self) -> list[Interval]:
        """What is kept, ascending and apart."""
        merged: list[Interval] = []
        for start, stop in sorted(self._spans):
            if merged and start <= merged[-1].stop:
                merged[-1] = Interval(merged[-1].start, max(merged[-1].stop, stop))
            else:
                merged.append(Interval(start, stop))
        return merged

    def keep(self, start: int, stop: int) -> None:
        """Keep bytes as they are."""
        self._span(start, stop)
        self.out[start:stop] = self.data[start:stop]

    def blank(self, start: int, stop: int) -> None:
        """Keep bytes as zeros."""
        self._span(start, stop)

    def put(self, start: int, replacement: bytes) -> None:
        """Replace as many bytes as the replacement has."""
        stop = start + len(replacement)
        self._span(start, stop)
        self.out[start:stop] = replacement

    def u8(self, pos: int) -> int:
        """Number of one byte."""
        if not 0 <= pos < self.size:
            raise CutError
        return self.data[pos]

    def u16(self, pos: int) -> int:
        """Big-endian number of two bytes."""
        if pos < 0 or pos + 2 > self.size:
            raise CutError
        return self.data[pos] << 8 | self.data[pos + 1]

    def u24(self, pos: int) -> int:
        """Big-endian number of three bytes."""
        return self.u8(pos) << 16 | self.u16(pos + 1)

    def u32(self, pos: int) -> int:
        """Big-endian number of four bytes."""
        return self.u16(pos) << 16 | self.u16(pos + 2)


Writer = Callable[[Page, PayloadContext], None]
"""Writes what is kept of a payload. Raises `CutError` where it understands no more."""


def datagram(write: Writer) -> DatagramRewriter:
    """Rewriter of datagrams that writes each on a page."""

    def rewrite(payload: bytearray, context: PayloadContext) -> int:
        page = Page(payload)
        with contextlib.suppress(CutError):
            write(page, context)
        payload[:] = page.out
        spans = page.spans()
        return spans[-1].stop if spans else 0

    return rewrite


def stream(write: Writer) -> StreamRewriter:
    """Rewriter of one direction of a connection, up to the first byte that was not captured."""

    def rewrite(data: bytearray, holes: Sequence[Interval], context: PayloadContext) -> list[Interval]:
        page = Page(data, holes[0].start if holes else None)
        with contextlib.suppress(CutError):
            write(page, context)
        data[:] = page.out
        return page.spans()

    return rewrite
