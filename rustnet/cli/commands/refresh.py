"""``rustnet refresh``: work out again what follows from stored rows, with newer tables or later sidecars."""

from pathlib import Path
from typing import Literal

import click

from rustnet.cli.options import common
from rustnet.cli.sidecar_options import sidecar_options
from rustnet.cli.terminal import talk
from rustnet.errors import ExitCode, SessionError
from rustnet.i18n import _
from rustnet.present.text import safe


@click.command(
    help=_(
        "Run passes over a session again: relations, names, ownership; on demand unknown-apps, which needs tshark. "
        "Without names all but the latter run. A sidecar that was not there when the capture was replayed gives its "
        "owners now, the same as it would have given then."
    )
)
@click.argument("session", metavar="SESSION")
@click.argument("passes", metavar="[PASS]…", nargs=-1)
@sidecar_options
@common
def command(
    session: str,
    passes: tuple[str, ...],
    sidecars: tuple[str, ...],
    sidecar_format: str | None,
    no_sidecar: bool,
    sidecar_offset: 'float | Literal["auto"] | None',
) -> ExitCode:
    """Run the passes and report what each changed."""
    from rustnet.derive.passes import Evidence  # noqa: PLC0415 -- DuckDB
    from rustnet.ingest.refresh import choose, refresh  # noqa: PLC0415

    if not Path(session).exists():
        raise SessionError(
            "{session}: no such session; create one with 'rustnet replay CAPTURE --db {session}'", session=session
        )
    chosen = choose(passes)
    decoder = None
    if any(each.name == "unknown-apps" for each in chosen):
        from rustnet.inspect.longtail import decode_packets, require  # noqa: PLC0415 -- only if asked for

        require()
        decoder = decode_packets
    evidence = Evidence(tuple(map(Path, sidecars)), sidecar_format, not no_sidecar, sidecar_offset, decoder=decoder)
    failed = False
    for each, outcome in refresh(session, chosen, evidence):
        click.echo(_("{name}: {changed:,} rows changed").format(name=each.name, changed=outcome.changed))
        for sentence in (*outcome.notes, *outcome.losses):
            click.echo(f"  {safe(sentence)}")
        for sentence in outcome.failures:
            failed = True
            talk(_("rustnet: error: {words}").format(words=safe(sentence)))
    return ExitCode.INPUT if failed else ExitCode.DONE
