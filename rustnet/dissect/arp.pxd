cimport cython
from rustnet.dissect.framework.conversation cimport Conversation
from rustnet.dissect.framework.reading cimport mac
from rustnet.dissect.framework.repeated cimport RepeatParser

cdef int NO, YES, _IPV4

cdef class ArpParser(RepeatParser):
    @cython.locals(hard=Py_ssize_t, proto=Py_ssize_t, end=Py_ssize_t, message=bytes, code=int, sender=bytes, target=bytes)
    cpdef datagram(self, bytes data, bint from_src)

@cython.locals(hard=Py_ssize_t, kind=Py_ssize_t)
cpdef int _probe_arp(bytes data, Conversation talk, bint from_src) except -1
