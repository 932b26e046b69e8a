"""The core tables of every session; those of the protocols are in `rustnet.dissect`."""

from typing import Annotated

from rustnet.records import (
    I32,
    I64,
    U8,
    U16,
    U32,
    U64,
    AsName,
    AsNumber,
    Bytes32,
    CommandLine,
    Count32,
    Digest,
    FilePath,
    FreeText,
    Host,
    Identifier,
    Ip,
    IpNumber,
    Kind,
    Mac,
    Mixed,
    ObjectName,
    Place,
    Port,
    Seconds,
    Software,
    Term,
    Ts,
    User,
    Word,
    record,
    table_name,
)
from rustnet.store.alert_tables import Alert, AlertCheck
from rustnet.store.host_facts import HostFact
from rustnet.store.live_tables import LIVE_TABLES

Bytes = Annotated[I64, Kind.BYTES]
Count = Annotated[I64, Kind.COUNT]
Id64 = Annotated[I64, Kind.IDENTIFIER]
PacketNumber = Annotated[I64, Kind.PACKET]


@record("captures")
class Capture:
    """One input: a capture file, a pipe or a live interface."""

    capture_id: I32
    """Number of the capture within the session, from 1."""
    source: FilePath
    r"""Path as given (bytes that are no UTF-8 as `\xNN`), `-` for standard input, or the interface; the first
    one's if there are several files."""
    kind: Word
    """`file`, `stdin`, `fifo` or `live`."""
    format: Word
    """`pcap`, `pcap-ns`, `pcap-modified` or `pcapng`, with `+gzip`, `+zstd`, `+xz` or `+lz4` where compressed."""
    files: I32 = 1
    """Files that it consists of; those of more than one are in `capture_files`. The files that a live capture was
    recorded to are there too, and not counted here."""
    assembly: Word | None = None
    """`joined` if its files continue each other in time, `merged` if their packets were merged by time; NULL for one
    file."""
    sha256: Digest | None = None
    """SHA-256 of the input as stored; NULL if it was not read to its end, changed meanwhile, or consists of several
    files."""
    head_sha256: Digest | None = None
    """SHA-256 of the first 64 KiB of a file, by which it is recognised when it is read again; NULL for pipes."""
    bytes: I64 | None = None
    """Size of the input as stored, all files together."""
    link_types: list[Word] | None = None
    """Link types of its packets, by name."""
    snaplen: Bytes32 | None = None
    """Largest snap length of its interfaces; 0 is unlimited."""
    first_ts: Ts | None = None
    """Earliest packet time."""
    last_ts: Ts | None = None
    """Latest packet time."""
    packets: I64 = 0
    """Packets read."""
    wire_bytes: I64 = 0
    """Their bytes on the wire."""
    captured_bytes: I64 = 0
    """Their bytes in the capture."""
    truncated: Count = 0
    """Packets cut short by the snap length."""
    undecoded: Count = 0
    """Packets that belong to no flow: unknown link type, or headers cut off or malformed."""
    out_of_order: Count = 0
    """Packets whose time is earlier than that of the previous packet."""
    dropped_kernel: Count | None = None
    """Frames that the operating system dropped; NULL if unknown."""
    dropped_interface: Count | None = None
    """Frames that the interface dropped; NULL if unknown."""
    duplicates: Count = 0
    """Packets that are copies of others: counted, not analysed."""
    without_duplicates: bool = False
    """Packets that are copies of others were left out of the counts of flows (`replay --drop-duplicates`)."""
    application: Software | None = None
    """Program that wrote the capture."""
    hardware: Software | None = None
    """Hardware it was taken on, as stated in the file."""
    os: Software | None = None
    """Operating system it was taken on, as stated in the file."""
    comments: list[FreeText] | None = None
    """Comments of sections and interfaces."""
    complete: bool = False
    """The input was read to a clean end and everything of it is stored."""
    finished: bool = False
    """Its last row is stored; false while it is being read, and after a killed run."""
    ingested_at: Ts | None = None
    """When it was ingested (wall clock)."""
    rustnet_version: Word = ""
    """Version that ingested it."""


