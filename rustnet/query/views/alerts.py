"""Alerts that were raised, the latest first, and how far alerts were checked."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rustnet.query.views.listed import Field, Listing, listed
from rustnet.query.views.scoped import stamp
from rustnet.query.views.spec import ViewSpec
from rustnet.records import Kind

if TYPE_CHECKING:
    from rustnet.query.execute import ResultSet
    from rustnet.query.session import Session

ALERTS = (
    Field("ts", Kind.TIME), Field("severity", Kind.WORD), Field("alert", Kind.WORD), Field("summary", Kind.FREE_TEXT),
    Field("flow_id", Kind.FLOW), Field("capture_id", Kind.KEY), Field("alert_id", Kind.KEY),
)  # fmt: skip

_ALERTS = """
SELECT epoch_ns(ts), severity, alert, summary, flow_id, capture_id, alert_id FROM alerts{where}
ORDER BY coalesce(raised_at, ts) DESC NULLS LAST, alert_id DESC LIMIT $most"""

_CHECKS = """
SELECT alert, state, min(detail), sum(checks)::BIGINT, epoch_ns(max(checked_until)) FROM alert_checks
GROUP BY alert, state ORDER BY alert, state"""


@dataclass(frozen=True, slots=True)
class Check:
    """How far an alert was checked (`rustnet.store.alert_tables.AlertCheck`)."""

    alert: str
    state: str
    detail: str | None
    checks: int
    until: int | None


def raised(session: "Session", limit: int | None, *, whole: bool) -> "ResultSet":
    """Alerts of a session, the latest first: ``whole`` rows, or the main columns."""
    columns = "*" if whole else "ts, severity, alert, summary, flow_id, capture_id"
    order = "ORDER BY coalesce(raised_at, ts) DESC NULLS LAST, alert_id DESC"
    return session.execute(f"SELECT {columns} FROM alerts {order}", limit=limit)  # noqa: S608 -- our own columns


def every_check(session: "Session", limit: int | None) -> "ResultSet":
    """How far each alert was checked in each capture."""
    return session.execute("SELECT * FROM alert_checks ORDER BY capture_id, alert", limit=limit)


def _where(spec: ViewSpec) -> str:
    """Condition of what had been raised at the time of a screen, and was not before its beginning."""
    conditions = [] if spec.at is None else [f"coalesce(raised_at, ts) <= {stamp(spec.at)}"]
    if spec.since is not None:
        conditions.append(f"coalesce(raised_at, ts) >= {stamp(spec.since)}")
    return f" WHERE {' AND '.join(conditions)}" if conditions else ""


def alerts(session: "Session", spec: ViewSpec) -> Listing:
    """Alerts that had been raised at the time of a screen, the latest first, whatever its filter."""
    whole = ViewSpec(at=spec.at, since=spec.since, loopback=True)
    return listed(session, whole, _ALERTS.format(where=_where(spec)), ALERTS)


def checks(session: "Session") -> list[Check]:
    """How far each alert was checked; empty where none was wanted."""
    return [Check(*row) for row in session.execute_own(_CHECKS).rows]
