cimport cython
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from rustnet.engine.copies cimport Copies
from rustnet.engine.decode cimport Decoder, frame
from rustnet.engine.packet cimport Packet
from rustnet.engine.tunnels cimport carries
from rustnet.sources.frames cimport Frames
from rustnet.engine.numbers cimport *

cdef uint64_t MASK64, MIX

@cython.locals(ports=uint64_t, addresses=uint64_t, ends=uint64_t)
cpdef int owner(Packet p, uint64_t count) except -1

@cython.final
cdef class Division:
    cdef uint64_t count
    cdef Decoder decoder
    cdef Copies copies
    cdef object clock
    @cython.locals(decoder=Decoder, copies=Copies, interfaces=uint32_t[::1], stamps=int64_t[::1], whose=int, offsets=int64_t[::1], captured=uint32_t[::1], links=uint16_t[::1], i=size_t, count=uint64_t)
    cpdef int divide(self, Frames frames, uint8_t[::1] owners) except -1
