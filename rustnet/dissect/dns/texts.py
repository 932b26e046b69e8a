"""Data of the frequent DNS resource records as text: names, or the presentation form (RFC 1035, 4034, 9460).

`rustnet.dissect.dns.rare` has the others. Names are without the trailing dot. A text that was cut ends with a mark.
"""

import re
from binascii import b2a_base64
from datetime import UTC, datetime
from socket import AF_INET6, inet_ntoa, inet_ntop

import cython

from rustnet.bounds import MARK
from rustnet.dissect.framework.conversation import DissectError

if not cython.compiled:  # compiled, these come from the .pxd as C functions
    from rustnet.dissect.dns.names import Names, u16, u32

TYPES = {
    1: "A", 2: "NS", 3: "MD", 4: "MF", 5: "CNAME", 6: "SOA", 7: "MB", 8: "MG", 9: "MR", 10: "NULL", 11: "WKS",
    12: "PTR", 13: "HINFO", 14: "MINFO", 15: "MX", 16: "TXT", 17: "RP", 18: "AFSDB", 19: "X25", 20: "ISDN", 21: "RT",
    22: "NSAP", 23: "NSAP-PTR", 24: "SIG", 25: "KEY", 26: "PX", 27: "GPOS", 28: "AAAA", 29: "LOC", 30: "NXT",
    33: "SRV", 35: "NAPTR", 36: "KX", 37: "CERT", 38: "A6", 39: "DNAME", 41: "OPT", 42: "APL", 43: "DS", 44: "SSHFP",
    45: "IPSECKEY", 46: "RRSIG", 47: "NSEC", 48: "DNSKEY", 49: "DHCID", 50: "NSEC3", 51: "NSEC3PARAM", 52: "TLSA",
    53: "SMIMEA", 55: "HIP", 56: "NINFO", 57: "RKEY", 58: "TALINK", 59: "CDS", 60: "CDNSKEY", 61: "OPENPGPKEY",
    62: "CSYNC", 63: "ZONEMD", 64: "SVCB", 65: "HTTPS", 66: "DSYNC", 99: "SPF", 104: "NID", 105: "L32", 106: "L64",
    107: "LP", 108: "EUI48", 109: "EUI64", 128: "NXNAME", 249: "TKEY", 250: "TSIG", 251: "IXFR", 252: "AXFR",
    253: "MAILB", 254: "MAILA", 255: "ANY", 256: "URI", 257: "CAA", 258: "AVC", 259: "DOA", 260: "AMTRELAY",
    261: "RESINFO", 262: "WALLET", 32768: "TA", 32769: "DLV",
}  # fmt: skip
_USUAL = tuple(TYPES.get(number) or f"TYPE{number}" for number in range(263))
"""Types by their number, as far as the numbers are dense."""
USUAL = len(_USUAL)
_SVC_KEYS = {
    0: "mandatory", 1: "alpn", 2: "no-default-alpn", 3: "port", 4: "ipv4hint", 5: "ech", 6: "ipv6hint", 7: "dohpath",
    8: "ohttp", 9: "tls-supported-groups",
}  # fmt: skip

MAX_TEXT = 1024
"""Characters kept of one record's data."""
MAX_STRINGS = 64
MAX_TYPES = 64
"""Types listed of a bitmap."""
MAX_PARAMETERS = 32
"""Parameters read of a service binding."""

_WIDE = bytearray(4 * MAX_TEXT)
"""Buffer for text in which each byte may need an escape."""
_NEEDS_QUOTES = re.compile(r'[\s"();]').search


def type_name(number: int) -> str:
    """Mnemonic of a record type, or ``TYPE65`` style if there is none (RFC 3597)."""
    if 0 <= number < USUAL:
        return _USUAL[number]
    return TYPES.get(number) or f"TYPE{number}"


def _escape(size: int, byte: int) -> int:
    """Append a byte as an escape to the buffered text of ``size`` bytes; return the new size."""
    buffer = _WIDE
    buffer[size] = 92  # a backslash
    buffer[size + 1] = 48 + byte // 100
    buffer[size + 2] = 48 + byte // 10 % 10
    buffer[size + 3] = 48 + byte % 10
    return size + 4


