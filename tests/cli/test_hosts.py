"""Names that a capture learns end up on its flows, and its hosts are listed with what is known of them."""

import json
import re
import struct
from pathlib import Path
from typing import Any

import pytest

from tests.support.command_line import Run
from tests.support.conversations import CLIENT, RESOLVER, SERVER, dns_flow
from tests.support.packets import arp_frame, tcp_frame, udp_frame
from tests.support.pcap import pcap
from tests.support.pcapng import epb, idb, nrb, shb

MAC = "02:00:00:00:00:01"
"""The sender's hardware address in every frame that `ethernet` makes."""


def rows(run: Run, session: Path, sql: str) -> list[dict[str, Any]]:
    made = run("query", session, "--sql", sql, "--format", "jsonl")
    assert made.code == 0, made.err
    return [json.loads(line) for line in made.out.splitlines()]


def syn(port: int = 41000, server: str = SERVER) -> list[bytes]:
    a, b = (CLIENT, port), (server, 443)
    return [tcp_frame(a, b, 1, 0, 2), tcp_frame(b, a, 1, 2, 0x14)]


def replayed(run: Run, tmp_path: Path, frames: list[bytes] | bytes, name: str = "x.pcap") -> Path:
    (tmp_path / name).write_bytes(frames if isinstance(frames, bytes) else pcap(frames))
    made = run("replay", tmp_path / name, "--db", tmp_path / "s.duckdb")
    assert made.code == 0, made.err
    return tmp_path / "s.duckdb"


def test_a_connection_that_says_nothing_has_the_name_that_was_looked_up(run: Run, tmp_path: Path) -> None:
    session = replayed(run, tmp_path, dns_flow() + syn())
    age = "epoch_ns(started_at) - epoch_ns(hostname_ts) AS age"
    found = rows(run, session, f"SELECT hostname, hostname_source, {age} FROM flows WHERE protocol = 'tcp'")
    assert found == [{"hostname": "shop.example", "hostname_source": "dns", "age": 1_000_000}]
    assert "shop.example" in run("flows", session, "host:shop.example", "proto:tcp").out
    assert rows(run, session, "SELECT ip, name, source, ttl, client FROM names") == [
        {"ip": SERVER, "name": "shop.example", "source": "dns", "ttl": 60, "client": CLIENT}
    ]


def test_a_connection_before_the_lookup_has_none(run: Run, tmp_path: Path) -> None:
    session = replayed(run, tmp_path, syn() + dns_flow())
    assert rows(run, session, "SELECT hostname FROM flows WHERE protocol = 'tcp'") == [{"hostname": None}]


def test_a_lookup_in_one_file_names_connections_in_the_next(run: Run, tmp_path: Path) -> None:
    replayed(run, tmp_path, dns_flow(), "1.pcap")
    session = replayed(run, tmp_path, [udp_frame((CLIENT, 9), (RESOLVER, 9), b"x")] * 3 + syn(), "2.pcap")
    assert rows(run, session, "SELECT hostname FROM flows WHERE protocol = 'tcp'") == [{"hostname": "shop.example"}]


def labels(name: str) -> bytes:
    return b"".join(bytes([len(p)]) + p.encode() for p in name.split(".")) + b"\0"


def mdns(name: str = "printer.local", ip: str = "10.0.0.9") -> bytes:
    record = labels(name) + struct.pack(">HHIH", 1, 0x8001, 120, 4) + bytes(map(int, ip.split(".")))
    return udp_frame((ip, 5353), ("224.0.0.251", 5353), struct.pack(">HHHHHH", 0, 0x8400, 0, 1, 0, 0) + record)


def dhcp(name: bytes = b"laptop", ip: str = "10.0.0.7") -> bytes:
    head = struct.pack(">BBBBIHH", 1, 1, 6, 0, 77, 0, 0) + bytes(4) * 4 + bytes.fromhex("020000000001") + bytes(202)
    asked = bytes(map(int, ip.split(".")))
    options = b"\x63\x82\x53\x63\x35\x01\x03\x32\x04" + asked + b"\x0c" + bytes([len(name)]) + name + b"\xff"
    return udp_frame(("0.0.0.0", 68), ("255.255.255.255", 67), head + options)


