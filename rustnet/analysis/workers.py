"""Analysis on several cores: processes that share the frames of a capture and divide its flows among them.

The reader fills batches of frames in shared memory, assigns each packet to a worker (`rustnet.engine.shares`), and
sends the number of each full batch. Each worker follows the flows of its share; they exchange no state. Results come
back as columns, batch by batch and in order. A worker numbers its own flows and lists their first packets; the reader
numbers all flows in the order of their first packets, so that a session has the same rows for any number of workers.

The processes are forked by the one that reads, before it has other threads, and end with their channel. All of them
read hostile bytes and trust each other; what they send to the process that holds the session is checked there.
"""

import gc
import mmap
import os
import signal
import stat
import traceback
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from io import FileIO
from operator import itemgetter

import numpy as np

from rustnet.analysis.capture import EVICTED, Analysis, Share
from rustnet.analysis.channel import Channel, channels
from rustnet.analysis.collector import Collector, Sighting
from rustnet.analysis.numbering import Numbers, number_flows
from rustnet.analysis.parent import end_with_parent
from rustnet.columnar import NULL, Array, column_bytes, view
from rustnet.engine.index import CAPACITY, PacketIndex
from rustnet.engine.shares import Division
from rustnet.errors import InputError, RustnetError
from rustnet.i18n import N_
from rustnet.sandbox import Layer, close_descriptors, ended_by_filter, restrict_worker
from rustnet.sources.files import FileSource
from rustnet.sources.frames import BATCH_PACKETS, BUFFER_BYTES, Frames
from rustnet.store.batches import Batch, Columns, Records
from rustnet.store.cadence import BATCH, Cadence
from rustnet.store.tables import Anomaly, Packet

SLOTS = 12
"""Batches of frames in shared memory, including the one being filled."""
LEAST_BYTES = 12 << 20
"""For smaller inputs starting workers takes longer than it saves."""
SAMPLE_BYTES = 4 << 20
DENSE = 600
"""Bytes of a packet, on average over the beginning of a capture, below which workers help."""
MAX_PACKET = 1 << 62
TICK = 0.1
"""Seconds of waiting for a reply between two checks of whether the run was stopped."""
HANGING = 0.7
"""Seconds without a reply, after the run was stopped, until a worker is given up."""
MOST = 8
"""Workers at most, on any number of cores: one reader feeds them, and one writer stores their results."""
RESULTS: dict[str, type[np.generic]] = {
    "flow_id": np.int64, "from_src": np.uint8, "payload": np.uint32, "tcp_flags": np.uint8, "duplicate": np.uint8,
}  # fmt: skip
"""Columns of the packet index that each worker fills for the packets of its flows; ``flow_id`` is its own number, with
its share (`SHARE_SHIFT`)."""


def shared(count: int, dtype: type[np.generic]) -> "memoryview[int]":
    """Make a column of zeros that forked processes share."""
    size = count * np.dtype(dtype).itemsize
    return memoryview(np.frombuffer(mmap.mmap(-1, size), dtype))  # type: ignore[arg-type]


def worker_count(asked: int | None, cores: int, dense: Callable[[], bool]) -> int:
    """Number of workers to start for an input; 0 is to analyse in the process that reads.

    ``asked`` is the user's wish, ``cores`` the number of processors, ``dense`` decides by the input.
    """
    if asked is not None:
        return asked
    return min(cores, MOST) if cores > 1 and dense() else 0


def is_dense(stored: FileIO, rest_bytes: int = 0) -> bool:
    """Whether an input is large and begins with small packets, whose analysis takes longer than reading them.

    Captures of full segments take longer to read and hash than to analyse. Reads the beginning of a regular file, and
    leaves the file at its start. ``rest_bytes`` is the size of the files that follow it.
    """
    status = os.fstat(stored.fileno())
    if not stat.S_ISREG(status.st_mode):
        return True  # a pipe, of unknown size
    if status.st_size + rest_bytes < LEAST_BYTES:
        return False
    try:
        sample = FileIO(os.dup(stored.fileno()))
        with FileSource("sample", file=sample, buffer_bytes=SAMPLE_BYTES, hashing=False) as source:
            frames = next(source.batches(0.0), None)  # an empty one if there are no packets for a while
    except (InputError, OSError):
        return False
    finally:
        os.lseek(stored.fileno(), 0, os.SEEK_SET)
    return frames is not None and frames.count > 0 and int(frames.column("captured").mean()) < DENSE


