"""Netlink messages and their attributes, packed and unpacked (linux/netlink.h)."""

from __future__ import annotations

import struct

NLMSG_ERROR, NLMSG_DONE = 2, 3
NLM_REQUEST, NLM_REQUEST_DUMP = 1, 0x301
HEADER_SIZE = 16
NESTED = 0x8000


def message(kind: int, flags: int, body: bytes) -> bytes:
    """One netlink message."""
    return struct.pack("=IHHII", HEADER_SIZE + len(body), kind, flags, 1, 0) + body


def attribute(kind: int, value: bytes) -> bytes:
    """One attribute, padded to four bytes."""
    return struct.pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)


def nested(kind: int, value: bytes) -> bytes:
    """One attribute that holds others."""
    return attribute(kind | NESTED, value)


def attributes(raw: bytes) -> dict[int, bytes]:
    """Attributes by kind, up to the first that is malformed."""
    values: dict[int, bytes] = {}
    at = 0
    while at + 4 <= len(raw):
        length, kind = struct.unpack_from("=HH", raw, at)
        if length < 4:
            break
        values[kind & ~NESTED] = raw[at + 4 : at + length]
        at += length + 3 & ~3
    return values
