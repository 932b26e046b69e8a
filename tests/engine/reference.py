"""A slow and obvious tracker, written from the definitions and not from the engine: what the engine must agree with.

Every sequence number
becomes a plain integer, every missing byte is an entry in a dict; captures given to it must be small.

Definitions: flows as in the design (ends, VLAN, generation; the initiator is the SYN's sender, else the first sender
unless a server's port or a SYN-ACK says otherwise); RFC 9293 states as the initiator holds them; RFC 6298 round-trip
times (alpha 1/8, one timing at a time) with Karn's rule; Zeek's ``conn_state`` and history letters.
"""

from dataclasses import dataclass, field

from tests.engine.reference_contexts import join, of_copy
from tests.engine.reference_copies import Copies
from tests.engine.reference_jumps import FAR, Elsewhere, judge, skip
from tests.engine.reference_packets import End, Key, Seen, parse
from tests.engine.reference_streams import Piece, Reader

SECOND = 1_000_000_000
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
REORDERED_WITHIN = 3_000_000
FAST_WITHIN = 20_000_000
LATE_WITHIN = 50_000_000
LATE_BYTES = 1 << 16
CLOCK_PACKETS = 256
"""At the end of a capture, the time is the earliest of this many last packets."""

SLACK = 10 * SECOND
"""Beyond its timeout, for flows whose silence the end of the capture alone shows."""


@dataclass
class Side:
    """What one end sent."""

    packets: int = 0
    wire: int = 0
    payload: int = 0
    flags: int = 0
    ttl: int = -1
    first: int | None = None
    """First sequence number seen; absolute positions count on from it."""
    isn: int | None = None
    next: int = 0
    """Absolute sequence number behind the highest sent."""
    missing: dict[int, tuple[int, int]] = field(default_factory=dict)
    """Absolute sequence number -> when it was jumped over, and the number after the segment that did."""
    elsewhere: Elsewhere | None = None
    last_ts: int = 0
    ack: int | None = None
    """Highest acknowledgement that this end sent, in the peer's absolute numbers."""
    raw_ack: int = 0
    window: int = 0
    duplicates: int = 0
    duplicate_ts: int = 0
    retransmissions: int = 0
    fast_retransmissions: int = 0
    out_of_order: int = 0
    duplicate_acks: int = 0
    zero_windows: int = 0
    timing: tuple[int, int] | None = None
    """(absolute number whose acknowledgement is awaited, time of sending)"""
    srtt: float = -1.0
    min_rtt: float = -1.0
    fin_at: int | None = None
    fin_acked: bool = False
    letters: set[str] = field(default_factory=set)

    def highest(self, receiver: "Side") -> int | None:
        """Highest of this end's absolute numbers that the receiver acknowledged."""
        return None if receiver.ack is None else self.next + distance(receiver.raw_ack, self.next % 2**32)


@dataclass
class Conversation:
    """One flow."""

    flow_id: int
    src: End
    dst: End
    protocol: str
    vlan: int
    generation: int
    first_packet: int
    first_ts: int
    last_ts: int
    icmp: tuple[int, int, int]
    key: Key
    dst_vlan: int = -1
    second: int | None = None
    """VLAN in which it was seen, too."""
    second_key: Key | None = None
    """Its key there, kept after they parted."""
    second_sides: set[str] = field(default_factory=set)
    parted: bool = False
    duplicates: int = 0
    history: str = ""
    state: str | None = None
    syn_ts: int | None = None
    synack_ts: int | None = None
    handshake_rtt: float = -1.0
    closed_first: str = ""
    reset_by: str = ""
    over: bool = False
    """Its own FINs or RST ended it."""
    end_reason: str = "end"
    sides: dict[str, Side] = field(default_factory=lambda: {"src": Side(), "dst": Side()})
    reader: Reader = field(default_factory=Reader)

    def sender(self, seen: Seen) -> str:
        """Which side a packet's sender is."""
        return "src" if seen.src == self.src else "dst"

    def note(self, letter: str, who: str) -> None:
        self.history += letter.upper() if who == "src" else letter


