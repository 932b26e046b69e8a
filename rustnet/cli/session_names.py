"""Names of sessions that follow each other: each start of a capture begins one of its own."""

import datetime as dt
import functools
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from rustnet.errors import SessionError
from rustnet.i18n import _

MOST_OF_SECOND = 1000
"""Sessions whose names have the same second."""


def free_name(path: str, now_ns: int) -> str:
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


def session_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that name the session of a capture; the command gets its path as ``db``."""

    @click.option("--db", metavar="SESSION", help=_("Session file to create or to add to."))
    @click.option(
        "--new-session", is_flag=True, help=_("If that file exists, create another one, with the time in its name.")
    )
    @functools.wraps(command)
    def wrapper(*values: Any, db: str | None, new_session: bool, **named: Any) -> Any:
        if new_session and db is not None:
            db = free_name(db, time.time_ns())
        return command(*values, db=db, **named)

    return wrapper
