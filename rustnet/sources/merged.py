"""`MergedSource`: files that were recorded at the same time, such as the two directions of a tap, merged by time."""

from collections import deque
from collections.abc import Iterator, Sequence

import numpy as np

from rustnet.columnar import Array
from rustnet.sources.assembly import BUFFERS, Assembly, Member
from rustnet.sources.files import FileSource
from rustnet.sources.frames import MAX_FRAME, Damage, Frames
from rustnet.sources.limits import Countdown

MOST_FILES = 32
"""Files that are merged at most: all of them are open at once, each with its own buffers."""

FILE_BUFFER = MAX_FRAME + (256 << 10)
"""Size of a file's batches in bytes."""

FILE_PACKETS = 16_384
"""Packets of a file's batches."""

COLUMNS = ("captured", "length", "ts", "link", "interface", "file_offset")


class Lane:
    """A file and its current batch, of which the frames from ``at`` on are still to be merged."""

    def __init__(self, member: Member, patience: float | None) -> None:
        self.member = member
        self.frames = Frames(0, 0)
        self.at = 0
        self.keys: Array = np.zeros(0, np.int64)
        """Times by which the frames are merged: those of the file, which never descend."""
        self.spans: Array = np.zeros(0, np.int64)
        """By frame: bytes from its first to the next one's."""
        self.damage: deque[Damage] = deque()
        """Damage up to the current batch whose place in the capture is not known yet."""
        self.last_number = 0
        """Number within the capture of the file's last frame that was merged."""
        self._batches = member.source.batches(patience)
        self._reported = 0
        self._highest = -(1 << 63)

    @property
    def left(self) -> int:
        """Frames of the current batch that are still to be merged."""
        return self.frames.count - self.at

    def advance(self) -> bool | None:
        """Read the next batch: true if there is one, None if nothing came for a while, false at the end."""
        frames = next(self._batches, None)
        damage = self.member.source.damage
        self.damage += damage[self._reported :]
        self._reported = len(damage)
        if frames is None:
            return False
        if not frames.count:
            return None
        stamps = frames.column("ts").astype(np.int64)
        self.keys = np.maximum(np.maximum.accumulate(stamps), self._highest)
        self._highest = int(self.keys[-1])
        offsets = frames.column("offset").astype(np.int64)
        last = int(frames.captured[frames.count - 1])
        self.spans = np.append(np.diff(offsets), last)
        self.frames, self.at = frames, 0
        return True

    def take_damage(self, numbers: Array) -> Iterator[tuple[Damage, int]]:
        """Damage whose packet was merged, and the packet's number in the capture.

        ``numbers`` are those of the next frames from ``at`` on.
        """
        first = self.frames.first_number + self.at
        while self.damage and self.damage[0].packet < first + len(numbers):
            damage = self.damage.popleft()
            place = damage.packet - first
            yield damage, int(numbers[place]) if place >= 0 else self.last_number


