"""Opens what a live run reads: chooses interfaces, compiles the filter, and starts the probe, which opens the rings."""

import errno
import os
from dataclasses import dataclass, field
from functools import partial

from rustnet.errors import RustnetError, UsageError
from rustnet.ingest.live_confining import Confining, Sandbox
from rustnet.ingest.live_run import Rings
from rustnet.probe.live import OpenError, Request, hardware_type, start_probe
from rustnet.probe.ring_socket import ETHERNET, LINK_TYPES, RAW, RING_BYTES, Program, present_interfaces
from rustnet.sources.bpf import compile_filter

USUAL_LINKS = (ETHERNET, RAW)
"""Link types for which a filter is compiled although no chosen interface has them: one may appear."""


@dataclass(frozen=True, slots=True)
class LiveOptions:
    """From where and how packets are captured."""

    interfaces: tuple[str, ...] = ()
    """Names of interfaces; none: the interface of the default route."""
    filter: str = ""
    """Expression in the language of `pcap-filter(7)`."""
    snaplen: int = 0
    """Bytes kept of a packet; 0: all."""
    ring_bytes: int = RING_BYTES
    """Size of each interface's ring."""
    promiscuous: bool = False
    processes: bool = True
    """Record which process owns which flow."""
    full_command_lines: bool = False
    """Do not hide what looks like a secret in command lines."""
    drop_user: bool = True
    """Root becomes the user who called the program."""
    drop_to: str | None = None
    """Name or number of the user that root becomes instead."""
    groups: tuple[int, ...] = ()
    """Further groups that are kept."""
    notes: list[str] = field(default_factory=list)


def open_live(options: LiveOptions, sandbox: Sandbox = "on") -> Rings:
    """Open the rings, with a probe that goes on, and give up the privilege to capture, which this needs.

    Raises `UsageError` for unknown interfaces or a wrong filter, `RustnetError` without the privilege.
    """
    confining = Confining(sandbox, options.drop_user, options.drop_to, options.groups)
    names = chosen(options.interfaces)
    request = Request(
        tuple(names),
        programs(options.filter, names),
        options.snaplen,
        options.ring_bytes,
        options.promiscuous,
        options.processes,
        options.full_command_lines,
    )
    try:
        probe = confining.start(partial(start_probe, request))
    except OpenError as error:
        raise refused(error) from None
    try:
        confining.drop()
    except BaseException:
        probe.close()
        raise
    return Rings(tuple(probe.rings), probe, confining)


def chosen(names: tuple[str, ...]) -> list[str]:
    """Interfaces to capture from. Raises `UsageError`."""
    present = present_interfaces()
    for name in names:
        if name not in present:
            raise UsageError(
                "there is no interface {name}; there are {names}", name=name, names=", ".join(sorted(present))
            )
    return list(dict.fromkeys(names))


def programs(expression: str, names: list[str]) -> dict[int, Program]:
    """The filter by link type. Raises `UsageError`."""
    if not expression.strip():
        return {}
    links = {LINK_TYPES.get(hardware_type(name), RAW): name for name in names}
    return {link: compile_filter(expression, link, links.get(link)) for link in (*links, *USUAL_LINKS)}


def refused(error: OpenError) -> RustnetError:
    """Why a ring could not be opened."""
    if error.number in (errno.EPERM, errno.EACCES):
        return RustnetError(
            "capturing on {interface} needs the privilege CAP_NET_RAW; start rustnet live with sudo",
            interface=error.interface,
        )
    return RustnetError(
        "cannot capture on {interface}: {reason}", interface=error.interface, reason=os.strerror(error.number)
    )
