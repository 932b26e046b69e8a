"""Writers, read back by our own reader: what goes in comes out."""

import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rustnet.errors import RustnetError
from rustnet.export.pcap import PcapWriter
from rustnet.export.pcapng import PcapngWriter
from rustnet.sources.files import reread
from rustnet.sources.frames import Interface, Note, Source

FRAMES = st.lists(
    st.tuples(st.integers(0, (1 << 32) * 10**9 - 1), st.binary(min_size=1, max_size=200), st.integers(0, 3000)),
    max_size=20,
)


def read_back(data: bytes, path: Path) -> tuple[Source, list[tuple[int, bytes, int, int, int]], list[Note | None]]:
    path.write_bytes(data)
    source = reread(str(path))
    rows, notes = [], []
    for frames in source.batches():
        for i in range(frames.count):
            rows.append((frames.ts[i], frames.frame(i), frames.length[i], frames.link[i], frames.interface[i]))
            notes.append(frames.notes.get(i))
    return source, rows, notes


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("written")


@pytest.mark.parametrize("nanoseconds", [True, False])
@given(frames=FRAMES)
def test_pcap_round_trip(place: Path, nanoseconds: bool, frames: list[tuple[int, bytes, int]]) -> None:
    out = io.BytesIO()
    writer = PcapWriter(out, 101, nanoseconds=nanoseconds)
    unit = 1 if nanoseconds else 1000
    wanted = [(ts - ts % unit, data, len(data) + more) for ts, data, more in frames]
    for ts, data, length in wanted:
        writer.write(ts, data, length)
    assert writer.packets == len(frames)
    source, rows, _ = read_back(out.getvalue(), place / "x.pcap")
    assert [row[:3] for row in rows] == wanted
    assert all(row[3] == 101 for row in rows)
    assert source.info.complete
    assert source.damage == []


@pytest.mark.parametrize("ts", [-1, (1 << 32) * 10**9])
def test_pcap_cannot_hold_every_time(ts: int) -> None:
    with pytest.raises(RustnetError, match="write pcapng instead"):
        PcapWriter(io.BytesIO(), 1).write(ts, b"x", 1)


TEXT = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), max_size=30)
NG = st.lists(
    st.tuples(
        st.integers(0, 2), st.integers(-9 * 10**18, 9 * 10**18), st.binary(max_size=100), st.integers(0, 3000),
        st.lists(TEXT.filter(bool), max_size=3), st.integers(0, 3),
    ),
    max_size=20,
)  # fmt: skip
INTERFACES = [Interface(1, 0, "eth0", "first"), Interface(101, 96, "tün0", ""), Interface(113, 262144, "", "any")]


@given(frames=NG)
def test_pcapng_round_trip(place: Path, frames: list[tuple[int, int, bytes, int, list[str], int]]) -> None:
    out = io.BytesIO()
    writer = PcapngWriter(out)
    writer.section(application="rustnet 1", hardware="h", os="o", comments=["one", "two"])
    for key, ts, data, more, comments, flags in frames:
        note = Note(comments=comments, flags=flags) if comments or flags else None
        writer.write(key, INTERFACES[key], ts, data, len(data) + more, note)
    source, rows, notes = read_back(out.getvalue(), place / "x.pcapng")
    assert source.info.complete
    assert source.damage == []
    assert (source.info.application, source.info.hardware, source.info.os) == ("rustnet 1", "h", "o")
    assert source.info.comments == ["one", "two"]
    assert len(rows) == len(frames)
    for row, note, (key, ts, data, more, comments, flags) in zip(rows, notes, frames, strict=True):
        assert row[:4] == (ts, data, len(data) + more, INTERFACES[key].link_type)
        interface = source.interfaces[row[4]]
        wanted = INTERFACES[key]
        assert (interface.name, interface.description, interface.snaplen) == (
            wanted.name, wanted.description, wanted.snaplen,
        )  # fmt: skip
        assert (note.comments if note else [], note.flags if note else 0) == (comments, flags)


def test_processes_come_along_once_and_only_where_they_are_known(place: Path) -> None:
    known = [(0, 7, "curl", "/bin/curl"), (1, 8, "ssh", ""), (1, 9, "nc", "")]
    out = io.BytesIO()
    writer = PcapngWriter(out)
    writer.section(application="x")
    for note in (
        Note(process=0, section=0), Note(process=1, effective_process=0, section=1), Note(process=5, section=1),
        Note(process=0, section=0),
    ):  # fmt: skip
        writer.write(0, INTERFACES[0], 0, b"x", 1, note, known)
    source, _, notes = read_back(out.getvalue(), place / "p.pcapng")
    assert [p[1:3] for p in source.info.processes] == [(7, "curl"), (9, "nc"), (8, "ssh")]
    assert [(n.process, n.effective_process) if n else None for n in notes] == [(0, -1), (1, 2), None, (0, -1)]


def test_a_new_section_begins_anew(place: Path) -> None:
    out = io.BytesIO()
    writer = PcapngWriter(out)
    for _ in range(2):
        writer.section(application="x")
        writer.write(4, INTERFACES[1], 5, b"abc", 3)
    source, rows, _ = read_back(out.getvalue(), place / "s.pcapng")
    assert [row[4] for row in rows] == [0, 1]
    assert [i.section for i in source.interfaces] == [0, 1]


def test_long_texts_are_cut_where_an_option_ends(place: Path) -> None:
    out = io.BytesIO()
    writer = PcapngWriter(out)
    writer.section(application="x", comments=["ü" * 40_000])
    writer.write(0, INTERFACES[0], 0, b"", 0)
    source, rows, _ = read_back(out.getvalue(), place / "l.pcapng")
    assert source.damage == []
    assert len(rows) == 1
    assert set(source.info.comments[0]) <= {"ü", "…"}