@record("capture_files")
class CaptureFile:
    """The files of captures that consist of several, as rotated ones and those of a tap do, and of recordings.

    Recordings are what the packets of a live capture were written to.
    """

    capture_id: I32
    """Capture it is a part of."""
    file: U16
    """Index within the capture, from 0."""
    source: FilePath
    r"""Path as given (bytes that are no UTF-8 as `\xNN`), or `-` for standard input."""
    kind: Word
    """`file`, `stdin` or `fifo`; `removed`: of a recording, which keeps its last files only."""
    format: Word
    """As in `captures`."""
    bytes: I64 | None = None
    """Size of the file as stored; NULL while packets are recorded to it."""
    sha256: Digest | None = None
    """SHA-256 of the file as stored; NULL if it was not read to its end, or changed meanwhile, and of recordings."""
    head_sha256: Digest | None = None
    """SHA-256 of its first 64 KiB; NULL for pipes, and while packets are recorded to it."""
    first_packet: PacketNumber | None = None
    """Number of its first packet within the capture; NULL if it has none."""
    packets: I64 = 0
    """Packets read."""
    first_ts: Ts | None = None
    """Earliest packet time."""
    last_ts: Ts | None = None
    """Latest packet time."""
    complete: bool = False
    """The file was read to a clean end; of a recording: it ended in time, not by a full disk."""


@record("packets")
class Packet:
    """Index of every packet, which leads from any row back to the bytes."""

    capture_id: I32
    """Capture it belongs to."""
    number: PacketNumber
    """Number within the capture, from 1, as Wireshark counts; goes on over all files of the capture."""
    ts: Ts
    """Packet time."""
    flow_id: I64 | None
    """Innermost flow; NULL if it could not be decoded."""
    from_src: bool
    """Sent by the flow's `src`."""
    length: Bytes32
    """Bytes on the wire."""
    captured: Bytes32
    """Bytes in the capture."""
    payload: Bytes32
    """Bytes of transport payload, as the headers claim."""
    tcp_flags: U8
    """TCP flags byte (FIN 1, SYN 2, RST 4, PSH 8, ACK 16, URG 32, ECE 64, CWR 128); 0 for others."""
    file_offset: I64
    """Position of the frame's first byte in the uncompressed file; 0 in live captures where it is in no file."""
    interface: U16
    """Index in `interfaces`."""
    file: U16
    """Index of its file in `capture_files`; 0 in captures of one file, and where it is in no file."""
    duplicate: bool = False
    """A copy of an earlier packet that was captured twice: counted, but not analysed; or of one that an earlier capture
    of the same time has."""


@record("interfaces")
class InterfaceRow:
    """Capture interfaces, as their file describes them, or as they were captured live."""

    capture_id: I32
    """Capture it belongs to."""
    interface: U16
    """Index within the capture, from 0, over all sections."""
    name: ObjectName
    """Name, where there is one."""
    description: FreeText
    """Description, where the file gives one."""
    link_type: U16
    """Number in the LINKTYPE registry."""
    snaplen: Bytes32
    """Snap length; 0 is unlimited."""
    packets: I64
    """Packets captured on it; as of its beginning while it is captured live (`capture_stats` has them by second)."""


@record("capture_stats")
class CaptureStat:
    """What a live capture read and lost on one interface within about a second; none of seconds without packets."""

    capture_id: I32
    """Capture it belongs to."""
    at: Ts
    """When it ended: it began with the end of the one before, of this or any interface."""
    interface: U16
    """Interface, by its index within the capture."""
    packets: Count
    """Packets that were read."""
    bytes: Bytes
    """Their size on the wire."""
    dropped: Count
    """Packets that the kernel dropped because they were not read in time."""
    freezes: Count
    """Times at which the kernel's buffer was full."""