@pytest.mark.parametrize(
    ("frame", "ip", "name", "source"),
    [(mdns(), "10.0.0.9", "printer.local", "mdns"), (dhcp(), "10.0.0.7", "laptop", "dhcp")],
)
@pytest.mark.parametrize("first", [True, False], ids=["heard before", "heard after"])
def test_hosts_name_themselves(
    run: Run, tmp_path: Path, frame: bytes, ip: str, name: str, source: str, first: bool
) -> None:
    talk = syn(server=ip)
    session = replayed(run, tmp_path, [frame, *talk] if first else [*talk, frame])
    sql = "SELECT hostname, hostname_source FROM flows WHERE protocol = 'tcp'"
    assert rows(run, session, sql) == [{"hostname": name, "hostname_source": source}]


def test_name_resolution_blocks_name_too(run: Run, tmp_path: Path) -> None:
    entry = bytes(map(int, SERVER.split("."))) + b"from.the.file\0"
    record = struct.pack("<HH", 1, len(entry)) + entry + bytes(-len(entry) % 4)
    packets = b"".join(epb(frame, 1_000_000 + number) for number, frame in enumerate(syn()))
    made = shb() + idb() + packets + nrb(record)
    session = replayed(run, tmp_path, made, "x.pcapng")
    sql = "SELECT hostname, hostname_source FROM flows"
    assert rows(run, session, sql) == [{"hostname": "from.the.file", "hostname_source": "nrb"}]


def test_hosts_with_their_own_hardware_addresses_only(run: Run, tmp_path: Path) -> None:
    sent = [
        arp_frame("10.0.0.5", "10.0.0.1"),
        mdns(),
        *dns_flow(),
        *syn(),
        tcp_frame((CLIENT, 1), ("10.9.9.9", 2), 1, 0, 2),
    ]
    session = replayed(run, tmp_path, sent)
    made = run("hosts", session, "--format", "jsonl")
    assert made.code == 0, made.err
    found = {row["ip"]: row for row in map(json.loads, made.out.splitlines())}
    assert set(found) == {"10.0.0.5", "10.0.0.9", CLIENT, RESOLVER, SERVER}, "10.9.9.9 never answered"
    assert (found["10.0.0.5"]["mac"], found["10.0.0.5"]["learned_from"]) == (MAC, "arp")
    assert (found["10.0.0.9"]["mac"], found["10.0.0.9"]["learned_from"]) == (MAC, "multicast")
    assert found["10.0.0.9"]["hostname"] == "printer.local"
    for ip in (CLIENT, SERVER):
        assert (found[ip]["mac"], found[ip]["learned_from"], found[ip]["macs"]) == (None, "traffic", 0)
    assert (found[SERVER]["hostname"], found[SERVER]["hostname_source"]) == ("shop.example", "dns")
    assert found[CLIENT]["flows"] == 3
    assert found[CLIENT]["bytes_sent"] > 0
    assert found[CLIENT]["vendor"] is None
    local = run("hosts", session, "--local", "--format", "csv").out.splitlines()
    assert sorted(line.split(",")[0] for line in local[1:]) == ["10.0.0.5", "10.0.0.9"]


def test_hosts_on_a_terminal(run: Run, tmp_path: Path) -> None:
    session = replayed(run, tmp_path, [*dns_flow(), *syn()])
    made = run("hosts", session, tty=True, columns=80)
    assert made.code == 0
    assert all(len(line) <= 90 for line in made.out.splitlines())
    assert "shop.example" in made.out
    short = run("hosts", session, "-n", 1, tty=True)
    assert len(short.out.splitlines()) == 2
    assert "--all" in short.err
    assert "no host has a known hardware address" in run("hosts", session, "--local").err