def distance(later: int, earlier: int) -> int:
    """Signed distance of two 32-bit sequence numbers (RFC 9293 section 3.4)."""
    difference = (later - earlier) % 2**32
    return difference - 2**32 if difference >= 2**31 else difference


class Reference:
    """Follows flows, one packet after the other."""

    def __init__(self, servers: tuple[int, ...]) -> None:
        self.servers = servers
        self.open: dict[Key, Conversation] = {}
        """Twice, those with a second VLAN."""
        self.ended: list[Conversation] = []
        self.generations: dict[Key, int] = {}
        self.copies = Copies()
        self.made = 0
        self.index: list[tuple[int, bool, int, int]] = []
        self.clock: list[int] = []

    def packet(self, ts: int, frame: bytes, number: int) -> None:
        """Account for one frame, which was captured whole."""
        seen = parse(frame)
        self.clock.append(ts)
        copied = of_copy(self, seen.key) if self.copies.seen(ts, frame) else None
        flow = copied or self.find(seen, ts, number)
        who = flow.sender(seen)
        me, peer = flow.sides[who], flow.sides["dst" if who == "src" else "src"]
        me.packets += 1
        me.wire += len(frame)
        self.index.append((flow.flow_id, who == "src", len(seen.payload), seen.flags))
        if copied:
            flow.duplicates += 1
            return
        me.payload += len(seen.payload)
        me.ttl = seen.ttl if me.ttl < 0 else min(me.ttl, seen.ttl)
        flow.last_ts = max(flow.last_ts, ts)
        flow.first_ts = min(flow.first_ts, ts)
        if seen.protocol == "tcp":
            segment(flow, who, me, peer, seen, ts)
        else:
            if seen.payload and "d" not in me.letters:
                me.letters.add("d")
                flow.note("d", who)
            if who == "dst" and seen.kind in (0, 129):
                flow.state = "ECHO_REPLY"

    def find(self, seen: Seen, ts: int, number: int) -> Conversation:
        """The flow that a packet belongs to."""
        key = seen.key
        flow = self.open.get(key)
        if flow is not None and (flow.key == key or flow.sender(seen) in flow.second_sides):
            if self.is_idle(flow, ts):
                self.end(flow, "idle")
            elif seen.flags & (SYN | ACK) == SYN and new_connection(flow, seen, ts):
                self.end(flow, "reused")
            else:
                return flow
        joined = join(self, key, seen, ts)
        if joined is not None:
            return joined
        self.made += 1
        answers = self.answers(seen)
        src, dst = (seen.dst, seen.src) if answers else (seen.src, seen.dst)
        icmp = (seen.kind, seen.code, seen.ident)
        generation = self.generations.get(key, 0)
        flow = Conversation(self.made, src, dst, seen.protocol, seen.vlan, generation, number, ts, ts, icmp, key)
        if answers:
            flow.history = "^"
        flow.state = {"udp": "UDP_ACTIVE"}.get(seen.protocol)
        if seen.kind in (8, 128):
            flow.state = "ECHO_REQUEST"
        elif seen.kind in (0, 129):
            flow.state = "ECHO_REPLY"
        self.open[key] = flow
        return flow

    def answers(self, seen: Seen) -> bool:
        """Whether a flow's first packet was sent by its responder."""
        if seen.flags & SYN:
            return bool(seen.flags & ACK)
        if seen.kind >= 0:
            return seen.kind in (0, 129)
        return seen.src[1] in self.servers and seen.dst[1] not in self.servers

    def is_idle(self, flow: Conversation, ts: int) -> bool:
        """Whether a flow has been silent for too long."""
        return ts - flow.last_ts > timeout(flow)

    def end(self, flow: Conversation, reason: str) -> None:
        """Take a flow out of the open ones."""
        if flow.second_key is not None:
            self.generations[flow.second_key] = flow.generation + 1
            if not flow.parted:
                del self.open[flow.second_key]
        del self.open[flow.key]
        flow.end_reason = ("rst" if flow.reset_by else "fin") if flow.over else reason
        self.generations[flow.key] = flow.generation + 1
        self.ended.append(flow)

    def finish(self) -> list[Conversation]:
        """End everything; flows in the order in which they began. What waits behind holes is read."""
        now = min(self.clock[-CLOCK_PACKETS:], default=0)
        for flow in [flow for key, flow in self.open.items() if flow.key == key]:
            self.end(flow, "idle" if now - flow.last_ts > timeout(flow) + SLACK else "end")
        for flow in self.ended:
            flow.reader.finish()
        return sorted(self.ended, key=lambda flow: flow.flow_id)


