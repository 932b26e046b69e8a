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
    COOKED,
    COOKED_BYTES,
    ETHERNET,
    FULL,
    LOOPBACK,
    MAX_RINGS,
    PACKET_STATISTICS,
    RETIRE_MS,
    SOL_PACKET,
    RingInterface,
)
from rustnet.sources.frames import BUFFER_BYTES, Damage, Frames, InputFile, Interface, Interval, Note, SourceInfo
from rustnet.sources.limits import Countdown, Limits
from rustnet.sources.ringwalk import RingMerge, RingReader

BUFFERS = 2
"""Batches that are filled in turn."""
INBOUND, OUTBOUND = 1, 2
"""Directions in a note's flags."""
More = Callable[[], Sequence[tuple[int, RingInterface]]]
"""Takes the rings that were opened since it was last called, without waiting."""

MAX_INTERFACES = 16_384
"""Interfaces that one capture reads one after another: those of containers come and go."""
MAX_INTERVALS = 65_536
"""Intervals of which the counts wait to be taken; what exceeds them is added to later ones."""
MAX_DAMAGE = 10_000
"""Events of interfaces and clock that are kept; what follows is counted in `RingSource.unrecorded`."""
HOLD_NS = 5 * RETIRE_MS * 1_000_000
"""Nanoseconds by which a packet may reach its ring's reader after packets of other rings: it is waited for so long."""
GATHER = 0.05
"""Seconds between two batches at least, unless a ring fills: packets that come together cost less."""
GATHER_BLOCKS = 32
"""Blocks of a ring that can wait so long: even few packets use up a block each `RETIRE_MS`."""
SPARE = 4
"""A ring fills if the kernel has passed on more than this part of its blocks, as a divisor."""
TICK = 0.1
"""Seconds after which the stop token and the interfaces are looked at although no packet comes."""
READ_STATISTICS = 1.0
"""Seconds between readings of the kernel's counters, which each reading sets to zero."""
CLOCK_JUMP_NS = 1_000_000_000
"""Nanoseconds that the wall clock has to run apart from the monotonic one to have been set."""
MAX_RING_BYTES = 1 << 30
FOREVER = (1 << 63) - 1


