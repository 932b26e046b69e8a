"""What the engine's tests share: frames crafted by hand, batches of them, and the tracker's answer as plain values."""

import socket
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from rustnet.columnar import NULL
from rustnet.engine import listener
from rustnet.engine.flow import Flow
from rustnet.engine.numbers import STATE_NAMES, protocol_name
from rustnet.engine.tcp import connection_state
from rustnet.engine.text import address
from rustnet.engine.tracker import Tracker
from rustnet.policy.timeouts import IDLE_TIMEOUTS, IdleTimeouts
from rustnet.sources.frames import Frames

SECOND = 1_000_000_000
START = 1_700_000_000 * SECOND
ETHERNET = 1
WANTED_SIZE = 512
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
WELL_KNOWN = (22, 25, 53, 80, 123, 443, 3306, 8080)
"""Ports that rank as servers' in these tests."""


def server_ports() -> bytes:
    """Ranks of ports: the well-known ones above all others."""
    ranks = bytearray(65_536)
    for port in WELL_KNOWN:
        ranks[port] = 9
    return bytes(ranks)


@dataclass(frozen=True)
class Captured:
    """One captured frame; ``length`` is its size on the wire, its captured size by default."""

    ts: int
    data: bytes
    link: int = ETHERNET
    length: int = 0
    interface: int = 0

    @property
    def wire(self) -> int:
        return self.length or len(self.data)


def checksum(data: bytes) -> int:
    """Internet checksum (RFC 1071)."""
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ether(payload: bytes, kind: int = 0x0800, vlans: Sequence[int] = (), src: int = 1, dst: int = 2) -> bytes:
    """Ethernet frame with 802.1Q tags, outermost first."""
    tags = b"".join(struct.pack(">HH", 0x8100, vlan) for vlan in vlans)
    macs = b"\x02\0\0\0\0" + bytes([dst]) + b"\x02\0\0\0\0" + bytes([src])
    return macs + tags + struct.pack(">H", kind) + payload


def ip(
    src: str,
    dst: str,
    protocol: int,
    payload: bytes,
    *,
    options: bytes = b"",
    ttl: int = 64,
    ident: int = 0,
    offset: int = 0,
    more: bool = False,
) -> bytes:
    """IPv4 or IPv6 packet; ``offset`` is in bytes; IPv6 gets a fragment header where ``offset`` or ``more`` say so."""
    if ":" in src:
        if offset or more:
            payload = struct.pack(">BBHI", protocol, 0, offset | more, ident) + payload
            protocol = 44
        ends = socket.inet_pton(socket.AF_INET6, src) + socket.inet_pton(socket.AF_INET6, dst)
        return struct.pack(">IHBB", 0x60000000, len(payload), protocol, ttl) + ends + payload
    size = 20 + len(options)
    flags = (offset >> 3) | (0x2000 if more else 0)
    ends = socket.inet_aton(src) + socket.inet_aton(dst)
    head = struct.pack(">BBHHHBBH", 0x40 | size >> 2, 0, size + len(payload), ident, flags, ttl, protocol, 0) + ends
    head = head[:10] + struct.pack(">H", checksum(head + options)) + head[12:]
    return head + options + payload


def kind_of(packet: bytes) -> int:
    """Ethertype of an IP packet."""
    return 0x0800 if packet[0] >> 4 == 4 else 0x86DD


def tcp(
    sport: int,
    dport: int,
    seq: int,
    ack: int,
    flags: int,
    payload: bytes = b"",
    window: int = 8192,
    options: bytes = b"",
) -> bytes:
    """TCP segment (checksum left empty: the engine does not look at it)."""
    offset = (20 + len(options)) << 2
    head = struct.pack(">HHIIBBHHH", sport, dport, seq & 0xFFFFFFFF, ack & 0xFFFFFFFF, offset, flags, window, 0, 0)
    return head + options + payload


def udp(sport: int, dport: int, payload: bytes = b"") -> bytes:
    """UDP datagram."""
    return struct.pack(">HHHH", sport, dport, 8 + len(payload), 0) + payload


def tcp_frame(
    src: str, dst: str, sport: int, dport: int, seq: int, ack: int, flags: int, payload: bytes = b"", **more: int
) -> bytes:
    """Whole Ethernet frame with one TCP segment."""
    packet = ip(src, dst, 6, tcp(sport, dport, seq, ack, flags, payload, **more))
    return ether(packet, kind_of(packet))


def udp_frame(src: str, dst: str, sport: int, dport: int, payload: bytes = b"") -> bytes:
    """Whole Ethernet frame with one UDP datagram."""
    packet = ip(src, dst, 17, udp(sport, dport, payload))
    return ether(packet, kind_of(packet))


def arp_frame(sender: str, target: str, operation: int = 1) -> bytes:
    """ARP request (1) or reply (2)."""
    body = struct.pack(">HHBBH", 1, 0x0800, 6, 4, operation) + b"\x02\0\0\0\0\x01" + socket.inet_aton(sender)
    return ether(body + b"\0" * 6 + socket.inet_aton(target), 0x0806)


def batch(packets: Sequence[Captured], first_number: int = 1) -> Frames:
    """One batch of frames, as a source would fill it."""
    data = b"".join(packet.data for packet in packets)
    frames = Frames(packets=max(1, len(packets)), size=max(1, len(data)))
    frames.buffer[: len(data)] = np.frombuffer(data, np.uint8)
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
        last = made[-1] if made else None
        if (isinstance(piece, bytes) and isinstance(last, bytes)) or (isinstance(piece, int) and isinstance(last, int)):
            made[-1] = last + piece
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
    "vlan",
    "outer_vlan",
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
    for name, figures in (("src", flow.side(True)), ("dst", flow.side(False))):
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
    made = tracker.index.take()
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
) -> Tracked:
    """Run the tracker over packets in batches that end at the ``borders`` (indices into ``packets``)."""
    listener = reader or Listener()
    tracker = Tracker(listener, bytes([1 if wanted else 0]) * WANTED_SIZE, server_ports(), timeouts)
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


def paced(frames: Iterable[bytes], start: int = START, step: int = 1_000_000) -> list[Captured]:
    """Frames that follow each other at equal distances."""
    return [Captured(start + i * step, data) for i, data in enumerate(frames)]
