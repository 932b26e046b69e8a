"""`ParserProcess`: a parser in a process of its own, which unpacks, reads and parses hostile bytes.

    this process                                     parsing process (and its workers)
    opens inputs, holds the session   ── descriptor ─►  unpack, record walk, engine, parsers
    checks and stores             ◄── rows, in a form that is checked ──

The process is forked before this one has other threads or an open session. It keeps its two sockets and shared memory,
gets the descriptor of one input after another, and opens no file itself: everything that parsing may need is loaded
before. It confines itself (`rustnet.sandbox`) before the first input, and ends with this process.
"""

import os
import signal
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, fields
from io import FileIO
from typing import Any, ClassVar

from rustnet.analysis.parent import end_with_parent, killed_by
from rustnet.attribute.packet_statements import origin
from rustnet.columnar import Array
from rustnet.dissect import registry
from rustnet.errors import InputError, RustnetError, StoppedError
from rustnet.i18n import N_
from rustnet.ingest.capture import Outcome
from rustnet.ingest.confining import NOT_WANTED, require_all
from rustnet.ingest.encoding import Tables, decode_batches, decode_record, dumps, encode_record, loads, tables_by_name
from rustnet.ingest.encoding_statements import StatementDecoder, decode_rows
from rustnet.ingest.joining import Beginning
from rustnet.ingest.malloc import one_arena
from rustnet.ingest.options import Options
from rustnet.ingest.outlet import Outlet
from rustnet.ingest.parser import Following, Input, ParserFailedError
from rustnet.ingest.parser_serve import FAILED, STOPPED, serve
from rustnet.ingest.preload import preload
from rustnet.ingest.recording import Ended, Segments
from rustnet.ingest.stop import SharedFlag, StopToken
from rustnet.ingest.transport import Receiver, Ring, Sender, TransportError
from rustnet.probe.ring_socket import RingInterface
from rustnet.sandbox import (
    OFF,
    Layer,
    close_descriptors,
    confine,
    empty_standard_streams,
    ended_by_filter,
    unconfined,
)
from rustnet.sources.frames import Damage
from rustnet.store.batches import Columns
from rustnet.store.tables import (
    Anomaly,
    Capture,
    CaptureFile,
    CaptureStat,
    FlowRow,
    InterfaceRow,
    Name,
    Packet,
    TcpInterval,
)

TICK = 0.1
"""Seconds of waiting between two checks of whether the run was stopped."""
HANGING = 0.8
"""Seconds that the process may take to notice that the run was stopped; then it is killed."""
STOPPING = 3.0
"""Seconds without a message after it noticed."""
ENDING = 2.0
"""Seconds that the process has to end by itself."""
ENDED = N_(
    "{path}: the process that parses it ended unexpectedly (out of memory?); the session contains what it had read"
)
FORBIDDEN = N_(
    "{path}: the process that parses it tried what its sandbox forbids, and was ended; the session contains what it "
    "had read"
)
SILENT = N_("{path}: the process that parses it did not stop in time; the session contains what it had passed on")
OPENED = {"open": (2,), "add": (2,), "peek": (0, 6)}
"""Number of values in the answers to commands."""
SEGMENTS = {"next segment": 5, "segment ended": 4}
"""Messages about the files of recordings, and their number of values."""
OTHER_FORM = N_("the parsing process sent a message of another form")


