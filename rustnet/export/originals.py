"""Finding a session's captures again on this machine, and making sure that they are the same files."""

import hashlib
import typing
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rustnet.errors import InputError, RustnetError
from rustnet.query.selection import Original, originals

if typing.TYPE_CHECKING:
    from rustnet.query.session import Session

_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Found:
    """Where a capture is now, or why it cannot be used."""

    path: Path | None
    problem: str
    """Empty if the file is there and, as far as it was checked, the one that was ingested."""
    missing: bool = False


def locate(original: Original, session: Path, given: Sequence[str] = (), *, alone: bool = True) -> Found:
    """Find a capture: among the files ``given``, at its path, or beside the session.

    ``alone``: no other capture is looked for, so that a single given file must be the one. Without that, given files
    are told apart by size and hash, or by their names.
    """
    if given:
        chosen = _choose(original, [Path(name) for name in given], alone=alone)
        if chosen is None:
            return Found(None, f"{original.source}: none of the files given with --source is it", missing=True)
        if not chosen.is_file():
            return Found(None, f"{chosen}: there is no such file", missing=True)
        return Found(chosen, "")
    if original.kind != "file":
        what = "standard input" if original.source == "-" else f"{original.source} ({original.kind})"
        return Found(None, f"was read from {what}, which cannot be read again; name a copy with --source", missing=True)
    for path in (Path(original.source), session.parent / original.source, session.parent / Path(original.source).name):
        if path.is_file():
            return Found(path, "")
    return Found(None, f"{original.source}: is no longer there; name where it is now with --source", missing=True)


def stored_as(session: "Session", path: Path) -> int:
    """Find the capture of a session that a file is, the latest of several, and return its number.

    Raises `InputError` if the file cannot be read, `RustnetError` if it is none of them.
    """
    try:
        size = path.stat().st_size
    except OSError as error:
        raise InputError("{path}: cannot be read: {strerror}", path=path, strerror=error.strerror or error) from None
    same = [original for original in originals(session) if original.bytes == size and original.sha256]
    if same:
        made = digest(path)
        for original in reversed(same):
            if original.sha256 == made:
                return original.capture_id
    raise RustnetError(
        "{path}: has no capture of the same SHA-256 as {path2}; add it with 'rustnet replay {path2} --db {path}'",
        path=session.path,
        path2=path,
    )


def _choose(original: Original, given: Sequence[Path], *, alone: bool) -> Path | None:
    if alone and len(given) == 1:
        return given[0]
    sized = [p for p in given if p.is_file() and p.stat().st_size == original.bytes]
    if original.sha256:
        for path in sized:
            if digest(path) == original.sha256:
                return path
    named = [p for p in given if p.name == Path(original.source).name]
    return named[0] if named else None


def verify(original: Original, path: Path) -> str:
    """Compare a file with what was ingested; returns what differs, or nothing.

    Raises `InputError` if it cannot be read.
    """
    try:
        size = path.stat().st_size
    except OSError as error:
        raise InputError("{path}: cannot be read: {strerror}", path=path, strerror=error.strerror or error) from None
    if original.bytes is not None and original.sha256 and size != original.bytes:
        return f"has {size:,} bytes, and {original.bytes:,} were ingested"
    if original.sha256 and digest(path) != original.sha256:
        return "has another SHA-256 than the file that was ingested"
    return ""


def digest(path: Path) -> str:
    """SHA-256 of a file as it is stored, in hexadecimal. Raises `InputError` if it cannot be read."""
    made = hashlib.sha256()
    try:
        with path.open("rb") as stream:
            while data := stream.read(_CHUNK):
                made.update(data)
    except OSError as error:
        raise InputError("{path}: cannot be read: {strerror}", path=path, strerror=error.strerror or error) from None
    return made.hexdigest()
