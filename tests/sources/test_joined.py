"""Captures whose header is wrong about the unit of times, files joined byte by byte, and tails of zeros."""

import gzip
import os
import struct
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rustnet.sources.files import FileSource
from tests.support.effort import examples
from tests.support.patterned import T0, kinds, payload, pcap, pcapng, read
from tests.support.pcap import Magic, pcap_header, record

SECOND = 10**9
FRACTIONS = [123_456_789, 5, 987_654_321, 500_000_000, 7_000_000]


def times(raw: bytes, path: Path, **sizes: int) -> tuple[list[int], FileSource]:
    path.write_bytes(raw)
    packets, source = read(path, **sizes)
    return [packet.ts for packet in packets], source


def with_fractions(fractions: list[int], magic: Magic = "us", order: str = "<") -> bytes:
    records = [record(payload(i, 60), T0 + i, part, None, order) for i, part in enumerate(fractions)]
    return pcap_header(order, magic) + b"".join(records)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("first", [[], [3]])
def test_nanoseconds_in_a_file_of_microseconds(tmp_path: Path, order: str, first: list[int]) -> None:
    fractions = [*first, *FRACTIONS]
    got, source = times(with_fractions(fractions, "us", order), tmp_path / "x")
    assert got == [(T0 + i) * SECOND + part for i, part in enumerate(fractions)]
    assert kinds(source) == ["bad_timestamp_unit"]
    assert source.damage[0].packet == 1 + len(first)
    assert "4 fractions" in source.damage[0].detail
    assert "from packet 1 on" in source.damage[0].detail
    assert source.info.complete
    assert source.unit == 1


@pytest.mark.parametrize(("bad", "kept"), [(123_456_789, 123_456_000), (0xFFFFFFFF, 0), (SECOND, 0)])
def test_one_damaged_fraction_changes_no_other_time(tmp_path: Path, bad: int, kept: int) -> None:
    got, source = times(with_fractions([10, bad, 30, 999_999]), tmp_path / "x")
    assert got == [
        T0 * SECOND + 10_000, (T0 + 1) * SECOND + kept, (T0 + 2) * SECOND + 30_000, (T0 + 3) * SECOND + 999_999_000
    ]  # fmt: skip
    assert [(row.kind, row.packet, row.offset) for row in source.damage] == [("bad_timestamp", 2, 24 + 76)]
    assert source.info.complete


def test_few_damaged_fractions_do_not_change_the_unit(tmp_path: Path) -> None:
    fractions = [i * 1000 for i in range(100)]
    fractions[50:53] = [2_000_000] * 3
    got, source = times(with_fractions(fractions), tmp_path / "x")
    assert got[60] == (T0 + 60) * SECOND + 60_000_000
    assert "3 packets" in source.damage[0].detail


def test_nanoseconds_through_a_pipe_that_pauses(tmp_path: Path) -> None:
    raw = with_fractions([5, *FRACTIONS])
    path = tmp_path / "fifo"
    os.mkfifo(path)
    written = threading.Event()

    def write() -> None:
        with path.open("wb", buffering=0) as stream:
            stream.write(raw[: 24 + 76])
            written.wait(10)
            stream.write(raw[24 + 76 :])

    writer = threading.Thread(target=write)
    writer.start()
    source = FileSource(str(path))
    got: list[int] = []
    for frames in source.batches():
        got += list(frames.column("ts").tolist())
        written.set()
    writer.join()
    assert got[0] == T0 * SECOND + 5_000
    assert got[1:] == [(T0 + 1 + i) * SECOND + part for i, part in enumerate(FRACTIONS)]
    assert "from packet 2 on" in source.damage[0].detail


def test_microseconds_in_a_file_of_nanoseconds_are_stated(tmp_path: Path) -> None:
    fractions = [i * 7919 % 1_000_000 for i in range(200)]
    got, source = times(with_fractions(fractions, "ns"), tmp_path / "x")
    assert got == [(T0 + i) * SECOND + part for i, part in enumerate(fractions)]
    assert kinds(source) == ["bad_timestamp_unit"]
    assert "read as the header says" in source.damage[0].detail
    assert source.info.complete
    for few in (fractions[:50], [0] * 200, [*fractions, 1_000_000]):
        _, source = times(with_fractions(few, "ns"), tmp_path / "x")
        assert not source.damage


JOINED = [("<", "us", 1, 0), (">", "us", 1, 0), ("<", "ns", 101, 0), (">", "ns", 113, 0), ("<", "modified", 1, 8)]