@record("flows")
class FlowRow:
    """One conversation: transport, two ends, VLAN and generation. `src` is the initiator."""

    flow_id: I64
    """Number within the session, from 1."""
    capture_id: I32
    """Capture it was seen in."""
    community_id: Digest | None
    """Community ID version 1, seed 0."""
    generation: U32
    """0 for the first conversation between these ends, then counted up."""
    started_at: Ts
    """Time of its first packet."""
    ended_at: Ts
    """Time of its last packet."""
    protocol: Word
    """`tcp`, `udp`, `sctp`, `icmp`, `icmpv6`, `igmp`, `gre`, `esp`, `ah`, `arp`, `lldp`, `cdp`, `lacp`, `stp` …; of IP
    without a name of its own `ip_proto_200`; below IP without a decoder `ethertype_0x88e5`, `llc_0xe0` (SAP),
    `cisco_0x2004` (SNAP), `snap`, `ppp_0xc021`, `wlan_management`, `wlan_encrypted` …"""
    src_ip: Ip | None
    """Initiator's address (ARP: the sender's); NULL below layer 3."""
    src_port: Port | None
    """Initiator's port, for protocols with ports."""
    dst_ip: Ip | None
    """Responder's address (ARP: the address asked for)."""
    dst_port: Port | None
    """Responder's port."""
    src_num: IpNumber | None
    """`src_ip` as a number; IPv4 as IPv4-mapped IPv6."""
    dst_num: IpNumber | None
    """`dst_ip` as a number."""
    vlan_id: U16 | None
    """VLAN of what `src` sent (the innermost 802.1Q tag; a priority tag is none)."""
    outer_vlan_id: U16 | None
    """Outer tag of QinQ of what `src` sent."""
    src_mac: Mac | None
    """Initiator's hardware address."""
    dst_mac: Mac | None
    """Responder's hardware address."""
    direction: Word | None
    """`outbound`, `inbound`, `internal`, `external`, `multicast` or `broadcast`, from the kinds of the addresses."""
    state: Word | None
    """Last state: TCP's as `src` holds it, else the protocol's own (`ECHO_REPLY`, `UDP_IDLE`, `DNS_RESPONSE` …)."""
    app_state: Word | None
    """Last state of the application protocol's own machine (`DNS_RESPONSE`, SSH's `KEYEXCHANGE` …)."""
    conn_state: Word | None
    """Zeek's connection state (`SF`, `S0`, `REJ` …)."""
    history: Word | None
    """Zeek's history letters."""
    end_reason: Word
    """`fin`, `rst`, `idle`, `reused`, `evicted`, `end` (of the capture), `open` (while the session is being written) or
    `interrupted` (open when the writer was killed)."""
    closed_at: Ts | None
    """When FINs or an RST closed it (TCP); NULL if it was never closed."""
    idle_timeout_ms: I64 | None
    """Idle timeout that applied to it at its end, in milliseconds of packet time."""
    src_packets: I64
    """Packets that `src` sent."""
    dst_packets: I64
    """Packets that `dst` sent."""
    src_bytes: I64
    """Wire bytes that `src` sent."""
    dst_bytes: I64
    """Wire bytes that `dst` sent."""
    src_payload: Bytes
    """Transport payload bytes that `src` sent, retransmissions included."""
    dst_payload: Bytes
    """Transport payload bytes that `dst` sent, retransmissions included."""
    service: Word | None
    """Service name of the well-known port."""
    app: Word | None
    """Application protocol, lower case."""
    app_source: Word | None
    """`payload` (a parser confirmed it), `inherited` (of an earlier flow that this one continues after its idle
    timeout), `tshark` (by `replay --with tshark`) or `port` (a guess)."""
    hostname: Host | None
    """Best name for `dst`, by the order of docs/names.md."""
    hostname_source: Word | None
    """Where the name comes from: `sni`, `http`, `dns` …; `inherited`: of an earlier flow that this one continues."""
    hostname_ts: Ts | None
    """When the name was learned; may be later than `started_at`."""
    rtt_ms: float | None
    """Smoothed round-trip time (RFC 6298, Karn's rule)."""
    min_rtt_ms: float | None
    """Smallest round-trip time."""
    handshake_rtt_ms: float | None
    """From the SYN to the handshake's last ACK; NULL where a SYN or SYN-ACK was sent again (Karn's rule)."""
    open_ms: float | None
    """From the first SYN to the handshake's last ACK, or to the first data; NULL if that was not seen."""
    syn_tries: Count32 | None
    """SYNs that `src` sent to open it; NULL if none was captured in front of the rest."""
    src_retransmissions: Count32
    """Segments that `src` retransmitted."""
    dst_retransmissions: Count32
    """Segments that `dst` retransmitted."""
    src_fast_retransmissions: Count32
    """Of these, after at least two duplicate ACKs."""
    dst_fast_retransmissions: Count32
    """Of these, after at least two duplicate ACKs."""
    src_out_of_order: Count32
    """Segments of `src` that arrived after later ones."""
    dst_out_of_order: Count32
    """Segments of `dst` that arrived after later ones."""
    src_duplicate_acks: Count32
    """Duplicate ACKs that `src` sent."""
    dst_duplicate_acks: Count32
    """Duplicate ACKs that `dst` sent."""
    src_zero_windows: Count32
    """Zero windows that `src` announced."""
    dst_zero_windows: Count32
    """Zero windows that `dst` announced."""
    src_missed_bytes: I64
    """Bytes of `src`'s stream that are missing from the capture, as acknowledgements or later segments prove."""
    dst_missed_bytes: I64
    """Bytes of `dst`'s stream that are missing from the capture, as acknowledgements or later segments prove."""
    src_flags: U8
    """All TCP flags that `src` set."""
    dst_flags: U8
    """All TCP flags that `dst` set."""
    src_ttl: U8 | None
    """Smallest TTL or hop limit of `src`'s packets."""
    dst_ttl: U8 | None
    """Smallest TTL or hop limit of `dst`'s packets."""
    icmp_type: U8 | None
    """ICMP type of the first packet."""
    icmp_code: U8 | None
    """ICMP code of the first packet."""
    icmp_id: U16 | None
    """Identifier of an echo."""
    fragments: Count32
    """IP fragments among its packets."""
    tunnel: Word | None
    """Kind of the tunnel it was carried in (`gre`, `vxlan` …); NULL outside one."""
    outer_flow_id: I64 | None
    """Flow of the tunnel it was carried in."""
    interface: U16
    """Interface of its first packet."""
    first_packet: I64
    """Number of its first packet."""
    process_id: I64 | None = None
    """Its process, by the verdict over `claims`."""
    process_source: Word | None = None
    """Source of the winning claim."""
    process_contested: bool | None = None
    """Claims disagree."""
    unowned_reason: Word | None = None
    """Why it has no process: `no_claim`, `outside_window`, `contested`, `no_sidecar` …"""
    dst_vlan_id: U16 | None = None
    """VLAN of what `dst` sent; NULL if it sent nothing, or without a tag."""
    dst_outer_vlan_id: U16 | None = None
    """Outer tag of QinQ of what `dst` sent."""
    duplicates: Count32 = 0
    """Of its packets, those that are copies of others: counted (unless `captures.without_duplicates`), not analysed."""
    proxied_src_ip: Ip | None = None
    """Address of the client whose connection is relayed, as its first PROXY header states it: a claim of the sender."""
    proxied_src_port: Port | None = None
    """That client's port, by the same header."""
    src_country: Place | None = None
    """Country of `src_ip` (ISO 3166-1 alpha-2), according to a source in `data_sources`; NULL if that has none, or the
    address is not a global one."""
    dst_country: Place | None = None
    """The same of `dst_ip`."""
    src_city: Place | None = None
    """City of `src_ip`; only with a city database of the user (docs/data.md)."""
    dst_city: Place | None = None
    """The same of `dst_ip`."""
    src_asn: AsNumber | None = None
    """Number of the autonomous system that announces the network of `src_ip`, according to a source in
    `data_sources`; NULL if that has none, or the address is not a global one."""
    dst_asn: AsNumber | None = None
    """The same of `dst_ip`."""
    src_as_name: AsName | None = None
    """Name of that autonomous system."""
    dst_as_name: AsName | None = None
    """Name of that autonomous system."""