class MergedSource(Assembly):
    """Reads all files at once; packets come in the order of their times, of a file in the file's order (a `Source`)."""

    def __init__(self, sources: Sequence[FileSource]) -> None:
        super().__init__(sources[0], "merged", unify=False)
        self.ring: Sequence[Frames] = ()
        self._sources = list(sources)
        self._members = [self.join(source) for source in sources]
        self._packets = 0
        self._stopped = False

    def batches(self, patience: float | None = None) -> Iterator[Frames]:
        """Read all files to their ends."""
        ring = list(self.ring) or [Frames() for _ in range(BUFFERS)]
        countdown = Countdown(self.limits)
        lanes = [Lane(member, patience) for member in self._members]
        turn = 0
        nothing = Frames(0, 0)
        while lanes and not self._stopped:
            if self._advance(lanes):
                yield nothing
                continue
            while lanes and all(lane.left for lane in lanes) and not self._stops(countdown):
                frames = ring[turn % len(ring)]
                self._merge(lanes, frames, countdown.packets_left(self._packets))
                turn += 1
                yield frames
        self.close_log()

    def _advance(self, lanes: list[Lane]) -> bool:
        """Read on in every file whose batch is merged, and remove those that ended; whether one has nothing yet."""
        waiting = False
        for lane in list(lanes):
            if lane.left:
                continue
            more = lane.advance()
            if more is None:
                waiting = True
            elif more:
                self.describe(lane.member)
                self.renumber_interfaces(lane.member, lane.frames)
            else:
                self._end(lane)
                lanes.remove(lane)
        return waiting

    def _end(self, lane: Lane) -> None:
        """Complete the description of a file that was read to its end."""
        self.finish(lane.member)
        for damage in lane.damage:
            self.add_damage(lane.member, damage, lane.last_number)

    def _stops(self, countdown: Countdown) -> bool:
        """Whether a limit was reached before the end of the files; then it is noted."""
        limit = countdown.reached(self._packets, sum(source.read_bytes for source in self._sources))
        if limit is not None and not self._stopped:
            self._stopped = True
            self.lose("stopped_at_limit", self._packets, f"stopped at {limit}: the rest of the input was not read")
        return self._stopped

    def _merge(self, lanes: list[Lane], out: Frames, most: int | None) -> None:
        """Fill a batch with the next frames of all files, as far as every file is known up to their time.

        Of frames with the same time those of the first file come first, also where batches end: so it waits for the
        rest of a file that ends with that time before it takes those of later files.
        """
        limit = min(int(lane.keys[-1]) for lane in lanes)
        last = next(i for i, lane in enumerate(lanes) if lane.keys[-1] == limit)
        ends = [
            lane.at + int(np.searchsorted(lane.keys[lane.at :], limit, "right" if i <= last else "left"))
            for i, lane in enumerate(lanes)
        ]
        keys = np.concatenate([lane.keys[lane.at : end] for lane, end in zip(lanes, ends, strict=True)])
        whose = np.repeat(np.arange(len(lanes)), [end - lane.at for lane, end in zip(lanes, ends, strict=True)])
        spans = np.concatenate([lane.spans[lane.at : end] for lane, end in zip(lanes, ends, strict=True)])
        order = np.argsort(keys, kind="stable")
        capacity = min(out.capacity, len(out.offset), len(order) if most is None else max(1, most))
        fits = int(np.searchsorted(np.cumsum(spans[order]), len(out.buffer), "right"))
        order = order[: max(1, min(fits, capacity))]
        counts = np.bincount(whose[order], minlength=len(lanes))
        self._copy(lanes, counts, whose[order], out)

    def _copy(self, lanes: list[Lane], counts: Array, whose: Array, out: Frames) -> None:
        """Copy the next ``counts`` frames of the files; ``whose`` has the file of each frame, in their new order."""
        total = len(whose)
        out.count, out.first_number, out.notes = total, self._packets + 1, {}
        out.file, out.files = 0, memoryview(np.zeros(total, np.uint16))  # type: ignore[arg-type]
        files = np.asarray(out.files)
        end = 0
        for i, lane in enumerate(lanes):
            count = int(counts[i])
            if not count:
                continue
            places = np.flatnonzero(whose == i)
            frames, at = lane.frames, lane.at
            rows = slice(at, at + count)
            offsets = np.asarray(frames.offset)[rows]
            start = int(offsets[0])
            size = int(lane.spans[at : at + count].sum())
            out.buffer[end : end + size] = frames.data[start : start + size]
            np.asarray(out.offset)[places] = offsets - start + end
            end += size
            for name in COLUMNS:
                np.asarray(getattr(out, name))[places] = np.asarray(getattr(frames, name))[rows]
            files[places] = lane.member.index
            self._note(lane, places, count, out)
        out.data = out.buffer
        self._packets += total

    def _note(self, lane: Lane, places: Array, count: int, out: Frames) -> None:
        """Take over notes and damage of a file's next frames, which are at these places of the batch."""
        frames, at = lane.frames, lane.at
        numbers = places + out.first_number
        for i, note in frames.notes.items():
            if at <= i < at + count:
                out.notes[int(places[i - at])] = note
        for damage, packet in lane.take_damage(numbers):
            self.add_damage(lane.member, damage, packet)
        lane.member.note(np.asarray(frames.ts)[at : at + count], int(numbers[0]))
        lane.last_number = int(numbers[-1])
        lane.at += count

    def position(self) -> int:
        """Bytes of all stored files consumed so far."""
        return sum(source.position() for source in self._sources)

    def close(self) -> None:
        """Release the files."""
        for source in self._sources:
            source.close()
