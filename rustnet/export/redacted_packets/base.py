"""State and checksums of the rewriting of one packet.

The output begins as zeros, and only what is understood is copied to it. Every method that rewrites a part of a packet
takes where it begins and where what was captured of it ends, and returns up to where the output is kept.
"""

from collections.abc import Callable

from rustnet.export.redacted_packets.binary import BinaryAddresses
from rustnet.export.redacted_packets.counts import PacketCounts
from rustnet.policy.redaction.redactor import Redactor

MAX_DEPTH = 10
"""Packets within packets that are followed."""
MAX_HEADERS = 16
"""Tags, labels, extension headers and options of one sort that are followed."""
MAX_ITEMS = 512
"""Options, addresses and records of one message that are followed."""
TCP, UDP, ICMP, ICMPV6, IGMP, SCTP = 6, 17, 1, 58, 2, 132
IP4, IP6 = 0x0800, 0x86DD
REMEMBERED_PAIRS = 1 << 16
"""Pairs of addresses whose replacements are remembered."""
WRONG = 0x5555
"""Bits by which a checksum that was wrong differs from the right one."""

Payload = Callable[[int, int, int, int], int]
"""Rewrites a payload from one place to another, of these ports; returns up to where it is kept."""
Stream = Callable[[int, int, int, int, int, int], int]
"""The same of a TCP segment, whose sequence number and flags follow."""


def remainder(data: bytes | bytearray, start: int, stop: int) -> int:
    """Sum of 16-bit words modulo 65535, of which the Internet checksum is the complement (RFC 1071)."""
    number = int.from_bytes(data[start:stop])
    return (number << 8 if stop - start & 1 else number) % 0xFFFF


class Base:
    """A packet as it was captured (``raw``), and what is written of it (``out``)."""

    def __init__(self, redactor: Redactor, addresses: BinaryAddresses, counts: PacketCounts) -> None:
        self.redactor = redactor
        self.counts = counts
        self.ipv4_of = addresses.ipv4
        self.ipv6_of = addresses.ipv6
        self.hardware_of = addresses.hardware
        self.numbers = redactor.numbers
        which = redactor.numbers.which
        self.identifying = which.ttl or which.ip_id
        self.sequences = which.sequence
        self.ports = which.ports
        self.changes_numbers = self.identifying or self.sequences or self.ports
        self.pairs: dict[bytes, tuple[bytes, int, int]] = {}
        """Replacements of pairs of IPv4 addresses, with the sums of both, modulo 65535."""
        self.raw = b""
        self.out = bytearray()
        self.depth = 0
        self.ends = b"", b""
        """Addresses of the IP packet as captured: the sender's, the receiver's."""
        self.shifts: dict[bytes, int] = {}
        """Shifts of sequence numbers, by direction of a flow."""
        self.quoted = False
        """Within a packet that an ICMP message quotes: nothing of its payload is kept."""
        self.fragment = False
        """The IP payload is the first fragment of a longer one."""
        self.payload: Payload = lambda start, _stop, _source, _destination: start
        self.segment: Stream = lambda start, _stop, _source, _destination, _sequence, _flags: start

    def begin(self, raw: bytes) -> None:
        """Begin with the next packet."""
        self.raw = raw
        self.out = bytearray(len(raw))
        self.depth = 0
        self.quoted = False
        self.fragment = False

    def cut(self, reason: str, at: int) -> int:
        """Count why the rest of a packet is cut."""
        self.counts.cut[reason] += 1
        return at

    def u16(self, at: int) -> int:
        """Number of two bytes."""
        return self.raw[at] << 8 | self.raw[at + 1]

    def copy(self, start: int, stop: int) -> None:
        """Take over bytes that identify nobody."""
        self.out[start:stop] = self.raw[start:stop]

    def ipv4_address(self, at: int) -> None:
        """Replace an IPv4 address."""
        self.out[at : at + 4] = self.ipv4_of[self.raw[at : at + 4]]

    def ipv6_address(self, at: int) -> None:
        """Replace an IPv6 address."""
        self.out[at : at + 16] = self.ipv6_of[self.raw[at : at + 16]]

    def hardware_address(self, at: int) -> None:
        """Replace a hardware address of 48 bits."""
        self.out[at : at + 6] = self.hardware_of[self.raw[at : at + 6]]

    def checksum(
        self, start: int, at: int, kept: int, *, right: bool, pseudo: int = 0, never_zero: bool = False
    ) -> None:
        """Write the checksum at ``at`` of the output from ``start`` to ``kept``; what was cut counts as zeros.

        One that was wrong becomes another wrong one, which says nothing about the original bytes.
        """
        out = self.out
        out[at : at + 2] = b"\0\0"
        number = int.from_bytes(out[start:kept])
        rest = ((number << 8 if kept - start & 1 else number) + pseudo) % 0xFFFF
        value = 0xFFFF - rest if rest else 0
        if never_zero and value == 0:
            value = 0xFFFF
        if not right:
            value ^= WRONG
            if value == 0:
                value = WRONG << 1
        out[at : at + 2] = value.to_bytes(2)

    def is_right(self, start: int, stop: int, pseudo: int = 0) -> bool:
        """Whether the captured bytes have the checksum that they should have; what is not captured is not doubted."""
        return (remainder(self.raw, start, stop) + pseudo) % 0xFFFF == 0

    # ---- what other layers rewrite -----------------------------------------------------------------------------------

    def network(self, kind: int, o: int, e: int) -> int:
        """Rewrite what an ethertype says."""
        raise NotImplementedError

    def ethernet(self, o: int, e: int) -> int:
        """Rewrite an Ethernet frame."""
        raise NotImplementedError

    def dot11(self, o: int, e: int) -> int:
        """Rewrite a frame of IEEE 802.11."""
        raise NotImplementedError

    def ppp(self, o: int, e: int) -> int:
        """Rewrite a frame of PPP."""
        raise NotImplementedError

    def ipv4(self, o: int, e: int) -> int:
        """Rewrite an IPv4 packet."""
        raise NotImplementedError

    def ipv6(self, o: int, e: int) -> int:
        """Rewrite an IPv6 packet."""
        raise NotImplementedError

    def raw_ip(self, o: int, e: int) -> int:
        """Rewrite an IP packet of the version that it states."""
        if o >= e:
            return o
        version = self.raw[o] >> 4
        if version == 4:
            return self.ipv4(o, e)
        return self.ipv6(o, e) if version == 6 else self.cut("malformed_ip", o)

    def quote(self, o: int, e: int) -> int:
        """Rewrite the start of a packet that a message quotes: headers only."""
        before, fragment = self.quoted, self.fragment
        self.quoted, self.fragment = True, False
        kept = self.raw_ip(o, e)
        self.quoted, self.fragment = before, fragment
        return kept
