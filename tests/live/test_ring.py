"""`RingSource` against packets that were sent: counts, bytes, order, losses."""

import mmap
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import pytest

from rustnet.probe.ring_socket import Program, RingInterface, open_ring
from rustnet.sources.bpf import compile_filter
from rustnet.sources.frames import Frames
from rustnet.sources.limits import Limits
from rustnet.sources.ring import GATHER, RingSource
from tests.live.namespaces import Namespace, sender
from tests.support.packets import ip, udp, udp_frame

pytestmark = pytest.mark.root

A, B = "10.0.0.1", "10.0.0.2"
SLOWEST = 20.0
"""Seconds after which a test gives up waiting for packets."""


def numbered(i: int, size: int = 20) -> bytes:
    return udp_frame((A, 40_000), (B, 9), i.to_bytes(4, "big").ljust(size, b"\0"))


@dataclass
class Live:
    """A capture and what it has read."""

    source: RingSource
    packets: list[tuple[int, int, int, int, bytes]] = field(default_factory=list)
    """Time, interface, link type, length on the wire, bytes."""
    clocks: list[int] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    stop: bool = False

    def read(self, enough: Callable[["Live"], bool], seconds: float = SLOWEST) -> None:
        """Read until there is enough."""
        until = time.monotonic() + seconds
        for frames in self.source.batches(0.05):
            self.take(frames)
            self.stop = enough(self)
            if self.stop or time.monotonic() > until:
                break

    def take(self, frames: Frames) -> None:
        if not frames.count:
            assert frames.clock is not None
            self.clocks.append(frames.clock)
        self.numbers += range(frames.first_number, frames.first_number + frames.count)
        self.packets += [
            (frames.ts[i], frames.interface[i], frames.link[i], frames.length[i], frames.frame(i))
            for i in range(frames.count)
        ]

    @property
    def data(self) -> list[bytes]:
        return [data for *_, data in self.packets]


@contextmanager
def live(*names: str, snaplen: int = 0, size: int = 8 << 20, program: Program = ()) -> Iterator[Live]:
    opened = [open_ring(name, snaplen, size, program) for name in names]
    capture = Live(source := RingSource([ring.detach() for ring, _ in opened], [i for _, i in opened], lambda: False))
    try:
        yield capture
    finally:
        source.close()


def count(n: int) -> Callable[[Live], bool]:
    return lambda capture: len(capture.packets) >= n and len(capture.clocks) > 0


def test_every_packet_of_a_veth_with_its_bytes(namespace: Namespace) -> None:
    namespace.veth("a", "b")
    frames = [numbered(i, size) for i, size in enumerate([4, 5, 100, 1400] * 250)]
    before = time.time_ns()
    with live("b") as capture, sender("a") as out:
        for frame in frames:
            out.send(frame)
        capture.read(count(len(frames)))
        assert capture.data == frames
        assert capture.numbers == list(range(1, len(frames) + 1))
        stamps = [ts for ts, *_ in capture.packets]
        assert stamps == sorted(stamps)
        assert before <= stamps[0] <= stamps[-1] <= time.time_ns()
        assert len({ts % 1000 for ts in stamps}) > 10, "stamps are in nanoseconds"
        assert {(link, length - len(data)) for _, _, link, length, data in capture.packets} == {(1, 0)}
        assert capture.source.position() == sum(map(len, frames))
        assert not capture.source.damage


def test_what_the_interface_sends_is_captured_too(namespace: Namespace) -> None:
    namespace.veth("a", "b")
    with live("a") as capture, sender("a") as out, sender("b") as back:
        out.send(numbered(1))
        back.send(numbered(2))
        capture.read(count(2))
        assert capture.data == [numbered(1), numbered(2)]


