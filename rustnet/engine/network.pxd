cimport cython
from rustnet.engine.reader cimport u16, u32, u64
from libc.stdint cimport int64_t, uint32_t, uint64_t
from rustnet.engine.packet cimport Packet
from rustnet.engine.transport cimport Transport
from rustnet.engine.numbers cimport *

cdef int MAX_HEADERS
cdef uint64_t MAPPED


cdef class Network(Transport):
    @cython.locals(p=Packet, first=int, header=int, total=int, stop=Py_ssize_t, length=Py_ssize_t, start=Py_ssize_t, flags=int, protocol=int)
    cdef int ipv4(self, Py_ssize_t o, Py_ssize_t e) except -1
    @cython.locals(p=Packet, length=Py_ssize_t, stop=Py_ssize_t, kind=int, start=Py_ssize_t, size=Py_ssize_t, flags=int)
    cdef int ipv6(self, Py_ssize_t o, Py_ssize_t e) except -1
    @cython.locals(p=Packet, hard=int)
    cdef int arp(self, Py_ssize_t o, Py_ssize_t e) except -1
    @cython.locals(p=Packet)
    cdef int fragmented(self, Py_ssize_t o, Py_ssize_t e, Py_ssize_t length, int offset, int more) except -1
