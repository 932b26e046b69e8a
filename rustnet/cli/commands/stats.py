"""``rustnet stats``: counts flows, packets and bytes by protocol, host and more; shows layers, rates, distributions."""

import sys
import typing
from typing import TYPE_CHECKING, TextIO

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
    query_parameters,
    session_argument,
)
from rustnet.cli.outputs import inputs_of, text_output
from rustnet.cli.redaction_options import redaction_options
from rustnet.cli.terminal import notify
from rustnet.errors import UsageError
from rustnet.i18n import _

if TYPE_CHECKING:
    from rustnet.cli.statistics_page import Writer
    from rustnet.query.compile import Scope
    from rustnet.query.session import Session

BY = (
    "protocol", "app", "host", "country", "as", "source", "destination", "port", "process", "user", "name", "vlan",
    "state", "direction", "tunnel", "capture", "interface",
)  # fmt: skip
"""Keys of `rustnet.query.listing.DIMENSIONS`, repeated so that the help does not load DuckDB."""
SHOW = (
    "hierarchy", "rates", "endpoints", "conversations", "sizes", "durations", "packets", "percentiles", "lengths",
    "response-times",
)  # fmt: skip
"""Keys of `rustnet.query.statistics.QUERIES`, repeated for the same reason."""
_OVERVIEW = ("app", "host")


@click.command(
    help=_(
        "Count flows, packets and bytes of a session, sorted by bytes; without --by and --show, by application and by "
        "host, with 15 rows of each on a terminal. Sent and received are counted from the flow's initiator, and with "
        "--by host, country or as from that end itself, and a flow counts at both ends if they differ.\n\n\b\n"
        "  rustnet stats s.duckdb --show hierarchy\n"
        "  rustnet stats s.duckdb 'dst:192.0.2.80' --show rates --bucket 1s\n"
        "  rustnet stats s.duckdb --show response-times -p by_server=yes\n\n"
        "What --show names is a saved query, restricted to the flows of the filter."
    )
)
@session_argument
@filter_argument
@click.option("--by", type=click.Choice(BY), help=_("Group by this property."))
@click.option(
    "--show",
    type=click.Choice(SHOW),
    help=_(
        "Frames by layer, rates over time, ends, pairs of addresses, distributions of the sizes, durations and packets "
        "of flows, their percentiles, lengths of packets, or response times of services."
    ),
)
@click.option("--bucket", metavar=_("DURATION"), help=_("With --show rates: the length of an interval."))
@click.option("-p", "--param", "params", multiple=True, metavar=_("KEY=VALUE"), help=_("Parameter of the query shown."))
@format_options
@limit_options
@redaction_options
@common
def command(
    session: str,
    words: tuple[str, ...],
    by: str | None,
    show: str | None,
    bucket: str | None,
    params: tuple[str, ...],
    fmt: str | None,
    output: str | None,
    spreadsheet: bool,
    limit: int | None,
    everything: bool,
) -> None:
    """Count flows."""
    from rustnet.cli.statistics_page import Writer  # noqa: PLC0415 -- DuckDB

    form = chosen_format(fmt, output)
    given = _given(by, show, bucket, params)
    if not by and not show and form not in ("table", "markdown"):
        raise UsageError("this format needs one table: give --by {names}", names="|".join(BY))
    screen = terminal()
    if limit is None and not everything and output is None and screen.tty and show != "hierarchy":
        limit = TERMINAL_LIMIT if by or show else 15
    with opened(session) as reader, text_output(output, form, inputs_of(reader, session, output)) as out:
        writer = Writer(out, form, screen, limit, spreadsheet=spreadsheet)
        scope, text = reader.scope(), " ".join(words)
        if show:
            more = writer.statistic(reader, show, text, scope, given)
        elif by:
            more = writer.grouped(reader, by, text, scope)
        else:
            more = _overview(writer, reader, text, scope)
        if more:
            sys.stdout.flush()
            notify(_("more rows follow; --all shows all"))


def _given(by: str | None, show: str | None, bucket: str | None, params: tuple[str, ...]) -> dict[str, str]:
    """Parameters of the query shown. Raises `UsageError` for options that exclude each other."""
    if by and show:
        raise UsageError("--by and --show exclude each other")
    if bucket and show != "rates":
        raise UsageError("--bucket is for --show rates")
    if params and not show:
        raise UsageError("-p is for --show: it sets parameters of the query shown")
    given = query_parameters(params)
    return {**given, "interval": bucket} if bucket else given


def _overview(writer: "Writer", reader: "Session", text: str, scope: "Scope") -> bool:
    """Write the totals, and the first rows by application and by host; true if there are more."""
    out = typing.cast("TextIO", writer.out)
    if writer.form == "table":
        writer.totals(reader, text, scope)
        out.write("\n")
    more = False
    for number, dimension in enumerate(_OVERVIEW):
        heading = writer.terminal.bold(_("By {name}").format(name=dimension))
        out.write(("\n" if number else "") + heading + "\n\n")
        more |= writer.grouped(reader, dimension, text, scope)
    return more
