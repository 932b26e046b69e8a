cimport cython
from rustnet.engine.reader cimport mac, u16, u32, u32le
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from rustnet.engine.packet cimport Packet
from rustnet.engine.further_links cimport FurtherLinks
from rustnet.engine.numbers cimport *

cdef int MAX_HEADERS
cdef int MIN_ETHERTYPE


cdef class Links(FurtherLinks):
    @cython.locals(n=Py_ssize_t)
    cdef int other_link(self, Py_ssize_t o, Py_ssize_t e, int link) except -1
    cdef int loopback(self, Py_ssize_t o, Py_ssize_t e) except -1
    @cython.locals(hardware=int, kind=int, start=Py_ssize_t)
    cdef int cooked(self, Py_ssize_t o, Py_ssize_t e, int link) except -1
    cdef int cooked_hardware(self, int hardware, int kind, Py_ssize_t o, Py_ssize_t e) except -1
    cdef int cooked_protocol(self, int kind, Py_ssize_t o, Py_ssize_t e) except -1
    @cython.locals(size=Py_ssize_t, inner=int64_t, flags=int, at=Py_ssize_t)
    cdef int radio(self, Py_ssize_t o, Py_ssize_t e, int link) except -1
    @cython.locals(present=int64_t, word=int64_t, at=Py_ssize_t)
    cdef int radio_flags(self, Py_ssize_t o, Py_ssize_t size) except -1
    @cython.locals(size=int64_t)
    cdef int prism(self, Py_ssize_t o, Py_ssize_t e) except -1
    @cython.locals(family=int, at=Py_ssize_t, size=Py_ssize_t, kind=int, stop=Py_ssize_t)
    cdef int nflog(self, Py_ssize_t o, Py_ssize_t e) except -1
    @cython.locals(size=int64_t, link=int64_t)
    cdef int pktap(self, Py_ssize_t o, Py_ssize_t e) except -1
