cimport cython
from libc.stdint cimport int64_t

cdef class Collector:
    cdef public int64_t capture_id
    cdef public bint deduplicate
    cdef public object drain
    cdef public int64_t converted_bytes, record_bytes, until_sample, sample_state
    cdef public dict rows, kinds, seen, sighted
    cdef public list converted, anomalies, names, sightings
    cpdef record(self, object record, int64_t flow_id, int64_t ts, int64_t packet)
    cpdef name(self, str ip, str name, str source, int64_t ts, object ttl, object client=*)
