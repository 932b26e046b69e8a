"""Interfaces that appear, vanish and come back while they are captured, and which of them are chosen."""

import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from rustnet.errors import UsageError
from rustnet.probe.links import LinkWatch, everything, present_links
from rustnet.probe.ring_socket import RingInterface, open_ring
from rustnet.sources.interfaces import default_interface, present, resolve
from rustnet.sources.ring import MAX_INTERFACES, RingSource
from tests.live.namespaces import Namespace, sender
from tests.live.test_ring import Live, count, numbered

pytestmark = pytest.mark.root


@contextmanager
def watched(*names: str, everything: bool = False) -> Iterator[Live]:
    """A capture that takes up what the watch reports."""
    watch = LinkWatch(None if everything else names, list(names))

    def more() -> list[tuple[int, RingInterface]]:
        opened = [open_ring(name, 0, 1 << 20) for name in watch.new_interfaces()]
        return [(ring.detach(), interface) for ring, interface in opened]

    opened = [open_ring(name, 0, 1 << 20) for name in names]
    source = RingSource([ring.detach() for ring, _ in opened], [i for _, i in opened], lambda: False, more=more)
    try:
        yield Live(source)
    finally:
        source.close()
        watch.close()


def events(capture: Live) -> list[tuple[str, str]]:
    return [(each.kind, each.detail.partition(":")[0]) for each in capture.source.damage]


def test_an_interface_that_vanished_and_comes_back_is_captured_again(namespace: Namespace) -> None:
    namespace.veth("a", "b")
    with watched("b") as capture:
        with sender("a") as out:
            out.send(numbered(1))
        capture.read(count(1))
        namespace.run("ip link del dev b")
        capture.read(lambda c: not c.source.rings)
        namespace.veth("a", "b")
        capture.read(lambda c: len(c.source.rings) == 1)
        with sender("a") as out:
            out.send(numbered(2))
        capture.read(count(2))
        assert capture.data == [numbered(1), numbered(2)]
        assert [interface for _, interface, *_ in capture.packets] == [0, 0], "it is the same interface"
        assert events(capture) == [("interface_gone", "b"), ("interface_up", "b")]
        assert sum(each.packets for each in capture.source.take_statistics(last=True)) == 2
        assert [(each.name, each.packets) for each in capture.source.interfaces] == [("b", 2)]


def test_all_interfaces_include_those_that_appear(namespace: Namespace) -> None:
    namespace.veth("a", "b")
    with watched("lo", "a", "b", everything=True) as capture:
        namespace.veth("c", "d")
        capture.read(lambda c: len(c.source.interfaces) == 5)
        with sender("c") as out:
            out.send(numbered(1))
        capture.read(count(2))
        names = [each.name for each in capture.source.interfaces]
        assert sorted(names) == ["a", "b", "c", "d", "lo"]
        assert sorted(names[interface] for _, interface, *_ in capture.packets) == ["c", "d"]
        assert sorted(events(capture)) == [("interface_added", "c"), ("interface_added", "d")]


def test_interfaces_that_come_up_later_are_captured_then(namespace: Namespace) -> None:
    namespace.veth("a", "b")
    namespace.run("ip link set dev b down")
    assert [link.name for link in everything(present_links())] == ["lo", "a"]
    with watched("lo", "a", everything=True) as capture:
        capture.read(lambda c: len(c.clocks) > 3)
        assert len(capture.source.rings) == 2
        namespace.run("ip link set dev b up")
        capture.read(lambda c: len(c.source.rings) == 3)
        assert events(capture) == [("interface_added", "b")]


def test_a_watch_names_each_new_interface_once(namespace: Namespace) -> None:
    namespace.veth("a", "b")
    watch = LinkWatch(("b", "x"), ["b"])
    assert watch.new_interfaces() == []
    assert watch.due() is None
    namespace.run("ip link add name x type bridge")
    deadline = time.monotonic() + 5
    seen: list[str] = []
    while not seen and time.monotonic() < deadline:
        time.sleep(watch.due() or 0.01)
        seen = watch.new_interfaces()
    assert seen == ["x"]
    for _ in range(300):  # more events than are read at once, and none of them new
        namespace.run("ip link set dev x up")
        namespace.run("ip link set dev x down")
    time.sleep(0.1)
    assert watch.new_interfaces() == []
    watch.close()


