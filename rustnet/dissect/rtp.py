"""RTP and RTCP (RFC 3550, 3551): media streams and the reports about them.

One row of `rtp` per stream (a sender's SSRC), one of `rtcp` per compound packet. A single RTP packet is not
distinctive, so the probe waits for a second one that continues the first: same source and payload type, the next
sequence number, a timestamp close by. RTCP is recognised by its chain of lengths. Media is never kept.
"""

import struct

from rustnet.dissect.framework.conversation import NO, YES, Conversation, DissectError, Dissector, Parser, Shape
from rustnet.records import I32, U8, U16, U32, FreeText, Identifier, Ratio, Software, User, Word, record

MAX_STREAMS = 32
"""Streams of one flow that are rows."""
MAX_REPORTS = 200
"""RTCP packets of one flow that are rows."""
MAX_QUIET = 400
"""Media packets without a new stream or report after which the flow is no longer read."""
_PORT = 5004
_HEADER = struct.Struct(">BBHII")
_SEEN = struct.Struct(">IqQ")
"""Format of what the probe remembers of a datagram after its header: size, time and packet number."""
_REMEMBERED = b"rtp"
"""Prefix of what the probe remembers of the previous datagram."""

_CODECS = {
    0: "PCMU", 3: "GSM", 4: "G723", 5: "DVI4", 6: "DVI4", 7: "LPC", 8: "PCMA", 9: "G722", 10: "L16", 11: "L16",
    12: "QCELP", 13: "CN", 14: "MPA", 15: "G728", 16: "DVI4", 17: "DVI4", 18: "G729", 25: "CelB", 26: "JPEG", 28: "nv",
    31: "H261", 32: "MPV", 33: "MP2T", 34: "H263",
}  # fmt: skip
_USED = frozenset({35, 36, 37, 38, 39, 40, 45, 63})
"""Payload types below the dynamic range that are in use nevertheless."""
_RTCP = {
    192: "FIR", 193: "NACK", 195: "IJ", 200: "SR", 201: "RR", 202: "SDES", 203: "BYE", 204: "APP", 205: "RTPFB",
    206: "PSFB", 207: "XR", 208: "AVB", 209: "RSI", 210: "TOKEN",
}  # fmt: skip


@record("rtp")
class Rtp:
    """One media stream: the packets of one source in one direction."""

    ssrc: Identifier | None = None
    """Synchronisation source, hexadecimal."""
    payload_type: U8 | None = None
    """Payload type of its first packet."""
    codec: Word | None = None
    """Codec of a static payload type (RFC 3551); NULL if signalling decides."""
    from_src: bool = True
    """Sent by the flow's `src`."""
    first_sequence: U16 | None = None
    """Number of its first packet."""
    media_timestamp: U32 | None = None
    """Media timestamp of its first packet."""
    media_bytes: U16 | None = None
    """Payload of its first packet, in bytes."""
    csrc_count: U8 | None = None
    """Contributing sources that the first packet lists."""
    extension: bool = False
    """The first packet carries a header extension."""


@record("rtcp")
class Rtcp:
    """One compound RTCP packet; of several reports in it the first. Of encrypted ones the first of each source."""

    ssrc: Identifier | None = None
    """Source that sent it, hexadecimal."""
    types: list[Word] | None = None
    """Packets within: `SR`, `RR`, `SDES`, `BYE`, `APP`, `RTPFB`, `PSFB`, `XR` …"""
    from_src: bool = True
    """Sent by the flow's `src`."""
    cname: User | None = None
    """Canonical name of the source."""
    tool: Software | None = None
    """Program of the source, as it states it."""
    reported_ssrc: Identifier | None = None
    """Source that the first report is about, hexadecimal."""
    sent_packets: U32 | None = None
    """Packets that the sender counts (SR)."""
    sent_bytes: U32 | None = None
    """Payload bytes that the sender counts (SR)."""
    fraction_lost: Ratio | None = None
    """Share of packets lost since the report before, 0 to 1."""
    lost: I32 | None = None
    """Packets lost in all; negative with duplicates."""
    jitter: U32 | None = None
    """Interarrival jitter, in units of the media's clock."""
    reason: FreeText | None = None
    """Why the source left (BYE)."""
    encrypted: bool = False
    """SRTCP: everything after the first eight bytes is encrypted."""


def is_rtp(data: bytes) -> bool:
    """Whether a datagram could be RTP: version, a payload type in use, room for its headers."""
    if len(data) < 12 or data[0] & 0xC0 != 0x80:
        return False
    kind = data[1] & 0x7F
    if 72 <= kind <= 79 or (35 <= kind <= 71 and kind not in _USED):
        return False
    return len(data) >= 12 + 4 * (data[0] & 15) + 4 * (data[0] >> 4 & 1)


