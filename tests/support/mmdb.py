"""Databases in MaxMind's format, in the shapes of several publishers."""

from pathlib import Path
from typing import Any

from mmdb_writer import MMDBWriter
from netaddr import IPSet

Records = dict[str, dict[str, Any]]
"""Records by network."""


def write(path: Path, kind: str, records: Records, version: int = 6) -> Path:
    """Write a database of a type."""
    writer = MMDBWriter(version, kind, languages=["en"], description=kind, ipv4_compatible=version == 6)
    for network, record in records.items():
        writer.insert_network(IPSet([network]), record)
    writer.to_db_file(str(path))
    return path


def place(country: str, city: str | None = None) -> dict[str, Any]:
    """A record of GeoLite2-City and of DB-IP."""
    record: dict[str, Any] = {
        "country": {"iso_code": country, "names": {"en": "x", "de": "y"}},
        "registered_country": {"iso_code": "ZZ"},
    }
    if city is not None:
        record["city"] = {"names": {"de": "Falsch", "en": city}}
    return record


def system(number: int, name: str) -> dict[str, Any]:
    """A record of GeoLite2-ASN, DB-IP and ip-location-db."""
    return {"autonomous_system_number": number, "autonomous_system_organization": name}