class Ring:
    """One mapped ring, and what was counted of it."""

    def __init__(self, descriptor: int, ring: RingInterface, interface: Interface, number: int) -> None:
        size = ring.block_bytes * ring.blocks
        if not 0 < ring.block_bytes <= BUFFER_BYTES - COOKED_BYTES or not 0 < size <= MAX_RING_BYTES:
            raise ValueError(
                f"expected a ring of blocks that fit a batch, not {ring.blocks} of {ring.block_bytes} bytes"
            )
        self.map = mmap.mmap(descriptor, size, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE)
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0, descriptor)
        self.socket.setblocking(False)
        self.view = memoryview(self.map)
        self.block_bytes = ring.block_bytes
        self.size = size
        self.block = 0
        """Where the present block begins, or the next one."""
        link = ring.link_type
        self.reader = RingReader(
            self.view, number, link, ring.snaplen, ring.hardware == LOOPBACK, link == ETHERNET, link == COOKED
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
        self.reported = (0, 0, 0, 0)
        """Packets, bytes, drops and freezes of the intervals so far."""
        self.number = number
        self.interface = interface

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

    def interval(self) -> tuple[int, int, int, int]:
        """Packets, bytes, drops and freezes since this was last asked; added to the counts of the interface."""
        total = (self.reader.packets, self.reader.bytes, self.dropped, self.freezes)
        packets, size, dropped, freezes = (now - before for now, before in zip(total, self.reported, strict=True))
        self.reported = total
        self.interface.packets += packets
        self.interface.dropped_kernel = (self.interface.dropped_kernel or 0) + dropped
        return packets, size, dropped, freezes

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
    left; with ``more``, which is asked every `TICK` for rings of interfaces that appeared, it waits for these. ``name``
    is what the capture is named, without it the names of its interfaces.
    """

    def __init__(
        self,
        descriptors: Sequence[int],
        interfaces: Sequence[RingInterface],
        stopped: Callable[[], bool],
        directions: bool = False,
        more: More | None = None,
        name: str | None = None,
    ) -> None:
        if not len(interfaces) <= MAX_RINGS or len(descriptors) != len(interfaces) or not (interfaces or more):
            raise ValueError(f"expected a ring for each of 1 to {MAX_RINGS} interfaces")
        self.ring: Sequence[Frames] = ()
        self.rings: list[Ring] = []
        self.interfaces: list[Interface] = []
        self.info = SourceInfo(name or ",".join(each.name for each in interfaces), "live", "live")
        self.damage: list[Damage] = []
        self.unrecorded = 0
        """Events beyond `MAX_DAMAGE`."""
        self.files: list[InputFile] = []
        self.limits = Limits()
        self._stopped = stopped
        self._notes = (Note(flags=INBOUND), Note(flags=OUTBOUND)) if directions else None
        self._more = more
        self._asked_at = 0.0
        self._numbers: dict[tuple[str, int, int], int] = {}
        """Interfaces by name, link type and snap length: one that comes back has the same number."""
        self._intervals: list[Interval] = []
        self._poll = select.poll()
        self._merge = RingMerge([])
        self._packets = 0
        self._bytes = 0
        self._last_ts = 0
        self._counted_at = 0.0
        self._held_since = 0
        self._ahead = _clock() - time.monotonic_ns()
        try:
            for descriptor, interface in zip(descriptors, interfaces, strict=True):
                self._open(descriptor, interface)
        except BaseException:
            for descriptor in descriptors[len(self.rings) :]:
                os.close(descriptor)
            self.close()
            raise

    def _open(self, descriptor: int, interface: RingInterface) -> None:
        """Read a ring too. Raises ValueError and OSError, and leaves the descriptor to the caller then."""
        key = (interface.name, interface.link_type, interface.snaplen)
        number = self._numbers.get(key, len(self.interfaces))
        if len(self.rings) >= MAX_RINGS or number >= MAX_INTERFACES:
            raise ValueError(f"expected at most {MAX_RINGS} interfaces at a time, and {MAX_INTERFACES} altogether")
        if number < len(self.interfaces):
            described = self.interfaces[number]
        else:
            described = Interface(interface.link_type, interface.snaplen, interface.name, dropped_kernel=0)
        ring = Ring(descriptor, interface, described, number)
        if self._notes is not None and interface.hardware != LOOPBACK:
            ring.reader.received, ring.reader.sent = self._notes
        if number == len(self.interfaces):
            self._numbers[key] = number
            self.interfaces.append(described)
        self.rings.append(ring)
        self._poll.register(ring.socket, select.POLLIN | select.POLLERR)
        self._merge = RingMerge([each.reader for each in self.rings])

    def add(self, descriptor: int, interface: RingInterface) -> None:
        """Read the ring of an interface that appeared, or came back; one that cannot be read is closed and recorded."""
        known = len(self.interfaces)
        try:
            self._open(descriptor, interface)
        except (ValueError, OSError) as error:
            os.close(descriptor)
            self.missed(interface.name, str(error))
            return
        if len(self.interfaces) > known:
            self._record("interface_added", f"{interface.name}: an interface that appeared is captured")
        else:
            self._record("interface_up", f"{interface.name}: the interface exists again and is captured")

    def missed(self, name: str, reason: str) -> None:
        """Record that an interface which should be captured is not."""
        self._record("interface_not_captured", f"{name}: not captured: {reason}")

    def take_statistics(self, last: bool = False) -> list[Interval]:
        """Take the counts of the intervals that have ended; the ``last`` time also those of the one that has not."""
        if last:
            self._count(FOREVER)
        taken, self._intervals = self._intervals, []
        return taken

    def batches(self, patience: float | None = None) -> Iterator[Frames]:
        """Read until the capture is stopped; empty batches have the time at which there was nothing."""
        buffers = list(self.ring) or [Frames() for _ in range(BUFFERS)]
        countdown = Countdown(self.limits)
        nothing = Frames(0, 0)
        turn = 0
        quiet_since = gathered_at = time.monotonic()
        while not self._stopped() and (self.rings or self._more is not None):
            if self._limit_reached(countdown):
                break
            if (early := gathered_at + GATHER - time.monotonic()) > 0 and not self._filling():
                time.sleep(early)
            frames = buffers[turn]
            self._fill(frames, countdown)
            now = time.monotonic()
            self._count(now)
            self._ask(now)
            if frames.count:
                quiet_since = gathered_at = now
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
        self.info.complete = bool(self.rings)

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
        clock = _clock()
        self._check_clock(clock)
        waiting = [ring for ring in self.rings if not ring.advance()]
        if any(ring.lost_at for ring in waiting):
            self._let_go(waiting)
            waiting = [ring for ring in waiting if not ring.gone]
        merge = self._merge
        merge.used = 0
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

    def _let_go(self, waiting: list[Ring]) -> None:
        """Close the rings of interfaces that vanished once what they received before has been read."""
        now = time.monotonic_ns()
        self._merge = RingMerge([])  # it refers to the rings' memory
        for ring in waiting:
            if ring.lost_at and now - ring.lost_at > HOLD_NS:
                self._count_ring(ring, now=_clock())
                self._poll.unregister(ring.socket)
                ring.gone = True
                ring.close()
        self.rings = [ring for ring in self.rings if not ring.gone]
        self._merge = RingMerge([ring.reader for ring in self.rings])

    def _ask(self, now: float) -> None:
        """Read the rings that were opened meanwhile too."""
        if self._more is not None and now - self._asked_at >= TICK:
            self._asked_at = now
            for descriptor, interface in self._more():
                self.add(descriptor, interface)

    def _filling(self) -> bool:
        """Whether packets have to be read at once, before a ring is full."""
        return any(
            ring.size // ring.block_bytes < GATHER_BLOCKS
            or ring.reader.ready((ring.block + ring.size // SPARE // ring.block_bytes * ring.block_bytes) % ring.size)
            for ring in self.rings
        )

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
        for ring in self.rings:
            if not ring.up and (frames.column("interface") == ring.number).any():
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
            self._counted_at = min(now, time.monotonic())
            clock = _clock()
            for ring in self.rings:
                self._count_ring(ring, clock)

    def _count_ring(self, ring: Ring, now: int) -> None:
        """Read the counters of one ring, and note what happened since the last time."""
        ring.count()
        if len(self._intervals) < MAX_INTERVALS and any(counts := ring.interval()):
            self._intervals.append(Interval(now, ring.number, *counts))

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
