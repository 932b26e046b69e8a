"""Gopher (RFC 1436): which item is requested, and what kind of item the server returns.

One row per connection, stored when the flow ends. The item is counted, not kept.
"""

import re

from rustnet.dissect.framework.conversation import MORE, NO, YES, Conversation, DissectError, Dissector
from rustnet.dissect.framework.one_row import OneRowParser
from rustnet.dissect.framework.pairs import elapsed
from rustnet.dissect.framework.reading import text
from rustnet.records import U64, FreeText, Uri, Word, record

MAX_REQUEST = 1024
"""Maximum size of a request line: a selector has up to 255 characters, a search may follow it."""
MAX_LINE = 1024
"""Maximum size of a menu line."""
_TYPES = b"0123456789+:;<?IMPTcdghipsw"
"""Item types of RFC 1436, and those in common use."""
_REQUEST = re.compile(rb"[^\x00-\x08\x0a-\x1f\x7f]*").fullmatch
_MENU_LINE = re.compile(
    rb"[0-9+:;<?IMPTcdghipsw][^\x00-\x1f\x7f]{0,300}\t[^\x00-\x1f\x7f]{0,255}\t[!-~]{0,255}\t *[0-9]{1,5}"
    rb"(?:\t[+?][^\n]*)?\r?\n"
).match
"""Type and title, selector, host, port; Gopher+ adds a field."""
_PORTS = (70,)


@record("gopher")
class Gopher:
    """One Gopher request and the item that answers it."""

    selector: Uri | None = None
    """Selector of the item; empty for the server's top menu, NULL if the request was not seen."""
    search: FreeText | None = None
    """Search words."""
    item: Word | None = None
    """Kind of the item returned: `menu`, `error`, or `file` for everything else; NULL without an answer."""
    response_bytes: U64 = 0
    """Bytes of the answer."""
    response_ms: float | None = None
    """From the request to the beginning of its answer, in milliseconds."""


class GopherParser(OneRowParser[Gopher]):
    """One connection: a request line, then the item."""

    __slots__ = ("client", "head")

    def __init__(self, talk: Conversation) -> None:
        super().__init__(talk, Gopher())
        self.client = talk.dst_port in _PORTS or talk.src_port not in _PORTS
        """Direction of the client: the flow's initiator, unless only its port is a standard one."""
        self.head = b""
        """The beginning of the answer."""

    def stream(self, data: bytes, from_src: bool) -> int:
        """Read the request line; count the answer."""
        if from_src != self.client:
            self._answer(data, len(data))
        elif self.row.selector is None:
            return self._request(data)
        return len(data)

    def gap(self, size: int, from_src: bool) -> None:
        """Count missing bytes of the answer; if the request is missing, stop."""
        if from_src != self.client:
            self._answer(b"", size)
        else:
            self.finish()

    def store(self) -> None:
        """Store the row with the kind of item that the answer begins with."""
        if self.head:
            error = self.head.startswith(b"3")
            menu = _MENU_LINE(self.head) is not None or self.head.startswith(b".\r\n")
            self.row.item = "error" if menu and error else "menu" if menu else "file"
        super().store()

    def _request(self, data: bytes) -> int:
        end = data.find(b"\n", 0, MAX_REQUEST)
        if end < 0:
            if len(data) >= MAX_REQUEST:
                raise DissectError("request line exceeds {limit} bytes", limit=MAX_REQUEST)
            return 0
        line = data[:end].rstrip(b"\r")
        if _REQUEST(line) is None:
            raise DissectError("expected a Gopher request")
        selector, _, search = line.partition(b"\t")
        self.begin()
        self.row.selector = text(selector)
        self.row.search = text(search.partition(b"\t")[0]) or None
        return len(data)

    def _answer(self, data: bytes, size: int) -> None:
        self.begin()
        if self.row.selector is not None and self.row.response_ms is None:
            self.row.response_ms = elapsed(self.ts, self.talk.ts)
        self.row.response_bytes += size
        self.head += data[: MAX_LINE - len(self.head)]


def _probe_gopher(data: bytes, talk: Conversation, from_src: bool) -> int:
    """Recognise the first line of a menu; on the standard port also a request line."""
    if not data:
        return MORE
    on_port = talk.has_port(*_PORTS)
    end = data.find(b"\n", 0, MAX_LINE)
    line = data[: end if end >= 0 else len(data)].rstrip(b"\r")
    if end < 0:
        return MORE if on_port and len(data) < MAX_LINE and _REQUEST(line) is not None else NO
    if _MENU_LINE(data) is not None:
        return YES
    client = talk.dst_port in _PORTS or talk.src_port not in _PORTS
    return YES if on_port and from_src == client and _REQUEST(line) is not None else NO


GOPHER = Dissector(
    "gopher", "Internet Gopher Protocol (RFC 1436)", ("tcp",), _PORTS, (Gopher,), _probe_gopher, GopherParser,
    first=_TYPES,
)  # fmt: skip
