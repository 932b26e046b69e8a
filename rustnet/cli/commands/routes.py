"""``rustnet routes``: the routes of the machine that a live capture was taken on."""

from typing import Any

import click

from rustnet.cli.machine_options import at_option, plain, write_list
from rustnet.cli.options import chosen_format, common, format_options, limit_options, opened, session_argument
from rustnet.cli.redaction_options import redaction_options
from rustnet.cli.terminal import Col, notify
from rustnet.i18n import _

_COLUMNS = (
    Col(_("table"), least=4, drop=5),
    Col(_("destination"), least=12),
    Col(_("gateway"), least=9),
    Col(_("interface"), least=5),
    Col(_("metric"), True, 0, drop=3),
    Col(_("type"), least=0, drop=7),
    Col(_("origin"), least=0, drop=6),
    Col(_("source"), least=9, drop=4),
    Col(_("added"), least=0, drop=2),
    Col(_("removed"), least=8, drop=1),
)


@click.command(
    help=_(
        "List the routes of the machine that was captured on by 'rustnet live', by table, those to the largest "
        "networks first. 'added' and 'removed' are empty for routes that were there from the beginning, or to the end. "
        "'rustnet query SESSION route-changes' lists only what changed, 'neighbours-at' the hardware addresses that "
        "the machine knew."
    )
)
@session_argument
@at_option
@format_options
@limit_options
@redaction_options
@common
def command(
    session: str,
    at: str | None,
    fmt: str | None,
    output: str | None,
    spreadsheet: bool,
    limit: int | None,
    everything: bool,
) -> None:
    """List routes."""
    from rustnet.present.values import zone  # noqa: PLC0415
    from rustnet.query import machine  # noqa: PLC0415 -- DuckDB

    form = chosen_format(fmt, output)
    with opened(session) as reader:
        when = None if at is None else machine.moment(reader, machine.ROUTES, at, zone())
        count = write_list(
            (reader, session),
            lambda most: machine.list_routes(reader, at=when, limit=most),
            (form, output, spreadsheet),
            limit,
            _COLUMNS,
            _cells,
            everything=everything,
        )
        nothing = not machine.recorded(reader, machine.ROUTES)
    if not count and form == "table" and limit != 0:
        unrecorded = _("the session has no record of routes: only 'rustnet live' makes one")
        notify(unrecorded if nothing else _("there was no route"))


def _cells(row: dict[str, Any]) -> list[str]:
    """Cells of one route."""
    from rustnet.present.values import short_moment  # noqa: PLC0415

    def time(ns: int | None) -> str:
        return "-" if ns is None else short_moment(ns)

    kind = "-" if row["type"] == "unicast" else plain(row["type"])
    return [
        plain(row["routing_table"]), plain(row["destination"]), plain(row["gateway"]), plain(row["interface_name"]),
        str(row["metric"]), kind, plain(row["protocol"]), plain(row["preferred_source"]), time(row["added_at"]),
        time(row["removed_at"]),
    ]  # fmt: skip
