"""A real session with rows of every kind that a filter or a saved query looks at, and an empty one."""

import ipaddress
import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from rustnet.dissect.registry import tables
from rustnet.query.session import FileSession
from rustnet.records import columns, table_name
from rustnet.store import session
from rustnet.store.tables import CORE_TABLES, FLOWS_ENDED

SECOND = 10**9
BEGIN = 1_714_557_600 * SECOND
"""2024-05-01T10:00:00Z"""

_REQUIRED = {
    table_name(cls): {c.name: "" if c.sql_type == "VARCHAR" else 0 for c in columns(cls) if not c.nullable}
    for cls in CORE_TABLES
}


def number(ip: str | None) -> str | None:
    if ip is None:
        return None
    address = ipaddress.ip_address(ip)
    return str(int(address) + (0xFFFF << 32 if address.version == 4 else 0))


class Rows:
    """Writes rows into a session."""

    def __init__(self, con: duckdb.DuckDBPyConnection) -> None:
        self.con = con
        self.ids = itertools.count(1)

    def insert(self, table: str, **row: Any) -> None:
        row = {**_REQUIRED.get(table, {}), **row}
        times = ("ts", "started_at", "ended_at", "not_before", "not_after", "first_ts", "last_ts", "ingested_at")
        marks = [
            "make_timestamp_ns(?)" if k in times else "CAST(? AS UHUGEINT)" if k[-4:] == "_num" else "?" for k in row
        ]
        place = FLOWS_ENDED if table == "flows" else table
        self.con.execute(f"INSERT INTO {place}({', '.join(row)}) VALUES ({', '.join(marks)})", list(row.values()))

    def flow(self, src: str | None = "10.0.0.1", dst: str | None = "192.0.2.1", **row: Any) -> int:
        flow_id = next(self.ids)
        began = row.pop("at", flow_id) * SECOND + BEGIN
        lasted = row.pop("lasted", 1.5)
        made = {
            "flow_id": flow_id,
            "capture_id": 1,
            "started_at": began,
            "protocol": "tcp",
            "ended_at": began + int(lasted * SECOND),
            "end_reason": "fin",
            "src_ip": src,
            "dst_ip": dst,
            "src_num": number(src),
            "dst_num": number(dst),
            "src_port": 40_000 + flow_id,
            "dst_port": 443,
            "src_packets": 5,
            "dst_packets": 4,
            "src_bytes": 500,
            "dst_bytes": 4000,
            "first_packet": flow_id,
            **row,
        }
        self.insert("flows", **made)
        return flow_id

    def message(self, table: str, flow_id: int, **row: Any) -> None:
        self.insert(table, capture_id=1, flow_id=flow_id, ts=BEGIN + flow_id * SECOND, packet=flow_id, **row)


