"""Captures that an earlier run did not read to their end, and that this run reads again."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from rustnet.errors import InputError
from rustnet.i18n import _
from rustnet.sources.stored import hash_start
from rustnet.store.removal import remove_captures

if TYPE_CHECKING:
    from rustnet.ingest.report import Report
    from rustnet.store.writer import Writer


@dataclass(frozen=True, slots=True)
class PartialCapture:
    """A file of which the session has only some packets."""

    capture_id: int
    source: str
    bytes: int
    """Its size when it was opened, or the bytes that were read."""
    head_sha256: str
    packets: int

    def is_start_of(self, path: str, size: int) -> bool:
        """Whether the file of ``size`` bytes at ``path`` is the same one, which may have grown since."""
        if size < self.bytes or (size != self.bytes and Path(path).absolute() != Path(self.source).absolute()):
            return False
        try:
            return hash_start(path, self.bytes) == self.head_sha256
        except InputError:
            return False


def partial_captures(writer: "Writer") -> list[PartialCapture]:
    """List the captures of the session, as it was opened, that were not read to their end."""
    if writer.is_new:
        return []
    rows = writer.query(
        "SELECT capture_id, source, bytes, head_sha256, packets FROM captures "
        "WHERE kind = 'file' AND NOT complete AND sha256 IS NULL AND bytes IS NOT NULL AND head_sha256 IS NOT NULL"
    )
    return [PartialCapture(*row) for row in rows]


def replace_partial(writer: "Writer", path: str, size: int, earlier: list[PartialCapture], report: "Report") -> None:
    """Remove the rows of earlier, partial captures of the same file, which is now read again."""
    same = [capture for capture in earlier if capture.is_start_of(path, size)]
    if not same:
        return
    writer.execute(partial(remove_captures, captures=[capture.capture_id for capture in same]))
    for capture in same:
        earlier.remove(capture)
        words = _("{source}: replaces capture {n}, of which only {packets} packets were stored").format(
            source=path, n=capture.capture_id, packets=f"{capture.packets:,}"
        )
        report.replaced.append(words)
