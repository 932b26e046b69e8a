cimport cython
from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t
from rustnet.engine.flow cimport Flow, Side, half, new_flow, note
from rustnet.engine.generations cimport Generations
from rustnet.engine.packet cimport Packet

cdef int ACK, ARP, ARP_REPLY, ARP_REQUEST, ECHO_ANSWERED, ECHO_SENT, ICMP, ICMPV6
cdef int MARK_ISN, SYN, TCP, UDP, UDP_ACTIVE
cdef int64_t SECOND, SWEEP_SLACK, TIMEOUT_SYN
cdef uint64_t GROUPS, GROUP_BITS, MASK64, MIX_A, MIX_B


@cython.final
cdef class FlowTable:
    cdef public list flows, free, ended
    cdef int32_t[::1] buckets
    cdef uint64_t mask
    cdef public Py_ssize_t count, max_flows
    cdef public int64_t next_id, evicted, swept_at
    cdef public Generations generations
    cdef const unsigned char[::1] server_ports
    cdef public bint from_src, noting
    cdef public list opened

    @cython.locals(swap=uint64_t, src_hi=uint64_t, src_lo=uint64_t, src_port=uint64_t, dst_hi=uint64_t, dst_lo=uint64_t, dst_port=uint64_t, exchange=uint64_t, lo=uint64_t, hi=uint64_t, port=uint64_t, a_hi=uint64_t, a_lo=uint64_t, b_hi=uint64_t, b_lo=uint64_t, ends=uint64_t, extra=uint64_t, g=uint64_t, h=uint64_t, at=int32_t, flow=Flow)
    cpdef Flow find(self, Packet p, uint64_t context, int64_t ts, int64_t number, uint32_t interface)
    @cython.locals(flow=Flow, flipped=bint)
    cdef Flow open(self, Packet p, uint64_t h, bint swap, uint64_t ends, uint64_t extra, uint64_t context, int64_t ts, int64_t number, uint32_t interface)
    @cython.locals(protocol=int, low=int, high=int)
    cdef int begin(self, Flow flow, Packet p) except -1
    @cython.locals(protocol=int)
    cdef bint answers(self, Packet p) except -1
    @cython.locals(index=int32_t, bucket=uint64_t)
    cdef int insert(self, Flow flow) except -1
    @cython.locals(flow=Flow, bucket=uint64_t, size=uint64_t)
    cdef int grow(self) except -1
    @cython.locals(bucket=uint64_t, at=int32_t, before=Flow)
    cpdef void end(self, Flow flow, str reason) except *
    cpdef void retract(self, Flow flow) except *
    @cython.locals(flow=Flow)
    cpdef void sweep(self, int64_t now) except *
    @cython.locals(flow=Flow)
    cpdef void end_all(self) except *
    cpdef list take_ended(self)

@cython.locals(me=Side)
cdef bint renews(Flow flow, Packet p, bint swap) except -1
