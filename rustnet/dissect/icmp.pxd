cimport cython
from libc.stdint cimport int64_t, uint64_t
from rustnet.dissect.framework.conversation cimport Conversation
from rustnet.dissect.framework.repeated cimport RepeatParser
from rustnet.engine.text cimport address

cdef int NO, YES, _MAX_EXTENSIONS, ICMP_NUMBER, ICMPV6_NUMBER

@cython.locals(version=int, whole=bint, kind=int, start=Py_ssize_t, size=Py_ssize_t)
cpdef object quoted(bytes data, Py_ssize_t at)
cdef object _inside(bytes data, Py_ssize_t at, int protocol, str src, str dst, bint whole)

cdef class IcmpParser(RepeatParser):
    cdef public int echoes
    cdef public object asked
    @cython.locals(kind=int, code=int)
    cpdef object row(self, bytes data)
    @cython.locals(kind=int)
    cpdef datagram(self, bytes data, bint from_src)
    cpdef request(self, bytes data, bint from_src, int reply)
    cpdef reply(self, bytes data, bint from_src)
    cpdef object numbered(self, bytes data)
    cpdef echo(self, object row)
    @cython.locals(kind=int, code=int)
    cpdef error(self, bytes data)
    cdef _advertisement(self, object row, bytes data)

cpdef int _probe_icmp(bytes data, Conversation talk, bint from_src) except -1
