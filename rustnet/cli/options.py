"""Options that several commands share, and how a session is opened for them."""

import contextlib
import io
import sys
import typing
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, TextIO, TypeVar

import click

from rustnet.cli.main import State
from rustnet.errors import RustnetError
from rustnet.i18n import _

if typing.TYPE_CHECKING:
    from rustnet.query.session import Session
_F = TypeVar("_F", bound=Callable[..., Any])

FORMATS = ("table", "csv", "json", "jsonl", "parquet", "markdown")
TERMINAL_LIMIT = 50
"""Rows that a terminal gets unless it asks for more."""


def _set(name: str, value: bool) -> Callable[[click.Context, click.Parameter, bool], None]:
    def callback(ctx: click.Context, _param: click.Parameter, given: bool) -> None:
        state = ctx.find_object(State)
        if given and state:
            setattr(state, name, value)

    return callback


def common(command: _F) -> _F:
    """``--debug`` and ``--no-color``, which may stand behind the command as well as before it."""
    command = click.option(
        "--no-color", is_flag=True, expose_value=False, is_eager=True, callback=_set("color", False),
        help=_("No colours."),
    )(command)  # fmt: skip
    return click.option(
        "--debug", is_flag=True, expose_value=False, is_eager=True, callback=_set("debug", True),
        help=_("Show tracebacks; raise what parsers raise."),
    )(command)  # fmt: skip


def session_argument(command: _F) -> _F:
    """Add the session's file."""
    return click.argument("session", metavar="SESSION", type=click.Path())(command)


def filter_argument(command: _F) -> _F:
    """Add the filter; its words may be given unquoted."""
    return click.argument("words", metavar="[FILTER]…", nargs=-1)(command)


def format_options(command: _F) -> _F:
    """``--format`` and ``-o``."""
    command = click.option(
        "-o", "--output", type=click.Path(dir_okay=False), help=_("Write to a file (its ending gives the format).")
    )(command)
    return click.option(
        "-f", "--format", "fmt", type=click.Choice(FORMATS), help=_("How to write rows [default: table]")
    )(command)


def limit_options(command: _F) -> _F:
    """``--limit`` and ``--all``: how many rows are shown."""
    command = click.option("-a", "--all", "everything", is_flag=True, help=_("Show all rows, on a terminal too."))(
        command
    )
    words = _("Most rows to show [default: {n} on a terminal].").format(n=TERMINAL_LIMIT)
    return click.option("-n", "--limit", type=click.IntRange(0), help=words)(command)


def chosen_format(fmt: str | None, output: str | None) -> str:
    """Format to write: as given, else by the ending of the file."""
    if fmt:
        return fmt
    ending = Path(output).suffix.lower().lstrip(".") if output else ""
    return {"md": "markdown", "ndjson": "jsonl", "pq": "parquet", "txt": "table"}.get(
        ending, ending if ending in FORMATS else "table"
    )


@contextlib.contextmanager
def opened(session: str) -> "Iterator[Session]":
    """Open a session for reading, finished or being written, for as long as the block lasts."""
    from rustnet.query.session import open_session  # noqa: PLC0415 -- DuckDB, which --help does not need

    reader = open_session(session)
    try:
        yield reader
    finally:
        reader.close()


@contextlib.contextmanager
def text_output(path: str | None, fmt: str) -> "Iterator[TextIO | BinaryIO]":
    """Open where rows go: stdout, or a file that appears whole or not at all."""
    if path is None or path == "-":
        if fmt == "csv" and hasattr(sys.stdout, "reconfigure"):
            sys.stdout.reconfigure(newline="")
        yield sys.stdout
        sys.stdout.flush()
        return
    with whole_file(path) as stream:
        if fmt == "parquet":
            yield stream
        else:
            text = io.TextIOWrapper(stream, "utf-8", newline="")
            yield text
            text.flush()
            text.detach()


@contextlib.contextmanager
def whole_file(path: str) -> Iterator[BinaryIO]:
    """Write a file beside its place and move it there at the end, so that no half file is taken for a whole one."""
    place = Path(path)
    if place.exists() and not place.is_file():  # a pipe or device is written as it is
        with place.open("wb") as stream:
            yield stream
        return
    beside = place.with_name(f".{place.name}.part")
    try:
        with beside.open("wb") as stream:
            yield stream
        beside.replace(place)
    except OSError as error:
        raise RustnetError(
            "{path}: cannot be written: {strerror}", path=path, strerror=error.strerror or error
        ) from error
    finally:
        with contextlib.suppress(OSError):
            beside.unlink(missing_ok=True)
