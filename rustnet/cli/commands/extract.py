"""``rustnet extract``: copies the packets of a filter or query from the original captures."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import click

from rustnet.cli.extracting import extracted_parts
from rustnet.cli.options import common, filter_argument, opened, whole_session_argument
from rustnet.cli.outputs import Inputs, check_output, inputs_of, output_options, whole_file
from rustnet.cli.terminal import notify
from rustnet.errors import RustnetError, UsageError
from rustnet.i18n import _, ngettext
from rustnet.present.text import safe

if TYPE_CHECKING:
    from rustnet.export.packets import Extracted, Part


@click.command(
    help=_(
        "Write the packets of the flows that match FILTER, exactly as they were captured; without a filter, all "
        "packets. Needs the original captures and checks that they are unchanged.\n\n\b\n"
        "  rustnet extract s.duckdb host:example.org -o out.pcapng\n"
        '  rustnet extract s.duckdb --sql "SELECT capture_id, packet FROM anomalies" -o odd.pcapng\n\n'
        "Packets of flows inside a tunnel include the tunnel headers. pcapng keeps interfaces, comments and "
        "nanoseconds, and adds a comment with the process that owned the packet; pcap can hold only one link type."
    )
)
@whole_session_argument
@filter_argument
@click.option("-o", "--output", required=True, metavar="FILE", help=_("pcap or pcapng file; - is standard output."))
@click.option(
    "-f", "--format", "fmt", type=click.Choice(["pcap", "pcapng"]), help=_("File format [default: by extension]")
)
@click.option("--sql", help=_("Select packets by SQL that returns capture_id and number (or packet), or flow_id."))
@click.option("--source", "sources", multiple=True, metavar="FILE", help=_("Current path of an original capture."))
@click.option("--no-comments", is_flag=True, help=_("Do not add comments with processes; existing comments are kept."))
@click.option("--no-verify", is_flag=True, help=_("Do not check size and SHA-256 of the originals."))
@output_options
@common
def command(
    session: str,
    words: tuple[str, ...],
    output: str,
    fmt: str | None,
    sql: str | None,
    sources: tuple[str, ...],
    no_comments: bool,
    no_verify: bool,
) -> None:
    """Extract packets."""
    from rustnet.query import selection  # noqa: PLC0415 -- DuckDB

    form = _form(output, fmt)
    if sql is not None and words:
        raise UsageError("a filter and --sql cannot be combined")
    with opened(session) as reader:
        selected = (
            selection.by_filter(" ".join(words), reader.scope()) if sql is None else selection.by_sql(reader, sql)
        )
        with_comments = form == "pcapng" and not no_comments
        inputs = inputs_of(reader, session, output, *sources)
        check_output(output, inputs)
        parts = extracted_parts(
            reader, selected, Path(session), sources, verified=not no_verify, with_comments=with_comments
        )
        if not parts:
            raise RustnetError("nothing to extract: no packet matches")
        result = _write(output, form, parts, inputs)
    template = ngettext("{n} packet written to {path}", "{n} packets written to {path}", result.packets)
    notify(template.format(n=f"{result.packets:,}", path=safe(output if output != "-" else "stdout")))
    if result.left_out:
        notify(_("{n} blocks that are not packets were skipped").format(n=f"{result.left_out:,}"))


def _form(output: str, fmt: str | None) -> str:
    if output == "-" and sys.stdout.isatty():
        raise UsageError("packets are binary and cannot be shown on a terminal: write them to a file with > or -o")
    if fmt:
        return fmt
    extension = Path(output).suffix.lower()
    if output != "-" and extension not in (".pcap", ".pcapng", ".cap", ".ntar"):
        raise UsageError("{path}: the file name must end in .pcap or .pcapng, or give --format", path=output)
    return "pcap" if extension in (".pcap", ".cap") else "pcapng"


def _write(output: str, form: str, parts: "list[Part]", inputs: Inputs) -> "Extracted":
    from rustnet.export.packets import write_pcap, write_pcapng  # noqa: PLC0415

    def write_parts(stream: BinaryIO) -> "Extracted":
        return write_pcap(parts, stream) if form == "pcap" else write_pcapng(parts, stream)

    if output == "-":
        result = write_parts(sys.stdout.buffer)
        sys.stdout.buffer.flush()
        return result
    with whole_file(output, inputs) as stream:
        return write_parts(stream)
