"""Wireless frames (IEEE 802.11)."""

import cython

from rustnet.engine.ethernet import Ethernet

if not cython.compiled:
    from rustnet.engine.numbers import (
        AGGREGATE,
        CUT,
        MAX_MSDU,
        OK,
        SNAP_SAP,
        STP_SAP,
        WLAN,
        WLAN_CONTROL,
        WLAN_EMPTY,
        WLAN_ENCRYPTED,
        WLAN_MANAGEMENT,
    )
    from rustnet.engine.reader import mac, u16


def undecoded(control: int, flags: int) -> int:
    """Protocol number of a frame that is not decoded further, by its type and whether it is encrypted."""
    kind = (control >> 2) & 3
    if kind == 0:
        return WLAN_MANAGEMENT
    if kind == 1:
        return WLAN_CONTROL
    if kind == 2 and control & 0x40:
        return WLAN_EMPTY
    return WLAN_ENCRYPTED if kind == 2 and flags & 0x40 else WLAN


class Dot11(Ethernet):
    """Decodes IEEE 802.11 frames."""

    def dot11(self, o: int, e: int) -> int:
        """IEEE 802.11: data frames down to LLC; other and encrypted frames stay on layer 2."""
        return self.dot11_frame(o, e, 0)

    def dot11_frame(self, o: int, e: int, padded: int) -> int:
        """The same, of a frame whose header may be ``padded`` to a multiple of four bytes."""
        if e - o < 10:
            return CUT
        p = self.pkt
        control = self.b[o]
        flags = self.b[o + 1]
        p.dst_mac = mac(self, o + 4)
        if e - o < 24:
            return self.link_only(undecoded(control, flags))
        p.src_mac = mac(self, o + 10)
        if (control >> 2) & 3 != 2:
            return self.link_only(undecoded(control, flags))
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
        qos = 0
        if control & 0x80:  # QoS data carries two more bytes
            if o + size + 2 <= e:
                qos = self.b[o + size] | (self.b[o + size + 1] << 8)
            size += 2
            if flags & 0x80:
                size += 4
        if padded:
            size = (size + 3) & ~3
        if control & 0x40 or flags & 0x40 or o + size + 8 > e:  # no data, encrypted, or too short for SNAP
            return self.link_only(undecoded(control, flags))
        if self.b[o + 22] & 0x0F and not self.snap(o + size, e):  # a later part of a frame
            return self.link_only(WLAN)
        return self.dot11_data(o + size, e, qos)

    def dot11_data(self, o: int, e: int, qos: int) -> int:
        """Data of an 802.11 frame: LLC, alone, in an A-MSDU, or after the header of a mesh."""
        if qos & 0x80 and not self.snap(o, e) and self.subframe_size(o, e):
            return self.aggregate(o, e)
        if self.b[o] == SNAP_SAP or (self.b[o] == STP_SAP and self.b[o + 1] == STP_SAP and self.b[o + 2] == 3):
            return self.llc(o, e)
        extended = self.b[o] & 3  # further addresses in the header of a mesh
        if qos & 0x100 and extended != 3 and self.snap(o + 6 + 6 * extended, e):
            if extended == 2:
                self.pkt.dst_mac = mac(self, o + 6)
                self.pkt.src_mac = mac(self, o + 12)
            return self.llc(o + 6 + 6 * extended, e)
        return self.link_only(WLAN)

    def snap(self, o: int, e: int) -> bool:
        """Whether LLC with SNAP is at ``o``."""
        return o + 8 <= e and self.b[o] == SNAP_SAP and self.b[o + 1] == SNAP_SAP and self.b[o + 2] == 3

    def aggregate(self, o: int, e: int) -> int:
        """A-MSDU: the range of its subframes, whose packets `subframe` decodes one by one."""
        status = self.subframe(o, e)
        if status != OK:
            return status
        p = self.pkt
        p.clear()
        p.vlan = -1
        self.set_inner(AGGREGATE, 0, o, e, 0)
        return self.link_only(WLAN)

    def subframe_size(self, o: int, e: int) -> int:
        """Bytes of the subframe at ``o`` without its padding; 0 if there is none."""
        if o + 22 > e or not self.snap(o + 14, e):
            return 0
        size = u16(self, o + 12)
        return 14 + size if 8 <= size <= MAX_MSDU else 0

    def subframe(self, o: int, e: int) -> int:
        """Decode the subframe at ``o``: destination, source, length, and LLC."""
        p = self.pkt
        p.vlan = -1
        p.dst_mac = mac(self, o)
        p.src_mac = mac(self, o + 6)
        stop = o + self.subframe_size(o, e)
        return self.llc(o + 14, stop if stop < e else e)

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
