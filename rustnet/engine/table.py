"""The flow table: lookup of flows by their ends, generations, idle timeouts, a bound on the number of flows."""

from collections.abc import Mapping
from operator import attrgetter
from typing import Any

import cython
import numpy as np

from rustnet.columnar import Array, view
from rustnet.engine.contexts import Contexts
from rustnet.engine.flow import Flow
from rustnet.engine.generations import Generations
from rustnet.engine.numbers import MASK32, SECOND, STATE_NAMES, SWEEP_SLACK
from rustnet.engine.packet import Packet
from rustnet.engine.places import extended
from rustnet.policy.timeouts import IdleTimeouts

if not cython.compiled:  # compiled, these come from the .pxd as C functions
    from rustnet.engine.contexts import BOTH, context_hash, joined, sent_by_src
    from rustnet.engine.flow import half, new_flow, note
    from rustnet.engine.numbers import (
        ACK,
        ARP,
        ARP_IS_REPLY,
        ARP_REPLY,
        ARP_REQUEST,
        CLOSE_WAIT,
        CLOSED,
        CLOSING,
        ECHO6_REPLY,
        ECHO6_REQUEST,
        ECHO_ANSWERED,
        ECHO_REPLY,
        ECHO_REQUEST,
        ECHO_SENT,
        ESTABLISHED,
        FIN_WAIT1,
        FIN_WAIT2,
        FLIPPED,
        ICMP,
        ICMPV6,
        INFORMATION_REPLY,
        LAST_ACK,
        MASK_REPLY,
        PART_BITS,
        STATE_NONE,
        SYN,
        SYN_ACK,
        SYN_RECV,
        SYN_SENT,
        TCP,
        TIME_WAIT,
        TIMESTAMP_REPLY,
        UDP,
        UDP_ACTIVE,
    )
    from rustnet.engine.places import bits64, flow_hash, mapped, matches_ends, mixed, precedes
    from rustnet.engine.tcp import new_connection

NEVER = (1 << 63) - 1

DEFAULT_MAX_FLOWS = 131_072
"""Open flows, each about a kilobyte of memory with its parser."""

GROUPS, GROUP_BITS = 0xE0000000, 0xF0000000
"""IPv4 multicast addresses (RFC 5771): prefix and its mask."""
LAST_TS, FLOW_ID = attrgetter("last_ts"), attrgetter("flow_id")


