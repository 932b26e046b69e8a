"""DHCP for IPv6 (RFC 8415, 3646, 4704). One row per message; a relayed message is read as its client's."""

import struct
from socket import AF_INET6, inet_ntop

from rustnet.dissect.framework.conversation import NO, YES, Conversation, DissectError, Dissector
from rustnet.dissect.framework.reading import RowParser, mac, text
from rustnet.records import U32, Count8, Fingerprint, Host, Identifier, Ip, Mac, ObjectName, Software, Word, record

_MAX_OPTIONS = 64
_MAX_ADDRESSES = 32
_MAX_RELAYS = 8
_MESSAGES = {
    1: "SOLICIT", 2: "ADVERTISE", 3: "REQUEST", 4: "CONFIRM", 5: "RENEW", 6: "REBIND", 7: "REPLY", 8: "RELEASE",
    9: "DECLINE", 10: "RECONFIGURE", 11: "INFORMATION-REQUEST", 12: "RELAY-FORW", 13: "RELAY-REPL", 14: "LEASEQUERY",
    15: "LEASEQUERY-REPLY", 16: "LEASEQUERY-DONE", 17: "LEASEQUERY-DATA",
}  # fmt: skip
_STATUS = (
    "Success", "UnspecFail", "NoAddrsAvail", "NoBinding", "NotOnLink", "UseMulticast", "NoPrefixAvail",
)  # fmt: skip
_RELAYED = (12, 13)


@record("dhcpv6")
class Dhcpv6:
    """One DHCPv6 message."""

    message: Word | None = None
    """`SOLICIT`, `ADVERTISE`, `REQUEST`, `REPLY` …"""
    fqdn: Host | None = None
    """Name of the client (option 39)."""
    client_mac: Mac | None = None
    """Hardware address, if the client's identifier or a relay contains it."""
    client_duid: Identifier | None = None
    """Identifier of the client, hexadecimal."""
    server_duid: Identifier | None = None
    """Identifier of the server, hexadecimal."""
    addresses: list[Ip] | None = None
    """Addresses requested or assigned."""
    networks: list[Ip] | None = None
    """Prefixes requested or assigned."""
    lease_seconds: U32 | None = None
    """Shortest time for which an address or prefix is valid."""
    dns_servers: list[Ip] | None = None
    """Name servers."""
    domains: list[Host] | None = None
    """Domains to search."""
    vendor_class: Software | None = None
    """Client software."""
    parameters: Fingerprint | None = None
    """Codes of the options that the client requests, in order."""
    result: Word | None = None
    """Status, such as `NoAddrsAvail`; NULL if there is none."""
    relay_ip: Ip | None = None
    """Network of the client by the relay (link-address)."""
    relay_interface: ObjectName | None = None
    """Interface of the relay, as text or hexadecimal."""
    xid: U32 | None = None
    """Transaction id."""
    hops: Count8 = 0
    """Relays passed."""


def _options(data: bytes, pos: int) -> list[tuple[int, bytes]]:
    """Options up to the end of the message."""
    items: list[tuple[int, bytes]] = []
    end = len(data)
    while pos < end and len(items) < _MAX_OPTIONS:
        if pos + 4 > end:
            raise DissectError("truncated option")
        code, size = struct.unpack_from(">HH", data, pos)
        pos += 4 + size
        if pos > end:
            raise DissectError("option exceeds its message")
        items.append((code, data[pos - size : pos]))
    return items


def _names(raw: bytes) -> list[str]:
    """Names as DNS writes them, without compression."""
    items: list[str] = []
    labels: list[str] = []
    pos = 0
    while pos < len(raw) and len(items) < _MAX_ADDRESSES:
        size = raw[pos]
        if size > 63:
            break
        if size == 0:
            items.append(".".join(labels))
            labels = []
        else:
            labels.append(text(raw[pos + 1 : pos + 1 + size]))
        pos += 1 + size
    if labels:
        items.append(".".join(labels))
    return [name for name in items if name]


