"""The parsing process: handles the commands of the process that holds the session, and sends it rows."""

import gc
import json
import select
import socket
import traceback
from collections.abc import Callable
from dataclasses import astuple
from functools import partial
from io import FileIO
from typing import Any

from rustnet.analysis.workers import WorkerError
from rustnet.attribute.observation import Column
from rustnet.attribute.packet_statements import FIELDS
from rustnet.errors import InputError, StoppedError
from rustnet.i18n import _
from rustnet.ingest.capture import Outcome
from rustnet.ingest.encoding import dumps, encode_batches, encode_record
from rustnet.ingest.encoding_statements import encode_statements
from rustnet.ingest.joining import Beginning
from rustnet.ingest.options import Options
from rustnet.ingest.parser import Following, Input, LocalParser
from rustnet.ingest.recording import Ended
from rustnet.ingest.stop import SharedFlag, StopToken
from rustnet.ingest.transport import Sender
from rustnet.probe.ring_socket import RingInterface
from rustnet.sandbox import Layer
from rustnet.store.batches import Batch, Columns
from rustnet.store.tables import Capture

COMMAND_BYTES = 1 << 20
FAILED, STOPPED = "failed", "stopped"
COLLECT_EVERY = 8
"""Number of inputs between two collections of cyclic garbage where automatic collection is off."""


class SenderOutlet:
    """Sends the rows of one capture (an `Outlet`)."""

    def __init__(self, sender: Sender, capture_id: int, crowded: SharedFlag) -> None:
        self.sender = sender
        self.capture_id = capture_id
        self._crowded = crowded

    @property
    def crowded(self) -> bool:
        """Whether a flush is due, as the other process states."""
        return self._crowded.is_set()

    def put(self, batches: list[Batch], last: bool = False) -> None:
        """Send batches."""
        for described, arrays in encode_batches(batches, self.capture_id):
            self.sender.send(dumps(["rows", False, described]), arrays)
        if last:
            self.sender.send(dumps(["rows", True, []]))

    def flush(self, capture: Capture, batches: list[Batch], open_flows: list[Columns]) -> None:
        """Send batches, open flows, and the capture's row as of now."""
        self.put(batches)
        for described, arrays in encode_batches(open_flows, self.capture_id):
            self.sender.send(dumps(["open flows", described]), arrays)
        self.sender.send(dumps(["flush", encode_record(capture)]))

    def spill(self, columns: dict[str, Column]) -> None:
        """Send rows of statements on packets."""
        self.sender.send(dumps(["spill", len(columns[FIELDS[0]])]), [columns[name].astype("int64") for name in FIELDS])

    def progress(self, position: int, packets: int, flows: int) -> None:
        """Send the progress."""
        self.sender.send(dumps(["progress", position, packets, flows]))

    def stopping(self) -> None:
        """Send that the run ends early."""
        self.sender.send(dumps(["stopping"]))

    def end(self, outcome: Outcome) -> None:
        """Send what remains."""
        if outcome.statements is not None:
            for message, arrays in encode_statements(outcome.statements):
                self.sender.send(dumps(message), arrays)
        damage = [[each.kind, each.packet, each.offset, each.detail, each.ts] for each in outcome.damage]
        values = [encode_record(outcome.capture), outcome.flows, outcome.evicted, outcome.next_flow]
        files = [encode_record(file) for file in outcome.files]
        self.sender.send(dumps(["end", *values, outcome.interrupted, damage, files]))


