"""Recognise the format of an input by its first bytes, never by its name."""

from typing import Literal

from rustnet.errors import InputError, Phrase
from rustnet.i18n import N_
from rustnet.sources.compressed import TooLargeError, compression, decode_start
from rustnet.sources.stored import Stored

PCAP_MAGIC = {
    0xA1B2C3D4: "pcap",
    0xA1B23C4D: "pcap-ns",
    0xA1B2CD34: "pcap-modified",
}
PCAPNG_MAGIC = b"\n\r\r\n"
PCAP_HEADER = 24
SECTION_HEADER = 28
_JOINED = tuple(
    magic.to_bytes(4, order) + (2).to_bytes(2, order) + (4).to_bytes(2, order)
    for magic in PCAP_MAGIC
    for order in ("little", "big")
)
"""First bytes of the file headers that `find_header` finds."""
BYTE_ORDERS = (b"\x1a\x2b\x3c\x4d", b"\x4d\x3c\x2b\x1a")
_SMALL = 4096
"""Up to so many compressed bytes of a pipe each further one is tried: its writer may pause after any of them."""
_DEEPEST = 8 << 20
"""Compressed bytes after which a stream without any decoded bytes is rejected."""

_CAPTURE, _PACKED, _SESSION, _OTHER = range(4)
"""What to do about an input of another format: convert it, unpack it, open it as a session, nothing."""

_OTHER_FORMATS: tuple[tuple[int, bytes, str, int], ...] = (
    (0, b"\x7fELF", N_("an ELF program or library"), _OTHER),
    (0, b"MZ", N_("a Windows program"), _OTHER),
    (0, b"snoop\0\0\0", N_("a Solaris snoop capture"), _CAPTURE),
    (0, b"btsnoop\0", N_("a Bluetooth btsnoop capture"), _CAPTURE),
    (0, b"GMBU", N_("a Microsoft Network Monitor 2 capture"), _CAPTURE),
    (0, b"RTSS", N_("a Microsoft Network Monitor 1 capture"), _CAPTURE),
    (0, b"XCP\0", N_("a NetXray or Windows Sniffer capture"), _CAPTURE),
    (0, b"TRSNIFF data    \x1a", N_("a DOS Sniffer capture"), _CAPTURE),
    (0, b"\x7fver", N_("an EtherPeek or OmniPeek capture"), _CAPTURE),
    (0, b"ObserverPktBuffe", N_("an Observer capture"), _CAPTURE),
    (0, b"\x1c\x00\x01\xab", N_("an Ixia lcap capture"), _CAPTURE),
    (0, b"\x1c\x00\x01\xac", N_("an Ixia lcap capture"), _CAPTURE),
    (0, b"\xab\x01\x00\x1c", N_("an Ixia lcap capture"), _CAPTURE),
    (0, b"\xac\x01\x00\x1c", N_("an Ixia lcap capture"), _CAPTURE),
    (0, b"PK\x03\x04", N_("a ZIP archive"), _PACKED),
    (0, b"PK\x05\x06", N_("an empty ZIP archive"), _OTHER),
    (0, b"BZh", N_("bzip2"), _PACKED),
    (0, b"7z\xbc\xaf\x27\x1c", N_("a 7-Zip archive"), _PACKED),
    (0, b"Rar!", N_("a RAR archive"), _PACKED),
    (0, b"\x02\x21\x4c\x18", N_("lz4 in its legacy format"), _PACKED),
    (257, b"ustar", N_("a tar archive"), _PACKED),
    (8, b"DUCK", N_("a DuckDB database"), _SESSION),
    (0, b"SQLite format 3\0", N_("an SQLite database"), _OTHER),
    (0, b"PAR1", N_("a Parquet file"), _OTHER),
    (0, b"%PDF", N_("a PDF document"), _OTHER),
    (0, b"\x89PNG", N_("a PNG image"), _OTHER),
    (0, b"\xff\xd8\xff", N_("a JPEG image"), _OTHER),
)


def byte_order(big: bool) -> Literal["big", "little"]:
    """Byte order for `int.from_bytes`."""
    return "big" if big else "little"


def sniff(stored: Stored) -> tuple[str, str | None, bytes]:
    """Format, compression (``None`` if uncompressed) and decoded file header of an input.

    The header has 24 bytes for pcap, 28 for pcapng. Raises `InputError` with the likely format if the input is not a
    capture.
    """
    try:
        head = stored.peek(PCAP_HEADER)
        if _need(head) > PCAP_HEADER:
            head = stored.peek(SECTION_HEADER)
        packed = compression(head)
        if packed:
            head = _decoded_head(stored, packed)
    except TooLargeError as problem:
        raise InputError("{path}: {packed}: {problem}", path=stored.path, packed=packed, problem=problem) from None
    except OSError as problem:
        raise InputError(
            "{path}: cannot be read: {strerror}", path=stored.path, strerror=problem.strerror or problem
        ) from None
    name = stored.path if stored.path != "-" else "standard input"
    if not head:
        if not packed:
            raise InputError("{name}: is empty (0 bytes); expected a capture", name=name)
        raise InputError(
            "{name}: is {packed}, but nothing can be decoded from it: it is damaged, truncated or empty",
            name=name,
            packed=packed,
        )
    form = _format(head)
    if form is None:
        start = head if packed else stored.peek(512)
        raise _not_a_capture(f"{name} ({packed})" if packed else name, start)
    _check_header(name, form, head)
    return form, packed, head


