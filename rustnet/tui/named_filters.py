"""Filters that the user gave a name, in a file of the user's own."""

from pathlib import Path

from rustnet.tui.state_file import read_state, write_state

MOST = 100
"""Most filters."""


def read_filters(path: Path | None) -> dict[str, str]:
    """Filters by name; none if there is no file, or another than this module writes."""
    stored = read_state(path)
    if not isinstance(stored, dict):
        return {}
    pairs = [(name, text) for name, text in stored.items() if isinstance(name, str) and isinstance(text, str)]
    return dict(pairs[:MOST])


def write_filters(path: Path, filters: dict[str, str]) -> None:
    """Store filters. Raises `OSError`."""
    write_state(path, dict(list(filters.items())[-MOST:]))
