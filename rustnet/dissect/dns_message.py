r"""DNS messages: names, sections and record data (RFC 1035, 2181, 3596, 6891, 7871, 9460).

`parse` reads one message without its TCP length prefix and is shared by DNS, mDNS (RFC 6762) and LLMNR (RFC 4795).
A fault behind the first question does not lose the message: what was read stays, and ``Message.fault`` names it.

Names are text without the trailing dot (the root is the empty string), in the case of the wire. A dot or a
backslash inside a label is escaped with a backslash; control bytes, and bytes that are no UTF-8, become ``\DDD``.
"""

import struct
from collections.abc import Callable
from socket import AF_INET6, inet_ntoa, inet_ntop

from rustnet.dissect.conversation import DissectError

TYPES = {
    1: "A", 2: "NS", 3: "MD", 4: "MF", 5: "CNAME", 6: "SOA", 7: "MB", 8: "MG", 9: "MR", 10: "NULL", 11: "WKS",
    12: "PTR", 13: "HINFO", 14: "MINFO", 15: "MX", 16: "TXT", 17: "RP", 18: "AFSDB", 19: "X25", 20: "ISDN", 21: "RT",
    24: "SIG", 25: "KEY", 26: "PX", 28: "AAAA", 29: "LOC", 30: "NXT", 33: "SRV", 35: "NAPTR", 36: "KX", 37: "CERT",
    38: "A6", 39: "DNAME", 41: "OPT", 42: "APL", 43: "DS", 44: "SSHFP", 45: "IPSECKEY", 46: "RRSIG", 47: "NSEC",
    48: "DNSKEY", 49: "DHCID", 50: "NSEC3", 51: "NSEC3PARAM", 52: "TLSA", 53: "SMIMEA", 55: "HIP", 59: "CDS",
    60: "CDNSKEY", 61: "OPENPGPKEY", 62: "CSYNC", 63: "ZONEMD", 64: "SVCB", 65: "HTTPS", 99: "SPF", 104: "NID",
    105: "L32", 106: "L64", 107: "LP", 108: "EUI48", 109: "EUI64", 249: "TKEY", 250: "TSIG", 251: "IXFR", 252: "AXFR",
    253: "MAILB", 254: "MAILA", 255: "ANY", 256: "URI", 257: "CAA", 32768: "TA", 32769: "DLV",
}  # fmt: skip
CLASSES = {1: "IN", 2: "CS", 3: "CH", 4: "HS", 254: "NONE", 255: "ANY"}
OPCODES = (
    "QUERY", "IQUERY", "STATUS", "OPCODE3", "NOTIFY", "UPDATE", "DSO", *(f"OPCODE{i}" for i in range(7, 16)),
)  # fmt: skip
RCODES = (
    "NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED", "YXDOMAIN", "YXRRSET", "NXRRSET", "NOTAUTH",
    "NOTZONE", "DSOTYPENI", "RCODE12", "RCODE13", "RCODE14", "RCODE15", "BADVERS", "BADKEY", "BADTIME", "BADMODE",
    "BADNAME", "BADALG", "BADTRUNC", "BADCOOKIE",
)  # fmt: skip
_SVC_KEYS = {0: "mandatory", 1: "alpn", 2: "no-default-alpn", 3: "port", 4: "ipv4hint", 5: "ech", 6: "ipv6hint"}

MAX_QUESTIONS = 128
"""Questions read of one message."""
MAX_RECORDS = 1024
"""Resource records read of one message: the rest is only counted."""
MAX_TEXT = 1024
"""Characters kept of one record's data."""
_MAX_JUMPS = 32

_PLAIN = bytes(chr(code) in "-_" or (code < 128 and chr(code).isalnum()) for code in range(256))
"""For each byte, whether it stands for itself in a name's text."""

Names = dict[int, tuple[str, int]]
"""Names of one message by offset: the text, and the bytes it takes uncompressed."""


def type_name(number: int) -> str:
    """Mnemonic of a record type, ``TYPE65`` style where there is none (RFC 3597)."""
    return TYPES.get(number) or f"TYPE{number}"


def class_name(number: int) -> str:
    """Mnemonic of a class, ``CLASS9`` style where there is none (RFC 3597)."""
    return CLASSES.get(number) or f"CLASS{number}"


def rcode_name(number: int) -> str:
    """Mnemonic of a response code, extended ones included."""
    return RCODES[number] if number < len(RCODES) else f"RCODE{number}"


