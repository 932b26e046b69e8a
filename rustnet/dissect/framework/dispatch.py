"""Chooses the parser of a flow, and turns a parser's failure into an anomaly (nothing else does).

The probes of the dissectors that name one of the flow's ports see its first bytes, then all others of its transport.
The first that answers `YES` gets the flow; its name becomes ``flows.app`` with source ``payload``. A port alone never
decides.
"""

from collections.abc import Sequence

import cython

from rustnet.dissect.framework.candidates import ANY_SHAPE, Candidate
from rustnet.dissect.framework.conversation import MORE, YES, Conversation, DissectError, Dissector, Sink
from rustnet.engine.flow import Flow
from rustnet.engine.listener import Listener
from rustnet.engine.numbers import DECODE_ERRORS, TCP, UDP, protocol_name

if not cython.compiled:  # compiled, these come from the .pxd, most as C functions
    from rustnet.dissect.framework.candidates import CR, LF, begins_within, blank_lines
    from rustnet.dissect.framework.conversation import conversation

MAX_PENDING = 64 << 10
"""Unconsumed bytes of one direction that are kept for its parser."""

MAX_PENDING_BYTES = 64 << 20
"""Unconsumed bytes of all flows together."""

MAX_PROBE = 2_048
"""Bytes of one direction that are kept until a probe decides."""

MAX_ATTEMPTS = 4
"""Datagrams, or chunks of a stream, that the probes see before a flow stays unknown."""

MAX_CHUNKS = 10
"""The same on a port that a dissector names: the capture may begin within a long message, or with scattered junk."""

MAX_PATIENCE = 64
"""The same while a probe asks for more of the stream: typed input arrives byte by byte."""

MAX_ERRORS = 10
"""Malformed messages, in excess of others, after which a flow is no longer read."""

MAX_UNDECODED = 100
"""Anomalies about undecodable frames, per kind and capture; further ones are only counted."""

MAX_CACHED_ORDERS = 65_536
"""Probe orders that are cached per transport."""

SRC_REJECTED, DST_REJECTED = 1, 2
"""Bits for the directions of a stream whose beginning every probe has rejected."""
MAX_KEEPALIVE = 16
"""Maximum size of a datagram that may be a keepalive: it counts less than others as an attempt."""

HANDSHAKE = 22
"""First byte of a TLS record that holds a handshake message."""

NO_PORT = 65_536
"""Cache key for every port that no dissector names."""


