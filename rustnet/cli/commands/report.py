"""``rustnet report``: writes a session's report as one page of HTML."""

import datetime as dt
from typing import TextIO, cast

import click

from rustnet.cli.main import State
from rustnet.cli.options import common, opened, whole_session_argument
from rustnet.cli.outputs import check_output, inputs_of, output_options, text_output
from rustnet.cli.redaction_options import redaction_options, redactor_of
from rustnet.cli.terminal import notify
from rustnet.errors import UsageError
from rustnet.i18n import _
from rustnet.present.text import safe
from rustnet.present.values import humanised


@click.command(
    help=_(
        "Write a report of SESSION as one page of HTML: what was captured, by which hosts and programs, to where, and "
        "what is missing or stands out, with the SQL of every table. The page needs no other file and no network, and "
        "can be printed.\n\n\b\n"
        "  rustnet report s.duckdb -o report.html\n"
        "  rustnet report s.duckdb -o report.html --title 'Incident 17' --since 12:03 --until 12:40\n"
        "  rustnet report s.duckdb -o report.html --filter 'net:10.1.0.0/16 -app:dns' --redact\n\n"
        "With --filter, --since or --until the report is about the flows that match and have packets in that time; "
        "each counts with all of its packets. docs/report.md explains the sections."
    )
)
@whole_session_argument
@click.option("-o", "--output", required=True, metavar="FILE", help=_("File to write; - is standard output."))
@click.option("--title", metavar=_("TEXT"), help=_("Title of the report."))
@click.option("--filter", "words", metavar="FILTER", default="", help=_("Only flows that match this filter."))
@click.option("--since", metavar=_("TIME"), help=_("Only flows with packets at this time or later: 12:03, +30s, 50% …"))
@click.option("--until", metavar=_("TIME"), help=_("Only flows with packets before this time."))
@redaction_options
@output_options
@common
@click.pass_obj
def command(
    state: State, session: str, output: str, title: str | None, words: str, since: str | None, until: str | None
) -> None:
    """Write the report."""
    redactor = redactor_of(state)
    with opened(session, original=True) as reader:  # values are replaced by their kinds as they are shown
        from rustnet.export.report.moments import moment  # noqa: PLC0415 -- DuckDB
        from rustnet.export.report.page import Subject, report  # noqa: PLC0415

        if not output:
            raise UsageError("an output file has an empty name; choose another")
        inputs = inputs_of(reader, session, output)
        check_output(output, inputs)
        begin, end = (None if text is None else moment(reader, text, redactor) for text in (since, until))
        page = report(reader, Subject(title, words, begin, end, redactor, dt.datetime.now(dt.UTC)))
        with text_output(output, "html", inputs) as stream:
            cast("TextIO", stream).write(page)
    if output != "-":
        notify(_("report written to {path} ({size})").format(path=safe(output), size=humanised(len(page.encode()))))