def timeout(flow: Conversation) -> int:
    """How long the flow may be silent, from what it is and its state."""
    ports = {flow.src[1], flow.dst[1]}
    if flow.protocol == "udp":
        return (30 if ports & {53, 5353, 5355} else 180 if 443 in ports else 60) * SECOND
    if flow.protocol != "tcp":
        return 60 * SECOND
    if flow.state == "CLOSED":
        return 15 * SECOND
    if flow.state == "TIME_WAIT":
        return 30 * SECOND
    if flow.state != "ESTABLISHED":
        return 60 * SECOND
    return (1800 if ports & {22, 2222} else 600 if ports & {80, 443, 8080, 8443} else 300) * SECOND


def new_connection(flow: Conversation, seen: Seen, ts: int) -> bool:
    """A SYN begins a new connection where the old one is over, or where it is not a repetition of the old one's SYN."""
    me = flow.sides["src" if seen.src == flow.src else "dst"]
    soon = ts - flow.last_ts <= LATE_WITHIN
    if me.first is not None and me.isn is None and soon and 0 <= distance(me.first, seen.seq + 1) <= LATE_BYTES:
        return False  # captured after what follows it
    if flow.over:
        return seen.seq != me.isn or not soon
    opening = soon and flow.state in ("SYN_SENT", "SYN_RECV")
    if opening and (me.elsewhere is None or (seen.seq + 1) % 2**32 == me.elsewhere.next):
        return False  # the same SYN with other numbers
    return me.first is not None and seen.seq != me.isn


def segment(flow: Conversation, who: str, me: Side, peer: Side, seen: Seen, ts: int) -> None:
    """Account for one TCP segment of ``me``."""
    verdict = judge(flow, who, me, peer, seen, ts)
    if verdict == "foreign":
        return
    me.flags |= seen.flags
    size = len(seen.payload) + bool(seen.flags & SYN) + bool(seen.flags & FIN)
    late = bool(seen.flags & SYN) and handshake(flow, me, peer, seen, ts)
    if me.first is None:
        me.first = seen.seq
        me.next = seen.seq
    at = me.next + distance(seen.seq, me.next % 2**32)
    if not late and at - me.next <= FAR:
        me.last_ts = ts
        place(flow, who, me, peer, seen, ts, at, size)
    upto = peer.next + distance(seen.ack, peer.next % 2**32)
    if seen.flags & ACK and not (peer.first is not None and upto - peer.next > FAR):
        acknowledge(flow, who, me, peer, seen, ts)
    if seen.window == 0 and not seen.flags & (SYN | FIN | RST):
        me.zero_windows += 1
        if str(me.zero_windows) in ("1", "10", "100"):
            flow.note("w", who)
    letters(flow, who, me, seen)
    me.window = seen.window
    follow(flow, who, me, seen)
    deliver(flow, who, me, peer, seen, ts, at + bool(seen.flags & SYN))


