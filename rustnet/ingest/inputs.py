"""`OpenInput`: an input that this process opened, and what it knows of it: size, hash, whether it has changed."""

import hashlib
import os
import stat
from io import FileIO

from rustnet.filenames import as_text
from rustnet.ingest.stop import StopToken
from rustnet.sources.hashing import HashProcess, file_state, hash_process
from rustnet.sources.stored import IDENTITY_BYTES, STDIN, open_input
from rustnet.store.tables import CaptureFile

TICK = 0.1
"""Seconds of waiting for a hash between two checks of whether the run was stopped."""


class OpenInput:
    """An input from its opening until its rows are stored. Raises `InputError` if it cannot be opened."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.file: FileIO = open_input(path)
        """Its descriptor, which a parser takes over."""
        status = os.fstat(self.file.fileno())
        regular = path != STDIN and stat.S_ISREG(status.st_mode)
        self.size = status.st_size if regular else None
        """Size, if it is a regular file."""
        self.hash: HashProcess | None = hash_process(self.file.fileno()) if regular else None
        """Hash of the input, if that is large."""
        self.state = file_state(status)
        """What shows every change of it."""
        self.hashed = os.dup(self.file.fileno()) if self.hash is not None else -1
        head = os.pread(self.file.fileno(), IDENTITY_BYTES, 0) if regular else b""
        self.head = hashlib.sha256(head).hexdigest() if regular else None
        """SHA-256 of its first `IDENTITY_BYTES`."""
        self.kind = ""
        self.format = ""
        self.sha256: str | None = None
        """Hash that another process computed, after `finish`."""
        self.interrupted = False
        """The run was stopped before the hash was ready."""

    def row(self, capture_id: int, index: int) -> CaptureFile:
        """Row of this file as one of several of a capture."""
        return CaptureFile(
            capture_id, index, as_text(self.path), self.kind, self.format, self.size, head_sha256=self.head
        )

    def finish(self, stop: StopToken) -> None:
        """Wait for the hash, and release it; `sha256` is None if the file has changed, or the run was stopped first."""
        while self.hash is not None and not self.hash.ready(TICK):
            if stop.is_set():
                self.interrupted = True
                self.close()
                return
        if self.hash is not None:
            digest = self.hash.finish()
            self.sha256 = digest if file_state(os.fstat(self.hashed)) == self.state else None
        self.close()

    def close(self) -> None:
        """Release everything but the descriptor that a parser took over."""
        if self.hash is not None:
            self.hash.close()
            self.hash = None
        if self.hashed >= 0:
            os.close(self.hashed)
            self.hashed = -1
