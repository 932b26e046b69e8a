cimport cython
from libc.stdint cimport int64_t
from rustnet.engine.flow cimport Flow, Half, Side, half
from rustnet.engine.jumps cimport wrap
from rustnet.engine.numbers cimport *

cdef int64_t EARLY_PACKETS, EARLY_INTERVALS, SHORTEST_NS, LONGEST_NS, LONG_NS, LONG_STEP_NS

@cython.final
cdef class Tally:
    cdef int64_t rows, began, samples, rtt_sum, rtt_low, rtt_high, lowest, packets, position, acknowledged, retransmissions
    cdef bint waiting
    cdef int64_t stamp, awaited, awaited_ts, data_ts
    cdef void add(self, int64_t rtt) except *

@cython.final
cdef class Tallies:
    cdef Tally src, dst

@cython.locals(lasted=int64_t, step=int64_t)
cdef int64_t due_after(Flow flow, int64_t ts) except? -1
@cython.locals(both=Tallies)
cdef Tally tally_of(Flow flow, bint from_src)
cdef int add_rtt(Flow flow, int64_t rtt, bint from_src) except -1
@cython.locals(tally=Tally)
cdef tuple end_interval(Flow flow, Half *me, Half *peer, int64_t ts, bint from_src)
@cython.locals(flight=int64_t, acknowledged=int64_t, sampled=bint, made=tuple)
cdef tuple row(Flow flow, Half *me, Half *peer, Tally tally, int64_t ts, bint from_src)
@cython.locals(leg=double, least=int64_t)
cdef int64_t least_rtt(Flow flow, Half *me, Tally tally, bint from_src) except? -2
@cython.locals(tally=Tally, me=Side)
cdef int last_intervals(Flow flow, list rows) except -1
cdef int start_stamp(Tally tally, int64_t stamp, int64_t ts) except -1
@cython.locals(paused=int64_t, late=int64_t, rtt=int64_t)
cdef void end_stamp(Tally tally, int64_t echo, int64_t ts) except *
