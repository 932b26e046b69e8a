"""What the machine is that packets are captured on: interfaces, counters, routes, neighbours, sockets, DNS servers.

A loop selects on `Machine.descriptors` until `Machine.due`, and writes what `Machine.lines` gives.
"""

from __future__ import annotations

import selectors
import socket
import time
from collections import deque
from typing import Any, Callable, Protocol, Sequence

from rustnet.probe.lines import Keys
from rustnet.probe.machine_counters import Counters, kernel_counters
from rustnet.probe.machine_host import host_keys
from rustnet.probe.machine_network import NetworkTables
from rustnet.probe.machine_sockets import OwnSockets, SocketChanges
from rustnet.probe.sockets import SocketTable

COUNTER_SECONDS, SOCKET_SECONDS, HOST_SECONDS = 1.0, 5.0, 30.0
EARLY_SECONDS = 0.1
"""Between looks at a table of sockets that is still empty."""
IDLE_SHARE = 9
"""Times as long as reading the sockets took, at least, until they are read again."""
LINES = 1000
"""Lines that are handed out at a time."""


class Network(Protocol):
    """A source of lines about interfaces, and perhaps routes and neighbours."""

    def descriptors(self) -> list[Any]:
        """Sockets that become readable when there is something new."""

    def next_due(self) -> float:
        """When `follow` has something to do even if nothing becomes readable (monotonic)."""

    def follow(self) -> None:
        """Write lines about what is new."""

    def close(self) -> None:
        """Close what is open."""


class Machine:
    """Reads what this machine is, and gives lines about it: all at the beginning, then what changes."""

    def __init__(
        self,
        interfaces: Sequence[str] | None,
        table: SocketTable | None = None,
        own: OwnSockets | None = None,
        rest: Callable[[], None] = lambda: None,
    ) -> None:
        """Begin; ``interfaces`` are those whose counters are wanted, None stands for all.

        The sockets are those of a recorder's ``table``, which it keeps up to date, or of ``own``, which is read here;
        without either there are no lines about them. ``rest`` is called during long work.
        """
        self.waiting: deque[Keys] = deque()
        self.interfaces = interfaces
        self.network, self.counters = self._sources()
        self.sockets = SocketChanges(self.waiting.append)
        self.table = own.table if own else table
        """It may be another thread's, which changes it meanwhile."""
        self.own, self.rest = own, rest
        self.host: Keys = {}
        now = time.monotonic()
        self.counters_due = self.sockets_due = self.host_due = now

    def _sources(self) -> tuple[Network, Counters]:
        """Where interfaces and their counters come from: Linux's own tables."""
        tables = NetworkTables(self.waiting.append)
        return tables, Counters(lambda: kernel_counters(tables.questions, self.interfaces))

    def close(self) -> None:
        """Close what is open."""
        self.network.close()
        if self.own:
            self.own.close()

    def descriptors(self) -> list[Any]:
        """Sockets that become readable when there is something to read."""
        return self.network.descriptors()

    def due(self) -> float:
        """When there is something to do even if nothing becomes readable (monotonic)."""
        if self.waiting:
            return 0.0
        sockets = self.sockets_due if self.table else float("inf")
        return min(self.network.next_due(), sockets, self.counters_due, self.host_due)

    def lines(self, now: float) -> list[Keys]:
        """Lines about what is new at ``now`` (monotonic); the rest of very many at the next call, which is due then."""
        if len(self.waiting) < LINES:
            self._look(now)
        return [self.waiting.popleft() for _ in range(min(len(self.waiting), LINES))]

    def last_lines(self) -> list[Keys]:
        """All that is left when recording ends, with the last counters and sockets."""
        self.counters_due = self.sockets_due = self.host_due = 0.0
        self._look(time.monotonic())
        rest = list(self.waiting)
        self.waiting.clear()
        return rest

    def _look(self, now: float) -> None:
        if now >= self.host_due:
            self.host_due = now + HOST_SECONDS
            self._look_at_host()
        self.network.follow()
        if now >= self.counters_due:
            on_time = self.counters_due + COUNTER_SECONDS
            self.counters_due = on_time if on_time > now else now + COUNTER_SECONDS
            self.waiting.extend(self.counters.lines())
        if self.table and now >= self.sockets_due:
            self._look_at_sockets(self.table, now)

    def _look_at_sockets(self, table: SocketTable, now: float) -> None:
        if self.own:
            self.own.update(self.rest)
        if not table.count["polls"]:  # the recorder's first poll goes on
            self.sockets_due = now + EARLY_SECONDS
            return
        self.sockets.look(table)
        self.sockets_due = now + max(SOCKET_SECONDS, IDLE_SHARE * (time.monotonic() - now))

    def _look_at_host(self) -> None:
        host = host_keys()
        if host != self.host:
            self.host = host
            self.waiting.append({"record": "host", "at": time.time_ns(), **host})


class MachineCompanion:
    """Runs a `Machine` on a thread of the probe."""

    def __init__(
        self,
        interfaces: Sequence[str] | None,
        own: Callable[[], OwnSockets] | None = None,
        make: Callable[[], Machine] | None = None,
    ) -> None:
        self.interfaces, self.own, self.make = interfaces, own, make
        self.table: SocketTable | None = None
        """Table of the recorder in the same process, which may come when `run` has begun; not used with ``own``."""

    def run(self, stop: socket.socket, write: Callable[[Keys], None]) -> None:
        """Write lines until ``stop`` is readable, then the last ones."""
        own = self.own() if self.own else None
        machine = self.make() if self.make else Machine(self.interfaces, own=own)
        try:
            with selectors.DefaultSelector() as selector:
                for one in (stop, *machine.descriptors()):
                    selector.register(one, selectors.EVENT_READ)
                while True:
                    wait = max(machine.due() - time.monotonic(), 0)
                    if stop in {key.fileobj for key, _ in selector.select(wait)}:
                        break
                    machine.table = machine.table or self.table
                    for keys in machine.lines(time.monotonic()):
                        write(keys)
            for keys in machine.last_lines():
                write(keys)
        finally:
            machine.close()
