"""Tables of live captures: what the machine was that packets were captured on.

Routes, neighbours and sockets are stored as changes, which are only added: no row waits for the end of what it
describes, and a killed run leaves all that was known. The views `routes`, `neighbours` and `sockets` put them together.
"""

from typing import Annotated

from rustnet.records import (
    I32,
    I64,
    U32,
    U64,
    Bytes32,
    Bytes64,
    CommandLine,
    Count16,
    Count32,
    FilePath,
    FreeText,
    Host,
    Identifier,
    Ip,
    IpNumber,
    Kind,
    Mac,
    ObjectName,
    Place,
    Port,
    Software,
    Term,
    Ts,
    User,
    Word,
    record,
)

Bytes = Annotated[I64, Kind.BYTES]
Count = Annotated[I64, Kind.COUNT]
TotalBytes = Annotated[U64, Kind.BYTES]
Total = Annotated[U64, Kind.COUNT]
Id64 = Annotated[I64, Kind.IDENTIFIER]


@record("machine")
class MachineRow:
    """The machine that a live capture was taken on: a row at its beginning, and one for each change."""

    capture_id: I32
    """Capture that was taken on it."""
    ts: Ts
    """When it was so (the machine's clock)."""
    hostname: Host | None = None
    """Its name."""
    system: Software | None = None
    """Name of its system: `Linux` …"""
    kernel: Software | None = None
    """Release of its kernel."""
    os: Software | None = None
    """Name and version of its operating system or distribution."""
    architecture: Software | None = None
    """Architecture of its processors."""
    boot_id: Identifier | None = None
    """Random id of the boot."""
    machine_id: Identifier | None = None
    """Hash of the installation's id: equal values mean the same installation."""
    clock_source: Term | None = None
    """What the kernel's clock counts: `tsc`, `hpet`, `kvm-clock` …"""
    timezone: Place | None = None
    """Its time zone, by name."""
    cpus: Count16 | None = None
    """Number of processors."""
    memory_bytes: Bytes64 | None = None
    """Main memory."""
    network_namespace: Id64 | None = None
    """Number of the network namespace that was captured in."""
    dns_servers: list[Ip] | None = None
    """DNS servers that programs on it were set to ask."""
    dns_upstreams: list[Ip] | None = None
    """DNS servers that a resolver on the machine asked for them; empty if programs asked the servers themselves."""
    dns_search: list[Host] | None = None
    """Domains that were appended to names."""


@record("machine_interfaces")
class MachineInterface:
    """Network interfaces of the machine: a row for each at the beginning, and one for each change."""

    capture_id: I32
    """Capture that was taken on the machine."""
    ts: Ts
    """When it was so (the machine's clock)."""
    change: Word
    """`present` (at the beginning), `added`, `changed` or `removed`; the other columns are those after the change, of a
    removed one the last."""
    ifindex: U32
    """Number that the system gave it."""
    name: ObjectName
    """Its name."""
    kind: Word | None = None
    """What it is: `ethernet`, `wlan`, `loopback`, `veth`, `bridge`, `vlan`, `tun`, `wireguard` …"""
    mac: Mac | None = None
    """Its hardware address."""
    mtu: Bytes32 | None = None
    """Largest packet in bytes, without the frame's header."""
    ip_addresses: list[Ip] | None = None
    """Its addresses, with prefix lengths where these are known."""
    up: bool = False
    """It was switched on; whether it had a connection is in `state`."""
    state: Word | None = None
    """Operational state (RFC 2863): `up`, `down`, `lower-layer-down`, `dormant` …; `unknown` if a driver has none."""
    master: ObjectName | None = None
    """Bridge, bond or routing domain that it belonged to."""
    parent: ObjectName | None = None
    """Interface that it was on top of (VLAN, MACVLAN)."""
    network_namespace: Id64 | None = None
    """Number of its network namespace."""


