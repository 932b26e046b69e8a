"""Data of the less frequent DNS resource records in presentation form, each by the RFC that defines its type.

Names are without the trailing dot. Keys that a TKEY record carries are left out. A text that was cut ends with a mark.
"""

from base64 import b32hexencode
from collections.abc import Callable
from socket import AF_INET6, inet_ntoa, inet_ntop

from rustnet.bounds import MARK
from rustnet.dissect.dns.names import Names
from rustnet.dissect.dns.texts import base64, bitmap, bounded, escaped, moment, name_text, other_text, type_name
from rustnet.dissect.framework.conversation import DissectError

MAX_HEX = 1024
"""Bytes that are converted to hexadecimal: more than is kept."""
MAX_ITEMS = 64
"""Strings, ports, prefixes or servers of one record."""

_CERTIFICATES = {
    1: "PKIX", 2: "SPKI", 3: "PGP", 4: "IPKIX", 5: "ISPKI", 6: "IPGP", 7: "ACPKIX", 8: "IACPKIX", 253: "URI",
    254: "OID",
}  # fmt: skip
_EQUATOR = 1 << 31
_LEVEL_CM = 10_000_000
"""Altitude of the reference spheroid in a LOC record, in centimetres (RFC 1876, 2)."""

Reader = Callable[[Names, int, int], str]
"""Text of a record's data between two positions of its message."""


def _number(raw: bytes) -> int:
    return int.from_bytes(raw, "big")


def _body(names: Names, pos: int, end: int, least: int) -> bytes:
    """The record's data, which must have ``least`` bytes."""
    if end - pos < least:
        raise DissectError("truncated record data")
    return names.data[pos:end]


def _hex(raw: bytes) -> str:
    """Hexadecimal, as far as it is kept."""
    return raw[:MAX_HEX].hex()


def _numbers_then(sizes: tuple[int, ...], rest: Callable[[bytes], str]) -> Reader:
    """Reader of numbers of these sizes in bytes, and of the data that follows them."""
    head = sum(sizes)

    def read(names: Names, pos: int, end: int) -> str:
        body = _body(names, pos, end, head)
        items: list[str] = []
        at = 0
        for size in sizes:
            items.append(str(_number(body[at : at + size])))
            at += size
        return " ".join([*items, rest(body[head:])]).rstrip()

    return read


def _numbers_then_names(head: int, count: int) -> Reader:
    """Reader of a number of ``head`` bytes, if any, and of names."""

    def read(names: Names, pos: int, end: int) -> str:
        items = [str(_number(_body(names, pos, end, head)[:head]))] if head else []
        pos += head
        for _ in range(count):
            items.append(name_text(names, pos, end))
            pos = names.end
        return " ".join(items)

    return read


def _strings(raw: bytes, most: int = MAX_ITEMS) -> tuple[list[bytes], int]:
    """Length-prefixed strings, and the size of what was read."""
    items: list[bytes] = []
    pos = 0
    while pos < len(raw) and len(items) < most:
        after = pos + 1 + raw[pos]
        if after > len(raw):
            raise DissectError("character string exceeds its record")
        items.append(raw[pos + 1 : after])
        pos = after
    return items, pos


def _quoted_strings(names: Names, pos: int, end: int) -> str:
    items, size = _strings(names.data[pos:end])
    shown = [f'"{escaped(item)}"' for item in items]
    return " ".join(shown if pos + size == end else [*shown, MARK])


def _naptr(names: Names, pos: int, end: int) -> str:
    body = _body(names, pos, end, 4)
    strings, size = _strings(body[4:], 3)
    if len(strings) < 3:
        raise DissectError("truncated NAPTR record")
    shown = " ".join([f'"{escaped(item)}"' for item in strings])
    return f"{_number(body[:2])} {_number(body[2:4])} {shown} {name_text(names, pos + 4 + size, end)}"


def _uri(names: Names, pos: int, end: int) -> str:
    body = _body(names, pos, end, 4)
    return f'{_number(body[:2])} {_number(body[2:4])} "{escaped(body[4:])}"'


