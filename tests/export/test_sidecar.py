"""A session's owners written as a sidecar and read again with the same capture: nothing may get lost."""

import json
from pathlib import Path
from typing import Any

import duckdb
import pytest

from rustnet.cli.main import main
from tests.support.paths import SAMPLES

CAPTURES = sorted(path for path in SAMPLES.iterdir() if (SAMPLES / f"{path.name}.connections.jsonl").exists())

PROCESSES = "SELECT * FROM processes ORDER BY process_id"
CLAIMS = """SELECT flow_id, process_id, source, quality, rank, match, observed_at, window_start, window_end,
    distance_ms, reversed FROM claims ORDER BY ALL"""
VERDICTS = """SELECT flow_id, process_id, process_source, process_contested, unowned_reason FROM flows
    ORDER BY flow_id"""


def ask(session: Path, sql: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(session), read_only=True) as con:
        return con.execute(sql).fetchall()


def replay(capture: Path, session: Path, *options: object) -> None:
    assert main(["replay", str(capture), "--db", str(session), "--no-tui", "--json", *map(str, options)]) == 0


def round_trip(capture: Path, folder: Path, *options: object) -> tuple[Path, Path, Path]:
    """Replay, export, replay with what was exported; returns both sessions and the sidecar."""
    first, second, exported = folder / "first.duckdb", folder / "second.duckdb", folder / "exported.jsonl"
    replay(capture, first, *options)
    assert main(["export", str(first), "--sidecar", "-o", str(exported)]) == 0
    replay(capture, second, "--sidecar", exported)
    return first, second, exported


@pytest.mark.parametrize("capture", CAPTURES, ids=lambda path: path.name)
def test_round_trip_of_samples(capture: Path, tmp_path: Path) -> None:
    first, second, exported = round_trip(capture, tmp_path)
    assert ask(first, "SELECT count(*) FROM claims")[0][0] > 0
    for sql in (PROCESSES, CLAIMS, VERDICTS):
        assert ask(second, sql) == ask(first, sql)
    assert main(["sidecar", "validate", str(exported)]) == 0


END = {"secs_since_epoch": 1795451100, "nanos_since_epoch": 7}
BEGIN = {"secs_since_epoch": 1795451000, "nanos_since_epoch": 3}


def line(local: str, remote: str, pid: int | None, **more: Any) -> dict[str, Any]:
    """One line about the sample ``web``, which lasts from one moment to the other."""
    made = {
        "timestamp": "2026-11-23T16:25:00.000000009Z", "protocol": "TCP", "local_addr": local, "remote_addr": remote,
        "pid": pid, "process_name": None if pid is None else f"p{pid}", "first_seen": BEGIN, "last_seen": END,
        "bytes_sent": 0, "bytes_received": 0, "state": "", "sidecar_version": 1, "host": "h1",
        "attribution_match": "exact-tuple", **more,
    }  # fmt: skip
    return {key: value for key, value in made.items() if value is not ...}


def web_flows(tmp_path: Path) -> list[tuple[Any, ...]]:
    """Flows of the sample that have ports, those of TCP first."""
    session = tmp_path / "plain.duckdb"
    replay(SAMPLES / "web.pcap", session, "--no-sidecar")
    return ask(
        session,
        "SELECT src_ip, src_port, dst_ip, dst_port, upper(protocol) FROM flows "
        "WHERE src_port IS NOT NULL ORDER BY protocol, flow_id",
    )


