"""Link types that few captures have.

Sources: the link-type pages of tcpdump.org; RFC 1201 and 1051 (ARCnet), 2427 (frame relay), 2684 (ATM), 2625 (Fibre
Channel), 2734 (IEEE 1394), 4391 (InfiniBand); Endace's ERF types.
"""

import cython

from rustnet.engine.dot11 import Dot11
from rustnet.engine.numbers import MAX_HEADERS, MIN_ETHERTYPE

if not cython.compiled:
    from rustnet.engine.numbers import (
        ARCNET,
        ARP_TYPE,
        ATM,
        CUT,
        ERF,
        FDDI,
        FRAME_RELAY,
        IP4,
        IP6,
        LINK_ARCNET,
        LINK_ARCNET_LINUX,
        LINK_CLIP,
        LINK_ENC,
        LINK_EPON,
        LINK_ERF,
        LINK_FC,
        LINK_FDDI,
        LINK_FIREWIRE,
        LINK_FRAME_RELAY,
        LINK_HDLC_DIR,
        LINK_IPNET,
        LINK_IPOIB,
        LINK_JUNIPER_ETHER,
        LINK_JUNIPER_HDLC,
        LINK_JUNIPER_PPP,
        LINK_JUNIPER_RELAY,
        LINK_MPACKET,
        LINK_MPLS,
        LINK_NETANALYZER,
        LINK_NETANALYZER_RAW,
        LINK_PFLOG,
        LINK_PPP_DIR,
        LINK_PPPD,
        LINK_RELAY_DIR,
        LINK_RFC1483,
        LINK_RFC1483_OLD,
        LINK_SLIP,
        LINK_SUNATM,
        LINK_TOKEN_RING,
        MALFORMED,
        SNAP_SAP,
        TOKEN_RING,
        UNKNOWN_LINK,
    )
    from rustnet.engine.reader import mac, u16, u32


