"""RustNet's sidecar ``<capture>.connections.jsonl``, and version 1 of rustnet's own, which extends it.

The file has one JSON object per connection and line. RustNet writes a record when a connection expires, when its tuple
is reused, and at exit, where open connections may be written twice: of records with the same protocol, ends,
``first_seen`` and process only the last counts.
"""

from collections.abc import Iterator
from pathlib import Path

from rustnet.attribute.formats.input_file import open_input_file
from rustnet.attribute.formats.line_reader import LineReader
from rustnet.attribute.formats.sidecar_blocks import read_blocks
from rustnet.attribute.observation import Batch


class RustnetSidecar(LineReader):
    """Reader of one sidecar, by line or, much faster, by block."""

    @staticmethod
    def recognise(path: Path, head: bytes) -> bool:
        """Whether a file is likely a sidecar: by its name, or by a key that every record has."""
        return path.name.endswith(".connections.jsonl") or b'"local_addr"' in head

    def blocks(self) -> Iterator[Batch]:
        """Read the file with the same result as `batches`, many times faster."""
        try:
            with open_input_file(self.path) as file:
                yield from read_blocks(file, self)
        except OSError as error:
            raise self._unreadable(error) from error
        if not self.records:
            raise self._no_valid_line()
