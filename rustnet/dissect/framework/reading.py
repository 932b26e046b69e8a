"""What several parsers need: bounded rows per flow, text from the wire, heads of text protocols, waiting requests."""

from collections.abc import Iterator
from typing import Generic, TypeVar

from rustnet.dissect.framework.conversation import Conversation, DissectError, Parser

MAX_TEXT = 512
"""Characters of a text from the wire that are kept."""
MAX_ROWS = 1000
"""Rows that one flow of a protocol that may flood gets."""
MAX_HEADERS = 100
MAX_TAUGHT = 256
"""Names that one flow may teach."""
MAX_OUTSTANDING = 256
"""Requests of one flow that are remembered until their answer comes."""


def text(raw: bytes, most: int = MAX_TEXT) -> str:
    """UTF-8 text, cut to ``most`` bytes, without what follows a NUL; other bytes are shown as escapes."""
    end = raw.find(b"\0", 0, most)
    return raw[: most if end < 0 else end].decode("utf-8", "backslashreplace")


def utf16(raw: bytes, most: int = MAX_TEXT) -> str:
    """UTF-16LE text, cut to ``most`` characters, without what follows a NUL; halves of pairs become U+FFFD."""
    return raw[: 2 * most].decode("utf-16-le", "replace").partition("\0")[0]


def mac(raw: bytes) -> str:
    """Hardware address in colon form."""
    return raw.hex(":")


def head(raw: bytes, shorts: dict[str, str] | None = None) -> tuple[str, dict[str, str]]:
    """First line and fields of a head like HTTP's, up to its empty line; field names in lower case, first value kept.

    ``shorts`` gives the long names of one-letter fields (SIP). Folded lines belong to the field above them.
    """
    end = raw.find(b"\r\n\r\n")
    if end < 0:
        end = raw.find(b"\n\n")
    lines = (raw if end < 0 else raw[:end]).decode("utf-8", "backslashreplace").split("\n", MAX_HEADERS + 1)
    fields: dict[str, str] = {}
    last = ""
    for i in range(1, min(len(lines), MAX_HEADERS + 1)):
        line = lines[i]
        if last and line and (line[0] == " " or line[0] == "\t"):
            fields[last] = f"{fields[last]} {line.strip()}"[:MAX_TEXT]
            continue
        colon = line.find(":")
        if colon < 0:
            continue
        name = line[:colon].strip().lower()
        if shorts is not None and len(name) == 1:
            name = shorts.get(name, name)
        if name in fields:
            last = ""
            continue
        last = name
        fields[name] = line[colon + 1 :].strip()[:MAX_TEXT]
    return lines[0].rstrip("\r")[: 2 * MAX_TEXT], fields


def number(digits: str | None, most: int) -> int | None:
    """A number written in ASCII digits; None where it is none or is greater than ``most``."""
    if digits is None or len(digits) > 20 or not (digits.isascii() and digits.isdigit()):
        return None
    value = int(digits)
    return value if value <= most else None


class RowParser(Parser):
    """A parser whose flow gets at most `MAX_ROWS` rows; then it is given up, and an anomaly says so."""

    __slots__ = ("rows", "taught")
    limit = MAX_ROWS

    def __init__(self, talk: Conversation) -> None:
        self.talk = talk
        self.rows = 0
        self.taught: set[tuple[str, str]] | None = None  # a set per flow is much where there are many flows

    def teach(self, ip: str, name: str, source: str, ttl: int | None = None) -> None:
        """Report a name for an address, once per flow, and at most `MAX_TAUGHT` of them."""
        if self.taught is None:
            self.taught = set()
        if (ip, name) not in self.taught and len(self.taught) < MAX_TAUGHT:
            self.taught.add((ip, name))
            self.talk.learn(ip, name, source, ttl)

    def say(self, row: object, ts: int = 0, packet: int = 0) -> None:
        """Store a row; ``ts`` and ``packet`` default to those of the packet being read."""
        if self.rows >= self.limit:
            return
        self.rows += 1
        self.talk.emit(row, ts, packet)
        if self.rows >= self.limit:
            self.talk.anomaly("many_messages", f"{self.rows} rows of this flow are kept; later messages are not read")
            self.talk.finish()


_Row = TypeVar("_Row")
_Key = TypeVar("_Key")


class Waiting(Generic[_Key, _Row]):
    """Requests that wait for their answer: the row, and the time and number of its packet. Bounded; the oldest go."""

    __slots__ = ("most", "rows")

    def __init__(self, most: int = MAX_OUTSTANDING) -> None:
        self.rows: dict[_Key, tuple[_Row, int, int]] = {}
        self.most = most

    def add(self, key: _Key, row: _Row, talk: Conversation) -> tuple[_Row, int, int] | None:
        """Remember a request; returns one that must leave for it: a repeated key's first, or the oldest."""
        rows = self.rows
        gone = rows.pop(key, None)
        if gone is None and len(rows) >= self.most:
            gone = rows.pop(next(iter(rows)))
        rows[key] = (row, talk.ts, talk.packet)
        return gone

    def take(self, key: _Key) -> tuple[_Row, int, int] | None:
        """The request that an answer belongs to, which waits no more."""
        return self.rows.pop(key, None)

    def drain(self) -> Iterator[tuple[_Row, int, int]]:
        """What still waits, oldest first."""
        waiting, self.rows = self.rows, {}
        yield from waiting.values()


def need(data: bytes, end: int, what: str) -> None:
    """Raise `DissectError` unless ``data`` reaches to ``end``."""
    if end > len(data):
        raise DissectError(f"{what} is cut off")
