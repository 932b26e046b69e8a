cimport cython
from libc.stdint cimport int64_t
from rustnet.dissect.framework.conversation cimport Conversation, Parser
from rustnet.dissect.dns.message cimport Message, parse, rcode_name
from rustnet.dissect.dns.texts cimport type_name

cdef int MAX_OUTSTANDING
cdef int64_t IDLE_NS, RETRY_NS, EARLY_NS
cdef tuple OPCODES

cdef class DnsParser(Parser):
    cdef public str label
    cdef public str name
    cdef public int txid, kind, klass
    cdef public int64_t since, first, early_ts
    cdef public int tries
    cdef public bint waiting
    cdef public dict asked
    cdef public tuple early
    cdef public Py_ssize_t need_src, need_dst
    cdef public bint seen
    cpdef datagram(self, bytes data, bint from_src)
    @cython.locals(pos=Py_ssize_t, need=Py_ssize_t)
    cpdef stream(self, bytes data, bint from_src)
    cdef int _framed(self, bytes data) except -1
    @cython.locals(talk=Conversation, label=str, message=Message, flags=int, response=bint, state=tuple)
    cdef int _message(self, bytes data) except -1
    @cython.locals(now=int64_t, first=int64_t, tries=int, same=bint, waiting=bint, pending=tuple)
    cdef tuple _match_query(self, Message message, str name, bint response)
    cdef int _remember(self, Message message, str name, tuple state) except -1
    @cython.locals(asked=dict, now=int64_t, key=tuple, state=tuple, earlier=tuple)
    cdef tuple _queue(self, Message message, str name)
    @cython.locals(late=int64_t)
    cdef bint _is_answered(self, Message message, str name) except -1
    cdef bint _is_same(self, Message message, str name) except -1
    cdef tuple _take_query(self, Message message, str name)
    cdef str _class(self, int klass)
    @cython.locals(flags=int, edns=bint, answers=list, types=list, glue=list, now=int64_t)
    cdef object _row(self, Message message, bint response, tuple state)
    @cython.locals(flags=int, kind=int, klass=int)
    cdef object _further_row(self, Message message, tuple question, bint response)
    @cython.locals(label=str, question=str, chain=set, number=Py_ssize_t, ip=str, owner=str, name=str, talk=Conversation)
    cdef int _learn_addresses(self, Message message, list addresses) except -1

@cython.locals(owners=list, name=str, owner=str)
cdef bint _has_other_owners(Message message) except -1
