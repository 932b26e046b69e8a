cimport cython
from libc.stdint cimport int64_t
from rustnet.dissect.framework.conversation cimport Conversation
from rustnet.dissect.icmp cimport IcmpParser, quoted
from rustnet.dissect.framework.reading cimport mac, text
from rustnet.engine.text cimport address

cdef int NO, YES

cpdef str ip(bytes data, Py_ssize_t at)

cdef class Icmpv6Parser(IcmpParser):
    @cython.locals(kind=int)
    cpdef datagram(self, bytes data, bint from_src)
    cpdef error(self, bytes data)

@cython.locals(kind=int, at=Py_ssize_t, code=int)
cdef _listener(object row, bytes data)
@cython.locals(kind=int, at=Py_ssize_t, option=int, value=bytes)
cdef _neighbour(object row, bytes data)
cdef _option(object row, int kind, bytes value)
cpdef int _probe_icmpv6(bytes data, Conversation talk, bint from_src) except -1
