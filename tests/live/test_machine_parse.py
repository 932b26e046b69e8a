"""Messages of rtnetlink: recorded ones, cut ones, and bytes that no kernel sends."""

import random
import struct
from collections.abc import Callable
from typing import Any

import pytest

from rustnet.probe.machine_counters import NAMES, Counters
from rustnet.probe.machine_host import os_name, resolver_keys
from rustnet.probe.machine_netlink import RTM_NEWROUTE, messages
from rustnet.probe.machine_parse import (
    Link,
    Neighbour,
    Route,
    counters,
    interface_address,
    link,
    neighbour,
    routes,
)
from rustnet.probe.netlink import attribute, message, nested

LOOPBACK = (
    "00000403010000004900010000000000070003006c6f000008000d00e803000005001000000000000500110000000000"
    "08000400000001000a0001000000000000000000"
)
MACVLAN = (
    "000001000400000002100000000000000a00030077616e2e3700000008000d00e803000005001000020000000500110000000000"
    "08000400dc05000008000500030000000a000100e2583563e92e00003c0012000c0001006d6163766c616e002c00020008000100"
    "020000000600020000000000080006000000000008000700e803000008000800e80300000800050003000000"
)
"""wan.7, on top of interface 3; both as the kernel sent them, without what is not read."""
ADDRESS = (
    "0218800003000000080001000a010001080002000a0100010800030077616e000800080080000000"
    "14000600ffffffffffffffff9ee45c009ee45c00"
)
ADDRESS6 = (
    "0a4082000300000014000100fd00000100000000000000000000000114000600ffffffffffffffff9fe45c009fe45c000800080082000000"
)
SEVERAL_HOPS = (
    "02100000640300010000000008000f0064000000080001000a05000008000600090000002400090010000002030000000800"
    "05000a0100051000000003000000080005000a010006"
)
VIA_IPV6 = (
    "02100000fe0400010000000008000f00fe000000080001000a060000080007000a010001160012000a00fd0000010000000000000000"
    "0000000600000800040003000000"
)
FROM_A_NETWORK = (
    "0a304000fe0c00010000000008000f00fe00000014000100fd00000200000000000000000000000014000200fd00000100000000"
    "0000000000000000080006000004000014000500fd000001000000000000000000000009080004000300000024000c00"
    "00000000000000000000000000000000000000000000000000000000000000000500140000000000"
)
OWN_ADDRESS = "02200000ff02fe020000000008000f00ff000000080001000a010001080007000a0100010800040003000000"
NEIGHBOUR = (
    "020000000300000080000001080001000a0100090a0002000200000000090000080004000000000014000300"
    "00000000000000000000000000000000"
)

ROUTE = Route("main", "10.6.0.0/16", None, 0, "fd00:1::6", 3, 0, "unicast", "static", "10.1.0.1", 1)


def raw(text: str) -> bytes:
    return bytes.fromhex(text)


def test_links() -> None:
    assert link(raw(LOOPBACK)) == Link(1, "lo", "loopback", None, 65536, True, "unknown", 0, 0)
    assert link(raw(MACVLAN)) == Link(4, "wan.7", "macvlan", "e2:58:35:63:e9:2e", 1500, False, "down", 0, 3)
    elsewhere = raw(MACVLAN) + attribute(37, struct.pack("=i", 1))
    assert link(elsewhere) == link(raw(MACVLAN))._replace(parent=0), "its parent is in another namespace"  # type: ignore[union-attr]
    assert link(b"\x07" + raw(MACVLAN)[1:]) is None, "a bridge port, whose end is not the interface's"


def test_addresses() -> None:
    assert interface_address(raw(ADDRESS)) == (3, "10.1.0.1/24")
    assert interface_address(raw(ADDRESS6)) == (3, "fd00:1::1/64")


def test_routes() -> None:
    first, second = routes(raw(SEVERAL_HOPS))
    assert first == Route("100", "10.5.0.0/16", None, 0, "10.1.0.5", 3, 9, "unicast", "boot", None, 3)
    assert second == first._replace(gateway="10.1.0.6", weight=1)
    assert routes(raw(VIA_IPV6)) == [ROUTE]
    assert routes(raw(FROM_A_NETWORK)) == [
        Route("main", "fd00:2::/48", "fd00:1::/64", 0, "fd00:1::9", 3, 1024, "unicast", "bird", None, 1)
    ]
    assert routes(raw(OWN_ADDRESS)) == []
    default = struct.pack("=BBBBBBBBI", 2, 0, 0, 0, 254, 16, 0, 1, 0) + attribute(5, b"\x0a\x01\0\x01")
    assert [(r.destination, r.gateway, r.origin) for r in routes(default)] == [("0.0.0.0/0", "10.1.0.1", "dhcp")]
    unknown = struct.pack("=BBBBBBBBI", 10, 0, 0, 0, 9, 250, 0, 77, 0)
    assert [(r.destination, r.table, r.origin, r.kind) for r in routes(unknown)] == [("::/0", "9", "250", "77")]


def test_neighbours() -> None:
    assert neighbour(raw(NEIGHBOUR)) == Neighbour(3, "10.1.0.9", "02:00:00:00:00:09", "permanent", False)

    def state(number: int, flags: int = 0) -> Neighbour | None:
        return neighbour(raw(NEIGHBOUR)[:8] + struct.pack("=HBB", number, flags, 1) + raw(NEIGHBOUR)[12:])

    assert {one.state for number in (2, 4, 8, 16) if (one := state(number))} == {"resolved"}
    assert [(one.state, one.mac) for number in (32, 1) if (one := state(number))] == [
        ("failed", None), ("incomplete", None)
    ]  # fmt: skip
    assert (state(64), state(2, 8)) == (None, None), "without resolution, and those that are answered for"
    router = state(2, 0x80)
    assert router is not None
    assert router.router


