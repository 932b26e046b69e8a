"""Values of the filter language: sizes, durations, times, addresses as numbers. Text in, exact integers out.

Every function raises `Phrase` with text for users, a ``ValueError``; the compiler adds the position.
"""

import datetime as dt
import ipaddress
import re
from dataclasses import dataclass
from decimal import Decimal

from rustnet.errors import Phrase

LARGEST = 2**63 - 1
MAPPED = 0xFFFF << 32
"""First number of IPv4 addresses: ::ffff:0:0/96."""

_SIZES = {"": 1}
_SIZES |= {letter: 1000**power for power, letter in enumerate("kmgt", 1)}
_SIZES |= {letter + "i": 1024**power for power, letter in enumerate("kmgt", 1)}
_DURATIONS = {"ns": 1, "us": 10**3, "µs": 10**3, "μs": 10**3, "ms": 10**6, "s": 10**9}
_DURATIONS |= {"m": 60 * 10**9, "min": 60 * 10**9, "h": 3600 * 10**9, "d": 86_400 * 10**9}
_AMOUNT = re.compile(r"(\d{1,18}(?:\.\d{1,18})?)\s*([^\W\d]*)", re.ASCII)
_TIME = re.compile(
    r"(\d{4})(?:-(\d\d)(?:-(\d\d)(?:[T_ ](\d\d)(?::(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?)?(Z|[+-]\d\d:?\d\d)?)?)?)?",
    re.ASCII | re.IGNORECASE,
)
_EPOCH = re.compile(r"(\d{9,10})(?:\.(\d{1,9}))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Span:
    """Range of a value: ``low <= x < high``, in the smallest unit of its kind."""

    low: int
    high: int


def number(text: str, top: int | None = None) -> int:
    """Read a plain whole number, of at most ``top``."""
    if not re.fullmatch(r"\d{1,18}", text, re.ASCII):
        raise Phrase("is not a whole number")
    value = int(text)
    if top is not None and value > top:
        raise Phrase("is more than {top}", top=top)
    return value


def size(text: str) -> int:
    """Read a count or size: ``1500``, ``10M`` (10,000,000), ``64Ki`` (65,536), each with or without ``B``."""
    match = _AMOUNT.fullmatch(text)
    unit = match[2].lower() if match else ""
    if len(unit) > 1 or unit == "b":
        unit = unit.removesuffix("b")
    if not match or unit not in _SIZES:
        raise Phrase("is not a size like 1500, 10M or 64Ki")
    return _bounded(Decimal(match[1]) * _SIZES[unit])


def duration(text: str) -> Span:
    """Read a duration in nanoseconds; without unit, seconds. Covers the precision of its digits: 2s is up to 3s."""
    match = re.fullmatch(r"(\d{1,12}(?:\.\d{1,9})?)\s*([a-zµμ]*)", text.lower())
    factor = _DURATIONS.get(match[2] or "s") if match else None
    if not match or factor is None:
        raise Phrase("is not a duration like 200ms, 1.5s, 5m or 2h")
    amount = Decimal(match[1])
    step = Decimal(1).scaleb(int(amount.as_tuple().exponent))
    low = _bounded(amount * factor)
    return Span(low, _bounded(max(Decimal(low + 1), (amount + step) * factor)))


def time(text: str) -> Span:
    """Read a time in nanoseconds since 1970, UTC unless it has a zone. A day or minute covers its whole length."""
    epoch = _EPOCH.fullmatch(text)
    if epoch:
        return _fraction(int(epoch[1]) * 10**9, epoch[2])
    match = _TIME.fullmatch(text)
    if not match:
        raise Phrase("is not a time like 2024-05-01, 2024-05-01T10:00:05.25Z or epoch seconds")
    year, month, day, hour, minute, second = (int(part) if part else None for part in match.groups()[:6])
    if year is None or not 1678 <= year <= 2261:
        raise Phrase("lies outside the years 1678 to 2261")
    try:
        start = dt.datetime(year, month or 1, day or 1, hour or 0, minute or 0, second or 0, tzinfo=dt.UTC)
        zone = _zone(match[8])
    except ValueError:
        raise Phrase("is no date and time of the calendar") from None
    low = _epoch_ns(start) - zone
    if second is not None:
        return _fraction(low, match[7])
    if month is None:
        return Span(low, _epoch_ns(start.replace(year=year + 1)))
    if day is None:
        return Span(low, _epoch_ns(start.replace(year=year + month // 12, month=month % 12 + 1)))
    step = 60 if minute is not None else 3600 if hour is not None else 86_400
    return Span(low, low + step * 10**9)


def _fraction(low: int, digits: str | None) -> Span:
    """Add a second's fraction; without one, the span is the whole second."""
    if not digits:
        return Span(low, low + 10**9)
    step: int = 10 ** (9 - len(digits))
    low += int(digits) * step
    return Span(low, low + step)


def _zone(text: str | None) -> int:
    """Offset of a time zone in nanoseconds."""
    if not text or text in "zZ":
        return 0
    digits = text[1:].replace(":", "")
    hours, minutes = int(digits[:2]), int(digits[2:])
    if hours > 23 or minutes > 59:
        raise ValueError(text)
    return (1 if text[0] == "+" else -1) * (hours * 60 + minutes) * 60 * 10**9


def _epoch_ns(moment: dt.datetime) -> int:
    since = moment - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
    return (since.days * 86_400 + since.seconds) * 10**9


def _bounded(amount: Decimal) -> int:
    if amount > LARGEST:
        raise Phrase("is too large")
    return int(amount)


def address_number(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> int:
    """Return an address as ``flows.src_num`` holds it."""
    return int(address) + (MAPPED if address.version == 4 else 0)


def address_span(text: str) -> Span:
    """Read the span of an address, network (host bits may be set) or range ``a-b`` or ``a..b``."""
    first, mark, last = text.partition("..") if ".." in text else text.partition("-")
    if mark:
        low, high = _address(first), _address(last)
        if low.version != high.version:
            raise Phrase("mixes IPv4 and IPv6")
        if int(low) > int(high):
            raise Phrase("ends before it begins")
        return Span(address_number(low), address_number(high) + 1)
    if "/" not in text:
        low = _address(text)
        return Span(address_number(low), address_number(low) + 1)
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise Phrase("is not a network like 10.0.0.0/8 or 2001:db8::/32") from None
    return Span(address_number(network.network_address), address_number(network.broadcast_address) + 1)


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """Parse an address; IPv4 mapped into IPv6 is IPv4, which only matters for ranges that mix both."""
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        raise Phrase("is not an address") from None
