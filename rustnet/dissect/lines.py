"""What line-based protocols share: lines out of a stream, and commands that wait for a numbered reply (RFC 5321, 959).

A line longer than `MAX_LINE` is cut and its rest dropped; after a loss the reading goes on behind the next line end.
"""

import re
from base64 import b64decode
from binascii import Error as Base64Error
from collections import deque
from typing import Generic, Protocol, TypeVar

from rustnet.dissect.conversation import Conversation, DissectError, Parser
from rustnet.dissect.tls import TLS

MAX_LINE = 4096
"""Bytes of one line that are read."""
MAX_TEXT = 512
"""Characters of a line or value that are kept."""
MAX_ROWS = 1000
"""Rows of one flow, after which it is not read on."""
MAX_WAITING = 64
"""Commands of one flow that wait for their reply."""
MAX_REPLIES = 16
"""Lines kept of one reply."""
_REPLY = re.compile(rb"([1-6][0-9]{2})([ -]|$)").match


def text(raw: bytes) -> str:
    """Bytes of the wire as text: UTF-8, what is none as escapes; bounded by `MAX_TEXT`."""
    return raw[:MAX_TEXT].decode("utf-8", "backslashreplace")


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


class LineParser(Parser):
    """Cuts both directions of a stream into lines; a subclass reads them in `line`."""

    __slots__ = ("dropping", "in_body")

    def __init__(self, talk: Conversation) -> None:
        super().__init__(talk)
        self.dropping = [False, False]
        """By direction: what follows up to the next line end is not read."""
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
        while pos < size and talk.parser is self and not talk.finished:
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

    __slots__ = ("code", "heard", "lines", "rows", "server", "waiting")

    def __init__(self, talk: Conversation) -> None:
        super().__init__(talk)
        self.server: bool | None = None
        """Direction of the server, once known by its first line."""
        self.waiting: deque[tuple[_R, int, int]] = deque()
        self.rows = 0
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
                self.leave(*self.waiting.popleft())
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
        while self.waiting and self.rows < MAX_ROWS:
            self.leave(*self.waiting.popleft())
        self.waiting.clear()

    def gap(self, size: int, from_src: bool) -> None:
        """Commands that wait may have had their reply in what is lost: let them go."""
        super().gap(size, from_src)
        if not self.in_body[from_src]:
            self.code = 0
            self.close()

    def leave(self, row: _R, ts: int, packet: int) -> None:
        """Emit a row; the last one that is allowed ends the reading."""
        self.talk.emit(row, ts, packet)
        self.rows += 1
        if self.rows >= MAX_ROWS:
            self.talk.finish()

    def _reply(self, line: bytes) -> None:
        """Collect the lines of a reply; its last one answers the command that waits longest."""
        self.heard = True
        match = _REPLY(line)
        if self.code:
            self._keep(line)
            if match is None or match.group(2) == b"-" or int(match.group(1)) != self.code:
                return
        else:
            if match is None:
                if self.rows == 0 and not self.waiting:
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
        """A reply is complete."""
        talk = self.talk
        row, ts, packet = self.waiting[0] if self.waiting else (self.blank(), talk.ts, talk.packet)
        row.reply_code = code
        row.replies = self.lines
        if not self.answered(row, code):
            return
        if self.waiting:
            self.waiting.popleft()
            row.response_ms = (talk.ts - ts) / 1e6
        self.leave(row, ts, packet)
        if row.command == self.UPGRADE and code in {220, 234}:
            self.upgrade()
