"""Follow a flow: the payload of both directions in order, from the original capture.

`plan` asks the session which packets there are; a `StreamReader` reads them and needs no session, so that it can work
on another thread. The engine puts streams together, as it did for the parsers: TCP in causal order, retransmissions
once, IP fragments reassembled. What is missing is a chunk, too.
"""

import typing
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from rustnet.engine.flow import Flow
from rustnet.engine.listener import Listener
from rustnet.engine.numbers import WANTED_SIZE
from rustnet.engine.tracker import Tracker
from rustnet.errors import InputError
from rustnet.export.captured import Checked, Originals
from rustnet.i18n import _, marked
from rustnet.policy.timeouts import IdleTimeouts
from rustnet.query.selection import IngestedFile, ingested_files
from rustnet.sources.frames import Frames
from rustnet.sources.seek import PacketReader

if typing.TYPE_CHECKING:
    from rustnet.query.session import Session

MAX_PACKETS = 200_000
"""Most packets of a flow that are followed."""
PAGE_BYTES = 1 << 20
"""Payload of one page."""
_BATCH_PACKETS = 256
_BATCH_BYTES = 1 << 20
_LARGEST = 1 << 20
"""A packet that claims more captured bytes is damage."""
_NEVER = 1 << 30
_TIMEOUTS = IdleTimeouts(_NEVER, _NEVER, _NEVER, _NEVER, _NEVER, _NEVER, _NEVER, _NEVER, _NEVER, {}, {})
"""The packets of one flow are one conversation, however long they are apart."""

_CHAIN = """
WITH RECURSIVE chain(flow_id, outer_flow_id, tunnel) AS (
    SELECT flow_id, outer_flow_id, tunnel FROM flows WHERE flow_id = $flow
    UNION SELECT f.flow_id, f.outer_flow_id, f.tunnel FROM flows AS f JOIN chain AS c ON f.flow_id = c.outer_flow_id
)
SELECT DISTINCT outer_flow_id FROM chain WHERE tunnel = 'fragments' AND outer_flow_id IS NOT NULL LIMIT 8"""
"""Flows with the fragments of a flow's datagrams, or of those of the tunnels around it."""

_PACKETS = """
SELECT p.number, epoch_ns(p.ts) AS ts, (p.flow_id = $flow)::BIGINT AS own, p.from_src::BIGINT AS from_src, p.length,
    p.captured, p.payload, p.file_offset, p.interface, p.file, coalesce(i.link_type, -1)::BIGINT AS link
FROM packets AS p LEFT JOIN interfaces AS i ON i.capture_id = p.capture_id AND i.interface = p.interface
WHERE {chosen} AND NOT coalesce(p.duplicate, false) AND p.capture_id = $capture
    AND ($at IS NULL OR p.ts <= make_timestamp_ns($at))
ORDER BY p.number LIMIT {limit}"""
_OWN = "p.flow_id = $flow"
_WITH_CARRIERS = """(p.flow_id = $flow OR p.flow_id IN (SELECT unnest($carriers)) AND p.ts BETWEEN
    make_timestamp_ns($begun) - INTERVAL 30 SECOND AND make_timestamp_ns($ended))"""

Array = np.ndarray[typing.Any, typing.Any]


@dataclass(frozen=True, slots=True)
class Plan:
    """The packets of a flow, and the files that they are in."""

    flow_id: int
    protocol: str
    packets: dict[str, Array]
    """Columns of the packet index, in the order of packets."""
    files: tuple[IngestedFile, ...]
    """Files of its capture, by their index."""
    carries: bool
    """It is a tunnel: its packets belong to the flows inside."""
    joined_late: bool
    """A TCP connection whose beginning was not captured."""
    cut: bool
    """The flow has more packets than `MAX_PACKETS`."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Bytes of one direction in order: a datagram, or the new bytes of a segment. Or the size of what is missing."""

    from_src: bool
    data: bytes
    ts: int
    """Nanoseconds since 1970 UTC."""
    packet: int
    """Number of its packet; for missing bytes, of the one that proves them."""
    missing: int = 0
    """Bytes of this direction that come next and are not in the capture."""


@dataclass(frozen=True, slots=True)
class StreamPage:
    """The next chunks of a flow."""

    chunks: tuple[Chunk, ...]
    more: bool
    """Chunks may follow."""
    problem: str = ""
    """Why nothing can be read."""
    notes: tuple[str, ...] = ()
    """English sentences, marked for translation, on what is shown."""


