"""Shift of moments: all of a session by the same span, so that spans between them and their order stay."""

import datetime as dt
import hashlib
from dataclasses import dataclass

from rustnet.policy.redaction.keys import Key

DAY = 86_400 * 10**9
MOST_DAYS = 36_500
"""Longest span of a shift: a hundred years, so that times of this age remain ones that DuckDB can store."""
_LEAST, _MOST = -(1 << 63) + 1, (1 << 63) - 1
"""Nanoseconds that DuckDB can store."""


@dataclass(frozen=True, slots=True)
class Shift:
    """How moments are shifted."""

    span_ns: int = 0
    """A given span; 0: one that is derived from the key."""
    days: int = 365
    """Most days of a span that is derived from the key, in both directions."""
    time_of_day: bool = False
    """A derived span is one of whole days, so that times of day stay."""

    def span(self, key: Key) -> int:
        """Nanoseconds that are added to each moment; never none."""
        if self.span_ns:
            return self.span_ns
        unit = DAY if self.time_of_day else 1
        most = self.days * DAY // unit
        digest = hashlib.blake2b(key=key.derived("time shift"), digest_size=16).digest()
        number = int.from_bytes(digest) % (2 * most)
        return (number - most if number < most else number - most + 1) * unit


class Moments:
    """Shifts moments by one span."""

    def __init__(self, span_ns: int) -> None:
        self.span_ns = span_ns

    def moment_ns(self, ns: int) -> int:
        """Nanoseconds since 1970 of the shifted moment; zero, which stands for no time, stays."""
        return min(max(ns + self.span_ns, _LEAST), _MOST) if ns and self.span_ns else ns

    def original_ns(self, ns: int) -> int:
        """Nanoseconds since 1970 of the moment that has this one in its place."""
        return min(max(ns - self.span_ns, _LEAST), _MOST) if ns and self.span_ns else ns

    def moment(self, moment: dt.datetime | dt.date) -> dt.datetime | dt.date:
        """Shift a moment of Python's, to the microsecond, or a day."""
        if not self.span_ns:
            return moment
        try:
            return moment + dt.timedelta(microseconds=self.span_ns // 1000)
        except OverflowError:
            return type(moment).min if self.span_ns < 0 else type(moment).max
