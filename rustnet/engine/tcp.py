"""TCP as seen by a passive observer: sequence analysis, round-trip times, state, Zeek's history letters.

Sequence arithmetic is modulo 2^32 (RFC 9293 section 3.4); round-trip times follow RFC 6298 (alpha 1/8) with Karn's
rule: what was sent again gives no sample.
"""

import cython

from rustnet.engine.flow import Flow, Hole
from rustnet.engine.numbers import MASK32
from rustnet.engine.packet import Packet

REORDER_NS = 3_000_000
"""A hole that fills within this time (or within the handshake's round trip) was reordering, later it was loss."""

FAST_NS = 20_000_000
"""A retransmission this soon after the last duplicate ACK is a fast one."""

COPY_NS = 10_000_000
"""A SYN this soon after an equal one is a copy: no stack tries again so early."""

LATE_NS = 50_000_000
"""A SYN may stand this much later in the capture than what follows it."""

MAX_LATE = 1 << 16
"""Bytes after a SYN that may have been captured before it."""

LETTERS = b"SHADFR"
"""Zeek's history letters of the first six marks."""
MOST_NOTED = 1_000_000


if not cython.compiled:  # compiled, .pxd files have the same as inline functions
    from rustnet.engine.flow import half, note
    from rustnet.engine.half import Half
    from rustnet.engine.jumps import foreign, hole, jumps, keep_holes, sequence_size, wrap
    from rustnet.engine.numbers import (
        ACK,
        BULK_PACKETS,
        CLOSE_WAIT,
        CLOSED,
        CLOSING,
        ESTABLISHED,
        FIN,
        FIN_RST,
        FIN_SYN_RST,
        FIN_WAIT1,
        FIN_WAIT2,
        FOREIGN,
        INTERVAL,
        LAST_ACK,
        MARK_ACK,
        MARK_DATA,
        MARK_FIN,
        MARK_ISN,
        MARK_RST,
        MARK_SYN,
        MARK_SYNACK,
        MAX_HOLES,
        MAX_JUMP,
        RETRANSMISSION,
        RST,
        SYN,
        SYN_RECV,
        SYN_RST,
        SYN_SENT,
        TIME_WAIT,
        ZERO_WINDOW,
    )
    from rustnet.engine.tally import add_rtt


def segment(flow: Flow, me: Half, peer: Half, p: Packet, from_src: bool) -> int:
    """Account for one segment that ``me`` sent.

    Returns 1 if its numbers are of another stream, so that it is only a packet; `INTERVAL` if it ends an interval of
    what ``peer`` sends.
    """
    flags = p.flags
    size = p.payload
    plain = flags & FIN_SYN_RST == 0
    due = 0
    other = foreign(flow, me, peer, p, from_src) if flow.jumps else 0
    if other == FOREIGN:
        return 1
    if plain and p.seq == me.next_seq and me.started:  # what `sequence` does for nearly every segment
        me.next_seq = (me.next_seq + size) & MASK32
        me.position += size
        me.last_ts = p.ts
        if size and not me.sampling:
            start_sample(me, p.ts)
    else:
        if me.started and not other and jumps(flow, me, p, from_src):
            return 1
        late = 0
        if flags & SYN:
            size += 1
            late = synchronise(flow, me, peer, p, from_src)
        if flags & FIN:
            size += 1
        if not late:
            sequence(flow, me, peer, p, size, from_src)
    me.flags |= flags
    if flags & ACK and not (peer.started and wrap(p.ack - peer.next_seq) > MAX_JUMP):  # not of what nobody saw
        due = acknowledge(flow, me, peer, p, from_src)
    if p.window == 0 and plain:
        me.zero_windows += 1
        note_count(flow, me.zero_windows, ZERO_WINDOW, from_src)
    if not plain or not me.marks & (
        MARK_DATA if p.payload else MARK_ACK
    ):  # the only letter that a plain segment may add
        marks(flow, me, flags, p.payload, from_src)
    me.window = p.window
    if flags & FIN_RST or flow.state != ESTABLISHED:
        advance_state(flow, me, flags, p, from_src)
    return due


def new_connection(flow: Flow, me: Half, p: Packet) -> bool:
    """Whether ``me``'s SYN on an existing flow begins another connection, and is not a late or repeated one."""
    soon = p.ts - flow.last_ts <= LATE_NS
    if me.started and not me.marks & MARK_ISN and soon:
        ahead = wrap(me.next_seq - p.seq - 1) - me.position  # of the first segment that was captured
        if 0 <= ahead <= MAX_LATE:
            return False
    known = me.marks & MARK_ISN and p.seq == me.isn
    if flow.closed:
        return not (known and soon)
    if soon and (flow.state == SYN_SENT or flow.state == SYN_RECV):  # the same, with other numbers: `jumps` counts it
        known = known or not me.other or (p.seq + 1) & MASK32 == me.other_next
    return bool(me.started) and not known


def try_to_open(flow: Flow, p: Packet) -> None:
    """Count a SYN of ``src``, unless it is a copy of the last one."""
    if not flow.syn_tries:
        flow.first_syn = p.ts
    if not flow.syn_tries or abs(p.ts - flow.last_syn) >= COPY_NS:
        flow.last_syn = p.ts
        flow.syn_tries += 1


