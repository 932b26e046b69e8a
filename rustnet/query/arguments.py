"""Arguments of `rustnet.query.session.Session`, checked: a mistake is an error of one sentence."""

import datetime as dt
import operator
from collections.abc import Mapping, Sequence
from typing import SupportsIndex

from rustnet.errors import UsageError
from rustnet.query.execute import Params

Moment = int | str | dt.datetime
"""A time: nanoseconds since 1970 UTC, text as people type it, or a time of Python's."""


def statement(text: str) -> str:
    """Check that a statement is text."""
    if not isinstance(text, str):
        raise UsageError("SQL: a statement is text, not {kind}", kind=type(text).__name__)
    return text


def values(params: Params) -> Params:
    """Values of a statement, NumPy's numbers as Python's: frames have those."""
    if isinstance(params, Mapping):
        return {name: _plain(value) for name, value in params.items()}
    return [_plain(value) for value in params]


def _plain(value: object) -> object:
    numeric = getattr(getattr(value, "dtype", None), "kind", "") in tuple("biuf") and getattr(value, "ndim", 1) == 0
    return value.item() if numeric and hasattr(value, "item") else value


def filter_text(text: str) -> str:
    """Check that a filter is text."""
    if not isinstance(text, str):
        raise UsageError("filter: is text such as 'app:tls', not {kind}", kind=type(text).__name__)
    return text


def time_limit(seconds: float | None) -> float | None:
    """Check a time limit in seconds; None is no limit."""
    if seconds is not None and not (isinstance(seconds, int | float) and seconds > 0):
        raise UsageError("seconds: needs a number above 0, or None for no limit, not {value!r}", value=seconds)
    return seconds


def limit(most: int | None) -> int | None:
    """Check a number of rows; None is no limit."""
    return None if most is None else _whole(most, "limit")


def flow_number(flow_id: SupportsIndex) -> int:
    """Check the number of a flow."""
    return _whole(flow_id, "flow_id")


def names(given: Sequence[str] | str) -> list[str]:
    """Names of columns, given as a sequence or as one text with commas."""
    return [name.strip() for name in given.split(",")] if isinstance(given, str) else list(given)


def parameter(value: object) -> str:
    """Text of a saved query's parameter; a time without a zone is UTC."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dt.timedelta):  # pandas' too, whose nanoseconds are not in it
        seconds, rest = divmod(_nanoseconds(value), 10**9)
        return f"{seconds}.{rest:09}s"
    if isinstance(value, dt.datetime):
        return value.isoformat()
    return str(value)


def _nanoseconds(span: dt.timedelta) -> int:
    whole = span.days * 86_400 * 10**9 + span.seconds * 10**9 + span.microseconds * 1000
    return whole + int(getattr(span, "nanoseconds", 0))


def _whole(value: SupportsIndex, name: str) -> int:
    try:
        number = -1 if isinstance(value, bool) else operator.index(value)
    except TypeError:
        number = -1
    if number < 0:
        raise UsageError("{name}: needs a whole number from 0 on, not {value!r}", name=name, value=value)
    return number
