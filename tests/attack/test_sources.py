"""Hostile captures: files that change, long blocks with forged packets, compression bombs, and limits."""

import gzip
import hashlib
import io
import lzma
import os
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import lz4.frame
import pytest
import zstandard

from rustnet.errors import InputError
from rustnet.export.annotate import Annotated, annotate
from rustnet.sources.files import FileSource, hash_file
from rustnet.sources.frames import Source
from rustnet.sources.hashing import HashProcess
from rustnet.sources.limits import Limits
from tests.export.test_annotate import Says
from tests.support.patterned import kinds, payload, pcap
from tests.support.pcap import pcap_header, record
from tests.support.pcapng import block, end, epb, idb, nrb, option, shb

ORDERS = pytest.mark.parametrize("order", ["<", ">"])
LONG = 3 << 20
FORMS: dict[str, Callable[[bytes], bytes]] = {
    "plain": bytes,
    "zstd": zstandard.compress,
    "gzip": lambda data: gzip.compress(data, 1),
}
EMPTY: dict[str, Callable[[bytes], bytes]] = {
    "zstd": zstandard.compress,
    "gzip": lambda data: gzip.compress(data, 1, mtime=0),
    "lz4": lz4.frame.compress,
    "xz": lambda data: lzma.compress(data, preset=0),
}


def frames_of(source: Source) -> list[bytes]:
    return [frames.frame(i) for frames in source.batches() for i in range(frames.count)]


def read(path: Path, **limits: float) -> tuple[list[bytes], FileSource]:
    source = FileSource(str(path))
    source.limits = Limits(**limits)  # type: ignore[arg-type]
    return frames_of(source), source


def words(source: FileSource) -> str:
    return "\n".join(damage.detail for damage in source.damage)


# ---- files that change while they are read ------------------------------------------------------------------------


def grow(path: Path) -> None:
    with path.open("ab") as stream:
        stream.write(bytes(100))


def rewrite(path: Path) -> None:
    with path.open("r+b") as stream:
        stream.seek(100)
        stream.write(b"other")


def rewrite_with_old_times(path: Path) -> None:
    before = path.stat()
    rewrite(path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 10)


def replace(path: Path) -> None:
    other = path.with_name("other")
    other.write_bytes(path.read_bytes())
    other.replace(path)


CHANGES = pytest.mark.parametrize(
    ("change", "said"),
    [
        (grow, "it is still being written; replay it again once it is finished"),
        (rewrite, "was written to"),
        (rewrite_with_old_times, "were changed"),
        (cut, "was cut"),
        (replace, "another file took its place"),
    ],
)


@CHANGES
@pytest.mark.parametrize("least", [1 << 40, 1_000], ids=["thread", "process"])
@pytest.mark.parametrize("form", ["plain", "gzip"])
def test_a_file_that_changes_while_it_is_read_has_no_hash(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[Path], None],
    said: str,
    least: int,
    form: str,
) -> None:
    monkeypatch.setattr(HashProcess, "LEAST", least)
    path = tmp_path / "a.pcap"
    path.write_bytes(FORMS[form](pcap([1400] * 4_000)))
    source = FileSource(str(path))
    batches = source.batches()
    next(batches)
    change(path)
    for _ in batches:
        pass
    assert source.info.sha256 is None
    assert not source.info.complete
    assert "file_changed" in kinds(source)
    assert said in words(source)


def test_a_file_that_changes_between_opening_and_reading_has_no_hash(tmp_path: Path) -> None:
    path = tmp_path / "a.pcap"
    path.write_bytes(pcap([60] * 50))
    source = FileSource(str(path))
    rewrite_with_old_times(path)
    frames_of(source)
    assert (source.info.sha256, kinds(source)) == (None, ["file_changed"])


def test_a_file_that_grows_is_read_to_the_end_that_it_had(tmp_path: Path) -> None:
    path = tmp_path / "a.pcap"
    path.write_bytes(pcap([60] * 50))
    source = FileSource(str(path))
    with path.open("ab") as stream:
        stream.write(pcap([60] * 50)[24:])
    assert len(frames_of(source)) == 50
    assert kinds(source) == ["file_changed"]