def deliver(flow: Conversation, who: str, me: Side, peer: Side, seen: Seen, ts: int, at: int) -> None:
    """Let the reader have the payload, and what the headers show."""
    reader = flow.reader
    mine, theirs = reader.lines[who], reader.other(who)
    for line, side in ((mine, me), (theirs, peer)):
        line.fin, line.last = side.fin_at, side.next
        if side.isn is not None and not line.known:
            line.begin(side.next + distance(side.isn + 1, side.next % 2**32))
    ack = seen.ack if seen.flags & ACK else None
    mine.highest = None if peer.ack is None else peer.raw_ack
    theirs.highest = None if me.ack is None else me.raw_ack
    probe = len(seen.payload) == 1 and not seen.flags & PSH and me.isn is None and at <= (me.first or 0)
    if seen.payload and not seen.flags & RST and not probe:
        reader.take(who, Piece(at, seen.payload, ack, ts))
    reader.settle()
    if ack is not None:
        reader.acknowledged(theirs, ack, ts)
    reader.clock(ts)


def handshake(flow: Conversation, me: Side, peer: Side, seen: Seen, ts: int) -> bool:
    """Times of SYN and SYN-ACK; a repeated one spoils the handshake's round trip (Karn).

    True for one that was captured after what follows it.
    """
    again = me.first is not None and seen.seq == me.isn
    if not seen.flags & ACK:
        flow.syn_ts = None if again else ts
    elif again:
        flow.syn_ts = flow.synack_ts = None
    else:
        flow.synack_ts = ts
    if me.first is None:
        me.isn = seen.seq
    elif me.isn is None and 0 <= distance(me.first, seen.seq + 1) <= LATE_BYTES:
        me.isn = seen.seq
        me.out_of_order += 1
        return True
    return False


def place(flow: Conversation, who: str, me: Side, peer: Side, seen: Seen, ts: int, at: int, size: int) -> None:
    """Place ``size`` sequence numbers from ``at`` on against all that was sent before."""
    if at != me.next and seen.flags & RST:
        return  # resets carry whatever number makes the peer accept them
    if at >= me.next:
        if at > me.next:
            skip(flow, who, me, at, at + size, ts)
        me.next = at + size
        if size and me.timing is None:
            me.timing = (me.next, ts)
        return
    if size == 0 or (size == 1 and at == me.next - 1 and not seen.flags & (SYN | FIN | RST)):
        return  # a bare acknowledgement, or a keep-alive
    again(flow, who, me, peer, seen, ts, range(at, at + size))
    me.timing = None
    me.next = max(me.next, at + size)


def again(flow: Conversation, who: str, me: Side, peer: Side, seen: Seen, ts: int, numbers: range) -> None:
    """Tell a retransmission from reordering: what fills a young hole was only late."""
    filled = [me.missing.pop(number)[0] for number in numbers if number in me.missing]
    soon = flow.handshake_rtt if flow.handshake_rtt > 0 else REORDERED_WITHIN
    if any(ts - since < soon for since in filled):
        me.out_of_order += 1
        return
    me.retransmissions += 1
    if str(me.retransmissions) in ("1", "10", "100"):
        flow.note("t", who)
    if peer.duplicates >= 2 and peer.raw_ack == seen.seq and ts - peer.duplicate_ts <= FAST_WITHIN:
        me.fast_retransmissions += 1


def acknowledge(flow: Conversation, who: str, me: Side, peer: Side, seen: Seen, ts: int) -> None:
    """Account for an acknowledgement that ``me`` sent."""
    upto = peer.next + distance(seen.ack, peer.next % 2**32)
    if peer.timing is not None and upto >= peer.timing[0]:
        rtt = ts - peer.timing[1]
        peer.timing = None
        if rtt >= 0:
            peer.srtt = float(rtt) if peer.srtt < 0 else peer.srtt + (rtt - peer.srtt) / 8
            peer.min_rtt = float(rtt) if peer.min_rtt < 0 else min(peer.min_rtt, rtt)
    if me.ack is None:
        me.ack = me.raw_ack = seen.ack
        if who == "src" and flow.syn_ts is not None and flow.synack_ts is not None:
            flow.handshake_rtt = ts - flow.syn_ts
    elif distance(seen.ack, me.raw_ack) > 0:
        me.raw_ack = seen.ack
        me.duplicates = 0
    elif (
        seen.ack == me.raw_ack
        and not seen.payload
        and not seen.flags & (SYN | FIN | RST)
        and seen.window == me.window
        and peer.first is not None
        and peer.next % 2**32 != seen.ack
    ):
        me.duplicate_acks += 1
        me.duplicates += 1
        me.duplicate_ts = ts
    if peer.fin_at is not None and distance(seen.ack, peer.fin_at) >= 0:
        peer.fin_acked = True


