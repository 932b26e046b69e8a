"""The log of events in RustNet's form."""

import json
import os
import resource
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from rustnet.errors import InputError, UsageError
from rustnet.export.json_log import MOST_WAITING, PATIENCE, JsonLog
from rustnet.ingest.options import Options
from rustnet.ingest.road import ingest
from tests.support.conversations import dns_flow, http_flow
from tests.support.packets import ACK, SYN, tcp_frame
from tests.support.pcap import pcap

RUSTNET_KEYS = {
    "timestamp", "event", "protocol", "direction", "source_ip", "source_port", "destination_ip", "destination_port",
    "source_addr_kind", "destination_addr_kind", "destination_is_gateway", "source_hostname", "destination_hostname",
    "pid", "process_name", "process_ppid", "process_executable", "process_uid", "process_gid", "attribution_match",
    "process_lineage", "rtt_ms", "kubernetes", "service_name", "dpi_protocol", "dpi_domain", "geoip_country_code",
    "geoip_country_name", "geoip_asn", "geoip_as_org", "geoip_city", "geoip_postal_code", "bytes_sent",
    "bytes_received", "duration_secs",
}  # fmt: skip
OWN_KEYS = {"community_id", "flow_id", "end_reason"}


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def logged(tmp_path: Path, frames: list[bytes], sidecar: list[dict[str, Any]] | None = None) -> list[dict[str, Any]]:
    """Events of a capture with these frames."""
    capture, log = tmp_path / "in.pcap", tmp_path / "log"
    capture.write_bytes(pcap(frames))
    if sidecar:
        Path(f"{capture}.connections.jsonl").write_text("".join(json.dumps(line) + "\n" for line in sidecar))
    report = ingest([str(capture)], str(tmp_path / "s"), Options(json_log=str(log)))
    assert not report.not_stored
    assert stat.S_IMODE(log.stat().st_mode) == 0o600
    return lines(log)


def owner(local: str, remote: str, **more: Any) -> dict[str, Any]:
    """A line of a sidecar."""
    moment = {"secs_since_epoch": 1_700_000_000, "nanos_since_epoch": 0}
    return {
        "timestamp": "2023-11-14T22:13:20Z", "protocol": "TCP", "local_addr": local, "remote_addr": remote, "pid": 77,
        "process_name": "curl", "first_seen": moment, "last_seen": moment, "bytes_sent": 0, "bytes_received": 0,
        "state": "ESTABLISHED", "attribution_match": "exact-tuple", "process_uid": 1000, "process_gid": 100,
        "process_ppid": 1, "process_executable": "/usr/bin/curl", "cmdline": "curl --password hunter2", **more,
    }  # fmt: skip


def test_each_connection_has_two_events_with_its_owner(tmp_path: Path) -> None:
    written = logged(tmp_path, http_flow() + dns_flow(), [owner("10.0.0.2:40000", "192.0.2.80:80")])
    assert set().union(*written) <= RUSTNET_KEYS | OWN_KEYS
    kinds = [(protocol, event) for protocol in ("TCP", "UDP") for event in ("new_connection", "connection_closed")]
    assert [(each["protocol"], each["event"]) for each in written] == kinds
    new, closed = written[:2]
    process = {
        "pid": 77, "process_name": "curl", "process_ppid": 1, "process_uid": 1000, "process_gid": 100,
        "process_executable": "/usr/bin/curl", "attribution_match": "exact-tuple",
    }  # fmt: skip
    ends = {
        "source_ip": "10.0.0.2", "source_port": 40000, "destination_ip": "192.0.2.80", "destination_port": 80,
        "direction": "outgoing", "destination_hostname": "shop.example", "dpi_protocol": "HTTP",
        "dpi_domain": "shop.example", "service_name": "www-http", "protocol": "TCP",
    }  # fmt: skip
    for each in (new, closed):
        assert process.items() <= each.items()
        assert ends.items() <= each.items()
    assert new["timestamp"] == "2023-11-14T22:13:20.000000000Z"
    assert closed["timestamp"] == "2023-11-14T22:13:20.007000000Z"
    sizes = [len(frame) for frame in http_flow()]
    assert closed["bytes_sent"] == sum(sizes[i] for i in (0, 2, 3, 5, 7))
    assert closed["bytes_received"] == sum(sizes[i] for i in (1, 4, 6))
    assert (closed["duration_secs"], closed["end_reason"]) == (0, "fin")
    assert written[2]["dpi_domain"] == "shop.example"
    assert "pid" not in written[2]
    assert "hunter2" not in (tmp_path / "log").read_text()


def test_a_server_is_the_source_of_its_connections(tmp_path: Path) -> None:
    server = owner("192.0.2.80:80", "10.0.0.2:40000", process_name="httpd")
    for each in logged(tmp_path, http_flow(), [server]):
        assert (each["source_ip"], each["source_port"], each["direction"]) == ("192.0.2.80", 80, "incoming")
        assert (each["destination_ip"], each["process_name"]) == ("10.0.0.2", "httpd")


def test_open_connections_are_closed_at_the_end(tmp_path: Path) -> None:
    a, b = ("10.0.0.2", 4000), ("192.0.2.80", 80)
    written = logged(tmp_path, [tcp_frame(a, b, 1, 0, SYN), tcp_frame(b, a, 9, 2, SYN | ACK)])
    assert [each["event"] for each in written] == ["new_connection", "connection_closed"]
    assert written[1]["end_reason"] == "end"


