"""Capture by libpcap (package cypcap): what systems without packet rings have (macOS, Windows, BSD); a `Source`.

Tested on Linux only. Times have microseconds. libpcap does not tell whether a packet came in or went out.
"""

import contextlib
import ipaddress
import select
import socket
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rustnet.errors import InputError, RustnetError
from rustnet.sources.frames import BATCH_PACKETS, Damage, Frames, InputFile, Interface, Interval, SourceInfo
from rustnet.sources.limits import Countdown, Limits

OUTSIDE = ((socket.AF_INET, "198.51.100.1"), (socket.AF_INET6, "2001:db8::1"))
"""Addresses that no network has (RFC 5737, RFC 3849): what leads to them is the default route."""
MAX_DEVICES = 4096
MAX_DAMAGE = 10_000
"""Events that are kept."""
WHOLE = 262_144
"""Bytes kept of a packet where whole ones are wanted: libpcap's maximum."""
KERNEL_BYTES = 64 << 20
TIMEOUT = 0.02
"""Seconds after which the system passes packets on although its buffer is not full."""
ROUND = 4096
"""Packets that are taken of one interface at a time."""
TICK = 0.1
MEASURE = 1.0
"""Seconds between readings of the counters, and between attempts to open an interface that went away."""
OTHER_LINKS = {11: 100, 12: 101, 15: 102, 16: 103}
"""LINKTYPE of libpcap's own numbers (DLT) that are other numbers in files; the rest is equal."""
SYSTEM_LINKS = {"openbsd": {12: 108, 14: 101, 18: 246}, "darwin": {149: 258}, "freebsd": {13: 102, 14: 103}}
"""The same on single systems."""


@dataclass(frozen=True)
class Device:
    """An interface that libpcap can capture on."""

    name: str
    state: str
    """``up``, ``no-carrier`` or ``down``."""
    kind: str
    """``loopback``, or empty."""
    addresses: tuple[str, ...]


def devices() -> list[Device]:
    """Interfaces that libpcap can capture on; none without cypcap."""
    try:
        import cypcap  # noqa: PLC0415 - an optional package
    except ImportError:
        return []
    flags = cypcap.PcapIfFlags
    made = []
    for each in cypcap.findalldevs()[:MAX_DEVICES]:
        state = "up" if each.flags & flags.UP else "down"
        connection = each.flags & flags.CONNECTION_STATUS_NOT_APPLICABLE
        if state == "up" and connection == flags.CONNECTION_STATUS_DISCONNECTED:
            state = "no-carrier"
        kind = "loopback" if each.flags & flags.LOOPBACK else ""
        made.append(Device(each.name, state, kind, tuple(filter(None, map(_address, each.addresses)))))
    return made


def _address(entry: Any) -> str:
    """An IP address with the length of its prefix; empty for others."""
    if entry.addr is None or entry.addr[0] not in (socket.AF_INET, socket.AF_INET6):
        return ""
    address = str(entry.addr[1][0])
    if entry.netmask is None:
        return address
    return f"{address}/{int(ipaddress.ip_address(entry.netmask[1][0])).bit_count()}"


def default_device() -> str | None:
    """Interface that has the address from which this machine would send outside; nothing is sent."""
    for family, address in OUTSIDE:
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as asked:
                asked.connect((address, 53))
                own = asked.getsockname()[0]
        except OSError:
            continue
        for device in devices():
            if any(each.partition("/")[0] == own for each in device.addresses):
                return device.name
    return None


def link_type(number: int, system: str = sys.platform) -> int:
    """LINKTYPE of libpcap's own number of a link type."""
    for name, links in SYSTEM_LINKS.items():
        if system.startswith(name) and number in links:
            return links[number]
    return OTHER_LINKS.get(number, number)


@dataclass(frozen=True)
class Settings:
    """How libpcap captures."""

    filter: str = ""
    """Expression in the language of `pcap-filter(7)`."""
    snaplen: int = 0
    """Bytes kept of a packet; 0: all."""
    promiscuous: bool = False