@record("processes")
class Process:
    """A process that a source of ownership names."""

    process_id: I64
    """Number within the session, from 1."""
    host: Host | None = None
    """Host it ran on."""
    pid: I64 | None = None
    """Process id."""
    ppid: I64 | None = None
    """Parent's process id."""
    name: Software | None = None
    """Short name."""
    exe: FilePath | None = None
    """Executable's path."""
    cmdline: CommandLine | None = None
    """Full command line."""
    cwd: FilePath | None = None
    """Working directory."""
    uid: Id64 | None = None
    """User id."""
    username: User | None = None
    """User name."""
    gid: Id64 | None = None
    """Group id."""
    started_at: Ts | None = None
    """Start time, which distinguishes processes that had the same pid."""
    lineage: list[Software] | None = None
    """Ancestors, oldest first, as `name(pid)`."""
    container_id: Identifier | None = None
    """Container id."""
    container_name: ObjectName | None = None
    """Container name."""
    pod: ObjectName | None = None
    """Kubernetes pod."""
    namespace: ObjectName | None = None
    """Kubernetes namespace."""
    pod_uid: Identifier | None = None
    """Kubernetes pod's uid."""
    cgroup: FilePath | None = None
    """Control group's path."""
    container_image: ObjectName | None = None
    """Image of the container."""
    container_labels: FreeText | None = None
    """Labels of the container, as JSON."""
    pod_labels: FreeText | None = None
    """Labels of the Kubernetes pod, as JSON."""
    parent_exe: FilePath | None = None
    """Parent's executable."""
    parent_cmdline: CommandLine | None = None
    """Parent's command line."""
    exe_uuid: Digest | None = None
    """UUID of the executable's build (Apple)."""
    exe_sha256: Digest | None = None
    """SHA-256 of the executable, in hexadecimal digits."""
    boot_id: Identifier | None = None
    """Boot of the host that it ran in."""
    container_runtime: Word | None = None
    """What ran the container: `docker`, `containerd`, `cri-o`, `podman`, `lxc` or `systemd-nspawn`."""
    systemd_unit: ObjectName | None = None
    """Service or scope of systemd that it belonged to."""
    lsm_label: Term | None = None
    """Label by which SELinux or AppArmor confined it."""
    capabilities: Term | None = None
    """Its effective capabilities by name, with spaces; `all`, or `none`."""
    changed_at: Ts | None = None
    """When it was first seen as this program under this name, if it had been another one before (exec, rename): the
    same pid and start then have a row for each."""
    parent_started_at: Ts | None = None
    """When its parent started."""


