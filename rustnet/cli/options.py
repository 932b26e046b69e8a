"""Options shared by several commands, and opening of sessions and output files."""

import contextlib
import os
import signal
import sys
import threading
import typing
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from rustnet import i18n
from rustnet.cli.main import State
from rustnet.cli.outputs import check_session_name, check_streams, check_streams_against, output_options
from rustnet.cli.redaction_options import redactor_of
from rustnet.cli.terminal import notify
from rustnet.errors import ExitCode, UsageError
from rustnet.i18n import _
from rustnet.probe.newfile import remove_unfinished

if typing.TYPE_CHECKING:
    from rustnet.query.session import Session
_F = TypeVar("_F", bound=Callable[..., Any])

FORMATS = ("table", "csv", "json", "jsonl", "parquet", "markdown")
SECONDS = 60.0
"""Default time limit of a statement."""
TERMINAL_LIMIT = 50
"""Rows shown on a terminal by default."""


def _set(name: str, value: object = None) -> Callable[[click.Context, click.Parameter, Any], None]:
    """Store ``value``, or what was given, in a field of the state."""

    def callback(ctx: click.Context, _param: click.Parameter, given: Any) -> None:
        state = ctx.find_object(State)
        if given and state:
            setattr(state, name, given if value is None else value)

    return callback


def override(key: str, value: str | None = None) -> Callable[[click.Context, click.Parameter, Any], None]:
    """Override a setting with ``value``, or with what was given."""

    def callback(ctx: click.Context, param: click.Parameter, given: Any) -> None:
        state = ctx.find_object(State)
        if given and state:
            state.flags[key] = (param.opts[0], given if value is None else value)

    return callback


def in_english(ctx: click.Context, _param: click.Parameter, given: bool) -> bool:
    """Let a command that prints JSON write its sentences in English, whatever the language of people is."""
    if given:
        ctx.with_resource(i18n.in_english())
    return given


def _read_config(ctx: click.Context, _param: click.Parameter, path: str | None) -> None:
    """Read the configuration once the eager options are known; ``--help`` does without it."""
    if (state := ctx.find_object(State)) is not None:
        if path is not None:
            state.config_file = path
        state.read_config()


def common(command: _F) -> _F:
    """Add the options that are accepted before and after the command name, and read the configuration."""
    command = click.option(
        "--config", metavar="FILE", hidden=True, expose_value=False, callback=_read_config,
        help=_("Configuration file."),
    )(command)  # fmt: skip
    return talk_options(command)


def talk_options(command: _F) -> _F:
    """Add the options of `common` without reading the configuration; ``rustnet --help`` lists the hidden ones."""
    command = click.option(
        "--color", hidden=True, expose_value=False, is_eager=True, callback=override("color"),
        type=click.Choice(["auto", "always", "never"]), help=_("Whether to use colours."),
    )(command)  # fmt: skip
    command = click.option(
        "--timezone", metavar="ZONE", hidden=True, expose_value=False, is_eager=True, callback=override("timezone"),
        help=_("Time zone of the times shown."),
    )(command)  # fmt: skip
    command = click.option(
        "--language", metavar="LANGUAGE", hidden=True, expose_value=False, is_eager=True,
        callback=override("language"), help=_("Language of messages and help."),
    )(command)  # fmt: skip
    command = click.option(
        "--no-config", is_flag=True, hidden=True, expose_value=False, is_eager=True, callback=_set("no_config"),
        help=_("Read no configuration file."),
    )(command)  # fmt: skip
    command = click.option(
        "--no-color", is_flag=True, expose_value=False, is_eager=True, callback=override("color", "never"),
        help=_("Do not use colours."),
    )(command)  # fmt: skip
    return click.option(
        "--debug", is_flag=True, expose_value=False, is_eager=True, callback=_set("debug", True),
        help=_("Show tracebacks; do not catch parser failures."),
    )(command)  # fmt: skip


def session_argument(command: _F) -> _F:
    """Add the session argument, and ``--timeout`` for its statements."""
    return click.argument("session", metavar="SESSION", type=click.Path())(timeout_option(SECONDS)(command))


def whole_session_argument(command: _F) -> _F:
    """Add the session argument of a command that reads whole tables: its statements have no time limit by default."""
    return click.argument("session", metavar="SESSION", type=click.Path())(timeout_option(0)(command))


