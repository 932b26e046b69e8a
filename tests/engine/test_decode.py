"""Headers: every link type and tunnel, each cut and damaged at every byte, nested without end, and in fragments."""

import random
import struct
from collections.abc import Sequence
from dataclasses import replace

import pytest

from rustnet.engine.numbers import CUT, MALFORMED, TUNNEL_NAMES, UNKNOWN_LINK
from tests.engine import decode_cases
from tests.engine.decode_cases import A4, A6, B4, B6, C4, CLIENT, CLIENT6, D4, DATA, SERVER, SERVER6, Case
from tests.engine.link_cases import CASES as LINK_CASES
from tests.engine.tag_cases import TAG_CASES
from tests.engine.tracking import Tracked, track
from tests.engine.tunnel_cases import OTHER_IP, OTHER_UDP, PORTS, TUNNELS, over_ip, over_udp
from tests.support.effort import assert_linear
from tests.support.packets import ACK, SECOND, START, Captured, checksum, ethernet, ip, kind_of, paced, tcp, udp
from tests.support.uncompiled import RUNS_PURE

CASES = decode_cases.CASES + TUNNELS + TAG_CASES + LINK_CASES
by_name = {case.name: case for case in CASES}
each_case = pytest.mark.parametrize("case", CASES, ids=list(by_name))


def check_books(got: Tracked) -> None:
    """No packet is lost between the packet index, the flows and the frames that could not be decoded."""
    assert sum(row[0] == 0 for row in got.index) == len(got.reader.refused) == got.tracker.undecoded
    known = {flow["flow_id"] for flow in got.flows}
    assert {row[0] for row in got.index} <= known | {0}
    for flow in got.flows:
        rows = [row for row in got.index if row[0] == flow["flow_id"]]
        if not flow["carries"] and not flow["fragments"]:  # what carries another flow leaves its packets to that
            assert len(rows) == flow["src_packets"] + flow["dst_packets"]  # type: ignore[operator]
            assert sum(row[1] for row in rows) == flow["src_packets"]
            assert sum(row[2] for row in rows if row[1]) == flow["src_payload"]
            assert sum(row[2] for row in rows if not row[1]) == flow["dst_payload"]


def spaced(frames: Sequence[Captured]) -> list[Captured]:
    """The frames at times so far apart that none of them is a copy of another one."""
    return [replace(frame, ts=START + i * 21_000_000) for i, frame in enumerate(frames)]


@each_case
def test_every_layer_is_read(case: Case) -> None:
    got = track([Captured(START, case.data, case.link)])
    assert got.reader.refused == []
    flow = got.flows[-1]
    wanted = dict(case.expected)
    if isinstance(wanted.get("tunnel"), str):
        assert TUNNEL_NAMES[int(str(flow["tunnel"]))] == wanted.pop("tunnel")
    assert {key: flow[key] for key in wanted} == wanted
    assert tuple(flow["protocol"] for flow in got.flows[:-1]) == case.outer
    assert (flow["outer_flow_id"] != 0) == bool(case.outer)
    check_books(got)


@each_case
def test_cut_at_every_byte(case: Case, capfd: pytest.CaptureFixture[str]) -> None:
    frames = [Captured(START, case.data[:size], case.link, len(case.data)) for size in range(len(case.data) + 1)]
    got = track(spaced(frames))
    check_books(got)
    assert {answer for answer, _, _ in got.reader.refused} <= {CUT, MALFORMED, UNKNOWN_LINK}
    assert capfd.readouterr().err == "", "an exception was swallowed in compiled code"