def _escapes(extra: str) -> dict[int, str]:
    """Translation table: control characters, bytes that are not UTF-8 (surrogateescape) and ``extra``, escaped."""
    made = {code: f"\\{code:03d}" for code in (*range(0x20), 0x7F)}
    made |= {code: "".join(f"\\{byte:03d}" for byte in chr(code).encode()) for code in range(0x80, 0xA0)}
    made |= {0xDC00 + byte: f"\\{byte:03d}" for byte in range(0x80, 0x100)}
    return made | {ord(char): "\\" + char for char in extra}


_LABEL_ESCAPES = _escapes(".\\")
_TEXT_ESCAPES = _escapes("")
_BYTES = tuple(chr(byte) if 0x20 <= byte < 0x7F else f"\\{byte:03d}" for byte in range(256))


def _labels(raw: bytes) -> str:
    """Text of length-prefixed labels (at most 255 bytes, already walked once)."""
    made = bytearray(raw[1:])
    size = len(raw)
    pos = 0
    while pos < size:
        end = pos + 1 + raw[pos]
        for i in range(pos + 1, end):
            if not _PLAIN[raw[i]]:
                return _escaped(raw)
        if end < size:
            made[end - 1] = 46  # the dot stands where the next length does
        pos = end
    return made.decode("ascii")


def _escaped(raw: bytes) -> str:
    """As `_labels`, where some bytes are not letters, digits, hyphens or underscores."""
    made = []
    pos = 0
    while pos < len(raw):
        end = pos + 1 + raw[pos]
        made.append(raw[pos + 1 : end].decode("utf-8", "surrogateescape").translate(_LABEL_ESCAPES))
        pos = end
    return ".".join(made)


def read_name(data: bytes, pos: int, names: Names, jumps: int = 0) -> tuple[str, int, int]:
    """Read the name at ``pos``: its text, where it ends, and its uncompressed size without the root.

    Compression pointers must point before the name that they stand in, so that no loop is possible.
    """
    start = pos
    size = len(data)
    while pos < size:
        step = data[pos]
        if step == 0:
            length = pos - start
            if length > 254:
                raise DissectError("a name is longer than 255 bytes")
            text = _labels(data[start:pos])
            names[start] = (text, length)
            return text, pos + 1, length
        if step >= 0xC0:
            return _pointed(data, start, pos, names, jumps)
        if step > 63:
            raise DissectError(f"a label of type {step >> 6} is not defined")
        pos += step + 1
    raise DissectError("a name is cut off")


def _pointed(data: bytes, start: int, pos: int, names: Names, jumps: int) -> tuple[str, int, int]:
    """Finish a name whose labels end in a compression pointer at ``pos``."""
    if pos + 1 >= len(data):
        raise DissectError("a compression pointer is cut off")
    target = ((data[pos] & 0x3F) << 8) | data[pos + 1]
    known = names.get(target)
    if known is None:
        if target >= start or target < 12:
            raise DissectError("a compression pointer does not point to an earlier name")
        if jumps >= _MAX_JUMPS:
            raise DissectError("a name has too many compression pointers")
        tail, _, length = read_name(data, target, names, jumps + 1)
    elif target >= start:
        raise DissectError("a compression pointer does not point to an earlier name")
    else:
        tail, length = known
    if pos > start:
        length += pos - start
        if length > 254:
            raise DissectError("a name is longer than 255 bytes")
        head = _labels(data[start:pos])
        tail = f"{head}.{tail}" if tail else head
    names[start] = (tail, length)
    return tail, pos + 2, length


def _skip_name(data: bytes, pos: int) -> int:
    """Position behind the name at ``pos``."""
    while True:
        step = data[pos]
        if step == 0:
            return pos + 1
        if step >= 0xC0:
            return pos + 2
        if step > 63:
            raise DissectError(f"a label of type {step >> 6} is not defined")
        pos += step + 1


def u16(data: bytes, pos: int) -> int:
    """Big-endian number of two bytes; raises `IndexError` where the data ends."""
    return data[pos] << 8 | data[pos + 1]


def u32(data: bytes, pos: int) -> int:
    """Big-endian number of four bytes; raises `IndexError` where the data ends."""
    high = u16(data, pos)  # not byte by byte: in C, a byte shifted by 24 would turn negative
    return (high << 16) | u16(data, pos + 2)


