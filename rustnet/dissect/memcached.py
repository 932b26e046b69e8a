"""Memcached's text and binary protocols over TCP and UDP (memcached's protocol.txt; no RFC): commands, never keys.

One row per command with its reply. Values are skipped and counted.
"""

import re
from collections import deque

from rustnet.dissect.framework.conversation import MORE, NO, YES, Conversation, DissectError, Dissector, Parser, Shape
from rustnet.dissect.framework.lines import LineParser, read_raw_sasl, unknown
from rustnet.dissect.framework.pairs import Pairs, elapsed
from rustnet.dissect.framework.reading import MAX_OUTSTANDING, RowParser, text
from rustnet.records import U16, U32, U64, Software, Term, User, record

MAX_BODY = 1 << 30
_STORE = re.compile(
    rb"(set|add|replace|append|prepend|cas) [^\x00-\x20\x7f]{1,250} -?[0-9]+ -?[0-9]+ ([0-9]{1,10})( [ -~]+)?\r?$"
).match
_META_SET = re.compile(rb"ms [^\x00-\x20\x7f]{1,250} ([0-9]{1,10})(?: [ -~]+)?\r?$").match
_WORD = re.compile(rb"([a-z_]{2,16})(?: ([ -~]*))?\r?$").match
_VALUE = re.compile(rb"(?:VALUE [^ ]+ [0-9]+|VA) ([0-9]{1,10})(?: [ -~]+)?$").match
_RETRIEVALS = frozenset({"get", "gets", "gat", "gats"})
_COMMANDS = _RETRIEVALS | {
    "set", "add", "replace", "append", "prepend", "cas", "delete", "incr", "decr", "touch", "stats", "version",
    "flush_all", "verbosity", "mg", "ms", "md", "mn", "ma", "me", "quit", "slabs", "lru", "watch", "shutdown",
}  # fmt: skip
_REPLIES = re.compile(
    rb"(?:VALUE [^ \r\n]+ [0-9]+ [0-9]+(?: [0-9]+)?|END|STORED|NOT_STORED|EXISTS|NOT_FOUND|DELETED|TOUCHED|OK|ERROR"
    rb"|STAT [^ \r\n]+ [^\r\n]*|VERSION [^\r\n]+|(?:CLIENT|SERVER)_ERROR[^\r\n]*|HD[^\r\n]*|EN|NF|NS|MN|ME [^\r\n]*"
    rb"|RESET|BUSY[^\r\n]*|BADCLASS[^\r\n]*|NOSPARE[^\r\n]*|NOTFULL[^\r\n]*|UNSAFE[^\r\n]*|SAME[^\r\n]*)\r\n"
).match
_QUIET = re.compile(rb"m[gsda] [^ ]+(?: [^ ]+)* q(?: |$)").match
"""A meta command that may get no reply."""
_COUNTERS = frozenset({"incr", "decr"})
_QUIET_CODES = frozenset({0x09, 0x0D, *range(0x11, 0x1B), 0x1E, 0x24})
"""Codes of binary commands that may get no reply."""
_STAT = 0x10
_NAMES = (
    "get set add replace delete incr decr quit flush_all getq noop version getk getkq append prepend stat setq "
    "addq  replaceq deleteq incrq decrq quitq flush_allq appendq prependq verbosity touch gat gatq "
)
_OPCODES = _NAMES.split()
_SASL = {0x20: "sasl_list_mechs", 0x21: "sasl_auth", 0x22: "sasl_step"}
_PORTS = (11211,)


@record("memcached")
class Memcached:
    """One Memcached command and its reply."""

    command: Term | None = None
    """Name of the command; NULL for a reply whose command was not seen."""
    binary: bool = False
    """The binary protocol is used."""
    argument_count: U32 | None = None
    """Keys requested, or other arguments; NULL with the binary protocol."""
    request_bytes: U64 = 0
    """Bytes of the value sent."""
    response_bytes: U64 = 0
    """Bytes of the values received; over UDP of the whole reply."""
    result: Term | None = None
    """First word of the reply's last line (`NUMBER` after incr and decr), or the binary reply's status; NULL without
    one."""
    server_version: Software | None = None
    """Version of the server, if it was requested."""
    username: User | None = None
    """User who logs in (binary protocol)."""
    has_password: bool = False
    """A password was sent."""
    status_code: U16 | None = None
    """Status of a binary reply: 0 is success."""
    response_ms: float | None = None
    """From the command to the end of its reply, in milliseconds; NULL if their packets have times in another order."""
    pair_unknown: bool = False
    """Bytes of the flow are missing, or the client asked for fewer replies, so that this command and its reply cannot
    be assigned to each other."""


