"""ICMP (RFC 792, 950, 1191, 1256, 4884): echoes with their round-trip times, errors with the packets they quote.

The table also holds ICMPv6, which `rustnet.dissect.icmpv6` reads. In an echo flow the first `MAX_ECHOES` messages get a
row each, and the flow counts the rest; in other flows each distinct message gets a row.

An error quotes the beginning of the packet that caused it. The row holds the quoted ends; the flow they belong to is
only known when all flows are stored: `rustnet.derive.relations` fills ``about_flow_id``.
"""

import struct
from socket import inet_ntoa
from typing import NamedTuple

from rustnet.dissect.framework.conversation import NO, YES, Conversation, DissectError, Dissector
from rustnet.dissect.framework.pairs import elapsed
from rustnet.dissect.framework.reading import Waiting
from rustnet.dissect.framework.repeated import RepeatParser
from rustnet.engine.numbers import ICMP as ICMP_NUMBER
from rustnet.engine.numbers import ICMPV6 as ICMPV6_NUMBER
from rustnet.engine.numbers import SCTP, TCP, UDP, protocol_name
from rustnet.engine.text import address
from rustnet.records import U8, U16, U32, Bytes32, Host, Ip, Mac, Port, Seconds, Word, record

MAX_ECHOES = 100
"""Messages of an echo's flow that are read: a flood of them must not cost a call each."""

_MESSAGES = {
    0: "echo_reply", 3: "destination_unreachable", 4: "source_quench", 5: "redirect", 8: "echo_request",
    9: "router_advertisement", 10: "router_solicitation", 11: "time_exceeded", 12: "parameter_problem",
    13: "timestamp_request", 14: "timestamp_reply", 15: "information_request", 16: "information_reply",
    17: "address_mask_request", 18: "address_mask_reply", 30: "traceroute", 40: "security_failure",
    42: "extended_echo_request", 43: "extended_echo_reply",
}  # fmt: skip
_REASONS = {
    3: (
        "network_unreachable", "host_unreachable", "protocol_unreachable", "port_unreachable", "fragmentation_needed",
        "source_route_failed", "network_unknown", "host_unknown", "source_isolated", "network_prohibited",
        "host_prohibited", "network_unreachable_for_service", "host_unreachable_for_service",
        "communication_prohibited", "host_precedence_violation", "precedence_cutoff",
    ),
    5: ("network", "host", "service_and_network", "service_and_host"),
    11: ("ttl_exceeded", "reassembly_time_exceeded"),
    12: ("pointer", "missing_option", "bad_length"),
}  # fmt: skip
_ERRORS = frozenset((3, 4, 5, 11, 12))
_REQUESTS = {8: 0, 13: 14, 15: 16, 17: 18}
"""Requests that have an identifier and a sequence number, and the types of their replies."""
_REPLIES = frozenset(_REQUESTS.values())

_WITH_PORTS = frozenset((TCP, UDP, SCTP, 33, 136))
_ECHOES = {ICMP_NUMBER: (0, 8), ICMPV6_NUMBER: (128, 129)}
_EXTENSIONS = frozenset((0, 43, 60, 135, 139, 140))
_MAX_EXTENSIONS = 8


