"""Times as people type them to go to: of day, dates, relative ones, shares, packets; and the nearest packet to each.

`parse` understands the text, without a session; `find` and `step` ask the session.
"""

import datetime as dt
import re
from dataclasses import dataclass
from typing import Literal

from rustnet.errors import UsageError
from rustnet.i18n import N_
from rustnet.query import values
from rustnet.query.session import Session
from rustnet.query.views.at import LARGEST

LONGEST = 64
"""Most characters of a typed time."""
EXAMPLES = "12:03  12:03:11.482  2026-11-29 12:03  +30s  -5m  50%  #1234  start  end  live"
"""What `parse` accepts."""

_SECOND = 10**9
_DAY = 86_400 * _SECOND
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_CLOCK = re.compile(r"(\d{1,2}):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?", re.ASCII)
_DATED = re.compile(r"\d{4}-\d\d-\d\d(?:[T_ ](\d{1,2}:\d\d(?::\d\d(?:\.\d{1,9})?)?))?", re.ASCII | re.IGNORECASE)
_RELATIVE = re.compile(r"([+-])\s*((?:\d{1,12}(?:\.\d{1,9})?\s*[a-zµμ]*\s*){1,6})", re.IGNORECASE)
_PART = re.compile(r"\d{1,12}(?:\.\d{1,9})?\s*[a-zµμ]*", re.IGNORECASE)
_SHARE = re.compile(r"(\d{1,3}(?:\.\d{1,9})?)\s*%", re.ASCII)
_PACKET = re.compile(r"#\s*(?:(\d{1,9})\s*:\s*)?(\d[\d,]{0,17})", re.ASCII)

_BEFORE = """
SELECT epoch_ns(ts), capture_id, number FROM packets WHERE ts <= make_timestamp_ns(?)
ORDER BY ts DESC, capture_id DESC, number DESC LIMIT 1"""
_AFTER = """
SELECT epoch_ns(ts), capture_id, number FROM packets WHERE ts >= make_timestamp_ns(?)
ORDER BY ts, capture_id, number LIMIT 1"""
_NUMBERED = "SELECT epoch_ns(ts), capture_id, number FROM packets WHERE capture_id = ? AND number = ?"


@dataclass(frozen=True, slots=True)
class Extent:
    """The times between which a session can be shown, and where it is shown now."""

    first: int
    """Time of the first packet, in nanoseconds since 1970 UTC."""
    last: int
    now: int | None = None
    """Time at which the session is shown; None: its end."""

    @property
    def present(self) -> int:
        """Time to which relative ones are added."""
        return self.last if self.now is None else self.now


