"""The table of what hosts disclose about themselves and each other."""

from typing import Annotated

from rustnet.records import I32, I64, Ip, Kind, Mac, Mixed, Ts, Word, record

Count = Annotated[I64, Kind.COUNT]


@record("host_facts")
class HostFact:
    """One statement about a host, by one source: what protocols disclose of addresses and hardware addresses.

    The pass `hosts` derives the rows from the protocols' tables; docs/hosts.md lists facts and sources. Rows without
    an address are about all addresses of the hardware address.
    """

    capture_id: I32
    """Capture it was seen in."""
    ip: Ip | None
    """Address that it is about; NULL if only the hardware address is known."""
    mac: Mac | None
    """Hardware address that it is about; NULL if only the address is known."""
    fact: Word
    """`mac`, `hostname`, `domain`, `vendor`, `operating_system`, `role` …: what is stated."""
    value: Mixed
    """What is stated of it, as the source has it."""
    source: Word
    """Protocol or table that states it: `arp`, `ndp`, `dhcp`, `mdns`, `lldp`, `ieee` …"""
    first_seen: Ts
    """Time of the first message that states it."""
    last_seen: Ts
    """Time of the last such message that has a row; repetitions without rows count if the flow has only one row."""
    count: Count
    """Rows that state it; of `traffic` and `ieee`, flows."""
    flow_id: I64 | None
    """Flow of the first message."""
    packet: I64 | None
    """Number of the packet of the first message."""
