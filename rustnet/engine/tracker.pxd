cimport cython
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from rustnet.engine.decode cimport Decoder
from rustnet.engine.flow cimport Flow, Half
from rustnet.engine.index cimport PacketIndex
from rustnet.engine.packet cimport Packet
from rustnet.engine.streams cimport Stream, Streams
from rustnet.engine.table cimport FlowTable
from rustnet.engine.tcp cimport segment, wrap
from rustnet.sources.frames cimport Frames

cdef int ECHO_ANSWERED, ICMP, ICMPV6, MAX_TUNNELS, OK, SWEEP_PACKETS, TCP, WANTED_SIZE


cdef int TUNNEL_FRAGMENTS
cdef uint64_t INNER_TAGS, MASK64, MASK32
cdef int64_t SECOND

@cython.final
cdef class Tracker:
    cdef public object reader, fragments, recent
    cdef public Decoder decoder
    cdef public PacketIndex index
    cdef public FlowTable table
    cdef public Streams streams
    cdef const unsigned char[::1] wanted
    cdef public int64_t undecoded, tunnel_failures, last_number, last_ts

    @cython.locals(count=Py_ssize_t, i=Py_ssize_t, row=Py_ssize_t, index=PacketIndex, decoder=Decoder, p=Packet, number=int64_t, ts=int64_t, status=int, context=uint64_t, flow=Flow)
    cpdef object feed(self, Frames frames)
    @cython.locals(p=Packet, depth=int, carried=Py_ssize_t, context=uint64_t, length=int64_t, moved=bint, outer=Flow, tunnel=uint64_t, flow=Flow, from_src=bint, key=uint64_t)
    cdef Flow packet(self, Frames frames, Py_ssize_t i, int64_t ts, int64_t number)
    @cython.locals(me=Half)
    cdef void account(self, Flow flow, Packet p, bint from_src, int64_t length, int64_t ts, int64_t number) except *
    cdef void first(self, Flow flow, Packet p, bint from_src) except *
    cdef inline void count(self, Flow flow, Half me, Packet p, int64_t length, int64_t ts)
    @cython.locals(protocol=int)
    cdef void content(self, Flow flow, Half me, Packet p, bint from_src, int64_t ts, int64_t number) except *
    cdef bytes copy(self, Py_ssize_t start, Py_ssize_t size)
    @cython.locals(peer=Half, start=int64_t, at=int64_t, size=Py_ssize_t, data=bytes)
    cdef void tcp(self, Flow flow, Half me, Packet p, bint from_src, int64_t ts, int64_t number) except *
    @cython.locals(me=Half)
    cdef void carrier(self, Flow flow, bint from_src, int64_t length, int64_t ts) except *
    @cython.locals(p=Packet, key=tuple, data=bytes)
    cdef bint complete(self, uint64_t context, int64_t ts) except -1
    cdef void sweep(self, Frames frames) except *
    @cython.locals(flow=Flow, ended=list)
    cpdef list close_ended(self)
    cdef void close(self, Flow flow) except *
    cpdef list finish(self)
