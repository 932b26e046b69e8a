"""DHCP for IPv4 (RFC 2131, 2132), and BOOTP (RFC 951), which it extends. One row per message."""

import re
import struct
from socket import inet_ntoa

from rustnet.dissect.framework.conversation import NO, YES, Conversation, DissectError, Dissector, Shape
from rustnet.dissect.framework.reading import RowParser, mac, text
from rustnet.records import (
    U32,
    Count8,
    FilePath,
    Fingerprint,
    FreeText,
    Host,
    Identifier,
    Ip,
    Mac,
    ObjectName,
    Software,
    Uri,
    Word,
    record,
)

_FIXED = struct.Struct(">BBBBIHH4s4s4s4s16s")
_COOKIE = b"\x63\x82\x53\x63"
_MAX_OPTIONS = 256
_MAX_ADDRESSES = 32
_MESSAGES = {
    1: "DISCOVER", 2: "OFFER", 3: "REQUEST", 4: "DECLINE", 5: "ACK", 6: "NAK", 7: "RELEASE", 8: "INFORM",
    9: "FORCERENEW", 10: "LEASEQUERY", 11: "LEASEUNASSIGNED", 12: "LEASEUNKNOWN", 13: "LEASEACTIVE",
    14: "BULKLEASEQUERY", 15: "LEASEQUERYDONE", 16: "ACTIVELEASEQUERY", 17: "LEASEQUERYSTATUS", 18: "TLS",
}  # fmt: skip
_NOWHERE = bytes(4)


@record("dhcp")
class Dhcp:
    """One DHCP or BOOTP message."""

    message: Word | None = None
    """`DISCOVER`, `OFFER`, `REQUEST`, `ACK` …; `BOOTREQUEST` or `BOOTREPLY` without DHCP's option."""
    hostname: Host | None = None
    """Name of the client (option 12)."""
    client_mac: Mac | None = None
    """Hardware address of the client, however the message was relayed."""
    requested_ip: Ip | None = None
    """Address that the client asks for (option 50)."""
    client_ip: Ip | None = None
    """Address that the client already uses (ciaddr)."""
    assigned_ip: Ip | None = None
    """Address that the server gives (yiaddr)."""
    server_ip: Ip | None = None
    """Server, as it identifies itself (option 54)."""
    next_server: Ip | None = None
    """Server to boot from (siaddr)."""
    relay_ip: Ip | None = None
    """Relay agent (giaddr)."""
    lease_seconds: U32 | None = None
    """Time for which the address is given (option 51)."""
    subnet_mask: Word | None = None
    """Mask of the client's network (option 1)."""
    routers: list[Ip] | None = None
    """Gateways (option 3)."""
    dns_servers: list[Ip] | None = None
    """Name servers (option 6)."""
    ntp_servers: list[Ip] | None = None
    """Time servers (option 42)."""
    domain: Host | None = None
    """Domain name (option 15)."""
    fqdn: Host | None = None
    """Full name of the client (option 81)."""
    vendor_class: Software | None = None
    """Client software (option 60)."""
    user_class: ObjectName | None = None
    """Class of the user or application (option 77), such as `iPXE`."""
    client_id: Identifier | None = None
    """Client identifier (option 61), hexadecimal."""
    parameters: Fingerprint | None = None
    """Codes of the options that the client requests, in order: a fingerprint of the system (option 55)."""
    boot_server: Host | None = None
    """Name of the server to boot from (sname, or option 66)."""
    boot_file: FilePath | None = None
    """File to boot (file, or option 67)."""
    proxy_url: Uri | None = None
    """Address of the proxy configuration (option 252, WPAD)."""
    error_text: FreeText | None = None
    """Why the server or the client refuses (option 56)."""
    relay_circuit: ObjectName | None = None
    """Circuit that the relay names (option 82, 1)."""
    xid: U32 = 0
    """Transaction id."""
    hops: Count8 = 0
    """Relays passed."""
    broadcast: bool = False
    """The client requests the answer as a broadcast."""


Options = dict[int, bytes]


def _options(data: bytes, pos: int, end: int, options: Options) -> bool:
    """Collect options up to the end mark; parts of a long option are joined (RFC 3396). False: they are cut off."""
    for _ in range(_MAX_OPTIONS):
        while pos < end and data[pos] == 0:
            pos += 1
        if pos >= end:
            return True
        code = data[pos]
        if code == 255:
            return True
        if pos + 2 > end or pos + 2 + data[pos + 1] > end:
            return False
        size = data[pos + 1]
        piece = data[pos + 2 : pos + 2 + size]
        before = options.get(code)
        options[code] = piece if before is None else before + piece
        pos += 2 + size
    return False


def _ip(raw: bytes | None) -> str | None:
    """An address; None if it is missing or 0.0.0.0."""
    return inet_ntoa(raw) if raw is not None and len(raw) == 4 and raw != _NOWHERE else None


def _ips(raw: bytes | None) -> list[str] | None:
    if not raw:
        return None
    return [inet_ntoa(raw[i : i + 4]) for i in range(0, min(len(raw) & ~3, 4 * _MAX_ADDRESSES), 4)] or None


def _text(raw: bytes | None) -> str | None:
    return text(raw) or None if raw else None


