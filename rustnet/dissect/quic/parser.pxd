cimport cython
from libc.stdint cimport int64_t
from rustnet.dissect.framework.conversation cimport Conversation, Parser
from rustnet.dissect.quic.packet cimport CryptoStream, LongHeader, is_google, long_header, parameters, read_frames
from rustnet.dissect.tls.describe cimport describe_second
from rustnet.dissect.tls.fingerprints cimport ja3, ja3s, ja4
from rustnet.dissect.tls.handshake cimport ClientHello, ServerHello, parse_client_hello, parse_server_hello, without_dot

cdef int MAX_DATAGRAMS, MAX_GOOGLE, MAX_COALESCED, HANDSHAKE, INITIAL, NEGOTIATION, RETRY, ZERO_RTT
cdef Py_ssize_t MAX_TRIALS
cdef int64_t Q046

cdef class QuicParser(Parser):
    cdef public object row, keys, hello_ts
    cdef public bint begun, google, client_is_src, client_hello, server_hello
    cdef public int64_t ts, packet, version
    cdef public set trials
    cdef public CryptoStream client_stream, server_stream
    cdef public Py_ssize_t client_at, server_at
    cdef public int datagrams
    cpdef datagram(self, bytes data, bint from_src)
    cdef finish(self)
    cdef _begin(self, int64_t version, bint from_src)
    cdef _set_version(self, int64_t version)
    @cython.locals(talk=Conversation)
    cdef _connected(self)
    @cython.locals(pos=int64_t, size=int64_t, head=LongHeader, talk=Conversation)
    cdef _long_packets(self, bytes data, bint from_src)
    @cython.locals(kind=int)
    cdef _packet(self, bytes data, LongHeader head, bint from_src)
    @cython.locals(talk=Conversation)
    cdef _state(self, str state)
    cdef _enter(self, str state)
    cdef _restart(self)
    @cython.locals(plain=bytes, client=bint, stream=CryptoStream)
    cdef _initial(self, bytes data, LongHeader head, bint from_src)
    cdef _set_connection_ids(self, LongHeader head, bint from_src)
    @cython.locals(plain=bytes, tried=tuple)
    cdef bytes _open(self, bytes data, LongHeader head, bint from_src)
    @cython.locals(plain=bytes, tried=tuple)
    cdef bytes _other_version(self, bytes data, LongHeader head, bint from_src, object known)
    @cython.locals(data=bytearray, begin=Py_ssize_t, end=int64_t)
    cdef _client_messages(self)
    cdef _client(self, ClientHello hello)
    @cython.locals(values=dict)
    cdef _parameters(self, bytes body)
    @cython.locals(data=bytearray, begin=Py_ssize_t, end=int64_t, hello=ServerHello)
    cdef _server_messages(self)
    cdef _closed(self, object closed, bint from_client)
    cdef _google_first(self, bytes data, bint from_src)
    cdef _google_46(self, bytes data, LongHeader head, bint from_src)
    cdef _google_packet(self, bytes data, bint from_src)
    cdef _hello(self, bytes data, int64_t pos)
    cdef _google_answer(self, bytes data, int64_t pos)
    cdef _tags(self, dict tags)
