cimport cython
from libc.stdint cimport int64_t
from rustnet.engine.flow cimport Flow, Side, half
from rustnet.engine.listener cimport Listener
from rustnet.engine.numbers cimport *
from rustnet.engine.jumps cimport wrap

cdef int64_t MAX_HELD, MAX_HELD_TOTAL, WAIT, NOTHING, UNSEEN, NO_ACK
cdef int MAX_SEGMENTS, MAX_ABSENT

@cython.final
cdef class Stream:
    cdef public int64_t expected, floor, lost_at
    cdef public bint known
    cdef public int absent
    cdef public list held, acknowledged
    cdef public int64_t size

cdef class Streams:
    cdef public Listener listener
    cdef public int64_t total
    @cython.locals(stream=Stream, other=Stream)
    cpdef void segment(self, Flow flow, bint from_src, int64_t start, bytes data, int64_t claimed, int64_t ack, int64_t ts, int64_t number) except *
    @cython.locals(end=int64_t, have=int64_t)
    cdef void deliver(self, Flow flow, Stream stream, bint from_src, int64_t start, bytes data, int64_t claimed, int64_t ts, int64_t number) except *
    @cython.locals(held=list, before=tuple, at=Py_ssize_t, start=int64_t, claimed=int64_t, ack=int64_t, data=bytes)
    cdef void hold(self, Flow flow, Stream stream, bint from_src, tuple segment) except *
    @cython.locals(stream=Stream, position=int64_t, passed=list)
    cdef void acknowledge(self, Flow flow, bint from_src, int64_t ack, int64_t ts) except *
    @cython.locals(stream=Stream, begun=Stream)
    cpdef void control(self, Flow flow, bint from_src, int flags, int64_t ack, int64_t ts) except *
    @cython.locals(src=Stream, dst=Stream)
    cdef void expire(self, Flow flow, int64_t ts) except *
    @cython.locals(src=bint, dst=bint)
    cdef void advance(self, Flow flow) except *
    @cython.locals(stream=Stream, start=int64_t, claimed=int64_t, ts=int64_t, number=int64_t, data=bytes)
    cdef void release(self, Flow flow, bint from_src) except *
    @cython.locals(first=tuple)
    cdef tuple remove(self, Stream stream)
    @cython.locals(held=list, start=int64_t)
    cdef void give_up(self, Flow flow, Stream stream, bint from_src) except *
    @cython.locals(other=Stream, position=int64_t)
    cdef void give_up_other(self, Flow flow, bint from_src, tuple first) except *
    @cython.locals(expected=int64_t, other=Stream)
    cdef bint reopens(self, Flow flow, Stream stream, bint from_src, int64_t start, int64_t end) except -1
    @cython.locals(size=int64_t, other=Stream)
    cdef void lose(self, Flow flow, Stream stream, bint from_src, int64_t position, tuple proof) except *
    @cython.locals(src=Stream, dst=Stream, from_src=bint)
    cpdef void finish(self, Flow flow) except *
    @cython.locals(stream=Stream)
    cpdef void forget(self, Flow flow) except *

@cython.locals(me=Side)
cdef Stream first_stream(Flow flow, bint from_src)
@cython.locals(sender=Side, position=int64_t)
cdef int64_t awaited(Flow flow, Stream stream, bint from_src, int64_t ack) noexcept
cdef bint reopen(Stream stream, int64_t start, int64_t end) noexcept
@cython.locals(first=tuple, other=Stream)
cdef bint ready(Flow flow, Stream stream, bint from_src) except -1
@cython.locals(first=tuple, other=Stream, since=int64_t)
cdef bint overdue(Flow flow, Stream stream, bint from_src, int64_t ts) except -1
@cython.locals(passed=list, receiver=Side, position=int64_t, seen=int64_t)
cdef int64_t confirmed(Flow flow, Stream stream, bint from_src, tuple first) except -2
@cython.locals(held=list, start=int64_t, claimed=int64_t)
cdef bint wild(Flow flow, Stream stream, bint from_src) except -1
