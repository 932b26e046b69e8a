"""The flow table: from a packet's ends to its flow, with generations, timeouts and a bound on its size."""

from operator import attrgetter
from typing import Any, cast

import cython
import numpy as np

from rustnet.engine.flow import Flow
from rustnet.engine.generations import Generations
from rustnet.engine.numbers import (
    ARP,
    ARP_REPLY,
    ARP_REQUEST,
    ECHO_ANSWERED,
    ECHO_SENT,
    ICMP,
    ICMPV6,
    MASK64,
    SECOND,
    TCP,
    TIMEOUT_SYN,
    UDP,
    UDP_ACTIVE,
)
from rustnet.engine.packet import Packet

if not cython.compiled:  # compiled, these come from the .pxd as C functions
    from rustnet.engine.flow import half, new_flow, note

MIX_A, MIX_B = 0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F

SWEEP_SLACK = 10 * SECOND
"""A flow leaves the table this much later than its timeout, so that mild reordering cannot tell the difference."""

FIRST_BUCKETS = 1 << 10
"""Chains of a new table: small, so that the chains of few flows stay in the cache; it doubles as it fills."""

DEFAULT_MAX_FLOWS = 131_072
"""Open flows, each about a kilobyte of memory with what reads it."""

SYN, ACK = 2, 16
GROUPS, GROUP_BITS = 0xE0000000, 0xF0000000
"""IPv4's multicast addresses (RFC 5771), and the bits that tell them."""
LAST_TS = attrgetter("last_ts")

MARK_ISN = 64
"""As in `rustnet.engine.tcp`."""


def chains(size: int) -> memoryview:
    """``size`` empty chains: the slot that each begins with, -1 for none."""
    return memoryview(cast("Any", np.full(size, -1, np.int32)))