@each_case
def test_damaged_at_every_byte(case: Case, capfd: pytest.CaptureFixture[str]) -> None:
    frames = [
        Captured(START, case.data[:at] + bytes([value]) + case.data[at + 1 :], case.link)
        for at in range(min(len(case.data), 110))
        for value in (0, 0xFF, case.data[at] ^ 0x10, (case.data[at] + 1) & 0xFF)
    ]
    check_books(track(spaced(frames)))
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("seed", range(4))
def test_cut_and_damaged_by_chance(seed: int, capfd: pytest.CaptureFixture[str]) -> None:
    chance = random.Random(seed)
    frames = []
    for _ in range(3_000 if not RUNS_PURE else 300):
        case = chance.choice(CASES)
        data = bytearray(case.data[: chance.randint(0, len(case.data))] if chance.random() < 0.5 else case.data)
        for _ in range(chance.randint(0, 6)):
            if data:
                data[chance.randrange(len(data))] = chance.randrange(256)
        link = case.link if chance.random() < 0.8 else chance.choice(CASES).link
        frames.append(Captured(START, bytes(data), link, chance.choice((0, 0, 2_000))))
    check_books(track(spaced(frames)))
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("name", ["ethernet", "ipv6", "sctp", "ipv4 options", "ethernet padded", "vlan", "null"])
def test_truncated_headers_are_counted_by_the_ip_length(name: str) -> None:
    """From the end of the IP header on, a cut packet belongs to its protocol and has the payload that IP claims."""
    case = by_name[name]
    whole = track([Captured(START, case.data, case.link)]).flows[0]
    start = case.data.index(b"\x0a\x01\x01\x02") + 4 if name != "ipv6" else 54
    start += 12 if name == "ipv4 options" else 0
    ports = 4
    for size in range(start, len(case.data)):
        got = track([Captured(START, case.data[:size], case.link, len(case.data))])
        flow = got.flows[0]
        assert flow["protocol"] == whole["protocol"]
        assert flow["src_bytes"] == len(case.data)
        assert flow["src_payload"] == whole["src_payload"], size
        if size >= start + ports:
            assert (flow["src"], flow["dst"]) == (whole["src"], whole["dst"])


def test_cut_tcp_headers_are_not_analysed() -> None:
    """No sequence number, window or state is made up where the header was not captured."""
    case = by_name["ethernet"]
    for size in range(34, 48):
        flow = track(spaced([Captured(START, case.data[:size], case.link, len(case.data))] * 3)).flows[0]
        made_up = ("state", "src_zero_windows", "src_retransmissions", "src_duplicate_acks", "src_flags")
        assert [flow[key] for key in made_up] == [None, 0, 0, 0, 0]


def test_unknown_link_types_are_said() -> None:
    got = track([Captured(START, b"\x80" * 60, link) for link in (2, 147, 189, 220, 0xFFFF)])
    assert [answer for answer, _, _ in got.reader.refused] == [UNKNOWN_LINK] * 5
    assert [link for _, link, _ in got.reader.refused] == [2, 147, 189, 220, 0xFFFF]


def test_what_was_cut_is_told_from_what_is_malformed() -> None:
    radiotap, pktap = by_name["radiotap"], by_name["pktap v1"]
    for case, size in ((radiotap, 8), (pktap, 100), (by_name["ethernet"], 20), (by_name["ipv6"], 30)):
        got = track([Captured(START, case.data[:size], case.link)])
        assert [answer for answer, _, _ in got.reader.refused] == [CUT]
    wrong_version = ethernet(b"\x35" + bytes(40))
    assert track([Captured(START, wrong_version)]).reader.refused[0][0] == MALFORMED


NESTS = {
    "bridged ethernet": (1, b"\2" * 12 + b"\x65\x58"),
    "labels and control words": (1, b"\2" * 12 + b"\x88\x47" + b"\0\0\x11\0" + b"\0\0\0\0"),
    "pppoe with cisco hdlc": (51, bytes(6) + b"\x0f\0\x88\x64"),
    "llc behind tags": (
        1,
        b"\2" * 12 + b"\x81\0\0\1\0\x40\xaa\xaa\3\0\0\0\x81\0" + b"\0\1\0\x40\xaa\xaa\3\0\0\0\x65\x58",
    ),
    "fabric path": (1, b"\2" * 12 + b"\x89\x03\0\0"),
    "qinq": (1, b"\x81\0\0\1"),
    "e-tag": (1, b"\2" * 12 + b"\x89\x3f" + bytes(6)),
    "nsh": (1, b"\2" * 12 + b"\x89\x4f" + b"\0\2\1\4" + b"\0\0\0\0"),
    "pbb": (1, b"\2" * 12 + b"\x88\xe7" + bytes(4)),
    "isl": (1, bytes.fromhex("01000c000000 020000000009 0500 aaaa0300000c 0002 0000 0000")),
    "extension headers": (229, b"\0\0"),
}


