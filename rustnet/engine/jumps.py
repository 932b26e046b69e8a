"""Sequence numbers that jump: bytes that were lost, or the numbers of another stream.

A jump counts as a loss where a network could have carried what it skips and where the stream goes on after it. The
numbers of the other side of a device that renumbers, of an attacker's segments or of a broken device do not: what has
them is counted, and says nothing about the connection.
"""

import cython

from rustnet.engine.flow import Flow, Hole
from rustnet.engine.numbers import HALF32, MASK32, TWO32
from rustnet.engine.packet import Packet

BYTES_PER_NS = 12.5
"""What a network of 100 Gb/s carries."""

CONFIRMED = 3
"""Segments after a jump, each continuing the last, with none from before it in between, from which it counts."""


if not cython.compiled:  # compiled, .pxd files have the same as inline functions
    from rustnet.engine.flow import half, note
    from rustnet.engine.half import Half
    from rustnet.engine.numbers import (
        ACK,
        FIN,
        FOREIGN,
        GAP,
        MARK_GAP,
        MARK_ISN,
        MAX_HOLES,
        MAX_JUMP,
        POSSIBLE,
        RST,
        SYN,
    )

    def wrap(difference: int) -> int:
        """Signed distance of two sequence numbers."""
        difference &= MASK32
        if difference >= HALF32:
            return difference - TWO32
        return difference


def jumps(flow: Flow, me: Half, p: Packet, from_src: bool) -> bool:
    """Whether a segment's number is too far from the expected one to be of the same stream."""
    distance = wrap(p.seq - me.next_seq)
    if p.flags & SYN and me.marks & MARK_ISN:
        far = p.seq != me.isn
    elif distance >= 0:
        far = distance > MAX_JUMP
    else:
        far = me.position + distance < -MAX_JUMP
    if not far:
        return False
    note_jump(flow, p)
    if p.flags & RST:
        return False  # resets carry whatever number makes the peer accept them
    lost = possible_loss(me, p)
    me.other_run = me.other_run + 1 if me.other == POSSIBLE and lost and me.last_ts < me.other_ts else 1
    me.other = POSSIBLE if lost else FOREIGN
    me.other_ts = p.ts
    me.other_start = (p.seq + bool(p.flags & SYN)) & MASK32
    me.other_next = (p.seq + sequence_size(p)) & MASK32
    if lost and me.other_run >= CONFIRMED:  # of a stream that has a packet captured now and then
        go_on(flow, me, p, p.seq, from_src)
    return not lost


def foreign(flow: Flow, me: Half, peer: Half, p: Packet, from_src: bool) -> int:
    """After a jump: `FOREIGN` where a segment is not of this stream, `POSSIBLE` where that is not known yet, or 0."""
    if me.other and p.flags & RST == 0:
        ahead = wrap(p.seq - me.other_next)
        if abs(ahead) <= MAX_JUMP and abs(ahead) < abs(wrap(p.seq - me.next_seq)):
            return continues(flow, me, peer, p, from_src)
    if peer.other and p.flags & ACK and peer.started:
        ahead = wrap(p.ack - peer.other_next)
        if abs(ahead) <= MAX_JUMP and abs(ahead) < abs(wrap(p.ack - peer.next_seq)):
            return acknowledges(flow, me, peer, p, from_src)
    return 0


def acknowledges(flow: Flow, me: Half, peer: Half, p: Packet, from_src: bool) -> int:
    """The same of a segment that acknowledges what followed a jump of its peer."""
    if peer.other == POSSIBLE:
        if peer.last_ts < peer.other_ts and wrap(p.ack - peer.other_start) > 0:
            go_on(flow, peer, p, peer.other_next, not from_src)
        return 0
    if me.has_ack or p.ack != peer.other_next or peer.position != 1 or not peer.marks & MARK_ISN:
        note_jump(flow, p)
        return FOREIGN
    before = peer.next_seq
    renumber(peer, me, peer.other_next, 0)  # of two SYN-ACKs the second is the one that was accepted
    peer.other_next = before
    return 0


