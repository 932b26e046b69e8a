"""Conversations whose directions have different tags, by definition; a context is a VLAN here.

A packet that belongs to no flow of its own VLAN is the other direction of the only flow between its ends that has one
direction, if TCP's numbers or an answer in time show that. `Conversation.second` is then the VLAN of that direction,
and `Conversation.second_sides` who sends in it. A packet of the first direction in that VLAN shows that there are two
conversations after all, unless it, or another one, is a copy.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.engine.reference import Conversation, Reference, Side
    from tests.engine.reference_packets import Key, Seen

NEAR = 1 << 20
ANSWER_WITHIN = 10_000_000_000
SYN, ACK = 2, 16


def others(reference: "Reference", key: "Key") -> list["Conversation"]:
    """Open flows between the same ends in other VLANs: those with a tag, then the one without."""
    ends = key[:2] + key[3:]
    flows = [flow for flow in reference.open.values() if flow.key != key and flow.key[:2] + flow.key[3:] == ends]
    once = {flow.flow_id: flow for flow in flows}  # those with a second VLAN are there twice
    return sorted(once.values(), key=lambda flow: (flow.key[2] == -1, flow.flow_id))


def join(reference: "Reference", key: "Key", seen: "Seen", ts: int) -> "Conversation | None":
    """The flow whose other direction begins with a packet."""
    chosen = None
    for flow in others(reference, key):
        if reference.is_idle(flow, ts):
            reference.end(flow, "idle")
            continue
        if flow.second is not None or flow.parted:
            if flow.second == key[2]:
                part(reference, flow)
                return None
            continue
        who = flow.sender(seen)
        if continues(flow, seen, flow.sides[who], flow.sides["dst" if who == "src" else "src"], ts):
            if chosen is not None:
                return None
            chosen = flow
    if chosen is not None:
        who = chosen.sender(seen)
        attach(reference, chosen, key, {who})
        if who == "src":
            chosen.vlan = key[2]
        else:
            chosen.dst_vlan = key[2]
    return chosen


def attach(reference: "Reference", flow: "Conversation", key: "Key", sides: set[str]) -> None:
    """Let a flow have a second VLAN."""
    flow.second, flow.second_sides = key[2], sides
    flow.second_key = key
    flow.dst_vlan = flow.vlan
    reference.open[key] = flow


def part(reference: "Reference", flow: "Conversation") -> None:
    """Let a flow have no second VLAN, now and later."""
    assert flow.second_key is not None
    del reference.open[flow.second_key]
    flow.second, flow.parted = None, True


def of_copy(reference: "Reference", key: "Key") -> "Conversation | None":
    """The flow that a copy belongs to, if any: as others, but whatever its age, and never a new one."""
    flow = reference.open.get(key)
    if flow is None:
        known = others(reference, key)
        if len(known) != 1:
            return None
        flow = known[0]
        if flow.second is None and not flow.parted:
            attach(reference, flow, key, {"src", "dst"})
    elif flow.key != key:
        flow.second_sides = {"src", "dst"}
    return flow


def continues(flow: "Conversation", seen: "Seen", me: "Side", peer: "Side", ts: int) -> bool:
    """Whether a packet of ``me``, of which nothing was seen, answers ``peer``."""
    if me.packets or not peer.packets:
        return False
    if seen.protocol != "tcp":
        return abs(ts - flow.last_ts) <= ANSWER_WITHIN
    distances = []
    if seen.flags & ACK and peer.first is not None:
        distances.append(seen.ack - peer.next)
    if peer.ack is not None:
        distances.append(seen.seq + bool(seen.flags & SYN) - peer.raw_ack)
    signed = [(distance + 2**31) % 2**32 - 2**31 for distance in distances]
    return all(abs(distance) <= NEAR for distance in signed) if len(signed) > 1 else signed == [0]
