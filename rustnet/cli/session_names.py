"""Names of sessions that follow each other: each start of a capture begins one of its own."""

import datetime as dt
import os
from pathlib import Path

from rustnet.errors import SessionError

MOST_OF_SECOND = 1000
"""Sessions whose names have the same second."""


def new_session(path: str, now_ns: int) -> str:
    """``path`` if nothing has this name, else the same with the time in UTC in it, which names nothing yet either.

    So ``s.duckdb`` is followed by ``s-20261130T101500Z.duckdb``.
    """
    first = Path(path)
    at = dt.datetime.fromtimestamp(now_ns // 10**9, dt.UTC)
    stem = f"{first.stem}-{at:%Y%m%dT%H%M%SZ}"
    numbered = (f"{stem}-{number}{first.suffix}" for number in range(1, MOST_OF_SECOND))
    for name in (first.name, f"{stem}{first.suffix}", *numbered):
        if not os.path.lexists(first.with_name(name)):
            return str(first.with_name(name))
    raise SessionError("{path}: too many sessions with this name began at this second", path=path)
