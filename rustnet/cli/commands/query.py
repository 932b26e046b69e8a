"""``rustnet query``: runs saved queries and read-only SQL."""

import sys
from collections.abc import Sequence
from pathlib import Path

import click

from rustnet.cli.main import State, terminal
from rustnet.cli.options import SECONDS, chosen_format, common, format_options, opened, query_parameters, timeout_option
from rustnet.cli.outputs import Inputs, inputs_of, text_output
from rustnet.cli.redaction_options import redaction_options
from rustnet.cli.terminal import notify
from rustnet.config import usual_file
from rustnet.errors import UsageError
from rustnet.i18n import _


@click.command(
    help=_(
        "Run the saved query NAME, or any SQL that only reads. A query has access to its session only: no files, no "
        "network, no settings.\n\n\b\n"
        "  rustnet query --list\n"
        "  rustnet query --explain slow-dns\n"
        "  rustnet query s.duckdb slow-dns -p least=50ms\n"
        '  rustnet query s.duckdb --sql "SELECT sni, count(*) FROM tls GROUP BY sni"\n\n'
        "--sql - reads the SQL from standard input. docs/queries.md explains the saved queries, and how to write "
        "some."
    )
)
@click.argument("session", metavar="SESSION", type=click.Path(), required=False)
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
@click.option("-l", "--list", "listing", is_flag=True, help=_("List the saved queries by subject."))
@click.option("--explain", metavar="NAME", help=_("Describe a saved query: parameters, columns, its SQL, an example."))
@click.option(
    "--queries",
    "folder",
    metavar="DIR",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help=_("Folder of your own queries.  [default: by configuration, else queries/ next to its file]"),
)
@format_options
@click.option("-n", "--limit", type=click.IntRange(0), help=_("Write at most this many rows."))
@timeout_option(SECONDS)
@redaction_options
@common
def command(
    session: str | None,
    name: str | None,
    sql: str | None,
    params: tuple[str, ...],
    listing: bool,
    explain: str | None,
    folder: Path | None,
    fmt: str | None,
    output: str | None,
    limit: int | None,
    spreadsheet: bool,
) -> None:
    """Run one query."""
    from rustnet.query import catalogue  # noqa: PLC0415 -- DuckDB

    state = click.get_current_context().find_object(State)
    named = folder or (state.config.queries if state else None)
    folders = catalogue.own_folders(usual_file().parent) if named is None else [named]
    if explain or (listing and name):
        _explain(explain or name or "", folders, session or "session.duckdb")
        return
    form = chosen_format(fmt, output)
    if listing:
        _list(folders, form, output)
        return
    if session is None:
        raise UsageError("give a session, or --list or --explain NAME")
    if (name is None) == (sql is None):
        raise UsageError("give the name of a saved query or --sql; --list shows the saved queries")
    if sql is not None and params:
        raise UsageError("-p is for saved queries only; write the values into the SQL")
    from rustnet.export.formats import write_result  # noqa: PLC0415

    saved = catalogue.find(name, folders) if name else None
    parameters = query_parameters(params)
    if sql == "-":
        sql = sys.stdin.read()
    with opened(session) as reader:
        inputs = inputs_of(reader, session, output)
        rows = saved.stream(reader, parameters, limit=limit) if saved else reader.stream(sql or "")
        with rows, text_output(output, form, inputs) as out:
            if limit is None:
                count = write_result(rows, form, out, spreadsheet=spreadsheet)
            else:
                result = rows.result(limit)
                count = write_result(result, form, out, spreadsheet=spreadsheet)
                if result.truncated:
                    notify(_("there are more rows than {limit}").format(limit=limit))
    if not count and form == "table":
        notify(_("no rows"))


def _list(folders: Sequence[Path], form: str, output: str | None) -> None:
    """List the saved queries by subject; what is wrong with a user's own is a line on stderr."""
    from rustnet.cli import catalogue as shown  # noqa: PLC0415 -- DuckDB
    from rustnet.query import catalogue  # noqa: PLC0415

    broken: dict[str, catalogue.CatalogueError] = {}
    queries = list(catalogue.load(folders, broken).values())
    if form == "table" and output is None:
        sys.stdout.write("\n".join(shown.list_lines(queries, terminal())) + "\n")
        sys.stdout.flush()
    else:
        from rustnet.export.formats import write_result  # noqa: PLC0415

        own = [str(Path(q.folder, f"{q.name}.sql")) for q in queries if q.folder is not None]
        with text_output(output, form, Inputs(sidecars=own)) as out:
            write_result(shown.list_result(queries), form, out)
    for words in filter(None, [shown.legend(queries), *(e.sentence(_) for e in broken.values())]):
        notify(words)


def _explain(name: str, folders: Sequence[Path], session: str) -> None:
    """Describe a saved query; ``session`` is that of its examples."""
    from rustnet.cli import catalogue as shown  # noqa: PLC0415 -- DuckDB
    from rustnet.query import catalogue  # noqa: PLC0415

    lines = shown.explain_lines(catalogue.find(name, folders), session, terminal())
    sys.stdout.write("\n".join(lines) + "\n")
