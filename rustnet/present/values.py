"""Formats times, durations, sizes, shares and TCP flags as text."""

import contextlib
import datetime as dt
from contextvars import ContextVar

_FLAG_LETTERS = ((2, "S"), (16, "A"), (8, "P"), (1, "F"), (4, "R"), (32, "U"), (64, "E"), (128, "C"))


def timestamp_ns(nanoseconds: int) -> str:
    """ISO-8601 in UTC with all nine digits: ``2024-05-01T10:00:05.250000000Z``."""
    seconds, rest = divmod(nanoseconds, 10**9)
    at = dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(seconds=seconds)
    return f"{at:%Y-%m-%dT%H:%M:%S}.{rest:09d}Z"


_ZONE: ContextVar[dt.tzinfo] = ContextVar("zone of the times that are shown", default=dt.UTC)


def show_times_in(zone: dt.tzinfo) -> None:
    """Let people see times in this zone: as the language of messages, it is one for all that a command shows."""
    _ZONE.set(zone)


def zone() -> dt.tzinfo:
    """Zone of the times that are shown, and of those that people type."""
    return _ZONE.get()


def zone_name() -> str:
    """Name of the zone of the times that are shown."""
    return str(_ZONE.get())


def _shown(ns: int) -> tuple[str, int, str]:
    """Date and time to the second in the zone that is shown, nanoseconds, and the offset: ``Z`` or ``+02:00``."""
    seconds, rest = divmod(ns, 10**9)
    at = dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(seconds=seconds)
    text = at.astimezone(zone()).isoformat()
    return text[:19], rest, "Z" if zone() is dt.UTC else text[19:]


def exact_moment(ns: int) -> str:
    """Time with all nine digits in the zone that is shown: ``2024-05-01T12:00:05.250000000+02:00``."""
    text, rest, offset = _shown(ns)
    return f"{text}.{rest:09d}{offset}"


def exact_datetime(at: dt.datetime) -> str:
    """UTC time without a zone, in the zone that is shown: ``2024-05-01T12:00:05.250000+02:00``."""
    with contextlib.suppress(OverflowError):  # at either end of the calendar
        if zone() is not dt.UTC:
            return at.replace(tzinfo=dt.UTC).astimezone(zone()).isoformat(timespec="microseconds")
    return at.isoformat(timespec="microseconds") + "Z"


def moment(ns: int | None) -> str:
    """Time with microseconds in the zone that is shown: ``2024-05-01 10:00:05.250000Z``."""
    if ns is None:
        return "-"
    text, rest, offset = _shown(ns)
    return f"{text.replace('T', ' ')}.{rest // 1000:06d}{offset}"


def short_moment(ns: int) -> str:
    """Time with seconds in the zone that is shown: ``2024-05-01 10:00:05Z``."""
    text, _rest, offset = _shown(ns)
    return text.replace("T", " ") + offset


def clock_time(ns: int) -> str:
    """Time of day with milliseconds in the zone that is shown: ``10:00:05.250Z``."""
    text, rest, offset = _shown(ns)
    return f"{text[11:]}.{rest // 10**6:03d}{offset}"


def day(ns: int) -> str:
    """Date in the zone that is shown: ``2024-05-01``."""
    return _shown(ns)[0][:10]


def duration(ns: int) -> str:
    """Duration with a suitable unit: ``12.3 ms``, ``42.1 s``, ``3 min 20 s``, ``2 d 3 h``."""
    if ns < 10**9:
        return f"{ns / 1e6:.1f} ms"
    if ns < 120 * 10**9:
        return f"{ns / 1e9:.1f} s"
    minutes, seconds = divmod(ns // 10**9, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = [(days, "d"), (hours, "h"), (minutes, "min"), (seconds, "s")]
    first = next(i for i, (n, _unit) in enumerate(parts) if n)
    return " ".join(f"{n} {unit}" for n, unit in parts[first : first + 2] if n)


def humanised(size: float) -> str:
    """Number of bytes with a unit: ``999 B``, ``1.5 MB`` (powers of 1000)."""
    if abs(size) < 1000:
        return f"{size:.0f} B"
    for unit in ("kB", "MB", "GB", "TB", "PB"):
        size /= 1000
        if abs(size) < 999.95 or unit == "PB":
            break
    return f"{size:.1f} {unit}"


def percent(part: int, whole: int) -> str:
    """Share in percent, but never 0 % for a part above zero nor 100 % for less than the whole."""
    share = 100 * part / whole if whole else 0.0
    if part and share < 0.1:
        return "<0.1 %"
    return f"{min(share, 99.9):.1f} %" if part != whole else "100 %"


def tcp_flags(value: int) -> str:
    """TCP flags as letters, such as ``SA`` or ``PA``."""
    return "".join(letter for bit, letter in _FLAG_LETTERS if value & bit)


def short_duration(ns: float) -> str:
    """A round duration with its unit: ``5 µs``, ``20 ms``, ``1.25 s``, ``10 min``, ``1 h``."""
    for unit, size, above in (
        ("ns", 1, 1e3),
        ("µs", 1e3, 1e6),
        ("ms", 1e6, 1e9),
        ("s", 1e9, 120e9),
        ("min", 60e9, 7200e9),
    ):
        if ns < above:
            return f"{_three_digits(ns / size)} {unit}"
    return f"{_three_digits(ns / 3600e9)} h"


def bit_rate(bits: float) -> str:
    """Bits per second with a unit: ``36 kbit/s``, ``1.58 Mbit/s`` (powers of 1000)."""
    for unit in ("bit/s", "kbit/s", "Mbit/s", "Gbit/s"):
        if abs(bits) < 999.5:
            return f"{_three_digits(bits)} {unit}"
        bits /= 1000
    return f"{_three_digits(bits)} Tbit/s"


def _three_digits(value: float) -> str:
    """``value`` with three significant digits, and all of those before the point."""
    digits = max(0, 2 - (len(str(int(abs(value)))) - 1))
    text = f"{value:,.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
