"""``rustnet extract``: copies the packets of a filter or query from the original captures."""

import functools
import sys
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import click

from rustnet.cli.options import common, filter_argument, opened, whole_session_argument
from rustnet.cli.outputs import Inputs, check_output, inputs_of, output_options, whole_file
from rustnet.cli.terminal import notify
from rustnet.errors import InputError, RustnetError, UsageError
from rustnet.i18n import _, ngettext
from rustnet.present.text import safe

if TYPE_CHECKING:
    from rustnet.export.packets import Extracted, Part
    from rustnet.export.recorded import Share
    from rustnet.query.comments import Comments
    from rustnet.query.selection import Original, OriginalFile, Selection
    from rustnet.query.session import Session


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
        parts = _parts(reader, selected, Path(session), sources, verified=not no_verify, with_comments=with_comments)
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


def _parts(
    reader: "Session",
    selected: "Selection",
    session: Path,
    sources: tuple[str, ...],
    *,
    verified: bool,
    with_comments: bool,
) -> "list[Part]":
    """Locate and check the originals of the selected packets; ``with_comments`` adds owners as comments."""
    from rustnet.export.packets import Part  # noqa: PLC0415 -- NumPy
    from rustnet.query.comments import Comments  # noqa: PLC0415 -- NumPy
    from rustnet.query.selection import originals as stored  # noqa: PLC0415

    counts = selected.counts(reader)
    parts = []
    for capture in stored(reader, list(counts)):
        if capture.recorded:
            parts += _recorded(reader, selected, capture, session, sources, verified=verified, comments=with_comments)
            continue
        alone = len(counts) == 1 and len(capture.files) == 1
        paths = tuple(_located(file, session, sources, alone=alone, verified=verified) for file in capture.files)
        number = capture.capture_id
        comment_of = Comments(reader, number).text if with_comments else None
        numbers = functools.partial(selected.numbers, reader, number)
        parts.append(Part(paths, capture.sha256, numbers, comment_of, capture.merged))
    return parts


def _recorded(
    reader: "Session",
    selected: "Selection",
    capture: "Original",
    session: Path,
    sources: tuple[str, ...],
    *,
    verified: bool,
    comments: bool,
) -> "list[Part]":
    """Locate the files that selected packets of a live capture were recorded to; those that are gone are reported."""
    from rustnet.export.captured import Originals  # noqa: PLC0415
    from rustnet.export.originals import REMOVED, locate  # noqa: PLC0415
    from rustnet.export.packets import Part  # noqa: PLC0415 -- NumPy
    from rustnet.export.recorded import shares  # noqa: PLC0415
    from rustnet.query.comments import Comments  # noqa: PLC0415 -- NumPy
    from rustnet.query.selection import ingested_files  # noqa: PLC0415

    number = capture.capture_id
    texts = Comments(reader, number) if comments else None
    files, known = ingested_files(reader, number), Originals(str(session), sources)
    parts, (found, lost) = [], shares(reader, selected, number)
    for share in found:
        file = files[share.file]
        if file.original.kind == REMOVED and not sources:
            lost += share.packets
            continue
        where = known.checked(file) if verified else locate(file.original, session, sources, alone=file.alone)
        if where.path is None:
            raise InputError("capture {n}: {words}", n=number, words=where.problem)
        comment = None if texts is None else functools.partial(_comment, texts, share)
        parts.append(Part((where.path,), None, share.numbers, comment))
    if lost:
        words = _("rustnet: {n} of the packets are left out: they are in no file of the recording, or not any more")
        notify(words.format(n=f"{lost:,}"))
    return parts


def _comment(texts: "Comments", share: "Share", number: int) -> str:
    return texts.text(share.of_capture(number))


def _located(file: "OriginalFile", session: Path, sources: tuple[str, ...], *, alone: bool, verified: bool) -> Path:
    """Path of an original, which is the ingested file if it is ``verified``."""
    from rustnet.export import originals  # noqa: PLC0415

    original = originals.locate(file, session, sources, alone=alone)
    if original.path is None:
        raise InputError("capture {n}: {words}", n=file.capture_id, words=original.problem)
    if verified:
        if not file.sha256:
            words = _("rustnet: {path}: not verified: it was never read to its end, so there is no hash")
            notify(words.format(path=safe(str(original.path))))
        if wrong := originals.verify(file, original.path):
            raise InputError(
                "{path}: {wrong}; name the right file with --source, or skip this check with --no-verify",
                path=original.path,
                wrong=wrong,
            )
    return original.path


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