def continues(flow: Flow, me: Half, peer: Half, p: Packet, from_src: bool) -> int:
    """Count a segment after a jump; 0 if by now it is certain that this is where the stream goes on."""
    note_jump(flow, p)
    alone = me.last_ts < me.other_ts
    me.other_run = me.other_run + 1 if alone else 1
    if not alone:
        me.other_start = p.seq
    me.other_ts = p.ts
    lost = possible_loss(me, p)
    me.other = POSSIBLE if lost and alone and me.other == POSSIBLE else FOREIGN
    start = me.other_next
    after = (p.seq + sequence_size(p)) & MASK32
    if wrap(after - me.other_next) > 0:
        me.other_next = after
    if me.other_run < CONFIRMED or p.seq != start or p.flags & SYN:
        return me.other
    if lost:
        go_on(flow, me, p, p.seq, from_src)
    else:
        renumber(me, peer, p.seq, wrap(p.seq - me.other_start))
        me.other = 0
    return 0


def renumber(me: Half, peer: Half, expected: int, ignored: int) -> None:
    """The stream of ``me`` goes on with the number ``expected``, without a loss: all its numbers are shifted.

    ``ignored`` bytes after the jump were not read until this was certain.
    """
    shift = expected - me.next_seq
    me.next_seq = expected
    me.position += ignored
    me.isn = (me.isn + shift - ignored) & MASK32
    me.sample_end = (me.sample_end + shift) & MASK32
    me.fin_end = (me.fin_end + shift) & MASK32
    peer.highest_ack = (peer.highest_ack + shift) & MASK32


def go_on(flow: Flow, me: Half, p: Packet, expected: int, from_src: bool) -> None:
    """What a jump skipped was lost: the stream goes on after it, with the number ``expected``."""
    skipped = wrap(me.other_start - me.next_seq)
    if skipped > 0:
        hole(flow, me, skipped, p, from_src)
    me.position += wrap(expected - me.next_seq)
    me.next_seq = expected
    me.other = 0
    flow.jumps -= me.other_run


def possible_loss(me: Half, p: Packet) -> bool:
    """Whether a network could have carried all bytes that a jump skips since the last segment."""
    distance = wrap(p.seq - me.next_seq)
    return p.flags & SYN == 0 and 0 < distance <= (p.ts - me.last_ts) * BYTES_PER_NS


def sequence_size(p: Packet) -> int:
    """Sequence numbers that a segment takes."""
    return p.payload + bool(p.flags & SYN) + bool(p.flags & FIN)


def note_jump(flow: Flow, p: Packet) -> None:
    """Count a segment with a number of another stream."""
    if not flow.jumps:
        flow.jump_ts = p.ts
        flow.jump_packet = p.number
    flow.jumps += 1


def hole(flow: Flow, me: Half, size: int, p: Packet, from_src: bool) -> None:
    """Remember that ``size`` bytes of ``me`` are missing before the segment at hand, if what follows proves it."""
    holes = flow.src_holes if from_src else flow.dst_holes
    if holes is None:
        holes = []
        keep_holes(flow, holes, from_src)
    if len(holes) >= MAX_HOLES:
        holes.pop(0)
    stop = me.position + size
    holes.append((me.position, stop, p.ts, stop + sequence_size(p)))
    me.missed += size
    if not me.marks & MARK_GAP:
        me.marks |= MARK_GAP
        note(flow, GAP, from_src)


def keep_holes(flow: Flow, holes: list[Hole], from_src: bool) -> None:
    """Remember the holes of one direction."""
    if from_src:
        flow.src_holes = holes
    else:
        flow.dst_holes = holes


def missed_bytes(flow: Flow, from_src: bool) -> int:
    """Bytes of a direction that are missing, as an acknowledgement or what follows proves."""
    me, peer = half(flow, from_src), half(flow, not from_src)
    acked = 0
    if peer.has_ack and me.started:
        acked = me.position + wrap(peer.highest_ack - me.next_seq)
    missed = me.missed
    for begin, stop, _, shown in (flow.src_holes if from_src else flow.dst_holes) or ():
        if stop > acked and me.position <= shown:
            missed -= stop - (begin if begin > acked else acked)
    if 1 < acked - me.position <= MAX_JUMP:  # a single number at the end may be a FIN's
        missed += acked - me.position
    return missed
