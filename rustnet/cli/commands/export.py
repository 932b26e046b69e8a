"""``rustnet export``: writes parts of a session in formats for other programs."""

from pathlib import Path
from typing import TextIO, cast

import click

from rustnet.cli.exporting import Format, export
from rustnet.cli.options import common, opened, whole_session_argument
from rustnet.cli.outputs import inputs_of, output_options, text_output
from rustnet.cli.terminal import notify
from rustnet.errors import RustnetError, UsageError
from rustnet.i18n import _, ngettext
from rustnet.present.text import safe


@click.command(
    help=_(
        "Export data of SESSION in a format for other programs.\n\n\b\n"
        "  rustnet export s.duckdb --sidecar -o capture.pcap.connections.jsonl\n\n"
        "--sidecar writes the owners of connections as a sidecar, version 1. Replaying the same capture with that file "
        "gives the same owners, and RustNet's own tools can read it."
    )
)
@whole_session_argument
@click.option("--sidecar", is_flag=True, help=_("Export owners of connections: all claims and processes."))
@click.option("-o", "--output", required=True, metavar="FILE", help=_("File to write; - is standard output."))
@output_options
@common
def command(session: str, sidecar: bool, output: str) -> None:
    """Write a sidecar, or a directory of other formats."""
    formats: list[Format] = []
    if not sidecar and not formats:
        raise UsageError("nothing selected to export: give --sidecar")
    if sidecar:
        _write_sidecar(session, output)
        return
    with opened(session) as reader:
        export(reader, formats, Path(output))


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
