"""ASN.1's basic encoding rules (X.690, as SNMP, LDAP and Kerberos use them; RFC 3417, 4511, 4120): reading values."""

from rustnet.dissect.framework.conversation import DissectError

Part = tuple[int, int, int]
"""Tag, start and end of a value."""


def part(data: bytes, pos: int, end: int) -> Part:
    """Tag, start and end of the value at ``pos``, which must end by ``end``; definite lengths, single-byte tags."""
    if pos + 2 > end:
        raise DissectError("an ASN.1 value is cut off")
    tag = data[pos]
    length = data[pos + 1]
    pos += 2
    if length & 0x80:
        count = length & 0x7F
        if not 1 <= count <= 4 or pos + count > end:
            raise DissectError("an ASN.1 length is not of a definite form")
        length = 0
        for i in range(pos, pos + count):
            length = length << 8 | data[i]
        pos += count
    if pos + length > end or tag & 0x1F == 0x1F:
        raise DissectError("an ASN.1 value runs over the end of what holds it")
    return tag, pos, pos + length


def parts(data: bytes, pos: int, end: int, most: int = 64) -> list[Part]:
    """Values in a row, at most ``most``."""
    made: list[Part] = []
    while pos < end and len(made) < most:
        one = part(data, pos, end)
        made.append(one)
        pos = one[2]
    return made


def exactly(data: bytes, pos: int, end: int, count: int) -> list[Part]:
    """The first ``count`` values of a row, which must be there."""
    made = parts(data, pos, end, count)
    if len(made) < count:
        raise DissectError(f"an ASN.1 sequence has fewer than {count} values")
    return made


def fields(data: bytes, pos: int, end: int) -> dict[int, Part]:
    """Explicitly tagged members of a sequence by their tag's number: the value within each tag."""
    made: dict[int, Part] = {}
    for tag, start, stop in parts(data, pos, end):
        if tag & 0xE0 == 0xA0:
            made[tag & 0x1F] = part(data, start, stop)
    return made


def measure(data: bytes, pos: int = 0) -> int:
    """Whole length of the value at ``pos``; 0 while its header is not complete, -1 for a form that is not read."""
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
        raise DissectError("an ASN.1 integer has no or too many bytes")
    if end - start == 1:
        return data[start] - ((data[start] & 0x80) << 1)
    made = int.from_bytes(data[start:end], "big", signed=True)
    if not -(1 << 63) <= made < 1 << 63:
        raise DissectError("an ASN.1 integer does not fit into 64 bits")
    return made


def unsigned(data: bytes, value: Part, bits: int = 32) -> int:
    """An integer taken modulo ``2**bits``: some senders encode large unsigned numbers as negative ones."""
    return integer(data, value) & ((1 << bits) - 1)


def dotted(data: bytes, value: Part) -> str:
    """An object identifier in dotted form, of its first 128 bytes."""
    numbers = []
    made = 0
    for byte in data[value[1] : min(value[2], value[1] + 128)]:
        made = (made & 0xFFFFFFFFFFFFFF) << 7 | byte & 0x7F
        if not byte & 0x80:
            numbers.append(made)
            made = 0
    if not numbers:
        return "0"
    first = min(numbers[0] // 40, 2)
    return ".".join(map(str, (first, numbers[0] - 40 * first, *numbers[1:])))