def tells(run: Run, tmp_path: Path) -> Path:
    """A session with a printer that discloses itself, a router, and a name with an escape sequence."""
    return replayed(run, tmp_path, [
        arp_frame("10.0.0.9", "10.0.0.1"), mdns(), dhcp(b"lap\x1b[31mtop", "10.0.0.7"), *dns_flow(), *syn(),
        tcp_frame(("10.0.0.9", 4000), (SERVER, 443), 1, 0, 2), tcp_frame((SERVER, 443), ("10.0.0.9", 4000), 1, 2, 0x12),
        tcp_frame(("10.0.0.9", 4000), (SERVER, 443), 2, 2, 0x10),
    ])  # fmt: skip


def test_one_host_with_its_facts_and_their_evidence(run: Run, tmp_path: Path) -> None:
    session = tells(run, tmp_path)
    made = run("hosts", session, "10.0.0.9", tty=True, columns=160)
    assert made.code == 0, made.err
    lines = re.sub(r"\x1b\[\d+m", "", made.out).splitlines()
    assert lines[0] == "host 10.0.0.9"
    assert any("printer.local (by mdns)" in line for line in lines)
    assert any(f"{MAC} (by arp)" in line for line in lines)
    assert any(line.split()[:3] == ["mac", MAC, "arp"] and "flow 1, packet 1" in line for line in lines)
    assert any(line.split()[:4] == ["443/tcp", "tls", "(by", "port)"] for line in lines), "services used"
    assert all(len(line) <= 160 for line in lines)
    assert "\x1b[31m" not in run("hosts", session, MAC).out, "captured text is safe to print"


def test_a_host_by_its_hardware_address(run: Run, tmp_path: Path) -> None:
    session = tells(run, tmp_path)
    for text in (MAC, MAC.upper(), MAC.replace(":", "-"), "0200.0000.0001"):
        made = run("hosts", session, text, "--format", "json")
        assert made.code == 0, made.err
        data = json.loads(made.out)
        assert data["address"] == MAC
        assert {"lap\x1b[31mtop", "(locally administered, perhaps random)"} <= {row["value"] for row in data["facts"]}
        assert [row["ip"] for row in data["hosts"]] == ["10.0.0.9"], "that of the others came through it, or may have"


def test_forms_of_one_host(run: Run, tmp_path: Path) -> None:
    session = tells(run, tmp_path)
    data = json.loads(run("hosts", session, "10.0.0.9", "--format", "json").out)
    assert set(data) == {
        "address", "macs", "other_addresses", "hosts", "facts", "names", "offered", "used", "owners", "truncated",
    }  # fmt: skip
    assert data["hosts"][0]["first_seen"].endswith("Z")
    assert [(row["name"], row["source"]) for row in data["names"]] == [("printer.local", "mdns")]
    assert [(row["port"], row["protocol"]) for row in data["used"]] == [(443, "tcp"), (5353, "udp")]
    found = [json.loads(line) for line in run("hosts", session, "10.0.0.9", "--format", "jsonl").out.splitlines()]
    assert {row["fact"] for row in found} == {"mac", "hostname", "vendor", "initial_ttl"}
    offered = json.loads(run("hosts", session, SERVER, "--format", "json").out)["offered"]
    assert [(row["port"], row["peers"]) for row in offered] == [(443, 1)], "a refused connection is no service"
    target = tmp_path / "facts.csv"
    assert run("hosts", session, "10.0.0.9", "-o", target).code == 0
    assert target.read_text("utf-8").startswith("fact,value,source,ip,mac,")


def test_what_is_no_host(run: Run, tmp_path: Path) -> None:
    session = tells(run, tmp_path)
    made = run("hosts", session, "10.0.0.256")
    assert made.code == 2
    assert "neither an address nor a hardware address" in made.err
    made = run("hosts", session, "10.77.0.1")
    assert made.code == 1
    assert "no packet of 10.77.0.1 is in this session" in made.err


def test_devices_without_an_address_are_mentioned(run: Run, tmp_path: Path) -> None:
    assert "device" not in run("hosts", tells(run, tmp_path)).err
    request = dhcp()
    other = request[:14] + request[14:].replace(bytes.fromhex("020000000001"), bytes.fromhex("0200000000ee"))
    session = replayed(run, tmp_path, [arp_frame("10.0.0.9", "10.0.0.1"), other])
    assert "1 device is known by its hardware address only" in run("hosts", session).err, "the client of DHCP"
