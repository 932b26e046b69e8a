"""`RingSource`: packets of this machine's interfaces, from rings that another process may have opened (a `Source`)."""

import errno
import mmap
import os
import select
import socket
import struct
import time
from collections.abc import Callable, Iterator, Sequence

from rustnet.probe.ring_socket import (
    ETHERNET,
    FULL,
    LOOPBACK,
    PACKET_STATISTICS,
    RETIRE_MS,
    SOL_PACKET,
    VLAN_TAG,
    RingInterface,
)
from rustnet.sources.frames import BUFFER_BYTES, Damage, Frames, InputFile, Interface, Note, SourceInfo
from rustnet.sources.limits import Countdown, Limits
from rustnet.sources.ringwalk import RingMerge, RingReader

BUFFERS = 2
"""Batches that are filled in turn."""
INBOUND, OUTBOUND = 1, 2
"""Directions in a note's flags."""
MAX_RINGS = 256
"""Interfaces that one capture reads."""
MAX_DAMAGE = 10_000
"""Events of interfaces and clock that are kept; what follows is counted in `RingSource.unrecorded`."""
HOLD_NS = 5 * RETIRE_MS * 1_000_000
"""Nanoseconds by which a packet may reach its ring's reader after packets of other rings: it is waited for so long."""
TICK = 0.1
"""Seconds after which the stop token and the interfaces are looked at although no packet comes."""
READ_STATISTICS = 1.0
"""Seconds between readings of the kernel's counters, which each reading sets to zero."""
CLOCK_JUMP_NS = 1_000_000_000
"""Nanoseconds that the wall clock has to run apart from the monotonic one to have been set."""
FOREVER = (1 << 63) - 1


class Ring:
    """One mapped ring, and what was counted of it."""

    def __init__(self, descriptor: int, interface: RingInterface, number: int) -> None:
        link = interface.link_type
        if link is None:
            raise ValueError(f"{interface.name}: hardware type {interface.hardware} has no link type")
        size = interface.block_bytes * interface.blocks
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0, descriptor)
        self.socket.setblocking(False)
        self.map = mmap.mmap(descriptor, size, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE)
        self.view = memoryview(self.map)
        self.block_bytes = interface.block_bytes
        self.size = size
        self.block = 0
        """Where the present block begins, or the next one."""
        self.reader = RingReader(
            self.view, number, link, interface.snaplen, interface.hardware == LOOPBACK, link == ETHERNET
        )
        self.up = True
        self.lost_at = 0
        """When its interface vanished (monotonic clock); 0: it exists."""
        self.gone = False
        """Its interface vanished, and what it received before has been read."""
        self.dropped = 0
        """Packets that found the ring full."""
        self.freezes = 0
        """Times at which the ring was full."""
        self.interface = Interface(link, interface.snaplen, interface.name, dropped_kernel=0)

    def advance(self) -> bool:
        """Begin with the next block that holds packets, if the kernel has passed it on; gives finished ones back."""
        reader = self.reader
        while not reader.left and reader.ready(self.block):
            reader.open(self.block)
            if not reader.left:
                self.release()
        return reader.left > 0

    def release(self) -> None:
        """Give the present block back to the kernel."""
        struct.pack_into("=I", self.view, self.block + 8, 0)
        self.block = (self.block + self.block_bytes) % self.size

    def count(self) -> None:
        """Add the kernel's counters, which the reading sets to zero."""
        try:
            _, dropped, freezes = struct.unpack("3I", self.socket.getsockopt(SOL_PACKET, PACKET_STATISTICS, 12))
        except OSError:
            return
        self.dropped += dropped
        self.freezes += freezes
        self.interface.dropped_kernel = self.dropped
        self.interface.packets = self.reader.packets

    def exists(self) -> bool:
        """Whether the interface of the ring still exists."""
        try:
            return bool(self.socket.getsockname()[0])
        except OSError:
            return False

    def close(self) -> None:
        """Release the ring."""
        self.reader = RingReader(memoryview(bytearray()), 0, 0, 0, False, False)
        self.view.release()
        self.map.close()
        self.socket.close()


