"""The contract between the engine and a protocol's parser: bytes in, records out.

A protocol is one file in this package. It defines its record dataclasses (the record is the table), a probe, a
`Parser` and one `Dissector`, which stands in the tuple of `rustnet.dissect.registry`. A parser opens no file, no
socket and no clock; all it can do is call the methods of its `Conversation`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import cython

from rustnet.engine.flow import Flow
from rustnet.policy.names import RANKS, UNKNOWN

if not cython.compiled:  # compiled, it comes from the .pxd as a C function
    from rustnet.engine.text import address

NO, MORE, YES = 0, 1, 2
"""A probe's answers: not mine; not enough bytes to say; mine, by its content."""


class DissectError(Exception):
    """A malformed message. The only exception that may leave a probe or a parser.

    Its text becomes the ``detail`` of an ``anomalies`` row of kind ``malformed_<protocol>``. If the first message of a
    flow raises it, the protocol's claim on the flow is withdrawn and the other probes are asked.
    """

    def __init__(self, template: str, **fields: object) -> None:
        """Keep a whole sentence and the values of its ``{fields}``, which are inserted when the text is needed."""
        super().__init__(template)
        self.fields = fields

    def __str__(self) -> str:
        """Text with its fields."""
        template = str(self.args[0])
        return template.format(**self.fields) if self.fields else template


class Sink(Protocol):
    """Where what parsers say goes: the store, or a list in a test."""

    def record(self, record: object, flow_id: int, ts: int, packet: int) -> None:
        """Take one row of a protocol's table."""

    def anomaly(self, kind: str, detail: str, flow_id: int, ts: int, packet: int) -> None:
        """Take one anomaly."""

    def name(self, ip: str, name: str, source: str, ts: int, ttl: int | None, client: str | None = None) -> None:
        """Take a name learned for an address; ``client`` asked for it."""


def end_address(flow: Flow, of_a: bool) -> str:
    """Text of the address of a flow's end ``a`` or ``b``."""
    return address(flow.a_hi, flow.a_lo) if of_a else address(flow.b_hi, flow.b_lo)


class Conversation:
    """What a parser may know of its flow, and the only way in which it speaks.

    ``ts`` (nanoseconds) and ``packet`` (number) are those of the packet that completed the bytes being read;
    ``memo_src`` and ``memo_dst`` are for probes that need to see several datagrams (a few bytes, by direction);
    ``missing`` is how many bytes the snap length cut off a datagram's end.
    """

    __slots__ = (
        "app",
        "dst_port",
        "dst_text",
        "errors",
        "finished",
        "flow",
        "flow_id",
        "hostname",
        "hostname_source",
        "hostname_ts",
        "judged",
        "memo_dst",
        "memo_src",
        "messages",
        "missing",
        "packet",
        "parser",
        "pending_dst",
        "pending_src",
        "refused",
        "service",
        "sink",
        "src_port",
        "src_text",
        "state",
        "transport",
        "tries",
        "ts",
    )

    def __init__(
        self, sink: Sink, flow_id: int, transport: str, src_ip: str, src_port: int, dst_ip: str, dst_port: int
    ) -> None:
        self.sink = sink
        self.flow_id = flow_id
        self.transport = transport
        self.src_text = src_ip
        self.src_port = src_port
        self.dst_text = dst_ip
        self.dst_port = dst_port
        self.ts = 0
        self.packet = 0
        self.parser: Parser | None = None
        self.app: str | None = None
        self.service: str | None = None
        self.state: str | None = None
        self.hostname: str | None = None
        self.hostname_source: str | None = None
        self.hostname_ts = 0
        self.finished = False
        self.tries = 0
        self.judged = 0
        self.messages = 0
        self.missing = 0
        self.flow: Flow | None = None
        self.errors = 0
        self.refused: tuple[str, ...] = ()
        self.memo_src = b""
        self.memo_dst = b""
        self.pending_src = b""
        self.pending_dst = b""

    @property
    def src_ip(self) -> str:
        """Initiator's address; made into text when somebody asks, which few parsers do."""
        if not self.src_text and self.flow is not None:
            self.src_text = end_address(self.flow, bool(self.flow.src_is_a))
        return self.src_text

    @property
    def dst_ip(self) -> str:
        """Responder's address."""
        if not self.dst_text and self.flow is not None:
            self.dst_text = end_address(self.flow, not self.flow.src_is_a)
        return self.dst_text

    def emit(self, record: object, ts: int = 0, packet: int = 0) -> None:
        """Store a record; ``ts`` and ``packet`` default to those of the packet being read."""
        self.sink.record(record, self.flow_id, ts or self.ts, packet or self.packet)

    def anomaly(self, kind: str, detail: str) -> None:
        """Report something malformed or ambiguous, and go on."""
        self.sink.anomaly(kind, detail, self.flow_id, self.ts, self.packet)

    def learn(self, ip: str, name: str, source: str, ttl: int | None = None, client: str | None = None) -> None:
        """Report a name for an address (a DNS answer, say, that ``client`` got)."""
        self.sink.name(ip, name, source, self.ts, ttl, client)

    def name_host(self, name: str, source: str) -> None:
        """Name this flow's responder (``sni``, ``http`` …); the first name of the best source stays.

        A literal address is no name.
        """
        if not name or ":" in name or (name[-1].isdigit() and name.replace(".", "").isdigit()):
            return
        if self.hostname is None or RANKS.get(source, UNKNOWN) < RANKS.get(self.hostname_source or "", UNKNOWN):
            self.hostname = name
            self.hostname_source = source
            self.hostname_ts = self.ts

    def finish(self) -> None:
        """Want nothing more of this flow: the engine stops offering its bytes."""
        self.finished = True

    def hand_over(self, dissector: "Dissector | None") -> None:
        """Let another protocol read all that follows, in both directions (STARTTLS, a proxy's tunnel).

        The present parser returns how much it consumed and is not asked again, nor closed; what it left over goes to
        ``dissector``'s new parser. `None`: the content that follows is probed, as in a new flow. ``app`` stays what
        it is unless the caller sets it.
        """
        self.parser = None if dissector is None else dissector.parser(self)
        self.tries = 0
        self.judged = 0

    def has_port(self, *ports: int) -> bool:
        """Whether either end uses one of these ports."""
        return self.src_port in ports or self.dst_port in ports