class FurtherLinks(Dot11):
    """Decodes frames of link types that few captures have."""

    def further_link(self, o: int, e: int, link: int) -> int:
        """Decode a frame of one of these link types."""
        if link == LINK_PFLOG:
            return self.pflog(o, e)
        if link == LINK_ENC:  # address family in the host's byte order, SPI, flags
            return self.family(u32(self, o), o + 12, e) if o + 12 <= e else CUT
        if link == LINK_IPNET:  # Solaris: version, address family, and ten more fields
            return self.family(self.b[o + 1], o + 24, e) if o + 24 <= e else CUT
        if link in (LINK_PPP_DIR, LINK_PPPD, LINK_HDLC_DIR, LINK_RELAY_DIR):
            return self.directed(o, e, link)
        if link == LINK_SLIP:  # direction, and the header that was compressed
            return self.raw_ip(o + 16, e)
        if link == LINK_MPLS:
            return self.mpls(o, e)
        if link == LINK_FRAME_RELAY:
            return self.frame_relay(o, e)
        if link in (LINK_ARCNET, LINK_ARCNET_LINUX):
            return self.arcnet(o, e, link)
        if link in (LINK_RFC1483_OLD, LINK_RFC1483, LINK_CLIP, LINK_SUNATM):
            return self.atm(o, e, link)
        if link == LINK_IPOIB:
            return self.infiniband(o, e)
        if link == LINK_ERF:
            return self.erf(o, e)
        if link in (LINK_JUNIPER_ETHER, LINK_JUNIPER_PPP, LINK_JUNIPER_RELAY, LINK_JUNIPER_HDLC):
            return self.juniper(o, e, link)
        if link in (LINK_NETANALYZER, LINK_NETANALYZER_RAW, LINK_EPON, LINK_MPACKET):
            return self.preambled(o, e, link)
        return self.station_link(o, e, link)

    def raw_ip(self, o: int, e: int) -> int:
        """Decode an IP packet; its first nibble is the version."""
        if o >= e:
            return CUT
        nibble = self.b[o] >> 4
        if nibble == 4:
            return self.network(IP4, o, e)
        if nibble == 6:
            return self.network(IP6, o, e)
        return MALFORMED

    def family(self, number: int, o: int, e: int) -> int:
        """Decode an IP packet by its address family in either byte order (AF_INET6 differs by system)."""
        if number > 0xFFFF:
            number = ((number >> 24) & 0xFF) | ((number >> 8) & 0xFF00)
        if number == 2:
            return self.network(IP4, o, e)
        if number in (10, 23, 24, 26, 28, 30):
            return self.network(IP6, o, e)
        return MALFORMED

    def pflog(self, o: int, e: int) -> int:
        """Log of BSD's packet filter: length, address family, action, interface, rule …; padded to four bytes."""
        if o + 4 > e:
            return CUT
        size = self.b[o]
        if size < 45:
            return MALFORMED
        size = (size + 3) & ~3
        return self.family(self.b[o + 1], o + size, e) if o + size <= e else CUT

    def directed(self, o: int, e: int, link: int) -> int:
        """PPP, Cisco's HDLC and frame relay after a byte for the direction."""
        if o + 2 > e:
            return CUT
        if link == LINK_RELAY_DIR:
            return self.frame_relay(o + 1, e)
        if link == LINK_HDLC_DIR:
            return self.network(u16(self, o + 3), o + 5, e) if o + 5 <= e else CUT
        if self.b[o + 1] == 0x03 and (link == LINK_PPPD or self.b[o] == 0xFF):  # it stands in the place of the address
            return self.ppp(o + 2, e)
        return self.ppp(o + 1, e)

    def frame_relay(self, o: int, e: int) -> int:
        """Frame relay: an address of up to four bytes, then RFC 2427's header or Cisco's ethertype."""
        at = o
        for _ in range(4):
            if at >= e:
                return CUT
            at += 1
            if self.b[at - 1] & 1:
                break
        else:
            return MALFORMED
        if at + 2 > e:
            return CUT
        if self.b[at] != 0x03:
            kind = u16(self, at)
            if kind >= MIN_ETHERTYPE:
                return self.network(kind, at + 2, e)
            return self.link_payload(FRAME_RELAY, at, e)
        at += 1
        if self.b[at] == 0 and at + 1 < e:  # aligns what follows
            at += 1
        return self.identified(FRAME_RELAY, at, e)

    def identified(self, protocol: int, o: int, e: int) -> int:
        """What a network layer protocol identifier of ISO 9577 names; anything else is ``protocol``'s."""
        if o >= e:
            return CUT
        kind = self.b[o]
        if kind == 0xCC:
            return self.network(IP4, o + 1, e)
        if kind == 0x8E:
            return self.network(IP6, o + 1, e)
        if kind == 0xCF:
            return self.ppp(o + 1, e)
        if kind == 0x80 and o + 6 <= e:  # SNAP
            oui = (self.b[o + 1] << 16) | u16(self, o + 2)
            kind = u16(self, o + 4)
            if oui == 0:
                return self.network(kind, o + 6, e)
            if oui == 0x0080C2 and kind in (1, 7):  # bridged Ethernet, with and without its checksum
                return self.ethernet(o + 6, e)
        return self.link_payload(protocol, o, e)

    def arcnet(self, o: int, e: int, link: int) -> int:
        """ARCnet: source, destination, Linux's offset, type; of a packet in several parts the first one."""
        at = o + 4 if link == LINK_ARCNET_LINUX else o + 2
        if at >= e:
            return CUT
        kind = self.b[at]
        at += 1
        if kind == 0xF0:  # RFC 1051
            return self.network(IP4, at, e)
        if kind == 0xF1:
            return self.network(ARP_TYPE, at, e)
        if kind not in (0xC4, 0xD4, 0xD5):
            return self.link_payload(ARCNET, at, e)
        if at + 3 > e:
            return CUT
        part = self.b[at]
        at += 3
        if part == 0xFF:  # a packet of a size that needs padding has this header twice
            if at + 4 > e:
                return CUT
            part = self.b[at + 1]
            at += 4
        if part and not part & 1:
            return self.link_payload(ARCNET, at, e)
        return self.network(IP4 if kind == 0xD4 else IP6 if kind == 0xC4 else ARP_TYPE, at, e)

    def atm(self, o: int, e: int, link: int) -> int:
        """Packets over ATM's adaptation layer 5: IEEE 802.2, an emulated LAN, or IP alone."""
        if link == LINK_SUNATM:
            if o + 4 > e:
                return CUT
            kind = self.b[o] & 0x0F
            o += 4
            if kind == 1 and o + 2 <= e:  # an emulated LAN's client, then its frame
                return self.ethernet(o + 2, e)
            if kind != 2:
                return self.link_payload(ATM, o, e)
        if o + 8 > e:
            return CUT
        if self.b[o] == SNAP_SAP:
            return self.llc(o, e)
        if u16(self, o) == 0xFEFE and self.b[o + 2] == 3:
            return self.identified(ATM, o + 3, e)
        if link == LINK_CLIP:
            return self.raw_ip(o, e)
        return self.llc(o, e)

    def infiniband(self, o: int, e: int) -> int:
        """IP over InfiniBand: ethertype and two zero bytes, alone or after an address or a global route header."""
        if o + 4 > e:
            return CUT
        for skip in (0, 20, 40):
            if o + skip + 4 <= e and u16(self, o + skip + 2) == 0:
                kind = u16(self, o + skip)
                if kind in (IP4, IP6, ARP_TYPE):
                    return self.network(kind, o + skip + 4, e)
        return self.network(u16(self, o), o + 4, e) if u16(self, o) >= MIN_ETHERTYPE else MALFORMED

    def erf(self, o: int, e: int) -> int:
        """Endace's extensible record format: time, type, flags, sizes, extension headers, and a frame."""
        if o + 16 > e:
            return CUT
        kind = self.b[o + 8]
        stop = o + u16(self, o + 10)
        if o + 16 < stop < e:
            e = stop
        o += 16
        more = kind & 0x80
        for _ in range(MAX_HEADERS):
            if not more:
                break
            if o + 8 > e:
                return CUT
            more = self.b[o] & 0x80
            o += 8
        else:
            return MALFORMED
        kind &= 0x7F
        if kind in (2, 11, 16, 20):
            return self.ethernet(o + 2, e)
        if kind in (1, 10, 15, 19):
            if o + 4 <= e and self.b[o] in (0x0F, 0x8F):
                return self.network(u16(self, o + 2), o + 4, e)
            return self.ppp(o, e)
        if kind == 22:
            return self.network(IP4, o, e)
        if kind == 23:
            return self.network(IP6, o, e)
        return self.link_payload(ERF, o, e)

    def juniper(self, o: int, e: int, link: int) -> int:
        """Juniper's header: magic number, flags, extensions; then the frame, or a word and an IP packet."""
        if o + 4 > e:
            return CUT
        if u32(self, o) >> 8 != 0x4D4743:
            return MALFORMED
        flags = self.b[o + 3]
        o += 4
        if flags & 0x80:
            if o + 2 > e:
                return CUT
            o += 2 + u16(self, o)
        if flags & 0x02:  # there is no header of the link
            return self.raw_ip(o + 4, e)
        if link == LINK_JUNIPER_ETHER:
            return self.ethernet(o, e)
        if link == LINK_JUNIPER_PPP:
            return self.ppp(o, e)
        if link == LINK_JUNIPER_RELAY:
            return self.frame_relay(o, e)
        return self.network(u16(self, o + 2), o + 4, e) if o + 4 <= e else CUT

    def preambled(self, o: int, e: int, link: int) -> int:
        """Ethernet after its preamble, or after the header of an analyser."""
        if link == LINK_NETANALYZER:
            return self.ethernet(o + 4, e)
        if link == LINK_NETANALYZER_RAW:
            o += 4
        if o + 8 > e:
            return CUT
        if link != LINK_EPON and self.b[o + 7] != 0xD5:  # a part of an interrupted frame, or a damaged preamble
            return UNKNOWN_LINK
        return self.ethernet(o + 8, e)

    def station_link(self, o: int, e: int, link: int) -> int:
        """Token ring, FDDI, Fibre Channel and IEEE 1394, all with the addresses of two stations."""
        p = self.pkt
        if link == LINK_TOKEN_RING:
            if o + 14 > e:
                return CUT
            p.dst_mac = mac(self, o + 2)
            high = u16(self, o + 8) & 0x7FFF  # without the bit for a source route
            p.src_mac = (high << 32) | u32(self, o + 10)
            if self.b[o + 1] & 0xC0 != 0x40:
                return self.link_only(TOKEN_RING)
            return self.llc(o + 14 + (self.b[o + 14] & 0x1F if self.b[o + 8] & 0x80 and o + 15 <= e else 0), e)
        if link == LINK_FDDI:  # the addresses' bits are in another order
            if o + 13 > e:
                return CUT
            return self.llc(o + 13, e) if self.b[o] & 0xF0 == 0x50 else self.link_only(FDDI)
        if link == LINK_FC:
            if o + 16 > e:
                return CUT
            p.dst_mac = mac(self, o + 2)
            p.src_mac = mac(self, o + 10)
            return self.llc(o + 16, e)
        if link == LINK_FIREWIRE:
            return self.network(u16(self, o + 16), o + 18, e) if o + 18 <= e else CUT
        return UNKNOWN_LINK
