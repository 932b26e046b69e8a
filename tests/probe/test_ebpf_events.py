"""Events of the eBPF program, as a kernel wrote them: decoded, and turned into lines with owners."""

import io
import json
import os
import socket
import sys
from collections import Counter
from typing import Any

import pytest

from rustnet.probe.ebpf.events import CONNECT, LISTENING, RECEIVED, SENT, Event, ProcessEvent, SocketEvent, Who, decode
from rustnet.probe.ebpf.follow import REMEMBERED, EventOwners
from rustnet.probe.ebpf.libbpf import AT_ONCE
from rustnet.probe.output import LineWriter
from rustnet.probe.processes import Processes
from rustnet.probe.sockets import SocketTable, diag_entry

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs Linux")

BOOT, HERE, SECOND = 1_796_000_000_000_000_000, 4026531833, 1_000_000_000
PYTHON = "1d0800001d0800000000000000000000707974686f6e00000000000000000000"
CONNECTING = (
    f"d0cc6c8279370000e179185c793700000100000000000000{PYTHON}01000000f9ffffef4ba50000000000007f000001000000000000"
    "0000000000007f00000100000000000000000000000084de4fab0602000000000000020001"
)
BOUND = (
    f"542c718279370000e179185c793700000100000000000000{PYTHON}04000000f9ffffef4ea500000000000000000000000000000000"
    "0000000000000000000000000000000000000000000007ce0000110a010000000000070002"
)
MAPPED = (
    f"2aa9718279370000e179185c793700000100000000000000{PYTHON}03000000f9ffffef4fa500000000000000000000000000000000"
    "ffff7f00000100000000000000000000ffff7f00000105a8ced9110a000000000000010002"
)
EXECUTED = (
    "3783768379370000154874827937000001000000000000003a0800003a080000000000000000000070696e67000000000000000000000000"
    "060000001d0800002f7573722f62696e2f70696e67"
)
ECHO = (
    "2bc2ba8379370000154874827937000001000000000000003a0800003a080000000000000000000070696e67000000000000000000000000"
    "03000000f9ffffef50a50000000000007f0000010000000000000000000000007f0000010000000000000000000000003a08000001020000"
    "00000000000003"
)


def decoded(text: str) -> Event:
    """The event of a record, which ends with zeros."""
    raw = bytes.fromhex(text)
    return decode(raw.ljust(320 if len(raw) > 120 or text == EXECUTED else 120, b"\0"), BOOT)


def test_a_connection_is_decoded() -> None:
    event = decoded(CONNECTING)
    assert event == SocketEvent(
        CONNECT, BOOT + 60995018738896, Who(2077, 2077, 0, 0, "python", 60994375678433, 1), socket.IPPROTO_TCP,
        (b"\x7f\0\0\1", 56964), (b"\x7f\0\0\1", 43855), socket.AF_INET, False, 42315, HERE, 0, 2, socket.SOCK_STREAM,
    )  # fmt: skip


def test_sockets_of_ipv6_are_decoded() -> None:
    bound, mapped = decoded(BOUND), decoded(MAPPED)
    assert isinstance(bound, SocketEvent)
    assert (bound.kind, bound.local, bound.remote, bound.only6) == (RECEIVED, (bytes(16), 52743), (bytes(16), 0), True)
    assert isinstance(mapped, SocketEvent)
    assert mapped.remote == (b"\0" * 10 + b"\xff\xff\x7f\0\0\1", 55758)


def test_the_beginning_of_a_program_is_decoded() -> None:
    assert decoded(EXECUTED) == ProcessEvent(
        BOOT + 60995036152631, Who(2106, 2106, 0, 0, "ping", 60995019229205, 1), 2077, "/usr/bin/ping"
    )


def test_the_key_of_a_socket_is_that_of_the_kernels_table() -> None:
    """A message of sock_diag about the same socket: port, port, addresses, interface, cookie."""
    event = decoded(CONNECTING)
    assert isinstance(event, SocketEvent)
    diag = bytes.fromhex("02010000de84ab4f7f0000010000000000000000000000007f000001000000000000000000000000")
    diag += bytes(4) + (42315).to_bytes(8, sys.byteorder) + bytes(20)
    assert event.diag_key() == bytes((socket.IPPROTO_TCP, diag[0])) + diag[4:52]
    assert event.diag_cookie() == diag_entry(diag, 0, len(diag), socket.IPPROTO_TCP, 0).cookie


