"""`Tracker`: assigns each frame of a batch to its flow, analyses TCP, and passes payload to the parsers.

This is the loop that runs once per packet. It calls the `Listener` only while a flow wants its payload read.
"""

import cython
import numpy as np

from rustnet.engine.copies import Copies
from rustnet.engine.decode import Decoder
from rustnet.engine.ends import Ends
from rustnet.engine.flow import Flow
from rustnet.engine.fragments import Fragments
from rustnet.engine.index import CAPACITY, PacketIndex
from rustnet.engine.listener import Listener
from rustnet.engine.numbers import MASK32, MASK64, NO_ACK, WANTED_SIZE
from rustnet.engine.packet import Packet
from rustnet.engine.table import FlowTable
from rustnet.policy.timeouts import IdleTimeouts
from rustnet.sources.frames import Frames, zeros

if not cython.compiled:  # compiled, these come from the .pxd, most as C functions
    from rustnet.engine.decode import frame
    from rustnet.engine.flow import half, note
    from rustnet.engine.half import Half
    from rustnet.engine.jumps import wrap
    from rustnet.engine.numbers import (
        ACK,
        AGGREGATE,
        BULK_PACKETS,
        COPY,
        DATA,
        ECHO6_REPLY,
        ECHO_ANSWERED,
        ECHO_REPLY,
        EVERYONE,
        ICMP,
        ICMPV6,
        INTERVAL,
        MARK_DATA,
        MARK_ISN,
        OK,
        OWNER,
        PART_BITS,
        RST,
        SHARE_SHIFT,
        SYN,
        TCP,
        TIMESTAMPS,
        TUNNEL_FRAGMENTS,
    )
    from rustnet.engine.reader import u32
    from rustnet.engine.shares import owner
    from rustnet.engine.tally import end_interval, end_stamp, start_stamp, tally_of
    from rustnet.engine.tcp import segment

MAX_TUNNELS = 8
"""Tunnels within tunnels that are followed."""

MAX_SUBFRAMES = 256
"""Packets that are read of one aggregated 802.11 frame, which holds 11,454 bytes."""

MAX_PORTLESS = 100_000
"""Flows of one protocol without ports whose messages are read: a sweep or a flood may have one of each packet."""

TIMESTAMPS_SIZE = 12
"""Bytes of TCP's options where they are timestamps alone."""

PUSH = 8
"""TCP's flag of the last segment of what an application wrote."""

ECHO_HEADER = 8
"""Bytes in front of what an ICMP echo carries."""

INNER_TAGS = 0x9E3779B1
"""Factor by which the VLAN tags inside a tunnel are mixed into the context of its flows."""


