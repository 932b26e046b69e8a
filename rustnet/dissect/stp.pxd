cimport cython
from rustnet.dissect.framework.conversation cimport Conversation
from rustnet.dissect.framework.reading cimport mac, text
from rustnet.dissect.framework.repeated cimport RepeatParser

cdef int NO, YES, _CONFIGURATION, _RAPID, _CHANGE, _VLAN_AT

cdef class StpParser(RepeatParser):
    @cython.locals(version=int, kind=int)
    cpdef datagram(self, bytes data, bint from_src)

cpdef int _probe_stp(bytes data, Conversation talk, bint from_src) except -1
