cimport cython
from libc.stdint cimport int64_t, uint8_t
from libc.string cimport memcpy

cdef extern from "Python.h":
    bint PyUnicode_IS_COMPACT_ASCII(object text)
    void *PyUnicode_DATA(object text)
    Py_ssize_t PyUnicode_GET_LENGTH(object text)

@cython.locals(count=Py_ssize_t, places=int64_t[::1], size=int64_t, missing=Py_ssize_t, i=Py_ssize_t, joined=str, value=str, plain=bint, parts=list, present=list, own=Py_ssize_t, longest=Py_ssize_t)
cpdef texts(list values)
@cython.locals(count=Py_ssize_t, marks=uint8_t[::1], present=list, i=Py_ssize_t)
cdef tuple _present(list values)
@cython.locals(count=Py_ssize_t, places=int64_t[::1], marks=uint8_t[::1], missing=Py_ssize_t, size=int64_t, items=list, i=Py_ssize_t, value=list)
cpdef lists(list values)
cpdef integers(list values)
@cython.locals(count=Py_ssize_t, places=int64_t[::1], null=int64_t, i=Py_ssize_t, number=int64_t, invalid=Py_ssize_t)
cpdef tuple integers_within(list values, int64_t least, int64_t most)
@cython.locals(count=Py_ssize_t, places=double[::1], i=Py_ssize_t, invalid=Py_ssize_t)
cpdef tuple doubles(list values)

cdef class TextBuilder:
    cdef public object ends_array, flags_array, data_array
    cdef int64_t[::1] ends
    cdef uint8_t[::1] flags, data
    cdef public Py_ssize_t room, count, size, missing
    cdef int need(self, Py_ssize_t size) except -1
    cpdef int null(self) except -1
    cdef int byte(self, int value) except -1
    cpdef int end(self) except -1
    cpdef int put(self, str text) except -1
    @cython.locals(code=int)
    cdef int encoded(self, bytes raw) except -1
    cpdef take(self)


cdef inline bint append_ascii(TextBuilder column, str text) except -1:
    """Write a text's characters behind those of a column's next text; returns whether all are ASCII."""
    if not PyUnicode_IS_COMPACT_ASCII(text):
        return False
    cdef Py_ssize_t size = PyUnicode_GET_LENGTH(text)
    if size:
        column.need(size)  # there is room for ``size`` bytes at ``column.size`` now
        memcpy(&column.data[column.size], PyUnicode_DATA(text), size)
        column.size += size
    return True
