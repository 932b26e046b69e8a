"""ARP (RFC 826), with probes and announcements of address conflict detection (RFC 5227).

One row per distinct message of a flow, which goes from the sender's protocol address to the target's. Whether another
hardware address claimed the sender's address earlier is only known when the whole capture has been read:
`rustnet.derive.relations` fills ``duplicate`` and ``duplicate_mac``, and reports each conflict as an anomaly.
"""

from socket import inet_ntoa

from rustnet.dissect.framework.conversation import NO, YES, Conversation, DissectError, Dissector
from rustnet.dissect.framework.reading import mac
from rustnet.dissect.framework.repeated import RepeatParser
from rustnet.records import U16, Ip, Mac, Word, record

_IPV4 = 0x0800
_OPERATIONS = {
    1: "request", 2: "reply", 3: "reverse_request", 4: "reverse_reply", 5: "dynamic_reverse_request",
    6: "dynamic_reverse_reply", 7: "dynamic_reverse_error", 8: "inverse_request", 9: "inverse_reply", 10: "nak",
}  # fmt: skip


@record("arp")
class Arp:
    """One distinct ARP message of a flow; repetitions are counted by the flow only."""

    operation: Word | None = None
    """`request`, `reply`, `reverse_request`, `inverse_request` …, or `operation` and its number."""
    sender_ip: Ip | None = None
    """Address that the sender claims; 0.0.0.0 in a probe."""
    sender_mac: Mac | None = None
    """Hardware address that it claims it with."""
    target_ip: Ip | None = None
    """Address that is requested, or that the reply goes to."""
    target_mac: Mac | None = None
    """Hardware address of the target; zeros in most requests."""
    hardware_type: U16 | None = None
    """Kind of the hardware addresses: 1 is Ethernet."""
    gratuitous: bool = False
    """Sender and target address are the same."""
    probe: bool = False
    """The sender asks whether the address is free (RFC 5227)."""
    announcement: bool = False
    """A gratuitous request: the sender takes the address (RFC 5227)."""
    duplicate: bool = False
    """Another hardware address claimed the sender's address earlier in this capture and VLAN."""
    duplicate_mac: Mac | None = None
    """The one that did so last."""


class ArpParser(RepeatParser):
    """Messages of one flow."""

    __slots__ = ()

    def datagram(self, data: bytes, from_src: bool) -> None:
        """Read one message; bytes after its addresses are padding of the frame."""
        hard = proto = 0
        if len(data) >= 8:
            hard, proto = data[4], data[5]
        end = 8 + 2 * (hard + proto)
        if not hard or not proto or len(data) < end:
            raise DissectError("truncated ARP message")
        message = data[:end]
        if not self.is_new(message):
            return
        code = int.from_bytes(message[6:8], "big")
        sender, target = message[8 + hard : 8 + hard + proto], message[end - proto :]
        row = Arp(
            operation=_OPERATIONS.get(code) or f"operation{code}",
            sender_mac=mac(message[8 : 8 + hard]),
            target_mac=mac(message[8 + hard + proto : end - proto]),
            hardware_type=int.from_bytes(message[:2], "big"),
        )
        if proto == 4 and int.from_bytes(message[2:4], "big") == _IPV4:
            row.sender_ip, row.target_ip = inet_ntoa(sender), inet_ntoa(target)
            row.gratuitous = code in {1, 2} and sender == target
            row.probe = code == 1 and sender == bytes(4) and target != bytes(4)
            row.announcement = code == 1 and row.gratuitous and sender != bytes(4)
        self.store_row(row)


def _probe_arp(data: bytes, talk: Conversation, from_src: bool) -> int:
    """Recognise a known hardware type and operation, and addresses that fit into the message."""
    if len(data) < 8 or not 0 < int.from_bytes(data[:2], "big") <= 40 or not 0 < int.from_bytes(data[6:8], "big") <= 25:
        return NO
    return YES if data[4] and data[5] and len(data) >= 8 + 2 * (data[4] + data[5]) else NO


ARP = Dissector("arp", "Address Resolution Protocol (RFC 826, 5227)", ("arp",), (), (Arp,), _probe_arp, ArpParser)
