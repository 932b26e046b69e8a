"""Which parser reads a flow, and the one place where a parser's failure becomes an anomaly.

A flow's first bytes are shown to the dissectors whose port fits, then to all others of its transport. The first that
answers `YES` gets the flow; its name becomes ``flows.app`` with source ``payload``. A port alone never decides.
"""

from collections.abc import Sequence

import cython
import numpy as np

from rustnet.dissect.framework.conversation import MORE, YES, Conversation, DissectError, Dissector, Shape, Sink
from rustnet.engine.flow import Flow
from rustnet.engine.listener import Listener
from rustnet.engine.numbers import DECODE_ERRORS, TCP, UDP, protocol_name

if not cython.compiled:  # compiled, it comes from the .pxd as a C function
    from rustnet.dissect.framework.conversation import conversation

MAX_PENDING = 64 << 10
"""Bytes of one direction that may wait for a parser to make sense of them."""

MAX_WAITING = 64 << 20
"""The same over all flows."""

MAX_PROBE = 2_048
"""Bytes of one direction that may wait for a probe to decide."""

MAX_TRIES = 4
"""Datagrams, or chunks of a stream, that are shown to the probes before a flow stays unknown."""

MAX_CHUNKS = 10
"""The same for chunks where a dissector names a port: the capture may begin within something long."""

MAX_PATIENCE = 64
"""The same for chunks while a probe asks for more of the stream: what is typed comes byte by byte."""

MAX_ERRORS = 10
"""Malformed messages after which a flow is given up."""

MAX_UNDECODED = 100
"""Rows about frames that cannot be decoded, per kind and capture; further ones are only counted."""

MAX_ORDERS = 65_536
"""Answers to who is asked about a flow that are remembered."""

SRC_JUDGED, DST_JUDGED = 1, 2
"""Directions of a stream about whose beginning every probe has said `NO`."""
MAX_IDLE = 16
"""Bytes of a datagram that may only keep a path open: what it opens for is waited for."""

HANDSHAKE = 22
"""First byte of a TLS record that holds a handshake message."""

NO_PORT = 65_536
"""Stands for every port that no dissector names."""


class Asked:
    """A dissector that is asked about content, and the shape without which it is not asked.

    ``offsets`` are the places that its shape tests; ``fitting`` has 256 flags for each of them.
    """

    def __init__(self, dissector: Dissector, shape: Shape) -> None:
        self.name = dissector.name
        self.probe = dissector.probe
        self.dissector = dissector
        self.least = shape.least
        self.tests = len(shape.at)
        self.count_at, self.uncounted = shape.counted or (-1, 0)
        fitting = np.zeros(max(1, self.tests) * 256, np.uint8)
        for i, allowed in enumerate(shape.at.values()):
            for byte in allowed:
                fitting[i * 256 + byte] = 1
        self.offsets = np.array(list(shape.at) or [0], np.int64)
        self.fitting = fitting

    def fits(self, data: bytes, size: int, stream: bool) -> bool:
        """Whether content has the shape."""
        if not stream:
            if size < self.least:
                return False
            at = self.count_at
            if at >= 0 and at + 1 < size and (data[at] << 8 | data[at + 1]) + self.uncounted != size:
                return False
        for i in range(self.tests):
            at = self.offsets[i]
            if at < size and not self.fitting[i * 256 + data[at]]:
                return False
        return True


ANY_SHAPE = Shape()


