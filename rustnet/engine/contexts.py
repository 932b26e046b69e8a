"""`Contexts`: one conversation whose directions have different tags, and several between equal ends.

A flow's context is what is around its packets: VLANs and tunnels. Equal ends in two contexts are two conversations
(tenants use the same addresses), unless the traffic shows that they are one: a packet without a flow in its own context
is the missing direction of the only flow between its ends that has one direction so far, if it answers what that sent.
TCP's numbers prove it; of other protocols, the time. That flow is then found under both contexts.

This is looked at when a flow begins, and only if it or another open one has a tag or is in a tunnel.
"""

import cython

from rustnet.engine.flow import Flow
from rustnet.engine.numbers import MASK32, MASK64, SECOND
from rustnet.engine.packet import Packet
from rustnet.engine.places import Places

if not cython.compiled:  # compiled, these come from the .pxd as C functions
    from rustnet.engine.flow import half
    from rustnet.engine.half import Half
    from rustnet.engine.jumps import wrap
    from rustnet.engine.numbers import ACK, SYN, TCP
    from rustnet.engine.places import flow_hash, mapped, matches_ends, mixed, precedes

UPPER = MASK64 ^ MASK32

MAX_ALIKE = 16
"""Flows between the same ends, in contexts of their own, that are remembered."""

NEAR = 1 << 20
"""Largest distance, in bytes, of two TCP numbers of which one may continue the other."""

ANSWER_NS = 10 * SECOND
"""Time within which a packet of another protocol answers what was sent in another context."""

SRC, DST, BOTH, NOBODY = 1, 2, 3, 4
"""Who sends in a flow's second context (`Flow.other_side`; 0: it never had one)."""


if not cython.compiled:  # compiled, the .pxd has the same as an inline function

    def joined(flow: Flow, context: int, from_src: bool) -> bool:
        """Whether a flow has a second context that is this one, and its sender sends in it."""
        return flow.other_context == context and flow.other_side & (SRC if from_src else DST) != 0


