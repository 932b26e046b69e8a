"""Scan lines of a sidecar at C speed: ends and times as numbers, the other keys that matter as one text.

A sidecar of a million lines has few processes, so everything but ends and times repeats, and `LineParser` needs to
parse each distinct text only once. Lines that the scanner does not support (an escaped key, an unusual number, an
unspecified address, invalid JSON) are listed in `Scanner.unscanned` and parsed whole by `LineParser`.

Compiled by Cython with the types of ``scan.pxd``; it also runs uncompiled, slowly.
"""

from collections.abc import Iterable

import numpy as np

from rustnet.attribute.observation import NO_TIME
from rustnet.attribute.values import ANY_V4, ANY_V6, MAX_TIME, Address, BadValue, parse_endpoint

_MISSING = NO_TIME

COLUMNS = (
    "local_hi", "local_lo", "local_port", "remote_hi", "remote_lo", "remote_port", "first", "last", "written", "text",
    "position", "start",
)  # fmt: skip
"""Columns of `Scanner`."""

OTHER, KEPT, UNFIT, LOCAL, REMOTE, FIRST, LAST, WRITTEN = range(8)
"""Kinds of keys: ignored; part of the text; makes the line unsupported; an end or a time."""

DEPTH = 12
"""Maximum nesting of a supported line."""

MAX_LINE = 1 << 20