class Dispatcher(Listener):
    """Reads the payloads that the engine offers (`Listener`).

    With ``strict`` a parser's failure is raised instead of becoming an anomaly (tests, ``--debug``).
    """

    def __init__(self, dissectors: Sequence[Dissector], sink: Sink, strict: bool = False) -> None:
        self.sink = sink
        self.strict = strict
        self.waiting = 0
        self.chosen: Dissector | None = None
        self.hopeful = False
        """A probe asked for more at the last asking."""
        self.undecoded_rows: dict[tuple[int, int], int] = {}
        self.by_port: dict[tuple[str, int], tuple[Dissector, ...]] = {}
        self.by_transport: dict[str, tuple[Dissector, ...]] = {}
        for d in dissectors:
            for transport in d.transports:
                self.by_transport[transport] = (*self.by_transport.get(transport, ()), d)
                for port in d.ports:
                    key = (transport, port)
                    self.by_port[key] = (*self.by_port.get(key, ()), d)
        self.near = {d: Asked(d, ANY_SHAPE) for d in dissectors}
        self.far = {(t, d): Asked(d, d.shapes.get(t, ANY_SHAPE)) for d in dissectors for t in d.transports}
        self.known = {transport: self.named_ports(transport) for transport in self.by_transport}
        self.orders: dict[str, dict[int, tuple[Asked, ...]]] = {transport: {} for transport in self.by_transport}

    def named_ports(self, transport: str) -> bytes:
        """For each port, whether a dissector names it."""
        flags = bytearray(65_536)
        for name, port in self.by_port:
            if name == transport:
                flags[port] = 1
        return bytes(flags)

    def asked(self, talk: Conversation, first: int) -> tuple[Asked, ...]:
        """Who is asked about content that begins with the byte ``first``: remembered answers of `order`."""
        known = self.known.get(talk.transport)
        if known is None:
            return ()
        src = talk.src_port & 0xFFFF
        dst = talk.dst_port & 0xFFFF
        if not known[src]:
            src = NO_PORT
        if not known[dst]:
            dst = NO_PORT
        key = (((src << 17) | dst) << 8) | first
        orders = self.orders[talk.transport]
        found = orders.get(key)
        if found is None:
            if len(orders) >= MAX_ORDERS:
                orders.clear()
            found = orders[key] = self.order(talk.transport, src, dst, first)
        return found

    def order(self, transport: str, src_port: int, dst_port: int, first: int) -> tuple[Asked, ...]:
        """Dissectors in the order in which they are asked: those of the responder's port, of the initiator's, others.

        Of the others, those whose content cannot begin with the byte ``first`` are left out.
        """
        known = self.by_port
        ahead = dict.fromkeys((*known.get((transport, dst_port), ()), *known.get((transport, src_port), ())))
        others = [d for d in self.by_transport[transport] if d not in ahead]
        fitting = [d for d in others if d.first is None or first in d.first]
        return (*[self.near[d] for d in ahead], *[self.far[transport, d] for d in fitting])

    def converse(self, flow: Flow) -> Conversation:
        """The flow's conversation, made when its first payload is seen."""
        protocol = flow.protocol
        transport = "tcp" if protocol == TCP else "udp" if protocol == UDP else protocol_name(protocol)
        flow.talk = talk = conversation(self.sink, flow, transport)
        return talk

    # ---- what the engine calls -----------------------------------------------------------------------------------

    def datagram(self, flow: Flow, from_src: bool, data: bytes, ts: int, number: int) -> None:
        """Read one datagram."""
        talk: Conversation = flow.talk or self.converse(flow)
        talk.ts = ts
        talk.packet = number
        talk.missing = flow.missing
        parser = talk.parser
        if parser is None:
            talk.tries += 1
            if not self.choose(talk, data, from_src):
                if talk.tries >= (MAX_TRIES if len(data) > MAX_IDLE else MAX_PATIENCE):
                    flow.wants = False
                return
            parser = talk.parser
        try:
            parser.datagram(data, from_src)  # type: ignore[union-attr]
        except DissectError as error:
            self.malformed(talk, error)
        except Exception as error:  # noqa: BLE001 - the one catch point: a parser's fault must not lose the capture
            self.failed(talk, error)
        else:
            talk.messages += 1
        if talk.finished:
            flow.wants = False

    def stream(self, flow: Flow, from_src: bool, data: bytes, ts: int, number: int) -> int:
        """Read in-order bytes of one direction; returns how many bytes beyond them to skip."""
        talk: Conversation = flow.talk or self.converse(flow)
        talk.ts = ts
        talk.packet = number
        waiting = talk.pending_src if from_src else talk.pending_dst
        if waiting:
            if talk.parser is None and data[0] == HANDSHAKE and data[1:2] == b"\x03" and data[5:6] == b"\x01":
                self.drop(talk)  # a TLS ClientHello: what came ahead of it only agreed on TLS, in words of its own
                talk.judged = 0
            else:
                data = waiting + data
        else:
            talk.judged &= ~(SRC_JUDGED if from_src else DST_JUDGED)  # a beginning that no probe has seen
        skip = 0
        if talk.parser is None and not self.begin(talk, data, from_src):
            # In the middle of something long, what comes next may begin something: a head behind a body.
            self.keep(talk, from_src, data if len(data) < MAX_PROBE else b"")
        else:
            skip = self.feed(talk, data, from_src)
        if talk.finished:
            flow.wants = False
            self.drop(talk)
        return skip

    def gap(self, flow: Flow, from_src: bool, size: int, ts: int, number: int) -> None:
        """Bytes of a stream were not captured."""
        talk: Conversation | None = flow.talk
        if talk is None:
            return  # what comes next is read like a capture that begins there
        if talk.parser is None:
            self.keep(talk, from_src, b"")
            return
        talk.ts = ts
        talk.packet = number
        waiting = talk.pending_src if from_src else talk.pending_dst
        self.keep(talk, from_src, b"")
        parser = talk.parser
        try:
            if waiting:
                parser.cut(waiting, from_src)
            if talk.parser is parser and not talk.finished:
                parser.gap(size, from_src)
        except DissectError as error:
            self.malformed(talk, error)
        except Exception as error:  # noqa: BLE001
            self.failed(talk, error)
        if talk.finished:
            flow.wants = False

    def close(self, flow: Flow) -> None:
        """A flow ended: let its parser emit what waits."""
        talk: Conversation = flow.talk
        parser = talk.parser
        if parser is not None:
            talk.ts = flow.last_ts
            try:
                parser.close()
            except DissectError as error:
                self.malformed(talk, error)
            except Exception as error:  # noqa: BLE001
                self.failed(talk, error)
        # Flow and parser point back: without these cycles all are freed at once, though no collector runs.
        talk.flow = None
        talk.parser = None
        self.drop(talk)

    def undecoded(self, answer: int, link: int, ts: int, number: int) -> None:
        """A frame could not be decoded: the first ones of each kind are rows."""
        key = (answer, link)
        seen = self.undecoded_rows.get(key, 0)
        self.undecoded_rows[key] = seen + 1
        if seen < MAX_UNDECODED:
            self.sink.anomaly(DECODE_ERRORS[answer], f"link type {link}", 0, ts, number)

    # ---- choosing and feeding ------------------------------------------------------------------------------------

    def choose(self, talk: Conversation, data: bytes, from_src: bool) -> bool:
        """Ask the probes about a flow's bytes; true once one of them is sure, and its parser is set."""
        size = len(data)
        if not size:
            return False
        self.hopeful = False
        stream = talk.transport == "tcp"
        for ask in self.asked(talk, data[0]):
            if not ask.fits(data, size, stream) or (talk.refused and ask.name in talk.refused):
                continue
            try:
                answer = ask.probe(data, talk, from_src)
            except DissectError:
                continue
            except Exception as error:  # noqa: BLE001
                self.failed(talk, error)
                continue
            if answer == YES:
                if talk.app is None:  # what runs inside of another protocol does not rename the flow
                    talk.app = ask.name
                self.chosen = ask.dissector
                talk.parser = ask.dissector.parser(talk)
                return True
            if answer == MORE:
                self.hopeful = True
        if not self.hopeful:
            talk.judged |= SRC_JUDGED if from_src else DST_JUDGED
        return False

    def begin(self, talk: Conversation, data: bytes, from_src: bool) -> bool:
        """Find the parser of a stream; on success the other direction's waiting bytes are read first."""
        talk.tries += 1
        judged = talk.judged & (SRC_JUDGED if from_src else DST_JUDGED)  # nobody's; more of it is nobody else's
        if not judged and self.choose(talk, data, from_src):
            other = talk.pending_dst if from_src else talk.pending_src
            if other:
                self.catch_up(talk, other, not from_src)
            return talk.parser is not None
        known = self.known[talk.transport]
        named = known[talk.src_port & 0xFFFF] or known[talk.dst_port & 0xFFFF]
        most = MAX_PATIENCE if self.hopeful else MAX_CHUNKS if named else MAX_TRIES
        if talk.tries >= most or (len(data) >= MAX_PROBE and not named):
            talk.finished = True
        return False

    def catch_up(self, talk: Conversation, data: bytes, from_src: bool) -> None:
        """Let a new parser read what the other direction said before; what it cannot begin with is passed over.

        A capture that starts within a connection may hold the end of a message there.
        """
        parser = talk.parser
        try:
            used = parser.stream(data, from_src)  # type: ignore[union-attr]
        except DissectError:
            talk.parser = parser = self.chosen.parser(talk)  # type: ignore[union-attr]
            used = len(data)
        except Exception as error:  # noqa: BLE001
            self.failed(talk, error)
            return
        talk.messages += 1
        if talk.parser is parser:
            self.keep(talk, from_src, data[used:])
        else:
            self.handed_over(talk, data[used:], from_src)

    def feed(self, talk: Conversation, data: bytes, from_src: bool) -> int:
        """Let the parser read; keeps what it left, returns what it skips beyond."""
        parser = talk.parser
        size = len(data)
        try:
            used = parser.stream(data, from_src)  # type: ignore[union-attr]
        except DissectError as error:
            return self.malformed_stream(talk, error, data, from_src)
        except Exception as error:  # noqa: BLE001
            self.failed(talk, error)
            return 0
        talk.messages += 1
        if talk.parser is not parser:
            return self.handed_over(talk, data[used:], from_src)
        if used >= size:
            self.keep(talk, from_src, b"")
            return used - size
        rest = data[used:] if used else data
        if len(rest) > MAX_PENDING:
            talk.anomaly(f"oversized_{talk.app}", f"{len(rest)} bytes waited for the rest of one message")
            talk.finished = True
            rest = b""
        self.keep(talk, from_src, rest)
        return 0

    def handed_over(self, talk: Conversation, rest: bytes, from_src: bool) -> int:
        """Another protocol reads on: give it what both directions had left."""
        other = talk.pending_dst if from_src else talk.pending_src
        self.drop(talk)
        skip = 0
        for data, side in ((other, not from_src), (rest, from_src)):
            if data and not talk.finished:
                if talk.parser is None and not self.begin(talk, data, side):
                    self.keep(talk, side, data)
                else:
                    skip = self.feed(talk, data, side)
        return skip

    def keep(self, talk: Conversation, from_src: bool, rest: bytes) -> None:
        """Set what waits in one direction."""
        old = talk.pending_src if from_src else talk.pending_dst
        self.waiting += len(rest) - len(old)
        if self.waiting > MAX_WAITING and rest:
            self.waiting -= len(rest)
            rest = b""
            talk.anomaly("waiting_bytes_dropped", "too many bytes wait for their messages' rest over all flows")
            talk.finished = True
        if from_src:
            talk.pending_src = rest
        else:
            talk.pending_dst = rest

    def drop(self, talk: Conversation) -> None:
        """Nothing waits any more in either direction."""
        self.waiting -= len(talk.pending_src) + len(talk.pending_dst)
        talk.pending_src = talk.pending_dst = b""

    def malformed(self, talk: Conversation, error: DissectError) -> None:
        """Report a malformed message; over a flow's first one the claim on the flow is withdrawn."""
        if self.strict:
            raise error
        talk.errors += 1
        if talk.messages == 0 and talk.app is not None:
            talk.refused = (*talk.refused, talk.app)
            talk.app = None
            talk.parser = None
            talk.judged = 0
            if len(talk.refused) >= MAX_TRIES:
                talk.finished = True
            return
        talk.anomaly(f"malformed_{talk.app}", str(error))
        if talk.errors >= MAX_ERRORS:
            talk.finished = True

    def malformed_stream(self, talk: Conversation, error: DissectError, data: bytes, from_src: bool) -> int:
        """A stream cannot go on behind a malformed message; before the first one, others may try."""
        self.malformed(talk, error)
        if talk.parser is None and not talk.finished:
            if self.begin(talk, data, from_src):
                return self.feed(talk, data, from_src)
            self.keep(talk, from_src, data)
            return 0
        talk.finished = True
        return 0

    def failed(self, talk: Conversation, error: Exception) -> None:
        """A parser raised what it must not: an anomaly that names it, and the flow is given up."""
        if self.strict:
            raise error
        where = talk.app or "probe"
        talk.anomaly("dissector_failure", f"{where}: {type(error).__name__}: {error}")
        talk.finished = True
