"""Opens what a live run reads: chooses interfaces, compiles the filter, and starts the probe, which opens the rings."""

import errno
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from rustnet.errors import RustnetError
from rustnet.ingest.live_run import Rings
from rustnet.probe.live import OpenError, Request, start_probe
from rustnet.probe.ring_socket import RING_BYTES, Program, hardware_type, link_type, ring_bytes
from rustnet.sandbox import Layer
from rustnet.sandbox.live import confine_probe, confine_writer
from rustnet.sandbox.users import chosen_user, is_root
from rustnet.sources.bpf import compile_filters
from rustnet.sources.interfaces import Choice, resolve

EXPECTED = 8
"""Interfaces among which the memory of rings is divided at least where all are captured: more may appear."""


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
    choice = resolve(options.interfaces)
    compiled = programs(options.filter, choice)
    names = [name for name in choice.names if not compiled or link_type(hardware_type(name)) in compiled]
    size = ring_bytes(max(len(choice.names), EXPECTED)) if choice.everything else RING_BYTES
    request = Request(
        tuple(names),
        compiled,
        options.snaplen,
        min(options.ring_bytes, size) if choice.everything else options.ring_bytes,
        options.promiscuous,
        options.processes,
        options.full_command_lines,
        choice.everything,
    )
    try:
        probe = start_probe(request, partial(_confine_probe, options))
    except OpenError as error:
        raise refused(error) from None
    return Rings(tuple(probe.rings), probe, partial(_confine_writer, options), choice)


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


def programs(expression: str, choice: Choice) -> dict[int, Program]:
    """The filter by link type. Raises `UsageError`."""
    if not expression.strip():
        return {}
    hardware = {name: hardware_type(name) for name in choice.names}
    return compile_filters(expression, hardware, partly=choice.everything)


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
