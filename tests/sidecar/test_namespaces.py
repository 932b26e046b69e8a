"""Sockets of other network namespaces, with real processes in one: what is recorded, and what a replay makes of it."""

import json
import os
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from rustnet.attribute.validate import validate
from rustnet.cli.main import main
from rustnet.probe import namespaces
from rustnet.probe.namespaces import OtherNamespaces, look_into
from rustnet.probe.sockets import SocketTable
from rustnet.probe.system import network_namespace
from tests.sidecar.namespaces import HERE, THERE, THERE6, Hosts, missing, recording, two_hosts
from tests.support.effort import wait_until

pytestmark = pytest.mark.root

WEB = """
import socket, threading
listening = [socket.create_server(("0.0.0.0", 80)), socket.create_server(("127.0.0.1", 81))]
print("ready", flush=True)
while True:
    made, _ = listening[0].accept()
    made.sendall(b"x" * made.recv(10)[0])
"""
SEND = """
import socket, sys, time
sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sender.connect((sys.argv[1], 9999))
print("ready", flush=True)
while True:
    try:
        sender.send(b"x")
    except ConnectionRefusedError:
        pass
    time.sleep(0.05)
"""
ASK = """
import socket, sys, time
client = socket.create_connection((sys.argv[1], 80))
client.sendall(b"9")
client.recv(100)
print(client.getsockname()[1], flush=True)
time.sleep(60)
"""


@pytest.fixture(scope="module")
def hosts() -> Iterator[Hosts]:
    if why := missing():
        pytest.skip(why)
    with two_hosts() as made:
        yield made


def number_of(hosts: Hosts) -> int:
    return os.stat(f"/run/netns/{hosts.there}").st_ino  # noqa: PTH116


def test_a_process_in_another_namespace_is_recorded_and_owns(hosts: Hosts, tmp_path: Path) -> None:
    server = hosts.python(hosts.there, WEB)
    with recording(hosts, tmp_path, "--namespaces") as capture:
        sender = hosts.python(hosts.there, SEND, HERE)
        client = hosts.python(hosts.here, ASK, THERE)
        threading.Event().wait(2.5)  # two looks at other namespaces
        sender.kill()
        client.kill()
        server.kill()
    sidecar = capture.with_name(capture.name + ".connections.jsonl")
    assert validate(sidecar).faults == []
    lines = [json.loads(text) for text in sidecar.read_text("utf-8").splitlines()]
    there: list[dict[str, Any]] = [each for each in lines if each.get("network_namespace") == number_of(hosts)
                                   and each["protocol"] != "META"]  # fmt: skip
    listening = {(each["local_addr"], each["pid"], each["attribution_match"]) for each in there
                 if each["state"] in {"LISTEN", "CLOSED"} and each["remote_addr"].endswith(":0")}  # fmt: skip
    assert listening == {(f"{THERE}:80", server.pid, "listener-socket-other-namespace")}
    exact = {(each["remote_addr"].rpartition(":")[0], each["pid"]) for each in there
             if each["attribution_match"] == "exact-tuple-other-namespace"}  # fmt: skip
    assert exact == {(HERE, server.pid), (HERE, sender.pid)}
    assert not [each for each in lines if each["local_addr"].endswith(":81")], "what stays on loopback there"
    session = tmp_path / "s.duckdb"
    assert main(["replay", str(capture), "--db", str(session)]) == 0
    with duckdb.connect(str(session), read_only=True) as con:
        owners = dict(con.execute("SELECT dst_port, pid FROM flows JOIN processes USING (process_id)").fetchall())
        claims = con.execute(
            "SELECT pid, reversed FROM claims JOIN processes USING (process_id) JOIN flows USING (flow_id) "
            "WHERE dst_port = 80 AND match = 'tuple' ORDER BY reversed"
        ).fetchall()
    assert owners == {80: client.pid, 9999: sender.pid}
    assert claims == [(client.pid, False), (server.pid, True)]


def facts(pid: int) -> set[tuple[Any, ...]]:
    sockets, _ = look_into(pid)
    return {(one.protocol, one.local, one.remote, one.state, one.inode) for one in sockets if one.inode}


def test_the_kernel_and_proc_say_the_same(hosts: Hosts, monkeypatch: pytest.MonkeyPatch) -> None:
    server, sender = hosts.python(hosts.there, WEB), hosts.python(hosts.there, SEND, HERE)
    own = network_namespace()
    by_kernel = facts(server.pid)
    assert network_namespace() == own, "this thread has stayed where it was"
    assert {local[1] for _, local, *_ in by_kernel} >= {80, 81}

    def refused(path: str) -> None:
        raise PermissionError(1, "Operation not permitted", path)

    monkeypatch.setattr(namespaces, "enter", refused)
    assert facts(server.pid) == by_kernel
    assert look_into(server.pid)[1] == look_into(sender.pid)[1]
    assert len(look_into(server.pid)[1]) >= 2
    for process in (server, sender):
        process.kill()


def test_what_has_gone_leaves_the_table(hosts: Hosts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(namespaces, "LOOK_S", 0.0)
    server = hosts.python(hosts.there, WEB)
    others, table = OtherNamespaces(network_namespace()), SocketTable(0, Counter())

    def look() -> set[str]:
        table.now += 1
        others.due = 0.0
        others.update(table, lambda: None)
        return {entry.keys["local_addr"] for entry in table.entries.values() if entry.last == table.now
                and entry.keys["network_namespace"] == number_of(hosts)}  # fmt: skip

    assert f"{THERE}:80" in look()
    assert f"[{THERE6}]:80" not in look(), "it accepts IPv4 only"
    table.now += 1
    others.due = float("inf")
    others.update(table, lambda: None)
    assert all(entry.last == table.now for entry in table.entries.values()), "between two looks all is as it was"
    server.kill()
    wait_until(lambda: f"{THERE}:80" not in look())


def test_namespaces_and_sockets_have_bounds(hosts: Hosts, monkeypatch: pytest.MonkeyPatch) -> None:
    server = hosts.python(hosts.there, WEB)
    monkeypatch.setattr(namespaces, "MOST_NAMESPACES", 0)
    others, table = OtherNamespaces(network_namespace()), SocketTable(0, Counter())
    others.update(table, lambda: None)
    assert (table.entries, others.left_out) == ({}, 1)
    server.kill()
