"""Events of the eBPF program, turned into sockets with their owners and lines about them."""

from __future__ import annotations

import socket
from collections import Counter, OrderedDict
from typing import Callable, Tuple

from rustnet.probe.ebpf.describe import Describer
from rustnet.probe.ebpf.events import LISTENING, ProcessEvent, SocketEvent
from rustnet.probe.ebpf.libbpf import AT_ONCE
from rustnet.probe.ebpf.reasons import UnavailableError
from rustnet.probe.ebpf.source import Events, open_events
from rustnet.probe.ends import TCP, UDP, unmapped
from rustnet.probe.lines import Keys
from rustnet.probe.output import LineWriter
from rustnet.probe.processes import Processes
from rustnet.probe.sockets import EXACT, RAW_PROTOCOLS, STATES, Entry, Holding, SocketTable, new_entry
from rustnet.probe.sources import Sources
from rustnet.probe.system import network_namespace

WITNESSED = "ebpf"
"""How certain an owner is whom the kernel named itself, and how such a socket was first seen."""
ELSEWHERE = "ebpf-other-namespace"
"""The same, of a socket in another network namespace than the recorder's."""
IDLE_NS = 5_000_000_000
"""After so long without an event an exchange of datagrams has ended."""
READINGS = 16
"""Full readings of the ring buffer in one go: about twice what it holds."""
REMEMBERED = 16384
"""Sockets, and exchanges, that are remembered at most."""

Holder = Tuple[int, int]
"""Process id and start (ns since 1970)."""


class EventOwners:
    """Enters the owners that events name into the table of sockets, and writes them at once."""

    method = WITNESSED

    def __init__(self, events: Events, processes: Processes, namespace: int | None) -> None:
        self.events, self.namespace = events, namespace
        self.descriptor = events.descriptor
        self.datagrams = events.datagrams
        self.describer = Describer(processes)
        self.count: Counter[str] = Counter()
        self.table: SocketTable
        self.lines: LineWriter
        self.by_cookie: OrderedDict[bytes, dict[Holder, Holding]] = OrderedDict()
        """Owners of sockets that the table does not have yet."""
        self.exchanges: OrderedDict[bytes, Entry] = OrderedDict()
        """What a process exchanged with one remote end, without a socket of just these ends in the table."""

    def join(self, table: SocketTable, lines: LineWriter, rest: Callable[[], None]) -> None:
        """Enter owners into this table from now on; ``rest`` may pause between two events."""
        self.table, self.lines, self.rest = table, lines, rest

    def follow(self) -> None:
        """Enter what has happened since the last call; of more than `READINGS` full readings the rest waits."""
        for _ in range(READINGS):
            events = self.events.read()
            for event in events:
                self.rest()
                if isinstance(event, ProcessEvent):
                    self.describer.process(event)
                else:
                    self._used(event)
            self.count["events"] += len(events)
            if len(events) < AT_ONCE:
                break

    def owned(self, entry: Entry) -> bool:
        """Give a socket of the kernel's table the owners that events have named; returns whether it has any."""
        for holder, held in self.by_cookie.pop(entry.cookie, {}).items():
            entry.holders.setdefault(holder, held)
        return bool(entry.holders)

    def _used(self, event: SocketEvent) -> None:
        """Enter a process's use of a socket."""
        own = event.namespace == self.namespace
        if not own and not _leaves_its_namespace(event):
            self.count["events_elsewhere"] += 1
            return
        match = WITNESSED if own else ELSEWHERE
        holder, process = self.describer.owner(event.who)
        of_socket = own and event.protocol in {TCP, UDP} and event.state
        entry = self._socket(event) if of_socket else self._exchange(event, holder)
        entry.last = max(entry.last, event.time)
        held = entry.holders.get(holder)
        if held is not None and held.process == process:
            held.last, held.match = max(held.last, event.time), match
            return
        if held is not None:  # the process has become another program
            held.released = event.time
            self.lines.connection(entry, held, len(entry.holders))
        first = event.time if entry.holders or held else entry.first
        entry.holders[holder] = Holding(process, first, event.time, match)
        self.count["owned_by_event"] += 1
        self.lines.connection(entry, entry.holders[holder], len(entry.holders))
        if own and not of_socket:
            self._note_socket(event, holder, process)

    def _note_socket(self, event: SocketEvent, holder: Holder, process: Keys) -> None:
        """Note the owner of a socket from which a packet came whose ends are not the socket's own."""
        cookie = event.diag_cookie()
        entry = self.table.by_cookie.get(cookie)
        holders = entry.holders if entry else self.by_cookie.setdefault(cookie, {})
        if holder not in holders:
            holders[holder] = Holding(process, event.time, event.time, WITNESSED)
        if len(self.by_cookie) > REMEMBERED:
            self.by_cookie.popitem(last=False)

    def _socket(self, event: SocketEvent) -> Entry:
        """The socket's entry in the table."""
        key = event.diag_key()
        entry = self.table.entries.get(key)
        if entry is None:
            entry = _entry(event)
            entry.cookie = event.diag_cookie()
            local, remote = event.local, event.remote
            entry.ends = event.protocol, (unmapped(local[0]), local[1]), (unmapped(remote[0]), remote[1])
            self.table.admit(key, entry)
        elif entry.match == EXACT and event.protocol == TCP:
            entry.keys["state"] = STATES[event.state]
        return entry

    def _exchange(self, event: SocketEvent, holder: Holder) -> Entry:
        """The entry of a process's packets between two ends."""
        key = b"%d %d %d %b" % (event.namespace, *holder, event.diag_key()[:-12])  # without interface and cookie
        entry = self.exchanges.get(key)
        if entry is None:
            entry = self.exchanges[key] = _entry(event)
            if event.namespace != self.namespace:
                entry.keys["network_namespace"] = event.namespace
            entry.early = entry.first + self.table.early_ns
            if len(self.exchanges) > REMEMBERED:
                self._end(self.exchanges.popitem(last=False)[1], released=event.time)
        self.exchanges.move_to_end(key)
        return entry

    def settle(self, now: int, early: bool) -> None:
        """Write exchanges that have ended, and long ones now and then."""
        for key, entry in list(self.exchanges.items()):
            if now - entry.last > IDLE_NS:
                del self.exchanges[key]
                self._end(entry, released=now)
            elif early and now >= entry.early:
                entry.early = now + 3 * (now - entry.first)
                self._end(entry)

    def finish(self) -> None:
        """Write all exchanges."""
        for entry in self.exchanges.values():
            self._end(entry)
        self.exchanges.clear()

    def _end(self, entry: Entry, released: int = 0) -> None:
        """Write an exchange; once it has ended, it is no longer held."""
        for held in entry.holders.values():
            held.released = released
            self.lines.connection(entry, held, len(entry.holders))

    def numbers(self) -> Keys:
        """Numbers for the lines about the recording."""
        names = ("events", "events_elsewhere", "owned_by_event")
        lost = {"events_lost": self.events.lost(), "events_limited": self.events.limited()}
        return {**{name: self.count[name] for name in names}, **lost}

    def close(self) -> None:
        """End the eBPF program."""
        self.events.close()


