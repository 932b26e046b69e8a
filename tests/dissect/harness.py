"""What the dissectors' tests share: a sink that is a list, and a driver that offers bytes as the engine does."""

from collections.abc import Iterable
from typing import TypeVar

from rustnet.dissect.framework.conversation import MORE, YES, Conversation, Dissector, Parser
from rustnet.dissect.framework.inner import InnerStream

CLIENT, SERVER = True, False

Row = TypeVar("Row")


class ListSink:
    """Keeps everything that parsers report."""

    def __init__(self) -> None:
        self.rows: list[object] = []
        self.stamps: list[tuple[int, int]] = []
        self.anomalies: list[tuple[str, str]] = []
        self.counts: list[int] = []
        self.names: list[tuple[str, str, str, int | None]] = []

    def record(self, record: object, flow_id: int, ts: int, packet: int) -> None:
        self.rows.append(record)
        self.stamps.append((ts, packet))

    def anomaly(self, kind: str, detail: str, flow_id: int, ts: int, packet: int, *, count: int = 1) -> None:
        self.anomalies.append((kind, detail))
        self.counts.append(count)

    def name(self, ip: str, name: str, source: str, ts: int, ttl: int | None, client: str | None = None) -> None:
        self.names.append((ip, name, source, ttl))


def fields(row: object) -> dict[str, object]:
    """Fields of a row that are set."""
    slots = {name: getattr(row, name) for name in row.__slots__}  # type: ignore[attr-defined]
    return {name: value for name, value in slots.items() if value is not None}


class Flow:
    """One conversation under test: pending bytes, skipping, gaps and handing over work as in the engine."""

    def __init__(
        self,
        dissector: Dissector,
        transport: str = "tcp",
        src_port: int = 50000,
        dst_port: int | None = None,
        src_ip: str = "192.0.2.1",
        dst_ip: str = "198.51.100.2",
    ) -> None:
        self.sink = ListSink()
        port = dst_port if dst_port is not None else (dissector.ports or (9999,))[0]
        self.talk = Conversation(self.sink, 1, transport, src_ip, src_port, dst_ip, port)
        self.dissector = dissector
        self.talk.ts = 1_000_000_000
        self.parser: Parser = dissector.parser(self.talk)
        self.talk.parser = self.parser
        self.inner = InnerStream(self.parser)
        self.calls = 0

    @property
    def pending(self) -> list[bytes]:
        """By direction: bytes that were offered and not consumed."""
        return self.inner.pending

    @property
    def skip(self) -> list[int]:
        """By direction: bytes that are still to be skipped."""
        return self.inner.skip

    @property
    def rows(self) -> list[object]:
        return self.sink.rows

    def probe(self, data: bytes, from_src: bool = True) -> int:
        return self.dissector.probe(data, self.talk, from_src)

    def tick(self, milliseconds: int = 1) -> None:
        self.talk.ts += milliseconds * 1_000_000
        self.talk.packet += 1

    def datagram(self, data: bytes, from_src: bool = True) -> None:
        self.tick()
        self.parser.datagram(data, from_src)

    def feed(self, data: bytes, from_src: bool = True, chunk: int = 0) -> None:
        """Offer stream bytes of one direction, ``chunk`` at a time (0: all at once)."""
        step = chunk or max(1, len(data))
        for start in range(0, len(data), step):
            self._offer(data[start : start + step], from_src)

    def _offer(self, data: bytes, from_src: bool) -> None:
        if self.talk.finished or self.talk.parser is not self.parser:
            self.pending[from_src] += data
            return
        self.calls += len(data) > self.skip[from_src]
        self.inner.feed(data, from_src)

    def lose(self, size: int, from_src: bool = True) -> None:
        """Lose bytes of one direction; those to be skipped are not reported."""
        if not self.talk.finished:
            self.inner.lose(size, from_src)

    def close(self) -> None:
        if self.talk.parser is self.parser:
            self.parser.close()


def believed(dissector: Dissector, data: bytes, **ends: object) -> bool:
    """Whether a probe, given ever more of the data, comes to YES, and never to NO."""
    flow = Flow(dissector, **ends)  # type: ignore[arg-type]
    verdict = MORE
    for size in range(1, len(data) + 1):
        verdict = flow.probe(data[:size])
        if verdict != MORE:
            break
    return verdict == YES


def parsed(dissector: Dissector, said: Iterable[tuple[bool, bytes]], transport: str = "tcp", port: int = 0) -> Flow:
    """Let the parser read all of it, a millisecond apart, and close the flow."""
    flow = Flow(dissector, transport, dst_port=port or None)
    for from_src, data in said:
        if transport != "tcp":
            flow.datagram(data, from_src)
        else:
            flow.tick()
            flow.feed(data, from_src)
    flow.close()
    return flow


def rows(kind: type[Row], dissector: Dissector, *said: tuple[bool, bytes], transport: str = "udp") -> list[Row]:
    """Rows of a conversation, all of which are of one type."""
    flow = parsed(dissector, said, transport)
    made = [row for row in flow.rows if isinstance(row, kind)]
    assert len(made) == len(flow.rows)
    return made