class _Device:
    """One interface, its handle, and what was counted of it."""

    def __init__(self, name: str, number: int, settings: Settings, loopback: bool) -> None:
        self.name = name
        self.number = number
        self.settings = settings
        self.loopback = loopback
        self.taken: list[tuple[int, int, int, bytes]] = []
        """Packets of this round: time, number of the interface, length on the wire, bytes."""
        self.packets = self.bytes = self.dropped = 0
        self.before = 0
        """Drops of handles that were closed."""
        self.reported = (0, 0, 0)
        self.error = ""
        """Why it cannot be read now."""
        self.retry_at = 0.0
        self.handle: Any = self._open()
        self.interface = Interface(link_type(int(self.handle.datalink())), settings.snaplen, name, dropped_kernel=0)

    def _open(self) -> Any:
        import cypcap  # noqa: PLC0415 - an optional package

        settings, handle = self.settings, cypcap.create(self.name)
        try:
            handle.set_snaplen(settings.snaplen or WHOLE)
            handle.set_promisc(settings.promiscuous)
            handle.set_timeout(TIMEOUT)
            handle.set_buffer_size(KERNEL_BYTES)
            handle.activate()
            handle.setnonblock(True)  # else a read waits for packets, whatever the timeout
            if self.loopback and sys.platform.startswith("linux"):  # where each packet is seen both going and coming
                handle.setdirection(cypcap.Direction.IN)
            if settings.filter.strip():
                handle.setfilter(handle.compile(settings.filter, True, cypcap.NETMASK_UNKNOWN))
        except BaseException:
            handle.close()
            raise
        return handle

    def _take(self, header: Any, data: bytes) -> None:
        self.taken.append((round(header.ts * 1e6) * 1000, self.number, header.len, data))
        self.bytes += header.len

    def read(self) -> None:
        """Take the packets that have come, up to `ROUND`; raises cypcap's error."""
        before = len(self.taken)
        self.handle.dispatch(ROUND, self._take)
        self.packets += len(self.taken) - before

    def count(self) -> tuple[int, int, int]:
        """Packets, bytes and drops since this was last asked."""
        self._read_drops()
        total = (self.packets, self.bytes, self.dropped)
        packets, size, dropped = (now - before for now, before in zip(total, self.reported, strict=True))
        self.reported = total
        self.interface.packets, self.interface.dropped_kernel = self.packets, self.dropped
        return packets, size, dropped

    def lose(self, error: str) -> None:
        """Close the handle: it cannot be read."""
        self._read_drops()
        self.before = self.dropped
        self.handle.close()
        self.handle = None
        self.error, self.retry_at = error, time.monotonic() + MEASURE

    def _read_drops(self) -> None:
        if self.handle is not None:
            with contextlib.suppress(Exception):  # the interface may have vanished
                self.dropped = self.before + self.handle.stats().drop

    def reopen(self, now: float) -> bool:
        """Try to open the interface again, each second; whether it can be read again, with the same link type."""
        if now < self.retry_at:
            return False
        self.retry_at = now + MEASURE
        with contextlib.suppress(Exception):
            handle = self._open()
            if link_type(int(handle.datalink())) == self.interface.link_type:
                self.handle, self.error = handle, ""
                return True
            handle.close()
        return False

    def close(self) -> None:
        """Release the handle."""
        if self.handle is not None:
            self.handle.close()
            self.handle = None


