"""QUIC's wire format (RFC 9000, 8999) as far as it is read.

Long headers, frames of Initial packets, transport parameters, and the hellos of Google's QUIC before standardisation
(Q0xx). Functions raise `DissectError` for malformed data.
"""

import struct

from rustnet.dissect.framework.conversation import NO, YES, Conversation, DissectError
from rustnet.dissect.quic.crypto import KNOWN_VERSIONS, Q050, T050, T051, VERSION_1, VERSION_2

INITIAL, ZERO_RTT, HANDSHAKE, RETRY, NEGOTIATION = range(5)
"""Kinds of packets with a long header, whatever number their version gives them."""
Q046 = 0x51303436
MAX_CID = 20
MAX_STREAM = 1 << 16
"""Maximum size of the handshake data that is reassembled, per direction."""
MAX_PIECES = 64
"""Pieces that may wait for earlier ones."""

_NAMES = {VERSION_1: "1", VERSION_2: "2", 0xFACEB001: "mvfst-22", 0xFACEB002: "mvfst-27", 0xFACEB00E: "mvfst-exp"}
_GOOGLE_FLAGS = frozenset({0x09, 0x0D, 0x19, 0x1D, 0x29, 0x2D, 0x39, 0x3D, 0x49, 0x4D})
"""First bytes of packets that carry a version: flag, connection id and size of the packet number."""
FIRST_BYTES = bytes((*range(0x80, 0x100), *_GOOGLE_FLAGS))
"""First bytes of datagrams that can be recognised: long headers, and those flags."""
_ORDER_2 = (RETRY, INITIAL, ZERO_RTT, HANDSHAKE)
_GOOGLE = frozenset({Q050, T050, T051})


def version_name(version: int) -> str:
    """`1`, `2`, `draft-29`, `Q046`, `mvfst-22` …, or hexadecimal."""
    name = _NAMES.get(version)
    if name is None:
        if version >> 8 == 0xFF0000:
            return f"draft-{version & 255}"
        if is_google(version):
            return version.to_bytes(4, "big").decode("ascii")
        name = f"0x{version:08x}"
    return name


def is_google(version: int) -> bool:
    """Whether it is a version of Google's: a `Q` or `T` and three digits."""
    if version >> 24 not in {0x51, 0x54}:
        return False
    a, b, c = version >> 16 & 255, version >> 8 & 255, version & 255
    return 0x30 <= a <= 0x39 and 0x30 <= b <= 0x39 and 0x30 <= c <= 0x39


def is_reserved(version: int) -> bool:
    """Whether it is one of the numbers that force a version negotiation (RFC 9000, 15)."""
    return version & 0x0F0F0F0F == 0x0A0A0A0A


def is_version(version: int) -> bool:
    """Whether an implementation is known to use this version with the long headers of RFC 8999."""
    return version in KNOWN_VERSIONS or version >> 8 == 0xFACEB0 or version == Q046


class LongHeader:
    """Header of one packet; ``end`` follows from its length field and may be beyond the captured bytes."""

    __slots__ = ("body", "dcid", "end", "kind", "scid", "start", "token", "version")

    def __init__(self, version: int, kind: int, start: int) -> None:
        self.version = version
        self.kind = kind
        self.start = start
        self.dcid = b""
        self.scid = b""
        self.token = 0
        """Length of an Initial's token."""
        self.body = 0
        """Offset of the packet number, or of the versions of a negotiation."""
        self.end = 0


def varint(data: bytes, pos: int) -> tuple[int, int]:
    """Variable-length integer (RFC 9000, 16), and the position after it."""
    if pos >= len(data):
        raise DissectError("truncated variable-length integer")
    first = data[pos]
    size = 1 << (first >> 6)
    end = pos + size
    if end > len(data):
        raise DissectError("truncated variable-length integer")
    if size == 1:
        return first, end
    number = first & 0x3F
    for i in range(pos + 1, end):
        number = number << 8 | data[i]
    return number, end


def number(body: bytes) -> int | None:
    """A transport parameter that is one variable-length integer; None if it is malformed."""
    try:
        return varint(body, 0)[0]
    except DissectError:
        return None


def _version(data: bytes, pos: int) -> int:
    """Version in the long header at ``pos``, which must be complete."""
    high = data[pos + 1] << 8 | data[pos + 2]  # not byte by byte: in C, a byte shifted by 24 would turn negative
    return (high << 16) | (data[pos + 3] << 8 | data[pos + 4])


