"""CDP, the Cisco Discovery Protocol, versions 1 and 2, over SNAP (RFC 1042), Cisco HDLC or PPP.

One row per change of the information that a port announces.
"""

from collections.abc import Iterator
from ipaddress import ip_address

from rustnet.dissect.framework.conversation import NO, YES, Conversation, DissectError, Dissector
from rustnet.dissect.framework.reading import text
from rustnet.dissect.framework.repeated import AnnouncementParser
from rustnet.records import U16, U32, Bytes32, FreeText, Host, Ip, ObjectName, Seconds, Software, Word, record

_MAX_ITEMS = 256
_MAX_ADDRESSES = 64
_LONG = 2048
"""Characters of the software description that are kept."""
_PORT = 3
_CAPABILITIES = (
    "router", "transparent_bridge", "source_route_bridge", "switch", "host", "igmp", "repeater", "telephone",
    "remotely_managed", "camera", "two_port_mac_relay",
)  # fmt: skip
_TEXTS = {
    0x01: "device_id", 0x03: "port_id", 0x06: "platform", 0x09: "vtp_domain", 0x14: "system_name",
}  # fmt: skip
_IPV4, _IPV6 = b"\xcc", b"\xaa\xaa\x03\0\0\0\x86\xdd"


@record("cdp")
class Cdp:
    """Information that one port announces about itself and its system; one row per change."""

    version: Word | None = None
    """Version of the protocol, `1` or `2`."""
    ttl: Seconds | None = None
    """Seconds that the information holds; 0 withdraws it."""
    device_id: Host | None = None
    """Name of the system, often with its domain or serial number."""
    port_id: ObjectName | None = None
    """Port that sent the message."""
    platform: Software | None = None
    """Hardware."""
    software_version: Software | None = None
    """Software, as the system describes it."""
    capabilities: list[Word] | None = None
    """`router`, `switch`, `host`, `telephone`, `transparent_bridge` …"""
    addresses: list[Ip] | None = None
    """Addresses of the system."""
    management_addresses: list[Ip] | None = None
    """Addresses at which it is managed."""
    prefixes: list[Ip] | None = None
    """Networks that a stub router reaches (on-demand routing)."""
    native_vlan: U16 | None = None
    """VLAN of untagged frames."""
    voice_vlan: U16 | None = None
    """VLAN that telephones are to use."""
    duplex: Word | None = None
    """`full` or `half`."""
    vtp_domain: ObjectName | None = None
    """VTP management domain."""
    system_name: Host | None = None
    """Name of the system, if it differs from its identifier."""
    location: FreeText | None = None
    """Location of the system."""
    mtu: Bytes32 | None = None
    """Largest packet of the port."""
    power_mw: U32 | None = None
    """Power that the device consumes, in milliwatts."""


def items(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Type and value of each complete item; an item's length includes its own four bytes.

    The length of some devices' port item excludes them. Then the byte after it is not the zero that every type begins
    with.
    """
    at = 4
    for _ in range(_MAX_ITEMS):
        if at + 4 > len(data):
            return
        kind, size = int.from_bytes(data[at : at + 2], "big"), int.from_bytes(data[at + 2 : at + 4], "big")
        if kind == _PORT and at + size < len(data) and data[at + size]:
            size += 3
        if size < 4 or at + size > len(data):
            return
        yield kind, data[at + 4 : at + size]
        at += size


def addresses(value: bytes) -> list[str]:
    """IP addresses of an address list, up to the first truncated one; other protocols are ignored."""
    ips: list[str] = []
    at = 4
    for _ in range(min(int.from_bytes(value[:4], "big"), _MAX_ADDRESSES)):
        if at + 2 > len(value):
            break
        start = at + 2 + value[at + 1]
        size = int.from_bytes(value[start : start + 2], "big")
        protocol, raw = value[at + 2 : start], value[start + 2 : start + 2 + size]
        at = start + 2 + size
        if at > len(value):
            break
        if (protocol == _IPV4 and size == 4) or (protocol == _IPV6 and size == 16):
            ips.append(str(ip_address(raw)))
    return ips


def parse(data: bytes) -> Cdp:
    """Read a message."""
    row = Cdp(version=str(data[0]), ttl=data[1])
    for kind, value in items(data):
        if kind in _TEXTS:
            setattr(row, _TEXTS[kind], text(value))
        elif kind == 0x02:
            row.addresses = addresses(value)
        elif kind == 0x04 and len(value) >= 4:
            bits = int.from_bytes(value[:4], "big")
            row.capabilities = [name for i, name in enumerate(_CAPABILITIES) if bits >> i & 1]
        elif kind == 0x05:
            row.software_version = text(value, _LONG)
        elif kind == 0x07 and len(value) % 5 == 0:
            nets = range(0, min(len(value), 5 * _MAX_ADDRESSES), 5)
            row.prefixes = [f"{ip_address(value[at : at + 4])}/{value[at + 4]}" for at in nets]
        elif kind == 0x0B and value:
            row.duplex = "full" if value[0] else "half"
        elif kind == 0x16:
            row.management_addresses = addresses(value)
        elif kind == 0x17 and len(value) > 1:
            row.location = text(value[1:])
        else:
            number(row, kind, value)
    return row


def number(row: Cdp, kind: int, value: bytes) -> None:
    """Read a numeric item."""
    if kind == 0x0A and len(value) >= 2:
        row.native_vlan = int.from_bytes(value[:2], "big")
    elif kind == 0x0E and len(value) >= 3:
        row.voice_vlan = int.from_bytes(value[1:3], "big")
    elif kind == 0x10 and len(value) >= 2:
        row.power_mw = int.from_bytes(value[:2], "big")
    elif kind == 0x11 and len(value) >= 4:
        row.mtu = int.from_bytes(value[:4], "big")


class CdpParser(AnnouncementParser):
    """Messages of one sending port."""

    __slots__ = ()

    def announcement(self, data: bytes) -> None:
        """Read one message; truncated items are ignored."""
        if len(data) < 8:
            raise DissectError("truncated CDP message")
        row = parse(data)
        if self.is_new((row.device_id, row.port_id), data):
            self.store_row(row)
            for address in (*(row.addresses or ()), *(row.management_addresses or ())) if row.device_id else ():
                self.learn_name(address, row.device_id or "", "cdp", row.ttl)


def _probe_cdp(data: bytes, talk: Conversation, from_src: bool) -> int:
    """Recognise a version, and a first item with a low type number and a valid length."""
    if len(data) < 8 or data[0] not in {1, 2} or data[4]:
        return NO
    return YES if 4 <= int.from_bytes(data[6:8], "big") <= 1500 else NO


CDP = Dissector("cdp", "Cisco Discovery Protocol (RFC 1042 framing)", ("cdp",), (), (Cdp,), _probe_cdp, CdpParser)
