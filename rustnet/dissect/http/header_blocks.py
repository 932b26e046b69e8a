"""Header blocks of HTTP/2 (RFC 7541), decompressed by the library ``hpack``; only this module imports it.

What an encoder put into its table before the capture began, or in lost bytes, is not known. Entries are numbered from
the newest one, so those that were seen since keep their numbers whatever is behind them: only references to older
ones have no name and no value here.
"""

from hpack import Decoder, HPACKError
from hpack.table import HeaderTable

from rustnet.dissect.framework.conversation import DissectError

UNKNOWN = b"\0"
"""Name, and value, of an entry that is not known; no field may be called that."""
MAX_TABLE = 1 << 20
"""Maximum size of a table: 4 KiB unless the other side allows more. Limits that it sets need no part in decoding."""
MAX_LIST = 1 << 17
"""Maximum size of the fields of one block."""
MAX_INDEX = 1 << 16
"""Highest number of an entry that is taken for an old one, not for an error."""


class _Table(HeaderTable):
    """Table of an encoder, of which old entries may be unknown."""

    def __init__(self, whole: bool) -> None:
        super().__init__()
        self.whole = whole

    def get_by_index(self, index: int) -> tuple[bytes, bytes]:
        """Entry of a number."""
        if not self.whole and self.STATIC_TABLE_LENGTH + len(self.dynamic_entries) < index <= MAX_INDEX:
            return UNKNOWN, UNKNOWN
        return super().get_by_index(index)


class HeaderBlocks:
    """Decoder of the header blocks of one direction; ``whole``: all of them from the beginning."""

    __slots__ = ("_decoder",)

    def __init__(self, whole: bool) -> None:
        self._decoder = Decoder(max_header_list_size=MAX_LIST)
        self._decoder.header_table = _Table(whole)
        self._decoder.max_allowed_table_size = MAX_TABLE

    def forget(self) -> None:
        """Take into account that blocks are missing."""
        size = self._decoder.header_table_size
        self._decoder.header_table = _Table(False)
        self._decoder.header_table_size = size

    def decode(self, block: bytes) -> list[tuple[bytes, bytes]]:
        """Fields of a complete block. Raises `DissectError`, after which the table is unknown."""
        try:
            return [(bytes(field[0]), bytes(field[1])) for field in self._decoder.decode(block, raw=True)]
        except (HPACKError, IndexError, ValueError) as error:
            self.forget()
            raise DissectError("a header block cannot be decompressed") from error