def long_header(data: bytes, pos: int = 0) -> LongHeader:
    """Read the long header at ``pos``."""
    size = len(data)
    if size - pos < 7 or not data[pos] & 0x80:
        raise DissectError("truncated long header")
    version = _version(data, pos)
    number = data[pos] >> 4 & 3
    kind = _ORDER_2[number] if version in {VERSION_2, 0x709A50C4} else number
    head = LongHeader(version, NEGOTIATION if version == 0 else kind, pos)
    if version == Q046:
        return _long_header_46(data, pos, head)
    at = pos + 6
    after = at + data[at - 1]
    if after >= size or after - at > MAX_CID:
        raise DissectError("connection id exceeds its packet")
    head.dcid = data[at:after]
    at = after + 1
    after = at + data[after]
    if after > size or after - at > MAX_CID:
        raise DissectError("connection id exceeds its packet")
    head.scid = data[at:after]
    head.body = after
    head.end = size
    if head.kind == INITIAL:
        head.token, after = varint(data, after)
        after += head.token
    if head.kind < RETRY:
        length, head.body = varint(data, after)
        head.end = head.body + length
    return head


def _long_header_46(data: bytes, pos: int, head: LongHeader) -> LongHeader:
    """Q046 packs both lengths into one byte and carries one packet per datagram, its content in the clear."""
    to, own = data[pos + 5] >> 4, data[pos + 5] & 15
    to += 3 if to else 0
    own += 3 if own else 0
    at = pos + 6
    head.dcid = data[at : at + to]
    head.scid = data[at + to : at + to + own]
    head.body = at + to + own
    head.end = len(data)
    if head.body + 4 > head.end:
        raise DissectError("truncated Q046 header")
    return head


