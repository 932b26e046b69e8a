"""DTLS 1.0 to 1.3 (RFC 4347, 6347, 9147): the TLS handshake in datagrams.

Rows go to the `tls` table. Records carry an epoch and a number, handshake messages come in fragments that may be lost,
repeated or reordered; the messages are those of TLS, except for a cookie in the ClientHello.
"""

from rustnet.dissect.framework.conversation import NO, YES, Conversation, DissectError, Dissector
from rustnet.dissect.tls.parser import Tls, TlsParser

MAX_MESSAGE = 131_072
MAX_PARTIAL = 8
"""Incomplete messages per direction."""
PATIENCE = 64
"""Datagrams after which an incomplete handshake is stored."""

_CHANGE, _ALERT, _HANDSHAKE, _DATA, _ACK = 20, 21, 22, 23, 26
_CLIENT_HELLO, _SERVER_HELLO = 1, 2
_KNOWN = frozenset({0, 1, 2, 3, 4, 5, 8, 11, 12, 13, 14, 15, 16, 20, 21, 22, 23, 24, 25})
_VERSIONS = frozenset({0xFEFF, 0xFEFD, 0xFEFC, 0x0100})
"""1.0, 1.2, 1.3, and the number that OpenSSL used before 0.9.8f."""
_PORTS = (4433, 5684, 2221, 5349)


class _Partial:
    """A handshake message with missing fragments."""

    __slots__ = ("body", "kind", "missing")

    def __init__(self, kind: int, size: int) -> None:
        self.kind = kind
        self.body = bytearray(size)
        self.missing = [(0, size)]
        """Missing ranges."""

    def add(self, offset: int, piece: bytes) -> None:
        """Insert a fragment."""
        end = offset + len(piece)
        self.body[offset:end] = piece
        left = []
        for a, z in self.missing[:64]:
            if end <= a or offset >= z:
                left.append((a, z))
                continue
            if a < offset:
                left.append((a, offset))
            if end < z:
                left.append((end, z))
        self.missing = left


class DtlsParser(TlsParser):
    """One association's handshake."""

    letter = "d"
    __slots__ = ("datagrams", "finished", "parts", "read")

    def __init__(self, talk: Conversation) -> None:
        super().__init__(talk)
        self.parts: tuple[dict[int, _Partial], dict[int, _Partial]] = ({}, {})
        self.read: tuple[set[int], set[int]] = (set(), set())
        """By direction: numbers of the messages read."""
        self.datagrams = 0
        self.finished = False
        """Set by a parser that shares the flow: the handshake is not read any more."""

    def datagram(self, data: bytes, from_src: bool) -> None:
        """Read the records of one datagram."""
        self.datagrams += 1
        pos = 0
        size = len(data)
        talk = self.talk
        while size - pos >= 13 and not talk.finished:
            kind = data[pos]
            length = data[pos + 11] << 8 | data[pos + 12]
            end = pos + 13 + length
            if not _is_record(data, pos):
                break
            epoch = data[pos + 3] << 8 | data[pos + 4]
            if epoch:
                self._encrypted_record(from_src)
            elif kind == _HANDSHAKE:
                self._fragments(data[pos + 13 : end], from_src)
            elif kind == _ALERT:
                self._alert(data[pos + 13 : end], from_src)
            elif kind == _CHANGE:
                self._change(from_src)
            pos = end
        if not pos:
            self._not_a_record(data)
        if self.datagrams >= PATIENCE:
            self.finish()

    def _not_a_record(self, data: bytes) -> None:
        """Handle a datagram without a record: DTLS 1.3's unified header, or an error if it is the first datagram."""
        if data and 0x20 <= data[0] < 0x40 and self.begun:
            self.row.established = True
            self.finish()
        elif not self.begun:
            raise DissectError("expected a DTLS record header")

    def _encrypted_record(self, from_src: bool) -> None:
        """Handle a record of a later epoch; the server's, or several of the client's, end the handshake."""
        self.patience -= 1
        if not self.begun:
            self.talk.state = "ESTABLISHED"
            if self.patience <= 0:
                self.finish()
            return
        ends = from_src != self.client_is_src if self.client is not None or self.server is not None else True
        if (self.server is not None and ends) or self.patience <= 0:
            self.row.established = True
            self.talk.state = "ESTABLISHED"
            self.finish()

    def _fragments(self, data: bytes, from_src: bool) -> None:
        """Read the handshake fragments of one record."""
        pos = 0
        while len(data) - pos >= 12 and not self.talk.finished:
            kind = data[pos]
            size = int.from_bytes(data[pos + 1 : pos + 4], "big")
            number = data[pos + 4] << 8 | data[pos + 5]
            offset = int.from_bytes(data[pos + 6 : pos + 9], "big")
            length = int.from_bytes(data[pos + 9 : pos + 12], "big")
            end = pos + 12 + length
            if kind not in _KNOWN or size > MAX_MESSAGE or offset + length > size:
                detail = "implausible handshake fragment of type {kind} and {length} bytes"
                self.reject(DissectError(detail, kind=kind, length=length))
                return
            if end > len(data):
                return  # cut off by the snap length
            piece = data[pos + 12 : end]
            pos = end
            if number in self.read[from_src]:
                continue
            if length == size:
                self._whole(kind, piece, number, from_src)
            else:
                self._part(kind, size, number, offset, piece, from_src)

    def _part(self, kind: int, size: int, number: int, offset: int, piece: bytes, from_src: bool) -> None:
        parts = self.parts[from_src]
        partial = parts.get(number)
        if partial is None or len(partial.body) != size:
            if len(parts) >= MAX_PARTIAL:
                del parts[next(iter(parts))]
            partial = parts[number] = _Partial(kind, size)
        partial.add(offset, piece)
        if not partial.missing:
            del parts[number]
            self._whole(partial.kind, bytes(partial.body), number, from_src)

    def _whole(self, kind: int, body: bytes, number: int, from_src: bool) -> None:
        if len(self.read[from_src]) < 256:
            self.read[from_src].add(number)
        self._message(kind, body, from_src)

    def reject(self, error: DissectError) -> None:
        """Withdraw the claim on a flow that has not begun; later, report the error and continue."""
        if not self.begun:
            raise error
        self.talk.anomaly("malformed_dtls", str(error))


