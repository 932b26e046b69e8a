"""`LiveMonitor`: how a live capture stands, put together from what passes through the process that holds its session."""

import contextlib
import os
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from rustnet.ingest.live_state import InterfaceState, LiveState, rated
from rustnet.store.batches import Batch, Records
from rustnet.store.tables import CaptureStat

STATE_SECONDS = 1.0
"""Seconds between two states."""


class Watcher(Protocol):
    """Receives the states of a live capture."""

    def start(self) -> None:
        """Begin, in the process that captures."""

    def put(self, state: LiveState) -> None:
        """Take a state."""

    def close(self) -> None:
        """End."""


class LiveMonitor:
    """Gives each watcher a state once a second; all calls are made on the thread that passes rows on."""

    def __init__(self, session: str, names: Sequence[str], watchers: Sequence[Watcher]) -> None:
        self.session = session
        self.watchers = watchers
        self.names = list(names)
        self.counts: dict[int, list[int]] = {}
        """Packets, drops and freezes by interface."""
        self.begun = time.monotonic()
        self.last: LiveState | None = None
        self.due = self.begun
        self.more: Callable[[LiveState], LiveState] = lambda state: state
        """Adds what others know."""
        self.position = self.packets = self.flows = 0

    def take(self, batches: Sequence[Batch]) -> None:
        """Count what rows state about interfaces."""
        for batch in batches:
            if isinstance(batch, Records) and batch.cls is CaptureStat:
                for row in batch.rows:
                    counts = self.counts.setdefault(row.interface, [0, 0, 0])
                    for i, value in enumerate((row.packets, row.dropped, row.freezes)):
                        counts[i] += value or 0

    def progress(self, position: int, packets: int, flows: int) -> None:
        """Take the progress, and pass a state on if one is due."""
        self.position, self.packets, self.flows = position, packets, flows
        now = time.monotonic()
        if self.watchers and now >= self.due:
            self.due = now + STATE_SECONDS
            self.last = rated(self.more(self.state(now)), self.last)
            for watcher in self.watchers:
                watcher.put(self.last)

    def state(self, now: float) -> LiveState:
        """How the capture stands, by the monotonic clock."""
        size = None
        with contextlib.suppress(OSError):
            size = os.stat(self.session).st_size  # noqa: PTH116 -- a path as the user gave it
        interfaces = tuple(
            InterfaceState(self.names[number] if number < len(self.names) else str(number), *counts)
            for number, counts in sorted(self.counts.items())
        )
        return LiveState(
            now - self.begun,
            packets=self.packets,
            bytes=self.position,
            flows=self.flows,
            interfaces=interfaces,
            session_bytes=size,
        )
