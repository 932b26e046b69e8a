"""The contract between the engine and a protocol's parser: bytes in, records out.

A protocol is one file in this package. It defines its record classes (the record is the table), a probe, a `Parser`
and one `Dissector`, which is listed in `rustnet.dissect.registry`. A parser uses no file, no socket and no clock: it
only calls the methods of its `Conversation`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import cython

from rustnet.bounds import NAME_BYTES, cut_text
from rustnet.dissect.framework.secrets import Screened, Secrets, screen, screened
from rustnet.engine.flow import Flow
from rustnet.policy.names import RANKS, UNKNOWN
from rustnet.probe.uris import MAX_NAME as LONG_NAME
from rustnet.probe.uris import MIN_CUT as LONG_TEXT
from rustnet.probe.uris import known_names, names_secret

if not cython.compiled:  # compiled, it comes from the .pxd as a C function
    from rustnet.engine.text import address

MIN_IDLE, MAX_IDLE = 1_000_000_000, 86_400_000_000_000
"""Bounds of an idle timeout in nanoseconds: a second, a day."""

MAX_SCREENED = 16
"""Credentials of a flow up to which those in URIs are looked for in its other texts; all are cut where they are."""
MIN_CUT = LONG_TEXT
MAX_NAME = LONG_NAME
SIGNS = "?&;#/,\"'<>(){}|\\"
"""Signs before names of parameters."""
SHORT = 8
"""Characters of a free text, such as a reason, that are too few to call something a password."""
ENCODED = ("3D", "3d", "40", "25")
"""Encoded equal and at signs, and those that are encoded twice."""

NO, MORE, YES = 0, 1, 2
"""A probe's answers: not this protocol; too few bytes to decide; this protocol, by its content."""


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
    """Receives what parsers report: the store, or a list in a test."""

    def record(self, record: object, flow_id: int, ts: int, packet: int) -> None:
        """Take one row of a protocol's table."""

    def anomaly(self, kind: str, detail: str, flow_id: int, ts: int, packet: int, *, count: int = 1) -> None:
        """Take one anomaly that occurred ``count`` times."""

    def name(self, ip: str, name: str, source: str, ts: int, ttl: int | None, client: str | None = None) -> None:
        """Take a name learned for an address; ``client`` is the address that asked for it."""


def end_address(flow: Flow, of_a: bool) -> str:
    """Text of the address of a flow's end ``a`` or ``b``."""
    return address(flow.a_hi, flow.a_lo) if of_a else address(flow.b_hi, flow.b_lo)


def may_hide(text: str) -> bool:  # noqa: C901 the hot loop
    """Whether a text has a sign of a secret: one pass, as most have none."""
    size = len(text)
    if size < MIN_CUT and not ("=" in text or "@" in text or "%" in text):
        return False
    start = 0
    slashes = False
    for i in range(size):
        c = text[i]
        if "A" <= c <= "z" and c != "\\":  # letters, and signs that names may have
            continue
        if c == "=":
            if i > start:
                known = known_names.get(text[max(start, i - MAX_NAME) : i])
                if known is None:
                    known = names_secret(text[start:i])
                if known:
                    return True
            start = i + 1
        elif c == "@":
            return True
        elif c == "%":
            if text[i + 1 : i + 3] in ENCODED:
                return True
        elif not "0" <= c <= "9" and (c in SIGNS or c.isspace()):
            slashes = slashes or (c == "/" and i == start and i > 0)
            start = i + 1
    return slashes and size >= MIN_CUT


SCREENED: dict[type, Screened] = {}
"""The columns of records that are searched for secrets, once they were asked for."""


