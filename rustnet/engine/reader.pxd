cimport cython
from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport int64_t, uint16_t, uint32_t, uint64_t
from rustnet.engine.packet cimport Packet
from rustnet.engine.numbers cimport *



cdef class Reader:
    cdef const unsigned char[::1] b
    cdef public Packet pkt
    cdef Py_ssize_t size
    cdef bint framed, uncommon
    cdef int depth
    cdef bytes copy(self, Py_ssize_t o, Py_ssize_t size)
    @cython.locals(p=Packet)
    cdef int macs(self) except -1
    cpdef attach(self, const unsigned char[::1] data)
    @cython.locals(p=Packet)
    cdef int set_payload(self, Py_ssize_t o, Py_ssize_t e, Py_ssize_t length) except -1
    @cython.locals(p=Packet)
    cdef int link_only(self, int protocol) except -1
    @cython.locals(p=Packet)
    cdef int link_payload(self, int protocol, Py_ssize_t o, Py_ssize_t e) except -1

cdef inline bytes octets(Reader r, Py_ssize_t o, Py_ssize_t size):
    return PyBytes_FromStringAndSize(<const char*> &r.b[o], size) if size else b""

# Inline, because a packet's headers take some twenty of them.

cdef inline int u16(Reader r, Py_ssize_t o) except -1:
    return (r.b[o] << 8) | r.b[o + 1]

cdef inline int64_t u32(Reader r, Py_ssize_t o) except -1:
    cdef int64_t high = u16(r, o)
    return (high << 16) | u16(r, o + 2)

cdef inline int64_t u32le(Reader r, Py_ssize_t o) except -1:
    cdef int64_t high = r.b[o + 2] | (r.b[o + 3] << 8)
    return (high << 16) | r.b[o] | (r.b[o + 1] << 8)

cdef inline uint64_t u64(Reader r, Py_ssize_t o) except? 0xFFFFFFFFFFFFFFFF:
    cdef uint64_t high = u32(r, o), low = u32(r, o + 4)
    return (high << 32) | low

cdef inline int64_t mac(Reader r, Py_ssize_t o) except -1:
    cdef int64_t high = u16(r, o)
    return (high << 32) | u32(r, o + 2)

cdef inline uint16_t swap16(uint16_t number) noexcept:
    return <uint16_t> ((number << 8) | (number >> 8))

cdef inline uint32_t swap32(uint32_t number) noexcept:
    return (number >> 24) | ((number >> 8) & 0xFF00) | ((number << 8) & 0xFF0000) | (number << 24)
