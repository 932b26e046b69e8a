"""``rustnet export``: writes a session, or parts of it, in formats for other programs, also redacted."""

from pathlib import Path
from typing import TextIO, cast

import click

from rustnet.cli.custody import Custody, custody_options
from rustnet.cli.exporting import CSV, FORMATS, PACKETS, SESSION, SPREADSHEET, Order, chosen_by_option, export
from rustnet.cli.main import State
from rustnet.cli.options import common, opened, whole_session_argument
from rustnet.cli.outputs import inputs_of, output_options, text_output
from rustnet.cli.redaction_options import redaction_options, redactor_of
from rustnet.cli.terminal import notify
from rustnet.config import ONE_OFF_KEY
from rustnet.errors import RustnetError, UsageError
from rustnet.i18n import _, ngettext
from rustnet.present.text import safe


@click.command(
    help=_(
        "Export SESSION in formats for other programs and people, to a new directory.\n\n\b\n"
        "  rustnet export s.duckdb -f parquet -o tables\n"
        "  rustnet export s.duckdb --redact -o shared\n"
        "  rustnet export s.duckdb --redact strict -f session -f csv -o shared\n"
        "  rustnet export s.duckdb --sidecar -o capture.pcap.connections.jsonl\n\n"
        "--redact replaces what identifies people, machines and organisations, the same value always by the same "
        "replacement, and writes a session that all commands read like any other; redaction.json next to it states "
        "what was done, and what was not protected. --sidecar writes the owners of connections as a sidecar, "
        "version 1, for replays of the same capture. docs/sharing.md describes the formats."
    )
)
@whole_session_argument
@click.option(
    "-f", "--format", "names", multiple=True,
    type=click.Choice([name for name, form in FORMATS.items() if not form.help]),
    help=_("Format; may be repeated.  [default with --redact: session]"),
)  # fmt: skip
@chosen_by_option
@redaction_options
@click.option("--source", "sources", multiple=True, metavar="FILE", help=_("Current path of an original capture."))
@custody_options
@click.option("--sidecar", is_flag=True, help=_("Export owners of connections: all claims and processes."))
@click.option(
    "--spreadsheet", is_flag=True, help=_("Write CSV that is safe to open in a spreadsheet: formulas become text.")
)
@click.option(
    "-o",
    "--output",
    required=True,
    metavar="DIR",
    help=_("New directory; with --sidecar a file, - is standard output."),
)
@output_options
@common
def command(
    session: str,
    names: tuple[str, ...],
    sources: tuple[str, ...],
    manifest: bool,
    signing_key: str | None,
    sidecar: bool,
    spreadsheet: bool,
    output: str,
    **tools: str | None,
) -> None:
    """Write a sidecar, or a directory of other formats."""
    formats = {name: FORMATS[name].default for name in names}
    formats |= {name: style for name, style in tools.items() if style is not None}
    state = click.get_current_context().find_object(State) or State()
    redactor = redactor_of(state)
    if sidecar:
        if formats or redactor is not None or manifest or signing_key:
            raise UsageError("--sidecar is an export of its own; leave the other formats out")
        _write_sidecar(session, output)
        return
    if redactor is not None and not formats:
        formats = {SESSION: ""}
    if not formats:
        raise UsageError("nothing selected to export: give --redact, --format or --sidecar")
    if PACKETS in formats and redactor is None:
        raise UsageError("packets as they are: 'rustnet extract' writes them; -f pcapng is for --redact")
    if PACKETS in formats and redactor is not None:
        from rustnet.export.redacted_packets.writing import check_policy  # noqa: PLC0415 -- needed for this only

        check_policy(redactor.policy)
    if spreadsheet and CSV not in formats:
        raise UsageError("--spreadsheet is for -f csv")
    if spreadsheet:
        formats[CSV] = SPREADSHEET
    key_file = (state.redact_key or state.config.redact_key_file) != ONE_OFF_KEY
    custody = Custody(session, signing_key) if manifest or signing_key else None
    with opened(session, original=True) as reader:
        export(reader, Order(formats, redactor, key_file, sources, custody, state.group), Path(output))


def _write_sidecar(session: str, output: str) -> None:
    from rustnet.export.sidecar import write_sidecar  # noqa: PLC0415 -- DuckDB
    from rustnet.query import ownership  # noqa: PLC0415

    with opened(session) as reader:
        if not ownership.known(reader):
            raise RustnetError(
                "{path}: nothing to export: the session was made without a source of owners", path=session
            )
        with text_output(output, "jsonl", inputs_of(reader, session, output)) as stream:
            lines = write_sidecar(reader, cast("TextIO", stream))
    template = ngettext("{n} record written to {path}", "{n} records written to {path}", lines)
    notify(template.format(n=f"{lines:,}", path=safe(output if output != "-" else "stdout")))
