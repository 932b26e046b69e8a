"""Spanning tree: STP (IEEE 802.1D), RSTP (802.1w), MSTP (802.1s, now 802.1Q), and Cisco's PVST+ over SNAP (RFC 1042).

One row per topology change notification, and one per change of a port's other messages.
"""

import struct

from rustnet.dissect.framework.conversation import NO, YES, Conversation, DissectError, Dissector
from rustnet.dissect.framework.reading import mac, text
from rustnet.dissect.framework.repeated import RepeatParser
from rustnet.records import U8, U16, U32, Count8, Digest, Mac, ObjectName, Word, record

_CONFIGURATION, _RAPID, _CHANGE = 0x00, 0x02, 0x80
_BODY = struct.Struct(">BH6sIH6sHHHHH")
"""Flags, root, cost, bridge, port, message age, maximum age, hello time, forward delay, after the first 4 bytes."""
_REGION = struct.Struct(">B32sH16sIH6sB")
"""Format, name, revision, digest, internal cost, bridge and hops of an MST region."""
_VERSIONS = {0: "stp", 2: "rstp", 3: "mstp", 4: "spt"}
_ROLES = (None, "alternate_or_backup", "root", "designated")
_REGION_AT, _VLAN_AT = 38, 36
_INSTANCE = 16


@record("stp")
class Stp:
    """One spanning tree message (BPDU): a notification, or one that differs from the previous one of its port."""

    protocol: Word | None = None
    """`stp`, `rstp`, `mstp`, `spt`; `pvst+` or `rpvst+` if Cisco's VLAN is added."""
    message: Word | None = None
    """`configuration`, or `topology_change_notification`, which has no further fields."""
    root_mac: Mac | None = None
    """Root bridge's address."""
    root_priority: U16 | None = None
    """Root bridge's priority, without its extension."""
    root_extension: U16 | None = None
    """Extension of the root's identifier: the VLAN or instance."""
    root_cost: U32 | None = None
    """Cost of the path to the root."""
    bridge_mac: Mac | None = None
    """Sending bridge's address; of MSTP, the regional root's."""
    bridge_priority: U16 | None = None
    """Its priority, without its extension."""
    bridge_extension: U16 | None = None
    """Extension of its identifier: the VLAN or instance."""
    stp_port: U16 | None = None
    """Identifier of the sending port, its priority included."""
    flags: U16 | None = None
    """Flags byte."""
    topology_change: bool | None = None
    """The topology is changing."""
    topology_change_ack: bool | None = None
    """A topology change is acknowledged."""
    port_role: Word | None = None
    """`root`, `designated` or `alternate_or_backup`; NULL if unknown, and in STP."""
    proposal: bool | None = None
    """The port proposes to be designated (RSTP)."""
    agreement: bool | None = None
    """The port agrees (RSTP)."""
    learning: bool | None = None
    """The port learns addresses (RSTP)."""
    forwarding: bool | None = None
    """The port forwards frames (RSTP)."""
    message_age_s: float | None = None
    """Age of the root's information."""
    max_age_s: float | None = None
    """Age at which it is dropped."""
    hello_time_s: float | None = None
    """Time between messages."""
    forward_delay_s: float | None = None
    """Time in each of the listening and learning states."""
    pvst_vlan: U16 | None = None
    """VLAN that the tree is for (PVST+)."""
    mst_region: ObjectName | None = None
    """Name of the MST region."""
    mst_revision: U16 | None = None
    """Its revision."""
    mst_digest: Digest | None = None
    """Digest of its mapping from VLANs to instances."""
    mst_internal_cost: U32 | None = None
    """Cost of the path to the regional root."""
    mst_bridge_mac: Mac | None = None
    """Sending bridge's address (MSTP)."""
    mst_bridge_priority: U16 | None = None
    """Its priority, without its extension."""
    mst_hops: U8 | None = None
    """Hops that remain."""
    mst_instances: Count8 | None = None
    """Instances besides the common tree."""


