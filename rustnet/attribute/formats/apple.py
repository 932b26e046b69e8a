"""Processes in Apple's captures: PKTAP headers (both versions), pcapng process blocks, libpcap's comment.

Each names up to two processes: the one that did the I/O, and the *effective* one on whose behalf it acted (a browser
whose downloads a system daemon performs). The effective process is the owner; the other is kept as a ``delegate``.
PKTAP version 1 is a fixed header of 156 bytes (108 suffice for the names); version 2 has 40 bytes of offsets and
numbers, followed by data. A pid of -1 or 0 is unknown; the kernel cuts command names to 16 bytes. Blocks 0x80000001 are
numbered from 0 within their section. All numbers of PKTAP are little-endian.
"""

import re
import struct
from collections.abc import Callable
from uuid import UUID

from rustnet.attribute.formats.statement import PATH, Statement, base_name, decimal, direction
from rustnet.attribute.observation import ProcessFacts
from rustnet.attribute.values import bounded_text

PKTAP = "pktap"
BLOCKS = "apple-pcapng"
COMMENT = "apple-comment"

LINKS = (149, 258)
"""Link types of PKTAP: 149 on Darwin, 258 in the registry."""

V1_LEAST, V1_FULL, V2_LEAST = 108, 156, 40
"""Header sizes: version 1 with names, version 1 with UUIDs, version 2 without data."""

_V2_FLAG = 0x08  # 0x80000 in the flags of version 2, as its third byte has it
_I32 = struct.Struct("<i")
_COMMENT = re.compile(r"pid (.{1,64})\.(\d{1,10}) svc \S+(?: pktflags .*| unsent .*)?", re.ASCII)


def both(
    source: str, process: ProcessFacts | None, effective: ProcessFacts | None, place: int
) -> tuple[Statement, ...]:
    """Statements about the two processes of a packet."""
    if effective is None or effective == process:
        return (Statement(source, "process", process, place),) if process else ()
    owner = Statement(source, "effective-process", effective, place)
    return (owner, Statement(source, "delegate", process, place)) if process else (owner,)


def facts(pid: int, name: str, uuid: bytes = b"") -> ProcessFacts | None:
    """One process of a header; ``None`` if it has neither pid nor name."""
    known_pid = pid if pid > 0 else None
    known_name = bounded_text(name)
    if known_pid is None and known_name is None:
        return None
    build = str(UUID(bytes=uuid)) if len(uuid) == 16 and any(uuid) else None
    return ProcessFacts(pid=known_pid, name=known_name, exe_uuid=build)


def _text(raw: bytes) -> str:
    """Text up to the first NUL."""
    return raw.split(b"\0", 1)[0].decode("utf-8", "replace")


def is_v2(header: bytes) -> bool:
    """Whether a PKTAP header has version 2: by its flag, and by a length in the first byte that only version 2 has."""
    return len(header) >= V2_LEAST and header[0] >= V2_LEAST and header[1] <= header[0] and bool(header[38] & _V2_FLAG)


def pktap_v1(header: bytes) -> tuple[Statement, ...]:
    """Statements of a version 1 header; without UUIDs if it is shorter than `V1_FULL`."""
    if len(header) < V1_LEAST:
        return ()
    has_uuids = len(header) >= V1_FULL
    process = facts(_I32.unpack_from(header, 52)[0], _text(header[56:73]), header[124:140] if has_uuids else b"")
    effective = facts(_I32.unpack_from(header, 84)[0], _text(header[88:105]), header[140:156] if has_uuids else b"")
    return both(PKTAP, process, effective, direction(header[36]))


def pktap_v2(header: bytes) -> tuple[Statement, ...]:
    """Statements of a version 2 header; fields beyond its length are empty."""
    size = header[0]

    def at(offset: int, length: int) -> bytes:
        return header[offset : min(offset + length, size)] if V2_LEAST <= offset < size else b""

    _, uuid, e_uuid, _, comm, e_comm = header[:6]
    process = facts(_I32.unpack_from(header, 28)[0], _text(at(comm, 64)), at(uuid, 16))
    effective = facts(_I32.unpack_from(header, 32)[0], _text(at(e_comm, 64)), at(e_uuid, 16))
    return both(PKTAP, process, effective, direction(header[36]))


def v1_core(header: bytes) -> bytes:
    """A version 1 header with all fields zeroed but those of processes, so that few distinct ones remain."""
    return bytes(36) + header[36:37] + bytes(15) + header[52:76] + bytes(8) + header[84:108] + bytes(16) + header[124:]


def v2_core(header: bytes) -> bytes:
    """A version 2 header with all fields zeroed but those of processes."""
    return header[:6] + bytes(22) + header[28:37] + bytes((0, header[38] & _V2_FLAG, 0)) + header[40:]


def block_process(row: tuple[int, int, str, str], uuid: str | None) -> ProcessFacts | None:
    """Process of a block 0x80000001: (section, pid, name, path), and its UUID if present."""
    _, pid, name, path = row
    if pid in (0, 0xFFFFFFFF) and not name:
        return None
    exe = bounded_text(path, PATH)
    return ProcessFacts(
        pid=pid if 0 < pid < 0xFFFFFFFF else None, name=bounded_text(name) or base_name(exe), exe=exe, exe_uuid=uuid
    )


def block_statements(
    lookup: Callable[[int], ProcessFacts | None], process: int, effective: int, flags: int
) -> tuple[Statement, ...]:
    """Statements of a packet's options 0x8001 and 0x8003; ``lookup`` resolves their block numbers (-1: no option)."""
    return both(
        BLOCKS,
        lookup(process) if process >= 0 else None,
        lookup(effective) if effective >= 0 else None,
        direction(flags),
    )


def apple_comments(comments: list[str]) -> list[Statement]:
    """Statements of libpcap's comment for captures with extended headers: ``pid NAME.PID svc X``."""
    statements = []
    for text in comments:
        match = _COMMENT.fullmatch(text) if text.startswith("pid ") and len(text) < 256 else None
        if match:
            facts_ = ProcessFacts(pid=decimal(match[2]) or None, name=bounded_text(match[1]))
            statements.append(Statement(COMMENT, "process", facts_))
    return statements