if not cython.compiled:  # compiled, the .pxd has it as an inline function; the two must say the same

    def conversation(sink: Sink, flow: Flow, transport: str) -> Conversation:
        """Make the conversation of a flow."""
        talk = Conversation(sink, flow.flow_id, transport, "", flow.a_port, "", flow.b_port)
        if not flow.src_is_a:
            talk.src_port, talk.dst_port = flow.b_port, flow.a_port
        talk.flow = flow
        return talk


class Parser:
    """What one flow's dissector remembers: one object per flow, a subclass per protocol."""

    __slots__ = ("talk",)

    def __init__(self, talk: Conversation) -> None:
        self.talk = talk

    def datagram(self, data: bytes, from_src: bool) -> None:
        """Read one datagram."""

    def stream(self, data: bytes, from_src: bool) -> int:
        """Read in-order bytes of one direction and return how many were consumed.

        What is not consumed is offered again, with more behind it, when more arrives (`MAX_PENDING` bytes at most; a
        parser that consumes nothing of a full buffer loses the flow). A return value greater than ``len(data)``
        skips the bytes beyond: they are never offered, and may even be missing from the capture.
        """
        return len(data)

    def cut(self, data: bytes, from_src: bool) -> None:
        """What waited for its rest in this direction, which is lost: `gap` follows. By default it is dropped."""

    def gap(self, size: int, from_src: bool) -> None:
        """``size`` bytes of this direction are missing from the capture; by default, give the flow up."""
        self.talk.finish()

    def close(self) -> None:
        """The flow ended: emit what still waits for an answer."""


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """What content must look like for a probe to be asked about it: a few tests that cost nothing."""

    least: int = 0
    """Bytes that a datagram must have; a stream may still grow."""
    at: Mapping[int, bytes] = field(default_factory=dict)
    """By offset, the bytes that can stand there; what is not there yet is not tested."""
    counted: tuple[int, int] | None = None
    """Of a datagram: where two bytes count its bytes, and how many of them it has that are not counted."""


@dataclass(frozen=True, slots=True, eq=False)
class Dissector:
    """One protocol: how it is recognised, what reads it, which tables it fills."""

    name: str
    """Value of ``flows.app``."""
    title: str
    """Its name and specification, for people."""
    transports: tuple[str, ...]
    """``tcp``, ``udp``; or the protocol itself where it has no ports (``arp``, ``icmp``, ``lldp`` …: a name of
    `rustnet.engine.numbers.PROTOCOL_NAMES`), whose messages are offered as datagrams."""
    ports: tuple[int, ...]
    """Ports on which it is asked first, and that name the flow by guess."""
    records: tuple[type, ...]
    """Row types of its tables; a table may serve several protocols."""
    probe: Callable[[bytes, Conversation, bool], int]
    """``probe(data, talk, from_src)``: `YES` only if the content itself shows the protocol; a port may relax it."""
    parser: Callable[[Conversation], Parser]
    first: bytes | None = None
    """Off its ports: the first bytes that its content can begin with; its probe is not asked about others.

    `None`: any byte; empty: it is asked on its ports only.
    """
    shapes: Mapping[str, Shape] = field(default_factory=dict)
    """Off its ports: by transport, the shape without which its probe would say `NO`."""
