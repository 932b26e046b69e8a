"""Undecoded traffic by kind: in the saved query, the summary and Health."""

import struct
from pathlib import Path

import pytest

from rustnet.query import catalogue
from rustnet.query.health_words import health_words
from rustnet.query.session import open_session
from rustnet.query.summary import MAX_KINDS, health
from rustnet.query.views.health import captures
from rustnet.query.views.spec import ViewSpec
from rustnet.tui.presenter import Presenter
from rustnet.tui.screens.health_rows import capture_lines
from tests.support.packets import MAC_A, MAC_B, arp_frame, ethernet, snap, udp_frame
from tests.support.pcap import write_pcap
from tests.support.sessions import replay

BEACON = b"\x80\0\0\0" + b"\xff" * 6 + MAC_A * 2 + bytes(14)
ENCRYPTED = b"\x08\x41\0\0" + MAC_B + MAC_A + MAC_B + bytes(40)
USUAL = udp_frame(("192.0.2.1", 40_000), ("192.0.2.2", 53), b"x")
DECODED = [USUAL, arp_frame("192.0.2.1", "192.0.2.2"), snap(0x2000, b"\2\xb4\0\0")]
"""Frames that are read."""
ODD = [
    *[ethernet(b"\x11\x09\0\0\0\0", 0x8863)] * 3,
    *[ethernet(b"\xe0\xe0\3\xff\xff" + bytes(28), 33)] * 2,
    ethernet(b"\x0c" + bytes(40), 0x88E5),
    ethernet(struct.pack(">HHBBH", 1, 0x1234, 6, 4, 1) + bytes(20), 0x0806),
    snap(0x2004, b"\1"),
    ethernet(b"what", 0x1234),
]


def listed(folder: Path, frames: list[bytes], link: int = 1) -> list[tuple[object, ...]]:
    """Kind, reason, flows, packets and bytes of the query's rows."""
    session = folder / "s.duckdb"
    replay(session, write_pcap(folder / "odd.pcap", frames, link)).con.close()
    with open_session(str(session)) as reader:
        result = catalogue.find("undecoded").execute(reader)
    places = [result.columns.index(name) for name in ("kind", "reason", "flows", "packets", "bytes")]
    return [tuple(row[at] for at in places) for row in result.rows]


def words(folder: Path) -> list[tuple[str, str]]:
    with open_session(str(folder / "s.duckdb")) as reader:
        return health_words(health(reader)[0])


def test_frames_below_ip_by_kind(tmp_path: Path) -> None:
    without = "without a decoder"
    assert listed(tmp_path, DECODED + ODD) == [
        ("ethertype 0x8863 (PPPoE discovery)", without, 1, 3, 60),
        ("LLC, SAP 0xE0 (IPX)", without, 1, 2, 94),
        ("ARP of other protocols than IPv4", without, 1, 1, 42),
        ("Cisco, 0x2004 (DTP)", without, 1, 1, 60),
        ("ethertype 0x1234", without, 1, 1, 18),
        ("ethertype 0x88E5 (MACsec, encrypted)", without, 1, 1, 55),
    ]
    grade, text = words(tmp_path)[1]
    assert grade == "warn"
    assert text == (
        "9 packets (75.0 %) below IP were counted, but not decoded (ethertype 0x8863 (PPPoE discovery): 3; "
        "LLC, SAP 0xE0 (IPX): 2; ARP of other protocols than IPv4: 1; Cisco, 0x2004 (DTP): 1; ethertype 0x1234: 1; "
        "1 more kind)"
    )


def test_nothing_is_said_where_everything_is_read(tmp_path: Path) -> None:
    assert listed(tmp_path, DECODED) == []
    assert not any("decoded" in text for _, text in words(tmp_path))


def test_a_few_are_no_warning(tmp_path: Path) -> None:
    listed(tmp_path, [USUAL] * 200 + ODD[:1])
    assert words(tmp_path)[1][0] == "fact"


def test_wireless_frames_by_kind(tmp_path: Path) -> None:
    assert listed(tmp_path, [BEACON] * 4 + [ENCRYPTED] * 7 + [b"\xd4\0\0\0" + MAC_A], 105) == [
        ("802.11 data, encrypted", "without a decoder", 1, 7, 7 * len(ENCRYPTED)),
        ("802.11 management", "without a decoder", 1, 4, 4 * len(BEACON)),
        ("802.11 control", "without a decoder", 1, 1, 10),
    ]


@pytest.mark.parametrize("count", [3, 345])
def test_link_types_without_a_decoder_are_counted_to_the_last(tmp_path: Path, count: int) -> None:
    """Only the first of them are rows of their own."""
    assert listed(tmp_path, [bytes(30)] * count, 220) == [
        ("link type 220 (USB, Linux)", "without a decoder", 0, count, 30 * count)
    ]
    assert f"could not be decoded (link type without a decoder, link type 220: {count})" in words(tmp_path)[1][1]


def test_bytes_of_several_reasons_are_not_known_apart(tmp_path: Path) -> None:
    cut, malformed = ethernet(b"\x45\0"), ethernet(b"\x35" + bytes(40))
    assert listed(tmp_path, [cut, cut, malformed]) == [
        ("link type 1", "headers cut off", 0, 2, None),
        ("link type 1", "malformed headers", 0, 1, None),
    ]


def test_many_kinds_are_bounded(tmp_path: Path) -> None:
    frames = [ethernet(b"x", 0x7000 + number) for number in range(MAX_KINDS + 5)]
    assert len(listed(tmp_path, frames)) == MAX_KINDS + 5
    with open_session(str(tmp_path / "s.duckdb")) as reader:
        capture = health(reader)[0]
    assert len(capture.without_decoder) == MAX_KINDS
    assert (capture.kinds_without_decoder, capture.packets_without_decoder) == (MAX_KINDS + 5, MAX_KINDS + 5)


def test_the_health_screen_lists_the_kinds(tmp_path: Path) -> None:
    listed(tmp_path, DECODED + ODD)
    with open_session(str(tmp_path / "s.duckdb")) as reader:
        lines = capture_lines(captures(reader, ViewSpec()), Presenter())
    shown = [(line.label.strip(), line.value, line.remark) for line in lines]
    assert ("not decoded below IP", "9", "75.0 %") in shown
    assert ("LLC, SAP 0xE0 (IPX)", "2", "94 B") in shown