@record("tcp_intervals")
class TcpInterval:
    """What one direction of a bulk TCP connection showed of its path within an interval of at least 5 ms.

    Only directions of 32 packets and more have rows, at most one for each 100 ms (later: for each second).
    """

    capture_id: I32
    """Capture it was seen in."""
    flow_id: I64
    """Flow it belongs to."""
    from_src: bool
    """The direction: what the flow's `src` sent."""
    began_at: Ts
    """When it began: the flow's beginning, or the end of the previous interval."""
    ts: Ts
    """When it ended."""
    rtt_samples: Count32
    """Round-trip times that ended in it: from this direction's data to their acknowledgement, or from its
    acknowledgements to the data that echo their timestamp. They are those between the place of capture and the end that
    this direction goes to."""
    min_rtt_ms: float | None
    """Smallest of them."""
    rtt_ms: float | None
    """Their mean."""
    max_rtt_ms: float | None
    """Largest of them."""
    least_rtt_ms: float | None
    """Smallest such time since the flow's beginning, its handshake included."""
    sent_bytes: Bytes
    """New bytes of this direction's stream (retransmitted ones are not new)."""
    acknowledged_bytes: Bytes
    """Bytes of this direction's stream that were acknowledged."""
    in_flight_bytes: Bytes
    """Bytes that were sent and not yet acknowledged at its end; 0 where the sender had nothing more to send."""
    retransmissions: Count32
    """Segments of this direction that were retransmitted."""


