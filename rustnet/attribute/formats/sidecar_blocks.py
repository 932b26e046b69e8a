"""Read a sidecar block by block: `Scanner` parses ends and times, `LineParser` each distinct text of the other keys.

Lines that the scanner does not support go through `LineParser` whole. The result is the same either way.
"""

from collections.abc import Iterator
from contextlib import suppress
from typing import BinaryIO

import numpy as np

from rustnet.attribute.formats.line_reader import LineReader
from rustnet.attribute.formats.scan import Scanner
from rustnet.attribute.formats.sidecar_line import MAX_LINE, PROCESS_KEYS, LineParser
from rustnet.attribute.observation import PORTED, Batch, Column, Faults, Observation, Observations
from rustnet.attribute.values import BadValue

BLOCK = 8 << 20
"""Bytes that are read at a time."""

ROWS = 65_536
"""Maximum number of scanned lines in a batch."""

KEPT = (
    "protocol", "ip_protocol", "attribution_match", "recorder", "ipv6_only", "icmp_id", "open_end",
    "network_namespace", *PROCESS_KEYS,
)  # fmt: skip
"""Keys that `LineParser` reads besides ends and times: equal text has equal meaning."""

UNFIT = ("nat_local_addr", "nat_remote_addr", "claim_source")
"""Keys whose values rarely repeat, or that change the source of a line: `LineParser` reads such lines."""

_ENDS = b'"local_addr":"192.0.2.1:1","remote_addr":"192.0.2.2:2","first_seen":{"secs_since_epoch":1},"last_seen":null}'
_MEMORY, _LONGEST = 8192, 4096


class Block:
    """One block's observations as columns (a `rustnet.attribute.observation.Batch`)."""

    def __init__(self, rows: Observations, columns: dict[str, Column]) -> None:
        self.source, self.origin, self.host, self.keep_last = rows.source, rows.origin, rows.host, rows.keep_last
        self.names_only = False
        self._rows = rows
        self._columns = columns

    def __len__(self) -> int:
        return len(self._columns["position"])

    def columns(self) -> dict[str, Column]:
        """Return the observations."""
        return dict(self._columns)

    def facts(self) -> dict[str, Column]:
        """Return their processes."""
        return self._rows.facts()

    def translated(self) -> dict[str, Column]:
        """Return nothing: lines with NAT are not scanned."""
        return {}


def read_blocks(file: BinaryIO, reader: LineReader) -> Iterator[Batch]:
    """Observations of the open sidecar ``file``; malformed lines are counted by its ``reader``."""
    blocks = Blocks(reader)
    for data in _whole_lines(file):
        yield from blocks.read(data)
        if reader.hopeless:
            return


def _whole_lines(file: BinaryIO) -> Iterator[bytes]:
    """The file in pieces that end with a line; a line that is too long is cut to just above the limit."""
    rest = b""
    while data := file.read(BLOCK):
        cut = data.rfind(b"\n") + 1
        if cut:
            yield rest + data[:cut]
            rest = data[cut:]
        else:
            rest = (rest + data)[: MAX_LINE + 2]
    if rest:
        yield rest


class Blocks:
    """Reads one block of lines after another into batches."""

    def __init__(self, reader: LineReader) -> None:
        self.reader = reader
        self.scanner = Scanner(KEPT, UNFIT, ROWS)
        self.parser = LineParser(reader.faults, reader.source)
        self.text_parser = LineParser(Faults(), reader.source)
        self.meanings: dict[bytes, Observation | None] = {}
        self.number = 1
        """Number of the next line."""

    def read(self, data: bytes) -> Iterator[Batch]:
        """Observations of the whole lines of a block."""
        self.scanner.attach(data)
        while self.scanner.place < self.scanner.size and not self.reader.hopeless:
            self.number = self.scanner.scan(self.number)
            yield from self.take(data)

    def take(self, data: bytes) -> Iterator[Batch]:
        """Convert the scanner's rows, and its unscanned lines in ``data``, to batches."""
        scanner = self.scanner
        rows = Observations(self.reader.source, self.reader.origin, host=self.reader.host, keep_last=True)
        row_of_text = np.full(max(1, len(scanner.texts)), -1, np.int64)
        for i, text in enumerate(scanner.texts):
            observation = self.meaning(text)
            if observation is not None:
                row_of_text[i] = len(rows)
                rows.add(observation)
        scanned = {name: column[: scanner.count] for name, column in scanner.columns.items()}
        index = row_of_text[scanned["text"]]
        usable = index >= 0
        unscanned = scanner.unscanned
        if not usable.all():
            lines = zip(scanned["position"][~usable].tolist(), scanned["start"][~usable].tolist(), strict=True)
            unscanned = sorted([*unscanned, *((n, o, data.find(b"\n", o) + 1 or len(data)) for n, o in lines)])
            scanned = {name: column[usable] for name, column in scanned.items()}
            index = index[usable]
        if len(index):
            self.reader.records += len(index)
            yield Block(rows, _columns(rows, index, scanned))
        yield from self.reader.read(self.unscanned_lines(data, unscanned), self.parser)

    def meaning(self, text: bytes) -> Observation | None:
        """Observation of this text apart from ends and times; ``None`` if its lines must be parsed one by one."""
        if text in self.meanings:
            return self.meanings[text]
        observation: Observation | None = None
        invalid = self.text_parser.faults.values
        with suppress(BadValue):
            observation = self.text_parser.parse(b"{" + text + (b"," if text else b"") + _ENDS, 1)
        if observation is not None and (
            invalid != self.text_parser.faults.values or observation.protocol not in PORTED
        ):
            observation = None
        if len(text) <= _LONGEST:
            if len(self.meanings) >= _MEMORY:
                self.meanings.clear()
            self.meanings[text] = observation
        return observation

    def unscanned_lines(self, data: bytes, spans: list[tuple[int, int, int]]) -> Iterator[tuple[int, bytes]]:
        """Numbered lines for `LineParser`; lines that are too long are counted as malformed."""
        for number, start, end in spans:
            line = data[start:end]
            if len(line) > MAX_LINE:
                self.reader.faults.malformed(number, f"longer than {MAX_LINE} bytes")
                continue
            if number == 1 and line.startswith(b"\xef\xbb\xbf"):
                line = line[3:]
            if not line.isspace():
                yield number, line


def _columns(rows: Observations, index: Column, scanned: dict[str, Column]) -> dict[str, Column]:
    """Columns of scanned lines: ``index`` is the row of ``rows`` for each, ``scanned`` has ends and times."""
    columns = {name: column[index] for name, column in rows.columns().items()}
    for name in ("local_hi", "local_lo", "local_port", "remote_hi", "remote_lo", "remote_port", "position"):
        columns[name] = scanned[name].copy()
    for name, of in (("ws", "first"), ("we", "last"), ("seen", "written")):
        columns[name] = scanned[of].copy()
    return columns