class Dispatcher(Listener):
    """Reads the payloads that the engine offers (`Listener`).

    With ``strict`` a parser's failure is raised instead of becoming an anomaly (tests, ``--debug``).
    """

    def __init__(self, dissectors: Sequence[Dissector], sink: Sink, strict: bool = False) -> None:
        self.sink = sink
        self.strict = strict
        self.pending_bytes = 0
        self.chosen: Dissector | None = None
        self.need_more = False
        """A probe answered `MORE` when the probes last ran."""
        self.undecoded_rows: dict[tuple[int, int], int] = {}
        self.by_port: dict[tuple[str, int], tuple[Dissector, ...]] = {}
        self.by_transport: dict[str, tuple[Dissector, ...]] = {}
        for d in dissectors:
            for transport in d.transports:
                self.by_transport[transport] = (*self.by_transport.get(transport, ()), d)
                for port in d.ports:
                    key = (transport, port)
                    self.by_port[key] = (*self.by_port.get(key, ()), d)
        self.on_port = {d: Candidate(d, ANY_SHAPE) for d in dissectors}
        self.off_port = {(t, d): Candidate(d, d.shapes.get(t, ANY_SHAPE)) for d in dissectors for t in d.transports}
        self.named_ports = {transport: self.port_flags(transport) for transport in self.by_transport}
        self.probe_order: dict[str, dict[int, tuple[Candidate, ...]]] = {
            transport: {} for transport in self.by_transport
        }

    def port_flags(self, transport: str) -> bytes:
        """Flags by port: whether a dissector names it."""
        flags = bytearray(65_536)
        for name, port in self.by_port:
            if name == transport:
                flags[port] = 1
        return bytes(flags)

    def candidates(self, talk: Conversation, first: int) -> tuple[Candidate, ...]:
        """Dissectors to probe for content that begins with the byte ``first``: cached results of `candidate_order`."""
        named = self.named_ports.get(talk.transport)
        if named is None:
            return ()
        src = talk.src_port & 0xFFFF
        dst = talk.dst_port & 0xFFFF
        if not named[src]:
            src = NO_PORT
        if not named[dst]:
            dst = NO_PORT
        key = (((src << 17) | dst) << 8) | first
        cache = self.probe_order[talk.transport]
        order = cache.get(key)
        if order is None:
            if len(cache) >= MAX_CACHED_ORDERS:
                cache.clear()
            order = cache[key] = self.candidate_order(talk.transport, src, dst, first)
        return order

    def candidate_order(self, transport: str, src_port: int, dst_port: int, first: int) -> tuple[Candidate, ...]:
        """Dissectors in probe order: outermost ones, those of the responder's port, of the initiator's, then others.

        Those of the others whose content cannot begin with the byte ``first`` are left out.
        """
        by_port = self.by_port
        on_port = dict.fromkeys((*by_port.get((transport, dst_port), ()), *by_port.get((transport, src_port), ())))
        others = [d for d in self.by_transport[transport] if d not in on_port]
        fitting = [d for d in others if d.first is None or first in d.first]
        outer = [self.off_port[transport, d] for d in fitting if d.outermost]
        inner = [self.off_port[transport, d] for d in fitting if not d.outermost]
        return (*outer, *[self.on_port[d] for d in on_port], *inner)

    def start_conversation(self, flow: Flow) -> Conversation:
        """Create the flow's conversation, at its first payload."""
        protocol = flow.protocol
        transport = "tcp" if protocol == TCP else "udp" if protocol == UDP else protocol_name(protocol)
        flow.talk = talk = conversation(self.sink, flow, transport)
        return talk

    # ---- called by the engine ------------------------------------------------------------------------------------

    def datagram(self, flow: Flow, from_src: bool, data: bytes, ts: int, number: int) -> None:
        """Read one datagram."""
        talk: Conversation = flow.talk or self.start_conversation(flow)
        talk.ts = ts
        talk.packet = number
        talk.missing = flow.missing
        if talk.peeler is not None:
            data = talk.peeler.peel(data)
            if not data:
                return
        if talk.parser is None:
            self.first_datagram(talk, data, from_src)
        else:
            self.read_datagram(talk, data, from_src)
        if talk.finished:
            flow.wants = False

    def read_datagram(self, talk: Conversation, data: bytes, from_src: bool) -> bool:
        """Let the parser read a datagram; false if it is malformed."""
        try:
            talk.parser.datagram(data, from_src)  # type: ignore[union-attr]
        except DissectError as error:
            self.malformed(talk, error)
            return False
        except Exception as error:  # noqa: BLE001 - the one catch point: a parser's bug must not lose the capture
            self.parser_failed(talk, error)
        else:
            talk.messages += 1
        return True

    def first_datagram(self, talk: Conversation, data: bytes, from_src: bool) -> None:
        """Look for the protocol of a flow in a datagram.

        A protocol that rejects this one is asked again about the next: the first may be junk.
        """
        while not talk.finished:
            start = self.probe(talk, data, from_src)
            if start < 0:
                break
            if not self.read_datagram(talk, data[start:] if start else data, from_src):
                if talk.parser is not None:
                    return
            elif talk.parser is not None or talk.peeler is None:
                return
            else:  # it was the first with something ahead of the protocol's own message
                data = talk.peeler.peel(data)
        talk.withdrawn = ()
        limit = MAX_ATTEMPTS
        if talk.transport == "udp":
            flags = self.named_ports["udp"]
            if flags[talk.src_port & 0xFFFF] or flags[talk.dst_port & 0xFFFF]:
                limit = MAX_CHUNKS
        talk.attempts += 1 if len(data) <= MAX_KEEPALIVE else MAX_PATIENCE // limit
        if talk.attempts >= MAX_PATIENCE:
            talk.finished = True

    def stream(self, flow: Flow, from_src: bool, data: bytes, ts: int, number: int) -> int:
        """Read in-order bytes of one direction; returns how many bytes beyond them to skip."""
        talk: Conversation = flow.talk or self.start_conversation(flow)
        talk.ts = ts
        talk.packet = number
        waiting = talk.pending_src if from_src else talk.pending_dst
        if waiting:
            if talk.parser is None and data[0] == HANDSHAKE and data[1:2] == b"\x03" and data[5:6] == b"\x01":
                self.clear_pending(talk)  # a ClientHello: the bytes before it negotiated TLS in an unknown protocol
                talk.rejected = 0
                waiting = b""
            else:
                data = waiting + data
        else:
            talk.rejected &= ~(SRC_REJECTED if from_src else DST_REJECTED)  # new content, which no probe has seen
        skip = 0
        start = self.recognise(talk, data, from_src, len(waiting)) if talk.parser is None else 0
        if start < 0:
            # Within a long message the next chunk may be the beginning of another one, such as a head after a body.
            data = data[~start:]
            if len(data) < MAX_PROBE:
                self.set_pending(talk, from_src, data)
            else:
                self.set_pending(talk, from_src, b"")
                if talk.lost_src if from_src else talk.lost_dst:
                    talk.count_lost(len(data), from_src)
        else:
            skip = self.feed(talk, data[start:] if start else data, from_src)
        if talk.finished:
            flow.wants = False
            self.clear_pending(talk)
        return skip

    def gap(self, flow: Flow, from_src: bool, size: int, ts: int, number: int) -> None:
        """Bytes of a stream were not captured."""
        talk: Conversation = flow.talk or self.start_conversation(flow)
        if talk.parser is None:  # what follows is read like a capture that begins there
            size += len(talk.pending_src if from_src else talk.pending_dst)
            self.set_pending(talk, from_src, b"")
            if talk.pending_src or talk.pending_dst:
                talk.lost_between = True
        else:
            self.lose(talk, from_src, size, ts, number)
        talk.count_lost(size, from_src)
        if talk.finished:
            flow.wants = False

    def lose(self, talk: Conversation, from_src: bool, size: int, ts: int, number: int) -> None:
        """Let the parser read the bytes ahead of a loss, and handle the loss."""
        talk.truncated = talk.packet == number
        talk.ts = ts
        talk.packet = number
        waiting = talk.pending_src if from_src else talk.pending_dst
        self.set_pending(talk, from_src, b"")
        parser = talk.parser
        try:
            if waiting:
                parser.cut(waiting, from_src)  # type: ignore[union-attr]
            if talk.parser is parser and not talk.finished:
                parser.gap(size, from_src)  # type: ignore[union-attr]
        except DissectError as error:
            self.malformed(talk, error)
        except Exception as error:  # noqa: BLE001
            self.parser_failed(talk, error)

    def late(self, flow: Flow) -> None:
        """Bytes that were reported as missing come after all, out of order with the other direction."""
        talk: Conversation | None = flow.talk
        if talk is not None and talk.parser is not None:
            talk.parser.late()

    def close(self, flow: Flow) -> None:
        """Let the parser of a flow that ended store its pending rows."""
        talk: Conversation = flow.talk
        parser = talk.parser
        if parser is not None:
            talk.ts = flow.last_ts
            try:
                parser.close()
            except DissectError as error:
                self.malformed(talk, error)
            except Exception as error:  # noqa: BLE001
                self.parser_failed(talk, error)
        # Flow, conversation and parser refer to each other; the garbage collector is off, so break the cycles.
        talk.flow = None
        talk.parser = None
        self.clear_pending(talk)

    def undecoded(self, answer: int, link: int, ts: int, number: int) -> None:
        """Report a frame that could not be decoded; only the first ones of each kind are stored."""
        key = (answer, link)
        seen = self.undecoded_rows.get(key, 0)
        self.undecoded_rows[key] = seen + 1
        if seen < MAX_UNDECODED:
            self.sink.anomaly(DECODE_ERRORS[answer], f"link type {link}", 0, ts, number)

    def further_undecoded(self) -> list[tuple[str, str, int]]:
        """Kind, description and count of the frames that could not be decoded, beyond those that were stored."""
        return [
            (DECODE_ERRORS[answer], f"link type {link}", count - MAX_UNDECODED)
            for (answer, link), count in self.undecoded_rows.items()
            if count > MAX_UNDECODED
        ]

    # ---- probing and feeding -------------------------------------------------------------------------------------

    def run_probes(self, talk: Conversation, data: bytes, from_src: bool) -> bool:
        """Run the probes on a flow's bytes; true if one answered `YES`, whose parser is then set."""
        size = len(data)
        if not size:
            return False
        self.need_more = False
        stream = talk.transport == "tcp"
        for candidate in self.candidates(talk, data[0]):
            if not candidate.fits(data, size, stream) or (talk.withdrawn and candidate.name in talk.withdrawn):
                continue
            try:
                answer = candidate.probe(data, talk, from_src)
            except DissectError:
                continue
            except Exception as error:  # noqa: BLE001
                self.parser_failed(talk, error)
                continue
            if answer == YES:
                if talk.app is None:  # a protocol inside another one does not rename the flow
                    talk.app = candidate.name
                self.chosen = candidate.dissector
                talk.parser = candidate.dissector.parser(talk)
                return True
            if answer == MORE:
                self.need_more = True
        if not self.need_more:
            talk.rejected |= SRC_REJECTED if from_src else DST_REJECTED
        return False

    def probe(self, talk: Conversation, data: bytes, from_src: bool) -> int:
        """Run the probes on content, also without blank lines at its beginning (RFC 5626, 9112 section 2.2).

        Returns where the first message of the protocol begins, whose parser is then set, or -1.
        """
        if self.run_probes(talk, data, from_src):
            return 0
        if data and (data[0] == LF or data[0] == CR):
            blank = blank_lines(data)
            need_more = self.need_more
            if blank == len(data):
                self.need_more = True
            elif blank and self.run_probes(talk, data[blank:], from_src):
                return blank
            self.need_more = self.need_more or need_more
            if self.need_more:
                talk.rejected &= ~(SRC_REJECTED if from_src else DST_REJECTED)
        return -1

    def recognise(self, talk: Conversation, data: bytes, from_src: bool, waited: int = 0) -> int:
        """Find the parser of a stream; on success the other direction's pending bytes are read first.

        Returns where the first message begins in ``data``, of which ``waited`` bytes are not new. If there is none, it
        is the inverted (`~`) position from which on bytes are to be kept.
        """
        talk.attempts += 1
        side = SRC_REJECTED if from_src else DST_REJECTED
        start = -1
        if not talk.rejected & side:  # more of what was rejected changes nothing
            start = self.probe(talk, data, from_src)
        if start < 0 and waited and talk.rejected & side and begins_within(talk, from_src):
            talk.rejected &= ~side
            start = self.probe(talk, data[waited:], from_src)
            if start >= 0:
                start += waited
            elif not talk.rejected & side:
                start = ~waited
        if start >= 0:
            other = talk.pending_dst if from_src else talk.pending_src
            if other:
                self.catch_up(talk, other, not from_src)
            return start if talk.parser is not None else -1
        flags = self.named_ports[talk.transport]
        named = flags[talk.src_port & 0xFFFF] or flags[talk.dst_port & 0xFFFF]
        limit = MAX_PATIENCE if self.need_more else MAX_CHUNKS if named else MAX_ATTEMPTS
        if talk.attempts >= limit or (len(data) >= MAX_PROBE and not named):
            talk.finished = True
        return start

    def catch_up(self, talk: Conversation, data: bytes, from_src: bool) -> None:
        """Let a new parser read the other direction's pending bytes, or skip them if they are malformed.

        In a capture that starts within a connection they may be the end of a message.
        """
        parser = talk.parser
        data = data[blank_lines(data) :]
        try:
            used = parser.stream(data, from_src) if data else 0  # type: ignore[union-attr]
        except DissectError:
            talk.parser = parser = self.chosen.parser(talk)  # type: ignore[union-attr]
            used = len(data)
        except Exception as error:  # noqa: BLE001
            self.parser_failed(talk, error)
            return
        if not used and talk.rejected & (SRC_REJECTED if from_src else DST_REJECTED) and begins_within(talk, from_src):
            used = len(data)
        talk.messages += 1
        if talk.parser is parser:
            self.set_pending(talk, from_src, data[used:])
        else:
            self.handed_over(talk, data[used:], from_src)

    def feed(self, talk: Conversation, data: bytes, from_src: bool) -> int:
        """Let the parser read; keep what it left, and return how many bytes beyond the data it skips."""
        parser = talk.parser
        size = len(data)
        try:
            used = parser.stream(data, from_src)  # type: ignore[union-attr]
        except DissectError as error:
            return self.malformed_stream(talk, error, data, from_src)
        except Exception as error:  # noqa: BLE001
            self.parser_failed(talk, error)
            return 0
        talk.messages += 1
        if talk.parser is not parser:
            return self.handed_over(talk, data[used:], from_src)
        if used >= size:
            self.set_pending(talk, from_src, b"")
            return used - size
        rest = data[used:] if used else data
        if len(rest) > MAX_PENDING:
            talk.anomaly(f"oversized_{talk.app}", f"incomplete message of more than {MAX_PENDING} bytes")
            talk.finished = True
            rest = b""
        self.set_pending(talk, from_src, rest)
        return 0

    def handed_over(self, talk: Conversation, rest: bytes, from_src: bool) -> int:
        """Feed the unconsumed bytes of both directions to the protocol that took over."""
        other = talk.pending_dst if from_src else talk.pending_src
        self.clear_pending(talk)
        skip = 0
        for data, side in ((other, not from_src), (rest, from_src)):
            if data and not talk.finished:
                start = self.recognise(talk, data, side) if talk.parser is None else 0
                if start < 0:
                    self.set_pending(talk, side, data)
                else:
                    skip = self.feed(talk, data[start:], side)
        return skip

    def set_pending(self, talk: Conversation, from_src: bool, rest: bytes) -> None:
        """Set the unconsumed bytes of one direction."""
        old = talk.pending_src if from_src else talk.pending_dst
        self.pending_bytes += len(rest) - len(old)
        if self.pending_bytes > MAX_PENDING_BYTES and rest:
            self.pending_bytes -= len(rest)
            rest = b""
            talk.anomaly("waiting_bytes_dropped", "too many unconsumed bytes over all flows")
            talk.finished = True
        if from_src:
            talk.pending_src = rest
        else:
            talk.pending_dst = rest

    def clear_pending(self, talk: Conversation) -> None:
        """Drop the unconsumed bytes of both directions."""
        self.pending_bytes -= len(talk.pending_src) + len(talk.pending_dst)
        talk.pending_src = talk.pending_dst = b""

    def malformed(self, talk: Conversation, error: DissectError) -> None:
        """Report a malformed message; if it is a flow's first one, withdraw the protocol's claim instead."""
        if self.strict:
            raise error
        talk.errors += 1
        if talk.messages == 0 and talk.app is not None:
            talk.withdrawn = (*talk.withdrawn, talk.app)
            talk.app = None
            talk.parser = None
            talk.rejected = 0
            if len(talk.withdrawn) >= MAX_ATTEMPTS and talk.transport == "tcp":
                talk.finished = True
            return
        talk.anomaly(f"malformed_{talk.app}", str(error))
        if talk.errors >= MAX_ERRORS + talk.messages:
            talk.finished = True

    def malformed_stream(self, talk: Conversation, error: DissectError, data: bytes, from_src: bool) -> int:
        """Stop reading a stream at a malformed message; if it was the first, let other protocols try."""
        self.malformed(talk, error)
        if talk.parser is None and not talk.finished:
            start = self.recognise(talk, data, from_src)
            if start >= 0:
                return self.feed(talk, data[start:], from_src)
            self.set_pending(talk, from_src, data)
            return 0
        talk.finished = True
        return 0

    def parser_failed(self, talk: Conversation, error: Exception) -> None:
        """Report a bug in a parser or probe as an anomaly, and stop reading the flow."""
        if self.strict:
            raise error
        talk.anomaly("dissector_failure", f"{talk.app or 'probe'}: {type(error).__name__}: {error}")
        talk.finished = True
