"""Limits that a user sets on how much of an input is read."""

import time
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of one input is read at most; None: all of it."""

    packets: int | None = None
    bytes: int | None = None
    """Bytes of the capture, after it was unpacked."""
    seconds: float | None = None
    """Seconds of real time since ``since``, or since the first batch was asked for."""
    live: bool = False
    """They were set on a live capture, whose options have other names."""
    since: float | None = None
    """When a live capture began, by the monotonic clock: packets wait in rings from then on."""


class Countdown:
    """Compares what was read of one input, which may be several files, with its limits."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        since = time.monotonic() if limits.since is None else limits.since
        self._until = None if limits.seconds is None else since + limits.seconds
        self._packets = 0
        self._bytes = 0

    def add_file(self, packets: int, read: int) -> None:
        """Count a file that was read: the next numbers are those of another one."""
        self._packets += packets
        self._bytes += read

    def packets_left(self, packets: int) -> int | None:
        """How many packets may still be read after so many; None: any number."""
        return None if self._limits.packets is None else max(0, self._limits.packets - self._packets - packets)

    def bytes_left(self, read: int) -> int | None:
        """How many bytes may still be read after so many; None: any number."""
        return None if self._limits.bytes is None else max(0, self._limits.bytes - self._bytes - read)

    def reached(self, packets: int, read: int) -> str | None:
        """Name the limit that was reached, as the user gave it; None if none was."""
        limits = self._limits
        if limits.packets is not None and self._packets + packets >= limits.packets:
            return f"{'--packets' if limits.live else '--max-packets'} {limits.packets}"
        if limits.bytes is not None and self._bytes + read >= limits.bytes:
            return f"--max-bytes {limits.bytes}"
        if self._until is not None and time.monotonic() >= self._until:
            return f"{'--duration' if limits.live else '--max-seconds'} {limits.seconds:g}"
        return None