_KEYS = 64
_SPANS = 16
_CACHED = 65_536
_LONGEST_END = 128
_MAX_SECOND = MAX_TIME // 1_000_000_000 - 1
_DAYS_BEFORE = (0, 0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334)
_MONTH_DAYS = (0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_NANOS, _SECS = b'"nanos_since_epoch"', b'"secs_since_epoch"'
_TRUE, _FALSE, _NULL = b"true", b"false", b"null"


class Scanner:
    """Scanner of one block after another into ``columns``, of which ``count`` rows are filled."""

    def __init__(self, kept: Iterable[str], unfit: Iterable[str], rows: int) -> None:
        """``kept``: keys whose text matters; ``unfit``: keys of unsupported lines; ``rows``: size of the columns."""
        self.kinds = dict.fromkeys((key.encode() for key in kept), KEPT)
        self.kinds.update(dict.fromkeys((key.encode() for key in unfit), UNFIT))
        self.kinds.update({b"local_addr": LOCAL, b"remote_addr": REMOTE, b"first_seen": FIRST, b"last_seen": LAST})
        self.kinds[b"timestamp"] = WRITTEN
        self.rows = rows
        # The attributes are typed views of the arrays in `columns` when compiled.
        self.columns = {
            name: np.zeros(rows, np.uint64 if name.endswith(("_hi", "_lo")) else np.int64) for name in COLUMNS
        }
        self.local_hi, self.local_lo = self.columns["local_hi"], self.columns["local_lo"]
        self.local_port = self.columns["local_port"]
        self.remote_hi, self.remote_lo = self.columns["remote_hi"], self.columns["remote_lo"]
        self.remote_port = self.columns["remote_port"]
        self.first, self.last, self.written = self.columns["first"], self.columns["last"], self.columns["written"]
        self.text, self.position, self.start = self.columns["text"], self.columns["position"], self.columns["start"]
        self.key_from = np.zeros(_KEYS, np.int64)
        self.key_size = np.zeros(_KEYS, np.int64)
        self.key_kind = np.zeros(_KEYS, np.int64)
        self.span_from = np.zeros(_SPANS, np.int64)
        self.span_to = np.zeros(_SPANS, np.int64)
        self.endpoints: dict[bytes, tuple[Address, int]] = {}
        self.escaped = self.high = False
        self.ns = self.hi = self.lo = self.port = 0
        self.end = self.count = 0
        self.texts: dict[bytes, int] = {}
        self.unscanned: list[tuple[int, int, int]] = []
        self.attach(b"")

    def attach(self, block: bytes) -> None:
        """Set the block to scan: whole lines, of which the last may lack its line feed."""
        self.block = block
        self.b = block
        self.size = len(block)
        self.place = 0
        self.keys_known = 0

    def scan(self, number: int) -> int:
        """Scan from ``place``, line ``number``, until the block ends or all rows are filled; return the next number.

        Each line that is not blank is a row, or is listed in ``unscanned`` as (number, start, end). A row's ``text`` is
        the number of its text in ``texts``.
        """
        self.count = 0
        self.texts = {}
        self.unscanned = []
        while self.place < self.size and self.count < self.rows:
            start = self.place
            end = self.block.find(b"\n", start)
            if end < 0:
                end = self.size
            self.place = end + 1
            self.end = end
            if self.space(start) < end:
                if end - start < MAX_LINE and self.line(start):
                    self.position[self.count] = number
                    self.start[self.count] = start
                    self.count += 1
                else:
                    self.unscanned.append((number, start, min(end + 1, self.size)))
            number += 1
        return number

    def line(self, o: int) -> bool:
        """Scan the line at ``o`` into the next row; false if it is not supported."""
        row = self.count
        seen = spans = index = 0
        before = OTHER
        self.high = False
        self.written[row] = _MISSING
        begin = start = o
        o = self.space(o)
        if o >= self.end or self.b[o] != 0x7B:
            return False
        o = self.space(o + 1)
        while True:
            start = o
            if o >= self.end or self.b[o] != 0x22:
                return False
            o = self.string(o)
            if o < 0 or self.escaped:
                return False
            kind = self.kind(index, start + 1, o - 1)
            index += 1
            o = self.space(o)
            if o >= self.end or self.b[o] != 0x3A:
                return False
            o = self.space(o + 1)
            if kind == OTHER:
                o = self.value(o, 0)
            elif kind == KEPT:
                o = self.value(o, 0)
                if before != KEPT:
                    if spans == _SPANS:
                        return False
                    self.span_from[spans] = start
                    spans += 1
                if o > 0:
                    self.span_to[spans - 1] = o
            elif kind == UNFIT or seen & (1 << kind):
                return False
            else:
                seen |= 1 << kind
                o = self.special(kind, o, row)
            if o < 0:
                return False
            before = kind
            o = self.space(o)
            if o >= self.end:
                return False
            if self.b[o] == 0x7D:
                break
            if self.b[o] != 0x2C:
                return False
            o = self.space(o + 1)
        if self.space(o + 1) != self.end or seen & 0x78 != 0x78:
            return False
        if self.high and not self.readable(begin):
            return False
        if self.last[row] < self.first[row]:
            swapped = self.first[row]
            self.first[row] = self.last[row]
            self.last[row] = swapped
        self.text[row] = self.text_number(spans)
        return True

    def readable(self, start: int) -> bool:
        """Whether the line at ``start`` is valid UTF-8."""
        try:
            self.block[start : self.end].decode()
        except UnicodeDecodeError:
            return False
        return True

    def text_number(self, spans: int) -> int:
        """Number of the line's text, the concatenated spans of its kept keys."""
        if not spans:
            text = b""
        else:
            text = self.block[self.span_from[0] : self.span_to[0]]
        for i in range(1, spans):
            text = text + b"," + self.block[self.span_from[i] : self.span_to[i]]
        number = self.texts.get(text)
        if number is None:
            number = self.texts[text] = len(self.texts)
        return number

    def kind(self, index: int, start: int, end: int) -> int:
        """Kind of a key; cached by position, because lines usually have their keys in the same order."""
        if index < self.keys_known and self.key_size[index] == end - start:
            at = self.key_from[index]
            i = 0
            while i < end - start and self.b[at + i] == self.b[start + i]:
                i += 1
            if i == end - start:
                return int(self.key_kind[index])
        kind = self.kinds.get(self.block[start:end], OTHER)
        if index < _KEYS:
            self.key_from[index] = start
            self.key_size[index] = end - start
            self.key_kind[index] = kind
            self.keys_known = max(self.keys_known, index + 1)
        return kind

    def space(self, o: int) -> int:
        """Offset of the first character from ``o`` on that is not white space, or the line's end."""
        while o < self.end and self.b[o] in {0x20, 0x09, 0x0A, 0x0D}:
            o += 1
        return o

    def string(self, o: int) -> int:
        """Offset after the string at ``o``, -1 if it is invalid; sets ``escaped`` if it has escapes."""
        self.escaped = False
        o += 1
        while o < self.end:
            c = self.b[o]
            if c == 0x22:
                return o + 1
            if c < 0x20:
                return -1
            if c == 0x5C:
                self.escaped = True
                o += 1
                if o >= self.end:
                    return -1
                c = self.b[o]
                if c == 0x75:
                    if o + 4 >= self.end:
                        return -1
                    for i in range(1, 5):
                        if not self.hexadecimal(self.b[o + i]):
                            return -1
                    o += 4
                elif c not in {0x22, 0x5C, 0x2F, 0x62, 0x66, 0x6E, 0x72, 0x74}:
                    return -1
            elif c >= 0x80:
                self.high = True
            o += 1
        return -1

    def hexadecimal(self, c: int) -> bool:
        """Whether a byte is a hexadecimal digit."""
        return 0x30 <= c <= 0x39 or 0x41 <= c <= 0x46 or 0x61 <= c <= 0x66

    def value(self, o: int, depth: int) -> int:
        """Offset after the JSON value at ``o``; -1 if it is invalid or unsupported."""
        if o >= self.end:
            return -1
        c = self.b[o]
        if c == 0x22:
            return self.string(o)
        if c in {0x7B, 0x5B}:
            return self.nested(o, depth)
        if c == 0x74:
            return self.literal(o, _TRUE)
        if c == 0x66:
            return self.literal(o, _FALSE)
        if c == 0x6E:
            return self.literal(o, _NULL)
        return self.number(o)

    def nested(self, o: int, depth: int) -> int:
        """Offset after the object or list at ``o``; -1 if it is invalid or nested too deeply."""
        braces = self.b[o] == 0x7B
        close = 0x7D if braces else 0x5D
        if depth >= DEPTH:
            return -1
        o = self.space(o + 1)
        if o < self.end and self.b[o] == close:
            return o + 1
        while True:
            if braces:
                if o >= self.end or self.b[o] != 0x22:
                    return -1
                o = self.string(o)
                if o < 0:
                    return -1
                o = self.space(o)
                if o >= self.end or self.b[o] != 0x3A:
                    return -1
                o = self.space(o + 1)
            o = self.value(o, depth + 1)
            if o < 0:
                return -1
            o = self.space(o)
            if o >= self.end:
                return -1
            if self.b[o] == close:
                return o + 1
            if self.b[o] != 0x2C:
                return -1
            o = self.space(o + 1)

    def literal(self, o: int, word: bytes) -> int:
        """Offset after the literal ``word`` at ``o``; -1 if it differs."""
        end = o + len(word)
        return end if end <= self.end and self.block[o:end] == word else -1

    def digits(self, o: int) -> int:
        """Offset of the first character from ``o`` on that is not a digit."""
        while o < self.end and 0x30 <= self.b[o] <= 0x39:
            o += 1
        return o

    def number(self, o: int) -> int:
        """Offset after the number at ``o``; -1 if it is invalid or has more than 64 characters."""
        start = o
        if self.b[o] == 0x2D:
            o += 1
        whole = o
        o = self.digits(o)
        if o == whole or (self.b[whole] == 0x30 and o > whole + 1):
            return -1
        if o < self.end and self.b[o] == 0x2E:
            whole = o + 1
            o = self.digits(whole)
            if o == whole:
                return -1
        if o < self.end and self.b[o] in {0x45, 0x65}:
            o += 1
            if o < self.end and self.b[o] in {0x2B, 0x2D}:
                o += 1
            whole = o
            o = self.digits(o)
            if o == whole:
                return -1
        return o if o - start <= 64 else -1

    def special(self, kind: int, o: int, row: int) -> int:
        """Parse an end or a time into the row; offset after it, or -1 if it is unsupported."""
        if o >= self.end:
            return -1
        if kind in {FIRST, LAST}:
            o = self.instant(o)
            if o > 0:
                if kind == FIRST:
                    self.first[row] = self.ns
                else:
                    self.last[row] = self.ns
            return o
        if kind == WRITTEN and self.b[o] == 0x6E:
            return self.literal(o, _NULL)
        if self.b[o] != 0x22:
            return -1
        end = self.string(o)
        if end < 0 or self.escaped:
            return -1
        if kind == WRITTEN:
            if not self.stamp(o + 1, end - 1):
                return -1
            self.written[row] = self.ns
            return end
        if not self.endpoint(o + 1, end - 1):
            return -1
        if kind == LOCAL:
            self.local_hi[row], self.local_lo[row], self.local_port[row] = self.hi, self.lo, self.port
        else:
            self.remote_hi[row], self.remote_lo[row], self.remote_port[row] = self.hi, self.lo, self.port
        return end

    def decimal(self, o: int, end: int, most: int) -> int:
        """Value of 1 to ``most`` decimal digits from ``o`` to ``end``; -1 if they are not that."""
        if not 0 < end - o <= most:
            return -1
        number = 0
        while o < end:
            c = self.b[o]
            if not 0x30 <= c <= 0x39:
                return -1
            number = number * 10 + (c - 0x30)
            o += 1
        return number

    def endpoint(self, o: int, end: int) -> bool:
        """Parse address and port into ``hi``, ``lo``, ``port``; false if unspecified or unsupported."""
        address = 0
        place = o
        for i in range(4):
            start = place
            place = self.digits(place)
            octet = self.decimal(start, place, 3)
            stop = 0x3A if i == 3 else 0x2E
            if octet < 0 or octet > 255 or (place - start > 1 and self.b[start] == 0x30) or place >= end \
                    or self.b[place] != stop:  # fmt: skip
                return self.other_endpoint(o, end)
            address = address << 8 | octet
            place += 1
        port = self.decimal(place, end, 5)
        self.hi = 0
        self.lo = 0xFFFF_0000_0000 | address
        self.port = port
        return address != 0 and 0 < port <= 0xFFFF

    def other_endpoint(self, o: int, end: int) -> bool:
        """`endpoint` for anything but IPv4, with a cache."""
        if end - o > _LONGEST_END:
            return False
        text = self.block[o:end]
        known = self.endpoints.get(text)
        if known is None:
            try:
                known = parse_endpoint(text.decode())
            except (BadValue, UnicodeDecodeError):
                known = (ANY_V6, 0)
            if len(self.endpoints) >= _CACHED:
                self.endpoints.clear()
            self.endpoints[text] = known
        address, port = known
        self.hi, self.lo = address
        self.port = port
        return port != 0 and address != ANY_V4 and address != ANY_V6

    def instant(self, o: int) -> int:
        """Parse an object of seconds and nanoseconds into ``ns``; offset after it, or -1."""
        if self.b[o] != 0x7B:
            return -1
        seconds = nanos = -1
        o += 1
        for i in range(2):
            o = self.space(o)
            if self.same(o, _NANOS):
                o += len(_NANOS)
                which = 1
            elif self.same(o, _SECS):
                o += len(_SECS)
                which = 0
            else:
                return -1
            o = self.space(o)
            if o >= self.end or self.b[o] != 0x3A:
                return -1
            start = self.space(o + 1)
            o = self.digits(start)
            value = self.decimal(start, o, 10)
            if value < 0 or (o - start > 1 and self.b[start] == 0x30):
                return -1
            if which:
                nanos = value
            else:
                seconds = value
            o = self.space(o)
            if o >= self.end or self.b[o] != (0x7D if i else 0x2C):
                return -1
            o += 1
        if not 0 <= nanos < 1_000_000_000 or not 0 <= seconds <= _MAX_SECOND:
            return -1
        self.ns = seconds * 1_000_000_000 + nanos
        return o

    def same(self, o: int, word: bytes) -> bool:
        """Whether the block has ``word`` at ``o``."""
        return o + len(word) <= self.end and self.block.startswith(word, o)

    def stamp(self, o: int, end: int) -> bool:
        """Parse ``2026-06-01T12:00:00.123Z`` into ``ns``; false for any other form."""
        if end - o < 20 or end - o > 30 or self.b[end - 1] != 0x5A or self.b[o + 4] != 0x2D or self.b[o + 7] != 0x2D \
                or self.b[o + 10] != 0x54 or self.b[o + 13] != 0x3A or self.b[o + 16] != 0x3A:  # fmt: skip
            return False
        year = self.decimal(o, o + 4, 4)
        month = self.decimal(o + 5, o + 7, 2)
        day = self.decimal(o + 8, o + 10, 2)
        hour = self.decimal(o + 11, o + 13, 2)
        minute = self.decimal(o + 14, o + 16, 2)
        second = self.decimal(o + 17, o + 19, 2)
        nanos = 0
        if end - o > 20:
            if end - o == 21 or self.b[o + 19] != 0x2E:
                return False
            nanos = self.decimal(o + 20, end - 1, 9)
            if nanos < 0:
                return False
            for _ in range(9 - (end - o - 21)):
                nanos *= 10
        if not 1971 <= year <= 2099 or not 1 <= month <= 12 or not 1 <= day <= 31 \
                or not 0 <= hour < 24 or not 0 <= minute < 60 or not 0 <= second < 60:  # fmt: skip
            return False
        if day > _MONTH_DAYS[month]:  # also 29 February, which `parse_time` handles
            return False
        years = year - 1970
        days = years * 365 + (years + 1) // 4 + _DAYS_BEFORE[month] + day - 1
        if year % 4 == 0 and month > 2:
            days += 1
        self.ns = (((days * 24 + hour) * 60 + minute) * 60 + second) * 1_000_000_000 + nanos
        return True
