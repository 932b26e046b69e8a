"""What commands that ingest have in common: a session that may be temporary, progress, what is said and shown."""

import contextlib
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from rustnet.cli.main import terminal
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


def ingested(files: tuple[str, ...], session: str, options: "Options", top: int) -> "tuple[Report, Summary | None]":
    """Ingest, with a line of progress on a terminal; the summary comes along where the session was open for it."""
    from rustnet.ingest.road import ingest  # noqa: PLC0415

    summaries: list[Summary] = []

    def ask(reader: "Session") -> None:
        from rustnet.query.summary import summarise  # noqa: PLC0415 -- DuckDB

        with contextlib.suppress(RustnetError):  # a reader may have the memory that a writer has not
            summaries.append(summarise(reader, top))

    if not sys.stderr.isatty():
        report = ingest(list(files), session, options, _look_ahead, ask)
    else:
        from rustnet.cli.progress import ProgressLine  # noqa: PLC0415 -- on a terminal only

        line = ProgressLine()

        def show(progress: "Progress") -> None:
            line(progress)
            _look_ahead(progress)

        try:
            report = ingest(list(files), session, options, show, ask)
        finally:
            line.clear()
    return report, summaries[0] if summaries else None


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
    if report.interrupted:
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