def test_a_file_that_stays_has_its_hash(tmp_path: Path) -> None:
    path = tmp_path / "a.pcap"
    path.write_bytes(pcap([60] * 50))
    path.read_bytes()
    packets, source = read(path)
    assert len(packets) == 50
    assert source.info.complete
    assert source.info.sha256 == hash_file(str(path)) == hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_file_that_changes_while_it_is_hashed_is_not_compared(tmp_path: Path) -> None:
    path = tmp_path / "large"
    path.write_bytes(bytes(64 << 20))
    done = threading.Event()

    def write() -> None:
        while not done.wait(0.001):
            rewrite(path)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        with pytest.raises(InputError, match="while it was read"):
            hash_file(str(path))
    finally:
        done.set()
        thread.join()


# ---- long blocks --------------------------------------------------------------------------------------------------


def forged(order: str, size: int) -> bytes:
    """Blocks that look like packets, among zeros."""
    packets = b"".join(epb(payload(n, 40), order=order) for n in range(90, 93))
    body = bytes(1000) + packets + idb(order=order) + packets
    return body + bytes(size - len(body) - len(packets)) + packets


def long_blocks(order: str, size: int) -> dict[str, bytes]:
    inside = forged(order, size)
    count = size // 60_000
    comments = b"".join(option(1, inside[n * 60_000 : (n + 1) * 60_000], order) for n in range(count)) + end(order)
    names = b"".join(
        struct.pack(order + "HH", 1, 60_000)
        + bytes([10, 0, 0, n % 250])
        + inside[n * 59_996 : (n + 1) * 59_996 - 1]
        + b"\0"
        for n in range(count)
    )
    packet = payload(7, 40)
    head = struct.pack(order + "IIIII", 0, 0x60000, 7, 40, 40)
    return {
        "secrets": block(10, struct.pack(order + "II", 0x544C534B, size) + inside, order),
        "names": nrb(names, order=order),
        "unknown": block(0x0B0B0B0B, inside, order),
        "section": shb(order, comments) + idb(order=order),
        "interface": idb(options=comments, order=order),
        "statistics": block(5, struct.pack(order + "III", 0, 1, 2) + comments, order),
        "packet": block(6, head + packet + comments, order),
        "huge packet": block(6, struct.pack(order + "IIIII", 0, 0, 7, size, size) + inside, order),
        "custom": block(0xBAD, struct.pack(order + "I", 32473) + inside, order),
    }


EXTRA = {"packet": [payload(7, 40)], "custom": 1}
"""What of the long block itself counts as a packet."""


@ORDERS
@pytest.mark.parametrize("form", list(FORMS))
@pytest.mark.parametrize("what", list(long_blocks("<", LONG)))
def test_packets_forged_in_a_long_block_are_none(tmp_path: Path, order: str, form: str, what: str) -> None:
    path = tmp_path / "a.pcapng"
    before, after = [payload(n, 61) for n in range(3)], [payload(n, 62) for n in range(3, 6)]
    parts = [shb(order), idb(order=order), *(epb(p, order=order) for p in before), long_blocks(order, LONG)[what]]
    path.write_bytes(FORMS[form](b"".join([*parts, *(epb(p, order=order) for p in after)])))
    packets, source = read(path)
    assert packets[:3] == before
    assert packets[-3:] == after
    own = packets[3:-3]
    assert own == EXTRA["packet"] if what == "packet" else len(own) == (what == "custom")
    assert source.info.secrets == (what == "secrets")
    assert source.info.skipped_blocks == (what == "unknown")
    assert kinds(source) == {"secrets": [], "unknown": [], "custom": [], "huge packet": ["bad_block"]}.get(
        what, ["bad_option"]
    )
    assert source.info.complete == (not source.damage)


@pytest.mark.parametrize("size", [2 << 20, (4 << 20) - 20, (4 << 20) + 4, 15 << 20, 20 << 20, 70 << 20])
@pytest.mark.parametrize("form", ["plain", "zstd"])
def test_blocks_of_any_length_are_passed_over(tmp_path: Path, size: int, form: str) -> None:
    path = tmp_path / "a.pcapng"
    secrets = block(10, struct.pack("<II", 0x544C534B, size) + forged("<", size))
    path.write_bytes(FORMS[form](b"".join([shb(), idb(), epb(b"a" * 50), secrets, secrets, epb(b"b" * 50)])))
    packets, source = read(path)
    assert packets == [b"a" * 50, b"b" * 50]
    assert (source.info.complete, source.info.secrets) == (True, 2)


