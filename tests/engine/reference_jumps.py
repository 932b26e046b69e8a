"""Jumps of sequence numbers for the reference: a loss, or the numbers of another stream.

A jump is more than a megabyte ahead, or as much before the first number seen, or a SYN with another number. It is
possibly a loss where 100 Gb/s could have carried what is skipped since the direction's last packet. Three segments that
go on after it without one of the old numbers between them, or an acknowledgement of it, decide that; without that, or
if it is no possible loss, what is there, or acknowledges it, is counted and otherwise ignored.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.engine.reference import Conversation, Side
    from tests.engine.reference_packets import Seen

FAR = 1 << 20
RATE = 12.5
ENOUGH = 3
FIN, SYN, RST, ACK = 1, 2, 4, 16


@dataclass
class Elsewhere:
    """Where a direction jumped to; numbers of 32 bits."""

    possible: bool
    start: int
    next: int
    run: int
    ts: int


def apart(later: int, earlier: int) -> int:
    """Signed distance of two 32-bit numbers."""
    difference = (later - earlier) % 2**32
    return difference - 2**32 if difference >= 2**31 else difference


def near(number: int, elsewhere: Elsewhere, expected: int) -> bool:
    """Whether a number belongs to where a direction jumped to, and not to where it was."""
    there = abs(apart(number, elsewhere.next))
    return there <= FAR and there < abs(apart(number, expected))


def skip(flow: "Conversation", who: str, me: "Side", stop: int, after: int, ts: int) -> None:
    """Numbers up to ``stop`` are missing, as a segment up to ``after`` shows."""
    for number in range(me.next, stop):
        me.missing[number] = (ts, after)
    if "g" not in me.letters:
        me.letters.add("g")
        flow.note("g", who)


def missed(me: "Side", peer: "Side") -> int:
    """Missing numbers that were acknowledged, or that more than one segment follows."""
    acked = (me.highest(peer) or 0) if me.first is not None else 0
    tail = acked - me.next if 1 < acked - me.next <= FAR else 0
    return tail + sum(number < acked or me.next > after for number, (_, after) in me.missing.items())


def judge(flow: "Conversation", who: str, me: "Side", peer: "Side", seen: "Seen", ts: int) -> str:
    """Whether a segment is of the stream (""), not of it ("foreign"), or not known to be of it ("possible")."""
    here, there = me.elsewhere, peer.elsewhere
    if here and not seen.flags & RST and near(seen.seq, here, me.next % 2**32):
        return goes_on(flow, who, me, peer, seen, ts)
    if there and seen.flags & ACK and peer.first is not None and near(seen.ack, there, peer.next % 2**32):
        if there.possible:
            if peer.last_ts < there.ts and apart(seen.ack, there.start) > 0:
                lost(flow, "dst" if who == "src" else "src", peer, there.next, 0, ts)
        elif me.ack is not None or seen.ack != there.next or peer.isn is None or peer.next - (peer.first or 0) != 1:
            return "foreign"
        else:  # of two SYN-ACKs the second was accepted
            was = peer.next % 2**32
            renumber(flow, "dst" if who == "src" else "src", peer, me, there.next, 0)
            there.next = was
    fast = me.first is not None and seen.seq == me.next % 2**32 and not seen.flags & (SYN | FIN | RST)
    return "foreign" if me.first is not None and not fast and jumped(flow, who, me, seen, ts) else ""


def jumped(flow: "Conversation", who: str, me: "Side", seen: "Seen", ts: int) -> bool:
    """Whether a segment begins a jump that is no possible loss."""
    ahead = apart(seen.seq, me.next % 2**32)
    if seen.flags & SYN and me.isn is not None:
        far = seen.seq != me.isn
    else:
        far = ahead > FAR or me.next + ahead < (me.first or 0) - FAR
    if not far or seen.flags & RST:
        return False
    possible = could_be_lost(me, seen, ts)
    here = me.elsewhere
    run = here.run + 1 if here and here.possible and possible and me.last_ts < here.ts else 1
    me.elsewhere = Elsewhere(
        possible, (seen.seq + bool(seen.flags & SYN)) % 2**32, (seen.seq + size_of(seen)) % 2**32, run, ts
    )
    if possible and run >= ENOUGH:
        lost(flow, who, me, seen.seq, size_of(seen), ts)
    return not possible


def goes_on(flow: "Conversation", who: str, me: "Side", peer: "Side", seen: "Seen", ts: int) -> str:
    """A segment where a direction jumped to."""
    here = me.elsewhere
    assert here is not None
    alone = me.last_ts < here.ts
    here.run, here.ts = here.run + 1 if alone else 1, ts
    if not alone:
        here.start = seen.seq
    possible = could_be_lost(me, seen, ts)
    here.possible = possible and alone and here.possible
    start = here.next
    after = (seen.seq + size_of(seen)) % 2**32
    if apart(after, here.next) > 0:
        here.next = after
    if here.run < ENOUGH or seen.seq != start or seen.flags & SYN:
        return "possible" if here.possible else "foreign"
    if possible:
        lost(flow, who, me, seen.seq, size_of(seen), ts)
    else:
        renumber(flow, who, me, peer, seen.seq, apart(seen.seq, here.start))
        me.elsewhere = None
    return ""


def could_be_lost(me: "Side", seen: "Seen", ts: int) -> bool:
    """Whether a network can have carried what a jump skips."""
    ahead = apart(seen.seq, me.next % 2**32)
    return not seen.flags & SYN and 0 < ahead <= (ts - me.last_ts) * RATE


def size_of(seen: "Seen") -> int:
    """Sequence numbers that a segment takes."""
    return len(seen.payload) + bool(seen.flags & SYN) + bool(seen.flags & FIN)


def lost(flow: "Conversation", who: str, me: "Side", expected: int, size: int, ts: int) -> None:
    """What a jump skipped is missing; the next number is ``expected``."""
    assert me.elsewhere is not None
    stop = me.next + apart(me.elsewhere.start, me.next % 2**32)
    if stop > me.next:
        skip(flow, who, me, stop, stop + size, ts)
    me.next += apart(expected, me.next % 2**32)
    me.elsewhere = None


def renumber(flow: "Conversation", who: str, me: "Side", peer: "Side", expected: int, ignored: int) -> None:
    """The next number is ``expected``, and nothing is missing but ``ignored`` bytes after the jump, for the reader."""
    by = apart(expected, me.next % 2**32)
    me.next += by
    before = by - ignored
    me.first = (me.first or 0) + before
    me.missing = {number + before: (ts, after + before) for number, (ts, after) in me.missing.items()}
    me.isn = None if me.isn is None else (me.isn + before) % 2**32
    me.timing = None if me.timing is None else (me.timing[0] + by, me.timing[1])
    me.fin_at = None if me.fin_at is None else (me.fin_at + by) % 2**32
    peer.raw_ack = (peer.raw_ack + by) % 2**32
    flow.reader.lines[who].shift(before)