class FlowTable(Contexts):
    """The flows that are open in packet time."""

    def __init__(
        self, server_ports: bytes, timeouts: IdleTimeouts, first_id: int = 1, max_flows: int = DEFAULT_MAX_FLOWS
    ) -> None:
        super().__init__()
        self.by_state: Any = view(state_timeouts(timeouts))
        self.tcp_ports: Any = view(port_timeouts(timeouts.tcp_ports))
        self.udp_ports: Any = view(port_timeouts(timeouts.udp_ports))
        self.udp_timeout = timeouts.udp * SECOND
        self.icmp_timeout = timeouts.icmp * SECOND
        self.arp_timeout = timeouts.arp * SECOND
        self.other_timeout = timeouts.other * SECOND
        self.ended: list[Flow] = []
        self.next_id = first_id
        self.max_flows = max_flows
        self.evicted = 0
        self.generations = Generations()
        self.server_ports = server_ports
        self.from_src = True
        self.swept_at = 0
        self.keep_first_packets = False
        self.first_packets: list[int] = []
        """While ``keep_first_packets``: first packet, and part of it, of each new flow, in the order of their ids."""
        self.reported_ids: Any = view(np.zeros(0, np.int64))
        """By slot: the flow that `take_touched` reported last."""
        self.reported_packets: Any = view(np.zeros(0, np.int64))
        """By slot: how many packets it had."""

    def find(self, p: Packet, context: int) -> Flow:
        """Flow of packet ``p``, a new one if there is none; sets `from_src` to the packet's direction.

        ``context`` differs for equal addresses in different tunnels and VLANs.
        """
        # An address of 32 bits and its port are one number; larger ones are mixed, and compared with a match.
        exact = p.version == 4 or mapped(p)
        if exact:
            low = (p.src_lo << 16) | p.src_port
            high = (p.dst_lo << 16) | p.dst_port
            swap = low > high
        else:
            low = mixed(p.src_hi, p.src_lo, p.src_port)
            high = mixed(p.dst_hi, p.dst_lo, p.dst_port)
            swap = precedes(p.dst_hi, p.dst_lo, p.dst_port, p.src_hi, p.src_lo, p.src_port)
        # The direction is as good as random: a branch on it would be mispredicted, so a mask exchanges the ends.
        exchange = (low ^ high) & bits64(0 - swap)
        low ^= exchange
        high ^= exchange
        extra = p.extra
        if p.directed:
            extra = (extra << 1) | swap
        h = flow_hash(low, high, bits64(p.protocol ^ (extra << 8) ^ context))
        at = (h >> 32) & self.mask
        place = self.places[at]
        while place:
            if place >> 32 == h >> 32:
                flow: Flow = cython.cast(Flow, self.flows[(place & MASK32) - 1])  # entries refer to flows only
                if not (
                    (flow.low ^ low)
                    | (flow.high ^ high)
                    | (flow.extra ^ extra)
                    | (flow.protocol ^ p.protocol)
                    | (flow.exact ^ exact)
                    | (flow.context != context and not joined(flow, context, flow.src_is_a != swap))
                ) and (exact or matches_ends(flow, p, swap)):
                    if p.ts - flow.last_ts > flow.timeout:
                        self.end(flow, "idle")
                    elif p.flags & SYN_ACK == SYN and p.protocol == TCP and is_new_connection(flow, p, swap):
                        self.end(flow, "reused")
                    else:
                        self.from_src = flow.src_is_a != swap
                        return flow
                    break
            at = (at + 1) & self.mask
            place = self.places[at]
        if context or self.alike:
            other = self.join(p, context, self.active(p, context))
            if other is not None:
                self.from_src = other.src_is_a != swap
                return other
        flow = self.open(p, h, swap, extra, context)
        flow.low, flow.high, flow.exact = low, high, exact
        if context:
            self.enlist(flow)
        return flow

    def active(self, p: Packet, context: int) -> list[Flow]:
        """Flows between a packet's ends in any other context; those that have been idle for too long end."""
        listed: list[Flow] = []
        for flow in self.others(p, context):
            if p.ts - flow.last_ts > flow.timeout:
                self.end(flow, "idle")
            else:
                listed.append(flow)
        return listed

    def known(self, p: Packet, context: int) -> Flow | None:
        """Flow of the packet whose copy ``p`` is: as `find`, but whatever its age and state, and never a new one.

        A copy may have other tags than its original; then its flow is known in both contexts.
        """
        flow = self.lookup(p, context)
        if flow is None:
            listed = self.others(p, context)
            if len(listed) != 1 or not p.version:
                return None
            flow = listed[0]
            if not flow.other_side:
                self.attach(flow, context, BOTH)
        elif flow.context != context:
            flow.other_side = BOTH
        self.from_src = sent_by_src(flow, p)
        return flow

    def open(self, p: Packet, h: int, swap: bool, extra: int, context: int) -> Flow:
        """Create the flow that begins with packet ``p``."""
        if self.count >= self.max_flows:
            self.evict()
        flow = new_flow()
        flow.flow_id = self.next_id
        self.next_id += 1
        if self.keep_first_packets:
            self.first_packets.append((p.number << PART_BITS) | p.part)
        flow.hash = h
        if swap:
            flow.a_hi, flow.a_lo, flow.a_port = p.dst_hi, p.dst_lo, p.dst_port
            flow.b_hi, flow.b_lo, flow.b_port = p.src_hi, p.src_lo, p.src_port
        else:
            flow.a_hi, flow.a_lo, flow.a_port = p.src_hi, p.src_lo, p.src_port
            flow.b_hi, flow.b_lo, flow.b_port = p.dst_hi, p.dst_lo, p.dst_port
        flow.protocol = p.protocol
        flow.version = p.version
        flow.has_ports = p.has_ports
        flow.extra = extra
        flow.context = context
        flow.first_ts = p.ts
        flow.last_ts = p.ts
        flow.first_packet = p.number
        flow.interface = p.interface
        flow.vlan = p.vlan
        flow.outer_vlan = p.outer_vlan
        flow.icmp_type = p.icmp_type
        flow.icmp_code = p.icmp_code
        flow.icmp_id = p.icmp_id
        flow.generation = self.generations.get(h)
        self.begin(flow, p)
        flipped = self.answers(p)
        if flipped:
            note(flow, FLIPPED, True)
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
            flow.timeout = self.by_state[STATE_NONE]
        elif protocol == UDP:
            flow.state = UDP_ACTIVE
            low, high = self.udp_ports[flow.a_port], self.udp_ports[flow.b_port]
            flow.timeout = (low if low > high else high) * SECOND or self.udp_timeout
        elif protocol in (ICMP, ICMPV6):
            flow.timeout = self.icmp_timeout
            if p.icmp_type in (ECHO_REQUEST, ECHO6_REQUEST):
                flow.state = ECHO_SENT
            elif p.icmp_type in (ECHO_REPLY, ECHO6_REPLY):
                flow.state = ECHO_ANSWERED
        elif protocol == ARP:
            flow.timeout = self.arp_timeout
            flow.state = ARP_REPLY if p.ack == ARP_IS_REPLY else ARP_REQUEST
        else:
            flow.timeout = self.other_timeout

    def state_changed(self, flow: Flow) -> None:
        """Set the timeout that belongs to a TCP flow's new state."""
        timeout = self.by_state[flow.state]
        if flow.state == ESTABLISHED:
            low, high = self.tcp_ports[flow.a_port], self.tcp_ports[flow.b_port]
            timeout = (low if low > high else high) * SECOND or timeout
        shorter = timeout < flow.timeout
        flow.timeout = timeout
        if shorter:
            self.schedule_expiry(flow)

    def answers(self, p: Packet) -> bool:
        """Whether a flow's first packet was sent by its responder."""
        protocol = p.protocol
        if protocol == TCP:
            if p.flags >= 0 and p.flags & SYN:
                return p.flags & ACK != 0
        elif protocol == ICMP:
            return p.icmp_type in (ECHO_REPLY, TIMESTAMP_REPLY, INFORMATION_REPLY, MASK_REPLY)
        elif protocol == ICMPV6:
            return p.icmp_type == ECHO6_REPLY
        if not p.has_ports or p.src_port == p.dst_port:
            return False
        if p.dst_hi >> 56 == 0xFF or (p.dst_hi == 0 and (p.dst_lo & GROUP_BITS) == GROUPS):
            return False  # a group does not answer
        return self.server_ports[p.src_port] > self.server_ports[p.dst_port]

    def end(self, flow: Flow, reason: str) -> None:
        """Remove a flow from the table and add it to `ended`.

        ``reason`` is its ``end_reason``, unless a FIN or RST closed it before.
        """
        if flow.other_side:
            self.generations.put(context_hash(flow, flow.other_context), flow.generation + 1)
        if flow.other_side or flow.context:
            self.delist(flow)
        self.delete_entry(flow.hash, flow)
        self.due[flow.index] = NEVER
        self.flows[flow.index] = None
        self.free.append(flow.index)
        self.count -= 1
        self.generations.put(flow.hash, flow.generation + 1)
        self.close(flow, reason)

    def close(self, flow: Flow, reason: str) -> None:
        """Set the end reason of a flow that has left the table, and add it to `ended`."""
        flow.index = -1
        if flow.closed:
            flow.end_reason = "rst" if flow.reset_by else "fin"
        else:
            flow.end_reason = reason
        self.ended.append(flow)

    def retract(self, flow: Flow) -> None:
        """Remove a flow that was created for a packet which belongs to another one."""
        self.end(flow, "end")
        self.ended.pop()
        self.generations.put(flow.hash, flow.generation)
        if flow.flow_id == self.next_id - 1:
            self.next_id -= 1
            if self.keep_first_packets:
                self.first_packets.pop()

    def sweep(self, now: int) -> None:
        """End every flow that has been idle for longer than its timeout at packet time ``now``."""
        self.swept_at = now
        for index in range(len(self.flows)):
            if self.due[index] < now:
                flow = self.flows[index]
                if flow is not None:
                    if now - flow.last_ts > flow.timeout + SWEEP_SLACK:
                        self.end(flow, "idle")
                    else:
                        self.schedule_expiry(flow)

    def evict(self) -> None:
        """Make room: end the tenth of the flows that has been idle longest."""
        idle = sorted((flow for flow in self.flows if flow is not None), key=LAST_TS)
        for flow in idle[: len(idle) // 10 + 1]:
            self.evicted += 1
            self.end(flow, "evicted")

    def end_all(self) -> None:
        """End every flow: the capture is over."""
        for flow in self.flows:
            if flow is not None:
                self.close(flow, "end")
        self.clear()

    def open_flows(self) -> list[Flow]:
        """All flows that are open, without any change to them; in the order of their ids."""
        return sorted([flow for flow in self.flows if flow is not None and not flow.shadow], key=FLOW_ID)

    def take_touched(self) -> list[Flow]:
        """Those open flows that got a packet since the last call, in the order of their ids."""
        size = len(self.flows)
        if size > len(self.reported_ids):
            self.reported_ids = extended(self.reported_ids, len(self.due))
            self.reported_packets = extended(self.reported_packets, len(self.due))
        touched: list[Flow] = []
        for index in range(size):
            flow = self.flows[index]
            if flow is None or flow.shadow:
                continue
            packets = flow.src.packets + flow.dst.packets
            if self.reported_ids[index] != flow.flow_id or self.reported_packets[index] != packets:
                self.reported_ids[index] = flow.flow_id
                self.reported_packets[index] = packets
                touched.append(flow)
        touched.sort(key=FLOW_ID)
        return touched

    def take_ended(self) -> list[Flow]:
        """Flows that ended since the last call."""
        ended = self.ended
        self.ended = []
        return ended


def state_timeouts(timeouts: IdleTimeouts) -> Array:
    """Nanoseconds by TCP state; of an established connection those that apply where its ports are not listed."""
    by_state = np.full(len(STATE_NAMES), timeouts.tcp, np.int64)
    by_state[[SYN_SENT, SYN_RECV]] = timeouts.tcp_opening
    by_state[[FIN_WAIT1, FIN_WAIT2, CLOSE_WAIT, LAST_ACK, CLOSING]] = timeouts.tcp_closing
    by_state[TIME_WAIT] = timeouts.tcp_time_wait
    by_state[CLOSED] = timeouts.tcp_closed
    return by_state * SECOND


def port_timeouts(seconds: Mapping[int, int]) -> Array:
    """Seconds by port; 0 for those that are not listed."""
    by_port = np.zeros(65_536, np.uint16)
    for port, timeout in seconds.items():
        by_port[port] = timeout
    return by_port


def is_new_connection(flow: Flow, p: Packet, swap: bool) -> bool:
    """Whether a SYN on an existing flow begins a new connection, and is not a retransmission."""
    return new_connection(flow, half(flow, flow.src_is_a != swap), p)
