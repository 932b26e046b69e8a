"""`replay`: reads captures into a session, for programs and notebooks."""

from collections.abc import Callable, Iterable
from os import PathLike, fspath
from typing import Literal, get_args

from rustnet.errors import InputError, SessionError, UsageError
from rustnet.ingest.joining import Join
from rustnet.ingest.options import Options
from rustnet.ingest.report import Progress, Report
from rustnet.ingest.road import ingest
from rustnet.ingest.stop import StopToken
from rustnet.probe.newfile import RefusedError, check_target, session_files
from rustnet.sources.limits import Limits

StrPath = str | PathLike[str]


def replay(
    *captures: "StrPath | Iterable[StrPath]",
    db: StrPath,
    sidecars: "Iterable[StrPath]" = (),
    progress: "Callable[[Progress], None] | None" = None,
    stop: StopToken | None = None,
    speed: float | None = None,
    workers: int | None = None,
    join: Join = "auto",
    merge: bool = False,
    again: bool = False,
    dissect: bool = True,
    drop_duplicates: bool = False,
    discover: bool = True,
    sidecar_format: str | None = None,
    sidecar_offset: float | Literal["auto"] | None = None,
    limits: Limits | None = None,
) -> Report:
    """Read captures into the session ``db``, which is created if it does not exist, and return a report.

    May run in any thread. ``progress`` is called about ten times a second; setting ``stop`` from another thread ends
    the run early. ``speed`` paces the packets by their times: 1 as captured, 10 ten times as fast; without it they are
    read as fast as possible. The other options are the fields of `Options`. Raises `InputError` if
    no capture could be read, and `SessionError` if the session cannot be opened or written, or if one of its files is
    an input.

    >>> report = rustnet.replay("web.pcap", db="again.duckdb")
    >>> report
    <Report again.duckdb: 1 capture, 96 packets, 20 flows>
    >>> report.captures[0].complete
    True
    """
    files = _paths(captures)
    if not files:
        raise UsageError("replay: needs at least one capture")
    if speed is not None and not (isinstance(speed, int | float) and speed > 0):
        raise UsageError("replay: speed is a number above 0, not {speed!r}", speed=speed)
    if join not in get_args(Join):
        raise UsageError("replay: join is auto, always or never, not {join!r}", join=join)
    chosen = Options(
        sidecars=tuple(_paths([sidecars])), sidecar_format=sidecar_format, discover=discover,
        sidecar_offset=sidecar_offset, again=again, dissect=dissect, drop_duplicates=drop_duplicates, workers=workers,
        join=join, merge=merge, limits=limits or Limits(), speed=speed,
    )  # fmt: skip
    _check_session(fspath(db), [*files, *chosen.sidecars])
    report = ingest(files, fspath(db), chosen, progress, stop=stop)
    if report.failed and not report.captures:
        raise InputError("; ".join(words for _path, words in report.failed))
    return report


def _paths(given: "Iterable[StrPath | Iterable[StrPath]]") -> list[str]:
    """Paths, each given alone or with others in a list."""
    files: list[str] = []
    for item in given:
        files += [fspath(item)] if isinstance(item, str | PathLike) else [fspath(path) for path in item]
    return files


def _check_session(session: str, inputs: list[str]) -> None:
    """Raise `SessionError` if a file that belongs to the session is one of the inputs."""
    for path in session_files(session):
        try:
            check_target(path, inputs, force=True, folder=True)
        except RefusedError:
            raise SessionError("{path}: is an input; choose another session file", path=path) from None
