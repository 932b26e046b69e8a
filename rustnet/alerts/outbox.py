"""The process that delivers alerts: one job at a time, each a process of its own with a time limit.

It has the rights of the user who called rustnet (of nobody if that was root itself), no capability and no way to get
one. It gets JSON lines, and ends some seconds after the other side is gone.
"""

import contextlib
import json
import os
import pwd
import select
import signal
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rustnet import __version__
from rustnet.alerts.findings import as_json
from rustnet.isolation import NEUTRAL_DIRECTORY, environment
from rustnet.present.text import cut, safe
from rustnet.sandbox import close_descriptors, empty_standard_streams
from rustnet.sandbox.privileges import NOBODY, clear_bounding_set, clear_capabilities, no_new_privileges

if TYPE_CHECKING:
    from rustnet.alerts.delivery import Targets

JOB_SECONDS = 10.0
"""Longest time of one job; then it is killed with all that it started."""
QUEUE = 100
"""Most jobs that wait; of further ones, the newest are not done."""
LINE = 1 << 16
"""Longest line that is read."""
LAST_SECONDS = 5.0
"""Time for what waits once the other side has ended."""
LOOK_SECONDS = 0.05
_KEPT = ("DISPLAY", "WAYLAND_DISPLAY", "XAUTHORITY", "XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS")
"""Variables that a notification needs."""
_URGENCY = {"low": "low", "medium": "normal", "high": "critical"}
_APPLE = (
    "-e", "on run argv", "-e", "display notification (item 2 of argv) with title (item 1 of argv)", "-e", "end run",
)  # fmt: skip


@dataclass(slots=True)
class _Count:
    """What became of the jobs for one target."""

    failed: int = 0
    reason: str = ""


@dataclass(slots=True)
class _Job:
    """A process that delivers one alert."""

    target: str
    pid: int
    until: float
    reason: int = -1
    """Descriptor from which the reason of a failure is read."""


def serve(link: socket.socket, targets: "Targets", program: str | None) -> None:
    """Deliver what comes over ``link``; ``program`` shows notifications. Runs in the forked process."""
    os.setsid()
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    empty_standard_streams(keep_errors=False)
    close_descriptors([link.fileno()])
    os.chdir(NEUTRAL_DIRECTORY)
    give_up_privileges()
    if targets.webhook:
        import urllib.request  # noqa: F401, PLC0415 -- before the first job, which has little time
    _Outbox(link, targets, program).run()


def give_up_privileges() -> None:
    """Become the user who called sudo, or nobody instead of root; without capabilities, and without a way to any.

    Raises OSError where that fails: then nothing is delivered.
    """
    if os.geteuid() == 0 or os.getuid() == 0:
        user, group = (_number(os.environ.get(name)) for name in ("SUDO_UID", "SUDO_GID"))
        if not user or not group:
            user = group = NOBODY
        if sys.platform == "linux":
            clear_bounding_set()
        os.setgroups([])
        os.setregid(group, group)
        os.setreuid(user, user)
    if sys.platform == "linux":
        clear_capabilities()
        no_new_privileges()
    if 0 in (os.getuid(), os.geteuid()):
        raise PermissionError


def _number(text: str | None) -> int:
    return int(text) if text is not None and text.isascii() and text.isdecimal() and len(text) < 11 else 0


def own_environment() -> dict[str, str]:
    """Return the variables of what is started: those of `isolation`, the user's directory, and the desktop's."""
    user = os.getuid()
    extra = {name: os.environ[name] for name in _KEPT if name in os.environ}
    with contextlib.suppress(KeyError):
        entry = pwd.getpwuid(user)
        extra |= {"HOME": entry.pw_dir, "USER": entry.pw_name, "LOGNAME": entry.pw_name}
    if sys.platform == "linux":  # sudo forgets where the user's desktop is
        extra.setdefault("XDG_RUNTIME_DIR", f"/run/user/{user}")
        extra.setdefault("DBUS_SESSION_BUS_ADDRESS", f"unix:path=/run/user/{user}/bus")
    return environment(**extra)


