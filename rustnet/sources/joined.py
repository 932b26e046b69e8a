"""`JoinedSource`: files that continue each other in time, such as those of ``tcpdump -C`` or ``dumpcap -b``, as one."""

from collections.abc import Callable, Iterator, Sequence

from rustnet.errors import RustnetError
from rustnet.sources.assembly import BUFFERS, MAX_SECTIONS, Assembly, Member
from rustnet.sources.files import FileSource
from rustnet.sources.frames import Frames
from rustnet.sources.limits import Countdown

Next = Callable[[int | None, int], FileSource | None]
"""Opens the file that continues the capture, None if there is none. Gets the time of the last packet so far, None
without one, and the number that the file's sections begin with."""


class JoinedSource(Assembly):
    """Reads one file after another; packet numbers go on (a `Source`)."""

    def __init__(self, first: FileSource, following: Next) -> None:
        super().__init__(first, "joined", unify=True)
        self.ring: Sequence[Frames] = ()
        self._following = following
        self._reading: FileSource | None = first
        self._finished_bytes = 0
        self._packets = 0
        self._last_ts: int | None = None

    def batches(self, patience: float | None = None) -> Iterator[Frames]:
        """Read all files to their ends."""
        ring = list(self.ring) or [Frames() for _ in range(BUFFERS)]
        countdown = Countdown(self.limits)
        turn = 0
        while self._reading is not None:
            source = self._reading
            source.ring, source.first_turn, source.countdown = ring, turn, countdown
            member = self.join(source)
            yield from self._file(member, patience)
            turn = source.first_turn
            countdown.add_file(source.read_packets, source.read_bytes)
            self._finished_bytes += source.position()
            stopped = any(damage.kind == "stopped_at_limit" for damage in source.damage)
            self._reading = None if stopped else self._next()
        self.close_log()

    def _file(self, member: Member, patience: float | None) -> Iterator[Frames]:
        """Read one file to its end."""
        before = self._packets
        for frames in member.source.batches(patience):
            if frames.count:
                frames.first_number += before
                self._packets = frames.first_number + frames.count - 1
                self._last_ts = frames.ts[frames.count - 1]
                self.describe(member)
                member.note(frames.column("ts"), frames.first_number)
                self.renumber_interfaces(member, frames)
            yield frames
        self.finish(member)
        for damage in member.source.damage:
            self.add_damage(member, damage, damage.packet + before)

    def _next(self) -> FileSource | None:
        """Open the file that goes on, if there is one."""
        try:
            return self._following(self._last_ts, len(self.files) * MAX_SECTIONS)
        except RustnetError as error:
            self.lose("read_error", self._packets, str(error))
            return None

    def position(self) -> int:
        """Bytes of all stored files consumed so far."""
        return self._finished_bytes + (self._reading.position() if self._reading else 0)

    def close(self) -> None:
        """Release the file that is open."""
        if self._reading is not None:
            self._reading.close()
