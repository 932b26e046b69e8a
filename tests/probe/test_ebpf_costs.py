"""What events of the eBPF program cost, how many are lost and left out, and what older kernels report."""

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from rustnet.probe.ebpf.events import SocketEvent
from rustnet.probe.ebpf.source import open_events
from rustnet.probe.ends import TCP
from tests.probe.recording_owners import CONNECT, SERVE, python, used
from tests.sidecar.namespaces import Hosts
from tests.support.paths import ROOT

pytestmark = pytest.mark.root


def cost(hosts: Hosts, code: str, *arguments: Any) -> float:
    """Microseconds of processor time that a program says one of its steps took, at best of three."""
    best = float("inf")
    for _ in range(3):
        program = python(hosts, code, *arguments)
        assert program.stdout is not None
        best = min(best, float(program.stdout.readline()))
        program.wait(10)
    return best


COST = """
import socket, sys, time
print("ready", flush=True)
server = socket.create_server(("127.0.0.1", 0))
datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
datagrams.bind(("127.0.0.1", 0))
sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
many = int(sys.argv[2])
began = time.process_time()
if sys.argv[1] == "connection":
    for _ in range(many):
        one = socket.create_connection(server.getsockname())
        other = server.accept()[0]
        one.send(b"x"); other.recv(1); one.close(); other.close()
else:
    where = datagrams.getsockname()
    for _ in range(many):
        sender.sendto(b"x", where)
        datagrams.recv(1)
print((time.process_time() - began) / many * 1e6, flush=True)
"""


def test_what_events_cost(hosts: Hosts, capsys: pytest.CaptureFixture[str]) -> None:
    """Printed; connections of one process and datagrams between two ends must not become several times as dear."""
    plain = {what: cost(hosts, COST, what, many) for what, many in (("connection", 1000), ("datagram", 20000))}
    before = time.perf_counter()
    events = open_events()
    opened = time.perf_counter() - before
    try:
        traced = {what: cost(hosts, COST, what, many) for what, many in (("connection", 1000), ("datagram", 20000))}
        before = time.perf_counter()
        count = 0
        while read := events.read():
            count += len(read)
        decoding = (time.perf_counter() - before) / max(count, 1) * 1e6
        assert events.lost() == 0
    finally:
        events.close()
    with capsys.disabled():
        print(f"\nopened in {opened * 1e3:.0f} ms; {decoding:.1f} us to read an event, {count} events")
        print("".join(f"{what}: {plain[what]:.1f} us, {traced[what]:.1f} us with events\n" for what in plain))
    assert all(traced[what] < 3 * plain[what] for what in plain)


def test_lost_events_are_counted(hosts: Hosts) -> None:
    events = open_events()
    try:
        assert events.lost() == 0
        flood = python(hosts, COST, "connection", 12000)
        flood.wait(20)
        lost = events.lost()
        assert lost > 0
        count = 0
        while read := events.read():
            count += len(read)
        assert count + lost >= 48000
    finally:
        events.close()


def test_many_ends_of_one_socket_are_limited(hosts: Hosts) -> None:
    """A socket that sends to hundreds of addresses in a second gives a few events; the others are counted."""
    scatter = """
import socket
print("ready", flush=True)
one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for port in range(10000, 10500):
    one.sendto(b"x", ("127.0.0.1", port))
"""
    events = open_events()
    try:
        program = python(hosts, scatter)
        assert program.wait(10) == 0
        mine = [one for one in events.read() if one.who.pid == program.pid and hasattr(one, "protocol")]
        assert 64 <= len(mine) <= 130
        assert len(mine) + events.limited() >= 500
    finally:
        events.close()


def test_kernels_without_tracepoints_of_transfers_name_both_ends_of_connections(hosts: Hosts, tmp_path: Path) -> None:
    """As before Linux 6.3: the tracepoint of received data stands in, and owners of datagrams are not reported."""
    types = tmp_path / "types"
    names = ("inet_sock_set_state", "net_dev_queue", "sched_process_exec", "tcp_rcv_space_adjust")
    types.write_bytes(b"".join(b"\0btf_trace_%s\0" % name.encode() for name in names))
    events = open_events(kernel_types=str(types))
    try:
        assert not events.datagrams
        server = python(hosts, SERVE, "127.0.0.1", 8060, 3)
        client = python(hosts, CONNECT, "127.0.0.1", 8060, 50)
        connected, accepted = used(client, 50), used(server, 50)
        server.kill()
        read = [one for one in events.read() if isinstance(one, SocketEvent) and one.protocol == TCP]
    finally:
        events.close()
    named = {((one.local[1], one.remote[1]), one.who.pid) for one in read}
    assert {*connected, *accepted} <= named


def test_an_open_program_is_read_without_capabilities_and_without_bpf(hosts: Hosts) -> None:
    """A probe can give up what it needed to load the program."""
    code = """
import ctypes, os, socket, struct
from rustnet.probe.ebpf.source import open_events
events = open_events()
libc = ctypes.CDLL(None)
for capability in range(64):
    libc.prctl(24, capability, 0, 0, 0)
assert libc.capset(struct.pack("II", 0x20080522, 0), bytes(24)) == 0
number = {"x86_64": 321, "aarch64": 280}[os.uname().machine]
rules = [(0x20, 0, 0, 0), (0x15, 0, 1, number), (6, 0, 0, 0x80000000), (6, 0, 0, 0x7FFF0000)]
program = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *rule) for rule in rules))
header = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(rules), ctypes.addressof(program)))
assert libc.prctl(38, 1, 0, 0, 0) == 0
assert libc.prctl(22, 2, header, 0, 0) == 0
with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()):
    print(sum(event.who.pid == os.getpid() for event in events.read()), events.lost())
"""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False, timeout=30
    )
    assert (done.returncode, done.stdout) == (0, "2 0\n"), done.stderr
