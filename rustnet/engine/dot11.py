"""Wireless frames (IEEE 802.11)."""

import cython

from rustnet.engine.ethernet import Ethernet

if not cython.compiled:
    from rustnet.engine.numbers import (
        CUT,
        SNAP_SAP,
        WLAN,
    )
    from rustnet.engine.reader import mac


class Dot11(Ethernet):
    """Decodes IEEE 802.11 frames."""

    def dot11(self, o: int, e: int) -> int:
        """IEEE 802.11: data frames down to LLC; other and encrypted frames stay on layer 2."""
        if e - o < 10:
            return CUT
        p = self.pkt
        control = self.b[o]
        flags = self.b[o + 1]
        p.dst_mac = mac(self, o + 4)
        if e - o < 24:
            return self.link_only(WLAN)
        p.src_mac = mac(self, o + 10)
        if (control >> 2) & 3 != 2:
            return self.link_only(WLAN)
        size = 24
        to_ds = flags & 1
        from_ds = flags & 2
        if to_ds and from_ds:
            size = 30
            if e - o >= 30:
                p.src_mac = mac(self, o + 24)
        if to_ds:
            p.dst_mac = mac(self, o + 16)
        elif from_ds:
            p.src_mac = mac(self, o + 16)
        if control & 0x80:  # QoS data carries two more bytes
            size += 2
            if flags & 0x80:
                size += 4
        if control & 0x40 or flags & 0x40 or o + size + 8 > e:  # no data, encrypted, or too short for SNAP
            return self.link_only(WLAN)
        if self.b[o + size] != SNAP_SAP:
            return self.link_only(WLAN)
        return self.llc(o + size, e)

    def dot11_swapped(self, o: int, e: int) -> int:
        """802.11 inside CAPWAP; some controllers send the frame control field with its bytes swapped."""
        if o + 2 <= e and self.b[o] & 0x0C != 0x08 and self.b[o + 1] & 0x0C == 0x08:
            p = self.pkt
            if o + 32 > e:
                return self.link_only(WLAN)
            size = 24 + (2 if self.b[o + 1] & 0x80 else 0)
            if self.b[o] & 3 == 3:
                size += 6
            p.dst_mac = mac(self, o + 4)
            p.src_mac = mac(self, o + 10)
            if o + size + 8 <= e and self.b[o + size] == SNAP_SAP:
                return self.llc(o + size, e)
            return self.link_only(WLAN)
        return self.dot11(o, e)
