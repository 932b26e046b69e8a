"""Packets of a run recorded to files, by the process that parses, on the road of a replay."""

import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from rustnet.errors import RustnetError, UsageError
from rustnet.ingest.options import Options
from rustnet.ingest.parser_process import ParserProcess
from rustnet.ingest.recording import Ended, Recording, check_link_types
from rustnet.ingest.report import Report
from rustnet.ingest.road import ingest
from rustnet.ingest.segments import SegmentFiles, segment_name
from rustnet.ingest.stop import StopToken
from rustnet.ingest.transport import TransportError
from rustnet.sources.files import FileSource
from tests.support.conversations import dns_flow, http_flow
from tests.support.packets import SECOND, START, Captured, cooked, ip, paced, udp_frame
from tests.support.pcap import pcap, pcap_file
from tests.support.pcapng import epb, idb, option, shb

FLOWS = """
SELECT protocol, src_ip, src_port, dst_ip, dst_port, epoch_ns(started_at), epoch_ns(ended_at), src_packets, dst_packets,
    src_bytes, dst_bytes, app, hostname, state, conn_state, history
FROM flows ORDER BY ALL"""
PACKETS = "SELECT number, epoch_ns(ts), length, captured FROM packets ORDER BY number"


def replayed(session: Path, *captures: Path, **options: Any) -> Report:
    """Replay captures into a new session, in a process that is confined."""
    session.unlink(missing_ok=True)
    return ingest([str(path) for path in captures], str(session), Options(discover=False, **options))


def rows(session: Path, sql: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(session), read_only=True) as con:
        return con.execute(sql).fetchall()


def traffic(count: int = 40) -> list[bytes]:
    """Conversations of two protocols."""
    return [frame for i in range(count) for frame in (*http_flow(40_000 + i), *dns_flow(50_000 + i, f"h{i}.example"))]


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    path = tmp_path / "in.pcap"
    path.write_bytes(pcap_file(paced(traffic(), START + 123_456_789), magic="ns"))
    return path


@pytest.mark.parametrize("form", ["pcap", "pcapng"])
def test_a_recording_has_the_packets_and_flows_of_its_capture(tmp_path: Path, capture: Path, form: Any) -> None:
    made = tmp_path / f"out.{form}"
    report = replayed(tmp_path / "a", capture, recordings=(Recording(str(made), form),))
    assert not report.failed
    assert not report.not_stored
    assert stat.S_IMODE(made.stat().st_mode) == 0o600
    replayed(tmp_path / "b", made)
    for sql in (FLOWS, PACKETS):
        assert rows(tmp_path / "a", sql) == rows(tmp_path / "b", sql) != []
    written = FileSource(str(made))
    original = FileSource(str(capture))
    pairs = zip(frames_of(written), frames_of(original), strict=True)
    assert all(one == other for one, other in pairs)
    assert written.info.format == ("pcap-ns" if form == "pcap" else "pcapng")
    assert not written.damage
    assert rows(tmp_path / "a", "SELECT count(*) FROM capture_files") == [(0,)], "rows name the capture that was read"


def frames_of(source: FileSource) -> Iterator[tuple[int, bytes]]:
    for frames in source.batches():
        for i in range(frames.count):
            yield frames.ts[i], frames.frame(i)
    source.close()


