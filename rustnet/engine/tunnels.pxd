cimport cython
from rustnet.engine.reader cimport u16, u32
from libc.stdint cimport int64_t, uint32_t, uint64_t
from rustnet.engine.packet cimport Packet
from rustnet.engine.reader cimport Reader
from rustnet.engine.numbers cimport *

cdef int MAX_HEADERS, MIN_ETHERTYPE, MAX_TAGS, MIN_FRAME


# Functions called for each packet return int where the .py file has None: the exception check that a void function needs
# costs more than the function.

cdef bint carries(int port) noexcept


cdef class Tunnels(Reader):
    @cython.locals(p=Packet)
    cdef int set_inner(self, int tunnel, int kind, Py_ssize_t o, Py_ssize_t e, uint64_t key) except -1
    @cython.locals(p=Packet)
    cdef int ip_tunnel(self, int protocol, Py_ssize_t o, Py_ssize_t e) except -1
    @cython.locals(left=int64_t, version=int)
    cdef int ip_kind(self, Py_ssize_t o, Py_ssize_t e) except -1
    @cython.locals(kind=int)
    cdef void set_ip(self, int tunnel, Py_ssize_t o, Py_ssize_t e, uint64_t key) except *
    @cython.locals(kind=int)
    cdef bint is_frame(self, Py_ssize_t o, Py_ssize_t e) except -1
    @cython.locals(at=Py_ssize_t, kind=int, end=int64_t, size=int, stop=int64_t, total=int, i=Py_ssize_t)
    cdef bint is_certain_frame(self, Py_ssize_t o, Py_ssize_t e) except -1
    @cython.locals(flags=int, kind=int, at=Py_ssize_t, size=int, is_ip=bint, network=uint64_t)
    cdef void gre(self, Py_ssize_t o, Py_ssize_t e) except *
    @cython.locals(end=int64_t)
    cdef void vendor_gre(self, int kind, int flags, Py_ssize_t o, Py_ssize_t e) except *
    @cython.locals(p=Packet, port=int)
    cdef int udp_tunnel(self, Py_ssize_t o, Py_ssize_t e) except -1
    @cython.locals(flags=int)
    cdef void vxlan(self, Py_ssize_t o, Py_ssize_t e) except *
    cdef void next_protocol(self, int tunnel, int code, Py_ssize_t o, Py_ssize_t e, uint64_t key) except *
    @cython.locals(bottom=int)
    cdef Py_ssize_t labels_end(self, Py_ssize_t o, Py_ssize_t e) except -1
    @cython.locals(size=Py_ssize_t, kind=int)
    cdef void geneve(self, Py_ssize_t o, Py_ssize_t e) except *
    @cython.locals(at=Py_ssize_t, kind=int)
    cdef void tzsp(self, Py_ssize_t o, Py_ssize_t e) except *
    @cython.locals(flags=int, key=uint64_t)
    cdef void lisp(self, Py_ssize_t o, Py_ssize_t e) except *
    @cython.locals(p=Packet, fits=bint)
    cdef void gre_in_udp(self, Py_ssize_t o, Py_ssize_t e) except *
    cdef void ayiya(self, Py_ssize_t o, Py_ssize_t e) except *
    @cython.locals(at=Py_ssize_t)
    cdef void pseudowire(self, Py_ssize_t o, Py_ssize_t e) except *
    @cython.locals(at=Py_ssize_t, following=int)
    cdef void gtp_user(self, Py_ssize_t o, Py_ssize_t e) except *
    cdef void teredo(self, Py_ssize_t o, Py_ssize_t e) except *
    @cython.locals(flags=int, at=Py_ssize_t)
    cdef void l2tp(self, Py_ssize_t o, Py_ssize_t e) except *
    @cython.locals(size=Py_ssize_t, flags=int)
    cdef void capwap(self, Py_ssize_t o, Py_ssize_t e) except *
