"""Finger (RFC 1288): which users are looked up on which host.

One row per connection, stored when the flow ends. The answer is counted, not kept: it describes people.
"""

import re

from rustnet.dissect.framework.conversation import MORE, NO, YES, Conversation, DissectError, Dissector
from rustnet.dissect.framework.one_row import OneRowParser
from rustnet.dissect.framework.pairs import elapsed
from rustnet.dissect.framework.reading import text
from rustnet.records import U64, Host, User, record

MAX_QUERY = 512
"""Maximum size of a query line."""
_QUERY = re.compile(rb"(/W(?: +|$))?([^\x00-\x20@\x7f]{0,64})((?:@[A-Za-z0-9.:_\[\]-]{1,255})*) *").fullmatch
_ANSWER = re.compile(rb"\s*(?:Login|Username|User)(?:[ \t]*:| +Name)", re.IGNORECASE).match
_PORTS = (79,)


@record("finger")
class Finger:
    """One Finger query."""

    username: User | None = None
    """User that is looked up; NULL if all users are listed, or if the query was not seen."""
    host: Host | None = None
    """Hosts that the server is asked to forward the query to, as written: `first.example@second.example`."""
    detailed: bool = False
    """The query asks for more detail (`/W`)."""
    response_bytes: U64 = 0
    """Bytes of the answer."""
    response_ms: float | None = None
    """From the query to the beginning of its answer, in milliseconds."""


class FingerParser(OneRowParser[Finger]):
    """One connection: a query line, then the answer."""

    __slots__ = ("client", "queried")

    def __init__(self, talk: Conversation) -> None:
        super().__init__(talk, Finger())
        self.client = talk.dst_port in _PORTS or talk.src_port not in _PORTS
        """Direction of the client: the flow's initiator, unless only its port is a standard one."""
        self.queried = False
        """The query line was read."""

    def stream(self, data: bytes, from_src: bool) -> int:
        """Read the query line; count the answer."""
        if from_src != self.client:
            self._answer(len(data))
        elif not self.queried:
            return self._query(data)
        return len(data)

    def gap(self, size: int, from_src: bool) -> None:
        """Count missing bytes of the answer; if the query is missing, stop."""
        if from_src != self.client:
            self._answer(size)
        else:
            self.finish()

    def _query(self, data: bytes) -> int:
        end = data.find(b"\n", 0, MAX_QUERY)
        if end < 0:
            if len(data) >= MAX_QUERY:
                raise DissectError("query line exceeds {limit} bytes", limit=MAX_QUERY)
            return 0
        match = _QUERY(data[:end].rstrip(b"\r"))
        if match is None:
            raise DissectError("expected a Finger query")
        verbose, user, hosts = match.groups()
        self.begin()
        self.queried = True
        self.row.detailed = verbose is not None
        self.row.username = text(user) or None
        self.row.host = text(hosts[1:]) or None
        return len(data)

    def _answer(self, size: int) -> None:
        self.begin()
        if self.queried and self.row.response_ms is None:
            self.row.response_ms = elapsed(self.ts, self.talk.ts)
        self.row.response_bytes += size


def _probe_finger(data: bytes, talk: Conversation, from_src: bool) -> int:
    """Recognise a query line, or the usual beginning of an answer, on the standard port: neither is distinctive."""
    if not talk.has_port(*_PORTS):
        return NO
    if _ANSWER(data) is not None:
        return YES
    end = data.find(b"\n", 0, MAX_QUERY)
    line = data[: end if end >= 0 else len(data)].rstrip(b"\r")
    if end < 0:
        return MORE if len(data) < MAX_QUERY and line.isascii() and line.decode("ascii").isprintable() else NO
    return YES if _QUERY(line) is not None else NO


FINGER = Dissector(
    "finger", "Finger User Information Protocol (RFC 1288)", ("tcp",), _PORTS, (Finger,), _probe_finger, FingerParser,
    first=b"",
)  # fmt: skip
