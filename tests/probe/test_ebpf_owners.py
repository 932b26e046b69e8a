"""Owners from eBPF, of real programs in network namespaces: every one is right, however short it lived."""

import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from rustnet.attribute.validate import validate
from tests.probe.recording_owners import CONNECT, SERVE, lines, numbers, owners, python, recorded, used
from tests.sidecar.namespaces import HERE, THERE, THERE6, Hosts

pytestmark = pytest.mark.root
SHORT, AT_ONCE = 500, 4


@pytest.mark.parametrize("method", ["ebpf", "sock_diag"])
def test_connections_of_two_milliseconds(
    hosts: Hosts, method: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    port = 8001 + (method == "ebpf")
    out = tmp_path / "x.jsonl"
    server = python(hosts, SERVE, "127.0.0.1", port, AT_ONCE)
    connected = []
    with recorded(hosts, method, out):
        clients = [python(hosts, CONNECT, "127.0.0.1", port, SHORT // AT_ONCE) for _ in range(AT_ONCE)]
        for client in clients:
            connected += used(client, SHORT // AT_ONCE)
        accepted = used(server, SHORT)
        server.kill()
    named = owners(out)
    right = {
        name: sum(named.get(ends) == {pid for same, pid in uses if same == ends} for ends, _pid in uses)  # ports recur
        for name, uses in (("connecting", connected), ("accepting", accepted))
    }
    with capsys.disabled():
        print(f"\n{method}: of {SHORT} connections of 2 ms, right owner of the end that is {right}")
    assert len({pid for _ends, pid in accepted}) == AT_ONCE
    end = numbers(out)
    assert method in end["methods"]
    assert validate(out).broken == 0
    if method == "ebpf":
        assert right == {"connecting": SHORT, "accepting": SHORT}
        assert (end["events_lost"], end["unowned"]) == (0, 0)


def test_processes_of_one_connection_each(hosts: Hosts, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Shells that connect, ask, are answered and end: if gone before /proc is read, name and program remain."""
    python(hosts, SERVE, "127.0.0.1", 8010, 2)
    spawn = """
import os, subprocess
print("ready", flush=True)
for _ in range(100):
    shell = subprocess.Popen(["/bin/bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/8010; printf x >&3; read -n 1 -u 3"])
    shell.wait()
    os.write(1, b"%d\\n" % shell.pid)
"""
    out = tmp_path / "x.jsonl"
    with recorded(hosts, "ebpf", out):
        program = python(hosts, spawn)
        assert program.stdout is not None
        pids = {int(program.stdout.readline()) for _ in range(100)}
    described = {line["pid"]: line for line in lines(out) if line["remote_addr"] == "127.0.0.1:8010" and line["pid"]}
    assert set(described) == pids
    assert {line["process_name"] for line in described.values()} == {"bash"}
    assert {Path(line["process_executable"]).name for line in described.values()} == {"bash"}
    gone = sum("process_from" in line for line in described.values())
    with capsys.disabled():
        print(f"\n{gone} of 100 shells had ended before /proc was read")


RECEIVE = """
import os, socket, sys
family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
server = socket.socket(family, socket.SOCK_DGRAM)
server.bind((sys.argv[1], int(sys.argv[2])))
print("ready", flush=True)
while True:
    data, who = server.recvfrom(100)
    if sys.argv[3] == "answers":
        server.sendto(data, who)
"""
SEND = """
import os, socket, sys
family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
print("ready", flush=True)
client = socket.socket(family, socket.SOCK_DGRAM)
if sys.argv[3] == "connected":
    client.connect((sys.argv[1], int(sys.argv[2])))
    client.send(b"x")
else:
    client.sendto(b"x", (sys.argv[1], int(sys.argv[2])))
print(os.getpid(), client.getsockname()[1], sys.argv[2], flush=True)
"""


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_datagrams_have_sender_and_receiver(hosts: Hosts, address: str, tmp_path: Path) -> None:
    out = tmp_path / "x.jsonl"
    sent: dict[tuple[int, int], int] = {}
    with recorded(hosts, "ebpf", out):
        servers = {
            port: python(hosts, RECEIVE, bound, port, what)
            for port, bound, what in (
                (5301, address, "answers"), (5302, "::" if ":" in address else "0.0.0.0", "answers"),
                (5303, address, "listens"),
            )
        }  # fmt: skip
        for port in servers:
            for how in ("connected", "unconnected"):
                sent.update(used(python(hosts, SEND, address, port, how), 1))
        for server in servers.values():
            server.kill()
    named = owners(out, "UDP")
    assert {ends: named.get(ends) for ends in sent} == {ends: {pid} for ends, pid in sent.items()}
    answered = {(remote, local) for local, remote in sent if remote != 5303}
    assert {ends: named.get(ends) for ends in answered} == {ends: {servers[ends[0]].pid} for ends in answered}
    assert {named.get((port, 0), {servers[port].pid}).pop() for port in servers} == {
        one.pid for one in servers.values()
    }
    listening = [line for line in lines(out) if line["local_addr"].endswith(":5303")]
    assert {line["pid"] for line in listening} == {servers[5303].pid}
    assert listening[-1]["attribution_match"] == "ebpf"
    assert numbers(out)["unowned"] == 0


def test_a_socket_is_one_entry_of_table_and_events(hosts: Hosts, tmp_path: Path) -> None:
    """What the kernel's table says of a socket completes what events said of it, of every family."""
    talk = """
import socket, sys, time
server = socket.create_server(("::", 8020), family=socket.AF_INET6, dualstack_ipv6=True)
clients = [socket.create_connection((where, 8020)) for where in ("127.0.0.1", "::1")]
accepted = [server.accept()[0] for _ in clients]
datagrams = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
datagrams.bind(("::", 8021))
mapped = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
mapped.connect(("::ffff:127.0.0.1", 8021))
four = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
four.connect(("127.0.0.1", 8021))
for one in (*clients, *accepted, mapped, four):
    one.send(b"x")
for _ in range(2):
    datagrams.recv(1)
for one in accepted:
    one.recv(1)
print("ready", flush=True)
time.sleep(60)
"""
    out = tmp_path / "x.jsonl"
    with recorded(hosts, "ebpf", out):
        program = python(hosts, talk)
        time.sleep(1.2)
    last = {}
    for line in lines(out):
        if line["pid"] == program.pid:
            last[line["protocol"], line["local_addr"], line["remote_addr"], line["first_seen"]["nanos_since_epoch"]] = (
                line
            )
    ends = [key[:3] for key in last]
    assert len(ends) == len(set(ends)) == 8, sorted(ends)
    program.kill()
    for line in last.values():
        assert line["attribution_match"] == "ebpf"
        assert line["socket_inode"], line
        assert line["socket_owners"] == 1


def test_a_name_and_a_program_of_a_process_are_each_their_own_claim(hosts: Hosts, tmp_path: Path) -> None:
    change = """
import ctypes, os, socket, sys, time
print("ready", flush=True)
one = socket.create_connection((sys.argv[1], 8030))
def name(new):
    ctypes.CDLL(None).prctl(15, new, 0, 0, 0)
    time.sleep(1.1)
datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
datagrams.connect((sys.argv[1], 8031))
datagrams.send(b"x")
name(b"renamed")
datagrams.send(b"x")
one.set_inheritable(True)
os.execv("/bin/bash", ["/bin/bash", "-c", f"printf x >&{one.fileno()}; sleep 0.3"])
"""
    out = tmp_path / "x.jsonl"
    with recorded(hosts, "ebpf", out):
        server = hosts.python(hosts.there, SERVE, THERE, "8030", "1")
        datagrams = hosts.python(hosts.there, RECEIVE, THERE, "8031", "listens")
        program = python(hosts, change, THERE)
        program.wait(20)
        server.kill()
        datagrams.kill()
    mine = [line for line in lines(out) if line["pid"] == program.pid]
    names = {(line["remote_addr"].rpartition(":")[2], line["process_name"]) for line in mine}
    assert names == {("8030", "python"), ("8030", "bash"), ("8031", "python"), ("8031", "renamed")} or names == {
        ("8030", "python3"), ("8030", "bash"), ("8031", "python3"), ("8031", "renamed")
    }  # fmt: skip


def about(out: Path, port: str) -> list[dict[str, Any]]:
    """Lines about a port: other tests' namespaces are on this machine too."""
    return [line for line in lines(out) if line["local_addr"].endswith(port) or line["remote_addr"].endswith(port)]


def test_another_namespace_is_named_and_its_loopback_is_not_ours(hosts: Hosts, tmp_path: Path) -> None:
    out = tmp_path / "x.jsonl"
    with recorded(hosts, "ebpf", out):
        mine = python(hosts, SERVE, HERE, 8040, 1)
        strange = hosts.python(hosts.there, SERVE, "127.0.0.1", "8041", "1")
        to_here = hosts.python(hosts.there, CONNECT, HERE, "8040", "1")
        inside = hosts.python(hosts.there, CONNECT, "127.0.0.1", "8041", "1")
        theirs = used(to_here, 1)
        used(inside, 1)
        for one in (mine, strange):
            one.kill()
    named = owners(out)
    ((ends, pid),) = theirs
    assert named[ends] == {pid}
    assert named[ends[1], ends[0]] == {mine.pid}
    elsewhere = [line for line in about(out, ":8040") if "network_namespace" in line]
    assert {(line["pid"], line["attribution_match"]) for line in elsewhere} == {(to_here.pid, "ebpf-other-namespace")}
    assert not about(out, ":8041")


def test_echo_requests_have_their_sender(hosts: Hosts, tmp_path: Path) -> None:
    out = tmp_path / "x.jsonl"
    with recorded(hosts, "ebpf", out):
        pings = [
            hosts.start(hosts.here, "ping", "-c", "1", "-W", "2", where, stdout=subprocess.DEVNULL)
            for where in (THERE, THERE6)
        ]
        for ping in pings:
            assert ping.wait(10) == 0
    sent = {
        line["pid"]: line for line in lines(out) if line["protocol"] == "ICMP" and line["attribution_match"] == "ebpf"
    }
    assert [sent[ping.pid]["remote_addr"] for ping in pings] == [f"{THERE}:0", f"[{THERE6}]:0"]
    assert all(sent[ping.pid]["icmp_id"] for ping in pings)


SILENT = """
import os, socket, sys, time
server = socket.create_server((sys.argv[1], int(sys.argv[2])))
print("ready", flush=True)
while True:
    one = server.accept()[0]
    time.sleep(float(sys.argv[3]))
    one.close()
"""


@pytest.mark.parametrize("unread", [False, True])
def test_who_accepts_and_only_closes_is_named(hosts: Hosts, unread: bool, tmp_path: Path) -> None:
    out = tmp_path / "x.jsonl"
    ask = CONNECT.replace("one.recv(1)", "one.recv(1) if not int(sys.argv[4]) else time.sleep(0.02)")
    ask = ask if unread else ask.replace('one.sendall(b"x")', "")
    port = 8050 + unread
    with recorded(hosts, "ebpf", out):
        server = python(hosts, SILENT, "127.0.0.1", port, 0.005 * unread)
        connected = used(
            python(hosts, ask.replace("import os", "import time, os"), "127.0.0.1", port, 20, int(unread)), 20
        )
        server.kill()
    named = owners(out)
    assert all(named[local, remote] == {pid} for (local, remote), pid in connected)
    assert all(named[remote, local] == {server.pid} for (local, remote), _pid in connected)
