"""802.11 frames that carry several packets (A-MSDU)."""

import random
import struct
from dataclasses import replace

import pytest

from rustnet.engine.numbers import CUT, MALFORMED, TUNNEL_NAMES
from tests.engine.decode_cases import A4, B4, CLIENT, DATA, SERVER, packed
from tests.engine.link_cases import SNAP4, aggregate, data_frame, datagram, radiotap, subframe
from tests.engine.test_decode import BIG, fragments, spaced
from tests.engine.tracking import Tracked, track
from tests.support.packets import ACK, START, Captured, ethernet, ip, paced, tcp, udp

AIR, RADIOTAP = 105, 127


def air(*frames: bytes, link: int = AIR) -> list[Captured]:
    return spaced(paced(frames, link=link))


def segment(seq: int, data: bytes) -> bytes:
    return ip(A4, B4, 6, tcp(CLIENT[1], SERVER[1], seq, 1, ACK, data))


def total(got: Tracked, name: str) -> int:
    return sum(int(str(flow[f"src_{name}"])) + int(str(flow[f"dst_{name}"])) for flow in got.flows)


def test_each_packet_reaches_its_flow() -> None:
    frame = aggregate(subframe(datagram(1_001, b"one")), subframe(datagram(1_002, b"two!"), source=7))
    got = track(air(frame))
    assert [data for _, _, data, _ in got.reader.datagrams] == [b"one", b"two!"]
    assert [flow["src"] for flow in got.flows] == [(A4, 1_001), (A4, 1_002)]
    assert [flow["src_packets"] for flow in got.flows] == [1, 1]
    assert total(got, "bytes") == len(frame)
    assert got.index == [(1, True, 3, 0)], "one captured frame is one packet"
    assert got.tracker.undecoded == 0


def test_bytes_are_divided_as_they_were_on_the_wire() -> None:
    first, second = subframe(datagram(1_001, b"x" * 31)), subframe(datagram(1_002))
    frame = radiotap(0x10) + aggregate(first, second) + b"\1\2\3\4"
    got = track([Captured(START, frame, RADIOTAP, len(frame) + 9)])
    assert [flow["src_bytes"] for flow in got.flows] == [len(first) + -len(first) % 4, len(frame) + 9 - len(first) - 3]
    assert -len(first) % 4 == 3


def test_segments_of_one_stream_stay_in_order() -> None:
    pieces = [bytes([65 + i]) * 50 for i in range(6)]
    frames = [
        aggregate(*(subframe(segment(1 + 50 * (3 * f + i), pieces[3 * f + i])) for i in range(3))) for f in (0, 1)
    ]
    got = track(air(*frames))
    flow = got.flow(src=CLIENT)
    assert got.streams()[0] == [b"".join(pieces)]
    assert (flow["src_packets"], flow["src_payload"], flow["src_retransmissions"]) == (6, 300, 0)
    assert got.index == [(1, True, 150, ACK)] * 2


def test_a_stream_goes_on_in_frames_of_both_kinds() -> None:
    alone = packed(data_frame()) + SNAP4 + segment(1, b"alone")
    got = track(air(alone, aggregate(subframe(segment(6, b"both")), subframe(datagram(9)))))
    assert got.streams()[0] == [b"aloneboth"]
    assert len(got.flows) == 2


def test_tags_inside_count() -> None:
    tagged = subframe(struct.pack(">HH", 5, 0x0800) + datagram(1_002), kind=0x8100)
    got = track(air(aggregate(subframe(datagram(1_001)), tagged, subframe(datagram(1_003)))))
    assert [flow["vlan"] for flow in got.flows] == [-1, 5, -1]


def test_fragments_and_tunnels_inside() -> None:
    pieces = fragments(A4, B4, 17, udp(1_234, 53, BIG))
    inside = ip("192.0.2.1", "198.51.100.2", 4, datagram(1_005, b"inside"))
    frames = [aggregate(subframe(piece), subframe(datagram(1_001, b"x")), subframe(inside)) for piece in pieces]
    got = track(air(*frames))
    assert [data for _, _, data, _ in got.reader.datagrams] == [b"x", b"inside"] * 3 + [BIG, b"x", b"inside"]
    assert TUNNEL_NAMES[int(str(got.flow(src=(A4, 1_005))["tunnel"]))] == "ipip"


