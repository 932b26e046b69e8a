cimport cython
from rustnet.dissect.framework.conversation cimport Conversation

cdef int NO, MORE, YES, MAX_RECORD, MAX_MESSAGE, CHANGE, ALERT, HANDSHAKE, DATA, HEARTBEAT
cdef bytes _FIRST

@cython.locals(kind=int, length=Py_ssize_t)
cpdef int probe_tls(bytes data, Conversation talk, bint from_src) except -1
cdef int _probe_handshake(bytes data, Conversation talk, Py_ssize_t length) except -1
cdef int _probe_ssl2(bytes data) except -1
@cython.locals(length=Py_ssize_t, after=Py_ssize_t)
cdef int _probe_midstream(bytes data, Conversation talk, int kind) except -1