def test_the_program_reads_its_own_log(tmp_path: Path) -> None:
    logged(tmp_path, http_flow(), [owner("10.0.0.2:40000", "192.0.2.80:80")])
    Path(f"{tmp_path / 'in.pcap'}.connections.jsonl").unlink()
    ingest([str(tmp_path / "in.pcap")], str(tmp_path / "t"), Options(sidecars=(str(tmp_path / "log"),)))
    with duckdb.connect(str(tmp_path / "t"), read_only=True) as con:
        assert con.execute("SELECT p.name FROM flows JOIN processes AS p USING (process_id)").fetchall() == [("curl",)]


# ---- flushes ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def session(tmp_path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A session of three ended flows, whose rows the test moves about."""
    capture = tmp_path / "in.pcap"
    capture.write_bytes(pcap(http_flow(1) + http_flow(2) + http_flow(3)))
    ingest([str(capture)], str(tmp_path / "s"), Options())
    with duckdb.connect(str(tmp_path / "s")) as con:
        con.execute("CREATE TABLE kept AS FROM flows_ended; DELETE FROM flows_ended; CHECKPOINT")
        con.execute("INSERT INTO processes (process_id, pid, name) VALUES (5, 55, 'curl')")
        yield con


def move(con: duckdb.DuckDBPyConnection, to: str, *ports: int) -> None:
    """Add flows to a table."""
    con.execute(f"INSERT INTO {to} SELECT * FROM kept WHERE src_port IN ({','.join(map(str, ports))})")


def own(con: duckdb.DuckDBPyConnection, table: str, port: int) -> None:
    con.execute(f"UPDATE {table} SET process_id = 5, process_source = 'x' WHERE src_port = {port}")


def summary(path: Path) -> list[tuple[str, int, int | None]]:
    return [(each["event"][:3], each["source_port"], each.get("pid")) for each in lines(path)]


def test_events_wait_for_owners_and_not_for_long(session: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    log = JsonLog(str(tmp_path / "log"))
    move(session, "flows_open", 1, 2)
    log(session, 1)
    assert summary(tmp_path / "log") == []
    own(session, "flows_open", 1)
    log(session, 1)
    assert summary(tmp_path / "log") == [("new", 1, 55)]
    for _ in range(PATIENCE):
        log(session, 1)
    assert summary(tmp_path / "log") == [("new", 1, 55), ("new", 2, None)]
    session.execute("DELETE FROM flows_open")
    move(session, "flows_ended", 1, 2, 3)
    own(session, "flows_ended", 1)
    log(session, 1)
    assert summary(tmp_path / "log")[2:] == [("con", 1, 55)]
    own(session, "flows_ended", 3)
    log(session, 1)
    assert summary(tmp_path / "log")[3:] == [("new", 3, 55), ("con", 3, 55)]
    log.finish(session, 1)
    assert summary(tmp_path / "log")[5:] == [("con", 2, None)]
    log.finish(session, 1)
    assert log.events == len(summary(tmp_path / "log")) == 6
    assert log._waited == {}
    assert not log._ended
    assert len(log._announced) == 0
    assert MOST_WAITING > 1000
    log.close()


def test_it_appends_and_is_opened_once_more_on_request(session: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text('{"event":"earlier"}\n')
    log = JsonLog(str(path))
    move(session, "flows_ended", 1)
    log.finish(session, 1)
    assert [each["event"] for each in lines(path)] == ["earlier", "new_connection", "connection_closed"]
    path.rename(tmp_path / "log.1")
    log.reopen()
    move(session, "flows_ended", 2)
    log.finish(session, 1)
    assert len(lines(tmp_path / "log.1")) == 3
    assert [each["source_port"] for each in lines(path)] == [2, 2]
    log.close()


def test_what_is_no_log_is_not_appended_to(tmp_path: Path) -> None:
    capture, other = tmp_path / "in.pcap", tmp_path / "other"
    capture.write_bytes(pcap(http_flow()))
    other.write_text("x")
    (tmp_path / "link").symlink_to(other)
    os.mkfifo(tmp_path / "pipe")
    for name in ("in.pcap", "pipe", "."):
        with pytest.raises(UsageError):
            JsonLog(str(tmp_path / name))
    with pytest.raises(UsageError):
        JsonLog(str(other), [str(other)])
    for name in ("link", "no/log"):
        with pytest.raises(InputError):
            JsonLog(str(tmp_path / name))
    assert other.read_text() == "x"


def test_an_error_ends_the_log_after_a_whole_line(session: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    log = JsonLog(str(tmp_path / "log"))
    move(session, "flows_ended", 1)
    log.finish(session, 1)
    size = (tmp_path / "log").stat().st_size
    move(session, "flows_ended", 2)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 100, before[1]))
    try:
        log.finish(session, 1)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert "ended: File too large" in log.problem
    assert (tmp_path / "log").stat().st_size == size
    move(session, "flows_ended", 3)
    log.finish(session, 1)
    assert len(lines(tmp_path / "log")) == 2


def test_many_events_are_written_flush_by_flush(
    session: duckdb.DuckDBPyConnection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rustnet.export.json_log.MOST_PER_FLUSH", 2)
    log = JsonLog(str(tmp_path / "log"))
    move(session, "flows_ended", 1, 2, 3)
    for port in (1, 2, 3):
        own(session, "flows_ended", port)
    log(session, 1)
    assert sorted(each[1] for each in summary(tmp_path / "log")) == [1, 1, 2, 2]
    log(session, 1)
    assert summary(tmp_path / "log")[4:] == [("new", 3, 55), ("con", 3, 55)]
    other = JsonLog(str(tmp_path / "other"))
    other.finish(session, 1)
    assert len(summary(tmp_path / "other")) == 6
    for each in (log, other):
        each.close()
