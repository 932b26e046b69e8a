"""``rustnet enrich``: a capture once more, with the owner of each packet as a comment that Wireshark shows."""

import contextlib
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import click

from rustnet.cli.main import State
from rustnet.cli.options import common, opened, whole_file
from rustnet.cli.terminal import safe, talk
from rustnet.errors import ExitCode, InputError, RustnetError, UsageError
from rustnet.i18n import _, ngettext

if TYPE_CHECKING:
    from rustnet.cli.progress import ProgressLine
    from rustnet.export.annotate import Annotated
    from rustnet.query.comments import Comments

_DAMAGE_SHOWN = 5


@click.command(
    help=_(
        "Write CAPTURE (as replay takes it; - is standard input) as pcapng, each packet of a flow with an owner with "
        "a comment like\n\n\b\n"
        "  rustnet process=curl pid=4711 ppid=4700 uid=1000 attr=exact-tuple direction=outgoing app=tls\n\n"
        "Everything else stays: packets byte for byte and in order, times, interfaces, comments, names, secrets. "
        "Owners come from the sidecars given, or from those beside CAPTURE, as with replay; or, with --db, from a "
        "session that has the capture.\n\n\b\n"
        "  rustnet enrich capture.pcap --sidecar capture.pcap.connections.jsonl -o annotated.pcapng"
    )
)
@click.argument("capture", metavar="CAPTURE")
@click.option("-o", "--output", required=True, metavar="FILE", help=_("pcapng file to write; - is stdout."))
@click.option("--sidecar", "sidecars", multiple=True, metavar="FILE", help=_("Who owned which connection."))
@click.option("--db", metavar="SESSION", help=_("Take the owners from this session, which must have the capture."))
@click.option("--strict", is_flag=True, help=_("Exit with 4 if anything of the capture could not be read."))
@common
@click.pass_obj
def command(
    state: State, capture: str, output: str, sidecars: tuple[str, ...], db: str | None, strict: bool
) -> ExitCode:
    """Find the owners, then write the capture with them."""
    if db is not None and sidecars:
        raise UsageError(_("give --db or --sidecar, not both: a session has its owners already"))
    _check_place(output, [capture, *sidecars, *([db] if db is not None else [])])
    with tempfile.TemporaryDirectory(prefix="rustnet.", ignore_cleanup_errors=True) as folder:
        path = _regular(capture, Path(folder))
        failed = False
        if db is None:
            session = str(Path(folder) / "session.duckdb")
            failed = _ingest(path, session, sidecars, strict_parsers=state.debug)
        else:
            session = db
        with opened(session) as con:
            from rustnet.query.comments import Comments  # noqa: PLC0415 -- NumPy
            from rustnet.query.originals import stored_as  # noqa: PLC0415

            comments = Comments(con, 1 if db is None else stored_as(con, Path(path), session))
            _check_owners(comments, capture, sidecars, db)
            made = _write(path, comments, output)
    _tell(made, capture, output)
    if failed:
        return ExitCode.INPUT
    return ExitCode.LOSSES if strict and not made.complete else ExitCode.DONE


def _check_place(output: str, inputs: list[str]) -> None:
    """Refuse an output that is an input, or that cannot hold comments."""
    if output == "-":
        if sys.stdout.isatty():
            raise UsageError(_("packets would garble the terminal: send them to a file with > or -o"))
        return
    place = Path(output)
    for name in inputs:
        if place.exists() and Path(name).exists() and place.samefile(name):
            raise UsageError(_("{path}: is an input; write to another file").format(path=output))
    if place.suffix.lower() not in (".pcapng", ".ntar") and (place.is_file() or not place.exists()):
        raise UsageError(_("{path}: only pcapng holds comments: name it .pcapng").format(path=output))
    if place.parent.is_dir() or place.exists():
        return
    raise UsageError(_("{path}: there is no directory {folder}").format(path=output, folder=place.parent))


