"""`Alerting`: the alerts of one run, from the process that delivers them to the last check."""

import contextlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING

from rustnet.alerts.asking import EndableSession
from rustnet.alerts.delivery import Delivery
from rustnet.alerts.engine import LAST_QUERY_SECONDS, Alerts, Raised, baseline_keys
from rustnet.alerts.plan import AlertPlan
from rustnet.query.session import CursorSession, Session, open_session
from rustnet.store.session import reading_cursor

if TYPE_CHECKING:
    import duckdb

    from rustnet.ingest.serving import Serving
    from rustnet.store.writer import Writer

STOPPED_SECONDS = 1.0
"""Longest time of one query of the last check of a run that was stopped."""


class Alerting:
    """The alerts of one run. Make it before the process has other threads, gives up privileges or is confined."""

    def __init__(self, plan: AlertPlan, session: str) -> None:
        self._plan = plan
        self._session = session
        self._delivery = Delivery(plan.targets, session) if plan.targets and plan.definitions else None
        self._alerts: Alerts | None = None
        self.counts: Counter[str] = Counter()
        """Alerts that were raised in this run, by name."""

    def prepare(self) -> None:
        """Read the baseline, before the session is opened. Raises `SessionError` if it cannot be read."""
        if self._alerts is None:
            known = {}
            if self._plan.baseline is not None and any(each.new for each in self._plan.definitions):
                with open_session(self._plan.baseline) as baseline:
                    known = baseline_keys(self._plan.definitions, baseline)
            self._alerts = Alerts(self._plan.definitions, known, self._raised)

    @property
    def alerts(self) -> Alerts:
        """The engine, for the writer."""
        self.prepare()
        assert self._alerts is not None
        return self._alerts

    def _raised(self, raised: Raised) -> None:
        self.counts[raised.name] += 1
        if self._plan.on_alert is not None:
            self._plan.on_alert(raised)
        if self._delivery is not None:
            self._delivery.send(raised)

    def served(self, serving: "Serving") -> "ServingAlerts":
        """Let alerts be checked while a capture is read, by asking what answers readers."""
        alerts = self.alerts
        alerts.serve(partial(_asking, serving, lambda: alerts.ending))
        return ServingAlerts(alerts, serving)

    def finish(self, writer: "Writer", captures: Iterable[int], stopped: Callable[[], bool]) -> None:
        """Check once more what is stored of the captures."""
        seconds = STOPPED_SECONDS if stopped() else LAST_QUERY_SECONDS
        begun = stopped()

        def check(con: "duckdb.DuckDBPyConnection") -> None:
            with CursorSession(self._session, partial(reading_cursor, con), statements=1) as session:
                endable = EndableSession(session, lambda: stopped() and not begun)
                self.alerts.finish(con, captures, endable, seconds)

        writer.execute_pass("alerts", check)

    def close(self) -> list[str]:
        """End the process that delivers; returns sentences about what was not delivered."""
        if self._alerts is not None:
            self._alerts.stop()
        return [] if self._delivery is None else self._delivery.close()


class ServingAlerts:
    """What answers readers, and the checks that ask it: these end first (a `Closing`)."""

    def __init__(self, alerts: Alerts, serving: "Serving") -> None:
        self._alerts = alerts
        self._serving = serving

    def close(self) -> None:
        """End the checks, then the answers."""
        self._alerts.stop()
        self._serving.close()


@contextlib.contextmanager
def _asking(serving: "Serving", ended: Callable[[], bool]) -> "Iterator[Session | None]":
    """Ask the server of readers, if there is one by now."""
    if serving.server is None:
        yield None
        return
    with serving.server.own_questions() as session:
        yield EndableSession(session, ended)
