"""Contents of pcapng blocks: interfaces, names, statistics, processes, comments, and what is numbered like packets.

They go to the source's `SourceInfo` and interfaces, within limits that a hostile file cannot exceed. Custom blocks,
journal entries and sysdig events become frames with a private link type, because they are numbered like packets.
"""

import re
import struct
from collections import Counter
from collections.abc import Callable
from typing import TypeVar
from uuid import UUID

from rustnet.sources.damage import DamageLog, described, printable
from rustnet.sources.frames import MAX_FRAME, Frames, Interface, Note, SourceInfo
from rustnet.sources.linktypes import CUSTOM_BLOCK, SYSDIG_EVENT, SYSTEMD_JOURNAL
from rustnet.sources.options import COMMENT, OptionError, counter, name_records, number, options
from rustnet.sources.status import TS_MAX
from rustnet.sources.walk import PcapngWalk

_MAX_INTERFACES = 65_536
_MAX_ROWS = 65_536
"""Maximum number of names, and of processes, of one file."""
_MAX_COMMENTS = 1000
_MAX_TEXT = 16 << 20
"""Maximum number of characters of the names, and of the processes, of one file."""
_MAX_COMMENT_TEXT = 1 << 20
_CACHED_OPTIONS, _CACHED_BYTES = 4096, 2048
"""Cached options of packets, which many packets share: their number, and the maximum size."""
_T = TypeVar("_T")
_REALTIME = re.compile(rb"__REALTIME_TIMESTAMP=(\d{1,17})\n")


