"""The user's databases of countries, cities and autonomous systems: which are given, and where they are looked for.

Nothing is looked for in the current directory: evidence lies there, and a database next to it would be believed.
"""

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

FILES = {
    "city": ("GeoLite2-City.mmdb", "GeoIP2-City.mmdb", "dbip-city-lite.mmdb", "dbip-city.mmdb"),
    "country": ("GeoLite2-Country.mmdb", "GeoIP2-Country.mmdb", "dbip-country-lite.mmdb", "dbip-country.mmdb"),
    "asn": ("GeoLite2-ASN.mmdb", "GeoIP2-ISP.mmdb", "dbip-asn-lite.mmdb", "dbip-asn.mmdb"),
}
"""Names of databases by what is looked up in them, the preferred one first."""

SYSTEM = ("/usr/share/GeoIP", "/usr/local/share/GeoIP", "/opt/homebrew/share/GeoIP", "/var/lib/GeoIP")
"""Where geoipupdate and packages of systems put databases."""


@dataclass(frozen=True, slots=True)
class GeoFiles:
    """Databases of the user."""

    country: str | None = None
    """Path of a database of countries."""
    city: str | None = None
    """Path of a database of cities, which has countries, too."""
    asn: str | None = None
    """Path of a database of autonomous systems."""
    off: bool = False
    """Neither look for databases nor use the shipped tables."""

    @property
    def given(self) -> tuple[tuple[str, str], ...]:
        """Kinds and paths of the databases that were given, in the order in which they are asked."""
        every = (("city", self.city), ("country", self.country), ("asn", self.asn))
        return tuple((kind, path) for kind, path in every if path is not None)

    @property
    def paths(self) -> tuple[str, ...]:
        """Paths of these databases."""
        return tuple(path for _kind, path in self.given)


def directories() -> Iterator[Path]:
    """Directories where databases are looked for, in order."""
    data = os.environ.get("XDG_DATA_HOME", "")
    homes = [Path(data)] if Path(data).is_absolute() else []
    homes.append(Path(os.path.expanduser("~")) / ".local" / "share")  # noqa: PTH111 -- raises nothing without a home
    for home in homes:
        if home.is_absolute():
            yield home / "rustnet" / "geoip"
            yield home / "GeoIP"
    if sys.platform == "win32":
        yield Path(os.environ.get("ProgramData", "C:\\ProgramData")) / "GeoIP"  # noqa: SIM112 -- its name there
    else:
        yield from map(Path, SYSTEM)


def find() -> Iterator[tuple[str, Path]]:
    """The databases in these directories: of each kind the first, of countries none if there is one of cities."""
    places = list(dict.fromkeys(directories()))
    found: set[str] = set()
    for kind, names in FILES.items():
        if kind == "country" and "city" in found:
            continue
        file = next((place / name for place in places for name in names if _is_file(place / name)), None)
        if file is not None:
            found.add(kind)
            yield kind, file


def _is_file(path: Path) -> bool:
    """Whether a file exists and may be found by this user."""
    return os.path.isfile(path)  # noqa: PTH113 -- the method raises an error for a directory that may not be entered
