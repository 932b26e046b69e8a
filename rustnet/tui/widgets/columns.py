"""Columns of a table on a screen: which are shown and how wide they are, from the width of the table alone."""

import dataclasses
from collections.abc import Mapping, Sequence

GUTTER = 1
"""Cells before the first column, for the mark of a row's state."""
GAP = 1
"""Cells between two columns."""
LEAST_WIDTH = 3
"""Narrowest column that a drag makes."""
WIDEST = 400
"""Widest column that a drag makes."""


@dataclasses.dataclass(frozen=True, slots=True)
class Column:
    """A column of a table."""

    key: str
    """Name that stays the same in every language."""
    title: str
    width: int
    """Cells that it takes at least."""
    weight: int = 0
    """Its part of the cells that are left over."""
    right: bool = False
    """Whether its texts end at the right."""
    drop: int = 0
    """Order in which columns are left out where the table is narrow, lowest first; 0: never."""
    compact: int = 0
    """Width to which it is cut at its turn instead of being left out; 0: it is left out."""
    sortable: bool = True


@dataclasses.dataclass(frozen=True, slots=True)
class Placed:
    """A column that is shown, with its place."""

    column: Column
    x: int
    width: int

    @property
    def end(self) -> int:
        """First cell after it."""
        return self.x + self.width


def layout(
    columns: Sequence[Column], width: int, widths: Mapping[str, int] | None = None, gutter: int = GUTTER
) -> tuple[Placed, ...]:
    """Place columns within ``width`` cells after a gutter; ``widths`` are those that the user chose.

    The result depends on nothing else, so that columns stay where they are while rows change.
    """
    given = widths or {}
    sizes = {c.key: given.get(c.key, c.width) for c in columns}

    def used() -> int:
        return gutter + sum(sizes.values()) + GAP * len(sizes)

    for column in sorted((c for c in columns if c.drop), key=lambda c: c.drop):
        if used() <= width:
            break
        if not column.compact:
            del sizes[column.key]
        elif column.key not in given:
            sizes[column.key] = min(sizes[column.key], column.compact)
    shown = [c for c in columns if c.key in sizes]
    _share(width - used(), [c for c in shown if c.weight and c.key not in given], sizes)
    placed, x = [], gutter
    for column in shown:
        room = min(sizes[column.key], width - x)
        if room < 1:
            break
        placed.append(Placed(column, x, room))
        x += sizes[column.key] + GAP
    return tuple(placed)


def _share(spare: int, columns: Sequence[Column], sizes: dict[str, int]) -> None:
    """Add the cells that are left over to the columns' widths, by weight."""
    total = sum(c.weight for c in columns)
    if spare <= 0 or not total:
        return
    given = 0
    for column in columns:
        part = spare * column.weight // total
        sizes[column.key] += part
        given += part
    sizes[max(columns, key=lambda c: c.weight).key] += spare - given


def column_at(placed: Sequence[Placed], x: int) -> Placed | None:
    """Column that covers cell ``x``, with the gap after it."""
    return next((p for p in placed if p.x <= x < p.end + GAP), None)


def border_at(placed: Sequence[Placed], x: int) -> Placed | None:
    """Column whose right border is at most one cell from ``x``."""
    return next((p for p in placed if abs(p.end - x) <= 1), None)


def moved(keys: Sequence[str], key: str, target: str) -> tuple[str, ...]:
    """``keys`` with ``key`` at the place of ``target``."""
    rest = [k for k in keys if k != key]
    at = keys.index(target)
    return (*rest[:at], key, *rest[at:])
