"""Captures that attack the program, with time and memory of each: ``python -m benchmarks.hostile``.

Every case is a small file that expands to much work or many rows. Printed are the exit code, wall and CPU time, and
the largest memory of all processes together, as resident size (shared pages count in each process) and as
proportional size (shared pages are divided). More captures can be given as arguments.
"""

import argparse
import os
import resource
import signal
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import zstandard

ROOT = Path(__file__).parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from benchmarks.captures import ACK, MACS, MAGIC, PSH, SYN, dns_name  # noqa: E402

FLOOR_MIB = 700
"""Memory of all processes that no capture may exceed."""
SAMPLE = 0.02
"""Seconds between two looks at the memory."""
RECORD = struct.Struct("<IIII")


def frame(number: int, packet: bytes) -> bytes:
    """Record of a classic pcap with an IPv4 packet."""
    size = len(packet) + 14
    seconds, micro = divmod(number * 10, 1_000_000)
    return RECORD.pack(1_700_000_000 + seconds, micro, size, size) + MACS + b"\x08\0" + packet


def ip(protocol: int, src: int, dst: int, payload: bytes) -> bytes:
    """IPv4 packet between addresses of 10.0.0.0/8 and 203.0.113.0/24."""
    head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(payload), 0, 0x4000, 64, protocol, 0)
    return head + struct.pack(">II", 0x0A000000 + src, 0xCB007100 + dst) + payload


def tcp(src: int, sport: int, dport: int, seq: int, flags: int, data: bytes = b"", back: bool = False) -> bytes:
    """TCP segment from a client, or back to it."""
    ports = (dport, sport) if back else (sport, dport)
    segment = struct.pack(">HHIIBBHHH", *ports, seq & 0xFFFFFFFF, 1, 0x50, flags, 0x2000, 0, 0) + data
    packet = ip(6, src, 1, segment)
    return packet[:12] + packet[16:20] + packet[12:16] + packet[20:] if back else packet


def udp(src: int, sport: int, dport: int, data: bytes, back: bool = False) -> bytes:
    """UDP datagram from a client, or back to it."""
    ports = (dport, sport) if back else (sport, dport)
    packet = ip(17, src, 1, struct.pack(">HHHH", *ports, 8 + len(data), 0) + data)
    return packet[:12] + packet[16:20] + packet[12:16] + packet[20:] if back else packet


def pcap(packets: Iterator[bytes]) -> Iterator[bytes]:
    """Classic pcap."""
    yield MAGIC
    for number, packet in enumerate(packets):
        yield frame(number, packet)


def pipelined_http() -> Iterator[bytes]:
    """150 MB of the shortest requests, in one connection."""
    data = b"GET / HTTP/1.1\r\n\r\n" * 75
    yield from pcap(tcp(1, 40_000, 80, 1 + i * len(data), ACK | PSH, data) for i in range(110_000))


def large_dns() -> Iterator[bytes]:
    """Responses whose compressed names expand to hundreds of kilobytes each, before 200,000 honest flows."""
    target = dns_name(b".".join([b"a" * 60] * 4))
    question = b"\x03www\x00" + struct.pack(">HH", 16, 1)
    answers = b"".join(
        struct.pack(">HHHIH", 0xC00C, 5, 1, 60, 2) + struct.pack(">H", 0xC000 | 12 + len(question))
        for _ in range(1_100)
    )
    first = struct.pack(">HHHIH", 0xC00C, 5, 1, 60, len(target)) + target
    body = struct.pack(">HHHHHH", 7, 0x8180, 1, 1_101, 0, 0) + question + first + answers

    def packets() -> Iterator[bytes]:
        for i in range(1_000):
            yield udp(i, 40_000 + i, 53, body, back=True)
        for i in range(200_000):
            yield udp(1_000 + i, 50_000, 9_999, b"hello")

    yield from pcap(packets())