def test_directions_are_noted_where_they_exist(namespace: Namespace) -> None:
    namespace.veth("a", "b")
    opened = [open_ring(name, 0, 1 << 20) for name in ("a", "lo")]
    source = RingSource([ring.detach() for ring, _ in opened], [i for _, i in opened], lambda: False, directions=True)
    with sender("a") as out, sender("b") as back, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        out.send(numbered(1))
        back.send(numbered(2))
        s.sendto(b"here", ("127.0.0.1", 9))
        seen: list[int | None] = []
        for frames in source.batches(1.0):
            seen += [frames.notes[i].flags if i in frames.notes else None for i in range(frames.count)]
            if not frames.count or len(seen) == 4:
                break
    source.close()
    assert seen[:2] == [2, 1]
    assert set(seen[2:]) == {None}, "the packet to the loopback address, and the answer that no one listens"


def test_loopback_packets_come_once(namespace: Namespace) -> None:
    with live("lo") as capture, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind(("127.0.0.1", 0))
        for i in range(100):
            s.sendto(i.to_bytes(4, "big"), s.getsockname())
        capture.read(count(100))
        assert [data[-4:] for data in capture.data] == [i.to_bytes(4, "big") for i in range(100)]
        assert {link for _, _, link, _, _ in capture.packets} == {1}


def test_tun_has_bare_ip_packets(namespace: Namespace) -> None:
    try:
        tun = namespace.tun("t0")
    except OSError as error:
        pytest.skip(f"no tun interface: {error}")
    packet = ip(A, B, 17, udp(1, 2, b"inside"))
    with live("t0") as capture:
        for _ in range(10):
            os.write(tun, packet)
        capture.read(count(10))
        assert [(link, data) for _, _, link, _, data in capture.packets] == [(101, packet)] * 10


def test_vlan_tags_are_in_the_frame(namespace: Namespace) -> None:
    namespace.veth("a", "b")
    plain = numbered(5)
    single = plain[:12] + bytes.fromhex("8100e007") + plain[12:]
    double = plain[:12] + bytes.fromhex("88a80003") + bytes.fromhex("81000009") + plain[12:]
    with live("b", snaplen=1000) as capture, sender("a") as out:
        for frame in (single, double, plain):
            out.send(frame)
        capture.read(count(3))
        assert capture.data == [single, double, plain]
        assert [length for _, _, _, length, _ in capture.packets] == [len(single), len(double), len(plain)]
    with live("b", snaplen=30) as capture, sender("a") as out:
        out.send(single)
        capture.read(count(1))
        assert [(length, data) for _, _, _, length, data in capture.packets] == [(len(single), single[:30])]


def test_the_kernel_takes_tags_out_of_frames(namespace: Namespace) -> None:
    namespace.veth("a", "b")
    plain = numbered(5)
    ring, _ = open_ring("b", 0, 1 << 20)
    with ring, sender("a") as out:
        out.send(plain[:12] + bytes.fromhex("8100e007") + plain[12:])
        time.sleep(0.2)
        with mmap.mmap(ring.fileno(), 1 << 20) as view:
            assert view.find(plain) > 0, "else the test above is about nothing"


def test_two_interfaces_in_order_of_time(namespace: Namespace) -> None:
    namespace.veth("a", "b")
    namespace.veth("c", "d")
    sent = []
    with live("b", "d") as capture, sender("a") as one, sender("c") as two:
        for i in range(2000):
            which = i * 7 % 3 % 2
            sent.append((which, numbered(i)))
            (one, two)[which].send(numbered(i))
            if i % 200 == 0:
                time.sleep(0.03)  # so that blocks of both rings end at different times
        capture.read(count(2000))
        assert [(interface, data) for _, interface, _, _, data in capture.packets] == sent
        assert [each.name for each in capture.source.interfaces] == ["b", "d"]


def test_the_snap_length_cuts_and_keeps_the_length(namespace: Namespace) -> None:
    namespace.veth("a", "b")
    with live("b", snaplen=64) as capture, sender("a") as out:
        out.send(numbered(1, 900))
        capture.read(count(1))
        ((_, _, _, length, data),) = capture.packets
        assert (length, data) == (len(numbered(1, 900)), numbered(1, 900)[:64])


