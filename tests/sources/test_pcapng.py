"""pcapng: sections, interfaces, resolutions, options, rare blocks."""

import ipaddress
import struct
from pathlib import Path

import pytest

from rustnet.sources.linktypes import CUSTOM_BLOCK, SYSDIG_EVENT, SYSTEMD_JOURNAL, link_name
from rustnet.sources.status import TS_MAX
from tests.support.patterned import T0, kinds, payload, pcapng, read
from tests.support.pcapng import block, end, epb, idb, old_packet, option, shb, spb

ORDERS = pytest.mark.parametrize("order", ["<", ">"])


def write(tmp_path: Path, *parts: bytes) -> Path:
    path = tmp_path / "x.pcapng"
    path.write_bytes(b"".join(parts))
    return path


@ORDERS
def test_sections_and_interfaces(tmp_path: Path, order: str) -> None:
    other = "<" if order == ">" else ">"
    path = write(
        tmp_path,
        shb(order),
        idb(1, 1500, option(2, b"eth0", order) + option(3, b"first", order) + end(order), order),
        epb(payload(0, 61), order=order),
        idb(113, 0, option(9, b"\x09", order) + end(order), order),
        epb(payload(1, 62), T0 * 10**9 + 5, 1, order=order),
        shb(other),
        idb(276, 0, b"", other),
        epb(payload(2, 63), T0 * 10**6 + 7, 0, order=other),
    )
    packets, source = read(path)
    assert [(p.interface, p.link, p.ts) for p in packets] == [
        (0, 1, T0 * 10**9),
        (1, 113, T0 * 10**9 + 5),
        (2, 276, T0 * 10**9 + 7000),
    ]
    assert [p.data for p in packets] == [payload(i, 61 + i) for i in range(3)]
    described = [(i.link_type, i.snaplen, i.name, i.description, i.section, i.packets) for i in source.interfaces]
    assert described == [(1, 1500, "eth0", "first", 0, 1), (113, 0, "", "", 0, 1), (276, 0, "", "", 1, 1)]
    assert source.info.complete
    assert source.info.format == "pcapng"


@pytest.mark.parametrize(
    ("resolution", "units", "ns"),
    [
        (0, 1_700_000_000, 1_700_000_000 * 10**9),
        (3, 1_700_000_000_123, 1_700_000_000_123 * 10**6),
        (9, 1_700_000_000_123_456_789, 1_700_000_000_123_456_789),
        (12, 17 * 10**18 + 1999, 17 * 10**15 + 1),
        (19, 17 * 10**18 + 10**10, 1_700_000_001),
        (28, 2**64 - 1, 1),
        (29, 2**64 - 1, 0),
        (127, 2**64 - 1, 0),
        (0x80, 1_700_000_000, 1_700_000_000 * 10**9),
        (0x80 | 10, (1_700_000_000 << 10) + 512, 1_700_000_000 * 10**9 + 5 * 10**8),
        (0x80 | 32, (1_700_000_000 << 32) + (1 << 31), 1_700_000_000 * 10**9 + 5 * 10**8),
        (0x80 | 60, (15 << 60) + (1 << 59), 15 * 10**9 + 5 * 10**8),
        (0x80 | 63, (1 << 63) + (1 << 62), 1_500_000_000),
        (0x80 | 64, 1 << 63, 500_000_000),
        (0x80 | 100, 2**64 - 1, 0),
        (0x80 | 127, 2**64 - 1, 0),
    ],
)
def test_resolutions(tmp_path: Path, resolution: int, units: int, ns: int) -> None:
    path = write(tmp_path, shb(), idb(options=option(9, bytes([resolution])) + end()), epb(b"x", units))
    packets, source = read(path)
    assert packets[0].ts == ns
    assert not source.damage


@pytest.mark.parametrize(
    ("resolution", "offset", "units", "ns"),
    [
        (6, 1_700_000_000, 5, 1_700_000_000 * 10**9 + 5000),
        (6, -100, 50 * 10**6, -50 * 10**9),
        (9, 0, 2**64 - 1, TS_MAX),
        (6, 0, 2**63, TS_MAX),
        (0, 0, 2**33 + 2**31, TS_MAX),
        (0x80, 0, 2**40, TS_MAX),
        (6, 2**62, 5, None),
        (6, -(2**62), 0, -TS_MAX),
        (9, 2**31, TS_MAX - 5, TS_MAX),
    ],
)
def test_offsets_and_absurd_times(tmp_path: Path, resolution: int, offset: int, units: int, ns: int | None) -> None:
    options = option(9, bytes([resolution])) + option(14, struct.pack("<q", offset)) + end()
    packets, source = read(write(tmp_path, shb(), idb(options=options), epb(b"x", units), epb(b"y", 3)))
    assert packets[0].ts == (TS_MAX if ns is None else ns)
    absurd = packets[0].ts == TS_MAX
    assert kinds(source)[:1] == (["bad_timestamp"] if absurd else [])
    assert source.info.complete
    if absurd:
        assert (source.damage[0].packet, source.damage[0].ts) == (1, TS_MAX)