def syn_flood() -> Iterator[bytes]:
    """Half a million connections that never open."""
    yield from pcap(tcp(i // 50_000, 1_024 + i % 50_000, 80, i, SYN) for i in range(500_000))


def arp_flood() -> Iterator[bytes]:
    """A million ARP requests, each between two other addresses."""

    def packets() -> Iterator[bytes]:
        for i in range(1_000_000):
            ends = struct.pack(">6sI6sI", MACS[6:], 0x0A000000 + i, bytes(6), 0x0B000000 + i)
            yield b"\x08\x06" + struct.pack(">HHBBH", 1, 0x0800, 6, 4, 1) + ends

    yield MAGIC
    for number, packet in enumerate(packets()):
        seconds, micro = divmod(number * 10, 1_000_000)
        size = len(MACS) + len(packet)
        yield RECORD.pack(1_700_000_000 + seconds, micro, size, size) + MACS + packet


def half_requests() -> Iterator[bytes]:
    """130,000 connections with a request that never ends."""
    data = b"GET /" + b"a" * 700
    yield from pcap(
        tcp(i // 50_000, 1_024 + i % 50_000, 80, 1, ACK | PSH, data) for _ in range(3) for i in range(130_000)
    )


def half_hellos() -> Iterator[bytes]:
    """130,000 connections with the beginning of a large TLS ClientHello."""
    data = b"\x16\x03\x01\x40\x00\x01\x00\x3f\xfc\x03\x03" + bytes(700)
    yield from pcap(tcp(i // 50_000, 1_024 + i % 50_000, 443, 1, ACK | PSH, data) for i in range(130_000))


def holes() -> Iterator[bytes]:
    """Connections that lost their beginning, with data that waits for it."""
    data = bytes(1_400)
    yield from pcap(
        tcp(i % 2_000, 40_000, 80, 100_000 + i // 2_000 * 1_400, ACK, data)
        if i >= 2_000
        else tcp(i, 40_000, 80, 1, ACK | PSH, b"GET / HTTP/1.1\r\n")
        for i in range(200_000)
    )


def names() -> Iterator[bytes]:
    """300,000 names for 300,000 addresses."""

    def packets() -> Iterator[bytes]:
        for i in range(30_000):
            name = dns_name(f"host-{i:06}.{'x' * 40}.example".encode())
            head = struct.pack(">HHHHHH", i & 0xFFFF, 0x8180, 1, 10, 0, 0) + name + struct.pack(">HH", 1, 1)
            answers = b"".join(struct.pack(">HHHIHI", 0xC00C, 1, 1, 60, 4, 0x0B000000 + 10 * i + k) for k in range(10))
            yield udp(i, 40_000, 53, head + answers, back=True)

    yield from pcap(packets())


def empty_blocks() -> Iterator[bytes]:
    """400 MB of pcapng blocks of an unknown type."""
    yield struct.pack("<IIIHHqI", 0x0A0D0D0A, 28, 0x1A2B3C4D, 1, 0, -1, 28)
    block = struct.pack("<III", 0x0BAD, 12, 12) * 100_000
    for _ in range(340):
        yield block


def empty_records() -> Iterator[bytes]:
    """400 MB of records without a byte."""
    yield MAGIC
    block = RECORD.pack(1_700_000_000, 0, 0, 0) * 100_000
    for _ in range(250):
        yield block


CASES: dict[str, Callable[[], Iterator[bytes]]] = {
    "pipelined-http": pipelined_http, "large-dns": large_dns, "syn-flood": syn_flood, "arp-flood": arp_flood,
    "half-requests": half_requests, "half-hellos": half_hellos, "holes": holes, "names": names,
    "empty-blocks": empty_blocks, "empty-records": empty_records,
}  # fmt: skip


def write(path: Path, parts: Iterator[bytes]) -> None:
    """Write a compressed capture."""
    with path.open("wb") as raw, zstandard.ZstdCompressor(3).stream_writer(raw) as out:
        for part in parts:
            out.write(part)


def write_tiny_frames(path: Path) -> None:
    """A capture in a million zstd frames, most of them empty or to be skipped."""
    empty = zstandard.ZstdCompressor(1).compress(b"")
    skipped = b"\x50\x2a\x4d\x18\x00\x00\x00\x00"
    with path.open("wb") as raw:
        raw.write(zstandard.ZstdCompressor(1).compress(MAGIC))
        for _ in range(1_000):
            raw.write((empty + skipped) * 500)


# ---- measuring -------------------------------------------------------------------------------------------------------


def tree(pid: int) -> list[int]:
    """A process and all below it."""
    pids = [pid]
    try:
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                pids += tree(int(child))
    except OSError:
        pass
    return pids


def resident(pid: int) -> int:
    """Resident size in bytes."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * resource.getpagesize()
    except (OSError, IndexError):
        return 0


def proportional(pid: int) -> int:
    """Proportional size in bytes."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1_024 for line in lines if line.startswith("Pss:"))


def measured(capture: Path, session: Path, limit: float, options: tuple[str, ...] = ()) -> dict[str, float]:
    """Replay a capture: exit code, seconds, CPU seconds, largest resident and proportional size in MiB."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [
        sys.executable,
        "-m",
        "rustnet",
        "replay",
        "--no-tui",
        "--no-sidecar",
        *options,
        "--db",
        str(session),
        str(capture),
    ]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    began = time.monotonic()
    child = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    peak = [0, 0]
    while child.poll() is None:
        pids = tree(child.pid)
        sizes = (sum(map(resident, pids)), sum(map(proportional, pids)))
        peak = [max(old, new) for old, new in zip(peak, sizes, strict=True)]
        if time.monotonic() - began > limit:
            child.send_signal(signal.SIGINT)
            child.wait(10)
        time.sleep(SAMPLE)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {
        "code": child.returncode,
        "seconds": time.monotonic() - began,
        "cpu": cpu,
        "rss": peak[0] / (1 << 20),
        "pss": peak[1] / (1 << 20),
    }


def prepared(folder: Path, wanted: list[str]) -> Iterator[tuple[str, Path]]:
    """Cases by name, each written to a file."""
    for name, make in CASES.items():
        if not wanted or name in wanted:
            path = folder / f"{name}.pcap.zst"
            write(path, make())
            yield name, path
    if not wanted or "tiny-frames" in wanted:
        path = folder / "tiny-frames.pcap.zst"
        write_tiny_frames(path)
        yield "tiny-frames", path


def main() -> int:
    """Measure all cases; returns 1 if one exceeds the floor."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("captures", nargs="*", type=Path, help="more captures to measure")
    parser.add_argument("--case", action="append", default=[], help="measure only this case, and the captures given")
    parser.add_argument("--limit", type=float, default=120.0, help="seconds after which a replay is interrupted")
    options = parser.parse_args()
    line = "{:34} {:>10} {:>5} {:>8} {:>8} {:>8} {:>8}"
    sys.stdout.write(line.format("case", "bytes", "exit", "seconds", "cpu", "rss MiB", "pss MiB") + "\n")
    exceeded = False
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        given = [(path.name[:34], path) for path in options.captures]
        for case, path in [*prepared(folder, options.case or (["-"] if given else [])), *given]:
            figures = measured(path, folder / f"{case}.duckdb", options.limit)
            size = path.stat().st_size
            exceeded |= figures["pss"] > FLOOR_MIB
            numbers = [f"{figures[key]:.1f}" for key in ("seconds", "cpu")]
            sizes = [f"{figures[key]:.0f}" for key in ("rss", "pss")]
            sys.stdout.write(line.format(case, size, int(figures["code"]), *numbers, *sizes) + "\n")
            sys.stdout.flush()
    return int(exceeded)


if __name__ == "__main__":
    sys.exit(main())