def test_round_trip_of_every_kind_of_statement(tmp_path: Path) -> None:
    """Waiting sockets, unknown times, open windows, other sources, owners without a pid, and none at all."""
    flows = web_flows(tmp_path)
    _, sport, dst, dport, _ = flows[0]
    ends = [(f"{a}:{b}", f"{c}:{d}", protocol) for a, b, c, d, protocol in flows]

    def about(number: int, pid: int | None, **more: Any) -> dict[str, Any]:
        local, remote, protocol = ends[number]
        return line(local, remote, pid, protocol=protocol, **more)

    lineage = {"ancestors": [{"name": "in(it)", "pid": 1}, {"name": None, "pid": 7}], "truncated": True}
    lines = [
        line(f"0.0.0.0:{dport}", "0.0.0.0:0", 80, attribution_match="wildcard-local-address"),
        line(f"{dst}:{dport}", "0.0.0.0:0", 81, attribution_match="listener-socket", host="h2"),
        line(f"0.0.0.0:{sport}", f"{dst}:{dport}", 82, open_end="local", attribution_match="procfs-relaxed"),
        about(0, 83, process_lineage=lineage, exe_sha256="ab" * 32, boot_id="b", started_at=BEGIN),
        about(1, 84, first_seen=None, last_seen=None, timestamp=None),
        about(1, 85, last_seen=None, claim_source="another", attribution_match="a word"),
        about(2, None, username="alice", process_uid=1001, host=...),
        about(3, None),
        line("192.0.2.250:1", "192.0.2.251:2", 86),
        about(4, 87, last_seen={**BEGIN, "nanos_since_epoch": 5}),
        about(5, 88, container_id="c" * 64, kubernetes={"pod_name": "pod", "pod_uid": "u", "container_name": "n"}),
        about(5, 89, attribution_match=...),
        about(6, 90, process_ppid=7, process_lineage={"ancestors": [{"name": "sh", "pid": 7, "started_at_unix_ms": 5}],
              "truncated": False}, container_runtime="lxc", container_name="web", systemd_unit="nginx.service",
              lsm_label="unconfined", capabilities="net_admin net_raw", started_at=BEGIN, changed_before=BEGIN),
        line("0.0.0.0:0", "0.0.0.0:0", None, protocol="META", record="start", addresses=[dst, "2001:db8::9"]),
    ]  # fmt: skip
    given = tmp_path / "given.jsonl"
    given.write_text("".join(json.dumps(one) + "\n" for one in lines), "utf-8")
    first, second, exported = round_trip(SAMPLES / "web.pcap", tmp_path, "--sidecar", given)
    matches = {match for (match,) in ask(first, "SELECT DISTINCT match FROM claims")}
    assert matches == {"tuple", "wildcard", "listener", "port"}
    assert ask(first, "SELECT count(*) FROM claims WHERE window_start IS NULL")[0][0] == 1
    assert ask(first, "SELECT count(*) FROM claims WHERE window_start IS NOT NULL AND window_end IS NULL")[0][0] == 1
    assert ask(first, "SELECT count(*) FROM processes WHERE pid IS NULL AND username = 'alice'")[0][0] == 1
    assert ask(first, "SELECT container_name, epoch_ns(parent_started_at), changed_at = started_at FROM processes "
               "WHERE container_runtime = 'lxc'") == [("web", 5_000_000, True)]  # fmt: skip
    reasons = {reason for (reason,) in ask(first, "SELECT DISTINCT unowned_reason FROM flows")}
    assert {"ownerless", "outside_window"} <= reasons
    for sql in (PROCESSES, CLAIMS, VERDICTS):
        assert ask(second, sql) == ask(first, sql)
    assert main(["sidecar", "validate", str(exported)]) == 0


def test_exported_lines_have_rustnets_keys(tmp_path: Path) -> None:
    """RustNet's own tools take a connection's ends, pid, name and times from every line."""
    _, _, exported = round_trip(SAMPLES / "web.pcap", tmp_path)
    for text in exported.read_text("utf-8").splitlines():
        record = json.loads(text)
        assert list(record) == sorted(record)
        assert isinstance(record["protocol"], str)
        assert record["local_addr"].rpartition(":")[2].isdigit()
        assert record["remote_addr"].rpartition(":")[2].isdigit()
        assert {"pid", "process_name", "bytes_sent", "bytes_received", "state", "timestamp"} <= record.keys()
        assert set(record["first_seen"]) == {"secs_since_epoch", "nanos_since_epoch"}


def test_a_session_without_owners_has_nothing_to_export(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    session = tmp_path / "s.duckdb"
    replay(SAMPLES / "web.pcap", session, "--no-sidecar")
    capsys.readouterr()
    assert main(["export", str(session), "--sidecar", "-o", str(tmp_path / "x.jsonl")]) == 1
    assert "nothing to export" in capsys.readouterr().err
    assert not (tmp_path / "x.jsonl").exists()
    assert main(["export", str(session), "-o", str(tmp_path / "x.jsonl")]) == 2
