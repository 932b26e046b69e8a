"""`Flow` and its two `Half`s: the state of one conversation."""

from typing import Any, cast

import cython

if not cython.compiled:
    from rustnet.engine.half import Half
    from rustnet.engine.numbers import LOWER, MAX_LETTERS

Hole = tuple[int, int, int, int]
"""First and last position, exclusive, of bytes that are missing; the time when that was seen; the position after the
segment that showed it, beyond which others prove it."""


class Flow:
    """One conversation. End ``a`` has the smaller (address, port); ``src_is_a`` is true if it is the initiator.

    ``low`` and ``high`` are a number for each end; if ``exact``, no other end has the same (`FlowTable.find`).
    Times are nanoseconds since 1970 UTC, round-trip times nanoseconds as float (-1: unknown).
    """

    def __init__(self) -> None:
        self.flow_id = 0
        self.hash = 0
        self.index = -1
        self.generation = 0
        self.protocol = 0
        self.version = 0
        self.a_hi = 0
        self.a_lo = 0
        self.b_hi = 0
        self.b_lo = 0
        self.a_port = 0
        self.b_port = 0
        self.exact = 0
        self.low = 0
        self.high = 0
        self.has_ports = 0
        self.extra = 0
        self.context = 0
        self.src_is_a = 1
        self.first_ts = 0
        self.last_ts = 0
        self.timeout = 0
        self.first_packet = 0
        self.interface = 0
        self.vlan = -1
        self.outer_vlan = -1
        self.dst_vlan = -1
        self.dst_outer_vlan = -1
        self.other_context = 0
        self.other_side = 0
        self.src_mac = -1
        self.dst_mac = -1
        self.state = 0
        self.closed = 0
        self.closed_at = 0
        self.reset_by = 0
        self.syn_ts = -1
        self.synack_ts = -1
        self.first_syn = -1
        self.last_syn = -1
        self.opened = -1
        self.syn_tries = 0
        self.handshake_rtt = -1.0
        self.synack_rtt = -1.0
        self.first_closer = 0
        self.icmp_type = -1
        self.icmp_code = -1
        self.icmp_id = -1
        self.fragments = 0
        self.duplicates = 0
        self.missing = 0
        self.tunnel = 0
        self.carries = 0
        self.outer_flow_id = 0
        self.wants = 0
        self.waiting = 0
        self.jumps = 0
        self.jump_ts = 0
        self.jump_packet = 0
        self.shadow = 0
        self.stamps = 0
        if not cython.compiled:
            self.src = Half()
            self.dst = Half()
            self.letters = bytearray(MAX_LETTERS)
        self.noted = 0
        self.src_holes: list[Hole] | None = None
        self.dst_holes: list[Hole] | None = None
        self.tallies: Any = None
        self.src_stream: Any = None
        self.dst_stream: Any = None
        self.end_reason = "end"
        self.talk: Any = None

    @property
    def history(self) -> str:
        """Zeek's history letters in the order in which they were noted."""
        return "".join(chr(self.letters[at]) for at in range(self.noted))

    def side(self, from_src: bool) -> dict[str, float]:
        """One direction's fields by name; a copy where the engine is compiled."""
        if cython.compiled:  # a C struct becomes a dictionary
            made = cast("dict[str, float]", self.src if from_src else self.dst)
        else:
            made = vars(self.src if from_src else self.dst)
        return made


if not cython.compiled:  # compiled, the .pxd has the same as inline functions

    def new_flow() -> Flow:
        """Make a flow."""
        return Flow()

    def half(flow: Flow, from_src: bool) -> Half:
        """One direction of a flow; compiled, a pointer that is valid for the lifetime of the flow."""
        return flow.src if from_src else flow.dst

    def note(flow: Flow, letter: int, from_src: bool) -> None:
        """Write the next letter of a flow's history; the responder's are lower-case."""
        if flow.noted < MAX_LETTERS:
            flow.letters[flow.noted] = letter if from_src else letter | LOWER
            flow.noted += 1
