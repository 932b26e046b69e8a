cimport cython
from libc.stdint cimport int64_t
from rustnet.engine.flow cimport Flow, half
from rustnet.engine.listener cimport Listener
from rustnet.engine.numbers cimport *

cdef int64_t MAX_HELD, MAX_HELD_TOTAL
cdef int MAX_SEGMENTS

cdef class Stream:
    cdef public int64_t expected
    cdef public list held
    cdef public int64_t size

cdef class Streams:
    cdef public Listener listener
    cdef public int64_t total
    @cython.locals(stream=Stream)
    cpdef void segment(self, Flow flow, bint from_src, int64_t start, bytes data, int64_t claimed, int64_t ts, int64_t number) except *
    @cython.locals(end=int64_t, have=int64_t)
    cdef void deliver(self, Flow flow, Stream stream, bint from_src, int64_t start, bytes data, int64_t claimed, int64_t ts, int64_t number) except *
    @cython.locals(held=list, at=Py_ssize_t)
    cdef void hold(self, Flow flow, Stream stream, bint from_src, int64_t start, bytes data, int64_t claimed, int64_t ts, int64_t number) except *
    @cython.locals(held=list, start=int64_t, claimed=int64_t, data=bytes)
    cdef void drain(self, Flow flow, Stream stream, bint from_src, int64_t ts, int64_t number) except *
    @cython.locals(start=int64_t)
    cdef void give_up(self, Flow flow, Stream stream, bint from_src, int64_t ts, int64_t number) except *
    @cython.locals(stream=Stream)
    cpdef void acknowledged(self, Flow flow, bint from_src, int64_t position, int64_t ts, int64_t number) except *
    @cython.locals(stream=Stream, from_src=bint)
    cpdef void finish(self, Flow flow, int64_t ts, int64_t number) except *
    @cython.locals(stream=Stream)
    cpdef void forget(self, Flow flow) except *
