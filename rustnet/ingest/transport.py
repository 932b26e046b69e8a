"""Messages from the parsing process to the process that holds the session: a text and a block of bytes each.

Blocks go through a ring in shared memory, small and very large ones through the socket. The receiver copies each block
before anyone looks at it, so that the sender cannot change what was checked. Neither end unpickles anything.
"""

import mmap
import select
import socket
import struct
import time
from collections.abc import Sequence

import numpy as np

from rustnet.columnar import Array
from rustnet.errors import RustnetError

HEAD = struct.Struct("=QQq")
"""Size of the text, size of the block, its position in the ring; negative if it follows the text."""
TAIL = struct.Struct("=Q")
"""First position of the ring that the receiver has not copied; stored before the ring."""
TAIL_BYTES = 64
RING_BYTES = 8 << 20
LARGE = 16 << 10
"""Size from which a block goes through the ring."""
MAX_TEXT = 64 << 20
MAX_BLOCK = 512 << 20
ALIGNED = 8
PAUSE = 0.0005
"""Seconds between two looks at a full ring."""
SOCKET_BYTES = 1 << 20


class TransportError(RustnetError):
    """A message is not in the form that the sender writes."""


def padded(size: int) -> int:
    """Size of an array rounded up to the alignment."""
    return size + -size % ALIGNED


class Ring:
    """Shared memory that one process writes in a circle and another reads."""

    def __init__(self, size: int = RING_BYTES) -> None:
        self.size = size
        self.memory = mmap.mmap(-1, TAIL_BYTES + size)
        self.data = np.frombuffer(self.memory, np.uint8, size, TAIL_BYTES)

    @property
    def tail(self) -> int:
        """First position that has not been copied; positions grow without end."""
        return int(TAIL.unpack_from(self.memory)[0])

    @tail.setter
    def tail(self, position: int) -> None:
        TAIL.pack_into(self.memory, 0, position)


class Sender:
    """The end that sends; raises OSError once the other end is closed."""

    def __init__(self, end: socket.socket, ring: Ring) -> None:
        self.socket = end
        self.ring = ring
        self.head = 0
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SOCKET_BYTES)
        self.closed = select.poll()
        self.closed.register(end, 0)  # reports POLLHUP only

    def send(self, text: bytes, arrays: Sequence[Array] = ()) -> None:
        """Send a message; blocks while the ring or the socket is full."""
        size = sum(padded(array.nbytes) for array in arrays)
        at = self._write(arrays, size) if LARGE <= size <= self.ring.size // 2 else -1
        self._send(HEAD.pack(len(text), size, at) + text)
        if at < 0:
            for array in arrays:
                self._send(array.tobytes() + bytes(padded(array.nbytes) - array.nbytes))

    def _send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def _write(self, arrays: Sequence[Array], size: int) -> int:
        """Write a block to the ring once it has room; returns its position."""
        ring = self.ring
        at = self.head % ring.size
        start = self.head if at + size <= ring.size else self.head + ring.size - at
        while start + size - ring.tail > ring.size:
            if self.closed.poll(0):
                raise BrokenPipeError
            time.sleep(PAUSE)
        at = start % ring.size
        for array in arrays:
            end = at + array.nbytes
            ring.data[at:end] = array.view(np.uint8) if array.ndim else array
            at += padded(array.nbytes)
        self.head = start + size
        return start


class Receiver:
    """The end that receives."""

    def __init__(self, end: socket.socket, ring: Ring) -> None:
        self.socket = end
        self.ring = ring
        self.poller = select.poll()
        self.poller.register(end, select.POLLIN)

    def ready(self, seconds: float) -> bool:
        """Whether a message, or the end, arrives within so many seconds."""
        return bool(self.poller.poll(seconds * 1_000))

    def receive(self) -> tuple[bytes, Array]:
        """Next message: its text, and its block in memory that nothing else refers to.

        Raises EOFError at the end, `TransportError` for anything that no `Sender` sends.
        """
        text_size, size, at = HEAD.unpack(self._read(HEAD.size).tobytes())
        if text_size > MAX_TEXT or size > MAX_BLOCK:
            raise TransportError("the parsing process sent a message that is too large")
        text = self._read(text_size).tobytes()
        if at < 0:
            return text, self._read(size)
        ring = self.ring
        start = at % ring.size
        if start + size > ring.size or start % ALIGNED:
            raise TransportError("the parsing process sent a message that is not in its memory")
        block = ring.data[start : start + size].copy()
        ring.tail = at + size
        return text, block

    def _read(self, size: int) -> Array:
        """Receive exactly ``size`` bytes."""
        block = np.empty(size, np.uint8)
        window = memoryview(block)  # type: ignore[arg-type]  # arrays are buffers before 3.12 too
        while window:
            received = self.socket.recv_into(window)
            if not received:
                raise EOFError
            window = window[received:]
        return block
