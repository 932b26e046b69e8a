"""Every file that a command writes: its options, what it must not replace, and how it is written.

`rustnet.probe.newfile` has the rules, which the recorder follows too. This module knows the inputs of a command: the
session and its files, the captures and sidecars that are named in it, and those of the command line.
"""

import contextlib
import io
import os
import stat
import sys
import typing
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, TextIO, TypeVar

import click

from rustnet.cli.main import State
from rustnet.errors import RustnetError, SessionError, UsageError
from rustnet.i18n import _, marked
from rustnet.probe.newfile import (
    FOR_GROUP,
    NewFile,
    RefusedError,
    check_descriptor,
    check_target,
    named_descriptor,
    session_files,
)

if typing.TYPE_CHECKING:
    from rustnet.query.session import Session
_F = TypeVar("_F", bound=Callable[..., Any])

STDOUT = "-"
_STREAMS = (1, 2)
"""Descriptors of stdout and stderr."""
REFUSALS = {
    "input": marked("{path}: is an input of this command; choose another output file"),
    "capture": marked(
        "{path}: is a capture, or a compressed file that may be one; choose another output file, or give --force"
    ),
    "session": marked("{path}: belongs to a session; choose another output file, or give --force"),
    "sidecar": marked("{path}: is a recording of connections; choose another output file, or give --force"),
    "read-only": marked("{path}: is read-only; choose another output file, or give --force"),
    "unreadable": marked("{path}: cannot be read, so it may be a capture; choose another output file, or give --force"),
    "directory": marked("{path}: is a directory; choose a file in it"),
    "device": marked("{path}: is a block device; choose a file"),
    "descriptor": marked("{path}: is not open for writing; choose a file"),
    "empty": marked("an output file has an empty name; choose another"),
}
"""Sentences for the reasons of a refusal."""