def fill(con: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """One flow for each thing to be found, by a short name."""
    rows = Rows(con)
    ids: dict[str, int] = {}
    rows.insert(
        "captures",
        capture_id=1,
        source="x.pcap",
        kind="file",
        format="pcap",
        packets=9,
        wire_bytes=9,
        captured_bytes=9,
        truncated=0,
        undecoded=0,
        out_of_order=0,
        complete=True,
        finished=True,
        rustnet_version="1",
    )
    rows.insert(
        "processes",
        process_id=1,
        host="h",
        pid=4242,
        ppid=1,
        name="firefox",
        exe="/usr/lib/firefox/firefox",
        cmdline="firefox --new-tab 100%",
        uid=1000,
        username="alice",
        container_name="web",
        pod="pod-1",
        namespace="default",
    )
    rows.insert("processes", process_id=2, pid=53, name="systemd-resolved", username="systemd-resolve", uid=101)
    ids["web"] = rows.flow(
        dst_country="DE",
        dst_city="Köln",
        dst_asn=64500,
        dst_as_name="Example Net",
        app="tls",
        app_source="payload",
        service="https",
        hostname="www.example.com",
        hostname_source="sni",
        state="FIN_WAIT2",
        conn_state="SF",
        history="ShADadFf",
        direction="outbound",
        src_mac="00:11:22:33:44:55",
        rtt_ms=20.5,
        handshake_rtt_ms=250.0,
        process_id=1,
        process_source="rustnet-sidecar",
        src_retransmissions=3,
        community_id="1:abc+/=",
        process_contested=True,
        dst_missed_bytes=7,
    )
    rows.message(
        "tls",
        ids["web"],
        sni="www.example.com",
        ja4="t13d1516h2_8daaf6152771_02713d6af862",
        version="TLS 1.2",
        ja3="771,4865",
        subject="CN=www.example.com",
        issuer="CN=Test CA",
        sans=["example.com", "alt.example"],
        not_before=BEGIN,
        not_after=BEGIN + 1,
        cert_sha256="ab" * 32,
        self_signed=False,
        cert_key_type="RSA",
        cert_key_bits=1024,
        cert_signature="sha1WithRSAEncryption",
        cipher="X",
        established=True,
    )
    for process, rank in ((1, 1), (2, 2)):
        rows.insert(
            "claims",
            flow_id=ids["web"],
            process_id=process,
            source="rustnet-sidecar",
            quality="exact-tuple",
            rank=rank,
            distance_ms=0.0,
            reversed=False,
            evidence="x.jsonl:1",
        )
    ids["dns"] = rows.flow(
        "10.0.0.2",
        "10.0.0.53",
        protocol="udp",
        dst_port=53,
        app="dns",
        app_source="payload",
        service="domain",
        state="DNS_RESPONSE",
        process_id=2,
        lasted=0.01,
        src_bytes=80,
        dst_bytes=120,
        src_packets=1,
        dst_packets=1,
    )
    rows.message("dns", ids["dns"], query="bad.example.net", qtype="A", response=False, transport="dns", txid=7)
    rows.message(
        "dns",
        ids["dns"],
        query="bad.example.net",
        qtype="A",
        response=True,
        transport="dns",
        txid=7,
        rcode="NXDOMAIN",
        rtt_ms=150.0,
        answer_ms=150.0,
        answers=["10.9.9.9"],
    )
    rows.message("dns", ids["dns"], query="lost.example.net", qtype="AAAA", response=False, transport="dns", txid=8,
                 unanswered_ms=0.0)  # fmt: skip
    ids["http6"] = rows.flow(
        "2001:db8::1",
        "2001:db8:ffff::80",
        dst_port=8080,
        app="http",
        app_source="payload",
        service="ssh",
        hostname="intranet",
        vlan_id=100,
        unowned_reason="no_claim",
        lasted=120,
        src_bytes=20_000_000,
    )
    rows.message("http", ids["http6"], method="GET", host="Intranet", uri="/admin?x=1", user_agent="curl/8", status=404)
    ids["ssh"] = rows.flow(
        "192.0.2.9",
        "10.0.0.1",
        dst_port=22,
        app="ssh",
        app_source="payload",
        service="ssh",
        direction="inbound",
        unowned_reason="outside_window",
    )
    rows.message(
        "ssh",
        ids["ssh"],
        server_software="OpenSSH_9.2",
        client_software="libssh",
        hassh="ec7378c1a92f5a8d",
        hassh_server="b12d2871a1189eff",
        kex="curve25519-sha256",
        established=True,
    )
    ids["arp"] = rows.flow(
        "10.0.0.7",
        "10.0.0.8",
        protocol="arp",
        src_port=None,
        dst_port=None,
        state="ARP_REQUEST",
        dst_packets=0,
        dst_bytes=0,
    )
    ids["lldp"] = rows.flow(
        None,
        None,
        protocol="lldp",
        src_port=None,
        dst_port=None,
        direction="multicast",
        dst_packets=0,
        dst_bytes=0,
        src_mac="aa:bb:cc:dd:ee:ff",
    )
    ids["ping"] = rows.flow(
        "10.0.0.1",
        "198.51.100.7",
        protocol="icmp",
        src_port=None,
        dst_port=None,
        icmp_type=8,
        tunnel="vxlan",
        capture_id=2,
    )
    scanned = [
        rows.flow(
            "203.0.113.5",
            "10.0.0.1",
            dst_port=port,
            conn_state="REJ" if port % 2 else "S0",
            src_flags=2,
            dst_flags=20 * (port % 2),
            end_reason="rst",
            dst_packets=port % 2,
            dst_bytes=0,
            direction="inbound",
            at=100,
        )
        for port in range(1000, 1030)
    ]
    ids["scan"] = scanned[0]
    for i in range(10):
        rows.insert(
            "packets",
            capture_id=1,
            number=i + 1,
            ts=BEGIN + i * SECOND // 2,
            flow_id=ids["web"],
            from_src=True,
            length=100,
            captured=100,
            payload=50,
            tcp_flags=2 if i == 0 else 16,
            file_offset=40 + i * 116,
            interface=0,
        )
    rows.insert("names", capture_id=1, ip="198.51.100.7", name="pinged.example.org", source="dns", ts=BEGIN, ttl=60)
    rows.insert(
        "anomalies", ts=BEGIN, capture_id=1, packet=3, flow_id=ids["ssh"], kind="malformed_ssh", detail="x", count=2
    )
    return ids


@pytest.fixture(scope="session")
def session_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("session") / "full.duckdb"


@pytest.fixture(scope="session")
def ids(session_path: Path) -> dict[str, int]:
    con = session.create_or_open(session_path, tables())
    made = fill(con)
    con.close()
    return made


@pytest.fixture(scope="session")
def con(session_path: Path, ids: dict[str, int]) -> Iterator[FileSession]:
    con = FileSession(session_path)
    yield con
    con.close()


@pytest.fixture(scope="session")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FileSession]:
    path = tmp_path_factory.mktemp("session") / "empty.duckdb"
    session.create_or_open(path, tables()).close()
    con = FileSession(path)
    yield con
    con.close()


@pytest.fixture
def scratch(tmp_path: Path) -> Iterator[Callable[..., duckdb.DuckDBPyConnection]]:
    """Makes sessions with other tables, for writing."""
    made: list[duckdb.DuckDBPyConnection] = []

    def make(*records: type) -> duckdb.DuckDBPyConnection:
        made.append(session.create_or_open(tmp_path / f"{len(made)}.duckdb", records))
        return made[-1]

    yield make
    for con in made:
        session.close(con)
