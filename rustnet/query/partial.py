"""Captures whose replay, or live capture, was killed."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rustnet.i18n import _
from rustnet.present.text import safe

if TYPE_CHECKING:
    from rustnet.query.session import Session

_HAS_COLUMN = """
SELECT count(*) FROM duckdb_columns()
WHERE database_name = current_database() AND table_name = 'captures' AND column_name = 'finished'"""


@dataclass(frozen=True, slots=True)
class PartialCapture:
    """A capture of which the session has only the packets that were stored before its replay was killed."""

    capture_id: int
    source: str
    packets: int
    live: bool = False
    """It was captured live, which cannot be repeated."""

    def words(self, session: str) -> str:
        """Describe it in one line."""
        if self.live:
            return _(
                "{session}: partial: live capture {n} ({source}) ended before its time, after {packets} packets were "
                "stored"
            ).format(session=safe(session), n=self.capture_id, source=safe(self.source), packets=f"{self.packets:,}")
        return _(
            "{session}: partial: the replay of capture {n} ({source}) was killed after {packets} packets were stored; "
            "replay it again to replace them"
        ).format(session=safe(session), n=self.capture_id, source=safe(self.source), packets=f"{self.packets:,}")


def list_partial(session: "Session") -> list[PartialCapture]:
    """List the captures of a session that nobody writes whose last row was never stored."""
    if not session.execute_own(_HAS_COLUMN).rows[0][0]:  # written by an earlier version
        return []
    rows = session.execute_own(
        "SELECT capture_id, source, packets, kind = 'live' FROM captures WHERE finished = false ORDER BY capture_id"
    ).rows
    return [PartialCapture(*row) for row in rows]
