cimport cython
from rustnet.dissect.framework.conversation cimport Conversation
from rustnet.dissect.http.fields cimport MAX_VALUE

cdef int NO, MORE, YES

cdef object request_line(bytes head)
cdef object response_line(bytes head)
@cython.locals(odd=int, method=bytes, target=bytes, version=bytes)
cdef int request_oddities(object line) except -1
@cython.locals(odd=int, version=bytes, status=bytes)
cdef int response_oddities(object line) except -1
cdef int _spacing(object line, bytes plain) except -1
cdef bint plausible(bytes data, Py_ssize_t pos) except -1
cdef bint lone_request(bytes data) except -1
cdef int answers_old(bytes data) except -1
@cython.locals(line_end=Py_ssize_t, start=bytes)
cpdef int probe(bytes data, Conversation talk, bint from_src) except -1
cdef bint _whole_line(bytes data, Py_ssize_t line_end, Conversation talk) except -1
