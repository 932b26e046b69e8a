"""The modules of the probe by themselves: real sockets on loopback, and hostile bytes."""

import io
import json
import os
import socket
import struct
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rustnet.probe.containers import cgroup_keys
from rustnet.probe.ends import TCP, UDP, endpoint, packet_ends
from rustnet.probe.hashes import Hashes
from rustnet.probe.kernel import Kernel
from rustnet.probe.lines import counter_keys
from rustnet.probe.netlink import attribute, attributes, nested
from rustnet.probe.output import LineWriter
from rustnet.probe.processes import Processes
from rustnet.probe.sockets import DIAG_SIZE, Holding, SocketTable, diag_entry, new_entry, raw_entry

linux = pytest.mark.skipif(sys.platform != "linux", reason="the kernel's tables are Linux's")


@pytest.fixture
def kernel() -> Iterator[Kernel]:
    kernel = Kernel()
    yield kernel
    kernel.close()


def inode_of(one: socket.socket) -> int:
    return os.fstat(one.fileno()).st_ino


def packed(one: tuple[str, int], family: int = socket.AF_INET) -> tuple[bytes, int]:
    return socket.inet_pton(family, one[0]), one[1]


@linux
def test_kernel_answers_for_one_socket(kernel: Kernel) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as client:
        local, remote = packed(client.getsockname()), packed(client.getpeername())
        data = kernel.one(TCP, local, remote)
        assert data is not None
        entry = diag_entry(data, 0, len(data), TCP, 1)
        assert (entry.inode, entry.keys["state"]) == (inode_of(client), "ESTABLISHED")
        assert entry.keys["local_addr"] == "{}:{}".format(*client.getsockname())
        assert entry.ends == (TCP, local, remote)
        client.sendall(b"x" * 40)
        data = kernel.one(TCP, local, remote)
        assert data is not None
        assert counter_keys(attributes(data[DIAG_SIZE:]))["bytes_source"] == "tcp_info"
    assert kernel.one(TCP, packed(("127.0.0.1", 1)), packed(("127.0.0.1", 2))) is None


@linux
def test_kernel_lists_and_reports_the_end(kernel: Kernel) -> None:
    client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    client.bind(("127.0.0.1", 0))
    client.connect(("127.0.0.1", 9))
    listed = {}
    for data, at, end in kernel.sockets(socket.AF_INET, UDP, False, lambda: None):
        entry = diag_entry(data, at, end, UDP, 1)
        listed[entry.inode] = entry
    mine = listed[inode_of(client)]
    assert (mine.match, mine.keys["remote_addr"]) == ("exact-tuple", "127.0.0.1:9")
    if kernel.listener is None:
        pytest.skip("the kernel gives no notice of closed sockets")
    client.close()
    time.sleep(0.2)
    assert mine.cookie in {notice[44:52] for notice in kernel.notices(Counter())}


@linux
def test_a_new_socket_is_searched_for_where_it_can_be() -> None:
    processes = Processes()
    with socket.socket() as before:
        processes.scan()
        assert processes.holders[inode_of(before)] == {os.getpid()}
        with socket.socket() as new:
            inode = inode_of(new)
            assert inode not in processes.holders
            assert processes.search(inode, os.geteuid()) == os.getpid()
        assert processes.holders[inode] == {os.getpid()}
        described = processes.describe(os.getpid())
    assert described is not None
    assert described[1]["process_executable"] == str(Path("/proc/self/exe").readlink())
    assert processes.search(1, os.geteuid()) is None


def ipv4(protocol: int, options: bytes = b"") -> bytes:
    header = struct.pack(
        ">BBHHHBBH4s4s", 0x45 + len(options) // 4, 0, 40, 0, 0, 64, protocol, 0, b"\1\2\3\4", b"\5\6\7\10"
    )
    return header + options + struct.pack(">HH", 1000, 2000) + bytes(16)


IPV6 = struct.pack(">IHBB16s16sHH", 0x60000000, 8, UDP, 64, b"\1" * 16, b"\2" * 16, 53, 54) + bytes(4)


