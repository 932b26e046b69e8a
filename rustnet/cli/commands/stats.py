"""``rustnet stats``: counts flows, packets and bytes by protocol, host, process and more."""

import sys
import typing
from typing import TextIO

import click

from rustnet.cli.main import terminal
from rustnet.cli.options import (
    TERMINAL_LIMIT,
    chosen_format,
    common,
    filter_argument,
    format_options,
    limit_options,
    opened,
    session_argument,
)
from rustnet.cli.outputs import inputs_of, text_output
from rustnet.cli.terminal import notify
from rustnet.errors import UsageError
from rustnet.i18n import _

BY = (
    "protocol", "app", "host", "source", "destination", "port", "process", "user", "name", "vlan", "state",
    "direction", "tunnel", "capture", "interface",
)  # fmt: skip
"""Keys of `rustnet.query.listing.DIMENSIONS`, repeated so that the help does not load DuckDB."""
_OVERVIEW = ("app", "host")


@click.command(
    help=_(
        "Count flows, packets and bytes of a session, sorted by bytes; without --by, by application and by host, with "
        "15 rows of each on a terminal. Sent and received are counted from the flow's initiator, and with --by host "
        "from the host itself."
    )
)
@session_argument
@filter_argument
@click.option("--by", type=click.Choice(BY), help=_("Group by this property."))
@format_options
@limit_options
@common
def command(
    session: str,
    words: tuple[str, ...],
    by: str | None,
    fmt: str | None,
    output: str | None,
    spreadsheet: bool,
    limit: int | None,
    everything: bool,
) -> None:
    """Count flows."""
    from rustnet.export.formats import write_result  # noqa: PLC0415 -- DuckDB
    from rustnet.query.execute import ResultSet  # noqa: PLC0415
    from rustnet.query.listing import statistics  # noqa: PLC0415

    form = chosen_format(fmt, output)
    if by is None and form not in ("table", "markdown"):
        raise UsageError("this format needs one table: give --by {names}", names="|".join(BY))
    screen = terminal()
    if limit is None and not everything and output is None and screen.tty:
        limit = TERMINAL_LIMIT if by else 15
    with opened(session) as reader, text_output(output, form, inputs_of(reader, session, output)) as out:
        scope = reader.scope()
        for number, dimension in enumerate([by] if by else _OVERVIEW):
            if not by:
                heading = screen.bold(_("By {name}").format(name=dimension))
                typing.cast("TextIO", out).write(("\n" if number else "") + heading + "\n\n")
            with statistics(reader, dimension, " ".join(words), scope, None if limit is None else limit + 1) as rows:
                if limit is None:
                    write_result(rows, form, out, spreadsheet=spreadsheet)
                    continue
                fetched = rows.fetch(limit + 1)
                result = ResultSet(rows.columns, rows.types, fetched[:limit], truncated=False, elapsed=0.0)
                write_result(result, form, out, spreadsheet=spreadsheet)
            if len(fetched) > limit:
                sys.stdout.flush()
                notify(_("more rows follow; --all shows all"))
