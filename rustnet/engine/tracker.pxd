cimport cython
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from rustnet.engine.copies cimport Copies
from rustnet.engine.decode cimport Decoder, frame
from rustnet.engine.ends cimport Ends
from rustnet.engine.flow cimport Flow, Half, Side, half, note
from rustnet.engine.fragments cimport Fragments
from rustnet.engine.index cimport PacketIndex
from rustnet.engine.listener cimport Listener
from rustnet.engine.packet cimport Packet
from rustnet.engine.shares cimport owner
from rustnet.engine.streams cimport Stream, Streams
from rustnet.engine.table cimport FlowTable
from rustnet.engine.jumps cimport wrap
from rustnet.engine.reader cimport u32
from rustnet.engine.tally cimport end_interval, end_stamp, start_stamp, tally_of
from rustnet.engine.tcp cimport segment
from rustnet.sources.frames cimport Frames
from rustnet.engine.numbers cimport *

cdef int MAX_SUBFRAMES, ECHO_HEADER, PUSH, TIMESTAMPS_SIZE, MAX_PORTLESS, MAX_TUNNELS, WANTED_SIZE


cdef uint64_t INNER_TAGS, MASK64, MASK32
cdef int64_t NO_ACK

@cython.final
cdef class Tracker(Ends):
    cdef public Fragments fragments
    cdef Copies copies
    cdef public bint without_duplicates, recognised
    cdef public Decoder decoder
    cdef public PacketIndex index
    cdef const unsigned char[::1] wanted
    cdef public uint64_t shares
    cdef int64_t[::1] portless
    cdef public int64_t unread
    cdef public int64_t undecoded, tunnel_failures, last_number
    cdef uint8_t touched
    cdef uint8_t[::1] owners

    @cython.locals(count=size_t, i=size_t, row=size_t, index=PacketIndex, decoder=Decoder, table=FlowTable, stamps=int64_t[::1], offsets=int64_t[::1], captured=uint32_t[::1], lengths=uint32_t[::1], links=uint16_t[::1], interfaces=uint32_t[::1], flow_ids=int64_t[::1], senders=uint8_t[::1], payloads=uint32_t[::1], tcp_flags=uint8_t[::1], duplicates=uint8_t[::1], copies=Copies, again=bint, p=Packet, number=int64_t, status=int, context=uint64_t, flow=Flow, divided=bint, mine=uint8_t[::1], share=uint8_t, tag=int64_t)
    cpdef object feed(self, Frames frames, owners=*)
    @cython.locals(k=size_t, stop=size_t, size=Py_ssize_t, at=Py_ssize_t, seen=uint8_t)
    cdef void touch(self, Frames frames, size_t i, bint divided) except *
    @cython.locals(p=Packet)
    cdef Flow packet(self, Frames frames)
    @cython.locals(p=Packet, depth=int, carried=Py_ssize_t, moved=bint, flow=Flow, from_src=bint)
    cdef Flow follow(self, Frames frames, uint64_t context, Flow outer, uint64_t tunnel, int level)
    @cython.locals(decoder=Decoder, table=FlowTable, p=Packet, at=Py_ssize_t, end=Py_ssize_t, whole=int64_t, left=int64_t, size=Py_ssize_t, start=Py_ssize_t, first=Flow, flow=Flow, from_src=bint, seen=bint, protocol=int, flags=int, payload=Py_ssize_t, tags=uint64_t, inside=uint64_t, k=int)
    cdef Flow aggregated(self, Frames frames, uint64_t context, Flow outer, uint64_t tunnel, int depth)
    @cython.locals(p=Packet, context=uint64_t, flow=Flow, known=Flow, me=Side, depth=int, from_src=bint, carried=Py_ssize_t)
    cdef Flow copied(self)
    @cython.locals(key=uint64_t, tunnel=uint64_t)
    cdef uint64_t inside(self, uint64_t context, Packet p) noexcept
    @cython.locals(me=Side, peer=Side, state=int, result=int)
    cdef int account(self, Flow flow, Packet p, bint from_src) except -1
    cdef int interval(self, Flow flow, Half *me, Half *peer, bint from_src) except -1
    @cython.locals(p=Packet, at=Py_ssize_t)
    cdef void stamps(self, Flow flow, Half *me, Half *peer, bint from_src) except *
    cdef int first(self, Flow flow, Packet p, bint from_src) except -1
    @cython.locals(whose=uint64_t)
    cdef bint elsewhere(self, Packet p) except -1
    @cython.locals(first_packets=list, first=int64_t)
    cdef int mark_shadow(self, Flow flow) except -1
    cdef inline int count(self, Flow flow, Half *me, Packet p) except -1
    @cython.locals(protocol=int, header=Py_ssize_t, data=bytes, timeout=int64_t)
    cdef int content(self, Flow flow, Half *me, Packet p, bint from_src) except -1
    cdef bytes copy(self, Py_ssize_t start, Py_ssize_t size)
    @cython.locals(start=int64_t, ack=int64_t, size=Py_ssize_t, data=bytes, timeout=int64_t)
    cdef int tcp(self, Flow flow, Half *me, Packet p, bint from_src) except -1
    @cython.locals(me=Side)
    cdef int carrier(self, Flow flow, bint from_src) except -1
    @cython.locals(protocol=int)
    cdef tuple datagram_of(self, Packet p, uint64_t context)
    @cython.locals(protocol=int)
    cdef int name_fragment(self, Packet p, uint64_t context) except -1
    @cython.locals(p=Packet, key=tuple, data=bytes, offset=int, more=bint)
    cdef bint complete(self, uint64_t context) except -1