def versions(data: bytes, pos: int) -> list[int]:
    """Versions that a Version Negotiation packet offers, at most 64."""
    count = min((len(data) - pos) // 4, 64)
    return list(struct.unpack_from(f">{count}I", data, pos))


class CryptoStream:
    """Reassembles the handshake bytes of one direction."""

    __slots__ = ("data", "waiting")

    def __init__(self) -> None:
        self.data = bytearray()
        """Bytes from offset 0 on without a hole."""
        self.waiting: dict[int, bytes] = {}

    def add(self, offset: int, piece: bytes) -> None:
        """Add a piece; bytes beyond the limits are dropped."""
        if offset + len(piece) > MAX_STREAM:
            return
        have = len(self.data)
        if offset > have:
            if len(self.waiting) < MAX_PIECES and len(piece) > len(self.waiting.get(offset, b"")):
                self.waiting[offset] = piece
            return
        if offset + len(piece) > have:
            self.data += piece[have - offset :]
        if self.waiting:
            self._join()

    def _join(self) -> None:
        for offset in sorted(self.waiting):
            have = len(self.data)
            if offset > have:
                return
            piece = self.waiting.pop(offset)
            self.data += piece[have - offset :]


class Close:
    """A CONNECTION_CLOSE frame."""

    __slots__ = ("application", "code", "reason")

    def __init__(self, code: int, reason: str, application: bool) -> None:
        self.code = code
        self.reason = reason
        self.application = application


def read_frames(plain: bytes, version: int, stream: CryptoStream) -> Close | None:
    """Read an Initial packet's frames: handshake data goes to ``stream``; a CONNECTION_CLOSE is returned."""
    if version in _GOOGLE:
        _google_frames(plain, stream)
        return None
    pos = 0
    size = len(plain)
    while pos < size:
        kind = plain[pos]
        if kind == 0:
            pos = size - len(plain[pos:].lstrip(b"\0"))
        elif kind == 1:
            pos += 1
        elif kind == 6:
            offset, pos = varint(plain, pos + 1)
            length, pos = varint(plain, pos)
            if pos + length > size:
                raise DissectError("CRYPTO frame exceeds its packet")
            stream.add(offset, plain[pos : pos + length])
            pos += length
        elif kind in {2, 3}:
            pos = _skip_ack(plain, pos)
        elif kind in {0x1C, 0x1D}:
            return _close(plain, pos)
        else:
            raise DissectError("unexpected frame type {kind} in an Initial packet", kind=kind)
    return None


def _skip_ack(plain: bytes, pos: int) -> int:
    counts = plain[pos] == 3
    _, pos = varint(plain, pos + 1)
    _, pos = varint(plain, pos)
    ranges, pos = varint(plain, pos)
    if ranges > len(plain):
        raise DissectError("more ranges than bytes in an ACK frame")
    for _ in range(1 + 2 * ranges + 3 * counts):
        _, pos = varint(plain, pos)
    return pos


def _close(plain: bytes, pos: int) -> Close:
    application = plain[pos] == 0x1D
    code, pos = varint(plain, pos + 1)
    if not application:
        _, pos = varint(plain, pos)
    length, pos = varint(plain, pos)
    return Close(code, plain[pos : pos + min(length, 256)].decode("utf-8", "replace"), application)


def _google_frames(plain: bytes, stream: CryptoStream) -> None:
    """Read the CRYPTO frame (type 8) of Q050, T050 and T051, after padding and an acknowledgement."""
    pos = len(plain) - len(plain.lstrip(b"\0"))
    if pos < len(plain) and plain[pos] in {0x40, 0x60}:
        pos += 6 if plain[pos] == 0x40 else 9
    if pos >= len(plain) or plain[pos] != 8:
        return
    offset, pos = varint(plain, pos + 1)
    length, pos = varint(plain, pos)
    stream.add(offset, plain[pos : pos + length])


# ---- transport parameters -----------------------------------------------------------------------------------------

IDLE_TIMEOUT, USER_AGENT = 0x01, 0x3129


def parameters(body: bytes) -> dict[int, bytes]:
    """Transport parameters of either side, in the form of RFC 9000 or of the drafts up to 26 (16-bit fields)."""
    size = len(body)
    values: dict[int, bytes] = {}
    if size >= 2 and (body[0] << 8 | body[1]) == size - 2:
        pos = 2
        while pos + 4 <= size and len(values) < 64:
            kind, length = body[pos] << 8 | body[pos + 1], body[pos + 2] << 8 | body[pos + 3]
            values[kind] = body[pos + 4 : pos + 4 + length]
            pos += 4 + length
        return values
    pos = 0
    while pos < size and len(values) < 64:
        kind, pos = varint(body, pos)
        length, pos = varint(body, pos)
        values[kind] = body[pos : pos + length]
        pos += length
    return values


# ---- Google's hellos ------------------------------------------------------------------------------------------------


def client_tags(data: bytes, pos: int) -> dict[bytes, bytes] | None:
    """Tags of the CHLO message in the first bytes after ``pos``; None if there is none."""
    at = data.find(b"CHLO", pos, pos + 64)
    if at < 0 or at + 8 > len(data):
        return None
    count = data[at + 4] | data[at + 5] << 8
    values = at + 8 + 8 * count
    if count > 128 or values > len(data):
        raise DissectError("implausible count of {count} tags in a CHLO", count=count)
    tags: dict[bytes, bytes] = {}
    begin = 0
    for entry in range(at + 8, values, 8):
        end = int.from_bytes(data[entry + 4 : entry + 8], "little")
        if end < begin:
            raise DissectError("tags of a CHLO are not in order")
        tags[data[entry : entry + 4]] = data[values + begin : min(values + end, len(data))]
        begin = end
    return tags


def rejection(data: bytes) -> bool:
    """Whether it is a REJ of Google's QUIC: the server's first answer, in the clear, but without a version."""
    at = data.find(b"REJ\0", 15, 80)
    count = int.from_bytes(data[at + 4 : at + 8], "little") if at >= 0 else 0
    if data[0] & 0xC3 or not 0 < count <= 64:
        return False
    # It is the first message of the handshake stream, number 1; the length before it may be omitted.
    return (data[at - 2] & 0x80 > 0 and data[at - 1] == 1) or (data[at - 4] & 0xA0 == 0xA0 and data[at - 3] == 1)


# ---- recognition ---------------------------------------------------------------------------------------------------


def probe(data: bytes, talk: Conversation, from_src: bool) -> int:
    """Recognise a long header of a known version whose lengths fit, or the public header of Google's versions."""
    if len(data) < 14:
        return NO
    first = data[0]
    if not first & 0x80:
        if first in _GOOGLE_FLAGS and data[9:11] == b"Q0" and is_google(int.from_bytes(data[9:13], "big")):
            return YES
        return YES if talk.has_port(443) and rejection(data) else NO
    version = _version(data, 0)
    try:
        if version == 0:
            return _probe_negotiation(data)
        if not first & 0x40 or not (is_reserved(version) or is_version(version)):
            return NO
        return _probe_long(data, long_header(data))
    except DissectError:
        return NO


def _probe_long(data: bytes, head: LongHeader) -> int:
    """Check a packet of a known version."""
    size = len(data)
    version = head.version
    reserved = is_reserved(version)
    if version == Q046:
        return YES if head.dcid or head.scid else NO
    if head.kind == RETRY:
        return YES if size >= head.body + 16 and head.scid and not reserved else NO
    if reserved and (head.kind != INITIAL or size < 1200 or len(head.dcid) < 8):
        return NO
    if head.end <= size:
        return YES if head.end - head.body >= 20 else NO
    # Cut off by the snap length: accepted if the version number alone is distinctive.
    return YES if version > 2 and not reserved and head.end <= 1500 else NO


def _probe_negotiation(data: bytes) -> int:
    """Check a Version Negotiation packet: it ends with a list of known versions."""
    head = long_header(data)
    rest = len(data) - head.body
    if rest < 4 or rest % 4 or not (head.dcid or head.scid):
        return NO
    offered = versions(data, head.body)
    return YES if all(is_version(v) or is_reserved(v) or is_google(v) or v >> 24 == 0xFF for v in offered) else NO