def _regular(capture: str, folder: Path) -> str:
    """Path of the capture as a file that can be read twice: a pipe is copied into ``folder`` first."""
    from rustnet.sources.stored import Stored  # noqa: PLC0415

    stored = Stored(capture)
    try:
        if not stored.waits:
            return capture
        copy = folder / "capture"
        view = memoryview(bytearray(1 << 20))
        with copy.open("wb") as stream:
            while got := stored.readinto(view):
                stream.write(view[:got])
    finally:
        stored.close()
    return str(copy)


def _ingest(path: str, session: str, sidecars: tuple[str, ...], *, strict_parsers: bool) -> bool:
    """Make the session of the capture; returns whether a sidecar could not be read."""
    from rustnet.attribute.discover import open_sidecar  # noqa: PLC0415 -- the whole engine
    from rustnet.ingest import Options, ingest  # noqa: PLC0415

    for name in sidecars:
        open_sidecar(Path(name))  # what is no sidecar is better said now than after the capture was read
    options = Options(sidecars=sidecars, strict_parsers=strict_parsers)
    with _progress() as line:
        report = ingest([path], session, options, line)
    if report.interrupted:
        raise KeyboardInterrupt
    if not report.captures:
        raise InputError("; ".join(words for _path, words in report.failed))
    for _path, words in report.failed:
        talk(f"rustnet: error: {safe(words)}")
    return bool(report.failed)


@contextlib.contextmanager
def _progress() -> "Iterator[ProgressLine | None]":
    """Make a progress line, on a terminal, that is gone at the end."""
    if not sys.stderr.isatty():
        yield None
        return
    from rustnet.cli.progress import ProgressLine  # noqa: PLC0415 -- on a terminal only

    line = ProgressLine()
    try:
        yield line
    finally:
        line.clear()


def _check_owners(comments: "Comments", capture: str, sidecars: tuple[str, ...], db: str | None) -> None:
    """Say it if nothing will be annotated; where nobody even said who owned what, that is an error."""
    if comments.owned_flows():
        return
    if not sidecars and db is None and not comments.asked():
        raise RustnetError(
            _("{path}: nothing says who owned its packets: no sidecar lies beside it; name one with --sidecar").format(
                path=capture
            )
        )
    talk(_("rustnet: {path}: no flow has an owner, so no packet gets a comment").format(path=safe(capture)))


def _write(path: str, comments: "Comments", output: str) -> "Annotated":
    from rustnet.export.annotate import annotate  # noqa: PLC0415

    def into(stream: BinaryIO) -> "Annotated":
        return annotate(path, comments, stream)

    if output == "-":
        made = into(sys.stdout.buffer)
        sys.stdout.buffer.flush()
        return made
    with whole_file(output) as stream:
        return into(stream)


def _tell(made: "Annotated", capture: str, output: str) -> None:
    """Say on stderr what was written, and what was not."""
    if not made.complete:
        for damage in made.damage[:_DAMAGE_SHOWN]:
            talk(_("rustnet: {path}: at byte {offset}: {words}").format(
                path=safe(capture), offset=f"{damage.offset:,}", words=safe(damage.detail)))  # fmt: skip
        if (more := len(made.damage) - _DAMAGE_SHOWN) > 0:
            talk(ngettext("rustnet: and {n} damaged place more", "rustnet: and {n} damaged places more", more).format(
                n=f"{more:,}"))  # fmt: skip
        talk(_("rustnet: {path}: not read to a clean end: all packets that can be read are written").format(
            path=safe(capture)))  # fmt: skip
    if made.mute:
        talk(_("rustnet: {n} packets have an owner and no comment: simple packet blocks hold none").format(
            n=f"{made.mute:,}"))  # fmt: skip
    done = ngettext("{n} packet written to {path}", "{n} packets written to {path}", made.packets)
    words = done.format(n=f"{made.packets:,}", path=safe(output if output != "-" else "stdout"))
    words += ", " + _("{n} with a process comment").format(n=f"{made.commented:,}")
    if made.present:
        words += ", " + _("{n} had theirs already").format(n=f"{made.present:,}")
    talk(words)
