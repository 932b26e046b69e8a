cimport cython
from libc.stdint cimport int64_t

cdef Py_ssize_t MAX_ITEM, MAX_DIGITS

@cython.locals(size=Py_ssize_t, at=Py_ssize_t, stop=Py_ssize_t, kind=int, number=int64_t)
cpdef tuple skip_items(bytes data, Py_ssize_t pos, int64_t nested)
