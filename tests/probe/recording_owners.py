"""Programs that use sockets and print who used which, and the recorder with one method while they run."""

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.sidecar.namespaces import Hosts

RECORD = """
import signal, socket, sys
from rustnet.probe.ebpf.follow import add_events
from rustnet.probe.options import parse
from rustnet.probe.recorder import Recorder
from rustnet.probe.sources import linux_sources
from rustnet.probe.system import use_realtime

method, out = sys.argv[1:]
options = parse(["--early", "0.05", "--host", "here"])
stop, wake = socket.socketpair()
signal.signal(signal.SIGTERM, lambda *_: wake.send(b"x"))
sources = linux_sources(options)
if method == "ebpf":
    add_events(sources)
use_realtime()
with open(out, "w", 1) as file:
    recorder = Recorder(options, file, sources)
    print("ready", flush=True)
    recorder.run(stop)
sources.close()
"""

# Each connection: one byte there, 2 ms, one byte back. Both sides print `pid local-port remote-port`.
SERVE = """
import ctypes, os, socket, sys, time
family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
server = socket.create_server((sys.argv[1], int(sys.argv[2])), family=family, backlog=512)
children = int(sys.argv[3])
print("ready", flush=True)
for _ in range(children - 1):
    if os.fork() == 0:
        ctypes.CDLL(None).prctl(1, 9)  # ends with its parent
        break
pid = os.getpid()
while True:
    one, other = server.accept()
    one.recv(1)
    time.sleep(0.002)
    one.sendall(b"y")
    os.write(1, f"{pid} {sys.argv[2]} {other[1]}\\n".encode())
    one.close()
"""
CONNECT = """
import os, socket, sys
print("ready", flush=True)
for _ in range(int(sys.argv[3])):
    with socket.create_connection((sys.argv[1], int(sys.argv[2])), 5) as one:
        one.sendall(b"x")
        one.recv(1)
        os.write(1, f"{os.getpid()} {one.getsockname()[1]} {sys.argv[2]}\\n".encode())
"""


@contextlib.contextmanager
def recorded(hosts: Hosts, method: str, out: Path) -> Iterator[None]:
    """The recorder, while the block lasts."""
    process = hosts.python(hosts.here, RECORD, method, str(out))
    yield
    process.terminate()
    assert process.wait(20) == 0


def lines(out: Path) -> list[dict[str, Any]]:
    """The recorder's lines about sockets."""
    read = [json.loads(line) for line in out.read_text("utf-8").splitlines()]
    return [line for line in read if line["protocol"] != "META"]


def numbers(out: Path) -> dict[str, Any]:
    """The recorder's last line."""
    last: dict[str, Any] = json.loads(out.read_text("utf-8").splitlines()[-1])
    assert last["record"] == "end"
    return last


def owners(out: Path, protocol: str = "TCP") -> dict[tuple[int, int], set[int]]:
    """Processes by local and remote port."""
    by_ends: dict[tuple[int, int], set[int]] = {}
    for line in lines(out):
        if line["protocol"] == protocol and line["pid"] is not None:
            ends = tuple(int(line[end].rpartition(":")[2]) for end in ("local_addr", "remote_addr"))
            by_ends.setdefault((ends[0], ends[1]), set()).add(line["pid"])
    return by_ends


def used(process: "subprocess.Popen[str]", count: int) -> list[tuple[tuple[int, int], int]]:
    """What a program printed: local and remote port of each of its uses, and its process id."""
    assert process.stdout is not None
    rows = [[int(word) for word in process.stdout.readline().split()] for _ in range(count)]
    return [((local, remote), pid) for pid, local, remote in rows]


def python(hosts: Hosts, code: str, *arguments: object) -> "subprocess.Popen[str]":
    """Start a program in the recorded namespace."""
    return hosts.python(hosts.here, code, *map(str, arguments))


EXECUTABLE = sys.executable
