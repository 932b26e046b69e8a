cimport cython
from rustnet.engine.reader cimport mac, u16
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from rustnet.engine.packet cimport Packet
from rustnet.engine.network cimport Network
from rustnet.engine.numbers cimport *

cdef int MAX_HEADERS
cdef int MIN_ETHERTYPE


cdef class Ethernet(Network):
    @cython.locals(p=Packet, kind=int, tag=int, stop=Py_ssize_t)
    cdef int ethernet(self, Py_ssize_t o, Py_ssize_t e) except -1
    @cython.locals(kind=int, stop=Py_ssize_t)
    cdef int typed(self, Py_ssize_t o, Py_ssize_t e) except -1
    cdef bint inter_switch(self, Py_ssize_t o) except -1
    @cython.locals(p=Packet)
    cdef int switch_tag(self, Py_ssize_t o, Py_ssize_t e, int link) except -1
    @cython.locals(p=Packet, tag=int)
    cdef int switch_vlan(self, Py_ssize_t o) except -1
    @cython.locals(sap=int, source=int, at=Py_ssize_t)
    cdef int llc(self, Py_ssize_t o, Py_ssize_t e) except -1
    @cython.locals(oui=int, kind=int)
    cdef int snap_protocol(self, Py_ssize_t o, Py_ssize_t e) except -1
    @cython.locals(p=Packet, tag=int)
    cdef int network(self, int kind, Py_ssize_t o, Py_ssize_t e) except -1
    @cython.locals(options=int)
    cdef int other_ethertype(self, int kind, Py_ssize_t o, Py_ssize_t e) except -1
    @cython.locals(tag=int, short=int, start=Py_ssize_t)
    cdef int macsec(self, Py_ssize_t o, Py_ssize_t e) except -1
    @cython.locals(size=int, following=int)
    cdef int service_header(self, Py_ssize_t o, Py_ssize_t e) except -1
    cdef bint too_deep(self) except -1
    @cython.locals(kind=int)
    cdef int ppp(self, Py_ssize_t o, Py_ssize_t e) except -1
    @cython.locals(bottom=int, nibble=int, kind=int)
    cdef int mpls(self, Py_ssize_t o, Py_ssize_t e) except -1
