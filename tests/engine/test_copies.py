"""Packets that were captured twice are recognised, and packets that were sent twice are not taken for them."""

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from rustnet.sources.files import open_source
from tests.engine.test_contexts import http
from tests.engine.tracking import Tracked, track
from tests.support.packets import (
    ACK,
    SECOND,
    START,
    SYN,
    TYPE_ARP,
    Captured,
    arp,
    cooked2,
    ethernet,
    ip,
    kind_of,
    paced,
    padded,
    tcp,
    udp,
)
from tests.support.paths import ROOT

MICROSECOND, MILLISECOND = 1_000, 1_000_000
A, B, A6, B6 = "10.0.0.1", "10.0.0.2", "2001:db8::1", "2001:db8::2"
COUNTS = {"src_packets", "dst_packets", "src_bytes", "dst_bytes", "duplicates"}
NUMBER = "first_packet"


def facts(got: Tracked) -> list[dict[str, object]]:
    """Everything about flows but what copies may change."""
    return [{name: value for name, value in flow.items() if name not in COUNTS | {NUMBER}} for flow in got.flows]


def copies(got: Tracked) -> int:
    return sum(int(str(flow["duplicates"])) for flow in got.flows)


def twice(
    packets: Sequence[Captured], delay: Callable[[], int], change: Callable[[Captured], Captured] = lambda p: p
) -> list[Captured]:
    """Every packet, and a copy of it so many nanoseconds later, in the order of time."""
    both = [(packet.ts, 0, i, packet) for i, packet in enumerate(packets)]
    for i, packet in enumerate(packets):
        ts = packet.ts + delay()
        both.append((ts, 1, i, replace(change(packet), ts=ts)))
    return [packet for *_key, packet in sorted(both, key=lambda each: each[:3])]


def elsewhere(packet: Captured) -> Captured:
    return replace(packet, interface=1)


def conversation(number: int = 0) -> list[Captured]:
    frames = http((), ())
    answers = [ip(A, B, 17, udp(1_234, 53, b"query")), ip(B, A, 17, udp(53, 1_234, b"answer"))]
    ping = [ip(A, B, 1, b"\x08\0\0\0\0\x05\0\x01abcdefgh"), ip(B, A, 1, b"\0\0\0\0\0\x05\0\x01abcdefgh")]
    six = [ip(A6, B6, 17, udp(5, 53, b"q" * 50)), ip(B6, A6, 17, udp(53, 5, b"a" * 50))]
    frames += [ethernet(packet, kind_of(packet)) for packet in [*answers, *ping, *six]]
    frames.append(ethernet(arp(1, A, B), TYPE_ARP, dst=b"\xff" * 6))
    frames += http("vxlan5", "vxlan5", ((A, 7_000), (B, 80)))
    frames += http((100, 5), (100, 5), ((A, 7_001), (B, 80)))
    big = udp(9, 53, b"z" * 3_000)
    parts = [ip(A, B, 17, big[at : at + 1_000], ident=7, offset=at, more=at < 3_000) for at in range(0, 3_008, 1_000)]
    frames += [ethernet(part) for part in parts]
    return paced(frames, START + number * SECOND)


SAMPLES = sorted(p for p in (ROOT / "sample_pcaps").glob("*.pcap*") if not p.name.endswith((".json", ".jsonl")))


def sample(path: Path, most: int = 3_000) -> list[Captured]:
    packets: list[Captured] = []
    source = open_source(str(path))
    try:
        for frames in source.batches():
            for i in range(frames.count):
                link, interface = frames.link[i], frames.interface[i]
                packets.append(Captured(frames.ts[i], frames.frame(i), link, frames.length[i], interface))
    finally:
        source.close()
    return packets[:most]


def check(packets: Sequence[Captured], doubled: Sequence[Captured], borders: Sequence[int] = ()) -> None:
    plain, got = track(packets), track(doubled, borders)
    assert facts(got) == facts(plain)
    assert got.reader.pieces == plain.reader.pieces
    assert [each[:3] for each in got.reader.datagrams] == [each[:3] for each in plain.reader.datagrams]
    for one, two in zip(plain.flows, got.flows, strict=True):
        for side in ("src", "dst"):
            assert two[f"{side}_payload"] == one[f"{side}_payload"]
        own = int(str(one["src_packets"])) + int(str(one["dst_packets"]))
        assert int(str(two["src_packets"])) + int(str(two["dst_packets"])) - own == two["duplicates"]


@pytest.mark.parametrize("borders", [(), (1, 5, 6, 20, 33)])
def test_copies_change_no_fact(borders: Sequence[int]) -> None:
    packets = conversation()
    doubled = twice(packets, lambda: 5 * MICROSECOND, elsewhere)
    check(packets, doubled, borders)
    assert copies(track(doubled)) > len(packets)  # those of tunnels count for both flows


