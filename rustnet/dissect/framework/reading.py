"""Shared by parsers: bounded rows per flow, text from the wire, heads of text protocols, pending requests."""

import re
from collections.abc import Iterator
from typing import Generic, TypeVar

from rustnet.dissect.framework.conversation import Conversation, DissectError, Parser

MAX_TEXT = 512
"""Characters kept of a text from the wire."""
MAX_ROWS = 1000
"""Rows per flow of a protocol that may flood the table."""
MAX_HEADERS = 100
_SMUGGLED = re.compile(
    r"(?i)\s+(?:(?:proxy-)?authorization|(?:set-)?cookie2?|x-[\w-]*(?:token|key|auth)[\w-]*)[ \t]*:"
).match
"""A folded line that begins like a field with a credential: it is that field, not a part of the one before it."""
MAX_NAMES = 256
"""Names of addresses that are learned from one flow."""
MAX_OUTSTANDING = 256
"""Pending requests of one flow."""


def text(raw: bytes, most: int = MAX_TEXT) -> str:
    """UTF-8 text up to the first NUL, at most ``most`` bytes of it; other bytes are escaped."""
    end = raw.find(b"\0", 0, most)
    return raw[: most if end < 0 else end].decode("utf-8", "backslashreplace")


def utf16(raw: bytes, most: int = MAX_TEXT) -> str:
    """UTF-16LE text up to the first NUL, at most ``most`` characters; unpaired surrogates become U+FFFD."""
    return raw[: 2 * most].decode("utf-16-le", "replace").partition("\0")[0]


def mac(raw: bytes) -> str:
    """MAC address in colon notation."""
    return raw.hex(":")


def head(raw: bytes, shorts: dict[str, str] | None = None) -> tuple[str, dict[str, str]]:
    """Start line and header fields up to the empty line; names in lower case, of repeated fields the first value.

    ``shorts`` maps one-letter field names to the long ones (SIP). Folded lines belong to the field before them.
    """
    end = raw.find(b"\r\n\r\n")
    if end < 0:
        end = raw.find(b"\n\n")
    lines = (raw if end < 0 else raw[:end]).decode("utf-8", "backslashreplace").split("\n", MAX_HEADERS + 1)
    fields: dict[str, str] = {}
    last = ""
    for i in range(1, min(len(lines), MAX_HEADERS + 1)):
        line = lines[i]
        if last and line and (line[0] == " " or line[0] == "\t") and _SMUGGLED(line) is None:
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
    """A number in ASCII digits; None if it is not one or is greater than ``most``."""
    if digits is None or len(digits) > 20 or not (digits.isascii() and digits.isdigit()):
        return None
    value = int(digits)
    return value if value <= most else None


class RowParser(Parser):
    """A parser that stops after `MAX_ROWS` rows of its flow and reports that as an anomaly."""

    __slots__ = ("names_learned", "rows")
    limit = MAX_ROWS

    def __init__(self, talk: Conversation) -> None:
        self.talk = talk
        self.rows = 0
        self.names_learned: set[tuple[str, str]] | None = None  # a set per flow is much where there are many flows

    def learn_name(self, ip: str, name: str, source: str, ttl: int | None = None) -> None:
        """Report a name for an address, once per flow, and at most `MAX_NAMES` of them."""
        if self.names_learned is None:
            self.names_learned = set()
        if (ip, name) not in self.names_learned and len(self.names_learned) < MAX_NAMES:
            self.names_learned.add((ip, name))
            self.talk.learn(ip, name, source, ttl)

    def store_row(self, row: object, ts: int = 0, packet: int = 0) -> None:
        """Store a row; ``ts`` and ``packet`` default to those of the packet being read."""
        if self.rows >= self.limit:
            return
        self.rows += 1
        self.talk.emit(row, ts, packet)
        if self.rows >= self.limit:
            self.talk.anomaly("many_messages", f"stopped after {self.rows} rows; later messages are not read")
            self.talk.finish()


_Row = TypeVar("_Row")
_Key = TypeVar("_Key")


class Waiting(Generic[_Key, _Row]):
    """Requests without a response: the row with the time and number of its packet. Bounded: the oldest is evicted."""

    __slots__ = ("most", "rows")

    def __init__(self, most: int = MAX_OUTSTANDING) -> None:
        self.rows: dict[_Key, tuple[_Row, int, int]] = {}
        self.most = most

    def add(self, key: _Key, row: _Row, talk: Conversation) -> tuple[_Row, int, int] | None:
        """Add a request; returns the one that it evicts: an earlier one of the same key, or the oldest."""
        rows = self.rows
        evicted = rows.pop(key, None)
        if evicted is None and len(rows) >= self.most:
            evicted = rows.pop(next(iter(rows)))
        rows[key] = (row, talk.ts, talk.packet)
        return evicted

    def take(self, key: _Key) -> tuple[_Row, int, int] | None:
        """Remove and return the request that a response belongs to."""
        return self.rows.pop(key, None)

    def drain(self) -> Iterator[tuple[_Row, int, int]]:
        """Remove and yield all pending requests, oldest first."""
        waiting, self.rows = self.rows, {}
        yield from waiting.values()


def need(data: bytes, end: int, part: str) -> None:
    """Raise `DissectError` unless ``data`` has at least ``end`` bytes."""
    if end > len(data):
        raise DissectError("truncated {part}", part=part)