def _ips(raw: bytes) -> list[str]:
    return [inet_ntop(AF_INET6, raw[i : i + 16]) for i in range(0, min(len(raw) // 16, _MAX_ADDRESSES) * 16, 16)]


class Dhcpv6Parser(RowParser):
    """Messages of one flow, each independent of the others."""

    __slots__ = ()

    def datagram(self, data: bytes, from_src: bool) -> None:
        """Read one message, within those of relays."""
        row = Dhcpv6()
        for _ in range(_MAX_RELAYS):
            if len(data) < 4 or data[0] not in _MESSAGES:
                raise DissectError("unknown message type")
            row.message = _MESSAGES[data[0]]
            if data[0] not in _RELAYED:
                break
            data = self._relay(data, row)
            if not data:
                break
        if data and data[0] not in _RELAYED:
            row.xid = int.from_bytes(data[1:4], "big")
            for code, value in _options(data, 4):
                _option(code, value, row, 0)
        if row.fqdn and row.addresses and row.message in {"REPLY", "REQUEST", "RENEW", "REBIND"}:
            for ip in row.addresses:
                self.learn_name(ip, row.fqdn, "dhcp", row.lease_seconds)
        self.store_row(row)

    def _relay(self, data: bytes, row: Dhcpv6) -> bytes:
        """Read a relay's header and options; returns the message within."""
        if len(data) < 34:
            raise DissectError("truncated relay message")
        row.hops = max(row.hops, data[1])
        link = data[2:18]
        row.relay_ip = inet_ntop(AF_INET6, link) if any(link) else row.relay_ip
        inner = b""
        for code, value in _options(data, 34):
            if code == 9:
                inner = value
            elif code == 18 and value:
                shown = value[:64]
                plain = shown.isascii() and shown.decode("ascii").isprintable()
                row.relay_interface = shown.decode("ascii") if plain else shown.hex()
            elif code == 79 and len(value) > 2:  # client's link-layer address (RFC 6939)
                row.client_mac = mac(value[2:18])
        return inner


def _option(code: int, value: bytes, row: Dhcpv6, depth: int) -> None:
    """Set the fields that one option carries; identity associations contain further options."""
    if code in {1, 2}:
        _identifier(code, value, row)
    elif code in {3, 25} and len(value) >= 12 and depth == 0:
        for inner, content in _options(value, 12):
            _option(inner, content, row, 1)
    elif code == 4 and len(value) >= 4 and depth == 0:
        for inner, content in _options(value, 4):
            _option(inner, content, row, 1)
    elif code == 5 and len(value) >= 24:
        row.addresses = [*(row.addresses or []), inet_ntop(AF_INET6, value[:16])][:_MAX_ADDRESSES]
        _valid(value[20:24], row)
    elif code == 26 and len(value) >= 25:
        network = f"{inet_ntop(AF_INET6, value[9:25])}/{value[8]}"
        row.networks = [*(row.networks or []), network][:_MAX_ADDRESSES]
        _valid(value[4:8], row)
    elif code == 13 and len(value) >= 2:
        number = (value[0] << 8) | value[1]
        row.result = _STATUS[number] if number < len(_STATUS) else f"status{number}"
    else:
        _plain(code, value, row)


def _plain(code: int, value: bytes, row: Dhcpv6) -> None:
    """Options that hold no others."""
    if code == 6:
        codes = struct.iter_unpack(">H", value[: min(len(value) & ~1, 256)])
        row.parameters = ",".join(str(c) for (c,) in codes) or None
    elif code == 16 and len(value) > 6:
        row.vendor_class = text(value[6:]) or None
    elif code == 23:
        row.dns_servers = _ips(value) or None
    elif code == 24:
        row.domains = _names(value) or None
    elif code == 39 and len(value) > 1:
        row.fqdn = ".".join(_names(value[1:])[:1]) or None


def _identifier(code: int, value: bytes, row: Dhcpv6) -> None:
    """Read a DUID; two of its types contain a hardware address (RFC 8415, 11)."""
    shown = value[:130].hex()
    if code == 2:
        row.server_duid = shown
        return
    row.client_duid = shown
    kind = value[:2]
    start = {b"\0\1": 8, b"\0\3": 4}.get(kind)
    if start is not None and 0 < len(value) - start <= 20 and row.client_mac is None:
        row.client_mac = mac(value[start:])


def _valid(raw: bytes, row: Dhcpv6) -> None:
    seconds = int.from_bytes(raw, "big")
    row.lease_seconds = seconds if row.lease_seconds is None else min(seconds, row.lease_seconds)


def _probe_dhcpv6(data: bytes, talk: Conversation, from_src: bool) -> int:
    """Recognise a known type, and options that fill the message, on one of DHCPv6's ports."""
    if len(data) < 8 or not 1 <= data[0] <= 17:
        return NO
    if talk.src_port not in {546, 547} and talk.dst_port not in {546, 547}:
        return NO
    pos = 34 if data[0] in _RELAYED else 4
    if len(data) < pos:
        return NO
    try:
        options = _options(data, pos)
    except DissectError:
        return NO
    return YES if options and all(0 < code < 256 for code, _ in options) else NO


DHCPV6 = Dissector(
    "dhcpv6", "DHCP for IPv6 (RFC 8415)", ("udp",), (546, 547), (Dhcpv6,), _probe_dhcpv6, Dhcpv6Parser, first=b""
)
