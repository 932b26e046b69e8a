cimport cython
from libc.stdint cimport int64_t, uint8_t, uint64_t
from rustnet.engine.decode cimport Decoder, word
from rustnet.engine.numbers cimport *
from rustnet.engine.packet cimport Packet
from rustnet.engine.places cimport bits64

cdef int WAYS, BUCKETS, SAMPLE, TS, AT, SIZE, PLACE, MAX_HOPS
cdef int64_t WINDOW_NS, SAME_PLACE_NS, UNSURE_NS, BENEFIT, HALVED, MAX_KEPT
cdef uint64_t MASK32, MASK64, MIX, WITHOUT_CHECKSUM, WITHOUT_SERVICE, WITHOUT_TTL


@cython.final
cdef class Copies:
    cdef uint64_t[::1] digests, keys
    cdef int64_t[:, ::1] facts
    cdef uint8_t[::1] hands
    cdef const unsigned char[::1] kept
    cdef public int64_t once, once_before, noted_at, twice
    @cython.locals(at=Py_ssize_t, digest=uint64_t, bucket=Py_ssize_t, first=Py_ssize_t, i=Py_ssize_t)
    cdef bint seen(self, Decoder decoder, Py_ssize_t o, Py_ssize_t captured, int64_t link, int64_t interface, int64_t ts) except -1
    cdef int note(self, int64_t ts) except -1
    @cython.locals(keys=uint64_t[::1], first=uint64_t, second=uint64_t, d=uint64_t, protocol=int, total=int)
    cdef uint64_t digest(self, Decoder decoder, Py_ssize_t at, Py_ssize_t end) except 0
    @cython.locals(p=Packet, skip=Ignored, d=uint64_t, k=Py_ssize_t)
    cdef uint64_t short_digest(self, Decoder decoder, Py_ssize_t at, Py_ssize_t end) except 0
    @cython.locals(late=int64_t, start=int64_t, same_place=bint)
    cdef bint is_copy(self, Decoder decoder, Py_ssize_t i, Py_ssize_t o, Py_ssize_t at, Py_ssize_t captured, int64_t link, int64_t interface, int64_t ts) except -1
    @cython.locals(size=int64_t, offset=int64_t, p=Packet, ip=bint, numbered=bint, elsewhere=bint, hops=int, mine=int, other=int)
    cdef bint judge(self, Decoder decoder, Py_ssize_t i, Py_ssize_t o, Py_ssize_t at, Py_ssize_t captured, bint same_place, int64_t link, int64_t late, const unsigned char[::1] then, Py_ssize_t start) except -1
    @cython.locals(i=Py_ssize_t, start=int64_t, size=int64_t, total=int64_t)
    cdef int carry(self, Decoder decoder, int64_t now) except -1

@cython.final
cdef class Ignored:
    cdef Py_ssize_t service, hops, header, transport
    @cython.locals(start=Py_ssize_t, protocol=int)
    cdef int read(self, const unsigned char[::1] b, Py_ssize_t at, Py_ssize_t end, bint ip) except -1
    cdef bint at(self, Py_ssize_t k) noexcept

@cython.locals(size=Py_ssize_t, skip=Ignored, total=Py_ssize_t, k=Py_ssize_t, same=bint)
cdef bint equal(const unsigned char[::1] b, Py_ssize_t at, Py_ssize_t end, const unsigned char[::1] other, Py_ssize_t other_at, Py_ssize_t other_end, bint ip) except -1
@cython.locals(k=Py_ssize_t, other_bytes=bint)
cdef bint differ(const unsigned char[::1] b, Py_ssize_t start, Py_ssize_t end, const unsigned char[::1] other, Py_ssize_t other_start, Py_ssize_t other_end) except -1
@cython.locals(kind=int, vlan=int)
cdef int tag(const unsigned char[::1] b, Py_ssize_t start, Py_ssize_t end) except -1
@cython.locals(left=int)
cdef int hop_limit(const unsigned char[::1] b, Py_ssize_t at) except -1
cdef bint is_network(Packet p) noexcept
@cython.locals(low=int64_t, high=int64_t)
cdef int64_t distance(int64_t one, int64_t other) noexcept
cdef uint64_t finished(uint64_t d) noexcept
