"""What a run does at each flush, and the alerts of a run, loaded only where they are wanted."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rustnet.ingest.options import Options
from rustnet.ingest.stop import StopToken
from rustnet.probe.newfile import session_files
from rustnet.store.items import OnFlush

if TYPE_CHECKING:
    import duckdb

    from rustnet.enrich.lookup import Lookup
    from rustnet.ingest.alerting import Alerting
    from rustnet.ingest.exports import Exports


def live_work(lookup: "Lookup | None", alerting: "Alerting | None", others: Sequence[OnFlush] = ()) -> OnFlush:
    """Return what a live or paced run does at each flush: its passes, others' work, then its alerts."""
    from rustnet.ingest.live import LivePasses  # noqa: PLC0415 - for paced runs only

    works: list[OnFlush] = [LivePasses(lookup), *others]
    if alerting is not None:
        works.append(alerting.alerts.flushed)

    def run(con: "duckdb.DuckDBPyConnection", capture_id: int) -> None:
        for work in works:
            work(con, capture_id)

    return run


def exports_of(
    options: Options, paths: Sequence[str], session: str, stop: StopToken, *, live: bool
) -> "Exports | None":
    """Open what is written beside the session, if anything is."""
    if not options.recordings and options.json_log is None:
        return None
    from rustnet.ingest.exports import open_exports  # noqa: PLC0415 - rarely needed

    inputs = [*([] if live else paths), *session_files(session)]
    return open_exports(options, session, inputs, stop.new_log, live=live)


def alerting(options: Options, session: str) -> "Alerting | None":
    """Return what raises the alerts of a run, if any are wanted."""
    if options.alerts is None or not options.alerts.definitions:
        return None
    from rustnet.ingest.alerting import Alerting  # noqa: PLC0415 - only where it is wanted

    return Alerting(options.alerts, session)