@pytest.mark.skipif(shutil.which("tshark") is None, reason="needs tshark")
@pytest.mark.parametrize("form", ["pcap", "pcapng"])
def test_other_programs_read_it(tmp_path: Path, capture: Path, form: Any) -> None:
    made = tmp_path / f"out.{form}"
    replayed(tmp_path / "a", capture, recordings=(Recording(str(made), form),))
    fields = ["-T", "fields", "-e", "frame.time_epoch", "-e", "frame.len", "-e", "tcp.stream", "-e", "dns.qry.name"]

    def read(path: Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(["tshark", "-n", "-r", path, *fields], capture_output=True, text=True, check=True)

    assert read(made).stdout == read(capture).stdout != ""
    assert "damaged" not in read(made).stderr
    described = subprocess.run(["capinfos", "-M", made], capture_output=True, text=True, check=True).stdout
    assert "nanoseconds (9)" in described
    if form == "pcapng":
        assert "rustnet" in described
        assert "Number of stat entries = 1" in described


def test_pcapng_keeps_interfaces_directions_and_comments(tmp_path: Path) -> None:
    frames = dns_flow()
    flags = option(2, b"\2\0\0\0") + option(1, b"seen") + option(0, b"")
    inner = frames[0][14:]
    body = shb() + idb(options=option(2, b"eth0")) + idb(113, options=option(2, b"any"))
    body += epb(frames[0], options=flags) + epb(cooked(0x800, inner), START // 1000 + 5, interface=1)
    capture, made = tmp_path / "in.pcapng", tmp_path / "out.pcapng"
    capture.write_bytes(body)
    replayed(tmp_path / "a", capture, recordings=(Recording(str(made), "pcapng"),))
    source = FileSource(str(made))
    (batch,) = [frames for frames in source.batches() if frames.count]
    assert [(each.name, each.link_type, each.packets) for each in source.interfaces] == [
        ("eth0", 1, 1),
        ("any", 113, 1),
    ]
    assert list(batch.column("link")) == [1, 113]
    assert batch.notes[0].flags == 2
    assert batch.notes[0].comments == ["seen"]
    assert 1 not in batch.notes
    source.close()


def test_pcap_holds_one_link_type_and_says_so(tmp_path: Path) -> None:
    inner = dns_flow()[0][14:]
    capture, made = tmp_path / "in.pcapng", tmp_path / "out.pcap"
    capture.write_bytes(
        shb() + idb() + idb(113) + epb(dns_flow()[0]) + epb(cooked(0x800, inner), START // 1000 + 5, interface=1)
    )
    report = replayed(tmp_path / "a", capture, recordings=(Recording(str(made), "pcap"),))
    (damage,) = report.captures[0].damage
    assert damage.kind == "recording_ended"
    assert "record pcapng instead" in damage.detail
    assert report.captures[0].packets == 2
    assert sum(1 for _ in frames_of(FileSource(str(made)))) == 1
    stored = rows(tmp_path / "a", "SELECT packet, detail FROM anomalies WHERE kind = 'recording_ended'")
    assert stored[0][0] == 1
    with pytest.raises(UsageError, match="pcapng"):
        check_link_types((Recording("x", "pcap"),), {1, 113})
    check_link_types((Recording("x", "pcap"),), {1})


# ---- segments ------------------------------------------------------------------------------------------------------


def test_segments_by_size_are_one_capture_together(tmp_path: Path, capture: Path) -> None:
    recording = Recording(str(tmp_path / "out.pcapng"), "pcapng", rotate_bytes=8_192)
    replayed(tmp_path / "a", capture, recordings=(recording,))
    made = sorted(tmp_path.glob("out_*.pcapng"))
    assert len(made) > 3
    assert made[0].name == "out_00001_20231114T221320Z.pcapng"
    assert all(path.stat().st_size < 8_192 + 256 for path in made)
    replayed(tmp_path / "b", *made)
    assert rows(tmp_path / "b", "SELECT files, assembly FROM captures") == [(len(made), "joined")]
    for sql in (FLOWS, PACKETS):
        assert rows(tmp_path / "a", sql) == rows(tmp_path / "b", sql) != []


def test_segments_by_time_and_the_last_ones_are_kept(tmp_path: Path) -> None:
    capture = tmp_path / "in.pcap"
    capture.write_bytes(pcap(traffic(2), step=SECOND))
    recording = Recording(str(tmp_path / "out.pcap"), "pcap", rotate_seconds=5, keep=2, sidecar=True)
    replayed(tmp_path / "a", capture, recordings=(recording,))
    made = sorted(tmp_path.glob("out_*.pcap"))
    assert [path.name for path in made] == ["out_00003_20231114T221330Z.pcap", "out_00004_20231114T221335Z.pcap"]
    assert [sum(1 for _ in frames_of(FileSource(str(path)))) for path in made] == [5, 5]
    assert sorted(tmp_path.glob("out_*.jsonl")) == [Path(f"{path}.connections.jsonl") for path in made]


def test_a_segment_that_was_replaced_by_another_file_is_not_removed(tmp_path: Path) -> None:
    files = SegmentFiles((Recording(str(tmp_path / "x.pcap"), "pcap", rotate_seconds=1, keep=1),))
    files.next(0, START, 1, None).close()
    first = tmp_path / Path(segment_name("x.pcap", 1, START)).name
    first.unlink()
    first.write_text("mine")
    files.next(0, START + SECOND, 2, Ended(0, 1, 1, START, START)).close()
    files.close()
    assert first.read_text() == "mine"


def test_a_request_begins_a_segment(tmp_path: Path, capture: Path) -> None:
    stop = StopToken()
    stop.rotate()
    recording = Recording(str(tmp_path / "out.pcap"), "pcap", rotate_seconds=1000)
    ingest([str(capture)], str(tmp_path / "a"), Options(recordings=(recording,)), stop=stop)
    assert not stop.new_segment.is_set()
    assert len(list(tmp_path.glob("out_*.pcap"))) == 1


# ---- what may be written -------------------------------------------------------------------------------------------


def test_links_existing_files_and_pipes_are_refused(tmp_path: Path, capture: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    link, pipe, other = tmp_path / "link.pcap", tmp_path / "pipe.pcap", tmp_path / "other.pcap"
    link.symlink_to(victim)
    (tmp_path / "dangling.pcap").symlink_to(tmp_path / "nothing")
    os.mkfifo(pipe)
    other.write_text("text")
    for path in (link, tmp_path / "dangling.pcap", pipe, other, capture, tmp_path / "no" / "x.pcap"):
        with pytest.raises(UsageError):
            SegmentFiles((Recording(str(path), "pcap"),), [str(capture)])
    for path in (link, pipe, capture):
        with pytest.raises(UsageError):
            SegmentFiles((Recording(str(path), "pcap"),), [str(capture)], force=True)
    assert victim.read_text() == "precious"
    assert not (tmp_path / "nothing").exists()
    SegmentFiles((Recording(str(other), "pcap"),), [str(capture)], force=True).close()
    assert other.read_bytes() == b""


def test_a_link_in_the_place_of_a_segment_is_not_followed(tmp_path: Path) -> None:
    files = SegmentFiles((Recording(str(tmp_path / "x.pcap"), "pcap", rotate_seconds=1),))
    (tmp_path / Path(segment_name("x.pcap", 1, START)).name).symlink_to(tmp_path / "victim")
    with pytest.raises(RustnetError, match="cannot be written"):
        files.next(0, START, 1, None)
    assert not (tmp_path / "victim").exists()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KiB."""
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=64k,mode=700", "none", str(place)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("cannot mount a file system")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.mark.root
@pytest.mark.parametrize("form", ["pcap", "pcapng"])
def test_a_full_disk_ends_the_recording_and_nothing_else(tmp_path: Path, small_disk: Path, form: Any) -> None:
    capture, made = tmp_path / "in.pcap", small_disk / f"out.{form}"
    frames = [udp_frame(("10.0.0.1", 1000 + i), ("10.0.0.2", 9), bytes(i % 900)) for i in range(900)]
    capture.write_bytes(pcap(frames))
    report = replayed(tmp_path / "a", capture, recordings=(Recording(str(made), form),))
    (damage,) = report.captures[0].damage
    assert damage.kind == "recording_ended"
    assert "No space left on device" in damage.detail
    assert report.captures[0].packets == 900
    assert report.captures[0].complete
    source = FileSource(str(made))
    count = sum(frames.count for frames in source.batches())
    assert not source.damage, "it ends after a whole packet"
    assert 0 < count == damage.packet < 900


def test_a_run_that_is_killed_leaves_what_it_wrote(tmp_path: Path) -> None:
    capture, made = tmp_path / "in.pcap", tmp_path / "out.pcapng"
    capture.write_bytes(pcap(traffic(200), step=10_000_000))
    code = (
        "from rustnet.ingest.options import Options\nfrom rustnet.ingest.recording import Recording\n"
        "from rustnet.ingest.road import ingest\n"
        f"ingest([{str(capture)!r}], {str(tmp_path / 's')!r}, Options(speed=1.0, discover=False, "
        f"recordings=(Recording({str(made)!r}, 'pcapng'),)))"
    )
    process = subprocess.Popen([sys.executable, "-c", code])
    until = time.monotonic() + 20
    while time.monotonic() < until and (not made.exists() or made.stat().st_size < 10_000):
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    source = FileSource(str(made))
    read = list(frames_of(source))
    assert len(read) > 50
    assert not source.damage
    assert [data for _ts, data in read] == traffic(200)[: len(read)]


def test_the_process_that_parses_cannot_ask_for_anything_else(tmp_path: Path) -> None:
    files = SegmentFiles((Recording(str(tmp_path / "x.pcap"), "pcap", rotate_seconds=1),))
    parser = ParserProcess.__new__(ParserProcess)
    ours, theirs = socket.socketpair()
    parser.commands = ours
    parser.path = ""
    for message in (
        ["next segment"], ["next segment", 0, 1, 1], ["next segment", "../x", 1, 1, None],
        ["next segment", 0, "now", 1, None], ["next segment", 0, 1, 1, [1, 2]], ["next segment", 0, 1, 1, [-1] * 5],
        ["next segment", 0, 1, 1, "abcde"], ["segment ended", 0, None, ""], ["segment ended", 0, [1] * 5, 7],
    ):  # fmt: skip
        with pytest.raises(TransportError):
            parser._segment(files, message)
    parser._segment(files, ["next segment", 5, 1, 1, None])
    assert b"no segment" in theirs.recv(1000)
    assert list(tmp_path.iterdir()) == []
    for end in (ours, theirs):
        end.close()


def test_packets_of_hostile_times_end_a_recording_and_not_the_run(tmp_path: Path) -> None:
    capture, made = tmp_path / "in.pcapng", tmp_path / "out.pcap"
    late = (1 << 32) * 1_000_000 + 5
    capture.write_bytes(shb() + idb() + epb(dns_flow()[0]) + epb(dns_flow()[1], late))
    report = replayed(tmp_path / "a", capture, recordings=(Recording(str(made), "pcap"),))
    assert [damage.kind for damage in report.captures[0].damage] == ["recording_ended"]
    assert report.captures[0].packets == 2


def test_truncated_packets_keep_their_lengths(tmp_path: Path) -> None:
    packet = Captured(START, ip("10.0.0.1", "10.0.0.2", 17, bytes(500))[:40], 101, 520)
    capture = tmp_path / "in.pcap"
    capture.write_bytes(pcap_file([packet], link=101))
    for form in ("pcap", "pcapng"):
        made = tmp_path / f"out.{form}"
        replayed(tmp_path / "a", capture, recordings=(Recording(str(made), form),))
        source = FileSource(str(made))
        (batch,) = [frames for frames in source.batches() if frames.count]
        assert (batch.captured[0], batch.length[0], batch.link[0]) == (40, 520, 101)
        source.close()


def test_a_recording_is_of_one_capture(tmp_path: Path, capture: Path) -> None:
    other = tmp_path / "other.pcap"
    other.write_bytes(pcap(dns_flow(1)))
    recordings = (
        Recording(str(tmp_path / "out.pcapng"), "pcapng"), Recording(str(tmp_path / "out.pcap"), "pcap", 1 << 20),
    )  # fmt: skip
    report = replayed(tmp_path / "a", capture, other, recordings=recordings)
    assert [each.kind for each in report.captures[0].damage] == []
    assert [each.kind for each in report.captures[1].damage] == ["recording_ended"] * 2
    assert "holds one capture already" in report.captures[1].damage[0].detail
    assert len(list(frames_of(FileSource(str(tmp_path / "out.pcapng"))))) == report.captures[0].packets


@pytest.mark.parametrize("form", ["pcap", "pcapng"])
def test_without_packets_it_is_an_empty_capture(tmp_path: Path, form: Any) -> None:
    capture, made = tmp_path / "in.pcap", tmp_path / f"out.{form}"
    capture.write_bytes(pcap([], link=101))
    report = replayed(tmp_path / "a", capture, recordings=(Recording(str(made), form),))
    assert report.captures[0].damage == []
    source = FileSource(str(made))
    assert list(frames_of(source)) == []
    assert [each.link_type for each in source.interfaces] == [101]
    assert not source.damage
    assert source.info.complete
