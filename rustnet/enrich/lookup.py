"""`Shipped`: country and autonomous system of addresses, by the tables in the package.

A table is two arrays that are read in place: the first address from which a value holds, and the value (`make_tables`).
A binary search reads a few pages of them, so a small session costs nothing to speak of and a million addresses a
fraction of a second. A database's join would have to load the tables first, and the session's own reads no files.

Addresses are columns of numbers, as upper and lower 64 bits.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache, cached_property
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

from rustnet.columnar import Array
from rustnet.enrich.geofiles import GeoFiles, find
from rustnet.enrich.numbers import is_v4, keys, scopes_of
from rustnet.enrich.scope import MAPPED, SCOPES
from rustnet.enrich.sources import DATA, described
from rustnet.policy.networks import GLOBAL, NAT64, SIX_TO_FOUR

COUNTRY, CITY, ASN = "country", "city", "asn"
"""Kinds of sources; one of cities has countries, too."""
_GLOBAL, _NAT64, _SIX_TO_FOUR = (SCOPES.index(scope) for scope in (GLOBAL, NAT64, SIX_TO_FOUR))
_LOW_32 = np.uint64(0xFFFF_FFFF)


@dataclass(frozen=True, slots=True)
class Source:
    """Where values come from."""

    name: str
    """Package or file, with its version or date."""
    kind: str
    version: str | None
    built_at: int | None
    """Nanoseconds since 1970."""
    licence: str | None = None
    attribution: str | None = None


class Place(NamedTuple):
    """Country and city of addresses."""

    country: str | None
    city: str | None
    source: str


class System(NamedTuple):
    """Autonomous system of addresses."""

    asn: int | None
    name: str | None
    source: str


@dataclass(slots=True)
class LookupResult:
    """What is known about addresses: indices in `places` and `systems`, -1 for nothing."""

    scopes: Array
    """Indices in `SCOPES`."""
    place: Array
    system: Array
    places: list[Place] = field(default_factory=list)
    systems: list[System] = field(default_factory=list)


def effective(high: Array, low: Array, scopes: Array) -> tuple[Array, Array, Array]:
    """Addresses to look up: an embedded IPv4 address in place of its own; the third array is which are global."""
    nat64, six_to_four = scopes == _NAT64, scopes == _SIX_TO_FOUR
    embedded = nat64 | six_to_four
    known = scopes == _GLOBAL
    if embedded.any():
        inner = np.where(nat64, low, high >> np.uint64(16)) & _LOW_32 | np.uint64(MAPPED)
        high, low = np.where(embedded, np.uint64(0), high), np.where(embedded, inner, low)
        known |= embedded & (scopes_of(high, low) == _GLOBAL)
    return high, low, known


class Lookup(Protocol):
    """Tables in which addresses are looked up."""

    @property
    def sources(self) -> tuple[Source, ...]:
        """The sources of all values."""

    @property
    def failures(self) -> Sequence[str]:
        """A sentence for each that cannot be used."""

    def find(self, high: Array, low: Array) -> LookupResult:
        """What is known about addresses, in any order."""


class Table(NamedTuple):
    """Values by the first address from which they hold."""

    first: Array
    value: Array

    def at(self, numbers: Array) -> Array:
        """Values of addresses."""
        values: Array = self.value[np.searchsorted(self.first, numbers, "right") - 1]
        return values


class Ranges:
    """Values of one kind, of IPv4 and IPv6; a table is opened when it is needed."""

    def __init__(self, name: str, directory: Path = DATA) -> None:
        self.name = name
        self.directory = directory

    @cached_property
    def v4(self) -> Table:
        """Values of IPv4 addresses."""
        return self._table("v4")

    @cached_property
    def v6(self) -> Table:
        """Values of networks of 64 bits."""
        return self._table("v6")

    @cached_property
    def within(self) -> tuple[Table, Array]:
        """Values within networks that have several, and these networks."""
        table = self._table("v6_within")
        pairs = np.ascontiguousarray(table.first).view(">u8").reshape(-1, 2)
        return table, np.unique(pairs[:, 0].astype(np.uint64))

    def _table(self, family: str) -> Table:
        parts = ("first", "value")
        return Table(*(_array(self.directory, f"{self.name}_{family}.{part}") for part in parts))

    def at(self, high: Array, low: Array) -> Array:
        """Values of addresses: zero or empty for none."""
        mapped = is_v4(high, low)
        v4, v6 = np.flatnonzero(mapped), np.flatnonzero(~mapped)
        values = np.zeros(len(high), (self.v4 if len(v4) else self.v6).value.dtype)
        if len(v4):
            values[v4] = self.v4.at(low[v4].astype(np.uint32))
        if len(v6):
            values[v6] = self.v6.at(high[v6])
            table, networks = self.within
            inside = v6[np.isin(high[v6], networks)]
            if len(inside):
                values[inside] = table.at(keys(high[inside], low[inside]))
        return values


def _array(directory: Path, name: str) -> Array:
    array: Array = np.load(directory / f"{name}.npy", mmap_mode="r", allow_pickle=False)
    return array


class Shipped:
    """The shipped tables of countries and autonomous systems."""

    failures: tuple[str, ...] = ()

    def __init__(self, directory: Path = DATA) -> None:
        self.countries = Ranges("country", directory)
        self.systems = Ranges("asn", directory)
        self.directory = directory
        stated = {kind: source for source in described(directory) for kind in _kinds(source["tables"])}
        self.country_source, self.asn_source = _source(stated[COUNTRY], COUNTRY), _source(stated[ASN], ASN)

    @property
    def sources(self) -> tuple[Source, ...]:
        """The sources of all values."""
        return self.country_source, self.asn_source

    def find(self, high: Array, low: Array) -> LookupResult:
        """What is known about addresses."""
        scopes = scopes_of(high, low)
        place, system = np.full(len(high), -1, np.int64), np.full(len(high), -1, np.int64)
        result = LookupResult(scopes, place, system)
        high, low, known = effective(high, low, scopes)
        high, low = high[known], low[known]
        if len(high):
            codes, place[known] = np.unique(self.countries.at(high, low), return_inverse=True)
            numbers, system[known] = np.unique(self.systems.at(high, low), return_inverse=True)
            result.places = [Place(code.decode(), None, self.country_source.name) for code in codes.tolist()]
            result.systems = [System(n, self.name_of(n), self.asn_source.name) for n in numbers.tolist()]
            if not codes[0]:
                place[place == 0] = -1
            if not numbers[0]:
                system[system == 0] = -1
        return result

    @cached_property
    def _names(self) -> tuple[Array, Array, Array]:
        """Numbers of autonomous systems, ends of their names, and the names."""
        asn, ends, text = (_array(self.directory, f"as_names.{part}") for part in ("asn", "ends", "text"))
        return asn, ends, text

    def name_of(self, number: int) -> str | None:
        """Name of an autonomous system."""
        numbers, ends, text = self._names
        i = int(np.searchsorted(numbers, np.uint32(number)))
        if i == len(numbers) or numbers[i] != number:
            return None
        return text[ends[i] : ends[i + 1]].tobytes().decode()


@cache
def shipped() -> Shipped:
    """The shipped tables, opened once."""
    return Shipped()


class ScopesOnly:
    """No country and no autonomous system."""

    sources: tuple[Source, ...] = ()
    failures: tuple[str, ...] = ()

    def find(self, high: Array, low: Array) -> LookupResult:
        """What is known about addresses: their scopes."""
        nothing = np.full(len(high), -1, np.int64)
        return LookupResult(scopes_of(high, low), nothing, nothing)


def open_lookup(files: GeoFiles) -> Lookup:
    """Tables for looking up addresses: databases of the user, given or in the usual places, over the shipped ones.

    Raises `InputError` for a database that was given and cannot be used; `Lookup.failures` has the others.
    """
    if files.off:
        return ScopesOnly()
    if not (files.given or any(find())):
        return shipped()
    from rustnet.enrich.mmdb import open_databases  # noqa: PLC0415 -- only where there is one

    return open_databases(files) or shipped()


def _kinds(tables: Sequence[str]) -> set[str]:
    """Kinds of the tables that are ranges of addresses: the first part of their names."""
    return {table.split("_")[0] for table in tables if table.endswith("_v4")}


def _source(described: dict[str, Any], kind: str) -> Source:
    day = datetime.fromisoformat(described["date"]).replace(tzinfo=UTC)
    return Source(
        f"{described['package']} {described['version']}",
        kind,
        described["version"],
        int(day.timestamp()) * 1_000_000_000,
        described["licence"],
        described["attribution"],
    )