class ParserProcess:
    """The process, from the beginning of a run to its end (a `Parser`)."""

    def __init__(self, options: Options, stop: StopToken, cores: int) -> None:
        self.stop = stop
        self.segments: Segments | None = None
        self.tables: Tables = tables_by_name(
            (Packet, FlowRow, TcpInterval, Name, Anomaly, InterfaceRow, CaptureStat), registry.tables()
        )
        self.path = ""
        self.stopping = False
        """It has noticed that the run was stopped."""
        self.crowded = SharedFlag()
        preload(options.dissect)
        ring = Ring()
        rows, their_rows = socket.socketpair()
        self.commands, their_commands = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.life, their_life = socket.socketpair()
        self.layers = unconfined(OFF, NOT_WANTED)
        parent = os.getpid()
        self.pid = os.fork()
        if not self.pid:
            status = 1
            try:
                empty_standard_streams(keep_errors=options.sandbox == "off")
                close_descriptors([their_rows.fileno(), their_commands.fileno(), their_life.fileno()])
                killed_by(their_life)
                one_arena()
                sender = Sender(their_rows, ring)
                for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                    signal.signal(number, signal.SIG_IGN)  # they are for the process that holds the session
                if options.sandbox != "off":
                    channels = [their_rows.fileno(), their_commands.fileno()] if options.live else []
                    self.layers = confine(channels=channels)
                end_with_parent(parent)  # a change of user forgets that
                sender.send(dumps([[layer.name, layer.state, layer.detail] for layer in self.layers]))
                serve(their_commands, sender, options, stop, self.crowded, cores, self.layers)
                status = 0
            finally:
                os._exit(status)
        their_rows.close()
        their_commands.close()
        their_life.close()
        self.rows: Receiver | None = Receiver(rows, ring)
        self.starting = True
        """What confines it has not been received yet."""
        if options.sandbox == "strict":
            try:
                self._started()
                require_all(self.layers)
            except BaseException:
                self.close()
                raise

    # ---- commands ------------------------------------------------------------------------------------------------

    def peek(self, path: str, file: FileIO) -> Beginning | None:
        """Hand a file over, and wait for its beginning."""
        values = self._opened(["peek", path], file)
        if not values:
            return None
        format_, link, snaplen, interface, application, first_ts = values
        texts = _text(format_)[:40], _text(interface), _text(application)
        return Beginning(texts[0], _number(link), _number(snaplen), texts[1], texts[2], _number(first_ts))

    def open(self, path: str, file: FileIO, hashed_elsewhere: bool = False, rest_bytes: int = 0) -> Input:
        """Hand an input over, and wait for what it is."""
        kind, format_ = self._opened(["open", path, hashed_elsewhere, rest_bytes], file)
        return Input(_text(kind), _text(format_)[:40])

    def add(self, path: str, file: FileIO, hashed_elsewhere: bool) -> Input:
        """Hand a file over that is merged with the open input, and wait for what it is."""
        kind, format_ = self._opened(["add", path, hashed_elsewhere], file)
        return Input(_text(kind), _text(format_)[:40])

    def _opened(self, command: list[Any], file: FileIO) -> list[Any]:
        """Send a command with a descriptor, and wait for what it is."""
        self.path = command[1]
        self._command(command, file)
        return self._answer(*OPENED[command[0]])

    def _answer(self, *lengths: int) -> list[Any]:
        """Wait for the answer to a command that opens something; it has one of these numbers of values."""
        self._started()
        message, _block = self._receive()
        kind, *values = _sequence(message)
        if kind == FAILED:
            raise InputError("{sentence}", sentence=_text(values[0]))
        if kind == "error":
            raise RuntimeError(_text(values[0]))
        if kind == STOPPED:
            raise StoppedError("{sentence}", sentence=_text(values[0]))
        if kind != "opened" or len(values) not in lengths:
            raise TransportError(OTHER_FORM)
        return values

    def _started(self) -> None:
        """Receive what confines it: its first message, sent before it had any input."""
        if self.starting:
            message, _block = self._receive()
            self.layers = [Layer(*map(_text, layer)) for layer in _sequence(message)]
            self.starting = False

    def open_rings(self, rings: Sequence[tuple[int, RingInterface]], name: str) -> Input:
        """Hand the rings over in messages of their own."""
        self.path = name
        for descriptor, interface in rings:
            self.add_ring(descriptor, interface)
        self._command(["rings", name])
        kind, format_ = self._answer(2)
        return Input(_text(kind), _text(format_)[:40])

    def add_ring(self, descriptor: int, interface: RingInterface) -> None:
        """Hand a ring over; also while it runs, for an interface that has appeared. Closes the descriptor here."""
        self._command(["ring", asdict(interface)], FileIO(descriptor, closefd=True))

    def skip(self) -> None:
        """Close the open input without parsing it."""
        self._command(["skip"])

    def run(self, capture: Capture, first_flow: int, outlet: Outlet, following: Following | None = None) -> Outcome:
        """Parse the open input, and pass its rows to ``outlet`` once they are checked."""
        self._command(["run", encode_record(capture), first_flow, following is not None])
        received = _Received(capture, first_flow, outlet, self.tables)
        try:
            while True:
                message, block = self._receive()
                if message == ["stopping"]:
                    self.stopping = True
                    continue
                if following is not None and isinstance(message, list) and message[:1] == ["next file"]:
                    self._next_file(following, message)
                    continue
                if self.segments is not None and _kind(message) in SEGMENTS:
                    self._segment(self.segments, message)
                    continue
                outcome = received.take(*_sequence(message), block=block)
                self.crowded.put(outlet.crowded)
                if outcome is not None:
                    return outcome
        except TransportError as error:
            self._kill()
            raise ParserFailedError("{path}: {problem}", path=self.path, problem=error) from error

    def _next_file(self, following: Following, message: list[Any]) -> None:
        """Answer the question for the file that continues the capture."""
        if len(message) != 2 or not (message[1] is None or type(message[1]) is int):
            raise TransportError(OTHER_FORM)
        opened = following(message[1])
        if opened is None:
            self._command(["no file"])
        else:
            path, file, hashed_elsewhere = opened
            self.path = path
            self._command(["file", path, hashed_elsewhere], file)

    def _segment(self, segments: Segments, message: list[Any]) -> None:
        """Answer the question for the next file of a recording, or note that there is none."""
        if len(message) != SEGMENTS[message[0]]:
            raise TransportError(OTHER_FORM)
        kind, number, *values = message
        if kind == "segment ended":
            segments.end(_number(number), _ended(values[0]), _text(values[1]))
            return
        which, ts, packet = map(_number, (number, *values[:2]))
        ended = None if values[2] is None else _ended(values[2])
        try:
            file = segments.next(which, ts, packet, ended)
        except RustnetError as error:
            self._command(["no segment", str(error)])
        else:
            self._command(["segment"], file)

    def end(self) -> None:
        """Let the process end while this one continues."""
        self.commands.close()

    def close(self) -> None:
        """End the process, and wait for that."""
        self.commands.close()
        if self.rows is not None:
            self.rows.socket.close()
            self.rows = None
        if self.pid:
            until = time.monotonic() + ENDING
            while not os.waitpid(self.pid, os.WNOHANG)[0]:
                if time.monotonic() > until:
                    self._kill()
                    return
                time.sleep(0.002)
            self.pid = 0
            self.life.close()

    def _command(self, command: list[Any], file: FileIO | None = None) -> None:
        try:
            socket.send_fds(self.commands, [dumps(command)], [] if file is None else [file.fileno()])
        except OSError:
            raise ParserFailedError(ENDED, path=self.path) from None
        finally:
            if file is not None:
                file.close()

    def _receive(self) -> tuple[Any, Any]:
        """Wait for the next message; a process that hangs after the run was stopped is killed."""
        if self.rows is None:
            raise ParserFailedError(ENDED, path=self.path)
        silent = 0.0
        while not self.rows.ready(TICK):
            silent = silent + TICK if self.stop.is_set() else 0.0
            if silent >= (STOPPING if self.stopping else HANGING):
                self._kill()
                raise ParserFailedError(SILENT, path=self.path)
        try:
            text, block = self.rows.receive()
        except (EOFError, OSError):
            raise ParserFailedError(self._ended(), path=self.path) from None
        return loads(text), block

    def _ended(self) -> str:
        """Why it ended: it closed its end, so that its end is near."""
        until = time.monotonic() + ENDING
        while self.pid and time.monotonic() < until:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.pid = 0
                return FORBIDDEN if ended_by_filter(status) else ENDED
            time.sleep(0.002)
        return ENDED

    def _kill(self) -> None:
        """Kill the process, and with it its workers; it may be another user's, to which no signal can be sent."""
        if self.pid:
            self.life.shutdown(socket.SHUT_RDWR)
            self.life.close()
            os.waitpid(self.pid, 0)
            self.pid = 0


