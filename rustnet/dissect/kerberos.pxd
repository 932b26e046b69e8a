cimport cython
from libc.stdint cimport int64_t
from rustnet.dissect.framework.ber cimport fields, integer, measure, part, parts
from rustnet.dissect.framework.conversation cimport Conversation
from rustnet.dissect.framework.reading cimport RowParser, text

cdef int NO, MORE, YES
cdef int64_t MAX_MESSAGE, _MAX_LISTED

@cython.locals(strings=tuple, start=int64_t, end=int64_t)
cdef _name(bytes data, tuple value)
cdef _etype(number)
cdef _encryption(bytes data, tuple value)
@cython.locals(kinds=list, start=int64_t, end=int64_t)
cdef list _padata(bytes data, tuple value, object row)
@cython.locals(start=int64_t, end=int64_t, members=dict)
cdef _ticket(bytes data, tuple value, object row)
cdef _error(bytes data, dict members, object row)

cdef class KerberosParser(RowParser):
    cdef public list read, unsynchronised
    @cython.locals(pos=int64_t, size=int64_t)
    cpdef Py_ssize_t stream(self, bytes data, bint from_src) except -1
    @cython.locals(tag=int, start=int64_t, end=int64_t, members=dict)
    cdef _message(self, bytes data)
    @cython.locals(kinds=list, asked=tuple, body=dict, one=tuple)
    cdef _request(self, bytes data, dict members, object row, int tag)
    @cython.locals(names=list, start=int64_t, end=int64_t, host=dict)
    cdef _hosts(self, bytes data, tuple value)
    cdef _reply(self, bytes data, dict members, object row)

@cython.locals(pos=Py_ssize_t, size=int64_t)
cpdef int _probe_kerberos(bytes data, Conversation talk, bint from_src) except -1
@cython.locals(version=bytes, kind=bytes)
cdef bint _has_version(bytes data, Py_ssize_t pos) except -1
