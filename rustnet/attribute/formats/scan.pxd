cimport cython
from libc.stdint cimport int64_t, uint64_t

cdef int OTHER, KEPT, UNFIT, LOCAL, REMOTE, FIRST, LAST, WRITTEN
cdef int DEPTH, _KEYS, _SPANS
cdef Py_ssize_t MAX_LINE, _LONGEST_END, _CACHED
cdef int64_t _MAX_SECOND, _MISSING
cdef tuple _DAYS_BEFORE, _MONTH_DAYS
cdef bytes _NANOS, _SECS, _TRUE, _FALSE, _NULL


cdef class Scanner:
    cdef const unsigned char[::1] b
    cdef bytes block
    cdef dict kinds, endpoints
    cdef public dict texts
    cdef public list unscanned
    cdef public Py_ssize_t place, size, count
    cdef Py_ssize_t rows, end
    cdef public object columns
    cdef uint64_t[::1] local_hi, local_lo, remote_hi, remote_lo
    cdef int64_t[::1] local_port, remote_port, first, last, written, text, position, start
    cdef int64_t[::1] key_from, key_size, key_kind, span_from, span_to
    cdef Py_ssize_t keys_known
    cdef bint escaped, high
    cdef int64_t ns, port
    cdef uint64_t hi, lo

    cpdef attach(self, bytes block)
    @cython.locals(start=Py_ssize_t, end=Py_ssize_t)
    cpdef int64_t scan(self, int64_t number) except -1
    @cython.locals(row=Py_ssize_t, begin=Py_ssize_t, start=Py_ssize_t, seen=int, spans=int, index=int, before=int,
                   kind=int, swapped=int64_t)
    cdef bint line(self, Py_ssize_t o) except -1
    cdef bint readable(self, Py_ssize_t start) except -1
    @cython.locals(i=int, text=bytes)
    cdef int64_t text_number(self, int spans) except -1
    @cython.locals(at=Py_ssize_t, i=Py_ssize_t, kind=int)
    cdef int kind(self, int index, Py_ssize_t start, Py_ssize_t end) except -1
    cdef Py_ssize_t space(self, Py_ssize_t o) except -1
    @cython.locals(c=int, i=int)
    cdef Py_ssize_t string(self, Py_ssize_t o) except? -1
    cdef bint hexadecimal(self, int c) noexcept
    @cython.locals(c=int)
    cdef Py_ssize_t value(self, Py_ssize_t o, int depth) except? -1
    @cython.locals(braces=bint, close=int)
    cdef Py_ssize_t nested(self, Py_ssize_t o, int depth) except? -1
    @cython.locals(end=Py_ssize_t)
    cdef Py_ssize_t literal(self, Py_ssize_t o, bytes word) except? -1
    cdef Py_ssize_t digits(self, Py_ssize_t o) except -1
    @cython.locals(start=Py_ssize_t, whole=Py_ssize_t)
    cdef Py_ssize_t number(self, Py_ssize_t o) except? -1
    @cython.locals(end=Py_ssize_t)
    cdef Py_ssize_t special(self, int kind, Py_ssize_t o, Py_ssize_t row) except? -1
    @cython.locals(number=int64_t, c=int)
    cdef int64_t decimal(self, Py_ssize_t o, Py_ssize_t end, int most) except? -1
    @cython.locals(address=int64_t, octet=int64_t, place=Py_ssize_t, start=Py_ssize_t, stop=int, i=int, port=int64_t)
    cdef bint endpoint(self, Py_ssize_t o, Py_ssize_t end) except -1
    @cython.locals(text=bytes)
    cdef bint other_endpoint(self, Py_ssize_t o, Py_ssize_t end) except -1
    @cython.locals(seconds=int64_t, nanos=int64_t, value=int64_t, i=int, which=int, start=Py_ssize_t)
    cdef Py_ssize_t instant(self, Py_ssize_t o) except? -1
    cdef bint same(self, Py_ssize_t o, bytes word) except -1
    @cython.locals(year=int64_t, month=int64_t, day=int64_t, hour=int64_t, minute=int64_t, second=int64_t,
                   nanos=int64_t, years=int64_t, days=int64_t)
    cdef bint stamp(self, Py_ssize_t o, Py_ssize_t end) except -1
