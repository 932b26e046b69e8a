cimport cython
from libc.stdint cimport int64_t, uint8_t

@cython.locals(count=Py_ssize_t, places=int64_t[::1], size=int64_t, missing=Py_ssize_t, i=Py_ssize_t, joined=str, value=str, parts=list, present=list)
cpdef texts(list values)
@cython.locals(count=Py_ssize_t, marks=uint8_t[::1], present=list, i=Py_ssize_t)
cdef tuple _present(list values)
@cython.locals(count=Py_ssize_t, places=int64_t[::1], marks=uint8_t[::1], missing=Py_ssize_t, size=int64_t, items=list, i=Py_ssize_t, value=list)
cpdef lists(list values)
@cython.locals(count=Py_ssize_t, places=int64_t[::1], null=int64_t, i=Py_ssize_t)
cpdef integers(list values)
