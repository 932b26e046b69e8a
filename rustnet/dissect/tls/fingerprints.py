"""Fingerprints of TLS hellos: JA3 and JA3S (Salesforce), JA4 for TLS clients (FoxIO, the BSD-licensed part of JA4+).

Fingerprints are cached by the fields that they are computed from, unless these are large.
"""

import struct
from functools import lru_cache
from hashlib import md5, sha256

import cython

from rustnet.dissect.tls.handshake import GREASE

if not cython.compiled:  # compiled, these come from the .pxd as C types and numbers
    from rustnet.dissect.tls.handshake import (
        ALPN,
        GROUPS,
        POINT_FORMATS,
        SIGNATURES,
        SNI,
        ClientHello,
        ServerHello,
    )

MAX_TYPES, MAX_BYTES = 64, 1024
"""Maximum number of extensions, and size of the other lists, of hellos whose fingerprints are cached."""

_NOT_HASHED = GREASE | {SNI, ALPN}
_NOTHING = "000000000000"
_JA4_VERSIONS = {
    0x0304: "13", 0x0303: "12", 0x0302: "11", 0x0301: "10", 0x0300: "s3", 0x0002: "s2",
    0xFEFF: "d1", 0xFEFD: "d2", 0xFEFC: "d3",
}  # fmt: skip


def _numbers(raw: bytes) -> list[int]:
    """Two-byte numbers of a list without GREASE."""
    return [n for n in struct.unpack(f">{len(raw) // 2}H", raw[: len(raw) & ~1]) if n not in GREASE]


def _decimal(raw: bytes) -> str:
    return "-".join(map(str, _numbers(raw)))


def _hex(numbers: list[int]) -> str:
    """Four hexadecimal digits each, separated by commas."""
    return struct.pack(f">{len(numbers)}H", *numbers).hex(",", 2)


def _short(text: str) -> str:
    return sha256(text.encode("ascii")).hexdigest()[:12]


@lru_cache(maxsize=1024)
def _ja4_alpn(first: str) -> str:
    """First and last character of the first protocol, or of its hexadecimal form if either is not alphanumeric."""
    a, z = first[:1], first[len(first) - 1 :]
    if a.isascii() and a.isalnum() and z.isascii() and z.isalnum():
        return a + z
    digits = first.encode("latin-1").hex()
    return digits[:1] + digits[len(digits) - 1 :]


def _is_grease(protocol: str) -> bool:
    return len(protocol) == 2 and ord(protocol[0]) == ord(protocol[1]) and ord(protocol[0]) & 15 == 10


def ja3(hello: ClientHello) -> str:
    """MD5 of version, ciphers, extensions, groups and point formats, in the client's order, without GREASE."""
    types = tuple(hello.types)
    groups = hello.list16(GROUPS)
    formats = hello.extensions.get(POINT_FORMATS, b"")
    small = len(types) <= MAX_TYPES and len(hello.ciphers) + len(groups) + len(formats) <= MAX_BYTES
    make = _ja3 if small else _ja3.__wrapped__
    return make(hello.legacy_version, hello.ciphers, types, groups, formats)


@lru_cache(maxsize=4096)
def _ja3(version: int, ciphers: bytes, types: tuple[int, ...], groups: bytes, formats: bytes) -> str:
    extensions = "-".join([str(t) for t in types if t not in GREASE])
    points = "-".join(map(str, formats[1 : 1 + formats[0]])) if formats else ""
    text = f"{version},{_decimal(ciphers)},{extensions},{_decimal(groups)},{points}"
    return md5(text.encode("ascii"), usedforsecurity=False).hexdigest()


@lru_cache(maxsize=2048)
def _ja3s(version: int, cipher: int, types: tuple[int, ...]) -> str:
    text = f"{version},{cipher},{'-'.join([str(t) for t in types if t not in GREASE])}"
    return md5(text.encode("ascii"), usedforsecurity=False).hexdigest()


def ja3s(hello: ServerHello) -> str:
    """MD5 of version, cipher and extensions of a ServerHello."""
    types = tuple(hello.types)
    make = _ja3s if len(types) <= MAX_TYPES else _ja3s.__wrapped__
    return make(hello.legacy_version, hello.cipher, types)


def ja4(hello: ClientHello, transport: str = "t") -> str:
    """JA4 of a hello; ``transport`` is ``t`` for TCP, ``q`` for QUIC, ``d`` for DTLS."""
    version = max(hello.versions) if hello.versions else hello.legacy_version
    protocol = "00"
    for offered in hello.alpn:
        if not _is_grease(offered):
            protocol = _ja4_alpn(offered) if offered else "00"
            break
    types = tuple(hello.types)
    signatures = hello.list16(SIGNATURES)
    small = len(types) <= MAX_TYPES and len(hello.ciphers) + len(signatures) <= MAX_BYTES
    make = _ja4 if small else _ja4.__wrapped__
    return make(transport, version, hello.ciphers, types, protocol, signatures)


@lru_cache(maxsize=4096)
def _ja4(transport: str, version: int, ciphers: bytes, types: tuple[int, ...], protocol: str, signatures: bytes) -> str:
    numbers = sorted(_numbers(ciphers))
    cipher_hash = _short(_hex(numbers)) if numbers else _NOTHING
    hashed = sorted([t for t in types if t not in _NOT_HASHED])
    count = len(hashed) + types.count(SNI) + types.count(ALPN)
    extension_hash = _NOTHING
    if hashed:
        listed = _hex(_numbers(signatures))
        extension_hash = _short(f"{_hex(hashed)}_{listed}" if listed else _hex(hashed))
    name = "d" if SNI in types else "i"
    counts = f"{min(len(numbers), 99):02d}{min(count, 99):02d}"
    return f"{transport}{_JA4_VERSIONS.get(version, '00')}{name}{counts}{protocol}_{cipher_hash}_{extension_hash}"