@pytest.mark.parametrize(("order", "magic", "link", "extra"), JOINED)
@pytest.mark.parametrize("first", ["<", ">"])
@pytest.mark.parametrize("packed", [False, True])
def test_joined_files(
    tmp_path: Path, order: str, magic: Magic, link: int, extra: int, first: str, packed: bool
) -> None:
    one, two = pcap([60, 0, 70], first), pcap([50, 0, 51, 52], order, magic, extra, link=link)
    raw = one + two + one
    path = tmp_path / "x"
    path.write_bytes(gzip.compress(raw) if packed else raw)
    packets, source = read(path)
    assert [len(packet.data) for packet in packets] == [60, 0, 70, 50, 0, 51, 52, 60, 0, 70]
    assert [packet.number for packet in packets] == list(range(1, 11))
    unit = 1 if magic == "ns" else 1000
    assert packets[5].ts == (T0 + 2) * SECOND + 21 * unit
    assert packets[3].link == link
    assert source.interfaces[packets[3].interface].link_type == link
    assert packets[9].link == 1
    assert packets[9].ts == (T0 + 2) * SECOND + 21_000
    assert [(row.kind, row.packet, row.offset) for row in source.damage] == [
        ("joined_files", 3, len(one)),
        ("joined_files", 7, len(one) + len(two)),
    ]
    assert sum(interface.packets for interface in source.interfaces) == 10
    assert source.info.complete
    for packet in packets:
        assert raw[packet.offset : packet.offset + len(packet.data)] == packet.data
    for buffer in (4096, 65_536):
        assert read(path, buffer_bytes=buffer, batch_packets=2)[0] == packets


