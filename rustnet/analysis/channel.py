"""`Channel`: Python objects between two processes of this program, with at most one copy of their arrays.

A message is pickled (protocol 5) without the buffers of its arrays. Large buffers are written to shared memory, where
the received arrays stay: once those are deleted, the next message in the other direction frees their space. Other
buffers are sent after the pickle directly from their memory, and received into one block that the new arrays share. All
start at a multiple of 8 bytes. Both ends are this program, so messages are trusted.
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
"""Size of the pickle; number of buffers (their sizes come next, 8 bytes each); their offset in the shared memory,
negative if they follow the pickle; number of offsets to free (they come after the sizes)."""
ALIGNED = 8
PADDING = memoryview(bytes(ALIGNED))
MOST_PIECES = 256
"""Buffers per `sendmsg` call; the system takes 1,024 at most."""
KERNEL_BYTES = 1 << 20
"""Size of the socket's send buffer; the system may allow less."""
AREA_BYTES = 32 << 20
"""Size of the shared memory."""
LARGE = 64 << 10
"""Total size of buffers from which they go through shared memory."""


class Area:
    """Allocates ranges of a block of memory, the lowest first: they may still be in the processor's cache."""

    def __init__(self, size: int) -> None:
        self.free = [(0, size)]
        """(offset, size), in order; adjacent ranges are merged."""
        self.taken: dict[int, int] = {}

    def allocate(self, size: int) -> int:
        """Offset of ``size`` contiguous bytes, or -1 if there are none."""
        for i, (offset, space) in enumerate(self.free):
            if space >= size:
                self.free[i : i + 1] = [(offset + size, space - size)] if space > size else []
                self.taken[offset] = size
                return offset
        return -1

    def release(self, offset: int) -> None:
        """Free the range at an offset."""
        merged: list[tuple[int, int]] = []
        for start, size in sorted([*self.free, (offset, self.taken.pop(offset))]):
            if merged and sum(merged[-1]) == start:
                merged[-1] = merged[-1][0], merged[-1][1] + size
            else:
                merged.append((start, size))
        self.free = merged


class Channel:
    """One end. `recv` raises EOFError once the other end is closed; `send` and `recv` raise OSError on failure.

    ``memory`` is shared with the other end; the end that writes to it has the allocator ``area``.
    """

    def __init__(self, end: socket.socket, memory: mmap.mmap, area: Area | None = None) -> None:
        self.socket = end
        self.memory = memory
        self.area = area
        self.unused: deque[int] = deque()
        """Offsets whose arrays were deleted, not yet sent to the other end."""
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, KERNEL_BYTES)
        self.poller = select.poll()
        self.poller.register(end, select.POLLIN)

    def send(self, message: object) -> None:
        """Send a message; blocks until the other end has taken it."""
        buffers: list[pickle.PickleBuffer] = []
        body = pickle.dumps(message, 5, buffer_callback=buffers.append)
        raw = [buffer.raw() for buffer in buffers]
        sizes = [view.nbytes for view in raw]
        offset = self._share(raw, sum(map(_padded, sizes)))
        unused = [self.unused.popleft() for _ in range(len(self.unused))]
        numbers = struct.pack(f"={len(raw)}Q{len(unused)}Q", *sizes, *unused)
        pieces = [memoryview(HEAD.pack(len(body), len(raw), offset, len(unused)) + numbers + body)]
        for view in raw if offset < 0 else ():
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

    def _share(self, raw: list[memoryview], space: int) -> int:
        """Write large buffers to the shared memory and return their offset; -1 if they have to be sent."""
        if self.area is None or space < LARGE:
            return -1
        offset = at = self.area.allocate(space)
        if offset >= 0:
            shared = memoryview(self.memory)
            for view in raw:
                shared[at : at + view.nbytes] = view
                at += _padded(view.nbytes)
        return offset

    def recv(self) -> Any:
        """Wait for a message."""
        size, count, offset, free = HEAD.unpack(self._block(HEAD.size))
        numbers = struct.unpack(f"={count + free}Q", self._block(8 * (count + free))) if count + free else ()
        sizes = numbers[:count]
        for freed in numbers[count:]:
            assert self.area is not None
            self.area.release(freed)
        body = self._block(size)
        space = sum(map(_padded, sizes))
        block = self._block(space) if offset < 0 else self._shared(offset, space)
        buffers = []
        at = 0
        for size in sizes:
            buffers.append(block[at : at + size])
            at += _padded(size)
        return pickle.loads(body, buffers=buffers)  # noqa: S301 - from our own process

    def _shared(self, offset: int, size: int) -> memoryview:
        """A range of the shared memory, which is freed once it is no longer referenced."""
        part = np.frombuffer(self.memory, np.uint8, size, offset)
        weakref.finalize(part, self.unused.append, offset).atexit = False
        return memoryview(part)  # type: ignore[arg-type]

    def _block(self, size: int) -> memoryview:
        """Receive exactly ``size`` bytes."""
        block = memoryview(np.empty(size, np.uint8))  # type: ignore[arg-type]  # arrays are buffers before 3.12 too
        at = 0
        while at < size:
            received = self.socket.recv_into(block[at:])
            if not received:
                raise EOFError
            at += received
        return block

    def poll(self, seconds: float = 0) -> bool:
        """Whether a message, or the end, arrives within so many seconds."""
        return bool(self.poller.poll(seconds * 1_000))

    def close(self) -> None:
        """Close this end."""
        self.socket.close()


def _padded(size: int) -> int:
    """Size of a buffer rounded up to the alignment."""
    return size + -size % ALIGNED


def channels() -> tuple[Channel, Channel]:
    """Both ends of a new channel; the second may send arrays through shared memory."""
    first, second = socket.socketpair()
    memory = mmap.mmap(-1, AREA_BYTES)
    return Channel(first, memory), Channel(second, memory, Area(AREA_BYTES))
