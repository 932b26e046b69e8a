"""Values as cells of a report's tables: text for people, the exact value, and what rows are sorted by."""

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from rustnet.i18n import _
from rustnet.present.text import ELLIPSIS, safe
from rustnet.present.values import bit_rate, exact_moment, humanised, short_duration, short_moment, tcp_flags
from rustnet.records import Kind

LONGEST, LONGEST_TITLE = 160, 600
"""Characters of a text that are shown, and that its title has."""
MOST_ITEMS = 12
"""Items of a list that are shown."""
NOTHING = "–"  # noqa: RUF001 -- a dash of the width of a digit

NUMBERS = frozenset(
    {Kind.BYTES, Kind.COUNT, Kind.DURATION, Kind.NUMBER, Kind.RATIO, Kind.PORT, Kind.FLOW, Kind.PACKET, Kind.KEY}
)
"""Kinds whose values are aligned to the right."""


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell of a table."""

    text: str
    sort: str | None = None
    """What rows are sorted by; None: the text."""
    title: str = ""
    """The exact or whole value, if the text is not."""
    code: bool = False
    time: bool = False
    bar: float | None = None
    """Share of the largest value, from 0 to 1, to be drawn."""
    depth: int = 0
    """Depth in a tree."""


def text_cell(value: object, *, code: bool = False) -> Cell:
    """A text, cut if it is long."""
    text = safe(str(value))
    if len(text) <= LONGEST:
        return Cell(text, code=code)
    title = text if len(text) <= LONGEST_TITLE else text[:LONGEST_TITLE] + ELLIPSIS
    return Cell(text[: LONGEST - 1] + ELLIPSIS, title=title, code=code)


def _time(value: Any) -> Cell:
    if isinstance(value, dt.datetime):
        value = int((value - dt.datetime(1970, 1, 1)) / dt.timedelta(microseconds=1)) * 1000  # noqa: DTZ001 -- UTC
    return Cell(short_moment(value), str(value), exact_moment(value), time=True)


def _duration(value: Any) -> Cell:
    """A duration in milliseconds."""
    if not value:
        return Cell("0 s", "0")
    return Cell(short_duration(float(value) * 1e6), str(value))


def seconds(value: Any) -> Cell:
    """A duration in seconds."""
    return Cell(short_duration(float(value) * 1e9), str(value))


def _bytes(value: Any) -> Cell:
    exact = "" if abs(value) < 1000 else _("{n} bytes").format(n=f"{int(value):,}")
    return Cell(humanised(value), str(value), exact)


def _number(value: Any) -> Cell:
    if isinstance(value, int):
        return Cell(f"{value:,}", str(value))
    return Cell(f"{value:,.2f}".rstrip("0").rstrip("."), str(value))


def plain(value: Any) -> Cell:
    """A number that names something: a port, a flow, an autonomous system."""
    return Cell(str(value), str(value))


def percent(value: Any) -> Cell:
    """A share in percent, but never 0 % for a part above zero, nor 100 % for less than the whole."""
    share = float(value)
    text = "<0.1" if 0 < share < 0.05 else "99.9" if 99.95 <= share < 100 else f"{share:.1f}"
    return Cell(f"{text} %", str(value))


def ratio(value: Any) -> Cell:
    """A share of one, in percent."""
    return percent(100 * float(value))


def bits(value: Any) -> Cell:
    """Bits per second."""
    return Cell(bit_rate(float(value)), str(value))


def yes_no(value: Any) -> Cell:
    """Whether something is so."""
    return Cell(_("yes") if value else _("no"), str(int(bool(value))))


Form = Callable[[Any], Cell]

_FORMS: dict[Kind, Form] = {
    Kind.TIME: _time,
    Kind.DURATION: _duration,
    Kind.BYTES: _bytes,
    Kind.COUNT: _number,
    Kind.NUMBER: _number,
    Kind.RATIO: ratio,
    Kind.PORT: plain,
    Kind.FLOW: plain,
    Kind.PACKET: plain,
    Kind.KEY: plain,
    Kind.AUTONOMOUS_SYSTEM: plain,
    Kind.IDENTIFIER: plain,
    Kind.FLAGS: lambda value: Cell(tcp_flags(int(value)), str(value)),
    Kind.BOOLEAN: yes_no,
}
_CODE = frozenset({Kind.ADDRESS, Kind.MAC, Kind.DIGEST, Kind.FINGERPRINT, Kind.PATH, Kind.COMMAND_LINE})


def cell(value: Any, kind: Kind | None, form: Form | None = None, further: int = 0) -> Cell:
    """A value of a kind; ``further``: how many more a list has than it holds."""
    if value is None or value in ("", [], ()):
        return Cell(NOTHING, "")
    if isinstance(value, list | tuple):
        return _list(value, kind, form, further)
    if isinstance(value, str | Mapping):
        texts = value if isinstance(value, str) else ", ".join(f"{key}: {each}" for key, each in value.items())
        return text_cell(texts, code=kind in _CODE)
    return _form(value, kind, form)(value)


def _form(value: Any, kind: Kind | None, form: Form | None) -> Form:
    """How a value that is no text is shown."""
    if isinstance(value, bool):
        return yes_no
    if isinstance(value, dt.datetime):
        return _time
    known = form or (_FORMS.get(kind) if kind is not None else None)
    return known or (_number if isinstance(value, int | float | Decimal) else text_cell)


def _list(values: "list[Any] | tuple[Any, ...]", kind: Kind | None, form: Form | None, further: int) -> Cell:
    texts = [cell(each, kind, form).text for each in values[:MOST_ITEMS]]
    more = int(further) + max(0, len(values) - MOST_ITEMS)
    if more:
        texts.append(_("{n} more").format(n=f"{more:,}"))
    joined = text_cell(", ".join(texts))
    return Cell(joined.text, title=joined.title, code=kind in _CODE)
