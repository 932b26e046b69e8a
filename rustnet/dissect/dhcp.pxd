cimport cython
from libc.stdint cimport int64_t
from rustnet.dissect.framework.conversation cimport Conversation
from rustnet.dissect.framework.reading cimport RowParser, mac, text

cdef int NO, YES, _MAX_OPTIONS
cdef Py_ssize_t _MAX_ADDRESSES
cdef bytes _COOKIE, _NOWHERE

@cython.locals(code=int, size=Py_ssize_t, i=int, piece=bytes, before=bytes)
cdef bint _options(bytes data, Py_ssize_t pos, Py_ssize_t end, dict options) except -1
cdef str _ip(bytes raw)
@cython.locals(i=Py_ssize_t)
cdef list _ips(bytes raw)
cdef str _text(bytes raw)
@cython.locals(name=bytes, labels=list, pos=Py_ssize_t)
cdef str _fqdn(bytes raw)
cdef str _user_class(bytes raw)
@cython.locals(value=bytes)
cdef str _circuit(bytes raw)

cdef class DhcpParser(RowParser):
    @cython.locals(options=dict, overload=bytes)
    cpdef datagram(self, bytes data, bint from_src)
    cdef _learn_client(self, object row)

@cython.locals(kind=bytes, lease=bytes, client_id=bytes, wanted=bytes)
cdef _fill(object row, dict options)
cpdef int _probe_dhcp(bytes data, Conversation talk, bint from_src) except -1
