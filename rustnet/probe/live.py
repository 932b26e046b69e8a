"""The probe of a live run: the one process with privileges. It opens rings and reads tables; packets it never reads.

    command ── fork ─► probe
    control socket: descriptors of rings, each with its `RingInterface`; the probe ends when it is closed
    lines socket: one JSON object a line: connections as in a sidecar, and what ``record`` names

It is forked before the command gives its own privileges up.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import select
import signal
import socket
import threading
from dataclasses import asdict, dataclass, field
from typing import Any, Callable, Dict

from rustnet.probe.ebpf.follow import add_events
from rustnet.probe.links import LinkWatch
from rustnet.probe.machine import MachineCompanion
from rustnet.probe.options import Options
from rustnet.probe.recorder import Recorder
from rustnet.probe.ring_socket import Program, RingInterface, hardware_type, link_type, open_ring
from rustnet.probe.sources import linux_sources
from rustnet.probe.system import use_realtime

MAX_MESSAGE = 1 << 16
"""Bytes of a message of the control socket at most."""
EARLY_S = 0.05
"""Seconds after which a socket that is still open has its first line."""
POLL_S = 0.5
"""Seconds between two looks at all sockets."""
LAST_LINES_S = 1.0
"""Seconds that the last lines about the machine may take."""
IGNORED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Signals that are for the command: the probe ends with it."""

Keys = Dict[str, Any]


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
    attribution: str = "auto"
    """How to learn which process holds which socket: ``auto`` (eBPF, else sock_diag), ``sock_diag`` or ``none``."""
    full_command_lines: bool = False
    everything: bool = False
    """Whether to open rings of all interfaces that appear, not only of those named once they come back."""
    opened: bool = False
    """Whether another process opens the rings: then this one opens none."""


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


def start_probe(request: Request, confine: Callable[[], None]) -> Probe:
    """Fork a probe; returns once its rings are open. Raises `OpenError`.

    ``confine`` takes from the probe what it does not need once all is open.
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
            _serve(their_control, their_lines, request, confine)
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
        for _each in () if request.opened else request.interfaces:
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


def _serve(control: socket.socket, lines: socket.socket, request: Request, confine: Callable[[], None]) -> None:
    """Open the rings, then record until the control socket is closed."""
    watch = LinkWatch(None if request.everything else request.interfaces, list(request.interfaces))
    for name in () if request.opened else request.interfaces:
        if not send_ring(control, name, request):
            return
    out = Lines(lines)
    options = recording_options(request)
    sources = linux_sources(options) if request.attribution != "none" else None
    if sources is not None and request.attribution == "auto":
        add_events(sources)
    confine()
    recorder = None if sources is None else Recorder(options, out, sources)  # type: ignore[arg-type]  # it writes lines
    machine = MachineCompanion(None if request.everything else request.interfaces)
    if recorder is not None:
        machine.table = recorder.table
    stop, wake = socket.socketpair()
    thread = threading.Thread(target=_until_closed, args=(machine.run, stop, out.put), daemon=True)
    thread.start()
    if not request.opened:
        following = (_follow, watch, stop, control, request, out)
        threading.Thread(target=_until_closed, args=following, daemon=True).start()
    try:
        if recorder is None:
            control.recv(1)
        else:
            use_realtime()
            recorder.run(control)
    finally:
        wake.close()
        thread.join(LAST_LINES_S)
        if sources is not None:
            sources.close()


def _until_closed(work: Callable[..., None], *arguments: object) -> None:
    """Work until the command, or the process that reads the lines, has ended."""
    with contextlib.suppress(OSError, ValueError):  # a stream that was closed meanwhile
        work(*arguments)


def _follow(watch: LinkWatch, stop: socket.socket, control: socket.socket, request: Request, out: Lines) -> None:
    """Open rings of interfaces that appear, until ``stop`` is readable."""
    both: list[Any] = [watch, stop]
    while stop not in select.select(both, [], [], watch.due())[0]:
        for name in watch.new_interfaces():
            try:
                ring, interface = _open(name, request)
            except OSError as error:
                reason = error.strerror or str(error)
                out.put({"record": "interface_not_captured", "interface": name, "reason": reason})
                continue
            with ring:
                socket.send_fds(control, [json.dumps(asdict(interface)).encode()], [ring.fileno()])


class Lines:
    """Text stream to which several threads write whole lines."""

    def __init__(self, connection: socket.socket) -> None:
        self.out = connection.makefile("w", encoding="utf-8")
        self.lock = threading.Lock()

    def put(self, keys: Keys) -> None:
        """Write one object, and pass it on."""
        self.write(json.dumps(keys, separators=(",", ":")) + "\n")
        self.flush()

    def write(self, text: str) -> int:
        """Write whole lines."""
        with self.lock:
            return self.out.write(text)

    def flush(self) -> None:
        """Pass on what was written."""
        with self.lock:
            self.out.flush()


def send_ring(control: socket.socket, name: str, request: Request) -> bool:
    """Open the ring of an interface and send it, or why it cannot be opened."""
    try:
        ring, interface = _open(name, request)
    except OSError as error:
        control.send(json.dumps({"interface": name, "error": error.errno or 0}).encode())
        return False
    with ring:
        socket.send_fds(control, [json.dumps(asdict(interface)).encode()], [ring.fileno()])
    return True


def _open(name: str, request: Request) -> tuple[socket.socket, RingInterface]:
    """Open the ring of an interface; raises OSError."""
    program: Program = ()
    if request.programs:
        link = link_type(hardware_type(name))
        if link not in request.programs:
            raise OSError(errno.EOPNOTSUPP, "the capture filter makes no sense for its packets")
        program = request.programs[link]
    return open_ring(name, request.snaplen, request.ring_bytes, program, request.promiscuous)


def recording_options(request: Request) -> Options:
    """How the recorder works."""
    return Options(
        program="rustnet live",
        output="-",
        meta=None,
        interval=POLL_S,
        duration=0,
        rescan=2,
        early=EARLY_S,
        host=None,
        netns=None,
        namespaces=True,
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


def _last_words(lines: socket.socket, error: BaseException) -> None:
    """Send why the probe ends."""
    words = f"{type(error).__name__}: {error}"[:500]
    try:
        lines.sendall(json.dumps({"record": "probe_failed", "detail": words}).encode() + b"\n")
    except OSError:
        return
