"""What the frame of the browser shows of a session: its source and its span of time."""

from dataclasses import dataclass
from pathlib import PurePath

from rustnet.query.session import Session

_FACTS = """
SELECT count(*), min(source), coalesce(min(epoch_ns(first_ts)), (SELECT min(epoch_ns(ts)) FROM packets)),
    coalesce(max(epoch_ns(last_ts)), (SELECT max(epoch_ns(ts)) FROM packets)),
    (SELECT count(*) FROM alerts), (SELECT count(*) FROM alerts WHERE severity = 'high')
FROM captures"""


@dataclass(frozen=True, slots=True)
class SessionFacts:
    """A session as a whole."""

    path: str
    """Path of the file."""
    captures: int = 0
    source: str | None = None
    """Path of the first capture, by name; None without captures."""
    first_ns: int | None = None
    """Time of the first packet, in nanoseconds since 1970 UTC; None without packets."""
    last_ns: int | None = None
    """Time of the last packet so far."""
    being_written: bool = False
    alerts: int = 0
    """Alerts that were raised."""
    high_alerts: int = 0
    """Of these, those of high severity."""

    @property
    def source_name(self) -> str:
        """File name of the capture, or that of the session if there are several or none."""
        one = self.source if self.captures == 1 else None
        return PurePath(one or self.path).name


def session_facts(session: Session) -> SessionFacts:
    """Read the facts of a session."""
    captures, source, first, last, alerts, high = session.execute_own(_FACTS).rows[0]
    return SessionFacts(session.path, captures, source, first, last, session.being_written, alerts, high)
