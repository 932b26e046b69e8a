cimport cython
from rustnet.dissect.tls.handshake cimport ALPN, GROUPS, POINT_FORMATS, SIGNATURES, SNI, ClientHello, ServerHello

cdef int MAX_TYPES, MAX_BYTES

@cython.locals(types=tuple, groups=bytes, formats=bytes, small=bint)
cpdef str ja3(ClientHello hello)
@cython.locals(types=tuple)
cpdef str ja3s(ServerHello hello)
@cython.locals(version=int, protocol=str, offered=str, types=tuple, signatures=bytes, small=bint)
cpdef str ja4(ClientHello hello, str transport=*)
cdef bint _is_grease(str protocol) except -1
