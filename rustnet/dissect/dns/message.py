"""DNS messages and their sections (RFC 1035, 2136, 2181, 6891, 7871).

`parse` reads one message without its TCP length prefix and is shared by DNS, mDNS (RFC 6762) and LLMNR (RFC 4795).
An error after the first question does not lose the message: ``Message.fault`` describes it, what was read stays.
"""

from socket import AF_INET6, inet_ntoa, inet_ntop

import cython

from rustnet.bounds import ITEM_BYTES, LIST_BYTES
from rustnet.dissect.dns.rare import rare_text
from rustnet.dissect.framework.conversation import DissectError

if not cython.compiled:  # compiled, these come from the .pxd as C functions
    from rustnet.dissect.dns.names import LOWER, Names, skip_name, u16, u32
    from rustnet.dissect.dns.texts import other_text, record_text, type_name

CLASSES = {1: "IN", 2: "CS", 3: "CH", 4: "HS", 254: "NONE", 255: "ANY"}
OPCODES = (
    "QUERY", "IQUERY", "STATUS", "OPCODE3", "NOTIFY", "UPDATE", "DSO", *(f"OPCODE{i}" for i in range(7, 16)),
)  # fmt: skip
RCODES = (
    "NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED", "YXDOMAIN", "YXRRSET", "NXRRSET", "NOTAUTH",
    "NOTZONE", "DSOTYPENI", "RCODE12", "RCODE13", "RCODE14", "RCODE15", "BADVERS", "BADKEY", "BADTIME", "BADMODE",
    "BADNAME", "BADALG", "BADTRUNC", "BADCOOKIE",
)  # fmt: skip

IQUERY, STATUS, UPDATE, DSO = 1, 2, 5, 6
"""Opcodes whose messages differ in their form."""
NONE, ANY = 254, 255
"""Classes of an UPDATE's records, and with the latter number a type (RFC 2136, 2.4 and 2.5)."""

MAX_QUESTIONS = 128
"""Questions read of one message."""
MAX_RECORDS = 1024
"""Resource records read of one message: the rest is only counted."""
MAX_LISTED = LIST_BYTES - 4 * ITEM_BYTES
"""Bytes of the texts, and of the owners other than the name in the question, of one message's answers."""
USUAL_LISTED = 2 << 10
EXPANSION = 4
"""At most `USUAL_LISTED` bytes and this many times the message's: a few pointers to a long name expand to megabytes."""


def class_name(number: int) -> str:
    """Mnemonic of a class, or ``CLASS9`` style if there is none (RFC 3597)."""
    return CLASSES.get(number) or f"CLASS{number}"


def rcode_name(number: int) -> str:
    """Mnemonic of a response code, extended ones included."""
    return RCODES[number] if number < len(RCODES) else f"RCODE{number}"


class Message(Names):
    """The content of one DNS message; ``fault`` describes an error after its first question."""

    __slots__ = (
        "additionals",
        "addresses",
        "answer_names",
        "answer_types",
        "answered",
        "answers",
        "asked",
        "authorities",
        "client_subnet",
        "cnames",
        "cut",
        "edns_flags",
        "edns_size",
        "edns_version",
        "fault",
        "flags",
        "further",
        "hosts",
        "kind",
        "klass",
        "name",
        "rcode",
        "ttl",
        "txid",
        "updates",
    )

    def __init__(self, data: bytes, lower: bool) -> None:
        self.begin(data)
        if lower:
            self.table = LOWER
        self.txid = u16(data, 0)
        self.flags = u16(data, 2)
        self.asked, self.answered = u16(data, 4), u16(data, 6)
        """Numbers of questions and answers that the header claims."""
        self.authorities, self.additionals = u16(data, 8), u16(data, 10)
        self.rcode = self.flags & 15
        self.name: str | None = None
        """Name of the first question, of type ``kind`` and class ``klass``; `None` if there is none."""
        self.kind = 0
        self.klass = 0
        self.further: list[tuple[str, int, int]] | None = None
        """(name, type, class) of the questions after the first."""
        self.answers: list[str] | None = None
        self.answer_types: list[str] | None = None
        self.answer_names: list[str] | None = None
        self.cnames: list[str] | None = None
        self.cut = False
        """There are more answers than `answers` has."""
        self.hosts = 0
        """Answers of the types A and AAAA."""
        self.addresses: list[tuple[str, str, int]] | None = None
        """(address, owner, TTL) of the A and AAAA records of class IN; of all sections if ``deep``."""
        self.ttl: int | None = None
        self.edns_size: int | None = None
        self.edns_version: int | None = None
        self.edns_flags = 0
        self.client_subnet: str | None = None
        self.fault: str | None = None
        self.updates: list[str] | None = None
        """Prerequisites and changes of an UPDATE."""


