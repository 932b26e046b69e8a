cimport cython
from libc.stdint cimport int64_t
from rustnet.dissect.dns.names cimport Names, u16, u32

cdef int MAX_TEXT, MAX_STRINGS, MAX_TYPES, MAX_PARAMETERS, USUAL
cdef tuple _USUAL
cdef bytearray _WIDE

cpdef str type_name(int64_t number)
@cython.locals(buffer=bytearray)
cdef Py_ssize_t _escape(Py_ssize_t size, int byte) except -1
@cython.locals(text=str, buffer=bytearray, size=Py_ssize_t, char=Py_UCS4, code=int)
cpdef str clean(bytes raw)
@cython.locals(buffer=bytearray)
cdef Py_ssize_t _put(Py_ssize_t size, int code) except -1
cpdef str bounded(str text)
cpdef str escaped(bytes raw)
cpdef str base64(bytes raw)
cpdef str moment(int64_t seconds)
@cython.locals(items=list, after=Py_ssize_t)
cdef list _strings(bytes data, Py_ssize_t pos, Py_ssize_t end)
@cython.locals(text=str)
cpdef str name_text(Names names, Py_ssize_t pos, Py_ssize_t end)
@cython.locals(data=bytes, priority=int, weight=int, port=int)
cdef str _srv_text(Names names, Py_ssize_t pos, Py_ssize_t end)
@cython.locals(data=bytes, primary=str, mailbox=str, serial=int64_t, refresh=int64_t, retry=int64_t, expire=int64_t, minimum=int64_t)
cdef str _soa_text(Names names, Py_ssize_t pos, Py_ssize_t end)
@cython.locals(strings=list)
cdef str _txt_text(bytes data, Py_ssize_t pos, Py_ssize_t end)
@cython.locals(split=Py_ssize_t)
cdef str _caa_text(bytes data, Py_ssize_t pos, Py_ssize_t end)
@cython.locals(items=list)
cdef str _nsec_text(Names names, Py_ssize_t pos, Py_ssize_t end)
@cython.locals(items=list, window=int, size=Py_ssize_t, bits=bytes, i=Py_ssize_t)
cpdef list bitmap(bytes data, Py_ssize_t pos, Py_ssize_t end)
@cython.locals(i=Py_ssize_t, size=Py_ssize_t)
cdef str _svcb_value(int key, bytes value)
@cython.locals(items=list, plain=bint, pos=Py_ssize_t, after=Py_ssize_t, item=bytes)
cdef str _protocols(bytes value)
cpdef str svc_key(int key)
@cython.locals(name=str, text=str)
cdef str _parameter(int key, bytes value)
@cython.locals(data=bytes, priority=int, target=str, items=list, key=int, size=Py_ssize_t)
cdef str _svcb_text(Names names, Py_ssize_t pos, Py_ssize_t end)
@cython.locals(data=bytes, covered=int, ttl=int64_t, tag=int, signer=str, times=str, signature=str)
cdef str _rrsig_text(Names names, Py_ssize_t pos, Py_ssize_t end)
cpdef str other_text(bytes data, Py_ssize_t pos, Py_ssize_t end)
cpdef str record_text(Names names, Py_ssize_t pos, Py_ssize_t end, int kind)
