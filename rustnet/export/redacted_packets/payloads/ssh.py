"""SSH (RFC 4253): the identification line, and the algorithms that are offered; keys and all after them are removed."""

import re

from rustnet.export.redacted_packets.payload import PayloadContext
from rustnet.export.redacted_packets.payloads.http import line
from rustnet.export.redacted_packets.payloads.page import CutError, Page
from rustnet.export.redacted_packets.payloads.replacing import HIDDEN, Replacements, replacements
from rustnet.records import Kind

MAX_LINES = 64
MAX_PACKETS = 16
MAX_PACKET = 65_000
MAX_NAMES = 512
MAX_KEYS = 8
_LISTS = 10
_KEXINIT, _NEWKEYS = 20, 21
_IDENTIFICATION = re.compile(rb"(SSH-(?:1\.\d{1,3}|2\.0)-)([^ \r\n]*)( ?)([^\r\n]*)").fullmatch


def write(page: Page, context: PayloadContext) -> None:
    """Write one direction of a connection."""
    names = replacements(context)
    pos = 0
    for _ in range(MAX_LINES):
        end, after = line(page, pos)
        match = _IDENTIFICATION(page.data, pos, end)
        if match is not None:
            page.keep(pos, match.end(1))
            for group in (2, 4):
                page.put(match.start(group), names.text(Kind.SOFTWARE, match[group]))
                page.keep(match.end(group), match.end(3) if group == 2 else after)
            _packets(page, names, after)
            return
        page.put(pos, HIDDEN * (end - pos))
        page.keep(end, after)
        pos = after


def _packets(page: Page, names: Replacements, pos: int) -> None:
    """Write the packets that are not encrypted."""
    if not names.keeps(Kind.FINGERPRINT):
        return
    for _ in range(MAX_PACKETS):
        size, padding, kind = page.u32(pos), page.u8(pos + 4), page.u8(pos + 5)
        if not padding + 2 <= size <= MAX_PACKET or not _KEXINIT <= kind < 50:
            raise CutError
        stop = pos + 4 + size
        page.need(stop)
        page.keep(pos, pos + 6)
        if kind == _KEXINIT:
            page.blank(pos + 6, pos + 22)
            _lists(page, names, pos + 22, stop - padding)
        elif kind != _NEWKEYS:
            _keys(page, pos + 6, stop - padding)
        page.blank(pos + 6, stop)
        pos = stop
        if kind == _NEWKEYS:
            return


def _keys(page: Page, pos: int, stop: int) -> None:
    """Lengths of keys and signatures."""
    for _ in range(MAX_KEYS):
        after = pos + 4 + page.u32(pos) if pos + 4 <= stop else stop + 1
        if after > stop:
            return
        page.keep(pos, pos + 4)
        page.blank(pos + 4, after)
        pos = after


def _lists(page: Page, names: Replacements, pos: int, stop: int) -> None:
    """Lists of names of algorithms: usual ones stay."""
    for _ in range(_LISTS):
        start = pos + 4
        end = start + page.u32(pos)
        if end > stop:
            raise CutError
        page.keep(pos, start)
        listed = page.data[start:end].split(b",", MAX_NAMES)
        if len(listed) > MAX_NAMES:
            raise CutError
        page.put(start, b",".join(names.text(Kind.TERM, name) for name in listed))
        pos = end
    if pos + 5 <= stop:
        page.keep(pos, pos + 5)