def test_ends_of_packets() -> None:
    ends = (b"\1\2\3\4", 1000), (b"\5\6\7\10", 2000)
    assert packet_ends(ipv4(TCP)) == (TCP, *ends)
    assert packet_ends(ipv4(UDP, bytes(8))) == (UDP, *ends)
    assert packet_ends(IPV6) == (UDP, (b"\1" * 16, 53), (b"\2" * 16, 54))
    assert packet_ends(ipv4(1)) is None


@given(st.binary(max_size=80), st.integers(0, 48))
def test_no_packet_breaks_the_ends(junk: bytes, cut: int) -> None:
    for data in (junk, ipv4(TCP, bytes(8))[:cut] + junk, IPV6[:cut] + junk):
        ends = packet_ends(data)
        assert ends is None or all(len(address) in {4, 16} for address, _ in ends[1:])


def test_attributes_come_back() -> None:
    packed_ones = attribute(3, b"abc") + nested(5, attribute(1, b"x"))
    values = attributes(packed_ones)
    assert values[3] == b"abc"
    assert attributes(values[5]) == {1: b"x"}


@given(st.binary(max_size=200))
def test_no_bytes_break_attributes(raw: bytes) -> None:
    assert all(len(value) <= len(raw) for value in attributes(raw).values())
    assert isinstance(counter_keys(attributes(raw)), dict)


def test_addresses_as_text() -> None:
    assert endpoint(b"\xc0\0\2\1", 443) == "192.0.2.1:443"
    assert endpoint(bytes(10) + b"\xff\xff\xc0\0\2\1", 443) == "192.0.2.1:443"
    assert endpoint(socket.inet_pton(socket.AF_INET6, "2001:db8::1"), 0) == "[2001:db8::1]:0"


def test_a_line_of_proc_net_raw() -> None:
    line = b"  1: 0100007F:0001 00000000:0000 07 00000000:00000000 00:00000000 00000000  1000 0 4711 2 0000 0"
    entry = raw_entry("raw", line.split(), 7)
    assert entry.keys["local_addr"] == ("127.0.0.1:0" if sys.byteorder == "little" else "1.0.0.127:0")
    assert (entry.keys["protocol"], entry.keys["ip_protocol"], entry.keys["socket_uid"]) == ("ICMP", 1, 1000)
    assert (entry.inode, entry.match, entry.first) == (4711, "wildcard-remote-address", 7)


def test_container_and_pod_of_a_cgroup() -> None:
    container, pod = "0a" * 32, "7a3c9be8-3f5e-4b53-8c1c-0d1bd3b4f5aa"
    path = f"/kubepods.slice/kubepods-pod{pod.replace('-', '_')}.slice/cri-containerd-{container}.scope"
    keys = cgroup_keys(f"0::{path}\n")
    assert (keys["cgroup"], keys["container_id"], keys["kubernetes"]["pod_uid"]) == (path, container, pod)
    assert cgroup_keys("0::/\n") == {}


def test_a_line_waits_for_the_hash_of_its_executable() -> None:
    if sys.platform != "linux":
        pytest.skip("reads /proc/PID/exe")
    out, hashes, count = io.StringIO(), Hashes(), Counter[str]()
    lines = LineWriter(out, {"host": "h"}, hashes, count)
    process = {"pid": os.getpid(), "process_name": "test"}
    hashes.want(os.getpid(), process)
    entry = SocketTable(0, count).admit("key", new_entry("TCP", (b"\1\2\3\4", 5), (b"\5\6\7\10", 9), "ESTABLISHED", 1))
    lines.connection(entry, Holding(process, 1, 2), 1)
    lines.release()
    assert out.getvalue() == ""
    hashes.finish(60)
    lines.release()
    row = json.loads(out.getvalue())
    assert (len(row["exe_sha256"]), row["socket_owners"], row["attribution_match"]) == (64, 1, "exact-tuple")
    assert count["lines"] == 1
