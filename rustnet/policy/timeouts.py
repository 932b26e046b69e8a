"""Idle timeouts: after how much silence, in packet time, the next packet between the same ends begins a new flow.

The engine is handed an `IdleTimeouts`; a dissector that recognises its protocol may replace a flow's timeout
(`rustnet.dissect.framework.conversation.Conversation.set_idle_timeout`).
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

DNS = 30
QUIC_OPENING = 60
"""QUIC_INITIAL and QUIC_HANDSHAKE."""
QUIC_CONNECTED = 180
"""Where the client's ``max_idle_timeout`` is not known."""
QUIC_CLOSED = 15
"""QUIC_DRAINING and QUIC_CLOSED."""
QUIC_STATES = MappingProxyType(
    {
        "QUIC_INITIAL": QUIC_OPENING,
        "QUIC_HANDSHAKE": QUIC_OPENING,
        "QUIC_CONNECTED": QUIC_CONNECTED,
        "QUIC_DRAINING": QUIC_CLOSED,
        "QUIC_CLOSED": QUIC_CLOSED,
    }
)
"""By QUIC state. Once connected, the client's ``max_idle_timeout`` replaces it, plus `QUIC_CLOSED`: an endpoint may
send its CONNECTION_CLOSE just when the connection has been idle for so long."""
SSH = 1_800
HTTP = 600


class IdleTimeouts(NamedTuple):
    """Whole seconds, by protocol and TCP state. Of two ports that are listed, the longer timeout applies."""

    tcp: int = 300
    """Established connections, and those whose state is not known."""
    tcp_opening: int = 60
    """SYN_SENT and SYN_RECV."""
    tcp_closing: int = 60
    """From the first FIN on: FIN_WAIT1, FIN_WAIT2, CLOSE_WAIT, CLOSING, LAST_ACK."""
    tcp_time_wait: int = 30
    tcp_closed: int = 15
    udp: int = 60
    icmp: int = 60
    """ICMP and ICMPv6."""
    arp: int = 60
    other: int = 300
    """All other protocols."""
    tcp_ports: Mapping[int, int] = MappingProxyType(
        {22: SSH, 2222: SSH, 80: HTTP, 443: HTTP, 8080: HTTP, 8443: HTTP},
    )
    """Established connections, by the port of either end."""
    udp_ports: Mapping[int, int] = MappingProxyType({53: DNS, 5353: DNS, 5355: DNS, 443: QUIC_CONNECTED})
    """By the port of either end."""


IDLE_TIMEOUTS = IdleTimeouts()