def _fqdn(raw: bytes | None) -> str | None:
    """Client FQDN (RFC 4702): text, or DNS labels if the E bit is set."""
    if raw is None or len(raw) < 4:
        return None
    name = raw[3:]
    if not raw[0] & 4:
        return text(name).rstrip(".") or None
    labels = []
    pos = 0
    while pos < len(name) and 0 < name[pos] < 64:
        labels.append(text(name[pos + 1 : pos + 1 + name[pos]]))
        pos += name[pos] + 1
    return ".".join(labels) or None


def _user_class(raw: bytes | None) -> str | None:
    """User class: length-prefixed texts by the RFC, plain text by common practice."""
    if raw and raw[0] == len(raw) - 1:
        raw = raw[1:]
    return _text(raw)


def _circuit(raw: bytes | None) -> str | None:
    """Circuit id of the relay agent option: as text if printable, else hexadecimal."""
    if raw is None or len(raw) < 2 or raw[0] != 1:
        return None
    value = raw[2 : 2 + raw[1]][:64]
    return value.decode("ascii") if value.isascii() and value.decode("ascii").isprintable() else value.hex()


class DhcpParser(RowParser):
    """Messages of one flow, each independent of the others."""

    __slots__ = ()

    def datagram(self, data: bytes, from_src: bool) -> None:
        """Read one message."""
        if len(data) < 236:
            raise DissectError("truncated DHCP message")
        op, _, size, hops, xid, _, flags, client, yours, server, relay, hardware = _FIXED.unpack_from(data)
        options: Options = {}
        if data[236:240] == _COOKIE and not _options(data, 240, len(data), options):
            self.talk.anomaly("malformed_dhcp", "options exceed the message")
        overload = options.get(52, b"\0")[:1]
        if overload in {b"\1", b"\3"}:
            _options(data, 108, 236, options)
        if overload in {b"\2", b"\3"}:
            _options(data, 44, 108, options)
        row = Dhcp(
            message="BOOTREQUEST" if op == 1 else "BOOTREPLY",
            client_mac=mac(hardware[:size]) if 0 < size <= 16 else None,
            client_ip=_ip(client),
            assigned_ip=_ip(yours),
            next_server=_ip(server),
            relay_ip=_ip(relay),
            xid=xid,
            hops=hops,
            broadcast=flags & 0x8000 != 0,
        )
        if overload not in {b"\2", b"\3"}:
            row.boot_server = _text(data[44:108])
        if overload not in {b"\1", b"\3"}:
            row.boot_file = _text(data[108:236])
        _fill(row, options)
        self._learn_client(row)
        self.store_row(row)

    def _learn_client(self, row: Dhcp) -> None:
        """Name the client's address, if the message has both."""
        name = row.hostname or row.fqdn
        ip = row.client_ip or (row.requested_ip if row.message == "REQUEST" else None)
        if row.message == "ACK":
            ip = row.assigned_ip or row.client_ip
        if name and ip:
            self.learn_name(ip, name, "dhcp", row.lease_seconds)


def _fill(row: Dhcp, options: Options) -> None:
    """Set the fields that options carry."""
    get = options.get
    kind = get(53)
    if kind:
        row.message = _MESSAGES.get(kind[0]) or f"TYPE{kind[0]}"
    row.hostname = _text(get(12))
    row.requested_ip = _ip(get(50))
    row.server_ip = _ip(get(54))
    lease = get(51)
    if lease is not None and len(lease) == 4:
        row.lease_seconds = int.from_bytes(lease, "big")
    row.subnet_mask = _ip(get(1))
    row.routers = _ips(get(3))
    row.dns_servers = _ips(get(6))
    row.ntp_servers = _ips(get(42))
    row.domain = _text(get(15))
    row.fqdn = _fqdn(get(81))
    row.vendor_class = _text(get(60))
    row.user_class = _user_class(get(77))
    client_id = get(61)
    row.client_id = client_id[:128].hex() if client_id else None
    wanted = get(55)
    row.parameters = ",".join(map(str, wanted)) if wanted else None
    row.boot_server = _text(get(66)) or row.boot_server
    row.boot_file = _text(get(67)) or row.boot_file
    row.proxy_url = _text(get(252))
    row.error_text = _text(get(56))
    row.relay_circuit = _circuit(get(82))


_BOOTP = re.compile(rb"[\x01\x02][\x01-\x20][\x00-\x10][\x00-\x10]").match


def _probe_dhcp(data: bytes, talk: Conversation, from_src: bool) -> int:
    """Recognise the fixed part and the magic cookie; plain BOOTP, which has none, by both of its ports."""
    if len(data) < 236 or data[0] > 2 or _BOOTP(data) is None:
        return NO
    if data[236:240] == _COOKIE:
        return YES
    known = {talk.src_port, talk.dst_port} == {67, 68}
    return YES if known and data[2] == 6 and data[34:44] == bytes(10) else NO


DHCP = Dissector(
    "dhcp", "Dynamic Host Configuration Protocol (RFC 2131)", ("udp",), (67, 68), (Dhcp,), _probe_dhcp, DhcpParser,
    first=b"\0\x01\x02", shapes={"udp": Shape(236)},
)  # fmt: skip