class LibpcapSource:
    """Packets of interfaces by libpcap (a `Source`); it waits for interfaces that went away.

    Raises `InputError` if an interface cannot be opened.
    """

    def __init__(self, names: Sequence[str], stopped: Callable[[], bool], settings: Settings | None = None) -> None:
        try:
            import cypcap  # noqa: PLC0415 - an optional package
        except ImportError:
            raise RustnetError("capturing needs cypcap here: pip install 'rustnet[live]'") from None
        self._failure: type[Exception] = cypcap.Error
        self.ring: Sequence[Frames] = ()
        self.info = SourceInfo(",".join(names), "live", "live")
        self.damage: list[Damage] = []
        self.files: list[InputFile] = []
        self.limits = Limits()
        self.stopped = stopped
        """Whether the capture is to end."""
        self._devices: list[_Device] = []
        loopback = {each.name for each in devices() if each.kind == "loopback"}
        for number, name in enumerate(names):
            try:
                self._devices.append(_Device(name, number, settings or Settings(), name in loopback))
            except cypcap.Error as error:
                self.close()
                raise InputError("cannot capture on {name}: {reason}", name=name, reason=error.args[-1]) from None
        self.interfaces = [each.interface for each in self._devices]
        self._intervals: list[Interval] = []
        self._counted_at = time.monotonic()
        self._waiting: list[tuple[int, int, int, bytes]] = []
        """Packets of the last round that found no room in its batch."""
        self._packets = self._bytes = 0

    def batches(self, patience: float | None = None) -> Iterator[Frames]:
        """Read until the capture is stopped; empty batches have the time at which there was nothing."""
        buffers = list(self.ring) or [Frames() for _ in range(2)]
        countdown = Countdown(self.limits)
        nothing = Frames(0, 0)
        turn = 0
        quiet_since = time.monotonic()
        while not self.stopped():
            if (limit := countdown.reached(self._packets, self._bytes)) is not None:
                self._record("stopped_at_limit", f"stopped at {limit}")
                break
            frames = buffers[turn]
            self._fill(frames, countdown.packets_left(self._packets))
            now = time.monotonic()
            if now - self._counted_at >= MEASURE:
                self._count(now)
            if frames.count:
                quiet_since = now
                turn = (turn + 1) % len(buffers)
                yield frames
            elif patience is not None and now - quiet_since >= patience:
                quiet_since = now
                nothing.clock, nothing.first_number = time.time_ns(), self._packets + 1
                yield nothing
            else:
                self._wait(TICK if patience is None else min(TICK, max(quiet_since + patience - now, 0.001)))
        self._count(time.monotonic())
        self.info.complete = any(each.handle is not None for each in self._devices)

    def position(self) -> int:
        """Bytes of packets read so far."""
        return self._bytes

    def take_statistics(self, last: bool = False) -> list[Interval]:
        """Take the counts of the intervals that have ended; the ``last`` time also those of the one that has not."""
        if last:
            self._count(time.monotonic())
        taken, self._intervals = self._intervals, []
        return taken

    def close(self) -> None:
        """Release all interfaces."""
        for each in self._devices:
            each.close()

    def _fill(self, frames: Frames, most: int | None) -> None:
        """Fill a batch with what has come, in order of time."""
        if not self._waiting:
            self._read()
        frames.first_number = self._packets + 1
        frames.notes = {}
        frames.data = frames.buffer
        room = min(frames.capacity, BATCH_PACKETS if most is None else most)
        size = count = 0
        for *_, data in self._waiting[:room]:
            if size + len(data) > len(frames.buffer):
                break
            size += len(data)
            count += 1
        put, self._waiting = self._waiting[:count], self._waiting[count:]
        frames.count = count
        if not count:
            return
        frames.buffer[:size] = memoryview(b"".join(each[3] for each in put))
        captured = np.array([len(each[3]) for each in put])
        numbers = np.array([each[1] for each in put])
        links = np.array([each.link_type for each in self.interfaces])
        columns = {
            "ts": [each[0] for each in put], "interface": numbers, "length": [each[2] for each in put],
            "captured": captured, "offset": np.cumsum(captured) - captured, "link": links[numbers],
            "file_offset": 0,
        }  # fmt: skip
        for name, values in columns.items():
            np.asarray(getattr(frames, name))[:count] = values
        self._packets += count
        self._bytes += size

    def _read(self) -> None:
        """Take what has come on all interfaces."""
        now = time.monotonic()
        for each in self._devices:
            if each.handle is None:
                if each.reopen(now):
                    self._record("interface_up", f"{each.name}: the interface can be read again")
                continue
            try:
                each.read()
            except self._failure as error:
                self._lost(each, str(error.args[-1]))
        taken = [packet for each in self._devices for packet in each.taken]
        for each in self._devices:
            each.taken = []
        taken.sort(key=lambda packet: packet[0])
        self._waiting = taken

    def _lost(self, device: _Device, reason: str) -> None:
        """Record that an interface cannot be read any more."""
        device.lose(reason)
        exists = any(each.name == device.name for each in devices())
        if exists:
            self._record("interface_down", f"{device.name}: {reason}")
        else:
            self._record("interface_gone", f"{device.name}: the interface does not exist any more")

    def _wait(self, seconds: float) -> None:
        """Wait for packets."""
        descriptors = []
        for each in self._devices:
            if each.handle is not None:
                with contextlib.suppress(Exception):  # Windows has none
                    descriptors.append(each.handle.get_selectable_fd())
        if len(descriptors) < len(self._devices):
            seconds = min(seconds, TIMEOUT)
        if not descriptors or not hasattr(select, "poll"):
            time.sleep(min(seconds, TIMEOUT))
            return
        poll = select.poll()
        for descriptor in descriptors:
            poll.register(descriptor, select.POLLIN)
        poll.poll(seconds * 1000)

    def _count(self, now: float) -> None:
        """Note what happened since the last time."""
        self._counted_at = now
        clock = time.time_ns()
        for each in self._devices:
            counts = each.count()
            if any(counts):
                self._intervals.append(Interval(clock, each.number, *counts, 0))

    def _record(self, kind: str, detail: str) -> None:
        """Record an event that has no packet."""
        if len(self.damage) < MAX_DAMAGE:
            self.damage.append(Damage(kind, self._packets, 0, detail, time.time_ns()))
