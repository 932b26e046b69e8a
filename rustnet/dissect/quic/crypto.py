"""Protection of QUIC's Initial packets (RFC 9001, 5; RFC 9369 for version 2), whose keys anyone can compute.

The keys are derived from the Destination Connection ID of the client's first Initial packet and a salt that each
version publishes. For unknown versions every salt is tried: the authentication tag shows which one is right.
"""

from collections.abc import Callable
from functools import cache
from hmac import digest
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

VERSION_1, VERSION_2 = 0x00000001, 0x6B3343CF
Q050, T050, T051 = 0x51303530, 0x54303530, 0x54303531

_SALT_22 = bytes.fromhex("7fbcdb0e7c66bbe9193a96cd21519ebd7a02644a")
_SALT_23 = bytes.fromhex("c3eef712c72ebb5a11a7d2432bb46365bef9f502")
_SALT_29 = bytes.fromhex("afbfec289993d24c9e9786f19c6111e04390a899")
_SALT_1 = bytes.fromhex("38762cf7f55934b34d179ae6a4c80cadccbb7f0a")
_SALT_2_DRAFT = bytes.fromhex("a707c203a59b47184a1d62ca570406ea7ae3e5d3")
_SALT_2 = bytes.fromhex("0dede3def700a6db819381be6e269dcbf9bd2ed9")
_SALT_Q050 = bytes.fromhex("504574efd066fe2f9d945cfcdbd3a7f0d3b56b45")
_SALT_T050 = bytes.fromhex("7ff579e5acd072915580304c43a2367c60488310")
_SALT_T051 = bytes.fromhex("7a4edef4e7ccee5fa4506c19124fc8ccda6e033d")

_SALTS = {
    VERSION_1: _SALT_1,
    VERSION_2: _SALT_2,
    0x709A50C4: _SALT_2_DRAFT,
    0xFF020000: _SALT_2_DRAFT,
    Q050: _SALT_Q050,
    T050: _SALT_T050,
    T051: _SALT_T051,
    0xFACEB001: _SALT_22,
    0xFACEB002: _SALT_23,
    0xFACEB00E: _SALT_23,
    **dict.fromkeys(range(0xFF000015, 0xFF000017), _SALT_22),
    **dict.fromkeys(range(0xFF000017, 0xFF00001D), _SALT_23),
    **dict.fromkeys(range(0xFF00001D, 0xFF000021), _SALT_29),
    **dict.fromkeys(range(0xFF000021, 0xFF000023), _SALT_1),
}
_ALL_SALTS = (_SALT_1, _SALT_29, _SALT_23, _SALT_22)
"""Those that versions without a salt of their own (experiments, reserved numbers) are likely to use."""
_LABELS_2 = frozenset({VERSION_2, 0x709A50C4, 0xFF020000})

KNOWN_VERSIONS = frozenset(_SALTS)
"""Versions whose Initial packets can be decrypted."""


def _label(name: str, size: int) -> bytes:
    """HkdfLabel of TLS 1.3, and the counter of HKDF-Expand's only block."""
    text = b"tls13 " + name.encode()
    return size.to_bytes(2, "big") + bytes((len(text),)) + text + b"\0\x01"


_CLIENT, _SERVER = _label("client in", 32), _label("server in", 32)
_KEY, _IV, _HP = _label("quic key", 16), _label("quic iv", 12), _label("quic hp", 16)
_KEY_2, _IV_2, _HP_2 = _label("quicv2 key", 16), _label("quicv2 iv", 12), _label("quicv2 hp", 16)


@cache
def load_ciphers() -> "tuple[type[AESGCM], Callable[[bytes], Callable[[bytes], bytes]], type[Exception]]":
    """AES-GCM; a function that encrypts single AES blocks; the exception of AES-GCM for a wrong tag."""
    # Imported for the first QUIC flow: most small captures have none.
    from cryptography.exceptions import InvalidTag  # noqa: PLC0415
    from cryptography.hazmat.primitives.ciphers import Cipher  # noqa: PLC0415
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415
    from cryptography.hazmat.primitives.ciphers.algorithms import AES  # noqa: PLC0415
    from cryptography.hazmat.primitives.ciphers.modes import ECB  # noqa: PLC0415

    def blocks(key: bytes) -> Callable[[bytes], bytes]:
        return Cipher(AES(key), ECB()).encryptor().update  # noqa: S305

    return AESGCM, blocks, InvalidTag


class Keys:
    """Keys of one side's Initial packets."""

    __slots__ = ("aead", "iv", "largest", "mask", "unfit")

    def __init__(self, secret: bytes, second: bool) -> None:
        key, iv, hp = (_KEY_2, _IV_2, _HP_2) if second else (_KEY, _IV, _HP)
        aead, blocks, self.unfit = load_ciphers()
        self.aead = aead(digest(secret, key, "sha256")[:16])
        self.iv = int.from_bytes(digest(secret, iv, "sha256")[:12], "big")
        # Header protection is single AES blocks by definition (RFC 9001, 5.4.3).
        self.mask = blocks(digest(secret, hp, "sha256")[:16])
        self.largest = -1
        """Largest packet number that was read."""

    def open(self, data: bytes, start: int, number_at: int, end: int) -> bytes | None:
        """Decrypt ``data[start:end]``, whose packet number is at ``number_at``; None if the keys are wrong."""
        if end - number_at < 20:
            return None
        mask = self.mask(data[number_at + 4 : number_at + 20])
        first = data[start] ^ mask[0] & 0x0F
        size = 1 + (first & 3)
        after = number_at + size
        truncated = int.from_bytes(data[number_at:after], "big") ^ int.from_bytes(mask[1 : 1 + size], "big")
        header = bytes((first,)) + data[start + 1 : number_at] + truncated.to_bytes(size, "big")
        number = self._number(truncated, size * 8)
        nonce = (self.iv ^ number).to_bytes(12, "big")
        try:
            plain = self.aead.decrypt(nonce, data[after:end], header)
        except self.unfit:
            return None
        self.largest = max(self.largest, number)
        return plain

    def _number(self, truncated: int, bits: int) -> int:
        """Full packet number of a truncated one (RFC 9000, A.3)."""
        expected = self.largest + 1
        window = 1 << bits
        half = window >> 1
        candidate = (expected & ~(window - 1)) | truncated
        if candidate <= expected - half and candidate < (1 << 62) - window:
            return candidate + window
        if candidate > expected + half and candidate >= window:
            return candidate - window
        return candidate


class Secrets:
    """Initial secrets of one connection; each side's keys are derived on first use."""

    __slots__ = ("_client", "_initial", "_second", "_server", "dcid", "version")

    def __init__(self, version: int, dcid: bytes, salt: bytes) -> None:
        self.version = version
        self.dcid = dcid
        self._initial = digest(salt, dcid, "sha256")
        self._second = version in _LABELS_2
        self._client: Keys | None = None
        self._server: Keys | None = None

    @property
    def client(self) -> Keys:
        """The client's keys."""
        if self._client is None:
            self._client = Keys(digest(self._initial, _CLIENT, "sha256"), self._second)
        return self._client

    @property
    def server(self) -> Keys:
        """The server's keys."""
        if self._server is None:
            self._server = Keys(digest(self._initial, _SERVER, "sha256"), self._second)
        return self._server


def secrets(version: int, dcid: bytes) -> list[Secrets]:
    """Candidate secrets for packets of ``version`` and the client's first ``dcid``; one if the version is known."""
    salt = _SALTS.get(version)
    if salt is not None:
        return [Secrets(version, dcid, salt)]
    return [Secrets(version, dcid, each) for each in _ALL_SALTS]
