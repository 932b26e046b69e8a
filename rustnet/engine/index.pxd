cimport cython
from libc.stdint cimport int64_t, uint8_t, uint32_t
from rustnet.sources.frames cimport Frames

cdef int64_t NULL, OWN_NUMBER
cdef int SHARE_SHIFT

@cython.final
cdef class PacketIndex:
    cdef public Py_ssize_t count
    cdef public int64_t wire_bytes, captured_bytes, truncated, duplicates, out_of_order, first_ts, last_ts, previous_ts
    cdef int64_t[::1] flow_id
    cdef uint32_t[::1] payload
    cdef uint8_t[::1] from_src, tcp_flags, duplicate
    cdef public dict arrays
    cpdef renew(self)
    @cython.locals(row=Py_ssize_t, count=Py_ssize_t, end=Py_ssize_t)
    cpdef Py_ssize_t enter(self, Frames frames) except -1
    cpdef point(self, object columns)
    @cython.locals(flow_ids=int64_t[::1], i=Py_ssize_t, flow_id=int64_t)
    cpdef renumber(self, Py_ssize_t row, int share, int64_t[::1] known)
    cdef int sum_up(self, Py_ssize_t row, Py_ssize_t end) except -1
    cpdef dict take(self)
