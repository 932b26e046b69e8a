cimport cython
from rustnet.dissect.framework.conversation cimport Conversation
from rustnet.dissect.framework.reading cimport RowParser

cdef class Dotted:
    cdef public Py_ssize_t size
    cdef public bytes tail
    @cython.locals(joined=bytes)
    cpdef Py_ssize_t read(self, bytes data, Py_ssize_t pos) except -2

cdef class LineParser(RowParser):
    cdef public list dropping, in_body
    cdef public int count
    cdef public Py_ssize_t cut_off
    @cython.locals(pos=Py_ssize_t, size=Py_ssize_t, talk=Conversation, end=Py_ssize_t, after=Py_ssize_t, line=bytes)
    cpdef Py_ssize_t stream(self, bytes data, bint from_src) except -1
