"""Metrics of a live capture in Prometheus' text format: in a file, or answered on a Unix socket."""

import contextlib
import os
import socket
import stat
import threading
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from rustnet import __version__
from rustnet.errors import RustnetError
from rustnet.ingest.live_state import Coverage, LiveState
from rustnet.probe.newfile import REASONS, NewFile, RefusedError, check_target, printable_path

SOCKET_PREFIX = "unix:"
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
MAX_REQUEST = 8192
"""Bytes of a request."""
REQUEST_SECONDS = 2.0
"""Time of a client to ask and to read; others wait meanwhile."""
BACKLOG = 16
RETRY_SECONDS = 0.2
MAX_LABELS = 512
"""Samples of one metric."""

Samples = Iterable[tuple[dict[str, str], float | None]]
"""Labels and value of each sample of a metric; without a value there is none."""


def metrics_text(state: LiveState) -> str:
    """All metrics of a state. What is not known has no sample."""
    lines: list[str] = []
    for name, kind, words, samples in _metrics(state):
        known = [(labels, value) for labels, value in samples if value is not None][:MAX_LABELS]
        if known:
            lines += [f"# HELP rustnet_{name} {words}", f"# TYPE rustnet_{name} {kind}"]
            lines += [f"rustnet_{name}{_labels(labels)} {_number(value)}" for labels, value in known]
    return "\n".join(lines) + "\n"


def _metrics(s: LiveState) -> Sequence[tuple[str, str, str, Samples]]:
    """Name, type, help and samples of each metric."""
    by_interface = [({"interface": each.name}, each) for each in s.interfaces]
    rings = bool(s.interfaces)
    return (
        ("build_info", "gauge", "Version of rustnet.", [({"version": __version__}, 1)]),
        ("capture_seconds", "gauge", "Time since the capture began.", _one(s.seconds)),
        ("packets_total", "counter", "Packets that were read.", _one(s.packets)),
        ("bytes_total", "counter", "Bytes of these packets on the wire.", _one(s.bytes)),
        ("packets_per_second", "gauge", "Packets a second since the state before.", _one(s.packets_per_second)),
        ("bytes_per_second", "gauge", "Bytes a second since the state before.", _one(s.bytes_per_second)),
        ("flows_total", "counter", "Flows that were seen.", _one(s.flows)),
        ("open_flows", "gauge", "Flows that are open.", _one(s.open_flows)),
        ("kernel_dropped_packets_total", "counter", "Packets that the kernel dropped because a ring was full.",
         _one(s.dropped if rings else None)),
        ("ring_freezes_total", "counter", "Times at which a ring was full.", _one(s.freezes if rings else None)),
        ("interface_packets_total", "counter", "Packets that were read, by interface.",
         [(labels, each.packets) for labels, each in by_interface]),
        ("interface_dropped_packets_total", "counter", "Packets that the kernel dropped, by interface.",
         [(labels, each.dropped) for labels, each in by_interface]),
        ("interface_up", "gauge", "Whether the interface exists and is up.",
         [(labels, each.up) for labels, each in by_interface]),
        ("attribution_info", "gauge", "Method by which owners of flows are learned.",
         [({"method": s.attribution}, 1)] if s.attribution else []),
        ("attribution_coverage_ratio", "gauge", "Share with an owner, of flows or bytes, last minute or whole capture.",
         [({"of": of, "window": window}, None if each is None else each.share)
          for of, window, each in _coverage(s)]),
        ("session_bytes", "gauge", "Size of the session on disk.", _one(s.session_bytes)),
        ("process_resident_bytes", "gauge", "Memory of each process of the capture.",
         [({"process": name}, size) for name, size in s.resident.items()]),
        ("alerts_total", "counter", "Alerts that were raised, by name.",
         [({"alert": name}, count) for name, count in s.alerts.items()]),
        ("flush_seconds", "gauge", "Time that the last flush of rows to the session took.", _one(s.flush_seconds)),
    )  # fmt: skip


def _one(value: float | None) -> Samples:
    return [({}, value)]


def _coverage(s: LiveState) -> Iterable[tuple[str, str, Coverage | None]]:
    yield "flows", "minute", s.flows_owned_last_minute
    yield "bytes", "minute", s.bytes_owned_last_minute
    yield "flows", "capture", s.flows_owned
    yield "bytes", "capture", s.bytes_owned


def _labels(labels: dict[str, str]) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items()) + "}"


def _escaped(value: str) -> str:
    """A label's value: backslash, quote and line feed escaped, and what is no UTF-8 replaced."""
    text = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return text.encode("utf-8", "replace").decode("utf-8")


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(float(value))


