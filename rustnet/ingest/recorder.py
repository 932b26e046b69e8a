"""`Recorder`: writes the packets of a run to files, batch by batch, in the process that reads them.

A batch is on its way to the disk before it is analysed, so that rows never name bytes that are not in a file, and
what a parser fails at is in the file. A full disk ends the recording, never the capture.
"""

import io
import os
from collections.abc import Sequence
from dataclasses import replace
from io import FileIO

import numpy as np

from rustnet import __version__
from rustnet.errors import RustnetError
from rustnet.export.packing import FULL, LINK, NEXT_SEGMENT, TIME, Packer
from rustnet.export.pcap import PcapWriter
from rustnet.export.pcapng import PcapngWriter
from rustnet.ingest.recording import MOST_SEGMENTS, SECOND, Ended, Recording, Segments, several_link_types
from rustnet.ingest.stop import SharedFlag
from rustnet.sources.frames import Damage, Frames, Interface, Source, zeros

MOST_DESCRIPTIONS = 4096
"""Interfaces that a segment describes."""
OUTSIDE = "a packet's time is outside of what the format can hold"


class Recorder:
    """The recordings of one capture. Rows of live packets name the file and the offset of the first recording."""

    def __init__(
        self, recordings: Sequence[Recording], segments: Segments, source: Source, due: SharedFlag | None = None
    ) -> None:
        self._due = due or SharedFlag()
        live = source.info.kind == "live"
        self._outputs = [_Output(i, each, segments, source, live and not i) for i, each in enumerate(recordings)]

    def record(self, frames: Frames) -> None:
        """Write a batch of packets."""
        if self._due.take():
            self.rotate()
        for output in self._outputs:
            if not output.ended:
                output.record(frames)
            elif output.places:
                frames.file, frames.files = 0, None
                frames.column("file_offset")[:] = 0

    def rotate(self) -> None:
        """Let the next packet begin a segment in each recording that consists of segments."""
        for output in self._outputs:
            output.due = output.recording.rotates

    def finish(self) -> None:
        """End all files."""
        for output in self._outputs:
            if not output.ended:
                output.finish()


