cimport cython
from libc.stdint cimport int32_t, int64_t, uint32_t

from rustnet.sources.frames cimport Frames

cdef uint32_t SECTION, SIMPLE, OLD_PACKET, ENHANCED
cdef int64_t MASK32
cdef unsigned char SPACE
cdef Py_ssize_t FIXED, ROOM, CAPTURED

cdef bint has_header(uint32_t link) except -1


@cython.final
cdef class Splicer:
    cdef object buffer
    cdef unsigned char[::1] out
    cdef public Py_ssize_t filled
    cdef public bint big
    cdef const unsigned char[::1] texts
    cdef int64_t[::1] bounds
    cdef int64_t[::1] heads
    cdef public int64_t commented
    cdef public int64_t present
    cdef public int64_t mute
    cdef public Py_ssize_t i
    cdef public Py_ssize_t waiting
    cdef public Py_ssize_t comment_of
    cdef const unsigned char[::1] data

    cpdef begin(self, Frames frames)

    @cython.locals(run=Py_ssize_t, capacity=Py_ssize_t, kind=uint32_t, total=uint32_t, size=Py_ssize_t, k=Py_ssize_t,
                   more=Py_ssize_t, odd=bint)
    cpdef Py_ssize_t blocks(self, Frames frames, int32_t[::1] which, Py_ssize_t pos, Py_ssize_t end) except -1

    @cython.locals(begun=Py_ssize_t, at=Py_ssize_t, options=Py_ssize_t, stop=Py_ssize_t, end=Py_ssize_t)
    cdef int block(self, Py_ssize_t pos, Py_ssize_t size, Py_ssize_t k) except -1

    @cython.locals(captured=Py_ssize_t, at=Py_ssize_t, stop=Py_ssize_t, code=uint32_t, length=uint32_t)
    cdef bint is_odd(self, Frames frames, uint32_t kind, Py_ssize_t pos, Py_ssize_t size) except -1

    @cython.locals(k=Py_ssize_t)
    cpdef Py_ssize_t advance(self, Frames frames, int32_t[::1] which, Py_ssize_t end) except -2

    @cython.locals(start=Py_ssize_t, length=Py_ssize_t, code=uint32_t, size=Py_ssize_t, same=bint, n=Py_ssize_t)
    cdef bint has(self, Py_ssize_t at, Py_ssize_t stop, Py_ssize_t k) except -1

    @cython.locals(capacity=Py_ssize_t, i=Py_ssize_t, captured=Py_ssize_t, k=Py_ssize_t, size=Py_ssize_t,
                   more=Py_ssize_t, begun=Py_ssize_t, end=Py_ssize_t, units=int64_t)
    cpdef bint records(self, Frames frames, int32_t[::1] which, int64_t scale) except -1

    @cython.locals(start=Py_ssize_t, length=Py_ssize_t)
    cdef int comment(self, Py_ssize_t k) except -1

    @cython.locals(size=Py_ssize_t)
    cdef int copy(self, Py_ssize_t start, Py_ssize_t stop) except -1

    cdef int pad(self) except -1

    @cython.locals(at=Py_ssize_t)
    cdef int put32(self, int64_t value) except -1

    @cython.locals(a=uint32_t, b=uint32_t, c=uint32_t, d=uint32_t)
    cdef uint32_t u32(self, Py_ssize_t p) except? 0xFFFFFFFF

    @cython.locals(a=uint32_t, b=uint32_t)
    cdef uint32_t u16(self, Py_ssize_t p) except? 0xFFFF