JOINED_LATE = marked("the beginning of the connection was not captured")
TUNNEL = marked("what the packets of this flow carry are flows of their own")
TOO_MANY = marked("only the first packets of this flow are followed")
NOTHING = marked("no payload was captured")


def plan(session: "Session", flow_id: int, at: int | None = None) -> Plan:
    """Look up the packets of a flow, up to packet time ``at``. Raises `InputError` if there is no such flow."""
    rows = session.execute_own(
        "SELECT capture_id, protocol, epoch_ns(started_at), epoch_ns(ended_at), syn_tries, "
        "(SELECT count(*) FROM flows WHERE outer_flow_id = $flow) FROM flows WHERE flow_id = $flow",
        {"flow": flow_id},
    ).rows
    if not rows:
        raise InputError("there is no flow {n} in this session", n=flow_id)
    capture_id, protocol, begun, ended, syn_tries, inner = rows[0]
    carriers = [row[0] for row in session.execute_own(_CHAIN, {"flow": flow_id}).rows]
    given: dict[str, object] = {"flow": flow_id, "capture": capture_id, "at": at}
    if carriers:
        given |= {"carriers": carriers, "begun": begun, "ended": ended}
    sql = _PACKETS.format(chosen=_WITH_CARRIERS if carriers else _OWN, limit=MAX_PACKETS + 1)
    packets = session.arrays(sql, given)
    count = len(packets["number"])
    return Plan(
        flow_id, protocol, {name: np.asarray(column[:MAX_PACKETS], np.int64) for name, column in packets.items()},
        ingested_files(session, capture_id), carries=inner > 0,
        joined_late=protocol == "tcp" and syn_tries is None, cut=count > MAX_PACKETS,
    )  # fmt: skip


@dataclass(slots=True)
class _Piece:
    """What the engine delivered."""

    flow: int
    from_src: bool
    data: bytes
    ts: int
    row: int
    """Number that the packet was fed with."""
    missing: int


class _Recorder(Listener):
    """Keeps what the engine delivers."""

    def __init__(self) -> None:
        self.pieces: list[_Piece] = []

    def datagram(self, flow: Flow, from_src: bool, data: bytes, ts: int, number: int) -> None:
        """Keep one datagram."""
        self.pieces.append(_Piece(flow.flow_id, bool(from_src), data, ts, number, max(0, flow.missing)))

    def stream(self, flow: Flow, from_src: bool, data: bytes, ts: int, number: int) -> int:
        """Keep bytes of a stream."""
        self.pieces.append(_Piece(flow.flow_id, bool(from_src), data, ts, number, 0))
        return 0

    def gap(self, flow: Flow, from_src: bool, size: int, ts: int, number: int) -> None:
        """Keep the size of what is missing."""
        self.pieces.append(_Piece(flow.flow_id, bool(from_src), b"", ts, number, size))


