"""Reading numbers out of a frame, and the records of it that all layers share."""

from rustnet.engine.numbers import OK
from rustnet.engine.packet import Packet


class Reader:
    """Reads from the buffer that `attach` names, and fills `pkt`."""

    def __init__(self) -> None:
        self.b = memoryview(b"")
        self.pkt = Packet()
        self.size = 0

    def attach(self, data: memoryview) -> None:
        """Read from ``data`` from now on."""
        self.b = data
        self.size = len(data)

    def copy(self, o: int, size: int) -> bytes:
        """Copy of ``size`` bytes at ``o``."""
        if o < 0 or size < 0 or o + size > self.size:
            raise IndexError("payload outside of the buffer")
        return bytes(self.b[o : o + size])

    def u16(self, o: int) -> int:
        """Big-endian 16 bits at ``o``."""
        return (self.b[o] << 8) | self.b[o + 1]

    def u32(self, o: int) -> int:
        """Big-endian 32 bits at ``o``."""
        high = self.u16(o)
        return (high << 16) | self.u16(o + 2)

    def u32le(self, o: int) -> int:
        """Little-endian 32 bits at ``o``."""
        high = self.b[o + 2] | (self.b[o + 3] << 8)
        return (high << 16) | self.b[o] | (self.b[o + 1] << 8)

    def u64(self, o: int) -> int:
        """Big-endian 64 bits at ``o``."""
        high = self.u32(o)
        low = self.u32(o + 4)
        return (high << 32) | low

    def mac(self, o: int) -> int:
        """Hardware address at ``o`` as a 48-bit number."""
        high = self.u16(o)
        low = self.u32(o + 2)
        return (high << 32) | low

    def set_payload(self, o: int, e: int, length: int) -> None:
        """Note where the payload lies and how long it claims to be."""
        p = self.pkt
        if o > e:
            o = e
        p.payload_offset = o
        p.payload_captured = e - o
        p.payload = length if length > 0 else 0

    def link_only(self, protocol: int) -> int:
        """Account for a frame by its hardware addresses alone."""
        p = self.pkt
        p.version = 0
        p.protocol = protocol
        p.src_hi = 0
        p.dst_hi = 0
        p.src_lo = p.src_mac if p.src_mac >= 0 else 0
        p.dst_lo = p.dst_mac if p.dst_mac >= 0 else 0
        return OK

    def link_payload(self, protocol: int, o: int, e: int) -> int:
        """Account for a layer-2 protocol whose message lies at ``o``."""
        p = self.pkt
        if o > e:
            o = e
        p.payload_offset = o
        p.payload_captured = e - o
        p.payload = e - o
        return self.link_only(protocol)
