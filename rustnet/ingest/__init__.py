"""From inputs to a session: the only room that sees the whole road."""

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rustnet.ingest.report import Progress, Report
    from rustnet.ingest.stop import StopToken

__all__ = ["replay"]


def replay(
    paths: "str | os.PathLike[str] | Sequence[str | os.PathLike[str]]",
    db: "str | os.PathLike[str]",
    *,
    progress: "Callable[[Progress], None] | None" = None,
    stop: "StopToken | None" = None,
    **options: Any,
) -> "Report":
    """Read captures into the session ``db``, made if need be, and report what became of each.

    May run in any thread; ``progress`` is called from that thread about ten times a second, and ``stop`` ends the run
    early from another one. ``options`` are those of `rustnet.ingest.options.Options`, ``speed`` among them. Inputs that
    cannot be read are in the report; `SessionError` if the session cannot be opened or written.
    """
    from rustnet.ingest.options import Options  # noqa: PLC0415 - the whole engine
    from rustnet.ingest.road import ingest  # noqa: PLC0415

    given = [paths] if isinstance(paths, str | os.PathLike) else paths
    return ingest([os.fspath(path) for path in given], os.fspath(db), Options(**options), progress, stop=stop)
