"""Damaged captures: cut, spliced, lying lengths, random changes. Nothing raises, nothing is lost in silence."""

import random
import struct
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rustnet.errors import InputError
from rustnet.sources.damage import MAX_DAMAGE
from rustnet.sources.files import FileSource
from tests.support.effort import examples
from tests.support.patterned import T0, kinds, payload, pcap, pcapng, read
from tests.support.pcap import pcap_header, record
from tests.support.pcapng import block, epb, idb, shb

SIZES = [20, 0, 33, 70]


@pytest.mark.parametrize("form", ["pcap", "pcapng"])
def test_cut_at_every_byte(tmp_path: Path, form: str) -> None:
    raw = pcap(SIZES) if form == "pcap" else pcapng(SIZES)
    start = 24 if form == "pcap" else 28
    path = tmp_path / "x"
    path.write_bytes(raw)
    whole, _ = read(path)
    for size in range(len(raw)):
        path.write_bytes(raw[:size])
        if size < start:
            with pytest.raises(InputError):
                FileSource(str(path))
            continue
        packets, source = read(path)
        behind = [p.offset + (len(p.data) if form == "pcap" else -(-len(p.data) // 4) * 4 + 4) for p in whole]
        assert packets == whole[: sum(at <= size for at in behind)], size
        if source.info.complete:
            assert not source.damage
        else:
            assert kinds(source) == ["cut_off"], size
            assert source.damage[0].packet == len(packets)
        assert source.info.sha256


def test_cut_is_complete_only_at_record_ends(tmp_path: Path) -> None:
    raw = pcap(SIZES)
    ends = {24}
    at = 24
    for n in SIZES:
        at += 16 + n
        ends.add(at)
    path = tmp_path / "x"
    for size in range(24, len(raw) + 1):
        path.write_bytes(raw[:size])
        _, source = read(path)
        assert source.info.complete == (size in ends), size


@pytest.mark.parametrize("order", ["<", ">"])
def test_pcap_continues_after_an_invalid_length(tmp_path: Path, order: str) -> None:
    good = [record(payload(i, 60 + i), T0 + i, 5, None, order) for i in range(10)]
    bad = struct.pack(order + "IIII", T0, 0, 0x7FFFFFFF, 0x7FFFFFFF) + b"\xee" * 41
    path = tmp_path / "x"
    path.write_bytes(pcap_header(order) + b"".join(good[:5]) + bad + b"".join(good[5:]))
    packets, source = read(path)
    assert [p.data for p in packets] == [payload(i, 60 + i) for i in range(10)]
    assert kinds(source) == ["bad_record_length"]
    assert source.damage[0].packet == 5
    assert source.damage[0].offset == 24 + sum(map(len, good[:5]))
    assert "57 bytes later" in source.damage[0].detail
    assert not source.info.complete


def test_pcap_length_that_swallows_the_rest(tmp_path: Path) -> None:
    good = [record(payload(i, 60), T0 + i) for i in range(10)]
    lying = struct.pack("<IIII", T0, 0, 60_000, 60) + payload(9, 60)
    path = tmp_path / "x"
    path.write_bytes(pcap_header() + b"".join(good[:5]) + lying + b"".join(good[5:]))
    packets, source = read(path)
    assert len(packets) == 10
    assert kinds(source) == ["bad_record_length"]


def test_spliced_pcap(tmp_path: Path) -> None:
    first, second = pcap([100] * 20), pcap([200] * 20)
    path = tmp_path / "x"
    path.write_bytes(first[: 24 + 116 * 10 + 50] + second[24:])
    packets, source = read(path)
    assert sum(p.data == payload(i, 100) for i, p in enumerate(packets)) == 10
    assert sum(len(p.data) == 200 for p in packets) >= 19
    assert not source.info.complete


@pytest.mark.parametrize("order", ["<", ">"])
def test_pcapng_continues_after_a_damaged_block(tmp_path: Path, order: str) -> None:
    good = [epb(payload(i, 60 + i), order=order) for i in range(10)]
    start = shb(order) + idb(order=order)
    path = tmp_path / "x"
    for bad, more in (
        (struct.pack(order + "II", 6, 0xFFFFFFF0) + b"\xee" * 43, []),
        (struct.pack(order + "II", 6, 4), []),
        (struct.pack(order + "II", 6, 64) + b"\xee" * 56, ["bad_interface"]),
        (good[0][:50], []),
    ):
        path.write_bytes(start + b"".join(good[:5]) + bad + b"".join(good[5:]))
        packets, source = read(path)
        assert [p.data for p in packets] == [payload(i, 60 + i) for i in range(10)]
        assert kinds(source) == ["bad_block", *more]
        assert source.damage[0].packet == 5
        assert source.damage[0].offset == len(start) + sum(map(len, good[:5]))
        assert not source.info.complete


def test_wrong_trailing_length_costs_no_packet(tmp_path: Path) -> None:
    good = [epb(payload(i, 60)) for i in range(4)]
    path = tmp_path / "x"
    for at in range(4):
        blocks = [b[:-4] + b"\x01\x02\x03\x04" if i == at else b for i, b in enumerate(good)]
        path.write_bytes(shb() + idb() + b"".join(blocks))
        packets, source = read(path)
        assert len(packets) == 4
        assert kinds(source) == ["bad_block"]


def test_damaged_section_header_in_the_middle(tmp_path: Path) -> None:
    second = pcapng([50, 51], ">")
    path = tmp_path / "x"
    path.write_bytes(pcapng([40, 41]) + second[:4] + b"\xff" * 4 + second[8:])
    packets, source = read(path)
    assert [len(p.data) for p in packets] == [40, 41, 50, 51]
    assert [i.section for i in source.interfaces] == [0, 1]
    assert kinds(source) == ["bad_block"]


def test_inconsistent_packet_block(tmp_path: Path) -> None:
    bad = block(6, struct.pack("<IIIII", 0, 0, 0, 500, 500) + bytes(20))
    short = block(6, bytes(8))
    path = tmp_path / "x"
    path.write_bytes(shb() + idb() + bad + short + block(3, b"") + block(1, b"") + epb(b"good"))
    packets, source = read(path)
    assert [p.data for p in packets] == [b"good"]
    assert kinds(source) == ["bad_block"] * 4


def test_damage_is_bounded(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(shb() + idb() + epb(b"x", interface=9) * 3000 + epb(b"good"))
    packets, source = read(path)
    assert len(packets) == 1
    assert len(source.damage) == MAX_DAMAGE + 1
    assert source.damage[-1].kind == "more_damage"
    assert "2000 bad_interface" in source.damage[-1].detail


def test_zeros_and_noise_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(pcapng(SIZES) + bytes(5000))
    packets, source = read(path)
    assert len(packets) == len(SIZES)
    assert kinds(source) == ["zero_tail"]
    noise = random.Random(7).randbytes(100_000)
    for raw in (pcap(SIZES), pcapng(SIZES)):
        path.write_bytes(raw + b"\xff" * 24 + noise)
        packets, source = read(path)
        assert len(packets) == len(SIZES)
        assert not source.info.complete
        assert source.info.sha256


def test_resynchronising_over_many_buffers(tmp_path: Path) -> None:
    gap = random.Random(3).randbytes(300_000)
    path = tmp_path / "x"
    first, second = pcap([100] * 50), pcap([90] * 50)
    path.write_bytes(first + b"\xff" * 16 + gap + second[24:])
    packets, source = read(path, buffer_bytes=65_536)
    assert [len(p.data) for p in packets] == [100] * 50 + [90] * 50
    assert kinds(source) == ["bad_record_length"]
    first, second = pcapng([100] * 50), b"".join(epb(payload(i, 90)) for i in range(50))
    path.write_bytes(first + b"\xff" * 16 + gap + second)
    packets, source = read(path, buffer_bytes=65_536)
    assert [len(p.data) for p in packets] == [100] * 50 + [90] * 50
    assert kinds(source) == ["bad_block"]


RICH = (
    pcapng([40, 0, 3, 200])
    + epb(b"noted", options=struct.pack("<HH", 1, 4) + b"text" + bytes(4))
    + block(5, bytes(12) + struct.pack("<HHQ", 5, 8, 3))
    + pcapng([60, 61], ">")
)


@settings(max_examples=examples(150), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    raw=st.sampled_from([pcap([40, 0, 3, 200, 60, 61]), pcap([40, 0, 3, 200], ">", "ns"), RICH]),
    changes=st.lists(st.tuples(st.integers(0, 2000), st.binary(min_size=1, max_size=6)), max_size=6),
    cut=st.integers(0, 2000),
    tail=st.binary(max_size=60),
)
def test_random_changes_never_raise_and_never_depend_on_borders(
    tmp_path: Path, raw: bytes, changes: list[tuple[int, bytes]], cut: int, tail: bytes
) -> None:
    made = bytearray(raw)
    for at, value in changes:
        start = at % len(made)
        made[start : start + len(value)] = value
    made = made[: max(28, len(made) - cut % len(made))] + tail
    path = tmp_path / "x"
    path.write_bytes(made)
    try:
        packets, source = read(path)
    except InputError:
        return
    for p in packets:
        assert made[p.offset : p.offset + len(p.data)] == p.data
    assert source.info.complete or source.damage
    again, other = read(path, batch_packets=2)
    assert again == packets
    assert [(d.kind, d.packet, d.offset) for d in other.damage] == [(d.kind, d.packet, d.offset) for d in source.damage]
