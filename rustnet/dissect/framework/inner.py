"""A stream inside another protocol's messages, such as a TLS handshake (RFC 8446) in those of TDS."""

from rustnet.dissect.framework.conversation import Parser

MAX_PENDING = 64 << 10
"""Unconsumed bytes of one direction that are kept."""


class InnerStream:
    """Feeds a parser piece by piece like the dispatcher: keeps unconsumed bytes, drops skipped ones."""

    __slots__ = ("parser", "pending", "skip")

    def __init__(self, parser: Parser) -> None:
        self.parser = parser
        self.pending = [b"", b""]
        self.skip = [0, 0]

    def feed(self, data: bytes, from_src: bool) -> None:
        """Offer the next bytes of a direction."""
        skipped = min(self.skip[from_src], len(data))
        self.skip[from_src] -= skipped
        data = self.pending[from_src] + data[skipped:]
        if not data:
            return
        used = self.parser.stream(data, from_src)
        self.skip[from_src] += max(0, used - len(data))
        rest = data[used:]
        if len(rest) > MAX_PENDING:
            self.parser.talk.finish()
            rest = b""
        self.pending[from_src] = rest

    def lose(self, size: int, from_src: bool) -> None:
        """Handle missing bytes of a direction."""
        skipped = min(self.skip[from_src], size)
        self.skip[from_src] -= skipped
        if size > skipped:
            self.pending[from_src] = b""
            self.parser.gap(size - skipped, from_src)
