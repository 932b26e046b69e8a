"""What a screen is to show, and the statement that answers it."""

import datetime as dt
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rustnet.query.execute import Params

_TOKENS = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|--[^\n]*|/\*.*?\*/|\?|\$\w+", re.DOTALL)
"""Texts, names and comments of a statement, in which a ``?`` is no parameter, and the parameters."""


@dataclass(frozen=True, slots=True)
class ViewSpec:
    """What all screens show: which flows, as of which packet time."""

    filter: str = ""
    """Filter of flows; empty: all."""
    at: int | None = None
    """Packet time in nanoseconds since 1970 UTC as of which the session is shown; None: its end."""
    since: int | None = None
    """Packet time from which on flows and traffic count; None: the beginning."""
    closed: bool = True
    """Flows that have ended are shown too."""
    loopback: bool = False
    """Flows whose both ends are loopback addresses are shown too."""


@dataclass(frozen=True, slots=True)
class Statement:
    """The SQL of a screen."""

    sql: str
    params: Params = ()

    def text(self) -> str:
        """Return the statement with its values in the place of the parameters, as a person can run it."""
        given = self.params
        positional = iter(() if isinstance(given, Mapping) else given)

        def filled(match: re.Match[str]) -> str:
            part = match[0]
            if part == "?":
                return literal(next(positional, None))
            if part.startswith("$") and isinstance(given, Mapping) and part[1:] in given:
                return literal(given[part[1:]])
            return part

        return _TOKENS.sub(filled, self.sql).strip()


def literal(value: object) -> str:
    """Return a value as a literal of DuckDB's SQL."""
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, dt.datetime):
        return f"TIMESTAMP '{value.isoformat(sep=' ')}'"
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return f"[{', '.join(map(literal, value))}]"
    text = value.hex() if isinstance(value, bytes) else str(value)
    return "'" + text.replace("'", "''") + "'"