def _command(line: bytes) -> tuple[Memcached, int] | None:
    """Row of a command in text, and how many bytes of a value follow it."""
    word = _WORD(line)
    if word is None:
        return None
    name = word.group(1).decode("ascii")
    if name not in _COMMANDS:
        return None
    row = Memcached(command=name, argument_count=len((word.group(2) or b"").split()))
    store = _STORE(line)
    size = _META_SET(line)
    if store is not None or size is not None:
        row.request_bytes = int(store.group(2) if store is not None else size.group(1))  # type: ignore[union-attr]
        return row, row.request_bytes + 2
    return row, 0


class TextParser(LineParser):
    """One connection with the text protocol."""

    __slots__ = ("client", "pairs")

    def __init__(self, talk: Conversation) -> None:
        super().__init__(talk)
        self.client = talk.dst_port in _PORTS or talk.src_port not in _PORTS
        """Direction of the client: the flow's initiator, unless only its port is a standard one."""
        self.search()
        self.pairs = Pairs()
        self.pairs.begin(talk, self.client)

    def line(self, line: bytes, from_src: bool) -> int:
        """Read a command, or a line of a reply; values are skipped."""
        if from_src != self.client:
            return self._reply(line)
        request = _command(line)
        if request is None:
            if not line:
                return 0
            request = Memcached(command=unknown(self.talk, line)), 0  # it gets a reply, too: ERROR
        row, skip = request
        talk = self.talk
        if line.endswith(b" noreply") or row.command == "quit":
            self.store_row(row, talk.ts, talk.packet)
            return skip
        if row.command == "watch" or _QUIET(line) is not None:
            self.pairs.give_up()
        for entry in self.pairs.request(row, talk.ts, talk.packet, len(line) + 2):
            self.store_row(*entry)
        return skip

    def resumes(self, line: bytes, from_src: bool) -> bool:
        """Whether the first line after a loss is a whole one; if it is not, a message began in what is missing."""
        if from_src != self.client:
            whole = _REPLIES(line + b"\r\n") is not None
            if not whole:
                self.pairs.lose_responses()
            return whole
        whole = _command(line) is not None
        if not whole:
            self.pairs.lose_requests(len(line) + 2)
        return whole

    def _reply(self, line: bytes) -> int:
        value = _VALUE(line)
        if value is not None:
            size = int(value.group(1))
            row = self.pairs.first()
            if row is not None:
                row.response_bytes += size
            if line.startswith(b"VA "):
                self._final(b"VA")
            return size + 2
        if not line or line.startswith(b"STAT "):
            return 0
        row = self.pairs.first()
        if (line.isdigit() and row is not None and row.command in _COUNTERS) or (line.isdigit() and self.pairs.doubt):
            self._final(b"NUMBER")
        elif _REPLIES(line + b"\r\n") is not None:
            self._final(line)
        elif self.rows == 0 and not self.pairs.waiting and not self.pairs.torn:
            raise DissectError("expected a reply line")
        return 0

    def _final(self, line: bytes) -> None:
        """Complete the oldest pending command."""
        entry = self.pairs.response()
        if entry is None:
            entry = (Memcached(), self.talk.ts, self.talk.packet)
            self.pairs.orphan(entry[0])
        row, ts, packet = entry
        word, _, rest = line.partition(b" ")
        row.result = text(word)
        if word == b"VERSION":
            row.server_version = text(rest)
        if row.command is not None:
            row.response_ms = elapsed(ts, self.talk.ts)
        self.store_row(row, ts, packet)

    def late(self) -> None:
        """State no more pairs."""
        self.pairs.give_up()

    def close(self) -> None:
        """Store the commands that got no reply."""
        for entry in self.pairs.drain():
            self.store_row(*entry)
        self.pairs.report(self.talk, "Memcached")

    def gap(self, size: int, from_src: bool) -> None:
        """Stop reading: the next bytes may be part of a value."""
        self.pairs.give_up()
        self.close()
        self.talk.finish()


