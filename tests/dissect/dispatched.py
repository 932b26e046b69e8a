"""Offers a conversation to the dispatcher as the engine does: probes, handing over and skipping are the real ones."""

from collections.abc import Iterable

from rustnet.dissect.framework.conversation import Conversation
from rustnet.dissect.framework.dispatch import Dispatcher
from rustnet.dissect.registry import DISSECTORS
from rustnet.engine.flow import Flow
from tests.dissect.harness import ListSink, fields

Messages = Iterable[tuple[bool, bytes]]


class DispatchedFlow:
    """One flow, read by the parser whose protocol recognises it, of all that are registered."""

    def __init__(
        self, said: Messages, port: int = 9999, transport: str = "tcp", chunk: int = 0, strict: bool = True
    ) -> None:
        self.sink = ListSink()
        self.dispatcher = Dispatcher(DISSECTORS, self.sink, strict=strict)
        self.flow = Flow()
        self.talk = Conversation(self.sink, 1, transport, "192.0.2.1", 50000, "198.51.100.2", port)
        self.flow.talk, self.talk.flow = self.talk, self.flow
        self.flow.wants = True
        self.skip = {True: 0, False: 0}
        self.number = 0
        for from_src, data in said:
            for start in range(0, len(data), chunk or max(1, len(data))):
                self.offer(data[start : start + (chunk or len(data))], from_src, transport)
        self.dispatcher.close(self.flow)

    def offer(self, data: bytes, from_src: bool, transport: str) -> None:
        self.number += 1
        skipped = min(self.skip[from_src], len(data))
        self.skip[from_src] -= skipped
        if not self.flow.wants or skipped == len(data):
            return
        now = 1_000_000_000 + self.number * 1_000_000
        if transport != "tcp":
            self.dispatcher.datagram(self.flow, from_src, data, now, self.number)
        else:
            self.skip[from_src] += self.dispatcher.stream(self.flow, from_src, data[skipped:], now, self.number)

    def rows(self, kind: type) -> list[dict[str, object]]:
        """Set fields of all rows of a kind."""
        return [fields(row) for row in self.sink.rows if isinstance(row, kind)]