def test_what_a_bridge_passes_on_is_seen_at_its_members(namespace: Namespace) -> None:
    namespace.veth("a", "b")
    namespace.veth("c", "d")
    namespace.run("ip link add name br0 type bridge")
    Path("/proc/sys/net/ipv6/conf/br0/disable_ipv6").write_text("1")
    namespace.run("ip link set dev br0 up")
    assert "br0" in [link.name for link in everything(present_links())], "a bridge without members"
    namespace.run("ip link set dev b master br0")
    namespace.run("ip link set dev d master br0")
    chosen = [link.name for link in everything(present_links())]
    assert sorted(chosen) == ["a", "b", "c", "d", "lo"]
    opened = [open_ring(name, 0, 1 << 20) for name in ("b", "d")]  # not the other ends of the pairs
    capture = Live(RingSource([ring.detach() for ring, _ in opened], [i for _, i in opened], lambda: False))
    with sender("a") as out:
        out.send(numbered(1))
        capture.read(lambda c: c.data.count(numbered(1)) == 2)
    capture.source.close()
    seen = [interface for _, interface, _, _, data in capture.packets if data == numbered(1)]
    assert seen == [0, 1], "what the bridge sends by itself aside"


def test_an_interface_that_cannot_be_read_is_recorded(namespace: Namespace) -> None:
    with watched("lo") as capture:
        read, write = os.pipe()
        os.close(write)
        capture.source.add(read, RingInterface("x", 1))
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(read)
        capture.source.missed("y", "no memory")
        assert [each.name for each in capture.source.interfaces] == ["lo"]
        assert events(capture) == [("interface_not_captured", "x"), ("interface_not_captured", "y")]


def test_interfaces_without_end_are_bounded(namespace: Namespace, monkeypatch: pytest.MonkeyPatch) -> None:
    assert MAX_INTERFACES < 1 << 16
    monkeypatch.setattr("rustnet.sources.ring.MAX_INTERFACES", 2)
    namespace.veth("a", "b")
    with watched("lo", "a") as capture:
        ring, interface = open_ring("b", 0, 1 << 20)
        capture.source.add(ring.detach(), interface)
        assert len(capture.source.rings) == 2
        assert events(capture) == [("interface_not_captured", "b")]


def test_the_interface_of_the_default_route(namespace: Namespace) -> None:
    assert default_interface() is None
    with pytest.raises(UsageError, match=r"no default route.*: lo up 127\.0\.0\.1/8 ::1/128"):
        resolve(())
    namespace.veth("a", "b")
    namespace.veth("c", "d")
    for name, address in (("a", "10.1.0.1"), ("c", "10.2.0.1")):
        namespace.run(f"ip addr add {address}/24 dev {name}")
    Path("/proc/sys/net/ipv6/conf/c/disable_ipv6").write_text("0")
    namespace.run("ip -6 route add default dev c metric 5")
    assert default_interface() == "c"
    namespace.run("ip route add default via 10.1.0.9 metric 200")
    assert default_interface() == "a"
    namespace.run("ip route add default via 10.2.0.9 metric 100")
    namespace.run("ip route add unreachable default metric 1")
    choice = resolve(())
    assert (choice.names, choice.default, choice.everything) == (["c"], True, False)
    assert [str(each) for each in choice.notes] == ["c is captured, the interface of the default route"]


def test_names_are_resolved(namespace: Namespace) -> None:
    namespace.veth("a", "b")
    namespace.run("ip addr add 10.1.0.1/24 dev a")
    namespace.run("ip link set dev b down")
    deadline = time.monotonic() + 5
    while present()[2].state == "up" and time.monotonic() < deadline:  # the kernel needs a moment
        time.sleep(0.02)
    assert resolve(("lo", "A", "a", "lo")).names == ["lo", "a"]
    assert [str(each) for each in resolve(("b",)).notes] == [
        "the interface b is down: its packets are captured once it is up"
    ]
    assert [(each.name, each.state, each.kind) for each in present()] == [
        ("lo", "up", "loopback"), ("b", "down", "veth"), ("a", "no-carrier", "veth"),
    ]  # fmt: skip
    everything_chosen = resolve(("a", "any"))
    assert (everything_chosen.names, everything_chosen.everything) == (["lo", "a"], True)
    with pytest.raises(UsageError, match=r"no interface “eth7”; there are: lo up .*; b down; a no-carrier 10.1.0.1/24"):
        resolve(("a", "eth7"))


def test_any_counts_loopback_once(namespace: Namespace) -> None:
    names = resolve(("any",)).names
    opened = [open_ring(name, 0, 1 << 20) for name in names]
    capture = Live(RingSource([ring.detach() for ring, _ in opened], [i for _, i in opened], lambda: False))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind(("127.0.0.1", 0))
        for i in range(50):
            s.sendto(bytes([i]), s.getsockname())
        capture.read(count(50))
    capture.source.close()
    assert [data[-1] for data in capture.data] == list(range(50))
