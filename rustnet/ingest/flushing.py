"""What a run does at each flush, and the alerts of a run, loaded only where they are wanted."""

from typing import TYPE_CHECKING

from rustnet.ingest.options import Options
from rustnet.store.items import OnFlush

if TYPE_CHECKING:
    import duckdb

    from rustnet.enrich.lookup import Lookup
    from rustnet.ingest.alerting import Alerting


def live_work(lookup: "Lookup | None", alerting: "Alerting | None") -> OnFlush:
    """Return what a live or paced run does at each flush: its passes, then its alerts."""
    from rustnet.ingest.live import LivePasses  # noqa: PLC0415 - for paced runs only

    passes = LivePasses(lookup)
    if alerting is None:
        return passes
    alerts = alerting.alerts

    def run(con: "duckdb.DuckDBPyConnection", capture_id: int) -> None:
        passes(con, capture_id)
        alerts.flushed(con, capture_id)

    return run


def alerting(options: Options, session: str) -> "Alerting | None":
    """Return what raises the alerts of a run, if any are wanted."""
    if options.alerts is None or not options.alerts.definitions:
        return None
    from rustnet.ingest.alerting import Alerting  # noqa: PLC0415 - only where it is wanted

    return Alerting(options.alerts, session)
