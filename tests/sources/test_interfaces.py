"""Which interfaces show a packet again, and how the kernel's lists are read."""

import socket
import struct
import sys

import pytest

from rustnet.probe.links import IFF_UP, Link, _link, everything, present_links
from rustnet.probe.netlink import attribute, nested
from rustnet.sources.interfaces import Present, _ipv4_defaults, _ipv6_defaults, _lowest, listed

UP = IFF_UP


def chosen(*links: Link) -> list[str]:
    return [link.name for link in everything(list(links))]


def test_members_of_a_bond_are_left_to_it() -> None:
    member = Link(2, "eth0", 1, UP, master=5)
    bond = Link(5, "bond0", 1, UP, kind="bond")
    assert chosen(member, bond) == ["bond0"]
    assert chosen(member, Link(5, "bond0", 1, 0, kind="bond")) == ["eth0"], "a bond that is down shows nothing"
    assert chosen(Link(2, "eth0", 1, UP, master=5), Link(5, "team0", 1, UP, kind="team")) == ["team0"]


def test_a_bridge_is_left_to_its_members() -> None:
    bridge = Link(3, "br0", 1, UP, kind="bridge")
    assert chosen(bridge) == ["br0"]
    assert chosen(bridge, Link(4, "veth1", 1, 0, kind="veth", master=3)) == ["br0"], "its only member is down"
    assert chosen(bridge, Link(4, "veth1", 1, UP, kind="veth", master=3)) == ["veth1"]


def test_a_tagged_interface_is_left_to_the_one_below() -> None:
    tagged = Link(6, "eth0.7", 1, UP, kind="vlan", below=2)
    assert chosen(Link(2, "eth0", 1, UP), tagged) == ["eth0"]
    assert chosen(tagged) == ["eth0.7"], "the one below is in another network namespace"
    eth, bond = Link(2, "eth0", 1, UP, master=5), Link(5, "bond0", 1, UP, kind="bond")
    assert chosen(eth, bond, Link(6, "bond0.7", 1, UP, kind="vlan", below=5)) == ["bond0"]


def test_what_only_repeats_packets_is_left_out() -> None:
    assert chosen(
        Link(1, "lo", 772, UP), Link(2, "eth0", 1, UP, master=9), Link(9, "red", 1, UP, kind="vrf"),
        Link(3, "ifb0", 1, UP, kind="ifb"), Link(4, "nlmon0", 824, UP, kind="nlmon"), Link(5, "wg0", 0xFFFE, UP),
        Link(7, "macvlan0", 1, UP, kind="macvlan", below=2), Link(8, "eth1", 1, 0),
    ) == ["lo", "eth0", "wg0", "macvlan0"]  # fmt: skip


@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux")
def test_the_kernel_lists_the_interfaces() -> None:
    links = present_links(addresses=True)
    assert {(link.index, link.name) for link in links} == set(socket.if_nameindex())
    lo = next(link for link in links if link.name == "lo")
    assert lo.hardware == 772
    assert not lo.up or "127.0.0.1/8" in lo.addresses


def test_one_link_of_the_kernel() -> None:
    head = struct.pack("=BxHiII", 0, 1, 6, 0x1003, 0)
    name, kind = attribute(3, b"eth0.7\0"), nested(18, attribute(1, b"vlan\0") + attribute(2, b"..."))
    link = _link(head + name + attribute(5, struct.pack("=I", 2)) + attribute(16, b"\x06") + kind)
    assert link == Link(6, "eth0.7", 1, 0x1003, "up", "vlan", 0, 2)
    elsewhere = _link(head + name + attribute(5, struct.pack("=I", 2)) + attribute(37, struct.pack("=i", 0)) + kind)
    assert elsewhere is not None
    assert elsewhere.below == 0
    for cut in range(len(head) + len(name)):
        assert _link((head + name)[:cut]) is None or cut > len(head)
    assert _link(head) is None, "without a name"


def test_default_routes() -> None:
    heading = ["Iface", "Destination", "Gateway", "Flags", "RefCnt", "Use", "Metric", "Mask", "MTU", "Window", "IRTT"]
    routes = [
        heading,
        ["eth0", "00000000", "0102A8C0", "0003", "0", "0", "100", "00000000", "0", "0", "0"],
        ["tun0", "00000000", "00000000", "0001", "0", "0", "50", "00000080", "0", "0", "0"],  # half of all addresses
        ["wlan0", "00000000", "0102A8C0", "0003", "0", "0", "600", "00000000", "0", "0", "0"],
        ["lo", "00000000", "00000000", "0201", "0", "0", "1", "00000000", "0", "0", "0"],  # unreachable
        ["eth9", "00000000", "0102A8C0", "0002", "0", "0", "2", "00000000", "0", "0", "0"],  # not in use
        ["cut"],
    ]
    assert _ipv4_defaults(routes) == [(100, "eth0"), (600, "wlan0")]
    assert _lowest(_ipv4_defaults(routes)) == "eth0"
    zero = "0" * 32
    assert _ipv6_defaults([
        f"{zero} 00 {zero} 00 fe800000000000000000000000000001 00000400 1 0 00000003 eth0".split(),
        f"{zero} 00 {zero} 00 {zero} ffffffff 1 0 00200200 lo".split(),
    ]) == [(1024, "eth0")]  # fmt: skip
    assert _lowest([]) is None


def test_long_lists_are_cut() -> None:
    many = [Present(f"veth{i}", "up", "veth", tuple(f"10.0.0.{j}/8" for j in range(9))) for i in range(60)]
    words = listed(many)
    assert words.startswith("veth0 up 10.0.0.0/8 10.0.0.1/8 10.0.0.2/8; veth1 up")
    assert words.endswith("; …")
    assert "veth39" in words
    assert "veth40" not in words