@record("interface_stats")
class InterfaceStats:
    """Counters of the captured interfaces, each second, as the system keeps them: not of what was captured."""

    capture_id: I32
    """Capture that was taken on them."""
    ts: Ts
    """When they were read (the machine's clock)."""
    interface_name: ObjectName
    """Interface: `interfaces.name`."""
    span_ms: float | None
    """Time since they were read before; NULL in the first row, and after the interface was removed and added: then
    there is no growth either."""
    rx_packets: Count | None
    """Packets received since then."""
    rx_bytes: Bytes | None
    """Their bytes."""
    rx_errors: Count | None
    """Bad packets received since then."""
    rx_drops: Count | None
    """Received packets that were dropped since then, by the system or for want of room by the card."""
    tx_packets: Count | None
    """Packets sent since then."""
    tx_bytes: Bytes | None
    """Their bytes."""
    tx_errors: Count | None
    """Packets since then that could not be sent."""
    tx_drops: Count | None
    """Packets since then that were dropped instead of sent."""
    total_rx_packets: Total
    """The counter itself: packets received since the interface was made."""
    total_rx_bytes: TotalBytes
    """Their bytes."""
    total_rx_errors: Total
    """Bad packets received."""
    total_rx_drops: Total
    """Received packets that were dropped."""
    total_tx_packets: Total
    """Packets sent."""
    total_tx_bytes: TotalBytes
    """Their bytes."""
    total_tx_errors: Total
    """Packets that could not be sent."""
    total_tx_drops: Total
    """Packets that were dropped instead of sent."""


@record("route_changes")
class RouteChange:
    """Routes of the machine, as changes; the view `routes` puts those of one route together.

    Those that the system derives from its own addresses (local, broadcast, multicast) are left out. A route with
    several next hops is several routes.
    """

    capture_id: I32
    """Capture that was taken on the machine."""
    ts: Ts
    """When it was seen (the machine's clock): at once, or within a second for what the system gives no notice of."""
    change: Word
    """`present` (at the beginning), `added` or `removed`."""
    route: Id64
    """Number of the route within the capture."""
    routing_table: Term
    """Table that it was in: `main`, `default`, `local` or a number."""
    destination: Ip
    """Network that it leads to."""
    gateway: Ip | None = None
    """Next hop; NULL if the network was on the link."""
    interface_name: ObjectName | None = None
    """Interface that it leads out of."""
    metric: U32 = 0
    """Of several routes to a network, the one with the least metric is used."""
    type: Word = ""
    """`unicast`, or what is done instead of sending: `blackhole`, `unreachable`, `prohibit`, `local` …"""
    protocol: Word = ""
    """Who made it: `kernel`, `boot` (by hand, or by a program that did not say), `static`, `dhcp`, `ra`, `bird` …"""
    preferred_source: Ip | None = None
    """Own address that packets on it have, if their program chose none."""
    from_network: Ip | None = None
    """Network of the senders that it holds for; NULL if for all."""
    tos: Annotated[I32, Kind.NUMBER] = 0
    """Type of service that it holds for; 0 if for all."""
    weight: Annotated[I32, Kind.NUMBER] = 1
    """Share of the traffic among several next hops."""


@record("neighbour_changes")
class NeighbourChange:
    """Hardware addresses that the machine knew of its neighbours, as changes; the view `neighbours` has spans of them.

    That an entry was confirmed, or is not fresh any more, is no change.
    """

    capture_id: I32
    """Capture that was taken on the machine."""
    ts: Ts
    """When it was seen (the machine's clock)."""
    change: Word
    """`present` (at the beginning), `added`, `changed` or `removed`."""
    ip: Ip
    """Address of the neighbour."""
    mac: Mac | None = None
    """Its hardware address; NULL if it did not answer any more."""
    interface_name: ObjectName | None = None
    """Interface that it was on."""
    ifindex: U32 = 0
    """Number of that interface."""
    state: Word = ""
    """`resolved`, `permanent` (set by hand or by a program) or `failed` (it did not answer)."""
    router: bool = False
    """It stated to be a router (IPv6)."""


