"""``rustnet enrich``: copies a capture to pcapng with the owner of each packet as a comment."""

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rustnet.cli.annotated import check_comments, print_result, write
from rustnet.cli.main import State
from rustnet.cli.options import common, opened
from rustnet.cli.outputs import Inputs, output_options
from rustnet.cli.terminal import notify, notify_error
from rustnet.errors import ExitCode, InputError, RustnetError, UsageError
from rustnet.i18n import _
from rustnet.present.text import safe

if TYPE_CHECKING:
    from rustnet.query.comments import Comments


@click.command(
    help=_(
        "Copy CAPTURE to pcapng, and add to each packet of a flow with a known owner a comment like\n\n\b\n"
        "  rustnet process=curl pid=4711 ppid=4700 uid=1000 attr=exact-tuple direction=outgoing app=tls\n\n"
        "Everything else is kept: packets byte for byte and in order, times, interfaces, comments, names, secrets. "
        "CAPTURE may have any format that replay reads; - is standard input. Owners come from the sidecars given with "
        "--sidecar, otherwise from sidecars next to CAPTURE, or, with --db, from a session that contains the "
        "capture.\n\n\b\n"
        "  rustnet enrich capture.pcap --sidecar capture.pcap.connections.jsonl -o annotated.pcapng"
    )
)
@click.argument("capture", metavar="CAPTURE")
@click.option("-o", "--output", required=True, metavar="FILE", help=_("pcapng file to write; - is standard output."))
@click.option(
    "--sidecar",
    "sidecars",
    multiple=True,
    metavar="FILE",
    help=_("Sidecar file with the owners of connections."),
)
@click.option("--db", metavar="SESSION", help=_("Read the owners from this session, which must contain the capture."))
@click.option("--strict", is_flag=True, help=_("Exit with 4 if part of the capture could not be read."))
@output_options
@common
@click.pass_obj
def command(
    state: State, capture: str, output: str, sidecars: tuple[str, ...], db: str | None, strict: bool
) -> ExitCode:
    """Determine the owners, then write the annotated capture."""
    if db is not None and sidecars:
        raise UsageError("--db and --sidecar cannot be combined: the session already contains its owners")
    inputs = Inputs(capture, sessions=[db] if db is not None else [], sidecars=sidecars)
    check_comments(output, inputs)
    with tempfile.TemporaryDirectory(prefix="rustnet.", ignore_cleanup_errors=True) as folder:
        from rustnet.export.annotate import regular  # noqa: PLC0415 -- NumPy

        path = regular(capture, Path(folder))
        failed = False
        if db is None:
            session = str(Path(folder) / "session.duckdb")
            failed = _ingest(path, session, sidecars, state)
        else:
            session = db
        with opened(session) as reader:
            if db is not None:
                inputs.add_session(reader, db, output)
                check_comments(output, inputs)
            from rustnet.export.originals import stored_as  # noqa: PLC0415
            from rustnet.query.comments import Comments  # noqa: PLC0415 -- NumPy

            comments = Comments(reader, *((1, None) if db is None else stored_as(reader, Path(path))))
            _check_owners(comments, capture, sidecars, db)
            result = write(path, comments, output, inputs)
    print_result(result, capture, output)
    if failed:
        return ExitCode.INPUT
    return ExitCode.LOSSES if strict and (result.mended or not result.complete) else ExitCode.DONE


def _ingest(path: str, session: str, sidecars: tuple[str, ...], state: State) -> bool:
    """Ingest the capture into ``session``; returns whether a sidecar could not be read."""
    from rustnet.attribute.discover import open_sidecar  # noqa: PLC0415 -- the whole engine
    from rustnet.cli.ingesting import ingest_captures  # noqa: PLC0415
    from rustnet.ingest.options import Options  # noqa: PLC0415

    for name in sidecars:
        open_sidecar(Path(name))  # report an unusable sidecar before reading the capture
    options = Options(sidecars=sidecars, strict_parsers=state.debug, workers=state.config.workers)
    report = ingest_captures([path], session, options, scratch=Path(session).parent)
    if report.interrupted:
        raise KeyboardInterrupt
    if not report.captures:
        raise InputError("; ".join(words for _path, words in report.failed))
    for _path, words in report.failed:
        notify_error(words)
    return bool(report.failed)


def _check_owners(comments: "Comments", capture: str, sidecars: tuple[str, ...], db: str | None) -> None:
    """Report that no packet gets a comment; raise `RustnetError` if there is no source of owners at all."""
    if comments.owned_flows():
        return
    if not sidecars and db is None and not comments.asked():
        raise RustnetError(
            "{path}: no source of owners: there is no sidecar next to it; name one with --sidecar",
            path=capture,
        )
    notify(_("rustnet: {path}: no flow has an owner, so no packet gets a comment").format(path=safe(capture)))
