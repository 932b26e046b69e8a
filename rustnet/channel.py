"""`Channel`: Python objects between two processes of this program, arrays without a copy of them in between.

A message is pickled (protocol 5). The buffers of its arrays are not part of the pickle: they go behind it straight from
the memory where they are, each from a place that 8 divides, and are received into one block that the new arrays share.
Both ends are this program: what comes is trusted.
"""

import pickle
import select
import socket
import struct
from typing import Any

import numpy as np

HEAD = struct.Struct("=QQ")
"""Bytes of the pickle, and how many buffers follow it (their sizes come ahead of them, 8 bytes each)."""
ALIGNED = 8
PADDING = memoryview(bytes(ALIGNED))
MOST_PIECES = 256
"""Buffers that are given to the system at a time; it takes 1,024 at most."""
KERNEL_BYTES = 1 << 20
"""What may be on its way; the system may allow less."""


class Channel:
    """One end. `recv` raises EOFError once the other end is closed, both directions OSError when they fail."""

    def __init__(self, end: socket.socket) -> None:
        self.socket = end
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, KERNEL_BYTES)
        self.poller = select.poll()
        self.poller.register(end, select.POLLIN)

    def send(self, message: object) -> None:
        """Send a message; waits while the other end does not take it."""
        buffers: list[pickle.PickleBuffer] = []
        body = pickle.dumps(message, 5, buffer_callback=buffers.append)
        raw = [buffer.raw() for buffer in buffers]
        sizes = struct.pack(f"={len(raw)}Q", *[view.nbytes for view in raw])
        pieces = [memoryview(HEAD.pack(len(body), len(raw)) + sizes + body)]
        for view in raw:
            if view.nbytes:
                pieces.append(view)
            if view.nbytes % ALIGNED:
                pieces.append(PADDING[: -view.nbytes % ALIGNED])
        first = 0
        while first < len(pieces):
            sent = self.socket.sendmsg(pieces[first : first + MOST_PIECES])
            while first < len(pieces) and sent >= pieces[first].nbytes:
                sent -= pieces[first].nbytes
                first += 1
            if sent:
                pieces[first] = pieces[first][sent:]

    def recv(self) -> Any:
        """Wait for a message."""
        size, count = HEAD.unpack(self._block(HEAD.size))
        sizes = struct.unpack(f"={count}Q", self._block(8 * count)) if count else ()
        body = self._block(size)
        block = self._block(sum(size + -size % ALIGNED for size in sizes))
        buffers = []
        at = 0
        for size in sizes:
            buffers.append(block[at : at + size])
            at += size + -size % ALIGNED
        return pickle.loads(body, buffers=buffers)  # noqa: S301 - from our own process

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


def channels() -> tuple[Channel, Channel]:
    """Both ends of a new channel."""
    one, other = socket.socketpair()
    return Channel(one), Channel(other)