def _body(row: Stp, data: bytes) -> None:
    """Fields of a configuration message."""
    flags, root, root_mac, cost, bridge, bridge_mac, port, age, most, hello, delay = _BODY.unpack_from(data, 4)
    row.flags = flags
    row.root_priority, row.root_extension, row.root_mac = root & 0xF000, root & 0x0FFF, mac(root_mac)
    row.root_cost = cost
    row.bridge_priority, row.bridge_extension, row.bridge_mac = bridge & 0xF000, bridge & 0x0FFF, mac(bridge_mac)
    row.stp_port = port
    row.topology_change, row.topology_change_ack = flags & 1 != 0, flags & 0x80 != 0
    row.message_age_s, row.max_age_s, row.hello_time_s, row.forward_delay_s = (
        age / 256, most / 256, hello / 256, delay / 256,
    )  # fmt: skip
    if data[3] == _RAPID:
        row.port_role = _ROLES[flags >> 2 & 3]
        row.proposal, row.learning = flags & 0x02 != 0, flags & 0x10 != 0
        row.forwarding, row.agreement = flags & 0x20 != 0, flags & 0x40 != 0


def _region(row: Stp, data: bytes) -> None:
    """Fields that MSTP adds."""
    end = min(len(data), _REGION_AT + int.from_bytes(data[36:38], "big"))
    if end < _REGION_AT + _REGION.size:
        return
    _, name, revision, digest, cost, bridge, bridge_mac, hops = _REGION.unpack_from(data, _REGION_AT)
    row.mst_region, row.mst_revision, row.mst_digest = text(name), revision, digest.hex()
    row.mst_internal_cost = cost
    row.mst_bridge_priority, row.mst_bridge_mac = bridge & 0xF000, mac(bridge_mac)
    row.mst_hops = hops
    row.mst_instances = min(255, (end - _REGION_AT - _REGION.size) // _INSTANCE)


class StpParser(RepeatParser):
    """Messages of one sending port."""

    __slots__ = ()

    def datagram(self, data: bytes, from_src: bool) -> None:
        """Read one message."""
        if len(data) < 4 or data[:2] != b"\0\0":
            raise DissectError("expected protocol identifier 0 in a BPDU")
        version, kind = data[2], data[3]
        protocol = _VERSIONS.get(version) or f"version{version}"
        if kind == _CHANGE:
            self.store_row(Stp(protocol=protocol, message="topology_change_notification"))
            return
        if kind not in {_CONFIGURATION, _RAPID} or len(data) < 4 + _BODY.size:
            raise DissectError("expected a complete configuration BPDU")
        vlan = None
        if version < 3 and data[_VLAN_AT : _VLAN_AT + 4] == b"\0\0\0\2" and len(data) >= _VLAN_AT + 6:
            vlan = data[_VLAN_AT + 4] << 8 | data[_VLAN_AT + 5]
            protocol = "rpvst+" if version == 2 else "pvst+"
        if not self.is_new((data[17:27], vlan), data):
            return
        row = Stp(protocol=protocol, message="configuration", pvst_vlan=vlan)
        _body(row, data)
        if version >= 3:
            _region(row, data)
        self.store_row(row)


def _probe_stp(data: bytes, talk: Conversation, from_src: bool) -> int:
    """Recognise the protocol identifier, a known version and type, and a valid maximum age."""
    if len(data) < 4 or data[:2] != b"\0\0" or data[2] not in _VERSIONS:
        return NO
    if data[3] == _CHANGE:
        return YES
    fits = data[3] in {_CONFIGURATION, _RAPID} and len(data) >= 4 + _BODY.size
    return YES if fits and data[29:31] != b"\0\0" else NO


STP = Dissector(
    "stp", "Spanning Tree Protocols: STP, RSTP, MSTP, PVST+ (IEEE 802.1D, 802.1Q)", ("stp",), (), (Stp,), _probe_stp,
    StpParser,
)  # fmt: skip