class Contexts(Places):
    """Hash table of open flows, some of which have an entry under a second context."""

    def __init__(self) -> None:
        super().__init__()
        self.low, self.high, self.extra, self.swap = 0, 0, 0, False

    def clear(self) -> None:
        """Remove all flows."""
        Places.clear(self)
        self.alike: dict[int, list[Flow]] = {}
        """Open flows that are tagged or in tunnels, by the hash of their ends."""

    def enlist(self, flow: Flow) -> None:
        """Remember a new flow that is tagged or in a tunnel."""
        self.alike_to(ends_key(flow), True).append(flow)

    def alike_to(self, key: int, adding: bool) -> list[Flow]:
        """The flows between the ends with this hash."""
        known = self.alike.get(key)
        if known is None:
            known = []
            if adding:
                self.alike[key] = known
        if adding and len(known) >= MAX_ALIKE:
            known.pop(0)
        return known

    def separate(self, flow: Flow) -> None:
        """Delete a flow's entry under its second context."""
        self.delete_entry(context_hash(flow, flow.other_context), flow)
        self.joints -= 1
        flow.other_side = NOBODY

    def delist(self, flow: Flow) -> None:
        """Forget what `enlist` and `attach` did for a flow that ends."""
        if flow.other_side & BOTH:
            self.separate(flow)
        if flow.context:
            key = ends_key(flow)
            known = self.alike.get(key)
            if known is not None and flow in known:
                known.remove(flow)
                if not known:
                    del self.alike[key]

    def attach(self, flow: Flow, context: int, side: int) -> None:
        """Enter a flow under a second context, in which ``side`` of it sends."""
        if (self.count + self.joints) * 4 >= (self.mask + 1) * 3:
            self.grow()
        flow.other_context, flow.other_side = context, side
        flow.dst_vlan, flow.dst_outer_vlan = flow.vlan, flow.outer_vlan
        self.probe_insert((context_hash(flow, context) & UPPER) | (flow.index + 1))
        self.joints += 1

    def measure(self, p: Packet) -> None:
        """Set the numbers by which flows between a packet's ends are found."""
        if p.version == 4 or mapped(p):
            self.low = (p.src_lo << 16) | p.src_port
            self.high = (p.dst_lo << 16) | p.dst_port
            self.swap = self.low > self.high
        else:
            self.low = mixed(p.src_hi, p.src_lo, p.src_port)
            self.high = mixed(p.dst_hi, p.dst_lo, p.dst_port)
            self.swap = precedes(p.dst_hi, p.dst_lo, p.dst_port, p.src_hi, p.src_lo, p.src_port)
        if self.swap:
            self.low, self.high = self.high, self.low
        self.extra = p.extra
        if p.directed:
            self.extra = (p.extra << 1) | (1 if self.swap else 0)

    def between(self, flow: Flow, p: Packet) -> bool:
        """Whether a flow is between the ends of the packet that was measured last."""
        same = flow.low == self.low and flow.high == self.high and flow.extra == self.extra
        return same and flow.protocol == p.protocol and matches_ends(flow, p, self.swap)

    def lookup(self, p: Packet, context: int) -> Flow | None:
        """The open flow that is known for a packet's ends in a context."""
        self.measure(p)
        return self.measured(p, context)

    def measured(self, p: Packet, context: int) -> Flow | None:
        """The same, for the packet that was measured last."""
        key = flow_hash(self.low, self.high, (p.protocol ^ (self.extra << 8) ^ context) & MASK64)
        at = (key >> 32) & self.mask
        place = self.places[at]
        while place:
            if place >> 32 == key >> 32:
                flow: Flow = self.flows[(place & MASK32) - 1]
                here = flow.context == context or (flow.other_context == context and flow.other_side & BOTH)
                if here and self.between(flow, p):
                    return flow
            at = (at + 1) & self.mask
            place = self.places[at]
        return None

    def others(self, p: Packet, context: int) -> list[Flow]:
        """Open flows between a packet's ends in any other context."""
        self.measure(p)
        key = flow_hash(self.low, self.high, (p.protocol ^ (self.extra << 8)) & MASK64)
        listed = [flow for flow in self.alike_to(key, False) if flow.context != context and self.between(flow, p)]
        if context:
            flow = self.measured(p, 0)
            if flow is not None and flow not in listed:
                listed.append(flow)
        return listed

    def join(self, p: Packet, context: int, others: list[Flow]) -> Flow | None:
        """The one of ``others`` whose other direction begins with packet ``p``, entered under ``context`` too."""
        if not p.version:
            return None  # between hardware addresses there is no conversation that another VLAN could answer
        chosen: Flow | None = None
        for flow in others:
            from_src = sent_by_src(flow, p)
            if flow.other_side:
                if flow.other_context == context and flow.other_side & BOTH:
                    self.separate(flow)  # both directions are in this context: another conversation
                    return None
                continue
            if not continues(flow, p, half(flow, from_src), half(flow, not from_src)):
                continue
            if chosen is not None:
                return None
            chosen = flow
        if chosen is not None:
            from_src = sent_by_src(chosen, p)
            self.attach(chosen, context, SRC if from_src else DST)
            if from_src:
                chosen.vlan, chosen.outer_vlan = p.vlan, p.outer_vlan
            else:
                chosen.dst_vlan, chosen.dst_outer_vlan = p.vlan, p.outer_vlan
        return chosen


def sent_by_src(flow: Flow, p: Packet) -> bool:
    """Whether a packet between a flow's ends was sent by its ``src``."""
    from_a = flow.a_hi == p.src_hi and flow.a_lo == p.src_lo and flow.a_port == p.src_port
    return from_a == (flow.src_is_a != 0)


def ends_key(flow: Flow) -> int:
    """Hash of a flow's ends, the same in all contexts."""
    return context_hash(flow, 0)


def context_hash(flow: Flow, context: int) -> int:
    """Hash that a flow has under a context."""
    return flow_hash(flow.low, flow.high, (flow.protocol ^ (flow.extra << 8) ^ context) & MASK64)


def continues(flow: Flow, p: Packet, me: Half, peer: Half) -> bool:
    """Whether a packet of ``me``, of which nothing was seen, answers what ``peer`` sent in another context."""
    if me.packets or not peer.packets:
        return False
    if flow.protocol != TCP:
        return abs(p.ts - flow.last_ts) <= ANSWER_NS
    if p.flags < 0:
        return False
    known = 0
    near = True
    exact = True
    if p.flags & ACK and peer.started:
        distance = wrap(p.ack - peer.next_seq)
        known += 1
        near = near and -NEAR <= distance <= NEAR
        exact = exact and distance == 0
    if peer.has_ack:
        distance = wrap(p.seq + (1 if p.flags & SYN else 0) - peer.highest_ack)
        known += 1
        near = near and -NEAR <= distance <= NEAR
        exact = exact and distance == 0
    return near if known > 1 else known == 1 and exact
