"""Probes of DNS (RFC 1035), mDNS (RFC 6762) and LLMNR (RFC 4795): header and question, or all of a rare message."""

import re

import cython

from rustnet.dissect.dns.message import CLASSES
from rustnet.dissect.dns.texts import TYPES
from rustnet.dissect.framework.conversation import MORE, NO, YES, Conversation, DissectError

if not cython.compiled:  # compiled, these come from the .pxd as C functions and numbers
    from rustnet.dissect.dns.message import DSO, IQUERY, STATUS
    from rustnet.dissect.dns.names import Names, skip_name, u16

MAX_UNASSIGNED = 64
"""Records of a message with an unusual opcode that its probe reads."""

_NETBIOS = re.compile(r"[A-P]{32}(\..*)?", re.DOTALL).fullmatch
_HOSTLY = re.compile(r"[\w.\\*/:=@+ -]*").fullmatch
_LOCAL = re.compile(rb"\x05local\0").search
"""A name that only multicast DNS resolves (RFC 6762, 3)."""


def _probe_message(data: bytes, strict: bool) -> int:
    """Whether a message without TCP's length has the header and the first question of DNS."""
    if len(data) < 12:
        return NO
    flags, asked, answered = u16(data, 2), u16(data, 4), u16(data, 6)
    others = u16(data, 8) + u16(data, 10)
    response = flags >= 0x8000
    opcode = (flags >> 11) & 15
    if asked > 64:
        return NO
    if opcode > 6 or opcode == 3:
        return NO if strict else _probe_unassigned(data, flags, asked, answered + others)
    if strict and not _is_common_header(flags, response, asked, answered, others):
        return NO
    if asked == 0:
        if strict:
            return NO
        # Errors may come as bare headers; multicast answers have no question.
        if response and (answered or len(data) == 12):
            return YES
        return _probe_without_question(data, flags, answered, others) if opcode else NO
    return _probe_question(data, strict, answered + others > 0)


def _probe_question(data: bytes, strict: bool, records: bool) -> int:
    """Whether a message has a question after its header, and a usual one if ``strict``; ``records`` may follow it."""
    names = Names(data)
    try:
        name = names.read(12)
    except DissectError:
        return NO
    pos = names.end
    if pos + 4 > len(data):
        return NO
    if not strict:
        return YES
    kind = (data[pos] << 8) | data[pos + 1]
    klass = (data[pos + 2] << 8) | data[pos + 3]
    fits = pos + 4 == len(data) or records
    if not fits or kind not in TYPES or klass not in CLASSES or not (names.plain or _HOSTLY(name)):
        return NO
    return NO if len(name) >= 32 and _NETBIOS(name) else YES


def _probe_unassigned(data: bytes, flags: int, asked: int, records: int) -> int:
    """Whether a message with an opcode that is not assigned has all that DNS has, or is the refusal of one."""
    if asked == 0:
        return YES if len(data) == 12 and records == 0 and flags & 0x8000 and flags & 15 in {1, 4, 5} else NO
    return YES if asked == 1 and records <= MAX_UNASSIGNED and _is_filled(data, asked, records) else NO


def _probe_without_question(data: bytes, flags: int, answered: int, others: int) -> int:
    """Whether a message is of an opcode whose messages may have no question: IQUERY, STATUS, DSO."""
    opcode = (flags >> 11) & 15
    records = answered + others
    if opcode == IQUERY:
        return YES if answered and records <= MAX_UNASSIGNED and _is_filled(data, 0, records) else NO
    if records or flags & 0x07F0:
        return NO
    if opcode == STATUS:  # whose form nobody defined
        return YES if len(data) == 12 and flags == STATUS << 11 else NO
    return YES if opcode == DSO and _has_values(data) else NO


def _has_values(data: bytes) -> bool:
    """Whether types, lengths and values fill the rest of a message after its header (RFC 8490, 5.4)."""
    pos = 12
    while pos + 4 <= len(data):
        if not u16(data, pos):
            return False
        pos += 4 + u16(data, pos + 2)
    return pos == len(data)


def _is_filled(data: bytes, asked: int, records: int) -> bool:
    """Whether the questions, of known classes, and the records that a header claims fill its message."""
    size = len(data)
    pos = 12
    try:
        for _ in range(asked):
            pos = skip_name(data, pos) + 4
            if u16(data, pos - 2) not in CLASSES:
                return False
        for _ in range(records):
            pos = skip_name(data, pos)
            pos += 10 + u16(data, pos + 8)
    except (DissectError, IndexError):
        return False
    return pos == size


def _is_common_header(flags: int, response: bool, asked: int, answered: int, others: int) -> bool:
    """Whether a header on other ports is one that clients and servers commonly send."""
    if flags & 0x0040 or asked != 1 or others > 32:
        return False
    return answered <= 64 if response else answered == 0 and flags & 0x048F == 0 and others <= 2


def probe_dns(data: bytes, talk: Conversation, from_src: bool) -> int:
    """Recognise DNS by its header and first question; on other ports than 53 an unusual header is rejected."""
    on_port = talk.src_port == 53 or talk.dst_port == 53
    if talk.transport == "tcp":
        return _probe_tcp(data, not on_port)
    if not on_port and (len(data) < 17 or data[4] or data[5] != 1 or talk.has_port(137, 138, 5353, 5355)):
        return NO
    return _probe_message(data, not on_port)


def _probe_tcp(data: bytes, strict: bool) -> int:
    """Check the first length-prefixed message, which may be incomplete."""
    if len(data) < 14:
        if len(data) >= 2 and (data[0] << 8) | data[1] < 12:
            return NO
        return NO if strict and len(data) > 7 and (data[6] or data[7] != 1) else MORE
    size = (data[0] << 8) | data[1]
    if size < 12 or (strict and (data[6] or data[7] != 1 or size < 17)):
        return NO
    if len(data) < 2 + size and len(data) < 14 + 260:
        verdict = _probe_message(data[2:], strict)
        return verdict if verdict != NO or _header_excludes_dns(data) else MORE
    return _probe_message(data[2 : 2 + size], strict)


def _header_excludes_dns(data: bytes) -> bool:
    """Whether the header alone, of an incomplete first message, rules DNS out."""
    return bool(data[6]) or data[7] > 64


def probe_mdns(data: bytes, talk: Conversation, from_src: bool) -> int:
    """Multicast DNS: its port decides between it and DNS, the content whether it is either.

    Over TCP servers of DNS use the port, too: their clients ask for recursion, and for names that are not local.
    """
    if talk.src_port != 5353 and talk.dst_port != 5353:
        return NO
    if talk.transport != "tcp":
        return _probe_message(data, strict=False)
    verdict = _probe_tcp(data, strict=False)
    if verdict == YES and (data[4] & 0x78 or data[5] or (data[4] & 1 and not _LOCAL(data.lower()))):
        return NO  # the header has what a multicast one has not (RFC 6762, 18)
    return verdict


def probe_llmnr(data: bytes, talk: Conversation, from_src: bool) -> int:
    """LLMNR: its port decides between it and DNS, the content whether it is either."""
    if talk.src_port != 5355 and talk.dst_port != 5355:
        return NO
    return _probe_tcp(data, strict=False) if talk.transport == "tcp" else _probe_message(data, strict=False)
