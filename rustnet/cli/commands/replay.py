"""``rustnet replay``: captures in, a session and its summary out."""

import math
from pathlib import Path
from typing import Literal

import click

from rustnet.cli.ingesting import ingested, said, shown, temporary
from rustnet.cli.main import State
from rustnet.cli.options import common
from rustnet.cli.sidecar_options import sidecar_options
from rustnet.errors import ExitCode, UsageError
from rustnet.i18n import _

LEAST_SPEED, MOST_SPEED = 1e-6, 1e9


def _speed(_ctx: click.Context, _param: click.Parameter, value: str) -> float | None:
    """Read ``max`` or how many times as fast."""
    if value == "max":
        return None
    try:
        speed = float(value)
    except ValueError:
        speed = math.nan
    if not LEAST_SPEED <= speed <= MOST_SPEED:
        raise click.BadParameter(_("{value!r} is neither max nor a number above 0, as 1 or 10").format(value=value))
    return speed


@click.command(
    help=_(
        "Read captures (pcap or pcapng, also gzip, zstd, xz or lz4; - is standard input) into a session, and print "
        "its summary.\n\nWithout --db the session is temporary and removed at the end. A sidecar named "
        "CAPTURE.connections.jsonl is found by itself. There is no browser in this version: the summary is printed "
        "on a terminal too."
    )
)
@click.argument("files", metavar="FILE…", nargs=-1, required=True)
@click.option("--db", metavar="SESSION", help=_("Session to make, or to add to."))
@sidecar_options
@click.option("--no-dissect", is_flag=True, help=_("Headers and flows only: read no payload."))
@click.option("--again", is_flag=True, help=_("Ingest a capture even if the session has it already."))
@click.option(
    "--workers",
    type=click.IntRange(0, 64),
    metavar="N",
    help=_("Processes that analyse, 0 for none but this one; without it as many as help."),
)
@click.option(
    "--speed", callback=_speed, metavar="max|1|10|N", default="max", show_default=True,
    help=_("Replay packets by their times, N times as fast as they were captured; max: as fast as possible."),
)  # fmt: skip
@click.option(
    "--with",
    "tool",
    type=click.Choice(["tshark"]),
    help=_("Let tshark name what no parser knew, also in captures that the session has already."),
)
@click.option("--strict", is_flag=True, help=_("Exit with 4 if anything was lost."))
@click.option("--json", "as_json", is_flag=True, help=_("Print the summary as JSON."))
@click.option("--no-tui", is_flag=True, expose_value=False, help=_("Never open the browser."))
@click.option("--top", default=10, show_default=True, type=click.IntRange(1, 1000), help=_("Rows of each table."))
@common
@click.pass_obj
def command(
    state: State,
    files: tuple[str, ...],
    db: str | None,
    sidecars: tuple[str, ...],
    sidecar_format: str | None,
    no_sidecar: bool,
    sidecar_offset: 'float | Literal["auto"] | None',
    no_dissect: bool,
    again: bool,
    workers: int | None,
    tool: str | None,
    strict: bool,
    as_json: bool,
    speed: float | None,
    top: int,
) -> ExitCode:
    """Ingest, then print the summary."""
    if files.count("-") > 1:
        raise UsageError("standard input can be read once only")
    if tool:
        from rustnet.inspect.longtail import require  # noqa: PLC0415 -- only if asked for

        require()
    from rustnet.sources.hashing import drop_ahead, hash_ahead  # noqa: PLC0415

    hash_ahead(files[0])
    from rustnet.ingest.options import Options  # noqa: PLC0415 -- the whole engine

    options = Options(
        sidecars=sidecars,
        sidecar_format=sidecar_format,
        discover=not no_sidecar,
        sidecar_offset=sidecar_offset,
        again=again,
        strict_parsers=state.debug,
        dissect=not no_dissect,
        workers=workers,
        speed=speed,
    )
    with temporary(db) as session:
        try:
            report, summary = ingested(files, session, options, top, None if db else Path(session).parent)
        finally:
            drop_ahead()
        said(report)
        code = ExitCode.DONE
        if tool and not report.interrupted:
            from rustnet.cli.longtail import name_rest  # noqa: PLC0415 -- only if asked for

            code = name_rest(session, report)
            summary = None  # it is of before
        if report.captures or (report.skipped and Path(session).exists()):
            shown(session, report, summary, as_json, kept=db is not None, top=top)
    if tool and report.known and not report.captures and not report.failed:
        # What the session has already was asked about, as the user wished.
        return code or (ExitCode.LOSSES if strict and report.losses else ExitCode.DONE)
    return report.exit_code(strict) or code
