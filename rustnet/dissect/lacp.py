"""LACP, the Link Aggregation Control Protocol (IEEE 802.1AX, formerly 802.3ad), in slow-protocol frames of subtype 1.

One row per change of a port's message.
"""

import struct

from rustnet.dissect.framework.conversation import NO, YES, Conversation, DissectError, Dissector
from rustnet.dissect.framework.reading import mac
from rustnet.dissect.framework.repeated import RepeatParser
from rustnet.records import U16, Mac, Word, record

_SUBTYPE = 1
_END = struct.Struct(">BBH6sHHHB3x")
"""Type, length, then an end's system priority, system, key, port priority, port and state."""
_COLLECTOR = struct.Struct(">BBH")
_STATES = (
    "activity", "timeout", "aggregation", "synchronization", "collecting", "distributing", "defaulted", "expired",
)  # fmt: skip


@record("lacp")
class Lacp:
    """One LACP message that differs from the previous one of its port."""

    version: Word | None = None
    """Version of the protocol, `1` or `2`."""
    actor_system: Mac | None = None
    """Hardware address that names the sending system."""
    actor_system_priority: U16 | None = None
    """Its priority; the smaller, the more it decides."""
    actor_key: U16 | None = None
    """Ports of one system with equal keys can be aggregated."""
    actor_port: U16 | None = None
    """Number of the sending port."""
    actor_port_priority: U16 | None = None
    """Its priority."""
    actor_state: list[Word] | None = None
    """`activity`, `timeout` (short), `aggregation`, `synchronization`, `collecting`, `distributing`, `defaulted`,
    `expired`: those that are set."""
    partner_system: Mac | None = None
    """The other end as the sender knows it: its system."""
    partner_system_priority: U16 | None = None
    """The other end's priority."""
    partner_key: U16 | None = None
    """The other end's key."""
    partner_port: U16 | None = None
    """The other end's port."""
    partner_port_priority: U16 | None = None
    """The other port's priority."""
    partner_state: list[Word] | None = None
    """The other end's state, as `actor_state`."""
    collector_max_delay: U16 | None = None
    """Longest delay of a frame at the receiver, in tens of microseconds."""


def states(bits: int) -> list[str]:
    """Names of the state bits that are set."""
    return [name for i, name in enumerate(_STATES) if bits >> i & 1]


class LacpParser(RepeatParser):
    """Messages of one sending port."""

    __slots__ = ()

    def datagram(self, data: bytes, from_src: bool) -> None:
        """Read one message."""
        if len(data) < 42:
            raise DissectError("truncated LACP message")
        _, length, priority, system, key, port_priority, port, state = _END.unpack_from(data, 2)
        if not self.is_new((system, port), data[:58]):
            return
        row = Lacp(
            version=str(data[1]),
            actor_system=mac(system),
            actor_system_priority=priority,
            actor_key=key,
            actor_port=port,
            actor_port_priority=port_priority,
            actor_state=states(state),
        )
        kind, length, priority, system, key, port_priority, port, state = _END.unpack_from(data, 22)
        if kind == 2 and length == 20:
            row.partner_system = mac(system)
            row.partner_system_priority = priority
            row.partner_key = key
            row.partner_port = port
            row.partner_port_priority = port_priority
            row.partner_state = states(state)
        if len(data) >= 46 and data[42] == 3:
            row.collector_max_delay = _COLLECTOR.unpack_from(data, 42)[2]
        self.store_row(row)


def _probe_lacp(data: bytes, talk: Conversation, from_src: bool) -> int:
    """Recognise the subtype, a version, and the actor information with its length."""
    return YES if len(data) >= 42 and data[0] == _SUBTYPE and data[1] and data[2:4] == b"\1\x14" else NO


LACP = Dissector(
    "lacp", "Link Aggregation Control Protocol (IEEE 802.1AX)", ("lacp",), (), (Lacp,), _probe_lacp, LacpParser
)
