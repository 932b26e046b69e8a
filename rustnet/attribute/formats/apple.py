"""What Apple's systems say of packets: PKTAP headers (both versions), pcapng process blocks, libpcap's comment.

Each names up to two processes: the one that did the I/O, and the *effective* one on whose behalf it did (a browser
whose downloads a system daemon performs). The effective process is the owner; the other is kept as a ``delegate``.
Layouts: PKTAP version 1 is a fixed header of 156 bytes (108 suffice for the names), version 2 has 40 bytes of
offsets and numbers and then data. A pid of -1 or 0 is none; command names are cut to 16 bytes by the kernel. Blocks
0x80000001 are numbered from 0 within their section. All numbers of PKTAP are little-endian.
"""

import re
import struct
from collections.abc import Callable
from uuid import UUID

from rustnet.attribute.formats.statement import PATH, Statement, base_name, direction, said, whole
from rustnet.attribute.observation import ProcessFacts

PKTAP = "pktap"
BLOCKS = "apple-pcapng"
COMMENT = "apple-comment"

LINKS = (149, 258)
"""Link types of PKTAP: 149 is what Darwin calls it, 258 the registry."""

V1_LEAST, V1_FULL, V2_LEAST = 108, 156, 40
"""Sizes of headers: version 1 with the names, version 1 with the UUIDs, version 2 without data."""

_V2_FLAG = 0x08  # 0x80000 in the flags of version 2, as its third byte has it
_I32 = struct.Struct("<i")
_COMMENT = re.compile(r"pid (.{1,64})\.(\d{1,10}) svc \S+(?: pktflags .*| unsent .*)?", re.ASCII)


def both(
    source: str, process: ProcessFacts | None, effective: ProcessFacts | None, place: int
) -> tuple[Statement, ...]:
    """Statements about the two processes of a packet."""
    if effective is None or effective == process:
        return (Statement(source, "process", process, place),) if process else ()
    made = Statement(source, "effective-process", effective, place)
    return (made, Statement(source, "delegate", process, place)) if process else (made,)


def facts(pid: int, name: str, uuid: bytes = b"") -> ProcessFacts | None:
    """One process of a header; ``None`` if it names nobody."""
    known = pid if pid > 0 else None
    called = said(name)
    if known is None and called is None:
        return None
    build = str(UUID(bytes=uuid)) if len(uuid) == 16 and any(uuid) else None
    return ProcessFacts(pid=known, name=called, exe_uuid=build)


def _text(raw: bytes) -> str:
    """Text up to the first NUL."""
    return raw.split(b"\0", 1)[0].decode("utf-8", "replace")


def is_v2(header: bytes) -> bool:
    """Whether a PKTAP header is of version 2: its flag, and a length that only version 2 has in its first byte."""
    return len(header) >= V2_LEAST and header[0] >= V2_LEAST and header[1] <= header[0] and bool(header[38] & _V2_FLAG)


def pktap_v1(header: bytes) -> tuple[Statement, ...]:
    """Statements of a header of version 1; without UUIDs if it is shorter than `V1_FULL`."""
    if len(header) < V1_LEAST:
        return ()
    whole_ = len(header) >= V1_FULL
    one = facts(_I32.unpack_from(header, 52)[0], _text(header[56:73]), header[124:140] if whole_ else b"")
    other = facts(_I32.unpack_from(header, 84)[0], _text(header[88:105]), header[140:156] if whole_ else b"")
    return both(PKTAP, one, other, direction(header[36]))


def pktap_v2(header: bytes) -> tuple[Statement, ...]:
    """Statements of a header of version 2; what its offsets point at beyond its length is not there."""
    size = header[0]

    def at(offset: int, length: int) -> bytes:
        return header[offset : min(offset + length, size)] if V2_LEAST <= offset < size else b""

    _, uuid, e_uuid, _, comm, e_comm = header[:6]
    one = facts(_I32.unpack_from(header, 28)[0], _text(at(comm, 64)), at(uuid, 16))
    other = facts(_I32.unpack_from(header, 32)[0], _text(at(e_comm, 64)), at(e_uuid, 16))
    return both(PKTAP, one, other, direction(header[36]))


def v1_core(header: bytes) -> bytes:
    """A header of version 1 with everything blanked that says nothing of processes, so that few differ."""
    return bytes(36) + header[36:37] + bytes(15) + header[52:76] + bytes(8) + header[84:108] + bytes(16) + header[124:]


def v2_core(header: bytes) -> bytes:
    """A header of version 2 with everything blanked that says nothing of processes."""
    return header[:6] + bytes(22) + header[28:37] + bytes((0, header[38] & _V2_FLAG, 0)) + header[40:]


def block_process(row: tuple[int, int, str, str], uuid: str | None) -> ProcessFacts | None:
    """Process of a block 0x80000001: (section, pid, name, path), and the UUID where it has one."""
    _, pid, name, path = row
    if pid in (0, 0xFFFFFFFF) and not name:
        return None
    exe = said(path, PATH)
    return ProcessFacts(
        pid=pid if 0 < pid < 0xFFFFFFFF else None, name=said(name) or base_name(exe), exe=exe, exe_uuid=uuid
    )


def block_statements(
    find: Callable[[int], ProcessFacts | None], process: int, effective: int, flags: int
) -> tuple[Statement, ...]:
    """Statements of a packet's options 0x8001 and 0x8003, whose numbers ``find`` looks up (-1: without the option)."""
    one = find(process) if process >= 0 else None
    other = find(effective) if effective >= 0 else None
    return both(BLOCKS, one, other, direction(flags))


def apple_comments(comments: list[str]) -> list[Statement]:
    """Statements of libpcap's comment for captures with extended headers: ``pid NAME.PID svc X``."""
    made = []
    for text in comments:
        found = _COMMENT.fullmatch(text) if text.startswith("pid ") and len(text) < 256 else None
        if found:
            made.append(Statement(COMMENT, "process", ProcessFacts(pid=whole(found[2]) or None, name=said(found[1]))))
    return made