class _Received:
    """Checks the messages about one capture, and passes them on."""

    def __init__(self, capture: Capture, first_flow: int, outlet: Outlet, tables: Tables) -> None:
        self.capture = capture
        self.first_flow = first_flow
        self.outlet = outlet
        self.tables = tables
        self.open_flows: list[Columns] = []
        self.statements = StatementDecoder(capture.capture_id, origin(capture.source))

    def take(self, kind: Any, *values: Any, block: Array) -> Outcome | None:
        """Pass one message on; returns the outcome of the last one. Raises `TransportError` for an invalid one."""
        handler = self.HANDLERS.get(kind) if isinstance(kind, str) else None
        if handler is None:
            raise TransportError(OTHER_FORM)
        try:
            return handler(self, block, *values)
        except (TypeError, ValueError, IndexError, KeyError) as error:
            raise TransportError(OTHER_FORM) from error

    def _rows(self, block: Array, last: Any, described: Any) -> None:
        self.outlet.put([*decode_batches(described, block, self.tables, self.capture.capture_id)], last is True)

    def _open_flows(self, block: Array, described: Any) -> None:
        batches = decode_batches(described, block, self.tables, self.capture.capture_id)
        self.open_flows += [batch for batch in batches if batch.cls is FlowRow]

    def _flush(self, _block: Array, values: Any) -> None:
        open_flows, self.open_flows = self.open_flows, []
        self.outlet.flush(self._capture(values), [], open_flows)

    def _progress(self, _block: Array, position: Any, packets: Any, flows: Any) -> None:
        self.outlet.progress(_number(position), _number(packets), _number(flows))

    def _spill(self, block: Array, count: Any) -> None:
        self.outlet.spill(decode_rows(_number(count), block))

    def _statements(self, _block: Array, values: Any) -> None:
        self.statements.add(values)

    def _statement_sets(self, block: Array, *sizes: Any) -> None:
        self.statements.add_sets(*map(_number, sizes), block=block)

    def _failure(self, _block: Array, sentence: Any) -> None:
        raise ParserFailedError("{sentence}", sentence=_text(sentence))

    def _error(self, _block: Array, trace: Any) -> None:
        raise RuntimeError(_text(trace))

    def _capture(self, values: Any) -> Capture:
        """Row of the capture; what this process knows better is not taken from the message."""
        row: Capture = decode_record(Capture, values)
        own = self.capture
        row.capture_id, row.source, row.kind, row.format = own.capture_id, own.source, own.kind, own.format
        row.ingested_at, row.rustnet_version = own.ingested_at, own.rustnet_version
        row.head_sha256 = own.head_sha256
        row.without_duplicates = own.without_duplicates
        return row

    def _end(
        self,
        _block: Array,
        values: Any,
        flows: Any,
        evicted: Any,
        next_flow: Any,
        interrupted: Any,
        damage: Any,
        files: Any,
    ) -> Outcome:
        return Outcome(
            self._capture(values),
            _number(flows),
            _number(evicted),
            max(_number(next_flow), self.first_flow),
            interrupted is True,
            [Damage(_text(k), _number(p), _number(o), _text(d), _number(t)) for k, p, o, d, t in damage],
            self.statements.finish(),
            [decode_record(CaptureFile, each) for each in _sequence(files)] if files else [],
        )

    HANDLERS: ClassVar[dict[str, Callable[..., Outcome | None]]] = {
        "rows": _rows, "open flows": _open_flows, "flush": _flush, "progress": _progress, "spill": _spill,
        "statements": _statements, "statement sets": _statement_sets, FAILED: _failure, "error": _error, "end": _end,
    }  # fmt: skip


def _kind(message: Any) -> str:
    """Kind of a message; empty for one of another form."""
    return message[0] if isinstance(message, list) and message and isinstance(message[0], str) else ""


def _ended(values: Any) -> Ended:
    """What was written to a segment."""
    numbers = [*map(_number, _sequence(values))]
    if len(numbers) != len(fields(Ended)) or min(numbers) < 0:
        raise TransportError(OTHER_FORM)
    return Ended(*numbers)


def _sequence(message: Any) -> list[Any]:
    if not isinstance(message, list) or not message:
        raise TransportError(OTHER_FORM)
    return message


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TransportError(OTHER_FORM)
    return value


def _number(value: Any) -> int:
    if type(value) is not int or not -(1 << 63) <= value < 1 << 63:
        raise TransportError(OTHER_FORM)
    return value
