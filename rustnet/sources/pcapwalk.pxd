cimport cython
from libc.stdint cimport int64_t, uint16_t, uint32_t

from rustnet.sources.frames cimport Frames

cdef int NEED, FULL, BAD, EDGE
cdef int64_t MAX_FRAME, SECOND, DAY, YEAR
cdef int CHAIN, SURVEY
cdef uint32_t RESYNC_FRAME


@cython.final
cdef class PcapWalk:
    cdef const unsigned char[::1] b
    cdef bint big
    cdef public Py_ssize_t head
    cdef public int64_t scale
    cdef uint32_t parts
    cdef uint32_t stated
    cdef public int64_t odd
    cdef public int64_t fine
    cdef public int64_t odd_packet
    cdef public int64_t odd_offset
    cdef public int64_t fine_from
    cdef public uint32_t largest
    cdef public int64_t first
    cdef public int64_t near
    cdef public int64_t passed
    cdef public int64_t before
    cdef int swap
    cdef uint16_t link
    cdef uint32_t limit
    cdef uint32_t interface
    cdef public int64_t base
    cdef public Py_ssize_t pos
    cdef public int64_t last_ts
    cdef public int64_t packets
    cdef public int64_t oversize
    cdef public int64_t oversize_packet
    cdef public int64_t oversize_offset

    @cython.locals(a=uint32_t, b=uint32_t, c=uint32_t, d=uint32_t)
    cdef uint32_t u32(self, Py_ssize_t p) except? 0xFFFFFFFF

    @cython.locals(n=Py_ssize_t, capacity=Py_ssize_t, start=Py_ssize_t, sec=uint32_t, part=uint32_t,
                   captured=uint32_t, length=uint32_t, swapped=uint32_t, ts=int64_t, gap=int64_t, status=int)
    cpdef int run(self, Frames frames, Py_ssize_t pos, Py_ssize_t end) except -1

    @cython.locals(sec=uint32_t, part=uint32_t)
    cdef bint edge(self, Py_ssize_t pos, Py_ssize_t end) except -1

    cdef int leap(self, Py_ssize_t pos, Py_ssize_t after, Py_ssize_t end) except -1

    cdef uint32_t fraction(self, uint32_t part, Py_ssize_t pos) except? 0xFFFFFFFF

    cpdef refine(self, int64_t packet)

    @cython.locals(n=int64_t, most=int64_t, fine=int64_t, captured=uint32_t, length=uint32_t, part=uint32_t)
    cpdef survey(self, Py_ssize_t pos, Py_ssize_t end)

    cpdef look_at(self, data)

    @cython.locals(verdict=int)
    cpdef Py_ssize_t find(self, Py_ssize_t pos, Py_ssize_t end, bint last) except -2

    @cython.locals(good=int, sec=uint32_t, previous=uint32_t, captured=uint32_t, length=uint32_t, gap=int64_t)
    cpdef int chain(self, Py_ssize_t pos, Py_ssize_t end, bint last) except -2

    @cython.locals(captured=uint32_t, length=uint32_t, swapped=uint32_t)
    cpdef bint plausible(self, Py_ssize_t pos) except -1
