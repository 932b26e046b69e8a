"""ICMPv6 (RFC 4443), neighbour discovery (RFC 4861, 8106) and multicast listener discovery (RFC 2710, 3810).

Rows go into the table ``icmp``, by the same rules: see `rustnet.dissect.icmp`.
"""

import struct
from collections.abc import Iterator

from rustnet.dissect.framework.conversation import NO, YES, Conversation, DissectError, Dissector
from rustnet.dissect.framework.reading import mac, text
from rustnet.dissect.icmp import Icmp, IcmpParser, quoted
from rustnet.engine.text import address

_MESSAGES = {
    1: "destination_unreachable", 2: "packet_too_big", 3: "time_exceeded", 4: "parameter_problem", 128: "echo_request",
    129: "echo_reply", 130: "listener_query", 131: "listener_report", 132: "listener_done", 133: "router_solicitation",
    134: "router_advertisement", 135: "neighbor_solicitation", 136: "neighbor_advertisement", 137: "redirect",
    138: "router_renumbering", 139: "node_information_query", 140: "node_information_reply",
    141: "inverse_solicitation", 142: "inverse_advertisement", 143: "listener_report", 144: "home_agent_request",
    145: "home_agent_reply", 146: "mobile_prefix_solicitation", 147: "mobile_prefix_advertisement",
    148: "certification_path_solicitation", 149: "certification_path_advertisement", 151: "multicast_advertisement",
    152: "multicast_solicitation", 153: "multicast_termination", 155: "rpl", 157: "duplicate_address_request",
    158: "duplicate_address_confirmation", 160: "extended_echo_request", 161: "extended_echo_reply",
}  # fmt: skip
_REASONS = {
    1: (
        "no_route", "communication_prohibited", "beyond_scope", "address_unreachable", "port_unreachable",
        "source_address_failed", "route_rejected", "source_route_failed", "headers_too_long",
    ),
    3: ("ttl_exceeded", "reassembly_time_exceeded"),
    4: ("header_field", "unknown_next_header", "unknown_option", "incomplete_header_chain", "routing_header",
        "extension_header_too_big", "header_chain_too_long", "too_many_headers", "too_many_options",
        "option_too_big"),
}  # fmt: skip
_ERRORS = frozenset((1, 2, 3, 4))
_CODED = frozenset((138, 139, 140, 155, 157, 158, 161))
"""Messages other than errors that may have a code other than 0."""
_OPTIONS_AT = {133: 8, 134: 16, 135: 24, 136: 24, 137: 40}
"""Offset of the options."""
_ADDRESS = struct.Struct(">QQ")
_MAX_OPTIONS = 64
_MAX_GROUPS = 128
_MAX_DOMAINS = 32


def ip(data: bytes, at: int) -> str:
    """Text of the address at ``at``."""
    high, low = _ADDRESS.unpack_from(data, at)
    return address(high, low)


def options(data: bytes, at: int) -> Iterator[tuple[int, bytes]]:
    """Type and value of each option that the message has whole; lengths count units of 8 bytes."""
    for _ in range(_MAX_OPTIONS):
        if at + 2 > len(data):
            return
        size = 8 * data[at + 1]
        if size == 0 or at + size > len(data):
            return
        yield data[at], data[at + 2 : at + size]
        at += size


def domains(raw: bytes) -> list[str]:
    """Domains of a search list: consecutive labels, each domain ended by an empty one (RFC 8106)."""
    names: list[str] = []
    labels: list[str] = []
    at = 0
    while at < len(raw) and len(names) < _MAX_DOMAINS:
        size = raw[at]
        if size == 0:
            if not labels:
                break
            names.append(".".join(labels))
            labels = []
        elif size > 63 or at + 1 + size > len(raw):
            break
        else:
            labels.append(text(raw[at + 1 : at + 1 + size]))
        at += 1 + size
    return names


