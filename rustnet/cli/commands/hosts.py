"""``rustnet hosts``: who was on the wire, with hardware addresses and names."""

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
    text_output,
)
from rustnet.cli.terminal import Col, Terminal, table, talk
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
        "List every address that sent a packet, the most bytes first: its name, by the order of docs/names.md, and "
        "its hardware address where the capture shows that it is the host's own and not a router's.\n\n"
        "On a terminal the first 50 are shown, elsewhere all."
    )
)
@session_argument
@click.option("-l", "--local", is_flag=True, help=_("Only hosts on the link: those with a hardware address."))
@format_options
@limit_options
@common
def command(
    session: str, local: bool, fmt: str | None, output: str | None, limit: int | None, everything: bool
) -> None:
    """List hosts."""
    from rustnet.export.formats import write_result  # noqa: PLC0415 -- DuckDB
    from rustnet.query.hosts import list_hosts  # noqa: PLC0415

    form = chosen_format(fmt, output)
    screen = terminal()
    drawn = form == "table" and output is None and screen.tty
    if limit is None and not everything and drawn:
        limit = TERMINAL_LIMIT
    with opened(session) as reader:
        asked = None if limit is None else limit + drawn
        with list_hosts(reader, local=local, limit=asked) as rows, text_output(output, form) as out:
            if not drawn:
                count = write_result(rows, form, out)
            else:
                found = [row for batch in rows.batches() for row in batch]
                count = _screen(found[:limit], screen)
                if limit is not None and len(found) > limit:
                    sys.stdout.flush()
                    talk(_("there is more; --all shows everything"))
    if not count and form == "table" and limit != 0:
        talk(_("no hardware address is known of any host") if local else _("the session has no hosts"))


def _screen(rows: "list[Row]", screen: Terminal) -> int:
    """Show what matters most, in a form made for reading."""
    from rustnet.present.text import printable  # noqa: PLC0415
    from rustnet.present.values import humanised, timestamp_ns  # noqa: PLC0415

    def text(value: object) -> str:
        return "-" if value is None else printable(str(value))

    cells = []
    for ip, mac, _vendor, name, by, _learned, macs, flows, sent, received, _first, last in rows:
        more = f" +{macs - 1}" if macs and macs > 1 else ""
        cells.append([text(ip), text(mac) + more, text(name), text(by), f"{flows:,}", humanised(sent),
                      humanised(received), f"{timestamp_ns(last)[:10]} {timestamp_ns(last)[11:19]}Z"])  # fmt: skip
    if cells:
        for line in table(list(_NARROW), cells, screen.width, screen.bold, indent=""):
            sys.stdout.write(line + "\n")
    return len(rows)
