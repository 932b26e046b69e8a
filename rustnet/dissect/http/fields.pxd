cimport cython
from libc.stdint cimport int64_t

cdef int MAX_HEADERS, MAX_VALUE
cdef bytes _LIKELY
cdef dict REQUEST_TEXTS, REQUEST_SEEN, RESPONSE_TEXTS, RESPONSE_SEEN, REQUEST_WANTED, RESPONSE_WANTED

cdef str header_text(bytes raw)
@cython.locals(strict=Py_ssize_t, bare=Py_ssize_t)
cdef Py_ssize_t head_end(bytes data, Py_ssize_t since) except -2
@cython.locals(size=Py_ssize_t, ambiguous=bint, lines=int, pos=Py_ssize_t, colon=Py_ssize_t, end=Py_ssize_t, length=Py_ssize_t, key=bytes, value=bytes)
cdef bint read_fields(bytes head, Py_ssize_t start, dict wanted, dict values, bint folds=*) except -1
cdef bint _unfolded(bytes fields, dict wanted, dict values) except -1
@cython.locals(coding=bytes, stated=bytes)
cdef int64_t body_length(dict values) except -3
