"""Link types other than Ethernet; source: the link-type pages of tcpdump.org."""

import cython

from rustnet.engine.dot11 import Dot11
from rustnet.engine.numbers import MIN_ETHERTYPE

if not cython.compiled:
    from rustnet.engine.numbers import (
        CUT,
        IP4,
        IP6,
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
        LINK_RADIOTAP,
        LINK_RAW,
        LINK_RAW12,
        LINK_RAW14,
        LINK_SLL,
        LINK_SLL2,
        LLC,
        MALFORMED,
        UNKNOWN_LINK,
    )
    from rustnet.engine.reader import mac, u16, u32, u32le


class Links(Dot11):
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
        if link in (LINK_BROADCOM, LINK_BROADCOM_PREPEND, LINK_DSA):
            return self.switch_tag(o, e, link)
        if link == LINK_EDSA:  # its tag has an ethertype
            return self.ethernet(o, e)
        return UNKNOWN_LINK

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

    def loopback(self, o: int, e: int) -> int:
        """BSD loopback: four bytes of address family in either byte order (AF_INET6 differs by system)."""
        if e - o < 4:
            return CUT
        family = u32(self, o)
        if family > 0xFFFF:
            family = ((family >> 24) & 0xFF) | ((family >> 8) & 0xFF00)
        if family == 2:
            return self.network(IP4, o + 4, e)
        if family in (10, 23, 24, 28, 30):
            return self.network(IP6, o + 4, e)
        return MALFORMED

    def cooked(self, o: int, e: int, link: int) -> int:
        """Linux cooked capture, version 1 (link type 113) and 2 (276)."""
        if link == LINK_SLL:
            if e - o < 16:
                return CUT
            if u16(self, o + 4) == 6:
                self.pkt.src_mac = mac(self, o + 6)
            kind = u16(self, o + 14)
            start = o + 16
        else:
            if e - o < 20:
                return CUT
            if self.b[o + 11] == 6:
                self.pkt.src_mac = mac(self, o + 12)
            kind = u16(self, o)
            start = o + 20
        if kind == 4:  # LINUX_SLL_P_802_2
            return self.llc(start, e)
        if kind < MIN_ETHERTYPE:
            return self.link_only(LLC)
        return self.network(kind, start, e)

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
        return self.dot11(o + size, e)

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