def clean(raw: bytes) -> str:
    r"""Text of bytes that should be text: control bytes and invalid UTF-8 become ``\DDD``; bounded."""
    if len(raw) > MAX_TEXT:
        raw = raw[:MAX_TEXT]
    text = raw.decode("utf-8", "surrogateescape")
    if text.isprintable():
        return text
    buffer = _WIDE
    size = 0
    for char in text:  # quicker than str.translate, and tunnels bring megabytes of it
        code = ord(char)
        if 0x20 <= code < 0x7F:
            buffer[size] = code
            size += 1
        elif code <= 0x7F:
            size = _escape(size, code)
        elif code < 0xA0:
            size = _escape(_escape(size, 0xC2), code)  # both bytes of a control character
        elif 0xDC80 <= code < 0xDD00:
            size = _escape(size, code - 0xDC00)
        else:
            size = _put(size, code)
    return buffer[:size].decode("utf-8")


def _put(size: int, code: int) -> int:
    """Append a non-ASCII character to the buffered text of ``size`` bytes; return the new size."""
    buffer = _WIDE
    if code < 0x800:
        buffer[size] = 0xC0 | code >> 6
    else:
        if code < 0x10000:
            buffer[size] = 0xE0 | code >> 12
        else:
            buffer[size] = 0xF0 | code >> 18
            size += 1
            buffer[size] = 0x80 | (code >> 12 & 0x3F)
        size += 1
        buffer[size] = 0x80 | (code >> 6 & 0x3F)
    buffer[size + 1] = 0x80 | (code & 0x3F)
    return size + 2


def bounded(text: str) -> str:
    """The text, or as much of it as is kept, with a mark."""
    return text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 1] + MARK


def escaped(raw: bytes) -> str:
    r"""A character string without its quotes: like `clean`, with quotes and backslashes escaped (RFC 1035, 5.1)."""
    return clean(raw.replace(b"\\", b"\\\\").replace(b'"', b'\\"') if b"\\" in raw or b'"' in raw else raw)


def base64(raw: bytes) -> str:
    """Base64 of bytes, as far as it is kept."""
    if len(raw) > MAX_TEXT:
        raw = raw[:MAX_TEXT]
    return b2a_base64(raw, newline=False).decode("ascii")


def moment(seconds: int) -> str:
    """A time of a signature (RFC 4034, 3.2)."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y%m%d%H%M%S}"


def _strings(data: bytes, pos: int, end: int) -> list[str]:
    items: list[str] = []
    while pos < end and len(items) < MAX_STRINGS:
        after = pos + 1 + data[pos]
        if after > end:
            raise DissectError("character string exceeds its record")
        items.append(escaped(data[pos + 1 : after]))
        pos = after
    return items


def name_text(names: Names, pos: int, end: int) -> str:
    """Text of a name within a record's data, which ends at ``end``; the root is a dot."""
    text = names.read(pos)
    if names.end > end:
        raise DissectError("name exceeds its record")
    return text or "."


def _srv_text(names: Names, pos: int, end: int) -> str:
    data = names.data
    priority, weight, port = u16(data, pos), u16(data, pos + 2), u16(data, pos + 4)
    return f"{priority} {weight} {port} {name_text(names, pos + 6, end)}"


def _soa_text(names: Names, pos: int, end: int) -> str:
    data = names.data
    primary = names.read(pos)
    mailbox = names.read(names.end)
    pos = names.end
    if pos + 20 > end:
        raise DissectError("truncated SOA record")
    serial, refresh, retry = u32(data, pos), u32(data, pos + 4), u32(data, pos + 8)
    expire, minimum = u32(data, pos + 12), u32(data, pos + 16)
    return f"{primary or '.'} {mailbox or '.'} {serial} {refresh} {retry} {expire} {minimum}"


def _txt_text(data: bytes, pos: int, end: int) -> str:
    if pos + 1 + data[pos] == end:
        return clean(data[pos + 1 : end])
    strings = _strings(data, pos, end)
    return bounded(" ".join([f'"{s}"' for s in strings]))


def _caa_text(data: bytes, pos: int, end: int) -> str:
    split = pos + 2 + data[pos + 1]
    if split > end:
        raise DissectError("truncated CAA record")
    return bounded(f'{data[pos]} {clean(data[pos + 2 : split])} "{clean(data[split:end])}"')


def _nsec_text(names: Names, pos: int, end: int) -> str:
    items = [names.read(pos) or "."]
    items += bitmap(names.data, names.end, end)
    return bounded(" ".join(items))


def bitmap(data: bytes, pos: int, end: int) -> list[str]:
    """Types of a bitmap with windows (RFC 4034, 4.1.2)."""
    items: list[str] = []
    while pos + 2 <= end and len(items) < MAX_TYPES:
        window, size = data[pos], data[pos + 1]
        bits = data[pos + 2 : min(pos + 2 + size, end)]
        items += [type_name((window << 8) + i) for i in range(8 * len(bits)) if bits[i >> 3] & (0x80 >> (i & 7))]
        pos += 2 + size
    if len(items) > MAX_TYPES or pos + 2 <= end:
        items = [*items[:MAX_TYPES], MARK]
    return items


