"""Lines that were entered before, such as filters and statements, kept in a file of the user's own."""

import contextlib
import json
from pathlib import Path

from rustnet.tui.state_file import MOST_BYTES, read_state, write_state

MOST = 200
"""Most entries."""
LONGEST = 20_000
"""Most characters of an entry."""


class History:
    """Entries from the oldest to the newest, and a place among them; without a path they end with the program."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._entries: list[str] = []
        self._at = 0
        self._draft = ""
        if path is not None:
            self._read(path)
        self._at = len(self._entries)

    def _read(self, path: Path) -> None:
        stored = read_state(path)
        if isinstance(stored, list):
            entries = [entry for entry in stored if isinstance(entry, str) and len(entry) <= LONGEST]
            self._entries = entries[-MOST:]

    def add(self, text: str, *, store: bool = True) -> None:
        """Add an entry as the newest; ``store``: also in the file."""
        text = text.strip()
        if text and len(text) <= LONGEST:
            if text in self._entries:
                self._entries.remove(text)
            self._entries.append(text)
            del self._entries[:-MOST]
            if store and self._path is not None:
                self._write(self._path)
        self._at = len(self._entries)
        self._draft = ""

    def _write(self, path: Path) -> None:
        """Store the newest entries, as many as a file may have."""
        kept: list[str] = []
        room = MOST_BYTES // 2  # a character may take more than a byte
        for entry in reversed(self._entries):
            room -= len(json.dumps(entry)) + 2
            if room < 0:
                break
            kept.append(entry)
        with contextlib.suppress(OSError):  # without a history everything works
            write_state(path, kept[::-1])

    def older(self, present: str) -> str | None:
        """Return the entry before the present one; ``None`` at the oldest. ``present`` is what is being typed."""
        if self._at == 0:
            return None
        if self._at == len(self._entries):
            self._draft = present
        self._at -= 1
        return self._entries[self._at]

    def newer(self) -> str | None:
        """Return the entry after the present one, last what was being typed; ``None`` at the end."""
        if self._at >= len(self._entries):
            return None
        self._at += 1
        return self._draft if self._at == len(self._entries) else self._entries[self._at]
