"""One conversation whose directions have other tags or tunnels, and conversations between equal ends that are two."""

import struct

import pytest

from tests.engine.tracking import Tracked, track
from tests.support.packets import (
    ACK,
    FIN,
    SECOND,
    START,
    SYN,
    TYPE_IPV4,
    TYPE_IPV6,
    Captured,
    End,
    ethernet,
    ip,
    kind_of,
    paced,
    tcp,
    udp,
)

A, B = ("10.0.0.1", 40_000), ("10.0.0.2", 80)
A6, B6 = ("2001:db8::1", 40_000), ("2001:db8::2", 80)
OUTER = "192.0.2.1", "192.0.2.2"

Around = int | tuple[int, ...] | str
"""What is around a packet: its tags, outermost first; a tunnel: ``vxlan5`` (VNI), ``gre``, ``gre7`` (key)."""


def wrap(packet: bytes, around: Around, back: bool = False) -> bytes:
    """A frame with an IP packet."""
    if isinstance(around, int):
        around = (around,)
    if isinstance(around, tuple):
        return ethernet(packet, kind_of(packet), around)
    ends = OUTER[::-1] if back else OUTER
    if around.startswith("vxlan"):
        inner = struct.pack(">II", 0x08000000, int(around[5:]) << 8) + ethernet(packet, kind_of(packet))
        return ethernet(ip(*ends, 17, udp(50_000 + back, 4_789, inner)))
    key = around[3:]
    head = struct.pack(">HH", 0x2000 if key else 0, kind_of(packet)) + (struct.pack(">I", int(key)) if key else b"")
    return ethernet(ip(*ends, 47, head + packet))


def http(there: Around, back: Around, ends: tuple[End, End] = (A, B), isn: int = 100) -> list[bytes]:
    """Frames of one connection; those of the client are in ``there``, those of the server in ``back``."""
    client, server = ends

    def segment(sent: bool, seq: int, ack: int, flags: int, payload: bytes = b"") -> bytes:
        (src, sport), (dst, dport) = (client, server) if sent else (server, client)
        return wrap(ip(src, dst, 6, tcp(sport, dport, seq, ack, flags, payload)), there if sent else back, not sent)

    c, s = isn, 5_000 + isn
    return [
        segment(True, c, 0, SYN),
        segment(False, s, c + 1, SYN | ACK),
        segment(True, c + 1, s + 1, ACK),
        segment(True, c + 1, s + 1, ACK, b"GET / HTTP/1.1\r\n\r\n"),
        segment(False, s + 1, c + 19, ACK, b"HTTP/1.1 200 OK\r\n\r\n"),
        segment(True, c + 19, s + 20, ACK | FIN),
        segment(False, s + 20, c + 20, ACK | FIN),
        segment(True, c + 20, s + 21, ACK),
    ]


def inner(got: Tracked) -> list[dict[str, object]]:
    """The flows that are not those of tunnels."""
    return [flow for flow in got.flows if not flow["carries"] and flow["protocol"] != "qinq"]


ASYMMETRIC: list[tuple[Around, Around]] = [
    (0, ()),
    ((), 0),
    (0, 7),
    (100, 200),
    (100, ()),
    ((), 200),
    ((100, 5), ()),
    ((), (100, 5)),
    ((100, 5), (100, 6)),
    ((100, 0), ()),
    ((0, 100), 100),
    ((100, 5), 5),
    ("vxlan5", "vxlan6"),
    ("vxlan5", ()),
    ((), "gre"),
    ("gre7", "gre"),
    ("gre", 100),
]


@pytest.mark.parametrize("ends", [(A, B), (A6, B6)], ids=["IPv4", "IPv6"])
@pytest.mark.parametrize(("there", "back"), ASYMMETRIC)
def test_directions_with_other_tags_are_one_conversation(there: Around, back: Around, ends: tuple[End, End]) -> None:
    got = track(paced(http(there, back, ends)))
    (flow,) = inner(got)
    assert flow["conn_state"] == "SF"
    assert (flow["src_packets"], flow["dst_packets"]) == (5, 3)
    assert got.streams(int(str(flow["flow_id"]))) == ([b"GET / HTTP/1.1\r\n\r\n"], [b"HTTP/1.1 200 OK\r\n\r\n"])
    assert flow["src_missed"] == flow["dst_missed"] == 0


@pytest.mark.parametrize("first", range(8))
def test_from_any_packet_on(first: int) -> None:
    """A capture that begins in the middle; the connection's numbers show that both directions belong together."""
    frames = http(100, 200)[first:]
    got = track(paced(frames))
    assert len(got.flows) == 1
    (flow,) = got.flows
    assert int(str(flow["src_packets"])) + int(str(flow["dst_packets"])) == len(frames)