def _services(names: Names, pos: int, end: int) -> str:
    body = _body(names, pos, end, 5)
    bits = body[5:]
    ports: list[int] = []
    for at in (i for i, byte in enumerate(bits) if byte):
        ports += [8 * at + i for i in range(8) if bits[at] & (0x80 >> i)]
        if len(ports) > MAX_ITEMS:
            break
    items = [inet_ntoa(body[:4]), *map(str, [body[4], *ports[:MAX_ITEMS]])]
    return " ".join([*items, MARK] if len(ports) > MAX_ITEMS else items)


def _position(names: Names, pos: int, end: int) -> str:
    body = _body(names, pos, end, 1)
    if body[0]:  # of another version (RFC 1876, 2)
        return other_text(names.data, pos, end)
    if len(body) != 16:
        raise DissectError("truncated LOC record")
    latitude = _angle(_number(body[4:8]), "N", "S")
    longitude = _angle(_number(body[8:12]), "E", "W")
    height = _number(body[12:16]) - _LEVEL_CM
    level = f"{'-' if height < 0 else ''}{abs(height) // 100}.{abs(height) % 100:02d}m"
    return " ".join([latitude, longitude, level, *map(_size, body[1:4])])


def _angle(value: int, positive: str, negative: str) -> str:
    """Degrees, minutes, seconds and direction of thousandths of a second from the equator or the prime meridian."""
    distance = value - _EQUATOR
    degrees, rest = divmod(abs(distance), 3_600_000)
    minutes, thousandths = divmod(rest, 60_000)
    direction = negative if distance < 0 else positive
    return f"{degrees} {minutes} {thousandths // 1000}.{thousandths % 1000:03d} {direction}"


def _size(value: int) -> str:
    """Metres of a size or a precision, a digit and a power of ten in centimetres."""
    if value >> 4 > 9 or value & 15 > 9:
        raise DissectError("expected digits as the size in a LOC record")
    size = (value >> 4) * 10 ** (value & 15)
    return f"{size // 100}m" if size % 100 == 0 else f"{size // 100}.{size % 100:02d}m"


def _old_types(names: Names, pos: int, end: int) -> str:
    """A name and a bitmap without windows (RFC 2535, 5.2)."""
    following = name_text(names, pos, end)
    bits = names.data[names.end : min(end, names.end + 16)]
    kinds = [type_name(i) for i in range(8 * len(bits)) if bits[i >> 3] & (0x80 >> (i & 7))]
    return " ".join([following, *kinds])


def _certificate(names: Names, pos: int, end: int) -> str:
    body = _body(names, pos, end, 5)
    kind = _number(body[:2])
    return f"{_CERTIFICATES.get(kind) or kind} {_number(body[2:4])} {body[4]} {base64(body[5:])}".rstrip()


def _address_6(names: Names, pos: int, end: int) -> str:
    prefix = _body(names, pos, end, 1)[0]
    if prefix > 128:
        raise DissectError("expected at most 128 bits as the prefix in an A6 record")
    size = 16 - prefix // 8
    address = inet_ntop(AF_INET6, _body(names, pos + 1, end, size)[:size].rjust(16, b"\0"))
    items = [str(prefix), address] if prefix < 128 else [str(prefix)]
    return " ".join([*items, name_text(names, pos + 1 + size, end)] if prefix else items)


def _prefixes(names: Names, pos: int, end: int) -> str:
    body = names.data[pos:end]
    items: list[str] = []
    at = 0
    while at < len(body) and len(items) < MAX_ITEMS:
        if at + 4 > len(body) or at + 4 + (body[at + 3] & 0x7F) > len(body):
            raise DissectError("truncated APL record")
        family, size = _number(body[at : at + 2]), body[at + 3] & 0x7F
        part = body[at + 4 : at + 4 + size]
        if family == 1 and size <= 4:
            address = inet_ntoa(part.ljust(4, b"\0"))
        elif family == 2 and size <= 16:
            address = inet_ntop(AF_INET6, part.ljust(16, b"\0"))
        else:
            raise DissectError("expected an address of IPv4 or IPv6 in an APL record")
        items.append(f"{'!' if body[at + 3] & 0x80 else ''}{family}:{address}/{body[at + 2]}")
        at += 4 + size
    return " ".join(items if at == len(body) else [*items, MARK])