def test_packets_larger_than_a_frame_are_whole(namespace: Namespace) -> None:
    with live("lo") as capture, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind(("127.0.0.1", 0))
        s.sendto(b"x" * 60_000, s.getsockname())
        capture.read(count(1))
        assert len(capture.data[0]) == 60_000 + 42


def test_a_filter_passes_only_what_it_accepts(namespace: Namespace) -> None:
    namespace.veth("a", "b")
    pytest.importorskip("cypcap")
    frames = [udp_frame((A, 40_000), (B, 5000 + i % 7), bytes(i)) for i in range(70)]
    with (
        live("b", program=compile_filter("udp dst port 5003", 1)) as capture,
        live("b", snaplen=50, program=compile_filter("udp dst port 5003", 1)) as cut,
        sender("a") as out,
    ):
        for frame in frames:
            out.send(frame)
        capture.read(count(10))
        cut.read(count(10))
        assert capture.data == frames[3::7]
        assert cut.data == [frame[:50] for frame in frames[3::7]]
        assert [length for _, _, _, length, _ in cut.packets] == [len(frame) for frame in frames[3::7]]


def test_a_filter_on_bare_ip_packets(namespace: Namespace) -> None:
    pytest.importorskip("cypcap")
    try:
        tun = namespace.tun("t0")
    except OSError as error:
        pytest.skip(f"no tun interface: {error}")
    packets = [ip(A, B, 17, udp(1, port, b"inside")) for port in (5, 6, 5)]
    with live("t0", program=compile_filter("udp port 5", 101)) as capture:
        for packet in packets:
            os.write(tun, packet)
        capture.read(count(2))
        assert capture.data == packets[::2]


def test_a_filter_on_cooked_packets(namespace: Namespace) -> None:
    pytest.importorskip("cypcap")
    try:
        tun = namespace.tun("t0", hardware=512)
    except OSError as error:
        pytest.skip(f"no tun interface: {error}")
    packets = [ip(A, B, 17, udp(1, port, b"inside")) for port in (5, 6, 5)]
    program = compile_filter("inbound and ip and udp port 5 and host 10.0.0.1", 276)
    with live("t0", program=program) as capture, live("t0", snaplen=30, program=program) as cut:
        for packet in packets:
            os.write(tun, packet)
        capture.read(count(2))
        cut.read(count(2))
        assert [data[20:] for data in capture.data] == packets[::2]
        assert [data[20:] for data in cut.data] == [packet[:10] for packet in packets[::2]]


def test_a_filter_compares_tags_that_the_kernel_took_out(namespace: Namespace) -> None:
    pytest.importorskip("cypcap")
    namespace.veth("a", "b")
    plain = numbered(5)
    tagged = [plain[:12] + b"\x81\0" + vlan.to_bytes(2, "big") + plain[12:] for vlan in (7, 8)]
    with live("b", program=compile_filter("vlan 7 and udp", 1, "b")) as capture, sender("a") as out:
        for frame in (*tagged, plain):
            out.send(frame)
        capture.read(count(1))
        assert capture.data == tagged[:1]


def test_drops_of_a_tiny_ring_are_counted(namespace: Namespace) -> None:
    namespace.veth("a", "b")
    with live("b", size=1 << 16) as capture, sender("a") as out:
        for i in range(3000):
            out.send(numbered(i, 1000))
        capture.read(lambda c: len(c.clocks) > 3)
        time.sleep(1.1)
        capture.read(lambda c: len(c.clocks) > 6)
        dropped = capture.source.interfaces[0].dropped_kernel
        assert dropped is not None
        assert dropped > 1000
        assert len(capture.packets) + dropped == 3000
        assert capture.source.rings[0].freezes > 0
        assert capture.data == [numbered(i, 1000) for i in range(len(capture.data))]
        out.send(numbered(7))
        capture.read(lambda c: c.data[-1] == numbered(7))
        assert capture.data[-1] == numbered(7), "the ring goes on after it was full"
        assert capture.source.interfaces[0].dropped_kernel == dropped
        stats = capture.source.take_statistics(last=True)
        assert sum(each.dropped for each in stats) == dropped
        assert sum(each.packets for each in stats) == len(capture.packets)
        assert sum(each.bytes for each in stats) == sum(length for _, _, _, length, _ in capture.packets)
        assert sum(each.freezes for each in stats) == capture.source.rings[0].freezes
        assert len(stats) > 1, "one of each second"
        assert not capture.source.take_statistics(last=True), "each once"