class FlowTable:
    """Chained hash table of the flows that are open in packet time."""

    def __init__(self, server_ports: bytes, first_id: int = 1, max_flows: int = DEFAULT_MAX_FLOWS) -> None:
        self.flows: list[Any] = []
        """A `Flow` or `None` by slot."""
        self.free: list[int] = []
        self.ended: list[Flow] = []
        self.buckets = chains(FIRST_BUCKETS)
        self.mask = FIRST_BUCKETS - 1
        self.count = 0
        self.next_id = first_id
        self.max_flows = max_flows
        self.evicted = 0
        self.generations = Generations()
        self.server_ports = server_ports
        self.from_src = True
        self.swept_at = 0
        self.noting = False
        self.opened: list[int] = []
        """While ``noting``: number of the first packet of each flow that was opened, in the order of their ids."""

    def find(self, p: Packet, context: int, ts: int, number: int, interface: int) -> Flow:
        """Flow of packet ``p``, made if need be; `from_src` then says who sent the packet.

        ``context`` tells apart equal addresses in different tunnels and VLANs.
        """
        src_hi, src_lo, src_port = p.src_hi, p.src_lo, p.src_port
        dst_hi, dst_lo, dst_port = p.dst_hi, p.dst_lo, p.dst_port
        if src_hi != dst_hi:
            swap = src_hi > dst_hi
        elif src_lo != dst_lo:
            swap = src_lo > dst_lo
        else:
            swap = src_port > dst_port
        extra = p.extra
        if p.directed:
            extra = (extra << 1) | swap
        # Who sends is as good as random: a branch on it would be mispredicted, so a mask exchanges the ends.
        exchange = (0 - swap) & MASK64
        lo = (src_lo ^ dst_lo) & exchange
        hi = (src_hi ^ dst_hi) & exchange
        port = (src_port ^ dst_port) & exchange
        a_lo, b_lo, a_hi, b_hi = src_lo ^ lo, dst_lo ^ lo, src_hi ^ hi, dst_hi ^ hi
        ends = ((src_port ^ port) << 48) | ((dst_port ^ port) << 32) | p.protocol
        h = ((a_lo ^ (a_hi * MIX_B)) * MIX_A) & MASK64
        g = ((b_lo ^ (b_hi * MIX_A)) * MIX_B) & MASK64
        h ^= (h >> 29) ^ g ^ (g >> 32) ^ ends ^ (((extra << 8) ^ context) * MIX_A)
        h = (h * MIX_B) & MASK64
        h ^= h >> 31
        at = self.buckets[h & self.mask]
        while at >= 0:
            flow: Flow = cython.cast(Flow, self.flows[at])  # nothing else is at a place that a chain leads to
            if flow.hash == h and not (
                (flow.a_lo ^ a_lo)
                | (flow.b_lo ^ b_lo)
                | (flow.ends ^ ends)
                | (flow.a_hi ^ a_hi)
                | (flow.b_hi ^ b_hi)
                | (flow.extra ^ extra)
                | (flow.context ^ context)
            ):
                if ts - flow.last_ts > flow.timeout:
                    self.end(flow, "idle")
                elif p.flags & 18 == 2 and p.protocol == 6 and renews(flow, p, swap):  # a TCP SYN
                    self.end(flow, "reused")
                else:
                    self.from_src = flow.src_is_a != swap
                    return flow
                break
            at = flow.next
        return self.open(p, h, swap, ends, extra, context, ts, number, interface)

    def open(
        self, p: Packet, h: int, swap: bool, ends: int, extra: int, context: int, ts: int, number: int, interface: int
    ) -> Flow:
        """Make the flow that begins with packet ``p``."""
        if self.count >= self.max_flows:
            self.evict()
        flow = new_flow()
        flow.flow_id = self.next_id
        self.next_id += 1
        if self.noting:
            self.opened.append(number)
        flow.hash = h
        if swap:
            flow.a_hi, flow.a_lo, flow.a_port = p.dst_hi, p.dst_lo, p.dst_port
            flow.b_hi, flow.b_lo, flow.b_port = p.src_hi, p.src_lo, p.src_port
        else:
            flow.a_hi, flow.a_lo, flow.a_port = p.src_hi, p.src_lo, p.src_port
            flow.b_hi, flow.b_lo, flow.b_port = p.dst_hi, p.dst_lo, p.dst_port
        flow.ends = ends
        flow.protocol = p.protocol
        flow.version = p.version
        flow.has_ports = p.has_ports
        flow.extra = extra
        flow.context = context
        flow.first_ts = ts
        flow.last_ts = ts
        flow.first_packet = number
        flow.interface = interface
        flow.vlan = p.vlan
        flow.outer_vlan = p.outer_vlan
        flow.icmp_type = p.icmp_type
        flow.icmp_code = p.icmp_code
        flow.icmp_id = p.icmp_id
        flow.generation = self.generations.get(h)
        self.begin(flow, p)
        flipped = self.answers(p)
        if flipped:
            note(flow, 94)  # ^
            flow.src_mac = p.dst_mac
            flow.dst_mac = p.src_mac
        else:
            flow.src_mac = p.src_mac
            flow.dst_mac = p.dst_mac
        flow.src_is_a = swap == flipped
        self.from_src = not flipped
        self.insert(flow)
        return flow

    def begin(self, flow: Flow, p: Packet) -> None:
        """First state and timeout of a flow."""
        protocol = p.protocol
        if protocol == TCP:
            flow.timeout = TIMEOUT_SYN if p.flags >= 0 and p.flags & SYN else 300 * SECOND
        elif protocol == UDP:
            flow.state = UDP_ACTIVE
            low, high = flow.a_port, flow.b_port
            if low in (53, 5353, 5355) or high in (53, 5353, 5355):
                flow.timeout = 30 * SECOND
            elif low == 443 or high == 443:
                flow.timeout = 180 * SECOND
            else:
                flow.timeout = 60 * SECOND
        elif protocol in (ICMP, ICMPV6):
            flow.timeout = 60 * SECOND
            if p.icmp_type in (8, 128):
                flow.state = ECHO_SENT
            elif p.icmp_type in (0, 129):
                flow.state = ECHO_ANSWERED
        elif protocol == ARP:
            flow.timeout = 60 * SECOND
            flow.state = ARP_REPLY if p.ack == 2 else ARP_REQUEST
        else:
            flow.timeout = 300 * SECOND

    def answers(self, p: Packet) -> bool:
        """Whether a flow's first packet was sent by its responder."""
        protocol = p.protocol
        if protocol == TCP:
            if p.flags >= 0 and p.flags & SYN:
                return p.flags & ACK != 0
        elif protocol == ICMP:
            return p.icmp_type in (0, 14, 16, 18)
        elif protocol == ICMPV6:
            return p.icmp_type == 129
        if not p.has_ports or p.src_port == p.dst_port:
            return False
        if p.dst_hi >> 56 == 0xFF or (p.dst_hi == 0 and (p.dst_lo & GROUP_BITS) == GROUPS):
            return False  # nobody answers to a group
        return self.server_ports[p.src_port] > self.server_ports[p.dst_port]

    def insert(self, flow: Flow) -> None:
        """Put a flow in its chain."""
        if self.free:
            index = self.free.pop()
            self.flows[index] = flow
        else:
            index = len(self.flows)
            self.flows.append(flow)
        flow.index = index
        bucket = flow.hash & self.mask
        flow.next = self.buckets[bucket]
        self.buckets[bucket] = index
        self.count += 1
        if self.count * 2 > self.mask:
            self.grow()

    def grow(self) -> None:
        """Double the number of chains."""
        size = (self.mask + 1) * 2
        self.buckets = chains(size)
        self.mask = size - 1
        for flow in self.flows:
            if flow is not None:
                bucket = flow.hash & self.mask
                flow.next = self.buckets[bucket]
                self.buckets[bucket] = flow.index

    def end(self, flow: Flow, reason: str) -> None:
        """Take a flow out of the table; it waits in `ended` for whoever stores it.

        ``reason`` is why it leaves, unless its own FIN or RST ended it before.
        """
        bucket = flow.hash & self.mask
        at = self.buckets[bucket]
        if at == flow.index:
            self.buckets[bucket] = flow.next
        else:
            before: Flow = self.flows[at]
            while before.next != flow.index:
                before = self.flows[before.next]
            before.next = flow.next
        self.flows[flow.index] = None
        self.free.append(flow.index)
        flow.index = -1
        self.count -= 1
        if flow.closed:
            flow.end_reason = "rst" if flow.reset_by else "fin"
        else:
            flow.end_reason = reason
        self.generations.put(flow.hash, flow.generation + 1)
        self.ended.append(flow)

    def retract(self, flow: Flow) -> None:
        """Take back a flow that has no packet after all."""
        self.end(flow, "end")
        self.ended.pop()
        self.generations.put(flow.hash, flow.generation)
        if flow.flow_id == self.next_id - 1:
            self.next_id -= 1
            if self.noting:
                self.opened.pop()

    def sweep(self, now: int) -> None:
        """End every flow that has been idle for longer than its timeout at packet time ``now``."""
        self.swept_at = now
        for flow in self.flows:
            if flow is not None and now - flow.last_ts > flow.timeout + SWEEP_SLACK:
                self.end(flow, "idle")

    def evict(self) -> None:
        """Make room: end the tenth of the flows that has been idle longest."""
        idle = sorted((flow for flow in self.flows if flow is not None), key=LAST_TS)
        for flow in idle[: len(idle) // 10 + 1]:
            self.evicted += 1
            self.end(flow, "evicted")

    def end_all(self) -> None:
        """End every flow: the capture is over."""
        for flow in list(self.flows):
            if flow is not None:
                self.end(flow, "end")

    def take_ended(self) -> list[Flow]:
        """Flows that ended since the last call."""
        ended = self.ended
        self.ended = []
        return ended


def renews(flow: Flow, p: Packet, swap: bool) -> bool:
    """Whether a SYN on an existing flow begins a new connection, and is no retransmission of the first."""
    if flow.closed:
        return True
    me = half(flow, flow.src_is_a != swap)
    return bool(me.started) and (p.seq != me.isn or not me.marks & MARK_ISN)