def test_tags_of_both_ends() -> None:
    for frames in (http(100, 200), http(100, 200)[1:]):  # the second is first seen by its answer
        (flow,) = track(paced(frames)).flows
        assert (flow["vlan"], flow["dst_vlan"]) == (100, 200)
    (flow,) = track(paced(http((), 200))).flows
    assert (flow["vlan"], flow["dst_vlan"]) == (-1, 200)


TENANTS: list[tuple[Around, Around]] = [
    (100, 200),
    ((), 200),
    ("vxlan5", "vxlan6"),
    ((100, 5), (100, 6)),
    ("gre", 9),
]


@pytest.mark.parametrize(("one", "two"), TENANTS)
def test_tenants_with_equal_addresses_are_two(one: Around, two: Around) -> None:
    """Both directions are in both contexts, with the same numbers and at the same time."""
    first, second = http(one, one), http(two, two)
    between = [frame for pair in zip(first, second, strict=True) for frame in pair]
    for frames in (first + second, between):
        flows = inner(track(paced(frames)))
        assert [(f["conn_state"], f["src_packets"], f["dst_packets"]) for f in flows] == [("SF", 5, 3)] * 2


def datagram(src: End, dst: End, vlan: Around, payload: bytes = b"x") -> bytes:
    return wrap(ip(src[0], dst[0], 17, udp(src[1], dst[1], payload)), vlan)


def test_a_datagram_that_answers_in_time() -> None:
    ask, reply = datagram(A, ("10.0.0.2", 53), 100), datagram(("10.0.0.2", 53), A, 200)
    assert len(track(paced([ask, reply, ask, reply])).flows) == 1
    late = [Captured(START, ask), Captured(START + 11 * SECOND, reply)]
    assert len(track(late).flows) == 2


def test_the_traffic_shows_that_there_are_two_after_all() -> None:
    """The answer in VLAN 200 could have been the other side of VLAN 100; then both sides are seen in VLAN 200."""
    end = ("10.0.0.2", 40_001)
    one, two = datagram(A, end, 100), datagram(end, A, 200)
    got = track(paced([one, two, datagram(A, end, 200), two, datagram(end, A, 100), one]))
    assert [(f["src_packets"], f["dst_packets"]) for f in got.flows] == [(2, 2), (1, 1)]


def test_an_idle_conversation_is_not_the_other_one() -> None:
    """What comes in VLAN 200 after the idle timeout is the second conversation, wherever batches end."""
    end = ("10.0.0.2", 40_001)
    frames = [datagram(A, end, 100), datagram(end, A, 200), datagram(A, end, 200)]
    packets = [Captured(START + i // 2 * 100 * SECOND, data) for i, data in enumerate(frames)]
    for borders in ((), (2,)):
        got = track(packets, borders)
        assert [(f["generation"], f["end_reason"], f["vlan"]) for f in got.flows] == [(0, "idle", 100), (1, "end", 200)]


def test_echoes() -> None:
    def echo(kind: int, vlan: Around) -> bytes:
        ends = ("10.0.0.1", "10.0.0.2") if kind == 8 else ("10.0.0.2", "10.0.0.1")
        return wrap(ip(*ends, 1, struct.pack(">BBHHH", kind, 0, 0, 77, 1)), vlan)

    (flow,) = track(paced([echo(8, 100), echo(0, 200)])).flows
    assert flow["state"] == "ECHO_REPLY"


def test_hardware_addresses_are_no_conversation() -> None:
    """Frames of layer 2 in several VLANs between the same switches stay apart."""
    there = ethernet(b"\0" * 50, 0x88F7, [100])
    back = ethernet(b"\0" * 50, 0x88F7, [200], src=b"\2" * 6, dst=b"\2" * 5 + b"\1")
    back = there[6:12] + there[:6] + back[12:]
    assert len(track(paced([there, back])).flows) == 2


def test_another_connection_of_the_same_ends() -> None:
    """The second one begins in the context of the first one's initiator, and is known in both again."""
    got = track(paced(http(100, 200) + http(100, 200, isn=70_000)))
    assert [(f["generation"], f["conn_state"]) for f in got.flows] == [(0, "SF"), (1, "SF")]


def test_many_in_second_contexts() -> None:
    """The table grows with its second entries, and forgets them with their flows."""
    frames: list[bytes] = []
    for port in range(3_000):
        frames += http(100, 200, (("10.0.0.1", 10_000 + port), B))[:3]
    got = track(paced(frames, step=1_000))
    assert len(got.flows) == 3_000
    assert all((f["src_packets"], f["dst_packets"]) == (2, 1) for f in got.flows)
    table = got.tracker.table
    assert (table.count, table.joints) == (0, 0)


def test_priority_tags_are_no_vlan() -> None:
    for kind, ends in ((TYPE_IPV4, (A, B)), (TYPE_IPV6, (A6, B6))):
        frames = http(0, 0, ends)
        assert frames[0][16:18] == struct.pack(">H", kind)
        (flow,) = track(paced(frames)).flows
        assert (flow["vlan"], flow["outer_vlan"]) == (-1, -1)
