cimport cython
from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t
from libc.string cimport memcpy

from rustnet.sources.frames cimport Frames

cdef int64_t SECOND, FOREVER, LATEST
cdef Py_ssize_t RECORD, BLOCK
cdef uint32_t ENHANCED, FLAGS, IPV4, IPV6, VLAN, PROVIDER_VLAN, TCP, UDP, SCTP, SYN_ACK, SYN
cdef uint64_t MASK64, FACTOR, SECOND_FACTOR, THIRD_FACTOR
cdef int SLOT_SHIFT
cdef int64_t FREE_ROOM, _ROOM, _FILLER
cdef int _ALL, _FULL, _NEXT_SEGMENT, _LINK, _TIME


cdef inline int copy(unsigned char[::1] out, Py_ssize_t at, const unsigned char[::1] data, Py_ssize_t start,
                     Py_ssize_t size) except -1:
    memcpy(&out[at], &data[start], size)
    return 0


@cython.final
cdef class Packer:
    cdef public bint pcapng, places
    cdef public int64_t most_bytes, most_ns
    cdef public object buffer
    cdef unsigned char[::1] out
    cdef public Py_ssize_t used
    cdef public int64_t base, packets, until, first_ts, last_ts
    cdef public int why
    cdef int32_t[::1] numbers
    cdef int32_t[::1] links
    cdef Py_ssize_t interfaces
    cdef public int64_t[::1] ends
    cdef const unsigned char[::1] data
    cdef object note, other_note
    cdef uint32_t flags, other_flags
    cdef public bint rooms
    cdef public int64_t room_bytes
    cdef public uint64_t[::1] recent

    cpdef begin(self)

    cpdef put(self, bytes data)

    cpdef written(self)

    cpdef know(self, int32_t[::1] numbers, int32_t[::1] links)

    @cython.locals(noted=bint, room=bint, captured=uint32_t, ts=int64_t, start=int64_t)
    cpdef Py_ssize_t run(self, Frames frames, Py_ssize_t i) except -1

    @cython.locals(captured=uint32_t, ts=int64_t, size=Py_ssize_t, interface=uint32_t, known=bint)
    cdef inline int obstacle(self, Frames frames, Py_ssize_t i) except -1

    cdef int record(self, int64_t ts, uint32_t captured, uint32_t length, int64_t start) except -1

    @cython.locals(ip=int64_t, end=int64_t, version=uint32_t, protocol=uint32_t, ports=int64_t, a=uint64_t, b=uint64_t,
                   c=uint64_t, d=uint64_t, key=uint64_t, slot=Py_ssize_t, opens=bint)
    cdef bint begins(self, int64_t start, uint32_t captured, uint32_t link) except -1

    @cython.locals(at=int64_t, kind=uint32_t)
    cdef int64_t network(self, int64_t start, uint32_t captured, uint32_t link) except -2

    @cython.locals(a=uint32_t)
    cdef inline uint32_t u16(self, Py_ssize_t p) except? 0xFFFFFFFF

    @cython.locals(a=uint64_t)
    cdef inline uint64_t u32(self, Py_ssize_t p) except? 0xFFFFFFFFFFFFFFFF

    @cython.locals(begun=Py_ssize_t, options=Py_ssize_t, flags=uint32_t, total=Py_ssize_t, _=int)
    cdef int block(self, int32_t number, int64_t ts, uint32_t captured, uint32_t length, int64_t start,
                   object note, bint room) except -1

    @cython.locals(at=Py_ssize_t)
    cdef inline int put32(self, int64_t value) except -1
