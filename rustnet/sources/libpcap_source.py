"""`LibpcapSource`: packets of interfaces by libpcap (package cypcap), on systems without packet rings (a `Source`).

It is tested on Linux only, where `rustnet live --libpcap` uses it. Handles do not block: libpcap's own waiting takes no
notice of a timeout on an idle link of some systems. Times have microseconds.
"""

import select
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from rustnet.errors import RustnetError
from rustnet.sources.frames import MAX_FRAME, Damage, Frames, InputFile, Interface, Interval, SourceInfo
from rustnet.sources.limits import Countdown, Limits

MAX_SNAPLEN = 262_144
"""Bytes of a packet that are kept at most, as tcpdump does."""
DLT_RAW = {12: 101, 14: 101}
"""LINKTYPE_RAW by the numbers that libpcap has for it on various systems; other numbers are the same."""
BATCH = 4096
"""Packets that are taken from one interface at a time."""
TICK = 0.1
"""Seconds after which the stop token is looked at although no packet comes."""
POLL = 0.02
"""Seconds between two looks where a handle has no descriptor to wait for (Windows)."""
MICROSECONDS = 1_000_000
"""Per second; cypcap's times are floating-point numbers, which have no nanoseconds."""


class Handle:
    """One interface that is captured."""

    def __init__(
        self, name: str, snaplen: int, buffer_bytes: int, promiscuous: bool, expression: str, cypcap: Any
    ) -> None:
        self.name = name
        self.pcap = cypcap.create(name)
        self.pcap.set_snaplen(snaplen or MAX_SNAPLEN)
        self.pcap.set_promisc(promiscuous)
        self.pcap.set_timeout(0.02)
        self.pcap.set_buffer_size(buffer_bytes)
        self.pcap.activate()
        if expression.strip():
            self.pcap.setfilter(expression)
        self.pcap.setnonblock(True)
        link = int(self.pcap.datalink())
        self.interface = Interface(DLT_RAW.get(link, link), snaplen, name, dropped_kernel=0)
        self.bytes = 0
        self.counted = (0, 0, 0)
        """Packets, bytes and drops at the end of the last interval."""
        self.gone = False

    def fileno(self) -> int:
        """Descriptor to wait for; -1 if it has none."""
        return int(self.pcap.get_selectable_fd()) if sys.platform != "win32" else -1

    def count(self) -> None:
        """Take the drops that libpcap has counted since the beginning."""
        try:
            self.interface.dropped_kernel = int(self.pcap.stats().drop)
        except Exception:  # noqa: BLE001 -- errors of an optional package; the counters stay as they were
            return


def open_handles(
    names: Sequence[str], snaplen: int, buffer_bytes: int, promiscuous: bool, expression: str
) -> list[Handle]:
    """Open interfaces; needs the privilege to capture. Raises `RustnetError`."""
    try:
        import cypcap  # noqa: PLC0415 -- an optional package
    except ImportError:
        raise RustnetError("capturing here needs cypcap: pip install 'rustnet[live]'") from None
    handles = []
    for name in names:
        try:
            handles.append(Handle(name, snaplen, buffer_bytes, promiscuous, expression, cypcap))
        except cypcap.Error as error:
            raise RustnetError("cannot capture on {interface}: {reason}", interface=name, reason=error) from None
    return handles


