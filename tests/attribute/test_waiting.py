"""Sockets that wait for anybody, and time that grows with the input."""

import ipaddress
from pathlib import Path
from typing import Any

import pytest

from rustnet.attribute.match import Sidecar, attribute
from tests.attribute.conftest import Session
from tests.support.effort import assert_linear

SOURCE = "rustnet-sidecar"
OWNED = (100, SOURCE, False, None)
S = 1_000_000_000
T0 = 1_780_000_000 * S


def store_many(session: Any, count: int, hot: bool) -> Path:
    """``count`` flows and as many records, one second each: of their own tuples, or all of one."""
    base = int(ipaddress.ip_address("::ffff:10.0.0.0"))
    source = base if hot else f"{base}::UHUGEINT + i // 50000"
    session.ask(
        f"""INSERT INTO flows_ended
            (flow_id, capture_id, protocol, src_num, src_port, dst_num, dst_port, started_at, ended_at)
        SELECT i + 1, 1, 'tcp', {source}, {1024 if hot else "1024 + i % 50000"}, {base + 255}, 443,
            make_timestamp_ns({T0} + i * {S}), make_timestamp_ns({T0} + i * {S} + {S // 2})
        FROM range({count}) t(i)"""
    )
    path: Path = session.folder / "many.connections.jsonl"
    with path.open("w") as file:
        for i in range(count):
            at = f'"first_seen":{{"secs_since_epoch":{T0 // S + i},"nanos_since_epoch":0}},"last_seen":{T0 // S + i}.5'
            local = "10.0.0.0:1024" if hot else f"10.0.{i // 50000 // 256}.{i // 50000 % 256}:{1024 + i % 50000}"
            file.write(
                f'{{"protocol":"TCP","local_addr":"{local}","remote_addr":"10.0.0.255:443",{at},"pid":{i % 9}}}\n'
            )
    return path


@pytest.mark.parametrize("hot", [False, True])
def test_time_is_linear_in_the_input(tmp_path: Path, hot: bool) -> None:
    """Time by the square of 60,000 would be many minutes here."""

    def own(count: int) -> None:
        with Session(tmp_path) as session:
            path = store_many(session, count, hot)
            report = attribute(session.con, 1, [path], slack=0)
            assert (report.owned, report.contested, report.crowded) == (count, 0, 0)
            assert session.ask(
                "SELECT count(*) FROM flows JOIN processes USING (process_id) WHERE pid <> (flow_id - 1) % 9"
            ) == [(0,)]

    assert_linear(own, 15_000)


def waiting(record: Any, local: str, remote: str, match: Any = "listener-socket", **more: Any) -> dict[str, Any]:
    """A line of the recorder on a socket that waits for anybody."""
    made: dict[str, Any] = record(local, remote, attribution_match=match, recorder="rustnet-record/1", **more)
    return made


