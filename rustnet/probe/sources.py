"""Where the recorder's sockets and processes come from: Linux's own tables, or what stands in for them elsewhere."""

from __future__ import annotations

import struct
from collections import Counter
from dataclasses import dataclass, field
from typing import Callable, Iterator, Protocol

from rustnet.probe.ends import TCP, UDP
from rustnet.probe.hashes import Hashes
from rustnet.probe.kernel import Kernel
from rustnet.probe.lines import Keys
from rustnet.probe.namespaces import OtherNamespaces
from rustnet.probe.options import VERSION, Options
from rustnet.probe.output import LineWriter
from rustnet.probe.processes import Processes
from rustnet.probe.procfs import boot_id, local_addresses, read
from rustnet.probe.sockets import DIAG_SIZE, STATES, Entry, SocketTable, diag_entry, raw_entry
from rustnet.probe.system import network_namespace
from rustnet.probe.translations import Translations
from rustnet.probe.watch import PacketWatch, open_watch

AF_INET, AF_INET6 = 2, 10  # Linux's numbers, whatever system this is read on
DUMPS = ((AF_INET, TCP), (AF_INET, UDP), (AF_INET6, TCP), (AF_INET6, UDP))
RAW_TABLES = ("raw", "raw6", "icmp", "icmp6")


class SocketSource(Protocol):
    """A list of the system's sockets."""

    method: str
    """Its name in `methods`."""
    gives_notices: bool
    """Whether it reports sockets that end."""
    boot_id: str

    def update(self, table: SocketTable, counters: bool, rest: Callable[[], None]) -> list[Entry]:
        """Update the table, with the counters of TCP if wanted; return the entries that need an owner."""

    def notices(self, count: Counter[str]) -> Iterator[bytes]:
        """The inet_diag_msg of every socket that has ended since the last call."""

    def addresses(self) -> list[str]:
        """Addresses of this host, without loopback."""

    def close(self) -> None:
        """Close what is open."""


class ProcessSource(Protocol):
    """A list of the system's processes."""

    holders: dict[int, set[int]]
    """Processes by the inode that they hold."""
    unreadable: set[int]
    ended: set[int]
    hashes: Hashes | None

    def scan(self, between: Callable[[], None]) -> None:
        """Read all processes; ``between`` two of them something else may be done."""

    def search(self, inode: int, uid: int) -> int | None:
        """Search for a process that holds a new socket of a user."""

    def describe(self, pid: int) -> tuple[int, Keys] | None:
        """Start of a process, and its keys in a line; None if it is gone."""


class EventSource(Protocol):
    """Reports of the kernel on who uses which socket, as it happens."""

    method: str
    """Its name in `methods`."""
    descriptor: int
    """Readable when there are reports."""

    def join(self, table: SocketTable, lines: LineWriter, rest: Callable[[], None]) -> None:
        """Enter owners into this table from now on; ``rest`` may pause between two reports."""

    def follow(self) -> None:
        """Enter the owners that were reported since the last call."""

    def owned(self, entry: Entry) -> bool:
        """Give a socket the owners that were reported before it was in the table; returns whether it has any."""

    def settle(self, now: int, early: bool) -> None:
        """Write what has ended, and long-lived things now and then."""

    def finish(self) -> None:
        """Write what is still open."""

    def numbers(self) -> Keys:
        """Numbers for lines about the recording; ``events_lost`` among them."""

    def close(self) -> None:
        """Close what is open."""


@dataclass
class Sources:
    """All that a recorder reads from."""

    sockets: SocketSource
    processes: ProcessSource
    version: str
    """Name and version of the recorder that uses them."""
    kernel: Kernel | None = None
    """Answers for single sockets."""
    watch: PacketWatch | None = None
    translations: Translations | None = None
    events: EventSource | None = None
    unavailable: list[Keys] = field(default_factory=list)
    """Better methods that are not in use: `method`, `reason` and `detail` of each."""

    def close(self) -> None:
        """Close what is open."""
        self.sockets.close()
        for source in (self.events, self.watch, self.translations):
            if source:
                source.close()


class KernelSockets(Kernel):
    """Sockets from sock_diag and /proc/net."""

    method = "sock_diag"

    def __init__(self, others: OtherNamespaces | None = None) -> None:
        super().__init__()
        self.others = others
        self.gives_notices = self.listener is not None
        self.boot_id = boot_id()

    def addresses(self) -> list[str]:
        """Addresses of this network namespace, without loopback."""
        return local_addresses()

    def update(self, table: SocketTable, counters: bool, rest: Callable[[], None]) -> list[Entry]:
        """Update the table, with the counters of TCP if wanted; return the entries that need an owner."""
        entries, now, fresh = table.entries, table.now, self._update_raw(table)
        for family, protocol in DUMPS:
            prefix = bytes((protocol, family))
            for data, at, end in self.sockets(family, protocol, counters, rest):
                key = prefix + data[at + 4 : at + 52]
                entry = entries.get(key)
                if entry is None:
                    entry = table.admit(key, diag_entry(data, at, end, protocol, now))
                    fresh.append(entry)
                elif protocol == TCP:
                    entry.keys["state"] = STATES[data[at + 1]]
                    if counters:
                        entry.attributes = data[at + DIAG_SIZE : end]
                if not entry.inode:  # accepted only now, or known from an event
                    entry.keys["socket_uid"], entry.inode = struct.unpack_from("=II", data, at + 64)
                    if entry.inode:
                        fresh.append(entry)
                entry.last, entry.gone = now, 0
        if self.others:
            fresh += self.others.update(table, rest)
        return fresh

    @staticmethod
    def _update_raw(table: SocketTable) -> list[Entry]:
        """Update the entries of raw and ICMP sockets; return the new ones."""
        fresh = []
        for name in RAW_TABLES:
            for line in read("/proc/self/net/" + name).splitlines()[1:]:
                columns = line.split()
                key = b" ".join((name.encode(), columns[1], columns[2], columns[9]))
                entry = table.entries.get(key)
                if entry is None:
                    entry = table.admit(key, raw_entry(name, columns, table.now))
                    fresh.append(entry)
                entry.last, entry.gone = table.now, 0
        return fresh


def linux_sources(options: Options) -> Sources:
    """Open Linux's own sources, as far as they are wanted and this user may."""
    kernel = KernelSockets(OtherNamespaces(network_namespace()) if options.namespaces else None)
    return Sources(
        kernel,
        Processes(options.cmdline, not options.full_cmdline, options.hashes),
        VERSION,
        kernel,
        open_watch(options.udp) if options.packets else None,
        Translations() if options.nat else None,
    )
