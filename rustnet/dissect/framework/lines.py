"""What line-based protocols share: lines out of a stream, and commands that wait for a numbered reply (RFC 5321, 959).

A line longer than `MAX_LINE` is cut and its rest dropped; after a loss the reading goes on behind the next line end.
"""

import re
from base64 import b64decode
from binascii import Error as Base64Error
from collections import deque
from typing import Generic, Protocol, TypeVar

from rustnet.dissect.framework.conversation import Conversation, DissectError
from rustnet.dissect.framework.reading import RowParser, text
from rustnet.dissect.tls.parser import TLS

MAX_LINE = 4096
"""Bytes of one line that are read."""
MAX_LINES = 200_000
"""Lines of one flow that are read."""
MAX_WAITING = 64
"""Commands of one flow that wait for their reply."""
MAX_REPLIES = 16
"""Lines kept of one reply."""
_DOT = re.compile(rb"\n\.\r?\n")
_REPLY = re.compile(rb"([1-6][0-9]{2})([ -]|$)").match


def unbase64(raw: bytes) -> bytes:
    """Content of a Base64 text, empty if it is none."""
    try:
        return b64decode(raw[:MAX_LINE], validate=True)
    except (Base64Error, ValueError):
        return b""


def plain_user(message: bytes) -> str | None:
    """User of a SASL PLAIN message (RFC 4616); its password stays where it is."""
    parts = message.split(b"\0")
    return text(parts[1] or parts[0]) or None if len(parts) == 3 else None


_TOKEN_USER = re.compile(rb"(?:^user=|,a=)([^\x01,]{1,256})").search
_DIGEST_USER = re.compile(rb'username="([^"]{1,256})"').search
_SCRAM_USER = re.compile(rb"^[nyp][^,]*,[^,]*,n=([^,]{1,256})").search


def scram_user(message: bytes) -> str | None:
    """User of a SCRAM message that opens a login (RFC 5802)."""
    found = _SCRAM_USER(message)
    return text(found.group(1)) if found is not None else None


def sasl_user(mechanism: str, answer: bytes, number: int) -> tuple[str | None, bool]:
    """User in the clear in a client's SASL answer of this number (from 1), and whether a secret stands in it."""
    if answer in {b"*", b"="}:
        return None, False
    return raw_sasl_user(mechanism, unbase64(answer), number)


def raw_sasl_user(mechanism: str, raw: bytes, number: int) -> tuple[str | None, bool]:
    """The same of an answer that is not in Base64."""
    if mechanism == "LOGIN":
        return (text(raw) or None, False) if number == 1 else (None, True)
    if mechanism == "PLAIN":
        return plain_user(raw), True
    if mechanism == "CRAM-MD5":
        return text(raw.rpartition(b" ")[0]) or None, True
    search = _SCRAM_USER if mechanism.startswith("SCRAM-") else _TOKEN_USER
    if mechanism == "DIGEST-MD5":
        search = _DIGEST_USER
    found = search(raw)
    return (text(found.group(1)) if found is not None else None), True


class Dotted:
    """A text that ends with a line that is a single dot (RFC 5321, 4.5.2), read piece by piece."""

    __slots__ = ("size", "tail")

    def __init__(self) -> None:
        self.size = 0
        """Bytes of the text, without its end."""
        self.tail = b"\n"

    def read(self, data: bytes, pos: int) -> int:
        """Read on from ``pos``; the position behind the end, or -1 if it is still to come."""
        tail = self.tail
        joined = tail + data[pos:]
        match = _DOT.search(joined)
        if match is None:
            self.size += len(data) - pos
            self.tail = joined[-3:]
            return -1
        self.size += match.start() + 1 - len(tail)
        return pos + match.end() - len(tail)

    def lose(self, size: int) -> None:
        """Count bytes that were lost."""
        self.size += size
        self.tail = b""


class LineParser(RowParser):
    """Cuts both directions of a stream into lines; a subclass reads them in `line`."""

    __slots__ = ("count", "dropping", "in_body")

    def __init__(self, talk: Conversation) -> None:
        super().__init__(talk)
        self.dropping = [False, False]
        """By direction: what follows up to the next line end is not read."""
        self.count = 0
        """Lines read."""
        self.in_body = [False, False]
        """By direction: what follows is no line, and goes to `body`."""

    def line(self, line: bytes, from_src: bool) -> int:
        """Read one line, without its end; return how many bytes behind it to skip."""
        raise NotImplementedError

    def body(self, data: bytes, pos: int, from_src: bool) -> int:
        """Read from ``pos`` while `in_body`; return the new position, ``pos`` to wait for more."""
        return len(data)

    def stream(self, data: bytes, from_src: bool) -> int:
        """Read all complete lines; may skip beyond ``data``."""
        pos = 0
        size = len(data)
        talk = self.talk
        mine = talk.parser
        while pos < size and talk.parser is mine and not talk.finished:
            if self.dropping[from_src]:
                end = data.find(b"\n", pos)
                if end < 0:
                    return size
                self.dropping[from_src] = False
                pos = end + 1
            elif self.in_body[from_src]:
                after = self.body(data, pos, from_src)
                if after == pos and self.in_body[from_src]:
                    return pos
                pos = after
            else:
                end = data.find(b"\n", pos, pos + MAX_LINE)
                if end < 0 and size - pos < MAX_LINE:
                    return pos
                if end < 0:
                    end = pos + MAX_LINE - 1
                    self.dropping[from_src] = True
                self.count += 1
                if self.count > MAX_LINES:
                    self.close()
                    talk.finish()
                    return size
                line = data[pos : end + 1].rstrip(b"\r\n")
                pos = end + 1 + self.line(line, from_src)
        return pos

    def gap(self, size: int, from_src: bool) -> None:
        """Go on behind the next line end; a body is not disturbed."""
        if not self.in_body[from_src]:
            self.dropping[from_src] = True


