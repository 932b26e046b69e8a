"""`Flow` and its two `Half`s: everything the engine remembers of one conversation."""

from typing import Any

import cython


class Half:
    """One direction of a flow: what one end sent."""

    def __init__(self) -> None:
        self.packets = 0
        self.bytes = 0
        self.payload = 0
        self.flags = 0
        self.ttl = -1
        self.marks = 0
        self.started = 0
        self.isn = 0
        self.next_seq = 0
        self.position = 0
        self.highest_ack = 0
        self.has_ack = 0
        self.window = 0
        self.duplicate_run = 0
        self.duplicate_ts = 0
        self.retransmissions = 0
        self.fast_retransmissions = 0
        self.out_of_order = 0
        self.duplicate_acks = 0
        self.zero_windows = 0
        self.missed = 0
        self.holes: list[tuple[int, int, int]] | None = None
        self.fin = 0
        self.fin_end = 0
        self.fin_acked = 0
        self.sampling = 0
        self.sample_end = 0
        self.sample_ts = 0
        self.srtt = -1.0
        self.min_rtt = -1.0
        self.stream: Any = None


class Flow:
    """One conversation. End ``a`` has the smaller (address, port); ``src_is_a`` says whether it is the initiator.

    ``ends`` is both ports and the protocol in one number: the part of the key that addresses do not tell.
    Times are nanoseconds since 1970 UTC, round-trip times nanoseconds as float (-1: unknown).
    """

    def __init__(self) -> None:
        self.flow_id = 0
        self.hash = 0
        self.next = -1
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
        self.ends = 0
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
        self.src_mac = -1
        self.dst_mac = -1
        self.state = 0
        self.closed = 0
        self.reset_by = 0
        self.syn_ts = -1
        self.synack_ts = -1
        self.handshake_rtt = -1.0
        self.synack_rtt = -1.0
        self.first_closer = 0
        self.icmp_type = -1
        self.icmp_code = -1
        self.icmp_id = -1
        self.fragments = 0
        self.missing = 0
        self.tunnel = 0
        self.carries = 0
        self.outer_flow_id = 0
        self.wants = 0
        self.foreign = 0
        self.src = Half()
        self.dst = Half()
        self.history = ""
        self.end_reason = "end"
        self.talk: Any = None


if not cython.compiled:  # compiled, the .pxd has it as an inline function; the two must say the same

    def new_flow() -> Flow:
        """Make a flow."""
        return Flow()
