"""Captures written again with comments: what is not a comment stays byte for byte, whatever the file is made of."""

import io
import itertools
import random
import struct
import subprocess
from pathlib import Path
from shutil import which

import numpy as np
import pytest

from rustnet.export.annotate import Annotated, annotate
from rustnet.query.comments import named_by
from tests.support import patterned
from tests.support.paths import CORPUS
from tests.support.patterned import T0, payload
from tests.support.pcap import Magic, pcap_header, record
from tests.support.pcapng import block, end, epb, idb, old_packet, option, shb, spb
from tests.support.uncompiled import RUNS_PURE, PureTree


class Says:
    """Comments by packet number."""

    def __init__(self, said: dict[int, str]) -> None:
        self.said = said
        self.texts = [text.encode() for text in dict.fromkeys(said.values())]
        self.heads = [len(text) for text in self.texts]
        self.chunk = 1

    def which(self, first: int, count: int) -> "np.ndarray[tuple[int], np.dtype[np.int32]]":
        made = [self.said.get(number) for number in range(first, first + count)]
        return np.array([-1 if m is None else self.texts.index(m.encode()) for m in made], np.int32)


class Everyone(Says):
    """One comment for every packet."""

    def __init__(self, text: str) -> None:
        super().__init__({})
        self.texts, self.heads = [text.encode()], [len(text.encode())]

    def which(self, first: int, count: int) -> "np.ndarray[tuple[int], np.dtype[np.int32]]":
        return np.zeros(count, np.int32)


def written(path: Path, says: Says) -> tuple[bytes, Annotated]:
    stream = io.BytesIO()
    made = annotate(str(path), says, stream)
    return stream.getvalue(), made


def blocks_of(data: bytes) -> list[tuple[str, int, bytes]]:
    """Byte order, type and body of each block; every length must be right."""
    found, at, order = [], 0, "<"
    while at < len(data):
        if data[at : at + 4] == b"\n\r\r\n":
            order = ">" if data[at + 8] == 0x1A else "<"
        kind, total = struct.unpack_from(order + "II", data, at)
        assert total >= 12
        assert total % 4 == 0
        assert struct.unpack_from(order + "I", data, at + total - 4)[0] == total
        found.append((order, kind, data[at + 8 : at + total - 4]))
        at += total
    return found


def options_of(order: str, data: bytes) -> list[tuple[int, bytes]]:
    found, at = [], 0
    while at < len(data):
        code, size = struct.unpack_from(order + "HH", data, at)
        found.append((code, data[at + 4 : at + 4 + size]))
        at += 4 + (size + 3 & ~3)
    return found


def everything(order: str, *, strange: bool = True) -> bytes:
    """A section with blocks of every kind, ten of which are numbered as packets.

    One of these is ``strange``: a custom block without a vendor, at which tshark stops.
    """
    o = order
    empty = block(0xBAD, b"", o) if strange else b""
    kept = option(1, b"was here", o) + option(2, struct.pack(o + "I", 2), o)
    named = option(2, b"eth0", o) + option(9, b"\x09", o) + option(14, struct.pack(o + "q", 3), o) + end(o)
    return b"".join((
        shb(o, option(1, b"all of it", o) + option(4, b"maker", o) + end(o)),
        idb(options=named, order=o),
        idb(101, 96, option(2, b"tun0", o) + option(9, b"\x83", o) + end(o), o),
        block(4, struct.pack(o + "HH", 1, 9) + bytes([10, 0, 0, 1]) + b"host\0" + bytes(3) + end(o), o),
        block(10, struct.pack(o + "II", 0x544C534B, 5) + b"CLIEN" + bytes(3), o),
        block(0x80000001, struct.pack(o + "I", 7) + option(2, b"safari", o) + end(o), o),
        epb(payload(1, 61), 5, order=o),
        epb(payload(2, 64), 6, options=kept + end(o), order=o),
        epb(payload(3, 10), 7, interface=1, options=kept, length=80, order=o),
        epb(b"", 8, options=end(o), order=o),
        spb(payload(4, 33), order=o),
        old_packet(payload(5, 21), 9, options=option(1, b"old", o) + end(o), order=o),
        block(0xBAD, struct.pack(o + "I", 32473) + b"custom", o),
        block(9, b"__REALTIME_TIMESTAMP=1\n", o),
        block(0x0B0B0B0B, b"nobody knows", o),
        epb(payload(6, 99), 1 << 40, order=o),
        empty,
        block(5, struct.pack(o + "III", 0, 1, 2) + option(5, bytes(8), o) + end(o), o),
    ))  # fmt: skip