def test_an_interface_that_is_deleted_ends_alone(namespace: Namespace) -> None:
    namespace.veth("a", "b")
    namespace.veth("c", "d")
    with live("b", "d") as capture, sender("a") as one, sender("c") as two:
        for i in range(5):
            one.send(numbered(i))
        namespace.run("ip link del dev a")
        capture.read(lambda c: bool(c.source.damage) and len(c.clocks) > 5)
        assert capture.data == [numbered(i) for i in range(5)], "what came before is read"
        two.send(numbered(9))
        capture.read(lambda c: numbered(9) in c.data)
        assert capture.data[-1] == numbered(9)
        gone = [each for each in capture.source.damage if each.kind == "interface_gone"]
        assert [each.detail for each in gone] == ["b: the interface does not exist any more"]
        namespace.run("ip link del dev c")
        began = time.monotonic()
        for _ in capture.source.batches(0.05):
            assert time.monotonic() < began + SLOWEST
        assert not capture.source.info.complete, "no interface is left"


def test_an_interface_that_goes_down_and_comes_back(namespace: Namespace) -> None:
    namespace.veth("a", "b")
    with live("b") as capture, sender("a") as out:
        namespace.run("ip link set dev b down")
        capture.read(lambda c: bool(c.source.damage))
        namespace.run("ip link set dev b up")
        time.sleep(0.1)
        out.send(numbered(3))
        capture.read(count(1))
        assert capture.data == [numbered(3)]
        assert [each.kind for each in capture.source.damage] == ["interface_down", "interface_up"]


def test_packets_of_a_steady_link_come_together_unless_the_ring_is_small(namespace: Namespace) -> None:
    namespace.veth("a", "b")

    def send() -> None:
        with sender("a") as out:
            for i in range(400):
                out.send(numbered(i))
                time.sleep(0.001)

    def batches(size: int) -> tuple[int, float]:
        """Batches with packets, and the seconds in which they came."""
        sending = threading.Thread(target=send)
        with live("b", size=size) as capture:
            began = time.monotonic()
            sending.start()
            filled = packets = 0
            for frames in capture.source.batches(0.05):
                filled += frames.count > 0
                packets += frames.count
                if packets == 400 or time.monotonic() > began + SLOWEST:
                    break
            sending.join()
            assert packets == 400
            return filled, time.monotonic() - began

    together, seconds = batches(64 << 20)
    assert together <= seconds / GATHER + 1
    alone, seconds = batches(2 << 20)
    assert alone > 4, "a block each 20 ms, as soon as the kernel passes it on"


def test_two_hundred_thousand_packets_without_loss(namespace: Namespace) -> None:
    namespace.veth("a", "b")
    total = 200_000

    def send() -> None:
        with sender("a") as out:
            for i in range(total):
                out.send(numbered(i, 100))
                if i % 1000 == 0:
                    time.sleep(0.005)

    def read(capture: Live) -> None:
        for frames in capture.source.batches(0.05):
            data, offset = np.frombuffer(frames.buffer, np.uint8), frames.column("offset").astype(np.int64)
            payload = data[offset[:, None] + np.arange(42, 46)].astype(np.int64)
            seen.extend((payload @ [1 << 24, 1 << 16, 1 << 8, 1]).tolist())
            if len(seen) >= total or time.monotonic() > began + 120:
                break

    seen: list[int] = []
    began = time.monotonic()
    opened = threading.Thread(target=send)
    with live("b", size=64 << 20) as capture:
        opened.start()
        read(capture)
        opened.join()
        assert seen == list(range(total))
        assert capture.source.position() == total * len(numbered(0, 100))


