"""The original captures of a session, located and compared with what was ingested: once per file and state of it."""

import hashlib
import threading
import typing
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from rustnet.errors import InputError
from rustnet.export import originals
from rustnet.export.frame import packet_bytes
from rustnet.i18n import _, marked
from rustnet.query.selection import IngestedFile

if typing.TYPE_CHECKING:
    from rustnet.query.detail import StoredPacket

VERIFIED_BYTES = 1 << 30
"""Size up to which a file's SHA-256 is computed; of a larger one only the size and the first 64 KiB are compared."""
HEAD = 64 << 10
"""Bytes of a file that `capture_files.head_sha256` covers."""


@dataclass(frozen=True, slots=True)
class Checked:
    """An original file, or why it cannot be read."""

    path: Path | None
    problem: str = ""
    """Empty if the file is the ingested one, as far as could be checked."""
    doubt: str = ""
    """English sentence, marked for translation, on what could not be checked; empty if its SHA-256 is the same."""


UNHASHED = marked("not verified: the capture was never read to its end, so there is no hash to compare")
RECORDED = marked("not wholly verified: recordings are not hashed, so only the size and the first 64 KiB were compared")
LARGE = marked("not wholly verified: the file is large, so only its size and its first 64 KiB were compared")


class Originals:
    """Locates and checks original files. Several threads may ask; one at a time computes a hash.

    ``sources`` are paths given by the user, where files are no longer at the path that they were read from.
    """

    def __init__(self, session_path: str, sources: Iterable[str] = ()) -> None:
        self._session = Path(session_path)
        self._sources = tuple(sources)
        self._checked: dict[tuple[object, ...], Checked] = {}
        self._lock = threading.Lock()

    def checked(self, file: IngestedFile) -> Checked:
        """Return a file's path if it is the one that was ingested; otherwise the reason."""
        location = originals.locate(file.original, self._session, self._sources, alone=file.alone)
        if location.path is None:
            return Checked(None, location.problem)
        try:
            state = location.path.stat()
        except OSError as error:
            return Checked(None, f"{location.path}: {error.strerror or error}")
        key = (str(location.path), file.original, state.st_size, state.st_mtime_ns, state.st_ino, state.st_dev)
        with self._lock:
            if key not in self._checked:
                try:
                    self._checked[key] = _compared(file, location.path, state.st_size)
                except InputError as error:
                    return Checked(None, error.sentence(_))
            return self._checked[key]

    def packet(self, file: IngestedFile, packet: "StoredPacket") -> bytes:
        """Bytes of a packet. Raises `InputError` if the file is missing, changed or cannot be read."""
        checked = self.checked(file)
        if checked.path is None:
            raise InputError(checked.problem)
        return packet_bytes(checked.path, packet)


def _compared(file: IngestedFile, path: Path, size: int) -> Checked:
    """Compare a file with the ingested one; its hash is computed unless it is large."""
    original = file.original
    if original.sha256 is None and not file.recorded:
        return _compared_head(file, path, UNHASHED)
    if file.recorded or (size > VERIFIED_BYTES and file.head_sha256 is not None):
        if original.bytes is not None and size != original.bytes:
            words = "{path}: has {size:,} bytes, but the ingested capture had {bytes:,}"
            raise InputError(words, path=path, size=size, bytes=original.bytes)
        return _compared_head(file, path, RECORDED if file.recorded else LARGE)
    wrong = originals.verify(original, path)
    return Checked(None, f"{path}: {wrong}") if wrong else Checked(path)


def _compared_head(file: IngestedFile, path: Path, doubt: str) -> Checked:
    if file.head_sha256 is None:
        return Checked(path, doubt=doubt)
    try:
        with path.open("rb") as stream:
            head = stream.read(HEAD)
    except OSError as error:
        raise InputError("{path}: cannot be read: {strerror}", path=path, strerror=error.strerror or error) from None
    if hashlib.sha256(head).hexdigest() != file.head_sha256:
        return Checked(None, f"{path}: its first 64 KiB differ from those of the ingested capture")
    return Checked(path, doubt=doubt)