def letters(flow: Conversation, who: str, me: Side, seen: Seen) -> None:
    """Zeek's history: SYN, handshake, pure ACK, data, FIN, RST, each once a direction."""
    flags = seen.flags
    said = []
    if flags & SYN:
        said.append("h" if flags & ACK else "s")
    elif flags & ACK and not seen.payload and not flags & (FIN | RST):
        said.append("a")
    if seen.payload:
        said.append("d")
    if flags & FIN:
        said.append("f")
    if flags & RST:
        said.append("r")
    for letter in said:
        if letter not in me.letters:
            me.letters.add(letter)
            flow.note(letter, who)


def follow(flow: Conversation, who: str, me: Side, seen: Seen) -> None:
    """RFC 9293 section 3.3.2, as the flow's ``src`` would hold it."""
    src, dst = flow.sides["src"], flow.sides["dst"]
    if seen.flags & RST:
        flow.state, flow.over = "CLOSED", True
        flow.reset_by = flow.reset_by or who
        return
    if seen.flags & FIN and me.fin_at is None:
        me.fin_at = (seen.seq + len(seen.payload) + bool(seen.flags & SYN) + 1) % 2**32
        flow.closed_first = flow.closed_first or who
    if flow.state == "CLOSED":
        return
    if src.fin_at is not None or dst.fin_at is not None:
        flow.state = closing(flow, src, dst)
        flow.over = flow.state in ("TIME_WAIT", "CLOSED")
    elif flow.state == "ESTABLISHED":
        return
    elif seen.flags & SYN:
        flow.state = "SYN_RECV" if seen.flags & ACK or flow.state == "SYN_RECV" else "SYN_SENT"
    elif flow.state is None or (flow.state == "SYN_RECV" and who == "src"):
        flow.state = "ESTABLISHED"
    elif flow.state == "SYN_SENT" and seen.payload and dst.first is not None:
        flow.state = "ESTABLISHED"  # the SYN-ACK was not captured, but data flows


def closing(flow: Conversation, src: Side, dst: Side) -> str:
    """State once at least one end has sent its FIN."""
    if dst.fin_at is None:
        return "FIN_WAIT2" if src.fin_acked else "FIN_WAIT1"
    if src.fin_at is None:
        return "CLOSE_WAIT"
    if flow.closed_first == "src":
        return "TIME_WAIT" if src.fin_acked else "CLOSING"
    return "CLOSED" if src.fin_acked else "LAST_ACK"


def conn_state(flow: Conversation) -> str | None:
    """Zeek's connection state, as its manual lists them."""
    if flow.protocol != "tcp":
        return None
    src, dst = flow.sides["src"], flow.sides["dst"]
    if "s" not in src.letters:
        if "h" in dst.letters and flow.reset_by == "dst":
            return "RSTRH"
        return "SHR" if "h" in dst.letters and dst.fin_at is not None and not src.packets else "OTH"
    if not dst.letters & {"h", "d", "a"}:
        if flow.reset_by:
            return "REJ" if flow.reset_by == "dst" else "RSTOS0"
        return "SH" if src.fin_at is not None else "S0"
    if flow.reset_by:
        return "RSTO" if flow.reset_by == "src" else "RSTR"
    if src.fin_at is not None:
        return "SF" if dst.fin_at is not None else "S2"
    if dst.fin_at is not None:
        return "S3"
    return "S0" if flow.state == "SYN_SENT" else "S1"