@pytest.mark.parametrize("seed", range(5))
def test_copies_that_come_later_change_no_fact(seed: int) -> None:
    chance = random.Random(seed)
    packets = conversation()
    check(packets, twice(packets, lambda: chance.randrange(0, 2 * MILLISECOND), elsewhere), (7, 8, 40))


def test_a_mirror_of_both_ports() -> None:
    """The same frames on the same interface, some microseconds later; neither has an identification."""
    packets = conversation()
    check(packets, twice(packets, lambda: 5 * MICROSECOND))


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.name)
def test_copies_of_samples_change_no_fact(path: Path) -> None:
    packets = sample(path)
    plain = track(packets)
    if copies(plain):
        pytest.skip("has copies of its own")
    chance = random.Random(1)
    for delay in (lambda: 5 * MICROSECOND, lambda: chance.randrange(0, 2 * MILLISECOND)):
        got = track(twice(packets, delay, elsewhere))
        assert facts(got) == facts(plain)
        assert got.reader.pieces == plain.reader.pieces


def test_of_a_container_host() -> None:
    """Linux' cooked capture of all interfaces: only the interface's number in the frame differs."""

    def other(packet: Captured) -> Captured:
        return replace(packet, data=packet.data[:7] + b"\x02" + packet.data[8:])

    frames = [cooked2(0x800, frame[14:]) for frame in http((), ())]
    packets = paced(frames, link=276)
    doubled = twice(packets, lambda: 5 * MICROSECOND, other)
    check(packets, doubled)
    assert copies(track(doubled)) == len(packets)


def routed(packet: Captured, hops: int = 1) -> Captured:
    """The packet after a router: other hardware addresses, a smaller TTL."""
    data = bytearray(packet.data)
    data[:12] = b"\x0a" * 12
    data[22] -= hops
    return replace(packet, data=bytes(data))


def tagged(packet: Captured) -> Captured:
    return replace(packet, data=packet.data[:12] + b"\x81\x00\x00\x64" + packet.data[12:])


@pytest.mark.parametrize("change", [routed, tagged, lambda packet: tagged(routed(packet))])
def test_before_and_after_a_router_and_with_a_tag(change: Callable[[Captured], Captured]) -> None:
    packets = paced(http((), ()))
    doubled = twice(packets, lambda: 50 * MICROSECOND, change)
    check(packets, doubled)
    # The answers are first seen with the tag.
    swapped = [change(p) if p.data[29] == 2 else p for p in packets]
    both = twice(packets, lambda: 50 * MICROSECOND, change)
    back = twice(swapped, lambda: 50 * MICROSECOND)
    assert len(track(both).flows) == len(track(back).flows) == 1


def test_copies_show_that_both_tags_are_of_one_conversation() -> None:
    """Answers come without the tag; of the questions one comes with and without it, and one without it only."""
    first, second, third = (ip(A, B, 17, udp(7_000, 7_001, b"q" * 30), ident=n) for n in (1, 2, 3))
    answer = ip(B, A, 17, udp(7_001, 7_000, b"a" * 30), ident=1)
    tags_of = [(first, [100]), (answer, []), (second, [100]), (second, []), (third, [])]
    frames = [ethernet(packet, vlans=vlans) for packet, vlans in tags_of]
    (flow,) = track(paced(frames)).flows
    assert (flow["src_packets"], flow["dst_packets"], flow["duplicates"]) == (4, 1, 1)


