"""Columns and widths of the list of flows that the user kept, in a file of the user's own."""

from collections.abc import Mapping
from pathlib import Path

from rustnet.tui.state_file import read_state, write_state

MOST = 100
WIDEST = 500


def read_columns(path: Path | None) -> tuple[tuple[str, ...], dict[str, int]]:
    """Columns in their order, and widths by column; both empty if none were kept."""
    stored = read_state(path)
    if not isinstance(stored, dict):
        return (), {}
    columns, widths = stored.get("columns"), stored.get("widths")
    names = [name for name in columns if isinstance(name, str)] if isinstance(columns, list) else []
    sizes = {
        name: size
        for name, size in (widths.items() if isinstance(widths, dict) else ())
        if isinstance(size, int) and not isinstance(size, bool) and 1 <= size <= WIDEST
    }
    return tuple(names[:MOST]), dict(list(sizes.items())[:MOST])


def write_columns(path: Path, columns: tuple[str, ...], widths: Mapping[str, int]) -> None:
    """Keep columns and widths. Raises `OSError`."""
    write_state(path, {"columns": list(columns), "widths": dict(widths)})