@dataclass(slots=True)
class Slot:
    """One batch in shared memory, the owners of its packets, and the columns that workers fill."""

    frames: Frames
    owners: "memoryview[int]"
    results: dict[str, "memoryview[int]"]
    """Written by the worker that owns the packet's flow (`RESULTS`)."""

    def reset(self) -> None:
        """Reset the results for a new batch."""
        for name, column in self.results.items():
            np.asarray(column)[: self.frames.count] = NULL if name == "flow_id" else 0


@dataclass(slots=True)
class WorkerReply:
    """A worker's reply to one message."""

    batches: list[Batch]
    names: list[Sighting]
    undecoded: int
    evicted: int
    stored_flows: int
    first_packets: Array
    """First packet of each flow since the last reply; negative for shadow flows, which the first worker owns."""


class WorkerError(RustnetError):
    """A worker ended, or failed."""


ENDED = N_(
    "a process that analyses the capture ended unexpectedly (out of memory?); what was stored before is kept; "
    "try again with --workers 0"
)
FORBIDDEN = N_(
    "a process that analyses the capture tried what its sandbox forbids, and was ended; what was stored before is kept"
)


class Workers:
    """The processes, from the beginning of a run to its end."""

    def __init__(
        self,
        count: int,
        dissect: bool,
        cadence: Cadence = BATCH,
        stopped: Callable[[], bool] = lambda: False,
        drop_duplicates: bool = False,
        layers: Sequence[Layer] = (),
    ) -> None:
        self.layers = layers
        """What confines this process; its workers may do even less."""
        self.cadence = cadence
        self.drop_duplicates = drop_duplicates
        self.stopped = stopped
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
        self.ended: dict[int, int] = {}
        """Wait status by process."""
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
        parent = os.getpid()
        pid = os.fork()
        if pid:
            theirs.close()
            self.connections.append(ours)
            self.pids.append(pid)
            return
        status = 1
        try:
            end_with_parent(parent)
            close_descriptors([theirs.socket.fileno()])
            restrict_worker(self.layers)
            serve(theirs, self.slots, share, dissect, self.cadence, self.drop_duplicates)
            status = 0
        finally:
            os._exit(status)

    def begin(
        self, capture_id: int, first_flow: int, drain: Callable[[list[Batch]], None] | None = None
    ) -> "SharedAnalysis":
        """Begin a capture; at its end ``drain`` receives batches as soon as they are many bytes."""
        return SharedAnalysis(self, capture_id, first_flow, drain)

    def dismiss(self) -> None:
        """Close the channels, so that the processes end while this one continues."""
        for connection in self.connections:
            connection.close()
        self.connections = []

    def close(self) -> None:
        """End the processes."""
        self.dismiss()
        for pid in self.pids if not self.stopped() else ():  # one that hangs would not see the end of its channel
            self._wait(pid)
        self.pids = []  # the others end with this process

    def _wait(self, pid: int) -> int:
        """Wait for the end of a worker; returns its status."""
        if pid not in self.ended:
            self.ended[pid] = os.waitpid(pid, 0)[1]
        return self.ended[pid]

    def failure(self, connection: Channel) -> WorkerError:
        """Why the worker at the other end of a channel ended."""
        status = self._wait(self.pids[self.connections.index(connection)])
        return WorkerError(FORBIDDEN if ended_by_filter(status) else ENDED)