@record("socket_changes")
class SocketChange:
    """Sockets of the machine, as changes between looks every 5 seconds; the view `sockets` puts those of one together.

    What was opened and closed between two looks has no row here; flows have their owners all the same.
    """

    capture_id: I32
    """Capture that was taken on the machine."""
    ts: Ts
    """When it was seen (the machine's clock)."""
    looked_before: Ts | None
    """When the sockets were looked at before: the change was after that."""
    change: Word
    """`present` (at the beginning), `opened`, `changed` (state or holders) or `closed`; the other columns are those
    after the change, of a closed one the last."""
    socket: Id64
    """Number of the socket within the capture."""
    protocol: Word
    """`tcp`, `udp`, `icmp` or `raw`."""
    local_addr: Ip | None
    """Own address; `0.0.0.0` or `::` for all of the machine's."""
    local_num: IpNumber | None
    """`local_addr` as a number, IPv4 as IPv4-mapped IPv6; NULL for `::`."""
    local_port: Port | None
    """Own port; NULL for protocols without ports."""
    remote_addr: Ip | None
    """Address of the other end; NULL if it had none."""
    remote_num: IpNumber | None
    """`remote_addr` as a number."""
    remote_port: Port | None
    """Port of the other end."""
    listening: bool = False
    """It waited for connections (TCP)."""
    state: Word | None = None
    """State of the connection, as in `flows`."""
    ipv6_only: bool | None = None
    """Bound to all addresses (`::`), it took no IPv4; NULL for others."""
    uid: Id64 | None = None
    """User who opened it."""
    inode: Id64 | None = None
    """Its inode, by which processes refer to it."""
    pid: I64 | None = None
    """Process that held it, of several the first; NULL if none was known."""
    process_name: Software | None = None
    """Short name of that process."""
    process_started_at: Ts | None = None
    """When that process started, which distinguishes processes that had the same pid."""
    exe: FilePath | None = None
    """Executable of that process."""
    cmdline: CommandLine | None = None
    """Command line of that process."""
    username: User | None = None
    """User of that process."""
    holders: list[Software] | None = None
    """All processes that held it, as `name(pid)`; the first 16."""
    holder_count: Count32 | None = None
    """How many these were."""
    network_namespace: Id64 | None = None
    """Number of the network namespace that it was in; NULL for the one that was captured in."""


@record("attribution")
class AttributionRow:
    """How owners of flows were learned during a live capture: a row at the beginning, every minute, and for each event.

    Numbers grow from the beginning of the recording of processes.
    """

    capture_id: I32
    """Capture whose flows it is about."""
    ts: Ts
    """When it was so (the machine's clock)."""
    event: Word
    """`start`, `progress`, `gap` (something was missed, see `missed`), `end`, or `ended_early`: the process that reads
    sockets and processes ended before the capture."""
    method: Word | None = None
    """Best method in force: `ebpf` (the kernel names the process), `sock_diag` (it lists sockets, and /proc their
    holders), `proc` or `psutil` (sockets are polled); NULL: owners were not learned any more."""
    methods: list[Term] | None = None
    """All that was in force: also `packets` (sockets are looked up as their first packets pass), `destroy-notices`
    (the kernel reports sockets that end) and `realtime` (scheduled before other programs)."""
    missing_method: Word | None = None
    """A better method that was not in force; NULL if there was none."""
    missing_reason: Word | None = None
    """Why it was not, by name."""
    missing_detail: FreeText | None = None
    """What this reason means, and what would allow the method."""
    sockets: Count | None = None
    """Sockets that were seen."""
    unowned: Count | None = None
    """Of them, those that ended without a known owner."""
    closed_unseen: Count | None = None
    """Sockets that were known only when they had ended."""
    too_busy: Count | None = None
    """Sockets that were not looked up, because that would have taken too much of a processor."""
    events_lost: Count | None = None
    """Reports of the kernel on sockets for which it had no room (eBPF)."""
    notices_lost: Count | None = None
    """Times at which the kernel had no room for its notices of ended sockets."""
    packets_lost: Count | None = None
    """Packets that open connections for which the kernel had no room."""
    unreadable_processes: Count | None = None
    """Processes whose sockets could not be read."""
    late_polls: Count | None = None
    """Looks at all sockets that came late."""
    longest_gap_ms: float | None = None
    """Longest time between two looks at all sockets."""
    clock_steps: Count | None = None
    """Times at which the clock was set."""
    missed: list[FreeText] | None = None
    """What may have been missed, in sentences."""


@record("coverage")
class CoverageRow:
    """How much of a live capture had an owner, every 10 seconds. Flows that no process can own are left out."""

    capture_id: I32
    """Capture it is about."""
    ts: Ts
    """When it was so (the machine's clock)."""
    flows: Count
    """Flows since the beginning."""
    flows_owned: Count
    """Of them, those with an owner."""
    bytes: Bytes
    """Bytes of these flows."""
    bytes_owned: Bytes
    """Of them, those of flows with an owner."""
    minute_flows: Count
    """Flows with a packet in the last minute."""
    minute_flows_owned: Count
    """Of them, those with an owner."""
    minute_bytes: Bytes
    """Bytes of these flows, since each began."""
    minute_bytes_owned: Bytes
    """Of them, those of flows with an owner."""


LIVE_TABLES: tuple[type, ...] = (
    AttributionRow,
    CoverageRow,
    MachineRow,
    MachineInterface,
    InterfaceStats,
    RouteChange,
    NeighbourChange,
    SocketChange,
)
