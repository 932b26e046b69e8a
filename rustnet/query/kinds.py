"""Kinds of the columns of a result, by their names, from the annotations of the records."""

import functools
from collections.abc import Sequence

from rustnet.records import columns
from rustnet.store.tables import CORE_TABLES


@functools.cache
def _by_name() -> dict[str, object | None]:
    """Kind of each column name that means the same in all core tables."""
    kinds: dict[str, object | None] = {}
    for cls in CORE_TABLES:
        for column in columns(cls):
            kind = getattr(column, "kind", None)
            kinds[column.name] = kind if kinds.get(column.name, kind) == kind else None
    return kinds


def kinds_of(names: Sequence[str]) -> tuple[object | None, ...]:
    """Kind of each column of a result; ``None`` if it differs between tables or no table has the column."""
    known = _by_name()
    return tuple(known.get(name) for name in names)
