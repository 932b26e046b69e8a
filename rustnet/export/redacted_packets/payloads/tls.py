"""TLS (RFC 8446, 5246): headers of records and messages, and the hellos with the server's name replaced.

Keys, random numbers, tickets, certificates and all that is encrypted are removed.
"""

from rustnet.export.redacted_packets.payload import PayloadContext
from rustnet.export.redacted_packets.payloads.page import CutError, Page
from rustnet.export.redacted_packets.payloads.replacing import HIDDEN, Replacements, replacements
from rustnet.records import Kind

CHANGE, ALERT, HANDSHAKE, DATA, HEARTBEAT = range(20, 25)
CLIENT_HELLO, SERVER_HELLO = 1, 2
MAX_RECORD = (1 << 14) + 2048
MAX_RECORDS = 4096
MAX_EXTENSIONS = 512
MAX_NUMBERS = 1024
"""Bytes of a list of algorithms that stays."""
HELLO_RETRY = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")
"""Random of a ServerHello that asks for another hello (RFC 8446, 4.1.3)."""
PROTOCOLS = frozenset((
    b"http/0.9", b"http/1.0", b"http/1.1", b"spdy/1", b"spdy/2", b"spdy/3", b"spdy/3.1", b"h2", b"h2c", b"h3", b"h3-29",
    b"h3-27", b"h3-28", b"h3-30", b"h3-31", b"h3-32", b"h3-34", b"hq", b"hq-29", b"hq-interop", b"dot", b"doq", b"imap",
    b"pop3", b"smtp", b"ftp", b"managesieve", b"xmpp-client", b"xmpp-server", b"acme-tls/1", b"mqtt", b"stun.turn",
    b"stun.nat-discovery", b"webrtc", b"c-webrtc", b"irc", b"nntp", b"coap", b"sip/2", b"ntske/1", b"sunrpc", b"smb",
    b"tds/8.0", b"dicom", b"postgresql", b"grpc-exp", b"h3-Q050", b"h3-Q046", b"h3-Q043", b"apns-security-v3",
    b"apns-pack-v1", b"co", b"netconf", b"radius/1.0", b"radius/1.1", b"http%2F1.1",
))  # fmt: skip
"""Names of protocols of TLS (ALPN) that stay; others are hidden."""
PADDING = b"\0\x15"
"""Type that other extensions get where fingerprints do not stay."""

_NAME, _ALPN, _VERSIONS, _KEYS, _SETTINGS, _OLD_SETTINGS = 0, 16, 43, 51, 17613, 17513
_ECH = 0xFE0D
_NUMBERS = frozenset((1, 10, 11, 13, 15, 27, 28, 34, 45, 50))
"""Extensions that are numbers of algorithms, sizes and modes."""
_ALWAYS = frozenset((_NAME, _ALPN, _VERSIONS))
"""Extensions that say as much as columns of tables do."""