def parse(data: bytes, deep: bool = False, lower: bool = True) -> Message:
    """Read a whole message; ``deep`` also reads the addresses of the authority and additional sections.

    ``lower`` converts names to lower case.

    Raises `DissectError` if the header or the first question is malformed.
    """
    if len(data) < 12:
        raise DissectError("truncated DNS header")
    message = Message(data, lower)
    asked = message.asked
    try:
        pos = _questions(data, min(asked, MAX_QUESTIONS), message)
    except (DissectError, IndexError) as error:
        detail = str(error) if isinstance(error, DissectError) else "truncated question section"
        if message.name is None:
            raise DissectError(detail) from None
        message.fault = detail
        return message
    if asked > MAX_QUESTIONS:
        message.fault = f"more than {MAX_QUESTIONS} questions"
        return message
    try:
        if message.flags & 0x7800 == UPDATE << 11:
            message.updates = _updates(data, pos, message)
        if message.answered:
            pos = _answers(data, pos, message.answered, message)
        others = message.authorities + message.additionals
        if others:
            _others(data, pos, others, message, deep)
    except (DissectError, IndexError) as error:
        message.fault = str(error) if isinstance(error, DissectError) else "truncated resource records"
    return message


def _questions(data: bytes, count: int, message: Message) -> int:
    """Read the question section; return the position after it."""
    pos = 12
    for _ in range(count):
        start = pos
        try:
            name = message.read(pos)
            pos = message.end
            kind, klass = u16(data, pos), u16(data, pos + 2)
            if message.name is None:
                message.name, message.kind, message.klass = name, kind, klass
            elif message.further is None:
                message.further = [(name, kind, klass)]
            else:
                message.further.append((name, kind, klass))
        except DissectError as error:  # the questions after a malformed name can still be read
            if message.name is None:
                raise
            message.fault = str(error)
            pos = skip_name(data, start)
        pos += 4
    return pos


def _answers(data: bytes, pos: int, count: int, message: Message) -> int:
    """Read the answer section; return the position after it."""
    answers: list[str] = []
    kinds: list[str] = []
    owners: list[str] = []
    message.answers, message.answer_types, message.answer_names = answers, kinds, owners
    size = len(data)
    text_bytes = owner_bytes = 0
    most = min(MAX_LISTED, USUAL_LISTED + EXPANSION * size)
    least = 0xFFFFFFFF
    for _ in range(min(count, MAX_RECORDS)):
        start = pos
        try:
            owner = message.read(pos)
            pos = message.end
        except DissectError as error:  # the records after a malformed name can still be read
            message.fault = str(error)
            owner, pos = "", skip_name(data, start)
        kind, klass, ttl, length = u16(data, pos), u16(data, pos + 2), u32(data, pos + 4), u16(data, pos + 8)
        pos += 10
        end = pos + length
        if end > size:
            raise DissectError("resource record exceeds the message")
        text = _answer_text(message, pos, end, kind, klass, ttl, owner)
        text_bytes += len(text) + ITEM_BYTES
        if owner is not message.name:
            owner_bytes += len(owner) + ITEM_BYTES
        if text_bytes > most or owner_bytes > most:
            message.cut = True
            return _skip_records(data, start, count - len(answers))
        if kind in {1, 28}:
            message.hosts += 1
        answers.append(text)
        kinds.append(type_name(kind))
        owners.append(owner)
        if ttl < least:
            least = message.ttl = ttl
        pos = end
    if count > MAX_RECORDS:
        raise DissectError("more than {limit} answers", limit=MAX_RECORDS)
    return pos


def _skip_records(data: bytes, pos: int, count: int) -> int:
    """Position after ``count`` records."""
    for _ in range(count):
        pos = skip_name(data, pos)
        pos += 10 + u16(data, pos + 8)
    return pos


def _answer_text(message: Message, pos: int, end: int, kind: int, klass: int, ttl: int, owner: str) -> str:
    """Text of an answer's data; an address is added to those of the message."""
    data = message.data
    if kind == 1 and end - pos == 4:
        text = inet_ntoa(data[pos:end])
    elif kind == 28 and end - pos == 16:
        text = inet_ntop(AF_INET6, data[pos:end])
    else:
        return _data_text(message, pos, end, kind)
    _address(message, text, owner, klass, ttl)
    return text


