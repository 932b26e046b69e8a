"""A recording from end to end: real programs in namespaces, tcpdump and the recorder beside them, then a replay."""

import json
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pytest

from rustnet.attribute.validate import validate
from rustnet.cli.main import main
from tests.sidecar.namespaces import HERE, THERE, THERE6, Hosts, missing, recording, two_hosts

pytestmark = pytest.mark.root

SHORT, AT_ONCE = 200, 4

WEB = """
import http.server, socket, sys, time

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        pieces, pause = (40, 0.05) if self.path == "/slow" else (1, 0.004)
        self.send_response(200)
        self.send_header("Content-Length", str(100 * pieces))
        self.end_headers()
        for _ in range(pieces):
            time.sleep(pause)
            self.wfile.write(b"x" * 100)
    def log_message(self, *words):
        pass

class Server(http.server.ThreadingHTTPServer):
    address_family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
    request_queue_size = 128

server = Server((sys.argv[1], 80), Handler)
print("ready", flush=True)
server.serve_forever()
"""
ECHO = """
import socket
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("0.0.0.0", 7))
print("ready", flush=True)
while True:
    data, who = server.recvfrom(2000)
    server.sendto(data, who)
"""
ASK = """
import socket, sys, time
client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
if sys.argv[2] == "connected":
    client.connect((sys.argv[1], 7))
for _ in range(int(sys.argv[3])):
    client.send(b"hello") if sys.argv[2] == "connected" else client.sendto(b"hello", (sys.argv[1], 7))
    client.recv(100)
    time.sleep(0.1)
print(client.getsockname()[1], flush=True)
"""


@pytest.fixture
def hosts() -> Iterator[Hosts]:
    why = missing()
    if why:
        pytest.skip(why)
    with two_hosts() as made:
        yield made


@dataclass
class Replayed:
    """Flows of the session with their owners, and the sidecar's records."""

    flows: list[dict[str, Any]]
    records: list[dict[str, Any]]

    def __init__(self, capture: Path) -> None:
        session = capture.with_suffix(".duckdb")
        assert main(["replay", str(capture), "--db", str(session), "--no-tui", "--json"]) == 0
        with duckdb.connect(str(session), read_only=True) as con:
            found = con.execute(
                """SELECT f.protocol, src_ip, src_port, dst_ip, dst_port, p.pid, p.name, p.cmdline, unowned_reason,
                (SELECT any_value(uri) FROM http h WHERE h.flow_id = f.flow_id) AS uri,
                epoch_ns(f.ended_at) - epoch_ns(f.started_at) AS ns
                FROM flows f LEFT JOIN processes p USING (process_id)"""
            )
            names = [column[0] for column in found.description]
            self.flows = [dict(zip(names, row, strict=True)) for row in found.fetchall()]
        sidecar = capture.with_name(capture.name + ".connections.jsonl")
        assert validate(sidecar).broken == 0
        self.records = [json.loads(line) for line in sidecar.read_text("utf-8").splitlines()]

    def by_port(self, port: int) -> list[dict[str, Any]]:
        return [flow for flow in self.flows if flow["src_port"] == port]


def curl(hosts: Hosts, where: str, url: str, *options: str) -> subprocess.Popen[str]:
    """Start curl, which prints its local port and how long it took."""
    words = ["curl", "-sS", "-g", "-o", "/dev/null", "-w", "%{local_port} %{time_total}\n", *options, url]
    return hosts.start(where, *words, stdout=subprocess.PIPE, text=True)


def test_flows_longer_than_a_second_have_their_owner(hosts: Hosts, tmp_path: Path, capsys: Any) -> None:
    servers = {HERE: hosts.python(hosts.here, WEB, HERE), THERE: hosts.python(hosts.there, WEB, THERE)}
    hosts.python(hosts.there, WEB, THERE6)
    hosts.python(hosts.there, ECHO)
    echo = hosts.python(hosts.here, ECHO)
    right: dict[int, int] = {}
    with recording(hosts, tmp_path) as capture:
        out = [curl(hosts, hosts.here, f"http://{THERE}/slow"), curl(hosts, hosts.here, f"http://[{THERE6}]/slow")]
        into = [curl(hosts, hosts.there, f"http://{HERE}/slow")]
        asked = [
            hosts.start(hosts.here, sys.executable, "-c", ASK, THERE, how, "14", stdout=subprocess.PIPE, text=True)
            for how in ("connected", "unconnected")
        ]
        answered = hosts.start(
            hosts.there, sys.executable, "-c", ASK, HERE, "connected", "14", stdout=subprocess.PIPE, text=True
        )
        for programs, owner in ((out + asked, None), (into, servers[HERE]), ([answered], echo)):
            for program in programs:
                said = program.communicate(timeout=20)[0]
                assert program.returncode == 0
                right[int(said.split()[0])] = (owner or program).pid
    seen = Replayed(capture)
    long = [flow for flow in seen.flows if flow["ns"] > 1_000_000_000 and flow["protocol"] in {"tcp", "udp"}]
    assert {flow["src_port"] for flow in long} == set(right)
    wrong = [flow for flow in long if flow["pid"] != right[flow["src_port"]]]
    assert not wrong


