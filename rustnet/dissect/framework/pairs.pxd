cimport cython
from libc.stdint cimport int64_t
from rustnet.dissect.framework.conversation cimport Conversation

cdef int64_t PATIENT, NO_SIZE

cpdef elapsed(int64_t since, int64_t until)

cdef class Pairs:
    cdef public object waiting
    cdef public list passed
    cdef public int most, evicted, ahead, before, answers, exchanges, unknown
    cdef public int64_t lost_bytes, smallest
    cdef public bint doubt, hidden, lost_answers, within, stale, fresh, interim, assumed, pipelined, torn, unsure
    @cython.locals(requests=int64_t, responses=int64_t)
    cpdef begin(self, Conversation talk, bint client)
    cpdef request(self, object row, int64_t ts, int64_t packet, int64_t size, bint interim=*)
    @cython.locals(entry=tuple)
    cpdef response(self, bint unasked=*)
    @cython.locals(certain=bint)
    cpdef first(self, bint unasked=*)
    cpdef second(self)
    cpdef preliminary(self, object row=*)
    cpdef orphan(self, object row)
    @cython.locals(late=bint)
    cpdef lose_requests(self, int64_t size=*, bint within=*)
    cpdef lose_bytes(self, int64_t size)
    cpdef give_up(self)
    cpdef lose_responses(self, bint within=*)
    cpdef list drain(self)
    cpdef report(self, Conversation talk, str protocol)
    cdef _begin_doubt(self)
    cdef _end_doubt(self)
    cdef _judge(self)
    @cython.locals(patient=bint, room=int64_t)
    cdef bint _settled(self) except -1
    cdef _doubtful(self, bint unasked)
    cdef _first(self)
    cdef tuple _marked(self, tuple entry)
    cdef _pass_all(self)
    cdef _pass_uncertain(self)
    cdef list _take_passed(self)
