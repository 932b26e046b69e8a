"""``rustnet hosts``: lists hosts with hardware addresses, names and what they disclose; or shows one of them."""

import sys
from typing import TYPE_CHECKING, TextIO, cast

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
from rustnet.cli.redaction_options import redaction_options
from rustnet.cli.terminal import Col, Terminal, notify, table
from rustnet.i18n import _, ngettext

if TYPE_CHECKING:
    from rustnet.query.execute import Row
    from rustnet.query.session import Session

_COLUMNS = (
    Col(_("address"), least=15),
    Col(_("hardware address"), least=17, drop=3),
    Col(_("vendor"), least=8, drop=5),
    Col(_("name"), least=12),
    Col(_("by"), least=4, drop=9),
    Col(_("system or device"), least=8, drop=6),
    Col(_("roles"), least=8, drop=4),
    Col(_("country"), least=0, drop=7),
    Col(_("flows"), True, 0),
    Col(_("sent"), True, 0),
    Col(_("received"), True, 0),
    Col(_("last seen"), least=0, drop=8),
)


@click.command(
    help=_(
        "List every address that sent a packet, sorted by bytes, with its name, what it discloses of itself and, where "
        "the capture shows that it is not a router's, its hardware address. docs/names.md explains where names come "
        "from, docs/hosts.md what else is known of hosts.\n\n"
        "With ADDRESS (or a hardware address) show that host: every fact with its source and evidence, its names, the "
        "services that it offers and uses, and the owners of its flows. Its csv, jsonl, parquet and markdown have the "
        "facts, its json everything.\n\n"
        "On a terminal only the first 50 hosts are shown."
    )
)
@session_argument
@click.argument("address", required=False)
@click.option("-l", "--local", is_flag=True, help=_("Only hosts on the local link: those with a hardware address."))
@format_options
@limit_options
@redaction_options
@common
def command(
    session: str,
    address: str | None,
    local: bool,
    fmt: str | None,
    output: str | None,
    spreadsheet: bool,
    limit: int | None,
    everything: bool,
) -> None:
    """List hosts, or show one."""
    form = chosen_format(fmt, output)
    with opened(session) as reader:
        if address is not None:
            _show(reader, session, address, form, output, spreadsheet=spreadsheet)
            return
        from rustnet.export.formats import write_result  # noqa: PLC0415 -- DuckDB
        from rustnet.query.hosts import cards_only, list_hosts  # noqa: PLC0415

        screen = terminal()
        on_screen = form == "table" and output is None and screen.tty
        if limit is None and not everything and on_screen:
            limit = TERMINAL_LIMIT
        cards = cards_only(reader) if form == "table" else 0
        inputs = inputs_of(reader, session, output)
        fetch_limit = None if limit is None else limit + on_screen
        with list_hosts(reader, local=local, limit=fetch_limit) as rows, text_output(output, form, inputs) as out:
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
    if cards:
        words = ngettext(
            "{n} device is known by its hardware address only; 'rustnet query SESSION host-facts' shows it",
            "{n} devices are known by their hardware addresses only; 'rustnet query SESSION host-facts' shows them",
            cards,
        )
        notify(words.format(n=f"{cards:,}"))


def _show(reader: "Session", session: str, address: str, form: str, output: str | None, *, spreadsheet: bool) -> None:
    """Write what is known of one host."""
    from rustnet.cli.host_page import HostPage, as_data  # noqa: PLC0415 -- DuckDB
    from rustnet.export.formats import dumps, write_result  # noqa: PLC0415
    from rustnet.query.hosts import host_detail  # noqa: PLC0415

    detail = host_detail(reader, address)
    with text_output(output, form, inputs_of(reader, session, output)) as out:
        if form not in ("table", "json"):
            write_result(detail.facts, form, out, spreadsheet=spreadsheet)
            return
        text = dumps(as_data(detail)) if form == "json" else "\n".join(HostPage(detail, terminal()).build())
        cast("TextIO", out).write(text + "\n")


def _screen(rows: "list[Row]", screen: Terminal) -> int:
    """Print the main columns, as many as fit the terminal, and return the number of rows."""
    from rustnet.present.text import printable  # noqa: PLC0415
    from rustnet.present.values import humanised, short_moment  # noqa: PLC0415
    from rustnet.query.hosts import COLUMNS  # noqa: PLC0415

    def text(value: object) -> str:
        return "-" if value is None else printable(str(value))

    def more(count: int | None) -> str:
        return f" +{count - 1}" if count and count > 1 else ""

    cells = []
    for row in rows:
        h = dict(zip(COLUMNS, row, strict=True))
        cells.append([
            text(h["ip"]), text(h["mac"]) + more(h["macs"]), text(h["vendor"]),
            text(h["hostname"]) + more(h["hostnames"]), text(h["hostname_source"]), text(h["os"] or h["device"]),
            text(", ".join(h["roles"] or []) or None), text(h["country"]), f"{h['flows']:,}",
            humanised(h["bytes_sent"]), humanised(h["bytes_received"]),
            short_moment(h["last_seen"]),
        ])  # fmt: skip
    filled = [at for at in range(len(_COLUMNS)) if not cells or any(cell[at] != "-" for cell in cells)]
    if cells:
        shown = [[cell[at] for at in filled] for cell in cells]
        for line in table([_COLUMNS[at] for at in filled], shown, screen.width, screen.bold, indent=""):
            sys.stdout.write(line + "\n")
    return len(rows)