def test_limits_end_the_capture(namespace: Namespace) -> None:
    namespace.veth("a", "b")
    with live("b") as capture, sender("a") as out:
        for i in range(10):
            out.send(numbered(i))
        capture.source.limits = Limits(packets=7)
        began = time.monotonic()
        for frames in capture.source.batches(0.05):
            capture.take(frames)
            assert time.monotonic() < began + SLOWEST
        assert capture.data == [numbered(i) for i in range(7)]
        assert [each.kind for each in capture.source.damage] == ["stopped_at_limit"]


def test_empty_batches_have_the_present_time(namespace: Namespace) -> None:
    before = time.time_ns()
    with live("lo") as capture:
        capture.read(lambda c: len(c.clocks) == 4)
        assert [*capture.clocks] == sorted(capture.clocks)
        assert before < capture.clocks[0] < capture.clocks[-1] < time.time_ns()
        assert capture.clocks[-1] - capture.clocks[0] > 0.1e9


def test_a_descriptor_works_in_a_process_without_privileges(namespace: Namespace) -> None:
    namespace.veth("a", "b")
    ring, interface = open_ring("b", 0, 1 << 20)
    here, there = socket.socketpair(socket.AF_UNIX)
    child = os.fork()
    if not child:
        try:
            os.setgroups([])
            os.setresgid(65534, 65534, 65534)
            os.setresuid(65534, 65534, 65534)
            _, descriptors, _, _ = socket.recv_fds(there, 1, 1)
            capture = Live(RingSource(descriptors, [interface], lambda: False))
            capture.read(count(50))
            there.send(b"".join(capture.data))
        finally:
            os._exit(0)
    socket.send_fds(here, [b"x"], [ring.fileno()])
    ring.close()
    with sender("a") as out:
        for i in range(50):
            out.send(numbered(i))
    here.settimeout(SLOWEST)
    assert here.recv(1 << 16) == b"".join(numbered(i) for i in range(50))
    os.waitpid(child, 0)
    here.close()
    there.close()


def test_an_interface_that_does_not_exist(namespace: Namespace) -> None:
    with pytest.raises(OSError, match="No such device"):
        open_ring("nothing")


def test_unknown_hardware_has_cooked_packets(namespace: Namespace) -> None:
    packet = ip(A, B, 17, udp(1, 2, b"inside"))
    try:
        tun = namespace.tun("t0", hardware=512)
    except OSError as error:
        pytest.skip(f"no tun interface: {error}")
    with live("t0", snaplen=40) as cut, live("t0") as capture:
        os.write(tun, packet)
        namespace.run("ip addr add 10.0.0.2/24 dev t0")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.sendto(b"out", ("10.0.0.9", 9))
        capture.read(count(2))
        index = socket.if_nametoindex("t0").to_bytes(4, "big")
        (_, _, link, length, received), (_, _, _, _, sent) = capture.packets[:2]
        assert (link, length) == (276, len(packet) + 20)
        assert received == b"\x08\0\0\0" + index + (512).to_bytes(2, "big") + bytes(10) + packet
        assert sent[:12] == received[:10] + b"\x04\0", "packet that was sent"
        assert sent[-3:] == b"out"
        cut.read(count(2))
        assert cut.data[0] == received[:40]
        assert cut.packets[0][3] == len(received)


def test_a_ring_that_fits_no_batch_is_refused() -> None:
    ends = os.pipe()
    with pytest.raises(ValueError, match="not 1 of 8388608 bytes"):
        RingSource(ends, [RingInterface("x", 1, 0, 8 << 20, 1)] * 2, lambda: False)
    for end in ends:
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(end)
