"""Files with secrets of the user's: readable by their owner alone, from their first byte on."""

import os
import stat
from pathlib import Path

from rustnet.errors import UsageError
from rustnet.i18n import N_

PRIVATE_FOLDER, PRIVATE_FILE = 0o700, 0o600
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def read_private(path: Path, most: int) -> bytes:
    """Content of a plain file that only its owner has access to, of at most ``most`` bytes.

    Raises `FileNotFoundError`, and `UsageError` for a file that cannot be used.
    """
    flags = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0)
    try:
        handle = os.open(path, flags)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise unusable(path, error) from None
    try:
        _check(path, os.fstat(handle))
        content = os.read(handle, most + 1)
    except OSError as error:
        raise unusable(path, error) from None
    finally:
        os.close(handle)
    if len(content) > most:
        raise UsageError(N_("{path}: a key file has at most {most} bytes"), path=path, most=most)
    return content


def create_private(path: Path, content: bytes) -> None:
    """Create a file that only its owner has access to. Raises `FileExistsError`, and `UsageError` if it cannot be."""
    try:
        path.parent.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0)
        with open(os.open(path, flags, PRIVATE_FILE), "wb") as file:  # noqa: PTH123 -- a descriptor
            file.write(content)
    except FileExistsError:
        raise
    except OSError as error:
        raise unusable(path, error) from None


def unusable(path: Path, error: OSError) -> UsageError:
    """Error for a key file that the system does not let one use."""
    return UsageError(
        N_("{path}: the key cannot be read or created: {reason}"), path=path, reason=error.strerror or error
    )


def _check(path: Path, status: os.stat_result) -> None:
    """Raise `UsageError` if others could know the key."""
    if not stat.S_ISREG(status.st_mode):
        raise UsageError(N_("{path}: a key is in a plain file"), path=path)
    if hasattr(os, "geteuid") and status.st_mode & _OTHERS:
        raise UsageError(N_("{path}: other users have access to this key; 'chmod 600' ends that"), path=path)