class BlockContents:
    """Reads the contents of blocks; its user knows where they are."""

    def __init__(
        self,
        info: SourceInfo,
        interfaces: list[Interface],
        damage: DamageLog,
        limit: int,
        *,
        notes: bool,
    ) -> None:
        self.base = 0
        """Offset in the uncompressed input of the first byte of the next batch's buffer."""
        self._info = info
        self._interfaces = interfaces
        self._damage = damage
        self._limit = limit
        self._walk = PcapngWalk(limit)
        self._walk.noting = notes
        self._section = -1
        self._local: list[int] = []
        self._others: dict[int, int] = {}
        self._crowded: Counter[str] = Counter()
        self._text: Counter[str] = Counter()
        self._blocks: dict[int, Callable[[memoryview], None]] = {
            1: self._interface,
            4: self._names,
            5: self._statistics,
            0x80000001: self._process,
        }

    @property
    def packets(self) -> int:
        """Packets read so far."""
        return self._walk.packets

    @property
    def last_ts(self) -> int:
        """Time of the last packet."""
        return self._walk.last_ts

    def _section_options(self, data: memoryview, big: bool) -> None:
        info = self._info
        for code, value in options(data, big):
            if code == COMMENT:
                self._comment(value)
            elif code == 2:
                info.hardware = info.hardware or described(value)
            elif code == 3:
                info.os = info.os or described(value)
            elif code == 4:
                info.application = info.application or described(value)

    def _interface(self, body: memoryview) -> None:
        """Interface description block."""
        big = self._walk.big
        link, _, snaplen = struct.unpack_from(">HHI" if big else "<HHI", body)
        interface = Interface(link, snaplen, section=self._section)
        resolution, offset = 6, 0
        problem: OptionError | None = None
        try:
            for code, value in options(body[8:], big):
                if code == COMMENT:
                    self._comment(value)
                elif code == 2:
                    interface.name = described(value, 256)
                elif code == 3:
                    interface.description = described(value, 256)
                elif code == 9 and len(value) == 1:
                    resolution = value[0]
                elif code == 14 and len(value) == 8:
                    offset = int.from_bytes(value, "big" if big else "little", signed=True)
        except OptionError as caught:
            problem = caught
        # The interface counts even if its options are damaged: later packets refer to it by number.
        self._keep("interfaces", self._interfaces, interface, _MAX_INTERFACES)
        if len(self._local) < _MAX_INTERFACES:
            self._local.append(len(self._interfaces) - 1)  # those that are left out share the last one
            self._walk.add_interface(self._local[-1], link, snaplen, resolution, offset)
        if problem:
            raise problem

    def _names(self, body: memoryview) -> None:
        """Name resolution block."""
        for pair in name_records(body, self._walk.big):
            self._keep("names", self._info.names, pair, text=len(pair[1]))

    def _statistics(self, body: memoryview) -> None:
        """Interface statistics block: counters since the start of the capture, so the last one is valid."""
        big = self._walk.big
        local = struct.unpack_from(">III" if big else "<III", body)[0]
        if local >= len(self._local):
            return
        interface = self._interfaces[self._local[local]]
        for code, value in options(body[12:], big):
            if code == 5 and (dropped := counter(value, big)) is not None:
                interface.dropped_interface = dropped
            elif code == 7 and (dropped := counter(value, big)) is not None:
                interface.dropped_kernel = dropped

    def _comment(self, value: bytes) -> None:
        """Comment of a section or interface."""
        words = described(value)
        comments = self._info.comments
        self._keep("comments", comments, words, _MAX_COMMENTS, text=len(words), most=_MAX_COMMENT_TEXT)

    def _process(self, body: memoryview) -> None:
        """Apple's process information block."""
        big = self._walk.big
        pid = struct.unpack_from(">I" if big else "<I", body)[0]
        name = path = uuid = ""
        try:
            for code, value in options(body[4:], big):
                if code == 2:
                    name = printable(value, 256)
                elif code == 3:
                    path = printable(value, 1024)
                elif code == 4 and len(value) == 16 and any(value):
                    uuid = str(UUID(bytes=value))
        finally:
            # Packets refer to processes by index, so a damaged block keeps its index.
            processes = self._info.processes
            text = len(name) + len(path)
            if self._keep("processes", processes, (self._section, pid, name, path), text=text) and uuid:
                self._info.process_uuids[len(processes) - 1] = uuid

    def _other(self, frames: Frames, pos: int, body: memoryview, link: int, whole: int | None = None) -> None:
        """Deliver a block that is numbered like a packet as a frame with a private link type."""
        ts = self._walk.last_ts
        start = 8
        if link == CUSTOM_BLOCK:
            start = 12  # after the private enterprise number
        elif link == SYSTEMD_JOURNAL and (match := _REALTIME.search(body[:MAX_FRAME])):
            ts = min(int(match[1]) * 1000, TS_MAX)
        elif link == SYSDIG_EVENT and len(body) >= 10:
            ts = min(number(bytes(body[2:10]), self._walk.big), TS_MAX)
        size = max(0, (len(body) if whole is None else whole) + 8 - start)
        captured = max(0, min(len(body) + 8 - start, MAX_FRAME))
        if link not in self._others:
            self._others[link] = len(self._interfaces)
            self._interfaces.append(Interface(link, description="blocks other than packets", section=self._section))
        self._walk.put_other(frames, self._others[link], link, pos + start, captured, size, ts)
        self._interfaces[self._others[link]].packets += 1

    def _event(self, frames: Frames) -> None:
        """Read the options of the last packet, and report its time if it was clamped."""
        walk = self._walk
        n = frames.count - 1
        offset = frames.file_offset[n]
        if walk.clamped:
            detail = f"the timestamp exceeds 64 bits of nanoseconds; replaced by {walk.last_ts}"
            self._damage.add("bad_timestamp", walk.packets, offset, detail, walk.last_ts, lost=False)
        if walk.options_end <= walk.options:
            return
        note = Note(section=self._section)
        raw = frames.buffer[walk.options : walk.options_end]
        valid = True
        try:
            for code, value in options(raw, walk.big):
                self._packet_option(note, code, value)
        except OptionError as problem:
            valid = False  # not cached, so that each such packet is reported
            self._damage.add("bad_option", walk.packets, offset, f"packet options: {problem}", walk.last_ts)
        has_statements = bool(note.comments) or note.process >= 0 or note.effective_process >= 0
        if has_statements or note.flags:
            frames.notes[n] = note
        if has_statements:
            self._info.annotated = True
            if valid and len(raw) <= _CACHED_BYTES:
                if len(walk.known) >= _CACHED_OPTIONS:
                    walk.known = {}
                walk.known[bytes(raw)] = note

    def _packet_option(self, note: Note, code: int, value: bytes) -> None:
        big = self._walk.big
        if code == COMMENT:
            note.comments.append(printable(value))
        elif code == 2 and len(value) == 4:
            note.flags = number(value, big)
        elif code == 0x8001 and len(value) == 4:
            note.process = number(value, big)
        elif code == 0x8003 and len(value) == 4:
            note.effective_process = number(value, big)

    def _count_packets(self) -> None:
        """Store the counts of the section in its interfaces."""
        for local, index in enumerate(self._local):
            interface = self._interfaces[index]
            interface.packets += self._walk.packets_of(local)
            drops = self._walk.drops_of(local)
            if drops and interface.dropped_kernel is None:
                interface.dropped_kernel = drops
        self._local = []

    def _keep(
        self, what: str, rows: list[_T], row: _T, limit: int = _MAX_ROWS, *, text: int = 0, most: int = _MAX_TEXT
    ) -> bool:
        """Append up to a limit of rows and of characters; those beyond it are counted, and reported at the end."""
        self._text[what] += text
        if len(rows) < limit and self._text[what] <= most:
            rows.append(row)
            return True
        self._crowded[what] += 1
        return False

    def _add_damage(self, kind: str, pos: int, detail: str, *, lost: bool = True) -> None:
        self._damage.add(kind, self.packets, self.base + pos, detail, self.last_ts, lost=lost)
