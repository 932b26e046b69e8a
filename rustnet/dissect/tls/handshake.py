"""TLS handshake messages (RFC 8446 and its drafts, 5246, 6066, 7301), carried by TLS records, DTLS or QUIC.

The functions take a message body without its type and length, and raise `DissectError` if it is malformed.
"""

import struct
from functools import lru_cache

from rustnet.dissect.framework.conversation import DissectError

HELLO_RETRY = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")
"""Random of a ServerHello that is a HelloRetryRequest (RFC 8446, 4.1.3)."""
GREASE = frozenset(0x0A0A + 0x1010 * i for i in range(16))
"""Reserved values that clients insert at random (RFC 8701)."""

SNI, GROUPS, POINT_FORMATS, SIGNATURES, ALPN = 0, 10, 11, 13, 16
PRE_SHARED_KEY, EARLY_DATA, VERSIONS, KEY_SHARE = 41, 42, 43, 51
ENCRYPTED_SNI, ENCRYPTED_HELLO = 0xFFCE, 0xFE0D
OLD_KEY_SHARE = 40
"""Type of `KEY_SHARE` up to draft 22."""
LAST_SHORT = 0x7F15
"""Draft 21 of TLS 1.3, the last one whose ServerHello has its version, no session id and no compression method."""

MAX_EXTENSIONS = 512


class ClientHello:
    """A ClientHello; lists are as sent, including GREASE, unless stated otherwise."""

    __slots__ = ("alpn", "ciphers", "extensions", "legacy_version", "random", "session_id", "sni", "types", "versions")

    def __init__(self, legacy_version: int, random: bytes, session_id: bytes, ciphers: bytes) -> None:
        self.legacy_version = legacy_version
        self.random = random
        self.session_id = session_id
        self.ciphers = ciphers
        """Cipher suites as sent, two bytes each."""
        self.types: list[int] = []
        """Extension types in the order sent."""
        self.extensions: dict[int, bytes] = {}
        """Extension bodies by type; of repeated ones the first."""
        self.sni: str | None = None
        self.alpn: tuple[str, ...] = ()
        self.versions: tuple[int, ...] = ()
        """Supported versions without GREASE, in the client's order; empty without the extension."""

    @property
    def encrypted(self) -> bool:
        """It contains an encrypted ClientHello or GREASE for one, which look the same."""
        return ENCRYPTED_HELLO in self.extensions

    def list16(self, extension: int) -> bytes:
        """Items of an extension that is one list with a two-byte length; empty if absent or malformed."""
        body = self.extensions.get(extension)
        if body is None or len(body) < 2:
            return b""
        return body[2 : 2 + ((body[0] << 8 | body[1]) & ~1)]


class ServerHello:
    """A ServerHello or HelloRetryRequest."""

    __slots__ = ("alpn", "cipher", "extensions", "group", "legacy_version", "retry", "session_id", "types", "version")

    def __init__(self, legacy_version: int, session_id: bytes, cipher: int, retry: bool) -> None:
        self.legacy_version = legacy_version
        self.session_id = session_id
        self.cipher = cipher
        self.retry = retry
        """It is a HelloRetryRequest."""
        self.types: list[int] = []
        self.extensions: dict[int, bytes] = {}
        self.version = legacy_version
        """Version chosen: that of the extension, if there is one."""
        self.alpn: str | None = None
        self.group: int | None = None
        """Group of the key share (TLS 1.3)."""


def _extensions(body: bytes, pos: int, types: list[int], extensions: dict[int, bytes]) -> None:
    """Read the extension block at ``pos``, which must not exceed the message."""
    size = len(body)
    if size - pos < 2:
        return  # a hello before TLS 1.2 may end without extensions
    end = pos + 2 + (body[pos] << 8 | body[pos + 1])
    pos += 2
    if end > size:
        raise DissectError("extensions exceed their hello")
    while pos + 4 <= end:
        kind = body[pos] << 8 | body[pos + 1]
        length = body[pos + 2] << 8 | body[pos + 3]
        pos += 4
        if pos + length > end:
            raise DissectError("extension exceeds its hello")
        types.append(kind)
        if kind not in extensions:
            extensions[kind] = body[pos : pos + length]
        pos += length
    if len(types) > MAX_EXTENSIONS:
        raise DissectError("more than {limit} extensions in a hello", limit=MAX_EXTENSIONS)