class _Outbox:
    """Reads alerts, and does one job after another."""

    def __init__(self, link: socket.socket, targets: "Targets", program: str | None) -> None:
        self._link = link
        self._targets = targets
        self._program = program
        self._environment = own_environment()
        self._queue: deque[tuple[str, dict[str, Any]]] = deque()
        self._buffer = b""
        self._job: _Job | None = None
        self._until: float | None = None
        """When everything has to have ended; None: the other side has not."""
        self._counts: dict[str, _Count] = {}

    def run(self) -> None:
        """Work until the other side has ended, and nothing waits or the time is over."""
        self._link.setblocking(False)
        while True:
            if self._until is None:
                wait = LOOK_SECONDS if self._job or self._queue else None
                if select.select([self._link], [], [], wait)[0]:
                    self._read()
            elif self._job:
                time.sleep(LOOK_SECONDS)
            self._look()
            while self._job is None and self._queue:
                self._begin(*self._queue.popleft())
            if self._until is not None and ((not self._job and not self._queue) or time.monotonic() >= self._until):
                break
        self._end()

    def _read(self) -> None:
        try:
            part = self._link.recv(1 << 16)
        except BlockingIOError:
            return
        except OSError:
            part = b""
        if not part:
            self._until = time.monotonic() + LAST_SECONDS
            return
        *lines, self._buffer = (self._buffer + part).split(b"\n")
        self._buffer = self._buffer if len(self._buffer) <= LINE else b""
        for line in lines:
            with contextlib.suppress(ValueError):
                alert = json.loads(line)
                if isinstance(alert, dict):
                    self._put(alert)

    def _put(self, alert: dict[str, Any]) -> None:
        targets = self._targets
        wanted = (("command", targets.command), ("webhook", targets.webhook), ("desktop", targets.desktop))
        for target, chosen in wanted:
            if not chosen:
                continue
            if len(self._queue) >= QUEUE:
                self._failed(target, "too many waited")
            else:
                self._queue.append((target, alert))

    def _failed(self, target: str, reason: str) -> None:
        count = self._counts.setdefault(target, _Count())
        count.failed += 1
        count.reason = count.reason or reason[:200]

    def _begin(self, target: str, alert: dict[str, Any]) -> None:
        start = {"command": self._run_command, "webhook": self._post, "desktop": self._notify}[target]
        try:
            pid, reason = start(alert)
        except OSError as error:
            self._failed(target, error.strerror or type(error).__name__)
            return
        self._job = _Job(target, pid, time.monotonic() + JOB_SECONDS, reason)

    def _look(self) -> None:
        """Look whether the job has ended, and kill one that takes too long."""
        job = self._job
        if job is None:
            return
        pid, status = os.waitpid(job.pid, os.WNOHANG)
        if pid:
            code = os.waitstatus_to_exitcode(status)
            if code:
                self._failed(job.target, _reason(job) or f"exit code {code}")
        elif time.monotonic() >= job.until:
            _kill(job)
            self._failed(job.target, f"took longer than {JOB_SECONDS:g} s")
        else:
            return
        with contextlib.suppress(OSError):
            os.killpg(job.pid, signal.SIGKILL)  # what it started and left
        if job.reason >= 0:
            os.close(job.reason)
        self._job = None

    def _end(self) -> None:
        """Kill what still works, and report what was not delivered."""
        if self._job is not None:
            _kill(self._job)
            self._failed(self._job.target, "the run had ended")
        for target, _alert in self._queue:
            self._failed(target, "the run had ended")
        report = {target: [count.failed, count.reason] for target, count in self._counts.items()}
        self._link.settimeout(1.0)
        with contextlib.suppress(OSError):
            self._link.sendall(as_json(report).encode())

    # ---- jobs --------------------------------------------------------------------------------------------------------

    def _start(self, command: list[str], text: bytes) -> tuple[int, int]:
        """Start a program with ``text`` on its standard input, which takes less than a pipe holds."""
        read, write = os.pipe()
        try:
            process = subprocess.Popen(  # noqa: S603 -- the user's own configuration, or the desktop's program
                command, stdin=read, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=self._environment,
                cwd=NEUTRAL_DIRECTORY, start_new_session=True, close_fds=True,
            )  # fmt: skip
            os.set_blocking(write, False)
            with contextlib.suppress(OSError):
                os.write(write, text)
        finally:
            os.close(read)
            os.close(write)
        process.returncode = 0  # this process waits for it itself
        return process.pid, -1

    def _run_command(self, alert: dict[str, Any]) -> tuple[int, int]:
        return self._start(list(self._targets.command), as_json(alert).encode() + b"\n")

    def _notify(self, alert: dict[str, Any]) -> tuple[int, int]:
        title = cut(safe(f"rustnet: {alert.get('title')}"), 100)
        words = cut(safe(str(alert.get("summary"))), 300)
        assert self._program is not None
        if sys.platform == "darwin":
            return self._start([self._program, *_APPLE, title, words], b"")
        for char, name in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):  # the text of a notification has markup
            words = words.replace(char, name)
        urgency = _URGENCY.get(str(alert.get("severity")), "normal")
        return self._start([self._program, "--app-name=rustnet", f"--urgency={urgency}", "--", title, words], b"")

    def _post(self, alert: dict[str, Any]) -> tuple[int, int]:
        """Post an alert in a process of its own: a server can then not hold up more than that."""
        read, write = os.pipe()
        pid = os.fork()
        if pid:
            os.close(write)
            return pid, read
        status = 1
        try:
            os.setsid()
            os.close(read)
            why = _attempted(lambda: post(self._targets.webhook, as_json(alert).encode()))
            os.write(write, why.encode()[:200])
            status = 1 if why else 0
        finally:
            os._exit(status)


