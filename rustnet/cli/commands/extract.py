"""``rustnet extract``: the packets of a filter or query, byte for byte, out of the original captures."""

import functools
import sys
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import click

from rustnet.cli.options import common, filter_argument, opened, session_argument, whole_file
from rustnet.cli.terminal import talk
from rustnet.errors import InputError, RustnetError, UsageError
from rustnet.i18n import _, ngettext
from rustnet.present.text import safe

if TYPE_CHECKING:
    from rustnet.export.packets import Extracted, Part
    from rustnet.query.selection import Selection
    from rustnet.query.session import Session


@click.command(
    help=_(
        "Write the packets of the flows that FILTER finds, exactly as they were captured. Without a filter: every "
        "packet. The original captures are needed, and checked to be the same.\n\n\b\n"
        "  rustnet extract s.duckdb host:example.org -o out.pcapng\n"
        '  rustnet extract s.duckdb --sql "SELECT capture_id, packet FROM anomalies" -o odd.pcapng\n\n'
        "Flows inside a tunnel come with the tunnel. pcapng keeps interfaces, comments and nanoseconds, and says in a "
        "comment which process owned a packet; pcap holds one link type only."
    )
)
@session_argument
@filter_argument
@click.option("-o", "--output", required=True, metavar="FILE", help=_("pcap or pcapng by its ending; - is stdout."))
@click.option("-f", "--format", "fmt", type=click.Choice(["pcap", "pcapng"]), help=_("Format, whatever the ending."))
@click.option("--sql", help=_("Packets by SQL: rows of capture_id and number (or packet), or of flow_id."))
@click.option("--source", "sources", multiple=True, metavar="FILE", help=_("Where an original capture is now."))
@click.option("--no-comments", is_flag=True, help=_("Do not add comments that name processes; those there stay."))
@click.option("--no-verify", is_flag=True, help=_("Do not compare size and SHA-256 of the originals first."))
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
        raise UsageError("give a filter or --sql, not both")
    with opened(session) as reader:
        chosen = selection.by_filter(" ".join(words), reader.scope()) if sql is None else selection.by_sql(reader, sql)
        said = form == "pcapng" and not no_comments
        parts = _parts(reader, chosen, Path(session), sources, verified=not no_verify, said=said)
        if not parts:
            raise RustnetError("nothing to extract: no packet matches")
        _check_place(output, parts)
        made = _write(output, form, parts)
    done = ngettext("{n} packet written to {path}", "{n} packets written to {path}", made.packets)
    talk(done.format(n=f"{made.packets:,}", path=safe(output if output != "-" else "stdout")))
    if made.left_out:
        talk(_("{n} blocks that are no packets were left out").format(n=f"{made.left_out:,}"))


def _form(output: str, fmt: str | None) -> str:
    if output == "-" and sys.stdout.isatty():
        raise UsageError("packets would garble the terminal: send them to a file with > or -o")
    if fmt:
        return fmt
    ending = Path(output).suffix.lower()
    if output != "-" and ending not in (".pcap", ".pcapng", ".cap", ".ntar"):
        raise UsageError("{path}: name it .pcap or .pcapng, or say --format", path=output)
    return "pcap" if ending in (".pcap", ".cap") else "pcapng"


def _parts(
    reader: "Session",
    chosen: "Selection",
    session: Path,
    sources: tuple[str, ...],
    *,
    verified: bool,
    said: bool,
) -> "list[Part]":
    """Find the original of every capture that packets are wanted of; check it. ``said``: owners become comments."""
    from rustnet.export import originals  # noqa: PLC0415
    from rustnet.export.packets import Part  # noqa: PLC0415 -- NumPy
    from rustnet.query.comments import Comments  # noqa: PLC0415 -- NumPy
    from rustnet.query.selection import originals as stored  # noqa: PLC0415

    counts = chosen.counts(reader)
    parts = []
    for capture in stored(reader, list(counts)):
        found = originals.locate(capture, session, sources, alone=len(counts) == 1)
        if found.path is None:
            raise InputError("capture {n}: {words}", n=capture.capture_id, words=found.problem)
        if verified:
            if not capture.sha256:
                talk(_("rustnet: {path}: cannot be compared, as it was never read to its end").format(path=found.path))
            if wrong := originals.verify(capture, found.path):
                raise InputError(
                    "{path}: {wrong}; name the right file with --source, or say --no-verify",
                    path=found.path,
                    wrong=wrong,
                )
        number = capture.capture_id
        remark = Comments(reader, number).text if said else None
        numbers = functools.partial(chosen.numbers, reader, number)
        parts.append(Part(found.path, capture.sha256, numbers, remark))
    return parts


def _check_place(output: str, parts: "list[Part]") -> None:
    """Never write over an original."""
    if output != "-" and any(Path(output).exists() and part.path.samefile(output) for part in parts):
        raise UsageError("{path}: is an original capture; write to another file", path=output)


def _write(output: str, form: str, parts: "list[Part]") -> "Extracted":
    from rustnet.export.packets import write_pcap, write_pcapng  # noqa: PLC0415

    def into(stream: BinaryIO) -> "Extracted":
        return write_pcap(parts, stream) if form == "pcap" else write_pcapng(parts, stream)

    if output == "-":
        made = into(sys.stdout.buffer)
        sys.stdout.buffer.flush()
        return made
    with whole_file(output) as stream:
        return into(stream)
