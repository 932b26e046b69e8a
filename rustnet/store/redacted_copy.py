"""Copies the tables of a session into a new one, in which the values of columns are replaced.

Each distinct value of a column is replaced once, and DuckDB puts the replacements into the rows. Originals are in
memory, and where that does not suffice in encrypted files; the new file never has them.
"""

import contextlib
import typing
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rustnet.columnar import Column, Lists, Texts, lists, texts
from rustnet.records import table_name
from rustnet.store import session as store
from rustnet.store.arrow import ArrowStream
from rustnet.store.schema import base_tables, create_table_sql, quote_identifier, quote_literal

if typing.TYPE_CHECKING:
    import duckdb

SOURCE = "source"
"""Name of the session that is copied, within the connection."""
BATCH = 20_480
"""Values that are replaced at once."""
MEMORY = "512MB"
Replace = Callable[[Sequence[Any]], Sequence[Any]]
"""Replacements of distinct values, in their order."""


@dataclass(frozen=True, slots=True)
class CopiedColumn:
    """A column that is copied."""

    name: str
    sql_type: str
    required: bool
    """It must not be NULL in the new session."""
    replace: Replace | None = None
    """None: the values stay."""
    shift_ns: int = 0
    """What is added to moments that stay otherwise."""


@dataclass(frozen=True, slots=True)
class Count:
    """How many values a column has."""

    cells: int
    """Values that are not NULL."""
    distinct: int | None
    """Different ones; None: not counted, because they stay."""


