"""Tables of alerts: what was raised, and what was checked."""

from typing import Annotated

from rustnet.records import I32, I64, FreeText, Kind, Ts, Word, record

Count = Annotated[I64, Kind.COUNT]


@record("alerts")
class Alert:
    """One finding of an alert: a row of its saved query that was new. docs/alerts.md explains alerts."""

    alert_id: I64
    """Number within the session, from 1."""
    capture_id: I32
    """Capture it was seen in."""
    ts: Ts | None
    """Packet time of what it is about, as the query states it; NULL if the query states none."""
    raised_at: Ts | None
    """Packet time at which it was raised: that of the last packet stored by then."""
    alert: Word
    """Name of the alert: `scan`, `new-process` …"""
    severity: Word
    """`low`, `medium` or `high`."""
    summary: FreeText
    """What was noticed, in one sentence."""
    flow_id: I64 | None
    """A flow that shows it."""
    saved_query: Word
    """Saved query that noticed it."""
    query_parameters: FreeText
    """Parameters of the query that were given, as JSON."""
    key_values: FreeText | None
    """Values that identify the finding, as JSON: columns of the query by name. NULL if the alert has reached its limit,
    which this row states."""
    finding: FreeText | None
    """The row of the query, as JSON; long texts and lists are cut."""


@record("alert_checks")
class AlertCheck:
    """How far an alert was checked in a capture: alerts that did not run, and why not, are here too."""

    capture_id: I32
    """Capture that was checked."""
    alert: Word
    """Name of the alert."""
    state: Word
    """`checked`; `late` (the last check was stopped or left out, so it holds up to `checked_until` only), `impossible`
    (the session lacks what it needs) or `limit` (it has raised as many as it may, and is not checked any more)."""
    detail: FreeText | None
    """Why it is not simply `checked`."""
    checks: Count
    """Checks that were completed."""
    stopped: Count
    """Checks that failed or took too long."""
    checked_until: Ts | None
    """Packet time of the last packet that was stored before the last complete check; NULL if there was none."""
    work_ms: float
    """Time that the checks took, in milliseconds."""
