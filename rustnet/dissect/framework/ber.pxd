cimport cython
from libc.stdint cimport int64_t

@cython.locals(tag=int, length=int64_t, count=int64_t, i=int64_t)
cpdef tuple part(bytes data, int64_t pos, int64_t end)
@cython.locals(values=list, value=tuple)
cpdef list parts(bytes data, int64_t pos, int64_t end, int64_t most=*)
@cython.locals(values=list)
cpdef list exactly(bytes data, int64_t pos, int64_t end, int64_t count)
@cython.locals(members=dict, tag=int, start=int64_t, stop=int64_t)
cpdef dict fields(bytes data, int64_t pos, int64_t end)
@cython.locals(length=int64_t, count=int64_t, i=int64_t)
cpdef int64_t measure(bytes data, int64_t pos=*) except -2
@cython.locals(start=int64_t, end=int64_t)
cpdef integer(bytes data, tuple value)