def _name_text(data: bytes, pos: int, end: int, names: Names) -> str:
    text, after, _ = read_name(data, pos, names)
    if after > end:
        raise DissectError("a name runs over the end of its record")
    return text or "."


def _mx_text(data: bytes, pos: int, end: int, names: Names) -> str:
    return _name_text(data, pos + 2, end, names)


def _srv_text(data: bytes, pos: int, end: int, names: Names) -> str:
    priority, weight, port = struct.unpack_from(">HHH", data, pos)
    return f"{priority} {weight} {port} {_name_text(data, pos + 6, end, names)}"


def _soa_text(data: bytes, pos: int, end: int, names: Names) -> str:
    primary, pos, _ = read_name(data, pos, names)
    mailbox, pos, _ = read_name(data, pos, names)
    if pos + 20 > end:
        raise DissectError("an SOA record is cut off")
    numbers = " ".join(map(str, struct.unpack_from(">5I", data, pos)))
    return f"{primary or '.'} {mailbox or '.'} {numbers}"


def clean(raw: bytes) -> str:
    r"""Text of bytes that should be text: control bytes and invalid UTF-8 become ``\DDD``; bounded."""
    raw = raw[:MAX_TEXT]
    text = raw.decode("utf-8", "surrogateescape")
    if text.isprintable():
        return text
    made: list[str] = []
    for char in text:  # quicker than str.translate, and tunnels bring megabytes of it
        code = ord(char)
        if code < 0x80:
            made.append(_BYTES[code])
        elif 0xDC80 <= code < 0xDD00:
            made.append(_BYTES[code - 0xDC00])
        else:
            made.append(_TEXT_ESCAPES.get(code, char))
    return "".join(made)


def _strings(data: bytes, pos: int, end: int) -> list[str]:
    made: list[str] = []
    while pos < end and len(made) < 64:
        after = pos + 1 + data[pos]
        if after > end:
            raise DissectError("a character string runs over the end of its record")
        made.append(clean(data[pos + 1 : after]))
        pos = after
    return made


def _txt_text(data: bytes, pos: int, end: int, names: Names) -> str:
    strings = _strings(data, pos, end)
    return strings[0] if len(strings) == 1 else " ".join(f'"{s}"' for s in strings)[:MAX_TEXT]


def _caa_text(data: bytes, pos: int, end: int, names: Names) -> str:
    split = pos + 2 + data[pos + 1]
    if split > end:
        raise DissectError("a CAA record is cut off")
    return f'{data[pos]} {clean(data[pos + 2 : split])} "{clean(data[split:end])}"'


def _nsec_text(data: bytes, pos: int, end: int, names: Names) -> str:
    following, pos, _ = read_name(data, pos, names)
    made = [following or "."]
    while pos + 2 <= end and len(made) < 64:
        window, size = data[pos], data[pos + 1]
        bits = data[pos + 2 : min(pos + 2 + size, end)]
        made += [type_name((window << 8) + i) for i in range(8 * len(bits)) if bits[i >> 3] & (0x80 >> (i & 7))]
        pos += 2 + size
    return " ".join(made)[:MAX_TEXT]


def _svcb_value(key: int, value: bytes) -> str:
    if key == 1:
        return ",".join(_strings(value, 0, len(value)))
    if key == 3 and len(value) == 2:
        return str(int.from_bytes(value, "big"))
    if key == 4 and len(value) % 4 == 0:
        return ",".join(inet_ntoa(value[i : i + 4]) for i in range(0, min(len(value), 64), 4))
    if key == 6 and len(value) % 16 == 0:
        return ",".join(inet_ntop(AF_INET6, value[i : i + 16]) for i in range(0, min(len(value), 256), 16))
    return value[:64].hex()


def _svcb_text(data: bytes, pos: int, end: int, names: Names) -> str:
    priority = (data[pos] << 8) | data[pos + 1]
    target, pos, _ = read_name(data, pos + 2, names)
    made = [str(priority), target or "."]
    while pos + 4 <= end and len(made) < 32:
        key, size = u16(data, pos), u16(data, pos + 2)
        pos += 4 + size
        if pos > end:
            raise DissectError("a service parameter runs over the end of its record")
        name = _SVC_KEYS.get(key) or f"key{key}"
        made.append(f"{name}={_svcb_value(key, data[pos - size : pos])}" if size else name)
    return " ".join(made)[:MAX_TEXT]