def _svcb_value(key: int, value: bytes) -> str | None:
    """Presentation form of a known parameter's value; `None` if it is malformed."""
    size = len(value)
    if key == 1:
        return _protocols(value)
    if key == 4 and size & 3 == 0:
        return ",".join([inet_ntoa(value[i : i + 4]) for i in range(0, size, 4)])
    if key == 6 and size & 15 == 0:
        return ",".join([inet_ntop(AF_INET6, value[i : i + 16]) for i in range(0, size, 16)])
    if key == 5:
        return base64(value)
    if key == 3 and size == 2:
        return str(u16(value, 0))
    if key == 0 and size & 1 == 0:
        return ",".join([svc_key(u16(value, i)) for i in range(0, size, 2)])
    if key == 9 and size & 1 == 0:
        return ",".join([str(u16(value, i)) for i in range(0, size, 2)])
    return escaped(value) if key == 7 else None


def _protocols(value: bytes) -> str | None:
    """Protocols of ALPN, separated by commas; commas and backslashes within them are escaped twice (RFC 9460, A.1)."""
    items: list[str] = []
    plain = b"," not in value and b"\\" not in value and b'"' not in value
    pos = 0
    while pos < len(value) and len(items) < MAX_STRINGS:
        after = pos + 1 + value[pos]
        if after > len(value):
            return None
        item = value[pos + 1 : after]
        items.append(clean(item) if plain else escaped(item.replace(b"\\", b"\\\\").replace(b",", b"\\,")))
        pos = after
    if pos < len(value):
        items.append(MARK)
    return ",".join(items)


def svc_key(key: int) -> str:
    """Name of a parameter of a service binding."""
    return _SVC_KEYS.get(key) or f"key{key}"


def _parameter(key: int, value: bytes) -> str:
    """A parameter of a service binding with its value (RFC 9460, 2.1)."""
    name = svc_key(key)
    if not value:
        return name
    text = _svcb_value(key, value)
    if text is None:  # any key and any bytes have this form
        name, text = f"key{key}", escaped(value)
    elif key not in {1, 7}:  # numbers, addresses and Base64
        return f"{name}={text}"
    return f'{name}="{text}"' if _NEEDS_QUOTES(text) else f"{name}={text}"


def _svcb_text(names: Names, pos: int, end: int) -> str:
    data = names.data
    priority = u16(data, pos)
    target = names.read(pos + 2)
    pos = names.end
    items = [str(priority), target or "."]
    while pos + 4 <= end and len(items) < MAX_PARAMETERS:
        key, size = u16(data, pos), u16(data, pos + 2)
        pos += 4 + size
        if pos > end:
            raise DissectError("service parameter exceeds its record")
        items.append(_parameter(key, data[pos - size : pos]))
    if pos + 4 <= end:
        items.append(MARK)
    return bounded(" ".join(items))


def _rrsig_text(names: Names, pos: int, end: int) -> str:
    data = names.data
    covered, ttl, tag = u16(data, pos), u32(data, pos + 4), u16(data, pos + 16)
    signer = name_text(names, pos + 18, end)
    times = f"{moment(u32(data, pos + 8))} {moment(u32(data, pos + 12))}"
    signature = base64(data[names.end : end])
    return bounded(f"{type_name(covered)} {data[pos + 2]} {data[pos + 3]} {ttl} {times} {tag} {signer} {signature}")


def other_text(data: bytes, pos: int, end: int) -> str:
    """Data of a type without a presentation form (RFC 3597), at most 64 bytes of it."""
    return f"\\# {end - pos} {data[pos : min(end, pos + 64)].hex()}".rstrip()


def record_text(names: Names, pos: int, end: int, kind: int) -> str | None:
    """Text of a record's data, which is neither empty nor an address; `None` if its type is a rare one.

    Raises `DissectError` or `IndexError` if it is malformed.
    """
    if kind in {2, 3, 4, 5, 7, 8, 9, 12, 39}:
        return name_text(names, pos, end)
    if kind in {13, 16, 99}:
        return _txt_text(names.data, pos, end)
    if kind == 15:
        return name_text(names, pos + 2, end)
    if kind == 33:
        return _srv_text(names, pos, end)
    if kind == 6:
        return _soa_text(names, pos, end)
    if kind in {64, 65}:
        return _svcb_text(names, pos, end)
    if kind in {24, 46}:
        return _rrsig_text(names, pos, end)
    if kind == 47:
        return _nsec_text(names, pos, end)
    if kind == 257:
        return _caa_text(names.data, pos, end)
    return None
