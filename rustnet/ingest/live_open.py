"""Opens what a live run reads: chooses interfaces, compiles the filter, and starts the probe, which opens the rings."""

import errno
import os
import sys
import time
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

from rustnet.errors import RustnetError, UsageError
from rustnet.i18n import _
from rustnet.ingest.live_confining import Confining
from rustnet.ingest.live_run import Rings
from rustnet.probe.helper import SOCKET
from rustnet.probe.live import OpenError, Probe, Request, start_probe
from rustnet.probe.ring_socket import RING_BYTES, hardware_type, link_type, ring_bytes
from rustnet.sandbox.grants import lacking_to_capture
from rustnet.sandbox.users import is_root
from rustnet.sources.bpf import compile_filters
from rustnet.sources.helper_client import request_rings
from rustnet.sources.interfaces import ANY, resolve
from rustnet.sources.libpcap import LibpcapSource, Settings

EXPECTED = 8
"""Interfaces among which the memory of rings is divided at least where all are captured: more may appear."""

UNPRIVILEGED = (errno.EPERM, errno.EACCES)


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
    """Size of each interface's ring; less where all interfaces are captured and these are many."""
    promiscuous: bool = False
    attribution: Literal["auto", "sock_diag", "none"] = "auto"
    """How to learn which process owns which flow; ``auto``: by eBPF, else by sock_diag."""
    full_command_lines: bool = False
    """Do not hide what looks like a secret in command lines."""
    sandbox: Literal["on", "off", "strict"] = "on"
    """Whether the probe and the process that holds the session are confined."""
    drop_user: bool = True
    """Whether to become another user than root once the rings are open."""
    drop_to: str | None = None
    """Name or number of that user; None: who called sudo."""
    groups: tuple[int, ...] = ()
    """Further groups that are kept."""
    libpcap: bool = False
    """Capture with libpcap, in one process, as on other systems than Linux."""
    helper: str = SOCKET
    """Socket of the helper, which is asked without the privilege to capture."""


def open_live(options: LiveOptions) -> Rings:
    """Open the rings, with a probe that goes on; needs the privilege to capture, or a helper that has it.

    Raises `UsageError` for unknown interfaces or a wrong filter, `RustnetError` without the privilege.
    """
    if options.libpcap or sys.platform != "linux":
        return open_by_libpcap(options)
    choice = resolve(options.interfaces)
    programs = compile_filters(
        options.filter, {name: hardware_type(name) for name in choice.names}, partly=choice.everything
    )
    names = [name for name in choice.names if not programs or link_type(hardware_type(name)) in programs]
    size = options.ring_bytes
    if choice.everything:
        size = min(size, ring_bytes(max(len(names), EXPECTED)))
    confining = Confining(options.sandbox, options.drop_user, options.drop_to, options.groups)
    request = Request(
        tuple(names),
        programs,
        options.snaplen,
        size,
        options.promiscuous,
        options.attribution,
        options.full_command_lines,
        everything=choice.everything,
    )
    notes = [words.sentence(_) for words in choice.notes]
    began = time.monotonic()
    try:
        probe = confining.start(partial(start_probe, request))
    except OpenError as error:
        if error.number not in UNPRIVILEGED or not os.path.lexists(options.helper):
            raise refused(error) from None
        probe = open_by_helper(request, confining, options.helper)
        words = _("{path}: the helper opened the rings; only owners among this user's processes can be known")
        notes.append(words.format(path=options.helper))
    name = ANY if choice.everything else ",".join(choice.names)
    return Rings(name, tuple(probe.rings), probe, confining, notes, began)


def open_by_libpcap(options: LiveOptions) -> Rings:
    """Open interfaces with libpcap, in this process. Raises `RustnetError`."""
    choice = resolve(options.interfaces)
    if choice.everything:
        raise UsageError("--interface any needs rings of packets; name the interfaces")
    confining = Confining(options.sandbox, options.drop_user, options.drop_to, options.groups)
    settings = Settings(options.filter, options.snaplen, options.promiscuous)
    source = LibpcapSource(choice.names, lambda: False, settings)
    notes = [words.sentence(_) for words in choice.notes]
    return Rings(",".join(choice.names), (), None, confining, notes, libpcap=source)


def open_by_helper(request: Request, confining: Confining, path: str) -> Probe:
    """Start a probe without privileges, and let the helper open the rings. Raises `RustnetError`."""
    names, programs = request.interfaces, request.programs
    by_interface = {name: programs[link_type(hardware_type(name))] for name in names} if programs else {}
    probe = confining.start(partial(start_probe, replace(request, opened=True)))
    try:
        rings = request_rings(names, request.snaplen, request.ring_bytes, by_interface, request.promiscuous, path)
    except BaseException:
        probe.close()
        os.waitpid(probe.pid, 0)
        raise
    probe.rings = list(zip(*rings, strict=True))
    return probe


def own_folder(folder: str, rings: Rings) -> None:
    """Give a directory that root made to the user that this process has become or becomes."""
    user = rings.confining.user
    if user is not None and rings.confining.drop_user and is_root():
        os.chown(folder, user.number, user.group)


def refused(error: OpenError) -> RustnetError:
    """Why a ring could not be opened."""
    lack = lacking_to_capture(sys.argv[1:]) if error.number in UNPRIVILEGED else None
    if lack is not None:
        return RustnetError(
            "cannot capture on {interface}: {why}; this grants it: {command}",
            interface=error.interface,
            why=lack.why,
            command=lack.command,
        )
    return RustnetError(
        "cannot capture on {interface}: {reason}", interface=error.interface, reason=os.strerror(error.number)
    )
