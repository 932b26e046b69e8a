"""What commands that ingest have in common: a session that may be temporary, progress, what is said and shown."""

import contextlib
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from rustnet.cli.main import terminal
from rustnet.cli.oneshot import Collection, collected, stopped_by_signals, uncollected
from rustnet.cli.options import opened
from rustnet.cli.terminal import talk
from rustnet.errors import RustnetError
from rustnet.i18n import _
from rustnet.present.text import safe

if TYPE_CHECKING:
    from rustnet.ingest.options import Options
    from rustnet.ingest.report import Progress, Report
    from rustnet.query.session import Session
    from rustnet.query.summary import Summary


@contextlib.contextmanager
def temporary(db: str | None) -> Iterator[str]:
    """Path of the session: the one given, or one that goes away with the block."""
    if db is not None:
        yield db
        return
    with tempfile.TemporaryDirectory(prefix="rustnet.", ignore_cleanup_errors=True) as folder:
        yield str(Path(folder) / "session.duckdb")


def ingested(
    files: tuple[str, ...], session: str, options: "Options", top: int, scratch: Path | None = None
) -> "tuple[Report, Summary | None]":
    """Ingest until the end or a signal; the summary comes along where the session was open for it.

    ``scratch`` is a directory that a second signal removes.
    """
    summaries: list[Summary] = []

    def ask(reader: "Session") -> None:
        from rustnet.query.summary import summarise  # noqa: PLC0415 -- DuckDB

        with contextlib.suppress(RustnetError):  # a reader may have the memory that a writer has not
            summaries.append(summarise(reader, top))

    report = ingested_once(list(files), session, options, ask, scratch)
    return report, summaries[0] if summaries else None


def ingested_once(
    files: list[str],
    session: str,
    options: "Options",
    ask: "Callable[[Session], None] | None" = None,
    scratch: Path | None = None,
) -> "Report":
    """Ingest as a command does: signals stop it, garbage is not collected, a terminal shows a line of progress."""
    with stopped_by_signals(scratch) as stop:
        from rustnet.ingest.road import ingest  # noqa: PLC0415

        watchers: list[Callable[[Progress], None]] = [Collection()]
        if ask is not None:
            watchers.append(_look_ahead)
        line = None
        if sys.stderr.isatty():
            from rustnet.cli.progress import ProgressLine  # noqa: PLC0415 -- on a terminal only

            line = ProgressLine()
            watchers.append(line)

        def watch(progress: "Progress") -> None:
            for watcher in watchers:
                watcher(progress)

        with uncollected() if options.speed is None else collected():
            try:
                return ingest(files, session, options, watch, ask, stop)
            finally:
                if line is not None:
                    line.clear()


def _look_ahead(_progress: "Progress") -> None:
    """Import what comes after the captures: while DuckDB makes a new session, this thread would only wait for it."""
    import rustnet.attribute.discover  # noqa: PLC0415
    import rustnet.attribute.match  # noqa: PLC0415
    import rustnet.cli.report  # noqa: PLC0415
    import rustnet.derive.names  # noqa: PLC0415
    import rustnet.query.session  # noqa: PLC0415
    import rustnet.query.summary  # noqa: PLC0415, F401


def said(report: "Report") -> None:
    """Say on stderr what did not go as asked."""
    for _path, words in report.failed:
        talk(f"rustnet: error: {safe(words)}")
    for _path, words in report.skipped:
        talk(f"rustnet: {safe(words)}")
    if report.interrupted and not report.captures:
        talk(_("rustnet: interrupted before anything was read"))
    elif report.interrupted:
        talk(_("rustnet: interrupted: the session holds what was read until then, and says that it is incomplete"))


def shown(session: str, report: "Report", summary: "Summary | None", as_json: bool, *, kept: bool, top: int) -> None:
    """Print the summary of a session, made if it is not there yet."""
    if summary is None:
        from rustnet.query.summary import summarise  # noqa: PLC0415 -- DuckDB

        with opened(session) as reader:
            summary = summarise(reader, top)
    if as_json:
        from rustnet.cli.report import as_data  # noqa: PLC0415
        from rustnet.export.formats import dumps  # noqa: PLC0415

        sys.stdout.write(dumps(as_data(summary, report, session if kept else None)) + "\n")
        return
    from rustnet.cli.report import Page  # noqa: PLC0415

    page = Page(summary, terminal())
    page.captures()
    page.tables()
    page.notes(report)
    page.next_steps(session if kept else None, report.captures[0].source if report.captures else "CAPTURE")
    sys.stdout.write("\n".join(page.lines) + "\n")
