"""Compressed captures: each kind, several members, cut off, broken, bombs."""

import gzip
import lzma
import shutil
import subprocess
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path

import lz4.frame
import pytest
import zstandard

from rustnet.errors import InputError
from rustnet.sources.compressed import Decoded, compression
from rustnet.sources.files import FileSource
from rustnet.sources.stored import Stored
from tests.support.effort import assert_linear
from tests.support.patterned import T0, kinds, pcap, pcapng, read
from tests.support.pcap import record

PACK: dict[str, Callable[[bytes], bytes]] = {
    "gzip": lambda raw: gzip.compress(raw, 6),
    "zstd": zstandard.ZstdCompressor(write_checksum=True).compress,
    "xz": lzma.compress,
    "lz4": lambda raw: lz4.frame.compress(raw, block_size=lz4.frame.BLOCKSIZE_MAX64KB, content_checksum=True),
}
RAW = pcap([(i * 37) % 1500 for i in range(2000)])
EACH = pytest.mark.parametrize("name", sorted(PACK))


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    path = tmp_path_factory.mktemp("plain") / "x"
    path.write_bytes(RAW)
    return [p.data for p in read(path)[0]]


@EACH
def test_same_packets_as_uncompressed(tmp_path: Path, name: str, plain: list[bytes]) -> None:
    path = tmp_path / "misleading.txt"
    path.write_bytes(PACK[name](RAW))
    packets, source = read(path)
    assert [p.data for p in packets] == plain
    assert all(RAW[p.offset : p.offset + len(p.data)] == p.data for p in packets)
    assert source.info.format == f"pcap+{name}"
    assert source.info.complete
    assert source.info.bytes == path.stat().st_size
    path.write_bytes(PACK[name](pcapng([60, 70])))
    assert [len(p.data) for p in read(path)[0]] == [60, 70]


@EACH
def test_several_members(tmp_path: Path, name: str, plain: list[bytes]) -> None:
    parts = [RAW[:10], RAW[10:5000], b"", RAW[5000:5001], RAW[5001:]]
    padding = b"\0" * 8 if name in {"gzip", "xz"} else b""
    path = tmp_path / "x"
    path.write_bytes(padding.join(PACK[name](part) for part in parts) + padding)
    packets, source = read(path)
    assert [p.data for p in packets] == plain
    assert source.info.complete


@pytest.mark.parametrize("name", ["zstd", "lz4"])
def test_skippable_frames(tmp_path: Path, name: str, plain: list[bytes]) -> None:
    skip = b"\x53\x2a\x4d\x18\x05\0\0\0hello"
    path = tmp_path / "x"
    path.write_bytes(skip + PACK[name](RAW[:3000]) + skip + PACK[name](RAW[3000:]) + skip)
    packets, source = read(path)
    assert [p.data for p in packets] == plain
    assert source.info.format == f"pcap+{name}"
    assert source.info.complete


@EACH
def test_cut_off_keeps_what_was_decoded(tmp_path: Path, name: str, plain: list[bytes]) -> None:
    packed = PACK[name](RAW)
    path = tmp_path / "x"
    path.write_bytes(packed[: len(packed) * 3 // 4])
    packets, source = read(path)
    assert 0 < len(packets) < len(plain)
    assert [p.data for p in packets] == plain[: len(packets)]
    assert "bad_compression" in kinds(source)
    assert not source.info.complete
    assert source.info.sha256
    path.write_bytes(packed[:-1])
    packets, source = read(path)
    assert "bad_compression" in kinds(source)


@EACH
def test_damaged_in_the_middle(tmp_path: Path, name: str) -> None:
    packed = bytearray(PACK[name](RAW))
    middle = len(packed) // 2
    packed[middle : middle + 64] = bytes(64)
    path = tmp_path / "x"
    path.write_bytes(packed)
    packets, source = read(path)
    assert packets
    assert "bad_compression" in kinds(source)
    assert not source.info.complete
    assert source.info.sha256
    assert source.info.bytes == len(packed)


def test_gzip_keeps_all_up_to_a_wrong_checksum(tmp_path: Path, plain: list[bytes]) -> None:
    packed = bytearray(PACK["gzip"](RAW))
    packed[-8] ^= 1
    path = tmp_path / "x"
    path.write_bytes(packed)
    packets, source = read(path)
    assert [p.data for p in packets] == plain
    assert kinds(source) == ["bad_compression"]


@EACH
def test_other_data_after_the_stream(tmp_path: Path, name: str, plain: list[bytes]) -> None:
    path = tmp_path / "x"
    path.write_bytes(PACK[name](RAW) + b"something else entirely")
    packets, source = read(path)
    assert [p.data for p in packets] == plain
    assert kinds(source) == ["bad_compression"]
    assert "follows" in source.damage[0].detail


@EACH
def test_not_a_capture_inside(tmp_path: Path, name: str) -> None:
    path = tmp_path / "x"
    path.write_bytes(PACK[name](b"just some text, nothing else, really" * 3))
    with pytest.raises(InputError, match=rf"\({name}\): not a capture: looks like text"):
        FileSource(str(path))
    path.write_bytes(PACK[name](b""))
    with pytest.raises(InputError, match="nothing can be decoded"):
        FileSource(str(path))
    path.write_bytes(PACK[name](RAW)[:9])
    with pytest.raises(InputError, match="nothing can be decoded"):
        FileSource(str(path))
    path.write_bytes(PACK[name](PACK["gzip"](RAW)))
    with pytest.raises(InputError, match="compressed again, with gzip"):
        FileSource(str(path))


@EACH
def test_bomb_is_bounded(tmp_path: Path, name: str) -> None:
    path = tmp_path / "x"
    path.write_bytes(PACK[name](RAW[:24] + record(b"", T0, 0, 60) * (4 << 20)))
    tracemalloc.start()
    try:
        count = sum(frames.count for frames in FileSource(str(path)).batches())
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert count == 4 << 20
    assert peak < 130 << 20


def test_hostile_members_take_linear_time(tmp_path: Path) -> None:
    path = tmp_path / "x"
    empty = gzip.compress(b"", 9, mtime=0)

    def members(count: int) -> None:
        path.write_bytes(PACK["gzip"](RAW) + empty * count + (empty + bytes(4)) * (count // 2))
        _, source = read(path)
        assert source.info.complete

    assert_linear(members, 12_000)


def test_a_stored_block_in_small_steps(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(gzip.compress(RAW, 0))
    seen = bytearray()
    stored = Stored(str(path))
    decoded = Decoded(stored, "gzip", seen.extend)
    made = bytearray()
    while piece := decoded.read(100):
        made += piece
    stored.close()
    assert made == RAW
    assert seen == path.read_bytes()
    assert decoded.problem is None


def test_magic() -> None:
    assert compression(zlib.compress(b"x")) is None
    assert compression(b"") is None
    assert compression(b"\x50\x2a\x4d\x18\x00\x00\x00\x00\x04\x22\x4d\x18") == "lz4"
    assert compression(b"\x50\x2a\x4d\x18\xff\x00\x00\x00") == "zstd"


@pytest.mark.parametrize("tool", ["gzip", "zstd", "xz", "lz4"])
def test_tools_make_what_is_read(tmp_path: Path, tool: str, plain: list[bytes]) -> None:
    if not shutil.which(tool):
        pytest.skip(f"{tool} is not installed")
    packed = subprocess.run([tool, "-c"], input=RAW, capture_output=True, check=True).stdout
    (tmp_path / "x").write_bytes(packed)
    packets, source = read(tmp_path / "x")
    assert [p.data for p in packets] == plain
    assert source.info.complete
