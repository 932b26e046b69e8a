cimport cython
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t
from rustnet.sources.frames cimport Frames

cdef int64_t NO_TS

@cython.final
cdef class PacketIndex:
    cdef public Py_ssize_t count
    cdef public int64_t wire_bytes, captured_bytes, truncated, out_of_order, first_ts, last_ts, previous_ts
    cdef int64_t[::1] number, ts, flow_id, file_offset
    cdef uint32_t[::1] length, captured, payload
    cdef uint8_t[::1] from_src, tcp_flags
    cdef uint16_t[::1] interface
    cdef public dict arrays
    cpdef renew(self)
    @cython.locals(row=Py_ssize_t, ts=int64_t, length=uint32_t, captured=uint32_t)
    cdef Py_ssize_t frame(self, Frames frames, Py_ssize_t i, int64_t number) except -1
    cpdef dict take(self)