class LibpcapSource:
    """Packets of handles, in the order in which they are taken; their times may go back between interfaces."""

    def __init__(self, handles: Sequence[Handle], stopped: Callable[[], bool]) -> None:
        self.ring: Sequence[Frames] = ()
        self.handles = list(handles)
        self.interfaces = [each.interface for each in handles]
        self.info = SourceInfo(",".join(each.name for each in handles), "live", "live")
        self.damage: list[Damage] = []
        self.files: list[InputFile] = []
        self.limits = Limits()
        self._stopped = stopped
        self._packets = self._bytes = 0
        self._intervals: list[Interval] = []
        self._due = time.monotonic() + 1.0
        self._frames = Frames()
        self._used = 0

    def batches(self, patience: float | None = None) -> Iterator[Frames]:
        """Read until the capture is stopped; empty batches have the time at which there was nothing."""
        buffers = list(self.ring) or [Frames() for _ in range(2)]
        countdown = Countdown(self.limits)
        nothing, turn = Frames(0, 0), 0
        quiet_since = time.monotonic()
        while not self._stopped() and not all(handle.gone for handle in self.handles):
            limit = countdown.reached(self._packets, self._bytes)
            if limit is not None:
                self._record("stopped_at_limit", f"stopped at {limit}")
                break
            self._begin(buffers[turn], countdown)
            for number, handle in enumerate(self.handles):
                self._take(number, handle)
            self._measure()
            if self._frames.count:
                quiet_since = time.monotonic()
                turn = (turn + 1) % len(buffers)
                yield self._frames
            elif patience is not None and time.monotonic() - quiet_since >= patience:
                quiet_since = time.monotonic()
                nothing.clock, nothing.first_number = _clock(), self._packets + 1
                yield nothing
            else:
                self._wait(TICK if patience is None else min(TICK, patience))
        self.info.complete = not all(handle.gone for handle in self.handles)

    def _begin(self, frames: Frames, countdown: Countdown) -> None:
        frames.count, frames.notes, frames.first_number = 0, {}, self._packets + 1
        frames.data = frames.buffer
        self._frames, self._used = frames, 0
        left = countdown.packets_left(self._packets)
        self._room = frames.capacity if left is None else min(frames.capacity, left)

    def _take(self, number: int, handle: Handle) -> None:
        """Take packets of one interface into the batch."""
        frames = self._frames

        def put(header: Any, data: bytes) -> None:
            i, size = frames.count, len(data)
            frames.buffer[self._used : self._used + size] = memoryview(data)
            frames.offset[i], frames.captured[i], frames.length[i] = self._used, size, header.len
            frames.ts[i] = round(header.ts * MICROSECONDS) * 1000
            frames.link[i], frames.interface[i], frames.file_offset[i] = handle.interface.link_type, number, 0
            self._used += size
            frames.count += 1
            handle.bytes += header.len
            handle.interface.packets += 1

        before = frames.count
        room = min(self._room - before, (len(frames.buffer) - self._used) // MAX_FRAME, BATCH)
        while room > 0 and not handle.gone:
            taken = frames.count
            try:
                handle.pcap.dispatch(room, put)
            except Exception as error:  # noqa: BLE001 -- errors of an optional package: the interface vanished
                handle.gone = True
                self._record("interface_gone", f"{handle.name}: {error}")
                break
            if frames.count == taken:
                break
            room = min(self._room - frames.count, (len(frames.buffer) - self._used) // MAX_FRAME, BATCH)
        self._packets += frames.count - before
        self._bytes = sum(each.bytes for each in self.handles)

    def _measure(self) -> None:
        """End an interval, if a second has passed."""
        now = time.monotonic()
        if now < self._due:
            return
        self._due = now + 1.0
        for number, handle in enumerate(self.handles):
            handle.count()
            counted = (handle.interface.packets, handle.bytes, handle.interface.dropped_kernel or 0)
            packets, size, dropped = (new - old for new, old in zip(counted, handle.counted, strict=True))
            if packets or dropped:
                self._intervals.append(Interval(_clock(), number, packets, size, dropped, 0))
            handle.counted = counted

    def take_statistics(self, last: bool = False) -> list[Interval]:
        """Take the counts of the intervals that have ended; the ``last`` time also those of the one that has not."""
        if last:
            self._due = 0.0
            self._measure()
        intervals, self._intervals = self._intervals, []
        return intervals

    def _wait(self, seconds: float) -> None:
        descriptors = [handle for handle in self.handles if handle.fileno() >= 0 and not handle.gone]
        if descriptors:
            select.select(descriptors, [], [], seconds)
        else:
            time.sleep(min(seconds, POLL))

    def _record(self, kind: str, detail: str) -> None:
        self.damage.append(Damage(kind, self._packets, 0, detail, _clock()))

    def position(self) -> int:
        """Bytes of packets read so far."""
        return self._bytes

    def close(self) -> None:
        """Release all interfaces."""
        for handle in self.handles:
            handle.pcap.close()
        self.handles = []


def _clock() -> int:
    """Time in nanoseconds since 1970 UTC."""
    return time.time_ns()