def _attempted(work: Callable[[], None]) -> str:
    """Do ``work``; return why it failed, or nothing."""
    try:
        work()
    except Exception as error:  # noqa: BLE001 -- whatever a server answers
        return safe(f"{type(error).__name__}: {error}" if not isinstance(error, OSError) else str(error))
    return ""


def post(address: str, body: bytes) -> None:
    """Post JSON to an address with HTTP. Redirections are not followed: they are errors, as other failures are."""
    from urllib.request import (  # noqa: PLC0415 -- takes long to load
        HTTPDefaultErrorHandler,
        HTTPErrorProcessor,
        HTTPHandler,
        HTTPSHandler,
        OpenerDirector,
        ProxyHandler,
        Request,
    )

    opener = OpenerDirector()
    for handler in (ProxyHandler, HTTPHandler, HTTPSHandler, HTTPDefaultErrorHandler, HTTPErrorProcessor):
        opener.add_handler(handler())
    headers = {"Content-Type": "application/json", "User-Agent": f"rustnet/{__version__}"}
    request = Request(address, body, headers, method="POST")  # noqa: S310 -- http or https, as was checked
    with opener.open(request, timeout=JOB_SECONDS) as answer:
        answer.read(1024)


def _reason(job: _Job) -> str:
    """Return why a job failed, as it states."""
    if job.reason < 0:
        return ""
    os.set_blocking(job.reason, False)
    with contextlib.suppress(OSError):
        return os.read(job.reason, 200).decode("utf-8", "replace")
    return ""


def _kill(job: _Job) -> None:
    for kill in (os.killpg, os.kill):
        with contextlib.suppress(OSError):
            kill(job.pid, signal.SIGKILL)
    with contextlib.suppress(ChildProcessError):
        os.waitpid(job.pid, 0)
