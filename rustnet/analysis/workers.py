"""Analysis on several cores: processes that share the frames of a capture and divide its flows among them.

The reader fills batches of frames in memory that all processes share, says which worker follows which packet
(`rustnet.engine.shares`), and tells the workers which batch is full. Each follows the flows of its share; no state
crosses between them. What they find comes back as columns, batch by batch and in order. A worker numbers its own flows
and says in which packets they began: the reader numbers them all in that order, so that a session has the same rows
whatever the number of workers.

The processes are forked before the program has other threads, and end with their channel.
"""

import gc
import mmap
import os
import signal
import sys
import threading
import traceback
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path

import numpy as np

from rustnet.analysis.capture import EVICTED, Analysis, Share
from rustnet.analysis.channel import Channel, channels
from rustnet.analysis.collector import Collector, Sighting
from rustnet.analysis.numbering import Numbers, number_flows
from rustnet.columnar import NULL, Array, Column, joined, view
from rustnet.engine.index import CAPACITY, PacketIndex
from rustnet.engine.shares import Division
from rustnet.errors import InputError, RustnetError
from rustnet.sources.files import FileSource
from rustnet.sources.frames import BATCH_PACKETS, BUFFER_BYTES, Frames
from rustnet.store.batches import Batch, Columns, Records, Rows
from rustnet.store.cadence import BATCH, Cadence
from rustnet.store.rows import protocol_batch
from rustnet.store.tables import Anomaly, FlowRow, Packet

SLOTS = 12
"""Batches of frames that workers may have before them, the one being filled included."""
LEAST_BYTES = 12 << 20
"""Smaller inputs are analysed before workers would be of use."""
SAMPLE_BYTES = 4 << 20
DENSE = 600
"""Bytes of a packet, on average over the beginning of a capture, below which workers help."""
MAX_PACKET = 1 << 62
MOST = 8
"""Workers, whatever the number of cores: one reader feeds them, and one writer stores what they find."""
RESULTS: dict[str, type[np.generic]] = {
    "flow_id": np.int64, "from_src": np.uint8, "payload": np.uint32, "tcp_flags": np.uint8,
}  # fmt: skip
"""Columns of the packet index that each worker fills for the packets of its flows; ``flow_id`` is its own number, with
its share (`SHARE_SHIFT`)."""


def shared(count: int, dtype: type[np.generic]) -> "memoryview[int]":
    """Make a column of zeros that forked processes share."""
    size = count * np.dtype(dtype).itemsize
    return memoryview(np.frombuffer(mmap.mmap(-1, size), dtype))  # type: ignore[arg-type]


def worker_count(asked: int | None, paths: Sequence[str]) -> int:
    """How many workers to start for these inputs; 0 is to analyse in this process.

    ``asked`` is the user's wish. Processes are only forked on Linux, and never beside other threads.
    """
    if sys.platform != "linux" or threading.active_count() > 1:
        return 0
    if asked is None:
        cores = min(len(os.sched_getaffinity(0)), MOST)
        asked = cores if cores > 1 and any(is_dense(path) for path in paths) else 0
    return asked


def is_dense(path: str) -> bool:
    """Whether an input is large and, by its beginning, of small packets: those have much to say for their size.

    Where full segments follow each other, reading and hashing them takes longer than analysing them.
    """
    try:
        if Path(path).is_file() and Path(path).stat().st_size < LEAST_BYTES:
            return False
        if not Path(path).is_file():
            return True  # a pipe: nobody knows
        source = FileSource(path, buffer_bytes=SAMPLE_BYTES, hashing=False)
        try:
            frames = next(source.batches(), None)
        finally:
            source.close()
    except (InputError, OSError):
        return False
    return frames is not None and int(frames.column("captured").mean()) < DENSE


@dataclass(slots=True)
class Slot:
    """One batch in shared memory, whose packets are whose, and what the workers say of them."""

    frames: Frames
    owners: "memoryview[int]"
    results: dict[str, "memoryview[int]"]
    """What the worker that has a flow for a packet says of it (`RESULTS`)."""

    def blank(self) -> None:
        """Begin a batch, of whose packets nobody has said anything."""
        for name, column in self.results.items():
            np.asarray(column)[: self.frames.count] = NULL if name == "flow_id" else 0


@dataclass(slots=True)
class Found:
    """A worker's answer to one message."""

    batches: list[Batch]
    names: list[Sighting]
    undecoded: int
    evicted: int
    stored_flows: int
    opened: Array
    """For each flow since the last answer the packet it began in; negative where it is the first worker's as well."""


class WorkerError(RustnetError):
    """A worker ended, or failed."""


