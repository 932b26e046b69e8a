cimport cython
from libc.stdint cimport int64_t, uint32_t

cdef int MAX_QUESTIONS, MAX_RECORDS, _MAX_JUMPS
cdef bytes _PLAIN
cdef tuple _BYTES
cdef dict _TEXTS

cdef class Message:
    cdef public int txid, flags, rcode, edns_flags
    cdef public tuple records
    cdef public list questions, answers, answer_types, answer_names, cnames, addresses
    cdef public object ttl, edns_size, edns_version, client_subnet, fault

cpdef int u16(bytes data, Py_ssize_t pos) except -1
@cython.locals(high=int64_t)
cpdef int64_t u32(bytes data, Py_ssize_t pos) except -1
@cython.locals(made=bytearray, size=Py_ssize_t, pos=Py_ssize_t, end=Py_ssize_t, i=Py_ssize_t)
cdef str _labels(bytes raw)
@cython.locals(start=Py_ssize_t, size=Py_ssize_t, step=int, length=Py_ssize_t, text=str)
cpdef tuple read_name(bytes data, Py_ssize_t pos, dict names, int jumps=*)
@cython.locals(target=Py_ssize_t, length=Py_ssize_t, known=tuple, tail=str, head=str)
cdef tuple _pointed(bytes data, Py_ssize_t start, Py_ssize_t pos, dict names, int jumps)
@cython.locals(step=int)
cdef Py_ssize_t _skip_name(bytes data, Py_ssize_t pos) except -1
@cython.locals(asked=int, answered=int, authorities=int, additionals=int, message=Message, names=dict, pos=Py_ssize_t)
cpdef Message parse(bytes data, bint deep=*)
@cython.locals(pos=Py_ssize_t, start=Py_ssize_t, name=str)
cdef Py_ssize_t _questions(bytes data, int count, dict names, Message message) except -1
@cython.locals(answers=list, kinds=list, owners=list, size=Py_ssize_t, least=int64_t, ttl=int64_t, start=Py_ssize_t, end=Py_ssize_t, kind=int, klass=int, length=int, owner=str)
cdef Py_ssize_t _answers(bytes data, Py_ssize_t pos, int count, dict names, Message message) except -1
@cython.locals(text=str, made=list, char=Py_UCS4, code=int)
cpdef str clean(bytes raw)
cdef str _data_text(bytes data, Py_ssize_t pos, Py_ssize_t end, int kind, dict names, Message message)
cdef int _address(Message message, str text, str owner, int klass, int64_t ttl) except -1
@cython.locals(size=Py_ssize_t, start=Py_ssize_t, end=Py_ssize_t, kind=int, klass=int, length=int, ttl=int64_t)
cdef int _others(bytes data, Py_ssize_t pos, int count, dict names, Message message, bint deep) except -1
