"""Pairs the requests of a stream with the responses that come in their order (RFC 9112, 5321, 959, 1939 …).

The engine delivers a flow's bytes in causal order: a request before the response that acknowledges it, a response
before the request whose sender had received it, a loss before whatever acknowledges the lost bytes. With all bytes at
hand the n-th response answers the n-th request, whatever the order of the packets in the file, and whether or not the
client waits for responses.

Missing bytes may contain any number of requests or responses. From then on a pair is stated only if it is certain:

- Requests before lost ones are answered first, as long as no response may be missing too.
- If only responses may be missing, n outstanding requests have n responses at most: the n-th one that comes is that of
  the last request, and the count is exact again.
- A client that waits for each response before its next request (lock-step) has nothing outstanding when it sends one.
  This holds for a flow until a request is sent ahead of a response, or a loss could hide that: more bytes than the
  smallest request has (and an eighth), or requests and responses lost together, unless the flow had waited several
  times before.

Whatever else happens, rows of requests lack their response, rows of responses their request, and both are marked.
"""

from collections import deque
from collections.abc import Sequence
from typing import Any

from rustnet.dissect.framework.conversation import Conversation

Entry = tuple[Any, int, int]
"""A request's row, with time and number of its packet."""

MAX_WAITING = 256
"""Requests of one flow that wait for their responses."""
PATIENT = 3
"""Exchanges after which a client that has always waited for the response is taken to do so."""
NO_SIZE = 1 << 40
"""Size of the smallest request while there is none."""


def elapsed(since: int, until: int) -> float | None:
    """Milliseconds between two times; None if packets of a reordered capture give a negative difference."""
    return (until - since) / 1e6 if until >= since else None


