"""Two hosts in network namespaces, joined by a cable; programs that run in them; a recording of one of them."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.paths import ROOT

RECORDER = ROOT / "sidecar" / "record.py"
NEEDED = ("ip", "nsenter", "tcpdump", "curl")
HERE, THERE = "10.93.0.1", "10.93.0.2"
HERE6, THERE6 = "fd93::1", "fd93::2"


def missing() -> str:
    """Why no namespaces can be made here, or nothing."""
    if sys.platform != "linux":
        return "needs Linux"
    if os.geteuid():
        return "needs root"
    absent = [name for name in NEEDED if shutil.which(name) is None]
    if absent:
        return f"needs {', '.join(absent)}"
    probe = f"rnprobe{os.getpid()}"
    if ip("netns", "add", probe, check=False):
        return "network namespaces cannot be made here"
    ip("netns", "del", probe)
    return ""


def ip(*words: str, check: bool = True) -> int:
    return subprocess.run(["ip", *words], check=check, capture_output=not check).returncode


@dataclass
class Hosts:
    """Names of two namespaces: ``here`` is recorded, ``there`` is the rest of the world."""

    here: str
    there: str
    running: list[subprocess.Popen[Any]] = field(default_factory=list)

    def start(self, where: str, *command: str, **options: Any) -> subprocess.Popen[Any]:
        """Start a program in a namespace; its process id is that of the program itself."""
        made = subprocess.Popen(["nsenter", f"--net=/run/netns/{where}", *command], **options)
        self.running.append(made)
        return made

    def run(self, where: str, *command: str) -> None:
        """Run a program in a namespace to its end."""
        subprocess.run(["nsenter", f"--net=/run/netns/{where}", *command], check=True, timeout=20)

    def python(self, where: str, code: str, *arguments: str) -> subprocess.Popen[str]:
        """Start a Python program that says when it is ready; waits for that."""
        made = self.start(where, sys.executable, "-c", code, *arguments, stdout=subprocess.PIPE, text=True)
        assert made.stdout is not None
        assert made.stdout.readline(), f"the program in {where} did not start"
        return made


@contextlib.contextmanager
def two_hosts() -> Iterator[Hosts]:
    """Make the namespaces, and remove them with all that runs in them."""
    hosts = Hosts(f"rnh{os.getpid()}", f"rnt{os.getpid()}")
    try:
        for name in (hosts.here, hosts.there):
            ip("netns", "add", name)
        ip("link", "add", "wire", "netns", hosts.here, "type", "veth", "peer", "name", "wire", "netns", hosts.there)
        for name, four, six in ((hosts.here, HERE, HERE6), (hosts.there, THERE, THERE6)):
            ip("-n", name, "address", "add", f"{four}/24", "dev", "wire")
            ip("-n", name, "address", "add", f"{six}/64", "dev", "wire", "nodad")
            for link in ("lo", "wire"):
                ip("-n", name, "link", "set", link, "up")
        yield hosts
    finally:
        for process in hosts.running:
            process.kill()
            process.wait()
            for stream in (process.stdin, process.stdout, process.stderr):
                if stream:
                    stream.close()
        for name in (hosts.here, hosts.there):
            ip("netns", "del", name, check=False)


@contextlib.contextmanager
def recording(hosts: Hosts, folder: Path, *options: str) -> Iterator[Path]:
    """tcpdump and the recorder, side by side, while the block lasts; yields the capture's path."""
    capture = folder / "x.pcap"
    sidecar = folder / "x.pcap.connections.jsonl"
    dump = hosts.start(
        hosts.here, "tcpdump", "-i", "wire", "-n", "-U", "--immediate-mode", "-B", "16384", "-w", str(capture),
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    record = subprocess.Popen(
        [sys.executable, "-W", "error", str(RECORDER), "--netns", hosts.here, "--host", "here", "-o", str(sidecar),
         *options],
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    hosts.running.append(record)
    assert dump.stderr is not None
    assert "listening" in dump.stderr.readline()
    end = time.monotonic() + 10
    while not (sidecar.exists() and sidecar.stat().st_size) and time.monotonic() < end:
        time.sleep(0.02)
    time.sleep(0.1)
    yield capture
    time.sleep(0.5)
    for process in (record, dump):
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=20)
        assert process.returncode == 0, said
