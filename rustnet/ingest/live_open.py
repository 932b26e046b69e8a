"""Opens what a live run reads: chooses interfaces, compiles the filter, and starts the probe, which opens the rings."""

import errno
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from rustnet.errors import RustnetError, UsageError
from rustnet.ingest.live_run import Rings
from rustnet.probe.live import OpenError, Request, hardware_type, start_probe
from rustnet.probe.ring_socket import ETHERNET, LINK_TYPES, RAW, RING_BYTES, Program, present_interfaces
from rustnet.sandbox import Layer
from rustnet.sandbox.live import confine_probe, confine_writer
from rustnet.sandbox.users import chosen_user, is_root
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
    sandbox: bool = True
    uid_drop: bool = True
    """Become the user who called sudo, once the rings are open."""
    user: str | None = None
    """The user to become; None: who called sudo."""


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
        probe = start_probe(request, partial(_confine_probe, options))
    except OpenError as error:
        raise refused(error) from None
    return Rings(tuple(probe.rings), probe, partial(_confine_writer, options))


def _confine_probe(options: LiveOptions) -> dict[str, object]:
    """Confine the probe, whose rings are open; returns a line about what is in force."""
    layers = confine_probe(sandbox=options.sandbox)
    return {"record": "confinement", "layers": [[each.name, each.state, each.detail] for each in layers]}


def _confine_writer(options: LiveOptions, outputs: Sequence[str], readable: Sequence[str]) -> list[Layer]:
    """Confine the process that holds the session."""
    user = chosen_user(options.user) if is_root() else None
    return confine_writer(outputs, user, readable=readable, drop_user=options.uid_drop, sandbox=options.sandbox)


def drop_user(options: LiveOptions) -> None:
    """Give up the privileges of this process and of all that it starts, but nothing else: it shows the session."""
    confine_writer((), chosen_user(options.user), drop_user=options.uid_drop, sandbox=False)


def own_folder(folder: str, options: LiveOptions) -> None:
    """Give a directory that root made to the user that this process will become."""
    user = chosen_user(options.user) if options.uid_drop and is_root() else None
    if user is not None:
        os.chown(folder, user.number, user.group)


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