class Replayed:
    """Events in place of a kernel's."""

    descriptor, datagrams = 0, True

    def __init__(self) -> None:
        self.pending: list[Event] = []

    def read(self) -> list[Event]:
        taken, self.pending = self.pending[:AT_ONCE], self.pending[AT_ONCE:]
        return taken

    def lost(self) -> int:
        return 3

    def limited(self) -> int:
        return 0

    def close(self) -> None:
        self.pending = []


class Machine:
    """Owners of events, with their table and lines."""

    def __init__(self) -> None:
        self.events, self.out, count = Replayed(), io.StringIO(), Counter[str]()
        self.processes = Processes()
        self.table = SocketTable(10, count)
        self.owners = EventOwners(self.events, self.processes, HERE)  # type: ignore[arg-type]
        self.owners.join(self.table, LineWriter(self.out, {"host": "here"}, None, count), lambda: None)

    def lines(self, *events: Event) -> list[dict[str, Any]]:
        """Lines that these events cause."""
        self.events.pending = list(events)
        self.out.seek(0)
        self.out.truncate()
        self.owners.follow()
        return [json.loads(line) for line in self.out.getvalue().splitlines()]


def event(text: str, **changes: Any) -> SocketEvent:
    made = decoded(text)
    assert isinstance(made, SocketEvent)
    return made._replace(**changes)


def me(machine: Machine, name: str) -> Who:
    """This process, as the kernel would name it."""
    stat = machine.processes.reader.stat(os.getpid())
    assert stat is not None
    return Who(
        os.getpid(), os.getpid(), os.geteuid(), os.getegid(), name, stat[2] - machine.processes.reader.boot_ns, 1
    )


GONE = Who(4_000_000_000, 1, 0, 0, "a-very-long-nam", 5 * SECOND, 1)
"""A process that is not there any more."""


def test_a_process_that_is_there_is_described_from_proc() -> None:
    machine = Machine()
    stat = machine.processes.reader.stat(os.getpid())
    assert stat is not None
    (line,) = machine.lines(event(CONNECTING, who=me(machine, stat[0])))
    assert (line["pid"], line["process_name"], line["process_ppid"]) == (os.getpid(), stat[0], os.getppid())
    assert line["process_executable"] == os.path.realpath("/proc/self/exe")
    assert (line["attribution_match"], line["observed_by"], line["socket_owners"]) == ("ebpf", "ebpf", 1)
    assert (line["local_addr"], line["remote_addr"]) == ("127.0.0.1:56964", "127.0.0.1:43855")
    assert line["state"] == "SYN_SENT"
    assert "process_from" not in line
    assert not machine.lines(event(CONNECTING, who=me(machine, stat[0]), kind=SENT, state=1))


def test_a_process_with_the_same_number_is_not_taken_for_one_that_ended() -> None:
    machine = Machine()
    who = me(machine, "earlier")._replace(started=7 * SECOND)
    (line,) = machine.lines(event(CONNECTING, who=who))
    assert (line["process_name"], line["process_from"]) == ("earlier", "ebpf")
    assert line["started_at"]["secs_since_epoch"] == (machine.processes.reader.boot_ns + 7 * SECOND) // SECOND
    assert not {"process_executable", "cmdline", "cwd", "process_ppid"} & line.keys()


def test_of_a_process_that_ended_its_program_is_known() -> None:
    machine = Machine()
    began = ProcessEvent(BOOT, GONE, 77, "/opt/a-very-long-name")
    (line,) = machine.lines(began, event(CONNECTING, who=GONE))
    assert line["process_name"] == "a-very-long-name"
    assert (line["process_executable"], line["process_ppid"], line["process_uid"]) == ("/opt/a-very-long-name", 77, 0)
    other = ProcessEvent(BOOT, GONE._replace(started=SECOND), 78, "/opt/earlier")
    fresh = Machine()
    (line,) = fresh.lines(other, event(CONNECTING, who=GONE))
    assert "process_executable" not in line
    (line,) = Machine().lines(ProcessEvent(BOOT, GONE, 77, "/dev/fd/7"), event(CONNECTING, who=GONE))
    assert "process_executable" not in line


