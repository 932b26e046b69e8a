"""``rustnet stats``: flows, packets and bytes, counted by protocol, host, process and more."""

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
    text_output,
)
from rustnet.cli.terminal import talk
from rustnet.errors import UsageError
from rustnet.i18n import _

BY = (
    "protocol", "app", "host", "source", "destination", "port", "process", "user", "name", "vlan", "state",
    "direction", "tunnel", "capture", "interface",
)  # fmt: skip
"""Names of `rustnet.query.listing.DIMENSIONS`, so that the help needs no DuckDB."""
_OVERVIEW = ("app", "host")


@click.command(
    help=_(
        "Count flows, packets and bytes of a session, the most bytes first; without --by, by application and by host, "
        "on a terminal 15 rows of each. "
        "Sent and received are those of the flow's initiator; by host, of the host itself."
    )
)
@session_argument
@filter_argument
@click.option("--by", type=click.Choice(BY), help=_("What to count by."))
@format_options
@limit_options
@common
def command(
    session: str,
    words: tuple[str, ...],
    by: str | None,
    fmt: str | None,
    output: str | None,
    limit: int | None,
    everything: bool,
) -> None:
    """Count flows."""
    from rustnet.export.formats import write_result  # noqa: PLC0415 -- DuckDB
    from rustnet.query.execute import ResultSet  # noqa: PLC0415
    from rustnet.query.listing import statistics  # noqa: PLC0415

    form = chosen_format(fmt, output)
    if by is None and form not in ("table", "markdown"):
        raise UsageError("say what to count by: --by {names}", names="|".join(BY))
    screen = terminal()
    if limit is None and not everything and output is None and screen.tty:
        limit = TERMINAL_LIMIT if by else 15
    with opened(session) as reader, text_output(output, form) as out:
        scope = reader.scope()
        for number, dimension in enumerate([by] if by else _OVERVIEW):
            if not by:
                heading = screen.bold(_("By {name}").format(name=dimension))
                typing.cast("TextIO", out).write(("\n" if number else "") + heading + "\n\n")
            with statistics(reader, dimension, " ".join(words), scope, None if limit is None else limit + 1) as rows:
                if limit is None:
                    write_result(rows, form, out)
                    continue
                kept = rows.fetch(limit + 1)
                result = ResultSet(rows.columns, rows.types, kept[:limit], truncated=False, elapsed=0.0)
                write_result(result, form, out)
            if len(kept) > limit:
                sys.stdout.flush()
                talk(_("there is more; --all shows everything"))