@record("claims")
class Claim:
    """A statement of one source that a process owned a flow; never overwritten."""

    flow_id: I64
    """Flow it is about."""
    process_id: I64
    """Process it names."""
    source: Word
    """`rustnet-sidecar` …"""
    quality: Word
    """How the source itself matched: `exact-tuple`, `listener-socket` …"""
    rank: U8
    """Rank in the policy: the smaller, the better."""
    observed_at: Ts | None
    """When the source recorded it."""
    window_start: Ts | None
    """From when it holds."""
    window_end: Ts | None
    """Until when it holds."""
    distance_ms: float
    """Time between the flow and the window; 0 where they overlap."""
    reversed: bool
    """The claim's local end is the flow's `dst`."""
    evidence: FilePath
    """File and line of the record."""
    offset_ms: float | None = None
    """Added to the source's times to correct its clock (`--sidecar-offset`); NULL if nothing was added."""
    behind: Mixed | None = None
    """The ends that the source names, where the flow has the ends after address translation (`nat`)."""
    match: Word = "tuple"
    """Basis of the match: `tuple`, `nat`, `addresses`, `echo`, `protocol`, `fragments`, `wildcard`, `listener`, `port`,
    `remote`, `accepted` or `packet`."""


@record("aliases")
class Alias:
    """A name under which another tool knows a flow: Zeek's uid."""

    flow_id: I64
    """Flow it is about."""
    source: Word
    """`zeek` …"""
    alias: Identifier
    """The other tool's name for the conversation."""
    service: Term | None
    """Application protocol according to that tool."""
    distance_ms: float
    """Time between the flow and the other tool's record; 0 where they overlap."""
    reversed: bool
    """The other tool regards the flow's `dst` as the initiator."""
    evidence: FilePath
    """File and line of the record."""


@record("clocks")
class Clock:
    """Difference between a sidecar's clock and the capture's, from connections whose beginning both recorded."""

    capture_id: I32
    """Capture it was compared with."""
    source: Word
    """Format of the sidecar."""
    origin: FilePath
    """Name of the sidecar."""
    host: Host | None
    """Host that it was recorded on, if stated."""
    offset_ms: float
    """How far its clock is ahead of the capture's; negative if it is late."""
    spread_ms: float
    """Width of the narrowest span that holds half of the differences."""
    pairs: Count
    """Connections that could be compared."""
    agreeing: Count
    """Of these, those that differ by `offset_ms`, give or take half a second."""
    wrong: bool
    """The clock is wrong: most connections agree on the same difference."""
    added_ms: float
    """Milliseconds added to its times before matching (`--sidecar-offset`)."""


@record("names")
class Name:
    """A name learned for an address from the capture itself."""

    capture_id: I32
    """Capture it was learned from."""
    ip: Ip
    """Address."""
    name: Host
    """Name."""
    source: Word
    """`dns`, `mdns`, `sni`, `http`, `nrb` …"""
    ts: Ts
    """When it was learned."""
    ttl: Seconds | None = None
    """Seconds for which it is valid."""
    client: Ip | None = None
    """Client that asked for it (DNS)."""


