"""Highest rate without a drop of ``rustnet live``, which stores everything, beside programs that only write packets.

    python -m benchmarks.live                     # rising rates, ten seconds each
    python -m benchmarks.live --minutes 5         # one rate: memory and CPU time over time

Needs root. A sender in a network namespace of its own sends UDP packets over a veth pair; the other end is captured.
For each rate are printed the packets that arrived there, those that the capture had and those that the kernel dropped,
CPU seconds per million packets, and the largest memory of all of the program's processes together. A rate counts if not
a single packet is missing. The sender shares the machine's cores: ``sender`` is its own CPU time.
"""

import argparse
import ctypes
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from benchmarks.ring import counts  # noqa: E402
from benchmarks.xdp import XdpSender, receive_like_a_card  # noqa: E402
from rustnet.query.session import open_session  # noqa: E402
from tests.live.namespaces import CLONE_NEWNET, Namespace, unavailable  # noqa: E402
from tests.support.packets import udp_frame  # noqa: E402

PAUSE = 0.0005
LAG = 2.0
"""Seconds that a capture goes on after the last packet was sent."""
START_SECONDS = 30.0
TICKS = os.sysconf("SC_CLK_TCK")


class Sender:
    """A process in a network namespace of its own, with one end of a veth pair."""

    def __init__(self, namespace: Namespace, size: int, flows: int) -> None:
        self.ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.pid = os.fork()
        if not self.pid:
            self.ours.close()
            _serve(theirs, size, flows)
        theirs.close()
        self.ours.recv(1)
        namespace.veth("a", "b")
        receive_like_a_card("b")
        namespace.run(f"ip link set dev a netns {self.pid}")
        self._ask("up")

    def _ask(self, words: str) -> list[float]:
        self.ours.send(words.encode())
        return [float(word) for word in self.ours.recv(1000).split()]

    def send(self, rate: float, seconds: float) -> tuple[int, float]:
        """Packets that arrived of those sent at about a rate per second, and CPU seconds that this took."""
        before = _received()
        _, cpu = self._ask(f"{rate} {seconds}")
        return _received() - before, cpu

    def close(self) -> None:
        """End the process."""
        self.ours.close()
        os.waitpid(self.pid, 0)


def _received() -> int:
    """Packets that interface b has received."""
    lines = Path("/proc/thread-self/net/dev").read_text().splitlines()
    return next(int(line.split()[2]) for line in lines if line.split()[0] == "b:")


def _serve(commands: socket.socket, size: int, flows: int) -> None:
    """Send as asked until the other end is closed."""
    ctypes.CDLL(None).unshare(CLONE_NEWNET)
    commands.send(b"x")
    if not commands.recv(1000):
        os._exit(0)
    Path("/proc/sys/net/ipv6/conf/a/disable_ipv6").write_text("1")
    subprocess.run(["ip", "link", "set", "dev", "a", "up"], check=True)
    commands.send(b"0")
    frame = udp_frame(("10.0.0.1", 1024), ("10.0.0.2", 9), bytes(size - 42))
    frame = frame[:40] + bytes(2) + frame[42:]  # without a checksum, as the payload changes
    burst = XdpSender("a", frame, flows).burst
    while text := commands.recv(1000):
        rate, seconds = map(float, text.split())
        before = time.process_time()
        sent, began = 0, time.monotonic()
        while (now := time.monotonic() - began) < seconds:
            if sent >= now * rate:
                time.sleep(PAUSE)
            else:
                sent += burst()
        commands.send(f"{sent} {time.process_time() - before}".encode())
    os._exit(0)


@dataclass
class Result:
    """What one capture had."""

    sent: int
    captured: int
    dropped: int
    cpu: float
    """CPU seconds of the program."""
    sender_cpu: float
    memory: int
    """Largest size of its processes together (PSS), in bytes."""


class Program:
    """A program that captures on interface b, and what its processes use."""

    def __init__(self, name: str, folder: Path, ring: int) -> None:
        self.name = name
        self.session = folder / "session.duckdb"
        self.output = folder / "capture.pcap"
        python = [sys.executable, "-m", "rustnet", "live", "-i", "b", "--no-tui", "--ring", str(ring)]
        command = {
            "rustnet": [*python, "--db", str(self.session)],
            "tcpdump": ["tcpdump", "-i", "b", "-n", "-B", str(ring * 1024), "-w", str(self.output)],
            "dumpcap": ["dumpcap", "-q", "-i", "b", "-B", str(ring), "-w", str(self.output)],
        }[name]
        self.process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT
        )
        self._wait()

    def _wait(self) -> None:
        """Wait until it captures."""
        until = time.monotonic() + START_SECONDS
        ready = Path(f"{self.session}.sock") if self.name == "rustnet" else self.output
        while not ready.exists():
            if self.process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"{self.name} did not start: {self.process.communicate()}")
            time.sleep(0.05)
        time.sleep(1)

    def processes(self) -> list[int]:
        """Its processes, however deep."""
        parents: dict[int, int] = {}
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
        own = {self.process.pid}
        while more := {pid for pid, parent in parents.items() if parent in own} - own:
            own |= more
        return sorted(own)

    def usage(self) -> dict[int, tuple[str, float, int]]:
        """Name, CPU seconds and PSS of each of its processes."""
        found = {}
        for pid in self.processes():
            try:
                words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
                rollup = Path(f"/proc/{pid}/smaps_rollup").read_text().split()
                pss = int(rollup[rollup.index("Pss:") + 1]) * 1024
                name = Path(f"/proc/{pid}/comm").read_text().strip()
            except (OSError, ValueError):
                continue
            found[pid] = (name, (int(words[11]) + int(words[12])) / TICKS, pss)
        return found

    def stop(self) -> tuple[int, int]:
        """End it; returns packets captured and dropped."""
        self.process.send_signal(signal.SIGINT)
        _, words = self.process.communicate(timeout=300)
        if self.name != "rustnet":
            return counts(words)
        with open_session(self.session) as session:
            ((captured, dropped),) = session.sql("SELECT packets, dropped_kernel FROM captures").rows
        return int(captured), int(dropped or 0)


