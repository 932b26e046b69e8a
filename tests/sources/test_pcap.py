"""Classic pcap: byte orders, resolutions, modified record headers, odd lengths."""

import hashlib
import shutil
import struct
import subprocess
from pathlib import Path

import pytest
from scapy.layers.l2 import Ether
from scapy.utils import rdpcap, wrpcap

from tests.support.patterned import T0, kinds, payload, pcap, read
from tests.support.pcap import Magic, pcap_header, record

EDITCAP = shutil.which("editcap")
SIZES = [60, 0, 1, 1514, 61, 62, 63]


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(("magic", "scale", "extra"), [("us", 1000, 0), ("ns", 1, 0), ("modified", 1000, 8)])
def test_every_byte_order_and_resolution(tmp_path: Path, order: str, magic: Magic, scale: int, extra: int) -> None:
    raw = pcap(SIZES, order, magic, extra)
    (tmp_path / "x").write_bytes(raw)
    packets, source = read(tmp_path / "x")
    assert [p.data for p in packets] == [payload(i, n) for i, n in enumerate(SIZES)]
    assert [p.ts for p in packets] == [(T0 + i) * 10**9 + (i * 10 + 1) * scale for i in range(len(SIZES))]
    assert all(raw[p.offset : p.offset + len(p.data)] == p.data for p in packets)
    assert source.info.format == {"us": "pcap", "ns": "pcap-ns", "modified": "pcap-modified"}[magic]
    assert source.info.complete
    assert not source.damage
    assert source.info.sha256 == hashlib.sha256(raw).hexdigest()
    assert source.info.bytes == len(raw)
    assert (source.interfaces[0].packets, source.interfaces[0].snaplen) == (len(SIZES), 65535)


@pytest.mark.parametrize(("magic", "extra"), [("us", 8), ("us", 4), ("modified", 12)])
def test_record_headers_of_patched_libpcaps(tmp_path: Path, magic: Magic, extra: int) -> None:
    (tmp_path / "x").write_bytes(pcap([60, 70, 80, 90, 100], magic=magic, extra=extra))
    packets, source = read(tmp_path / "x")
    assert [len(p.data) for p in packets] == [60, 70, 80, 90, 100]
    assert source.info.complete


@pytest.mark.parametrize(("version", "swapped"), [((2, 2), True), ((543, 0), True), ((2, 3), True), ((2, 3), False)])
def test_old_versions_swap_the_lengths(tmp_path: Path, version: tuple[int, int], swapped: bool) -> None:
    lengths = (100, 60) if swapped else (60, 100)
    raw = pcap_header(version=version) + struct.pack("<IIII", T0, 0, *lengths) + bytes(60)
    (tmp_path / "x").write_bytes(raw)
    packets, source = read(tmp_path / "x")
    assert [(p.length, len(p.data)) for p in packets] == [(100, 60)]
    assert source.info.complete


def test_link_type_field_with_frame_check_sequence(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(pcap([60], link=0x24000001))
    packets, source = read(tmp_path / "x")
    assert packets[0].link == 1
    assert not source.damage
    (tmp_path / "x").write_bytes(pcap([60], link=0x00030071))
    packets, source = read(tmp_path / "x")
    assert packets[0].link == 113
    assert kinds(source) == ["bad_link_type"]
    assert source.info.complete


def test_no_packets_is_fine(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(pcap_header())
    packets, source = read(tmp_path / "x")
    assert not packets
    assert source.info.complete
    assert source.info.sha256


def test_captured_beyond_length_is_kept_and_reported_once(tmp_path: Path) -> None:
    raw = pcap([60]) + record(payload(1, 50), length=40) + record(payload(2, 50), length=10) + record(payload(3, 9))
    (tmp_path / "x").write_bytes(raw)
    packets, source = read(tmp_path / "x")
    assert [(p.length, len(p.data)) for p in packets] == [(60, 60), (40, 50), (10, 50), (9, 9)]
    assert kinds(source) == ["captured_exceeds_length"]
    assert source.damage[0].packet == 2
    assert source.damage[0].detail.startswith("2 packets")
    assert source.info.complete


def test_largest_timestamp(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(pcap_header() + record(b"x", 0xFFFFFFFF, 999_999))
    packets, _ = read(tmp_path / "x")
    assert packets[0].ts == 0xFFFFFFFF * 10**9 + 999_999 * 1000


@pytest.mark.parametrize("buffer", [4096, 5000, 65536])
@pytest.mark.parametrize("batch", [1, 3, 1000])
def test_borders_change_nothing(tmp_path: Path, buffer: int, batch: int) -> None:
    (tmp_path / "x").write_bytes(pcap([(i * 37) % 1500 for i in range(300)]))
    whole, _ = read(tmp_path / "x")
    packets, source = read(tmp_path / "x", buffer_bytes=buffer, batch_packets=batch)
    assert packets == whole
    assert source.info.complete


@pytest.mark.skipif(not EDITCAP, reason="editcap is not installed")
def test_agrees_with_scapy_and_editcap(tmp_path: Path) -> None:
    frames = [Ether(payload(i, 80)) for i in range(20)]
    for i, frame in enumerate(frames):
        frame.time = T0 + i
    wrpcap(str(tmp_path / "a.pcap"), frames)
    packets, _ = read(tmp_path / "a.pcap")
    assert [p.data for p in packets] == [bytes(f) for f in rdpcap(str(tmp_path / "a.pcap"))]
    for form in ("nsecpcap", "pcapng", "modpcap", "nokiapcap", "rh6_1pcap", "suse6_3pcap"):
        made = subprocess.run([str(EDITCAP), "-F", form, tmp_path / "a.pcap", tmp_path / form], check=False)
        assert made.returncode == 0
        again, source = read(tmp_path / form)
        assert [(p.ts, p.data) for p in again] == [(p.ts, p.data) for p in packets], form
        assert source.info.complete