def _store_force(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
    if value and (state := ctx.find_object(State)):
        state.force = True


def _store_group(ctx: click.Context, _param: click.Parameter, value: str | None) -> None:
    state = ctx.find_object(State)
    if value is None or state is None:
        return
    import grp  # noqa: PLC0415 -- not on Windows

    try:
        state.group = grp.getgrnam(value).gr_gid
    except (KeyError, ValueError):
        raise click.BadParameter(_("there is no group {name}").format(name=value)) from None


def output_options(command: _F) -> _F:
    """Add ``--force`` and ``--group``, which apply to every output."""
    return force_option(group_option(command))


def force_option(command: _F) -> _F:
    """Add ``--force``."""
    return click.option(
        "--force", is_flag=True, expose_value=False, callback=_store_force,
        help=_("Let the output replace an existing capture, session or sidecar; never an input."),
    )(command)  # fmt: skip


def group_option(command: _F) -> _F:
    """Add ``--group``."""
    return click.option(
        "--group", metavar="NAME", expose_value=False, callback=_store_group,
        help=_("Let the members of this group read what is written.  [default: only its owner]"),
    )(command)  # fmt: skip


class Inputs:
    """Files that an output of this command must not replace."""

    def __init__(
        self, *captures: str, sessions: typing.Sequence[str] = (), sidecars: typing.Sequence[str] = ()
    ) -> None:
        self._paths = [*captures, *sidecars]
        for session in sessions:
            self._paths += session_files(session)
        for capture in captures:
            self._paths += _sidecars_of(capture)

    def add_session(self, reader: "Session", path: str, output: str | None) -> None:
        """Add a session and the captures that are named in it; also its sidecars if the output exists."""
        from rustnet.query.inputs import capture_files, captures_of, sidecar_files, stored_inputs  # noqa: PLC0415 -- DuckDB

        self._paths += [*session_files(path), *stored_inputs(reader)]
        captures, folder = captures_of(reader), Path(path).parent
        for name in capture_files(captures, folder):
            self._paths += [name, *_sidecars_of(name)]
        if _holds_something(output):  # finding their names takes a second for millions of claims
            self._paths += sidecar_files(reader, captures, folder)

    @property
    def paths(self) -> list[str]:
        """Their paths; some may not exist."""
        return [path for path in self._paths if path != STDOUT and "\0" not in path]


def inputs_of(reader: "Session", session: str, output: str | None, *more: str) -> Inputs:
    """Inputs of a command that reads a session and ``more`` files, and writes ``output`` (None: stdout)."""
    inputs = Inputs(*more)
    inputs.add_session(reader.originals(), session, output)
    return inputs


def _holds_something(output: str | None) -> bool:
    """Whether an output, or a standard stream, is a file that is not empty."""
    places: list[int | str] = [*_STREAMS]
    if output not in (None, STDOUT):
        places.append(str(output))
    for place in places:
        try:
            status = os.stat(place)  # noqa: PTH116 -- also a descriptor
        except (OSError, ValueError):
            continue
        if stat.S_ISREG(status.st_mode) and status.st_size:
            return True
    return False


def _sidecars_of(capture: str) -> list[str]:
    """Names of a capture's sidecars and of the summaries of their recordings."""
    bases = (capture, str(Path(capture).with_suffix(""))) if capture not in ("", STDOUT) else ()
    return [base + end for base in bases for end in (".connections.jsonl", ".connections.meta.json")]


def check_output(path: str, inputs: Inputs) -> None:
    """Raise `UsageError` if an output must not have this path, before anything is read for it."""
    with _explained(path):
        number = 1 if path == STDOUT else named_descriptor(path)
        if number is not None:
            check_descriptor(number, inputs.paths)
        else:
            check_target(path, inputs.paths, _state().force)
            folder = Path(path).absolute().parent
            if not folder.is_dir():
                raise UsageError("{path}: directory {folder} does not exist", path=path, folder=folder)


def check_session_name(session: str) -> None:
    """Raise `UsageError` if DuckDB cannot open a file of this name."""
    try:
        session.encode()
    except UnicodeEncodeError:
        raise UsageError(
            "{path}: DuckDB opens only files whose names are UTF-8; rename the session", path=session
        ) from None


def check_streams(session: str, *more: str) -> None:
    """Raise `UsageError` if stdout or stderr is open on a file of the session, or on one of ``more``."""
    with _explained(session):
        for number in reversed(_STREAMS):
            try:
                check_descriptor(number, [*session_files(session), *more])
            except RefusedError:
                if number == _STREAMS[-1]:  # the refusal itself must not become a part of the file
                    os.dup2(os.open(os.devnull, os.O_WRONLY), number)
                raise


def check_streams_of(session: str, *more: str) -> None:
    """Do so for a session that is to be changed, and may be one that readers refuse."""
    check_streams(session, *more)
    if _holds_something(None):
        from rustnet.query.session import open_session  # noqa: PLC0415 -- DuckDB

        with contextlib.suppress(SessionError), open_session(session) as reader:
            check_streams_against(reader, session)


def check_streams_against(reader: "Session", session: str) -> None:
    """Raise `UsageError` if stdout or stderr is open on a capture or sidecar that is named in the session."""
    if _holds_something(None):
        check_streams(session, *inputs_of(reader, session, None).paths)


@contextlib.contextmanager
def text_output(path: str | None, fmt: str, inputs: Inputs) -> "Iterator[TextIO | BinaryIO]":
    """Open the output of rows: stdout, or a file that appears only once it is complete."""
    if path is None or path == STDOUT:
        check_output(STDOUT, inputs)
        if fmt == "csv" and hasattr(sys.stdout, "reconfigure"):
            sys.stdout.reconfigure(newline="")
        yield sys.stdout
        sys.stdout.flush()
        return
    with whole_file(path, inputs) as stream:
        if fmt == "parquet":
            yield stream
        else:
            text = io.TextIOWrapper(stream, "utf-8", newline="")
            yield text
            text.flush()
            text.detach()


@contextlib.contextmanager
def whole_file(path: str, inputs: Inputs) -> Iterator[BinaryIO]:
    """Open an output that gets its name at the end, so that an incomplete file never has it."""
    with _explained(path):
        state = _state()
        file = NewFile(path, inputs.paths, state.force, state.group)
        try:
            with open(file.descriptor, "wb") as stream:  # noqa: PTH123 -- a descriptor
                yield stream
                stream.flush()
                file.publish()
        finally:
            file.discard()


@contextlib.contextmanager
def _explained(path: str) -> Iterator[None]:
    """Explain a refusal or an error of the system with the path of the output."""
    try:
        yield
    except RefusedError as error:
        raise UsageError(REFUSALS[error.reason], path=error.path) from None
    except BrokenPipeError:
        raise
    except OSError as error:
        raise RustnetError(
            "{path}: cannot be written: {strerror}", path=path, strerror=error.strerror or error
        ) from error


def check_session(session: str | None, captures: typing.Sequence[str], sidecars: typing.Sequence[str]) -> None:
    """Raise `UsageError` if a session that is to be written, or a file that belongs to it, is one of the inputs.

    Nor may stdout or stderr be one; ``session`` is None for a temporary one.
    """
    inputs = Inputs(*captures, sidecars=sidecars).paths
    named = session or next(iter(captures), None)
    if named is not None:
        check_streams(named, *inputs)
    if session is None:
        return
    check_session_name(session)
    for path in session_files(session):
        with _explained(path):
            check_target(path, inputs, force=True, folder=True)


def share(session: str) -> None:
    """Let the group of ``--group`` read a session that was written."""
    if (group := _state().group) is None or not Path(session).exists():
        return
    with _explained(session):
        handle = os.open(session, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            os.fchown(handle, -1, group)
            os.fchmod(handle, FOR_GROUP)
        finally:
            os.close(handle)


def _state() -> State:
    """Options of this command."""
    context = click.get_current_context(silent=True)
    return (context.find_object(State) if context else None) or State()