def _rrsig_text(data: bytes, pos: int, end: int, names: Names) -> str:
    covered, algorithm, labels, ttl = struct.unpack_from(">HBBI", data, pos)
    return f"{type_name(covered)} {algorithm} {labels} {ttl} {_name_text(data, pos + 18, end, names)}"


def _other_text(data: bytes, pos: int, end: int) -> str:
    """Data of a type without a text form of its own (RFC 3597), at most 64 bytes of it."""
    return f"\\# {end - pos} {data[pos : min(end, pos + 64)].hex()}".rstrip()


_TEXTS: dict[int, Callable[[bytes, int, int, Names], str]] = {
    2: _name_text, 3: _name_text, 4: _name_text, 5: _name_text, 6: _soa_text, 7: _name_text, 8: _name_text,
    9: _name_text, 12: _name_text, 13: _txt_text, 15: _mx_text, 16: _txt_text, 18: _mx_text, 21: _mx_text,
    33: _srv_text, 36: _mx_text, 39: _name_text, 46: _rrsig_text, 47: _nsec_text, 64: _svcb_text, 65: _svcb_text,
    99: _txt_text, 257: _caa_text,
}  # fmt: skip


class Message:
    """What one DNS message says; ``fault`` names what could not be read behind its questions."""

    __slots__ = (
        "addresses",
        "answer_count",
        "answer_names",
        "answer_types",
        "answers",
        "client_subnet",
        "cnames",
        "edns_flags",
        "edns_size",
        "edns_version",
        "fault",
        "flags",
        "questions",
        "rcode",
        "records",
        "ttl",
        "txid",
    )

    def __init__(self, txid: int, flags: int, records: tuple[int, int, int, int]) -> None:
        self.txid = txid
        self.flags = flags
        self.records = records
        """Numbers of questions, answers, authorities and additionals that the header claims."""
        self.questions: list[tuple[str, int, int]] = []
        """(name, type, class)"""
        self.rcode = flags & 15
        self.answers: list[str] | None = None
        self.answer_types: list[str] | None = None
        self.answer_names: list[str] | None = None
        self.cnames: list[str] | None = None
        self.addresses: list[tuple[str, str, int]] | None = None
        """(address, owner, TTL) of the A and AAAA records of class IN; of every section where ``deep``."""
        self.ttl: int | None = None
        self.edns_size: int | None = None
        self.edns_version: int | None = None
        self.edns_flags = 0
        self.client_subnet: str | None = None
        self.fault: str | None = None


def parse(data: bytes, deep: bool = False) -> Message:
    """Read a whole message; ``deep`` also reads the addresses of the authority and additional sections.

    Raises `DissectError` where the header or the first question cannot be read.
    """
    if len(data) < 12:
        raise DissectError("a message is shorter than its header")
    asked, answered = u16(data, 4), u16(data, 6)
    authorities, additionals = u16(data, 8), u16(data, 10)
    message = Message(u16(data, 0), u16(data, 2), (asked, answered, authorities, additionals))
    names: Names = {}
    try:
        pos = _questions(data, min(asked, MAX_QUESTIONS), names, message)
    except (DissectError, IndexError, struct.error) as error:
        detail = str(error) if isinstance(error, DissectError) else "the questions are cut off"
        if not message.questions:
            raise DissectError(detail) from None
        message.fault = detail
        return message
    if asked > MAX_QUESTIONS:
        message.fault = f"more than {MAX_QUESTIONS} questions"
        return message
    try:
        if answered:
            pos = _answers(data, pos, answered, names, message)
        if authorities or additionals:
            _others(data, pos, authorities + additionals, names, message, deep)
    except (DissectError, IndexError, struct.error) as error:
        message.fault = str(error) if isinstance(error, DissectError) else "the records are cut off"
    return message


def _questions(data: bytes, count: int, names: Names, message: Message) -> int:
    """Read the question section; return where it ends."""
    pos = 12
    for _ in range(count):
        start = pos
        try:
            name, pos, _ = read_name(data, pos, names)
            message.questions.append((name, u16(data, pos), u16(data, pos + 2)))
        except DissectError as error:  # what follows a bad name can still be read
            if not message.questions:
                raise
            message.fault = str(error)
            pos = _skip_name(data, start)
        pos += 4
    return pos


