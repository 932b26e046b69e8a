"""Files that continue each other are one capture; files of one time are merged into one."""

import struct
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rustnet.errors import UsageError
from rustnet.ingest.joining import SECOND, Beginning, Entry, continues
from rustnet.ingest.options import Limits, Options
from rustnet.ingest.road import ingest
from rustnet.sources.assembled import reread_files
from rustnet.sources.files import FileSource
from tests.support.conversations import dns_flow, http_flow
from tests.support.effort import examples
from tests.support.packets import Captured, paced
from tests.support.paths import SAMPLES
from tests.support.pcap import pcap_file, pcap_header
from tests.support.pcapng import block, epb, idb, option, shb
from tests.support.sessions import ReplayedSession, replay
from tests.support.several_files import rotated, tap

HEADER, RECORD = 24, 16
OF_FILES = {
    "captures": "source, files, assembly, sha256, head_sha256, bytes, ingested_at",
    "packets": "file, file_offset",
}
"""Columns that say how a capture is stored, and nothing of its packets."""


def split(path: Path, cuts: list[int], folder: Path) -> list[Path]:
    """Files with the packets of a pcap, cut before the packets with these indices."""
    with FileSource(str(path), hashing=False) as source:
        starts = [frames.file_offset[i] - RECORD for frames in source.batches() for i in range(frames.count)]
    data = path.read_bytes()
    places = [HEADER, *(starts[cut % len(starts)] for cut in sorted({cut % len(starts) for cut in cuts})), len(data)]
    parts = []
    for number, (low, high) in enumerate(pairwise(places)):
        if high > low:
            part = folder / f"cut{number}.pcap"
            part.write_bytes(data[:HEADER] + data[low:high])
            parts.append(part)
    return parts


def contents(session: ReplayedSession) -> dict[str, list[tuple[Any, ...]]]:
    """All rows of a session but what says how its captures are stored."""
    tables = [name for (name,) in session.ask("SELECT table_name FROM duckdb_tables() ORDER BY table_name")]
    rows = {}
    for table in tables:
        if table in ("capture_files", "confinement", "meta", "migrations"):
            continue
        without = OF_FILES.get(table)
        columns = f"* EXCLUDE ({without})" if without else "*"
        rows[table] = session.ask(f"SELECT {columns} FROM {table} ORDER BY ALL")
    return rows