def test_joined_files_without_packets(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(pcap_header() + pcap_header(">") + pcap([60]))
    packets, source = read(path)
    assert [len(packet.data) for packet in packets] == [60]
    assert kinds(source) == ["joined_files"] * 2
    path.write_bytes(pcap([60]) + pcap_header()[:20])
    packets, source = read(path)
    assert len(packets) == 1
    assert not source.info.complete


@pytest.mark.parametrize("order", ["<", ">"])
def test_formats_that_follow_each_other(tmp_path: Path, order: str) -> None:
    path = tmp_path / "x"
    one, two = pcap([60, 61]), pcapng([50, 51], order)
    for raw, sizes in (
        (one + two, [60, 61, 50, 51]),
        (two + one, [50, 51, 60, 61]),
        (two + pcap([60, 61], ">"), [50, 51, 60, 61]),
        (one + two + one + two, [60, 61, 50, 51] * 2),
    ):
        path.write_bytes(raw)
        packets, source = read(path)
        assert [len(packet.data) for packet in packets] == sizes
        assert set(kinds(source)) == {"joined_files"}
        assert source.info.complete
        assert [packet.number for packet in packets] == list(range(1, len(sizes) + 1))
        assert sum(interface.packets for interface in source.interfaces) == len(sizes)
        assert read(path, buffer_bytes=4096, batch_packets=1)[0] == packets
    path.write_bytes(two + two)
    packets, source = read(path)
    assert len(packets) == 4
    assert not source.damage


@pytest.mark.parametrize("order", ["<", ">"])
def test_a_file_that_was_cut_off_before_another(tmp_path: Path, order: str) -> None:
    one, two = pcap([100] * 4), pcap([80] * 300, order)
    path = tmp_path / "x"
    for cut in range(24 + 116 * 2 + 1, 24 + 116 * 3):
        if cut == 24 + 116 * 3 - 24 and order == "<":
            continue  # the second file's header is exactly what the record lacks
        path.write_bytes(one[:cut] + two)
        packets, source = read(path)
        assert [len(packet.data) for packet in packets] == [100] * 2 + [80] * 300, cut
        assert kinds(source) == ["cut_off", "joined_files"], cut
        assert source.damage[1].offset == cut
        assert not source.info.complete


def test_a_capture_in_the_payload_of_a_packet_is_payload(tmp_path: Path) -> None:
    inner = pcap([40] * 6)
    outer = [record(b"h" * 54 + inner, T0 + i) for i in range(5)]
    damaged = struct.pack("<IIII", T0, 0, 0x7FFFFFFF, 60) + bytes(70)
    path = tmp_path / "x"
    for raw in (
        pcap_header() + b"".join(outer),
        pcap_header() + b"".join(outer[:2]) + damaged + b"".join(outer[2:]),
        pcap_header() + b"".join(outer)[:-100],
    ):
        path.write_bytes(raw)
        packets, source = read(path)
        assert {len(packet.data) for packet in packets} == {54 + len(inner)}
        assert "joined_files" not in kinds(source)


def test_hostile_number_of_joined_files_is_bounded(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(pcap_header() * 20_000)
    packets, source = read(path)
    assert not packets
    assert not source.info.complete
    assert kinds(source)[-1] in ("too_many", "more_damage")
    assert len(source.interfaces) == 1


@pytest.mark.parametrize("size", [8, 15, 16, 17, 31, 32, 33, 1000, 4096, 3_000_000])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("packed", [False, True])
def test_tail_of_zeros(tmp_path: Path, size: int, order: str, packed: bool) -> None:
    raw = pcap([60, 61, 62], order)
    path = tmp_path / "x"
    path.write_bytes(gzip.compress(raw + bytes(size)) if packed else raw + bytes(size))
    packets, source = read(path)
    assert [len(packet.data) for packet in packets] == [60, 61, 62]
    assert [(row.kind, row.packet, row.offset) for row in source.damage] == [("zero_tail", 3, len(raw))]
    assert f"{size} bytes" in source.damage[0].detail
    assert not source.info.complete


def test_file_of_zeros_after_its_header(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(pcap_header() + bytes(4096))
    packets, source = read(path)
    assert not packets
    assert kinds(source) == ["zero_tail"]


def test_zeros_that_begin_within_a_record_header(tmp_path: Path) -> None:
    raw = pcap([60, 61])
    path = tmp_path / "x"
    path.write_bytes(raw + struct.pack("<II", T0 + 5, 7) + bytes(4088))
    packets, source = read(path)
    assert len(packets) == 2
    assert [(row.kind, row.offset) for row in source.damage] == [("zero_tail", len(raw))]


@pytest.mark.parametrize("size", [16, 100, 5000])
@pytest.mark.parametrize("order", ["<", ">"])
def test_zeros_between_records(tmp_path: Path, size: int, order: str) -> None:
    records = [record(payload(i, 60), T0 + i, 5, None, order) for i in range(12)]
    path = tmp_path / "x"
    path.write_bytes(pcap_header(order) + b"".join(records[:6]) + bytes(size) + b"".join(records[6:]))
    packets, source = read(path)
    assert [packet.data for packet in packets] == [payload(i, 60) for i in range(12)]
    assert kinds(source) == ["zero_gap"]
    assert not source.info.complete


def test_zeros_before_another_file(tmp_path: Path) -> None:
    path = tmp_path / "x"
    for order in "<>":
        path.write_bytes(pcap([60] * 3) + bytes(4096) + pcap([70] * 3, order))
        packets, source = read(path)
        assert [len(packet.data) for packet in packets] == [60] * 3 + [70] * 3
        assert kinds(source) == ["zero_gap", "joined_files"]


def test_clock_that_starts_in_1970(tmp_path: Path) -> None:
    records = [record(payload(i, 60), i // 2, i * 10) for i in range(6)] + [record(b"", 0, 5, 60)]
    path = tmp_path / "x"
    path.write_bytes(pcap_header() + b"".join(records))
    packets, source = read(path)
    assert len(packets) == 7
    assert source.info.complete
    # The clock was set while the capture ran.
    path.write_bytes(pcap_header() + b"".join(records) + pcap([60, 61])[24:])
    packets, source = read(path)
    assert len(packets) == 9
    assert source.info.complete


def test_garbage_of_impossible_years(tmp_path: Path) -> None:
    raw = pcap([60, 61])
    path = tmp_path / "x"
    for tail in (
        struct.pack("<IIII", 0xA0000000, 0xEEEEEEEE, 70, 5) + bytes(70) * 2,
        struct.pack("<IIII", 0xA0000000, 0xEEEEEEEE, 0, 0xFFFFFFFF) * 40,
        bytes(range(1, 200)),
    ):
        path.write_bytes(raw + tail)
        packets, source = read(path)
        assert len(packets) == 2
        assert source.damage
        assert source.damage[0].offset == len(raw)
        assert not source.info.complete


@settings(max_examples=examples(60), deadline=None)
@given(st.lists(st.integers(1, 300), max_size=6), st.lists(st.integers(1, 300), max_size=6), st.integers(0, 5000))
def test_any_two_files_and_zeros(
    tmp_path_factory: pytest.TempPathFactory, one: list[int], two: list[int], n: int
) -> None:
    path = tmp_path_factory.mktemp("joined") / "x"
    path.write_bytes(pcap(one) + pcap(two, ">") + bytes(n))
    packets, source = read(path)
    assert [len(packet.data) for packet in packets] == one + two
    assert source.info.complete == (n == 0)
