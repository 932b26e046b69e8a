"""Link types other than Ethernet; source: the link-type pages of tcpdump.org."""

import cython

from rustnet.engine.further_links import FurtherLinks
from rustnet.engine.numbers import MAX_HEADERS, MIN_ETHERTYPE

if not cython.compiled:
    from rustnet.engine.numbers import (
        CAN,
        CAN_FD,
        CUT,
        IP4,
        IP6,
        LINK_AVS,
        LINK_BROADCOM,
        LINK_BROADCOM_PREPEND,
        LINK_DOT11,
        LINK_DSA,
        LINK_EDSA,
        LINK_ETHERNET,
        LINK_HDLC,
        LINK_IPV4,
        LINK_IPV6,
        LINK_LOOP,
        LINK_NFLOG,
        LINK_NULL,
        LINK_PKTAP,
        LINK_PKTAP_OLD,
        LINK_PPI,
        LINK_PPP,
        LINK_PPP_ETHER,
        LINK_PPP_HDLC,
        LINK_PRISM,
        LINK_RADIOTAP,
        LINK_RAW,
        LINK_RAW12,
        LINK_RAW14,
        LINK_SLL,
        LINK_SLL2,
        LLC,
        MALFORMED,
        NETLINK,
        PPP,
        RADIO_FCS,
        RADIO_PADDED,
        UNKNOWN_LINK,
    )
    from rustnet.engine.reader import mac, u16, u32, u32le