@pytest.mark.parametrize("name", ["web.pcap", "mail-ftp.pcap", "slow-link.pcap"])
def test_cutting_a_capture_and_joining_it_changes_no_row(name: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    capture = SAMPLES / name
    folder = tmp_path_factory.mktemp("whole")
    whole = contents(replay(folder / "whole.duckdb", capture, discover=False))

    @given(st.lists(st.integers(1, 10_000), min_size=1, max_size=4))
    @settings(max_examples=examples(3), deadline=None)
    def check(cuts: list[int]) -> None:
        for old in folder.glob("cut*"):
            old.unlink()
        parts = split(capture, cuts, folder)
        joined = replay(folder / "joined.duckdb", *reversed(parts), discover=False, join="always")
        assert contents(joined) == whole
        assert len(joined.report.captures) == 1
        joined.con.close()

    check()


def test_it_is_the_same_with_several_processes(tmp_path: Path) -> None:
    parts = split(SAMPLES / "web.pcap", [40, 90], tmp_path)
    one = contents(replay(tmp_path / "one.duckdb", *parts, discover=False))
    report = ingest([str(part) for part in parts], str(tmp_path / "two.duckdb"), Options(discover=False, workers=2))
    assert not report.failed
    with replay_opened(tmp_path / "two.duckdb", report) as two:
        assert contents(two) == one


class replay_opened:  # noqa: N801 -- used like a function
    """A session that was written, opened for reading."""

    def __init__(self, path: Path, report: Any) -> None:
        import duckdb  # noqa: PLC0415 -- few tests need it

        self.session = ReplayedSession(duckdb.connect(str(path), read_only=True), report)

    def __enter__(self) -> ReplayedSession:
        return self.session

    def __exit__(self, *_exception: object) -> None:
        self.session.con.close()


@pytest.mark.parametrize(
    ("names", "gap", "captures"),
    [
        (("cap.pcap", "cap.pcap1", "cap.pcap2"), 0, 1),  # tcpdump -C
        (("a_00001_20231114221320.pcap", "a_00002_20231114231320.pcap"), 3_600 * SECOND, 1),  # dumpcap -b, a quiet hour
        (("NTPv2.pcap", "NTPv4.pcap"), 10 * SECOND, 2),
        (("a_1.pcap", "a_2.pcap.gz"), 0, 1),  # one was compressed meanwhile
        (("monday.pcap", "tuesday.pcap"), 0, 1),
        (("monday.pcap", "tuesday.pcap"), 3_600 * SECOND, 2),
    ],
)
def test_files_that_continue_each_other_are_joined(
    names: tuple[str, ...], gap: int, captures: int, tmp_path: Path
) -> None:
    paths = rotated(tmp_path, names, gap)
    session = replay(tmp_path / "s.duckdb", *reversed(paths))
    assert session.ask("SELECT count(*) FROM captures") == [(captures,)]
    if captures == 1:
        assert session.ask("SELECT assembly, files, packets FROM captures") == [("joined", len(names), 8)]
        assert session.ask("SELECT source FROM capture_files ORDER BY file") == [(str(path),) for path in paths]
        if not gap:
            assert session.ask("SELECT method, status FROM http") == [("GET", 200)]


def test_short_captures_of_the_same_time_are_not_joined(tmp_path: Path) -> None:
    rx, tx, _packets = tap(tmp_path)
    assert replay(tmp_path / "s.duckdb", rx, tx).ask("SELECT files FROM captures") == [(1,), (1,)]


def test_join_never_reads_each_by_itself(tmp_path: Path) -> None:
    session = replay(tmp_path / "s.duckdb", *rotated(tmp_path), join="never")
    assert session.ask("SELECT files, assembly, packets FROM captures ORDER BY 1, 3") == [
        (1, None, 2), (1, None, 3), (1, None, 3)
    ]  # fmt: skip
    assert session.ask("SELECT count(*) FROM capture_files") == [(0,)]


Place = tuple[str, int, int, str, str]
PLACE: Place = ("pcap", 1, 65_535, "eth0", "dumpcap")


def beginning(place: Place, first_ts: int) -> Beginning:
    """Beginning of a file that was written there."""
    return Beginning(*place, first_ts)


@pytest.mark.parametrize(
    ("names", "second", "gap", "expected"),
    [
        (("a1", "a2"), PLACE, 0, True),
        (("a1", "a2"), PLACE, -SECOND // 2, True),
        (("a1", "a2"), PLACE, -5 * SECOND, False),
        (("a1", "a2"), PLACE, 59 * SECOND, True),
        (("a1", "a2"), PLACE, 61 * SECOND, False),
        (("a", "a1"), PLACE, 59 * SECOND, True),
        (("a1", "a3"), PLACE, 2 * SECOND, False),
        (("a9", "a10"), PLACE, 2 * SECOND, True),
        (("a-22-13-20", "a-23-00-00"), PLACE, 3_600 * SECOND, True),
        (("a-22-13-20", "a-23-00-00"), PLACE, 86_401 * SECOND, False),
        (("a-23-00-00", "a-22-13-20"), PLACE, 2 * SECOND, False),
        (("a-1700000000", "a-1700003600"), PLACE, 3_600 * SECOND, True),
        (("a", "b"), PLACE, SECOND // 2, True),
        (("a", "b"), PLACE, -SECOND // 100, True),
        (("a", "b"), PLACE, -SECOND // 2, False),
        (("a", "b"), PLACE, 2 * SECOND, False),
        (("a1", "a2"), ("pcapng", *PLACE[1:]), 0, False),
        (("a1", "a2"), ("pcap", 113, *PLACE[2:]), 0, False),
        (("a1", "a2"), ("pcap", 1, 96, *PLACE[3:]), 0, False),
        (("a1", "a2"), (*PLACE[:3], "eth1", "dumpcap"), 0, False),
        (("a1", "a2"), ("pcap+gzip", *PLACE[1:]), 0, True),
    ],
)
def test_which_file_continues_another(names: tuple[str, str], second: Place, gap: int, expected: bool) -> None:
    first = Entry(names[0], 0, beginning(PLACE, 1_000 * SECOND))
    following = Entry(names[1], 1, beginning(second, 2_000 * SECOND + gap))
    assert continues(first, 2_000 * SECOND, following, "auto") is expected
    assert continues(first, 2_000 * SECOND, following, "always")
    assert not continues(first, 2_000 * SECOND, following, "never")
    assert not continues(first, None, following, "auto")


def dumpcap_file(interface: bytes, packets: list[Captured], drops: int) -> bytes:
    """A pcapng as dumpcap writes it, with statistics at its end."""
    head = shb(options=option(4, b"Dumpcap 4.0")) + idb(options=option(2, interface) + option(9, b"\x09"))
    body = b"".join(epb(p.data, ts=p.ts) for p in packets)
    statistics = block(5, struct.pack("<III", 0, 0, 0) + option(5, struct.pack("<Q", drops)) + option(0, b""))
    return head + body + statistics


def test_an_interface_of_rotated_files_is_one(tmp_path: Path) -> None:
    packets = paced(http_flow())
    for i, part in enumerate((packets[:3], packets[3:])):
        (tmp_path / f"ring_{i}.pcapng").write_bytes(dumpcap_file(b"eth0", part, 5))
    other = tmp_path / "ring_9.pcapng"
    other.write_bytes(dumpcap_file(b"wlan0", paced(dns_flow(), start=packets[-1].ts + SECOND), 0))
    session = replay(tmp_path / "s.duckdb", tmp_path / "ring_0.pcapng", tmp_path / "ring_1.pcapng", other)
    assert session.ask("SELECT capture_id, interface, name, packets FROM interfaces ORDER BY 1") == [
        (1, 0, "eth0", 8), (2, 0, "wlan0", 2)
    ]  # fmt: skip
    assert session.ask("SELECT files, dropped_interface, application FROM captures ORDER BY capture_id") == [
        (2, 10, "Dumpcap 4.0"), (1, 0, "Dumpcap 4.0")
    ]  # fmt: skip
    assert session.ask("SELECT status FROM http") == [(200,)]


def test_damage_names_its_file_and_its_packet(tmp_path: Path) -> None:
    first, second, third = rotated(tmp_path)
    second.write_bytes(second.read_bytes()[:-5])
    session = replay(tmp_path / "s.duckdb", first, second, third)
    assert session.ask("SELECT packet, detail LIKE 'cap.pcap1: %' FROM anomalies WHERE kind = 'cut_off'") == [(5, True)]
    assert session.ask("SELECT complete FROM captures") == [(False,)]
    assert session.ask("SELECT complete, packets, first_packet FROM capture_files ORDER BY file") == [
        (True, 3, 1), (False, 2, 4), (True, 2, 6)
    ]  # fmt: skip


@pytest.mark.parametrize(("limits", "packets"), [(Limits(packets=4), 4), (Limits(packets=3), 3), (Limits(bytes=10), 0)])
def test_limits_count_over_all_files(limits: Limits, packets: int, tmp_path: Path) -> None:
    session = replay(tmp_path / "s.duckdb", *rotated(tmp_path), limits=limits)
    assert session.ask("SELECT packets, complete FROM captures") == [(packets, False)]
    ((detail,),) = session.ask("SELECT detail FROM anomalies WHERE kind = 'stopped_at_limit'")
    assert f" {limits.packets or limits.bytes}:" in detail


def test_a_file_is_read_once(tmp_path: Path) -> None:
    first, second, third = rotated(tmp_path)
    replay(tmp_path / "s.duckdb", first, second).con.close()
    report = ingest([str(first), str(second), str(third)], str(tmp_path / "s.duckdb"), Options())
    assert [path for path, _words in report.skipped] == [str(first), str(second)]
    assert [capture.packets for capture in report.captures] == [2]


def test_an_input_that_is_none_is_reported(tmp_path: Path) -> None:
    paths = rotated(tmp_path)
    bad, empty = tmp_path / "cap.pcap3", tmp_path / "cap.pcap4"
    bad.write_bytes(b"no capture at all, but a text")
    empty.write_bytes(pcap_header())
    report = ingest([str(path) for path in (*paths, bad, empty)], str(tmp_path / "s.duckdb"), Options())
    assert [path for path, _words in report.failed] == [str(bad)]
    assert sorted(capture.packets for capture in report.captures) == [0, 8]


def test_the_directions_of_a_tap_are_merged(tmp_path: Path) -> None:
    rx, tx, packets = tap(tmp_path)
    whole = tmp_path / "whole.pcap"
    whole.write_bytes(pcap_file(packets))
    expected = contents(replay(tmp_path / "w.duckdb", whole))
    merged = contents(replay(tmp_path / "m.duckdb", rx, tx, merge=True))
    for table in ("http", "dns", "names", "anomalies"):
        assert merged[table] == expected[table]
    session = replay(tmp_path / "m.duckdb", rx, tx, merge=True)
    assert session.ask("SELECT assembly, files, packets FROM captures") == [("merged", 2, 10)]
    assert session.ask("SELECT conn_state, src_packets, dst_packets FROM flows ORDER BY 1") == [
        ("SF", 5, 3), ("SF", 1, 1)
    ]  # fmt: skip
    assert session.ask(
        "SELECT count(*) FROM packets p JOIN packets q ON q.number = p.number + 1 WHERE q.ts < p.ts"
    ) == [(0,)]


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3)), min_size=1, max_size=300))
@settings(max_examples=examples(30), deadline=None)
def test_merging_keeps_every_packet_in_the_order_of_time(
    tmp_path_factory: pytest.TempPathFactory, choices: list[tuple[int, int]]
) -> None:
    folder = tmp_path_factory.mktemp("merge")
    now = 10**18
    files: tuple[list[Captured], ...] = ([], [], [])
    expected: list[tuple[int, int, bytes]] = []
    for number, (whose, step) in enumerate(choices):
        now += step * 1_000
        data = struct.pack(">I", number) * 8
        files[whose].append(Captured(now, data))
        expected.append((now, whose, data))
    expected.sort(key=lambda each: each[:2])
    paths = []
    for i, packets in enumerate(files):
        paths.append(folder / f"{i}.pcap")
        paths[-1].write_bytes(pcap_file(packets))
    source = reread_files([str(path) for path in paths], merged=True)
    got: list[tuple[int, int, bytes]] = []
    for frames in source.batches():
        assert frames.first_number == len(got) + 1
        assert frames.files is not None
        got += [(frames.ts[i], frames.files[i], frames.frame(i)) for i in range(frames.count)]
    assert got == expected
    assert [file.packets for file in source.files] == [len(packets) for packets in files]
    assert source.info.complete


def test_too_many_files_are_not_merged(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="at most 32 files"):
        ingest(["x.pcap"] * 33, str(tmp_path / "s.duckdb"), Options(merge=True))


def test_merging_without_one_of_the_files_is_refused(tmp_path: Path) -> None:
    rx, tx, _packets = tap(tmp_path)
    tx.unlink()
    report = ingest([str(rx), str(tx)], str(tmp_path / "s.duckdb"), Options(merge=True))
    assert [path for path, _words in report.failed] == [str(tx)]
    assert report.captures == []