def continues(before: bytes, data: bytes) -> bool:
    """Whether an RTP header closely follows another one of the same stream, whose 12 bytes are ``before``."""
    if before[8:12] != data[8:12] or (before[1] ^ data[1]) & 0x7F or (before[0] ^ data[0]) & 0xC0:
        return False
    step = ((data[2] << 8 | data[3]) - (before[2] << 8 | before[3])) & 0xFFFF
    return 1 <= step <= 16 and (_stamp(data) - _stamp(before)) & 0xFFFFFFFF < 900_000


def _stamp(data: bytes) -> int:
    """Media timestamp of an RTP header."""
    high = data[4] << 8 | data[5]  # not byte by byte: in C, a byte shifted by 24 would turn negative
    return high << 16 | (data[6] << 8 | data[7])


def is_rtcp(data: bytes) -> bool:
    """Whether a datagram is compound RTCP: a known first packet, and lengths that fill it."""
    size = len(data)
    if size < 8 or data[0] & 0xC0 != 0x80 or not 200 <= data[1] <= 207:
        return False
    pos = 0
    while pos + 4 <= size:
        if data[pos] & 0xC0 != 0x80 or not (192 <= data[pos + 1] <= 210):
            return False
        pos += 4 + 4 * (data[pos + 2] << 8 | data[pos + 3])
    return pos == size


class Media:
    """Media streams and reports of one flow, for RTP's parser and for those that share a flow with RTP (RFC 7983)."""

    __slots__ = ("candidates", "encrypted", "quiet", "reports", "streams", "talk")

    def __init__(self, talk: Conversation) -> None:
        self.talk = talk
        self.streams: set[tuple[bytes, bool]] = set()
        self.candidates: dict[tuple[bytes, bool], tuple[bytes, int, int]] = {}
        """First headers of sources that a second packet has yet to confirm, with time and number of their packet."""
        self.encrypted: set[tuple[bytes, bool]] = set()
        """Sources whose encrypted reports got their row."""
        self.reports = 0
        self.quiet = 0
        """Packets since the last new stream or report."""

    def packet(self, data: bytes, from_src: bool) -> None:
        """Read one RTP or RTCP packet; others count as quiet."""
        self.quiet += 1
        if len(data) < 8 or data[0] & 0xC0 != 0x80:
            return
        if 192 <= data[1] <= 223:
            self._report(data, from_src)
        elif len(data) >= 12:
            self._stream(data, from_src)

    def _stream(self, data: bytes, from_src: bool) -> None:
        key = (data[8:12], from_src)
        if key in self.streams or len(self.streams) >= MAX_STREAMS or not is_rtp(data):
            return
        first = self.candidates.get(key)
        if first is not None and continues(first[0], data):
            self.confirm(first[0], from_src, first[1], first[2])
            return
        if len(self.candidates) >= MAX_STREAMS:
            del self.candidates[next(iter(self.candidates))]
        self.candidates[key] = (data[:12] + len(data).to_bytes(4, "big"), self.talk.ts, self.talk.packet)

    def confirm(self, header: bytes, from_src: bool, ts: int, packet: int) -> None:
        """Store the stream that began with ``header``: twelve bytes of RTP and the datagram's size in four more."""
        flags, marked, number, stamp, source = _HEADER.unpack_from(header)
        self.candidates.pop((header[8:12], from_src), None)
        if len(self.streams) >= MAX_STREAMS:
            return
        self.streams.add((header[8:12], from_src))
        kind = marked & 0x7F
        size = int.from_bytes(header[12:16], "big") - 12 - 4 * (flags & 15)
        row = Rtp(
            ssrc=f"{source:08x}",
            payload_type=kind,
            codec=_CODECS.get(kind),
            from_src=from_src,
            first_sequence=number,
            media_timestamp=stamp,
            media_bytes=max(0, min(size, 0xFFFF)),
            csrc_count=flags & 15,
            extension=bool(flags & 16),
        )
        self.talk.emit(row, ts, packet)
        self.quiet = 0

    def _report(self, data: bytes, from_src: bool) -> None:
        if self.reports >= MAX_REPORTS:
            return
        row = Rtcp(ssrc=data[4:8].hex(), from_src=from_src)
        if is_rtcp(data):
            _compound(row, data)
        elif data[1] in {200, 201} and (data[4:8], from_src) not in self.encrypted:
            if len(self.encrypted) >= MAX_STREAMS:
                return
            self.encrypted.add((data[4:8], from_src))
            row.types = [_RTCP[data[1]]]
            row.encrypted = True
        else:
            return
        self.reports += 1
        self.quiet = 0
        self.talk.emit(row)


