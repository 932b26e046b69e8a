cimport cython
from libc.stdint cimport int64_t, uint64_t
from rustnet.engine.flow cimport Flow
from rustnet.engine.listener cimport Listener
from rustnet.engine.streams cimport Streams
from rustnet.engine.table cimport FlowTable
from rustnet.engine.tally cimport last_intervals
from rustnet.sources.frames cimport Frames

cdef int64_t SECOND


cdef class Ends:
    cdef public Listener listener
    cdef public FlowTable table
    cdef public Streams streams
    cdef public list jumped, intervals
    cdef public uint64_t share
    cdef public int64_t last_ts
    cdef object clock

    cdef int sweep(self, Frames frames) except -1
    @cython.locals(flow=Flow, ended=list)
    cpdef list close_ended(self)
    cdef int close(self, Flow flow) except -1
    cpdef list take_jumped(self)
    cpdef list take_intervals(self)
    cpdef list finish(self)
