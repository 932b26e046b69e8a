cimport cython
from libc.stdint cimport int64_t, uint32_t, uint64_t
from rustnet.engine.packet cimport Packet

cdef int OK


cdef class Reader:
    cdef const unsigned char[::1] b
    cdef public Packet pkt
    cdef Py_ssize_t size
    cdef bytes copy(self, Py_ssize_t o, Py_ssize_t size)
    cpdef attach(self, const unsigned char[::1] data)
    cdef int u16(self, Py_ssize_t o) except -1
    @cython.locals(high=int64_t)
    cdef int64_t u32(self, Py_ssize_t o) except -1
    @cython.locals(high=int64_t)
    cdef int64_t u32le(self, Py_ssize_t o) except -1
    @cython.locals(high=uint64_t, low=uint64_t)
    cdef uint64_t u64(self, Py_ssize_t o) except? 0xFFFFFFFFFFFFFFFF
    @cython.locals(high=int64_t, low=int64_t)
    cdef int64_t mac(self, Py_ssize_t o) except -1
    @cython.locals(p=Packet)
    cdef void set_payload(self, Py_ssize_t o, Py_ssize_t e, Py_ssize_t length) except *
    @cython.locals(p=Packet)
    cdef int link_only(self, int protocol) except -1
    @cython.locals(p=Packet)
    cdef int link_payload(self, int protocol, Py_ssize_t o, Py_ssize_t e) except -1
