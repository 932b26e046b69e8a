cimport cython
from libc.stdint cimport int64_t

cdef int MAX_HEADERS, MAX_VALUE, CHUNKED, NO_LENGTH, UNCERTAIN
cdef bytes _LIKELY
cdef dict REQUEST_WANTED, RESPONSE_WANTED

cpdef str header_text(bytes raw)
@cython.locals(key=bytes, value=bytes)
cpdef fill(object row, dict fields, dict texts, dict seen)
cpdef str hostname(str host)
cpdef bint same_host(str one, str other) except -1
@cython.locals(strict=Py_ssize_t, bare=Py_ssize_t)
cdef Py_ssize_t head_end(bytes data, Py_ssize_t since) except -2
@cython.locals(size=Py_ssize_t, odd=int, lines=int, pos=Py_ssize_t, colon=Py_ssize_t, end=Py_ssize_t, length=Py_ssize_t, key=bytes, value=bytes)
cdef int read_fields(bytes head, Py_ssize_t start, dict wanted, dict values, bint folds=*) except -1
cdef int _again(bytes key, bytes value, dict values) except -1
cdef int _unfolded(bytes fields, dict wanted, dict values) except -1
@cython.locals(coding=bytes, stated=bytes, odd=int)
cdef int framing(dict values, bint old) except -1
cdef bint _is_chunked(bytes coding) except -1
@cython.locals(coding=bytes, stated=bytes)
cdef int64_t body_length(dict values, bint request) except -4