@ORDERS
def test_simple_packets_have_the_time_of_the_previous_one(tmp_path: Path, order: str) -> None:
    path = write(
        tmp_path,
        shb(order),
        idb(1, 40, b"", order),
        spb(payload(0, 30), order=order),
        epb(payload(1, 40), order=order),
        spb(payload(2, 40), 1500, order),
        spb(payload(3, 20), 39, order),
        spb(b"", 0, order),
    )
    packets, source = read(path)
    assert [(p.ts, p.length, len(p.data)) for p in packets] == [
        (0, 30, 30),
        (T0 * 10**9, 40, 40),
        (T0 * 10**9, 1500, 40),
        (T0 * 10**9, 39, 20),
        (T0 * 10**9, 0, 0),
    ]
    assert source.info.complete


@ORDERS
def test_obsolete_packet_block(tmp_path: Path, order: str) -> None:
    options = option(2, struct.pack(order + "I", 2), order) + end(order)
    path = write(
        tmp_path,
        shb(order),
        idb(order=order),
        old_packet(payload(0, 33), T0 * 10**6, 0, 3, b"", order),
        old_packet(payload(1, 34), T0 * 10**6, 0, 0xFFFF, options, order),
        old_packet(payload(1, 34), T0 * 10**6, 0, 4, option(1, b"hi", order), order),
    )
    packets, source = read(path)
    assert [(len(p.data), p.flags, p.comments) for p in packets] == [(33, 0, ()), (34, 2, ()), (34, 0, ("hi",))]
    assert source.interfaces[0].dropped_kernel == 7
    assert source.interfaces[0].dropped_interface is None


@ORDERS
def test_packet_options(tmp_path: Path, order: str) -> None:
    def flags(n: int) -> bytes:
        return option(2, struct.pack(order + "I", n), order)

    def index(code: int, n: int) -> bytes:
        return option(code, struct.pack(order + "I", n), order)

    several = option(1, b"PID: 5", order) + option(1, "naïve".encode(), order) + flags(2) + end(order)
    path = write(
        tmp_path,
        shb(order),
        idb(order=order),
        epb(b"a" * 5, order=order),
        epb(b"b" * 6, options=flags(1), order=order),
        epb(b"c" * 7, options=flags(2) + end(order), order=order),
        epb(b"d" * 8, options=end(order), order=order),
        epb(b"e" * 9, options=several, order=order),
        epb(b"f", options=index(0x8001, 4) + index(0x8003, 7) + end(order), order=order),
        epb(b"g", options=flags(0) + end(order), order=order),
        epb(b"h", options=option(4, bytes(8), order) + end(order), order=order),
    )
    packets, source = read(path)
    assert [p.flags for p in packets] == [0, 1, 2, 0, 2, 0, 0, 0]
    assert packets[4].comments == ("PID: 5", "naïve")
    assert (packets[5].process, packets[5].effective) == (4, 7)
    assert [(p.process, p.effective) for p in packets[:5]] == [(-1, -1)] * 5
    assert source.info.complete
    batch = next(iter(type(source)(str(path)).batches()))
    assert sorted(batch.notes) == [1, 2, 4, 5]


def test_many_different_flags_share_no_note_wrongly(tmp_path: Path) -> None:
    blocks = [epb(b"x", options=option(2, struct.pack("<I", n)) + end()) for n in range(1, 600)]
    packets, _ = read(write(tmp_path, shb(), idb(), *blocks, *blocks))
    assert [p.flags for p in packets] == [*range(1, 600), *range(1, 600)]


