"""``rustnet replay``: reads captures into a session, and shows it in the browser or prints a summary."""

import contextlib
import os
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from rustnet.cli.geo_options import geo_options
from rustnet.cli.ingesting import (
    ingest_and_summarise,
    ingest_captures,
    print_problems,
    print_summary,
    session_path,
)
from rustnet.cli.input_limits import input_limit_options, speed_factor
from rustnet.cli.main import State
from rustnet.cli.options import common, in_english, redact_option
from rustnet.cli.outputs import check_session, group_option, share
from rustnet.cli.several_files import several_files_options
from rustnet.cli.sidecar_options import sidecar_options
from rustnet.errors import ExitCode, UsageError
from rustnet.i18n import _

if TYPE_CHECKING:
    from rustnet.ingest.options import GeoFiles, Options
    from rustnet.ingest.report import Progress, Report


STDIN = "-"


@click.command(
    help=_(
        "Read captures into a session, and browse it meanwhile; print a summary where there is no terminal. FILE is "
        "pcap or pcapng, possibly compressed with gzip, zstd, xz or lz4; - is standard input.\n\nWithout --db the "
        "session is temporary and removed at the end. A sidecar named CAPTURE.connections.jsonl next to a capture is "
        "used automatically."
    )
)
@click.argument("files", metavar="FILE…", nargs=-1, required=True)
@click.option("--db", metavar="SESSION", help=_("Session file to create or to add to."))
@group_option
@sidecar_options
@geo_options
@click.option("--no-dissect", is_flag=True, help=_("Analyse headers and flows only, not payloads."))
@click.option("--again", is_flag=True, help=_("Ingest captures that the session already contains once more."))
@click.option(
    "--workers", type=click.IntRange(0, 64), metavar="N",
    help=_("Number of analysis processes; 0 analyses in the process that reads.  [default: by configuration, else by "
           "input size and CPUs]"),
)  # fmt: skip
@click.option(
    "--speed", callback=speed_factor, metavar="max|1|10|N", default="max", show_default=True,
    help=_("Pace packets by their times, N times as fast as captured; max: as fast as possible."),
)  # fmt: skip
@click.option(
    "--with", "tool", type=click.Choice(["tshark"]),
    help=_("Let tshark name applications that no parser recognised, also in captures already in the session."),
)  # fmt: skip
@several_files_options
@input_limit_options
@click.option("--strict", is_flag=True, help=_("Exit with 4 if any data was lost."))
@click.option("--json", "as_json", is_flag=True, callback=in_english, help=_("Print the summary as JSON."))
@click.option("--no-tui", is_flag=True, help=_("Print the summary, also on a terminal."))
@redact_option
@click.option(
    "--top", default=10, show_default=True, type=click.IntRange(1, 1000), help=_("Rows of each table in the summary.")
)
@common
@click.pass_obj
def command(
    state: State,
    files: tuple[str, ...],
    db: str | None,
    sidecars: tuple[str, ...],
    sidecar_format: str | None,
    no_sidecar: bool,
    sidecar_offset: 'float | Literal["auto"] | None',
    geo: "GeoFiles",
    no_dissect: bool,
    drop_duplicates: bool,
    again: bool,
    workers: int | None,
    tool: str | None,
    join: Literal["auto", "always", "never"],
    merge: bool,
    max_packets: int | None,
    max_bytes: int | None,
    max_seconds: float | None,
    strict: bool,
    as_json: bool,
    speed: float | None,
    no_tui: bool,
    redact: bool,
    top: int,
) -> int:
    """Ingest, and browse the session or print the summary."""
    if files.count(STDIN) > 1:
        raise UsageError("standard input can be given only once")
    check_session(db, files, (*sidecars, *geo.paths))
    if tool:
        from rustnet.inspect.longtail import require  # noqa: PLC0415 -- only if asked for

        require()
    from rustnet.ingest.options import Limits, Options  # noqa: PLC0415 -- the whole engine

    options = Options(
        sidecars=sidecars,
        sidecar_format=sidecar_format,
        discover=not no_sidecar,
        sidecar_offset=sidecar_offset,
        again=again,
        strict_parsers=state.debug,
        dissect=not no_dissect,
        drop_duplicates=drop_duplicates,
        workers=state.config.workers if workers is None else workers,
        speed=speed,
        join=join,
        merge=merge,
        geo=geo,
        limits=Limits(max_packets, max_bytes, max_seconds),
    )
    replay = _Replay(files, db, options, tool, strict, top, as_json, redact)
    return replay.on_screen(state) if not (no_tui or as_json) and _interactive(files) else replay.run()


def _interactive(files: tuple[str, ...]) -> bool:
    """Whether the browser can be shown, and the user's keys are for this process and no capture."""
    if sys.platform == "win32" or not (sys.stdout.isatty() and sys.stderr.isatty()):
        return False
    if STDIN in files and os.isatty(0):
        return False
    from rustnet.tui import terminal  # noqa: PLC0415 -- on a terminal only

    return terminal.missing() is None and terminal.in_foreground() and threading.active_count() == 1


@dataclass(frozen=True, slots=True)
class _Replay:
    """A replay, and what is to be done after it."""

    files: tuple[str, ...]
    db: str | None
    options: "Options"
    tool: str | None
    strict: bool
    top: int
    as_json: bool
    redact: bool

    def run(self) -> ExitCode:
        """Ingest, then print the summary."""
        with session_path(self.db) as session:
            scratch = None if self.db else Path(session).parent
            with _hashed_ahead(self.files[0]):
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

        return browse_replay(self._write, self.files, self.db, state, redact=self.redact)

    def _write(self, session: str, watcher: "Callable[[Progress], None]") -> tuple[ExitCode, bool]:
        """Ingest; returns the exit code, and whether there is a session to show."""
        with _hashed_ahead(self.files[0]):
            report = ingest_captures(list(self.files), session, self.options, watcher=watcher)
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
def _hashed_ahead(path: str) -> Iterator[None]:
    """Hash the first input while the rest of the program is loaded."""
    from rustnet.sources.hashing import drop_ahead, hash_ahead  # noqa: PLC0415

    hash_ahead(path)
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
