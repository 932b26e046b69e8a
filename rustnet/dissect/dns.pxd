cimport cython
from libc.stdint cimport int64_t
from rustnet.dissect.conversation cimport Conversation, Parser
from rustnet.dissect.dns_message cimport Message, parse, read_name, u16

cdef int NO, MORE, YES, MAX_OUTSTANDING

cdef class DnsParser(Parser):
    cdef public str label
    cdef public dict asked
    cdef public list need
    cdef public bint seen
    cpdef datagram(self, bytes data, bint from_src)
    @cython.locals(pos=Py_ssize_t, need=Py_ssize_t)
    cpdef stream(self, bytes data, bint from_src)
    cdef int _framed(self, bytes data) except -1
    @cython.locals(talk=Conversation, label=str, multicast=bint, message=Message, flags=int, response=bint, questions=list, first=tuple)
    cdef int _message(self, bytes data) except -1
    @cython.locals(asked=dict, key=tuple)
    cdef object _matched(self, int txid, tuple question, bint response)
    @cython.locals(flags=int, edns=bint)
    cdef object _row(self, Message message, tuple first, bint response, object rtt)
    @cython.locals(types=list, glue=list, answered=Py_ssize_t)
    cdef int _glue(self, object row, list addresses) except -1
    @cython.locals(kind=int, klass=int)
    cdef int _ask(self, object row, tuple question) except -1
    @cython.locals(flags=int)
    cdef object _further(self, Message message, tuple question, bint response)
    @cython.locals(label=str, types=list, answered=int, number=int, ip=str, talk=Conversation)
    cdef int _teach(self, Message message, tuple first) except -1

@cython.locals(flags=int, asked=int, answered=int, others=int, response=bint, opcode=int, name=str, pos=Py_ssize_t, kind=int, klass=int)
cdef int _asks(bytes data, bint strict) except -1
cdef bint _modest(int flags, bint response, int asked, int answered, int others) except -1
@cython.locals(size=Py_ssize_t, verdict=int)
cdef int _probe_tcp(bytes data, bint strict) except -1
@cython.locals(flags=int)
cdef bint _known_bad(bytes data) except -1