class Hello:
    """Writes one ClientHello or ServerHello from its version on."""

    def __init__(self, page: Page, stop: int, names: Replacements, *, client: bool) -> None:
        self.page = page
        self.stop = stop
        self.names = names
        self.client = client
        self.whole = names.keeps(Kind.FINGERPRINT)
        """Whether all lists stay from which fingerprints are computed."""

    def write(self, pos: int, *, cookie: bool = False) -> None:
        """Write it; ``cookie`` is DTLS's."""
        page = self.page
        page.keep(pos, pos + 2)
        if page.data[pos + 2 : pos + 34] == HELLO_RETRY:
            page.keep(pos + 2, pos + 34)
        else:
            page.blank(pos + 2, pos + 34)
        pos = self.hidden(pos + 34, 1)
        if cookie:
            pos = self.hidden(pos, 1)
        if self.client:
            pos = self.numbers(pos, 2)
            pos = self.numbers(pos, 1, always=True)
        else:
            page.keep(pos, pos + 3)
            pos += 3
        if pos + 2 <= self.stop:
            page.keep(pos, pos + 2)
            self.extensions(pos + 2, min(self.stop, pos + 2 + page.u16(pos)))

    def _vector(self, pos: int, width: int) -> tuple[int, int]:
        """Keep a length; return where what it counts begins and ends."""
        page = self.page
        start = pos + width
        page.keep(pos, start)
        stop = start + int.from_bytes(page.data[pos:start])
        if stop > self.stop:
            raise CutError
        return start, stop

    def hidden(self, pos: int, width: int) -> int:
        """Zeros for bytes whose length is before them; return the position after them."""
        start, stop = self._vector(pos, width)
        self.page.blank(start, stop)
        return stop

    def numbers(self, pos: int, width: int, *, always: bool = False) -> int:
        """Keep a list of numbers; return the position after it."""
        start, stop = self._vector(pos, width)
        if (self.whole or always) and stop - start <= MAX_NUMBERS:
            self.page.keep(start, stop)
        else:
            self.page.blank(start, stop)
        return stop

    def extensions(self, pos: int, end: int) -> None:
        """Write the extensions: their types and lengths, and what is known of them."""
        page = self.page
        for _ in range(MAX_EXTENSIONS):
            if pos + 4 > end:
                return
            kind, start = page.u16(pos), pos + 4
            stop = start + page.u16(pos + 2)
            if stop > end:
                raise CutError
            if self.whole or kind in _ALWAYS:
                page.keep(pos, start)
                self._extension(kind, start, stop)
            else:
                page.put(pos, PADDING)
                page.keep(pos + 2, start)
                page.blank(start, stop)
            pos = stop

    def _extension(self, kind: int, start: int, stop: int) -> None:
        page = self.page
        filled = start < stop
        if kind == _VERSIONS or (kind in _NUMBERS and stop - start <= MAX_NUMBERS):
            page.keep(start, min(stop, start + MAX_NUMBERS))
        elif kind == _NAME and filled:
            self._name(start, stop)
        elif kind in (_ALPN, _SETTINGS, _OLD_SETTINGS) and filled:
            page.keep(start, start + 2)
            self._protocols(start + 2, stop)
        elif kind == _KEYS and filled:
            self._keys(start, stop)
        elif kind == _ECH and stop - start >= 10 and page.data[start] == 0:
            page.keep(start, start + 5)
            page.blank(start + 5, start + 6)
            self.hidden(self.hidden(start + 6, 2), 2)
        elif kind == 65281 and filled:
            page.keep(start, start + 1)
        elif kind == 41 and self.client and filled:
            self._shared_keys(start, stop)
        elif kind == 44 and filled:
            self.hidden(start, 2)
        elif kind == 14 and filled:  # profiles of SRTP, and an identifier
            self.hidden(self.numbers(start, 2), 1)
        elif kind == 5 and filled:
            page.keep(start, start + 1)
        page.blank(start, stop)

    def _name(self, start: int, stop: int) -> None:
        """Names of a server (RFC 6066)."""
        page = self.page
        page.keep(start, start + 2)
        pos = start + 2
        while pos + 3 <= stop:
            size = page.u16(pos + 1)
            if page.u8(pos) or pos + 3 + size > stop:
                return
            page.keep(pos, pos + 3)
            page.put(pos + 3, self.names.host(page.data[pos + 3 : pos + 3 + size]))
            pos += 3 + size

    def _protocols(self, pos: int, stop: int) -> None:
        """Names of protocols, each with its length."""
        page = self.page
        while pos < stop:
            after = pos + 1 + page.u8(pos)
            if after > stop:
                return
            page.keep(pos, pos + 1)
            name = page.data[pos + 1 : after]
            known = name in PROTOCOLS or (len(name) == 2 and name[0] == name[1] and name[0] & 15 == 10)
            page.put(pos + 1, name if known and self.names.keeps_words else HIDDEN * len(name))
            pos = after

    def _keys(self, start: int, stop: int) -> None:
        """Groups of key shares, and the lengths of their keys."""
        page = self.page
        if stop - start == 2:  # another hello is asked for
            page.keep(start, stop)
            return
        pos = start
        if self.client:
            page.keep(pos, pos + 2)
            pos += 2
        while pos + 4 <= stop:
            after = pos + 4 + page.u16(pos + 2)
            if after > stop:
                return
            page.keep(pos, pos + 4)
            page.blank(pos + 4, after)
            pos = after

    def _shared_keys(self, start: int, stop: int) -> None:
        """Lengths of identities of pre-shared keys, and of what proves them."""
        pos, end = self._vector(start, 2)
        while pos + 2 <= end <= stop:
            pos = self.hidden(pos, 2) + 4
            self.page.blank(pos - 4, pos)
        pos, end = self._vector(pos, 2)
        while pos < end <= stop:
            pos = self.hidden(pos, 1)