def measured(name: str, size: int, flows: int, ring: int, rate: float, seconds: float, show: bool = False) -> Result:
    """One capture at one rate; with ``show`` its processes are printed every ten seconds."""
    with Namespace() as namespace, tempfile.TemporaryDirectory() as folder:
        source = Sender(namespace, size, flows)
        program = Program(name, Path(folder), ring)
        watch = Watch(program, show)
        before = program.usage()
        sent, sender_cpu = watch.during(lambda: source.send(rate, seconds))
        time.sleep(LAG)
        after = program.usage()
        cpu = sum(used for _, used, _ in after.values()) - sum(used for _, used, _ in before.values())
        captured, dropped = program.stop()
        source.close()
    return Result(sent, captured, dropped, cpu, sender_cpu, watch.peak)


class Watch:
    """Samples a program's memory while something else goes on."""

    def __init__(self, program: Program, show: bool) -> None:
        self.program = program
        self.show = show
        self.peak = 0

    def during(self, work: Callable[[], tuple[int, float]]) -> tuple[int, float]:
        """Run work, and sample every second, or every ten if that is shown."""
        stop = threading.Event()
        thread = threading.Thread(target=self._sample, args=(stop,))
        thread.start()
        try:
            return work()
        finally:
            stop.set()
            thread.join()

    def _sample(self, stop: threading.Event) -> None:
        began = time.monotonic()
        while True:
            usage = self.program.usage()
            total = sum(size for *_, size in usage.values())
            self.peak = max(self.peak, total)
            if self.show:
                each = "  ".join(f"{name} {cpu:.1f} s {size >> 20} MiB" for name, cpu, size in usage.values())
                print(f"{time.monotonic() - began:6.0f} s {total >> 20:6} MiB   {each}", flush=True)
            if stop.wait(10 if self.show else 1):
                return


def show(name: str, rate: int, result: Result, seconds: float) -> None:
    """Print one line."""
    print(
        f"{name:<10}{rate:>10,}{int(result.sent / seconds):>10,}{result.sent:>12,}{result.captured:>12,}"
        f"{result.dropped:>10,}{result.cpu / max(result.captured, 1) * 1e6:>9.2f}{result.memory >> 20:>9,}"
        f"{result.sender_cpu / max(result.sent, 1) * 1e6:>9.2f}",
        flush=True,
    )


def prefer() -> None:
    """Let the scheduler prefer this session's processes to those of others (Linux's groups of sessions)."""
    if os.getpid() != os.getsid(0):
        os.setsid()
    Path("/proc/self/autogroup").write_text("-15")


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--size", type=int, default=200, help="bytes of a packet")
    parser.add_argument("--flows", type=int, default=256, help="a power of two")
    parser.add_argument("--ring", type=int, default=64, help="MiB of each capture's ring")
    parser.add_argument("--rates", type=int, nargs="*", default=[50, 100, 150, 200, 250, 300, 400], help="in thousands")
    parser.add_argument("--programs", nargs="*", default=["rustnet", "dumpcap", "tcpdump"])
    parser.add_argument("--minutes", type=float, help="capture with rustnet at the first of the rates for so long")
    parser.add_argument("--first", action="store_true", help="before other programs on this machine, if it is busy")
    options = parser.parse_args()
    if options.first:
        prefer()
    if reason := unavailable():
        sys.exit(reason)
    heading = f"{'capture':<10}{'wanted/s':>10}{'sent/s':>10}{'sent':>12}{'captured':>12}{'dropped':>10}"
    heading += f"{'CPU s/M':>9}{'MiB':>9}{'sender':>9}"
    arguments = (options.size, options.flows, options.ring)
    if options.minutes:
        rate, seconds = options.rates[0] * 1000, options.minutes * 60
        result = measured("rustnet", *arguments, rate, seconds, show=True)
        print(heading)
        show("rustnet", rate, result, seconds)
        return
    print(heading)
    best = dict.fromkeys((name for name in options.programs if name == "rustnet" or shutil.which(name)), 0)
    for rate in options.rates:
        for name in best:
            result = measured(name, *arguments, rate * 1000, options.seconds)
            if not result.dropped and result.captured == result.sent:
                best[name] = max(best[name], int(result.sent / options.seconds))
            show(name, rate * 1000, result, options.seconds)
    for name, reached in best.items():
        print(f"{name}: {reached:,} packets/s without a drop")


if __name__ == "__main__":
    main()
