"""Small npm packages in the form of those that the shipped tables are made from."""

import csv
import io
import json
import tarfile
from collections.abc import Iterable
from datetime import date
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from rustnet.enrich.make_tables import CC_BY, PACKAGES

Row = tuple[str, str, Any] | tuple[str, str, Any, str]
"""First and last address, then the values."""

COUNTRIES: list[Row] = [
    ("1.0.0.0", "1.0.0.255", "AU"),
    ("1.0.1.0", "1.0.1.255", "CN"),
    ("1.0.2.0", "1.0.2.255", "CN"),
    ("2.0.0.0", "2.255.255.255", "FR"),
    ("2.16.0.0", "2.16.0.255", "DE"),
    ("2.16.0.8", "2.16.0.8", "BE"),
    ("255.255.255.0", "255.255.255.255", "US"),
]
COUNTRIES_6: list[Row] = [
    ("2001:200::", "2001:200:ffff:ffff:ffff:ffff:ffff:ffff", "JP"),
    ("2001:200:0:1::10", "2001:200:0:1::1f", "KR"),
    ("2001:300::5", "2001:300::5", "NL"),
]
SYSTEMS: list[Row] = [
    ("1.0.0.0", "1.0.0.255", 13335, "Cloudflare, Inc."),
    ("1.0.4.0", "1.0.7.255", 38803, "Gtelecom"),
    ("1.0.8.0", "1.0.8.255", 13335, "CLOUDFLARE"),
    ("1.0.9.0", "1.0.9.255", 13335, "Cloudflare, Inc."),
]
SYSTEMS_6: list[Row] = [("2400:cb00::", "2400:cb00:ffff:ffff:ffff:ffff:ffff:ffff", 13335, "Cloudflare,\u00ad Inc.")]
VENDORS = {"00000C": "Cisco Systems, Inc\nSan Jose\nUS", "C85CE27": "SYNERGY\nIndia", "70B3D5FFF": "A\u0007B"}


def csv_text(rows: Iterable[Row]) -> bytes:
    """CSV with addresses as numbers, as the packages have it."""
    text = io.StringIO()
    writer = csv.writer(text)
    for first, last, *values in rows:
        writer.writerow([int(ip_address(first)), int(ip_address(last)), *values])
    return text.getvalue().encode()


def contents(day: date) -> dict[str, dict[str, bytes]]:
    """Files of each package, by its name."""
    stamp = day.strftime("%Y%m%d")
    countries, systems, vendors = PACKAGES

    def described(name: str, licence: str, version: str, **more: object) -> bytes:
        return json.dumps({"name": name, "version": version, "license": licence, **more}).encode()

    notice = CC_BY.replace(" 4.0", "\n4.0").encode()  # broken over lines
    return {
        countries.name: {
            "package.json": described(countries.name, countries.declared, f"2.3.{stamp}19"),
            "NRO_LICENSE": b"x is licensed under a " + notice,
            "README.md": b"[CC BY 4.0](https://creativecommons.org/licenses/by/4.0/)",
            "geo-whois-asn-country-ipv4-num.csv": csv_text(COUNTRIES),
            "geo-whois-asn-country-ipv6-num.csv": csv_text(COUNTRIES_6),
        },
        systems.name: {
            "package.json": described(systems.name, systems.declared, f"2.3.{stamp}19"),
            **dict.fromkeys(("NRO_LICENSE", "ROUTEVIEWS-LICENSE", "DBIP-LICENSE"), b"under a " + notice),
            "asn-ipv4-num.csv": csv_text(SYSTEMS),
            "asn-ipv6-num.csv": csv_text(SYSTEMS_6),
        },
        vendors.name: {
            "package.json": described(
                vendors.name, vendors.declared, "2.1.9",
                devDependencies={"a": "1.0", "@typescript/native-preview": f"7.0.0-dev.{stamp}.2"},
            ),
            "README.md": b"(c) distributed under BSD licence",
            "index.json": json.dumps(VENDORS).encode(),
        },
    }  # fmt: skip


def pack(directory: Path, packages: dict[str, dict[str, bytes]]) -> Path:
    """Write the packages as npm packs them."""
    directory.mkdir(exist_ok=True)
    for name, files in packages.items():
        version = json.loads(files["package.json"])["version"]
        stem = name.lstrip("@").replace("/", "-")
        with tarfile.open(directory / f"{stem}-{version}.tgz", "w:gz") as tar:
            for file, content in files.items():
                member = tarfile.TarInfo(f"package/{file}")
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
    return directory