class Commands:
    """Commands of the other process, with the descriptors that come along; rings may come at any time."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.waiting = select.poll()
        self.waiting.register(connection, select.POLLIN)
        self.rings: list[tuple[int, RingInterface]] = []
        """Rings that were handed over and not taken yet."""

    def next(self) -> tuple[list[Any], list[int]]:
        """Wait for a command other than a ring; raises `OSError` if there are no more."""
        while True:
            command, descriptors = self._receive()
            if command[0] != "ring":
                return command, descriptors

    def take_rings(self) -> list[tuple[int, RingInterface]]:
        """Take the rings that were handed over, without waiting."""
        while self.waiting.poll(0):
            command, _descriptors = self._receive()
            if command[0] != "ring":
                raise OSError
        rings, self.rings = self.rings, []
        return rings

    def _receive(self) -> tuple[list[Any], list[int]]:
        text, descriptors, _flags, _address = socket.recv_fds(self.connection, COMMAND_BYTES, 1)
        if not text:
            raise OSError
        command = json.loads(text)
        if command[0] == "ring":
            self.rings.append((descriptors[0], RingInterface(**command[1])))
        return command, descriptors


def serve(
    connection: socket.socket,
    sender: Sender,
    options: Options,
    stop: StopToken,
    crowded: SharedFlag,
    cores: int,
    layers: list[Layer],
) -> None:
    """Handle commands until there are no more; ``layers`` confine this process."""
    commands = Commands(connection)
    parser = LocalParser(options, stop, cores, layers)
    parser.more_rings = commands.take_rings
    parser.segments = AskedSegments(commands, sender)
    inputs = 0
    try:
        while True:
            (kind, *values), files = commands.next()
            if kind in ("open", "add", "peek"):
                inputs += 1
                if inputs % COLLECT_EVERY == 0:
                    gc.collect()
                _answer(sender, partial(getattr(parser, kind), values[0], FileIO(files[0]), *values[1:]))
            elif kind == "rings":
                _answer(sender, partial(parser.open_rings, commands.take_rings(), values[0]))
            elif kind == "run":
                outlet = SenderOutlet(sender, values[0][0], crowded)
                following = _following(commands, sender) if values[2] else None
                _run(parser, outlet, Capture(*values[0]), values[1], following)
            else:
                parser.skip()
    except OSError:  # the other process has ended
        return
    finally:
        parser.close()


def _answer(sender: Sender, opening: Callable[[], Input | Beginning | None]) -> None:
    """Open an input by a method of the parser, and send what it is."""
    try:
        opened = opening()
        message: list[Any] = ["opened", *(() if opened is None else astuple(opened))]
    except StoppedError as error:
        message = [STOPPED, error.sentence(_)]
    except InputError as error:
        message = [FAILED, error.sentence(_)]
    except Exception:  # noqa: BLE001 - raised in the other process
        message = ["error", traceback.format_exc()]
    sender.send(dumps(message))


def _following(commands: Commands, sender: Sender) -> Following:
    """Asks the other process for the file that continues a capture."""

    def next_file(last_ts: int | None) -> tuple[str, FileIO, bool] | None:
        sender.send(dumps(["next file", last_ts]))
        command, files = commands.next()
        return (command[1], FileIO(files[0]), command[2]) if command[0] == "file" else None

    return next_file


class AskedSegments:
    """Asks the other process for the files of recordings (`Segments`)."""

    def __init__(self, commands: Commands, sender: Sender) -> None:
        self._commands = commands
        self._sender = sender

    def next(self, recording: int, ts: int, packet: int, ended: Ended | None) -> FileIO:
        """Ask for the next segment."""
        self._sender.send(dumps(["next segment", recording, ts, packet, None if ended is None else [*astuple(ended)]]))
        command, files = self._commands.next()
        if command[0] != "segment":
            raise InputError("{sentence}", sentence=command[1])
        return FileIO(files[0], "wb")

    def end(self, recording: int, ended: Ended, problem: str) -> None:
        """Send what was written to the last segment."""
        self._sender.send(dumps(["segment ended", recording, [*astuple(ended)], problem]))


def _run(
    parser: LocalParser, outlet: SenderOutlet, capture: Capture, first_flow: int, following: Following | None
) -> None:
    sender = outlet.sender
    try:
        outlet.end(parser.run(capture, first_flow, outlet, following))
    except WorkerError as error:
        sender.send(dumps(["failed", str(error)]))
    except OSError:
        raise
    except Exception:  # noqa: BLE001 - raised in the other process
        sender.send(dumps(["error", traceback.format_exc()]))