def _is_record(data: bytes, pos: int) -> bool:
    """Whether there is a record header at ``pos``, where at least 13 bytes are left."""
    return _CHANGE <= data[pos] <= _ACK and (data[pos + 1] << 8 | data[pos + 2]) in _VERSIONS


def looks_like_dtls(data: bytes) -> bool:
    """Whether DTLS records fill a datagram, and a first handshake fragment fits its record."""
    size = len(data)
    clear = data[3:5] == b"\0\0"
    handshake = clear and data[0] == _HANDSHAKE
    if size < 14 or (clear and data[0] == _DATA) or (handshake and not _plausible_fragment(data)):
        return False
    pos = 0
    for _ in range(64):
        if size - pos < 13 or not _is_record(data, pos):
            return False
        pos += 13 + (data[pos + 11] << 8 | data[pos + 12])
        if pos == size:
            return True
        if pos > size:
            # Cut off by the snap length: accepted for a hello only.
            return handshake and data[1] == 0xFE and data[13] in {_CLIENT_HELLO, _SERVER_HELLO}
    return True


def _plausible_fragment(data: bytes) -> bool:
    length = data[11] << 8 | data[12] if len(data) > 12 else 0
    if length < 12 or len(data) < 25 or data[13] not in _KNOWN:
        return False
    size = int.from_bytes(data[14:17], "big")
    offset = int.from_bytes(data[19:22], "big")
    part = int.from_bytes(data[22:25], "big")
    return offset + part <= size <= MAX_MESSAGE and part <= length - 12


def _probe_dtls(data: bytes, talk: Conversation, from_src: bool) -> int:
    """Recognise records that fill the datagram."""
    if len(data) < 14 or not _CHANGE <= data[0] <= _ACK:
        return NO
    return YES if looks_like_dtls(data) else NO


DTLS = Dissector(
    "dtls", "Datagram Transport Layer Security (RFC 9147)", ("udp",), _PORTS, (Tls,), _probe_dtls, DtlsParser,
    first=bytes(range(_CHANGE, _ACK + 1)),
)  # fmt: skip
