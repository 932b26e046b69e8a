cimport cython
from libc.stdint cimport int64_t
from rustnet.dissect.framework.conversation cimport Conversation

cdef int NO, YES, MAX_STREAM, MAX_PIECES

cdef class LongHeader:
    cdef public int64_t version, start, token, body, end
    cdef public int kind
    cdef public bytes dcid, scid

@cython.locals(a=int, b=int, c=int)
cpdef bint is_google(int64_t version) except -1
cpdef bint is_reserved(int64_t version) except -1
cpdef bint is_version(int64_t version) except -1
@cython.locals(first=int, size=int, end=int64_t, number=int64_t, i=int64_t)
cpdef tuple varint(bytes data, int64_t pos)
@cython.locals(high=int64_t)
cdef int64_t _version(bytes data, int64_t pos) except -1
@cython.locals(size=int64_t, version=int64_t, number=int, head=LongHeader, at=int64_t, after=int64_t, length=int64_t)
cpdef LongHeader long_header(bytes data, int64_t pos=*)
@cython.locals(to=int64_t, own=int64_t, at=int64_t)
cdef LongHeader _long_header_46(bytes data, int64_t pos, LongHeader head)

cdef class CryptoStream:
    cdef public bytearray data
    cdef public dict waiting
    @cython.locals(have=int64_t)
    cpdef add(self, int64_t offset, bytes piece)

@cython.locals(pos=int64_t, size=int64_t, kind=int, offset=int64_t, length=int64_t)
cpdef read_frames(bytes plain, int64_t version, CryptoStream stream)
@cython.locals(counts=int, ranges=int64_t, i=int64_t)
cdef int64_t _skip_ack(bytes plain, int64_t pos) except -1
@cython.locals(size=int64_t, values=dict, pos=int64_t, kind=int64_t, length=int64_t)
cpdef dict parameters(bytes body)
@cython.locals(first=int, version=int64_t)
cpdef int probe(bytes data, Conversation talk, bint from_src) except -1
@cython.locals(size=int64_t, version=int64_t, reserved=bint)
cdef int _probe_long(bytes data, LongHeader head) except -1
