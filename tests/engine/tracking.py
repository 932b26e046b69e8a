"""The tracker run over crafted packets, and its flows, streams and packet index as plain values."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from rustnet.columnar import NULL
from rustnet.engine import listener
from rustnet.engine.flow import Flow
from rustnet.engine.jumps import missed_bytes
from rustnet.engine.numbers import STATE_NAMES, protocol_name
from rustnet.engine.tcp import connection_state
from rustnet.engine.text import address
from rustnet.engine.tracker import Tracker
from rustnet.policy.timeouts import IDLE_TIMEOUTS, IdleTimeouts
from rustnet.sources.frames import Frames
from tests.support.packets import Captured

WANTED_SIZE = 512
WELL_KNOWN = (22, 25, 53, 80, 123, 443, 3306, 8080)
"""Ports that rank as servers' in these tests."""


def server_ports() -> bytes:
    """Ranks of ports: the well-known ones above all others."""
    ranks = bytearray(65_536)
    for port in WELL_KNOWN:
        ranks[port] = 9
    return bytes(ranks)


def batch(packets: Sequence[Captured], first_number: int = 1) -> Frames:
    """One batch of frames, as a source would fill it."""
    data = b"".join(packet.data for packet in packets)
    frames = Frames(packets=max(1, len(packets)), size=max(1, len(data)))
    frames.buffer[: len(data)] = data
    at = 0
    for i, packet in enumerate(packets):
        frames.offset[i] = at
        frames.captured[i] = len(packet.data)
        frames.length[i] = packet.wire
        frames.ts[i] = packet.ts
        frames.link[i] = packet.link
        frames.interface[i] = packet.interface
        at += len(packet.data)
    frames.count = len(packets)
    frames.first_number = first_number
    return frames


@dataclass
class Listener(listener.Listener):
    """One that keeps all it is told."""

    skip: int = 0
    """Bytes to skip behind the first chunk of each stream."""
    pieces: dict[tuple[int, bool], list[bytes | int]] = field(default_factory=dict)
    """By flow id and direction: in-order bytes, and sizes of gaps."""
    datagrams: list[tuple[int, bool, bytes, int]] = field(default_factory=list)
    closed: list[int] = field(default_factory=list)
    refused: list[tuple[int, int, int]] = field(default_factory=list)
    """(answer, link type, packet number) of frames that could not be decoded."""

    def datagram(self, flow: Flow, from_src: bool, data: bytes, ts: int, number: int) -> None:
        self.datagrams.append((flow.flow_id, bool(from_src), data, number))

    def stream(self, flow: Flow, from_src: bool, data: bytes, ts: int, number: int) -> int:
        flow.talk = self
        pieces = self.pieces.setdefault((flow.flow_id, bool(from_src)), [])
        first = not pieces
        pieces.append(data)
        return self.skip if first else 0

    def gap(self, flow: Flow, from_src: bool, size: int, ts: int, number: int) -> None:
        self.pieces.setdefault((flow.flow_id, bool(from_src)), []).append(size)

    def close(self, flow: Flow) -> None:
        self.closed.append(flow.flow_id)

    def undecoded(self, answer: int, link: int, ts: int, number: int) -> None:
        self.refused.append((answer, link, number))

    def streams(self, flow_id: int) -> tuple[list[bytes | int], list[bytes | int]]:
        """What was read of both directions, neighbouring chunks joined."""
        return join(self.pieces.get((flow_id, True), [])), join(self.pieces.get((flow_id, False), []))


def join(pieces: Iterable[bytes | int]) -> list[bytes | int]:
    """Join neighbouring chunks, and neighbouring gaps."""
    made: list[bytes | int] = []
    for piece in pieces:
        if made and type(made[-1]) is type(piece):
            made[-1] += piece  # type: ignore[operator]
        else:
            made.append(piece)
    return made


