"""``rustnet sidecar record``: the recorder of ``sidecar/record.py``, with psutil where the system is not Linux."""

import sys

import click

from rustnet.errors import ExitCode
from rustnet.i18n import _


@click.command(
    add_help_option=False,
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
    short_help=_("Record which process owns which socket, beside a packet capture."),
)
@click.option("--psutil", "forced", is_flag=True, help=_("Ask psutil even on Linux."))
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def command(forced: bool, arguments: tuple[str, ...]) -> ExitCode:
    """Take the options of record.py, and do the same."""
    from rustnet.attribute.recording import load_recorder, psutil_sources  # noqa: PLC0415 -- ctypes, sockets, psutil

    recorder = load_recorder()
    try:
        options = recorder.parse(list(arguments), "rustnet sidecar record")
    except SystemExit as stop:  # argparse has said what is wrong, or helped
        raise click.exceptions.Exit(int(stop.code or 0)) from None
    elsewhere = forced or not sys.platform.startswith("linux")
    try:
        recorder.record(options, **(psutil_sources(recorder, options) if elsewhere else {}))
    except recorder.RecordError as error:
        click.echo(f"rustnet: {error}", err=True)
        return ExitCode.FAILURE
    return ExitCode.DONE