class Workers:
    """The processes, from the beginning of a run to its end."""

    def __init__(self, count: int, dissect: bool, cadence: Cadence = BATCH) -> None:
        self.cadence = cadence
        self.slots = [
            Slot(
                Frames(BATCH_PACKETS, BUFFER_BYTES, shared),
                shared(BATCH_PACKETS, np.uint8),
                {name: shared(BATCH_PACKETS, dtype) for name, dtype in RESULTS.items()},
            )
            for _ in range(SLOTS)
        ]
        self.connections: list[Channel] = []
        self.pids: list[int] = []
        try:
            for index in range(count):
                self._fork(Share(index, count), dissect)
        except BaseException:
            self.close()
            raise

    @property
    def ring(self) -> list[Frames]:
        """Batches for a source to fill in turn."""
        return [slot.frames for slot in self.slots]

    def _fork(self, share: Share, dissect: bool) -> None:
        ours, theirs = channels()
        pid = os.fork()
        if pid:
            theirs.close()
            self.connections.append(ours)
            self.pids.append(pid)
            return
        status = 1
        try:
            ours.close()
            for connection in self.connections:
                connection.close()
            serve(theirs, self.slots, share, dissect, self.cadence)
            status = 0
        finally:
            os._exit(status)

    def begin(self, capture_id: int, first_flow: int) -> "SharedAnalysis":
        """Begin a capture."""
        return SharedAnalysis(self, capture_id, first_flow)

    def dismiss(self) -> None:
        """Let the processes end by themselves: their memory is given back while others work."""
        for connection in self.connections:
            connection.close()
        self.connections = []

    def close(self) -> None:
        """End the processes."""
        self.dismiss()
        for pid in self.pids:
            os.waitpid(pid, 0)
        self.pids = []


class SharedAnalysis:
    """One capture's analysis by all workers; to its user the same as an `Analysis`.

    A batch given to `feed` must stay as it is until `SLOTS` - 1 further ones were given.
    """

    def __init__(self, workers: Workers, capture_id: int, first_flow: int) -> None:
        self.workers = workers
        self.collector = Collector(capture_id)
        self.index = PacketIndex()
        self.packets = 0
        self.next_flow = first_flow
        self.undecoded = 0
        self.evicted = 0
        self.stored_flows = 0
        self.outstanding: deque[Slot] = deque()
        self.ready: list[Batch] = []
        count = len(workers.connections)
        self.division = Division(count)
        self.numbers = [Numbers() for _ in range(count)]
        self._tell("begin", capture_id)

    def _tell(self, *message: object) -> None:
        for connection in self.workers.connections:
            try:
                connection.send(message)
            except OSError:
                while True:  # its answers so far, then why it ended
                    self._hear(connection)

    def _hear(self, connection: Channel) -> Found | Columns:
        try:
            found = connection.recv()
        except (EOFError, OSError):
            raise WorkerError(
                "a process that analyses the capture ended unexpectedly (out of memory?); "
                "what was stored before is kept; try again with --workers 0"
            ) from None
        if isinstance(found, str):  # its traceback
            raise RuntimeError(found)  # noqa: TRY004 - a fault of ours, not of a type
        assert isinstance(found, Found | Columns)
        return found

    def feed(self, frames: Frames) -> None:
        """Hand a batch of frames to the workers, and take what they have found meanwhile."""
        at, slot = next((i, s) for i, s in enumerate(self.workers.slots) if s.frames is frames)
        slot.blank()
        self.division.divide(frames, slot.owners)
        self._tell("feed", at, frames.count, frames.first_number)
        self.packets = frames.first_number + frames.count - 1
        self.outstanding.append(slot)
        while len(self.outstanding) > SLOTS - 2 or (self.outstanding and self._answered()):
            self._collect()

    def _answered(self) -> bool:
        return all(connection.poll() for connection in self.workers.connections)

    def _collect(self) -> None:
        """Take the answers to the oldest batch."""
        slot = self.outstanding.popleft()
        self._hear_all()
        index, frames = self.index, slot.frames
        if index.count + frames.count > CAPACITY:
            self.ready.append(Columns(Packet, index.take()))
        row = index.enter(frames)
        for name, column in slot.results.items():
            index.arrays[name][row : index.count] = column[: frames.count]
        for share, numbers in enumerate(self.numbers):
            index.renumber(row, share, view(numbers.known))

    def _hear_all(self) -> None:
        """Take one answer of every worker."""
        answers = [found for c in self.workers.connections if isinstance(found := self._hear(c), Found)]
        self.undecoded = sum(found.undecoded for found in answers)
        self.evicted = sum(found.evicted for found in answers)
        self.stored_flows = sum(found.stored_flows for found in answers)
        self.next_flow += number_flows(self.numbers, [found.opened for found in answers], self.next_flow)
        self.merge(answers)

    def merge(self, answers: list[Found]) -> None:
        """Take what one answer of every worker brings; which names and anomalies are new is told over all of them."""
        anomalies: list[Anomaly] = []
        for numbers, found in zip(self.numbers, answers, strict=True):
            for batch in found.batches:
                if isinstance(batch, Records):
                    for row in batch.records:
                        row.flow_id = numbers.one(row.flow_id)
                    anomalies += batch.records
                else:
                    assert isinstance(batch, Columns)
                    numbers.renumber(batch.batch)
                    self.ready.append(batch)
        sightings = [sighting for found in answers for sighting in found.names]
        sightings.sort(key=itemgetter(0))
        for ts, ip, name, source, ttl, client in sightings:
            self.collector.name(ip, name, source, ts, ttl, client)
        for row in sorted(anomalies, key=lambda row: row.packet or MAX_PACKET):
            flow_id, ts, packet = row.flow_id or 0, row.ts or 0, row.packet or 0
            self.collector.anomaly(row.kind, row.detail, flow_id, ts, packet, row.offset, row.count)

    def take(self) -> list[Batch]:
        """Batches that are full."""
        batches = self.ready + self.collector.take(self.workers.cadence.table_rows)
        self.ready = []
        return batches

    def take_all(self, final: bool = False) -> list[Batch]:
        """Batches of all rows so far, up to the last batch that was fed; the ``final`` ones after `finish`."""
        if not final:
            self.settle()
            self._tell("flush")
            self._hear_all()
        batches = self.ready + self.collector.take(1, final)
        self.ready = []
        return batches

    def settle(self) -> None:
        """Wait until everything that was fed is in the index."""
        while self.outstanding:
            self._collect()

    def open_flows(self, touched: bool = False) -> Columns:
        """As `Analysis.open_flows`, over all workers and up to the last batch that was fed."""
        self.settle()
        self._tell("open", touched)
        parts: list[dict[str, Column]] = []
        for connection, numbers in zip(self.workers.connections, self.numbers, strict=True):
            answer = self._hear(connection)
            assert isinstance(answer, Columns)
            numbers.renumber(answer.batch)
            parts.append(answer.batch)
        return Columns(FlowRow, {name: joined([part[name] for part in parts]) for name in parts[0]})

    def finish(self) -> None:
        """The capture is over: take everything that the workers still have."""
        self.settle()
        self._tell("finish", self.index.last_ts)
        self._hear_all()
        if self.evicted:
            self.collector.anomaly(*EVICTED, 0, self.index.last_ts, 0, count=self.evicted)


