"""`reread_files`: the files of a capture once more, as they were put together when it was ingested."""

from collections import deque
from collections.abc import Sequence

from rustnet.sources.assembly import MAX_SECTIONS
from rustnet.sources.files import FileSource, reread
from rustnet.sources.frames import Source
from rustnet.sources.joined import JoinedSource
from rustnet.sources.merged import FILE_BUFFER, FILE_PACKETS, MergedSource


def reread_files(paths: Sequence[str], merged: bool = False) -> Source:
    """Open a capture's files, with the packet numbers of the ingest; without hashing. Raises `InputError`."""
    if len(paths) == 1:
        return reread(paths[0])
    if merged:
        size = (FILE_BUFFER, FILE_PACKETS)
        return MergedSource(
            [
                FileSource(
                    path, buffer_bytes=size[0], batch_packets=size[1], hashing=False, first_section=i * MAX_SECTIONS
                )
                for i, path in enumerate(paths)
            ]
        )
    rest = deque(paths[1:])

    def following(_last_ts: int | None, section: int) -> FileSource | None:
        return FileSource(rest.popleft(), hashing=False, first_section=section) if rest else None

    return JoinedSource(FileSource(paths[0], hashing=False), following)