class Replied(Protocol):
    """Row of a command that is answered by a numbered reply."""

    command: str | None
    reply_code: int | None
    replies: list[str] | None
    response_ms: float | None


_R = TypeVar("_R", bound=Replied)


class ReplyParser(LineParser, Generic[_R]):
    """Commands and numbered replies (``250-text``, ``250 text``), paired in order.

    A subclass makes the row of a command in `command` and reads a final reply in `answered`.
    """

    UPGRADE = ""
    """The command that asks for TLS."""

    __slots__ = ("code", "heard", "lines", "server", "waiting")

    def __init__(self, talk: Conversation) -> None:
        super().__init__(talk)
        self.server: bool | None = None
        """Direction of the server, once known by its first line."""
        self.waiting: deque[tuple[_R, int, int]] = deque()
        self.heard = False
        """The server has spoken."""
        self.code = 0
        """Code of the reply of several lines that is being read, else 0."""
        self.lines: list[str] = []

    def command(self, line: bytes) -> _R | None:
        """Make the row of a command; `None` where the line is none."""
        raise NotImplementedError

    def blank(self) -> _R:
        """Make the row of a reply to nothing, such as a greeting."""
        raise NotImplementedError

    def answered(self, row: _R, code: int) -> bool:
        """Read a reply into ``row``; false if it is not the final one."""
        return True

    def line(self, line: bytes, from_src: bool) -> int:
        """Read a command or one line of a reply, by the role of its direction."""
        if self.server is None:
            if not line:
                return 0
            self.server = from_src if _REPLY(line) is not None else not from_src
        if from_src == self.server:
            self._reply(line)
            return 0
        row = self.command(line)
        if row is not None:
            self.waiting.append((row, self.talk.ts, self.talk.packet))
            if len(self.waiting) > MAX_WAITING:
                self.say(*self.waiting.popleft())
        return 0

    def stream(self, data: bytes, from_src: bool) -> int:
        """Read lines; TLS that comes ahead of the reply that allows it waits, unless there are no replies."""
        if data[:2] == b"\x16\x03" and any(row.command == self.UPGRADE for row, _, _ in self.waiting):
            if not self.heard:
                self.upgrade()
            return 0
        return super().stream(data, from_src)

    def upgrade(self) -> None:
        """Let TLS read what follows."""
        self.close()
        self.talk.hand_over(TLS)

    def close(self) -> None:
        """Emit the commands that got no reply."""
        while self.waiting:
            self.say(*self.waiting.popleft())

    def gap(self, size: int, from_src: bool) -> None:
        """Commands that wait may have had their reply in what is lost: let them go."""
        super().gap(size, from_src)
        if not self.in_body[from_src]:
            self.code = 0
            self.close()

    def _reply(self, line: bytes) -> None:
        """Collect the lines of a reply; its last one answers the command that waits longest."""
        first = not self.heard
        self.heard = True
        match = _REPLY(line)
        if self.code:
            self._keep(line)
            if match is None or match.group(2) == b"-" or int(match.group(1)) != self.code:
                return
        else:
            if match is None:
                if first:
                    raise DissectError("a server's first line is no numbered reply")
                return
            self.lines = []
            self._keep(line)
            if match.group(2) == b"-":
                self.code = int(match.group(1))
                return
        self.code = 0
        self._final(int(match.group(1)))

    def _keep(self, line: bytes) -> None:
        if len(self.lines) < MAX_REPLIES:
            self.lines.append(text(line))

    def _final(self, code: int) -> None:
        """Answer the command that waits longest, now that its reply is complete."""
        talk = self.talk
        row, ts, packet = self.waiting[0] if self.waiting else (self.blank(), talk.ts, talk.packet)
        row.reply_code = code
        row.replies = self.lines
        if not self.answered(row, code):
            return
        if self.waiting:
            self.waiting.popleft()
            row.response_ms = (talk.ts - ts) / 1e6
        self.say(row, ts, packet)
        if row.command == self.UPGRADE and code in {220, 234}:
            self.upgrade()
