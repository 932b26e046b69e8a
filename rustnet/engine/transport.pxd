cimport cython
from rustnet.engine.reader cimport u16, u32
from libc.stdint cimport int64_t, uint32_t, uint64_t
from rustnet.engine.packet cimport Packet
from rustnet.engine.tunnels cimport Tunnels
from rustnet.engine.numbers cimport *

cdef int MAX_HEADERS


cdef class Transport(Tunnels):
    @cython.locals(p=Packet)
    cdef int transport(self, int protocol, Py_ssize_t o, Py_ssize_t e, Py_ssize_t length) except -1
    @cython.locals(p=Packet)
    cdef int cut(self, Py_ssize_t o, Py_ssize_t e, Py_ssize_t payload) except -1
    @cython.locals(p=Packet, header=int)
    cdef int tcp(self, Py_ssize_t o, Py_ssize_t e, Py_ssize_t length) except -1
    @cython.locals(p=Packet, claimed=int)
    cdef int udp(self, Py_ssize_t o, Py_ssize_t e, Py_ssize_t length) except -1
    @cython.locals(p=Packet, kind=int, fold=int)
    cdef int icmp(self, int protocol, Py_ssize_t o, Py_ssize_t e, Py_ssize_t length) except -1
    @cython.locals(size=Py_ssize_t, kind=int)
    cdef int authenticated(self, Py_ssize_t o, Py_ssize_t e, Py_ssize_t length) except -1
    @cython.locals(p=Packet, o=Py_ssize_t)
    cpdef int reassembled(self, int protocol, Py_ssize_t size) except -1
