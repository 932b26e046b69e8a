cimport cython
from libc.stdint cimport int64_t, uint16_t, uint32_t

from rustnet.sources.frames cimport Frames

cdef bint BIG
cdef int64_t SECOND
cdef Py_ssize_t TAG, COOKED, ROOM, ADDRESSES
cdef uint32_t VLAN_VALID, VLAN_TPID_VALID, VLAN, OUTGOING
cdef int EMPTY, FULL


@cython.final
cdef class RingReader:
    cdef unsigned char[::1] b
    cdef public uint32_t interface
    cdef uint16_t link
    cdef uint32_t cut
    cdef bint received_only, tagged, cooked
    cdef public Py_ssize_t pos
    cdef public uint32_t left
    cdef public int64_t next_ts, last_ts, packets, bytes
    cdef public object received, sent

    @cython.locals(a=uint32_t, b=uint32_t, c=uint32_t, d=uint32_t)
    cdef uint32_t u32(self, Py_ssize_t p) except? 0xFFFFFFFF

    @cython.locals(a=uint32_t, b=uint32_t)
    cdef uint32_t u16(self, Py_ssize_t p) except? 0xFFFF

    cpdef bint ready(self, Py_ssize_t block) except -1

    cpdef int open(self, Py_ssize_t block) except -1

    @cython.locals(seconds=int64_t)
    cdef int look(self) except -1

    cdef int skip(self) except -1

    @cython.locals(pos=Py_ssize_t, start=Py_ssize_t, captured=Py_ssize_t, length=uint32_t, status=uint32_t,
                   n=Py_ssize_t, kind=uint32_t, tag=uint32_t)
    cdef Py_ssize_t put(self, Frames frames, unsigned char[::1] out, Py_ssize_t used) except -2

    @cython.locals(pos=Py_ssize_t, index=uint32_t, hardware=uint32_t)
    cdef int cook(self, unsigned char[::1] out, Py_ssize_t used) except -1


@cython.final
cdef class RingMerge:
    cdef list rings
    cdef public Py_ssize_t used
    cdef int64_t following

    @cython.locals(out=cython.uchar[::1], best=Py_ssize_t, ring=RingReader, used=Py_ssize_t)
    cpdef Py_ssize_t run(self, Frames frames, int64_t until) except -3

    @cython.locals(best=Py_ssize_t, i=Py_ssize_t, ts=int64_t, ring=RingReader)
    cdef Py_ssize_t oldest(self, int64_t until) except -3
