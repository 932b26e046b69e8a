"""ASN.1 basic and distinguished encoding rules (X.690) as SNMP, LDAP, Kerberos and X.509 use them (RFC 3417, 4511)."""

from rustnet.dissect.framework.conversation import DissectError

Part = tuple[int, int, int]
"""Tag, start and end of a value."""


def part(data: bytes, pos: int, end: int) -> Part:
    """Tag, start and end of the value at ``pos``, which must end by ``end``; definite lengths, single-byte tags."""
    if pos + 2 > end:
        raise DissectError("truncated ASN.1 value")
    tag = data[pos]
    length = data[pos + 1]
    pos += 2
    if length & 0x80:
        count = length & 0x7F
        if not 1 <= count <= 4 or pos + count > end:
            raise DissectError("expected an ASN.1 length of definite form")
        length = 0
        for i in range(pos, pos + count):
            length = length << 8 | data[i]
        pos += count
    if pos + length > end or tag & 0x1F == 0x1F:
        raise DissectError("ASN.1 value exceeds its container")
    return tag, pos, pos + length


def parts(data: bytes, pos: int, end: int, most: int = 64) -> list[Part]:
    """Consecutive values, at most ``most``."""
    values: list[Part] = []
    while pos < end and len(values) < most:
        value = part(data, pos, end)
        values.append(value)
        pos = value[2]
    return values


def exactly(data: bytes, pos: int, end: int, count: int) -> list[Part]:
    """Exactly ``count`` consecutive values, which must be present."""
    values = parts(data, pos, end, count)
    if len(values) < count:
        raise DissectError("expected an ASN.1 sequence of at least {count} values", count=count)
    return values


def fields(data: bytes, pos: int, end: int) -> dict[int, Part]:
    """Explicitly tagged members of a sequence: the value inside each tag, by tag number."""
    members: dict[int, Part] = {}
    for tag, start, stop in parts(data, pos, end):
        if tag & 0xE0 == 0xA0:
            members[tag & 0x1F] = part(data, start, stop)
    return members


def measure(data: bytes, pos: int = 0) -> int:
    """Size of the value at ``pos`` with its header; 0 while the header is incomplete, -1 if its form is unsupported."""
    if len(data) < pos + 2:
        return 0
    length = data[pos + 1]
    if length < 0x80:
        return 2 + length
    count = length & 0x7F
    if not 1 <= count <= 4:
        return -1
    if len(data) < pos + 2 + count:
        return 0
    length = 0
    for i in range(pos + 2, pos + 2 + count):
        length = length << 8 | data[i]
    return 2 + count + length


def integer(data: bytes, value: Part) -> int:
    """A signed integer of at most 8 bytes."""
    _, start, end = value
    if not 1 <= end - start <= 9:
        raise DissectError("expected an ASN.1 integer of 1 to 9 bytes")
    if end - start == 1:
        return data[start] - ((data[start] & 0x80) << 1)
    number = int.from_bytes(data[start:end], "big", signed=True)
    if not -(1 << 63) <= number < 1 << 63:
        raise DissectError("ASN.1 integer does not fit into 64 bits")
    return number


def unsigned(data: bytes, value: Part, bits: int = 32) -> int:
    """An integer taken modulo ``2**bits``: some senders encode large unsigned numbers as negative ones."""
    return integer(data, value) & ((1 << bits) - 1)


def dotted(data: bytes, value: Part) -> str:
    """An object identifier in dotted notation, at most 128 bytes of it."""
    numbers = []
    number = 0
    for byte in data[value[1] : min(value[2], value[1] + 128)]:
        number = (number & 0xFFFFFFFFFFFFFF) << 7 | byte & 0x7F
        if not byte & 0x80:
            numbers.append(number)
            number = 0
    if not numbers:
        return "0"
    first = min(numbers[0] // 40, 2)
    return ".".join(map(str, (first, numbers[0] - 40 * first, *numbers[1:])))
