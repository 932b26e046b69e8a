"""`replay`: reads captures into a session, for programs and notebooks."""

from collections.abc import Callable, Iterable
from os import PathLike, fspath
from typing import Any

from rustnet.errors import InputError
from rustnet.ingest.options import Options
from rustnet.ingest.report import Progress, Report
from rustnet.ingest.road import ingest
from rustnet.ingest.stop import StopToken


def replay(
    *captures: "str | PathLike[str]",
    db: "str | PathLike[str]",
    sidecars: "Iterable[str | PathLike[str]]" = (),
    progress: "Callable[[Progress], None] | None" = None,
    stop: StopToken | None = None,
    **options: Any,
) -> Report:
    """Ingest captures into the session ``db``, which is created if it does not exist, and return a report.

    May run in any thread. ``progress`` is called about ten times a second; setting ``stop`` from another thread ends
    the run early. ``options`` are the fields of `rustnet.ingest.options.Options`, such as ``speed``. Raises
    `InputError` if no capture could be read, and `SessionError` if the session cannot be opened or written.
    """
    chosen = Options(sidecars=tuple(fspath(sidecar) for sidecar in sidecars), **options)
    report = ingest([fspath(capture) for capture in captures], fspath(db), chosen, progress, stop=stop)
    if report.failed and not report.captures:
        raise InputError("; ".join(words for _path, words in report.failed))
    return report
