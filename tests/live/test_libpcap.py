"""`LibpcapSource`: the same packets as from rings, by libpcap."""

import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from rustnet.errors import InputError
from rustnet.sources.frames import Measured
from rustnet.sources.libpcap import LibpcapSource, Settings, devices, link_type
from rustnet.sources.limits import Limits
from tests.live.namespaces import Namespace, sender
from tests.live.test_ring import A, B, numbered
from tests.support.packets import ip, udp

pytest.importorskip("cypcap")


class Live:
    """A capture and what it has read."""

    def __init__(self, source: LibpcapSource) -> None:
        self.source = source
        self.packets: list[tuple[int, int, int, int, bytes]] = []
        self.numbers: list[int] = []
        self.empty = 0

    @property
    def data(self) -> list[bytes]:
        return [data for *_, data in self.packets]

    def read(self, enough: Callable[["Live"], bool], seconds: float = 15.0) -> None:
        until = time.monotonic() + seconds
        for frames in self.source.batches(0.05):
            self.empty += not frames.count
            self.numbers += range(frames.first_number, frames.first_number + frames.count)
            self.packets += [
                (frames.ts[i], frames.interface[i], frames.link[i], frames.length[i], frames.frame(i))
                for i in range(frames.count)
            ]
            if enough(self) or time.monotonic() > until:
                break


@contextmanager
def live(*names: str, filter: str = "", snaplen: int = 0) -> Iterator[Live]:  # noqa: A002 - as the option
    source = LibpcapSource(names, lambda: False, Settings(filter, snaplen))
    try:
        yield Live(source)
    finally:
        source.close()


def count(n: int) -> Callable[[Live], bool]:
    return lambda capture: len(capture.packets) >= n and capture.empty > 0


@pytest.mark.root
def test_every_packet_of_two_interfaces_in_order(namespace: Namespace) -> None:
    namespace.veth("a", "b")
    namespace.veth("c", "d")
    before = time.time_ns()
    sent = []
    with live("b", "d") as capture, sender("a") as one, sender("c") as two:
        for i in range(1000):
            sent.append((i % 2, numbered(i, 20 + i)))
            (one, two)[i % 2].send(numbered(i, 20 + i))
        capture.read(count(1000))
        assert sorted((interface, data) for _, interface, _, _, data in capture.packets) == sorted(sent)
        assert capture.numbers == list(range(1, 1001))
        assert {(link, length - len(data)) for _, _, link, length, data in capture.packets} == {(1, 0)}
        assert before - 1000 < capture.packets[0][0] < time.time_ns()
        assert capture.source.position() == sum(len(data) for _, data in sent)
        assert isinstance(capture.source, Measured)
        stats = capture.source.take_statistics(last=True)
        assert [sum(each.packets for each in stats if each.interface == i) for i in (0, 1)] == [500, 500]
        assert [(each.packets, each.dropped_kernel) for each in capture.source.interfaces] == [(500, 0)] * 2


@pytest.mark.root
def test_an_idle_interface_does_not_block(namespace: Namespace) -> None:
    namespace.veth("a", "b")
    with live("b") as capture:
        began = time.monotonic()
        capture.read(lambda c: c.empty >= 5)
        assert time.monotonic() - began < 5


@pytest.mark.root
def test_loopback_packets_come_once(namespace: Namespace) -> None:
    with live("lo", filter="udp") as capture, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind(("127.0.0.1", 0))
        for i in range(100):
            s.sendto(bytes([i]), s.getsockname())
        capture.read(count(100))
        capture.read(lambda c: c.empty > 5)
        assert [data[-1] for data in capture.data] == list(range(100))


@pytest.mark.root
def test_snap_length_filter_limit_and_link_type(namespace: Namespace) -> None:
    try:
        tun = namespace.tun("t0")
    except OSError as error:
        pytest.skip(f"no tun interface: {error}")
    packets = [ip(A, B, 17, udp(1, port, b"inside" * 9)) for port in (5, 6, 5, 5)]
    with live("t0", filter="udp dst port 5", snaplen=64) as capture:
        capture.source.limits = Limits(packets=2)
        for packet in packets:
            os.write(tun, packet)
        capture.read(lambda _: False, seconds=5)
        assert [(link, length, data) for _, _, link, length, data in capture.packets] == [
            (101, len(packets[0]), packets[0][:64]), (101, len(packets[2]), packets[2][:64]),
        ]  # fmt: skip
        assert [each.kind for each in capture.source.damage] == ["stopped_at_limit"]


@pytest.mark.root
def test_an_interface_that_vanishes_and_comes_back(namespace: Namespace) -> None:
    namespace.veth("a", "b")
    with live("b") as capture:
        with sender("a") as out:
            out.send(numbered(1))
        capture.read(count(1))
        namespace.run("ip link del dev b")
        capture.read(lambda c: bool(c.source.damage))
        namespace.veth("a", "b")
        capture.read(lambda c: len(c.source.damage) > 1)
        with sender("a") as out:
            out.send(numbered(2))
        capture.read(count(2))
        assert capture.data == [numbered(1), numbered(2)]
        assert [each.kind for each in capture.source.damage] == ["interface_gone", "interface_up"]
        capture.source.take_statistics(last=True)
        assert [each.packets for each in capture.source.interfaces] == [2]


@pytest.mark.root
def test_what_cannot_be_opened(namespace: Namespace) -> None:
    with pytest.raises(InputError, match="cannot capture on nothing: "):
        LibpcapSource(["lo", "nothing"], lambda: False)
    with pytest.raises(InputError, match=r"cannot capture on lo: .*syntax error"):
        LibpcapSource(["lo"], lambda: False, Settings("tcp prot 80"))


def test_numbers_of_link_types() -> None:
    assert [link_type(number, "linux") for number in (1, 12, 113, 276)] == [1, 101, 113, 276]
    assert [link_type(number, "openbsd7") for number in (12, 14)] == [108, 101]
    assert [link_type(number, "darwin") for number in (0, 12, 149)] == [0, 101, 258]


def test_devices_have_states_and_addresses() -> None:
    lo = [each for each in devices() if each.kind == "loopback"]
    assert [each.name for each in lo] == ["lo"]
    assert lo[0].state != "up" or "127.0.0.1/8" in lo[0].addresses
