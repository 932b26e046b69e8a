"""Locates the original captures of a session and verifies that they are unchanged."""

import hashlib
import typing
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rustnet.errors import InputError, RustnetError
from rustnet.filenames import as_path
from rustnet.i18n import _
from rustnet.query.selection import REDACTED, OriginalFile, originals

if typing.TYPE_CHECKING:
    from rustnet.query.session import Session

_CHUNK = 1 << 20
REMOVED = "removed"
"""Kind of a file of a recording that made room for later ones."""


@dataclass(frozen=True, slots=True)
class Location:
    """Current path of a capture, or the reason why there is none."""

    path: Path | None
    problem: str
    """Empty if a file was located."""
    missing: bool = False


def locate(original: OriginalFile, session: Path, given: Sequence[str] = (), *, alone: bool = True) -> Location:
    """Locate a file among those ``given``, at its path, or next to the session.

    ``alone`` means that this is the only file of all captures, so that a single given file is taken for it. Otherwise
    given files are matched by size and hash, or by name. A redacted session has no originals.
    """
    if original.kind == REDACTED:
        words = _("the original capture is not at hand: the session is redacted, and names no original")
        return Location(None, words, missing=True)
    if given:
        return _given(original, given, alone=alone)
    if original.kind != "file":
        return Location(None, _why_gone(original), missing=True)
    source = Path(as_path(original.source))
    for path in (source, session.parent / source, session.parent / source.name):
        if path.is_file():
            return Location(path, "")
    words = _("{path}: no such file; give its current path with --source")
    return Location(None, words.format(path=original.source), missing=True)


def _given(original: OriginalFile, given: Sequence[str], *, alone: bool) -> Location:
    """Locate a file among those given."""
    chosen = _choose(original, [Path(name) for name in given], alone=alone)
    if chosen is None:
        words = _("{path}: no file given with --source matches")
        return Location(None, words.format(path=original.source), missing=True)
    if not chosen.is_file():
        return Location(None, _("{path}: no such file").format(path=chosen), missing=True)
    return Location(chosen, "")


def _why_gone(original: OriginalFile) -> str:
    """Why an input that was no file, or is none any more, cannot be read."""
    if original.kind == REMOVED:
        words = _("{path}: made room for later files of the recording; name a copy with --source")
        return words.format(path=original.source)
    what = _("standard input") if original.source == "-" else f"{original.source} ({original.kind})"
    return _("was read from {what}, which cannot be read again; name a copy with --source").format(what=what)


def stored_as(session: "Session", path: Path) -> tuple[int, int | None]:
    """Return the number of the session's latest capture that contains a file, and its index if there are several.

    Raises `InputError` if the file cannot be read, `RustnetError` if no capture matches.
    """
    try:
        size = path.stat().st_size
    except OSError as error:
        raise InputError("{path}: cannot be read: {strerror}", path=path, strerror=error.strerror or error) from None
    same = [
        (file, i if len(original.files) > 1 else None)
        for original in originals(session)
        for i, file in enumerate(original.files)
        if file.bytes == size and file.sha256
    ]
    if same:
        sha256 = digest(path)
        for file, index in reversed(same):
            if file.sha256 == sha256:
                return file.capture_id, index
    raise RustnetError(
        "{path}: contains no capture with the SHA-256 of {path2}; add it with 'rustnet replay {path2} --db {path}'",
        path=session.path,
        path2=path,
    )


def _choose(original: OriginalFile, given: Sequence[Path], *, alone: bool) -> Path | None:
    if alone and len(given) == 1:
        return given[0]
    sized = [p for p in given if p.is_file() and p.stat().st_size == original.bytes]
    if original.sha256:
        for path in sized:
            if digest(path) == original.sha256:
                return path
    named = [p for p in given if p.name == Path(as_path(original.source)).name]
    return named[0] if named else None


def verify(original: OriginalFile, path: Path) -> str:
    """Compare a file with the ingested capture; returns the difference, or an empty text.

    Raises `InputError` if it cannot be read.
    """
    try:
        size = path.stat().st_size
    except OSError as error:
        raise InputError("{path}: cannot be read: {strerror}", path=path, strerror=error.strerror or error) from None
    if original.bytes is not None and original.sha256 and size != original.bytes:
        words = _("has {size:,} bytes, but the ingested capture had {bytes:,}")
        return words.format(size=size, bytes=original.bytes)
    if original.sha256 and digest(path) != original.sha256:
        return _("its SHA-256 differs from that of the ingested capture")
    return ""


def digest(path: Path) -> str:
    """SHA-256 of a file as it is stored, in hexadecimal. Raises `InputError` if it cannot be read."""
    hasher = hashlib.sha256()
    try:
        with path.open("rb") as stream:
            while data := stream.read(_CHUNK):
                hasher.update(data)
    except OSError as error:
        raise InputError("{path}: cannot be read: {strerror}", path=path, strerror=error.strerror or error) from None
    return hasher.hexdigest()