def timeout_option(default: float) -> Callable[[_F], _F]:
    """Add ``--timeout``, which `opened` applies."""

    def set_seconds(ctx: click.Context, _param: click.Parameter, seconds: float) -> None:
        state = ctx.find_object(State)
        if state:
            state.seconds = seconds or None

    return click.option(
        "--timeout", type=click.FloatRange(0), default=default, show_default=True, metavar="SECONDS",
        expose_value=False, callback=set_seconds, help=_("Stop each query of the session after this time; 0: never."),
    )  # fmt: skip


def filter_argument(command: _F) -> _F:
    """Add the filter argument; it may consist of several unquoted words."""
    return click.argument("words", metavar="[FILTER]…", nargs=-1)(command)


def format_options(command: _F) -> _F:
    """Add ``--format``, ``--output``, ``--force``, ``--group`` and ``--spreadsheet``."""
    command = click.option(
        "--spreadsheet", is_flag=True, help=_("Write CSV that is safe to open in a spreadsheet: formulas become text.")
    )(output_options(command))
    command = click.option(
        "-o",
        "--output",
        type=click.Path(dir_okay=False, readable=False),
        help=_("Write to a file; its extension selects the format."),
    )(command)
    return click.option(
        "-f",
        "--format",
        "fmt",
        type=click.Choice(FORMATS),
        help=_("Output format.  [default: by extension of --output, else table]"),
    )(command)


def limit_options(command: _F) -> _F:
    """Add ``--limit`` and ``--all``."""
    command = click.option("-a", "--all", "everything", is_flag=True, help=_("Show all rows, also on a terminal."))(
        command
    )
    words = _("Show at most this many rows.  [default: {n} on a terminal, else all]").format(n=TERMINAL_LIMIT)
    return click.option("-n", "--limit", type=click.IntRange(0), help=words)(command)


def query_parameters(parameters: Sequence[str]) -> dict[str, str]:
    """Parameters of a saved query given as ``KEY=VALUE``, by name."""
    parsed = {}
    for text in parameters:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise UsageError("-p expects KEY=VALUE, not {text!r}", text=text)
        parsed[key] = value
    return parsed


def chosen_format(fmt: str | None, output: str | None) -> str:
    """Output format: ``fmt``, else by the extension of ``output``."""
    if fmt:
        return fmt
    extension = Path(output).suffix.lower().lstrip(".") if output else ""
    return {"md": "markdown", "ndjson": "jsonl", "pq": "parquet", "txt": "table"}.get(
        extension, extension if extension in FORMATS else "table"
    )


@contextlib.contextmanager
def opened(session: str, *, original: bool = False, **resources: Any) -> "Iterator[Session]":
    """Open a session, finished or still being written, for reading within the block; with DuckDB's ``resources``.

    Under ``--redact`` its values are replaced, unless they are wanted as they are (``original``).

    The first interrupt ends its statements, a second one the process: a function of SQL can take long to see the first.
    """
    from rustnet.query.redaction_mark import redaction_of  # noqa: PLC0415 -- DuckDB, which --help does not need
    from rustnet.query.session import open_session  # noqa: PLC0415

    check_session_name(session)
    check_streams(session)
    context = click.get_current_context(silent=True)
    state = context.find_object(State) if context else None
    with _ended_by_second_interrupt():
        redactor = None if original else redactor_of(state)
        reader = open_session(session, seconds=state.seconds if state else None, redact=redactor, **resources)
        try:
            check_streams_against(reader, session)
            for capture in reader.partial_captures():
                notify(f"rustnet: {capture.words(session if redactor is None else reader.path)}")
            if redaction := redaction_of(reader):
                notify(f"rustnet: {redaction.words(session if redactor is None else reader.path)}")
            yield reader
        finally:
            reader.close()


@contextlib.contextmanager
def _ended_by_second_interrupt() -> Iterator[None]:
    interrupts = 0

    def interrupt(_number: int, _frame: object) -> None:
        nonlocal interrupts
        interrupts += 1
        if interrupts > 1:
            remove_unfinished()
            if folders := sys.modules.get("rustnet.export.folder"):
                folders.remove_unfinished()
            os._exit(ExitCode.INTERRUPTED)
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread() or (
        signal.getsignal(signal.SIGINT) is not signal.default_int_handler
    ):
        yield
        return
    signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