@record("addresses")
class Address:
    """What tables of IP addresses state about each address of a flow: one row per address."""

    ip: Ip
    """Address."""
    num: IpNumber
    """`ip` as a number; IPv4 as IPv4-mapped IPv6."""
    scope: Word
    """What IANA's registries reserve it for: `private`, `loopback`, `multicast`, `documentation` …; else `global`."""
    country: Place | None = None
    """Country (ISO 3166-1 alpha-2); NULL if unknown, or if the address is not a global one."""
    city: Place | None = None
    """City, of the same source as the country."""
    asn: AsNumber | None = None
    """Number of the autonomous system that announces its network."""
    as_name: AsName | None = None
    """Name of that autonomous system."""
    country_source: FilePath | None = None
    """Where the country comes from: `data_sources.name`."""
    asn_source: FilePath | None = None
    """Where the autonomous system comes from: `data_sources.name`."""
    resolved_at: Ts | None = None
    """When its name was last asked for by reverse DNS (`refresh --resolve`); NULL if never. `names` has the answer."""


@record("data_sources")
class DataSource:
    """Tables that values of this session were looked up in."""

    name: FilePath
    """Package that a shipped table was made of, or path of the user's database."""
    kind: Word
    """What was looked up: `country`, `city` (with the country) or `asn`."""
    version: Term | None
    """Version of the package, or type of the database (`GeoLite2-City` …)."""
    built_at: Ts | None
    """Day or time of the data; NULL if they state none."""
    licence: FreeText | None
    """Licence of a shipped table; NULL for a database of the user, which does not state it."""
    attribution: FreeText | None
    """Who the data come from."""


@record("anomalies")
class Anomaly:
    """Everything malformed, cut off, ambiguous or dropped."""

    ts: Ts | None
    """Packet time, where there is one."""
    capture_id: I32
    """Capture it was seen in."""
    packet: I64 | None
    """Packet number."""
    flow_id: I64 | None
    """Flow it belongs to."""
    kind: Word
    """Kind of anomaly: `cut_off`, `bad_record_length`, `malformed_dns` …"""
    detail: FreeText
    """Description."""
    offset: I64 | None = None
    """Byte offset in the uncompressed input, for damage of the file itself; 0 for events of a live capture."""
    count: U64 = 1
    """Number of occurrences; repeated ones are counted after the first rows."""


@record("confinement")
class Confinement:
    """What kept the processes that met a capture's bytes from doing harm, layer by layer."""

    capture_id: I32
    """Capture that was read."""
    process: Word
    """`parser`: the process that unpacks, walks and parses, and its workers; of a live capture also `writer`: the one
    that holds the session, and `probe`: the one that keeps privileges."""
    layer: Word
    """`user`, `capabilities`, `no_new_privileges`, `landlock` (files, TCP, signals) or `system_calls` (seccomp)."""
    state: Word
    """`in_force`, `partial` (the kernel has only a part of it), `not_needed`, `off` (not wanted) or `unavailable`."""
    detail: FreeText | None
    """What exactly is in force, or why it is not."""


CORE_TABLES: tuple[type, ...] = (
    Capture,
    CaptureFile,
    InterfaceRow,
    CaptureStat,
    Packet,
    FlowRow,
    TcpInterval,
    Process,
    Claim,
    Clock,
    Alias,
    Name,
    Address,
    DataSource,
    HostFact,
    Anomaly,
    Confinement,
    Alert,
    AlertCheck,
    *LIVE_TABLES,
)

FLOWS_ENDED = "flows_ended"
"""Table of the flows that have ended; the view `flows` shows these and the open ones."""
FLOWS_OPEN = "flows_open"
"""Table of the flows that were open at the last flush; each flush replaces it, and it is empty after a capture."""


def stored_in(cls: type) -> str:
    """Name of the base table that rows of a record class are inserted into."""
    return FLOWS_ENDED if cls is FlowRow else table_name(cls)