class SharedAnalysis:
    """One capture's analysis by all workers; to its user the same as an `Analysis`.

    A batch given to `feed` must stay as it is until `SLOTS` - 1 further ones were given.
    """

    def __init__(
        self, workers: Workers, capture_id: int, first_flow: int, drain: Callable[[list[Batch]], None] | None = None
    ) -> None:
        self.workers = workers
        self.drain = drain
        self.collector = Collector(capture_id)
        self.index = PacketIndex()
        self.packets = 0
        self.next_flow = first_flow
        self.undecoded = 0
        self.evicted = 0
        self.stored_flows = 0
        self.outstanding: deque[Slot] = deque()
        self.ready: list[Batch] = []
        self.ready_bytes = 0
        """Size of the rows in `ready`, without those of the packet index."""
        count = len(workers.connections)
        self.division = Division(count)
        self.numbers = [Numbers() for _ in range(count)]
        self._send("begin", capture_id)

    def _send(self, *message: object) -> None:
        for connection in self.workers.connections:
            try:
                connection.send(message)
            except OSError:
                while True:  # its replies so far, then why it ended
                    self._receive(connection)

    def _receive(self, connection: Channel) -> WorkerReply | list[Columns]:
        try:
            self._await(connection)
            reply = connection.recv()
        except (EOFError, OSError):
            raise self.workers.failure(connection) from None
        if isinstance(reply, str):  # its traceback
            raise RuntimeError(reply)  # noqa: TRY004 - a fault of ours, not of a type
        assert isinstance(reply, WorkerReply | list)
        return reply

    def _await(self, connection: Channel) -> None:
        """Wait for a reply; once the run is stopped, `HANGING` seconds at most."""
        waited = 0.0
        while not connection.poll(TICK):
            waited = waited + TICK if self.workers.stopped() else 0.0
            if waited >= HANGING:
                raise WorkerError("a process that analyses the capture does not answer; its last rows are missing")

    def feed(self, frames: Frames) -> None:
        """Send a batch of frames to the workers, and take the replies that have arrived."""
        at, slot = next((i, s) for i, s in enumerate(self.workers.slots) if s.frames is frames)
        slot.reset()
        self.division.divide(frames, slot.owners)
        self._send("feed", at, frames.count, frames.first_number)
        self.packets = frames.first_number + frames.count - 1
        self.outstanding.append(slot)
        while len(self.outstanding) > SLOTS - 2 or (self.outstanding and self._all_replied()):
            self._collect()

    def tick(self, now: int) -> None:
        """Let time pass to ``now`` without packets; flows that end so are in the rows of the next reply."""
        self._send("tick", now)

    def _all_replied(self) -> bool:
        return all(connection.poll() for connection in self.workers.connections)

    def _collect(self) -> None:
        """Take the replies to the oldest batch."""
        slot = self.outstanding.popleft()
        self._receive_replies()
        index, frames = self.index, slot.frames
        if index.count + frames.count > CAPACITY:
            self.ready.append(Columns(Packet, index.take()))
        row = index.enter(frames)
        for name, column in slot.results.items():
            index.arrays[name][row : index.count] = column[: frames.count]
        for share, numbers in enumerate(self.numbers):
            index.renumber(row, share, view(numbers.known))

    def _receive_replies(self) -> None:
        """Take one reply of every worker."""
        replies = [self._reply(*each) for each in zip(self.workers.connections, self.numbers, strict=True)]
        self.undecoded = sum(reply.undecoded for reply in replies)
        self.evicted = sum(reply.evicted for reply in replies)
        self.stored_flows = sum(reply.stored_flows for reply in replies)
        self.next_flow += number_flows(self.numbers, [reply.first_packets for reply in replies], self.next_flow)
        self.merge(replies)

    def _reply(self, connection: Channel, numbers: Numbers) -> WorkerReply:
        """Take one reply, and the parts of rows before it."""
        while isinstance(reply := self._receive(connection), list):
            for batch in reply:
                self._add(batch, numbers)
            self._drain_many()
        return reply

    def _drain_many(self) -> None:
        """Pass rows on if many bytes of them wait."""
        if self.drain is not None and self.ready_bytes >= self.workers.cadence.waiting_bytes:
            batches, self.ready, self.ready_bytes = self.ready, [], 0
            if self.index.count:  # first, so that no flow is passed on without the packets that it counts
                batches.insert(0, Columns(Packet, self.index.take()))
            self.drain(batches)

    def _add(self, batch: Columns, numbers: Numbers) -> None:
        """Add rows of a worker to those that wait."""
        numbers.renumber(batch.batch)
        self.ready.append(batch)
        self.ready_bytes += column_bytes(batch.batch)

    def merge(self, replies: list[WorkerReply]) -> None:
        """Merge one reply of every worker; names and anomalies are deduplicated over all of them."""
        anomalies: list[Anomaly] = []
        for numbers, reply in zip(self.numbers, replies, strict=True):
            for batch in reply.batches:
                if isinstance(batch, Records):
                    for row in batch.records:
                        row.flow_id = numbers.one(row.flow_id)
                    anomalies += batch.records
                else:
                    assert isinstance(batch, Columns)
                    self._add(batch, numbers)
        sightings = [sighting for reply in replies for sighting in reply.names]
        sightings.sort(key=itemgetter(0))
        for ts, ip, name, source, ttl, client in sightings:
            self.collector.name(ip, name, source, ts, ttl, client)
        for row in sorted(anomalies, key=lambda row: row.packet or MAX_PACKET):
            flow_id, ts, packet = row.flow_id or 0, row.ts or 0, row.packet or 0
            self.collector.anomaly(row.kind, row.detail, flow_id, ts, packet, row.offset, row.count)

    @property
    def waiting_bytes(self) -> int:
        """About the size of the rows that wait."""
        return self.collector.waiting_bytes + self.ready_bytes

    def take(self) -> list[Batch]:
        """Batches that are full."""
        self.ready_bytes = 0
        batches = self.ready + self.collector.take(self.workers.cadence.table_rows)
        self.ready = []
        return batches

    def take_all(self, final: bool = False) -> list[Batch]:
        """Batches of all rows so far, up to the last batch that was fed; the ``final`` ones after `finish`."""
        if not final:
            self.settle()
            self._send("flush")
            self._receive_replies()
        batches = self.ready + self.collector.take(1, final)
        self.ready, self.ready_bytes = [], 0
        return batches

    def settle(self) -> None:
        """Wait until everything that was fed is in the index."""
        while self.outstanding:
            self._collect()
            self._drain_many()

    def open_flows(self, touched: bool = False) -> list[Columns]:
        """As `Analysis.open_flows`, over all workers and up to the last batch that was fed."""
        self.settle()
        self._send("open", touched)
        batches: list[Columns] = []
        for connection, numbers in zip(self.workers.connections, self.numbers, strict=True):
            reply = self._receive(connection)
            assert isinstance(reply, list)
            for batch in reply:
                numbers.renumber(batch.batch)
            batches += reply
        return batches

    def finish(self) -> None:
        """End the capture: take everything that the workers still hold."""
        self.settle()
        self._send("finish", self.index.last_ts)
        self._receive_replies()  # numbers of all flows
        self._receive_replies()
        if self.evicted:
            self.collector.anomaly(*EVICTED, 0, self.index.last_ts, 0, count=self.evicted)