@pytest.fixture(params=["<", ">"], ids=["little", "big"])
def mixture(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / "mixture.pcapng"
    other = "<" if request.param == ">" else ">"
    orders = (request.param, other, request.param)
    path.write_bytes(b"".join(everything(order, strange=False) for order in orders))
    return path


def test_without_comments_all_stays(mixture: Path) -> None:
    out, made = written(mixture, Says({}))
    assert out == mixture.read_bytes()
    assert (made.packets, made.commented, made.complete) == (27, 0, True)


def test_blocks_of_every_kind_keep_what_they_had(mixture: Path) -> None:
    out, made = written(mixture, Everyone("rustnet process=x pid=1"))
    before, after = blocks_of(mixture.read_bytes()), blocks_of(out)
    assert [b[:2] for b in after] == [b[:2] for b in before]
    commented = 0
    for (order, kind, old), (_, _, new) in zip(before, after, strict=True):
        if kind not in (6, 2):
            assert new == old
            continue
        commented += 1
        captured = struct.unpack_from(order + "I", old, 12)[0]
        behind = 20 + (captured + 3 & ~3)
        assert new[:behind] == old[:behind]
        first, *rest = options_of(order, new[behind:])
        assert first == (1, b"rustnet process=x pid=1")
        assert rest == (options_of(order, old[behind:]) or [(0, b"")])
    assert commented == made.commented == 18
    assert made.mute == 9  # simple packet blocks, and blocks that are no packets
    packets, source = patterned.read(mixture)
    again = mixture.with_name("again.pcapng")
    again.write_bytes(out)
    repeated, copy = patterned.read(again)
    assert [(p.ts, p.link, p.interface, p.length, p.data, p.flags) for p in repeated] == [
        (p.ts, p.link, p.interface, p.length, p.data, p.flags) for p in packets
    ]
    assert copy.interfaces == source.interfaces
    assert (copy.info.names, copy.info.secrets, copy.info.comments, copy.info.skipped_blocks) == (
        source.info.names, source.info.secrets, source.info.comments, source.info.skipped_blocks)  # fmt: skip


def test_a_second_time_adds_nothing(mixture: Path) -> None:
    says = Everyone("rustnet process=ä€𝄞 pid=1")
    once, made = written(mixture, says)
    mixture.write_bytes(once)
    twice, again = written(mixture, says)
    assert twice == once
    assert (again.commented, again.present) == (0, made.commented)
    third, more = written(mixture, Everyone("rustnet process=y"))
    assert (more.commented, more.present) == (18, 0)
    assert third.count(says.texts[0]) == 18


@pytest.mark.parametrize(
    ("there", "added"),
    [
        (b"rustnet process=x pid=12", False),
        (b"rustnet process=x pid=12 uid=0 attr=other", False),
        (b"rustnet process=x pid=123", True),
        (b"rustnet process=x pid=1", True),
        (b"rustnet process=y pid=12", True),
        (b"PID: 12", True),
        (b"", True),
    ],
)
def test_who_is_named_already_is_not_named_again(tmp_path: Path, there: bytes, added: bool) -> None:
    path = tmp_path / "a.pcapng"
    path.write_bytes(shb() + idb() + epb(payload(1, 40), options=option(2, bytes(4)) + option(1, there) + end()))
    says = Everyone("rustnet process=x pid=12 attr=exact-tuple")
    says.heads = [len("rustnet process=x pid=12")]
    out, made = written(path, says)
    assert (made.commented, made.present) == ((1, 0) if added else (0, 1))
    assert (out == path.read_bytes()) is not added
    text = says.texts[0].decode()
    assert named_by(text, [there.decode()]) is not added


def test_only_chosen_packets_change(mixture: Path) -> None:
    out, _ = written(mixture, Says({2: "rustnet pid=2", 14: "rustnet pid=14", 11: "rustnet pid=2"}))
    again = mixture.with_name("again.pcapng")
    again.write_bytes(out)
    packets, _ = patterned.read(again)
    plain, _ = patterned.read(mixture)
    said = {p.number: p.comments for p, q in zip(packets, plain, strict=True) if p.comments != q.comments}
    assert said == {2: ("rustnet pid=2", "was here"), 11: ("rustnet pid=2", "was here")}  # 14 is a simple packet block


def test_the_length_of_a_section_becomes_unknown(tmp_path: Path) -> None:
    path = tmp_path / "a.pcapng"
    rest = idb() + epb(payload(1, 40))
    path.write_bytes(shb(length=len(rest)) + rest)
    out, _ = written(path, Everyone("rustnet pid=1"))
    assert blocks_of(out)[0][2][8:16] == b"\xff" * 8


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(("magic", "unit"), [("us", 1000), ("ns", 1), ("modified", 1000)])
def test_classic_pcap_becomes_pcapng(tmp_path: Path, order: str, magic: Magic, unit: int) -> None:
    path = tmp_path / "a.pcap"
    extra = 8 if magic == "modified" else 0
    path.write_bytes(patterned.pcap([60, 61, 62, 63, 0, 1514], order, magic, extra, link=113, snaplen=1514))
    out, made = written(path, Says({2: "rustnet pid=2", 6: "rustnet pid=6"}))
    assert (made.packets, made.commented, made.complete) == (6, 2, True)
    again = tmp_path / "a.pcapng"
    again.write_bytes(out)
    packets, source = patterned.read(again)
    plain, _ = patterned.read(path)
    assert [(p.ts, p.link, p.length, p.data) for p in packets] == [(p.ts, p.link, p.length, p.data) for p in plain]
    assert [p.comments for p in packets] == [(), ("rustnet pid=2",), (), (), (), ("rustnet pid=6",)]
    (interface,) = source.interfaces
    assert (interface.link_type, interface.snaplen) == (113, 1514)
    assert (1_000_000_000 // unit, source.info.complete) == (
        10 ** options_of("<", blocks_of(out)[1][2][8:])[0][1][0], True)  # fmt: skip
    assert source.info.application.startswith("rustnet ")


def test_cut_packets_and_impossible_lengths_stay(tmp_path: Path) -> None:
    path = tmp_path / "a.pcap"
    path.write_bytes(pcap_header() + record(payload(1, 60), T0, 999_999, 1514) + record(payload(2, 60), T0, 0, 20))
    again = tmp_path / "a.pcapng"
    again.write_bytes(written(path, Everyone("rustnet pid=1"))[0])
    packets, _ = patterned.read(again)
    assert [(len(p.data), p.length, p.ts % 10**9) for p in packets] == [(60, 1514, 999_999_000), (60, 20, 0)]


def test_the_frame_check_sequence_stays_known(tmp_path: Path) -> None:
    path = tmp_path / "a.pcap"
    path.write_bytes(pcap_header(link=1 | 0x04000000 | 2 << 28) + record(payload(1, 64)))
    out, _ = written(path, Says({}))
    assert (13, b"\x20") in options_of("<", blocks_of(out)[1][2][8:])


@pytest.mark.parametrize("suffix", ["pcap", "pcapng"])
def test_more_than_a_buffer_holds(tmp_path: Path, suffix: str) -> None:
    """Batches, and comments that together are larger than the output buffer."""
    count = 70_000
    sizes = [i % 40 for i in range(count)]
    path = tmp_path / f"a.{suffix}"
    path.write_bytes(patterned.pcap(sizes) if suffix == "pcap" else patterned.pcapng(sizes))
    long = "rustnet process=" + "x" * 65_000
    said = dict.fromkeys(range(1, 600), long) | {n: f"rustnet pid={n % 7}" for n in range(600, count, 3)}
    says = Says(said)
    again = tmp_path / "b.pcapng"
    out, made = written(path, says)
    again.write_bytes(out)
    assert made.commented == len(said)
    packets, _ = patterned.read(again)
    plain, _ = patterned.read(path)
    assert all(p.data == q.data and p.ts == q.ts for p, q in zip(packets, plain, strict=True))
    assert {p.number: p.comments[0] for p in packets if p.comments} == said


GOOD = epb(payload(1, 40)), epb(payload(2, 41), interface=1), epb(payload(3, 42))
OTHER = epb(payload(3, 42), order=">")
HEAD = shb() + idb() + idb(101)


@pytest.mark.parametrize(
    ("data", "numbers"),
    [
        (HEAD + GOOD[0] + GOOD[1] + GOOD[2][:-7], [1, 2]),
        (HEAD + GOOD[0] + epb(payload(9, 9), interface=7) + GOOD[2], [1, 3]),
        (HEAD + GOOD[0] + block(6, struct.pack("<IIIII", 0, 0, 0, 4000, 4000) + bytes(40)) + GOOD[2], [1, 3]),
        (HEAD + GOOD[0] + b"\x00garbage\xff" * 5 + GOOD[1] + GOOD[2], [1, 2, 3]),
        (HEAD + GOOD[0][:-4] + b"\xee\0\0\0" + GOOD[1] + GOOD[2], [1, 2, 3]),
        (HEAD + GOOD[0] + block(1, b"\1") + GOOD[1], [1, 2]),
        (shb()[:4] + b"\x01\0\0\0" + shb()[8:] + idb() + GOOD[0] + GOOD[2], [1, 3]),
        (HEAD + GOOD[1] + shb(">")[:4] + b"\xff\xff\xff\xf0" + shb(">")[8:] + idb(order=">") + OTHER, [2, 3]),
    ],
    ids=["cut", "no interface", "beyond its block", "garbage", "length not repeated", "empty interface", "first header",
         "later header"],
)  # fmt: skip
def test_damage_is_left_out(tmp_path: Path, data: bytes, numbers: list[int]) -> None:
    path, again = tmp_path / "a.pcapng", tmp_path / "b.pcapng"
    path.write_bytes(data)
    out, made = written(path, Everyone("rustnet pid=1"))
    assert made.damage
    blocks_of(out)
    again.write_bytes(out)
    packets, source = patterned.read(again)
    assert source.info.complete
    assert not source.damage
    assert [p.data for p in packets] == [payload(n, 39 + n) for n in numbers]
    assert all(p.comments == ("rustnet pid=1",) for p in packets)
    if which("tshark"):
        command = ["tshark", "-r", str(again), "-T", "fields", "-e", "frame.comment"]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
        assert done.stdout.split("\n")[:-1] == ["rustnet pid=1"] * len(numbers)


def test_unpadded_blocks_become_padded(tmp_path: Path) -> None:
    path, again = tmp_path / "a.pcapng", tmp_path / "b.pcapng"
    size = 12 + 20 + 41
    odd = struct.pack("<IIIIIII", 6, size, 0, 0, 5, 41, 41) + payload(1, 41) + bytes(3) + struct.pack("<I", size)
    path.write_bytes(HEAD + odd + GOOD[1])
    for says in (Everyone("rustnet pid=1"), Says({})):
        out, _ = written(path, says)
        blocks_of(out)
        again.write_bytes(out)
        assert [p.data for p in patterned.read(again)[0]] == [payload(1, 41), payload(2, 41)]


@pytest.mark.parametrize("seed", range(40))
def test_hostile_files(tmp_path: Path, seed: int) -> None:
    """Whatever is broken: all packets that are read come out, with their comments, in a file that is whole."""
    dice = random.Random(seed)
    data = bytearray(everything(dice.choice("<>")) + everything(dice.choice("<>")))
    for _ in range(dice.randrange(1, 12)):
        at = dice.randrange(28, len(data))
        match dice.randrange(4):
            case 0:
                data[at] = dice.randrange(256)
            case 1:
                del data[at : at + dice.randrange(1, 40)]
            case 2:
                data[at:at] = dice.randbytes(dice.randrange(1, 40))
            case 3:
                data[at & ~3 : (at & ~3) + 4] = struct.pack("<I", dice.choice([0, 1, 12, 28, 1 << 31, 0xFFFFFFFF]))
    path, again = tmp_path / "a.pcapng", tmp_path / "b.pcapng"
    path.write_bytes(data)
    out, made = written(path, Everyone("rustnet pid=1"))
    blocks_of(out)
    again.write_bytes(out)
    packets, _ = patterned.read(path)
    repeated, copy = patterned.read(again)
    assert len(repeated) == made.packets
    assert {d.kind for d in copy.damage} <= {"captured_exceeds_length", "bad_timestamp"}
    before = [(p.link, p.data) for p in packets]
    after = iter(before)
    assert all((p.link, p.data) in after for p in repeated), "in another order, or with other contents"
    if len(repeated) == len(packets):
        assert [(p.ts, p.link, p.length, p.data) for p in repeated] == [
            (p.ts, p.link, p.length, p.data) for p in packets
        ]
    else:
        assert {"blocks", "packets"} & made.mended.keys()
    if which("capinfos"):
        done = subprocess.run(["capinfos", "-c", str(again)], capture_output=True, text=True, timeout=60, check=False)
        assert "damaged" not in done.stderr, done.stderr
        assert done.returncode == 0, done.stderr


SCRIPT = """
import sys
import numpy as np
from rustnet.export import splice
from rustnet.export.annotate import annotate
assert splice.__file__.endswith(".py"), splice.__file__

class Third:
    texts, heads, chunk = [b"rustnet process=x pid=1", b"rustnet pid=2"], [23, 13], 1
    def which(self, first, count):
        return np.array([[-1, 0, 1][n % 3] for n in range(first, first + count)], np.int32)

for name in sys.argv[1:]:
    with open(name + ".out", "wb") as stream:
        annotate(name, Third(), stream)
"""


@pytest.mark.skipif(RUNS_PURE, reason="already uncompiled")
def test_uncompiled_it_does_the_same(pure_tree: PureTree, mixture: Path, tmp_path: Path) -> None:
    plain = tmp_path / "a.pcap"
    plain.write_bytes(patterned.pcap([60, 61, 62, 63, 0, 1514]))
    broken = tmp_path / "b.pcapng"
    broken.write_bytes(HEAD + GOOD[0] + b"garbage" * 5 + GOOD[1] + GOOD[2])
    done = pure_tree.run("-c", SCRIPT, str(plain), str(mixture), str(broken))
    assert done.returncode == 0, done.stderr
    texts = ["", "rustnet process=x pid=1", "rustnet pid=2"]
    for path in (plain, mixture, broken):
        out, _ = written(path, Says({n: texts[n % 3] for n in range(1, 40) if n % 3}))
        assert path.with_name(f"{path.name}.out").read_bytes() == out


@pytest.mark.corpus
@pytest.mark.skipif(not CORPUS.is_dir(), reason="the public captures are not here")
def test_real_captures(tmp_path: Path) -> None:
    """Every packet of every shared capture comes out as it was, with one comment more."""
    files = sorted(itertools.chain(CORPUS.glob("*/*.pcap*"), CORPUS.glob("*/*.cap")))
    assert len(files) > 100
    again = tmp_path / "b.pcapng"
    for path in files:
        plain, _ = patterned.read(path)
        out, made = written(path, Everyone("rustnet pid=1"))
        blocks_of(out)
        again.write_bytes(out)
        packets, _ = patterned.read(again)
        assert made.packets == len(plain), path
        for p, q in zip(packets, plain, strict=True):
            assert (p.ts, p.link, p.interface, p.length, p.data, p.flags, p.process, p.effective) == (
                q.ts, q.link, q.interface, q.length, q.data, q.flags, q.process, q.effective), path  # fmt: skip
            assert p.comments in (("rustnet pid=1", *q.comments), q.comments), path
        assert made.commented + made.mute == len(plain), path


@pytest.mark.skipif(which("tshark") is None, reason="tshark is not here")
def test_tshark_reads_it(tmp_path: Path) -> None:
    """Both kinds of packet blocks, both byte orders, and all else as before."""
    path, again = tmp_path / "a.pcapng", tmp_path / "b.pcapng"
    path.write_bytes(everything("<", strange=False) + everything(">", strange=False))
    out, _ = written(path, Everyone("rustnet process=x pid=1"))
    again.write_bytes(out)

    def rows(capture: Path) -> list[list[str]]:
        fields = ("number", "time_epoch", "len", "cap_len", "interface_name", "comment")
        command = ["tshark", "-r", str(capture), "-T", "fields", "-E", "aggregator=|"]
        made = subprocess.run(
            [*command, *(x for f in fields for x in ("-e", f"frame.{f}"))],
            capture_output=True, text=True, check=True, timeout=60,
        )  # fmt: skip
        return [line.split("\t") for line in made.stdout.splitlines()]

    before, after = rows(path), rows(again)
    assert [int(row[0]) for row in before] == list(range(1, 19))
    assert [row[:5] for row in after] == [row[:5] for row in before]
    assert [row[5] for row in before] == ["", "was here", "was here", "", "", "old", "", "", ""] * 2
    one = "rustnet process=x pid=1"
    assert [row[5] for row in after] == [
        one,
        f"{one}|was here",
        f"{one}|was here",
        one,
        "",
        f"{one}|old",
        "",
        "",
        one,
    ] * 2
