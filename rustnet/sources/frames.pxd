from libc.stdint cimport int64_t, uint16_t, uint32_t

cdef class Frames:
    cdef public object buffer
    cdef public const unsigned char[::1] data
    cdef public Py_ssize_t count
    cdef public Py_ssize_t capacity
    cdef public int64_t first_number
    cdef public int64_t[::1] offset
    cdef public uint32_t[::1] captured
    cdef public uint32_t[::1] length
    cdef public int64_t[::1] ts
    cdef public uint16_t[::1] link
    cdef public uint32_t[::1] interface
    cdef public int64_t[::1] file_offset
    cdef public dict notes
    cdef public int file
    cdef public object files
    cdef public object clock
