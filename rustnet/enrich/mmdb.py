"""The user's databases in MaxMind's format: those of MaxMind and DB-IP, and flat ones.

A record states a country as ``{"country": {"iso_code": "DE"}}`` (GeoIP2 and GeoLite2, DB-IP), as ``{"country_code":
"DE"}`` (ip-location-db) or as ``{"country": "DE"}`` (IPinfo). What a database does not state about an address, the next
one does, and then the shipped tables.
"""

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv6Address
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import maxminddb
import numpy as np
from maxminddb.reader import Reader

from rustnet.columnar import Array
from rustnet.enrich.geofiles import GeoFiles, find
from rustnet.enrich.lookup import (
    ASN,
    CITY,
    COUNTRY,
    Lookup,
    LookupResult,
    Place,
    Shipped,
    Source,
    System,
    effective,
    shipped,
)
from rustnet.enrich.numbers import scopes_of
from rustnet.enrich.scope import MAPPED
from rustnet.errors import InputError
from rustnet.i18n import N_

LONGEST = 200
"""Characters of a city or a name that are kept."""
TRIED = 256
"""Records from which it is told what a database states."""
MOST_PLACES = 1_000_000
"""Different countries with cities, or autonomous systems, of one lookup."""
MOST_KEPT = 100_000
"""Records of a database that are kept in memory."""
_ENGLISH = "en"


class Stated(NamedTuple):
    """What a record states."""

    country: str | None = None
    city: str | None = None
    asn: int | None = None
    as_name: str | None = None


NOTHING = Stated()


def stated(record: object) -> Stated:
    """Read a record of any of the known shapes; whatever else it has is left alone."""
    if not isinstance(record, dict):
        return record if isinstance(record, Stated) else NOTHING
    traits = record.get("traits")
    traits = traits if isinstance(traits, dict) else {}
    number = record.get("autonomous_system_number", traits.get("autonomous_system_number", record.get("asn")))
    name = record.get(
        "autonomous_system_organization", traits.get("autonomous_system_organization", record.get("as_name"))
    )
    return Stated(
        _code(_inner(record, "country", "iso_code") or record.get("country_code")),
        _text(_name(record.get("city"))),
        _number(number),
        _text(name),
    )


def _inner(record: dict[str, Any], key: str, inner: str) -> object:
    value = record.get(key)
    return value.get(inner) if isinstance(value, dict) else value


def _name(value: object) -> object:
    """Name of a place: a text, or one by language."""
    names = value.get("names") if isinstance(value, dict) else value
    return names.get(_ENGLISH) if isinstance(names, dict) else names


def _code(value: object) -> str | None:
    return value.upper() if isinstance(value, str) and re.fullmatch("[A-Za-z]{2}", value, re.ASCII) else None


def _text(value: object) -> str | None:
    if not isinstance(value, str):
        return None
    text = "".join(char if char.isprintable() else " " for char in value[: 4 * LONGEST])
    return " ".join(text.split())[:LONGEST] or None


def _number(value: object) -> int | None:
    if isinstance(value, str) and (match := re.fullmatch(r"(?:AS)?(\d{1,10})", value, re.ASCII | re.IGNORECASE)):
        value = int(match[1])
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 1 << 32 else None


class _Reader(Reader):
    """Keeps what records state by their place: many networks share one, and reading it takes most of the time."""

    def __init__(self, path: str) -> None:
        self._kept: dict[int, Stated] = {}
        # The reader in Python: a damaged file makes the one in C end the process.
        super().__init__(path, maxminddb.MODE_MMAP)

    def _resolve_data_pointer(self, pointer: int) -> Any:
        known = self._kept.get(pointer)
        if known is None:
            known = stated(super()._resolve_data_pointer(pointer))
            if len(self._kept) >= MOST_KEPT:
                self._kept.clear()
            self._kept[pointer] = known
        return known


