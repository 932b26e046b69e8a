cimport cython
from rustnet.dissect.dns.message cimport DSO, IQUERY, STATUS
from rustnet.dissect.dns.names cimport Names, skip_name, u16

cdef int NO, MORE, YES, MAX_UNASSIGNED

@cython.locals(flags=int, asked=int, answered=int, others=int, response=bint, opcode=int)
cdef int _probe_message(bytes data, bint strict) except -1
@cython.locals(names=Names, name=str, pos=Py_ssize_t, kind=int, klass=int, fits=bint)
cdef int _probe_question(bytes data, bint strict, bint records) except -1
cdef int _probe_unassigned(bytes data, int flags, int asked, int records) except -1
@cython.locals(opcode=int, records=int)
cdef int _probe_without_question(bytes data, int flags, int answered, int others) except -1
@cython.locals(pos=Py_ssize_t)
cdef bint _has_values(bytes data) except -1
@cython.locals(size=Py_ssize_t, pos=Py_ssize_t)
cdef bint _is_filled(bytes data, int asked, int records) except -1
cdef bint _is_common_header(int flags, bint response, int asked, int answered, int others) except -1
@cython.locals(size=Py_ssize_t, verdict=int)
cdef int _probe_tcp(bytes data, bint strict) except -1
cdef bint _header_excludes_dns(bytes data) except -1
