"""Commands over captures of several files."""

from pathlib import Path

import pytest

from rustnet.sources.files import FileSource
from tests.support.command_line import Run
from tests.support.conversations import http_flow
from tests.support.pcap import pcap
from tests.support.several_files import rotated, tap


@pytest.mark.parametrize("merge", [False, True])
def test_commands_read_the_files_again(merge: bool, tmp_path: Path, run: Run) -> None:
    paths = list(tap(tmp_path)[:2]) if merge else rotated(tmp_path)
    session = tmp_path / "s.duckdb"
    done = run("replay", "--db", session, *(["--merge"] if merge else []), *paths)
    assert done.code == 0
    assert ("merged by time" if merge else "continue each other in time") in " ".join(done.out.split())
    out = tmp_path / "out.pcap"
    assert run("extract", session, "app:http", "-o", out).code == 0
    with FileSource(str(out), hashing=False) as source:
        frames = [frames.frame(i) for frames in source.batches() for i in range(frames.count)]
    assert frames == http_flow()
    shown = run("show", session, "1", "--packet", "4", "--json")
    assert shown.code == 0
    assert '"shop.example"' in shown.out or "GET / HTTP" in shown.out or "474554202f" in shown.out.lower()
    assert run("verify", session).code == 0
    paths[1].write_bytes(b"changed" * 40)
    assert run("verify", session).code == 1


def test_a_part_of_a_capture_is_enriched_with_its_own_packets(tmp_path: Path, run: Run) -> None:
    first, second, third = rotated(tmp_path)
    sidecar = tmp_path / "owners.jsonl"
    sidecar.write_text(
        '{"timestamp":"2023-11-14T22:13:20Z","protocol":"TCP","local_addr":"10.0.0.2:40000",'
        '"remote_addr":"192.0.2.80:80","pid":7,"process_name":"curl"}\n'
    )
    session = tmp_path / "s.duckdb"
    assert run("replay", "--db", session, "--sidecar", sidecar, first, second, third).code == 0
    out = tmp_path / "out.pcapng"
    assert run("enrich", second, "--db", session, "-o", out).code == 0
    with FileSource(str(out), hashing=False) as source:
        comments = [frames.notes[i].comments for frames in source.batches() for i in range(frames.count)]
    assert len(comments) == 3
    assert all("process=curl" in comment for each in comments for comment in each)


def test_captures_of_one_time_are_said_to_overlap(tmp_path: Path, run: Run) -> None:
    for name in ("a.pcap", "b.pcap"):
        (tmp_path / name).write_bytes(pcap(http_flow(), step=1_000_000 if name == "a.pcap" else 1_000_001_000))
    done = run("replay", tmp_path / "a.pcap", tmp_path / "b.pcap")
    assert "1 conversation is also in" in " ".join(done.out.split())
