cimport cython
from libc.stdint cimport int64_t
from rustnet.dissect.framework.conversation cimport Conversation
from rustnet.dissect.framework.reading cimport RowParser, mac, text

cdef int NO, MORE, YES, _MAX_NAMES, _NB, _NBSTAT

@cython.locals(raw=bytes)
cpdef tuple decode_name(bytes data, Py_ssize_t pos)
@cython.locals(labels=list, size=Py_ssize_t, i=int)
cdef tuple _scope(bytes data, Py_ssize_t pos)

cdef class NetbiosParser(RowParser):
    cpdef datagram(self, bytes data, bint from_src)
    @cython.locals(pos=Py_ssize_t, size=Py_ssize_t, kind=int)
    cpdef Py_ssize_t stream(self, bytes data, bint from_src) except -1
    @cython.locals(txid=int, flags=int, asked=int, additionals=int, code=int, pos=Py_ssize_t, kind=int, size=Py_ssize_t)
    cdef _name_service(self, bytes data, bint from_src)
    @cython.locals(i=Py_ssize_t, count=Py_ssize_t, pos=Py_ssize_t, name=str, unit=bytes, ip=str)
    cdef _data(self, bytes data, int kind, object row, bint from_src)
    @cython.locals(pos=Py_ssize_t)
    cdef _datagram(self, bytes data)
    @cython.locals(pos=Py_ssize_t)
    cdef _session(self, int kind, bytes body)

@cython.locals(offset=Py_ssize_t, command=int)
cdef _mailslot(bytes data, Py_ssize_t pos, object row)
cdef bint _is_datagram(bytes data) except -1
@cython.locals(asked=int, answered=int, others=int)
cpdef int _probe_netbios(bytes data, Conversation talk, bint from_src) except -1
cdef int _probe_session(bytes data, Conversation talk) except -1