@pytest.mark.parametrize("name", NESTS)
def test_nested_without_end(name: str) -> None:
    """A frame of a megabyte of headers costs little time, and no stack."""
    link, unit = NESTS[name]

    def nested(size: int) -> None:
        data = (unit * (size // len(unit)))[:size]
        if name == "qinq":
            data = b"\2" * 12 + data
        if name == "extension headers":
            data = struct.pack(">IHBB", 0x60000000, 65_000, 0, 1) + bytes(32) + data[:65_000]
        check_books(track(spaced([Captured(START, data, link)] * 20)))

    assert_linear(nested, 1 << 18)


def test_tunnels_in_tunnels_without_end() -> None:
    packet = ip(A4, B4, 17, udp(1, 2, b"x"))
    for _ in range(60):
        packet = ip(C4, D4, 4, packet)
    whole = ethernet(packet)
    got = track(paced([whole, *(ethernet(piece) for piece in fragments(C4, D4, 4, packet, 800))]))
    assert len(got.flows) <= 20
    check_books(got)


@pytest.mark.parametrize(("port", "payload"), [case[1:] for case in OTHER_UDP], ids=[case[0] for case in OTHER_UDP])
def test_other_datagrams_on_the_ports_of_tunnels(port: int, payload: bytes) -> None:
    for number in (port,) if port else PORTS:
        got = track(spaced([Captured(START, over_udp(number, payload, back=back)) for back in (False, True)]))
        assert [(flow["protocol"], flow["carries"]) for flow in got.flows] == [("udp", 0)], number
        assert len(got.reader.datagrams) == 2
        check_books(got)


@pytest.mark.parametrize(("protocol", "payload"), [case[1:] for case in OTHER_IP], ids=[case[0] for case in OTHER_IP])
def test_other_messages_of_the_protocols_of_tunnels(protocol: int, payload: bytes) -> None:
    got = track([Captured(START, over_ip(protocol, payload))])
    assert [(flow["carries"], flow["src_packets"]) for flow in got.flows] == [(0, 1)]


def test_ip_in_ip_between_the_same_ends_is_as_many_flows() -> None:
    packet = ip(A4, B4, 4, ip(A4, B4, 17, udp(7, 8, b"x")))
    got = track(paced([ethernet(packet)] * 3))
    assert [(flow["protocol"], flow["src_packets"]) for flow in got.flows] == [("ipip", 3), ("udp", 3)]


def test_networks_of_nvgre_tell_equal_addresses_apart() -> None:
    """The key's upper 24 bits are the network; the last byte differs by flow."""
    inside = ethernet(ip(A4, B4, 17, udp(5, 6, b"x")))
    keys = (1 << 8, 2 << 8, 2 << 8 | 9)
    frames = [over_ip(47, struct.pack(">HHI", 0x2000, 0x6558, key) + inside) for key in keys]
    got = track(paced(frames))
    assert [flow["src_packets"] for flow in got.flows if flow["tunnel"]] == [1, 2]


def test_tunnels_tell_equal_addresses_apart() -> None:
    """Two VXLAN networks, and two VLANs inside one of them, with the same private addresses."""
    inside = ip(A4, B4, 17, udp(5, 6, b"x"))

    def vxlan(vni: int, frame: bytes) -> bytes:
        return ethernet(ip(C4, D4, 17, udp(9, 4789, struct.pack(">II", 0x0800_0000, vni << 8) + frame)))

    frames = [vxlan(1, ethernet(inside)), vxlan(2, ethernet(inside)), vxlan(2, ethernet(inside, vlans=[5]))]
    got = track(paced(frames * 2))
    apart = [flow for flow in got.flows if flow["tunnel"]]
    assert [(flow["src_packets"], flow["vlan"]) for flow in apart] == [(2, -1), (2, -1), (2, 5)]


# ---- fragments -----------------------------------------------------------------------------------------------------

BIG = bytes(random.Random(1).randbytes(3_000))


def fragments(src: str, dst: str, protocol: int, body: bytes, size: int = 1_000, ident: int = 77) -> list[bytes]:
    """A transport message as IP packets of at most ``size`` bytes (a multiple of 8) of it."""
    starts = range(0, len(body), size)
    return [
        ip(src, dst, protocol, body[at : at + size], ident=ident, offset=at, more=at + size < len(body))
        for at in starts
    ]


def framed(packets: Sequence[bytes]) -> list[Captured]:
    return paced([ethernet(packet, kind_of(packet)) for packet in packets])


def payloads(got: Tracked) -> list[bytes]:
    return [data for _, _, data, _ in got.reader.datagrams]


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 2, 1, 0), (1, 3, 0, 2), (0, 0, 1, 1, 2, 2, 3, 3)])
@pytest.mark.parametrize(("src", "dst"), [(A4, B4), (A6, B6)])
def test_fragments_in_any_order(src: str, dst: str, order: tuple[int, ...]) -> None:
    pieces = fragments(src, dst, 17, udp(1_234, 53, BIG))
    got = track(framed([pieces[i] for i in order]))
    assert payloads(got) == [BIG]
    flow = got.flow(src=(src, 1_234))
    assert flow["dst"] == (dst, 53)
    assert sum(int(str(flow["fragments"])) for flow in got.flows) >= 3
    check_books(got)


