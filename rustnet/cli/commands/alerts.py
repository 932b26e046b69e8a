"""``rustnet alerts``: lists the alerts that were raised in a session, or those that there are."""

import click

from rustnet.cli.alert_page import print_known, print_raised
from rustnet.cli.main import State
from rustnet.cli.options import SECONDS, chosen_format, common, format_options, limit_options, timeout_option
from rustnet.cli.redaction_options import redaction_options
from rustnet.errors import UsageError
from rustnet.i18n import _


@click.command(
    help=_(
        "List the alerts that were raised in SESSION, the latest first; --checks lists how far each alert was checked. "
        "With --list, list the alerts that there are, or describe the one called NAME.\n\n\b\n"
        "  rustnet replay capture.pcap --db s.duckdb --alert all\n"
        "  rustnet alerts s.duckdb\n"
        "  rustnet alerts --list\n"
        "  rustnet alerts --list scan\n\n"
        "docs/alerts.md explains them, and how to write some."
    )
)
@click.argument("session", metavar="[SESSION|NAME]", type=click.Path(), required=False)
@click.option("-l", "--list", "listing", is_flag=True, help=_("List the alerts that there are, or describe NAME."))
@click.option("--checks", is_flag=True, help=_("List how far each alert was checked, and why not further."))
@format_options
@limit_options
@timeout_option(SECONDS)
@redaction_options
@common
@click.pass_obj
def command(
    state: State,
    session: str | None,
    listing: bool,
    checks: bool,
    fmt: str | None,
    output: str | None,
    spreadsheet: bool,
    limit: int | None,
    everything: bool,
) -> None:
    """List alerts."""
    form = chosen_format(fmt, output)
    if listing:
        print_known(state, session, form, output)
    elif session is None:
        raise UsageError("give a session, or --list")
    else:
        print_raised(session, form, output, limit=limit, everything=everything, checks=checks, spreadsheet=spreadsheet)