class Icmpv6Parser(IcmpParser):
    """Messages of one flow: those of one type, or echoes of one identifier."""

    __slots__ = ()
    protocol = "icmpv6"
    messages = _MESSAGES
    reasons = _REASONS

    def datagram(self, data: bytes, from_src: bool) -> None:
        """Read one message."""
        if len(data) < (8 if data[:1] != b"\x8f" else 4):
            raise DissectError("truncated ICMPv6 header")
        kind = data[0]
        if kind in _ERRORS:
            self.error(data)
        elif kind == 128:
            self.request(data, from_src, 129)
        elif kind == 129:
            self.reply(data, from_src)
        elif self.is_new(data):
            row = self.row(data)
            if kind in {130, 131, 132, 143}:
                _listener(row, data)
            elif kind in _OPTIONS_AT:
                _neighbour(row, data)
            self.store_row(row)

    def error(self, data: bytes) -> None:
        """Read an error message, which quotes a packet."""
        about = quoted(data, 8)
        if not self.is_new((data[:2], data[4:8], about)):
            return
        row = self.row(data)
        if data[0] == 2:
            row.mtu = int.from_bytes(data[4:8], "big")
        elif data[0] == 4:
            row.pointer = int.from_bytes(data[4:8], "big")
        if about is not None:
            about.describe(row)
        self.store_row(row)


def _listener(row: Icmp, data: bytes) -> None:
    """Read the groups of multicast listener discovery."""
    kind = data[0]
    if kind == 143:
        row.groups = []
        at = 8
        for _ in range(min(int.from_bytes(data[6:8], "big"), _MAX_GROUPS)):
            if at + 20 > len(data):
                return
            row.groups.append(ip(data, at + 4))
            at += 20 + 16 * int.from_bytes(data[at + 2 : at + 4], "big") + 4 * data[at + 1]
        return
    if len(data) >= 24:
        row.groups = [ip(data, 8)]
    if kind == 130:
        code = int.from_bytes(data[4:6], "big")
        if len(data) >= 28 and code >= 0x8000:  # an exponent, since version 2
            code = (code & 0xFFF | 0x1000) << (code >> 12 & 7) + 3
        row.max_response_ms = float(code)


def _neighbour(row: Icmp, data: bytes) -> None:
    """Fields of neighbour discovery, then its options."""
    kind, at = data[0], _OPTIONS_AT[data[0]]
    if len(data) < at:
        return
    if kind == 134:
        row.hop_limit = data[4]
        row.managed, row.other_config = data[5] & 0x80 != 0, data[5] & 0x40 != 0
        row.lifetime = int.from_bytes(data[6:8], "big")
    elif kind in {135, 136}:
        row.target = ip(data, 8)
    elif kind == 137:
        row.gateway, row.target = ip(data, 8), ip(data, 24)
    if kind == 136:
        row.router, row.solicited, row.override = data[4] & 0x80 != 0, data[4] & 0x40 != 0, data[4] & 0x20 != 0
    for option, value in options(data, at):
        _option(row, option, value)


def _option(row: Icmp, kind: int, value: bytes) -> None:
    """Read one option, whose value has at least 6 bytes."""
    if kind == 1:
        row.source_mac = mac(value[:6])
    elif kind == 2:
        row.target_mac = mac(value[:6])
    elif kind == 3 and len(value) >= 30:
        row.prefixes = [*(row.prefixes or ()), f"{ip(value, 14)}/{value[0]}"]
    elif kind == 4:
        about = quoted(value, 6)
        if about is not None:
            about.describe(row)
    elif kind == 5:
        row.mtu = int.from_bytes(value[2:6], "big")
    elif kind == 25:
        servers = [ip(value, at) for at in range(6, len(value) - 15, 16)]
        row.dns_servers = [*(row.dns_servers or ()), *servers]
    elif kind == 31:
        row.search_domains = [*(row.search_domains or ()), *domains(value[6:])]


def _probe_icmpv6(data: bytes, talk: Conversation, from_src: bool) -> int:
    """Recognise a known type with a valid code."""
    if len(data) < 8 or data[0] not in _MESSAGES:
        return NO
    reasons = _REASONS.get(data[0])
    return YES if (data[1] < len(reasons) if reasons else data[1] == 0 or data[0] in _CODED) else NO


ICMPV6 = Dissector(
    "icmpv6", "Internet Control Message Protocol for IPv6 (RFC 4443, 4861)", ("icmpv6",), (), (Icmp,), _probe_icmpv6,
    Icmpv6Parser,
)  # fmt: skip
