cimport cython
from rustnet.dissect.framework.conversation cimport Conversation
from rustnet.dissect.framework.reading cimport RowParser, text

cdef int NO, MORE, YES
cdef Py_ssize_t MAX_MESSAGE

cdef class SyslogParser(RowParser):
    cpdef datagram(self, bytes data, bint from_src)
    @cython.locals(pos=Py_ssize_t, start=Py_ssize_t, end=Py_ssize_t, after=Py_ssize_t)
    cpdef Py_ssize_t stream(self, bytes data, bint from_src) except -1
    @cython.locals(priority=int, pos=Py_ssize_t, values=list)
    cdef _message(self, bytes data)
    @cython.locals(pos=Py_ssize_t)
    cdef _rfc3164(self, bytes data, Py_ssize_t pos, object row)

@cython.locals(stream=bint, on_port=bint, rest=bytes)
cpdef int _probe_syslog(bytes data, Conversation talk, bint from_src) except -1
cdef bint _is_text(bytes raw) except -1