def test_long_blocks_come_through_a_slow_pipe(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    data = b"".join([shb(), idb(), epb(b"a" * 50), long_blocks("<", LONG)["secrets"], epb(b"b" * 50)])

    def write() -> None:
        with pipe.open("wb", buffering=0) as stream:
            for at in range(0, len(data), 300_001):
                stream.write(data[at : at + 300_001])
                time.sleep(0.03)

    thread = threading.Thread(target=write)
    thread.start()
    source = FileSource(str(pipe))
    packets = [frames.frame(i) for frames in source.batches(0.05) for i in range(frames.count)]
    thread.join()
    assert packets == [b"a" * 50, b"b" * 50]
    assert source.info.complete


@ORDERS
@pytest.mark.parametrize("form", list(FORMS))
def test_after_damage_a_long_block_is_no_place_to_go_on(tmp_path: Path, order: str, form: str) -> None:
    path = tmp_path / "a.pcapng"
    broken = bytearray(epb(payload(1, 80), order=order))
    broken[4:8] = b"\xff" * 4
    parts = [shb(order), idb(order=order), bytes(broken), long_blocks(order, LONG)["secrets"]]
    path.write_bytes(FORMS[form](b"".join([*parts, epb(b"b" * 50, order=order)])))
    packets, source = read(path)
    assert packets == [b"b" * 50]
    assert kinds(source) == ["bad_block"]


@pytest.mark.parametrize("total", [0xFFFFFFFC, 0xFFFFFFFF, 1 << 31, 16 << 20])
@pytest.mark.parametrize("kind", [6, 1, 10, 0x0B0B0B0B])
def test_a_length_that_the_end_of_the_block_contradicts_is_damage(tmp_path: Path, total: int, kind: int) -> None:
    path = tmp_path / "a.pcapng"
    wrong = struct.pack("<III", kind, total, 0) + bytes(60)
    many = [struct.pack("<I", n) * 250 for n in range(20_000)]
    path.write_bytes(b"".join([shb(), idb(), epb(b"a" * 50), wrong, *(epb(packet) for packet in many)]))
    packets, source = read(path)
    assert packets == [b"a" * 50, *many]
    assert kinds(source) == ["bad_block"]
    assert not source.info.complete


def test_only_the_trailing_length_of_a_long_block_is_wrong(tmp_path: Path) -> None:
    path = tmp_path / "a.pcapng"
    secrets = long_blocks("<", LONG)["secrets"][:-4] + b"\1\2\3\4"
    path.write_bytes(b"".join([shb(), idb(), epb(b"a" * 50), secrets, epb(b"b" * 50)]))
    packets, source = read(path)
    assert packets == [b"a" * 50, b"b" * 50]
    assert "a different trailing length" in words(source)
    out, _ = annotated(path)
    assert out.endswith(long_blocks("<", LONG)["secrets"] + epb(b"b" * 50))


@pytest.mark.parametrize("form", list(FORMS))
def test_a_long_block_that_is_cut_off_is_not_searched(tmp_path: Path, form: str) -> None:
    path = tmp_path / "a.pcapng"
    secrets = long_blocks("<", LONG)["secrets"][:-1000]
    path.write_bytes(FORMS[form](b"".join([shb(), idb(), epb(b"a" * 50), secrets])))
    packets, source = read(path)
    assert packets == [b"a" * 50]
    assert kinds(source) == ["cut_off"]


# ---- enrich -------------------------------------------------------------------------------------------------------


def annotated(path: Path) -> tuple[bytes, Annotated]:
    stream = io.BytesIO()
    made = annotate(str(path), Says({}), stream)
    return stream.getvalue(), made


@ORDERS
@pytest.mark.parametrize(
    "what", ["secrets", "names", "unknown", "section", "interface", "statistics", "packet", "custom"]
)
def test_enrich_keeps_long_blocks(tmp_path: Path, order: str, what: str) -> None:
    path = tmp_path / "a.pcapng"
    data = b"".join([shb(order), idb(order=order), long_blocks(order, LONG)[what], epb(b"b" * 50, order=order)])
    path.write_bytes(data)
    out, made = annotated(path)
    assert out == data
    assert made.mended == {}


def test_enrich_leaves_out_what_wireshark_refuses_and_says_so(tmp_path: Path) -> None:
    path = tmp_path / "a.pcapng"
    broken = option(2, b"eth0") + struct.pack("<HH", 0xFFFF, 0x7FFF)
    path.write_bytes(
        b"".join([
            shb(),
            idb(options=broken),
            epb(b"a" * 50, options=option(2, b"\1\2") + option(1, b"kept") + end()),
            block(10, struct.pack("<II", 1, 900) + bytes(8)),
            block(6, struct.pack("<IIIII", 0, 0, 9, 300_000, 300_000) + bytes(300_000)),
            block(10, struct.pack("<II", 1, 20 << 20) + bytes(20 << 20)),
            shb().replace(struct.pack("<HH", 1, 0), struct.pack("<HH", 3, 7), 1),
            idb(201),
            epb(b"ab"),
            epb(b"abcdef"),
        ])
    )  # fmt: skip
    out, made = annotated(path)
    assert made.mended == {"options": 2, "blocks": 2, "cut": 1, "versions": 1, "packets": 1}
    (tmp_path / "b.pcapng").write_bytes(out)
    packets, source = read(tmp_path / "b.pcapng")
    assert packets == [b"a" * 50, bytes(262_144), b"abcdef"]
    assert made.packets == 3
    assert source.info.complete
    assert source.interfaces[0].name == "eth0"


# ---- compression --------------------------------------------------------------------------------------------------


def test_a_long_window_is_named_as_such(tmp_path: Path) -> None:
    parameters = zstandard.ZstdCompressionParameters(window_log=31, enable_ldm=True)
    path = tmp_path / "a.pcap.zst"
    writer = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    path.write_bytes(writer.compress(pcap([60] * 50)) + writer.flush())
    with pytest.raises(InputError, match=r"window too large: it needs 2 GiB of memory.*zstd -d --long=31"):
        FileSource(str(path))
    path.write_bytes(zstandard.compress(pcap([60] * 50)) + path.read_bytes())
    packets, source = read(path)
    assert len(packets) == 50
    assert "window too large" in words(source)
    assert not source.info.complete


def test_the_largest_window_is_decoded(tmp_path: Path) -> None:
    parameters = zstandard.ZstdCompressionParameters(window_log=27, enable_ldm=True)
    writer = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    path = tmp_path / "a.pcap.zst"
    path.write_bytes(writer.compress(pcap([60] * 50)) + writer.flush())
    assert len(read(path)[0]) == 50


def test_a_large_xz_dictionary_is_named_as_such(tmp_path: Path) -> None:
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": 1 << 29}]
    path = tmp_path / "a.pcap.xz"
    head = bytearray(lzma.compress(pcap([60] * 50), filters=filters[:1] and [{"id": lzma.FILTER_LZMA2, "preset": 0}]))
    at = head.index(b"\x21\x01", 12) + 2  # LZMA2, one byte of properties: the size of the dictionary
    head[at] = 34  # 512 MiB
    size = (head[12] + 1) * 4
    head[12 + size - 4 : 12 + size] = struct.pack("<I", __import__("zlib").crc32(head[12 : 12 + size - 4]))
    path.write_bytes(head)
    with pytest.raises(InputError, match="dictionary too large: it needs more than 192 MiB"):
        FileSource(str(path))


def skippable(body: bytes) -> bytes:
    return b"\x50\x2a\x4d\x18" + struct.pack("<I", len(body)) + body


@pytest.mark.parametrize("form", ["zstd", "lz4"])
def test_skippable_frames_are_skipped(tmp_path: Path, form: str) -> None:
    path = tmp_path / "a.pcap"
    pack = EMPTY[form]
    data = pcap([60] * 50)
    parts = [skippable(b"first"), pack(data[:1000]), skippable(pack(data)) * 30, skippable(b""), pack(data[1000:])]
    path.write_bytes(b"".join([*parts, skippable(bytes(200_000))]))
    packets, source = read(path)
    assert len(packets) == 50
    assert source.info.complete
    path.write_bytes(path.read_bytes()[:-1])
    packets, source = read(path)
    assert (len(packets), source.info.complete) == (50, False)


def bomb(name: str) -> bytes:
    """Make an input that takes long, and holds next to no packets."""
    start, zstd = pcap([60] * 2), zstandard.compress
    if name in EMPTY:
        return EMPTY[name](start) + EMPTY[name](b"") * 400_000
    if name == "skippable":
        return zstd(start) + skippable(b"") * 1_500_000
    if name == "no packets":
        head = shb() + idb() + struct.pack("<II", 10, (1 << 29) + 12)
        return zstd(head) + zstandard.ZstdCompressor(level=1).compress(bytes(512 << 20))
    blocks = {
        "unknown blocks": block(0x0B0B0B0B, b"") * 10_000_000,
        "statistics": block(5, bytes(12)) * 10_000_000,
        "interfaces": idb() * 2_000_000,
        "sections": shb() * 500_000,
        "names": nrb(struct.pack("<HHI4s", 1, 6, 7, b"a\0")) * 500_000,
    }
    return zstd(shb() + idb() + blocks[name])


BOMBS = ("skippable", "no packets", "unknown blocks", "statistics", "interfaces", "sections", "names")


@pytest.mark.parametrize("name", [*EMPTY, *BOMBS])
def test_a_consumer_is_asked_often_and_a_time_limit_holds(tmp_path: Path, name: str) -> None:
    """Measured in a process of its own: seconds between two batches, and memory."""
    path = tmp_path / "bomb"
    path.write_bytes(bomb(name))
    program = r"""
import re, sys, time
from rustnet.sources.files import FileSource
from rustnet.sources.limits import Limits
source = FileSource(sys.argv[1])
source.limits = Limits(seconds=2)
longest, begun = 0, time.monotonic()
last = begun
for frames in source.batches(0.1):
    now = time.monotonic()
    longest, last = max(longest, now - last), now
print(longest, time.monotonic() - begun, int(re.search(r"VmHWM:\s+(\d+)", open("/proc/self/status").read())[1]) >> 10)
"""
    done = subprocess.run([sys.executable, "-P", "-c", program, str(path)], capture_output=True, text=True, check=True)
    longest, seconds, megabytes = map(float, done.stdout.split())
    assert longest < 0.6
    assert seconds < 3.5
    assert megabytes < 250


def test_zeros_without_end_are_no_packets_and_pass_quickly(tmp_path: Path) -> None:
    path = tmp_path / "a.pcap.zst"
    path.write_bytes(zstandard.compress(pcap_header() + bytes(256 << 20)))
    begun = time.monotonic()
    source = FileSource(str(path))
    assert sum(frames.count for frames in source.batches()) == 0
    assert [damage.kind for damage in source.damage] == ["zero_tail"]
    assert time.monotonic() - begun < 6


# ---- limits -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", list(FORMS))
def test_limits_of_packets_and_bytes(tmp_path: Path, form: str) -> None:
    path = tmp_path / "a.pcap"
    whole = pcap([60] * 1_000)
    path.write_bytes(FORMS[form](whole))
    packets, source = read(path, packets=123)
    assert len(packets) == 123
    assert (source.info.sha256, source.info.complete, source.interfaces[0].packets) == (None, False, 123)
    assert [(d.kind, d.detail, d.packet) for d in source.damage] == [
        ("stopped_at_limit", "stopped at --max-packets 123: the rest of the input was not read", 123)
    ]
    packets, source = read(path, bytes=24 + 76 * 10 + 30)
    assert len(packets) == 10
    assert "--max-bytes 814" in words(source)
    for limits in ({"packets": 1_000}, {"bytes": len(whole)}, {"packets": 5_000, "bytes": 1 << 40, "seconds": 1_000}):
        packets, source = read(path, **limits)
        assert (len(packets), source.info.complete, kinds(source)) == (1_000, True, [])
        assert source.info.sha256 == hash_file(str(path))


def test_limits_hold_over_many_batches(tmp_path: Path) -> None:
    path = tmp_path / "a.pcap"
    path.write_bytes(pcap_header() + record(b"") * 300_000)
    for most in (65_535, 65_536, 65_537, 200_000):
        source = FileSource(str(path))
        source.limits = Limits(packets=most)
        assert sum(frames.count for frames in source.batches()) == most


# ---- counts -------------------------------------------------------------------------------------------------------


def test_what_limits_leave_out_is_counted(tmp_path: Path) -> None:
    path = tmp_path / "a.pcapng"
    names = b"".join(struct.pack("<HH4s12s", 1, 16, n.to_bytes(4, "big"), b"n%d" % n) for n in range(3_000))
    path.write_bytes(
        b"".join([
            *(shb(options=option(1, b"comment %d" % n) + end()) + idb() + epb(b"p%d" % n) for n in range(66_000)),
            nrb(names) * 25,
        ])
    )  # fmt: skip
    packets, source = read(path)
    assert packets == [b"p%d" % n for n in range(66_000)], "a packet was lost with its interface's description"
    assert len(source.interfaces) == 65_536
    assert source.interfaces[-1].packets == 66_000 - 65_535
    assert sorted(d.detail for d in source.damage if d.kind == "too_many") == [
        "too many comments: 65000 were left out",
        "too many interfaces: 464 were left out",
        f"too many names: {75_000 - 65_536} were left out",
    ]
    assert not source.info.complete
