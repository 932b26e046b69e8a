cimport cython
from rustnet.engine.reader cimport swap16, swap32
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from rustnet.engine.packet cimport Packet
from rustnet.engine.links cimport Links
from rustnet.engine.numbers cimport *

cdef uint64_t MAPPED
cdef int MIN_ETHERTYPE

# As `HEAD` in head.py.
cdef packed struct Head:
    uint8_t macs[12]
    uint16_t kind
    uint8_t first, service
    uint16_t total, ident, fragment
    uint8_t ttl, protocol
    uint16_t checksum
    uint32_t src, dst
    uint16_t src_port, dst_port
    uint32_t seq, ack
    uint8_t offset, flags
    uint16_t window


@cython.final
cdef class Decoder(Links):
    cdef const Head[:] heads
    cdef bint prepared
    @cython.locals(size=Py_ssize_t)
    cpdef attach_frames(self, const unsigned char[::1] data)
    cpdef resume_frames(self, const unsigned char[::1] data)
    @cython.locals(e=Py_ssize_t)
    cdef int any_frame(self, Py_ssize_t o, Py_ssize_t captured, int link) except -1
    @cython.locals(p=Packet)
    cdef int begin(self) except -1
    @cython.locals(p=Packet, head=Head, header=int, payload=Py_ssize_t)
    cdef int common(self, Py_ssize_t o, Py_ssize_t captured) except -1
    @cython.locals(p=Packet, head=Head, length=Py_ssize_t, claimed=Py_ssize_t)
    cdef int common_udp(self, Py_ssize_t o, Py_ssize_t captured) except -1
    @cython.locals(p=Packet)
    cdef inline int common_ends(self, Head head, Py_ssize_t o, Py_ssize_t at, Py_ssize_t payload) except -1
    @cython.locals(p=Packet, kind=int, o=Py_ssize_t, e=Py_ssize_t)
    cpdef int inner(self) except -1


cdef inline int frame(Decoder decoder, Py_ssize_t o, Py_ssize_t captured, int link) except -1:
    if link == LINK_ETHERNET and decoder.common(o, captured):
        return 0
    return decoder.any_frame(o, captured, link)


cdef inline uint64_t word(Decoder decoder, Py_ssize_t o) except? 0xFFFFFFFFFFFFFFFF:
    # `src` and `dst` of a record are at offset 26 of its 50 bytes: one bounds check for eight bytes.
    cdef uint64_t number = 0, byte
    cdef int k
    if decoder.framed and o >= 26 and o + 24 <= decoder.size:
        number = decoder.heads[o - 26].dst
        return (number << 32) | decoder.heads[o - 26].src
    for k in range(8):
        byte = decoder.b[o + k]
        number |= byte << (8 * k)
    return number
