cimport cython
from libc.stdint cimport int64_t
from rustnet.dissect.dns.names cimport LOWER, Names, skip_name, u16, u32
from rustnet.dissect.dns.texts cimport other_text, record_text, type_name

cdef int IQUERY, STATUS, UPDATE, DSO, NONE, ANY
cdef int MAX_QUESTIONS, MAX_RECORDS
cdef Py_ssize_t MAX_LISTED, USUAL_LISTED, EXPANSION, ITEM_BYTES
cdef tuple RCODES

cpdef str rcode_name(int number)

cdef class Message(Names):
    cdef public int txid, flags, asked, answered, authorities, additionals, rcode, kind, klass, edns_flags
    cdef public Py_ssize_t hosts
    cdef public bint cut
    cdef public str name
    cdef public list further, answers, answer_types, answer_names, cnames, addresses, updates
    cdef public object ttl, edns_size, edns_version, client_subnet, fault

@cython.locals(message=Message, asked=int, pos=Py_ssize_t, others=int)
cpdef Message parse(bytes data, bint deep=*, bint lower=*)
@cython.locals(pos=Py_ssize_t, start=Py_ssize_t, name=str, kind=int, klass=int)
cdef Py_ssize_t _questions(bytes data, int count, Message message) except -1
@cython.locals(answers=list, kinds=list, owners=list, size=Py_ssize_t, least=int64_t, ttl=int64_t, start=Py_ssize_t, end=Py_ssize_t, kind=int, klass=int, length=int, owner=str, text=str, text_bytes=Py_ssize_t, owner_bytes=Py_ssize_t, most=Py_ssize_t)
cdef Py_ssize_t _answers(bytes data, Py_ssize_t pos, int count, Message message) except -1
cdef Py_ssize_t _skip_records(bytes data, Py_ssize_t pos, Py_ssize_t count) except -1
@cython.locals(data=bytes, text=str)
cdef str _answer_text(Message message, Py_ssize_t pos, Py_ssize_t end, int kind, int klass, int64_t ttl, str owner)
@cython.locals(text=str)
cdef str _data_text(Message message, Py_ssize_t pos, Py_ssize_t end, int kind)
@cython.locals(text=str)
cdef str _text(Message message, Py_ssize_t pos, Py_ssize_t end, int kind)
cdef str _rare_text(Message message, Py_ssize_t pos, Py_ssize_t end, int kind)
cdef int _address(Message message, str text, str owner, int klass, int64_t ttl) except -1
@cython.locals(commands=list, conditions=int, count=int, size=Py_ssize_t, room=Py_ssize_t, number=int, owner=str, kind=int, klass=int, ttl=int64_t, length=int)
cdef list _updates(bytes data, Py_ssize_t pos, Message message)
cdef str _condition(int kind, int klass)
cdef str _change(int klass)
cdef str _address_text(bytes data, Py_ssize_t pos, Py_ssize_t end, int kind)
@cython.locals(size=Py_ssize_t, start=Py_ssize_t, end=Py_ssize_t, kind=int, klass=int, length=int, ttl=int64_t)
cdef int _others(bytes data, Py_ssize_t pos, int count, Message message, bint deep) except -1
@cython.locals(pos=Py_ssize_t, code=int, length=Py_ssize_t)
cdef int _edns(Message message, int size, int64_t ttl, bytes options) except -1
