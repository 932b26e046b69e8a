cimport cython
from cpython.object cimport PyObject, PyTypeObject, Py_TYPE

cdef extern from "structmember.h":
    ctypedef struct PyMemberDef:
        Py_ssize_t offset

cdef extern from "Python.h":
    ctypedef struct PyMemberDescrObject:
        PyMemberDef *d_member
    PyTypeObject PyMemberDescr_Type


cdef inline list values_of(list records, object cls, str name):
    """A slot of each record, read from where the class says that it is: `getattr` looks it up for every record anew."""
    cdef object descriptor = cls.__dict__[name]
    cdef Py_ssize_t offset, i, count = len(records)
    cdef list made = [None] * count
    cdef object record
    cdef PyObject *value
    if <PyTypeObject *> Py_TYPE(descriptor) != &PyMemberDescr_Type:
        raise TypeError(f"{cls.__name__}.{name} is no slot")
    offset = (<PyMemberDescrObject *> descriptor).d_member.offset
    for i in range(count):
        record = records[i]
        if type(record) is not cls:
            raise TypeError(f"a {type(record).__name__} among rows of {cls.__name__}")
        value = (<PyObject **> ((<char *> (<PyObject *> record)) + offset))[0]
        made[i] = getattr(record, name) if value is NULL else <object> value
    return made


@cython.locals(name=str)
cpdef dict record_batch(object cls, list records)