class Pairs:
    """Requests of one flow that wait for their responses, and how certain it is which response is whose.

    A parser calls `request` and `response` for each message in the order in which they are delivered, `lose_requests`
    and `lose_responses` where bytes are missing that may contain messages, and stores the rows that it gets back.
    """

    __slots__ = (
        "ahead",
        "answers",
        "assumed",
        "before",
        "doubt",
        "evicted",
        "exchanges",
        "fresh",
        "hidden",
        "interim",
        "lost_answers",
        "lost_bytes",
        "most",
        "passed",
        "pipelined",
        "smallest",
        "stale",
        "torn",
        "unknown",
        "unsure",
        "waiting",
        "within",
    )

    def __init__(self, most: int = MAX_WAITING) -> None:
        self.most = most
        self.waiting: deque[Entry] = deque()
        """Requests without a response, the oldest first."""
        self.evicted = 0
        """Older ones that were too many to keep: the first responses are theirs."""
        self.passed: list[Entry] = []
        """Requests whose responses cannot be known, to be stored."""
        self.doubt = False
        """Which request the next response answers is not known, but for those that are ``ahead``."""
        self.ahead = 0
        """Outstanding requests ahead of lost ones: their responses come first."""
        self.hidden = False
        """Requests may be missing since the doubt began; else only responses."""
        self.before = 0
        """Outstanding requests when the doubt began."""
        self.answers = 0
        """Responses since the last loss of requests, or request, in doubt."""
        self.lost_answers = False
        """Responses may be missing since then."""
        self.lost_bytes = 0
        self.within = False
        """The missing bytes begin within a request that was seen."""
        self.stale = False
        """The doubt is older than the last request."""
        self.fresh = False
        """A loss is newer than it."""
        self.interim = False
        """The last request's response may be preceded by others that do not complete it."""
        self.assumed = False
        """A doubt ended because a client in lock-step had nothing outstanding."""
        self.pipelined = False
        """A request was sent before the response to an earlier one, or that cannot be excluded."""
        self.torn = False
        """Bytes were lost."""
        self.exchanges = 0
        """Pairs before any loss."""
        self.smallest = NO_SIZE
        self.unsure = False
        """Whose the last response was is not known, because bytes are missing."""
        self.unknown = 0
        """Rows that were marked."""

    def begin(self, talk: Conversation, client: bool) -> None:
        """Take into account what was lost before the parser existed; ``client`` is the direction of the requests."""
        requests, responses = (talk.lost_src, talk.lost_dst) if client else (talk.lost_dst, talk.lost_src)
        if responses:
            self.lose_responses()
        if requests:
            self.lose_requests(requests)
        if talk.lost_between:  # between which messages is not known
            self.give_up()

    def request(self, row: Any, ts: int, packet: int, size: int, interim: bool = False) -> Sequence[Entry]:
        """Add a request of ``size`` bytes; returns those to be stored because their responses cannot be known."""
        self.smallest = min(self.smallest, size)
        if self.doubt:
            self._judge()
        elif self.waiting or self.evicted:
            self.pipelined = True
            if self.assumed:  # it was not true that nothing was outstanding, or a loss was reported ahead of its place
                self._begin_doubt()
                self.hidden = True
                self._pass_all()
        else:
            self.lost_answers = False
        self.interim = interim
        self.waiting.append((row, ts, packet))
        if len(self.waiting) > self.most:
            self.passed.append(self._marked(self.waiting.popleft()))
            self.evicted += 1
        return self._take_passed() if self.passed else ()

    def response(self, unasked: bool = False) -> Entry | None:
        """Remove and return the request that a final response answers; None if there is none, or it is not known.

        A response that is ``unasked`` may be sent without a request (a timeout), if none is certain to wait.
        """
        if self.doubt:
            return self._doubtful(unasked)
        self.lost_answers = False
        self.unsure = self.evicted > 0
        if self.unsure:
            self.evicted -= 1
            return None
        if self.waiting:
            if not self.torn:
                self.exchanges += 1
            entry: Entry = self.waiting.popleft()
            return entry
        if self.torn and self.smallest < NO_SIZE and not unasked:  # one too many: an earlier pair was a wrong guess
            self._begin_doubt()
            self.pipelined = self.hidden = self.unsure = True
        return None

    def first(self, unasked: bool = False) -> Any:
        """Row of the request that `response` would return; None if there is none, or it is not known."""
        certain = not self.doubt or self.ahead or not (self.hidden or unasked or len(self.waiting) > 1)
        return self.waiting[0][0] if certain and self.waiting and not self.evicted else None

    def second(self) -> Entry | None:
        """Remove and return the request after the oldest one, which its server answers first; None if in doubt."""
        if self.doubt or self.evicted or len(self.waiting) < 2:
            return None
        entry: Entry = self.waiting[1]
        del self.waiting[1]
        return entry

    def preliminary(self, row: Any = None) -> None:
        """Take a response that does not complete its request; mark its ``row`` if it has one of its own, in doubt."""
        if not self.doubt:
            self.interim = False
        elif row is not None:
            row.pair_unknown = True
            self.unknown += 1

    def orphan(self, row: Any) -> None:
        """Mark the row of the last response if its request is not known because bytes are missing."""
        if self.unsure:
            row.pair_unknown = True
            self.unknown += 1

    def lose_requests(self, size: int = 0, within: bool = False) -> None:
        """Take into account that requests may be missing; ``within``: the loss begins inside the last request."""
        if not self.doubt:
            late = self.lost_answers
            self._begin_doubt()
            self.ahead = self.before if not late else 0
            self.lost_answers = late
            self.within = within
        elif not self.hidden:
            self.ahead = 0
        elif self.answers == 1 and not self.pipelined and not self.stale:
            self.lost_bytes = max(self.lost_bytes - size, 0)  # each of the two losses was one request, at the most
        self.hidden = True
        self.lost_bytes += size
        self.answers = 0
        self.fresh = True

    def lose_bytes(self, size: int) -> None:
        """Count bytes of requests that cannot be read after a loss."""
        if self.hidden:
            self.lost_bytes += size

    def give_up(self) -> None:
        """State no pair any more: the protocol leaves open which requests get a response."""
        if not self.doubt:
            self._begin_doubt()
        self.hidden = self.pipelined = True
        self.ahead = 0

    def lose_responses(self, within: bool = False) -> None:
        """Take into account that responses may be missing; ``within``: the loss begins inside the last response."""
        if self.doubt:
            self.ahead = 0
        elif self.waiting or self.evicted:
            self._begin_doubt()
            if within:  # the next request was sent before that response was complete
                self.pipelined = True
        self.lost_answers = self.torn = self.fresh = True

    def drain(self) -> list[Entry]:
        """Remove and return all requests, at the end of the flow."""
        if self.doubt:
            self._pass_uncertain()
        entries = [*self._take_passed(), *self.waiting]
        self.waiting.clear()
        return entries

    def report(self, talk: Conversation, protocol: str) -> None:
        """Report how many rows were marked, once per flow."""
        if self.unknown:
            cause = "bytes are missing or cannot be read" if self.torn else "too many requests wait for a response"
            detail = f"{cause}: requests and responses of {protocol} cannot all be assigned to each other"
            talk.anomaly("pair_unknown", detail, self.unknown)
            self.unknown = 0

    def _begin_doubt(self) -> None:
        self.doubt = self.torn = True
        self.before = len(self.waiting) + self.evicted
        self.ahead = self.answers = self.lost_bytes = 0
        self.hidden = self.stale = self.fresh = self.within = self.lost_answers = False

    def _end_doubt(self) -> None:
        self.doubt = self.lost_answers = False
        self.ahead = self.evicted = 0

    def _judge(self) -> None:
        """Decide at a request in doubt whether nothing else can be outstanding."""
        if not self.pipelined:
            if not self.answers and not self.lost_answers:  # the client did not wait for anything
                self.pipelined = True
            elif self._settled():
                self._pass_all()
                self._end_doubt()
                self.assumed = True
                return
        if self.hidden:
            self._pass_uncertain()
        self.stale = True
        self.fresh = self.lost_answers = False
        self.answers = 0

    def _settled(self) -> bool:
        """Whether a client that works in lock-step has all its responses, lost or not."""
        patient = self.exchanges >= PATIENT
        if self.stale:
            return patient and self.answers == 1 and not self.fresh
        if not self.hidden:
            if self.interim:
                self.pipelined = True
            return not self.interim
        if self.within:
            return patient or self.lost_bytes < self.smallest
        if not self.answers:  # what is missing may be a part of one response, and the request the second of two
            return patient and not self.before
        room = self.smallest + self.smallest // 8 if self.smallest < NO_SIZE else 0
        return patient or self.lost_bytes <= room

    def _doubtful(self, unasked: bool) -> Entry | None:
        """The request that a response answers where bytes are missing, if there can be only one."""
        self.unsure = True
        if self.ahead:
            return self._first()
        if self.hidden:
            self.answers += 1
            if self.answers > 1:
                self.pipelined = True
            self.before = 0
            self.lost_answers = self.within = False
            self._pass_all()
            return None
        if unasked:
            return None
        if len(self.waiting) + self.evicted == 1 and self.waiting:
            self.unsure = False
            self._end_doubt()
            last: Entry = self.waiting.popleft()
            return last
        if self.evicted:
            self.evicted -= 1
        else:
            self.passed.append(self._marked(self.waiting.popleft()))
        if not self.waiting and not self.evicted:
            self._end_doubt()
        return None

    def _first(self) -> Entry | None:
        """The oldest request, which was sent ahead of lost ones."""
        self.ahead -= 1
        if self.before == 1:
            self.answers += 1
            if not self.within:  # the server had received lost requests before it answered the one before them
                self.pipelined = True
        if self.evicted:
            self.evicted -= 1
            return None
        self.unsure = False
        entry: Entry = self.waiting.popleft()
        return entry

    def _marked(self, entry: Entry) -> Entry:
        row = entry[0]
        if not row.pair_unknown:
            row.pair_unknown = True
            self.unknown += 1
        return entry

    def _pass_all(self) -> None:
        """Give up the responses of all requests that wait."""
        while self.waiting:
            self.passed.append(self._marked(self.waiting.popleft()))

    def _pass_uncertain(self) -> None:
        """Give up the responses of those requests that are not certain to be answered first."""
        certain = max(0, self.ahead - self.evicted)
        kept = [self.waiting.popleft() for _ in range(min(certain, len(self.waiting)))]
        self._pass_all()
        self.waiting.extend(kept)

    def _take_passed(self) -> list[Entry]:
        passed = self.passed
        self.passed = []
        return passed