def test_fragments_in_several_batches() -> None:
    frames = framed(fragments(A4, B4, 17, udp(1_234, 53, BIG)))
    assert payloads(track(frames, [1, 2, 3])) == [BIG]


def test_a_missing_fragment_is_waited_for_in_vain() -> None:
    pieces = fragments(A4, B4, 17, udp(1_234, 53, BIG))
    got = track(framed(pieces[:1] + pieces[2:]))
    assert payloads(got) == []
    assert sum(int(str(flow["src_packets"])) for flow in got.flows) == 3
    check_books(got)


def test_fragments_are_dropped_after_their_time() -> None:
    pieces = [ethernet(piece) for piece in fragments(A4, B4, 17, udp(1_234, 53, BIG))]
    late = [Captured(START, pieces[0]), *(Captured(START + 40 * SECOND, piece) for piece in pieces[1:])]
    assert payloads(track(late)) == []


def test_of_overlapping_fragments_the_first_stays() -> None:
    body = udp(1_234, 53, BIG)
    pieces = fragments(A4, B4, 17, body)
    forged = ip(A4, B4, 17, b"\xee" * 1_000, ident=77, offset=504, more=True)
    got = track(framed([pieces[0], forged, *pieces[1:]]))
    assert got.tracker.fragments.overlapping > 0
    assert [(len(data), data[:992]) for data in payloads(got)] == [(len(BIG), BIG[:992])]
    same_place = ip(A4, B4, 17, b"\xee" * 1_000, ident=77, offset=1_000, more=True)
    assert payloads(track(framed([pieces[0], pieces[1], same_place, *pieces[2:]]))) == [BIG]


def test_teardrop_and_oversized_fragments() -> None:
    inside = ip(A4, B4, 17, b"\0" * 8, ident=5, offset=8, more=False)
    beyond = [ip(A4, B4, 17, b"\0" * 1_400, ident=6, offset=65_528, more=False)]
    empty = ip(A4, B4, 17, b"", ident=7, offset=8, more=True)
    first = ip(A4, B4, 17, b"\0" * 40, ident=5, offset=0, more=True)
    got = track(framed([first, inside, *beyond, empty]))
    check_books(got)


def test_fragments_of_different_datagrams_do_not_mix() -> None:
    one = fragments(A4, B4, 17, udp(1_234, 53, BIG), ident=1)
    two = fragments(A4, B4, 17, udp(1_235, 53, BIG[::-1]), ident=2)
    back = fragments(B4, A4, 17, udp(53, 1_234, BIG[5:]), ident=1)
    mixed = [piece for three in zip(one, two, back, strict=True) for piece in three]
    got = track(framed(mixed))
    assert sorted(payloads(got)) == sorted([BIG, BIG[::-1], BIG[5:]])
    assert got.flow(src=(A4, 1_234))["dst"] == (B4, 53)


def test_fragments_in_different_vlans_do_not_mix() -> None:
    pieces = fragments(A4, B4, 17, udp(1_234, 53, BIG))
    got = track(paced([ethernet(piece, vlans=[1 + i % 2]) for i, piece in enumerate(pieces)]))
    assert payloads(got) == []


def test_fragments_between_two_ports_of_one_address() -> None:
    """On a loopback both directions have the same addresses; only ports tell who speaks."""
    ask = fragments("127.0.0.1", "127.0.0.1", 17, udp(9_000, 53, BIG), ident=1)
    answer = fragments("127.0.0.1", "127.0.0.1", 17, udp(53, 9_000, BIG[::-1]), ident=2)
    got = track(framed(ask + answer))
    assert [(from_src, data) for _, from_src, data, _ in got.reader.datagrams] == [(True, BIG), (False, BIG[::-1])]


def test_fragmented_tcp_is_analysed_once() -> None:
    body = tcp(40_000, 443, 1_000, 1, ACK, BIG)
    frames = framed([*fragments(A4, B4, 6, body), ip(A4, B4, 6, tcp(40_000, 443, 4_000, 1, ACK, b"next"))])
    got = track(frames)
    flow = got.flow(src=CLIENT)
    assert flow["dst"] == SERVER
    assert got.streams(int(str(flow["flow_id"])))[0] == [BIG + b"next"]
    assert (flow["src_retransmissions"], flow["src_missed"], flow["src_zero_windows"]) == (0, 0, 0)
    check_books(got)


