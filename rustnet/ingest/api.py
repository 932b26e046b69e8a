"""`replay`: captures into a session, for programs and notebooks."""

from collections.abc import Iterable
from os import PathLike, fspath
from typing import Any

from rustnet.errors import InputError
from rustnet.ingest.options import Options
from rustnet.ingest.report import Report
from rustnet.ingest.road import ingest


def replay(
    *captures: "str | PathLike[str]",
    db: "str | PathLike[str]",
    sidecars: "Iterable[str | PathLike[str]]" = (),
    **options: Any,
) -> Report:
    """Ingest captures into the session ``db``, which is created if need be, and return what became of each.

    ``options`` are those of `rustnet.ingest.options.Options`. Raises `InputError` if no capture could be read, and
    `SessionError` if the session cannot be opened or written.
    """
    asked = Options(sidecars=tuple(fspath(sidecar) for sidecar in sidecars), **options)
    report = ingest([fspath(capture) for capture in captures], fspath(db), asked)
    if report.failed and not report.captures:
        raise InputError("; ".join(words for _path, words in report.failed))
    return report