@pytest.mark.parametrize(
    ("local", "remote", "protocol", "more", "owned"),
    [
        ("0.0.0.0:80", "0.0.0.0:0", "TCP", {}, {"in", "near"}),
        ("[::]:80", "[::]:0", "TCP", {}, {"in", "near", "in6"}),
        ("[::]:80", "[::]:0", "TCP", {"ipv6_only": False}, {"in", "near", "in6"}),
        ("[::]:80", "[::]:0", "TCP", {"ipv6_only": True}, {"in6"}),
        ("10.0.0.1:80", "0.0.0.0:0", "TCP", {}, {"in"}),
        ("0.0.0.0:123", "0.0.0.0:0", "UDP", {"match": "wildcard-local-address"}, {"ntp"}),
        ("10.0.0.1:123", "0.0.0.0:0", "UDP", {"match": "wildcard-remote-address"}, {"ntp"}),
        ("0.0.0.0:0", "0.0.0.0:0", "ICMP", {"match": "wildcard-local-address", "ip_protocol": 1}, {"echo"}),
        ("[::]:0", "[::]:0", "ICMP", {"match": "wildcard-local-address", "ip_protocol": 58}, {"echo6"}),
        ("0.0.0.0:0", "0.0.0.0:0", "ICMP", {"match": "wildcard-local-address", "icmp_id": 7}, {"echo"}),
        ("0.0.0.0:0", "0.0.0.0:0", "ICMP", {"match": "wildcard-local-address", "icmp_id": 8}, set()),
        ("0.0.0.0:0", "0.0.0.0:0", "RAW", {"match": "wildcard-local-address", "ip_protocol": 89}, {"ospf"}),
        ("0.0.0.0:0", "0.0.0.0:0", "RAW", {"match": "wildcard-local-address", "ip_protocol": 6}, set()),
        ("0.0.0.0:0", "0.0.0.0:0", "RAW", {"match": "wildcard-local-address", "ip_protocol": 255}, set()),
        ("0.0.0.0:0", "0.0.0.0:0", "RAW", {"match": "wildcard-local-address"}, set()),
    ],
)
def test_unconnected_sockets(
    session: Any, record: Any, local: str, remote: str, protocol: str, more: dict[str, Any], owned: set[str]
) -> None:
    flows = {
        "in": session.flow("9.9.9.9:80", "10.0.0.1:80"),
        "near": session.flow("10.0.0.9:80", "10.0.0.2:80"),
        "out": session.flow("10.0.0.1:5000", "9.9.9.9:81"),
        "in6": session.flow("[2001:db8::9]:5", "[2001:db8::1]:80"),
        "ntp": session.flow("10.0.0.1:123", "9.9.9.9:123", protocol="udp"),
        "echo": session.flow("10.0.0.1:0", "9.9.9.9:0", protocol="icmp"),
        "error": session.flow("9.9.9.9:0", "10.0.0.1:0", protocol="icmp"),
        "echo6": session.flow("[2001:db8::1]:0", "[2001:db8::9]:0", protocol="icmpv6"),
        "ospf": session.flow("10.0.0.1:0", "224.0.0.5:0", protocol="ospf"),
    }
    session.ask("UPDATE flows_ended SET icmp_id = 7 WHERE flow_id IN (?, ?)", flows["echo"], flows["echo6"])
    session.ask("UPDATE flows_ended SET src_flags = 2, dst_flags = 18 WHERE protocol = 'tcp'")
    report = session.attribute(waiting(record, local, remote, protocol=protocol, host="h", **more), record("1.1.1.1:1"))
    assert {name for name, flow in flows.items() if session.verdict(flow) == OWNED} == owned
    assert (report.bad_records, report.claims) == (0, len(owned))
    assert report.unsupported == (protocol == "RAW" and not owned)
    assert session.ask("SELECT count(*) FROM anomalies") == [(0,)]


def test_a_sidecar_of_unsupported_lines_only(session: Any, record: Any) -> None:
    flow = session.flow()
    report = session.attribute(record("0.0.0.0:0", "0.0.0.0:0", protocol="RAW"))
    assert (report.sidecars, report.records, report.unsupported, report.unreadable) == (1, 1, 1, [])
    assert session.verdict(flow)[3] == "no_claim"


def test_a_listener_does_not_own_connections_to_other_hosts(session: Any, record: Any) -> None:
    """Once the host's own addresses are known, its listener is only held against them."""
    mine = session.flow("9.9.9.9:5000", "10.0.0.1:22")
    other = session.flow("10.0.0.1:5000", "9.9.9.9:22")
    passing = session.flow("8.8.8.8:5000", "9.9.9.9:22")
    six = session.flow("[2001:db8::9]:5000", "[2001:db8::1]:22")
    session.attribute(
        waiting(record, "[::]:22", "[::]:0", host="h"),
        waiting(record, "0.0.0.0:22", "0.0.0.0:0", host="elsewhere", begin=900, end=901, pid=7),
        record("10.0.0.1:5001", "9.9.9.9:443", host="h"),
    )
    assert [session.verdict(flow)[0] for flow in (mine, other, passing, six)] == [100, None, None, 100]


def test_a_listener_accepts_and_does_not_connect(session: Any, record: Any) -> None:
    out, unclear = session.flow("10.0.0.1:22", "9.9.9.9:5"), session.flow("10.0.0.1:22", "9.9.9.9:6")
    session.ask("UPDATE flows_ended SET src_flags = 2, dst_flags = 18 WHERE flow_id = ?", out)
    session.attribute(waiting(record, "10.0.0.1:22", "0.0.0.0:0"))
    assert session.verdict(out)[3] == "no_claim"
    assert session.verdict(unclear) == OWNED


