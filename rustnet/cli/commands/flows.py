"""``rustnet flows``: lists flows, filtered and sorted, in any output format."""

import sys
from typing import TYPE_CHECKING

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
from rustnet.cli.redaction_options import redaction_options
from rustnet.cli.terminal import Col, Terminal, notify, table
from rustnet.i18n import _, ngettext

if TYPE_CHECKING:
    from rustnet.query.execute import Row

_NARROW = {
    "flow_id": Col(_("flow"), True, 0),
    "started_at": Col(_("started"), least=0, drop=6),
    "duration_ms": Col(_("lasted"), True, 0, drop=7),
    "protocol": Col(_("proto"), least=6, drop=5),
    "source": Col(_("source"), least=21),
    "destination": Col(_("destination"), least=21),
    "app": Col(_("app"), least=4, drop=2),
    "hostname": Col(_("name"), least=12, drop=3),
    "process": Col(_("process"), least=7, drop=4),
    "bytes": Col(_("bytes"), True, 0, drop=1),
    "packets": Col(_("packets"), True, 0, drop=9),
    "state": Col(_("state"), least=8, drop=8),
}
"""The default columns on a terminal, and the order in which they are dropped on a narrow one."""


@click.command(
    help=_(
        "List the flows of a session, all or those that match FILTER (see docs/filters.md), for example\n\n\b\n"
        "  rustnet flows s.duckdb src:10.0.0.0/8 app:tls bytes:>1M\n"
        "  rustnet flows s.duckdb 'process:curl OR host:/example/' --sort -bytes\n\n"
        "On a terminal only the first 50 are shown."
    )
)
@session_argument
@filter_argument
@format_options
@limit_options
@click.option(
    "-s", "--sort", "sort", metavar="COLUMN,…", help=_("Sort by these columns; -COLUMN sorts in descending order.")
)
@click.option(
    "-c", "--columns", metavar="COLUMN,…", help=_("Columns to show; 'all' shows every column, '?' lists their names.")
)
@redaction_options
@common
def command(
    session: str,
    words: tuple[str, ...],
    fmt: str | None,
    output: str | None,
    spreadsheet: bool,
    limit: int | None,
    everything: bool,
    sort: str | None,
    columns: str | None,
) -> None:
    """List flows."""
    from rustnet.export.formats import write_result  # noqa: PLC0415 -- DuckDB
    from rustnet.query import listing  # noqa: PLC0415

    text = " ".join(words)
    form = chosen_format(fmt, output)
    screen = terminal()
    if limit is None and not everything and output is None and screen.tty and form == "table":
        limit = TERMINAL_LIMIT
    with opened(session) as reader:
        scope = reader.scope()
        known = listing.columns(scope)
        if columns == "?":
            sys.stdout.write("\n".join(known) + "\n")
            return
        names = listing.DEFAULT_COLUMNS if columns is None else known if columns == "all" else _split(columns)
        order = _split(sort) if sort else [listing.DEFAULT_SORT]
        inputs = inputs_of(reader, session, output)
        with (
            listing.list_flows(reader, text, scope, names, order, limit) as rows,
            text_output(output, form, inputs) as out,
        ):
            if form == "table" and columns is None and output is None and screen.tty:
                count = _screen([row for batch in rows.batches() for row in batch], screen)
            else:
                count = write_result(rows, form, out, spreadsheet=spreadsheet)
        if form == "table" and limit is not None and count >= limit:
            _more(listing.count(reader, text, scope) - count)
        elif not count and form == "table":
            notify(_("no flow matches") if text else _("the session has no flows"))


def _split(names: str) -> list[str]:
    return [name.strip() for name in names.split(",") if name.strip()]


def _more(rest: int) -> None:
    if rest > 0:
        words = ngettext("{n} more flow; --all shows it", "{n} more flows; --all shows them", rest)
        notify(words.format(n=f"{rest:,}"))


def _screen(rows: "list[Row]", screen: Terminal) -> int:
    """Print the default columns, as many as fit the terminal, and return the number of rows."""
    if not rows:
        return 0
    from rustnet.present.text import printable  # noqa: PLC0415
    from rustnet.present.values import clock_time, day, duration, humanised, short_moment, zone_name  # noqa: PLC0415

    def text(value: object) -> str:
        return "-" if value is None else printable(str(value))

    days = {day(row[1]) for row in rows}
    cells = []
    for flow, started, lasted, protocol, source, destination, app, name, process, size, packets, state in rows:
        when = clock_time(started) if len(days) == 1 else short_moment(started)
        cells.append([str(flow), when, duration(round(lasted * 1e6)), text(protocol), text(source), text(destination),
                      text(app), text(name), text(process), humanised(size), f"{packets:,}", text(state)])  # fmt: skip
    if len(days) == 1:
        notify(screen.dim(f"{days.pop()} ({zone_name()})"))
    for line in table(list(_NARROW.values()), cells, screen.width, screen.bold, indent=""):
        sys.stdout.write(line + "\n")
    return len(rows)