@record("icmp")
class Icmp:
    """One ICMP or ICMPv6 message: the first ones of an echo's flow, else each distinct one of a flow."""

    protocol: Word | None = None
    """`icmp` or `icmpv6`."""
    icmp_type: U8 | None = None
    """Type."""
    icmp_code: U8 | None = None
    """Code."""
    message: Word | None = None
    """Meaning of the type: `echo_request`, `destination_unreachable`, `neighbor_solicitation` …"""
    reason: Word | None = None
    """Meaning of an error's code: `port_unreachable`, `fragmentation_needed`, `ttl_exceeded` …"""
    icmp_id: U16 | None = None
    """Identifier of an echo, or of another request and its reply."""
    icmp_seq: U16 | None = None
    """Its sequence number."""
    rtt_ms: float | None = None
    """Of a reply: time since its request."""
    data_bytes: U32 | None = None
    """Of an echo: bytes that it carries."""
    mtu: Bytes32 | None = None
    """Largest packet of the next link, in a fragmentation-needed error or a router advertisement."""
    gateway: Ip | None = None
    """Better gateway, in a redirect."""
    pointer: U32 | None = None
    """Byte of the quoted packet that has the problem."""
    target: Ip | None = None
    """Address that a neighbour message is about, or a redirect's destination."""
    source_mac: Mac | None = None
    """Hardware address of the sender, from an option."""
    target_mac: Mac | None = None
    """Hardware address of the target, from an option."""
    router: bool | None = None
    """Neighbour advertisement: the sender is a router."""
    solicited: bool | None = None
    """Neighbour advertisement: it answers a solicitation."""
    override: bool | None = None
    """Neighbour advertisement: it overrides cached entries."""
    hop_limit: U8 | None = None
    """Router advertisement: hop limit that hosts should use."""
    managed: bool | None = None
    """Router advertisement: addresses come from DHCPv6."""
    other_config: bool | None = None
    """Router advertisement: other settings come from DHCPv6."""
    lifetime: Seconds | None = None
    """Router advertisement: seconds that the router may be used; 0 withdraws it."""
    routers: list[Ip] | None = None
    """Router advertisement of ICMP: the routers' addresses."""
    prefixes: list[Ip] | None = None
    """Router advertisement: prefixes of the link."""
    dns_servers: list[Ip] | None = None
    """Router advertisement: name servers."""
    search_domains: list[Host] | None = None
    """Router advertisement: domains in which names are looked up."""
    groups: list[Ip] | None = None
    """Multicast listener messages: groups."""
    max_response_ms: float | None = None
    """Multicast listener query: time within which it is to be answered."""
    quoted_protocol: Word | None = None
    """An error is about a packet: its protocol."""
    quoted_src_ip: Ip | None = None
    """Its sender."""
    quoted_src_port: Port | None = None
    """Its sender's port."""
    quoted_dst_ip: Ip | None = None
    """Its receiver."""
    quoted_dst_port: Port | None = None
    """Its receiver's port."""
    quoted_icmp_id: U16 | None = None
    """Its identifier, if it is an echo."""
    about_flow_id: int | None = None
    """Flow of the quoted packet, if it is in the capture: the latest one between its ends that began before."""


class Quoted(NamedTuple):
    """Beginning of the packet that an error is about."""

    protocol: int
    src: str
    dst: str
    src_port: int | None = None
    dst_port: int | None = None
    icmp_id: int | None = None

    def describe(self, row: Icmp) -> None:
        """Enter it into an error's row."""
        row.quoted_protocol = protocol_name(self.protocol)
        row.quoted_src_ip, row.quoted_dst_ip = self.src, self.dst
        row.quoted_src_port, row.quoted_dst_port = self.src_port, self.dst_port
        row.quoted_icmp_id = self.icmp_id


def quoted(data: bytes, at: int) -> Quoted | None:
    """Read the headers of a quoted packet as far as they are quoted; None if there is no IP header."""
    version = data[at] >> 4 if at < len(data) else 0
    if version == 4 and len(data) >= at + 20 and data[at] & 15 >= 5:
        src, dst = inet_ntoa(data[at + 12 : at + 16]), inet_ntoa(data[at + 16 : at + 20])
        whole = not int.from_bytes(data[at + 6 : at + 8], "big") & 0x1FFF
        return _inside(data, at + 4 * (data[at] & 15), data[at + 9], src, dst, whole)
    if version == 6 and len(data) >= at + 40:
        src_hi, src_lo, dst_hi, dst_lo = struct.unpack_from(">QQQQ", data, at + 8)
        kind, whole, start = data[at + 6], True, at + 40
        for _ in range(_MAX_EXTENSIONS):
            if start + 8 > len(data) or (kind not in _EXTENSIONS and kind != 44):
                break
            if kind == 44:
                whole = whole and not int.from_bytes(data[start + 2 : start + 4], "big") & 0xFFF8
                size = 8
            else:
                size = 8 * (data[start + 1] + 1)
            kind = data[start]
            start += size
        return _inside(data, start, kind, address(src_hi, src_lo), address(dst_hi, dst_lo), whole)
    return None


def _inside(data: bytes, at: int, protocol: int, src: str, dst: str, whole: bool) -> Quoted:
    """Ports or identifier of a quoted packet; a later fragment (not ``whole``) has none."""
    if whole and protocol in _WITH_PORTS and len(data) >= at + 4:
        return Quoted(protocol, src, dst, *struct.unpack_from(">HH", data, at))
    if whole and protocol in _ECHOES and len(data) >= at + 6 and data[at] in _ECHOES[protocol]:
        return Quoted(protocol, src, dst, icmp_id=int.from_bytes(data[at + 4 : at + 6], "big"))
    return Quoted(protocol, src, dst)


