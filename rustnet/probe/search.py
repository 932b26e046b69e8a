"""The search for owners of sockets whose first packets have just passed."""

from __future__ import annotations

import struct
import time
from collections import Counter, OrderedDict
from typing import Any, Callable, Tuple, Union

from rustnet.probe.ends import TCP, UDP, End, Ends
from rustnet.probe.kernel import Kernel
from rustnet.probe.owners import Owners
from rustnet.probe.sockets import EXACT, Entry, Holding, SocketTable, diag_ends, diag_entry
from rustnet.probe.system import Pauses
from rustnet.probe.translations import Translations
from rustnet.probe.watch import PacketWatch, Target

OPEN, WAITING = {1, 8}, {3, 10, 12}  # ESTABLISHED, CLOSE_WAIT; half-open, LISTEN
AGAIN = {"not-accepted", "holder-not-found", "holder-unreadable"}
"""Reasons after which another attempt may succeed."""
RETRIES = (0.0005, 0.001, 0.001, 0.002, 0.004, 0.01, 0.03)
"""Seconds between attempts to find who has a connection that its process has not accepted yet."""
SAME_NS = {TCP: 500_000_000, UDP: 5_000_000_000}
"""So long packets with the same ends belong to one socket; then it is looked at again."""
SHARE, BURST_NS = 0.15, 300_000_000
"""Share of one core that the search may take, and what it may take at once."""
SCAN_REST_NS, REMEMBERED, PACKETS_AT_ONCE = 500_000_000, 16384, 256

Shown = Union[Ends, Tuple[int, End]]
"""What a packet has shown: ends, or the local end of a UDP socket that takes datagrams from anybody."""


class PacketSearch:
    """Follows watched packets to the sockets they belong to, and these to their processes."""

    def __init__(
        self,
        watch: PacketWatch,
        kernel: Kernel,
        translations: Translations | None,
        table: SocketTable,
        owners: Owners,
        pauses: Pauses,
        report_gap: Callable[[str], None],
    ) -> None:
        self.watch, self.kernel, self.translations = watch, kernel, translations
        self.table, self.owners, self.pauses, self.report_gap = table, owners, pauses, report_gap
        self.count: Counter[str] = owners.count
        self.targets: list[tuple[float, Target]] = []
        """Sockets to be looked for again, and when (monotonic)."""
        self.recent: OrderedDict[Any, tuple[int, str]] = OrderedDict()
        """What packets have shown: when, and why no owner is known."""
        self.allowance, self.allowed, self.searching = float(BURST_NS), time.monotonic_ns(), False

    def between(self) -> None:
        """Between two steps of long work, follow packets; at times let others have the processor."""
        if not self.searching:
            self.follow()
        self.pauses.rest()

    def follow(self) -> None:
        """Look for the owners of sockets whose first packets have just passed, or that were not accepted before."""
        now_ns = time.monotonic_ns()
        self.allowance = min(BURST_NS, self.allowance + (now_ns - self.allowed) * SHARE)
        self.allowed = now_ns
        for target in self.watch.packets(PACKETS_AT_ONCE):
            if self.watch.count():
                self.count["watch_pauses"] += 1
                level, full = self.watch.level, self.watch.full_level
                self.report_gap(f"packets were too many to be watched (level {level} of {full})")
            then = target.seen - SAME_NS[target.protocol]
            if self._shown(target.key()) > then or (target.protocol == UDP and self._shown((UDP, target.local)) > then):
                continue
            self.count["packets_seen"] += 1
            self._try(target)
        now = time.monotonic()
        due = [target for when, target in self.targets if when <= now]
        if due:
            self.targets = [one for one in self.targets if one[0] > now]
            for target in due:
                self._try(target)

    def why_missed(self, notice: bytes, protocol: int) -> str:
        """Why a socket is known only from the notice of its end."""
        seen, why = self.recent.get((protocol, *diag_ends(notice)), (0, ""))
        return why if why and seen >= self.table.previous else "closed-between-polls"

    def _shown(self, shown: Shown) -> int:
        """When this was last shown by a packet that was followed."""
        return self.recent.get(shown, (0, ""))[0]

    def _remember(self, shown: Shown, seen: int, why: str) -> None:
        self.recent[shown] = seen, why
        self.recent.move_to_end(shown)
        if len(self.recent) > REMEMBERED:
            self.recent.popitem(last=False)

    def _try(self, target: Target) -> None:
        """Look for the owner of one socket, now; later again if nobody has accepted it yet."""
        if self.allowance < 0:
            self.count["too_busy"] += 1
            self._remember(target.key(), target.seen, "recorder-too-busy")
            return
        began, self.searching = time.monotonic_ns(), True
        self.pauses.restart()
        why = self._find(target)
        self.searching = False
        self.allowance -= time.monotonic_ns() - began
        self._remember(target.key(), target.seen, why)
        if why in AGAIN and target.tries < len(RETRIES):
            self.targets.append((time.monotonic() + RETRIES[target.tries], target))
            target.tries += 1

    def _find(self, target: Target) -> str:
        """Enter the socket of a packet with its owner; returns why that is not possible, or nothing."""
        data = self.kernel.one(target.protocol, target.local, target.remote)
        if data is None and self.translations:
            back = self.translations.other(target.protocol, target.remote, target.local)
            data = self.kernel.one(target.protocol, *back) if back else None
        if data is None:
            return "closed-before-look"
        state, inode = data[1], struct.unpack_from("=I", data, 68)[0]
        if target.protocol == TCP and (state in WAITING or not inode):
            return "not-accepted" if state in WAITING or state in OPEN else "closed-before-look"
        key = bytes((target.protocol, data[0])) + data[4:52]
        entry = self.table.entries.get(key)
        if entry is None:
            entry = diag_entry(data, 0, len(data), target.protocol, target.seen)
            entry.seen_by = "packet"
            self.table.admit(key, entry)
        elif not entry.inode:
            entry.keys["socket_uid"], entry.inode = struct.unpack_from("=II", data, 64)
        if target.protocol == UDP and entry.match != EXACT:  # takes from anybody: its next packets show nothing new
            self._remember((UDP, target.local), target.seen, "")
        if not entry.holders:
            entry.unowned = self._hold(entry)
            return entry.unowned
        return ""

    def _hold(self, entry: Entry) -> str:
        """Note the process that holds a new socket; returns why none is known, or nothing."""
        owners, processes = self.owners, self.owners.processes
        pid = owners.search(entry)
        if pid is None and time.time_ns() - owners.scanned > SCAN_REST_NS and self.allowance > BURST_NS // 4:
            owners.scan(self.between)
            pid = next(iter(processes.holders.get(entry.inode, ())), None)
        if pid is None:
            return "holder-unreadable" if processes.unreadable else "holder-not-found"
        process = processes.describe(pid)
        if process is None:
            return "process-gone"
        entry.holders[pid, process[0]] = Holding(process[1], entry.first, max(entry.last, time.time_ns()))
        self.count["owned_by_packet"] += 1
        return ""
