"""``rustnet live``: captures packets of this machine's interfaces into a session, and shows it meanwhile."""

from typing import TYPE_CHECKING

import click

from rustnet.cli.alert_options import alert_options
from rustnet.cli.capture_options import Capturing, capture_options
from rustnet.cli.geo_options import geo_options
from rustnet.cli.live_line import LiveLine
from rustnet.cli.living import Live
from rustnet.cli.main import State
from rustnet.cli.options import common, in_english
from rustnet.cli.outputs import check_session, group_option
from rustnet.cli.recording_options import Recorded, recording_options
from rustnet.cli.redaction_options import redaction_options, refuse_without_browser
from rustnet.cli.replaying import interactive
from rustnet.cli.sandbox_options import check_user_options, sandbox_mode, sandbox_options, user_options
from rustnet.cli.session_names import session_options
from rustnet.i18n import _

if TYPE_CHECKING:
    from rustnet.alerts.plan import AlertPlan
    from rustnet.ingest.options import GeoFiles


@click.command(
    help=_(
        "Capture packets of this machine's interfaces into a session, with the processes that own the flows, and "
        "browse it meanwhile; until Ctrl-C where there is no terminal.\n\nIt needs the privilege to capture: start it "
        "with sudo. Only a small process keeps that privilege; the session belongs to the user who called sudo. "
        "Without --db the session is temporary and removed at the end."
    )
)
@capture_options
@session_options
@group_option
@recording_options
@click.option(
    "--metrics", metavar="FILE|unix:PATH",
    help=_("Write Prometheus metrics to FILE each second, or answer them on a Unix socket."),
)  # fmt: skip
@alert_options
@geo_options
@click.option("--no-dissect", is_flag=True, help=_("Analyse headers and flows only, not payloads."))
@sandbox_options
@user_options
@click.option("--strict", is_flag=True, help=_("Exit with 4 if any data was lost."))
@click.option("--json", "as_json", is_flag=True, callback=in_english, help=_("Print the summary as JSON."))
@click.option("--no-tui", is_flag=True, help=_("Print the summary at the end, also on a terminal."))
@redaction_options
@click.option(
    "--top", default=10, show_default=True, type=click.IntRange(1, 1000), help=_("Rows of each table in the summary.")
)
@common
@click.pass_obj
def command(
    state: State,
    capturing: Capturing,
    db: str | None,
    duration: float | None,
    packets: int | None,
    recorded: Recorded,
    metrics: str | None,
    alerts: "AlertPlan | None",
    geo: "GeoFiles",
    no_dissect: bool,
    no_sandbox: bool,
    sandbox_strict: bool,
    no_uid_drop: bool,
    drop_to: str | None,
    strict: bool,
    as_json: bool,
    no_tui: bool,
    top: int,
) -> int:
    """Capture, and browse the session or print the summary."""
    sandbox = sandbox_mode(no_sandbox, sandbox_strict)
    check_user_options(no_uid_drop, drop_to, sandbox_strict)
    check_session(db, (), geo.paths)
    browsing = not (no_tui or as_json) and interactive(())
    if not browsing:
        refuse_without_browser(state)
    from rustnet.ingest.options import Limits, Options  # noqa: PLC0415 -- the whole engine

    options = Options(
        discover=False,
        strict_parsers=state.debug,
        dissect=not no_dissect,
        workers=0,
        geo=geo,
        limits=Limits(packets, None, duration, live=True),
        sandbox=sandbox,
        live=True,
        libpcap=capturing.by_libpcap,
        answer_at_once=True,
        alerts=alerts,
        **recorded.options(),
    )
    live = capturing.options(
        sandbox=sandbox,
        drop_user=not no_uid_drop,
        drop_to=drop_to,
        groups=() if state.group is None else (state.group,),
    )
    line = LiveLine(accessible=state.config.browser_accessible, color=state.config.color)
    run = Live(live, db, options, strict, top, as_json, metrics, line)
    return run.on_screen(state) if browsing else run.run()
