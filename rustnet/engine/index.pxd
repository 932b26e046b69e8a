cimport cython
from libc.stdint cimport int64_t, uint8_t, uint32_t
from rustnet.sources.frames cimport Frames

cdef int64_t NULL

@cython.final
cdef class PacketIndex:
    cdef public Py_ssize_t count
    cdef public int64_t wire_bytes, captured_bytes, truncated, out_of_order, first_ts, last_ts, previous_ts
    cdef int64_t[::1] flow_id
    cdef uint32_t[::1] payload
    cdef uint8_t[::1] from_src, tcp_flags
    cdef public dict arrays
    cpdef renew(self)
    cpdef Py_ssize_t enter(self, Frames frames) except -1
    cpdef sum_up(self, object ts, object length, object captured)
    cpdef dict take(self)
