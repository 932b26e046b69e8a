"""Opens what a live run reads: chooses interfaces, compiles the filter, and starts the probe, which opens the rings."""

import errno
import os
from dataclasses import dataclass, field

from rustnet.errors import RustnetError
from rustnet.ingest.live_run import Rings
from rustnet.probe.live import OpenError, Request, hardware_type, start_probe
from rustnet.probe.ring_socket import ETHERNET, RAW, RING_BYTES, Program, link_type
from rustnet.sources.bpf import compile_filter
from rustnet.sources.interfaces import resolve

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
    notes: list[str] = field(default_factory=list)


def open_live(options: LiveOptions) -> Rings:
    """Open the rings, with a probe that goes on; needs the privilege to capture.

    Raises `UsageError` for unknown interfaces or a wrong filter, `RustnetError` without the privilege.
    """
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
        probe = start_probe(request)
    except OpenError as error:
        raise refused(error) from None
    return Rings(tuple(probe.rings), probe)


def chosen(names: tuple[str, ...]) -> list[str]:
    """Interfaces to capture from. Raises `UsageError`."""
    return resolve(names).names


def programs(expression: str, names: list[str]) -> dict[int, Program]:
    """The filter by link type. Raises `UsageError`."""
    if not expression.strip():
        return {}
    links = {link_type(hardware_type(name)): name for name in names}
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
