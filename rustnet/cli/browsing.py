"""The browser as commands start it: over a session, and over one that a process of its own is writing meanwhile."""

import contextlib
import os
import select
import shlex
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from rustnet.cli.browser_settings import browser_settings
from rustnet.cli.ingesting import session_path
from rustnet.cli.main import State
from rustnet.cli.options import opened
from rustnet.cli.progress import ProgressLine
from rustnet.cli.terminal import notify
from rustnet.cli.watched import run_watched
from rustnet.cli.writer_process import WriterProcess, start_writer
from rustnet.errors import ExitCode
from rustnet.i18n import _
from rustnet.present.text import printable
from rustnet.tui import MEMORY_LIMIT, THREADS, preload, run, terminal

if TYPE_CHECKING:
    from rustnet.ingest.report import Progress
    from rustnet.query.session import Session
    from rustnet.tui.settings import BrowserSettings

    Work = Callable[[str, Callable[[Progress], None]], tuple[ExitCode, bool]]

_SLICE = 0.02
_REDRAW = 0.2
"""Seconds between two states of the progress line."""


def browse_session(session: str, settings: "BrowserSettings", state: State, *, tab: bool = False) -> int:
    """Show a session until the user quits; returns the exit code. ``tab``: to a tab of a web browser."""
    if tab:
        threading.Thread(target=_end_with_stdin, name="rustnet-tab", daemon=True).start()
        return _run(session, settings)

    def show() -> int:
        terminal.keys_from_terminal()
        return _run(session, settings)

    return run_watched(show, state)


def _end_with_stdin() -> None:
    """End this process when the one at the other end of standard input has ended, however it did."""
    poller = select.poll()
    poller.register(0, select.POLLHUP)
    poller.poll()
    os.kill(os.getpid(), signal.SIGTERM)


def _run(session: str, settings: "BrowserSettings", writer: WriterProcess | None = None) -> int:
    with opened(session, original=True, threads=THREADS, memory_limit=MEMORY_LIMIT) as reader:
        if settings.filter:
            from rustnet.query.compile import compile_filter  # noqa: PLC0415 -- if there is one

            compile_filter(settings.filter, reader.scope())  # an error is better shown before the screen
        return run(reader, settings, writer)


def browse_replay(
    work: "Work",
    paths: tuple[str, ...],
    db: str | None,
    state: State,
    *,
    live: bool = False,
    release: "Callable[[], None] | None" = None,
) -> int:
    """Let ``work`` fill a session in a process of its own, and show it meanwhile; returns the exit code of both.

    ``release`` closes what that process alone is to have open, in the others.
    """
    settings = browser_settings(state)
    with session_path(db) as session:
        scratch = None if db else Path(session).parent
        return run_watched(
            lambda: _browse_replay(
                partial(work, session), paths, session, settings, state, scratch, live=live, release=release
            ),
            state,
            release,
        )


def _browse_replay(
    work: "Callable[[Callable[[Progress], None]], tuple[ExitCode, bool]]",
    paths: tuple[str, ...],
    session: str,
    settings: "BrowserSettings",
    state: State,
    scratch: Path | None,
    *,
    live: bool,
    release: "Callable[[], None] | None",
) -> int:
    writer = start_writer(work, paths, state, scratch, live=live, release=release)
    try:
        terminal.keys_from_terminal()
        code = _show(session, settings, writer)
        if code != ExitCode.DONE or writer.temporary or writer.stopping:
            writer.end()
        elif not writer.detached:
            _await(writer)
    finally:
        writer.end()
        if scratch is not None:  # also by this process: the one that watches it may have been killed
            shutil.rmtree(scratch, ignore_errors=True)
        _report(writer)
    if writer.detached:
        words = _(
            "rustnet: the capture goes on as process {number}; show it: rustnet browse {path}; end it: kill {number}"
        )
        notify(words.format(number=writer.pid, path=shlex.quote(printable(session))))
        return code
    if scratch is None and writer.readable:
        words = _("rustnet: the session is stored; show it again: rustnet browse {path}")
        notify(words.format(path=shlex.quote(printable(session))))
    return code or _exit_code(writer)


def _exit_code(writer: WriterProcess) -> ExitCode:
    """Exit code of a writer that has ended."""
    if writer.code in set(ExitCode):
        return ExitCode(writer.code)
    if writer.stopping and writer.live:  # a capture has no other end
        return ExitCode.DONE
    return ExitCode.INTERRUPTED if writer.stopping else ExitCode.FAILURE


def _show(session: str, settings: "BrowserSettings", writer: WriterProcess) -> int:
    """Wait until the session can be read, and show it; returns the exit code of the browser."""
    with _interrupts_stop(writer):
        preload()
        if not _wait_until_readable(session, writer):
            return ExitCode.DONE
    return _run(session, settings, writer)


def _wait_until_readable(session: str, writer: WriterProcess) -> bool:
    """Wait until the writer answers readers, or has ended; returns whether there is something to show."""
    from rustnet.query.remote import NoWriterError, RefusedError, RemoteSession  # noqa: PLC0415 -- DuckDB

    with _progress_line(writer) as redraw:
        while writer.running():
            with contextlib.suppress(NoWriterError, RefusedError):
                RemoteSession(session, _unused).close()
                return not writer.stopping
            redraw()
            time.sleep(_SLICE)
    return writer.readable and not writer.stopping


def _unused() -> "Session":
    raise AssertionError  # nothing is asked of this session


@contextlib.contextmanager
def _progress_line(writer: WriterProcess) -> Iterator[Callable[[], None]]:
    """Show on stderr how far the writer is, whenever the function is called and the last time is long enough ago."""
    line, last = ProgressLine(), time.monotonic()

    def redraw() -> None:
        nonlocal last
        progress = writer.progress()
        if progress is not None and time.monotonic() - last >= _REDRAW:
            last = time.monotonic()
            line(progress)

    try:
        yield redraw
    finally:
        line.clear()


def _await(writer: WriterProcess) -> None:
    """Wait in the foreground for the end of a writer that the user lets go on."""
    if writer.running():
        notify(_("rustnet: the replay goes on; Ctrl-C stops it"))
    with _interrupts_stop(writer), _progress_line(writer) as redraw:
        while writer.running():
            redraw()
            time.sleep(_SLICE)


@contextlib.contextmanager
def _interrupts_stop(writer: WriterProcess) -> Iterator[None]:
    """Let Ctrl-C and other signals stop the writer instead of this process; a second one ends it at once."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        writer.stop()

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    previous = {number: signal.signal(number, stop) for number in numbers}
    try:
        yield
    finally:
        for number, old in previous.items():
            signal.signal(number, old)


def _report(writer: WriterProcess) -> None:
    """Print what the writer printed, now that the screen is free."""
    for words in writer.all_messages():
        notify(words)
    if writer.code is not None and writer.code < 0 and not writer.stopping:
        words = _("rustnet: error: the process that read the captures was ended by signal {number}")
        notify(words.format(number=-writer.code))
