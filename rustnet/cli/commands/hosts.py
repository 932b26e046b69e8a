"""``rustnet hosts``: lists hosts with hardware addresses and names."""

import sys
from typing import TYPE_CHECKING

import click

from rustnet.cli.main import terminal
from rustnet.cli.options import (
    TERMINAL_LIMIT,
    chosen_format,
    common,
    format_options,
    limit_options,
    opened,
    session_argument,
)
from rustnet.cli.outputs import inputs_of, text_output
from rustnet.cli.terminal import Col, Terminal, notify, table
from rustnet.i18n import _

if TYPE_CHECKING:
    from rustnet.query.execute import Row

_NARROW = (
    Col("address", least=15),
    Col("hardware address", least=17, drop=1),
    Col("name", least=12),
    Col("by", least=4, drop=3),
    Col("flows", True, 0),
    Col("sent", True, 0),
    Col("received", True, 0),
    Col("last seen", least=0, drop=4),
)


@click.command(
    help=_(
        "List every address that sent a packet, sorted by bytes, with its name and, where the capture shows that it "
        "is not a router's, its hardware address. docs/names.md explains where names come from.\n\n"
        "On a terminal only the first 50 are shown."
    )
)
@session_argument
@click.option("-l", "--local", is_flag=True, help=_("Only hosts on the local link: those with a hardware address."))
@format_options
@limit_options
@common
def command(
    session: str,
    local: bool,
    fmt: str | None,
    output: str | None,
    spreadsheet: bool,
    limit: int | None,
    everything: bool,
) -> None:
    """List hosts."""
    from rustnet.export.formats import write_result  # noqa: PLC0415 -- DuckDB
    from rustnet.query.hosts import list_hosts  # noqa: PLC0415

    form = chosen_format(fmt, output)
    screen = terminal()
    on_screen = form == "table" and output is None and screen.tty
    if limit is None and not everything and on_screen:
        limit = TERMINAL_LIMIT
    with opened(session) as reader:
        fetch_limit = None if limit is None else limit + on_screen
        inputs = inputs_of(reader, session, output)
        with (
            list_hosts(reader, local=local, limit=fetch_limit) as rows,
            text_output(output, form, inputs) as out,
        ):
            if not on_screen:
                count = write_result(rows, form, out, spreadsheet=spreadsheet)
            else:
                fetched = [row for batch in rows.batches() for row in batch]
                count = _screen(fetched[:limit], screen)
                if limit is not None and len(fetched) > limit:
                    sys.stdout.flush()
                    notify(_("more rows follow; --all shows all"))
    if not count and form == "table" and limit != 0:
        notify(_("no host has a known hardware address") if local else _("the session has no hosts"))


def _screen(rows: "list[Row]", screen: Terminal) -> int:
    """Print the main columns, as many as fit the terminal, and return the number of rows."""
    from rustnet.present.text import printable  # noqa: PLC0415
    from rustnet.present.values import humanised, short_moment  # noqa: PLC0415

    def text(value: object) -> str:
        return "-" if value is None else printable(str(value))

    def more(count: int | None) -> str:
        return f" +{count - 1}" if count and count > 1 else ""

    cells = []
    for ip, mac, _vendor, name, by, names, _learned, macs, flows, sent, received, _first, last in rows:
        cells.append([text(ip), text(mac) + more(macs), text(name) + more(names), text(by), f"{flows:,}",
                      humanised(sent), humanised(received),
                      short_moment(last)])  # fmt: skip
    if cells:
        for line in table(list(_NARROW), cells, screen.width, screen.bold, indent=""):
            sys.stdout.write(line + "\n")
    return len(rows)
