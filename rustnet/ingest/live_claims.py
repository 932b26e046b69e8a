"""`LiveClaims`: the owners of flows while they are captured, from the lines of the probe."""

import re
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rustnet.attribute.formats.rustnet_sidecar import RustnetSidecar
from rustnet.attribute.formats.sidecar_blocks import Blocks
from rustnet.attribute.live_coverage import LiveCoverage
from rustnet.attribute.live_match import LiveMatch
from rustnet.attribute.match import OwnershipReport, anomaly, count_flows, store_faults
from rustnet.attribute.observation import Column

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

WAITING_BYTES = 64 << 20
"""Bytes of lines that may wait for a flush; further ones are counted and dropped."""

STEP_LINES = 50_000
"""Lines that one flush takes; the others wait for the next one."""

ORIGIN = "probe"
"""Prefix of the evidence of its claims, before the number of the line."""

_CLOSED = re.compile(rb'[{,]"(?:closed|released)_before":')
"""A key that only the last line of a process's hold on a socket has; in a text its quotes would be escaped."""


class LiveClaims:
    """Takes lines of the probe at any time, and turns them into claims and owners at each flush."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, wall: Callable[[], int] = time.time_ns) -> None:
        self._clock, self._wall = clock, wall
        self._lock = threading.Lock()
        self._lines: deque[bytes] = deque()
        self._waiting = 0
        """Bytes in `_lines`."""
        self.dropped = 0
        """Lines for which there was no room."""
        self.lost = 0
        """Lines whose claims could not be stored."""
        self._reader = RustnetSidecar(Path(ORIGIN))
        self._blocks = Blocks(self._reader)
        self.coverage = LiveCoverage()
        """How much of the present capture has an owner."""
        self._matches: dict[int, LiveMatch] = {}
        self._ended = False
        """The probe has ended: no line continues another."""
        self._interrupted = False
        """The previous step failed, and what it had done was taken back."""

    def add(self, lines: Iterable[bytes]) -> None:
        """Take complete lines, from any thread."""
        with self._lock:
            for given in lines:
                line = given.rstrip(b"\n").replace(b"\n", b" ") + b"\n"
                if self._waiting + len(line) > WAITING_BYTES:
                    self.dropped += 1
                    continue
                self._lines.append(line)
                self._waiting += len(line)

    def probe_ended(self) -> None:
        """From the next flush on, what was open is held until it was last seen: nobody watches it any more."""
        self._ended = True

    def __call__(self, con: "DuckDBPyConnection", capture_id: int) -> None:
        """Store what has been stated since the previous flush, within that of a capture."""
        self._step(con, capture_id)

    def finish(self, con: "DuckDBPyConnection", capture_id: int) -> OwnershipReport:
        """Store the rest after the last flow of a capture, and return the counts of all of it."""
        while self._waiting:
            self._step(con, capture_id)
        self._step(con, capture_id, final=True)
        match, faults = self._matches.pop(capture_id), self._reader.faults
        store_faults(con, capture_id, ORIGIN, faults)
        for kind, detail, count in (
            ("probe_lines_lost", "lines of the probe that could not be stored", self.dropped + self.lost),
            ("probe_lines_left_out", "sockets of the probe that were too many to be kept", match.left_out),
        ):
            if count:
                anomaly(con, capture_id, kind, [detail], count)
        report = OwnershipReport(
            sidecars=1,
            of_owners=int(match.has_sources),
            records=self._reader.records,
            duplicates=match.duplicates,
            bad_records=faults.bad + self.dropped + self.lost,
            unsupported=faults.unsupported,
            processes=match.new_processes,
            claims=match.claims,
            crowded=match.left_out,
            changed=match.changed,
        )
        count_flows(con, capture_id, report)
        return report

    def _step(self, con: "DuckDBPyConnection", capture_id: int, *, final: bool = False) -> None:
        data, closed = self._take()
        match = self._matches.get(capture_id)
        if match is None:
            match = self._matches[capture_id] = LiveMatch(con, capture_id)
        try:
            if self._interrupted:
                match.recover()
                self._interrupted = False
            match.step(self._blocks.read(data), closed, self._clock(), self._wall(), ended=self._ended, final=final)
            self._ended = False
            self.coverage = match.coverage
        except BaseException:
            self._interrupted = True
            self.lost += data.count(b"\n")
            raise

    def _take(self) -> tuple[bytes, Column]:
        """Take the lines that wait, up to `STEP_LINES`, and the numbers of those that no later line continues."""
        with self._lock:
            lines = [self._lines.popleft() for _ in range(min(STEP_LINES, len(self._lines)))]
            self._waiting -= sum(map(len, lines))
        first, search = self._blocks.number, _CLOSED.search
        closed = [number for number, line in enumerate(lines, first) if search(line)]
        return b"".join(lines), np.array(closed, np.int64)
