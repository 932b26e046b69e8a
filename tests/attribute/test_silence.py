"""A source without a claim says why, by reason; osquery's logs as osqueryd writes them."""

import json
from pathlib import Path
from typing import Any

import pytest

from rustnet.cli.main import main
from tests.support.packets import ACK, SECOND, START, SYN, Captured, End, tcp_frame, udp_frame
from tests.support.pcap import pcap_file
from tests.support.sessions import ReplayedSession, replay

AT = START // SECOND
CLIENT, SERVER, RESOLVER = "192.0.2.10", "198.51.100.20", "192.0.2.53"
CLIENT6, SERVER6 = "2001:db8::10", "2001:db8:1::20"


def capture(folder: Path) -> Path:
    """A connection in IPv4, one in IPv6, and a datagram."""

    def opened(client: End, server: End, at: int) -> list[Captured]:
        frames = [tcp_frame(client, server, 1, 0, SYN), tcp_frame(server, client, 7, 2, SYN | ACK),
                  tcp_frame(client, server, 2, 8, ACK)]  # fmt: skip
        return [Captured(START + at + n, frame) for n, frame in enumerate(frames)]

    packets = [
        Captured(START, udp_frame((CLIENT, 50_000), (RESOLVER, 53), b"?")),
        *opened((CLIENT, 40_000), (SERVER, 443), SECOND // 2),
        *opened((CLIENT6, 40_001), (SERVER6, 8443), SECOND),
    ]
    path = folder / "c.pcap"
    path.write_bytes(pcap_file(packets))
    return path


def event(remote: str, port: int, **other: str) -> dict[str, str]:
    """A row of ``socket_events`` with its hidden columns."""
    return {
        "action": "connect", "auid": "1000", "eid": "0001", "family": "10" if ":" in remote else "2", "fd": "5",
        "local_address": "", "local_port": "0", "path": "/usr/bin/curl", "pid": "4711", "protocol": "0",
        "remote_address": remote, "remote_port": str(port), "socket": "", "status": "in_progress", "success": "1",
        "time": str(AT), "uptime": "77", **other,
    }  # fmt: skip


EVENTS = [
    event(RESOLVER, 53, status="succeeded"),
    event(SERVER, 443),
    event("2001:0db8:0001:0000:0000:0000:0000:0020", 8443, time=str(AT + 1)),
]
HIDDEN = ("protocol", "socket", "eid", "success")


def logged(row: dict[str, Any], **other: Any) -> dict[str, Any]:
    """A differential record of osqueryd."""
    return {
        "name": "pack_net_socket_events", "hostIdentifier": "box", "calendarTime": "Tue Nov 14 22:13:20 2023 UTC",
        "unixTime": AT + 60, "epoch": 0, "counter": 1, "numerics": False, "decorations": {"host_uuid": "1"},
        "columns": row, "action": "added", **other,
    }  # fmt: skip


def numbers(row: dict[str, str]) -> dict[str, Any]:
    """A row of osqueryd with ``--logger_numerics``."""
    return {name: int(value) if value.isdigit() else value for name, value in row.items()}


def batch(rows: list[dict[str, str]]) -> dict[str, Any]:
    return {"name": "q", "hostIdentifier": "box", "unixTime": AT + 60, "diffResults": {"added": rows, "removed": ""}}


FORMS: dict[str, list[dict[str, Any]]] = {
    "hidden columns": [logged(row) for row in EVENTS],
    "no hidden columns": [logged({k: v for k, v in row.items() if k not in HIDDEN}) for row in EVENTS],
    "few columns": [
        logged({k: row[k] for k in ("action", "pid", "path", "remote_address", "remote_port", "time")})
        for row in EVENTS
    ],
    "address 0": [logged(row | {"local_address": "0"}) for row in EVENTS],
    "address unknown": [logged(row | {"local_address": "unknown"}) for row in EVENTS],
    "unbound": [logged(row | {"local_address": "::" if row["family"] == "10" else "0.0.0.0"}) for row in EVENTS],
    "unbound with port": [
        logged(row | {"local_address": "0.0.0.0", "local_port": port})
        for row, port in zip(EVENTS[:2], ("50000", "40000"), strict=True)
    ] + [logged(EVENTS[2] | {"local_address": "::", "local_port": "40001"})],
    "old IPv6 family": [logged(row | ({"family": "11"} if row["family"] == "10" else {})) for row in EVENTS],
    "numerics": [logged(numbers(row), numerics=True) for row in EVENTS],
    "snapshot": [{"name": "q", "hostIdentifier": "box", "unixTime": AT, "snapshot": EVENTS, "action": "snapshot"}],
    "batch": [batch(EVENTS)],
    "rows": list(EVENTS),
    "filebeat": [
        {"@timestamp": "2023-11-14T22:14:20.000Z", "osquery": {"result": {"action": "added", "columns": row,
         "host_identifier": "box", "unix_time": str(AT + 60)}}} for row in EVENTS
    ],
    "bpf": [
        logged({"syscall": "connect", "tid": "4711", "pid": "4711", "parent": "1", "uid": "0", "gid": "0", "cid": "1",
                "exit_code": "-115", "probe_error": "0", "path": "/usr/bin/curl", "fd": "5", "family": row["family"],
                "type": "1", "protocol": "0", "local_address": "0.0.0.0", "remote_address": row["remote_address"],
                "local_port": "0", "remote_port": row["remote_port"], "duration": "9", "ntime": "12345",
                "time": row["time"], "eid": "1"}) for row in EVENTS
    ],
    "open sockets": [
        logged({"pid": "4711", "fd": "5", "socket": "99", "family": family, "protocol": protocol,
                "local_address": local, "remote_address": remote, "local_port": local_port,
                "remote_port": port, "path": "",
                "state": "ESTABLISHED", "net_namespace": "4026531840"}, unixTime=AT + 1)
        for family, protocol, local, local_port, remote, port in (
            ("2", "17", CLIENT, "50000", RESOLVER, "53"), ("2", "6", CLIENT, "40000", SERVER, "443"),
            ("10", "6", CLIENT6, "40001", SERVER6, "8443"))
    ],
}  # fmt: skip


def attributed(folder: Path, records: list[Any], name: str = "osqueryd.results.log") -> ReplayedSession:
    log = folder / name
    log.write_text("".join(json.dumps(record) + "\n" for record in records))
    return replay(folder / "s.duckdb", capture(folder), sidecars=(str(log),))


@pytest.mark.parametrize("form", FORMS)
def test_logs_of_osquery_name_every_owner(tmp_path: Path, form: str) -> None:
    session = attributed(tmp_path, FORMS[form])
    assert [pid for pid, *_ in session.verdicts()] == [4711, 4711, 4711]
    assert session.ask("SELECT kind FROM anomalies") == []
    assert not [note for note in session.report.sidecars if "no claim" in note]


@pytest.mark.parametrize("form", [{}, {"local_address": "0"}, {"action": "accept4"}])
def test_accepted_connections_have_owners(tmp_path: Path, form: dict[str, str]) -> None:
    """The kernel's event has the client's end only."""
    row = event(CLIENT, 40_000, action="accept", path="/usr/sbin/nginx", pid="80", status="succeeded") | form
    session = attributed(tmp_path, [logged(row)])
    assert session.ask("SELECT pid, match, reversed FROM claims JOIN processes USING (process_id)") == [
        (80, "accepted", True)
    ]
    assert session.ask("SELECT dst_ip FROM flows WHERE process_id IS NOT NULL") == [(SERVER,)]


def why(session: ReplayedSession) -> str:
    notes = [note for note in session.report.sidecars if "no claim: " in note]
    assert len(notes) == 1
    return notes[0].partition(": ")[2]


def test_the_reasons_are_counted(tmp_path: Path) -> None:
    records = [
        *(logged(event("", 0, remote_address="")) for _ in range(4)),
        *(logged(event(SERVER, 80)) for _ in range(1)),
        *(logged(event(SERVER, 443, time=str(AT + 86_400 * n), remote_port=str(n))) for n in (1, 2, 3)),
        logged(event(SERVER, 443), action="removed"),
        logged(event("", 0, family="1", socket="/run/x")),
        logged(event(SERVER, 443, remote_port="many")),
    ]
    assert why(attributed(tmp_path, records)) == (
        "11 records, no claim: 4 have no remote address with its port, and no local port, "
        "3 are outside of the capture's time, 1 are invalid, 1 are of another kind than connections of IP sockets, "
        "1 have ends that no flow of the capture has, 1 state that a socket is gone"
    )


def test_other_formats_have_reasons_as_well(tmp_path: Path) -> None:
    audit = "".join(
        f'type=SYSCALL msg=audit({AT + 90_000}.000:{n}): arch=c000003e syscall=42 success=yes exit=0 pid=5 comm="x"\n'
        f"type=SOCKADDR msg=audit({AT + 90_000}.000:{n}): saddr=020001BBC6336414\n" for n in range(3)
    )  # fmt: skip
    (tmp_path / "audit.log").write_text(audit)
    session = replay(tmp_path / "s.duckdb", capture(tmp_path), sidecars=(str(tmp_path / "audit.log"),))
    assert [note.partition(": ")[2] for note in session.report.sidecars] == [
        "records 3; claims 1; flows with an owner 0 of 3",
        "3 records, no claim at its flow's time: 3 are outside of the capture's time",
    ]
    session.con.close()
    line = {"protocol": "TCP", "pid": 7, "process_name": "x", "timestamp": "2023-11-14T22:13:20Z"}
    ends = [
        {"local_addr": "192.0.2.10:1", "remote_addr": "203.0.113.1:2"},
        {"local_addr": "0.0.0.0:0", "remote_addr": "*:*"},
    ]
    session = attributed(tmp_path, [line | end for end in ends], "c.jsonl")
    assert "no claim: " in " ".join(session.report.sidecars)


def test_a_log_of_other_events_says_what_it_has(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="of a connection: 5 are of another kind than connections of IP sockets"):
        attributed(tmp_path, [logged(event("", 0, family="1", remote_address="", socket="/run/x"))] * 5)


def test_a_source_with_a_claim_gives_no_reasons(tmp_path: Path) -> None:
    session = attributed(tmp_path, [logged(EVENTS[0]), logged(event("203.0.113.9", 1))])
    assert session.report.sidecars == [
        f"{tmp_path}/osqueryd.results.log: records 2; claims 1; flows with an owner 1 of 3"
    ]


def test_the_summary_shows_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = tmp_path / "events.log"
    log.write_text(json.dumps(logged(event("203.0.113.9", 1))) + "\n")
    assert main(["replay", str(capture(tmp_path)), "--sidecar", str(log)]) == 0
    assert "no claim: 1 have ends that no flow" in capsys.readouterr().out.replace("\n  ", " ")


def test_validate_reads_logs_of_other_formats(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = tmp_path / "events.log"
    records = [
        logged(event("203.0.113.9", 1, time=str(AT + 9000))),
        logged(event("", 0)),
        logged(event("", 0, family="1")),
    ]
    log.write_text("".join(json.dumps(record) + "\n" for record in records))
    assert main(["sidecar", "validate", str(log)]) == 0
    text = capsys.readouterr().out
    assert "format osquery-socket-events; records 2; that can match a flow 1; with a process 1; invalid 0" in text
    assert "records without use: 1 are of another kind" in text
    assert "1 have no remote address with its port" in text
    session = tmp_path / "s.duckdb"
    assert main(["replay", str(capture(tmp_path)), "--db", str(session)]) == 0
    capsys.readouterr()
    assert main(["sidecar", "validate", str(log), "--session", str(session)]) == 0
    assert "no claim: the file's records are outside of the flows' time" in capsys.readouterr().out
    assert main(["sidecar", "validate", str(log), "--session", str(session), "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert (data["source"], data["fit"], data["session"]["claimed_by_file"]) == ("osquery-socket-events", 1, 0)


def test_sysmon_for_linux_in_syslog_names_every_owner(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Three connections among other lines, one event that syslog has cut."""
    ends = (
        ("udp", CLIENT, 50_000, RESOLVER, 53), ("tcp", CLIENT, 40_000, SERVER, 443),
        ("tcp", CLIENT6, 40_001, SERVER6, 8443),
    )  # fmt: skip
    lines = ["Nov 14 22:13:20 box cron[7]: (root) CMD (true)"]
    for protocol, source, source_port, destination, port in ends:
        values = {
            "UtcTime": "2023-11-14 22:13:20.100", "ProcessGuid": "{1}", "ProcessId": 4711, "Image": "/usr/bin/curl",
            "User": "ann", "Protocol": protocol, "Initiated": "true", "SourceIp": source, "SourcePort": source_port,
            "DestinationIp": destination, "DestinationPort": port,
        }  # fmt: skip
        data = "".join(f'<Data Name="{name}">{value}</Data>' for name, value in values.items())
        lines.append(
            'Nov 14 22:13:20 box sysmon: <Event><System><Provider Name="Linux-Sysmon"/><EventID>3</EventID>'
            f"<Computer>box</Computer></System><EventData>{data}</EventData></Event>"
        )
    log = tmp_path / "syslog"
    log.write_text("\n".join([*lines, lines[-1][:300], ""]))
    session = replay(tmp_path / "s.duckdb", capture(tmp_path), sidecars=(str(log),))
    assert [pid for pid, *_ in session.verdicts()] == [4711, 4711, 4711]
    assert session.ask("SELECT DISTINCT source, match, rank FROM claims") == [("sysmon", "tuple", 14)]
    assert main(["sidecar", "validate", str(log)]) != 0
    text = capsys.readouterr().out
    assert "format sysmon; records 3; that can match a flow 3; with a process 3; invalid 1" in text
    assert "an event without its end" in text
