"""``rustnet replay``: reads captures into a session, and shows it in the browser or prints a summary."""

from typing import TYPE_CHECKING, Literal

import click

from rustnet.cli.alert_options import alert_options
from rustnet.cli.geo_options import geo_options
from rustnet.cli.input_limits import input_limit_options, speed_factor
from rustnet.cli.main import State
from rustnet.cli.options import common, in_english
from rustnet.cli.outputs import check_session, group_option
from rustnet.cli.redaction_options import redaction_options, refuse_without_browser
from rustnet.cli.replaying import STDIN, Replay, interactive
from rustnet.cli.sandbox_options import sandbox_mode, sandbox_options
from rustnet.cli.several_files import several_files_options
from rustnet.cli.sidecar_options import sidecar_options
from rustnet.errors import UsageError
from rustnet.i18n import _

if TYPE_CHECKING:
    from rustnet.alerts.plan import AlertPlan
    from rustnet.ingest.options import GeoFiles


@click.command(
    help=_(
        "Read captures into a session, and browse it meanwhile; print a summary where there is no terminal. FILE is "
        "pcap or pcapng, possibly compressed with gzip, zstd, xz or lz4; - is standard input.\n\nWithout --db the "
        "session is temporary and removed at the end. A sidecar named CAPTURE.connections.jsonl next to a capture is "
        "used automatically."
    )
)
@click.argument("files", metavar="FILE…", nargs=-1, required=True)
@click.option("--db", metavar="SESSION", help=_("Session file to create or to add to."))
@group_option
@sidecar_options
@geo_options
@click.option("--no-dissect", is_flag=True, help=_("Analyse headers and flows only, not payloads."))
@click.option("--again", is_flag=True, help=_("Ingest captures that the session already contains once more."))
@click.option(
    "--workers", type=click.IntRange(0, 64), metavar="N",
    help=_("Number of analysis processes; 0 analyses in the process that reads.  [default: by configuration, else by "
           "input size and CPUs]"),
)  # fmt: skip
@click.option(
    "--speed", callback=speed_factor, metavar="max|1|10|N", default="max", show_default=True,
    help=_("Pace packets by their times, N times as fast as captured; max: as fast as possible."),
)  # fmt: skip
@click.option(
    "--with", "tool", type=click.Choice(["tshark"]),
    help=_("Let tshark name applications that no parser recognised, also in captures already in the session."),
)  # fmt: skip
@several_files_options
@input_limit_options
@alert_options
@sandbox_options
@click.option("--strict", is_flag=True, help=_("Exit with 4 if any data was lost."))
@click.option("--json", "as_json", is_flag=True, callback=in_english, help=_("Print the summary as JSON."))
@click.option("--no-tui", is_flag=True, help=_("Print the summary, also on a terminal."))
@redaction_options
@click.option(
    "--top", default=10, show_default=True, type=click.IntRange(1, 1000), help=_("Rows of each table in the summary.")
)
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
    geo: "GeoFiles",
    alerts: "AlertPlan | None",
    no_dissect: bool,
    drop_duplicates: bool,
    again: bool,
    workers: int | None,
    tool: str | None,
    join: Literal["auto", "always", "never"],
    merge: bool,
    max_packets: int | None,
    max_bytes: int | None,
    max_seconds: float | None,
    no_sandbox: bool,
    sandbox_strict: bool,
    strict: bool,
    as_json: bool,
    speed: float | None,
    no_tui: bool,
    top: int,
) -> int:
    """Ingest, and browse the session or print the summary."""
    if files.count(STDIN) > 1:
        raise UsageError("standard input can be given only once")
    sandbox = sandbox_mode(no_sandbox, sandbox_strict)
    check_session(db, files, (*sidecars, *geo.paths))
    if tool:
        from rustnet.inspect.longtail import require  # noqa: PLC0415 -- only if asked for

        require()
    from rustnet.sources.hashing import hash_ahead  # noqa: PLC0415

    browsing = not (no_tui or as_json) and interactive(files)
    if not browsing:
        refuse_without_browser(state)
        hash_ahead(files[0])
    from rustnet.ingest.options import Limits, Options  # noqa: PLC0415 -- the whole engine

    options = Options(
        sidecars=sidecars,
        sidecar_format=sidecar_format,
        discover=not no_sidecar,
        sidecar_offset=sidecar_offset,
        again=again,
        strict_parsers=state.debug,
        dissect=not no_dissect,
        drop_duplicates=drop_duplicates,
        workers=state.config.workers if workers is None else workers,
        speed=speed,
        join=join,
        merge=merge,
        geo=geo,
        limits=Limits(max_packets, max_bytes, max_seconds),
        sandbox=sandbox,
        alerts=alerts,
    )
    replay = Replay(files, db, options, tool, strict, top, as_json)
    return replay.on_screen(state) if browsing else replay.run()
