"""Fingerprints of TLS hellos: JA3 and JA3S (Salesforce), JA4 for TLS clients (FoxIO, the BSD-licensed part of JA4+).

Pieces that many hellos share (cipher lists, signature lists, whole ServerHellos) are computed once and cached.
"""

import struct
from functools import lru_cache
from hashlib import md5, sha256

from rustnet.dissect.tls_handshake import (
    ALPN,
    GREASE,
    GROUPS,
    POINT_FORMATS,
    SIGNATURES,
    SNI,
    ClientHello,
    ServerHello,
)

_NOT_HASHED = GREASE | {SNI, ALPN}
_NOTHING = "000000000000"
_JA4_VERSIONS = {
    0x0304: "13", 0x0303: "12", 0x0302: "11", 0x0301: "10", 0x0300: "s3", 0x0002: "s2",
    0xFEFF: "d1", 0xFEFD: "d2", 0xFEFC: "d3",
}  # fmt: skip


def _numbers(raw: bytes) -> list[int]:
    """Two-byte numbers of a list, without GREASE."""
    return [n for n in struct.unpack(f">{len(raw) // 2}H", raw[: len(raw) & ~1]) if n not in GREASE]


@lru_cache(maxsize=1024)
def _decimal(raw: bytes) -> str:
    return "-".join(map(str, _numbers(raw)))


def _hex(numbers: list[int]) -> str:
    """Four hexadecimal digits each, with commas."""
    return struct.pack(f">{len(numbers)}H", *numbers).hex(",", 2)


def _short(text: str) -> str:
    return sha256(text.encode("ascii")).hexdigest()[:12]


@lru_cache(maxsize=1024)
def _ja4_ciphers(raw: bytes) -> tuple[str, str]:
    numbers = sorted(_numbers(raw))
    return f"{min(len(numbers), 99):02d}", _short(_hex(numbers)) if numbers else _NOTHING


@lru_cache(maxsize=1024)
def _ja4_signatures(raw: bytes) -> str:
    return _hex(_numbers(raw))


@lru_cache(maxsize=1024)
def _ja4_alpn(first: str) -> str:
    """First and last character of the first protocol, or of its hexadecimal form where one is not alphanumeric."""
    a, z = first[:1], first[len(first) - 1 :]
    if a.isascii() and a.isalnum() and z.isascii() and z.isalnum():
        return a + z
    digits = first.encode("latin-1").hex()
    return digits[:1] + digits[len(digits) - 1 :]


def _is_grease(protocol: str) -> bool:
    return len(protocol) == 2 and ord(protocol[0]) == ord(protocol[1]) and ord(protocol[0]) & 15 == 10


def ja3(hello: ClientHello) -> str:
    """MD5 of version, ciphers, extensions, groups and point formats, in the client's order, without GREASE."""
    extensions = "-".join([str(t) for t in hello.types if t not in GREASE])
    formats = hello.extensions.get(POINT_FORMATS, b"")
    points = "-".join(map(str, formats[1 : 1 + formats[0]])) if formats else ""
    text = f"{hello.legacy_version},{_decimal(hello.ciphers)},{extensions},{_decimal(hello.list16(GROUPS))},{points}"
    return md5(text.encode("ascii"), usedforsecurity=False).hexdigest()


@lru_cache(maxsize=2048)
def _ja3s(version: int, cipher: int, types: tuple[int, ...]) -> str:
    text = f"{version},{cipher},{'-'.join([str(t) for t in types if t not in GREASE])}"
    return md5(text.encode("ascii"), usedforsecurity=False).hexdigest()


def ja3s(hello: ServerHello) -> str:
    """MD5 of version, cipher and extensions of a ServerHello."""
    return _ja3s(hello.legacy_version, hello.cipher, tuple(hello.types))


def ja4(hello: ClientHello, transport: str = "t") -> str:
    """JA4 of a hello; ``transport`` is ``t`` for TCP, ``q`` for QUIC, ``d`` for DTLS."""
    version = max(hello.versions) if hello.versions else hello.legacy_version
    hashed = sorted([t for t in hello.types if t not in _NOT_HASHED])
    types = hello.types
    count = len(hashed) + types.count(SNI) + types.count(ALPN)
    ciphers, cipher_hash = _ja4_ciphers(hello.ciphers)
    protocol = "00"
    for offered in hello.alpn:
        if not _is_grease(offered):
            protocol = _ja4_alpn(offered) if offered else "00"
            break
    if hashed:
        signatures = _ja4_signatures(hello.list16(SIGNATURES))
        text = _hex(hashed)
        extension_hash = _short(f"{text}_{signatures}" if signatures else text)
    else:
        extension_hash = _NOTHING
    name = "d" if SNI in hello.extensions else "i"
    code = _JA4_VERSIONS.get(version, "00")
    return f"{transport}{code}{name}{ciphers}{min(count, 99):02d}{protocol}_{cipher_hash}_{extension_hash}"
