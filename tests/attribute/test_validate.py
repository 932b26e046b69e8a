"""Version 1 of the sidecar: what it adds to RustNet's form, and how it is checked."""

import json
from pathlib import Path
from typing import Any

import pytest

from rustnet.attribute.validate import COVERED, schema, validate
from rustnet.cli.main import main
from rustnet.errors import InputError
from tests.support.paths import ROOT

T0 = 1_780_000_000


def instant(seconds: float) -> dict[str, int]:
    nanos = round((T0 + seconds) * 1e9)
    return {"secs_since_epoch": nanos // 10**9, "nanos_since_epoch": nanos % 10**9}


def connection(
    local: str = "10.0.0.1:40000", remote: str = "93.184.216.34:443", pid: int | None = 100, name: str | None = "curl",
    begin: float = 0.0, **more: Any,
) -> dict[str, Any]:  # fmt: skip
    """A record of RustNet's own."""
    made = {
        "timestamp": "2026-06-01T12:00:00.123456789Z", "protocol": "TCP", "local_addr": local, "remote_addr": remote,
        "pid": pid, "process_name": name, "first_seen": instant(begin), "last_seen": instant(3), "bytes_sent": 1,
        "bytes_received": 2, "state": "ESTABLISHED", "attribution_match": "exact-tuple", **more,
    }  # fmt: skip
    return {key: value for key, value in made.items() if value is not ...}


def one(local: str = "10.0.0.1:40000", remote: str = "93.184.216.34:443", **more: Any) -> dict[str, Any]:
    """A record of version 1."""
    return connection(local, remote, **{"sidecar_version": 1, "recorder": "rustnet-record/2", "host": "a", **more})


def about(record: str, **more: Any) -> dict[str, Any]:
    """A line about the recording."""
    return one("0.0.0.0:0", "0.0.0.0:0", pid=None, name=None, protocol="META", record=record, **more)


def test_hash_and_boot_reach_the_process(session: Any) -> None:
    session.flow()
    session.attribute(one(exe_sha256="ab" * 32, boot_id="74c9bea6-a2fc-47aa-b893-ef05a0869f42"))
    assert session.ask("SELECT exe_sha256, boot_id FROM processes") == [
        ("ab" * 32, "74c9bea6-a2fc-47aa-b893-ef05a0869f42")
    ]


def test_lines_about_the_recording_own_nothing(session: Any) -> None:
    flow = session.flow("10.0.0.1:0", "10.0.0.2:0", protocol="ospf")
    report = session.attribute(about("start", addresses=["10.0.0.1", "2001:db8::1", "nonsense"]), about("end"))
    assert session.verdict(flow) == (None, None, None, "no_claim")
    assert (report.claims, report.bad_records, report.processes) == (0, 0, 0)
    assert session.ask("SELECT kind FROM anomalies") == [("sidecar_value",)]


def test_a_process_without_a_connection_is_kept(session: Any) -> None:
    report = session.attribute(about("process") | {"pid": 7, "process_name": "idle"})
    assert session.ask("SELECT pid, name, host FROM processes") == [(7, "idle", "a")]
    assert report.claims == 0


def test_addresses_of_the_host_determine_whose_listener_it_is(session: Any) -> None:
    """Who listens on a port of this host does not own connections to that port of another."""
    ours = session.flow("10.0.0.9:40000", "10.0.0.1:22")
    theirs = session.flow("10.0.0.1:40001", "10.0.0.2:22")
    waiting = one("0.0.0.0:22", "0.0.0.0:0", pid=5, name="sshd", attribution_match="wildcard-local-address")
    session.attribute(about("start", addresses=["10.0.0.1"]), waiting)
    assert session.verdict(ours)[0] == 5
    assert session.verdict(theirs)[3] == "no_claim"


def test_translated_ends_match_too(session: Any) -> None:
    """A connection to a service address leaves the host with other ends; the capture holds either."""
    inside = session.flow("10.0.0.1:40000", "10.96.0.1:443")
    outside = session.flow("192.0.2.1:61000", "10.1.2.3:8443")
    other = session.flow("192.0.2.1:61001", "10.1.2.3:8443")
    line = one("10.0.0.1:40000", "10.96.0.1:443", nat_local_addr="192.0.2.1:61000", nat_remote_addr="10.1.2.3:8443")
    session.attribute(line)
    assert [session.verdict(flow)[0] for flow in (inside, outside, other)] == [100, 100, None]


def test_open_local_end_is_a_wildcard(session: Any) -> None:
    flow = session.flow()
    session.attribute(one("0.0.0.0:40000", open_end="local"))
    assert session.ask("SELECT match, flow_id FROM claims") == [("wildcard", flow)]


def test_unbound_address_of_a_packet_is_literal(session: Any) -> None:
    flow = session.flow("0.0.0.0:68", "255.255.255.255:67", protocol="udp")
    session.flow("10.0.0.5:68", "255.255.255.255:67", protocol="udp")
    session.attribute(one("0.0.0.0:68", "255.255.255.255:67", protocol="UDP", open_end="none"))
    assert session.ask("SELECT match, flow_id FROM claims") == [("tuple", flow)]


def test_null_end_leaves_the_window_open(session: Any) -> None:
    late = session.flow(begin=5000, end=5003)
    early = session.flow(begin=-5000, end=-4990)
    session.attribute(one(last_seen=None))
    assert (session.verdict(late)[0], session.verdict(early)[3]) == (100, "outside_window")


def test_exported_claim_keeps_its_source_and_is_no_duplicate(session: Any) -> None:
    session.flow()
    line = one(claim_source="elsewhere", attribution_match="seen")
    session.attribute(line, line | {"last_seen": instant(9)})
    assert session.ask("SELECT source, quality, rank FROM claims") == [("elsewhere", "seen", 69)] * 2


@pytest.mark.parametrize("name", ["x" * 65, "a b", 7, ["a"], ""])
def test_an_invalid_source_name_counts_as_a_sidecar(session: Any, name: object) -> None:
    session.flow()
    session.attribute(one(claim_source=name))
    assert session.ask("SELECT source FROM claims") == [("rustnet-sidecar",)]


def test_the_sources_of_a_file_are_bounded(session: Any) -> None:
    session.flow()
    session.attribute(*[one(claim_source=f"s{number}", begin=number / 100) for number in range(100)])
    assert session.ask("SELECT count(DISTINCT source) <= 65 FROM claims") == [(True,)]


def written(folder: Path, *lines: object) -> Path:
    path = folder / "x.jsonl"
    path.write_text("".join((text if isinstance(text, str) else json.dumps(text)) + "\n" for text in lines), "utf-8")
    return path


def test_valid_file(tmp_path: Path) -> None:
    unowned = one(pid=None, name=None, unowned_because="closed-between-polls")
    found = validate(
        written(tmp_path, about("start"), one(cmdline="curl x"), connection(), unowned, about("end", missed=["m"]))
    )
    assert (found.lines, found.broken, found.connections) == (5, 0, 3)
    assert found.versions == {"1": 2, "RustNet": 1}
    assert (found.share("pid"), found.share("command line")) == (2 / 3, 1 / 3)
    assert found.unowned == {"closed-between-polls": 1}
    assert found.about == {"start": 1, "end": 1}
    assert found.missed == ["m"]
    assert found.first == T0 * 10**9
    assert set(found.covered) == set(COVERED)


BROKEN = {
    "no JSON": "{",
    "no object": "[]",
    "no ends": {"protocol": "TCP"},
    "bad address": one(local="10.0.0.999:1"),
    "bad port": one(local="10.0.0.1:70000"),
    "pid as text": one(pid="7"),
    "time before 1970": one(first_seen={"secs_since_epoch": -1, "nanos_since_epoch": 0}),
    "no nanoseconds": one(first_seen={"secs_since_epoch": 1}),
    "unknown version": one(sidecar_version=2),
    "no recorder": one(recorder=...),
    "hash too short": one(exe_sha256="abc"),
    "about nothing": one("0.0.0.0:0", "0.0.0.0:0", protocol="META"),
    "half a translation": one(nat_local_addr="10.0.0.1:1"),
    "null time in RustNet's form": connection(last_seen=None),
    "nested": '{"a":' * 100_000,
}


@pytest.mark.parametrize("line", BROKEN.values(), ids=BROKEN.keys())
def test_invalid_line_is_reported(tmp_path: Path, line: object) -> None:
    found = validate(written(tmp_path, one(), "", line, one()))
    assert (found.lines, found.broken, found.connections) == (3, 1, 2)
    assert found.faults[0][0] == 3
    assert 0 < len(found.faults[0][1]) <= 300


def test_endless_line_and_missing_file(tmp_path: Path) -> None:
    found = validate(written(tmp_path, "x" * (1 << 21), one()))
    assert [number for number, _ in found.faults] == [1]
    assert (found.lines, found.connections) == (2, 1)
    with pytest.raises(InputError, match="cannot read"):
        validate(tmp_path / "none.jsonl")


def test_command_output(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path, one(), "{", "}", one())
    assert main(["sidecar", "validate", str(path), "--lines", "1"]) == 1
    said = capsys.readouterr().out
    assert "lines 4; valid 2; invalid 2" in said
    assert "  2: invalid JSON" in said
    assert "and 1 more" in said
    assert main(["sidecar", "validate", str(path), "--json"]) == 1
    data = json.loads(capsys.readouterr().out)
    assert [fault["line"] for fault in data["faults"]] == [2, 3]
    assert data["coverage"]["pid"] == 1.0
    assert main(["sidecar", "validate", str(written(tmp_path, "{"))]) == 3


def test_schema_has_every_documented_key() -> None:
    page = (ROOT / "sidecar" / "FORMAT.md").read_text("utf-8")
    for key in schema()["properties"]:
        if not key.startswith("geoip_"):
            assert f"`{key}`" in page, key