class Tracker(Ends):
    """Follows all flows of one capture.

    ``wanted`` has a byte for each of the first `WANTED_SIZE` protocol numbers: non-zero where payload is to be read.
    ``server_ports`` has a rank for each port: of two ports the one that ranks higher is the server's.
    ``timeouts`` are the idle timeouts of flows; the listener may set a flow's ``timeout`` while it reads its payload.
    """

    def __init__(
        self, listener: Listener, wanted: bytes, server_ports: bytes, timeouts: IdleTimeouts, first_id: int = 1
    ) -> None:
        super().__init__(listener, FlowTable(server_ports, timeouts, first_id))
        self.decoder = Decoder()
        self.fragments = Fragments()
        self.copies = Copies()
        self.without_duplicates = False
        self.recognised = False
        self.index = PacketIndex()
        self.wanted = wanted
        self.shares = 1
        self.owners = zeros(1, np.uint8)
        self.undecoded = 0
        self.tunnel_failures = 0
        self.portless = zeros(WANTED_SIZE, np.int64)
        self.unread = 0
        self.last_number = 0
        self.touched = 0

    def divide(self, share: int, shares: int) -> None:
        """Follow the flows of one of several shares only (`rustnet.engine.shares`), and list their first packets."""
        self.share, self.shares = share, shares
        self.table.max_flows //= shares
        self.table.keep_first_packets = True

    def feed(self, frames: Frames, owners: "memoryview[int] | None" = None) -> None:
        """Track every frame of a batch and enter it in `index`; flows that end wait in the table's ``ended``.

        With ``owners`` only frames of this tracker or of `EVERYONE`; results are written to the columns that `index`
        was pointed to, with ``share`` in the upper bits of flow ids.
        """
        count = frames.count
        divided = owners is not None
        if owners is not None:
            self.owners = owners
        mine = self.owners
        share, index = self.share, self.index
        if index.count + count > CAPACITY:
            raise ValueError("the packet index is full: take it before feeding more")
        decoder, table = self.decoder, self.table
        p = decoder.pkt
        decoder.attach_frames(frames.data)
        number = frames.first_number
        row = 0 if divided else index.enter(frames)
        tag = self.share << SHARE_SHIFT
        # Columns as locals: the C compiler can keep their places in registers.
        stamps, offsets, captured, lengths = frames.ts, frames.offset, frames.captured, frames.length
        links, interfaces = frames.link, frames.interface
        flow_ids, senders, payloads, tcp_flags = index.flow_id, index.from_src, index.payload, index.tcp_flags
        duplicates, copies = index.duplicate, self.copies
        for i in range(count):
            if i & 31 == 0:
                self.touch(frames, i, divided)
            if divided and mine[i] & OWNER != share and mine[i] & OWNER != EVERYONE:
                number += 1
                row += 1
                continue
            p.ts, p.number, p.length, p.interface = stamps[i], number, lengths[i], interfaces[i]
            status = frame(decoder, offsets[i], captured[i], links[i])
            if status != OK:
                self.undecoded += 1
                self.listener.undecoded(status, links[i], p.ts, number)
            else:
                again = divided and mine[i] & COPY != 0
                if not divided:
                    again = copies.seen(decoder, offsets[i], captured[i], links[i], interfaces[i], stamps[i])
                flow = self.copied() if again else None
                again = again and bool(self.recognised)
                if not again and (p.fragment or p.tunnel):
                    flow = self.packet(frames)
                elif not again:
                    context = (p.vlan + 1) | ((p.outer_vlan + 1) << 16)
                    flow = table.find(p, context)
                    self.account(flow, p, table.from_src)
                if flow is not None and not flow.shadow:
                    flow_ids[row] = flow.flow_id | tag
                    senders[row] = table.from_src
                    payloads[row] = p.payload & MASK32
                    duplicates[row] = again
                    if p.protocol == TCP and p.flags > 0:
                        tcp_flags[row] = p.flags
            number += 1
            row += 1
        self.last_number = number - 1
        if count:
            self.sweep(frames)
            if not divided:
                copies.carry(decoder, self.last_ts)

    def touch(self, frames: Frames, i: int, divided: bool) -> None:
        """Prefetch the next 32 frames' headers, so that their cache misses overlap.

        Headers are too far apart for the hardware prefetcher; loads that nothing depends on run in parallel.
        """
        if not cython.compiled:
            return
        stop = i + 32 if i + 32 < frames.count else frames.count
        size = len(frames.data)
        seen = 0
        for k in range(i, stop):
            if divided and self.owners[k] & OWNER != self.share and self.owners[k] & OWNER != EVERYONE:
                continue
            at = frames.offset[k]
            if at + 54 <= size:
                seen ^= frames.data[at + 12] ^ frames.data[at + 49]
        self.touched = seen

    def packet(self, frames: Frames) -> Flow | None:
        """Account for a decoded packet, and for what it carries if it is a tunnel's; returns the innermost flow.

        None where what fragments or a tunnel contain is another tracker's.
        """
        p = self.decoder.pkt
        return self.follow(frames, (p.vlan + 1) | ((p.outer_vlan + 1) << 16), None, 0, 0)

    def follow(self, frames: Frames, context: int, outer: Flow | None, tunnel: int, level: int) -> Flow | None:
        """As `packet`, for one inside ``level`` tunnels, of which ``outer`` is the innermost's flow."""
        p = self.decoder.pkt
        moved = False
        carried = 0
        flow: Flow | None = None
        for depth in range(level, MAX_TUNNELS):
            if p.tunnel == AGGREGATE:
                if not moved and not p.part:
                    return self.aggregated(frames, context, outer, tunnel, depth)
                p.tunnel = 0
            if depth and self.shares > 1 and self.elsewhere(p):
                flow = None
                break
            if p.fragment and p.version == 6:
                self.name_fragment(p, context)
            flow = self.table.find(p, context)
            from_src = self.table.from_src
            if outer is not None and flow.outer_flow_id == 0:
                flow.outer_flow_id = outer.flow_id
                flow.tunnel = tunnel
            if p.fragment:
                if moved or depth == MAX_TUNNELS - 1 or not self.complete(context):
                    self.carrier(flow, from_src)
                    break
                moved = True
                if flow.src.packets == 0 and flow.dst.packets == 0:
                    self.table.retract(flow)
                else:
                    outer = flow
                    tunnel = TUNNEL_FRAGMENTS
                continue
            self.account(flow, p, from_src)
            if not p.tunnel:
                break
            flow.carries = p.tunnel
            flow.wants = 0
            outer = flow
            tunnel = p.tunnel
            carried = p.payload
            context = self.inside(context, p)
            if depth == MAX_TUNNELS - 1 or self.decoder.inner() != OK:
                self.tunnel_failures += 1
                self.table.from_src = from_src
                p.payload = carried
                p.flags = -1
                break
            context = (context ^ (((p.vlan + 1) | ((p.outer_vlan + 1) << 16)) * INNER_TAGS)) & MASK64
        if moved:
            self.decoder.resume_frames(frames.data)
        return flow

    def aggregated(self, frames: Frames, context: int, outer: Flow | None, tunnel: int, depth: int) -> Flow | None:
        """Account for each packet that an 802.11 frame carries; returns the first one's flow.

        The frame's bytes are divided among them; the packet index has the first one, with the payload of its flow.
        """
        decoder, table = self.decoder, self.table
        p = decoder.pkt
        at, end, whole = p.inner_offset, p.inner_end, p.length
        size = decoder.subframe_size(at, end)
        left = whole
        first: Flow | None = None
        from_src = seen = False
        protocol = flags = 0
        payload = 0
        for k in range(MAX_SUBFRAMES):
            start = at
            at += (size + 3) & ~3
            size = decoder.subframe_size(at, end)
            p.clear()
            decoder.depth = 0
            p.part = k + 1
            p.length = at - start if size and k < MAX_SUBFRAMES - 1 and at - start < left else left
            left -= p.length
            if decoder.subframe(start, end) != OK:
                self.tunnel_failures += 1
            else:
                tags = (p.vlan + 1) | ((p.outer_vlan + 1) << 16)
                inside = (context ^ (tags * INNER_TAGS)) & MASK64 if depth else tags
                flow = None
                if self.shares == 1 or not self.elsewhere(p):
                    flow = self.follow(frames, inside, outer, tunnel, depth)
                if not seen:
                    first, from_src, seen = flow, table.from_src, True
                    protocol, flags, payload = p.protocol, p.flags, p.payload
                elif flow is not None and flow is first and table.from_src == from_src:
                    payload += p.payload
            if not size:
                break
        p.length, p.part = whole, 0
        p.protocol, p.flags, p.payload, table.from_src = protocol, flags, payload, from_src
        return first

    def copied(self) -> Flow | None:
        """Count a packet that is a copy, and what it carries, for the flows of its original; returns the innermost.

        Sets `recognised`; without it there is no such flow, and the packet is nothing but a packet.
        """
        p = self.decoder.pkt
        context = (p.vlan + 1) | ((p.outer_vlan + 1) << 16)
        self.recognised = False
        flow: Flow | None = None
        for depth in range(MAX_TUNNELS):
            if depth and self.shares > 1 and self.elsewhere(p):
                return None
            if p.fragment and p.version == 6:
                self.name_fragment(p, context)
            known = self.table.known(p, context)
            if known is None:
                break
            flow = known
            self.recognised = True
            flow.duplicates += 1
            if not self.without_duplicates:
                me = half(flow, self.table.from_src)
                me.packets += 1
                me.bytes += p.length
            if p.fragment or not p.tunnel or p.tunnel == AGGREGATE:
                break
            from_src, carried = self.table.from_src, p.payload
            context = self.inside(context, p)
            if depth == MAX_TUNNELS - 1 or self.decoder.inner() != OK:
                self.table.from_src, p.payload, p.flags = from_src, carried, -1
                break
            context = (context ^ (((p.vlan + 1) | ((p.outer_vlan + 1) << 16)) * INNER_TAGS)) & MASK64
        return flow

    def inside(self, context: int, p: Packet) -> int:
        """Context of what a tunnel's packet carries, without the tags inside."""
        key, tunnel = p.tunnel_key, p.tunnel
        return ((context * 31) ^ (key << 34) ^ (tunnel << 58)) & MASK64

    def account(self, flow: Flow, p: Packet, from_src: bool) -> None:
        """Count one packet, analyse it, and pass its payload on."""
        me = half(flow, from_src)
        peer = half(flow, not from_src)
        if me.packets == 0 and peer.packets == 0:
            self.first(flow, p, from_src)
        self.count(flow, me, p)
        me.payload += p.payload
        if p.protocol == TCP:
            if p.flags >= 0:
                state = flow.state
                result = segment(flow, me, peer, p, from_src)
                if flow.state != state:
                    self.table.state_changed(flow)
                if result == INTERVAL:
                    self.interval(flow, peer, me, not from_src)
                if flow.stamps:
                    self.stamps(flow, me, peer, from_src)
                if flow.wants and result != 1:
                    self.tcp(flow, me, p, from_src)
        else:
            self.content(flow, me, p, from_src)

    def interval(self, flow: Flow, me: Half, peer: Half, from_src: bool) -> None:
        """End an interval of one direction, if it has sent enough."""
        row = end_interval(flow, me, peer, self.decoder.pkt.ts, from_src)
        if row is not None:
            self.intervals.append(row)

    def stamps(self, flow: Flow, me: Half, peer: Half, from_src: bool) -> None:
        """Measure round-trip times by TCP's timestamps: from an acknowledgement to the data that echo its own.

        Only options that are timestamps alone are read, as nearly all segments without selective acknowledgements have.
        """
        p = self.decoder.pkt
        at = p.payload_offset - TIMESTAMPS_SIZE
        if p.fragment or at < 0 or u32(self.decoder, at) != TIMESTAMPS:
            return
        if not p.payload:
            start_stamp(tally_of(flow, from_src), u32(self.decoder, at + 4), p.ts)
            return
        end_stamp(tally_of(flow, not from_src), u32(self.decoder, at + 8), p.ts)
        if peer.packets >= BULK_PACKETS and p.ts >= peer.due:
            self.interval(flow, peer, me, not from_src)

    def first(self, flow: Flow, p: Packet, from_src: bool) -> None:
        """Set the fields that a flow's first packet decides."""
        if self.share and owner(p, self.shares) == EVERYONE:
            self.mark_shadow(flow)
        flow.wants = p.protocol < WANTED_SIZE and self.wanted[p.protocol] != 0 and not flow.shadow
        if flow.wants and not p.has_ports:
            self.portless[p.protocol] += 1
            if self.portless[p.protocol] > MAX_PORTLESS:
                flow.wants = 0
                self.unread += 1
        if p.mac_at >= 0:
            self.decoder.macs()
            flow.src_mac = p.src_mac if from_src else p.dst_mac
            flow.dst_mac = p.dst_mac if from_src else p.src_mac

    def elsewhere(self, p: Packet) -> bool:
        """Whether another tracker owns a packet."""
        whose = owner(p, self.shares)
        return whose != self.share and whose != EVERYONE

    def mark_shadow(self, flow: Flow) -> None:
        """Mark a flow that the first tracker owns and this one only follows for its fragments."""
        flow.shadow = 1
        first_packets = self.table.first_packets
        first = (flow.first_packet << PART_BITS) | self.decoder.pkt.part
        if first_packets and first_packets[len(first_packets) - 1] == first:
            first_packets[len(first_packets) - 1] = -first

    def count(self, flow: Flow, me: Half, p: Packet) -> None:
        """Count one packet."""
        me.packets += 1
        me.bytes += p.length
        if p.ts > flow.last_ts:
            flow.last_ts = p.ts
        if p.ts < flow.first_ts:
            flow.first_ts = p.ts
        if p.ttl >= 0 and (me.ttl < 0 or p.ttl < me.ttl):
            me.ttl = p.ttl

    def content(self, flow: Flow, me: Half, p: Packet, from_src: bool) -> None:
        """Pass the payload of protocols other than TCP to the listener."""
        protocol = p.protocol
        if p.payload and not me.marks:
            me.marks = MARK_DATA
            note(flow, DATA, from_src)
        if not from_src and (protocol == ICMP or protocol == ICMPV6) and p.icmp_type in (ECHO_REPLY, ECHO6_REPLY):
            flow.state = ECHO_ANSWERED
        if flow.wants and not p.tunnel:
            header = ECHO_HEADER if p.icmp_id >= 0 and not p.headers_cut else 0
            if p.payload_captured + header > 0:
                flow.missing = p.payload - p.payload_captured
                data = self.copy(p.payload_offset - header, p.payload_captured + header)
                timeout = flow.timeout
                self.listener.datagram(flow, from_src, data, p.ts, p.number)
                if flow.timeout < timeout:
                    self.table.schedule_expiry(flow)

    def copy(self, start: int, size: int) -> bytes:
        """Copy payload bytes out of the buffer being decoded."""
        return self.decoder.copy(start, size)

    def tcp(self, flow: Flow, me: Half, p: Packet, from_src: bool) -> None:
        """Pass payload to the listener, in causal order."""
        timeout = flow.timeout
        ack = p.ack if p.flags & ACK else NO_ACK
        if p.payload > 0 and not p.flags & RST:
            start = me.position + wrap(p.seq - me.next_seq)
            if p.flags & SYN:
                start += 1
            # One byte without PSH, before all others, in a capture that begins within the connection: a keep-alive.
            if p.payload > 1 or start > 0 or p.flags & PUSH or me.marks & MARK_ISN:
                size = p.payload_captured if p.payload_captured < p.payload else p.payload
                data = self.copy(p.payload_offset, size)
                self.streams.segment(flow, from_src, start, data, p.payload, ack, p.ts, p.number)
        if flow.waiting or p.flags & SYN:
            self.streams.control(flow, from_src, p.flags, ack, p.ts)
        if flow.timeout < timeout:
            self.table.schedule_expiry(flow)

    def carrier(self, flow: Flow, from_src: bool) -> None:
        """Count a fragment that does not complete its datagram, for the flow without ports between its addresses."""
        flow.wants = 0
        if self.share and not flow.shadow:
            self.mark_shadow(flow)
        flow.fragments += 1
        me = half(flow, from_src)
        self.count(flow, me, self.decoder.pkt)
        me.payload += self.decoder.pkt.payload

    def datagram_of(self, p: Packet, context: int) -> tuple[int, ...]:
        """What the fragments of one datagram have in common."""
        protocol = p.protocol if p.version == 4 else -1
        return (p.src_hi, p.src_lo, p.dst_hi, p.dst_lo, p.ip_id, protocol, context)

    def name_fragment(self, p: Packet, context: int) -> None:
        """Set the protocol of a later IPv6 fragment to that of the first one, which decides (RFC 8200 section 4.5)."""
        if p.fragment_offset:
            protocol = self.fragments.first_protocol(self.datagram_of(p, context))
            if protocol >= 0:
                p.protocol = protocol

    def complete(self, context: int) -> bool:
        """Add a fragment; true once its datagram is complete, which the decoder has then read."""
        p = self.decoder.pkt
        key = self.datagram_of(p, context)
        data = self.copy(p.ip_payload_offset, p.ip_payload_captured)
        offset, more = p.fragment_offset, bool(p.more_fragments)
        whole = self.fragments.add(key, p.protocol, offset, more, data, p.ip_payload, p.ts)
        if whole is None:
            return False
        self.decoder.attach(memoryview(whole))
        return self.decoder.reassembled(self.fragments.protocol, len(whole)) == OK
