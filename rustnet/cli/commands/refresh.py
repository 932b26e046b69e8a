"""``rustnet refresh``: recomputes derived columns of a session."""

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from rustnet.cli.geo_options import ResolvingCommand, geo_options, resolve_option
from rustnet.cli.options import common
from rustnet.cli.outputs import check_session_name, check_streams_of
from rustnet.cli.sidecar_options import sidecar_options
from rustnet.cli.terminal import notify_error
from rustnet.errors import ExitCode, SessionError, UsageError
from rustnet.i18n import _
from rustnet.present.text import safe

if TYPE_CHECKING:
    from rustnet.ingest.options import GeoFiles


@click.command(
    cls=ResolvingCommand,
    help=_(
        "Recompute what is derived from the stored rows of SESSION, by all passes (relations, names, enrichment, "
        "hosts, ownership …) or only the PASSes given. The pass unknown-apps runs only if it is given, and needs "
        "tshark. With a sidecar that was missing when the capture was replayed, flows get the same owners as if it "
        "had been there. The pass enrichment looks up all addresses again; with --resolve it also asks for their "
        "names, which sends the addresses to your name server."
    ),
)
@click.argument("session", metavar="SESSION")
@click.argument("passes", metavar="[PASS]…", nargs=-1)
@sidecar_options
@geo_options
@resolve_option
@common
def command(
    session: str,
    passes: tuple[str, ...],
    sidecars: tuple[str, ...],
    sidecar_format: str | None,
    no_sidecar: bool,
    sidecar_offset: 'float | Literal["auto"] | None',
    geo: "GeoFiles",
    resolve: 'Literal["global", "all"] | None',
) -> ExitCode:
    """Run the passes and report what each changed."""
    from rustnet.derive.passes import Evidence  # noqa: PLC0415 -- DuckDB
    from rustnet.ingest.refresh import choose, refresh  # noqa: PLC0415

    check_session_name(session)
    check_streams_of(session, *sidecars, *geo.paths)
    if not Path(session).exists():
        raise SessionError(
            "{session}: no such session; create it with 'rustnet replay CAPTURE --db {session}'", session=session
        )
    selected = choose(passes)
    decoder = None
    if any(each.name == "unknown-apps" for each in selected):
        from rustnet.inspect.longtail import decode_packets, require  # noqa: PLC0415 -- only if asked for

        require()
        decoder = decode_packets
    if resolve is not None and all(each.name != "enrichment" for each in selected):
        raise UsageError("--resolve is for the pass enrichment, which is not among those given")
    evidence = Evidence(
        tuple(map(Path, sidecars)), sidecar_format, not no_sidecar, sidecar_offset, decoder=decoder, resolve=resolve
    )
    failed = False
    for each, outcome in refresh(session, selected, evidence, geo=geo):
        click.echo(_("{name}: {changed:,} rows changed").format(name=each.name, changed=outcome.changed))
        for sentence in (*outcome.notes, *outcome.losses):
            click.echo(f"  {safe(sentence)}")
        for sentence in outcome.failures:
            failed = True
            notify_error(sentence)
    return ExitCode.INPUT if failed else ExitCode.DONE
