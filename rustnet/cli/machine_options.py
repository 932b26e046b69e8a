"""What `rustnet sockets` and `rustnet routes` share: their time, and their lists on a terminal."""

import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

from rustnet.cli.main import terminal
from rustnet.cli.options import TERMINAL_LIMIT
from rustnet.cli.outputs import inputs_of, text_output
from rustnet.cli.terminal import Col, notify, table
from rustnet.i18n import _

if TYPE_CHECKING:
    from rustnet.query.execute import RowStream
    from rustnet.query.session import Session

_F = TypeVar("_F", bound=Callable[..., Any])
Cells = Callable[[dict[str, Any]], list[str]]
"""Makes the cells of one row, by the names of its columns."""


def at_option(command: _F) -> _F:
    """Add ``--at``."""
    return click.option(
        "--at", metavar="TIME",
        help=_("Show them as they were at this time: 12:03, a date, +30s after the beginning, 50%, #PACKET or end."),
    )(command)  # fmt: skip


def write_list(
    opened: "tuple[Session, str]",
    rows: "Callable[[int | None], RowStream]",
    output: "tuple[str, str | None, bool]",
    limit: int | None,
    columns: Sequence[Col],
    cells: Cells,
    *,
    everything: bool,
) -> int:
    """Write rows, on a terminal those columns that fit, and return their number.

    ``opened`` is a session and its name; ``rows`` gives at most so many rows; ``output`` is the format, the file and
    whether it is for a spreadsheet.
    """
    from rustnet.export.formats import write_result  # noqa: PLC0415 -- DuckDB

    reader, session = opened
    form, path, spreadsheet = output
    screen = terminal()
    on_screen = form == "table" and path is None and screen.tty
    if limit is None and not everything and on_screen:
        limit = TERMINAL_LIMIT
    inputs = inputs_of(reader, session, path)
    fetched_limit = None if limit is None else limit + on_screen
    with rows(fetched_limit) as stream, text_output(path, form, inputs) as out:
        if not on_screen:
            return write_result(stream, form, out, spreadsheet=spreadsheet)
        names = stream.columns
        fetched = [dict(zip(names, row, strict=True)) for batch in stream.batches() for row in batch]
        shown = [cells(row) for row in fetched[:limit]]
        filled = [at for at in range(len(columns)) if any(line[at] != "-" for line in shown)]
        picked = [[line[at] for at in filled] for line in shown]
        if picked:
            for line in table([columns[at] for at in filled], picked, screen.width, screen.bold, indent=""):
                sys.stdout.write(line + "\n")
        if limit is not None and len(fetched) > limit:
            sys.stdout.flush()
            notify(_("more rows follow; --all shows all"))
        return len(shown)


def plain(value: object) -> str:
    """A value as text that is safe to print."""
    from rustnet.present.text import printable  # noqa: PLC0415

    return "-" if value is None else printable(str(value))
