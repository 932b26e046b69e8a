"""`rustnet.report`: writes the report of a session, for programs."""

from os import PathLike, fspath
from typing import TYPE_CHECKING

from rustnet.errors import RustnetError, UsageError
from rustnet.export.report.moments import moment
from rustnet.export.report.page import Subject
from rustnet.export.report.page import report as page_of
from rustnet.probe.newfile import NewFile, RefusedError, session_files

if TYPE_CHECKING:
    from rustnet.query.arguments import Moment
    from rustnet.query.session import Session


def report(
    session: "Session | str | PathLike[str]",
    path: "str | PathLike[str]",
    *,
    title: str | None = None,
    filter: str = "",  # noqa: A002 -- the usual word
    since: "Moment | None" = None,
    until: "Moment | None" = None,
) -> None:
    """Write a report of a session as one page of HTML that needs no other file and no network.

    ``filter`` (see filters.md), ``since`` and ``until`` leave the flows that match and have packets in that time; each
    counts with all of its packets. A time is text such as `12:03`, `+30s`, `50%` or `end`, a time of Python's, or
    nanoseconds since 1970 UTC. An existing file is replaced, unless it is a capture, a session or a sidecar.

    >>> rustnet.report("web.duckdb", "report.html", title="Incident 17", filter="app:tls")
    """
    from rustnet.query.session import open_session  # noqa: PLC0415 -- DuckDB

    if isinstance(session, str | PathLike):
        with open_session(session) as opened:
            return report(opened, path, title=title, filter=filter, since=since, until=until)
    begin, end = (None if at is None else moment(session, at) for at in (since, until))
    data = page_of(session, Subject(title, filter, begin, end))
    _write(fspath(path), session_files(session.path), data.encode())
    return None


def _write(path: str, inputs: list[str], data: bytes) -> None:
    """Write a file that appears once it is complete."""
    try:
        file = NewFile(path, inputs, force=False, group=None)
        try:
            with open(file.descriptor, "wb") as stream:  # noqa: PTH123 -- a descriptor
                stream.write(data)
                stream.flush()
                file.publish()
        finally:
            file.discard()
    except RefusedError as error:
        raise UsageError("{path}: must not be replaced by a report; choose another file", path=error.path) from None
    except OSError as error:
        raise RustnetError(
            "{path}: cannot be written: {strerror}", path=path, strerror=error.strerror or error
        ) from error