What = Literal["time", "step", "packet", "start", "end", "live"]
_WORDS: dict[str, What] = {
    "start": "start", "begin": "start", "beginning": "start", "end": "end", "live": "live", "now": "live",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Target:
    """What a text means."""

    what: What
    ns: int = 0
    """The time; of a step, too."""
    step: int = 0
    """Direction of a step."""
    capture: int | None = None
    """Capture of a packet, if the text names one."""
    number: int = 0
    """Number of a packet."""


@dataclass(frozen=True, slots=True)
class Place:
    """A time to go to."""

    ns: int | None
    """Time of a packet; None: the end of the session."""
    live: bool = False
    """To follow what is still being written."""
    asked: int | None = None
    """The time that was asked for, if there is no packet at exactly that time."""
    capture: int = 0
    packet: int = 0
    """Capture and number of the packet."""


def parse(text: str, extent: Extent, zone: dt.tzinfo = dt.UTC) -> Target:
    """Understand a typed time; times without a zone are of ``zone``. Raises `UsageError`."""
    text = " ".join(text.split())
    if len(text) > LONGEST:
        raise UsageError(N_("a time has at most {count} characters"), count=LONGEST)
    named = _WORDS.get(text.lower())
    if named is not None:
        return Target(named, extent.first)
    if match := _PACKET.fullmatch(text):
        number = int(match[2].replace(",", ""))
        return Target("packet", capture=int(match[1]) if match[1] else None, number=number)
    if match := _RELATIVE.fullmatch(text):
        return _relative(match, extent, text)
    if match := _SHARE.fullmatch(text):
        ns = _share(match[1], extent)
    elif match := _CLOCK.fullmatch(text):
        ns = _time_of_day(match, extent, zone, text)
    else:
        ns = _dated(text, zone)
    return Target("time", ns)


def _share(digits: str, extent: Extent) -> int:
    """Time of a share of the session."""
    whole, _dot, fraction = digits.partition(".")
    share = int(whole + fraction)  # exact: floats would miss packets by some nanoseconds
    scale: int = 10 ** len(fraction)
    if share > 100 * scale:
        raise UsageError(N_("{share} % is more than the session: expected 0 to 100"), share=digits)
    return extent.first + (extent.last - extent.first) * share // (100 * scale)


def _relative(match: re.Match[str], extent: Extent, text: str) -> Target:
    """Time before or after the one that is shown; at the end of the session, + counts from its beginning."""
    step = 1 if match[1] == "+" else -1
    try:
        length = sum(values.duration(part.strip()).low for part in _PART.findall(match[2]))
    except ValueError:
        raise UsageError(N_("{text}: expected a span of time, such as +30s, -5m or +1h30m"), text=text) from None
    base = extent.first if extent.now is None and step > 0 else extent.present
    return Target("step", base + step * length, step=step)


def _time_of_day(match: re.Match[str], extent: Extent, zone: dt.tzinfo, text: str) -> int:
    """Time on the day at which the session is shown, or on the nearest day on which it is within the session."""
    hour, minute, second = (int(part or 0) for part in match.groups()[:3])
    if hour > 23 or minute > 59 or second > 59:
        raise UsageError(N_("{text}: expected a time of day between 00:00 and 23:59:59"), text=text)
    fraction = int((match[4] or "").ljust(9, "0"))
    present = extent.present
    days = {_local(ns, zone).date() for ns in (extent.first, extent.last, present, present - _DAY, present + _DAY)}
    times = []
    for day in days:
        local = dt.datetime(day.year, day.month, day.day, hour, minute, second, tzinfo=zone)
        times.append(_ns(local) + fraction)
    return min(times, key=lambda ns: (not extent.first <= ns <= extent.last, abs(ns - present), ns))


def _dated(text: str, zone: dt.tzinfo) -> int:
    """Time with a date, of ``zone`` if it names none, or epoch seconds."""
    try:
        if match := _DATED.fullmatch(text):
            local = dt.datetime.fromisoformat(text[:10]).replace(tzinfo=zone)
            clock = _CLOCK.fullmatch(match[1]) if match[1] else None
            if clock is None:
                return _ns(local)
            hour, minute, second = (int(part or 0) for part in clock.groups()[:3])
            return _ns(local.replace(hour=hour, minute=minute, second=second)) + int((clock[4] or "").ljust(9, "0"))
        return values.time(text.replace(" ", "T", 1)).low
    except (ValueError, OverflowError):
        raise UsageError(N_("{text}: expected one of {examples}"), text=text, examples=EXAMPLES) from None


def _local(ns: int, zone: dt.tzinfo) -> dt.datetime:
    """A time in a zone, without its fraction of a second, kept off both ends of the calendar."""
    seconds = min(max(ns // _SECOND, -62_000_000_000), 253_000_000_000)
    return (_EPOCH + dt.timedelta(seconds=seconds)).astimezone(zone)


def _ns(local: dt.datetime) -> int:
    """Nanoseconds since 1970 UTC."""
    since = local.astimezone(dt.UTC) - _EPOCH
    ns = (since.days * 86_400 + since.seconds) * _SECOND
    if not 0 <= ns <= LARGEST:
        raise UsageError(N_("expected a time between 1970 and 2261"))
    return ns


def find(session: Session, target: Target) -> Place:
    """Return where a typed time leads. Raises `UsageError` for a packet that the session does not have."""
    if target.what in ("end", "live"):
        return Place(None, live=target.what == "live")
    if target.what == "packet":
        return _numbered(session, target)
    before, after = _around(session, target.ns)
    if before is None and after is None:
        raise UsageError(N_("the session has no packets, hence no times"))
    if before is None or after is None:
        nearest = before or after
    elif target.what == "step":
        nearest = after if target.step > 0 else before
    else:
        nearest = before if target.ns - before[0] <= after[0] - target.ns else after
    ns, capture, number = nearest or (0, 0, 0)
    return Place(ns, asked=None if ns == target.ns else target.ns, capture=capture, packet=number)


def _numbered(session: Session, target: Target) -> Place:
    """Time of a packet by its number."""
    captures = [row[0] for row in session.execute_own("SELECT capture_id FROM captures ORDER BY 1 LIMIT 2").rows]
    if target.capture is None and len(captures) > 1:
        words = N_("the session has several captures: expected #CAPTURE:PACKET, such as #{capture}:{number}")
        raise UsageError(words, capture=captures[0], number=target.number)
    capture = target.capture if target.capture is not None else captures[0] if captures else 0
    rows = session.execute_own(_NUMBERED, [capture, target.number]).rows
    if not rows:
        raise UsageError(N_("there is no packet {number} in capture {capture}"), number=target.number, capture=capture)
    return Place(rows[0][0], capture=capture, packet=target.number)


def _around(session: Session, ns: int) -> tuple[tuple[int, int, int] | None, tuple[int, int, int] | None]:
    """The last packet up to a time and the first from it on: time, capture and number."""
    ns = min(max(ns, 0), LARGEST)
    before = session.execute_own(_BEFORE, [ns]).rows
    after = session.execute_own(_AFTER, [ns]).rows
    return (before[0] if before else None), (after[0] if after else None)


def step(session: Session, ns: int, by: int) -> int | None:
    """Time after one step from ``ns``: by so many nanoseconds, and on to the next packet if there is none in between.

    None after the last packet; before the first, its time.
    """
    if by > 0:
        rows = session.execute_own(_AFTER, [ns + 1]).rows
        return max(ns + by, rows[0][0]) if rows else None
    rows = session.execute_own(_BEFORE, [ns]).rows
    if rows and rows[0][0] <= ns + by:
        return int(rows[0][0])
    first = session.execute_own(_AFTER, [0]).rows
    return max(ns + by, first[0][0]) if first else ns
