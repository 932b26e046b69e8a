cimport cython
from libc.stdint cimport int64_t

cdef class Certificate:
    cdef public str sha256
    cdef public object serial, subject, issuer, not_before, not_after, key_type, key_bits, signature
    cdef public bint self_signed
    cdef public list sans

@cython.locals(tag=int, length=int64_t, count=int64_t, i=int64_t)
cdef tuple _tlv(bytes data, int64_t pos, int64_t end)
@cython.locals(made=list, part=tuple)
cdef list _parts(bytes data, int64_t pos, int64_t end, int64_t most=*)
@cython.locals(tag=int, start=int64_t, end=int64_t, outer=list, parts=list, serial=tuple, issuer=tuple, validity=tuple, subject=tuple, key=tuple, times=list, one=tuple, algorithm=list)
cdef Certificate _parse(bytes der, str fingerprint)
@cython.locals(made=list, pairs=list, start=int64_t, stop=int64_t)
cdef str _name(bytes data, int64_t pos, int64_t end)
@cython.locals(parts=list, one=tuple, tag=int, start=int64_t, stop=int64_t, oid=bytes)
cdef str _pair(bytes data, int64_t pos, int64_t end)