class Conversation:
    """A flow as its parser sees it, and the only interface through which the parser reports.

    ``ts`` (nanoseconds) and ``packet`` (number) are those of the packet that completed the bytes being read;
    ``memo_src`` and ``memo_dst`` hold a few bytes per direction for probes that need to see several datagrams;
    ``missing`` is how many bytes the snap length cut off the end of a datagram; ``lost_src`` and ``lost_dst`` how many
    bytes of a stream's directions were lost since it began, or since its protocol took over from another one;
    ``lost_between`` that this was while bytes of the other direction waited for a parser, ``truncated`` that the loss
    being handled is the end of a segment that the snap length cut. ``peeler`` removes what is ahead of the protocol's
    own message in each datagram; ``proxied`` are the client's address and port as a proxy states them, and the
    number of its headers.
    """

    __slots__ = (
        "app",
        "attempts",
        "dst_port",
        "dst_text",
        "errors",
        "finished",
        "flow",
        "flow_id",
        "hostname",
        "hostname_source",
        "hostname_ts",
        "lost_between",
        "lost_dst",
        "lost_src",
        "memo_dst",
        "memo_src",
        "messages",
        "missing",
        "packet",
        "parser",
        "peeler",
        "pending_dst",
        "pending_src",
        "proxied",
        "rejected",
        "secrets",
        "service",
        "sink",
        "src_port",
        "src_text",
        "state",
        "transport",
        "truncated",
        "ts",
        "withdrawn",
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
        self.secrets: Secrets | None = None
        self.finished = False
        self.attempts = 0
        self.rejected = 0
        self.messages = 0
        self.missing = 0
        self.lost_src = 0
        self.lost_dst = 0
        self.truncated = False
        self.lost_between = False
        self.flow: Flow | None = None
        self.errors = 0
        self.withdrawn: tuple[str, ...] = ()
        self.peeler: Any = None
        self.proxied: tuple[str | None, int | None, int] | None = None
        self.memo_src = b""
        self.memo_dst = b""
        self.pending_src = b""
        self.pending_dst = b""

    @property
    def src_ip(self) -> str:
        """Initiator's address; formatted on first use, as few parsers need it."""
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
        self.screen(record)
        if self.secrets is not None:
            self.secrets.clean(record)
        self.sink.record(record, self.flow_id, ts or self.ts, packet or self.packet)

    def anomaly(self, kind: str, detail: str, count: int = 1) -> None:
        """Report ``count`` malformed or ambiguous messages and continue; ``detail`` is one sentence."""
        detail = self.screened(detail, False, True)
        if self.secrets is not None:
            detail = self.secrets.hide(detail)
        self.sink.anomaly(kind, detail, self.flow_id, self.ts, self.packet, count=count)

    def screen(self, record: Any) -> None:
        """Hide what the form of a record's texts shows to be a secret: passwords in URIs, parameters named like one."""
        cls: type = type(record)
        entry = SCREENED.get(cls)
        if entry is None:
            entry = SCREENED[cls] = screened(cls)
        texts = entry[1]
        values = entry[0](record)
        for i in range(len(texts)):
            value = values[i]
            if value is None:
                continue
            if type(value) is str:
                text = value
                if may_hide(text) or (len(text) > SHORT and texts[i][2]):
                    setattr(record, texts[i][0], self.screened(text, texts[i][1], texts[i][2]))
            elif type(value) is list:
                for one in value:
                    if type(one) is str and (may_hide(one) or texts[i][2]):
                        name, bare, free = texts[i]
                        shown = [self.screened(each, bare, free) if isinstance(each, str) else each for each in value]
                        setattr(record, name, shown)
                        break

    def screened(self, shown: str, bare: bool, free: bool) -> str:
        """Return a text without the secrets that its form shows; other texts of the flow will not repeat them."""
        cut: list[str] = []
        shown = screen(shown, bare, free, cut)
        if cut and (self.secrets is None or len(self.secrets.values) < MAX_SCREENED):
            self.keep_secret(*[secret.encode("utf-8", "replace") for secret in cut])
        return shown

    def keep_secret(self, *credentials: bytes) -> None:
        """Remember credentials that this flow carries: no text that is recorded from now on repeats them."""
        if self.secrets is None:
            self.secrets = Secrets()
        for credential in credentials:
            self.secrets.add(credential)
        if self.hostname is not None and self.secrets.hide(self.hostname, free=False) != self.hostname:
            self.hostname = self.hostname_source = None

    def count_lost(self, size: int, from_src: bool) -> None:
        """Count bytes of a direction that are missing, or cannot be read because of that, until a parser knows it."""
        if from_src:
            self.lost_src += size
        else:
            self.lost_dst += size

    def learn(self, ip: str, name: str, source: str, ttl: int | None = None, client: str | None = None) -> None:
        """Report a name for an address, such as a DNS answer that ``client`` received."""
        if "@" in name:
            name = name.rpartition("@")[2]
        if self.secrets is not None and self.secrets.hide(name, free=False) != name:
            return
        self.sink.name(ip, name, source, self.ts, ttl, client)

    def name_host(self, name: str, source: str) -> None:
        """Name this flow's responder (``sni``, ``http`` …); the first name of the best source wins.

        Literal addresses are ignored.
        """
        if "@" in name:
            name = name.rpartition("@")[2]  # without a user and a password
        name = name.removesuffix(".")
        if not name or ":" in name or (name[-1].isdigit() and name.replace(".", "").isdigit()):
            return
        if self.secrets is not None and self.secrets.hide(name, free=False) != name:
            return
        if len(name) > NAME_BYTES:
            name = cut_text(name, NAME_BYTES)
        if self.hostname is None or RANKS.get(source, UNKNOWN) < RANKS.get(self.hostname_source or "", UNKNOWN):
            self.hostname = name
            self.hostname_source = source
            self.hostname_ts = self.ts

    def set_idle_timeout(self, timeout: int) -> None:
        """Let the flow end after this many nanoseconds without a packet; TCP's next state sets its own."""
        if self.flow is not None:
            self.flow.timeout = max(MIN_IDLE, min(timeout, MAX_IDLE))

    def finish(self) -> None:
        """Read no more of this flow: the engine stops offering its bytes."""
        self.finished = True

    def hand_over(self, dissector: "Dissector | None") -> None:
        """Let another protocol read all that follows, in both directions (STARTTLS, a proxy's tunnel).

        The current parser returns how much it consumed and is neither called again nor closed; a new parser of
        ``dissector`` gets the bytes that it left. With `None` the content that follows is probed, as in a new flow.
        ``app`` does not change unless the caller sets it.
        """
        self.parser = None if dissector is None else dissector.parser(self)
        self.lost_src = self.lost_dst = 0
        self.lost_between = False
        self.attempts = 0
        self.rejected = 0

    def has_port(self, *ports: int) -> bool:
        """Whether either end uses one of these ports."""
        return self.src_port in ports or self.dst_port in ports


if not cython.compiled:  # compiled, the .pxd has it as an inline function; both must do the same

    def conversation(sink: Sink, flow: Flow, transport: str) -> Conversation:
        """Create the conversation of a flow."""
        talk = Conversation(sink, flow.flow_id, transport, "", flow.a_port, "", flow.b_port)
        if not flow.src_is_a:
            talk.src_port, talk.dst_port = flow.b_port, flow.a_port
        talk.flow = flow
        return talk


class Parser:
    """State of one flow's parser: one object per flow, a subclass per protocol."""

    __slots__ = ("talk",)

    def __init__(self, talk: Conversation) -> None:
        self.talk = talk

    def datagram(self, data: bytes, from_src: bool) -> None:
        """Read one datagram."""

    def stream(self, data: bytes, from_src: bool) -> int:
        """Read in-order bytes of one direction and return how many were consumed.

        The rest is offered again, followed by new bytes, when more arrive (`MAX_PENDING` bytes at most; a parser that
        consumes nothing of a full buffer loses the flow). A return value greater than ``len(data)`` skips the bytes
        beyond: they are never offered, and may even be missing from the capture.
        """
        return len(data)

    def cut(self, data: bytes, from_src: bool) -> None:
        """Read unconsumed bytes of this direction whose rest is lost; `gap` follows. Ignored by default."""

    def gap(self, size: int, from_src: bool) -> None:
        """Handle ``size`` bytes of this direction missing from the capture; by default, stop reading the flow."""
        self.talk.finish()

    def late(self) -> None:
        """Handle that what follows had been given up as missing, and comes after later bytes of the other direction."""

    def close(self) -> None:
        """Store what is pending, at the end of the flow."""


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """Cheap tests that content must pass before a probe is called."""

    least: int = 0
    """Minimum size of a datagram; a stream may still grow."""
    at: Mapping[int, bytes] = field(default_factory=dict)
    """Byte values allowed at an offset; bytes that have not arrived are not tested."""
    counted: tuple[int, int] | None = None
    """Of a datagram: offset of its 16-bit length field, and how many bytes that length does not count."""


@dataclass(frozen=True, slots=True, eq=False)
class Dissector:
    """One protocol: its probe, its parser and its tables."""

    name: str
    """Value of ``flows.app``."""
    title: str
    """Its full name and specification, to show."""
    transports: tuple[str, ...]
    """``tcp``, ``udp``; or the protocol itself if it has no ports (``arp``, ``icmp``, ``lldp`` …: a name in
    `rustnet.engine.numbers.PROTOCOL_NAMES`), whose messages are offered as datagrams."""
    ports: tuple[int, ...]
    """Ports on which its probe runs first, and which name a flow that no probe recognises."""
    records: tuple[type, ...]
    """Record classes of its tables; several protocols may share a table."""
    probe: Callable[[bytes, Conversation, bool], int]
    """``probe(data, talk, from_src)``: `YES` only if the content itself shows the protocol; a port may relax it."""
    parser: Callable[[Conversation], Parser]
    first: bytes | None = None
    """First bytes that its content can have on other ports than its own; its probe is not called for others.

    `None`: any byte; empty: the probe is called on its own ports only.
    """
    shapes: Mapping[str, Shape] = field(default_factory=dict)
    """By transport, the shape without which its probe would answer `NO` on other ports than its own."""
    outermost: bool = False
    """Its messages come ahead of those of other protocols, so its probe runs first on their ports too."""