def test_a_listener_is_no_match_for_a_tuple(session: Any, record: Any) -> None:
    flow, unknown, shared = (session.flow(f"9.9.9.9:{port}", "10.0.0.1:80") for port in (1, 2, 3))
    session.attribute(
        record("10.0.0.1:80", "9.9.9.9:1", pid=8),
        record("10.0.0.1:80", "9.9.9.9:2", pid=None, name=None, attribution_match=...),
        waiting(record, "0.0.0.0:80", "0.0.0.0:0", pid=9, end=2.9),
    )
    assert session.verdict(flow) == (8, SOURCE, False, None)
    assert session.verdict(unknown)[0] == 9
    session.attribute(waiting(record, "0.0.0.0:80", "0.0.0.0:0", pid=10, end=2.9))
    assert session.verdict(shared) == (None, None, True, "contested")


def test_a_listener_without_a_process_is_ownerless(session: Any, record: Any) -> None:
    flow = session.flow("9.9.9.9:1", "10.0.0.1:80")
    session.attribute(waiting(record, "0.0.0.0:80", "0.0.0.0:0", match=..., pid=None, name=None))
    assert session.verdict(flow) == (None, None, None, "ownerless")


def test_hosts_of_lines_distinguish_processes(session: Any, record: Any) -> None:
    session.flow()
    session.flow("10.0.0.2:1")
    path = session.sidecar(record(host="ws1"), record("10.0.0.2:1", host="ws2"), record("10.0.0.3:1"))
    assert attribute(session.con, 1, [Sidecar(path, "told")]).processes == 3
    assert session.ask("SELECT host FROM processes ORDER BY 1") == [("told",), ("ws1",), ("ws2",)]
    assert attribute(session.con, 1, [Sidecar(path, "told")]).processes == 0


def test_fragments_have_the_owner_of_their_datagram(session: Any, record: Any) -> None:
    inner = session.flow("10.0.0.1:5", "9.9.9.9:53", protocol="udp")
    carrier = session.flow("9.9.9.9:0", "10.0.0.1:0", begin=1, end=1, protocol="udp")
    session.ask("UPDATE flows_ended SET src_port = NULL, dst_port = NULL WHERE flow_id = ?", carrier)
    session.ask("UPDATE flows_ended SET tunnel = 'fragments', outer_flow_id = ? WHERE flow_id = ?", carrier, inner)
    session.attribute(record("10.0.0.1:5", "9.9.9.9:53", protocol="UDP"))
    assert session.verdict(carrier) == OWNED
    assert session.ask("SELECT flow_id, match, reversed, rank FROM claims ORDER BY 1") == [
        (inner, "tuple", False, 20), (carrier, "fragments", True, 20),
    ]  # fmt: skip


@pytest.mark.parametrize(("protocol", "kind", "reason"), [
    ("icmp", 3, "not_attributable"), ("icmp", 8, "no_claim"), ("icmpv6", 135, "not_attributable"),
    ("icmpv6", 128, "no_claim"), ("icmp", None, "no_claim"),
])  # fmt: skip
def test_icmp_of_kernels(session: Any, record: Any, protocol: str, kind: int | None, reason: str) -> None:
    flow = session.flow("10.0.0.7:0", "9.9.9.9:0", protocol=protocol)
    session.ask("UPDATE flows_ended SET icmp_type = ?", kind)
    session.attribute(record())
    assert session.verdict(flow)[3] == reason


@pytest.mark.parametrize("kind", ["port", "echo", "hosts", "raw"])
def test_time_is_linear_in_the_unconnected_sockets(tmp_path: Path, record: Any, kind: str) -> None:
    """Every socket may take every flow here; 20,000 times 20,000 would be many minutes."""

    def own(count: int) -> None:
        with Session(tmp_path) as session:
            store_many(session, count, hot=True)
            if kind in {"echo", "raw"}:
                session.ask("UPDATE flows_ended SET protocol = 'icmp', icmp_id = 7, src_port = NULL, dst_port = NULL")
            lines = [line(i) for i in range(count)]
            report = session.attribute(*lines, slack=0)
            assert report.owned == (0 if kind == "echo" else count)

    def line(i: int) -> dict[str, Any]:
        local = f"10.{i >> 8 & 255}.{i & 255}.1:0" if kind == "echo" else "0.0.0.0:0"
        host, port = f"h{i}" if kind == "hosts" else "h", local if kind in {"echo", "raw"} else "0.0.0.0:443"
        given = {"icmp_id": 7} if kind == "echo" else {}
        return waiting(record, port, "0.0.0.0:0", protocol="ICMP" if kind in {"echo", "raw"} else "TCP", host=host,
                       pid=i, begin=i, end=i + 0.2, **given)  # fmt: skip

    assert_linear(own, 5_000)
