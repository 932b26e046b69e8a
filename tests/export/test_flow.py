"""Export of one flow: its packets byte for byte, its data as of a time, and a file that replaces nothing."""

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import pytest

from rustnet.errors import RustnetError, UsageError
from rustnet.export.captured import Originals
from rustnet.export.flow import flow_data, flow_packets, shown_detail, write_new, write_packets
from rustnet.export.formats import dumps
from rustnet.query.session import FileSession
from rustnet.query.views.spec import ViewSpec
from rustnet.sources.files import FileSource
from tests.support.paths import ROOT
from tests.support.sessions import replay

SAMPLE = ROOT / "sample_pcaps" / "web.pcap"


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FileSession]:
    path = tmp_path_factory.mktemp("flow") / "s.duckdb"
    replay(path, SAMPLE).con.close()
    with FileSession(path) as opened:
        yield opened


def frames_of(path: Path) -> list[bytes]:
    with FileSource(str(path)) as source:
        return [frames.frame(i) for frames in source.batches() for i in range(frames.count)]


def http_flow(session: FileSession) -> int:
    return int(session.execute("SELECT flow_id FROM http GROUP BY 1 HAVING count(*) = 3").rows[0][0])


@pytest.mark.parametrize("half", [False, True])
def test_packets_are_those_of_the_capture(session: FileSession, tmp_path: Path, half: bool) -> None:
    flow_id = http_flow(session)
    rows = session.execute("SELECT number, epoch_ns(ts) FROM packets WHERE flow_id = ? ORDER BY number", [flow_id]).rows
    at = rows[len(rows) // 2][1] if half else None
    chosen = flow_packets(session, ViewSpec(at=at), flow_id)
    stream = io.BytesIO()
    result = write_packets(chosen, Originals(session.path), stream)
    out = tmp_path / "out.pcapng"
    out.write_bytes(stream.getvalue())
    captured = frames_of(SAMPLE)
    expected = [captured[number - 1] for number, ts in rows if at is None or ts <= at]
    assert frames_of(out) == expected
    assert result.packets == len(expected)


def test_data_as_of_a_time(session: FileSession) -> None:
    flow_id = http_flow(session)
    whole = flow_data(shown_detail(session, ViewSpec(), flow_id))
    at = session.execute("SELECT min(epoch_ns(ts)) FROM http WHERE flow_id = ?", [flow_id]).rows[0][0]
    until = flow_data(shown_detail(session, ViewSpec(at=at), flow_id))
    assert [len(data["messages"]) for data in (whole, until)] == [3, 1]
    assert len(until["packets"]) < len(whole["packets"])
    assert until["flow"]["src_packets"] + until["flow"]["dst_packets"] == len(until["packets"])
    assert whole["verdict"] == until["verdict"] != []
    json.loads(dumps(until))
    with pytest.raises(RustnetError, match="had not begun"):
        shown_detail(session, ViewSpec(at=at - 10**12), flow_id)


def test_a_file_that_exists_is_not_replaced(tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.write_bytes(b"precious")
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "nowhere")
    written: list[int] = []
    for path in (mine, link, tmp_path):
        with pytest.raises(UsageError):
            write_new(str(path), [], lambda stream: written.append(stream.write(b"x")))
    assert mine.read_bytes() == b"precious"
    assert not written


def test_a_file_has_its_name_once_it_is_complete(tmp_path: Path) -> None:
    out = tmp_path / "out"

    def fail(stream: BinaryIO) -> None:
        stream.write(b"half")
        assert not out.exists()
        raise RustnetError("no")

    with pytest.raises(RustnetError):
        write_new(str(out), [], fail)
    assert list(tmp_path.iterdir()) == []
    write_new(str(out), [], lambda stream: stream.write(b"all"))
    assert out.read_bytes() == b"all"
    assert out.stat().st_mode & 0o777 == 0o600


def test_names_of_the_session_are_refused(session: FileSession, tmp_path: Path) -> None:
    wal = f"{session.path}.wal"
    with pytest.raises(UsageError):
        write_new(wal, [session.path, wal], lambda stream: stream.write(b"x"))
    assert not Path(wal).exists()


def test_a_changed_original_is_not_exported(tmp_path: Path) -> None:
    capture = tmp_path / "c.pcap"
    capture.write_bytes(SAMPLE.read_bytes())
    replay(tmp_path / "s.duckdb", capture).con.close()
    with FileSession(tmp_path / "s.duckdb") as opened:
        chosen = flow_packets(opened, ViewSpec(), http_flow(opened))
        data = bytearray(capture.read_bytes())
        data[-1] ^= 1
        capture.write_bytes(data)
        with pytest.raises(RustnetError, match="SHA-256"):
            write_packets(chosen, Originals(opened.path), io.BytesIO())
