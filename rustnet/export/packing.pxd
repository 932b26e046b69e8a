cimport cython
from libc.stdint cimport int32_t, int64_t, uint32_t
from libc.string cimport memcpy

from rustnet.sources.frames cimport Frames

cdef int64_t SECOND, FOREVER, LATEST
cdef Py_ssize_t RECORD, BLOCK
cdef uint32_t ENHANCED, FLAGS
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

    cpdef begin(self)

    cpdef put(self, bytes data)

    cpdef written(self)

    cpdef know(self, int32_t[::1] numbers, int32_t[::1] links)

    @cython.locals(noted=bint, captured=uint32_t, ts=int64_t, start=int64_t)
    cpdef Py_ssize_t run(self, Frames frames, Py_ssize_t i) except -1

    @cython.locals(captured=uint32_t, ts=int64_t, size=Py_ssize_t, interface=uint32_t, known=bint)
    cdef inline int obstacle(self, Frames frames, Py_ssize_t i) except -1

    cdef int record(self, int64_t ts, uint32_t captured, uint32_t length, int64_t start) except -1

    @cython.locals(begun=Py_ssize_t, flags=uint32_t, total=Py_ssize_t)
    cdef int block(self, int32_t number, int64_t ts, uint32_t captured, uint32_t length, int64_t start,
                   object note) except -1

    @cython.locals(at=Py_ssize_t)
    cdef inline int put32(self, int64_t value) except -1
