"""Writes comments with the owners of flows into the room that recorded packets have for them (`Packer`).

Nothing else of the file changes: neither its size nor the place of any packet. What is written is checked before: a
block that has no room, or is not the expected one, stays as it is.
"""

import os
import struct
import typing
from collections.abc import Iterable

import numpy as np

from rustnet.export.packing import FILLER
from rustnet.query.comments import comments_of_flows

if typing.TYPE_CHECKING:
    from rustnet.query.session import Session

ENHANCED, COMMENT, END = 6, 1, 0
BLOCK, OPTION = 28, 4
"""Bytes of a block in front of its packet, and of an option in front of its value."""
MOST_OPTIONS = 4096
"""Bytes of a packet's options that are looked at."""

_FLOWS = """
SELECT flow_id FROM packets WHERE capture_id = $capture AND file = $file AND file_offset > 0 AND flow_id IS NOT NULL"""
_FIRST = f"""
SELECT flow_id, arg_min(file_offset, number) AS place, arg_min(captured, number)::BIGINT AS captured
FROM packets WHERE flow_id IN ({_FLOWS}) AND capture_id = $capture AND file = $file AND file_offset > 0
GROUP BY flow_id ORDER BY flow_id"""  # noqa: S608 -- constants of this module


def write_owners(
    session: "Session", capture_id: int, file: int, path: str, identity: tuple[int, int]
) -> tuple[int, int]:
    """Write the owners of flows into the file that packets were recorded to, if it is this one (device, inode).

    Returns how many flows have their comment, and how many with an owner have none. Raises OSError.
    """
    given: dict[str, object] = {"capture": capture_id, "file": file}
    flows, texts = comments_of_flows(session, _FLOWS, given)
    if not len(flows):
        return 0, 0
    first = session.arrays(_FIRST, given)
    at = np.minimum(np.searchsorted(flows, first["flow_id"]), len(flows) - 1)
    owned = flows[at] == first["flow_id"]
    columns = (first["place"][owned].tolist(), first["captured"][owned].tolist(), at[owned].tolist())
    wanted = sorted((place, captured, texts[index]) for place, captured, index in zip(*columns, strict=True))
    descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        status = os.fstat(descriptor)
        if (status.st_dev, status.st_ino) != identity:
            return 0, len(wanted)
        written = sum(fill(descriptor, *each) for each in wanted)
    finally:
        os.close(descriptor)
    return written, len(wanted) - written


def fill(descriptor: int, place: int, captured: int, text: str) -> bool:
    """Write a comment into the room of the packet whose bytes begin at ``place``; returns whether it is there."""
    head = os.pread(descriptor, BLOCK, place - BLOCK) if place >= BLOCK else b""
    if len(head) < BLOCK:
        return False
    kind, total, _number, _high, _low, stated, _length = struct.unpack("<7I", head)
    begin = place + ((captured + 3) & ~3)
    size = place - BLOCK + total - 4 - begin
    if kind != ENHANCED or stated != captured or not 0 < size <= MOST_OPTIONS:
        return False
    options = os.pread(descriptor, size, begin)
    at = 0
    while at + OPTION <= len(options):
        code, length = struct.unpack_from("<HH", options, at)
        if code == END:
            return False
        if code == COMMENT and options[at + OPTION :].startswith(b"rustnet "):
            return True  # it was written before
        if code == FILLER and at + OPTION + length <= len(options):
            os.pwrite(descriptor, _filled(text, length), begin + at)
            return True
        at += OPTION + ((length + 3) & ~3)
    return False


def _filled(text: str, room: int) -> bytes:
    """A comment, and a filler behind it, instead of a filler with ``room`` bytes."""
    value = _fitting(text.split(" "), room).encode()
    padded = value + bytes(-len(value) % 4)
    rest = room - len(padded)
    filler = struct.pack("<HH", FILLER, rest - OPTION) + bytes(rest - OPTION) if rest else b""
    return struct.pack("<HH", COMMENT, len(value)) + padded + filler


def _fitting(fields: Iterable[str], room: int) -> str:
    """The fields of a comment that fit, in their order; a long one is left out."""
    kept: list[str] = []
    size = -1
    for field in fields:
        more = 1 + len(field.encode())
        if size + more <= room:
            kept.append(field)
            size += more
    return " ".join(kept)
