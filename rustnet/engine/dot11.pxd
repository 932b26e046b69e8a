cimport cython
from rustnet.engine.reader cimport mac, u16
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from rustnet.engine.packet cimport Packet
from rustnet.engine.ethernet cimport Ethernet
from rustnet.engine.numbers cimport *



@cython.locals(kind=int)
cdef int undecoded(int control, int flags) except -1


cdef class Dot11(Ethernet):
    cdef int dot11(self, Py_ssize_t o, Py_ssize_t e) except -1
    @cython.locals(p=Packet, control=int, flags=int, size=Py_ssize_t, to_ds=int, from_ds=int, qos=int)
    cdef int dot11_frame(self, Py_ssize_t o, Py_ssize_t e, int padded) except -1
    @cython.locals(extended=int)
    cdef int dot11_data(self, Py_ssize_t o, Py_ssize_t e, int qos) except -1
    cdef bint snap(self, Py_ssize_t o, Py_ssize_t e) except -1
    @cython.locals(p=Packet, status=int)
    cdef int aggregate(self, Py_ssize_t o, Py_ssize_t e) except -1
    @cython.locals(size=int)
    cdef Py_ssize_t subframe_size(self, Py_ssize_t o, Py_ssize_t e) except -1
    @cython.locals(p=Packet, stop=Py_ssize_t)
    cdef int subframe(self, Py_ssize_t o, Py_ssize_t e) except -1
    @cython.locals(p=Packet, size=Py_ssize_t)
    cdef int dot11_swapped(self, Py_ssize_t o, Py_ssize_t e) except -1
