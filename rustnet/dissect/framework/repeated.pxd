from rustnet.dissect.framework.reading cimport RowParser

cdef class RepeatParser(RowParser):
    cdef public int count
    cdef public object subject, content
    cdef public dict previous
    cpdef count_message(self)
    cpdef bint is_new(self, object subject, object content=*) except -1