def _decoded_head(stored: Stored, packed: str) -> bytes:
    """First decoded bytes of a compressed input, from as little of it as possible."""
    least = 1
    while True:
        data = stored.head(least)
        head = decode_start(data, packed, SECTION_HEADER)
        if len(head) >= _need(head) or len(data) < least or len(data) >= _DEEPEST:
            return head
        least = len(data) + (1 if len(data) < _SMALL else len(data))


def _need(head: bytes) -> int:
    """Size of the file header that begins with ``head``."""
    return PCAP_HEADER if _format(head) not in (None, "pcapng") else SECTION_HEADER


def _format(head: bytes) -> str | None:
    if head.startswith(PCAPNG_MAGIC):
        return "pcapng"
    return PCAP_MAGIC.get(int.from_bytes(head[:4], "little")) or PCAP_MAGIC.get(int.from_bytes(head[:4], "big"))


def file_header(data: memoryview | bytes) -> str | None:
    """Format of the file header that ``data`` begins with; None if it is none, or shorter than one."""
    head = bytes(data[:SECTION_HEADER])
    form = _format(head)
    if form == "pcapng":
        return form if len(head) == SECTION_HEADER and head[8:12] in BYTE_ORDERS else None
    if form is None or len(head) < PCAP_HEADER:
        return None
    order = byte_order(int.from_bytes(head[:4], "big") in PCAP_MAGIC)
    major, minor = int.from_bytes(head[4:6], order), int.from_bytes(head[6:8], order)
    return form if major == 2 and minor <= 4 and not any(head[12:16]) else None


def find_header(data: bytes, start: int = 0) -> int:
    """Offset of the next pcap file header of version 2.4 in ``data``; -1 if there is none."""
    places = (data.find(pattern, start) for pattern in _JOINED)
    return min((at for at in places if at >= 0 and file_header(data[at : at + PCAP_HEADER])), default=-1)


def _check_header(name: str, form: str, head: bytes) -> None:
    """Raise `InputError` if a file header is truncated or invalid."""
    need = SECTION_HEADER if form == "pcapng" else PCAP_HEADER
    if len(head) < need:
        raise InputError(
            "{name}: begins like {form}, but ends within its header ({head} of {need} bytes)",
            name=name,
            form=form,
            head=len(head),
            need=need,
        )
    if form == "pcapng":
        if head[8:12] not in BYTE_ORDERS:
            raise InputError(
                "{name}: begins like pcapng, but its section header is damaged (byte order magic {hex})",
                name=name,
                hex=head[8:12].hex(),
            )
        order = byte_order(head[8:12] == BYTE_ORDERS[0])
        major = int.from_bytes(head[12:14], order)
        if major != 1:
            raise InputError("{name}: pcapng version {major} is not supported", name=name, major=major)
        return
    order = byte_order(int.from_bytes(head[:4], "big") in PCAP_MAGIC)
    major, minor = int.from_bytes(head[4:6], order), int.from_bytes(head[6:8], order)
    if major not in (2, 543):
        raise InputError(
            "{name}: begins like pcap, but its header is damaged (version {major}.{minor})",
            name=name,
            major=major,
            minor=minor,
        )


def _not_a_capture(name: str, start: bytes) -> InputError:
    """Error for an input that begins with ``start``: its likely format, and what to do about it."""
    for at, magic, kind, advice in _OTHER_FORMATS:
        if start[at : at + len(magic)] == magic:
            return _other_format(name, kind, advice)
    if again := compression(start):
        return InputError(
            "{name}: not a capture: compressed again, with {again}; unpack it first", name=name, again=again
        )
    if not start.strip(b"\0"):
        return InputError("{name}: not a capture: begins with zeros", name=name)
    text = start[:256]
    if not any(c < 9 or 13 < c < 32 or c == 127 for c in text):
        kind = "JSON" if text.lstrip()[:1] in (b"{", b"[") else N_("text")
        if text.lstrip()[:1] == b"<":
            kind = N_("XML or HTML")
        return _other_format(name, kind, _OTHER)
    return InputError("{name}: not a capture: unknown format, begins with {hex}", name=name, hex=start[:8].hex(" "))


def _other_format(name: str, words: str, advice: int) -> InputError:
    """Error for an input of another known format."""
    kind = Phrase(words)
    if advice == _CAPTURE:
        return InputError("{name}: looks like {kind}; convert it with `editcap` first", name=name, kind=kind)
    if advice == _PACKED:
        return InputError("{name}: not a capture: looks like {kind}; unpack it first", name=name, kind=kind)
    if advice == _SESSION:
        return InputError(
            "{name}: not a capture: looks like {kind}; if it is a session, 'rustnet flows {name}' lists its flows and "
            "'rustnet query {name} --list' the questions that it answers",
            name=name,
            kind=kind,
        )
    return InputError("{name}: not a capture: looks like {kind}", name=name, kind=kind)
