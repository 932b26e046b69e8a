"""``rustnet query``: runs saved queries and read-only SQL."""

import sys
from typing import TYPE_CHECKING

import click

from rustnet.cli.main import terminal
from rustnet.cli.options import chosen_format, common, format_options, opened, session_argument
from rustnet.cli.outputs import inputs_of, text_output
from rustnet.cli.terminal import Col, notify, table, wrap
from rustnet.errors import UsageError
from rustnet.i18n import _

if TYPE_CHECKING:
    from rustnet.query.catalogue import SavedQuery


@click.command(
    help=_(
        "Run the saved query NAME, or any SQL that only reads. A query has access to its session only: no files, no "
        "network, no settings.\n\n\b\n"
        "  rustnet query s.duckdb --list\n"
        "  rustnet query s.duckdb slow-dns -p least=50ms\n"
        '  rustnet query s.duckdb --sql "SELECT sni, count(*) FROM tls GROUP BY sni"\n\n'
        "--sql - reads the SQL from standard input."
    )
)
@session_argument
@click.argument("name", required=False)
@click.option("--sql", help=_("SQL to run instead of a saved query."))
@click.option(
    "-p",
    "--param",
    "params",
    multiple=True,
    metavar="KEY=VALUE",
    help=_("Parameter of the saved query; may be repeated."),
)
@click.option("-l", "--list", "listing", is_flag=True, help=_("List the saved queries, or describe NAME."))
@format_options
@click.option("-n", "--limit", type=click.IntRange(0), help=_("Write at most this many rows."))
@common
def command(
    session: str,
    name: str | None,
    sql: str | None,
    params: tuple[str, ...],
    listing: bool,
    fmt: str | None,
    output: str | None,
    limit: int | None,
    spreadsheet: bool,
) -> None:
    """Run one query."""
    from rustnet.query import catalogue  # noqa: PLC0415 -- DuckDB

    if listing:
        _list([catalogue.find(name)] if name else list(catalogue.load().values()), detailed=name is not None)
        return
    if (name is None) == (sql is None):
        raise UsageError("give the name of a saved query or --sql; --list shows the saved queries")
    if sql is not None and params:
        raise UsageError("-p is for saved queries only; write the values into the SQL")
    from rustnet.export.formats import write_result  # noqa: PLC0415
    from rustnet.query.execute import ResultSet  # noqa: PLC0415

    saved = catalogue.find(name) if name else None
    parameters = _parameters(params)
    form = chosen_format(fmt, output)
    if sql == "-":
        sql = sys.stdin.read()
    with opened(session) as reader:
        inputs = inputs_of(reader, session, output)
        rows = saved.stream(reader, parameters) if saved else reader.stream(sql or "")
        with rows, text_output(output, form, inputs) as out:
            if limit is None:
                count = write_result(rows, form, out, spreadsheet=spreadsheet)
            else:
                fetched = rows.fetch(limit + 1)
                more = len(fetched) > limit
                result = ResultSet(rows.columns, rows.types, fetched[:limit], truncated=False, elapsed=0.0)
                count = write_result(result, form, out, spreadsheet=spreadsheet)
                if more:
                    notify(_("there are more rows than {limit}").format(limit=limit))
    if not count and form == "table":
        notify(_("no rows"))


def _parameters(parameters: tuple[str, ...]) -> dict[str, str]:
    parsed = {}
    for text in parameters:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise UsageError("-p expects KEY=VALUE, not {text!r}", text=text)
        parsed[key] = value
    return parsed


def _list(queries: "list[SavedQuery]", *, detailed: bool) -> None:
    """List saved queries, or describe one with its parameters if ``detailed``."""
    screen = terminal()
    if not detailed:
        columns = [Col("name", least=0), Col("what it finds", least=20), Col("parameters", least=10, drop=1)]
        rows = [[q.name, q.title, ", ".join(p.name for p in q.parameters)] for q in queries]
        sys.stdout.write("\n".join(table(columns, rows, screen.width, screen.bold, indent="")) + "\n")
        return
    for q in queries:
        lines = [screen.bold(q.name) + f": {q.title}", "  " + wrap(q.description, screen.width - 4, "  "), ""]
        for p in q.parameters:
            default = _("required") if p.required else f"{_('default')} {p.default if p.default is not None else '-'}"
            lines.append(f"  -p {p.name}=…  {p.type}, {default}: {p.help}")
        sys.stdout.write("\n".join(lines) + "\n")
