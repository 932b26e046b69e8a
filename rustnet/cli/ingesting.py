"""Shared by the commands that ingest: temporary sessions, progress, messages and the summary."""

import contextlib
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from rustnet.cli.main import terminal
from rustnet.cli.oneshot import Collection, collected, stopped_by_signals, uncollected
from rustnet.cli.options import opened
from rustnet.cli.terminal import notify, notify_error
from rustnet.errors import RustnetError
from rustnet.i18n import _
from rustnet.present.text import safe

if TYPE_CHECKING:
    from rustnet.ingest.options import Options
    from rustnet.ingest.report import Progress, Report
    from rustnet.query.session import Session
    from rustnet.query.summary import Summary


@contextlib.contextmanager
def session_path(db: str | None) -> Iterator[str]:
    """Path of the session: ``db``, or a temporary one that is removed when the block ends."""
    if db is not None:
        yield db
        return
    with tempfile.TemporaryDirectory(prefix="rustnet.", ignore_cleanup_errors=True) as folder:
        yield str(Path(folder) / "session.duckdb")


def ingest_and_summarise(
    files: tuple[str, ...], session: str, options: "Options", top: int, scratch: Path | None = None
) -> "tuple[Report, Summary | None]":
    """Ingest until the end or a signal; the summary is None if the writer could not compute it.

    ``scratch`` is a directory that a second signal removes.
    """
    summaries: list[Summary] = []
    report = ingest_captures(list(files), session, options, summariser(summaries, top), scratch)
    return report, summaries[0] if summaries else None


def summariser(summaries: "list[Summary]", top: int) -> "Callable[[Session], None]":
    """Return what puts the summary of a session into the list, unless that fails."""

    def summarise_with(reader: "Session") -> None:
        from rustnet.query.summary import summarise  # noqa: PLC0415 -- DuckDB

        with contextlib.suppress(RustnetError):  # retried with a reader, which needs less memory
            summaries.append(summarise(reader, top))

    return summarise_with


def ingest_captures(
    files: list[str],
    session: str,
    options: "Options",
    ask: "Callable[[Session], None] | None" = None,
    scratch: Path | None = None,
    watcher: "Callable[[Progress], None] | None" = None,
) -> "Report":
    """Ingest with signal handling, without garbage collection, and with a progress line on a terminal.

    ``watcher`` is called with the progress, too.
    """
    with stopped_by_signals(scratch) as stop:
        from rustnet.ingest.road import ingest  # noqa: PLC0415

        watchers: list[Callable[[Progress], None]] = [Collection()]
        if watcher is not None:
            watchers.append(watcher)
        if ask is not None:
            watchers.append(_preload)
        line = None
        if sys.stderr.isatty():
            from rustnet.cli.progress import ProgressLine  # noqa: PLC0415 -- on a terminal only

            line = ProgressLine()
            watchers.append(line)

        def watch(progress: "Progress") -> None:
            for each in watchers:
                each(progress)

        with uncollected() if options.speed is None else collected():
            try:
                return ingest(files, session, options, watch, ask, stop)
            finally:
                if line is not None:
                    line.clear()


def _preload(_progress: "Progress") -> None:
    """Import the modules needed after ingest while DuckDB creates the session, when this thread would only wait."""
    import rustnet.attribute.discover  # noqa: PLC0415
    import rustnet.attribute.match  # noqa: PLC0415
    import rustnet.cli.summary_page  # noqa: PLC0415
    import rustnet.derive.names  # noqa: PLC0415
    import rustnet.query.session  # noqa: PLC0415
    import rustnet.query.summary  # noqa: PLC0415, F401


def print_problems(report: "Report") -> None:
    """Report failed and skipped inputs, and an interruption, on stderr."""
    for _path, words in report.failed:
        notify_error(words)
    for _path, words in report.skipped:
        notify(f"rustnet: {safe(words)}")
    for words in (*report.replaced, *report.notes):
        notify(f"rustnet: {safe(words)}")
    if report.interrupted and not report.captures:
        notify(_("rustnet: interrupted before anything was read"))
    elif report.interrupted and all(capture.complete for capture in report.captures):
        notify(_("rustnet: interrupted: all captures are stored"))
    elif report.interrupted:
        notify(_("rustnet: interrupted: the session contains everything read so far and is marked incomplete"))


def print_summary(
    session: str, report: "Report", summary: "Summary | None", as_json: bool, *, kept: bool, top: int, command: str = ""
) -> None:
    """Print the summary of a session, and compute it first if it is None.

    ``command`` keeps the session next time.
    """
    if summary is None:
        from rustnet.query.summary import summarise  # noqa: PLC0415 -- DuckDB

        with opened(session, original=True) as reader:
            summary = summarise(reader, top)
    if as_json:
        from rustnet.cli.summary_page import as_data  # noqa: PLC0415
        from rustnet.export.formats import dumps  # noqa: PLC0415

        sys.stdout.write(dumps(as_data(summary, report, session if kept else None)) + "\n")
        return
    from rustnet.cli.summary_page import Page, quoted  # noqa: PLC0415

    page = Page(summary, terminal())
    page.captures()
    page.tables()
    page.notes(report)
    source = quoted(report.captures[0].source) if report.captures else "CAPTURE"
    page.next_steps(session if kept else None, command or f"rustnet replay {source} --db session.duckdb")
    sys.stdout.write("\n".join(page.lines) + "\n")
