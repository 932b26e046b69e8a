cimport cython
from cpython.object cimport PyObject, PyTypeObject, Py_TYPE
from libc.stdint cimport int64_t

cdef extern from "structmember.h":
    ctypedef struct PyMemberDef:
        Py_ssize_t offset

cdef extern from "Python.h":
    ctypedef struct PyMemberDescrObject:
        PyMemberDef *d_member
    PyTypeObject PyMemberDescr_Type
    bint PyUnicode_IS_ASCII(object text)
    Py_ssize_t PyUnicode_GET_LENGTH(object text)

cdef int MAX_ANOMALIES, MAX_NAMES, MAX_DETAIL, RECORD_BYTES, TABLE_BYTES
cdef Py_ssize_t ITEM_BYTES, LIST_BYTES, NAME_BYTES, ROW_BYTES, TEXT_BYTES
cdef int64_t NAME_REFRESH_NS

cdef enum:
    MOST_COLUMNS = 256

cdef class Table:
    cdef public object cls
    cdef public tuple names
    cdef public Py_ssize_t count, bytes
    cdef Py_ssize_t offsets[256]
    @cython.locals(size=Py_ssize_t, own=Py_ssize_t, i=Py_ssize_t)
    cdef Py_ssize_t measure(self, object record) except -2

@cython.locals(size=Py_ssize_t, own=Py_ssize_t)
cdef Py_ssize_t list_bytes(list items) except -2


cdef inline int locate(Table table) except -1:
    """Find the offsets of a table's columns in its records."""
    cdef Py_ssize_t i
    cdef object descriptor
    if table.count > MOST_COLUMNS:
        raise TypeError(f"{table.cls.__name__} has too many slots")
    for i in range(table.count):
        descriptor = table.cls.__dict__[table.names[i]]
        if <PyTypeObject *> Py_TYPE(descriptor) != &PyMemberDescr_Type:
            raise TypeError(f"{table.cls.__name__}.{table.names[i]} is not a slot")
        table.offsets[i] = (<PyMemberDescrObject *> descriptor).d_member.offset
    return 0


cdef inline object slot(Table table, object record, Py_ssize_t i):
    """Value of a record's column number ``i`` among those that are bounded."""
    cdef PyObject *value = (<PyObject **> ((<char *> (<PyObject *> record)) + table.offsets[i]))[0]
    return getattr(record, table.names[i]) if value is NULL else <object> value


cdef inline Py_ssize_t text_bytes(str text):
    """Bytes of a text in UTF-8 at most."""
    return PyUnicode_GET_LENGTH(text) * (1 if PyUnicode_IS_ASCII(text) else 6)


cdef class Collector:
    cdef public int64_t capture_id
    cdef public bint deduplicate
    cdef public object drain
    cdef public int64_t converted_bytes
    cdef public dict rows, kinds, seen, sighted, tables
    cdef public list converted, anomalies, names, sightings
    cdef public Py_ssize_t bytes
    @cython.locals(table=Table, size=Py_ssize_t, rows=list)
    cpdef record(self, object record, int64_t flow_id, int64_t ts, int64_t packet)
    cdef Py_ssize_t cut(self, Table table, object record, int64_t flow_id, int64_t ts, int64_t packet) except -2
    cpdef name(self, str ip, str name, str source, int64_t ts, object ttl, object client=*)
