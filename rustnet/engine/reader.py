"""Reading of numbers from a frame, and helpers that the decoders of all layers share."""

import cython

from rustnet.engine.packet import Packet

if not cython.compiled:  # compiled, they are C constants
    from rustnet.engine.numbers import OK


class Reader:
    """Reads from the buffer that `attach` names, and fills `pkt`.

    ``framed`` is set while the buffer holds whole frames, ``uncommon`` while `pkt` holds
    something that `Decoder.common` would not overwrite. ``depth`` counts the frame's headers that contain whole frames.
    """

    def __init__(self) -> None:
        self.b = memoryview(b"")
        self.pkt = Packet()
        self.size = 0
        self.framed = 0
        self.uncommon = 1
        self.depth = 0

    def attach(self, data: memoryview) -> None:
        """Set the buffer to read from."""
        self.b = data
        self.size = len(data)
        self.framed = 0

    def copy(self, o: int, size: int) -> bytes:
        """Copy of ``size`` bytes at ``o``."""
        if o < 0 or size < 0 or o + size > self.size:
            raise IndexError("payload outside of the buffer")
        return octets(self, o, size)

    def macs(self) -> None:
        """Read the MAC addresses, which `Decoder.common` skips."""
        p = self.pkt
        if p.mac_at >= 0:
            p.dst_mac = mac(self, p.mac_at)
            p.src_mac = mac(self, p.mac_at + 6)
            p.mac_at = -1
            self.uncommon = 1

    def set_payload(self, o: int, e: int, length: int) -> None:
        """Set the payload's offset, captured size and claimed size."""
        p = self.pkt
        if o > e:
            o = e
        p.payload_offset = o
        p.payload_captured = e - o
        p.payload = length if length > 0 else 0

    def link_only(self, protocol: int) -> int:
        """Set a packet of layer 2, with MAC addresses as its ends."""
        p = self.pkt
        p.version = 0
        p.protocol = protocol
        p.src_hi = 0
        p.dst_hi = 0
        p.src_lo = p.src_mac if p.src_mac >= 0 else 0
        p.dst_lo = p.dst_mac if p.dst_mac >= 0 else 0
        return OK

    def link_payload(self, protocol: int, o: int, e: int) -> int:
        """Set a packet of layer 2 with its message at ``o``."""
        p = self.pkt
        if o > e:
            o = e
        p.network_at = o
        p.payload_offset = o
        p.payload_captured = e - o
        p.payload = e - o
        return self.link_only(protocol)


if not cython.compiled:  # compiled, the .pxd has the same as inline functions

    def octets(r: Reader, o: int, size: int) -> bytes:
        """``size`` bytes at ``o``, within the buffer."""
        return bytes(r.b[o : o + size])

    def u16(r: Reader, o: int) -> int:
        """Big-endian 16 bits at ``o``."""
        return (r.b[o] << 8) | r.b[o + 1]

    def u32(r: Reader, o: int) -> int:
        """Big-endian 32 bits at ``o``."""
        return (u16(r, o) << 16) | u16(r, o + 2)

    def u32le(r: Reader, o: int) -> int:
        """Little-endian 32 bits at ``o``."""
        return ((r.b[o + 2] | (r.b[o + 3] << 8)) << 16) | r.b[o] | (r.b[o + 1] << 8)

    def u64(r: Reader, o: int) -> int:
        """Big-endian 64 bits at ``o``."""
        return (u32(r, o) << 32) | u32(r, o + 4)

    def swap16(number: int) -> int:
        """16 bits with their bytes in the other order."""
        return int.from_bytes(int(number).to_bytes(2, "little"), "big")

    def swap32(number: int) -> int:
        """32 bits with their bytes in the other order."""
        return int.from_bytes(int(number).to_bytes(4, "little"), "big")

    def mac(r: Reader, o: int) -> int:
        """Hardware address at ``o`` as a 48-bit number."""
        return (u16(r, o) << 32) | u32(r, o + 2)
