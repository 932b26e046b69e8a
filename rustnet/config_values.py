"""Settings, and readers of their values: from TOML, or from the text of a flag or a variable."""

import datetime as dt
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

LONGEST = 1000
"""Most characters of a text."""
MOST = 200
"""Most entries of a list or a table."""
WIDEST = 500


class WrongError(ValueError):
    """A value that a setting cannot have; its text is the nearest one that it can have, or empty."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One key: how it is called, read and described."""

    key: str
    """Name in the file; a dot stands for a table."""
    expected: str
    """What its value must be."""
    default: str
    """Its default, as text."""
    example: str
    """A value as TOML."""
    read: Callable[[object, Path], Any]
    """Turn a value, as TOML or text, into that of the field; relative paths begin at a folder. Raises `WrongError`."""

    @property
    def name(self) -> str:
        """Field of `Config`."""
        return self.key.replace(".", "_")

    @property
    def variable(self) -> str:
        """Environment variable that overrides the file."""
        return "RUSTNET_" + self.name.upper()


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


def one_of(*words: str) -> Callable[[object, Path], str]:
    """Return a reader of one of these words."""

    def read(value: object, _folder: Path) -> str:
        if isinstance(value, str) and value in words:
            return value
        raise WrongError(nearest(str(value), words))

    return read


def web_address(value: object, _folder: Path) -> str:
    """Read an address of HTTP; an empty text is none."""
    text = word(value, _folder)
    try:
        parts = urlsplit(text)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        raise WrongError from None
    if text and not (valid and text.isascii() and " " not in text):
        raise WrongError
    return text


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


def _table(value: object) -> Sequence[tuple[str, object]]:
    """Entries of a table; keys with dots in them may stand as tables in tables."""
    if isinstance(value, str):
        parts = [part.partition("=") for part in value.split()]
        if not all(name and equals for name, equals, _item in parts):
            raise WrongError
        return [(name, item) for name, _equals, item in parts][:MOST]
    if not isinstance(value, dict):
        raise WrongError
    entries: list[tuple[str, object]] = []
    waiting: list[tuple[str, object]] = [*value.items()]
    while waiting and len(entries) <= MOST:
        name, item = waiting.pop(0)
        if isinstance(item, dict):
            waiting[:0] = [(f"{name}.{inner}", each) for inner, each in item.items()]
        else:
            entries.append((name, item))
    if len(entries) > MOST:
        raise WrongError
    return entries


def time_zone(value: object, _folder: Path) -> dt.tzinfo:
    """Read the name of a time zone, or an offset."""
    if not isinstance(value, str):
        raise WrongError
    if value.upper() in ("UTC", "Z"):
        return dt.UTC
    offset = re.fullmatch(r"([+-])(\d\d):?([0-5]\d)", value, re.ASCII)
    if offset:
        minutes = int(offset[2]) * 60 + int(offset[3])
        if minutes >= 24 * 60:
            raise WrongError
        return dt.timezone(dt.timedelta(minutes=-minutes if offset[1] == "-" else minutes))
    import zoneinfo  # noqa: PLC0415 -- for other zones than UTC only

    try:
        return _local_zone() if value == "local" else zoneinfo.ZoneInfo(value)
    except (OSError, ValueError, zoneinfo.ZoneInfoNotFoundError):
        raise WrongError(nearest(value, sorted(zoneinfo.available_timezones()))) from None


def read_zone(name: str) -> dt.tzinfo | None:
    """Time zone by name or offset, as the setting takes it; None if there is none of this name."""
    try:
        return time_zone(name, Path())
    except WrongError:
        return None


def _local_zone() -> dt.tzinfo:
    """The system's time zone: that of ``TZ``, else that of ``/etc/localtime``."""
    import zoneinfo  # noqa: PLC0415

    name = os.environ.get("TZ", "").removeprefix(":")
    if name:
        return zoneinfo.ZoneInfo(name)
    place = Path("/etc/localtime")
    name = str(place.resolve()).partition("zoneinfo/")[2]
    with place.open("rb") as file:
        return zoneinfo.ZoneInfo.from_file(file, name or "local")
