"""`Channel`: Python objects between two processes of this program, arrays with one copy of them in between, or none.

A message is pickled (protocol 5). The buffers of its arrays are not part of the pickle. Large ones are written to
memory that both ends share, and the new arrays lie there: once they are gone, the next message in the other direction
gives their place back. Others go behind the pickle straight from the memory where they are, and are received into one
block that the new arrays share; all begin at a place that 8 divides. Both ends are this program: what comes is trusted.
"""

import mmap
import pickle
import select
import socket
import struct
import weakref
from collections import deque
from typing import Any

import numpy as np

HEAD = struct.Struct("=QQqQ")
"""Bytes of the pickle; how many buffers the message has (their sizes come next, 8 bytes each); where in the shared
memory they begin, negative if they follow the pickle; how many places there are free again (told after the sizes)."""
ALIGNED = 8
PADDING = memoryview(bytes(ALIGNED))
MOST_PIECES = 256
"""Buffers that are given to the system at a time; it takes 1,024 at most."""
KERNEL_BYTES = 1 << 20
"""What may be on its way; the system may allow less."""
AREA_BYTES = 32 << 20
"""Memory that two ends share."""
LARGE = 64 << 10
"""Bytes of buffers from which on they go there."""


class Area:
    """Which places of a block of memory are free. Those at its beginning are taken first: they may still be cached."""

    def __init__(self, size: int) -> None:
        self.free = [(0, size)]
        """(place, size), in order; no two of them touch each other."""
        self.taken: dict[int, int] = {}

    def take(self, size: int) -> int:
        """Place of ``size`` bytes in one piece, or -1 if there is none."""
        for i, (place, room) in enumerate(self.free):
            if room >= size:
                self.free[i : i + 1] = [(place + size, room - size)] if room > size else []
                self.taken[place] = size
                return place
        return -1

    def give(self, place: int) -> None:
        """Free what was taken at a place."""
        merged: list[tuple[int, int]] = []
        for start, size in sorted([*self.free, (place, self.taken.pop(place))]):
            if merged and sum(merged[-1]) == start:
                merged[-1] = merged[-1][0], merged[-1][1] + size
            else:
                merged.append((start, size))
        self.free = merged


class Channel:
    """One end. `recv` raises EOFError once the other end is closed, both directions OSError when they fail.

    ``memory`` is what this end shares with the other; the end that writes to it has its ``area``.
    """

    def __init__(self, end: socket.socket, memory: mmap.mmap, area: Area | None = None) -> None:
        self.socket = end
        self.memory = memory
        self.area = area
        self.unused: deque[int] = deque()
        """Places whose arrays are gone, of which the other end does not know yet."""
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, KERNEL_BYTES)
        self.poller = select.poll()
        self.poller.register(end, select.POLLIN)

    def send(self, message: object) -> None:
        """Send a message; waits while the other end does not take it."""
        buffers: list[pickle.PickleBuffer] = []
        body = pickle.dumps(message, 5, buffer_callback=buffers.append)
        raw = [buffer.raw() for buffer in buffers]
        sizes = [view.nbytes for view in raw]
        place = self._placed(raw, sum(map(_padded, sizes)))
        unused = [self.unused.popleft() for _ in range(len(self.unused))]
        numbers = struct.pack(f"={len(raw)}Q{len(unused)}Q", *sizes, *unused)
        pieces = [memoryview(HEAD.pack(len(body), len(raw), place, len(unused)) + numbers + body)]
        for view in raw if place < 0 else ():
            if view.nbytes:
                pieces.append(view)
            if view.nbytes % ALIGNED:
                pieces.append(PADDING[: _padded(view.nbytes) - view.nbytes])
        first = 0
        while first < len(pieces):
            sent = self.socket.sendmsg(pieces[first : first + MOST_PIECES])
            while first < len(pieces) and sent >= pieces[first].nbytes:
                sent -= pieces[first].nbytes
                first += 1
            if sent:
                pieces[first] = pieces[first][sent:]

    def _placed(self, raw: list[memoryview], room: int) -> int:
        """Write large buffers to the shared memory, and return where they begin; -1 if they must be sent."""
        if self.area is None or room < LARGE:
            return -1
        place = at = self.area.take(room)
        if place >= 0:
            shared = memoryview(self.memory)
            for view in raw:
                shared[at : at + view.nbytes] = view
                at += _padded(view.nbytes)
        return place

    def recv(self) -> Any:
        """Wait for a message."""
        size, count, place, free = HEAD.unpack(self._block(HEAD.size))
        numbers = struct.unpack(f"={count + free}Q", self._block(8 * (count + free))) if count + free else ()
        sizes = numbers[:count]
        for given in numbers[count:]:
            assert self.area is not None
            self.area.give(given)
        body = self._block(size)
        room = sum(map(_padded, sizes))
        block = self._block(room) if place < 0 else self._lying(place, room)
        buffers = []
        at = 0
        for size in sizes:
            buffers.append(block[at : at + size])
            at += _padded(size)
        return pickle.loads(body, buffers=buffers)  # noqa: S301 - from our own process

    def _lying(self, place: int, size: int) -> memoryview:
        """A part of the shared memory; once nobody refers to it, its place is free."""
        part = np.frombuffer(self.memory, np.uint8, size, place)
        weakref.finalize(part, self.unused.append, place).atexit = False
        return memoryview(part)  # type: ignore[arg-type]

    def _block(self, size: int) -> memoryview:
        """Exactly ``size`` bytes."""
        block = memoryview(np.empty(size, np.uint8))  # type: ignore[arg-type]  # arrays are buffers before 3.12 too
        at = 0
        while at < size:
            got = self.socket.recv_into(block[at:])
            if not got:
                raise EOFError
            at += got
        return block

    def poll(self) -> bool:
        """Whether a message, or the end, has arrived."""
        return bool(self.poller.poll(0))

    def close(self) -> None:
        """Close this end."""
        self.socket.close()


def _padded(size: int) -> int:
    """Bytes that a buffer takes where the next one begins aligned."""
    return size + -size % ALIGNED


def channels() -> tuple[Channel, Channel]:
    """Both ends of a new channel; the second one may send its arrays through memory that they share."""
    one, other = socket.socketpair()
    memory = mmap.mmap(-1, AREA_BYTES)
    return Channel(one, memory), Channel(other, memory, Area(AREA_BYTES))
