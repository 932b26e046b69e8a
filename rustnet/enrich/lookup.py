"""`Shipped`: country and autonomous system of addresses, by the tables in the package.

A table is two arrays that are read in place: the first address from which a value holds, and the value (`make_tables`).
A binary search reads a few pages of them, so a small session costs nothing to speak of and a million addresses a
fraction of a second. A database's join would have to load the tables first, and the session's own reads no files.

Addresses are columns of numbers, as upper and lower 64 bits.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

from rustnet.enrich.scope import GLOBAL, MAPPED, NAT64, SCOPES, SIX_TO_FOUR, Array, is_v4, keys, scopes_of

DATA = Path(__file__).with_name("data")

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
class Found:
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

    def find(self, high: Array, low: Array) -> Found:
        """What is known about addresses."""


class Ranges:
    """Values of one kind by first address, of IPv4 and IPv6."""

    def __init__(self, name: str, directory: Path = DATA) -> None:
        self.first_v4, self.value_v4 = _table(directory, f"{name}_v4")
        self.first_v6, self.value_v6 = _table(directory, f"{name}_v6")
        self.first_within, self.value_within = _table(directory, f"{name}_v6_within")
        pairs = np.ascontiguousarray(self.first_within).view(">u8").reshape(-1, 2)
        self.networks = np.unique(pairs[:, 0].astype(np.uint64))
        """Networks of 64 bits that have several values."""

    def at(self, high: Array, low: Array) -> Array:
        """Values of addresses: zero or empty for none."""
        v4 = is_v4(high, low)
        values = np.zeros(len(high), self.value_v4.dtype)
        values[v4] = _value(self.first_v4, self.value_v4, low[v4].astype(np.uint32))
        v6 = np.flatnonzero(~v4)
        if len(v6):
            values[v6] = _value(self.first_v6, self.value_v6, high[v6])
            within = v6[np.isin(high[v6], self.networks)]
            if len(within):
                numbers = keys(high[within], low[within])
                values[within] = _value(self.first_within, self.value_within, numbers)
        return values


def _table(directory: Path, name: str) -> tuple[Array, Array]:
    return _array(directory, f"{name}.first"), _array(directory, f"{name}.value")


def _array(directory: Path, name: str) -> Array:
    array: Array = np.load(directory / f"{name}.npy", mmap_mode="r", allow_pickle=False)
    return array


def _value(first: Array, value: Array, numbers: Array) -> Array:
    values: Array = value[np.searchsorted(first, numbers, "right") - 1]
    return values


class Shipped:
    """The shipped tables of countries and autonomous systems."""

    def __init__(self, directory: Path = DATA) -> None:
        self.countries = Ranges("country", directory)
        self.systems = Ranges("asn", directory)
        self.numbers = _array(directory, "as_names.asn")
        self.ends = _array(directory, "as_names.ends")
        self.text = _array(directory, "as_names.text")
        described = {kind: source for source in described_sources(directory) for kind in _kinds(source["tables"])}
        self.country_source, self.asn_source = _source(described[COUNTRY], COUNTRY), _source(described[ASN], ASN)

    @property
    def sources(self) -> tuple[Source, ...]:
        """The sources of all values."""
        return self.country_source, self.asn_source

    def find(self, high: Array, low: Array) -> Found:
        """What is known about addresses."""
        scopes = scopes_of(high, low)
        place, system = np.full(len(high), -1, np.int64), np.full(len(high), -1, np.int64)
        found = Found(scopes, place, system)
        high, low, known = effective(high, low, scopes)
        high, low = high[known], low[known]
        if len(high):
            codes, place[known] = np.unique(self.countries.at(high, low), return_inverse=True)
            numbers, system[known] = np.unique(self.systems.at(high, low), return_inverse=True)
            found.places = [Place(code.decode(), None, self.country_source.name) for code in codes.tolist()]
            found.systems = [System(n, self.name_of(n), self.asn_source.name) for n in numbers.tolist()]
            if not codes[0]:
                place[place == 0] = -1
            if not numbers[0]:
                system[system == 0] = -1
        return found

    def name_of(self, number: int) -> str | None:
        """Name of an autonomous system."""
        i = int(np.searchsorted(self.numbers, np.uint32(number)))
        if i == len(self.numbers) or self.numbers[i] != number:
            return None
        return bytes(self.text[self.ends[i] : self.ends[i + 1]]).decode()


@cache
def shipped() -> Shipped:
    """The shipped tables, opened once."""
    return Shipped()


def described_sources(directory: Path = DATA) -> list[dict[str, Any]]:
    """What `sources.json` states about the shipped tables."""
    sources: list[dict[str, Any]] = json.loads((directory / "sources.json").read_text("utf-8"))
    return sources


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
