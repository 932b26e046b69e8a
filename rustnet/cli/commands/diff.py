"""``rustnet diff``: what is new, gone or changed between two sessions or time ranges."""

import contextlib
import sys

import click

from rustnet.cli.main import terminal
from rustnet.cli.options import (
    TERMINAL_LIMIT,
    chosen_format,
    common,
    format_options,
    in_english,
    limit_options,
    opened,
    timeout_option,
)
from rustnet.cli.outputs import Inputs, text_output
from rustnet.cli.terminal import notify
from rustnet.errors import ExitCode, UsageError
from rustnet.i18n import _, ngettext


def _names(_ctx: click.Context, _param: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name.strip() for value in values for name in value.split(",") if name.strip())


@click.command(
    help=_(
        "Show what is new, gone or changed in AFTER compared with BEFORE, the most surprising first. Each is a "
        "session, or a time range of one, SESSION@FROM..TO, where either time may be left out; TO is the first moment "
        "after the range. FILTER chooses the flows of both (see docs/filters.md).\n\n\b\n"
        "  rustnet diff monday.duckdb tuesday.duckdb\n"
        "  rustnet diff s.duckdb@..2024-05-01T10:00 s.duckdb@2024-05-01T10:00.. --only new\n"
        "  rustnet diff a.duckdb b.duckdb --kind process,destination dir:outbound\n\n"
        "A flow belongs to a range if it overlaps it; of a flow that reaches beyond it, the bytes of its packets "
        "within the range count. Volumes are compared per second of captured time. docs/diff.md explains kinds, "
        "columns and how surprise is reckoned."
    )
)
@click.argument("before", metavar="BEFORE", type=click.Path())
@click.argument("after", metavar="AFTER", type=click.Path())
@click.argument("words", metavar="[FILTER]…", nargs=-1)
@click.option("--only", multiple=True, metavar="CHANGE,…", callback=_names, help=_("new, gone or changed, or several."))
@click.option(
    "-k", "--kind", "kinds", multiple=True, metavar="KIND,…", callback=_names,
    help=_("Kinds of items to compare, such as destination, name, process, app.  [default: all]"),
)  # fmt: skip
@click.option("--factor", type=float, default=2.0, show_default=True, help=_("By how much a volume must differ."))
@format_options
@limit_options
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    callback=in_english,
    help=_("Print both sides, counts, notes and rows as one JSON object."),
)
@click.option("--exit-code", is_flag=True, help=_("Exit with 1 if there are differences."))
@timeout_option(0)
@common
def command(
    before: str,
    after: str,
    words: tuple[str, ...],
    only: tuple[str, ...],
    kinds: tuple[str, ...],
    factor: float,
    fmt: str | None,
    output: str | None,
    spreadsheet: bool,
    limit: int | None,
    everything: bool,
    as_json: bool,
    exit_code: bool,
) -> ExitCode:
    """Compare two sides."""
    from rustnet.cli.diff_page import as_data, head, screen_lines  # noqa: PLC0415 -- DuckDB
    from rustnet.export.formats import dumps, write_result  # noqa: PLC0415
    from rustnet.query.diff import CHANGES, diff  # noqa: PLC0415
    from rustnet.query.diff_sides import Side, parse_side, same_file  # noqa: PLC0415

    if as_json and fmt:
        raise UsageError("--json and --format exclude each other; --format json writes the rows alone")
    form = "json" if as_json else chosen_format(fmt, output)
    screen = terminal()
    on_screen = form == "table" and output is None and screen.tty
    if limit is None and not everything and on_screen:
        limit = TERMINAL_LIMIT
    first, second = parse_side(before), parse_side(after)
    with contextlib.ExitStack() as stack:
        old = stack.enter_context(opened(first.path))
        new = old if same_file(first.path, second.path) else stack.enter_context(opened(second.path))
        inputs = Inputs()
        inputs.add_session(old, first.path, output)
        if new is not old:
            inputs.add_session(new, second.path, output)
        found = diff(
            Side(old, first.start, first.end), Side(new, second.start, second.end), filter=" ".join(words),
            kinds=kinds or None, only=only or None, factor=factor, limit=limit,
        )  # fmt: skip
    with text_output(output, form, inputs) as out:
        if as_json:
            out.write(dumps(as_data(found)) + "\n")  # type: ignore[call-overload]
        elif on_screen:
            sys.stdout.write("".join(line + "\n" for line in screen_lines(found, screen)))
        else:
            write_result(found, form, out, spreadsheet=spreadsheet)
    total = sum(counts[change] for counts in found.counts.values() for change in (only or CHANGES))
    if form == "table":
        sys.stdout.flush()
        for line in head(found):
            notify(screen.dim(line) if screen.tty else line)
        _count(total, len(found.rows))
    return ExitCode.FAILURE if exit_code and total else ExitCode.DONE


def _count(total: int, shown: int) -> None:
    """Report how many differences there are, and how many of them are not shown."""
    if not total:
        notify(_("no differences"))
    elif total > shown:
        words = ngettext(
            "{n} difference, {shown} shown; --all shows more",
            "{n} differences, {shown} shown; --all shows more",
            total,
        )
        notify(words.format(n=f"{total:,}", shown=f"{shown:,}"))
