from libc.stdint cimport int64_t
from rustnet.engine.flow cimport Flow

cdef class Listener:
    cpdef datagram(self, Flow flow, bint from_src, bytes data, int64_t ts, int64_t number)
    cpdef int64_t stream(self, Flow flow, bint from_src, bytes data, int64_t ts, int64_t number) except? -1
    cpdef gap(self, Flow flow, bint from_src, int64_t size, int64_t ts, int64_t number)
    cpdef late(self, Flow flow)
    cpdef close(self, Flow flow)
    cpdef undecoded(self, int answer, int link, int64_t ts, int64_t number)
