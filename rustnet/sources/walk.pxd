cimport cython
from libc.stdint cimport int64_t, uint16_t, uint32_t, uint64_t

from rustnet.sources.frames cimport Frames

cdef int NEED, FULL, BAD, BLOCK, EVENT, BAD_PACKET, BAD_INTERFACE, LONG
cdef int64_t TS_MAX, MAX_FRAME, SECOND, SECONDS_MAX
cdef uint32_t SECTION, ENHANCED, SIMPLE, OLD_PACKET, STATISTICS, SECRETS, BARE_STATISTICS

cpdef bint known_kind(uint32_t kind) except -1


@cython.final
cdef class PcapngWalk:
    cdef const unsigned char[::1] b
    cdef public bint big
    cdef uint32_t limit
    cdef public int64_t base
    cdef public int64_t trusted
    cdef public Py_ssize_t pos
    cdef public Py_ssize_t options
    cdef public Py_ssize_t options_end
    cdef public bint clamped
    cdef public int64_t last_ts
    cdef public int64_t packets
    cdef public int64_t oversize
    cdef public int64_t oversize_packet
    cdef public int64_t oversize_offset
    cdef public int64_t secrets
    cdef public int64_t unknown
    cdef public uint32_t section
    cdef public bint noting
    cdef public uint32_t local
    cdef dict flag_notes
    cdef public dict known
    cdef uint32_t[::1] index
    cdef uint16_t[::1] link
    cdef uint32_t[::1] snaplen
    cdef uint64_t[::1] multiply
    cdef uint64_t[::1] divide
    cdef int64_t[::1] shift
    cdef int64_t[::1] ahead
    cdef int64_t[::1] counts
    cdef int64_t[::1] drops

    @cython.locals(a=uint32_t, b=uint32_t, c=uint32_t, d=uint32_t)
    cdef uint32_t u32(self, Py_ssize_t p) except? 0xFFFFFFFF

    @cython.locals(a=uint32_t, b=uint32_t)
    cdef uint32_t u16(self, Py_ssize_t p) except? 0xFFFF

    @cython.locals(units=uint64_t, whole=uint64_t, rest=uint64_t, shift=int64_t, ahead=int64_t, ns=int64_t)
    cdef int64_t time(self, uint32_t i, uint32_t high, uint32_t low) except? -1

    @cython.locals(kind=uint32_t, total=uint32_t, size=Py_ssize_t, status=int)
    cpdef int run(self, Frames frames, Py_ssize_t pos, Py_ssize_t end) except -1

    @cython.locals(i=uint32_t, captured=uint32_t, length=uint32_t, n=Py_ssize_t, drop=uint32_t)
    cdef int packet(self, Frames frames, Py_ssize_t pos, Py_ssize_t size, bint old) except -1

    @cython.locals(noting=bint, status=int)
    cpdef int long_packet(self, Frames frames, Py_ssize_t pos, Py_ssize_t end) except -1

    @cython.locals(captured=int64_t, length=uint32_t, room=Py_ssize_t)
    cdef int simple(self, Frames frames, Py_ssize_t pos, Py_ssize_t size) except -1

    @cython.locals(n=Py_ssize_t)
    cdef int put(self, Frames frames, uint32_t i, Py_ssize_t start, uint32_t captured, uint32_t length,
                 int64_t ts) except -1

    @cython.locals(gap=Py_ssize_t, flags=uint32_t)
    cdef int read_flags(self, Frames frames, Py_ssize_t n, Py_ssize_t start, Py_ssize_t stop) except -1

    cpdef look_at(self, data)

    @cython.locals(verdict=int)
    cpdef Py_ssize_t find(self, Py_ssize_t pos, Py_ssize_t end, bint last) except -2

    @cython.locals(kind=uint32_t, total=uint32_t, after=Py_ssize_t)
    cpdef int plausible(self, Py_ssize_t pos, Py_ssize_t end, bint last) except -2
