cimport cython
from rustnet.dissect.tls.fingerprints cimport ja3, ja3s, ja4
from rustnet.dissect.tls.handshake cimport EARLY_DATA, ENCRYPTED_SNI, PRE_SHARED_KEY, ClientHello, ServerHello

cdef int MAX_OFFERED

@cython.locals(extensions=dict)
cpdef describe_client(object row, ClientHello hello, str transport=*)
cpdef describe_server(object row, ServerHello hello, ClientHello client, str transport=*)
cpdef describe_second(object row, ClientHello hello, str transport=*)
cpdef bint is_13(int version) except -1
