cimport cython
from rustnet.dissect.framework.conversation cimport Conversation
from rustnet.dissect.framework.reading cimport RowParser

cdef int NO, YES, _QUERY, _REPORT_1, _REPORT_2, _REPORT_3, _LEAVE

cdef class IgmpParser(RowParser):
    @cython.locals(kind=int)
    cpdef datagram(self, bytes data, bint from_src)
    cdef _query(self, object row, bytes data)
    @cython.locals(at=Py_ssize_t, count=Py_ssize_t)
    cdef _report(self, bytes data)

cpdef int _probe_igmp(bytes data, Conversation talk, bint from_src) except -1