class MetricsFile:
    """Writes each state to a file, whole, for a collector of text files.

    A new file is for its owner alone; one that exists keeps its mode, so that it can be made readable beforehand.
    """

    def __init__(self, path: str, inputs: Sequence[str] = (), group: int | None = None) -> None:
        """Raise `RustnetError` if the file must not be written."""
        self.path, self._inputs, self._group = path, inputs, group
        try:
            existing = check_target(path, inputs, force=False)
            if existing is not None and not stat.S_ISREG(existing.st_mode):
                raise RustnetError("{path}: expected a file, or unix: and the path of a socket", path=_shown(path))
            self._write("")
        except RefusedError as error:
            words = REASONS[error.reason]
            raise RustnetError("{path}: {words}", path=_shown(path), words=words) from None
        except OSError as error:
            words = error.strerror or str(error)
            raise RustnetError("{path}: metrics cannot be written: {words}", path=_shown(path), words=words) from error

    @property
    def outputs(self) -> list[str]:
        """The file."""
        return [self.path]

    def put(self, state: LiveState) -> None:
        """Replace the file by a state. Raises OSError, `RefusedError`: then it is as it was before."""
        self._write(metrics_text(state))

    def _write(self, text: str) -> None:
        file = NewFile(self.path, self._inputs, group=self._group)
        try:
            with os.fdopen(file.descriptor, "w", encoding="utf-8") as stream:
                stream.write(text)
                stream.flush()
                file.publish()
        finally:
            file.discard()

    def start(self) -> None:
        """Nothing to begin: each state is written when it comes."""

    def close(self) -> None:
        """Empty the file: a collector would take what it holds for the present."""
        with contextlib.suppress(OSError, RefusedError):
            self._write("")


class MetricsSocket:
    """Answers GET /metrics with the latest state on a Unix socket that is this user's alone (a thread of its own)."""

    def __init__(self, path: str) -> None:
        """Create the socket. Raises `RustnetError`."""
        self.path = Path(path)
        self._text = ""
        self._closing = threading.Event()
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            os.fchmod(self._listener.fileno(), 0o600)  # so that bind creates it with this mode
            self._remove_stale()
            self._listener.bind(path)
            self.path.chmod(0o600)
            self._listener.listen(BACKLOG)
        except OSError as error:
            self._listener.close()
            words = error.strerror or str(error)
            raise RustnetError("{path}: metrics cannot be served: {words}", path=_shown(path), words=words) from error
        except RustnetError:
            self._listener.close()
            raise
        created = os.lstat(path)
        self._inode = created.st_dev, created.st_ino
        self._thread = threading.Thread(target=self._answer_all, name="rustnet-metrics", daemon=True)

    def _remove_stale(self) -> None:
        """Remove the socket of an earlier run, but nothing else."""
        try:
            status = os.lstat(self.path)
        except FileNotFoundError:
            return
        taken = RustnetError("{path}: metrics cannot be served: the name is taken", path=_shown(str(self.path)))
        if not stat.S_ISSOCK(status.st_mode) or status.st_uid not in (os.geteuid(), 0):
            raise taken
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as link:
            if link.connect_ex(str(self.path)) == 0:
                raise taken
        self.path.unlink()

    @property
    def outputs(self) -> list[str]:
        """The socket."""
        return [str(self.path)]

    def start(self) -> None:
        """Begin to answer; after processes were forked."""
        self._thread.start()

    def put(self, state: LiveState) -> None:
        """Answer with this state from now on."""
        self._text = metrics_text(state)

    def close(self) -> None:
        """Stop answering, and remove the socket."""
        self._closing.set()
        with contextlib.suppress(OSError):
            status = os.lstat(self.path)
            if (status.st_dev, status.st_ino) == self._inode:
                self.path.unlink()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes the thread
        self._listener.close()
        if self._thread.ident is not None:
            self._thread.join(2 * REQUEST_SECONDS)

    def _answer_all(self) -> None:
        while not self._closing.is_set():
            try:
                link, _peer = self._listener.accept()
            except OSError:
                self._closing.wait(RETRY_SECONDS)  # no descriptors are left, for example
                continue
            with link, contextlib.suppress(OSError):
                self._answer(link)

    def _answer(self, link: socket.socket) -> None:
        """Read a request and answer it, within `REQUEST_SECONDS`. Raises OSError."""
        until = time.monotonic() + REQUEST_SECONDS
        request = b""
        while b"\r\n\r\n" not in request and b"\n\n" not in request:
            link.settimeout(max(until - time.monotonic(), 0.001))
            part = link.recv(MAX_REQUEST + 1 - len(request))
            request += part
            if not part or len(request) > MAX_REQUEST:
                break
        status, body = self._response(request)
        head = (
            f"HTTP/1.0 {status}\r\nContent-Type: {CONTENT_TYPE}\r\nContent-Length: {len(body)}\r\n"
            "Connection: close\r\n\r\n"
        )
        link.settimeout(max(until - time.monotonic(), 0.1))
        link.sendall(head.encode("ascii") + (b"" if request.startswith(b"HEAD ") else body))

    def _response(self, request: bytes) -> tuple[str, bytes]:
        """Status and body of the answer to a request."""
        words = request.split(b"\n", 1)[0].split()
        if len(request) > MAX_REQUEST or len(words) != 3 or not words[2].startswith(b"HTTP/"):
            return "400 Bad Request", b"expected GET /metrics\n"
        if words[0] not in (b"GET", b"HEAD"):
            return "405 Method Not Allowed", b"expected GET /metrics\n"
        if words[1].partition(b"?")[0] != b"/metrics":
            return "404 Not Found", b"expected GET /metrics\n"
        return "200 OK", self._text.encode("utf-8")


def _shown(path: str) -> str:
    return printable_path(path)


def open_metrics(where: str, inputs: Sequence[str] = (), group: int | None = None) -> MetricsFile | MetricsSocket:
    """What ``--metrics`` names: a file, or a socket as ``unix:PATH``. Raises `RustnetError`.

    ``inputs`` are files that must not be replaced.
    """
    if where.startswith(SOCKET_PREFIX):
        return MetricsSocket(where.removeprefix(SOCKET_PREFIX))
    return MetricsFile(where, inputs, group)