@ORDERS
def test_contents_of_a_file_other_than_packets(tmp_path: Path, order: str) -> None:
    section = b"".join(option(code, text, order) for code, text in ((1, b"who"), (2, b"cpu"), (3, b"os"), (4, b"app")))
    counters = option(4, bytes(8), order) + option(5, struct.pack(order + "Q", 9), order)
    later = option(5, struct.pack(order + "Q", 11), order) + option(7, struct.pack(order + "Q", 2**40), order)
    v4 = ipaddress.ip_address("192.0.2.1").packed + b"one.example\0uno.example\0"
    v6 = ipaddress.ip_address("2001:db8::1").packed + b"six.example\0"
    process = (
        struct.pack(order + "I", 501) + option(2, b"curl", order) + option(3, b"/usr/bin/curl", order) + end(order)
    )
    path = write(
        tmp_path,
        shb(order, section + end(order)),
        idb(1, 0, option(1, b"why", order) + end(order), order),
        block(4, option(1, v4, order) + option(2, v6, order) + end(order), order),
        block(10, struct.pack(order + "II", 0x544C534B, 4) + b"abcd", order),
        block(5, struct.pack(order + "III", 0, 0, 0) + counters + end(order), order),
        block(5, struct.pack(order + "III", 0, 0, 0) + later, order),
        block(5, struct.pack(order + "III", 7, 0, 0) + later, order),
        block(0x80000001, process, order),
        block(0x80000001, struct.pack(order + "I", 502), order),
        block(0x77, b"what?", order),
        epb(b"x", order=order),
    )
    packets, source = read(path)
    info = source.info
    assert len(packets) == 1
    assert (info.application, info.hardware, info.os, info.comments) == ("app", "cpu", "os", ["who", "why"])
    assert info.names == [("192.0.2.1", "one.example"), ("192.0.2.1", "uno.example"), ("2001:db8::1", "six.example")]
    assert (info.secrets, info.skipped_blocks) == (1, 1)
    assert info.processes == [(0, 501, "curl", "/usr/bin/curl"), (0, 502, "", "")]
    assert (source.interfaces[0].dropped_interface, source.interfaces[0].dropped_kernel) == (11, 2**40)
    assert info.complete


def test_blocks_that_wireshark_numbers_like_packets(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        shb(),
        idb(),
        epb(b"packet one"),
        block(0xBAD, struct.pack("<I", 32473) + b"abcd"),
        block(0x40000BAD, struct.pack("<I", 32473)),
        block(9, b"__REALTIME_TIMESTAMP=1700000001000000\nMESSAGE=x\n"),
        block(0x204, struct.pack("<HQQIH", 0, T0 * 10**9 + 5, 1, 26, 3)),
        idb(113),
        epb(b"packet two", interface=1),
    )
    packets, source = read(path)
    links = [1, CUSTOM_BLOCK, CUSTOM_BLOCK, SYSTEMD_JOURNAL, SYSDIG_EVENT, 113]
    assert [p.link for p in packets] == links
    assert [p.data for p in packets][:3] == [b"packet one", b"abcd", b""]
    assert packets[3].ts == 1_700_000_001 * 10**9
    assert packets[4].ts == T0 * 10**9 + 5
    assert [source.interfaces[p.interface].link_type for p in packets] == links
    assert link_name(CUSTOM_BLOCK) == "PCAPNG_CUSTOM_BLOCK"
    assert source.info.complete


def test_unrounded_block_length_is_taken_as_meant(tmp_path: Path) -> None:
    body = struct.pack("<IIIII", 0, 0, 0, 21, 21) + payload(0, 21)
    odd = struct.pack("<II", 6, 53) + body + bytes(3) + struct.pack("<I", 53)
    packets, source = read(write(tmp_path, shb(), idb(), odd, epb(b"after")))
    assert [len(p.data) for p in packets] == [21, 5]
    assert source.info.complete


def test_bad_options_cost_no_packet(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        shb(options=struct.pack("<HH", 4, 500)),
        idb(113, 0, option(2, b"any") + struct.pack("<HH", 9, 4000)),
        epb(b"x", options=option(1, b"kept") + struct.pack("<HH", 1, 999)),
        epb(b"y"),
    )
    packets, source = read(path)
    assert [(p.data, p.comments, p.link) for p in packets] == [(b"x", ("kept",), 113), (b"y", (), 113)]
    assert kinds(source) == ["bad_option"] * 3
    assert source.interfaces[0].name == "any"
    assert not source.info.complete


def test_packets_of_unknown_interfaces_are_reported(tmp_path: Path) -> None:
    packets, source = read(write(tmp_path, shb(), spb(b"a"), idb(), epb(b"b", interface=4), epb(b"c")))
    assert [p.data for p in packets] == [b"c"]
    assert kinds(source) == ["bad_interface", "bad_interface"]
    assert not source.info.complete


def test_interfaces_are_bounded(tmp_path: Path) -> None:
    packets, source = read(
        write(tmp_path, shb(), idb() * 65_540, epb(b"a", interface=65_535), epb(b"b", interface=65_536))
    )
    assert [(p.data, p.interface) for p in packets] == [(b"a", 65_535)]
    assert kinds(source) == ["bad_interface", "too_many"]


@pytest.mark.parametrize("buffer", [8192, 10_000, 65_536])
@pytest.mark.parametrize("batch", [1, 7, 1000])
def test_borders_change_nothing(tmp_path: Path, buffer: int, batch: int) -> None:
    noted = [epb(payload(i, i), options=option(1, b"%d" % i) + end()) for i in range(50)]
    path = write(tmp_path, pcapng([(i * 37) % 1500 for i in range(200)]), *noted, pcapng([9] * 30, ">"))
    whole, _ = read(path)
    packets, source = read(path, buffer_bytes=buffer, batch_packets=batch)
    assert packets == whole
    assert len(packets) == 280
    assert source.info.complete