def _gateway(names: Names, pos: int, end: int, kind: int) -> tuple[str, int]:
    """A gateway or relay of a type that precedes it, and the position after it."""
    if kind == 0:
        return ".", pos
    if kind == 1:
        return inet_ntoa(_body(names, pos, end, 4)[:4]), pos + 4
    if kind == 2:
        return inet_ntop(AF_INET6, _body(names, pos, end, 16)[:16]), pos + 16
    if kind == 3:
        return name_text(names, pos, end), names.end
    raise DissectError("unknown type of gateway {kind}", kind=kind)


def _tunnel_key(names: Names, pos: int, end: int) -> str:
    precedence, kind, algorithm = _body(names, pos, end, 3)[:3]
    gateway, after = _gateway(names, pos + 3, end, kind)
    return f"{precedence} {kind} {algorithm} {gateway} {base64(names.data[after:end])}".rstrip()


def _relay(names: Names, pos: int, end: int) -> str:
    precedence, kind = _body(names, pos, end, 2)[:2]
    gateway, _ = _gateway(names, pos + 2, end, kind & 0x7F)
    return f"{precedence} {kind >> 7} {kind & 0x7F} {gateway}"


def _hash_parameters(body: bytes) -> tuple[str, int]:
    """Algorithm, flags, iterations and salt of NSEC3 and NSEC3PARAM, and their size."""
    size = 5 + body[4]
    if size > len(body):
        raise DissectError("truncated salt")
    return f"{body[0]} {body[1]} {_number(body[2:4])} {body[5:size].hex() or '-'}", size


def _hashed_next(names: Names, pos: int, end: int) -> str:
    body = _body(names, pos, end, 6)
    parameters, size = _hash_parameters(body)
    after = size + 1 + body[size]
    if after > len(body):
        raise DissectError("truncated hash")
    following = b32hexencode(body[size + 1 : after]).decode("ascii").rstrip("=").lower()
    return " ".join([parameters, following, *bitmap(names.data, pos + after, end)])


def _hashing(names: Names, pos: int, end: int) -> str:
    return _hash_parameters(_body(names, pos, end, 5))[0]


def _host_identity(names: Names, pos: int, end: int) -> str:
    body = _body(names, pos, end, 4)
    tag_end = 4 + body[0]
    key_end = tag_end + _number(body[2:4])
    if key_end > len(body):
        raise DissectError("truncated HIP record")
    items = [str(body[1]), body[4:tag_end].hex(), base64(body[tag_end:key_end])]
    pos += key_end
    while pos < end and len(items) < MAX_ITEMS:
        items.append(name_text(names, pos, end))
        pos = names.end
    return " ".join(items if pos >= end else [*items, MARK])


def _synchronisation(names: Names, pos: int, end: int) -> str:
    body = _body(names, pos, end, 6)
    return " ".join([str(_number(body[:4])), str(_number(body[4:6])), *bitmap(names.data, pos + 6, end)])


def _notification(names: Names, pos: int, end: int) -> str:
    body = _body(names, pos, end, 5)
    return f"{type_name(_number(body[:2]))} {body[2]} {_number(body[3:5])} {name_text(names, pos + 5, end)}"


def _locator(raw: bytes) -> str:
    if len(raw) != 8:
        raise DissectError("expected a locator of 64 bits")
    return raw.hex(":", 2)


def _locator_4(raw: bytes) -> str:
    if len(raw) != 4:
        raise DissectError("expected a locator of 32 bits")
    return inet_ntoa(raw)


