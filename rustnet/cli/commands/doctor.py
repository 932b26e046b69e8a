"""``rustnet doctor``: checks of the installation, with the commands that fix problems."""

import json
import sys
from dataclasses import asdict

import click

from rustnet.cli.machine import CHECKS
from rustnet.cli.main import terminal
from rustnet.cli.options import common, in_english
from rustnet.cli.terminal import wrap
from rustnet.errors import ExitCode
from rustnet.i18n import _
from rustnet.present.text import safe


@click.command(
    help=_(
        "Check this installation: what works, what is missing, and which command fixes it. Changes nothing and uses no "
        "network. Exits with 1 if rustnet itself cannot work."
    )
)
@click.option("--json", "as_json", is_flag=True, callback=in_english, help=_("Print the results as JSON."))
@common
def command(as_json: bool) -> ExitCode:
    """Check the installation."""
    checks = [check for run in CHECKS for check in run()]
    broken = any(check.grade == "broken" for check in checks)
    if as_json:
        sys.stdout.write(json.dumps({"ok": not broken, "checks": [asdict(c) for c in checks]}) + "\n")
    else:
        screen = terminal()
        marks = {"ok": screen.good("✓"), "limited": screen.warn("!"), "broken": screen.bad("✗")}
        for check in checks:
            words = wrap(f"{check.name}: {safe(check.found)}", screen.width - 4, "  ")
            sys.stdout.write(f"{marks[check.grade]} {words}\n")
            if check.fix:
                sys.stdout.write(f"    {screen.bold(check.fix)}\n")
    return ExitCode.FAILURE if broken else ExitCode.DONE