class _Output:
    """One recording."""

    def __init__(self, number: int, recording: Recording, segments: Segments, source: Source, places: bool) -> None:
        self.number = number
        self.recording = recording
        self.segments = segments
        self.source = source
        self.places = places
        self.live = source.info.kind == "live"
        self.pcapng = recording.format == "pcapng"
        most_ns = recording.rotate_seconds * SECOND
        self.packer = Packer(self.pcapng, places, recording.rotate_bytes, most_ns, rooms=places and self.pcapng)
        self.file: FileIO | None = None
        self.index = -1
        """Number of the open segment, from 0."""
        self.due = False
        """The next packet begins a segment."""
        self.ended = False
        self.first_packet = 0
        self.header = 0
        """Bytes of the header in the output buffer, at the beginning of a segment."""
        self.known: dict[tuple[int, int], int] = {}
        """Number in the segment of each interface, by its index and link type."""
        self.counts = np.zeros(0, np.int64)
        """Packets of the segment by interface."""
        self.drops: list[tuple[int | None, int | None]] = []
        """Drops of each interface before the segment."""
        self.files = zeros(1, np.uint16)

    def record(self, frames: Frames) -> None:
        """Write a batch."""
        packer, count = self.packer, frames.count
        i = start = 0
        first_index = -1
        while i < count and not self.ended:
            if (self.file is None or self.due) and not self._begin(frames, i):
                break
            if first_index < 0:
                first_index = self.index
            if self.first_packet == 0:
                self.first_packet = frames.first_number + i
            start = i
            i = packer.run(frames, start)
            if self.places:
                self._place(frames, start, i)
            if not self._write(frames, start, i):
                return
            self._tally(frames, start, i)
            self._act(frames, i, start)
        if self.places and not self.ended:
            several = self.index != first_index
            frames.files, frames.file = (self.files, 0) if several else (None, min(self.index, MOST_SEGMENTS - 1))

    def _act(self, frames: Frames, i: int, start: int) -> None:
        """Do what the packer waits for."""
        why = self.packer.why
        if why == NEXT_SEGMENT:
            self.due = True
        elif why == LINK:
            self._describe_link(frames, i)
        elif why == TIME:
            self._fail(frames, i, OUTSIDE)
        elif why == FULL and i == start and not self.packer.used:
            raise ValueError(f"packet {frames.first_number + i} is too large to be recorded")

    def _place(self, frames: Frames, start: int, stop: int) -> None:
        """Note the segment of packets."""
        if len(self.files) < frames.capacity:
            self.files = zeros(frames.capacity, np.uint16)
        if self.index < MOST_SEGMENTS:
            np.asarray(self.files)[start:stop] = self.index
        else:
            frames.column("file_offset")[start:stop] = 0

    def _tally(self, frames: Frames, start: int, stop: int) -> None:
        """Count packets by interface."""
        if self.pcapng and stop > start:
            counts = np.bincount(frames.column("interface")[start:stop], minlength=len(self.counts))
            counts[: len(self.counts)] += self.counts
            self.counts = counts

    # ---- segments ------------------------------------------------------------------------------------------------

    def _begin(self, frames: Frames, i: int) -> bool:
        """Begin the next segment with a packet; returns whether that was possible."""
        self.due = False
        ended = None
        if self.file is not None:
            if not self._end_file(frames, i):
                return False
            ended = self._ended()
        try:
            self.file = self.segments.next(self.number, frames.ts[i], frames.first_number + i, ended)
        except RustnetError as error:
            self._fail(frames, i, str(error), opened=False)
            return False
        self.index += 1
        self.first_packet = 0
        self.packer.begin()
        self.known.clear()
        self.counts = np.zeros(0, np.int64)
        interfaces = self.source.interfaces
        self.drops = [(each.dropped_interface, each.dropped_kernel) for each in interfaces]
        if not self.pcapng:
            links = {each.link_type for each in interfaces}
            if self.live and len(links) > 1:
                self._fail(frames, i, several_link_types(self.recording.path, links))
                return False
            self._put_pcap_header(frames, i)
        else:
            writer = PcapngWriter(stream := io.BytesIO())
            writer.section(application=f"rustnet {__version__}", os=self.recording.system)
            self.packer.put(stream.getvalue())
            for number, each in enumerate(interfaces[:MOST_DESCRIPTIONS]):
                self._describe(number, each)
            self._tables()
        self.header = self.packer.used
        return True

    def _put_pcap_header(self, frames: Frames, i: int) -> None:
        number, link = frames.interface[i], frames.link[i]
        interfaces = self.source.interfaces
        snaplen = interfaces[number].snaplen if number < len(interfaces) else 0
        PcapWriter(stream := io.BytesIO(), link, snaplen=snaplen)
        self.packer.put(stream.getvalue())
        self.known[0, link] = 0
        self._tables()

    def _describe(self, number: int, interface: Interface) -> None:
        PcapngWriter(stream := io.BytesIO()).describe(replace(interface, filter=self.recording.filter))
        self.known[number, interface.link_type] = len(self.known)
        self.packer.put(stream.getvalue())

    def _describe_link(self, frames: Frames, i: int) -> None:
        """Describe the interface of a packet, which appeared since, or has packets of another link type."""
        number, link = frames.interface[i], frames.link[i]
        if not self.pcapng:
            (_, known), *_rest = self.known
            self._fail(frames, i, several_link_types(self.recording.path, {known, link}))
        elif (number, link) not in self.known and len(self.known) >= MOST_DESCRIPTIONS:
            self._fail(frames, i, f"there are more than {MOST_DESCRIPTIONS} interfaces")
        else:
            if (number, link) not in self.known:
                interfaces = self.source.interfaces
                same = number < len(interfaces) and interfaces[number].link_type == link
                self._describe(number, interfaces[number] if same else Interface(link))
            self._tables((number, link))

    def _tables(self, latest: tuple[int, int] | None = None) -> None:
        """Hand the interfaces over to the packer; ``latest`` is in force where one has several link types."""
        size = max((number for number, _ in self.known), default=0) + 1
        numbers, links = np.full(size, -1, np.int32), np.zeros(size, np.int32)
        for key in (*self.known, *([latest] if latest else [])):
            numbers[key[0]], links[key[0]] = self.known[key], key[1]
        self.packer.know(memoryview(numbers), memoryview(links))  # type: ignore[arg-type]  # buffers before 3.12 too

    def _ended(self) -> Ended:
        packer = self.packer
        first = self.first_packet if packer.packets else 0
        return Ended(packer.base, packer.packets, first, packer.first_ts, packer.last_ts)

    def _end_file(self, frames: Frames | None, i: int) -> bool:
        """Write what is known at the end of a segment, and close it."""
        if self.pcapng and self.packer.packets:
            self._put_statistics()
        if self.packer.used and not self._write(frames, i, i):
            return False
        if self.file is not None:
            self.file.close()
            self.file = None
        return True

    def _put_statistics(self) -> None:
        """Append what was counted on each interface since the segment began."""
        writer = PcapngWriter(stream := io.BytesIO())
        packer, interfaces = self.packer, self.source.interfaces
        for (number, link), own in self.known.items():
            if number < len(interfaces) and interfaces[number].link_type == link:
                each = interfaces[number]
                before = self.drops[number] if number < len(self.drops) else (None, None)
                of_interface, of_system = map(_since, (each.dropped_interface, each.dropped_kernel), before)
                count = int(self.counts[number]) if number < len(self.counts) else 0
                writer.statistics(own, packer.first_ts, packer.last_ts, count, of_interface, of_system)
        packer.put(stream.getvalue())

    def finish(self) -> None:
        """End the last file; without any packet it has its header."""
        interfaces = self.source.interfaces
        if self.index < 0 and not self.recording.rotates and interfaces:
            nothing = Frames(1, 1)
            nothing.first_number, nothing.link[0] = 0, interfaces[0].link_type
            if not self._begin(nothing, 0):
                return
        if self.file is not None and self._end_file(None, 0):
            self.segments.end(self.number, self._ended(), "")
        self.ended = True

    # ---- writing -------------------------------------------------------------------------------------------------

    def _write(self, frames: Frames | None, start: int, stop: int) -> bool:
        """Write the output buffer, which ends with the packets from ``start`` to ``stop`` of a batch."""
        packer = self.packer
        assert self.file is not None
        view = memoryview(packer.buffer)[: packer.used]
        done = 0
        try:
            while done < len(view):
                done += os.pwrite(self.file.fileno(), view[done:], packer.base + done)
        except OSError as error:
            whole = int(np.searchsorted(np.asarray(packer.ends)[start:stop], done, "right"))
            kept = packer.ends[start + whole - 1] if whole else 0
            if not kept and not packer.base and done >= self.header:
                kept = self.header
            packer.packets -= stop - start - whole
            if whole and frames is not None:
                packer.last_ts = frames.ts[start + whole - 1]
            packer.used = kept
            packer.written()
            self._fail(frames, start + whole, error.strerror or str(error))
            return False
        packer.written()
        self.header = 0
        return True

    def _fail(self, frames: Frames | None, i: int, why: str, *, opened: bool = True) -> None:
        """End the recording before its time; packets from ``i`` on are in no file."""
        path = self.recording.path
        detail = why if why.startswith(f"{path}: ") else f"{path}: {why}"
        number, ts = 0, self.packer.last_ts
        if frames is not None:
            number, ts = frames.first_number + i - 1, frames.ts[min(i, frames.count - 1)]
            if self.places:
                frames.column("file_offset")[i:] = 0
                files = zeros(frames.capacity, np.uint16)
                np.asarray(files)[:i] = np.asarray(self.files)[:i] if len(self.files) >= i else 0
                frames.files = files
        self.source.damage.append(
            Damage("recording_ended", number, 0, f"{detail}; packets from here on are not recorded", ts)
        )
        self.ended = True
        if self.file is not None:
            self.file.close()
            self.file = None
        if opened:
            self.segments.end(self.number, self._ended(), detail)


def _since(now: int | None, before: int | None) -> int | None:
    """How much a counter grew within a segment."""
    return None if now is None else now - (before or 0)
