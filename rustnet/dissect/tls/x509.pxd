cimport cython
from libc.stdint cimport int64_t
from rustnet.dissect.framework.ber cimport part, parts

cdef class Certificate:
    cdef public str sha256
    cdef public object serial, subject, issuer, not_before, not_after, key_type, key_bits, signature
    cdef public bint self_signed
    cdef public list sans
    cdef public int san_count

@cython.locals(tag=int, start=int64_t, end=int64_t, outer=list, values=list, serial=tuple, issuer=tuple, validity=tuple, subject=tuple, key=tuple, times=list, one=tuple, algorithm=list)
cdef Certificate _parse(bytes der, str fingerprint)
@cython.locals(names=list, pairs=list, start=int64_t, stop=int64_t)
cdef str _name(bytes data, int64_t pos, int64_t end)
@cython.locals(values=list, one=tuple, tag=int, start=int64_t, stop=int64_t, oid=bytes)
cdef str _pair(bytes data, int64_t pos, int64_t end)
