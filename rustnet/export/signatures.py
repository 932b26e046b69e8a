"""Signatures of files in the format of OpenSSH, so that ``ssh-keygen -Y verify`` checks them as well.

The format is described in OpenSSH's PROTOCOL.sshsig. Keys are Ed25519, in OpenSSH's own format without a passphrase.
"""

import base64
import binascii
import hashlib
import re
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from rustnet.errors import RustnetError, UsageError
from rustnet.private_files import create_private, read_private

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

NAMESPACE = b"rustnet-manifest"
"""What the signatures are for: one made for something else is not valid here."""
MAX_KEY, MAX_SIGNATURE = 16_384, 4096
"""Largest files that are read, in bytes."""
KIND = b"ssh-ed25519"
_MAGIC, _VERSION, _HASH = b"SSHSIG", 1, b"sha512"
_ARMOUR = re.compile(
    rb"\s*-----BEGIN SSH SIGNATURE-----\r?\n([A-Za-z0-9+/=\r\n]+)-----END SSH SIGNATURE-----\s*", re.ASCII
)
_LINE = 70


class SignatureError(RustnetError):
    """A signature that is damaged, of another kind, or not valid for the content."""


def _field(content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + content


def _signed(content: bytes) -> bytes:
    """What is signed: the hash of the content, and what the signature is for."""
    digest = hashlib.sha512(content).digest()
    return _MAGIC + _field(NAMESPACE) + _field(b"") + _field(_HASH) + _field(digest)


def fingerprint(public: bytes) -> str:
    """Fingerprint of a public key of 32 bytes, as ``ssh-keygen -l`` prints it."""
    digest = hashlib.sha256(_field(KIND) + _field(public)).digest()
    return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


def public_line(public: bytes) -> str:
    """A public key of 32 bytes as a line of a ``.pub`` file."""
    return f"{KIND.decode()} {base64.b64encode(_field(KIND) + _field(public)).decode()}"


def expected_signer(text: str) -> str:
    """Fingerprint of the key that a user names: a fingerprint, a public key, or a file with one."""
    if re.fullmatch(r"SHA256:[A-Za-z0-9+/]{43}", text, re.ASCII):
        return text
    line = text
    if not text.startswith(KIND.decode()):
        try:
            with Path(text).open("rb") as file:
                line = file.read(MAX_KEY).decode("utf-8", "replace")
        except OSError as error:
            raise UsageError(
                "{path}: no public key can be read there: {reason}", path=text, reason=error.strerror or error
            ) from None
    parts = line.split()
    prefix = _field(KIND) + struct.pack(">I", 32)
    try:
        blob = base64.b64decode(parts[1], validate=True) if parts[:1] == [KIND.decode()] and len(parts) > 1 else b""
    except binascii.Error:
        blob = b""
    if not blob.startswith(prefix) or len(blob) != len(prefix) + 32:
        raise UsageError("{path}: is no public key of the kind ssh-ed25519, and no fingerprint", path=text)
    return fingerprint(blob[-32:])


@dataclass(frozen=True, slots=True, repr=False)
class SigningKey:
    """A private key. Its text does not show it."""

    private: "Ed25519PrivateKey"

    def __repr__(self) -> str:
        return f"SigningKey({self.fingerprint})"

    @property
    def public(self) -> bytes:
        """The public key: 32 bytes."""
        return self.private.public_key().public_bytes_raw()

    @property
    def fingerprint(self) -> str:
        """Fingerprint of the public key."""
        return fingerprint(self.public)

    @classmethod
    def of_file(cls, path: Path) -> Self:
        """Key in a file; one that does not exist is created. Raises `UsageError` for a file that cannot be used."""
        from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415 -- costs 20 ms
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: PLC0415
        from cryptography.hazmat.primitives.serialization import load_ssh_private_key  # noqa: PLC0415

        try:
            content = read_private(path, MAX_KEY)
        except FileNotFoundError:
            return cls._created(path)
        try:
            key = load_ssh_private_key(content, password=None)
        except TypeError:
            raise UsageError(
                "{path}: this key has a passphrase; export without it and sign manifest.json by 'ssh-keygen -Y sign'",
                path=path,
            ) from None
        except (ValueError, UnsupportedAlgorithm):
            raise UsageError("{path}: is no private key in OpenSSH's format", path=path) from None
        if not isinstance(key, Ed25519PrivateKey):
            raise UsageError("{path}: is a key of another kind; keys for manifests are ssh-ed25519", path=path)
        return cls(key)

    @classmethod
    def _created(cls, path: Path) -> Self:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: PLC0415
        from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat  # noqa: PLC0415

        key = Ed25519PrivateKey.generate()
        try:
            create_private(path, key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
        except FileExistsError:  # another process was faster
            return cls.of_file(path)
        return cls(key)

    def sign(self, content: bytes) -> bytes:
        """Signature of a content, as a text file in ASCII."""
        signature = self.private.sign(_signed(content))
        blob = (
            _MAGIC + struct.pack(">I", _VERSION) + _field(_field(KIND) + _field(self.public))
            + _field(NAMESPACE) + _field(b"") + _field(_HASH) + _field(_field(KIND) + _field(signature))
        )  # fmt: skip
        text = base64.b64encode(blob).decode()
        lines = [text[at : at + _LINE] for at in range(0, len(text), _LINE)]
        return "\n".join(["-----BEGIN SSH SIGNATURE-----", *lines, "-----END SSH SIGNATURE-----", ""]).encode()


def _fields(blob: bytes) -> list[bytes]:
    """Fields with their lengths; raises `SignatureError` for what ends early."""
    fields, at = [], 0
    while at < len(blob):
        end = at + 4 + int.from_bytes(blob[at : at + 4])
        if len(blob) - at < 4 or end > len(blob):
            raise SignatureError("the signature is damaged")
        fields.append(blob[at + 4 : end])
        at = end
    return fields


def signer_of(content: bytes, signature: bytes) -> str:
    """Fingerprint of the key that signed a content. Raises `SignatureError` if the signature is not valid for it."""
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 -- costs 20 ms
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey  # noqa: PLC0415

    match = _ARMOUR.fullmatch(signature)
    try:
        blob = base64.b64decode(re.sub(rb"[\r\n]", b"", match[1]), validate=True) if match else b""
    except binascii.Error:
        blob = b""
    if blob[:10] != _MAGIC + struct.pack(">I", _VERSION):
        raise SignatureError("the signature is damaged")
    fields = _fields(blob[10:])
    if len(fields) != 5:
        raise SignatureError("the signature is damaged")
    public, namespace, reserved, algorithm, value = fields
    keys, values = _fields(public), _fields(value)
    if [keys[:1], values[:1]] != [[KIND], [KIND]] or [len(keys), len(values)] != [2, 2] or len(keys[1]) != 32:
        raise SignatureError("the signature is of another kind than ssh-ed25519")
    if (namespace, reserved, algorithm) != (NAMESPACE, b"", _HASH):
        raise SignatureError("the signature was made for something else")
    try:
        Ed25519PublicKey.from_public_bytes(keys[1]).verify(values[1], _signed(content))
    except (InvalidSignature, ValueError):
        raise SignatureError("the signature is not valid for this content") from None
    return fingerprint(keys[1])