def test_inside_a_tunnel() -> None:
    """CAPWAP carries 802.11 frames between access points and their controller."""
    header = bytes((0, 0x10, 0x01, 0, 0, 0, 0, 0))
    frame = aggregate(subframe(datagram(1_001, b"one")), subframe(datagram(1_002, b"two")))
    outside = ethernet(ip("192.0.2.1", "198.51.100.2", 17, udp(5_247, 5_247, header + frame)))
    got = track([Captured(START, outside)])
    assert [data for _, _, data, _ in got.reader.datagrams] == [b"one", b"two"]
    assert [(flow["protocol"], flow["outer_flow_id"]) for flow in got.flows] == [("udp", 0), ("udp", 1), ("udp", 1)]
    assert got.index == [(2, True, 3, 0)]


@pytest.mark.parametrize("damage", ["protected", "no snap", "longer than any", "no flag"])
def test_what_is_no_aggregate_stays_a_frame(damage: str) -> None:
    frame = bytearray(aggregate(subframe(datagram(1_001)), subframe(datagram(1_002))))
    if damage == "protected":
        frame[1] |= 0x40
    elif damage == "no snap":
        frame[26 + 14] = 0xAB
    elif damage == "longer than any":
        frame[26 + 12 : 26 + 14] = b"\x09\x01"
    else:
        frame[24] &= 0x7F
    got = track(air(bytes(frame)))
    name = "wlan_encrypted" if damage == "protected" else "wlan"
    assert [(flow["protocol"], flow["src_packets"]) for flow in got.flows] == [(name, 1)]


def test_a_first_packet_that_is_malformed_is_reported() -> None:
    got = track(air(aggregate(subframe(b"\x35" + datagram(1)[1:]), subframe(datagram(2)))))
    assert [answer for answer, _, _ in got.reader.refused] == [MALFORMED]
    got = track(air(aggregate(subframe(datagram(1)), subframe(b"\x35" + datagram(2)[1:]), subframe(datagram(3)))))
    assert [flow["src"] for flow in got.flows] == [(A4, 1), (A4, 3)]
    assert got.tracker.tunnel_failures == 1


def test_cut_and_damaged(capfd: pytest.CaptureFixture[str]) -> None:
    chance = random.Random(5)
    frame = aggregate(subframe(segment(1, DATA)), subframe(datagram(1)), subframe(segment(1 + len(DATA), DATA)))
    frames = [Captured(START, frame[:size], AIR, len(frame)) for size in range(len(frame) + 1)]
    for at in range(len(frame)):
        frames += [Captured(START, frame[:at] + bytes([chance.randrange(256)]) + frame[at + 1 :], AIR) for _ in (1, 2)]
    got = track(spaced(frames))
    assert sum(row[0] == 0 for row in got.index) == len(got.reader.refused) == got.tracker.undecoded
    assert len(got.index) == len(frames)
    assert {answer for answer, _, _ in got.reader.refused} <= {CUT, MALFORMED}
    assert total(got, "bytes") <= sum(packet.wire for packet in frames)
    assert capfd.readouterr().err == ""


def test_copies_are_no_concern() -> None:
    """The same frame twice at once: nothing is lost, and retransmissions are seen as such."""
    frame = aggregate(subframe(segment(1, DATA)), subframe(datagram(1)))
    first = Captured(START, frame, AIR)
    got = track([first, replace(first, ts=START + 1_000)])
    assert got.streams()[0] == [DATA]
    assert len(got.index) == 2


def test_more_packets_than_a_frame_holds() -> None:
    got = track(air(aggregate(*(subframe(datagram(1_000 + i)) for i in range(300)))))
    assert len(got.flows) == 256
