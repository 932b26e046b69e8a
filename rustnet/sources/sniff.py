"""What an input is, by its first bytes and never by its name."""

from typing import Literal

from rustnet.errors import InputError
from rustnet.sources.compressed import compression, decode_start
from rustnet.sources.stored import Stored

PCAP_MAGIC = {
    0xA1B2C3D4: "pcap",
    0xA1B23C4D: "pcap-ns",
    0xA1B2CD34: "pcap-modified",
}
PCAPNG_MAGIC = b"\n\r\r\n"
PCAP_HEADER = 24
SECTION_HEADER = 28
BYTE_ORDERS = (b"\x1a\x2b\x3c\x4d", b"\x4d\x3c\x2b\x1a")
_SMALL = 4096
"""Up to so many compressed bytes of a pipe each further one is tried: its writer may pause after any of them."""
_DEEPEST = 8 << 20
"""Compressed bytes after which a stream that yields nothing is given up."""

_CAPTURE = "convert it with `editcap` first"
_PACKED = "unpack it first"
_STRANGERS: tuple[tuple[int, bytes, str, str], ...] = (
    (0, b"\x7fELF", "an ELF program or library", ""),
    (0, b"MZ", "a Windows program", ""),
    (0, b"snoop\0\0\0", "a Solaris snoop capture", _CAPTURE),
    (0, b"btsnoop\0", "a Bluetooth btsnoop capture", _CAPTURE),
    (0, b"GMBU", "a Microsoft Network Monitor 2 capture", _CAPTURE),
    (0, b"RTSS", "a Microsoft Network Monitor 1 capture", _CAPTURE),
    (0, b"XCP\0", "a NetXray or Windows Sniffer capture", _CAPTURE),
    (0, b"TRSNIFF data    \x1a", "a DOS Sniffer capture", _CAPTURE),
    (0, b"\x7fver", "an EtherPeek or OmniPeek capture", _CAPTURE),
    (0, b"ObserverPktBuffe", "an Observer capture", _CAPTURE),
    (0, b"\x1c\x00\x01\xab", "an Ixia lcap capture", _CAPTURE),
    (0, b"\x1c\x00\x01\xac", "an Ixia lcap capture", _CAPTURE),
    (0, b"\xab\x01\x00\x1c", "an Ixia lcap capture", _CAPTURE),
    (0, b"\xac\x01\x00\x1c", "an Ixia lcap capture", _CAPTURE),
    (0, b"PK\x03\x04", "a ZIP archive", _PACKED),
    (0, b"PK\x05\x06", "an empty ZIP archive", ""),
    (0, b"BZh", "bzip2", _PACKED),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive", _PACKED),
    (0, b"Rar!", "a RAR archive", _PACKED),
    (0, b"\x02\x21\x4c\x18", "lz4 in its legacy format", _PACKED),
    (257, b"ustar", "a tar archive", _PACKED),
    (8, b"DUCK", "a DuckDB database", "open a session with `rustnet browse`"),
    (0, b"SQLite format 3\0", "an SQLite database", ""),
    (0, b"PAR1", "a Parquet file", ""),
    (0, b"%PDF", "a PDF document", ""),
    (0, b"\x89PNG", "a PNG image", ""),
    (0, b"\xff\xd8\xff", "a JPEG image", ""),
)


def byte_order(big: bool) -> Literal["big", "little"]:
    """Name of a byte order, as `int.from_bytes` wants it."""
    return "big" if big else "little"


def sniff(stored: Stored) -> tuple[str, str | None, bytes]:
    """Recognise an input: its format, its compression (``None`` for none), and its first decoded bytes.

    These are the file header: 24 bytes of pcap, 28 of pcapng. Raises `InputError` that says what the input looks
    like if it is no capture.
    """
    try:
        head = stored.peek(PCAP_HEADER)
        if _need(head) > PCAP_HEADER:
            head = stored.peek(SECTION_HEADER)
        packed = compression(head)
        if packed:
            head = _decoded_head(stored, packed)
    except OSError as problem:
        raise InputError(
            "{path}: cannot be read: {strerror}", path=stored.path, strerror=problem.strerror or problem
        ) from None
    name = stored.path if stored.path != "-" else "standard input"
    if not head:
        if not packed:
            raise InputError("{name}: is empty (0 bytes): no capture, not even a file header", name=name)
        raise InputError(
            "{name}: is {packed}, but nothing can be decoded from it: broken, cut off or empty",
            name=name,
            packed=packed,
        )
    form = _format(head)
    if form is None:
        raise InputError(
            "{name}: is no capture: {packed}{stored}",
            name=name,
            packed=_inside(packed),
            stored=_looks_like(stored, head, packed),
        )
    _check_header(name, form, head)
    return form, packed, head


def _decoded_head(stored: Stored, packed: str) -> bytes:
    """First decoded bytes of a compressed input, from as little of it as will do."""
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


def _check_header(name: str, form: str, head: bytes) -> None:
    """Raise if a file header is cut off or says impossible things."""
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
                "{name}: begins like pcapng, but its section header is damaged (byte order {hex})",
                name=name,
                hex=head[8:12].hex(),
            )
        order = byte_order(head[8:12] == BYTE_ORDERS[0])
        major = int.from_bytes(head[12:14], order)
        if major != 1:
            raise InputError(
                "{name}: is pcapng of version {major}, of which nothing is known here", name=name, major=major
            )
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


def _inside(packed: str | None) -> str:
    return f"inside its {packed} compression it " if packed else "it "


def _looks_like(stored: Stored, head: bytes, packed: str | None) -> str:
    """Say what something that is no capture seems to be, and what to do about it."""
    start = head if packed else stored.peek(512)
    for at, magic, what, advice in _STRANGERS:
        if start[at : at + len(magic)] == magic:
            return f"looks like {what}" + (f"; {advice}" if advice else "")
    if again := compression(start):
        return f"is {again} once more; {_PACKED}"
    if not start.strip(b"\0"):
        return "begins with zeros"
    text = start[:256]
    if not any(c < 9 or 13 < c < 32 or c == 127 for c in text):
        kind = "XML or HTML" if text.lstrip()[:1] == b"<" else "JSON" if text.lstrip()[:1] in (b"{", b"[") else "text"
        return f"looks like {kind}"
    return f"begins with {start[:8].hex(' ')}, which is no known capture format"