def _compound(row: Rtcp, data: bytes) -> None:
    """Read the packets of a compound packet whose lengths fit."""
    pos = 0
    kinds: list[str] = []
    while pos + 4 <= len(data) and len(kinds) < 16:
        kind = data[pos + 1]
        end = pos + 4 + 4 * (data[pos + 2] << 8 | data[pos + 3])
        kinds.append(_RTCP.get(kind) or str(kind))
        body = data[pos + 4 : end]
        count = data[pos] & 31
        if kind == 200 and len(body) >= 24:
            row.sent_packets, row.sent_bytes = struct.unpack_from(">II", body, 16)
            _block(row, body, 24, count)
        elif kind == 201:
            _block(row, body, 4, count)
        elif kind == 202 and count and row.cname is None:
            _describe(row, body)
        elif kind == 203 and len(body) > 4 * count:
            at = 4 * count
            row.reason = body[at + 1 : at + 1 + body[at]].decode("utf-8", "replace") or None
        pos = end
    row.types = kinds


def _block(row: Rtcp, body: bytes, pos: int, count: int) -> None:
    """Read the first report block."""
    if not count or len(body) < pos + 24 or row.reported_ssrc is not None:
        return
    row.reported_ssrc = body[pos : pos + 4].hex()
    row.fraction_lost = body[pos + 4] / 256.0
    row.lost = int.from_bytes(body[pos + 5 : pos + 8], "big", signed=True)
    row.jitter = int.from_bytes(body[pos + 12 : pos + 16], "big")


def _describe(row: Rtcp, body: bytes) -> None:
    """Read the first source's description: name and tool, not the rest, which is personal."""
    pos = 4
    while pos + 2 <= len(body) and body[pos]:
        text = body[pos + 2 : pos + 2 + body[pos + 1]].decode("utf-8", "replace")
        if body[pos] == 1:
            row.cname = text
        elif body[pos] == 6:
            row.tool = text
        pos += 2 + body[pos + 1]


class RtpParser(Parser):
    """Streams of one flow."""

    __slots__ = ("media",)

    def __init__(self, talk: Conversation) -> None:
        super().__init__(talk)
        self.media = Media(talk)
        for kept, from_src in ((talk.memo_src, True), (talk.memo_dst, False)):
            header = _remembered(kept)
            if header:
                ts, packet = int.from_bytes(header[16:24], "big"), int.from_bytes(header[24:32], "big")
                self.media.candidates[header[8:12], from_src] = (header[:16], ts, packet)
        talk.memo_src = talk.memo_dst = b""

    def datagram(self, data: bytes, from_src: bool) -> None:
        """Read one packet."""
        media = self.media
        if len(data) < 8 or data[0] & 0xC0 != 0x80:
            media.quiet += 1
            if self.talk.messages == 0:
                raise DissectError("expected RTP version 2")
        else:
            media.packet(data, from_src)
        if media.quiet >= MAX_QUIET:
            self.talk.finish()


def _remembered(pending: bytes) -> bytes:
    """Header, size, time and packet number that the probe remembers of an earlier datagram; empty if there is none."""
    return pending[len(_REMEMBERED) :] if pending.startswith(_REMEMBERED) else b""


def _remember(data: bytes, talk: Conversation) -> bytes:
    return _REMEMBERED + data[:12] + _SEEN.pack(len(data), talk.ts, talk.packet)


def _probe_rtp(data: bytes, talk: Conversation, from_src: bool) -> int:
    """Recognise two consecutive packets, the first remembered by the conversation; on RTP's port a single one."""
    if len(data) < 12 or data[0] & 0xC0 != 0x80 or not is_rtp(data) or is_rtcp(data):
        return NO
    kept = _remembered(talk.memo_src if from_src else talk.memo_dst)
    on_port = _PORT in (talk.src_port, talk.dst_port)
    if (kept and continues(kept, data)) or (on_port and data[8:12] != b"\0\0\0\0"):
        return YES
    if from_src:
        talk.memo_src = _remember(data, talk)
    else:
        talk.memo_dst = _remember(data, talk)
    return NO


def _probe_rtcp(data: bytes, talk: Conversation, from_src: bool) -> int:
    """Recognise a report whose lengths fit, followed by more packets, or between two odd ports."""
    if len(data) < 8 or data[0] & 0xC0 != 0x80 or data[1] not in {200, 201} or not is_rtcp(data):
        return NO
    after = 4 + 4 * (data[2] << 8 | data[3])
    if after < (28 if data[1] == 200 else 8) + 24 * (data[0] & 31):
        return NO
    return YES if after < len(data) or (talk.src_port & 1 and talk.dst_port & 1) else NO


RTP = Dissector(
    "rtp", "Real-time Transport Protocol (RFC 3550)", ("udp",), (_PORT,), (Rtp, Rtcp), _probe_rtp, RtpParser,
    first=bytes(range(0x80, 0xC0)), shapes={"udp": Shape(12)},
)  # fmt: skip
RTCP = Dissector(
    "rtcp", "RTP Control Protocol (RFC 3550)", ("udp",), (), (Rtcp,), _probe_rtcp, RtpParser,
    first=bytes(range(0x80, 0xC0)), shapes={"udp": Shape(8, {1: b"\xc8\xc9"})},
)  # fmt: skip
