cimport cython

cdef int MAX_EXTENSIONS, SNI, GROUPS, POINT_FORMATS, SIGNATURES, ALPN, PRE_SHARED_KEY, EARLY_DATA, VERSIONS, KEY_SHARE
cdef int ENCRYPTED_SNI, ENCRYPTED_HELLO, OLD_KEY_SHARE, LAST_SHORT
cdef bytes HELLO_RETRY

cdef class ClientHello:
    cdef public int legacy_version
    cdef public bytes random, session_id, ciphers
    cdef public list types
    cdef public dict extensions
    cdef public object sni
    cdef public tuple alpn, versions
    @cython.locals(body=bytes)
    cpdef bytes list16(self, int extension)

cdef class ServerHello:
    cdef public int legacy_version, cipher, version
    cdef public bytes session_id
    cdef public bint retry
    cdef public list types
    cdef public dict extensions
    cdef public object alpn, group

@cython.locals(size=Py_ssize_t, end=Py_ssize_t, kind=int, length=Py_ssize_t)
cdef object _extensions(bytes body, Py_ssize_t pos, list types, dict extensions)
@cython.locals(size=Py_ssize_t, pos=Py_ssize_t, after=Py_ssize_t, length=Py_ssize_t, extensions=dict, hello=ClientHello)
cpdef ClientHello parse_client_hello(bytes body, bint datagram=*)
@cython.locals(size=Py_ssize_t, pos=Py_ssize_t, version=int, short=bint, cipher=int, extensions=dict, hello=ServerHello, chosen=bytes, share=bytes)
cpdef ServerHello parse_server_hello(bytes body)
cpdef bytes without_dot(bytes name)
cdef object _server_name(bytes body)
@cython.locals(end=Py_ssize_t, pos=Py_ssize_t, after=Py_ssize_t, items=list)
cpdef list certificates(bytes body, int most=*)
cpdef tuple protocols(bytes body)