class IcmpParser(RepeatParser):
    """Messages of one flow: those of one type, or requests of one identifier with their replies."""

    __slots__ = ("asked", "echoes")
    limit = 10_000
    protocol = "icmp"
    messages = _MESSAGES
    reasons = _REASONS

    def __init__(self, talk: Conversation) -> None:
        super().__init__(talk)
        self.echoes = 0
        self.asked: Waiting[tuple[bool, int, int], None] = Waiting()

    def row(self, data: bytes) -> Icmp:
        """Row with the fields that every message has."""
        kind, code = data[0], data[1]
        reasons = self.reasons.get(kind, ())
        reason = reasons[code] if code < len(reasons) else f"code{code}" if reasons else None
        return Icmp(self.protocol, kind, code, self.messages.get(kind) or f"type{kind}", reason)

    def datagram(self, data: bytes, from_src: bool) -> None:
        """Read one message."""
        if len(data) < 8:
            raise DissectError("truncated ICMP header")
        kind = data[0]
        if kind in _ERRORS:
            self.error(data)
        elif kind in _REQUESTS:
            self.request(data, from_src, _REQUESTS[kind])
        elif kind in _REPLIES:
            self.reply(data, from_src)
        elif self.is_new(data):
            row = self.row(data)
            if kind == 9:
                self._advertisement(row, data)
            self.store_row(row)

    def request(self, data: bytes, from_src: bool, reply: int) -> None:
        """Read a request, which is answered by a message of type ``reply``."""
        row = self.numbered(data)
        self.asked.add((not from_src, reply, row.icmp_seq or 0), None, self.talk)
        self.echo(row)

    def reply(self, data: bytes, from_src: bool) -> None:
        """Read the reply to a request."""
        row = self.numbered(data)
        asked = self.asked.take((from_src, data[0], row.icmp_seq or 0))
        if asked is not None:
            row.rtt_ms = elapsed(asked[1], self.talk.ts)
        self.echo(row)

    def numbered(self, data: bytes) -> Icmp:
        """Row of a message with an identifier and a sequence number."""
        row = self.row(data)
        row.icmp_id, row.icmp_seq = struct.unpack_from(">HH", data, 4)
        if data[0] in _ECHOES[ICMP_NUMBER] or data[0] in _ECHOES[ICMPV6_NUMBER]:
            row.data_bytes = len(data) - 8 + self.talk.missing
        return row

    def echo(self, row: Icmp) -> None:
        """Store a request or a reply; after `MAX_ECHOES` of them the flow is only counted."""
        self.store_row(row)
        self.echoes += 1
        if self.echoes >= MAX_ECHOES:
            self.talk.finish()

    def error(self, data: bytes) -> None:
        """Read an error message, which quotes a packet."""
        about = quoted(data, 8)
        if not self.is_new((data[:2], data[4:8], about)):
            return
        row = self.row(data)
        kind, code = data[0], data[1]
        if kind == 3 and code == 4:
            row.mtu = int.from_bytes(data[6:8], "big")
        elif kind == 5:
            row.gateway = inet_ntoa(data[4:8])
        elif kind == 12:
            row.pointer = data[4]
        if about is not None:
            about.describe(row)
        self.store_row(row)

    def _advertisement(self, row: Icmp, data: bytes) -> None:
        """Routers that a router advertises (RFC 1256)."""
        count, size, row.lifetime = struct.unpack_from(">BBH", data, 4)
        step = 4 * size if size >= 1 else 8
        row.routers = [inet_ntoa(data[at : at + 4]) for at in range(8, min(len(data) - 3, 8 + count * step), step)]


def _probe_icmp(data: bytes, talk: Conversation, from_src: bool) -> int:
    """Recognise a known type with a valid code."""
    if len(data) < 8 or data[0] not in _MESSAGES:
        return NO
    reasons = _REASONS.get(data[0])
    return YES if (data[1] < len(reasons) if reasons else data[1] == 0 or data[0] in {9, 40, 43}) else NO


ICMP = Dissector("icmp", "Internet Control Message Protocol (RFC 792)", ("icmp",), (), (Icmp,), _probe_icmp, IcmpParser)