class RingSource:
    """Packets of several interfaces in order of time, from descriptors that `open_ring` made (a `Source`).

    With ``directions`` each packet has a note whether it came in or went out, but on the loopback interface, where
    each does both. It owns the descriptors. It ends when ``stopped`` says so, at a limit, and when no interface is
    left.
    """

    def __init__(
        self,
        descriptors: Sequence[int],
        interfaces: Sequence[RingInterface],
        stopped: Callable[[], bool],
        directions: bool = False,
    ) -> None:
        if not 0 < len(interfaces) <= MAX_RINGS or len(descriptors) != len(interfaces):
            raise ValueError(f"expected a ring for each of 1 to {MAX_RINGS} interfaces")
        if max(each.block_bytes for each in interfaces) + VLAN_TAG > BUFFER_BYTES:
            raise ValueError("blocks of a ring are larger than a batch")
        self.ring: Sequence[Frames] = ()
        self.rings = [Ring(*pair, i) for i, pair in enumerate(zip(descriptors, interfaces, strict=True))]
        self.interfaces = [ring.interface for ring in self.rings]
        self.info = SourceInfo(",".join(each.name for each in interfaces), "live", "live")
        self.damage: list[Damage] = []
        self.unrecorded = 0
        """Events beyond `MAX_DAMAGE`."""
        self.files: list[InputFile] = []
        self.limits = Limits()
        self._stopped = stopped
        received, sent = Note(flags=INBOUND), Note(flags=OUTBOUND)
        for ring, each in zip(self.rings, interfaces, strict=True):
            if directions and each.hardware != LOOPBACK:
                ring.reader.received, ring.reader.sent = received, sent
        self._merge = RingMerge([ring.reader for ring in self.rings])
        self._packets = 0
        self._bytes = 0
        self._last_ts = 0
        self._counted_at = 0.0
        self._held_since = 0
        self._ahead = _clock() - time.monotonic_ns()
        self._poll = select.poll()
        for ring in self.rings:
            self._poll.register(ring.socket, select.POLLIN | select.POLLERR)

    def batches(self, patience: float | None = None) -> Iterator[Frames]:
        """Read until the capture is stopped; empty batches have the time at which there was nothing."""
        buffers = list(self.ring) or [Frames() for _ in range(BUFFERS)]
        countdown = Countdown(self.limits)
        nothing = Frames(0, 0)
        turn = 0
        quiet_since = time.monotonic()
        while not self._stopped() and any(not ring.gone for ring in self.rings):
            if self._limit_reached(countdown):
                break
            frames = buffers[turn]
            self._fill(frames, countdown)
            now = time.monotonic()
            self._count(now)
            if frames.count:
                quiet_since = now
                turn = (turn + 1) % len(buffers)
                yield frames
            elif patience is not None and now - quiet_since >= patience:
                quiet_since = now
                nothing.clock, nothing.first_number = _clock(), self._packets + 1
                yield nothing
            else:
                wait = TICK if patience is None else min(TICK, max(quiet_since + patience - now, 0.001))
                self._wait(wait)
        self._count(FOREVER)
        self.info.complete = any(not ring.gone for ring in self.rings)

    def position(self) -> int:
        """Bytes of packets read so far."""
        return self._bytes

    def close(self) -> None:
        """Release all rings."""
        self._merge = RingMerge([])
        for ring in self.rings:
            ring.close()
        self.rings = []

    def _fill(self, frames: Frames, countdown: Countdown) -> None:
        """Fill a batch with the packets that are due, in order of time."""
        frames.count = 0
        frames.data = frames.buffer
        frames.notes = {}
        frames.first_number = self._packets + 1
        merge = self._merge
        merge.used = 0
        clock = _clock()
        self._check_clock(clock)
        waiting = [ring for ring in self.rings if not ring.advance() and not ring.gone]
        for ring in waiting:  # what a lost one received before is still read
            ring.gone = ring.lost_at > 0 and time.monotonic_ns() - ring.lost_at > HOLD_NS
        until = min((self._seen(ring, clock) for ring in waiting), default=FOREVER)
        if self._overdue():
            until = FOREVER
        capacity = frames.capacity
        left = countdown.packets_left(self._packets)
        frames.capacity = capacity if left is None else min(capacity, left)
        while (exhausted := merge.run(frames, until)) >= 0:
            ring = self.rings[exhausted]
            ring.release()
            if not ring.advance():
                until = min(until, self._seen(ring, clock))
        frames.capacity = capacity
        if frames.count:
            self._packets += frames.count
            self._bytes += merge.used
            self._last_ts = frames.ts[frames.count - 1]
            self._note_up(frames)
        held = exhausted != FULL and any(ring.reader.left for ring in self.rings)
        if not held or frames.count:
            self._held_since = time.monotonic_ns() if held else 0
        elif not self._held_since:
            self._held_since = time.monotonic_ns()

    def _seen(self, ring: Ring, clock: int) -> int:
        """Time up to which no other packet of a ring without a block is to be expected at ``clock``."""
        if len(self.rings) == 1:
            return FOREVER
        return max(ring.reader.last_ts, clock - HOLD_NS)

    def _overdue(self) -> bool:
        """Whether packets wait for others longer than these may take: the clock was set."""
        return bool(self._held_since) and time.monotonic_ns() - self._held_since > 2 * HOLD_NS

    def _wait(self, seconds: float) -> None:
        """Wait for a block of any ring, or for news of an interface."""
        if self._held_since:
            time.sleep(min(seconds, HOLD_NS / 4e9))  # blocks wait: poll would return at once
            seconds = 0
        for descriptor, event in self._poll.poll(seconds * 1000):
            if event & (select.POLLERR | select.POLLHUP | select.POLLNVAL):
                self._look_at(next(ring for ring in self.rings if ring.socket.fileno() == descriptor))

    def _look_at(self, ring: Ring) -> None:
        """Find out what is wrong with the interface of a ring."""
        error = ring.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        name = ring.interface.name
        if not ring.exists():
            if not ring.lost_at:
                ring.lost_at = time.monotonic_ns()
                self._record("interface_gone", f"{name}: the interface does not exist any more")
        elif error == errno.ENETDOWN:
            if ring.up:
                ring.up = False
                self._record("interface_down", f"{name}: the interface is down")
        elif error:
            self._record("read_error", f"{name}: {os.strerror(error)}")

    def _note_up(self, frames: Frames) -> None:
        """Record interfaces that were down and have packets again."""
        for i, ring in enumerate(self.rings):
            if not ring.up and (frames.column("interface") == i).any():
                ring.up = True
                self._record("interface_up", f"{ring.interface.name}: packets come again")

    def _check_clock(self, clock: int) -> None:
        """Record that the wall clock was set."""
        ahead = clock - time.monotonic_ns()
        moved = ahead - self._ahead
        if abs(moved) >= CLOCK_JUMP_NS:
            self._record("clock_jumped", f"the clock was set by {moved / 1e9:+.3f} s")
        if abs(moved) >= CLOCK_JUMP_NS // 1000:
            self._ahead = ahead

    def _count(self, now: float) -> None:
        """Read the kernel's counters, if a second has passed."""
        if now - self._counted_at >= READ_STATISTICS:
            self._counted_at = now
            for ring in self.rings:
                ring.count()

    def _limit_reached(self, countdown: Countdown) -> bool:
        """Whether a limit was reached, which is then recorded."""
        limit = countdown.reached(self._packets, self._bytes)
        if limit is not None:
            self._record("stopped_at_limit", f"stopped at {limit}")
        return limit is not None

    def _record(self, kind: str, detail: str) -> None:
        """Record an event that has no packet."""
        if len(self.damage) >= MAX_DAMAGE:
            self.unrecorded += 1
            return
        self.damage.append(Damage(kind, self._packets, 0, detail, _clock()))


def _clock() -> int:
    """Time in nanoseconds since 1970 UTC, by the clock with which the kernel stamps packets."""
    return time.clock_gettime_ns(time.CLOCK_REALTIME)
