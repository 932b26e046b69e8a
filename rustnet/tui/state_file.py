"""Small files of the user's own in which the browser keeps something: JSON, mode 0600, replaced as a whole."""

import contextlib
import json
import os
from pathlib import Path
from typing import Any

MOST_BYTES = 1 << 18
"""Bytes of a file that are read."""


def read_state(path: Path | None) -> Any:
    """Contents of a file; None without one, or if it is no JSON."""
    if path is None:
        return None
    with contextlib.suppress(OSError, ValueError, RecursionError), path.open("rb") as file:
        return json.loads(file.read(MOST_BYTES))
    return None


def write_state(path: Path, data: Any) -> None:
    """Store contents. Raises `OSError`."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".new")
    with contextlib.suppress(FileNotFoundError):
        temporary.unlink()
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump(data, file)
    temporary.replace(path)
