"""The probe of a live run: the one process with privileges. It opens rings and reads tables; packets it never reads.

    command ── fork ─► probe
    control socket: descriptors of rings, each with its `RingInterface`; the probe ends when it is closed
    lines socket: one JSON object a line: connections as in a sidecar, and what ``record`` names

It is forked before the command gives its own privileges up.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import threading
from dataclasses import asdict, dataclass, field
from typing import Any, Callable, Dict, Protocol

from rustnet.probe.ebpf.follow import add_events
from rustnet.probe.options import Options
from rustnet.probe.recorder import Recorder
from rustnet.probe.ring_socket import LINK_TYPES, Program, RingInterface, open_ring
from rustnet.probe.sources import linux_sources

MAX_MESSAGE = 1 << 16
"""Bytes of a message of the control socket at most."""
EARLY_S = 0.05
"""Seconds after which a socket that is still open has its first line."""
POLL_S = 0.5
"""Seconds between two looks at all sockets."""
IGNORED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Signals that are for the command: the probe ends with it."""

Keys = Dict[str, Any]


class Companion(Protocol):
    """What the probe does on a thread of its own while it records who holds which socket."""

    def run(self, stop: socket.socket, write: Callable[[Keys], None]) -> None:
        """Work until ``stop`` is readable; ``write`` takes one line."""


@dataclass(frozen=True)
class Request:
    """What a probe is asked for."""

    interfaces: tuple[str, ...]
    programs: dict[int, Program] = field(default_factory=dict)
    """Capture filter by LINKTYPE."""
    snaplen: int = 0
    """Bytes kept of a packet; 0: all."""
    ring_bytes: int = 64 << 20
    promiscuous: bool = False
    processes: bool = True
    """Whether to record which process holds which socket."""
    full_command_lines: bool = False


@dataclass
class Probe:
    """A running probe, as the command sees it."""

    pid: int
    control: socket.socket
    lines: socket.socket
    rings: list[tuple[int, RingInterface]]
    """Descriptors of the rings, and what their reader has to know."""

    def forget_rings(self) -> None:
        """Close this process's copies of the rings."""
        for descriptor, _interface in self.rings:
            os.close(descriptor)
        self.rings = []

    def close(self) -> None:
        """Close everything; the probe ends once every process has."""
        self.forget_rings()
        self.control.close()
        self.lines.close()


class OpenError(Exception):
    """A ring could not be opened."""

    def __init__(self, interface: str, number: int) -> None:
        super().__init__(interface, number)
        self.interface = interface
        self.number = number
        """The error's number, as in ``errno``."""


def start_probe(
    request: Request,
    confine: Callable[[], list[Keys]] | None = None,
    companions: Callable[[], list[Companion]] | None = None,
) -> Probe:
    """Fork a probe; returns once its rings are open. Raises `OpenError`.

    ``confine`` takes from the probe what it does not need once the rings are open, and returns lines about that.
    """
    control, their_control = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    lines, their_lines = socket.socketpair()
    pid = os.fork()
    if not pid:
        status = 1
        try:
            control.close()
            lines.close()
            for number in IGNORED:
                signal.signal(number, signal.SIG_IGN)
            _serve(their_control, their_lines, request, confine, companions)
            status = 0
        except (BrokenPipeError, ConnectionResetError):
            status = 0
        except BaseException as error:  # noqa: BLE001 -- the process ends here
            _last_words(their_lines, error)
        finally:
            os._exit(status)
    their_control.close()
    their_lines.close()
    probe = Probe(pid, control, lines, [])
    try:
        for _each in request.interfaces:
            probe.rings.append(receive_ring(control))
    except BaseException:
        probe.close()
        os.waitpid(pid, 0)
        raise
    return probe


def receive_ring(control: socket.socket) -> tuple[int, RingInterface]:
    """Receive one ring from a probe. Raises `OpenError`, and `EOFError` if the probe has ended."""
    message, descriptors, _flags, _address = socket.recv_fds(control, MAX_MESSAGE, 1)
    if not message:
        raise EOFError
    values = json.loads(message)
    if "error" in values:
        raise OpenError(str(values["interface"]), int(values["error"]))
    return descriptors[0], RingInterface(**values)


def _serve(
    control: socket.socket,
    lines: socket.socket,
    request: Request,
    confine: Callable[[], list[Keys]] | None,
    companions: Callable[[], list[Companion]] | None,
) -> None:
    """Open the rings, then record until the control socket is closed."""
    for name in request.interfaces:
        if not send_ring(control, name, request):
            return
    out = lines.makefile("w", encoding="utf-8")
    lock = threading.Lock()

    def write(keys: Keys) -> None:
        text = json.dumps(keys, separators=(",", ":")) + "\n"
        with lock:
            out.write(text)
            out.flush()

    for keys in confine() if confine is not None else ():
        write(keys)
    threads = []
    for companion in companions() if companions is not None else ():
        stop, wake = socket.socketpair()
        thread = threading.Thread(target=companion.run, args=(stop, write), daemon=True)
        thread.start()
        threads.append((thread, wake))
    if request.processes and sys.platform.startswith("linux"):
        _record(control, _Locked(out, lock), request)
    else:
        control.recv(1)


class _Locked:
    """Text stream that several threads write whole lines to."""

    def __init__(self, out: Any, lock: threading.Lock) -> None:
        self.out, self.lock = out, lock

    def write(self, text: str) -> int:
        """Write whole lines."""
        with self.lock:
            return int(self.out.write(text))

    def flush(self) -> None:
        """Pass on what was written."""
        with self.lock:
            self.out.flush()


def send_ring(control: socket.socket, name: str, request: Request) -> bool:
    """Open the ring of an interface and send it, or why it cannot be opened."""
    try:
        kind = hardware_type(name)
        program = request.programs.get(LINK_TYPES.get(kind, -1), ())
        ring, interface = open_ring(name, request.snaplen, request.ring_bytes, program, request.promiscuous)
    except OSError as error:
        control.send(json.dumps({"interface": name, "error": error.errno or 0}).encode())
        return False
    with ring:
        socket.send_fds(control, [json.dumps(asdict(interface)).encode()], [ring.fileno()])
    return True


def hardware_type(name: str) -> int:
    """Type of hardware of an interface, ARPHRD; -1 if the system does not show it."""
    try:
        with open(f"/sys/class/net/{name}/type", encoding="ascii") as file:
            return int(file.read())
    except (OSError, ValueError):
        return -1


def _record(control: socket.socket, out: Any, request: Request) -> None:
    """Record which process holds which socket."""
    options = Options(
        program="rustnet live",
        output="-",
        meta=None,
        interval=POLL_S,
        duration=0,
        rescan=2,
        early=EARLY_S,
        host=None,
        netns=None,
        cmdline=True,
        full_cmdline=request.full_command_lines,
        hashes=False,
        packets=True,
        nat=True,
        udp=True,
        realtime=True,
        force=False,
        group=None,
    )
    sources = linux_sources(options)
    add_events(sources)
    try:
        Recorder(options, out, sources).run(control)
    finally:
        sources.close()


def _last_words(lines: socket.socket, error: BaseException) -> None:
    """Send why the probe ends."""
    words = f"{type(error).__name__}: {error}"[:500]
    try:
        lines.sendall(json.dumps({"record": "probe_failed", "detail": words}).encode() + b"\n")
    except OSError:
        return
