"""``rustnet sidecar record``: the recorder of ``rustnet.probe``, with psutil on systems other than Linux."""

import sys

import click

from rustnet.errors import ExitCode
from rustnet.i18n import _


@click.command(
    add_help_option=False,
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
    short_help=_("Record which process owns which socket while packets are captured."),
)
@click.option("--psutil", "forced", is_flag=True, help=_("Use psutil even on Linux."))
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def command(forced: bool, arguments: tuple[str, ...]) -> ExitCode:
    """Run the recorder with the options of sidecar/record.py."""
    from rustnet.cli.psutil_sources import psutil_sources  # noqa: PLC0415 -- ctypes, sockets, psutil
    from rustnet.probe.command import record  # noqa: PLC0415
    from rustnet.probe.errors import RecordError, RefusedOutputError  # noqa: PLC0415
    from rustnet.probe.options import parse  # noqa: PLC0415
    from rustnet.probe.sources import linux_sources  # noqa: PLC0415

    try:
        options = parse(list(arguments), "rustnet sidecar record")
    except SystemExit as stop:  # argparse has printed its help or an error
        raise click.exceptions.Exit(int(stop.code or 0)) from None
    use_psutil = forced or not sys.platform.startswith("linux")
    try:
        record(options, psutil_sources if use_psutil else linux_sources)
    except RecordError as error:
        click.echo(_("rustnet: error: {words}").format(words=error), err=True)
        return ExitCode.USAGE if isinstance(error, RefusedOutputError) else ExitCode.FAILURE
    return ExitCode.DONE
