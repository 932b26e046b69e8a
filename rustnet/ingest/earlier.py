"""Files that a session has already, so that they are not ingested again."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rustnet.errors import InputError
from rustnet.store.tables import Capture, CaptureFile

if TYPE_CHECKING:
    from rustnet.store.writer import Writer

_SQL = """
SELECT capture_id, source, bytes, sha256 FROM captures WHERE bytes IS NOT NULL AND sha256 IS NOT NULL
UNION ALL
SELECT capture_id, source, bytes, sha256 FROM capture_files WHERE bytes IS NOT NULL AND sha256 IS NOT NULL"""


@dataclass(frozen=True, slots=True)
class EarlierFile:
    """A file whose packets are in the session."""

    capture_id: int
    source: str
    bytes: int
    sha256: str


def earlier_files(writer: "Writer") -> list[EarlierFile]:
    """List the files with a SHA-256 of a session, as it was opened."""
    return [] if writer.is_new else [EarlierFile(*row) for row in writer.query(_SQL)]


def earlier_of(capture: Capture, files: Sequence[CaptureFile]) -> list[EarlierFile]:
    """The files of a capture that was just stored."""
    rows: Sequence[Capture | CaptureFile] = files or [capture]
    return [
        EarlierFile(row.capture_id, row.source, row.bytes, row.sha256)
        for row in rows
        if row.bytes is not None and row.sha256 is not None
    ]


def same_file(path: str, earlier: Sequence[EarlierFile]) -> EarlierFile | None:
    """The one of ``earlier`` that has the same contents as a file; None if none has."""
    if not earlier:
        return None
    from rustnet.sources.stored import hash_file  # noqa: PLC0415 - rarely needed

    try:
        digest = hash_file(path)
    except InputError:  # it is changing: reading it reports that
        return None
    return next((file for file in earlier if file.sha256 == digest), None)
