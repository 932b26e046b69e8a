"""The recorder: polls the sockets, follows packets and notices, and has lines written."""

from __future__ import annotations

import selectors
import socket
import time
from typing import IO

from rustnet.probe.ends import TCP, UDP, endpoint
from rustnet.probe.lines import INET_DIAG_INFO, SIDECAR_VERSION, Keys, moment, rfc3339
from rustnet.probe.netlink import attributes
from rustnet.probe.options import Options
from rustnet.probe.output import LineWriter
from rustnet.probe.owners import Owners
from rustnet.probe.search import PacketSearch
from rustnet.probe.sockets import DIAG_SIZE, EXACT, LISTENER, Entry, Holding, SocketTable, diag_entry
from rustnet.probe.sources import Sources
from rustnet.probe.system import XCPU, Pauses, is_realtime, network_namespace
from rustnet.probe.totals import Totals, missed

INET_DIAG_PROTOCOL = 10
# The kernel sends its notices from a queue of its own: one of a socket that ended before the recording may come after.
LATE_NOTICES = 0.1  # seconds
CLOCK_STEP_NS, PATIENCE_NS = 50_000_000, 2_000_000_000
COUNTERS_NS, PROGRESS_NS = 4_000_000_000, 60_000_000_000
"""Between readings of all TCP counters; between lines about the recording."""