def test_counters() -> None:
    values = [*range(100, 115), 7, *[0] * 8]
    body = bytes(16) + attribute(3, b"eth0\0") + attribute(23, struct.pack("=24Q", *values))
    read = counters(body)
    assert read is not None
    assert dict(zip(("name", *NAMES), (read[0], *read[1]), strict=True)) == {
        "name": "eth0", "rx_packets": 100, "tx_packets": 101, "rx_bytes": 102, "tx_bytes": 103, "rx_errors": 104,
        "tx_errors": 105, "rx_drops": 113, "tx_drops": 107,
    }  # fmt: skip
    assert counters(bytes(16) + attribute(3, b"eth0\0") + attribute(23, bytes(100))) is None


def test_counters_that_began_anew_have_not_grown() -> None:
    readings = iter(([10] * 8, [12] * 8, [1] * 8, [5] * 8))
    counted = Counters(lambda: [("eth0", next(readings))])
    lines = [counted.lines()[0] for _ in range(4)]
    assert [line.get("rx_bytes") for line in lines] == [None, 2, None, 4]
    assert ["span_ns" in line for line in lines] == [False, True, False, True]
    assert [line["total_rx_bytes"] for line in lines] == [10, 12, 1, 5]


PARSERS: dict[str, Callable[[bytes], Any]] = {
    "links": link, "counters": counters, "addresses": interface_address, "routes": routes, "neighbours": neighbour,
}  # fmt: skip
RECORDED = [LOOPBACK, MACVLAN, ADDRESS, ADDRESS6, SEVERAL_HOPS, VIA_IPV6, FROM_A_NETWORK, OWN_ADDRESS, NEIGHBOUR]


@pytest.mark.parametrize("parse", PARSERS.values(), ids=PARSERS)
def test_cut_messages_are_no_error(parse: Callable[[bytes], Any]) -> None:
    for text in RECORDED:
        whole = raw(text)
        for size in range(len(whole)):
            parse(whole[:size])


@pytest.mark.parametrize("parse", PARSERS.values(), ids=PARSERS)
def test_other_bytes_are_no_error(parse: Callable[[bytes], Any]) -> None:
    chance = random.Random(7)
    for text in RECORDED * 40:
        changed = bytearray(raw(text))
        for _ in range(chance.randrange(1, 12)):
            changed[chance.randrange(len(changed))] = chance.choice((0, 1, 4, 7, 8, 255, chance.randrange(256)))
        parse(bytes(changed))
        parse(chance.randbytes(chance.randrange(200)))


def test_names_are_text_whatever_their_bytes() -> None:
    odd = link(raw(LOOPBACK)[:16] + attribute(3, b"\xff\x1b[2J\0rest"))
    assert odd is not None
    assert odd.name == "\\xff\x1b[2J"
    assert link(raw(LOOPBACK)[:16] + attribute(3, b"\0")) is None


def test_hops_are_bounded() -> None:
    hop = struct.pack("=HBBi", 8, 0, 0, 3)
    many = raw(OWN_ADDRESS)[:5] + b"\x03\0\x01" + bytes(4) + attribute(9, hop * 5000)
    assert len(routes(many)) == 256
    endless = raw(OWN_ADDRESS)[:5] + b"\x03\0\x01" + bytes(4) + attribute(9, bytes(4000))
    assert routes(endless) == []


def test_datagrams() -> None:
    one = message(RTM_NEWROUTE, 0, raw(VIA_IPV6))
    padded = one + bytes(-len(one) % 4)
    assert [kind for kind, _, _ in messages(padded + one)] == [RTM_NEWROUTE] * 2
    assert [body for _, _, body in messages(one)] == [raw(VIA_IPV6)]
    assert list(messages(padded + one[:-1])) == list(messages(one))
    assert list(messages(struct.pack("=IHHII", 0, 24, 0, 0, 0) * 3)) == []
    assert list(messages(struct.pack("=IHHII", 1 << 31, 24, 0, 0, 0))) == []
    assert list(messages(one[:15])) == []


def test_nested_kinds() -> None:
    body = raw(LOOPBACK)[:16] + attribute(3, b"br0\0") + nested(18, attribute(1, b"bridge\0"))
    parsed = link(body)
    assert parsed is not None
    assert parsed.kind == "bridge"


def test_resolvers() -> None:
    lines = """# nameserver 9.9.9.9
nameserver 127.0.0.53 # stub
nameserver fe80::1%eth0
nameserver not-an-address
nameserver
domain old.example
search lan.example corp.example
options edns0""".splitlines()
    assert resolver_keys(lines) == (["127.0.0.53", "fe80::1"], ["lan.example", "corp.example"])
    servers, domains = resolver_keys(["nameserver 10.0.0.1"] * 500 + ["search " + "a " * 500])
    assert (len(servers), len(domains)) == (16, 16)


def test_os_release() -> None:
    assert (
        os_name(['NAME="Debian"', 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"']) == "Debian GNU/Linux 12 (bookworm)"
    )
    assert os_name(["NAME=Alpine", "broken"]) == "Alpine"
    assert os_name([]) is None
