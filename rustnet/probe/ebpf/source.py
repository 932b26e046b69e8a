"""Events of the eBPF program: opened, polled, read and counted."""

from __future__ import annotations

import mmap
import struct
import time
from pathlib import Path

from rustnet.probe.ebpf.events import Event, decode
from rustnet.probe.ebpf.libbpf import LIBRARY, LoadedObject, LoadError, open_library
from rustnet.probe.ebpf.reasons import (
    LOCKDOWN,
    UnavailableError,
    check_privileges,
    check_system,
    process_status,
    why_refused,
)
from rustnet.probe.procfs import read

OBJECT = Path(__file__).with_name("attribution.bpf.o")
KERNEL_TYPES = "/sys/kernel/btf/vmlinux"
NEEDED = ("inet_sock_set_state", "net_dev_queue", "sched_process_exec")
TRANSFERS = ("sock_send_length", "sock_recv_length")
"""Tracepoints of every call that sends or receives, since Linux 6.3."""
INSTEAD = "tcp_rcv_space_adjust"
"""Tracepoint of received TCP data, which older kernels have too."""
TYPES_LIMIT = 64 << 20
LOST, LIMITED = 0, 1


class Events:
    """The running eBPF program; `descriptor` becomes readable when there are events."""

    def __init__(self, loaded: LoadedObject, datagrams: bool) -> None:
        self.loaded = loaded
        self.datagrams = datagrams
        """Whether owners of UDP, and who accepts a connection before data comes, are reported (since Linux 6.3)."""
        self.descriptor: int = loaded.descriptor
        self.counters = mmap.mmap(loaded.map("counters"), mmap.PAGESIZE, mmap.MAP_SHARED, mmap.PROT_READ)

    def read(self) -> list[Event]:
        """Events since the last call, in their order; a few thousand at most."""
        boot_ns = time.time_ns() - time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        return [decode(record, boot_ns) for record in self.loaded.read()]

    def lost(self) -> int:
        """Events that the ring buffer had no room for, so far."""
        return self._counter(LOST)

    def limited(self) -> int:
        """Datagrams that were not reported, as their socket had too many ends in that second; its owner was."""
        return self._counter(LIMITED)

    def _counter(self, index: int) -> int:
        return int(struct.unpack_from("=Q", self.counters, 8 * index)[0])

    def close(self) -> None:
        """Detach and unload the program."""
        self.counters.close()
        self.loaded.close()


def open_events(library: str = LIBRARY, kernel_types: str = KERNEL_TYPES, path: Path = OBJECT) -> Events:
    """Load and attach the program; raises `UnavailableError` with the reason if that is not possible."""
    check_system()
    functions = open_library(library)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UnavailableError("no-object", str(error)) from None
    tracepoints = _tracepoints(kernel_types)
    check_privileges()
    transfers = all(name in tracepoints for name in TRANSFERS)
    wanted = {*NEEDED, *(TRANSFERS if transfers else (INSTEAD,))}
    try:
        loaded = LoadedObject(functions, content, lambda section: section.rpartition("/")[2] in wanted, "ring")
    except LoadError as error:
        if error.attaching:
            raise UnavailableError("not-attached", str(why_refused(error.code, {}, b"").detail)) from None
        raise why_refused(error.code, process_status(), read(LOCKDOWN)) from None
    return Events(loaded, transfers)


def _tracepoints(kernel_types: str) -> set[str]:
    """Which of the tracepoints the kernel has; raises `UnavailableError` if it lacks a needed one."""
    try:
        with open(kernel_types, "rb") as file:
            types = file.read(TYPES_LIMIT)
    except OSError as error:
        raise UnavailableError("no-btf", str(error)) from None
    present = {name for name in (*NEEDED, *TRANSFERS, INSTEAD) if b"\0btf_trace_%s\0" % name.encode() in types}
    missing = [name for name in NEEDED if name not in present]
    if missing:
        raise UnavailableError("no-tracepoints", ", ".join(missing))
    return present