def _answers(data: bytes, pos: int, count: int, names: Names, message: Message) -> int:
    """Read the answer section; return where it ends."""
    answers: list[str] = []
    kinds: list[str] = []
    owners: list[str] = []
    message.answers, message.answer_types, message.answer_names = answers, kinds, owners
    size = len(data)
    least = 0xFFFFFFFF
    for _ in range(min(count, MAX_RECORDS)):
        start = pos
        try:
            owner, pos, _ = read_name(data, pos, names)
        except DissectError as error:  # the records behind a bad name can still be read
            message.fault = str(error)
            owner, pos = "", _skip_name(data, start)
        kind, klass, ttl, length = u16(data, pos), u16(data, pos + 2), u32(data, pos + 4), u16(data, pos + 8)
        pos += 10
        end = pos + length
        if end > size:
            raise DissectError("a record runs over the end of the message")
        if kind == 1 and length == 4:
            text = inet_ntoa(data[pos:end])
            _address(message, text, owner, klass, ttl)
        elif kind == 28 and length == 16:
            text = inet_ntop(AF_INET6, data[pos:end])
            _address(message, text, owner, klass, ttl)
        else:
            text = _data_text(data, pos, end, kind, names, message)
        answers.append(text)
        kinds.append(TYPES.get(kind) or type_name(kind))
        owners.append(owner)
        if ttl < least:
            least = message.ttl = ttl
        pos = end
    if count > MAX_RECORDS:
        raise DissectError(f"more than {MAX_RECORDS} answers")
    return pos


def _data_text(data: bytes, pos: int, end: int, kind: int, names: Names, message: Message) -> str:
    """Text of a record's data that is no address; empty, with the message's fault set, where it is malformed."""
    reader = _TEXTS.get(kind)
    if reader is None or end == pos:
        return _other_text(data, pos, end) if end > pos else ""
    try:
        text = reader(data, pos, end, names)
    except DissectError as error:
        message.fault = str(error)
        return ""
    except (IndexError, struct.error):
        message.fault = "the data of a record is cut off"
        return ""
    if kind == 5:
        if message.cnames is None:
            message.cnames = []
        message.cnames.append(text)
    return text


def _address(message: Message, text: str, owner: str, klass: int, ttl: int) -> None:
    """Note an address and its owner; the top bit of the class is mDNS's cache flush (RFC 6762)."""
    if klass & 0x7FFF == 1:
        if message.addresses is None:
            message.addresses = []
        message.addresses.append((text, owner, ttl))


def _others(data: bytes, pos: int, count: int, names: Names, message: Message, deep: bool) -> None:
    """Walk the authority and additional sections: EDNS, and with ``deep`` the addresses."""
    size = len(data)
    if count > MAX_RECORDS:
        raise DissectError(f"more than {MAX_RECORDS} authority and additional records")
    for _ in range(count):
        start = pos
        pos = _skip_name(data, pos)
        kind, klass, ttl, length = u16(data, pos), u16(data, pos + 2), u32(data, pos + 4), u16(data, pos + 8)
        pos += 10
        end = pos + length
        if end > size:
            raise DissectError("a record runs over the end of the message")
        if kind == 41:
            _edns(message, klass, ttl, data[pos:end])
        elif deep and kind == 1 and length == 4:
            _address(message, inet_ntoa(data[pos:end]), read_name(data, start, names)[0], klass, ttl)
        elif deep and kind == 28 and length == 16:
            _address(message, inet_ntop(AF_INET6, data[pos:end]), read_name(data, start, names)[0], klass, ttl)
        pos = end


def _edns(message: Message, size: int, ttl: int, options: bytes) -> None:
    """Read an OPT pseudo-record (RFC 6891) and its client subnet (RFC 7871)."""
    message.edns_size = size
    message.edns_version = (ttl >> 16) & 255
    message.edns_flags = ttl & 0xFFFF
    if message.flags & 0x8000:
        message.rcode |= (ttl >> 24) << 4
    pos = 0
    while pos + 4 <= len(options):
        code, length = u16(options, pos), u16(options, pos + 2)
        pos += 4 + length
        if code == 8 and length >= 4 and pos <= len(options):
            message.client_subnet = _subnet(options[pos - length : pos])


def _subnet(option: bytes) -> str | None:
    family, prefix = option[1], option[2]
    if family == 1 and len(option) <= 8:
        return f"{inet_ntoa(option[4:].ljust(4, bytes(1)))}/{prefix}"
    if family == 2 and len(option) <= 20:
        return f"{inet_ntop(AF_INET6, option[4:].ljust(16, bytes(1)))}/{prefix}"
    return None