def test_where_batches_end_does_not_matter_to_packets_in_disorder() -> None:
    """A packet that is much later than its neighbours ends a batch; a copy of an earlier one follows."""
    moments = (0, 1, 50, 0)
    packets = [Captured(START + ms * MILLISECOND, datagram(b"%d" % ms * 20, ms)) for ms in moments]
    for borders in ((), (1,), (2,), (3,), (1, 2, 3)):
        assert copies(track([replace(p, interface=i // 3) for i, p in enumerate(packets)], borders)) == 1


def test_a_copy_in_a_context_that_was_another_conversations() -> None:
    """A flow has parted from its second context; what was there ends, and a copy there is counted for the flow."""
    ask, answer = (ip(*ends, 17, udp(*ports, b"x" * 30)) for ends, ports in (((A, B), (7, 9)), ((B, A), (9, 7))))
    parted = [ethernet(ask, vlans=[100]), ethernet(answer), ethernet(ask)]
    numbered = ip(A, B, 17, udp(7, 9, b"y" * 30), ident=5)
    packets = paced(parted)
    packets += paced([ethernet(answer, vlans=[100])] * 400, START + 50 * SECOND, 200 * MILLISECOND)
    packets += paced([ethernet(numbered, vlans=[100]), ethernet(numbered)], START + 131 * SECOND)
    packets.append(Captured(START + 300 * SECOND, parted[0]))
    got = track(packets, [len(packets) - 3])
    assert [(f["src_packets"], f["dst_packets"], f["duplicates"]) for f in got.flows] == [
        (3, 401, 1),
        (1, 0, 0),
        (1, 0, 0),
    ]
    assert [f["end_reason"] for f in got.flows] == ["idle", "idle", "end"]


# ---- what is no copy -----------------------------------------------------------------------------------------------


def datagram(payload: bytes = b"x" * 20, ident: int = 0, ttl: int = 64) -> bytes:
    return ethernet(ip(A, B, 17, udp(1_234, 53, payload), ident=ident, ttl=ttl))


def once_each(count: int = 32) -> list[Captured]:
    """So many packets that come once."""
    frames = [datagram(b"unlike %d" % n, 100 + n) for n in range(count)]
    return paced(frames, START - SECOND)


def at(*moments: tuple[int, bytes]) -> list[Captured]:
    return once_each() + [Captured(START + moment, data) for moment, data in moments]


segment = ethernet(ip(A, B, 6, tcp(40_000, 80, 100, 1, ACK, b"data"), ident=5))
again = ethernet(ip(A, B, 6, tcp(40_000, 80, 100, 1, ACK, b"data"), ident=6))
opening = ethernet(ip(A, B, 6, tcp(40_000, 80, 99, 0, SYN)))
six = ethernet(ip(A6, B6, 17, udp(1_900, 1_900, b"M-SEARCH")), 0x86DD)


@pytest.mark.parametrize(
    "packets",
    [
        pytest.param(at((0, segment), (300 * MICROSECOND, again)), id="retransmission with its own identification"),
        pytest.param(at((0, opening), (SECOND, opening)), id="SYN sent again"),
        pytest.param(at((0, datagram()), (SECOND, datagram())), id="query sent again"),
        pytest.param(at((0, datagram()), (30 * MICROSECOND, datagram(ident=9))), id="datagram with another one"),
        pytest.param(at((0, datagram()), (3 * MILLISECOND, datagram())), id="the same soon, without one"),
        pytest.param(at((0, six), (20 * MICROSECOND, six)), id="IPv6 announced twice"),
        pytest.param(at((0, datagram(ttl=1)), (MILLISECOND, datagram(ttl=2))), id="search for a route"),
        pytest.param(at((0, datagram(b"a" * 90)), (9, datagram(b"a" * 70 + b"b" * 20))), id="other content"),
        pytest.param(
            at((0, ethernet(arp(1, A, B), TYPE_ARP)), (SECOND, ethernet(arp(1, A, B), TYPE_ARP))), id="ARP asked again"
        ),
        pytest.param(
            at((0, ethernet(ip(A, B, 17, udp(1, 2)), vlans=[1])), (9, ethernet(ip(A, B, 17, udp(1, 2)), vlans=[2]))),
            id="tenants",
        ),
    ],
)
def test_what_was_sent_twice_is_no_copy(packets: list[Captured]) -> None:
    assert copies(track(packets)) == 0


def test_retransmissions_are_counted_although_each_packet_is_captured_twice() -> None:
    """The identification is 0; a second is too long for a copy."""
    frames = [*http((), ())[:4], http((), ())[3]]
    packets = [Captured(START + (n if n < 4 else 10_000) * MILLISECOND, data) for n, data in enumerate(frames)]
    got = track(twice(packets, lambda: 5 * MICROSECOND, elsewhere))
    assert got.flows[0]["src_retransmissions"] == 1
    assert got.flows[0]["duplicates"] == 5


def test_a_content_that_only_looks_alike_is_read() -> None:
    """The digest covers the beginning only; nobody can hide a datagram by sending one that begins like it."""
    one, two = b"a" * 200 + b"1", b"a" * 200 + b"2"
    got = track(at((0, datagram(one, 7)), (9, datagram(two, 7))))
    assert [data for *_rest, data, _number in got.reader.datagrams][-2:] == [one, two]


def test_without_their_counts() -> None:
    packets = paced(http((), ()))
    plain = track(packets)
    got = track(twice(packets, lambda: 5 * MICROSECOND, elsewhere), without_duplicates=True)
    assert copies(got) == len(packets)
    for name in COUNTS - {"duplicates"}:
        assert got.flows[0][name] == plain.flows[0][name]


def test_a_short_packet_whose_frame_is_padded_once() -> None:
    packet = ip(A, B, 17, udp(1_000, 2_000, b"x"))
    first = Captured(START, cooked2(kind_of(packet), packet), 276)
    padding = padded(ethernet(packet))
    assert copies(track([first, Captured(START + MICROSECOND, padding, interface=1)])) == 1
