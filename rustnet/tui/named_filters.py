"""Filters that the user gave a name, in a file of the user's own."""

import contextlib
import json
import os
from pathlib import Path

MOST = 100
"""Most filters."""
MOST_BYTES = 1 << 18


def read_filters(path: Path | None) -> dict[str, str]:
    """Filters by name; none if there is no file, or another than this module writes."""
    if path is None:
        return {}
    with contextlib.suppress(OSError, ValueError):
        with path.open("rb") as file:
            stored = json.loads(file.read(MOST_BYTES))
        if isinstance(stored, dict):
            pairs = [(name, text) for name, text in stored.items() if isinstance(name, str) and isinstance(text, str)]
            return dict(pairs[:MOST])
    return {}


def write_filters(path: Path, filters: dict[str, str]) -> None:
    """Store filters. Raises `OSError`."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".new")
    with contextlib.suppress(FileNotFoundError):
        temporary.unlink()
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump(dict(list(filters.items())[-MOST:]), file)
    temporary.replace(path)
