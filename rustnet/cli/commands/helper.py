"""``rustnet helper``: root's process that opens rings for the users whom its configuration names."""

import contextlib
import os
import signal
import socket
import sys
import time

import click

from rustnet.errors import ExitCode, UsageError
from rustnet.i18n import _, ngettext
from rustnet.probe.helper import CONFIGURATION, SOCKET


@click.command(
    short_help=_("Let users whom root names capture without sudo."),
    help=_(
        "Open capture sockets for users whom a configuration of root's names, so that their 'rustnet live' needs no"
        " privileges. Run by root, usually as a service. docs/live.md describes the configuration."
    ),
)
@click.option("--socket", "path", metavar="PATH", default=SOCKET, show_default=True, help=_("Listen on this socket."))
@click.option(
    "--configuration",
    metavar="FILE",
    default=CONFIGURATION,
    show_default=True,
    help=_("Who may capture on which interfaces; the file must be root's."),
)
@click.option("--check", is_flag=True, help=_("Only check the configuration."))
def command(path: str, configuration: str, check: bool) -> ExitCode:
    """Answer requests until a signal."""
    if not sys.platform.startswith("linux"):
        raise UsageError("the helper is only for Linux")
    from rustnet.probe.helper.configuration import HelperError, read_configuration  # noqa: PLC0415
    from rustnet.probe.helper.server import Helper, listen  # noqa: PLC0415
    from rustnet.sandbox.privileges import keep_capabilities  # noqa: PLC0415

    if os.geteuid() != 0:
        raise UsageError("the helper is root's: sudo rustnet helper")
    try:
        rules = len(read_configuration(configuration).rules)
        if check:
            words = ngettext("{path}: {n} rule, nothing is wrong", "{path}: {n} rules, nothing is wrong", rules)
            click.echo(words.format(path=configuration, n=rules))
            return ExitCode.DONE
        stop, wake = socket.socketpair()
        wake.setblocking(False)
        listener = listen(path)
        keep_capabilities(NET_RAW)
    except HelperError as error:
        raise UsageError("the helper: {words}", words=str(error)) from error
    signal.set_wakeup_fd(wake.fileno())
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # the configuration is read at each request
    _log(f"answers on {listener.getsockname()}, {rules} rules in {configuration}")
    try:
        Helper(listener, configuration, _log).run(stop)
    finally:
        signal.set_wakeup_fd(-1)
        if "LISTEN_PID" not in os.environ:
            with contextlib.suppress(OSError):
                os.unlink(path)  # noqa: PTH108
    return ExitCode.DONE


NET_RAW = 13
"""CAP_NET_RAW: what opening rings needs."""


def _log(words: str) -> None:
    """Write a line of the log; the journal adds the time by itself."""
    at = "" if "JOURNAL_STREAM" in os.environ else time.strftime("%Y-%m-%dT%H:%M:%SZ ", time.gmtime())
    sys.stderr.write(f"{at}rustnet helper: {words}\n")
    sys.stderr.flush()