def _leaves_its_namespace(event: SocketEvent) -> bool:
    """Whether packets between an event's ends can be seen in other network namespaces than theirs."""
    if event.kind == LISTENING or not any(event.remote[0]) or not any(event.local[0]):
        return False
    return not any(unmapped(end[0]).startswith(b"\x7f") or end[0] == b"\0" * 15 + b"\1" for end in _ends(event))


def _ends(event: SocketEvent) -> tuple[tuple[bytes, int], tuple[bytes, int]]:
    return event.local, event.remote


def _entry(event: SocketEvent) -> Entry:
    """Entry of what an event is about."""
    name = {TCP: "TCP", UDP: "UDP"}.get(event.protocol) or RAW_PROTOCOLS.get(event.protocol, "RAW")
    state = "RAW" if event.type == socket.SOCK_RAW else "UDP_ACTIVE"
    if event.protocol == TCP and event.state:
        state = STATES[event.state] if event.state < len(STATES) else STATES[0]
    local, remote = event.local, event.remote
    if event.protocol not in {TCP, UDP}:
        local, remote = (local[0], 0), (remote[0], 0)
    entry = new_entry(name, local, remote, state, event.time)
    entry.seen_by = WITNESSED
    if event.protocol not in {TCP, UDP}:
        entry.keys["icmp_id"] = event.local[1]
    elif len(local[0]) == 16 and not any(local[0]):
        entry.keys["ipv6_only"] = event.only6
    return entry


def add_events(sources: Sources) -> None:
    """Let events name owners from now on, if that is possible here; else note why not.

    Where they name who accepts connections and who sends datagrams, packets need not be watched as well.
    """
    try:
        events = open_events()
    except UnavailableError as error:
        sources.unavailable.append({"method": WITNESSED, "reason": error.reason.name, "detail": error.detail})
        return
    assert isinstance(sources.processes, Processes)
    sources.events = EventOwners(events, sources.processes, network_namespace())
    if events.datagrams and sources.watch:
        sources.watch.close()
        sources.watch = None
