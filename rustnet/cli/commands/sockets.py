"""``rustnet sockets``: the sockets of the machine that a live capture was taken on, with their owners."""

from typing import Any

import click

from rustnet.cli.machine_options import at_option, plain, write_list
from rustnet.cli.options import (
    chosen_format,
    common,
    filter_argument,
    format_options,
    limit_options,
    opened,
    session_argument,
)
from rustnet.cli.redaction_options import redaction_options
from rustnet.cli.terminal import Col, notify
from rustnet.i18n import _

_COLUMNS = (
    Col(_("protocol"), least=4),
    Col(_("local"), least=21),
    Col(_("remote"), least=15),
    Col(_("state"), least=11, drop=1),
    Col(_("process"), least=8),
    Col("pid", True, 0),
    Col(_("user"), least=4, drop=4),
    Col(_("opened"), least=0, drop=2),
    Col(_("closed"), least=0, drop=3),
    Col(_("command line"), least=12, drop=5),
)


@click.command(
    help=_(
        "List the sockets of the machine that was captured on by 'rustnet live', with the processes that held them: "
        "first those that wait for connections, then those that take datagrams from anybody, then connections. They "
        "were looked at every 5 seconds; what was open for less may be missing here, its flows are not.\n\n"
        "With FILTER, only matching ones, for example\n\n\b\n"
        "  rustnet sockets s.duckdb --listening --at 12:03\n"
        "  rustnet sockets s.duckdb port:443 process:curl\n"
        "  rustnet sockets s.duckdb 'uid:1000 -owned:yes'\n\n"
        "In filters, src and sport are the machine's own end, dst and dport the other one."
    )
)
@session_argument
@filter_argument
@click.option("-l", "--listening", is_flag=True, help=_("Only sockets that wait for peers."))
@at_option
@format_options
@limit_options
@redaction_options
@common
def command(
    session: str,
    words: tuple[str, ...],
    listening: bool,
    at: str | None,
    fmt: str | None,
    output: str | None,
    spreadsheet: bool,
    limit: int | None,
    everything: bool,
) -> None:
    """List sockets."""
    from rustnet.present.values import zone  # noqa: PLC0415
    from rustnet.query import machine  # noqa: PLC0415 -- DuckDB

    text, form = " ".join(words), chosen_format(fmt, output)
    with opened(session) as reader:
        when = None if at is None else machine.moment(reader, machine.SOCKETS, at, zone())
        count = write_list(
            (reader, session),
            lambda most: machine.list_sockets(reader, text, at=when, listening=listening, limit=most),
            (form, output, spreadsheet),
            limit,
            _COLUMNS,
            lambda row: _cells(row, ended=when is None and row["closed_at"] is not None),
            everything=everything,
        )
        nothing = not machine.recorded(reader, machine.SOCKETS)
    if not count and form == "table" and limit != 0:
        unrecorded = _("the session has no record of sockets: only 'rustnet live' makes one")
        notify(unrecorded if nothing else _("no socket matches"))


def _cells(row: dict[str, Any], *, ended: bool) -> list[str]:
    """Cells of one socket; of one that has ``ended`` the state says so, as the column with the time may be left out."""
    from rustnet.present.values import short_moment  # noqa: PLC0415

    def time(ns: int | None) -> str:
        return "-" if ns is None else short_moment(ns)

    more = f" +{row['holder_count'] - 1}" if (row["holder_count"] or 0) > 1 else ""
    state = _("closed") if ended else plain(row["state"])
    remote = end(row["remote_addr"], row["remote_port"]) if row["remote_addr"] else "*"
    return [
        plain(row["protocol"]), end(row["local_addr"], row["local_port"]), remote, state,
        plain(row["process_name"]) + more, plain(row["pid"]), plain(row["username"]), time(row["opened_at"]),
        time(row["closed_at"]), plain(row["cmdline"]),
    ]  # fmt: skip


def end(address: str, port: int | None) -> str:
    """An address and a port in the usual notation."""
    if port is None:
        return plain(address)
    return f"[{plain(address)}]:{port}" if ":" in address else f"{plain(address)}:{port}"
