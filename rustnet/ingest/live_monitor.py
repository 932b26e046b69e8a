"""`LiveMonitor`: how a live capture stands, from what passes through the process that holds its session."""

import contextlib
import os
import time
from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np

from rustnet.ingest.live_state import InterfaceState, LiveState, rated
from rustnet.probe.newfile import RefusedError
from rustnet.store.batches import Batch, as_columns
from rustnet.store.tables import CaptureStat

STATE_SECONDS = 1.0
"""Seconds between two states."""


class Watcher(Protocol):
    """Receives the states of a live capture."""

    @property
    def outputs(self) -> list[str]:
        """Files that it writes."""

    def start(self) -> None:
        """Begin, in the process that captures."""

    def put(self, state: LiveState) -> None:
        """Take a state."""

    def close(self) -> None:
        """End."""


class LiveMonitor:
    """Gives each watcher a state once a second; all calls are made on the thread that passes rows on."""

    def __init__(self, session: str, names: Sequence[str], watchers: Sequence[Watcher]) -> None:
        self.capture_id = 0
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
            if batch.cls is CaptureStat:
                columns = as_columns(batch, self.capture_id)
                values = (np.asarray(columns[name]).tolist() for name in ("interface", "packets", "dropped", "freezes"))
                for interface, *counted in zip(*values, strict=True):
                    counts = self.counts.setdefault(interface, [0, 0, 0])
                    self.counts[interface] = [a + b for a, b in zip(counts, counted, strict=True)]

    def progress(self, position: int, packets: int, flows: int) -> None:
        """Take the progress, and pass a state on if one is due."""
        self.position, self.packets, self.flows = position, packets, flows
        now = time.monotonic()
        if self.watchers and now >= self.due:
            self.due = now + STATE_SECONDS
            self.last = rated(self.more(self.state(now)), self.last)
            for watcher in self.watchers:
                with contextlib.suppress(OSError, RefusedError):  # a full disk must not end the capture
                    watcher.put(self.last)

    def state(self, now: float) -> LiveState:
        """How the capture stands, by the monotonic clock."""
        size = None
        with contextlib.suppress(OSError):
            size = os.stat(self.session).st_size  # noqa: PTH116 -- a path as the user gave it
        interfaces = tuple(
            InterfaceState(self.names[number] if number < len(self.names) else str(number), packets, dropped, freezes)
            for number, (packets, dropped, freezes) in sorted(self.counts.items())
        )
        return LiveState(
            now - self.begun,
            packets=self.packets,
            bytes=self.position,
            flows=self.flows,
            interfaces=interfaces,
            session_bytes=size,
        )
