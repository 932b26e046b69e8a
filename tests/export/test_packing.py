"""The compiled packer of recorded packets, and the room for comments in them."""

import hashlib
import os
import random
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from rustnet.export.packing import FILLER, FULL, LINK, NEXT_SEGMENT, OUT_BYTES, ROOM, TIME, Packer
from rustnet.export.rooms import fill
from rustnet.sources.files import FileSource
from rustnet.sources.frames import Frames, Note, zeros
from tests.support.conversations import dns_flow, http_flow
from tests.support.packets import SECOND, START, TYPE_IPV6, cooked, cooked2, ethernet, ip, tcp_frame, udp_frame
from tests.support.pcap import pcap
from tests.support.pcapng import idb, option, shb
from tests.support.uncompiled import RUNS_PURE, PureTree


def batch(packets: list[bytes], link: int = 1, step: int = 1000) -> Frames:
    """Frames with these packets."""
    frames = Frames(max(1, len(packets)), max(1, sum(map(len, packets))))
    at = 0
    for i, data in enumerate(packets):
        frames.buffer[at : at + len(data)] = data
        frames.offset[i], frames.captured[i], frames.length[i] = at, len(data), len(data) + 7
        frames.ts[i], frames.link[i] = START + i * step, link
        at += len(data)
    frames.count = len(packets)
    return frames


def packer(*links: int, pcapng: bool = True, most_bytes: int = 0, most_ns: int = 0, rooms: bool = False) -> Packer:
    """A packer that knows interfaces with these link types."""
    made = Packer(pcapng, True, most_bytes, most_ns, rooms)
    numbers, types = zeros(len(links), np.int32), zeros(len(links), np.int32)
    for i, link in enumerate(links):
        numbers[i], types[i] = i, link
    made.know(numbers, types)
    return made


def packed(made: Packer) -> bytes:
    return bytes(made.buffer[: made.used])


