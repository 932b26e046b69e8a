"""Keys of redaction: the same key gives the same replacements, in any session; another key gives others.

A key is of a file of the user's, so that what was shared of several cases can be joined, or random for one run of the
program. It is never stored in a session and never written to an output.
"""

import hashlib
import re
import secrets
from dataclasses import dataclass
from pathlib import Path

from rustnet.errors import UsageError
from rustnet.private_files import create_private, read_private

KEY_BYTES = 32
SHORTEST_PASSPHRASE = 12
"""Fewest characters of a passphrase."""
MAX_FILE = 4096
"""Largest key file that is read."""

_HEAD = "redaction key of rustnet"
_WRITTEN = re.compile(rf"{_HEAD}\s+([0-9a-f]{{{2 * KEY_BYTES}}})\s*", re.ASCII)
_SALT = b"rustnet redaction"
"""No random salt: the same passphrase has to give the same key everywhere, with nothing else to keep."""


@dataclass(frozen=True, slots=True, repr=False)
class Key:
    """A secret of 32 bytes, and what is derived from it. Its text does not show it."""

    secret: bytes

    def __post_init__(self) -> None:
        if len(self.secret) != KEY_BYTES:
            raise ValueError(f"a key has {KEY_BYTES} bytes, not {len(self.secret)}")

    def __repr__(self) -> str:
        return "Key(…)"

    def derived(self, purpose: str) -> bytes:
        """Key of 32 bytes for one purpose."""
        return hashlib.blake2b(purpose.encode(), key=self.secret, digest_size=KEY_BYTES, person=b"rustnet key").digest()


def random_key() -> Key:
    """Create a key that nobody has, for one run of the program."""
    return Key(secrets.token_bytes(KEY_BYTES))


def key_of_passphrase(passphrase: str) -> Key:
    """Key of a passphrase by scrypt: 32 MB and a tenth of a second each. Raises `UsageError` for a short one."""
    if len(passphrase) < SHORTEST_PASSPHRASE:
        raise UsageError("a passphrase for redaction has at least {least} characters", least=SHORTEST_PASSPHRASE)
    data = passphrase.encode("utf-8", "surrogatepass")
    return Key(hashlib.scrypt(data, salt=_SALT, n=1 << 15, r=8, p=1, maxmem=1 << 26, dklen=KEY_BYTES))


def key_of_file(path: Path) -> Key:
    """Key in a file that only its owner can read: one that this function wrote, or a passphrase.

    A file that does not exist is created with a random key. Raises `UsageError` for one that cannot be used.
    """
    try:
        content = read_private(path, MAX_FILE)
    except FileNotFoundError:
        return _new_file(path)
    try:
        text = content.decode("utf-8-sig").strip()
    except UnicodeDecodeError:
        raise UsageError("{path}: a key file is text in UTF-8", path=path) from None
    written = _WRITTEN.fullmatch(text)
    if written:
        return Key(bytes.fromhex(written[1]))
    if text.startswith(_HEAD):
        raise UsageError("{path}: is a key file that was changed or cut", path=path)
    return key_of_passphrase(text)


def _new_file(path: Path) -> Key:
    """Create a key file."""
    key = random_key()
    try:
        create_private(path, f"{_HEAD}\n{key.secret.hex()}\n".encode())
    except FileExistsError:  # another process was faster
        return key_of_file(path)
    return key
