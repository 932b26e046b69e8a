"""``rustnet about``: version and licence of this program, its libraries, and the data that are part of it."""

import importlib.metadata
import json
import platform
import re
import sys
from dataclasses import asdict

import click

from rustnet import __version__
from rustnet.cli.main import terminal
from rustnet.cli.options import common, in_english
from rustnet.cli.terminal import wrap
from rustnet.i18n import _

LICENCE = "Apache-2.0"
LIBRARIES = (
    "click", "cryptography", "duckdb", "fastjsonschema", "hpack", "jinja2", "lz4", "maxminddb", "numpy",
    "platformdirs", "psutil", "publicsuffixlist", "textual", "zstandard",
)  # fmt: skip
"""Libraries that rustnet needs; a test compares them with pyproject.toml."""
OPTIONAL = ("pandas", "polars", "pyarrow", "pyshark", "scapy", "textual-serve")
"""Libraries that it uses where they are installed."""


@click.command(
    help=_(
        "Print version and licence of rustnet, the versions of its libraries, and for all data that are part of it "
        "source, licence, attribution and date. Uses no network."
    )
)
@click.option(
    "--json", "as_json", is_flag=True, callback=in_english, help=_("Print it as JSON, with the texts of the licences.")
)
@common
def command(as_json: bool) -> None:
    """Print it."""
    from rustnet.enrich.sources import shipped_data  # noqa: PLC0415 -- only here
    from rustnet.export.report.vendored import shipped_code  # noqa: PLC0415

    every, code = shipped_data(), shipped_code()
    libraries = {name: found for name in (*LIBRARIES, *OPTIONAL) if (found := _installed(name))}
    if as_json:
        facts = {
            "version": __version__, "licence": LICENCE, "python": platform.python_version(),
            "libraries": {name: {"version": version, "licence": licence} for name, (version, licence) in
                          libraries.items()},
            "data": [asdict(each) for each in every],
            "code": [asdict(each) for each in code],
        }  # fmt: skip
        sys.stdout.write(json.dumps(facts, ensure_ascii=False) + "\n")
        return
    screen = terminal()
    lines = [screen.bold(f"rustnet {__version__}"), f"  {_('licence')}: {LICENCE}", "", screen.bold(_("Libraries"))]
    lines.append(f"  Python {platform.python_version()}")
    for name, (version, licence) in libraries.items():
        lines.append(f"  {name} {version}" + (screen.dim(f"  {licence}") if licence else ""))
    lines += ["", screen.bold(_("Code of others that is part of rustnet"))]
    for part in code:
        lines.append(f"  {part.name} {part.version}  {part.licence}")
        lines += [
            "    " + wrap(words, screen.width - 4, "    ") for words in (_(part.purpose), part.copyright, part.page)
        ]
    lines += ["", screen.bold(_("Data"))]
    for each in every:
        day = _("of {date}").format(date=each.date) if each.date else _("of a day that it does not state")
        lines.append(f"  {each.title}: {each.package} {each.version}, {day}")
        for words in (f"{_('licence')}: {each.licence}", each.attribution, each.notice, each.page):
            if words:
                lines.append("    " + wrap(words, screen.width - 4, "    "))
    lines += ["", _("'rustnet about --json' and docs/data.md have the texts of the licences.")]
    sys.stdout.write("\n".join(lines) + "\n")


def _installed(name: str) -> tuple[str, str] | None:
    """Version and licence of a library; None if it is not installed."""
    try:
        facts = importlib.metadata.metadata(name)
    except importlib.metadata.PackageNotFoundError:
        return None
    stated = [facts[key] for key in ("License-Expression", "License") if key in facts]
    classifiers = [text.rpartition(" :: ")[2] for text in facts.get_all("Classifier") or [] if "License ::" in text]
    short = [text for text in (*stated, *classifiers) if len(text) < 80 and not re.search(r"\n", text)]
    return facts["Version"], short[0] if short else ""
