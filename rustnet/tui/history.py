"""Lines that were entered before, such as filters and statements, kept in a file of the user's own."""

import contextlib
import json
import os
from pathlib import Path

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
        with contextlib.suppress(OSError, ValueError):
            with path.open(encoding="utf-8") as file:
                lines = file.read(MOST * LONGEST).splitlines()
            entries = [json.loads(line) for line in lines[-MOST:]]
            self._entries = [entry for entry in entries if isinstance(entry, str) and len(entry) <= LONGEST]

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
        temporary = path.with_name(path.name + ".new")
        with contextlib.suppress(OSError):
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with contextlib.suppress(FileNotFoundError):
                temporary.unlink()
            handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.writelines(json.dumps(entry) + "\n" for entry in self._entries)
            temporary.replace(path)

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
