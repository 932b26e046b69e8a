"""A replay: captures are read before a summary is printed, or by another process while the browser shows them."""

import contextlib
import os
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from rustnet.cli.ingesting import (
    ingest_and_summarise,
    ingest_captures,
    print_problems,
    print_summary,
    session_path,
)
from rustnet.cli.main import State
from rustnet.cli.outputs import share
from rustnet.errors import ExitCode

if TYPE_CHECKING:
    from rustnet.ingest.options import Options
    from rustnet.ingest.report import Progress, Report

STDIN = "-"


def interactive(files: tuple[str, ...]) -> bool:
    """Whether the browser can be shown, and the user's keys are for this process and no capture."""
    if sys.platform == "win32" or not (sys.stdout.isatty() and sys.stderr.isatty()):
        return False
    if STDIN in files and os.isatty(0):
        return False
    from rustnet.tui import terminal  # noqa: PLC0415 -- on a terminal only

    return terminal.missing() is None and terminal.in_foreground() and threading.active_count() == 1


@dataclass(frozen=True, slots=True)
class Replay:
    """A replay, and what is to be done after it."""

    files: tuple[str, ...]
    db: str | None
    options: "Options"
    tool: str | None
    strict: bool
    top: int
    as_json: bool

    def run(self) -> ExitCode:
        """Ingest, then print the summary; the hash of the first input may have begun."""
        with session_path(self.db) as session:
            scratch = None if self.db else Path(session).parent
            with _hash_dropped():
                report, summary = ingest_and_summarise(self.files, session, self.options, self.top, scratch)
            code = self._follow_up(session, report)
            if self.tool and not report.interrupted:
                summary = None  # computed before tshark named applications
            if _readable(session, report):
                print_summary(session, report, summary, self.as_json, kept=self.db is not None, top=self.top)
        return _exit_code(report, code, self.tool, self.strict)

    def on_screen(self, state: State) -> int:
        """Ingest in another process, and browse the session meanwhile."""
        from rustnet.cli.browsing import browse_replay  # noqa: PLC0415 -- on a terminal only

        return browse_replay(self._write, self.files, self.db, state)

    def _write(self, session: str, watcher: "Callable[[Progress], None]") -> tuple[ExitCode, bool]:
        """Ingest; returns the exit code, and whether there is a session to show."""
        from rustnet.sources.hashing import hash_ahead  # noqa: PLC0415

        options = replace(self.options, answer_at_once=True)
        with _hash_dropped():
            hash_ahead(self.files[0])
            report = ingest_captures(list(self.files), session, options, watcher=watcher)
        code = self._follow_up(session, report)
        return _exit_code(report, code, self.tool, self.strict), _readable(session, report)

    def _follow_up(self, session: str, report: "Report") -> ExitCode:
        """Do what comes after an ingest; returns the exit code of the tool."""
        if self.db:
            share(self.db)
        print_problems(report)
        if not self.tool or report.interrupted:
            return ExitCode.DONE
        from rustnet.cli.unknown_apps import name_unknown_apps  # noqa: PLC0415 -- only if asked for

        return name_unknown_apps(session, report)


def _readable(session: str, report: "Report") -> bool:
    """Whether there is something to show."""
    return bool(report.captures or (report.skipped and Path(session).exists()))


@contextlib.contextmanager
def _hash_dropped() -> Iterator[None]:
    """Drop at the end the hash of the first input, which begins while the rest of the program is loaded."""
    from rustnet.sources.hashing import drop_ahead  # noqa: PLC0415

    try:
        yield
    finally:
        drop_ahead()


def _exit_code(report: "Report", code: ExitCode, tool: str | None, strict: bool) -> ExitCode:
    """Exit code of the run; ``code`` is that of the tool."""
    if tool and report.known and not report.captures and not report.failed:
        # tshark ran over captures that were ingested earlier: that is success.
        return code or (ExitCode.LOSSES if strict and report.losses else ExitCode.DONE)
    return report.exit_code(strict) or code
