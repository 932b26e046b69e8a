"""`RingSource` in a confined process: it gets its rings afterwards, reads them, and needs the calls of the table."""

import json
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from dataclasses import astuple
from pathlib import Path

import pytest

from rustnet.probe.ring_socket import open_ring
from rustnet.sandbox import IN_FORCE, try_out
from rustnet.sandbox.calls import ALLOWED
from tests.live.namespaces import Namespace, sender
from tests.support.packets import udp_frame
from tests.support.paths import ROOT

pytestmark = pytest.mark.root
STRACE = shutil.which("strace")
PACKETS = 300
READER = """
import json, os, socket, sys, time
from rustnet.sandbox import confine
from rustnet.sources.ring import RingSource
from rustnet.probe.ring_socket import RingInterface
channel = socket.socket(fileno=int(sys.argv[1]))
own = socket.socket()
pair = socket.socketpair()
layers = {layer.name: layer.state for layer in confine(channels=[channel.fileno()])}
channel.send(json.dumps(layers).encode())
text, descriptors, _flags, _address = socket.recv_fds(channel, 1 << 16, 8)
source = RingSource(descriptors, [RingInterface(*each) for each in json.loads(text)], lambda: False)
packets = empty = 0
for frames in source.batches(0.05):
    packets += frames.count
    empty += not frames.count
    if packets >= int(sys.argv[2]) and empty > 25:
        break
source.take_statistics(last=True)
exist = [each.interface.name for each in source.rings]
dropped = [interface.dropped_kernel for interface in source.interfaces]
damage = [each.kind for each in source.damage]
refused = []
ring = source.rings[0].socket if source.rings else None
for name, attempt in {
    "options of another socket": lambda: own.getsockopt(socket.SOL_SOCKET, socket.SO_TYPE),
    "promiscuous": lambda: ring.setsockopt(263, 1, bytes(16)),
    "without the filter": lambda: ring.setsockopt(socket.SOL_SOCKET, 27, 0),
    "send a packet": lambda: ring.send(bytes(60)),
    "send a packet as a message": lambda: ring.sendmsg([bytes(60)]),
    "write a packet": lambda: os.write(ring.fileno(), bytes(60)),
    "send elsewhere": lambda: pair[0].send(b"x"),
    "close the channel": lambda: os.close(channel.fileno()),
    "close all": lambda: os.closerange(channel.fileno(), channel.fileno() + 1),
    "a copy in the channel's place": lambda: os.dup2(ring.fileno(), channel.fileno()),
    "listen": lambda: own.bind(("127.0.0.1", 0)),
    "an own ring": lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0),
}.items():
    if name in sys.argv[3:]:
        try:
            attempt()
        except OSError as error:
            refused.append(name if error.strerror == "Operation not permitted" else error.strerror)
source.close()
own.close()
for end in pair:
    end.close()
channel.send(json.dumps([packets, dropped, damage, exist, refused]).encode())
os._exit(0)
"""
needs_filter = pytest.mark.skipif(
    sys.platform != "linux" or {each.name: each.state for each in try_out()}["system_calls"] != IN_FORCE,
    reason="no filter of system calls",
)


def read(namespace: Namespace, before: list[str], *attempts: str) -> tuple[dict[str, str], list[object], int]:
    """What confines a reader, what it has read from two interfaces of which one vanishes, and its exit code."""
    namespace.veth("a", "b")
    namespace.veth("c", "d")
    opened = [open_ring(name, 0, 1 << 20) for name in ("b", "d")]
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    command = [*before, sys.executable, "-c", READER, str(theirs.fileno()), str(PACKETS), *attempts]
    with sender("a") as one, sender("c") as two, ours, subprocess.Popen(
        command, cwd=ROOT, pass_fds=[theirs.fileno()], stderr=subprocess.PIPE
    ) as reader:  # fmt: skip
        theirs.close()
        ours.settimeout(30)
        layers = json.loads(ours.recv(1 << 16) or "{}")
        text = json.dumps([astuple(interface) for _, interface in opened])
        socket.send_fds(ours, [text.encode()], [ring.fileno() for ring, _ in opened])
        for ring, _ in opened:
            ring.close()

        def send() -> None:
            for i in range(PACKETS):
                (one, two)[i % 2].send(udp_frame(("10.0.0.1", 40_000), ("10.0.0.2", 9), i.to_bytes(4, "big")))
                time.sleep(0.001)

        sending = threading.Thread(target=send)  # stays in the namespace of its thread's creator
        sending.start()
        sending.join()
        time.sleep(0.3)  # until the last packets are read
        namespace.run("ip link set dev b down")
        namespace.run("ip link del dev c")
        answer = json.loads(ours.recv(1 << 16) or "[]")
        reader.communicate(timeout=30)
    return layers, answer, reader.returncode


@needs_filter
@pytest.mark.skipif(STRACE is None, reason="strace is not installed")
def test_the_calls_of_a_reader_of_rings_are_those_of_the_table(
    namespace: Namespace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trace = tmp_path / "trace"
    layers, answer, code = read(namespace, [str(STRACE), "-o", str(trace)])
    assert (layers["system_calls"], code) == (IN_FORCE, 0)
    assert answer == [PACKETS, [0, 0], ["interface_down", "interface_gone"], ["b"], []]
    lines = trace.read_text("utf-8", "replace").splitlines()
    filtered = next(i for i, line in enumerate(lines) if line.startswith("prctl(PR_SET_SECCOMP"))
    calls = [re.match(r"(\w+)\(", line) for line in lines[filtered + 1 :]]
    used = {call[1] for call in calls if call}
    with capsys.disabled():
        sys.stdout.write(f"\ncalls of the confined reader of rings: {', '.join(sorted(used))}\n")
    assert not [line for line in lines[filtered + 1 :] if " EPERM " in line]
    assert used <= {call.name for call in ALLOWED if not call.files}
    assert {call.name for call in ALLOWED if call.rings} <= used, "calls of the table that rings do not need"


REFUSED = (
    "options of another socket", "promiscuous", "without the filter", "send a packet", "send a packet as a message",
    "write a packet", "send elsewhere", "close the channel", "a copy in the channel's place",
)  # fmt: skip


@needs_filter
def test_a_reader_of_rings_cannot_change_them_and_sends_nothing(namespace: Namespace) -> None:
    answer = read(namespace, [], *REFUSED, "close all")[1]  # which would leave no channel for the answer
    assert answer[0] == PACKETS
    assert answer[4] == [*REFUSED]


@needs_filter
@pytest.mark.parametrize("attempt", ["listen", "an own ring"])
def test_a_reader_that_opens_rings_is_ended(namespace: Namespace, attempt: str) -> None:
    _layers, answer, code = read(namespace, [], attempt)
    assert (answer, code) == ([], -31), "SIGSYS"
