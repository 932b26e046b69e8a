"""Rate of packets that rings and libpcap have without a drop, beside tcpdump and dumpcap: ``python -m benchmarks.ring``.

Needs root. A sender in a network namespace of its own sends UDP packets of a given size at rising rates over a veth
pair; the other end is captured. For each rate are printed the packets that were sent, those that the capture had and
those that the kernel dropped, and CPU seconds per million packets. The sender shares the machine's cores.
"""

import argparse
import ctypes
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from rustnet.probe.ring_socket import open_ring  # noqa: E402
from rustnet.sources.libpcap import LibpcapSource  # noqa: E402
from rustnet.sources.ring import RingSource  # noqa: E402
from tests.live.namespaces import Namespace, sender, unavailable  # noqa: E402
from tests.support.packets import udp_frame  # noqa: E402

BURST = 64
LAG = 2.0
"""Seconds that a capture goes on after the last packet was sent."""


class Vector(ctypes.Structure):
    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


class Message(ctypes.Structure):
    """``struct mmsghdr``."""

    _fields_ = (
        ("name", ctypes.c_void_p), ("name_length", ctypes.c_uint), ("vectors", ctypes.c_void_p),
        ("vector_count", ctypes.c_size_t), ("control", ctypes.c_void_p), ("control_length", ctypes.c_size_t),
        ("flags", ctypes.c_int), ("sent", ctypes.c_uint),
    )  # fmt: skip


def send(interface: str, rate: int, seconds: float, size: int) -> int:
    """Send for some seconds, about so many packets per second; returns how many were sent."""
    frame = udp_frame(("10.0.0.1", 40_000), ("10.0.0.2", 9), bytes(size - 42))
    data = ctypes.create_string_buffer(frame, len(frame))
    vector = Vector(ctypes.addressof(data), len(frame))
    messages = (Message * BURST)()
    for message in messages:
        message.vectors, message.vector_count = ctypes.addressof(vector), 1
    libc = ctypes.CDLL(None)
    sent, began = 0, time.monotonic()
    with sender(interface) as out:
        descriptor = out.fileno()
        while (now := time.monotonic() - began) < seconds:
            if sent >= now * rate:
                time.sleep(0.0005)
                continue
            sent += max(libc.sendmmsg(descriptor, messages, BURST, 0), 0)
    return sent


def in_child(rate: int, seconds: float, size: int) -> tuple[int, int]:
    """Begin to send in a process of its own; returns its id and a pipe with the number of packets at its end."""
    read, write = os.pipe()
    pid = os.fork()
    if not pid:
        time.sleep(0.5)
        os.write(write, str(send("a", rate, seconds, size)).encode())
        os._exit(0)
    os.close(write)
    return pid, read


def ours(name: str, rate: int, seconds: float, size: int, ring: int) -> tuple[int, int, int, float]:
    """Packets sent, captured and dropped, and CPU seconds, with `RingSource` or `LibpcapSource`."""
    until = time.monotonic() + seconds + LAG
    source: RingSource | LibpcapSource
    if name == "libpcap":
        source = LibpcapSource(["b"], lambda: time.monotonic() > until)
    else:
        opened, interface = open_ring("b", 0, ring)
        source = RingSource([opened.detach()], [interface], lambda: time.monotonic() > until)
    pid, pipe = in_child(rate, seconds, size)
    before = resource.getrusage(resource.RUSAGE_SELF)
    captured = sum(frames.count for frames in source.batches(0.1))
    after = resource.getrusage(resource.RUSAGE_SELF)
    sent = int(os.read(pipe, 100))
    os.close(pipe)
    os.waitpid(pid, 0)
    source.take_statistics(last=True)
    dropped = source.interfaces[0].dropped_kernel or 0
    source.close()
    return sent, captured, dropped, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def peer(command: list[str], rate: int, seconds: float, size: int) -> tuple[int, int, int, float]:
    """Packets sent, captured and dropped, and CPU seconds, with another program."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    time.sleep(1)
    pid, pipe = in_child(rate, seconds, size)
    sent = int(os.read(pipe, 100))
    os.close(pipe)
    time.sleep(LAG)
    process.send_signal(signal.SIGINT)
    _, words = process.communicate()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    os.waitpid(pid, 0)
    captured, dropped = counts(words)
    return sent, captured, dropped, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def counts(words: str) -> tuple[int, int]:
    """Packets captured and dropped, as tcpdump and dumpcap write them at their end."""
    if match := re.search(r"(\d+) packets? captured.*?(\d+) packets? dropped by kernel", words, re.DOTALL):
        return int(match[1]), int(match[2])
    if match := re.search(r"received/dropped on interface '[^']*': (\d+)/(\d+)", words):
        return int(match[1]), int(match[2])
    raise ValueError(f"no counts in: {words}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--size", type=int, default=200)
    parser.add_argument("--ring", type=int, default=64, help="MiB of each capture's ring")
    parser.add_argument("--rates", type=int, nargs="*", default=[50, 100, 150, 200, 300, 400, 600], help="in thousands")
    options = parser.parse_args()
    if reason := unavailable():
        sys.exit(reason)
    peers = {
        "tcpdump": ["tcpdump", "-i", "b", "-n", "-B", str(options.ring * 1024), "-w", "/dev/null"],
        "dumpcap": ["dumpcap", "-q", "-i", "b", "-B", str(options.ring), "-w", "/dev/null"],
    }
    print(f"{'capture':<10}{'wanted/s':>10}{'sent/s':>10}{'sent':>10}{'captured':>10}{'dropped':>10}{'CPU s/M':>9}")
    best = dict.fromkeys(("rustnet", "libpcap", *(name for name in peers if shutil.which(name))), 0)
    for rate in options.rates:
        for name in best:
            with Namespace() as namespace:
                namespace.veth("a", "b")
                arguments = (rate * 1000, options.seconds, options.size)
                sent, captured, dropped, cpu = (
                    peer(peers[name], *arguments) if name in peers else ours(name, *arguments, options.ring << 20)
                )
            reached = int(sent / options.seconds)
            if not dropped and captured == sent:
                best[name] = max(best[name], reached)
            print(
                f"{name:<10}{rate * 1000:>10,}{reached:>10,}{sent:>10,}{captured:>10,}{dropped:>10,}"
                f"{cpu / max(captured, 1) * 1e6:>9.2f}",
                flush=True,
            )
    for name, reached in best.items():
        print(f"{name}: {reached:,} packets/s without a drop")


if __name__ == "__main__":
    main()
