"""LLDP, the Link Layer Discovery Protocol (IEEE 802.1AB), with the 802.1, 802.3 and MED (ANSI/TIA-1057) extensions.

One row per change of the information that a port announces.
"""

import contextlib
from collections.abc import Iterator
from ipaddress import ip_address

from rustnet.dissect.framework.conversation import NO, YES, Conversation, DissectError, Dissector
from rustnet.dissect.framework.reading import MAX_TEXT, mac, text
from rustnet.dissect.framework.repeated import AnnouncementParser
from rustnet.records import U16, Bytes16, FreeText, Host, Identifier, Mixed, ObjectName, Seconds, Software, Word, record

_MAX_ITEMS = 256
_MAX_LISTED = 64
_CHASSIS_KINDS = {
    1: "component", 2: "interface_alias", 3: "port_component", 4: "mac", 5: "network", 6: "interface_name", 7: "local",
}  # fmt: skip
_PORT_KINDS = {
    1: "interface_alias", 2: "component", 3: "mac", 4: "network", 5: "interface_name", 6: "circuit", 7: "local",
}  # fmt: skip
_CAPABILITIES = (
    "other", "repeater", "bridge", "wlan_access_point", "router", "telephone", "docsis_cable_device", "station",
    "c_vlan", "s_vlan", "two_port_mac_relay",
)  # fmt: skip
_TEXTS = {4: "port_description", 5: "system_name", 6: "system_description"}
_DOT1, _DOT3, _MED = b"\x00\x80\xc2", b"\x00\x12\x0f", b"\x00\x12\xbb"
_MED_TEXTS = {
    5: "hardware_revision", 6: "firmware_revision", 7: "software_revision", 8: "serial_number", 9: "manufacturer",
    10: "model", 11: "asset",
}  # fmt: skip
_MED_CLASSES = {1: "endpoint_1", 2: "endpoint_2", 3: "endpoint_3", 4: "network"}
_VOICE = (1, 2)


@record("lldp")
class Lldp:
    """Information that one port announces about itself and its system; one row per change."""

    chassis_id: Mixed | None = None
    """Identifier of the system's chassis."""
    chassis_id_kind: Word | None = None
    """Kind of the identifier: `mac`, `network`, `interface_name`, `component`, `local` …"""
    port_id: Mixed | None = None
    """Identifier of the port."""
    port_id_kind: Word | None = None
    """Kind of the identifier: `mac`, `interface_name`, `interface_alias`, `network`, `local` …"""
    ttl: Seconds | None = None
    """Seconds that the information holds; 0 withdraws it."""
    system_name: Host | None = None
    """Name of the system."""
    system_description: Software | None = None
    """Description of the system: hardware, operating system."""
    port_description: FreeText | None = None
    """Description of the port."""
    capabilities: list[Word] | None = None
    """Capabilities of the system: `bridge`, `router`, `telephone`, `wlan_access_point`, `station` …"""
    enabled_capabilities: list[Word] | None = None
    """Those of them that are enabled."""
    management_addresses: list[Mixed] | None = None
    """Addresses at which it is managed."""
    port_vlan: U16 | None = None
    """VLAN of untagged frames; 0 means none."""
    vlans: list[ObjectName] | None = None
    """VLANs of the port, each as its number and name."""
    voice_vlan: U16 | None = None
    """VLAN that telephones are to use."""
    max_frame: Bytes16 | None = None
    """Largest frame that the port takes."""
    device_class: Word | None = None
    """Class of the device (MED): `endpoint_1` to `endpoint_3` (telephones), `network`."""
    manufacturer: Software | None = None
    """Maker of the device (MED)."""
    model: Software | None = None
    """Model of the device (MED)."""
    serial_number: Identifier | None = None
    """Serial number of the device (MED)."""
    hardware_revision: Software | None = None
    """Version of the hardware (MED)."""
    firmware_revision: Software | None = None
    """Version of the firmware (MED)."""
    software_revision: Software | None = None
    """Version of the software (MED)."""
    asset: Identifier | None = None
    """Identifier in its owner's inventory (MED)."""


