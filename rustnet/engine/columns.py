"""Flows, ended or still open, as columns of the ``flows`` table."""

from typing import Any

import cython
import numpy as np

from rustnet.columnar import NULL, TextBuilder
from rustnet.engine.flow import Flow
from rustnet.engine.numbers import MASK32, SECOND, STATE_NAMES, SWEEP_SLACK, TUNNEL_NAMES, protocol_name
from rustnet.engine.sha1 import ShortSha1
from rustnet.engine.text import community_id

if not cython.compiled:  # compiled, these come from the .pxd, most as C functions
    from rustnet.engine.flow import half
    from rustnet.engine.half import Half
    from rustnet.engine.jumps import missed_bytes
    from rustnet.engine.numbers import SCTP, TCP, UDP, UDP_IDLE, UDP_STALE
    from rustnet.engine.tcp import connection_state
    from rustnet.engine.text import write_address, write_digest, write_mac

INTEGERS = (
    "flow_id",
    "generation",
    "started_at",
    "ended_at",
    "src_port",
    "dst_port",
    "vlan_id",
    "outer_vlan_id",
    "src_packets",
    "dst_packets",
    "src_bytes",
    "dst_bytes",
    "src_payload",
    "dst_payload",
    "src_retransmissions",
    "dst_retransmissions",
    "src_fast_retransmissions",
    "dst_fast_retransmissions",
    "src_out_of_order",
    "dst_out_of_order",
    "src_duplicate_acks",
    "dst_duplicate_acks",
    "src_zero_windows",
    "dst_zero_windows",
    "src_missed_bytes",
    "dst_missed_bytes",
    "src_flags",
    "dst_flags",
    "src_ttl",
    "dst_ttl",
    "icmp_type",
    "icmp_code",
    "icmp_id",
    "fragments",
    "outer_flow_id",
    "interface",
    "first_packet",
    "hostname_ts",
    "idle_timeout_ms",
    "closed_at",
    "syn_tries",
    "dst_vlan_id",
    "dst_outer_vlan_id",
    "duplicates",
    "proxied_src_port",
)
"""Whole numbers and times; a column for ``dst`` follows the same one for ``src``."""
WORDS = ("src_num_hi", "src_num_lo", "dst_num_hi", "dst_num_lo")
TIMES = ("rtt_ms", "min_rtt_ms", "handshake_rtt_ms", "open_ms")
TEXTS = (
    "community_id",
    "protocol",
    "src_ip",
    "dst_ip",
    "src_mac",
    "dst_mac",
    "direction",
    "state",
    "conn_state",
    "history",
    "end_reason",
    "service",
    "app",
    "app_source",
    "hostname",
    "hostname_source",
    "tunnel",
    "unowned_reason",
    "app_state",
    "proxied_src_ip",
)

if not cython.compiled:  # compiled, the .pxd has them as C constants; a test holds it to the tuples
    (
        FLOW_ID,
        GENERATION,
        STARTED_AT,
        ENDED_AT,
        SRC_PORT,
        DST_PORT,
        VLAN_ID,
        OUTER_VLAN_ID,
        SRC_PACKETS,
        DST_PACKETS,
        SRC_BYTES,
        DST_BYTES,
        SRC_PAYLOAD,
        DST_PAYLOAD,
        SRC_RETRANSMISSIONS,
        DST_RETRANSMISSIONS,
        SRC_FAST_RETRANSMISSIONS,
        DST_FAST_RETRANSMISSIONS,
        SRC_OUT_OF_ORDER,
        DST_OUT_OF_ORDER,
        SRC_DUPLICATE_ACKS,
        DST_DUPLICATE_ACKS,
        SRC_ZERO_WINDOWS,
        DST_ZERO_WINDOWS,
        SRC_MISSED_BYTES,
        DST_MISSED_BYTES,
        SRC_FLAGS,
        DST_FLAGS,
        SRC_TTL,
        DST_TTL,
        ICMP_TYPE,
        ICMP_CODE,
        ICMP_ID,
        FRAGMENTS,
        OUTER_FLOW_ID,
        INTERFACE,
        FIRST_PACKET,
        HOSTNAME_TS,
        IDLE_TIMEOUT_MS,
        CLOSED_AT,
        SYN_TRIES,
        DST_VLAN_ID,
        DST_OUTER_VLAN_ID,
        DUPLICATES,
        PROXIED_SRC_PORT,
    ) = range(len(INTEGERS))
    SRC_NUM_HI, SRC_NUM_LO, DST_NUM_HI, DST_NUM_LO = range(len(WORDS))
    RTT_MS, MIN_RTT_MS, HANDSHAKE_RTT_MS, OPEN_MS = range(len(TIMES))