def write(page: Page, context: PayloadContext) -> None:
    """Write one direction of a connection."""
    write_from(page, context, 0)


def is_record(page: Page, pos: int) -> bool:
    """Whether a handshake begins here."""
    return page.size - pos >= 6 and page.data[pos] == HANDSHAKE and page.data[pos + 1] == 3


def write_from(page: Page, context: PayloadContext, pos: int) -> None:
    """Write records from a position on: all headers, and messages as long as they are not encrypted."""
    names = replacements(context)
    clear = True
    messages = _Messages(page, names)
    for _ in range(MAX_RECORDS):
        page.need(pos + 5)
        kind, size = page.u8(pos), page.u16(pos + 3)
        if not CHANGE <= kind <= HEARTBEAT or page.u8(pos + 1) != 3 or size > MAX_RECORD:
            raise CutError
        page.keep(pos, pos + 5)
        start, stop = pos + 5, pos + 5 + size
        if kind == CHANGE and size == 1 and clear:
            page.keep(start, min(stop, page.size))
            clear = False
        elif kind == ALERT and size == 2 and clear:
            page.keep(start, min(stop, page.size))
        elif kind == HANDSHAKE and (clear or _is_hello(page, start, size)):
            messages.record(start, min(stop, page.size))
        pos = stop


def _is_hello(page: Page, start: int, size: int) -> bool:
    """Whether a record after the change of keys is a second hello (RFC 8446, D.4)."""
    return page.size > start + 4 and page.data[start] == CLIENT_HELLO and page.u24(start + 1) == size - 4


class _Messages:
    """The handshake messages of one direction, which may be spread over several records."""

    def __init__(self, page: Page, names: Replacements) -> None:
        self.page = page
        self.names = names
        self.parts: list[tuple[int, int]] = []
        """Parts of a message that is not complete."""

    def record(self, start: int, stop: int) -> None:
        """Write the messages that begin or end in a record."""
        if self.parts:
            start = self._continue(start, stop)
        page = self.page
        while start < stop:
            if start + 4 > stop:
                raise CutError
            size = page.u24(start + 1)
            if size > MAX_RECORD * 4:
                raise CutError
            if page.data[start] not in (CLIENT_HELLO, SERVER_HELLO):
                page.keep(start, start + 4)
            if start + 4 + size > stop:
                self.parts = [(start, stop)]
                return
            if page.data[start] in (CLIENT_HELLO, SERVER_HELLO):
                handshake(page, start, start + 4 + size, self.names)
            start += 4 + size

    def _continue(self, start: int, stop: int) -> int:
        """Take the rest of a message from a record; return where the next one begins."""
        page = self.page
        wanted = 4 + page.u24(self.parts[0][0] + 1)
        missing = wanted - sum(last - first for first, last in self.parts)
        end = min(stop, start + missing)
        self.parts.append((start, end))
        if end - start < missing:
            return stop
        parts, self.parts = self.parts, []
        if page.data[parts[0][0]] in (CLIENT_HELLO, SERVER_HELLO):
            self._joined(parts)
        return end

    def _joined(self, parts: list[tuple[int, int]]) -> None:
        """Write a hello that is spread over records."""
        page = self.page
        inner = Page(b"".join(page.data[first:last] for first, last in parts))
        handshake(inner, 0, inner.size, self.names)
        at = 0
        for first, last in parts:
            page.put(first, bytes(inner.out[at : at + last - first]))
            at += last - first


def handshake(page: Page, start: int, stop: int, names: Replacements) -> None:
    """Write a hello with its type and length."""
    page.keep(start, start + 4)
    Hello(page, stop, names, client=page.data[start] == CLIENT_HELLO).write(start + 4)
    page.blank(start, stop)
