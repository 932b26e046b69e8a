"""``rustnet export``: parts of a session in forms that other programs read."""

from typing import TextIO, cast

import click

from rustnet.cli.options import common, opened, session_argument, text_output
from rustnet.cli.terminal import talk
from rustnet.errors import RustnetError, UsageError
from rustnet.i18n import _, ngettext
from rustnet.present.text import safe


@click.command(
    help=_(
        "Write what SESSION knows in a form that other programs read.\n\n\b\n"
        "  rustnet export s.duckdb --sidecar -o capture.pcap.connections.jsonl\n\n"
        "--sidecar writes the owners as a sidecar, version 1: a replay of the same capture with that file gives the "
        "same owners, and RustNet's own tools read it."
    )
)
@session_argument
@click.option("--sidecar", is_flag=True, help=_("Who owned which connection: every claim and every process."))
@click.option("-o", "--output", required=True, metavar="FILE", help=_("Where to; - is stdout."))
@common
def command(session: str, sidecar: bool, output: str) -> None:
    """Export."""
    if not sidecar:
        raise UsageError("say what to export: --sidecar")
    from rustnet.export.sidecar import write_sidecar  # noqa: PLC0415 -- DuckDB
    from rustnet.query import ownership  # noqa: PLC0415

    with opened(session) as reader:
        if not ownership.known(reader):
            raise RustnetError(
                "{path}: no source of ownership was read into this session: nothing to export", path=session
            )
        with text_output(output, "jsonl") as stream:
            lines = write_sidecar(reader, cast("TextIO", stream))
    done = ngettext("{n} record written to {path}", "{n} records written to {path}", lines)
    talk(done.format(n=f"{lines:,}", path=safe(output if output != "-" else "stdout")))