GLOBAL, PRIVATE, LOCAL, MULTICAST, BROADCAST = 0, 1, 2, 3, 4
IDLE = 30 * SECOND
"""A UDP flow that is silent this long at the end of the capture is idle."""
MILLISECOND = 1_000_000
OPEN = "open"


def scope(high: int, low: int) -> int:
    """Scope of an address: global, private (RFC 1918, 6598, 4193), local (loopback, link-local), group, all."""
    if high == 0 and low >> 32 == 0xFFFF:
        a = (low >> 24) & 255
        b = (low >> 16) & 255
        if a == 10 or (a == 172 and 16 <= b < 32) or (a == 192 and b == 168) or (a == 100 and 64 <= b < 128):
            return PRIVATE
        if a == 127 or (a == 169 and b == 254) or (low & MASK32) == 0:
            return LOCAL
        if (low & MASK32) == MASK32:
            return BROADCAST
        if 224 <= a < 240:
            return MULTICAST
        return GLOBAL
    first = high >> 56
    if first == 0xFF:
        return MULTICAST
    if first & 0xFE == 0xFC:
        return PRIVATE
    if high >> 54 == 0x3FA or (high == 0 and low <= 1):
        return LOCAL
    return GLOBAL


def direction(src: int, dst: int) -> str:
    """Value of ``flows.direction`` from the scopes of both ends."""
    if dst == BROADCAST:
        return "broadcast"
    if dst == MULTICAST:
        return "multicast"
    if src == GLOBAL:
        return "external" if dst == GLOBAL else "inbound"
    return "outbound" if dst == GLOBAL else "internal"


def state_name(flow: Flow, now: int, still_open: bool) -> str | None:
    """State of a flow that left the table at packet time ``now``, or is still in it and no sweep has seen it idle."""
    if flow.protocol == UDP:
        talk = flow.talk
        if talk is not None and talk.state:
            return str(talk.state)
        if flow.end_reason == "idle" or (still_open and now - flow.last_ts > flow.timeout + SWEEP_SLACK):
            return STATE_NAMES[UDP_STALE]
        return STATE_NAMES[UDP_IDLE if now - flow.last_ts > IDLE else flow.state]
    return STATE_NAMES[flow.state]


def round_trip(flow: Flow) -> Half:
    """The direction whose samples crossed the network: the one whose acknowledgements come from farther away.

    The two legs of the handshake show which end is far from the point of capture; without them the direction with
    the larger minimum does.
    """
    src, dst = half(flow, True), half(flow, False)
    if src.srtt < 0:
        return dst
    if dst.srtt < 0:
        return src
    if flow.handshake_rtt >= 0 and flow.synack_rtt >= 0:
        return src if flow.synack_rtt * 2 >= flow.handshake_rtt else dst
    return src if src.min_rtt >= dst.min_rtt else dst


def other_state(flow: Flow) -> str:
    """Zeek's ``conn_state`` for protocols without connections: which ends sent packets."""
    if flow.dst.packets == 0:
        return "S0"
    return "SF" if flow.src.packets else "SHR"


def write_history(column: TextBuilder, flow: Flow) -> None:
    """Write a flow's history letters as the next text of a column; NULL without any."""
    if not flow.noted:
        column.null()
    else:
        column.need(flow.noted)
        for at in range(flow.noted):
            column.byte(flow.letters[at])
        column.end()


