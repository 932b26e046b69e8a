"""`replay`: reads captures into a session, for programs and notebooks."""

from collections.abc import Callable, Iterable
from os import PathLike, fspath
from typing import Any

from rustnet.errors import InputError, SessionError
from rustnet.ingest.options import Options
from rustnet.ingest.report import Progress, Report
from rustnet.ingest.road import ingest
from rustnet.ingest.stop import StopToken
from rustnet.probe.newfile import RefusedError, check_target, session_files


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
    `InputError` if no capture could be read, and `SessionError` if the session cannot be opened or written, or if one
    of its files is an input.
    """
    chosen = Options(sidecars=tuple(fspath(sidecar) for sidecar in sidecars), **options)
    files = [fspath(capture) for capture in captures]
    _check_session(fspath(db), [*files, *chosen.sidecars])
    report = ingest(files, fspath(db), chosen, progress, stop=stop)
    if report.failed and not report.captures:
        raise InputError("; ".join(words for _path, words in report.failed))
    return report


def _check_session(session: str, inputs: list[str]) -> None:
    """Raise `SessionError` if a file that belongs to the session is one of the inputs."""
    for path in session_files(session):
        try:
            check_target(path, inputs, force=True, folder=True)
        except RefusedError:
            raise SessionError("{path}: is an input; choose another session file", path=path) from None