class StreamReader:
    """Reads the payload of a flow page by page."""

    def __init__(self, chosen: Plan, originals: Originals) -> None:
        self._plan = chosen
        self._originals = originals
        self._files: dict[int, _File] = {}
        self._checked: list[Checked] = []
        self._recorder = _Recorder()
        self._tracker = Tracker(self._recorder, b"\1" * WANTED_SIZE, bytes(1 << 16), _TIMEOUTS)
        self._row = 0
        """Packets fed so far."""
        self._waiting: deque[Chunk] = deque()
        self._ended = False
        self._turned: dict[int, bool] = {}
        """The engine's flows that are this flow, and whether its ends are swapped there."""
        self._started = False

    def page(self, most_bytes: int = PAGE_BYTES) -> StreamPage:
        """Read the next chunks, of about ``most_bytes``."""
        notes = []
        if not self._started:
            self._started = True
            problem = self._open()
            if problem:
                return StreamPage((), more=False, problem=problem)
            notes = [checked.doubt for checked in self._checked if checked.doubt]
            notes += [words for words, holds in ((JOINED_LATE, self._plan.joined_late), (TUNNEL, self._plan.carries))
                      if holds]  # fmt: skip
        chunks: list[Chunk] = []
        size = 0
        try:
            while size < most_bytes and (self._waiting or self._advance()):
                while self._waiting and size < most_bytes:
                    chunk = self._waiting.popleft()
                    chunks.append(chunk)
                    size += max(1, len(chunk.data))
        except InputError as error:
            self._ended = True
            return StreamPage(tuple(chunks), more=False, problem=error.sentence(_), notes=tuple(notes))
        more = bool(self._waiting) or not self._ended
        if not more and self._plan.cut:
            notes.append(TOO_MANY)
        return StreamPage(tuple(chunks), more, notes=tuple(dict.fromkeys(notes)))

    def _open(self) -> str:
        """Locate and check the files that have packets of the flow; returns what is wrong."""
        for index in sorted({int(each) for each in self._plan.packets["file"]}):
            if index >= len(self._plan.files):
                raise InputError("the session does not describe file {n} of the capture", n=index)
            checked = self._originals.checked(self._plan.files[index])
            self._checked.append(checked)
            if checked.path is None:
                return checked.problem
            self._files[index] = _File(str(checked.path))
        return ""

    def _advance(self) -> bool:
        """Feed some packets to the engine; False once all have been."""
        if self._ended:
            return False
        packets = self._plan.packets
        total = len(packets["number"])
        if self._row >= total:
            self._ended = True
            self._tracker.finish()
            self._take(total, total)
            return True
        first, end = self._row, self._row
        size = 0
        while end < total and end - first < _BATCH_PACKETS and size < _BATCH_BYTES:
            size += min(int(packets["captured"][end]), _LARGEST)
            end += 1
        frames = self._frames(first, end, size)
        self._tracker.feed(frames)
        self._tracker.close_ended()
        self._learn(first, end)
        self._row = end
        self._take(first, end)
        return True

    def _frames(self, first: int, end: int, size: int) -> Frames:
        """Read packets from their files."""
        packets = self._plan.packets
        frames = Frames(max(1, end - first), max(1, size))
        frames.first_number = first + 1
        at = 0
        for i, row in enumerate(range(first, end)):
            captured = int(packets["captured"][row])
            if captured > _LARGEST:
                raise InputError("packet {n} claims more bytes than a packet has", n=int(packets["number"][row]))
            data = self._files[int(packets["file"][row])].read(int(packets["file_offset"][row]), captured)
            frames.buffer[at : at + captured] = data
            frames.offset[i], frames.captured[i], frames.length[i] = at, captured, int(packets["length"][row])
            frames.ts[i], frames.link[i] = int(packets["ts"][row]), max(0, int(packets["link"][row]))
            frames.interface[i] = int(packets["interface"][row])
            at += captured
        frames.count = end - first
        return frames

    def _learn(self, first: int, end: int) -> None:
        """Note which of the engine's flows is the one that is followed, and how its ends are ordered there."""
        own, from_src = self._plan.packets["own"], self._plan.packets["from_src"]
        taken = self._tracker.index.take()
        flow_ids, senders = np.asarray(taken["flow_id"]), np.asarray(taken["from_src"])
        for i, row in enumerate(range(first, end)):
            if own[row]:
                self._turned[int(flow_ids[i])] = bool(senders[i]) != bool(from_src[row])

    def _take(self, first: int, end: int) -> None:
        """Turn what the engine delivered into chunks, in its order."""
        packets = self._plan.packets
        pieces, self._recorder.pieces = self._recorder.pieces, []
        read = set()
        for piece in pieces:
            turned = self._turned.get(piece.flow)
            if turned is None:
                continue  # a fragment's datagram of another flow
            row = piece.row - 1
            read.add(row)
            from_src = bool(packets["from_src"][row]) if piece.data else piece.from_src != turned
            self._waiting.append(Chunk(from_src, piece.data, piece.ts, int(packets["number"][row]), piece.missing))
        if self._plan.protocol == "tcp" or self._plan.carries:
            return
        for row in range(first, end):  # datagrams that could not be put together
            if packets["own"][row] and packets["payload"][row] > 0 and row not in read:
                self._waiting.append(Chunk(bool(packets["from_src"][row]), b"", int(packets["ts"][row]),
                                           int(packets["number"][row]), int(packets["payload"][row])))  # fmt: skip


@dataclass(slots=True)
class _File:
    """Reads packets of one file at ascending offsets; a compressed file is decoded once."""

    path: str
    wanted: deque[tuple[int, int]] = field(default_factory=deque)
    packets: Iterator[bytes] | None = None

    def read(self, offset: int, size: int) -> bytes:
        """Bytes of the next packet."""
        self.wanted.append((offset, size))
        if self.packets is None:
            self.packets = iter(PacketReader(self.path).read(self._offsets()))
        return next(self.packets)

    def _offsets(self) -> Iterator[tuple[int, int]]:
        while self.wanted:
            yield self.wanted.popleft()


def text_of(chunks: tuple[Chunk, ...]) -> tuple[bytes, bytes]:
    """Bytes of both directions, of the initiator first, without what is missing."""
    return (b"".join(c.data for c in chunks if c.from_src), b"".join(c.data for c in chunks if not c.from_src))
