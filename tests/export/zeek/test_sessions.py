"""Sessions that are being written, and redacted ones."""

from pathlib import Path

import pytest

import rustnet
from rustnet.export.folder import ExportFolder
from rustnet.export.zeek.export import write_zeek
from rustnet.ingest import serving
from rustnet.query.remote import RemoteSession
from tests.export.zeek.reading import exported, read
from tests.query.test_server import Writing
from tests.support.command_line import Run
from tests.support.paths import SAMPLES
from tests.support.sessions import replay

OPEN = {
    "flow_id": "1",
    "capture_id": "1",
    "protocol": "'udp'",
    "src_ip": "'192.0.2.1'",
    "dst_ip": "'192.0.2.2'",
    "src_port": "5",
    "dst_port": "6",
    "community_id": "'1:x'",
}


def test_a_session_that_is_being_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "DELAY", 0.0)
    writing = Writing(tmp_path / "live.duckdb")
    required = writing.writer.query(
        "SELECT column_name, data_type FROM duckdb_columns() WHERE table_name = 'flows_open' AND NOT is_nullable"
    )
    values = {name: "'x'" if kind == "VARCHAR" else "make_timestamp_ns(1)" if kind == "TIMESTAMP_NS" else "0"
              for name, kind in required} | OPEN  # fmt: skip
    sql = f"INSERT INTO flows_open ({', '.join(values)}) VALUES ({', '.join(values.values())})"
    writing.writer.execute(lambda con: con.execute(sql))
    writing.writer.commit()
    with rustnet.open(writing.path) as session, ExportFolder(tmp_path / "logs") as folder:
        assert isinstance(session, RemoteSession)
        write_zeek(session, folder, "json")
        folder.publish()
    [row] = read(tmp_path / "logs")["conn"]
    assert (row["id.orig_h"], row["id.resp_p"], row["proto"]) == ("192.0.2.1", 6, "udp")
    writing.writer.close()
    assert exported(writing.path, tmp_path / "later")["conn"] == [row]


def test_a_redacted_session_has_other_uids_and_no_original(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    session = tmp_path / "session.duckdb"
    replay(session, SAMPLES / "web.pcap").con.close()
    result = Run(monkeypatch)(
        "export", str(session), "--redact", "--redact-key", "new", "--zeek", "-o", str(tmp_path / "shared")
    )
    assert result.code == 0, result.err
    original, redacted = exported(session, tmp_path / "own"), read(tmp_path / "shared")
    assert {name: len(rows) for name, rows in redacted.items()} == {name: len(rows) for name, rows in original.items()}
    assert not {row["uid"] for row in original["conn"]} & {row["uid"] for row in redacted["conn"]}
    assert {row["uid"] for row in redacted["http"]} <= {row["uid"] for row in redacted["conn"]}
    everything = b"".join(path.read_bytes() for path in (tmp_path / "shared/zeek").iterdir())
    for secret in (b"shop", b"192.0.2.80", b"02:00:5e:10:00:01"):
        assert secret not in everything, secret
