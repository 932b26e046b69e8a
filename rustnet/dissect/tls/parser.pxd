cimport cython
from libc.stdint cimport int64_t
from rustnet.dissect.framework.conversation cimport Conversation, Parser
from rustnet.dissect.tls.describe cimport describe_client, describe_second, describe_server, is_13
from rustnet.dissect.tls.fingerprints cimport ja3s
from rustnet.dissect.tls.handshake cimport LAST_SHORT, ClientHello, ServerHello, certificates, parse_client_hello, parse_server_hello
from rustnet.dissect.tls.probe cimport ALERT, CHANGE, DATA, HANDSHAKE, HEARTBEAT, MAX_MESSAGE, MAX_RECORD

cdef int PATIENCE
cdef int _CLIENT_HELLO, _SERVER_HELLO, _OLD_RETRY, _CERTIFICATE, _SERVER_KEY
cdef bytes _KNOWN

cdef class TlsParser(Parser):
    cdef public object row
    cdef public bint begun, client_is_src
    cdef public int64_t ts, packet
    cdef public ClientHello client
    cdef public ServerHello server
    cdef public list partial, encrypted, lost
    cdef public int patience
    @cython.locals(pos=Py_ssize_t, size=Py_ssize_t, talk=Conversation, kind=int, length=Py_ssize_t, after=Py_ssize_t, end=Py_ssize_t)
    cpdef Py_ssize_t stream(self, bytes data, bint from_src) except -1
    cdef _record(self, int kind, bytes data, Py_ssize_t pos, Py_ssize_t end, bint from_src)
    cpdef finish(self)
    cpdef begin(self)
    cpdef reject(self, object error)
    cdef bint _expects_hello(self, bint from_src) except -1
    @cython.locals(end=Py_ssize_t)
    cdef Py_ssize_t _no_record(self, bytes data, Py_ssize_t pos, bint from_src) except -1
    @cython.locals(partial=bytearray, kind=int, length=Py_ssize_t, end=Py_ssize_t)
    cdef _fragment(self, bytes data, Py_ssize_t pos, Py_ssize_t size, bint from_src)
    cpdef _message(self, int kind, bytes body, bint from_src)
    @cython.locals(talk=Conversation, hello=ClientHello)
    cpdef _client_hello(self, bytes body, bint from_src)
    @cython.locals(talk=Conversation, hello=ServerHello)
    cpdef _server_hello(self, bytes body, bint from_src)
    cdef _second_hello(self, bytes body)
    cdef _old_retry(self, bytes body, bint from_src)
    @cython.locals(chain=list, from_client=bint)
    cpdef _certificates(self, bytes body, bint from_src)
    cpdef _server_key(self, bytes body)
    cpdef _change(self, bint from_src)
    cpdef _alert(self, bytes body, bint from_src)
