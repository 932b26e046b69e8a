cimport cython
from cpython.object cimport PyObject, PyTypeObject, Py_TYPE

cdef extern from "structmember.h":
    ctypedef struct PyMemberDef:
        Py_ssize_t offset

cdef extern from "Python.h":
    ctypedef struct PyMemberDescrObject:
        PyMemberDef *d_member
    PyTypeObject PyMemberDescr_Type


cdef enum:
    MOST_COLUMNS = 256
    BLOCK = 128


cdef inline list values_of(list records, object cls, list names):
    """Values of the records' slots by name, read at the slots' offsets: `getattr` would look up each one again.

    Goes block by block, so that records are still in the processor's cache for the next column.
    """
    cdef Py_ssize_t offsets[MOST_COLUMNS]
    cdef Py_ssize_t i, column, start, stop, count = len(records), columns = len(names)
    cdef list columns_of = [[None] * count for _ in range(columns)]
    cdef list values
    cdef object descriptor, record
    cdef PyObject *value
    if columns > MOST_COLUMNS:
        raise TypeError(f"{cls.__name__} has too many slots")
    for column in range(columns):
        descriptor = cls.__dict__[names[column]]
        if <PyTypeObject *> Py_TYPE(descriptor) != &PyMemberDescr_Type:
            raise TypeError(f"{cls.__name__}.{names[column]} is not a slot")
        offsets[column] = (<PyMemberDescrObject *> descriptor).d_member.offset
    for record in records:
        if type(record) is not cls:
            raise TypeError(f"a {type(record).__name__} among rows of {cls.__name__}")
    for start in range(0, count, BLOCK):
        stop = min(start + BLOCK, count)
        for column in range(columns):
            values = columns_of[column]
            for i in range(start, stop):
                record = records[i]
                value = (<PyObject **> ((<char *> (<PyObject *> record)) + offsets[column]))[0]
                values[i] = getattr(record, names[column]) if value is NULL else <object> value
    return columns_of


@cython.locals(names=list)
cpdef dict record_batch(object cls, list records, object faults=*)