def serve(connection: Channel, slots: list[Slot], share: Share, dissect: bool, cadence: Cadence) -> None:
    """A worker's life: analyse what it is told to until its channel closes."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # they are for the reader, which closes the channel
    gc.disable()
    gc.freeze()
    analysis = Analysis(0, 1, dissect, share=share, cadence=cadence)
    while True:
        try:
            kind, *rest = connection.recv()
            if kind == "begin":
                analysis = Analysis(rest[0], 1, dissect, share=share, cadence=cadence)
                continue
            if kind == "open":
                connection.send(analysis.open_flows(rest[0]))
                continue
            if kind == "feed":
                _feed(analysis, slots[rest[0]], rest[1], rest[2])
                batches = analysis.take()
            elif kind == "flush":
                batches = analysis.take_all()
            else:
                analysis.index.last_ts = rest[0]
                analysis.finish()
                batches = analysis.take_all(final=True)
            connection.send(_found(analysis, batches))
        except (EOFError, OSError):
            return
        except Exception:  # noqa: BLE001 - told to the reader, which stops
            connection.send(traceback.format_exc())
            return


def _feed(analysis: Analysis, slot: Slot, count: int, first_number: int) -> None:
    frames = slot.frames
    frames.count, frames.first_number = count, first_number
    analysis.index.point(slot.results)
    analysis.feed(frames, slot.owners)


def _found(analysis: Analysis, taken: list[Batch]) -> Found:
    """The answer that brings these batches, rows as columns."""
    batches: list[Batch] = []
    for batch in taken:
        if isinstance(batch, Rows):
            capture_id = analysis.collector.capture_id
            batches.append(Columns(batch.cls, protocol_batch(batch.cls, capture_id, batch.rows), protocol=True))
        else:
            batches.append(batch)
    names, analysis.collector.sightings = analysis.collector.sightings, []
    table = analysis.tracker.table
    opened, table.opened = np.array(table.opened, np.int64), []
    return Found(batches, names, analysis.undecoded, analysis.evicted, analysis.stored_flows, opened)