class FlowColumns:
    """Builds the columns.

    ``tcp_services`` and ``udp_services`` name ports, ``guesses`` names apps by port, ``reasons`` has by protocol why a
    flow has no owner while no source of ownership was asked.
    """

    def __init__(
        self,
        tcp_services: dict[int, str],
        udp_services: dict[int, str],
        guesses: dict[tuple[str, int], str],
        reasons: dict[str, str],
    ) -> None:
        self.tcp_services = tcp_services
        self.udp_services = udp_services
        self.guesses: dict[str, dict[int, str]] = {}
        for (transport, port), app in guesses.items():
            self.guesses.setdefault(transport, {})[port] = app
        self.reasons = reasons
        self.protocols: dict[int, tuple[str, str, dict[int, str]]] = {}
        self.still_open = False
        self.hashed = bytearray(16)
        self.sha1 = ShortSha1()
        self.begin(0)

    def begin(self, n: int) -> None:
        """Begin the texts of ``n`` flows."""
        self.community_id = TextBuilder(n)
        self.protocol = TextBuilder(n)
        self.src_ip = TextBuilder(n)
        self.dst_ip = TextBuilder(n)
        self.src_mac = TextBuilder(n)
        self.dst_mac = TextBuilder(n)
        self.direction = TextBuilder(n)
        self.state = TextBuilder(n)
        self.conn_state = TextBuilder(n)
        self.history = TextBuilder(n)
        self.end_reason = TextBuilder(n)
        self.service = TextBuilder(n)
        self.app = TextBuilder(n)
        self.app_source = TextBuilder(n)
        self.hostname = TextBuilder(n)
        self.hostname_source = TextBuilder(n)
        self.tunnel = TextBuilder(n)
        self.unowned_reason = TextBuilder(n)
        self.app_state = TextBuilder(n)
        self.proxied_src_ip = TextBuilder(n)

    def build(self, flows: list[Flow], now: int, still_open: bool = False) -> dict[str, Any]:
        """Columns of ``flows`` by name: `INTEGERS` (int64, `NULL` where unknown), `WORDS`, `TIMES`, `TEXTS`.

        Flows that are ``still_open`` get the row that they would have if the capture ended now, but for `end_reason`;
        the `Flow` objects do not change.
        """
        n = len(flows)
        self.still_open = still_open
        integers: Any = np.full((len(INTEGERS), n), NULL, np.int64)
        words: Any = np.zeros((len(WORDS), n), np.uint64)
        times: Any = np.full((len(TIMES), n), np.nan, np.float64)
        self.begin(n)
        table = memoryview(integers)
        numbers = memoryview(words)
        rtts: Any = memoryview(times)
        for i in range(n):
            flow = flows[i]
            self.integers(table, i, flow)
            self.side(table, i, half(flow, True), 0)
            self.side(table, i, half(flow, False), 1)
            table[SRC_MISSED_BYTES, i] = missed_bytes(flow, True)
            table[DST_MISSED_BYTES, i] = missed_bytes(flow, False)
            if flow.protocol == TCP:
                best = round_trip(flow)
                if best.srtt >= 0:
                    rtts[RTT_MS, i] = best.srtt / 1e6
                    rtts[MIN_RTT_MS, i] = best.min_rtt / 1e6
                if flow.handshake_rtt >= 0:
                    rtts[HANDSHAKE_RTT_MS, i] = flow.handshake_rtt / 1e6
                if flow.opened >= 0:
                    rtts[OPEN_MS, i] = (flow.opened - flow.first_syn) / 1e6
            self.text(numbers, table, i, flow, now)
        made: dict[str, Any] = dict(zip(INTEGERS, integers, strict=True))
        made.update(zip(WORDS, words, strict=True))
        made.update(zip(TIMES, times, strict=True))
        for name in TEXTS:
            made[name] = getattr(self, name).take()
        self.begin(0)
        return made

    def integers(self, table: memoryview, i: int, flow: Flow) -> None:
        """Numbers of the flow as a whole."""
        table[FLOW_ID, i] = flow.flow_id
        table[GENERATION, i] = flow.generation
        table[STARTED_AT, i] = flow.first_ts
        table[ENDED_AT, i] = flow.last_ts
        if flow.vlan >= 0:
            table[VLAN_ID, i] = flow.vlan
        if flow.outer_vlan >= 0:
            table[OUTER_VLAN_ID, i] = flow.outer_vlan
        if half(flow, False).packets:
            vlan = flow.dst_vlan if flow.other_side else flow.vlan
            outer_vlan = flow.dst_outer_vlan if flow.other_side else flow.outer_vlan
            if vlan >= 0:
                table[DST_VLAN_ID, i] = vlan
            if outer_vlan >= 0:
                table[DST_OUTER_VLAN_ID, i] = outer_vlan
        table[DUPLICATES, i] = flow.duplicates
        if flow.icmp_type >= 0:
            table[ICMP_TYPE, i] = flow.icmp_type
            table[ICMP_CODE, i] = flow.icmp_code
        if flow.icmp_id >= 0:
            table[ICMP_ID, i] = flow.icmp_id
        table[FRAGMENTS, i] = flow.fragments
        if flow.outer_flow_id:
            table[OUTER_FLOW_ID, i] = flow.outer_flow_id
        table[INTERFACE, i] = flow.interface & 0xFFFF
        table[FIRST_PACKET, i] = flow.first_packet
        table[IDLE_TIMEOUT_MS, i] = flow.timeout // MILLISECOND
        if flow.closed:
            table[CLOSED_AT, i] = flow.closed_at
        if flow.syn_tries:
            table[SYN_TRIES, i] = flow.syn_tries

    def side(self, table: memoryview, i: int, half: Half, dst: int) -> None:
        """Numbers of one direction."""
        table[SRC_PACKETS + dst, i] = half.packets
        table[SRC_BYTES + dst, i] = half.bytes
        table[SRC_PAYLOAD + dst, i] = half.payload
        table[SRC_RETRANSMISSIONS + dst, i] = half.retransmissions
        table[SRC_FAST_RETRANSMISSIONS + dst, i] = half.fast_retransmissions
        table[SRC_OUT_OF_ORDER + dst, i] = half.out_of_order
        table[SRC_DUPLICATE_ACKS + dst, i] = half.duplicate_acks
        table[SRC_ZERO_WINDOWS + dst, i] = half.zero_windows
        table[SRC_FLAGS + dst, i] = half.flags & 255
        if half.ttl >= 0:
            table[SRC_TTL + dst, i] = half.ttl

    def text(self, words: memoryview, table: memoryview, i: int, flow: Flow, now: int) -> None:
        """Text columns, and addresses as numbers."""
        if flow.src_is_a:
            src_hi, src_lo, src_port = flow.a_hi, flow.a_lo, flow.a_port
            dst_hi, dst_lo, dst_port = flow.b_hi, flow.b_lo, flow.b_port
        else:
            src_hi, src_lo, src_port = flow.b_hi, flow.b_lo, flow.b_port
            dst_hi, dst_lo, dst_port = flow.a_hi, flow.a_lo, flow.a_port
        protocol = flow.protocol
        name, reason, guesses = self.protocols.get(protocol) or self.described(protocol)
        self.protocol.put(name)
        if flow.has_ports:
            table[SRC_PORT, i] = src_port
            table[DST_PORT, i] = dst_port
        if flow.version:
            words[SRC_NUM_HI, i] = src_hi
            words[SRC_NUM_LO, i] = src_lo
            words[DST_NUM_HI, i] = dst_hi
            words[DST_NUM_LO, i] = dst_lo
            write_address(self.src_ip, src_hi, src_lo)
            write_address(self.dst_ip, dst_hi, dst_lo)
            self.direction.put(direction(scope(src_hi, src_lo), scope(dst_hi, dst_lo)))
        else:
            self.src_ip.null()
            self.dst_ip.null()
            self.direction.null()
        if flow.version and protocol < 256:
            self.community(flow, src_hi, src_lo, src_port, dst_hi, dst_lo, dst_port)
        else:
            self.community_id.null()
        write_mac(self.src_mac, flow.src_mac)
        write_mac(self.dst_mac, flow.dst_mac)
        self.state.put(state_name(flow, now, self.still_open))
        self.conn_state.put(connection_state(flow) if protocol == TCP else other_state(flow))
        write_history(self.history, flow)
        self.end_reason.put(OPEN if self.still_open else flow.end_reason)
        self.tunnel.put(TUNNEL_NAMES[flow.tunnel])
        self.unowned_reason.put(reason)
        self.application(table, i, flow, guesses, src_port, dst_port)

    def described(self, protocol: int) -> tuple[str, str, dict[int, str]]:
        """Name of a protocol number, the reason why its flows have no owner, its apps by port."""
        name = protocol_name(protocol)
        made = (name, self.reasons.get(name, "no_sidecar"), self.guesses.get(name, {}))
        self.protocols[protocol] = made
        return made

    def community(
        self, flow: Flow, src_hi: int, src_lo: int, src_port: int, dst_hi: int, dst_lo: int, dst_port: int
    ) -> None:
        """Community ID of a flow; for IPv4 with ports the hashed bytes (`community_id`) are written in place."""
        protocol = flow.protocol
        fast = protocol == TCP or protocol == UDP or protocol == SCTP
        if fast and not (src_hi or dst_hi) and src_lo >> 32 == 0xFFFF and dst_lo >> 32 == 0xFFFF:
            if dst_lo < src_lo or (dst_lo == src_lo and dst_port < src_port):
                src_lo, src_port, dst_lo, dst_port = dst_lo, dst_port, src_lo, src_port
            raw = self.hashed
            for at in range(4):
                raw[2 + at] = (src_lo >> (24 - 8 * at)) & 255
                raw[6 + at] = (dst_lo >> (24 - 8 * at)) & 255
            raw[10] = protocol
            raw[12] = src_port >> 8
            raw[13] = src_port & 255
            raw[14] = dst_port >> 8
            raw[15] = dst_port & 255
            self.sha1.hash(raw)
            write_digest(self.community_id, self.sha1.digest)
        else:
            icmp = (flow.icmp_type, flow.icmp_code)
            self.community_id.put(community_id(protocol, (src_hi, src_lo), (dst_hi, dst_lo), src_port, dst_port, icmp))

    def application(
        self, table: memoryview, i: int, flow: Flow, guesses: dict[int, str], src_port: int, dst_port: int
    ) -> None:
        """Application of the flow: confirmed by a parser or a tunnel, else guessed from the port."""
        service = app = source = None
        if flow.has_ports:
            services = self.tcp_services if flow.protocol == TCP else self.udp_services
            service = services.get(dst_port)
        talk = flow.talk
        if talk is not None and talk.proxied is not None:
            proxied_ip, proxied_port, _ = talk.proxied
            self.proxied_src_ip.put(proxied_ip)
            if proxied_port is not None:
                table[PROXIED_SRC_PORT, i] = proxied_port
        else:
            self.proxied_src_ip.null()
        if talk is not None:
            app = talk.app
        if app is None:
            self.hostname.null()
            self.hostname_source.null()
            self.app_state.null()
        else:
            service = talk.service or service
            self.hostname.put(talk.hostname)
            self.hostname_source.put(talk.hostname_source)
            self.app_state.put(talk.state)
            if talk.hostname_ts:
                table[HOSTNAME_TS, i] = talk.hostname_ts
        if app is not None:
            source = "payload"
        elif flow.carries:
            app, source = TUNNEL_NAMES[flow.carries], "payload"
        elif flow.has_ports and guesses:
            app = guesses.get(dst_port) or guesses.get(src_port)
            source = None if app is None else "port"
        self.service.put(service)
        self.app.put(app)
        self.app_source.put(source)
