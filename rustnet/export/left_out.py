"""Counting of what has no place in a format of other programs."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rustnet.query.session import Session


def count(session: "Session", sql: str) -> int:
    """The one number that a statement of our own yields."""
    return int(session.execute_own(sql).rows[0][0])