class Links(FurtherLinks):
    """Decodes frames of any link type but Ethernet."""

    def other_link(self, o: int, e: int, link: int) -> int:
        """Decode a frame of any link type but Ethernet."""
        n = e - o
        if link in (LINK_RAW, LINK_RAW12, LINK_RAW14):  # raw IP; the latter two are what some systems wrote for it
            return self.raw_ip(o, e)
        if link == LINK_IPV4:
            return self.network(IP4, o, e)
        if link == LINK_IPV6:
            return self.network(IP6, o, e)
        if link in (LINK_NULL, LINK_LOOP):
            return self.loopback(o, e)
        if link in (LINK_SLL, LINK_SLL2):
            return self.cooked(o, e, link)
        if link in (LINK_PPP, LINK_PPP_HDLC, LINK_PPP_ETHER):
            if link == LINK_PPP_ETHER and n >= 6:  # PPPoE session header first
                return self.ppp(o + 6, e)
            return self.ppp(o, e)
        if link == LINK_HDLC:  # Cisco HDLC: address, control, ethertype
            if n < 4:
                return CUT
            return self.network(u16(self, o + 2), o + 4, e)
        if link == LINK_DOT11:
            return self.dot11(o, e)
        if link in (
            LINK_RADIOTAP,
            LINK_PPI,
        ):  # radiotap and PPI begin alike: version, flags, little-endian header length
            return self.radio(o, e, link)
        if link == LINK_NFLOG:
            return self.nflog(o, e)
        if link in (LINK_PKTAP_OLD, LINK_PKTAP):
            return self.pktap(o, e)
        if link in (LINK_PRISM, LINK_AVS):
            return self.prism(o, e)
        if link in (LINK_BROADCOM, LINK_BROADCOM_PREPEND, LINK_DSA):
            return self.switch_tag(o, e, link)
        if link == LINK_EDSA:  # its tag has an ethertype
            return self.ethernet(o, e)
        return self.further_link(o, e, link)

    def loopback(self, o: int, e: int) -> int:
        """BSD loopback: four bytes of address family."""
        return self.family(u32(self, o), o + 4, e) if e - o >= 4 else CUT

    def cooked(self, o: int, e: int, link: int) -> int:
        """Linux cooked capture, version 1 (link type 113) and 2 (276)."""
        if link == LINK_SLL:
            if e - o < 16:
                return CUT
            if u16(self, o + 4) == 6:
                self.pkt.src_mac = mac(self, o + 6)
            hardware = u16(self, o + 2)
            kind = u16(self, o + 14)
            start = o + 16
        else:
            if e - o < 20:
                return CUT
            if self.b[o + 11] == 6:
                self.pkt.src_mac = mac(self, o + 12)
            hardware = u16(self, o + 8)
            kind = u16(self, o)
            start = o + 20
        if hardware > 769 and hardware != 772:  # neither Ethernet, PPP, a tunnel nor the loopback interface
            return self.cooked_hardware(hardware, kind, start, e)
        return self.cooked_protocol(kind, start, e)

    def cooked_hardware(self, hardware: int, kind: int, o: int, e: int) -> int:
        """Cooked frames of interfaces whose type (ARPHRD) decides what follows."""
        if hardware == 801:
            return self.dot11(o, e)
        if hardware == 802:
            return self.prism(o, e)
        if hardware == 803:
            return self.radio(o, e, LINK_RADIOTAP)
        if hardware == 770:
            return self.frame_relay(o, e)
        if hardware == 824:
            return self.link_payload(NETLINK, o, e)
        if hardware == 778 and kind == PPP:  # GRE
            return self.ppp(o, e)
        return self.cooked_protocol(kind, o, e)

    def cooked_protocol(self, kind: int, o: int, e: int) -> int:
        """What the protocol of a cooked frame names: an ethertype, or one of Linux's own numbers (ETH_P)."""
        if kind >= MIN_ETHERTYPE:
            return self.network(kind, o, e)
        if kind in (1, 4):  # Novell's frames without LLC, and 802.2
            return self.llc(o, e)
        if kind == 7:
            return self.ppp(o, e)
        if kind == 0x0C:
            return self.link_payload(CAN, o, e)
        if kind == 0x0D:
            return self.link_payload(CAN_FD, o, e)
        return self.link_only(LLC)

    def radio(self, o: int, e: int, link: int) -> int:
        """Radiotap and PPI headers: skip them and decode the frame that follows."""
        if e - o < 8:
            return CUT
        size = self.b[o + 2] | (self.b[o + 3] << 8)
        if size < 8:
            return MALFORMED
        if o + size > e:
            return CUT
        if link == LINK_PPI:
            inner = u32le(self, o + 4)
            if inner == LINK_DOT11:
                return self.dot11(o + size, e)
            if inner == LINK_ETHERNET:
                return self.ethernet(o + size, e)
            return UNKNOWN_LINK
        flags = self.radio_flags(o, size)
        at = o + size
        if flags & RADIO_FCS and self.pkt.length == e - o and e - at > 4:
            e -= 4
        return self.dot11_frame(at, e, flags & RADIO_PADDED)

    def radio_flags(self, o: int, size: int) -> int:
        """Flags of a radiotap header, after the words that name its fields and the aligned time; 0 without them."""
        present = word = u32le(self, o + 4)
        at = o + 8
        for _ in range(MAX_HEADERS):
            if not word >> 31:
                break
            if at + 4 > o + size:
                return 0
            word = u32le(self, at)
            at += 4
        if present & 1:
            at = o + ((at - o + 7) & ~7) + 8
        return self.b[at] if present & 2 and at < o + size else 0

    def prism(self, o: int, e: int) -> int:
        """Headers of older wireless drivers: Prism's with its length in either byte order, or AVS's."""
        if e - o < 8:
            return CUT
        size = u32(self, o + 4)
        if u32(self, o) >> 12 != 0x80211 and size > 0xFFFF:  # not AVS
            size = u32le(self, o + 4)
        if size < 8 or size > 0xFFFF:
            return MALFORMED
        return self.dot11(o + size, e) if o + size <= e else CUT

    def nflog(self, o: int, e: int) -> int:
        """Linux NFLOG: family, version, resource id, then type-length-value items in host byte order."""
        if e - o < 4:
            return CUT
        family = self.b[o]
        at = o + 4
        for _ in range(64):
            if at + 4 > e:
                return CUT
            size = self.b[at] | (self.b[at + 1] << 8)
            kind = self.b[at + 2] | (self.b[at + 3] << 8)
            if kind > 0xFF:  # written by a big-endian host
                size = u16(self, at)
                kind = u16(self, at + 2)
            if size < 4:
                return MALFORMED
            if kind == 9:  # NFULA_PAYLOAD
                stop = at + size
                if stop > e:
                    stop = e
                if family == 2:
                    return self.network(IP4, at + 4, stop)
                if family == 10:
                    return self.network(IP6, at + 4, stop)
                return self.raw_ip(at + 4, stop)
            at += (size + 3) & ~3
        return MALFORMED

    def pktap(self, o: int, e: int) -> int:
        """Apple PKTAP, versions 1 and 2: a header that names the inner link type."""
        if e - o < 40:
            return CUT
        if self.b[o] >= 40 and self.b[o + 1] <= self.b[o] and self.b[o + 38] & 0x08:  # version 2: flag 0x80000
            size = self.b[o]
            link = self.b[o + 6] | (self.b[o + 7] << 8)
        else:
            size = u32le(self, o)
            link = u32le(self, o + 8)
            if size < 108:
                return MALFORMED
        if link in (LINK_PKTAP_OLD, LINK_PKTAP):
            return MALFORMED
        if o + size > e:
            return CUT
        if link == LINK_ETHERNET:
            return self.ethernet(o + size, e)
        return self.other_link(o + size, e, link)