def test_tiny_first_fragment() -> None:
    """The TCP header itself is split: ports, flags and payload are known once the datagram is whole."""
    body = tcp(40_000, 443, 1_000, 1, ACK, DATA)
    got = track(framed([ip(A4, B4, 6, body[:8], ident=3, more=True), ip(A4, B4, 6, body[8:], ident=3, offset=8)]))
    assert got.streams(int(str(got.flow(src=CLIENT)["flow_id"])))[0] == [DATA]
    check_books(got)


def test_ipv6_fragments_of_a_packet_with_options() -> None:
    """Extension headers behind the fragment header belong to what is fragmented (RFC 8200 section 4.5)."""
    body = bytes((6, 1)) + bytes(14) + tcp(40_000, 443, 1_000, 1, ACK, BIG)
    got = track(framed(fragments(A6, B6, 60, body)))
    flow = got.flow(src=CLIENT6)
    assert flow["dst"] == SERVER6
    assert got.streams(int(str(flow["flow_id"])))[0] == [BIG]


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 0, 2, 1), (1, 2, 3, 0), (0, 3, 1, 2)])
def test_ipv6_fragments_whose_later_parts_name_another_protocol(order: tuple[int, ...]) -> None:
    """Only what the first fragment names counts (RFC 8200 section 4.5)."""
    pieces = fragments(A6, B6, 17, udp(1_234, 53, BIG))
    others = (17, 59, 6, 60)
    named = [piece[:40] + bytes([kind]) + piece[41:] for piece, kind in zip(pieces, others, strict=True)]
    got = track(framed([named[i] for i in order]))
    assert payloads(got) == [BIG]
    assert got.flow(src=(A6, 1_234))["dst"] == (B6, 53)
    if order[0] == 0:  # all of them are named by the first one
        assert {flow["protocol"] for flow in got.flows} == {"udp"}
    check_books(got)


def test_ipv4_fragments_of_two_protocols_do_not_mix() -> None:
    one = fragments(A4, B4, 17, udp(1_234, 53, BIG))
    other = fragments(A4, B4, 132, udp(1_234, 53, BIG))
    assert payloads(track(framed([one[0], other[1], other[2], other[3]]))) == []


def test_ipv6_fragment_after_other_headers() -> None:
    """Extension headers in front of the fragment header belong to each fragment."""
    pieces = fragments(A6, B6, 17, udp(1_234, 53, BIG))
    wrapped = [
        piece[:4]
        + struct.pack(">HBB", len(piece) - 32, 0, 64)
        + piece[8:40]
        + bytes((44, 0, 1, 4, 0, 0, 0, 0))
        + piece[40:]
        for piece in pieces
    ]
    got = track(framed(wrapped))
    assert payloads(got) == [BIG]
    check_books(got)


def test_fragments_inside_a_tunnel() -> None:
    inside = fragments(A4, B4, 17, udp(1_234, 53, BIG))
    got = track(framed([ip(C4, D4, 4, piece) for piece in inside]))
    assert payloads(got) == [BIG]
    check_books(got)


def test_a_fragmented_tunnel() -> None:
    inside = ip(A4, B4, 17, udp(1_234, 53, BIG))
    got = track(framed(fragments(C4, D4, 4, inside)))
    assert payloads(got) == [BIG]
    assert got.flow(src=(A4, 1_234))["outer_flow_id"] != 0
    check_books(got)


def test_fragments_inside_a_fragmented_tunnel_are_counted() -> None:
    inside = fragments(A4, B4, 6, tcp(40_000, 443, 1, 1, ACK, BIG), size=2_000)
    outside = [part for i, piece in enumerate(inside) for part in fragments(C4, D4, 4, piece, size=800, ident=i)]
    got = track(framed(outside))
    check_books(got)
    assert all(flow["src_retransmissions"] == flow["src_zero_windows"] == 0 for flow in got.flows)


def test_fragments_take_bounded_memory() -> None:
    """Fragments that overlap at ever new offsets, and datagrams that never become whole, give way."""
    piece = b"x" * 1_480
    flood = [
        Captured(START, ethernet(ip(A4, B4, 17, piece, ident=i % 1_500, offset=8 * (1 + i // 1_500), more=True)))
        for i in range(1_500 * (40 if not RUNS_PURE else 4))
    ]
    got = track(flood, range(0, len(flood), 20_000), wanted=False)
    waiting = got.tracker.fragments.pending.values()
    assert len(waiting) <= 1_024
    assert sum(len(part) for datagram in waiting for part in datagram.pieces.values()) <= 64 << 20


def test_crafted_checksums_are_right() -> None:
    """The frames of these tests are what they claim to be."""
    packet = ip(A4, B4, 17, b"")
    assert checksum(packet[:20]) == 0