def test_another_program_in_a_process_is_another_claim() -> None:
    machine = Machine()
    first = event(CONNECTING, who=GONE)
    second = ProcessEvent(first.time + SECOND, GONE._replace(name="other"), 77, "/bin/other")
    third = event(CONNECTING, who=GONE._replace(name="other"), kind=SENT, time=first.time + 2 * SECOND, state=1)
    named = [
        (line["process_name"], line["first_seen"]["secs_since_epoch"]) for line in machine.lines(first, second, third)
    ]
    began = first.time // SECOND
    assert named == [("a-very-long-nam", began), ("a-very-long-nam", began), ("other", began + 2)]


def test_an_echo_has_its_identifier() -> None:
    (line,) = Machine().lines(event(ECHO))
    assert (line["protocol"], line["icmp_id"], line["remote_addr"]) == ("ICMP", 2106, "127.0.0.1:0")


def test_the_table_takes_over_what_events_know_of_a_socket() -> None:
    """A datagram's ends come first; the socket itself, with its local end alone, is in the kernel's table later."""
    machine = Machine()
    machine.table.now = BOOT
    datagram = event(BOUND, who=GONE, kind=SENT, state=0, remote=(bytes(15) + b"\1", 53))
    (line,) = machine.lines(datagram)
    assert (line["remote_addr"], line["socket_owners"]) == ("[::1]:53", 1)
    diag = bytearray(72)
    diag[:8] = bytes((socket.AF_INET6, 7, 0, 0)) + (52743).to_bytes(2, "big") + bytes(2)
    diag[44:52] = datagram.diag_cookie()
    entry = diag_entry(bytes(diag), 0, 72, socket.IPPROTO_UDP, BOOT)
    assert machine.owners.owned(entry)
    assert [held.process["process_name"] for held in entry.holders.values()] == ["a-very-long-nam"]
    assert not machine.owners.owned(diag_entry(bytes(diag), 0, 72, socket.IPPROTO_UDP, BOOT))


@pytest.mark.parametrize(
    "changes",
    [
        {"local": (b"\x7f\0\0\1", 5)},
        {"remote": (bytes(4), 0), "kind": LISTENING},
        {"local": (bytes(4), 80)},
    ],
)
def test_what_stays_in_another_namespace_is_none_of_ours(changes: dict[str, Any]) -> None:
    machine = Machine()
    outside = {"namespace": HERE + 1, "local": (b"\n\0\0\1", 5), "remote": (b"\n\0\0\2", 6), "who": GONE}
    assert not machine.lines(event(CONNECTING, **{**outside, **changes}))
    assert machine.owners.numbers()["events_elsewhere"] == 1
    (line,) = machine.lines(event(CONNECTING, **outside))
    assert line["network_namespace"] == HERE + 1


def test_what_is_remembered_is_bounded() -> None:
    machine = Machine()
    many = [
        event(BOUND, who=GONE._replace(pid=GONE.pid - number), kind=SENT, state=0, cookie=number,
              remote=(bytes(15) + b"\1", 1 + number % 65000))
        for number in range(REMEMBERED + 500)
    ]  # fmt: skip
    lines = machine.lines(*many)
    assert len(lines) >= REMEMBERED + 500
    owners = machine.owners
    assert max(len(owners.exchanges), len(owners.by_cookie), len(owners.describer.known)) <= REMEMBERED
    assert owners.numbers()["events"] == len(many)


def test_exchanges_end_when_they_are_idle() -> None:
    machine = Machine()
    datagram = event(BOUND, who=GONE, kind=SENT, state=0, remote=(bytes(15) + b"\1", 53))
    machine.lines(datagram, datagram._replace(time=datagram.time + 3 * SECOND))
    machine.out.truncate(0)
    machine.owners.settle(datagram.time + 7 * SECOND, early=False)
    assert not machine.out.getvalue()
    machine.owners.settle(datagram.time + 9 * SECOND, early=False)
    line = json.loads(machine.out.getvalue().lstrip("\0"))
    assert line["last_seen"]["secs_since_epoch"] - line["first_seen"]["secs_since_epoch"] == 3
    assert not machine.owners.exchanges
