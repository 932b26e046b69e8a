"""The recorder's command line."""

from __future__ import annotations

import argparse
import re
from dataclasses import dataclass
from typing import NoReturn

from rustnet.probe.newfile import is_stream, printable_path

VERSION = "rustnet-record/2"


@dataclass(frozen=True)
class Options:
    """What a recording is asked for."""

    program: str
    """Name under which it was started, for its messages."""
    output: str
    meta: str | None
    interval: float | None
    duration: float
    rescan: float
    early: float
    host: str | None
    netns: str | None
    cmdline: bool
    full_cmdline: bool
    hashes: bool
    packets: bool
    nat: bool
    udp: bool
    realtime: bool
    force: bool
    group: str | None
    namespaces: bool = False
    """Also record sockets of other network namespaces."""


def parse(arguments: list[str] | None, program: str = "record.py") -> Options:
    """Read the command line."""
    parser = _parser(program)
    values = vars(parser.parse_args(arguments))
    if (values["interval"] is not None and values["interval"] <= 0) or min(
        values["rescan"], values["duration"], values["early"]
    ) < 0:
        parser.error("times are positive numbers of seconds")
    if values["meta"] is None and values["output"] != "-" and not is_stream(values["output"]):
        values["meta"] = re.sub(r"\.jsonl$", "", values["output"]) + ".meta.json"
    return Options(program=program, **values)


class _Parser(argparse.ArgumentParser):
    """Names arguments without their control characters."""

    def error(self, message: str) -> NoReturn:
        """Show the message with the usage, and exit."""
        super().error(printable_path(message))


def _parser(program: str) -> argparse.ArgumentParser:
    about = "Record which process owns which socket, beside a packet capture."
    parser = _Parser(prog=program, description=about)
    add = parser.add_argument
    add("-o", "--output", default="-", metavar="FILE", help="JSON lines go here (default: standard output)")
    add("--meta", metavar="FILE", help="summary of the recording (default: FILE with .meta.json for .jsonl)")
    add("--force", action="store_true", help="replace existing captures, sessions and recordings")
    add("--group", metavar="NAME", help="let this group read the files (default: their owner only)")
    add("--interval", type=float, metavar="S", help="seconds from poll to poll (default: 0.5, without packets 0.25)")
    add("--duration", type=float, default=0, metavar="S", help="stop after S seconds (default: at SIGINT or SIGTERM)")
    add(
        "--rescan", type=float, default=2, metavar="S", help="look for sockets that changed hands so often (default: 2)"
    )
    add(
        "--early", type=float, default=10, metavar="S", help="first early line of an open socket; 0: none (default: 10)"
    )
    add("--host", metavar="NAME", help="name of this host in the lines (default: its own)")
    add("--netns", metavar="NAME|PATH|PID", help="record in this network namespace")
    add(
        "--namespaces",
        action="store_true",
        help="also record sockets of other network namespaces whose packets can be seen in this one",
    )
    add("--no-cmdline", dest="cmdline", action="store_false", help="leave command lines out: they may hold secrets")
    add("--full-cmdline", action="store_true", help="do not hide what looks like a secret in command lines")
    add(
        "--hash",
        dest="hashes",
        action="store_true",
        help="add the SHA-256 of each executable (up to 256 MiB, read while idle)",
    )
    add("--no-packets", dest="packets", action="store_false", help="do not watch for packets that open connections")
    add("--no-nat", dest="nat", action="store_false", help="do not look up translated addresses (conntrack)")
    add("--no-udp", dest="udp", action="store_false", help="watch TCP packets only")
    add("--no-realtime", dest="realtime", action="store_false", help="do not be scheduled before other programs")
    add("--version", action="version", version=VERSION)
    return parser
