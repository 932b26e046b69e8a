"""Code of others that ships with the report."""

from dataclasses import dataclass
from pathlib import Path

from rustnet.i18n import N_

_STATIC = Path(__file__).with_name("static")


@dataclass(frozen=True, slots=True)
class ShippedCode:
    """A library that is part of this program, as its author released it."""

    name: str
    version: str
    licence: str
    copyright: str
    page: str
    """Address of the author."""
    purpose: str
    """What it is for; shown translated."""
    files: tuple[str, ...]
    sha256: tuple[str, ...]
    """Hashes of the files."""
    licence_text: str


def shipped_code() -> list[ShippedCode]:
    """All of it."""
    text = (_STATIC / "uPlot.LICENSE").read_text("utf-8")
    return [
        ShippedCode(
            "uPlot",
            "1.6.32",
            "MIT",
            text.splitlines()[2].strip(),
            "https://github.com/leeoniya/uPlot",
            N_("draws the interactive charts of reports"),
            ("uPlot.iife.min.js", "uPlot.min.css"),
            (
                "19c8d4c6ad88929a79f4ae49d6f7161566dfd0ba3d15cc495e974f787eb78f1f",
                "df630c6a8d6f8eeaff264b50f73ce5b114f646ffd9a0bb74f049b0a00135fa04",
            ),
            text,
        )
    ]
