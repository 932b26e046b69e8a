cimport cython
from rustnet.engine.reader cimport mac, u16, u32
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from rustnet.engine.packet cimport Packet
from rustnet.engine.dot11 cimport Dot11
from rustnet.engine.numbers cimport *

cdef int MAX_HEADERS
cdef int MIN_ETHERTYPE


cdef class FurtherLinks(Dot11):
    cdef int further_link(self, Py_ssize_t o, Py_ssize_t e, int link) except -1
    @cython.locals(nibble=int)
    cdef int raw_ip(self, Py_ssize_t o, Py_ssize_t e) except -1
    cdef int family(self, int64_t number, Py_ssize_t o, Py_ssize_t e) except -1
    @cython.locals(size=Py_ssize_t)
    cdef int pflog(self, Py_ssize_t o, Py_ssize_t e) except -1
    cdef int directed(self, Py_ssize_t o, Py_ssize_t e, int link) except -1
    @cython.locals(at=Py_ssize_t, kind=int)
    cdef int frame_relay(self, Py_ssize_t o, Py_ssize_t e) except -1
    @cython.locals(kind=int, oui=int)
    cdef int identified(self, int protocol, Py_ssize_t o, Py_ssize_t e) except -1
    @cython.locals(at=Py_ssize_t, kind=int, part=int)
    cdef int arcnet(self, Py_ssize_t o, Py_ssize_t e, int link) except -1
    @cython.locals(kind=int)
    cdef int atm(self, Py_ssize_t o, Py_ssize_t e, int link) except -1
    @cython.locals(skip=Py_ssize_t, kind=int)
    cdef int infiniband(self, Py_ssize_t o, Py_ssize_t e) except -1
    @cython.locals(kind=int, stop=Py_ssize_t, more=int)
    cdef int erf(self, Py_ssize_t o, Py_ssize_t e) except -1
    @cython.locals(flags=int)
    cdef int juniper(self, Py_ssize_t o, Py_ssize_t e, int link) except -1
    @cython.locals(at=Py_ssize_t)
    cdef int preambled(self, Py_ssize_t o, Py_ssize_t e, int link) except -1
    @cython.locals(p=Packet, high=int64_t)
    cdef int station_link(self, Py_ssize_t o, Py_ssize_t e, int link) except -1
