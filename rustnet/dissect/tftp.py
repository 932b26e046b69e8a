"""TFTP (RFC 1350) with its options (RFC 2347 to 2349). One row per request, negotiation and error.

Data is transferred between new ports, hence in another flow, which is recognised by a block and its acknowledgement and
gets no row.
"""

from rustnet.dissect.framework.conversation import NO, YES, Conversation, DissectError, Dissector, Shape
from rustnet.dissect.framework.reading import RowParser, number, text
from rustnet.records import U32, Bytes16, Bytes64, Count16, FilePath, FreeText, Term, Word, record

_MODES = (b"netascii", b"octet", b"mail")
_OPTIONS = frozenset((b"blksize", b"timeout", b"tsize", b"windowsize", b"multicast", b"rollover", b"utimeout"))
_ERRORS = (
    "not defined", "file not found", "access violation", "disk full", "illegal operation", "unknown transfer id",
    "file already exists", "no such user", "options refused",
)  # fmt: skip
MAX_FILENAME = 500
_DATA, _ACK = 3, 4
_EARLY = 4
"""Blocks by which a transfer is recognised: later numbers are too common in other protocols."""
_REMEMBERED = b"tftp"
"""Prefix of what the probe remembers of a direction: opcode and block number of its last message."""


@record("tftp")
class Tftp:
    """One TFTP request, negotiation of options, or error."""

    operation: Word | None = None
    """`read`, `write`, `options` or `error`."""
    filename: FilePath | None = None
    """File requested."""
    mode: Term | None = None
    """`octet`, `netascii` or `mail`."""
    block_size: Bytes16 | None = None
    """Bytes per block."""
    window_size: Count16 | None = None
    """Blocks per acknowledgement."""
    transfer_size: Bytes64 | None = None
    """Size of the file in bytes; 0 in a read request asks for it."""
    timeout_seconds: U32 | None = None
    """Seconds until a retransmission."""
    error: Word | None = None
    """Meaning of an error's code."""
    error_text: FreeText | None = None
    """Text of an error."""


class TftpParser(RowParser):
    """Messages of one flow; data and acknowledgements get no row."""

    __slots__ = ()

    def datagram(self, data: bytes, from_src: bool) -> None:
        """Read one message."""
        if len(data) < 4 or data[0] or not 1 <= data[1] <= 6:
            raise DissectError("expected a TFTP opcode")
        kind = data[1]
        if kind in {1, 2}:
            words = data[2:].split(b"\0", 20)
            row = Tftp(operation="read" if kind == 1 else "write", filename=text(words[0], MAX_FILENAME))
            row.mode = text(words[1], 16).lower() if len(words) > 1 else None
            _options(words[2:], row)
            self.store_row(row)
        elif kind == 6:
            row = Tftp(operation="options")
            _options(data[2:].split(b"\0", 20), row)
            self.store_row(row)
        elif kind == 5:
            code = (data[2] << 8) | data[3]
            self.store_row(
                Tftp(
                    operation="error",
                    error=_ERRORS[code] if code < len(_ERRORS) else f"error {code}",
                    error_text=text(data[4:]) or None,
                )
            )


def _options(words: list[bytes], row: Tftp) -> None:
    """Names and values in turn."""
    for name, value in zip(words[::2], words[1::2], strict=False):
        digits = text(value, 24)
        match name.lower():
            case b"blksize":
                row.block_size = number(digits, 65_535)
            case b"windowsize":
                row.window_size = number(digits, 65_535)
            case b"tsize":
                row.transfer_size = number(digits, (1 << 64) - 1)
            case b"timeout":
                row.timeout_seconds = number(digits, 255)
            case _:
                pass


def _probe_tftp(data: bytes, talk: Conversation, from_src: bool) -> int:
    """Recognise a request with a known mode, known options, on port 69 an error, or a block and its acknowledgement."""
    if len(data) < 4 or data[0] or not 1 <= data[1] <= 6:
        return NO
    kind = data[1]
    if kind in {_DATA, _ACK}:
        return _probe_transfer(data, talk, from_src)
    if len(data) < 6:
        return NO
    if kind in {1, 2}:
        words = data[2 : MAX_FILENAME + 64].split(b"\0", 2)
        named = len(words) == 3 and words[0] and len(words[0]) <= MAX_FILENAME and words[1].lower() in _MODES
        return YES if named and data[-1] == 0 and min(words[0]) >= 0x20 else NO
    if kind == 6:
        return YES if data[-1] == 0 and data[2:14].split(b"\0")[0].lower() in _OPTIONS else NO
    return YES if kind == 5 and talk.has_port(69) and data[2] == 0 and data[3] <= 8 and data[-1] == 0 else NO


def _probe_transfer(data: bytes, talk: Conversation, from_src: bool) -> int:
    """Recognise one of the first blocks or its acknowledgement, if the other side sent the message before it."""
    block = data[2] << 8 | data[3]
    if block > _EARLY or (data[1] == _ACK and len(data) != 4):
        return NO
    seen = talk.memo_dst if from_src else talk.memo_src
    before = block if data[1] == _ACK else block - 1
    if seen[:-2] == _REMEMBERED + bytes([_ACK if data[1] == _DATA else _DATA]) and seen[-1] == before:
        return YES
    if from_src:
        talk.memo_src = _REMEMBERED + data[1:4]
    else:
        talk.memo_dst = _REMEMBERED + data[1:4]
    return NO


TFTP = Dissector(
    "tftp", "Trivial File Transfer Protocol (RFC 1350)", ("udp",), (69,), (Tftp,), _probe_tftp, TftpParser,
    first=b"\0", shapes={"udp": Shape(4, {1: bytes(range(1, 7))})},
)  # fmt: skip
