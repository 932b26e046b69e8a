"""Readers of the values of settings: from TOML, or from the text of a flag or a variable."""

from collections.abc import Iterable, Mapping
from pathlib import Path

LONGEST = 1000
"""Most characters of a text."""
MOST = 200
"""Most entries of a list or a table."""
WIDEST = 500


class WrongError(ValueError):
    """A value that a setting cannot have; its text is the nearest one that it can have, or empty."""


def nearest(text: str, known: Iterable[str]) -> str:
    """The known word that is most like another one, or nothing."""
    import difflib  # noqa: PLC0415 -- only for mistakes

    lower = {name.lower(): name for name in known}
    near = difflib.get_close_matches(text[:80].lower(), lower, 1)
    return lower[near[0]] if near else ""


def word(value: object, _folder: Path) -> str:
    """Read a text on one line."""
    if not isinstance(value, str) or len(value) > LONGEST or not value.isprintable():
        raise WrongError
    return value.strip()


def flag(value: object, _folder: Path) -> bool:
    """Read true or false."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in ("true", "false", "1", "0", "yes", "no"):
        return value.lower() in ("true", "1", "yes")
    raise WrongError


def texts(value: object, folder: Path) -> tuple[str, ...]:
    """Read a list of texts; as text they are separated by commas."""
    if isinstance(value, str):
        value = [part.strip() for part in value.split(",") if part.strip()]
    if not isinstance(value, list) or len(value) > MOST:
        raise WrongError
    return tuple(word(item, folder) for item in value)


def texts_by_name(value: object, folder: Path) -> Mapping[str, str]:
    """Read a table of texts; as text its entries are ``name=value``, separated by spaces."""
    return {name: word(item, folder) for name, item in _table(value)}


def numbers_by_name(value: object, _folder: Path) -> Mapping[str, int]:
    """Read a table of widths."""
    numbers: dict[str, int] = {}
    for name, item in _table(value):
        number = int(item) if isinstance(item, str) and item.isascii() and item.isdecimal() else item
        if isinstance(number, bool) or not isinstance(number, int) or not 1 <= number <= WIDEST:
            raise WrongError
        numbers[name] = number
    return numbers


def _table(value: object) -> list[tuple[str, object]]:
    """Entries of a table; keys with dots in them may stand as tables in tables."""
    if isinstance(value, str):
        parts = [part.partition("=") for part in value.split()]
        if not all(name and equals for name, equals, _item in parts):
            raise WrongError
        return [(name, item) for name, _equals, item in parts][:MOST]
    if not isinstance(value, dict):
        raise WrongError
    entries: list[tuple[str, object]] = []
    waiting: list[tuple[str, object]] = list(value.items())
    while waiting and len(entries) <= MOST:
        name, item = waiting.pop(0)
        if isinstance(item, dict):
            waiting = [(f"{name}.{inner}", each) for inner, each in item.items()] + waiting
        else:
            entries.append((name, item))
    if len(entries) > MOST:
        raise WrongError
    return entries