def parse_client_hello(body: bytes, datagram: bool = False) -> ClientHello:
    """Read a ClientHello; ``datagram`` expects DTLS's cookie."""
    size = len(body)
    if size < 38:
        raise DissectError("truncated ClientHello")
    pos = 35 + body[34]
    session_id = body[35:pos]
    if datagram and pos < size:
        pos += 1 + body[pos]
    if pos + 2 > size:
        raise DissectError("truncated ClientHello")
    length = body[pos] << 8 | body[pos + 1]
    pos += 2
    after = pos + length
    if after >= size or length & 1:
        raise DissectError("cipher suites exceed their ClientHello")
    hello = ClientHello(body[0] << 8 | body[1], body[2:34], session_id, body[pos:after])
    extensions = hello.extensions
    _extensions(body, after + 1 + body[after], hello.types, extensions)
    if SNI in extensions:
        hello.sni = _server_name(extensions[SNI])
    if ALPN in extensions:
        hello.alpn = protocols(extensions[ALPN])
    if VERSIONS in extensions:
        hello.versions = _versions(extensions[VERSIONS])
    return hello


def parse_server_hello(body: bytes) -> ServerHello:
    """Read a ServerHello or HelloRetryRequest."""
    size = len(body)
    if size < 38:
        raise DissectError("truncated ServerHello")
    version = body[0] << 8 | body[1]
    short = 0x7F00 <= version <= LAST_SHORT
    pos = 34 if short else 35 + body[34]
    if pos + 3 > size:
        raise DissectError("truncated ServerHello")
    cipher = body[pos] << 8 | body[pos + 1]
    hello = ServerHello(version, b"" if short else body[35:pos], cipher, body[2:34] == HELLO_RETRY)
    extensions = hello.extensions
    _extensions(body, pos + 2 if short else pos + 3, hello.types, extensions)
    chosen = extensions.get(VERSIONS)
    if chosen is not None and len(chosen) == 2:
        hello.version = chosen[0] << 8 | chosen[1]
    if ALPN in extensions:
        offered = protocols(extensions[ALPN])
        hello.alpn = offered[0] if offered else None
    share = extensions.get(KEY_SHARE)
    if share is None and version >> 8 == 0x7F:
        share = extensions.get(OLD_KEY_SHARE)
    if share is not None and len(share) >= 2:
        hello.group = share[0] << 8 | share[1]
    return hello


@lru_cache(maxsize=512)
def _short_protocols(body: bytes) -> tuple[str, ...]:
    end = min(len(body), 2 + (body[0] << 8 | body[1])) if len(body) >= 2 else 0
    pos = 2
    items: list[str] = []
    while pos < end and len(items) < 64:
        after = pos + 1 + body[pos]
        # Latin-1 keeps one character per byte, as the fingerprint needs the bytes again.
        items.append(body[pos + 1 : min(after, end)].decode("latin-1"))
        pos = after
    return tuple(items)


def protocols(body: bytes) -> tuple[str, ...]:
    """Protocols of an ALPN extension, one character per byte, at most 64 of them."""
    return _short_protocols(body[:512])


@lru_cache(maxsize=512)
def _versions(body: bytes) -> tuple[int, ...]:
    count = body[0] // 2 if body else 0
    count = min(count, (len(body) - 1) // 2) if body else 0
    return tuple(v for v in struct.unpack_from(f">{count}H", body, 1) if v not in GREASE)


def without_dot(name: bytes) -> bytes:
    """A server name without the dot at its end, which it must not have (RFC 6066, 3)."""
    return name[:-1] if len(name) > 1 and name.endswith(b".") else name


def _server_name(body: bytes) -> str | None:
    """First host name of a server_name extension (RFC 6066); None if it is empty, as in a ServerHello."""
    if len(body) < 5 or body[2]:
        return None
    raw = without_dot(body[5 : 5 + (body[3] << 8 | body[4])])
    try:
        return raw.decode("utf-8") or None
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def certificates(body: bytes, most: int = 255) -> list[bytes]:
    """DER certificates of a Certificate message up to TLS 1.2, the leaf first."""
    if len(body) < 3:
        raise DissectError("truncated Certificate message")
    end = 3 + int.from_bytes(body[:3], "big")
    if end > len(body):
        raise DissectError("certificate chain exceeds its message")
    pos = 3
    items: list[bytes] = []
    while pos + 3 <= end and len(items) < most:
        after = pos + 3 + int.from_bytes(body[pos : pos + 3], "big")
        if after > end:
            raise DissectError("certificate exceeds its chain")
        items.append(body[pos + 3 : after])
        pos = after
    return items