def synchronise(flow: Flow, me: Half, peer: Half, p: Packet, from_src: bool) -> int:
    """Note the times of the handshake; a SYN that is sent again spoils them (Karn).

    Returns 1 for one that was captured after what follows it.
    """
    again = me.marks & MARK_ISN and p.seq == me.isn
    if not p.flags & ACK:
        flow.syn_ts = -1 if again else p.ts
    elif again:
        flow.synack_ts = -1
        flow.syn_ts = -1
    else:
        flow.synack_ts = p.ts
        if flow.syn_ts >= 0 and peer.started:
            flow.synack_rtt = p.ts - flow.syn_ts
    if not me.started:
        me.isn = p.seq
        me.marks |= MARK_ISN
    elif not me.marks & MARK_ISN and 0 <= wrap(me.next_seq - p.seq - 1) - me.position <= MAX_LATE:
        me.isn = p.seq
        me.marks |= MARK_ISN
        me.out_of_order += 1
        return 1  # when the connection opened is not known
    if from_src and not p.flags & ACK:
        try_to_open(flow, p)
    return 0


def sequence(flow: Flow, me: Half, peer: Half, p: Packet, size: int, from_src: bool) -> int:
    """Compare the segment's ``size`` sequence numbers with the next expected one."""
    if not me.started:
        me.started = 1
        me.last_ts = p.ts
        me.next_seq = (p.seq + size) & MASK32
        me.position = size
        if size:
            start_sample(me, p.ts)
        return 0
    distance = wrap(p.seq - me.next_seq)
    if distance > MAX_JUMP:  # it may be a loss, but that is not certain yet
        return 0
    me.last_ts = p.ts
    if distance == 0:
        if size:
            me.next_seq = (me.next_seq + size) & MASK32
            me.position += size
            if not me.sampling:
                start_sample(me, p.ts)
        return 0
    if p.flags & RST:  # resets carry whatever number makes the peer accept them
        return 0
    if distance > 0:
        hole(flow, me, distance, p, from_src)
        me.position += distance + size
        me.next_seq = (p.seq + size) & MASK32
        if size and not me.sampling:
            start_sample(me, p.ts)
        return 0
    if size == 0:
        return 0
    if p.flags & FIN_SYN_RST == 0 and size <= 1 and distance == -1:
        return 0  # keep-alive
    repeated(flow, me, peer, p, size, distance, from_src)
    return 0


def start_sample(me: Half, ts: int) -> None:
    """Start a round-trip sample: it ends when everything that ``me`` has sent so far is acknowledged."""
    me.sampling = 1
    me.sample_end = me.next_seq
    me.sample_ts = ts


def repeated(flow: Flow, me: Half, peer: Half, p: Packet, size: int, distance: int, from_src: bool) -> None:
    """Classify a segment that starts before the next expected byte as a retransmission or as reordering."""
    start = me.position + distance
    end = start + size
    fills = False
    reordered = False
    holes = flow.src_holes if from_src else flow.dst_holes
    if holes:
        limit = flow.handshake_rtt if flow.handshake_rtt > 0 else REORDER_NS
        left: list[Hole] = []
        for begin, stop, seen, shown in holes:
            low = begin if begin > start else start
            high = stop if stop < end else end
            if low >= high:
                left.append((begin, stop, seen, shown))
                continue
            fills = True
            if p.ts - seen < limit:
                reordered = True
            me.missed -= high - low
            if begin < low:
                left.append((begin, low, seen, shown))
            if high < stop:
                left.append((high, stop, seen, shown))
        keep_holes(flow, left[:MAX_HOLES], from_src)
    if fills and reordered:
        me.out_of_order += 1
    else:
        me.retransmissions += 1
        note_count(flow, me.retransmissions, RETRANSMISSION, from_src)
        if peer.duplicate_run >= 2 and peer.highest_ack == p.seq and p.ts - peer.duplicate_ts <= FAST_NS:
            me.fast_retransmissions += 1
    me.sampling = 0
    if end > me.position:
        me.next_seq = (p.seq + size) & MASK32
        me.position = end


