"""Commands and replies of one line, which a list or a message may follow up to a line of a dot (RFC 1939, 3977).

POP3 and NNTP are such protocols.
"""

from typing import Any, ClassVar

from rustnet.dissect.framework.conversation import Conversation, DissectError
from rustnet.dissect.framework.lines import LOST, MAX_WAITING, Dotted, LineParser, read_sasl
from rustnet.dissect.framework.pairs import Entry, Pairs
from rustnet.dissect.framework.reading import text


class ListingParser(LineParser):
    """One connection. A protocol reads its commands in `_command`, and first lines of replies in `_reply`."""

    __slots__ = ("answers", "listing", "login", "open", "pairs", "server", "torn", "user")

    TITLE: ClassVar[str]
    """Name in anomalies."""
    COMMANDS: ClassVar[frozenset[str]]
    STARTTLS: ClassVar[str]
    """Command after whose reply TLS begins."""

    def __init__(self, talk: Conversation) -> None:
        super().__init__(talk)
        self.server: bool | None = None
        """Direction of the server, once a line shows it."""
        self.search()
        self.pairs = Pairs(MAX_WAITING)
        self.open: Entry | None = None
        """Row of the multi-line reply being read."""
        self.listing = Dotted()
        """Those lines."""
        self.torn = False
        """Bytes of them are missing, perhaps their end."""
        self.login: Any = None
        """Row of a pending login by SASL: the client's next lines are credentials."""
        self.answers = 0
        self.user: str | None = None

    def is_reply(self, line: bytes) -> bool:
        """Whether a line has the form of a reply."""
        raise NotImplementedError

    def is_whole_reply(self, line: bytes) -> bool:
        """Whether a line after a loss cannot be the end of another one."""
        raise NotImplementedError

    def is_command(self, line: bytes) -> bool:
        """Whether a line has the form of a command."""
        raise NotImplementedError

    def _command(self, line: bytes) -> None:
        raise NotImplementedError

    def _reply(self, line: bytes) -> None:
        raise NotImplementedError

    def stream(self, data: bytes, from_src: bool) -> int:
        """Read lines; TLS that arrives before the reply that permits it waits."""
        if data[:2] == b"\x16\x03" and any(row.command == self.STARTTLS for row, _, _ in self.pairs.waiting):
            return 0
        return super().stream(data, from_src)

    def line(self, line: bytes, from_src: bool) -> int:
        """Read a command or the first line of a reply."""
        reply = self.is_reply(line)
        if self.server is None:
            if not line:
                return 0
            if not reply and not self.is_command(line):
                raise DissectError("expected a command or a reply")
            self.server = from_src if reply else not from_src
            self.pairs.begin(self.talk, not self.server)
        if from_src != self.server:
            self._command(line)
        elif reply:
            self._reply(line)
        return 0

    def late(self) -> None:
        """State no more pairs."""
        self.pairs.give_up()

    def close(self) -> None:
        """Store what is pending."""
        if self.open is not None:
            self.store_row(*self.open)
            self.open = None
        for entry in self.pairs.drain():
            self.store_row(*entry)
        self.pairs.report(self.talk, self.TITLE)

    def resumes(self, line: bytes, from_src: bool) -> bool:
        """Whether the first line after a loss is a whole one; if it is not, a message began in what is missing."""
        reply = self.is_whole_reply(line)
        command = text(line.partition(b" ")[0]).upper() in self.COMMANDS
        whole = reply or command if self.server is None else reply if from_src == self.server else command
        if not whole:
            self._lose(len(line) + 2, from_src)
        return whole

    def _sends_message(self) -> bool:
        """Whether a message of the client is being read."""
        return False

    def _lose(self, size: int, from_src: bool) -> None:
        """Take into account that commands or replies may be missing."""
        if self.server is None:
            self.talk.count_lost(size, from_src)
        elif from_src == self.server:
            self.pairs.lose_responses(self.open is not None)
        else:
            self.pairs.lose_requests(size, self._sends_message())

    def gap(self, size: int, from_src: bool) -> None:
        """Count missing bytes of a list or a message, and take into account what else may be missing."""
        self._lose(size + self.cut_off, from_src)
        super().gap(size, from_src)
        if from_src != self.server:
            self.answers = LOST - 1
        elif self.open is not None:
            self.torn = True
            self.listing.lose(size)

    def _credential(self, row: Any, line: bytes) -> None:
        """Read the user, and whether there is a secret, in a response of SASL."""
        self.answers += 1
        user, secret = read_sasl(self.talk, row.argument or "", line, self.answers)
        if user is not None:
            row.user = self.user = user
        row.has_password = row.has_password or secret

    def _begin_listing(self, entry: Entry) -> None:
        """Let the server's next lines belong to a reply."""
        self.open = entry
        self.listing = Dotted()
        self.in_body[bool(self.server)] = True

    def body(self, data: bytes, pos: int, from_src: bool) -> int:
        """Skip a list or a message up to the line of a single dot."""
        if self.open is None:
            self.in_body[from_src] = False
            return pos
        after = self.listing.read(data, pos)
        self.open[0].response_bytes = self.listing.size
        if after >= 0:
            self._end_listing(from_src)
        return after if after >= 0 else len(data)

    def _end_listing(self, from_src: bool) -> None:
        self.in_body[from_src] = self.torn = False
        if self.open is not None:
            self.store_row(*self.open)
            self.open = None
