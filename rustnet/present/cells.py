"""Values of a column as text, by the kind of the column: sizes with units, times in UTC, durations, shares."""

import datetime as dt
from decimal import Decimal
from typing import Any

from rustnet.i18n import _
from rustnet.present.text import printable
from rustnet.present.values import duration, humanised, moment, tcp_flags
from rustnet.records import Kind

LISTED = 100
"""Most values of a list that are shown."""
TCP_FLAGS = ("src_flags", "dst_flags", "tcp_flags")
"""Columns whose flags are TCP's."""

LONGEST = 1e12
"""Longest duration that gets a unit."""

_GROUPED = {Kind.COUNT, Kind.BYTES, Kind.PACKET}
"""Kinds of numbers whose digits are grouped."""


def cell(value: Any, name: str = "", sql_type: str = "", kind: Kind | None = None) -> str:
    """Text of one value, on one line and without control characters; empty for a missing one."""
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(value, list | tuple):
        more = [] if len(value) <= LISTED else ["…"]
        return ", ".join([cell(item, name, sql_type, kind) for item in value[:LISTED]] + more)
    if isinstance(value, int | float | Decimal):
        return (
            moment(int(value))
            if sql_type == "TIMESTAMP_NS"
            else _number(float(value) if isinstance(value, Decimal) else value, name, kind)
        )
    if isinstance(value, dt.datetime):
        return f"{value:%Y-%m-%d %H:%M:%S.%f}Z"
    return "" if value is None else printable(value.hex() if isinstance(value, bytes) else str(value))


def exact(value: Any, kind: Kind | None) -> str:
    """Digits of a value that `cell` rounds; empty for others."""
    return f"{value:,}" if kind is Kind.BYTES and isinstance(value, int) and abs(value) >= 1000 else ""


def _number(value: int | float, name: str, kind: Kind | None) -> str:  # noqa: PYI041 -- both are told apart
    if kind is Kind.BYTES:
        return humanised(value)
    if kind is Kind.DURATION and abs(value) < LONGEST:
        return _span(round(value * (1e6 if name.endswith("_ms") else 1e9)))
    if kind is Kind.RATIO:
        return f"{100 * value:.1f} %"
    if kind is Kind.FLAGS and isinstance(value, int):
        return tcp_flags(value) if name in TCP_FLAGS else f"{value:#x}"
    if isinstance(value, float):
        return f"{value:,.3f}".rstrip("0").rstrip(".")
    return f"{value:,}" if kind in _GROUPED else str(value)


def _span(nanoseconds: int) -> str:
    """Duration with a unit, also a negative one or one below 0.1 ms."""
    if nanoseconds < 0:
        return f"-{_span(-nanoseconds)}"
    return f"{nanoseconds / 1e3:.1f} µs" if 0 < nanoseconds < 10**6 else duration(nanoseconds)
