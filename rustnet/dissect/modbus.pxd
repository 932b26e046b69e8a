cimport cython
from rustnet.dissect.framework.conversation cimport Conversation
from rustnet.dissect.framework.reading cimport RowParser

cdef int NO, MORE, YES

cdef class Request:
    cdef public int code, unit, txid
    cdef public object ts, packet, address, quantity
    cdef public str function
    cdef public bint writes
    @cython.locals(code=int)
    cdef describe(self, bytes data)
    cdef object row(self, str exception, bint answered, object rtt_ms)

cdef class ModbusParser(RowParser):
    cdef public dict asked, polls
    cdef public bint server_is_dst
    @cython.locals(pos=Py_ssize_t, end=Py_ssize_t, size=Py_ssize_t)
    cpdef Py_ssize_t stream(self, bytes data, bint from_src) except -1
    @cython.locals(talk=Conversation, code=int, request=Request, pending=Request)
    cdef _message(self, bytes data, bint asks)
    @cython.locals(key=tuple, known=tuple)
    cdef _count(self, Request request, str exception, bint answered, object rtt_ms)

@cython.locals(size=Py_ssize_t, code=int)
cpdef int _probe_modbus(bytes data, Conversation talk, bint from_src) except -1
