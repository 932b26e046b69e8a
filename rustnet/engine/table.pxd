cimport cython
from libc.stdint cimport int64_t, uint16_t, uint64_t
from rustnet.engine.contexts cimport BOTH, Contexts, context_hash, joined, sent_by_src
from rustnet.engine.flow cimport Flow, Side, half, new_flow, note
from rustnet.engine.generations cimport Generations
from rustnet.engine.packet cimport Packet
from rustnet.engine.tcp cimport new_connection
from rustnet.engine.places cimport bits64, flow_hash, mapped, matches_ends, mixed, precedes
from rustnet.engine.numbers cimport *

cdef int64_t NEVER, SECOND, SWEEP_SLACK
cdef uint64_t GROUPS, GROUP_BITS, MASK32


@cython.final
cdef class FlowTable(Contexts):
    cdef public list ended
    cdef int64_t[::1] reported_ids, reported_packets
    cdef public Py_ssize_t max_flows
    cdef public int64_t next_id, evicted, swept_at
    cdef public Generations generations
    cdef const unsigned char[::1] server_ports
    cdef int64_t[::1] by_state
    cdef uint16_t[::1] tcp_ports, udp_ports
    cdef int64_t udp_timeout, icmp_timeout, arp_timeout, other_timeout
    cdef public bint from_src, keep_first_packets
    cdef public list first_packets

    @cython.locals(exact=bint, swap=uint64_t, low=uint64_t, high=uint64_t, exchange=uint64_t, extra=uint64_t, h=uint64_t, at=uint64_t, place=uint64_t, flow=Flow, other=Flow)
    cpdef Flow find(self, Packet p, uint64_t context)
    @cython.locals(flow=Flow, listed=list)
    cdef list active(self, Packet p, uint64_t context)
    @cython.locals(flow=Flow, listed=list)
    cdef Flow known(self, Packet p, uint64_t context)
    @cython.locals(flow=Flow, flipped=bint)
    cdef Flow open(self, Packet p, uint64_t h, bint swap, uint64_t extra, uint64_t context)
    @cython.locals(protocol=int, low=int64_t, high=int64_t)
    cdef int begin(self, Flow flow, Packet p) except -1
    @cython.locals(timeout=int64_t, low=int64_t, high=int64_t, shorter=bint)
    cdef int state_changed(self, Flow flow) except -1
    @cython.locals(protocol=int)
    cdef bint answers(self, Packet p) except -1
    cpdef void end(self, Flow flow, str reason) except *
    cdef int close(self, Flow flow, str reason) except -1
    cpdef void retract(self, Flow flow) except *
    @cython.locals(flow=Flow, index=Py_ssize_t)
    cpdef void sweep(self, int64_t now) except *
    @cython.locals(flow=Flow)
    cpdef void end_all(self) except *
    cpdef list open_flows(self)
    @cython.locals(flow=Flow, index=Py_ssize_t, size=Py_ssize_t, packets=int64_t)
    cpdef list take_touched(self)
    cpdef list take_ended(self)

@cython.locals(me=Side)
cdef bint is_new_connection(Flow flow, Packet p, bint swap) except -1