def with_room(link: int, *packets: bytes) -> list[bool]:
    """Which of the packets have room for a comment."""
    made = packer(link, rooms=True)
    frames = batch(list(packets), link)
    sizes = []
    for i in range(frames.count):
        single = batch([packets[i]], link)
        before = made.used
        made.run(single, 0)
        sizes.append(made.used - before)
    plain = [32 + (len(data) + 3) // 4 * 4 for data in packets]
    rooms = [size - least for size, least in zip(sizes, plain, strict=True)]
    assert set(rooms) <= {0, ROOM + 8}
    return [room > 0 for room in rooms]


def test_places_lead_to_the_bytes() -> None:
    frames = batch(dns_flow() + http_flow())
    frames.notes = {1: Note(flags=1), 3: Note(["a comment"], 2), 4: Note()}
    for pcapng in (False, True):
        made = packer(1, pcapng=pcapng, rooms=True)
        made.put(bytes(24))
        assert made.run(frames, 0) == frames.count
        data = packed(made)
        for i in range(frames.count):
            place = frames.file_offset[i]
            assert data[place : place + frames.captured[i]] == frames.frame(i)
        assert made.ends[frames.count - 1] == made.used
        assert (made.packets, made.first_ts, made.last_ts) == (10, START, START + 9000)


def test_it_stops_where_its_caller_has_to_act() -> None:
    frames = batch(dns_flow() * 3, step=SECOND)
    made = packer(1, most_ns=2 * SECOND)
    assert (made.run(frames, 0), made.why) == (2, NEXT_SEGMENT)
    made.begin()
    assert (made.run(frames, 2), made.why) == (4, NEXT_SEGMENT)
    made = packer(1, most_bytes=150)
    assert (made.run(frames, 0), made.why) == (1, NEXT_SEGMENT)
    made.begin()
    assert (made.run(frames, 1), made.why) == (2, NEXT_SEGMENT), "a segment has one packet, however small it may be"
    frames.link[3] = 101
    assert (packer(1).run(frames, 0), packer(1, pcapng=False).run(frames, 0)) == (3, 3)
    frames.interface[3] = 1
    made = packer(1)
    assert (made.run(frames, 0), made.why) == (3, LINK)
    assert packer(1, 101).run(frames, 0) == 6
    frames.ts[2] = -1
    made = packer(1, 101)
    assert (made.run(frames, 0), made.why) == (2, TIME)
    frames.ts[2] = SECOND << 32
    assert packer(1, 101).run(frames, 0) == 6
    frames.link[3] = 1
    made = packer(1, pcapng=False)
    assert (made.run(frames, 0), made.why) == (2, TIME)


def test_a_full_buffer_is_emptied_and_places_go_on() -> None:
    packets = [bytes([i]) * 900_000 for i in range(8)]
    frames = batch(packets)
    made, written, i = packer(1), b"", 0
    while i < frames.count:
        i = made.run(frames, i)
        assert made.why == FULL or i == frames.count
        written += packed(made)
        made.written()
    assert len(written) > OUT_BYTES
    for i in range(frames.count):
        assert written[frames.file_offset[i] : frames.file_offset[i] + 900_000] == packets[i]


def test_a_packet_outside_of_its_batch_is_refused() -> None:
    frames = batch(dns_flow())
    frames.offset[1] = 1 << 30
    with pytest.raises(ValueError, match="outside"):
        packer(1).run(frames, 0)


def test_the_first_packet_of_each_flow_has_room() -> None:
    first, answer = dns_flow()
    assert with_room(1, first, answer, first, answer) == [True, False, False, False]
    assert with_room(1, *http_flow()) == [True] + [False] * 7
    assert with_room(1, *http_flow(1), *http_flow(2)) == ([True] + [False] * 7) * 2
    syn = http_flow()[0]
    assert with_room(1, syn, http_flow()[1], syn) == [True, False, True], "a port may be used again"
    a, b = ("2001:db8::1", 5), ("2001:db8::2", 53)
    six = [udp_frame(a, b, b"x"), udp_frame(b, a, b"")]
    assert with_room(1, *six, *six) == [True, False, False, False]


def test_flows_are_recognised_behind_other_headers() -> None:
    there, back = (frame[14:] for frame in dns_flow())
    six = ip("2001:db8::1", "2001:db8::2", 58, bytes(8))
    for link, packets in (
        (1, [ethernet(there, vlans=(5,)), ethernet(back, vlans=(5,))]), (101, [there, back]), (228, [there, back]),
        (113, [cooked(0x800, there), cooked(0x800, back)]), (276, [cooked2(0x800, there), cooked2(0x800, back)]),
        (1, [ethernet(six, TYPE_IPV6), ethernet(six, TYPE_IPV6)]),
        (1, [ethernet(ip("10.0.0.1", "10.0.0.2", 17, bytes(40), offset=800))] * 2),
    ):  # fmt: skip
        assert with_room(link, *packets) == [True, False], link
    assert with_room(1, ethernet(bytes(28), 0x806)) == [False]
    assert with_room(147, there) == [False]


def test_a_flood_gets_no_room_without_bound() -> None:
    frames = batch([tcp_frame(("10.0.0.1", i & 0xFFFF), ("10.0.0.2", 80), i, 0, 2) for i in range(20_000)])
    made = packer(1, rooms=True)
    made.run(frames, 0)
    assert 1 << 20 <= made.room_bytes < (1 << 20) + 1000


def test_any_bytes_are_packed() -> None:
    chance = random.Random(7)
    for link in (0, 1, 101, 113, 228, 229, 276):
        packets = [chance.randbytes(chance.randrange(70)) for _ in range(300)]
        packets += [dns_flow()[0][:size] for size in range(60)] + [http_flow()[0][14:][:size] for size in range(60)]
        packets += [ethernet(b"", 0x8100), ethernet(b"\0\1\x81\0", 0x8100), ethernet(bytes(8), 0x8100)]
        frames = batch(packets, link)
        made = packer(link, rooms=True)
        assert made.run(frames, 0) == len(packets)


# ---- comments --------------------------------------------------------------------------------------------------------


@pytest.fixture
def recorded(tmp_path: Path) -> tuple[Path, Frames]:
    """A file with two packets, the first of which has room."""
    frames = batch(dns_flow())
    made = packer(1, rooms=True)
    made.put(shb() + idb(options=option(9, b"\t")))
    made.run(frames, 0)
    path = tmp_path / "x.pcapng"
    path.write_bytes(packed(made))
    return path, frames


def filled(path: Path, frames: Frames, i: int, text: str) -> bool:
    descriptor = os.open(path, os.O_RDWR)
    try:
        return fill(descriptor, frames.file_offset[i], frames.captured[i], text)
    finally:
        os.close(descriptor)


def comments(path: Path) -> list[list[str]]:
    """Comments of each packet, of a file without damage."""
    source = FileSource(str(path))
    (frames,) = [frames for frames in source.batches() if frames.count]
    made = [frames.notes[i].comments if i in frames.notes else [] for i in range(frames.count)]
    assert [frames.frame(i) for i in range(frames.count)] == dns_flow()
    assert not source.damage
    source.close()
    return made


@pytest.mark.parametrize("size", [20, 100, 181, 182, 183, 184, 185, 186, 187, 188])
def test_a_comment_takes_the_place_of_its_room(recorded: tuple[Path, Frames], size: int) -> None:
    path, frames = recorded
    before = path.stat().st_size
    text = "rustnet process=x pid=" + "1" * (size - 22)
    text = text if size > 22 else "rustnet process=xyz1"
    assert comments(path) == [[], []]
    assert filled(path, frames, 0, text)
    assert comments(path) == [[text], []]
    assert path.stat().st_size == before
    assert filled(path, frames, 0, "rustnet process=other"), "it is there already"
    assert comments(path) == [[text], []]


def test_a_long_comment_loses_its_longest_fields(recorded: tuple[Path, Frames]) -> None:
    path, frames = recorded
    assert filled(path, frames, 0, f"rustnet process=a pid=1 pod={'p' * 170} direction=outgoing sni={'é' * 90}")
    assert comments(path) == [["rustnet process=a pid=1 direction=outgoing"], []]


def test_what_has_no_room_stays_as_it_is(recorded: tuple[Path, Frames]) -> None:
    path, frames = recorded
    before = path.read_bytes()
    assert not filled(path, frames, 1, "rustnet process=a pid=1")
    frames.captured[0] -= 1
    assert not filled(path, frames, 0, "rustnet process=a pid=1"), "another packet"
    frames.captured[0] += 1
    for place in (0, 5, 28, len(before) + 5, 1 << 40):
        frames.file_offset[0] = place
        assert not filled(path, frames, 0, "rustnet process=a pid=1")
    assert path.read_bytes() == before


def test_options_that_lie_about_their_length_are_left_alone(recorded: tuple[Path, Frames]) -> None:
    path, frames = recorded
    data = bytearray(path.read_bytes())
    at = data.index(struct.pack("<HH", FILLER, ROOM))
    data[at + 2 : at + 4] = b"\xff\xff"
    path.write_bytes(data)
    assert not filled(path, frames, 0, "rustnet process=a pid=1")
    assert path.read_bytes() == data


CODE = """
import hashlib, sys
import numpy as np
from rustnet.export.packing import Packer
from rustnet.sources.frames import Note
import rustnet.export.packing
from rustnet.sources.files import FileSource
frames = next(frames for frames in FileSource(sys.argv[1]).batches() if frames.count)
frames.notes = {3: Note(flags=1), 5: Note(["é"], 2)}
for pcapng in (False, True):
    packer = Packer(pcapng, True, 0, 0, pcapng)
    packer.know(memoryview(np.zeros(1, np.int32)), memoryview(np.ones(1, np.int32)))
    assert packer.run(frames, 0) == frames.count
    print(hashlib.sha256(packer.buffer[: packer.used]).hexdigest(), frames.file_offset[9])
print(rustnet.export.packing.__file__[-3:])
"""


@pytest.mark.skipif(RUNS_PURE, reason="already uncompiled")
def test_uncompiled_it_packs_the_same(tmp_path: Path, pure_tree: PureTree) -> None:
    path = tmp_path / "in.pcap"
    frames = [frame for i in range(20) for frame in http_flow(4000 + i) + dns_flow(i)]
    path.write_bytes(pcap([*frames, udp_frame(("2001:db8::1", 5), ("2001:db8::2", 53), b"x")]))
    pure = pure_tree.run("-c", CODE, str(path))
    assert pure.returncode == 0, pure.stderr
    compiled = subprocess.run([sys.executable, "-c", CODE, str(path)], capture_output=True, text=True, check=True)
    assert pure.stdout.splitlines()[:-1] == compiled.stdout.splitlines()[:-1]
    assert (pure.stdout[-4:], compiled.stdout[-4:]) == (".py\n", ".so\n")
    assert hashlib.sha256(b"").hexdigest() not in compiled.stdout