class BinaryParser(RowParser):
    """One connection with the binary protocol."""

    __slots__ = ("waiting",)

    def __init__(self, talk: Conversation) -> None:
        super().__init__(talk)
        self.waiting: deque[tuple[Memcached, int, int, bytes, int]] = deque()

    def stream(self, data: bytes, from_src: bool) -> int:
        """Read headers; keys and values are skipped, except those of a login."""
        pos = 0
        size = len(data)
        while size - pos >= 24 and not self.talk.finished:
            length = int.from_bytes(data[pos + 8 : pos + 12], "big")
            if data[pos] not in {0x80, 0x81} or length > MAX_BODY:
                raise DissectError("expected a binary protocol header")
            code = data[pos + 1]
            end = pos + 24 + length
            if code == 0x21 and data[pos] == 0x80 and length <= 512 and end > size:
                return pos
            if data[pos] == 0x80:
                self._request(code, length, data[pos : min(end, pos + 24 + 512)])
            else:
                self._reply(code, length, data[pos : pos + 24])
            pos = end
        return pos

    def _request(self, code: int, length: int, head: bytes) -> None:
        row = Memcached(binary=True)
        row.command = _SASL.get(code) or (_OPCODES[code] if code < len(_OPCODES) else f"{code:#04x}")
        key = head[2] << 8 | head[3]
        row.request_bytes = max(0, length - key - head[4])
        if code in {0x21, 0x22}:
            row.has_password = True
            row.username, _ = read_raw_sasl(self.talk, "PLAIN", head[24 + key :], 1)
        self.waiting.append((row, self.talk.ts, self.talk.packet, head[12:16], code))
        if len(self.waiting) > MAX_OUTSTANDING:
            self.store_row(*self.waiting.popleft()[:3])

    def _reply(self, code: int, length: int, head: bytes) -> None:
        """Pair a reply with its command, by code and opaque value; quiet commands before it have no reply."""
        fitting = [i for i, entry in enumerate(self.waiting) if entry[3] == head[12:16] and entry[4] == code]
        if not fitting:
            return
        size = max(0, length - (head[2] << 8 | head[3]) - head[4])
        if code == _STAT and length:
            self.waiting[fitting[0]][0].response_bytes += size  # one of several, the last of which is empty
            return
        if len(fitting) > 1 and code in _QUIET_CODES:
            for i in fitting:
                self.waiting[i][0].pair_unknown = True
            return
        for _ in range(fitting[0]):
            self.store_row(*self.waiting.popleft()[:3])
        row, ts, packet, _, _ = self.waiting.popleft()
        row.status_code = head[6] << 8 | head[7]
        row.result = "ok" if row.status_code == 0 else "error"
        row.response_bytes += size
        row.response_ms = elapsed(ts, self.talk.ts)
        self.store_row(row, ts, packet)

    def close(self) -> None:
        """Store the commands that got no reply."""
        while self.waiting:
            self.store_row(*self.waiting.popleft()[:3])

    def gap(self, size: int, from_src: bool) -> None:
        """Stop reading: the beginning of the next header cannot be found."""
        for row, *_ in self.waiting:
            row.pair_unknown = True
        if self.waiting:
            self.talk.anomaly("pair_unknown", "bytes are missing: replies of Memcached may be lost", len(self.waiting))
        super().gap(size, from_src)