def serve(
    connection: Channel,
    slots: list[Slot],
    share: Share,
    dissect: bool,
    cadence: Cadence,
    drop_duplicates: bool = False,
) -> None:
    """Main loop of a worker: handle messages until the channel closes."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # they are for the reader, which closes the channel
    gc.disable()
    gc.freeze()
    analysis = Analysis(0, 1, dissect, share=share, cadence=cadence, drop_duplicates=drop_duplicates)
    while True:
        try:
            kind, *rest = connection.recv()
            if kind == "begin":
                analysis = Analysis(rest[0], 1, dissect, share=share, cadence=cadence, drop_duplicates=drop_duplicates)
                continue
            if kind in ("open", "tick"):
                _between(connection, analysis, kind, rest[0])
                continue
            if kind == "feed":
                _feed(analysis, slots[rest[0]], rest[1], rest[2])
                batches = analysis.take()
            elif kind == "flush":
                batches = analysis.take_all()
            else:
                analysis.index.last_ts = rest[0]
                analysis.finish()
                connection.send(_reply(analysis, []))
                for part in analysis.take_flow_parts():
                    connection.send([part])
                batches = analysis.take_all(final=True)
            connection.send(_reply(analysis, batches))
        except (EOFError, OSError):
            return
        except Exception:  # noqa: BLE001 - sent to the reader, which stops
            connection.send(traceback.format_exc())
            return


def _between(connection: Channel, analysis: Analysis, kind: str, argument: int) -> None:
    """Handle a message between batches: time passes, which needs no reply, or the open flows are asked for."""
    if kind == "tick":
        analysis.tick(argument)
    else:
        connection.send(analysis.open_flows(bool(argument)))


def _feed(analysis: Analysis, slot: Slot, count: int, first_number: int) -> None:
    frames = slot.frames
    frames.count, frames.first_number = count, first_number
    analysis.index.point(slot.results)
    analysis.feed(frames, slot.owners)


def _reply(analysis: Analysis, batches: list[Batch]) -> WorkerReply:
    """Reply with these batches."""
    names, analysis.collector.sightings = analysis.collector.sightings, []
    table = analysis.tracker.table
    first_packets, table.first_packets = np.array(table.first_packets, np.int64), []
    return WorkerReply(batches, names, analysis.undecoded, analysis.evicted, analysis.stored_flows, first_packets)
