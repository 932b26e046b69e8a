cimport cython
from rustnet.engine.reader cimport u16, u32
from libc.stdint cimport int64_t, uint32_t, uint64_t
from rustnet.engine.packet cimport Packet
from rustnet.engine.reader cimport Reader
from rustnet.engine.numbers cimport *

cdef int MAX_HEADERS


# What each packet calls answers int where the .py file has None: asking after each call whether there was an exception,
# as it takes for void, costs more than such a function.

cdef bint carries(int port) noexcept


cdef class Tunnels(Reader):
    @cython.locals(p=Packet)
    cdef int set_inner(self, int tunnel, int kind, Py_ssize_t o, Py_ssize_t e, uint64_t key) except -1
    @cython.locals(p=Packet)
    cdef int ip_tunnel(self, int protocol, Py_ssize_t o, Py_ssize_t e) except -1
    @cython.locals(flags=int, kind=int, at=Py_ssize_t)
    cdef void gre(self, Py_ssize_t o, Py_ssize_t e) except *
    @cython.locals(p=Packet, port=int, size=Py_ssize_t, kind=int)
    cdef int udp_tunnel(self, Py_ssize_t o, Py_ssize_t e) except -1
    @cython.locals(at=Py_ssize_t, following=int)
    cdef void gtp_user(self, Py_ssize_t o, Py_ssize_t e) except *
    cdef void teredo(self, Py_ssize_t o, Py_ssize_t e) except *
    @cython.locals(flags=int, at=Py_ssize_t)
    cdef void l2tp(self, Py_ssize_t o, Py_ssize_t e) except *
    @cython.locals(size=Py_ssize_t, flags=int)
    cdef void capwap(self, Py_ssize_t o, Py_ssize_t e) except *