class Database:
    """One open database. Raises `InputError` for every way in which a file can be none."""

    def __init__(self, kind: str, path: str) -> None:
        self.path = path
        self.reader: Any = None
        with _explained(path):
            self.reader = _Reader(path)
            described = self.reader.metadata()
            self.type = str(described.database_type)[:LONGEST]
            built = datetime.fromtimestamp(int(described.build_epoch), UTC)
            self.v6 = described.ip_version == 6
            tried = [stated(record) for _network, record in islice(self.reader, TRIED)]
        self.kinds = {COUNTRY} if any(each.country for each in tried) else set()
        if any(each.city for each in tried) or (self.kinds and CITY in self.type.lower()):
            self.kinds.add(CITY)
        if any(each.asn for each in tried):
            self.kinds.add(ASN)
        if kind not in self.kinds:
            raise InputError(_WITHOUT[kind], path=path, type=self.type)
        name = f"{Path(path).absolute()} {built:%Y-%m-%d}"
        self.sources = tuple(
            Source(name, each, self.type, int(built.timestamp()) * 1_000_000_000)
            for each in (CITY, COUNTRY, ASN)
            if each in self.kinds and not (each == COUNTRY and CITY in self.kinds)
        )
        self.name = name

    def records(self, high: Array, low: Array) -> Iterator[Stated]:
        """What is stated about addresses in ascending order. Raises `InputError` if the file is damaged."""
        last = -1
        held = NOTHING
        with _explained(self.path):
            for upper, lower in zip(high.tolist(), low.tolist(), strict=True):
                number = upper << 64 | lower
                if number > last:
                    held, last = self._network(number)
                yield held

    def _network(self, number: int) -> tuple[Stated, int]:
        """What is stated about an address, and the last address for which the same is stated."""
        if number >> 32 == MAPPED >> 32:
            record, length = self.reader.get_with_prefix_len(IPv4Address(number & 0xFFFF_FFFF))
            bits = 32
        elif self.v6:
            record, length = self.reader.get_with_prefix_len(IPv6Address(number))
            bits = 128
        else:
            return NOTHING, number
        return stated(record), number | (1 << bits - min(max(length, 0), bits)) - 1


_WITHOUT = {
    COUNTRY: N_("{path}: is a database of the type {type}, and states no countries"),
    CITY: N_("{path}: is a database of the type {type}, and states no cities"),
    ASN: N_("{path}: is a database of the type {type}, and states no autonomous systems"),
}


class _explained:  # noqa: N801 -- used like a function
    """Turns everything that reading a file can raise into `InputError`."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, OSError):
            words = N_("{path}: cannot be read: {reason}")
            raise InputError(words, path=self.path, reason=error.strerror or error) from error
        if isinstance(error, Exception) and not isinstance(error, InputError):
            reason = " ".join(str(error).split())[:LONGEST]
            words = N_("{path}: is not a database in MaxMind's format, or is damaged ({reason})")
            raise InputError(words, path=self.path, reason=reason) from error


class Layered:
    """The user's databases over the shipped tables: each field of an address is that of the first that states it."""

    def __init__(self, databases: Sequence[Database], tables: Shipped | None = None) -> None:
        self.databases = list(databases)
        self.tables = tables or shipped()
        self.failures: list[str] = []

    @property
    def sources(self) -> tuple[Source, ...]:
        """The sources of all values."""
        return (*(source for database in self.databases for source in database.sources), *self.tables.sources)

    def find(self, high: Array, low: Array) -> LookupResult:
        """What is known about addresses. A database that turns out to be damaged is not used any more."""
        while True:
            result = self.tables.find(high, low)
            using = None
            try:
                for using in reversed(self.databases):
                    _overlay(using, result, high, low)
            except InputError as error:
                assert using is not None
                self.failures.append(str(error))
                self.databases.remove(using)
            else:
                return result


def _overlay(database: Database, result: LookupResult, high: Array, low: Array) -> None:
    """Put what a database states about addresses over what is known of them."""
    high, low, known = effective(high, low, scopes_of(high, low))
    indices = np.flatnonzero(known)
    order = indices[np.lexsort((low[indices], high[indices]))]  # embedded addresses are elsewhere
    places: dict[Place, int] = {}
    systems: dict[System, int] = {}
    for index, each in zip(order.tolist(), database.records(high[order], low[order]), strict=True):
        if each.country is not None and len(places) < MOST_PLACES:
            place = Place(each.country, each.city, database.name)
            result.place[index] = places.setdefault(place, len(result.places) + len(places))
        if each.asn is not None and len(systems) < MOST_PLACES:
            system = System(each.asn, each.as_name, database.name)
            result.system[index] = systems.setdefault(system, len(result.systems) + len(systems))
    result.places += places
    result.systems += systems


def open_databases(files: GeoFiles) -> Lookup | None:
    """Open the databases that were given, else those in the usual places; None without any.

    Raises `InputError` for one that was given and cannot be used; one in a usual place is left out, with a sentence in
    `failures`.
    """
    if files.given:
        return Layered([Database(kind, path) for kind, path in files.given])
    databases, failures = [], []
    for kind, path in find():
        try:
            databases.append(Database(kind, str(path)))
        except InputError as error:
            failures.append(str(error))
    if not databases and not failures:
        return None
    layered = Layered(databases)
    layered.failures = failures
    return layered
