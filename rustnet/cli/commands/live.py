"""``rustnet live``: captures packets of this machine's interfaces into a session, and shows it meanwhile."""

import sys
from typing import TYPE_CHECKING, Literal

import click

from rustnet.cli.alert_options import alert_options
from rustnet.cli.geo_options import geo_options
from rustnet.cli.live_line import LiveLine
from rustnet.cli.living import Live
from rustnet.cli.main import State
from rustnet.cli.options import common, in_english, redact_option
from rustnet.cli.outputs import check_session, group_option
from rustnet.cli.recording_options import Recorded, recording_options
from rustnet.cli.replaying import interactive
from rustnet.cli.sandbox_options import check_user_options, sandbox_mode, sandbox_options, user_options
from rustnet.cli.session_names import session_options
from rustnet.i18n import _
from rustnet.probe.helper import SOCKET

if TYPE_CHECKING:
    from rustnet.alerts.plan import AlertPlan
    from rustnet.ingest.options import GeoFiles

LEAST_RING, MOST_RING = 1, 1024
"""Size of a ring in MiB."""


@click.command(
    help=_(
        "Capture packets of this machine's interfaces into a session, with the processes that own the flows, and "
        "browse it meanwhile; until Ctrl-C where there is no terminal.\n\nIt needs the privilege to capture: start it "
        "with sudo. Only a small process keeps that privilege; the session belongs to the user who called sudo. "
        "Without --db the session is temporary and removed at the end."
    )
)
@click.option(
    "-i", "--interface", "interfaces", multiple=True, metavar="NAME",
    help=_("Interface to capture from; several are possible; any: all.  [default: that of the default route]"),
)  # fmt: skip
@session_options
@group_option
@click.option("-f", "--filter", "expression", default="", metavar="BPF",
              help=_("Store only packets that match this expression, in the language of tcpdump."))  # fmt: skip
@click.option(
    "--snaplen", type=click.IntRange(0, 262_144), default=0, metavar="N",
    help=_("Store at most N bytes of each packet; 0: whole packets.  [default: 0]"),
)  # fmt: skip
@click.option("--promiscuous", is_flag=True, help=_("Capture also packets that are for other machines."))
@click.option(
    "--ring", type=click.IntRange(LEAST_RING, MOST_RING), default=64, show_default=True, metavar="MIB",
    help=_("Size of the memory that holds packets of each interface until they are read."),
)  # fmt: skip
@click.option(
    "--libpcap", is_flag=True,
    help=_("Capture with libpcap in one process, as on systems other than Linux; needs cypcap."),
)  # fmt: skip
@click.option(
    "--attribution", type=click.Choice(["auto", "sock_diag", "none"]), default="auto", show_default=True,
    help=_("How to learn which process owns which flow; auto: by eBPF, else by sock_diag."),
)  # fmt: skip
@click.option("--full-cmdline", is_flag=True, help=_("Do not hide what looks like a secret in command lines."))
@click.option("--duration", type=click.FloatRange(0, min_open=True), metavar="N", help=_("Stop after N seconds."))
@click.option("--packets", type=click.IntRange(1), metavar="N", help=_("Stop after N packets."))
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
@click.option(
    "--helper", metavar="SOCKET", default=SOCKET, show_default=True,
    help=_("Without the privilege to capture, let this helper open the capture sockets (see rustnet helper)."),
)  # fmt: skip
@click.option("--strict", is_flag=True, help=_("Exit with 4 if any data was lost."))
@click.option("--json", "as_json", is_flag=True, callback=in_english, help=_("Print the summary as JSON."))
@click.option("--no-tui", is_flag=True, help=_("Print the summary at the end, also on a terminal."))
@redact_option
@click.option(
    "--top", default=10, show_default=True, type=click.IntRange(1, 1000), help=_("Rows of each table in the summary.")
)
@common
@click.pass_obj
def command(
    state: State,
    interfaces: tuple[str, ...],
    db: str | None,
    expression: str,
    snaplen: int,
    promiscuous: bool,
    ring: int,
    libpcap: bool,
    attribution: Literal["auto", "sock_diag", "none"],
    full_cmdline: bool,
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
    helper: str,
    strict: bool,
    as_json: bool,
    no_tui: bool,
    redact: bool,
    top: int,
) -> int:
    """Capture, and browse the session or print the summary."""
    sandbox = sandbox_mode(no_sandbox, sandbox_strict)
    check_user_options(no_uid_drop, drop_to, sandbox_strict)
    check_session(db, (), geo.paths)
    browsing = not (no_tui or as_json) and interactive(())
    from rustnet.ingest.live_open import LiveOptions  # noqa: PLC0415 -- the whole engine
    from rustnet.ingest.options import Limits, Options  # noqa: PLC0415

    options = Options(
        discover=False,
        strict_parsers=state.debug,
        dissect=not no_dissect,
        workers=0,
        geo=geo,
        limits=Limits(packets, None, duration),
        sandbox=sandbox,
        live=True,
        libpcap=libpcap or sys.platform != "linux",
        answer_at_once=True,
        alerts=alerts,
        **recorded.options(),
    )
    live = LiveOptions(
        interfaces,
        expression,
        snaplen,
        ring << 20,
        promiscuous,
        attribution,
        full_cmdline,
        libpcap=libpcap,
        sandbox=sandbox,
        drop_user=not no_uid_drop,
        drop_to=drop_to,
        groups=() if state.group is None else (state.group,),
        helper=helper,
    )
    line = LiveLine(accessible=state.config.browser_accessible, color=state.config.color)
    run = Live(live, db, options, strict, top, as_json, redact, metrics, line)
    return run.on_screen(state) if browsing else run.run()
