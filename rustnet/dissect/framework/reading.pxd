cimport cython
from libc.stdint cimport int64_t
from rustnet.dissect.framework.conversation cimport Conversation, Parser

@cython.locals(end=Py_ssize_t)
cpdef str text(bytes raw, Py_ssize_t most=*)
cpdef str mac(bytes raw)
@cython.locals(end=Py_ssize_t, lines=list, fields=dict, last=str, line=str, colon=Py_ssize_t, name=str, i=Py_ssize_t)
cpdef tuple head(bytes raw, dict shorts=*)

cdef class RowParser(Parser):
    cdef public int rows
    cdef public set names_learned
    cpdef learn_name(self, str ip, str name, str source, object ttl=*)
    cpdef store_row(self, object row, int64_t ts=*, int64_t packet=*)
