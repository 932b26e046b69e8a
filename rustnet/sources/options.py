"""Parse the options of pcapng blocks; slower than the walk, so only for blocks and packets that have options."""

import socket
import struct
from collections.abc import Iterator

END, COMMENT = 0, 1
_MAX_OPTIONS = 4096
"""Maximum number of options of one block; more count as damage."""


class OptionError(ValueError):
    """Options extend beyond their block, or are too many."""


def options(data: memoryview, big: bool) -> Iterator[tuple[int, bytes]]:
    """Yield code and value of every option in ``data``, up to its end or the end-of-options marker.

    Raises `OptionError` if the rest cannot be parsed.
    """
    shape = struct.Struct(">HH" if big else "<HH")
    at = seen = 0
    while len(data) - at >= 4:
        code, size = shape.unpack_from(data, at)
        at += 4
        if code == END:
            return
        if size > len(data) - at:
            raise OptionError(f"option {code} has length {size}, but {len(data) - at} bytes are left")
        seen += 1
        if seen > _MAX_OPTIONS:
            raise OptionError(f"more than {_MAX_OPTIONS} options")
        yield code, bytes(data[at : at + size])
        at += (size + 3) & ~3


def number(value: bytes, big: bool) -> int:
    """Unsigned integer in the section's byte order."""
    return int.from_bytes(value, "big" if big else "little")


def counter(value: bytes, big: bool) -> int | None:
    """64-bit counter of a statistics block; ``None`` for another size or all ones (unknown)."""
    if len(value) != 8 or value == b"\xff" * 8:
        return None
    return number(value, big)


def name_records(data: memoryview, big: bool) -> Iterator[tuple[str, str]]:
    """Yield (address, name) of a name resolution block's records; stops at the first truncated one."""
    shape = struct.Struct(">HH" if big else "<HH")
    at = 0
    while len(data) - at >= 4:
        kind, size = shape.unpack_from(data, at)
        at += 4
        if kind == END or size > len(data) - at:
            return
        value = bytes(data[at : at + size])
        at += (size + 3) & ~3
        width = {1: 4, 2: 16}.get(kind, 0)
        if not width or size <= width:
            continue
        family = socket.AF_INET if width == 4 else socket.AF_INET6
        address = socket.inet_ntop(family, value[:width])
        for name in value[width:].split(b"\0"):
            if name:
                yield address, name[:256].decode("utf-8", "replace")