def acknowledge(flow: Flow, me: Half, peer: Half, p: Packet, from_src: bool) -> int:
    """Account for ``me``'s acknowledgement of what ``peer`` sent; `INTERVAL` if one of ``peer`` ends here."""
    due = 0
    if peer.sampling and wrap(p.ack - peer.sample_end) >= 0:
        rtt = p.ts - peer.sample_ts
        peer.sampling = 0
        if rtt >= 0:
            if peer.srtt < 0:
                peer.srtt = rtt
                peer.min_rtt = rtt
            else:
                peer.srtt += (rtt - peer.srtt) / 8
                if rtt < peer.min_rtt:
                    peer.min_rtt = rtt
            if peer.tallied:
                add_rtt(flow, rtt, not from_src)
    if not me.has_ack:
        me.has_ack = 1
        me.highest_ack = p.ack
        if from_src and flow.synack_ts >= 0 and flow.syn_ts >= 0 and flow.handshake_rtt < 0:
            flow.handshake_rtt = p.ts - flow.syn_ts
    else:
        distance = wrap(p.ack - me.highest_ack)
        if distance > 0:
            me.highest_ack = p.ack
            me.duplicate_run = 0
            if peer.packets >= BULK_PACKETS and p.ts >= peer.due:
                due = INTERVAL
        elif (
            distance == 0
            and p.payload == 0
            and not p.flags & FIN_SYN_RST
            and p.window == me.window
            and peer.started
            and peer.next_seq != p.ack
        ):
            me.duplicate_acks += 1
            me.duplicate_run += 1
            me.duplicate_ts = p.ts
            if me.duplicate_run == 1 and peer.packets >= BULK_PACKETS:  # perhaps a loss: progress stops here
                due = INTERVAL
    if peer.fin and not peer.fin_acked and wrap(p.ack - peer.fin_end) >= 0:
        peer.fin_acked = 1
    return due


def marks(flow: Flow, me: Half, flags: int, payload: int, from_src: bool) -> None:
    """Write Zeek's history letters, each once a direction."""
    new = 0
    if flags & SYN:
        new = MARK_SYNACK if flags & ACK else MARK_SYN
    elif flags & ACK and payload == 0 and not flags & FIN_RST:
        new = MARK_ACK
    if payload:
        new |= MARK_DATA
    if flags & FIN:
        new |= MARK_FIN
    if flags & RST:
        new |= MARK_RST
    new &= ~me.marks
    if new:
        me.marks |= new
        for bit in range(6):
            if new >> bit & 1:
                note(flow, LETTERS[bit], from_src)


def note_count(flow: Flow, count: int, letter: int, from_src: bool) -> None:
    """Write a history letter at the 1st, 10th, 100th … occurrence, as Zeek does."""
    power = 1
    while power < count and power < MOST_NOTED:
        power *= 10
    if power == count:
        note(flow, letter, from_src)


def advance_state(flow: Flow, me: Half, flags: int, p: Packet, from_src: bool) -> None:
    """Follow the connection's state as its ``src`` would hold it (RFC 9293 section 3.3.2)."""
    if flow.opened < 0 and flow.syn_tries and not flags & SYN_RST and (flags & ACK if from_src else p.payload):
        flow.opened = p.ts
    if flags & RST:
        close_connection(flow, CLOSED, p.ts)
        if not flow.reset_by:
            flow.reset_by = 1 if from_src else 2
        return
    if flags & FIN and not me.fin:
        me.fin = 1
        me.fin_end = (p.seq + sequence_size(p)) & MASK32
        if not flow.first_closer:
            flow.first_closer = 1 if from_src else 2
    if flow.closed and flow.state == CLOSED:
        return
    if flow.src.fin or flow.dst.fin:
        closing_state(flow, p.ts)
    elif flags & SYN:
        if flags & ACK:
            flow.state = SYN_RECV
        elif flow.state != SYN_RECV:
            flow.state = SYN_SENT
    elif flow.state == SYN_RECV or flow.state == 0:
        if flow.state == 0 or from_src:
            flow.state = ESTABLISHED
    elif flow.state == SYN_SENT and (from_src or p.payload):
        if flow.dst.started and p.payload:  # the SYN-ACK was not captured, but data flows
            flow.state = ESTABLISHED


def close_connection(flow: Flow, state: int, ts: int) -> None:
    """The connection is over; the first time that it is counts."""
    flow.state = state
    if not flow.closed:
        flow.closed = 1
        flow.closed_at = ts


def closing_state(flow: Flow, ts: int) -> None:
    """State once at least one end has sent its FIN."""
    if not flow.dst.fin:
        flow.state = FIN_WAIT2 if flow.src.fin_acked else FIN_WAIT1
        return
    if not flow.src.fin:
        flow.state = CLOSE_WAIT
        return
    if flow.first_closer == 1:
        if flow.src.fin_acked:
            close_connection(flow, TIME_WAIT, ts)
        else:
            flow.state = CLOSING
    elif flow.src.fin_acked:
        close_connection(flow, CLOSED, ts)
    else:
        flow.state = LAST_ACK


def connection_state(flow: Flow) -> str:
    """Zeek's ``conn_state``, from what both ends sent."""
    src, dst = half(flow, True), half(flow, False)
    if not src.marks & MARK_SYN:
        if dst.marks & MARK_SYNACK:
            if flow.reset_by == 2:
                return "RSTRH"
            if dst.fin and not src.packets:
                return "SHR"
        return "OTH"
    if not dst.marks & MARK_SYNACK and not (dst.marks & (MARK_DATA | MARK_ACK)):
        if flow.reset_by == 2:
            return "REJ"
        if flow.reset_by == 1:
            return "RSTOS0"
        return "SH" if src.fin else "S0"
    if flow.reset_by:
        return "RSTO" if flow.reset_by == 1 else "RSTR"
    if src.fin and dst.fin:
        return "SF"
    if src.fin:
        return "S2"
    if dst.fin:
        return "S3"
    return "S1" if flow.state != SYN_SENT else "S0"