class Recorder:
    """Writes a line for every process that holds a socket while it runs."""

    def __init__(self, options: Options, out: IO[str], sources: Sources) -> None:
        self.options, self.out = options, out
        self.sockets, self.processes = sources.sockets, sources.processes
        self.watch, self.translations, self.events = sources.watch, sources.translations, sources.events
        self.unavailable = sources.unavailable
        self.interval = options.interval or (0.5 if self.watch or self.events else 0.25)
        self.origin: Keys = {
            "boot_id": self.sockets.boot_id or None,
            "host": options.host or socket.gethostname(),
            "recorder": sources.version,
            "sidecar_version": SIDECAR_VERSION,
        }
        self.totals = Totals()
        self.count = self.totals.count
        self.pauses = Pauses()
        self.table = SocketTable(options.early, self.count)
        self.lines = LineWriter(out, self.origin, self.processes.hashes, self.count)
        self.owners = Owners(self.table, self.processes, self.lines, self.count)
        self.search: PacketSearch | None = None
        self.between = self.pauses.rest
        if self.watch and sources.kernel:
            self.search = PacketSearch(
                self.watch, sources.kernel, self.translations, self.table, self.owners, self.pauses, self._report_gap
            )
            self.between = self.search.between
        if self.events:
            self.events.join(self.table, self.lines, self.pauses.rest)
            self.between = self._between
        self.counters_due = self.reported = 0
        """When the kernel's counters of all sockets are next to be read; when the recording was last reported on."""
        self.skew = time.time_ns() - time.monotonic_ns()
        self.started = time.time_ns()

    def run(self, stop: socket.socket) -> None:
        """Poll until ``--duration`` is over or ``stop`` becomes readable."""
        with selectors.DefaultSelector() as selector:
            selector.register(stop, selectors.EVENT_READ)
            if self.watch:
                selector.register(self.watch.socket, selectors.EVENT_READ)
            if self.events:
                selector.register(self.events.descriptor, selectors.EVENT_READ)
            due = time.monotonic()
            end = due + (self.options.duration or float("inf"))
            while True:
                begun = time.monotonic()
                self.poll()
                due += self.interval
                # A host with very many sockets is polled less often rather than kept busy: four fifths stay idle.
                earliest = time.monotonic() + 4 * (time.monotonic() - begun)
                if earliest > due:
                    self.count["late_polls"] += 1
                    due = earliest
                if self._wait(selector, stop, min(due, end)) or time.monotonic() >= end:
                    break
        self._finish()

    def _wait(self, selector: selectors.BaseSelector, stop: socket.socket, until: float) -> bool:
        """Follow packets until the next poll is due; returns whether recording is to end."""
        hashes = self.processes.hashes
        while True:
            now = time.monotonic()
            if self.watch:
                self.watch.restore()
            targets = self.search.targets if self.search else []
            wait = min([until, *(when for when, _ in targets)]) - now
            idle = bool(hashes and hashes.queue)
            ready = {key.fileobj for key, _ in selector.select(0 if idle else min(max(wait, 0), 1e6))}
            if stop in ready and set(stop.recv(64)) != {XCPU}:
                return True
            if now >= until:
                return False
            if self.events and self.events.descriptor in ready:
                self.pauses.restart()
                self.events.follow()
                self.out.flush()
            if self.search and (ready or targets):
                self.search.follow()
            elif hashes and idle:
                hashes.step()
                if self.lines.held_back and len(hashes.queue) == 0:
                    self.lines.release()

    def _between(self) -> None:
        """Between two steps of long work, follow events, or packets."""
        if self.events:
            self.events.follow()
        if self.search:
            self.search.between()
        else:
            self.pauses.rest()

    def _finish(self) -> None:
        """Poll once more, with all counters, and write what is still open."""
        self.counters_due = 0
        if self.sockets.gives_notices:
            time.sleep(LATE_NOTICES)
        self.poll()
        if self.processes.hashes:
            self.processes.hashes.finish(2)
        self.lines.release()
        for entry in self.table.entries.values():
            if entry.gone:
                entry.keys["closed_before"] = moment(entry.gone)
            self._write(entry, last=True)
        if self.events:
            self.events.finish()
        self.lines.release(unhashed=True)
        self._report("end", {"missed": self.missed(), "addresses": self.sockets.addresses()})
        self.out.flush()

    def poll(self) -> None:
        """Look at every socket once."""
        table, began = self.table, time.monotonic_ns()
        self.pauses.restart()
        table.previous, table.now = table.now, time.time_ns()
        if table.previous:
            self.totals.longest_gap_ns = max(self.totals.longest_gap_ns, table.now - table.previous)
        self.count["clock_steps"] += abs(table.now - began - self.skew) > CLOCK_STEP_NS
        self.skew = table.now - began
        notices = self.sockets.notices(self.count)
        if self.events:  # of a socket that has ended, its owner was reported before
            notices = iter(list(notices))
            self.events.follow()
        for notice in notices:
            self._end(notice)
        counters = table.now >= self.counters_due
        if counters:
            self.counters_due = table.now + COUNTERS_NS
        fresh = self.sockets.update(table, counters, self.pauses.rest)
        if self.events:
            self.events.follow()
            fresh = [entry for entry in fresh if not self.events.owned(entry)]
        scan_due = table.now - self.owners.scanned >= self.options.rescan * 1e9
        if scan_due or not all(map(self.owners.located, fresh)):
            self.owners.scan(self.between)
            self.owners.assign(table.entries.values())
        else:
            self.owners.assign(fresh)
        self._settle()
        if table.now - self.reported > PROGRESS_NS:
            self._report("progress" if self.reported else "start", {"addresses": self.sockets.addresses()})
        self.out.flush()
        self.totals.poll_ended(time.monotonic_ns() - began)

    def _end(self, notice: bytes) -> None:
        """Write a socket of whose end the kernel gives notice."""
        kinds = attributes(notice[DIAG_SIZE:])
        protocol = kinds.get(INET_DIAG_PROTOCOL, b"\0")[0]
        if protocol not in {TCP, UDP} or len(notice) < DIAG_SIZE:
            return
        entry = self.table.entries.pop(bytes((protocol, notice[0])) + notice[4:52], None)
        if entry is None:
            entry = self._unseen(notice, protocol)
            if entry is None:
                return
        elif INET_DIAG_INFO in kinds:
            entry.attributes = notice[DIAG_SIZE:]
        if protocol == TCP and entry.match != LISTENER:
            entry.keys["state"] = "CLOSED"
        self._close(entry)

    def _unseen(self, notice: bytes, protocol: int) -> Entry | None:
        """Entry of a socket that is known only from the notice of its end; None if it never was bound."""
        table = self.table
        entry = diag_entry(notice, 0, len(notice), protocol, table.now)
        del entry.keys["socket_uid"]  # a notice does not hold whose the socket was
        if entry.keys["local_addr"].endswith(":0"):
            return None  # no packet can be its
        entry.first = table.previous or table.now
        entry.seen_by = "notice"
        entry.unowned = self.search.why_missed(notice, protocol) if self.search else "closed-between-polls"
        same = table.by_cookie.get(entry.cookie)
        if same:  # a known socket that has got another remote end since
            entry.holders = {
                holder: Holding(held.process, entry.first, table.now) for holder, held in same.holders.items()
            }
        self.count["sockets"] += 1
        if not (self.events and self.events.owned(entry)):
            self.count["closed_unseen"] += 1
        return entry

    def _settle(self) -> None:
        """Write sockets that have gone, and long-lived ones now and then."""
        now = self.table.now
        for key, entry in list(self.table.entries.items()):
            if entry.last < now:
                entry.gone = entry.gone or now
                # The kernel's notice, which has the last counts, comes when the last frame has left the queues.
                if now - entry.gone > PATIENCE_NS or not self.sockets.gives_notices or not entry.cookie:
                    del self.table.entries[key]
                    self._close(entry)
            elif self.options.early and now >= entry.early:
                entry.early = now + 3 * (now - entry.first)
                self._write(entry)
        if self.events:
            self.events.settle(now, self.options.early > 0)

    def _close(self, entry: Entry) -> None:
        self.table.by_cookie.pop(entry.cookie, None)
        self.processes.ended.add(entry.inode)
        entry.keys["closed_before"] = moment(entry.gone or self.table.now)
        self._write(entry, last=True)

    def _write(self, entry: Entry, last: bool = False) -> None:
        """Write the lines of a socket, for the last time or not."""
        if self.translations and entry.ends and entry.match == EXACT:
            back = self.translations.other(*entry.ends)
            if back:
                entry.keys["nat_local_addr"], entry.keys["nat_remote_addr"] = endpoint(*back[1]), endpoint(*back[0])
            entry.ends = None
        if not entry.holders:
            why = entry.unowned
            if not why:
                nobody = "holder-unreadable" if self.processes.unreadable else "holder-not-found"
                why = nobody if entry.inode else "not-accepted"
            entry.keys["unowned_because"] = why
            if last:
                self.count["unowned"] += 1
                self.totals.reasons[why] += 1
            unknown = Holding({"pid": None, "process_name": None}, entry.first, entry.last)
            self.lines.connection(entry, unknown, 0)
        for held in entry.holders.values():
            held.last = max(held.last, entry.last)  # even if the process has left the connection to the kernel
            self.lines.connection(entry, held, len(entry.holders))

    def _report(self, record: str, more: Keys) -> None:
        """Write a line about the recording since the last such line."""
        since, self.reported = self.reported or self.started, time.time_ns()
        self.lines.recording(record, since, self.reported, {**self.facts(), **more})

    def _report_gap(self, sentence: str) -> None:
        self._report("gap", {"missed": [sentence]})

    def facts(self) -> Keys:
        """How the recording is made and what it has come to, as numbers."""
        return {
            "interval_s": self.interval,
            "methods": [
                self.sockets.method,
                *["destroy-notices"] * self.sockets.gives_notices,
                *["packets"] * (self.watch is not None),
                *([self.events.method] if self.events else []),
                *["realtime"] * is_realtime(),
            ],
            **({"unavailable": self.unavailable} if self.unavailable else {}),
            **self.totals.numbers(),
            **(self.events.numbers() if self.events else {}),
            "unreadable_processes": len(self.processes.unreadable),
            "notices": self.sockets.gives_notices,
            "network_namespace": network_namespace(),
            "packets_dropped": self.watch.dropped() if self.watch else 0,
        }

    def missed(self) -> list[str]:
        """What the recording may have missed, in sentences."""
        dropped = self.watch.dropped() if self.watch else 0 if self.events else None
        unreadable = len(self.processes.unreadable)
        sentences = missed(self.totals, self.interval, self.sockets.gives_notices, dropped, unreadable)
        lost = self.events.numbers()["events_lost"] if self.events else 0
        return [*sentences, *[f"{lost} reports of the kernel on sockets: it had no room for them"] * bool(lost)]

    def summary(self) -> Keys:
        """What the recording covers and what it may have missed."""
        times = {"started": rfc3339(self.started), "ended": rfc3339(time.time_ns())}
        return {**self.origin, **times, **self.facts(), "missed": self.missed()}