def test_share_of_short_connections_with_an_owner(hosts: Hosts, tmp_path: Path, capsys: Any) -> None:
    hosts.python(hosts.there, WEB, THERE)
    hosts.python(hosts.here, WEB, HERE)
    right: dict[str, int] = {}  # by what was asked for: the kernel gives a port again after a second
    with recording(hosts, tmp_path) as capture:
        waiting: list[subprocess.Popen[str]] = []
        for number in range(SHORT):
            waiting.append(curl(hosts, hosts.here, f"http://{THERE}/{number}"))
            right[f"/{number}"] = waiting[-1].pid
            if len(waiting) >= AT_ONCE or number == SHORT - 1:
                for program in waiting:
                    program.communicate(timeout=20)
                    assert program.returncode == 0
                waiting = []
    seen = Replayed(capture)
    flows = [flow for flow in seen.flows if flow["dst_ip"] == THERE and flow["dst_port"] == 80]
    assert len(flows) == SHORT
    owned = [flow for flow in flows if flow["pid"] is not None]
    assert [flow for flow in owned if flow["pid"] != right[flow["uri"]]] == []
    told = {record["local_addr"]: record.get("unowned_because") for record in seen.records}
    why = Counter(told.get(f"{HERE}:{flow['src_port']}", "no-record") for flow in flows if flow["pid"] is None)
    middle = sorted(flow["ns"] for flow in flows)[SHORT // 2] / 1e6
    end = next(record for record in seen.records if record.get("record") == "end")
    with capsys.disabled():
        print(  # noqa: T201 -- the figure is the point
            f"\n{len(owned)} of {SHORT} connections of {middle:.1f} ms (median, of as many curls) "
            f"have their owner: {len(owned) / SHORT:.1%}; without one, by reason: {dict(why) or 'none'}; "
            f"a search by packet: {end['owned_by_packet']}"
        )
    assert len(owned) >= SHORT // 2


NAT = """
table ip nat {
    chain out { type nat hook output priority -100; ip daddr 10.96.0.1 dnat to 10.93.0.2; }
    chain post { type nat hook postrouting priority 100; ip daddr 10.93.0.2 tcp dport 80 masquerade random; }
}
"""


def test_translated_connections_have_their_owner(hosts: Hosts, tmp_path: Path) -> None:
    """The socket knows a service address, the wire another one and another port: the capture holds the wire's."""
    if shutil.which("nft") is None:
        pytest.skip("needs nft")
    hosts.python(hosts.there, WEB, THERE)
    rules = hosts.start(hosts.here, "nft", "-f", "-", stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    said = rules.communicate(NAT, timeout=10)[1]
    if rules.returncode:
        pytest.skip(f"no translation of addresses here: {said.strip()}")
    hosts.run(hosts.here, "ip", "route", "add", "10.96.0.1", "via", THERE)
    assert curl(hosts, hosts.here, f"http://{THERE}/0").wait(20) == 0  # from now on connections are tracked
    with recording(hosts, tmp_path) as capture:
        short, slow = (curl(hosts, hosts.here, f"http://10.96.0.1/{path}") for path in ("1", "slow"))
        for program in (short, slow):
            assert program.wait(20) == 0
    seen = Replayed(capture)
    flows = [flow for flow in seen.flows if flow["protocol"] == "tcp"]
    assert {(flow["src_ip"], flow["dst_ip"]) for flow in flows} == {(HERE, THERE)}
    assert {flow["pid"] for flow in flows} == {short.pid, slow.pid}
    lines = [record for record in seen.records if record["remote_addr"] == "10.96.0.1:80"]
    assert {record["nat_remote_addr"] for record in lines} == {f"{THERE}:80"}