class DatagramParser(RowParser):
    """Requests and replies over UDP, which are abused for amplification attacks."""

    __slots__ = ("waiting",)

    def __init__(self, talk: Conversation) -> None:
        super().__init__(talk)
        self.waiting: dict[bytes, tuple[Memcached, int, int]] = {}

    def datagram(self, data: bytes, from_src: bool) -> None:
        """Read a request, or count a reply."""
        if len(data) < 10:
            return
        number = data[:2]
        request = _command(data[8:].partition(b"\n")[0])
        if request is not None:
            if number in self.waiting or len(self.waiting) >= MAX_OUTSTANDING:
                self.store_row(*self.waiting.pop(number if number in self.waiting else next(iter(self.waiting))))
            self.waiting[number] = (request[0], self.talk.ts, self.talk.packet)
            return
        entry = self.waiting.get(number)
        if entry is None:
            entry = self.waiting[number] = (Memcached(), self.talk.ts, self.talk.packet)
        row, ts, packet = entry
        row.response_bytes += len(data) - 8
        reply = _REPLIES(data, 8)  # other datagrams of the reply begin anywhere in a value
        row.result = row.result or (text(reply.group().split()[0]) if reply is not None else None)
        row.response_ms = elapsed(ts, self.talk.ts) if row.command is not None else None
        if int.from_bytes(data[2:4], "big") + 1 >= int.from_bytes(data[4:6], "big"):
            del self.waiting[number]
            self.store_row(row, ts, packet)

    def close(self) -> None:
        """Store the requests that got no complete reply."""
        while self.waiting:
            self.store_row(*self.waiting.pop(next(iter(self.waiting))))


class StreamParser(Parser):
    """A connection whose first byte shows which of the two protocols it uses."""

    __slots__ = ("inner",)

    def __init__(self, talk: Conversation) -> None:
        super().__init__(talk)
        self.inner: TextParser | BinaryParser | None = None

    def stream(self, data: bytes, from_src: bool) -> int:
        """Choose the protocol's parser, and let it read."""
        if self.inner is None:
            self.inner = BinaryParser(self.talk) if data[0] in {0x80, 0x81} else TextParser(self.talk)
        return self.inner.stream(data, from_src)

    def gap(self, size: int, from_src: bool) -> None:
        """Forward to the protocol's parser."""
        if self.inner is not None:
            self.inner.gap(size, from_src)

    def close(self) -> None:
        """Forward to the protocol's parser."""
        if self.inner is not None:
            self.inner.close()


def _parser(talk: Conversation) -> Parser:
    """Create the parser for the flow's transport."""
    return StreamParser(talk) if talk.transport == "tcp" else DatagramParser(talk)


def _probe_memcached(data: bytes, talk: Conversation, from_src: bool) -> int:
    """Recognise commands and replies on the ports; elsewhere only a command that stores."""
    if talk.transport != "tcp":
        return _probe_udp(data, talk)
    if not data:
        return MORE
    first = data[0]
    if not 97 <= first <= 122 and talk.dst_port not in _PORTS and talk.src_port not in _PORTS:
        return NO
    on_port = talk.has_port(*_PORTS)
    if first in {0x80, 0x81}:
        return _probe_binary(data) if on_port else NO
    if not (97 <= first <= 122 or (on_port and 65 <= first <= 90)):
        return NO
    end = data.find(b"\r\n", 0, 2048)
    if end < 0:
        word = data.split(b" ", 1)[0]
        return MORE if on_port and len(data) < 1024 and word.isascii() and word.strip(b"_\r").isalpha() else NO
    if _STORE(data[:end]) is not None:
        return YES
    return YES if on_port and (_command(data[:end]) is not None or _REPLIES(data) is not None) else NO


def _probe_binary(data: bytes) -> int:
    """Recognise a head of the binary protocol."""
    if len(data) < 24:
        return MORE
    length = int.from_bytes(data[8:12], "big")
    fits = data[1] <= 0x5C and data[5] == 0 and (data[2] << 8 | data[3]) + data[4] <= length <= MAX_BODY
    return YES if fits and (data[0] == 0x81 or data[6:8] < b"\x40\0") else NO


def _probe_udp(data: bytes, talk: Conversation) -> int:
    if not talk.has_port(*_PORTS) or len(data) < 12 or data[6] or data[7] or data[4:6] == b"\0\0":
        return NO
    payload = data[8:]
    if _command(payload.partition(b"\r\n")[0]) is not None and b"\r\n" in payload:
        return YES
    return YES if _REPLIES(payload) is not None else NO


MEMCACHED = Dissector(
    "memcached", "Memcached (protocol.txt)", ("tcp", "udp"), _PORTS, (Memcached,), _probe_memcached, _parser,
    first=bytes(range(97, 123)), shapes={"udp": Shape(at={0: b""})},  # datagrams are recognised on its ports only
)  # fmt: skip