def _data_text(message: Message, pos: int, end: int, kind: int) -> str:
    """Text of a record's data other than an address; an alias is added to those of the message.

    Malformed data sets the message's fault. Its text is empty, or that of its bytes if the type is a rare one.
    """
    if end == pos:
        return ""
    text = _text(message, pos, end, kind)
    if kind == 5 and text:
        if message.cnames is None:
            message.cnames = []
        message.cnames.append(text)
    return text


def _text(message: Message, pos: int, end: int, kind: int) -> str:
    """Text of a record's data other than an address, by its type alone."""
    try:
        text = record_text(message, pos, end, kind)
    except DissectError as error:
        message.fault = str(error)
        return ""
    except IndexError:
        message.fault = "truncated record data"
        return ""
    return text if text is not None else _rare_text(message, pos, end, kind)


def _rare_text(message: Message, pos: int, end: int, kind: int) -> str:
    try:
        text: str = rare_text(message, pos, end, kind)
    except DissectError as error:
        message.fault = str(error)
    except IndexError:
        message.fault = "truncated record data"
    else:
        return text
    return other_text(message.data, pos, end)


def _address(message: Message, text: str, owner: str, klass: int, ttl: int) -> None:
    """Add an address and its owner; the top bit of the class is mDNS's cache-flush bit (RFC 6762)."""
    if klass & 0x7FFF == 1:
        if message.addresses is None:
            message.addresses = []
        message.addresses.append((text, owner, ttl))


def _updates(data: bytes, pos: int, message: Message) -> list[str]:
    """Prerequisites and changes of an UPDATE as commands of nsupdate, as many as a row may have, or one more."""
    commands: list[str] = []
    conditions, count = message.answered, message.answered + message.authorities
    size = len(data)
    room = LIST_BYTES
    for number in range(min(count, MAX_RECORDS)):
        try:
            owner = message.read(pos) or "."
        except DissectError:  # reported with the sections themselves
            break
        pos = message.end
        if pos + 10 > size:
            break
        kind, klass, ttl, length = u16(data, pos), u16(data, pos + 2), u32(data, pos + 4), u16(data, pos + 8)
        pos += 10
        if pos + length > size:
            break
        verb = _condition(kind, klass) if number < conditions else _change(klass)
        command = f"{verb} {owner}"
        if verb == "update add":
            command += f" {ttl}"
        if klass not in {message.klass, NONE, ANY}:
            command += f" {class_name(klass)}"
        if kind != ANY:
            command += f" {type_name(kind)}"
        if length:
            command += f" {_address_text(data, pos, pos + length, kind) or _text(message, pos, pos + length, kind)}"
        commands.append(command)
        room -= len(command) + ITEM_BYTES
        if room < 0:
            break
        pos += length
    return commands


def _condition(kind: int, klass: int) -> str:
    """Verb of a prerequisite (RFC 2136, 2.4)."""
    return f"prereq {'nx' if klass == NONE else 'yx'}{'domain' if kind == ANY else 'rrset'}"


def _change(klass: int) -> str:
    """Verb of a change (RFC 2136, 2.5)."""
    return "update delete" if klass in {NONE, ANY} else "update add"


def _address_text(data: bytes, pos: int, end: int, kind: int) -> str | None:
    if kind == 1 and end - pos == 4:
        return inet_ntoa(data[pos:end])
    return inet_ntop(AF_INET6, data[pos:end]) if kind == 28 and end - pos == 16 else None


def _others(data: bytes, pos: int, count: int, message: Message, deep: bool) -> None:
    """Walk the authority and additional sections: EDNS, and with ``deep`` the addresses."""
    size = len(data)
    if count > MAX_RECORDS:
        raise DissectError("more than {limit} authority and additional records", limit=MAX_RECORDS)
    for _ in range(count):
        start = pos
        pos = skip_name(data, pos)
        kind, klass, ttl, length = u16(data, pos), u16(data, pos + 2), u32(data, pos + 4), u16(data, pos + 8)
        pos += 10
        end = pos + length
        if end > size:
            raise DissectError("resource record exceeds the message")
        if kind == 41:
            _edns(message, klass, ttl, data[pos:end])
        elif deep and kind == 1 and length == 4:
            _address(message, inet_ntoa(data[pos:end]), message.read(start), klass, ttl)
        elif deep and kind == 28 and length == 16:
            _address(message, inet_ntop(AF_INET6, data[pos:end]), message.read(start), klass, ttl)
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
