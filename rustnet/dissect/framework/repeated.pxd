from rustnet.dissect.framework.reading cimport RowParser

cdef class RepeatParser(RowParser):
    cdef public int looked
    cdef public object about, said
    cdef public dict told
    cpdef look(self)
    cpdef bint new(self, object subject, object content=*) except -1
