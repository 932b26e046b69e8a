"""Keys of redaction: the same key gives the same replacements, in any session; another key gives others.

A key is of a file of the user's, so that what was shared of several cases can be joined, or random for one run of the
program. It is never stored in a session and never written to an output.
"""

import hashlib
import os
import re
import secrets
import stat
from dataclasses import dataclass
from pathlib import Path

from rustnet.errors import UsageError

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
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    except FileNotFoundError:
        return _new_file(path)
    except OSError as error:
        raise _unusable(path, error) from None
    try:
        _check(path, os.fstat(handle))
        content = os.read(handle, MAX_FILE + 1)
    except OSError as error:
        raise _unusable(path, error) from None
    finally:
        os.close(handle)
    if len(content) > MAX_FILE:
        raise UsageError("{path}: a key file has at most {most} bytes", path=path, most=MAX_FILE)
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
    """Create a key file with mode 0600 from its first byte on."""
    key = random_key()
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with open(handle, "w", encoding="ascii") as file:  # noqa: PTH123
            file.write(f"{_HEAD}\n{key.secret.hex()}\n")
    except FileExistsError:  # another process was faster
        return key_of_file(path)
    except OSError as error:
        raise _unusable(path, error) from None
    return key


def _unusable(path: Path, error: OSError) -> UsageError:
    return UsageError("{path}: the key cannot be read or created: {reason}", path=path, reason=error.strerror or error)


def _check(path: Path, status: os.stat_result) -> None:
    """Raise `UsageError` if others could know the key."""
    if not stat.S_ISREG(status.st_mode):
        raise UsageError("{path}: a key is in a plain file", path=path)
    if not hasattr(os, "geteuid"):
        return
    if status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise UsageError("{path}: other users have access to this key; 'chmod 600' ends that", path=path)
