"""SHA-256 of executables, read while nothing else is to be done."""

from __future__ import annotations

import os
import time
from collections import OrderedDict
from dataclasses import dataclass
from hashlib import sha256
from typing import IO, Any, Tuple

from rustnet.probe.lines import Keys

HASH_LIMIT, HASH_STEP, HASH_QUEUE, HASHES = 256 << 20, 1 << 20, 256, 16384

FileIdentity = Tuple[int, int, int, int]
"""Device, inode, size and time of modification."""


@dataclass
class PendingHash:
    """A file that is being read."""

    file: IO[bytes]
    digest: Any
    waiting: list[Keys]
    """Keys of the processes that wait for it."""


class Hashes:
    """Hashes executables step by step; each file is read once."""

    def __init__(self) -> None:
        self.known: OrderedDict[FileIdentity, str | None] = OrderedDict()
        self.queue: OrderedDict[FileIdentity, PendingHash] = OrderedDict()

    def want(self, pid: int, keys: Keys) -> None:
        """Put ``exe_sha256`` into a process's keys, now or later."""
        try:
            file = open(f"/proc/{pid}/exe", "rb", buffering=0)  # noqa: SIM115 -- read on long after this call
        except OSError:
            return
        stat = os.fstat(file.fileno())
        identity = (stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns)
        if identity in self.queue:
            self.queue[identity].waiting.append(keys)
        elif identity in self.known:
            keys["exe_sha256"] = self.known[identity]
        elif stat.st_size <= HASH_LIMIT and len(self.queue) < HASH_QUEUE:
            self.queue[identity] = PendingHash(file, sha256(), [keys])
            return
        file.close()

    def step(self) -> None:
        """Read on in the file that has waited longest."""
        identity, pending = next(iter(self.queue.items()))
        try:
            data = pending.file.read(HASH_STEP)
        except OSError:
            data = None
        if data:
            pending.digest.update(data)
            return
        pending.file.close()
        del self.queue[identity]
        self.known[identity] = None if data is None else pending.digest.hexdigest()
        if len(self.known) > HASHES:
            self.known.popitem(last=False)
        for keys in pending.waiting:
            keys["exe_sha256"] = self.known[identity]

    def finish(self, seconds: float) -> None:
        """Read on for at most so long."""
        end = time.monotonic() + seconds
        while self.queue and time.monotonic() < end:
            self.step()