def items(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Type and value of each item that the message has whole, up to its end marker."""
    at = 0
    for _ in range(_MAX_ITEMS):
        if at + 2 > len(data):
            return
        head = int.from_bytes(data[at : at + 2], "big")
        kind, size = head >> 9, head & 0x1FF
        at += 2
        if kind == 0 or at + size > len(data):
            return
        yield kind, data[at : at + size]
        at += size


def network(raw: bytes) -> str:
    """Text of an address with its family in front; one of an unknown family in hexadecimal."""
    if (raw[:1] == b"\1" and len(raw) == 5) or (raw[:1] == b"\2" and len(raw) == 17):
        return str(ip_address(raw[1:]))
    return raw[1:].hex(":")


def identifier(value: bytes, kinds: dict[int, str]) -> tuple[str | None, str | None]:
    """An identifier and its kind; hexadecimal if it is not text."""
    raw = value[1:]
    if not raw:
        return None, None
    kind = kinds.get(value[0]) or f"kind{value[0]}"
    if kind == "mac":
        return mac(raw), kind
    if kind == "network":
        return network(raw), kind
    plain = raw.rstrip(b"\0")
    try:
        shown = plain.decode("utf-8")
    except UnicodeDecodeError:
        return raw.hex(":"), kind
    return (shown[:MAX_TEXT] if shown.isprintable() and shown else raw.hex(":")), kind


def names(bits: int) -> list[str]:
    """Capabilities by their bits."""
    return [name for i, name in enumerate(_CAPABILITIES) if bits >> i & 1]


def organisation(row: Lldp, value: bytes) -> None:
    """Read an item that an organisation defined."""
    owner, kind, body = value[:3], value[3], value[4:]
    if owner == _DOT1 and kind == 1 and len(body) >= 2:
        row.port_vlan = int.from_bytes(body[:2], "big")
    elif owner == _DOT1 and kind == 3 and len(body) >= 3:
        row.vlans = row.vlans or []
        if len(row.vlans) < _MAX_LISTED:
            row.vlans.append(f"{int.from_bytes(body[:2], 'big')} {text(body[3 : 3 + body[2]])}".rstrip())
    elif owner == _DOT3 and kind == 4 and len(body) >= 2:
        row.max_frame = int.from_bytes(body[:2], "big")
    elif owner == _MED:
        media(row, kind, body)


def media(row: Lldp, kind: int, body: bytes) -> None:
    """Read an item of LLDP-MED."""
    if kind == 1 and len(body) >= 3:
        row.device_class = _MED_CLASSES.get(body[2])
    elif kind == 2 and len(body) >= 4 and body[0] in _VOICE:
        row.voice_vlan = int.from_bytes(body[1:3], "big") >> 1 & 0xFFF
    elif kind in _MED_TEXTS:
        setattr(row, _MED_TEXTS[kind], text(body))


def management(row: Lldp, value: bytes) -> None:
    """Read a management address: its length, which counts the family, and the address."""
    shown = network(value[1 : 1 + value[0]]) if value else ""
    row.management_addresses = row.management_addresses or []
    if shown and shown not in row.management_addresses and len(row.management_addresses) < _MAX_LISTED:
        row.management_addresses.append(shown)


def parse(data: bytes) -> Lldp:
    """Read a message; if an item that must be unique is repeated, the first counts."""
    row = Lldp()
    for kind, value in items(data):
        if kind == 1 and row.chassis_id is None:
            row.chassis_id, row.chassis_id_kind = identifier(value, _CHASSIS_KINDS)
        elif kind == 2 and row.port_id is None:
            row.port_id, row.port_id_kind = identifier(value, _PORT_KINDS)
        elif kind == 3 and len(value) >= 2:
            row.ttl = int.from_bytes(value[:2], "big")
        elif kind in _TEXTS:
            if getattr(row, _TEXTS[kind]) is None:
                setattr(row, _TEXTS[kind], text(value))
        elif kind == 7 and len(value) >= 4:
            row.capabilities = names(int.from_bytes(value[:2], "big"))
            row.enabled_capabilities = names(int.from_bytes(value[2:4], "big"))
        elif kind == 8:
            management(row, value)
        elif kind == 127 and len(value) >= 4:
            organisation(row, value)
    return row


class LldpParser(AnnouncementParser):
    """Messages of one sending port."""

    __slots__ = ()

    def announcement(self, data: bytes) -> None:
        """Read one message; truncated items are ignored."""
        row = parse(data)
        if row.chassis_id is None:
            raise DissectError("expected a chassis identifier")
        if self.is_new((row.chassis_id, row.port_id), data):
            self.store_row(row)
            self._name(row)

    def _name(self, row: Lldp) -> None:
        """Name the system's management IP addresses after it."""
        for address in (row.management_addresses or ()) if row.system_name else ():
            with contextlib.suppress(ValueError):
                self.learn_name(str(ip_address(address)), row.system_name or "", "lldp", row.ttl)


def _probe_lldp(data: bytes, talk: Conversation, from_src: bool) -> int:
    """Recognise a chassis identifier of a known kind as the first item."""
    if len(data) < 4 or data[0] != 0x02 or not 2 <= data[1] <= 255 or not 1 <= data[2] <= 7:
        return NO
    return YES if len(data) >= 2 + data[1] else NO


LLDP = Dissector(
    "lldp", "Link Layer Discovery Protocol (IEEE 802.1AB)", ("lldp",), (), (Lldp,), _probe_lldp, LldpParser
)
