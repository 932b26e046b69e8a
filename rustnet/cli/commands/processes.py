"""``rustnet processes``: the tree of processes with their traffic."""

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
    from rustnet.query.execute import ResultSet

_SCREEN = {
    "process": Col(_("process"), least=20),
    "pid": Col("pid", True, 0),
    "user": Col(_("user"), least=4, drop=5),
    "host": Col(_("host"), least=4, drop=4),
    "flows": Col(_("flows"), True, 0),
    "bytes_sent": Col(_("sent"), True, 0),
    "bytes_received": Col(_("received"), True, 0),
    "remote_hosts": Col(_("hosts"), True, 0, drop=3),
    "first_seen": Col(_("first contact"), least=0, drop=2),
    "last_seen": Col(_("last contact"), least=0, drop=1),
    "cmdline": Col(_("command line"), least=16, drop=6),
}
"""Columns on a terminal, and the order in which they are dropped on a narrow one."""


@click.command(
    help=_(
        "Show the processes that own flows as a tree below their parents, with flows, bytes, and times of the first "
        "and last contact. With FILTER, only matching flows are counted, for example\n\n\b\n"
        "  rustnet processes s.duckdb app:tls\n"
        "  rustnet processes s.duckdb 'process:curl host:/example/' --format json\n\n"
        "Ancestors without flows of their own are shown by name."
    )
)
@session_argument
@filter_argument
@click.option("--claimed", is_flag=True, help=_("Include processes that appear in claims but own no flow."))
@format_options
@limit_options
@redaction_options
@common
def command(
    session: str,
    words: tuple[str, ...],
    claimed: bool,
    fmt: str | None,
    output: str | None,
    spreadsheet: bool,
    limit: int | None,
    everything: bool,
) -> None:
    """Show processes."""
    from rustnet.export.formats import write_result  # noqa: PLC0415 -- DuckDB
    from rustnet.query.execute import ResultSet  # noqa: PLC0415
    from rustnet.query.processes import process_tree, unowned  # noqa: PLC0415

    text = " ".join(words)
    form = chosen_format(fmt, output)
    screen = terminal()
    if limit is None and not everything and output is None and screen.tty and form == "table":
        limit = TERMINAL_LIMIT
    with opened(session) as reader:
        scope = reader.scope()
        tree, stems = process_tree(reader, text, scope, claimed=claimed)
        without_owner, flows = unowned(reader, text, scope)
        inputs = inputs_of(reader, session, output)
    rows = tree.rows if limit is None else tree.rows[:limit]
    rest = len(tree.rows) - len(rows)
    tree = ResultSet(tree.columns, tree.types, rows, truncated=False, elapsed=0.0)
    with text_output(output, form, inputs) as out:
        if form == "table" and output is None and rows:
            _screen(tree, stems, screen)
        else:
            write_result(tree, form, out, spreadsheet=spreadsheet)
    if rest:
        more = ngettext("{n} more process; --all shows it", "{n} more processes; --all shows them", rest)
        notify(more.format(n=f"{rest:,}"))
    if form == "table":
        _print_unowned(len(rows), without_owner, flows)


def _print_unowned(shown: int, without_owner: int, flows: int) -> None:
    """Report the flows without an owner."""
    if not flows:
        notify(_("no flow matches"))
    elif not shown:
        notify(_("no process owns any of the flows; 'rustnet query SESSION unowned' shows why"))
    elif without_owner:
        words = ngettext("{n} of {flows} flows has no owner", "{n} of {flows} flows have no owner", without_owner)
        notify(words.format(n=f"{without_owner:,}", flows=f"{flows:,}"))


def _screen(tree: "ResultSet", stems: list[str], screen: Terminal) -> None:
    """Print the tree without columns that are empty."""
    from rustnet.present.text import printable  # noqa: PLC0415
    from rustnet.present.values import clock_time, day, humanised, short_moment, zone_name  # noqa: PLC0415

    places = {name: tree.columns.index(name) for name in _SCREEN}
    days = {day(row[places[name]]) for row in tree.rows for name in ("first_seen", "last_seen")
            if row[places[name]] is not None}  # fmt: skip

    def cell(name: str, value: object) -> str:
        if value is None:
            return "-"
        if name in ("first_seen", "last_seen") and isinstance(value, int):
            return clock_time(value) if len(days) == 1 else short_moment(value)
        if isinstance(value, int) and name != "pid":
            return humanised(value) if name.startswith("bytes") else f"{value:,}"
        return printable(str(value))

    filled = {name for name, place in places.items() if any(row[place] is not None for row in tree.rows)}
    shown = [name for name in places if name in filled or name not in ("user", "host", "cmdline")]
    cells = []
    for row, stem in zip(tree.rows, stems, strict=False):
        line = [cell(name, row[places[name]]) for name in shown]
        if not row[places["flows"]]:
            line = [text if name in ("process", "pid", "user", "host", "cmdline") else "" for name, text
                    in zip(shown, line, strict=True)]  # fmt: skip
        line[0] = stem + line[0]
        cells.append(line)
    if len(days) == 1:
        notify(screen.dim(f"{days.pop()} ({zone_name()})"))
    for text in table([_SCREEN[name] for name in shown], cells, screen.width, screen.bold, indent=""):
        sys.stdout.write(text + "\n")