SIDE_FIELDS = (
    "packets",
    "bytes",
    "payload",
    "flags",
    "ttl",
    "retransmissions",
    "fast_retransmissions",
    "out_of_order",
    "duplicate_acks",
    "zero_windows",
    "missed",
    "srtt",
    "min_rtt",
)
FLOW_FIELDS = (
    "flow_id",
    "generation",
    "first_ts",
    "last_ts",
    "first_packet",
    "handshake_rtt",
    "first_syn",
    "opened",
    "syn_tries",
    "jumps",
    "src_mac",
    "dst_mac",
    "vlan",
    "outer_vlan",
    "dst_vlan",
    "duplicates",
    "history",
    "end_reason",
    "icmp_type",
    "icmp_code",
    "icmp_id",
    "fragments",
    "tunnel",
    "carries",
    "outer_flow_id",
)


def plain_flow(flow: Flow) -> dict[str, object]:
    """A flow's figures, oriented: ``src`` is the initiator."""
    a = (address(flow.a_hi, flow.a_lo) if flow.version else "", flow.a_port)
    b = (address(flow.b_hi, flow.b_lo) if flow.version else "", flow.b_port)
    plain: dict[str, object] = {name: getattr(flow, name) for name in FLOW_FIELDS}
    plain["protocol"] = protocol_name(flow.protocol)
    plain["src"], plain["dst"] = (a, b) if flow.src_is_a else (b, a)
    plain["state"] = STATE_NAMES[flow.state]
    plain["conn_state"] = connection_state(flow) if flow.protocol == 6 else None
    for name, from_src in (("src", True), ("dst", False)):
        figures = flow.side(from_src) | {"missed": missed_bytes(flow, from_src)}
        plain |= {f"{name}_{key}": figures[key] for key in SIDE_FIELDS}
    return plain


@dataclass
class Tracked:
    """Everything that the tracker said of a capture."""

    flows: list[dict[str, object]]
    """In order of their numbers."""
    index: list[tuple[int, bool, int, int]]
    """(flow id, from src, payload, TCP flags) of every packet."""
    reader: Listener
    tracker: Tracker

    def flow(self, **wanted: object) -> dict[str, object]:
        """The one flow with these values."""
        found = [flow for flow in self.flows if all(flow[key] == value for key, value in wanted.items())]
        assert len(found) == 1, found or self.flows
        return found[0]

    def streams(self, flow_id: int = 1) -> tuple[list[bytes | int], list[bytes | int]]:
        return self.reader.streams(flow_id)


def index_rows(tracker: Tracker) -> list[tuple[int, bool, int, int]]:
    """Packet index since the last call: flow (0: none), direction, payload and TCP flags."""
    made = {name: column for name, column in tracker.index.take().items() if isinstance(column, np.ndarray)}
    flow_ids = np.where(made["flow_id"] == NULL, 0, made["flow_id"])
    columns = [flow_ids.tolist(), *(made[name].tolist() for name in ("from_src", "payload", "tcp_flags"))]
    return list(zip(*columns, strict=True))


def track(
    packets: Sequence[Captured],
    borders: Sequence[int] = (),
    *,
    wanted: bool = True,
    reader: Listener | None = None,
    max_flows: int = 0,
    timeouts: IdleTimeouts = IDLE_TIMEOUTS,
    without_duplicates: bool = False,
) -> Tracked:
    """Run the tracker over packets in batches that end at the ``borders`` (indices into ``packets``)."""
    listener = reader or Listener()
    tracker = Tracker(listener, bytes([1 if wanted else 0]) * WANTED_SIZE, server_ports(), timeouts)
    tracker.without_duplicates = without_duplicates
    if max_flows:
        tracker.table.max_flows = max_flows
    index: list[tuple[int, bool, int, int]] = []
    ended: list[Flow] = []
    stops = sorted({min(border, len(packets)) for border in borders} | {len(packets)})
    start = 0
    for stop in stops:
        tracker.feed(batch(packets[start:stop], start + 1))
        index += index_rows(tracker)
        ended += tracker.close_ended()
        start = stop
    ended += tracker.finish()
    flows = sorted((plain_flow(flow) for flow in ended), key=lambda flow: int(str(flow["flow_id"])))
    return Tracked(flows, index, listener, tracker)