def _hardware(size: int) -> Reader:
    def read(names: Names, pos: int, end: int) -> str:
        if end - pos != size:
            raise DissectError("expected a hardware address of {size} bytes", size=size)
        return names.data[pos:end].hex("-")

    return read


def _transaction_key(names: Names, pos: int, end: int) -> str:
    """Algorithm, begin, end, mode, error and the key's size in bytes (RFC 2930); not the key."""
    algorithm = name_text(names, pos, end)
    body = _body(names, names.end, end, 14)
    begin, until = moment(_number(body[:4])), moment(_number(body[4:8]))
    return f"{algorithm} {begin} {until} {_number(body[8:10])} {_number(body[10:12])} {_number(body[12:14])}"


def _transaction_signature(names: Names, pos: int, end: int) -> str:
    """Algorithm, time, fudge, the signature's size, the original id and the error (RFC 8945)."""
    algorithm = name_text(names, pos, end)
    body = _body(names, names.end, end, 10)
    after = 10 + _number(body[8:10])
    if after + 6 > len(body):
        raise DissectError("truncated TSIG record")
    origin, error = _number(body[after : after + 2]), _number(body[after + 2 : after + 4])
    return f"{algorithm} {_number(body[:6])} {_number(body[6:8])} {_number(body[8:10])} {origin} {error}"


def _in_hex(names: Names, pos: int, end: int) -> str:
    return f"0x{_hex(names.data[pos:end])}"


def _coordinates(names: Names, pos: int, end: int) -> str:
    items, size = _strings(names.data[pos:end], 3)
    if len(items) < 3 or pos + size != end:
        raise DissectError("expected three strings in a GPOS record")
    return " ".join([escaped(item) for item in items])


_KEY = _numbers_then((2, 1, 1), base64)
_DIGEST = _numbers_then((2, 1, 1), _hex)
_ASSOCIATION = _numbers_then((1, 1, 1), _hex)
_READERS: dict[int, Reader] = {
    11: _services,
    14: _numbers_then_names(0, 2),
    17: _numbers_then_names(0, 2),
    18: _numbers_then_names(2, 1),
    19: _quoted_strings,
    20: _quoted_strings,
    21: _numbers_then_names(2, 1),
    22: _in_hex,
    23: _numbers_then_names(0, 1),
    25: _KEY,
    26: _numbers_then_names(2, 2),
    27: _coordinates,
    29: _position,
    30: _old_types,
    35: _naptr,
    36: _numbers_then_names(2, 1),
    37: _certificate,
    38: _address_6,
    42: _prefixes,
    43: _DIGEST,
    44: _numbers_then((1, 1), _hex),
    45: _tunnel_key,
    48: _KEY,
    49: _numbers_then((), base64),
    50: _hashed_next,
    51: _hashing,
    52: _ASSOCIATION,
    53: _ASSOCIATION,
    55: _host_identity,
    56: _quoted_strings,
    57: _KEY,
    58: _numbers_then_names(0, 2),
    59: _DIGEST,
    60: _KEY,
    61: _numbers_then((), base64),
    62: _synchronisation,
    63: _numbers_then((4, 1, 1), _hex),
    66: _notification,
    104: _numbers_then((2,), _locator),
    105: _numbers_then((2,), _locator_4),
    106: _numbers_then((2,), _locator),
    107: _numbers_then_names(2, 1),
    108: _hardware(6),
    109: _hardware(8),
    249: _transaction_key,
    250: _transaction_signature,
    256: _uri,
    258: _quoted_strings,
    260: _relay,
    261: _quoted_strings,
    262: _quoted_strings,
    32768: _DIGEST,
    32769: _DIGEST,
}
"""Readers by the number of the record's type."""


def rare_text(names: Names, pos: int, end: int, kind: int) -> str:
    """Text of a record's data, which is not empty; raises `DissectError` or `IndexError` if it is malformed."""
    reader = _READERS.get(kind)
    return bounded(reader(names, pos, end)) if reader is not None else other_text(names.data, pos, end)
