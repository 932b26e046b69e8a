"""A sidecar, block by block: numbers through `Scanner`, distinct texts and odd lines through its own `LineParser`.

What comes out is the same, whichever way a line takes.
"""

from collections.abc import Iterator
from contextlib import suppress
from typing import BinaryIO

import numpy as np

from rustnet.attribute.formats.rustnet_sidecar import MAX_LINE, PROCESS_KEYS, LineParser, RustnetSidecar
from rustnet.attribute.formats.scan import Scanner
from rustnet.attribute.observation import PORTED, Batch, Column, Faults, Observation, Observations
from rustnet.attribute.values import BadValue

BLOCK = 8 << 20
"""Bytes that are read at a time."""

ROWS = 65_536
"""Plain lines in a batch at most."""

KEPT = ("protocol", "ip_protocol", "attribution_match", "recorder", "ipv6_only", "icmp_id", "open_end", *PROCESS_KEYS)
"""Keys that `LineParser` reads besides ends and times: the same text of them means the same."""

UNFIT = ("nat_local_addr", "nat_remote_addr", "claim_source")
"""Keys that hardly repeat, or that make a line another source's: their lines are left to `LineParser`."""

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
        """Return the processes that they name."""
        return self._rows.facts()

    def translated(self) -> dict[str, Column]:
        """Return nothing: plain lines know of no translation."""
        return {}


def read_blocks(file: BinaryIO, reader: RustnetSidecar) -> Iterator[Batch]:
    """Observations of a sidecar that is open in ``file``; broken lines become faults of its ``reader``."""
    blocks = _Blocks(reader)
    number = 1
    for data in _whole_lines(file):
        blocks.scanner.attach(data)
        while blocks.scanner.place < blocks.scanner.size:
            number = blocks.scanner.scan(number)
            yield from blocks.take(data)
            if reader.hopeless:
                return


def _whole_lines(file: BinaryIO) -> Iterator[bytes]:
    """The file in pieces that end with a line; of a line that is too long only so much that it still is."""
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


class _Blocks:
    """Makes blocks of what the scanner found."""

    def __init__(self, reader: RustnetSidecar) -> None:
        self.reader = reader
        self.scanner = Scanner(KEPT, UNFIT, ROWS)
        self.parser = LineParser(reader.faults, reader.source)
        self.trial = LineParser(Faults(), reader.source)
        self.known: dict[bytes, Observation | None] = {}

    def take(self, data: bytes) -> Iterator[Batch]:
        """Make batches of the scanner's rows and odd lines, which stand in ``data``."""
        scanner = self.scanner
        rows = Observations(self.reader.source, self.reader.origin, host=self.reader.host, keep_last=True)
        place = np.full(max(1, len(scanner.texts)), -1, np.int64)
        for i, text in enumerate(scanner.texts):
            meant = self.meaning(text)
            if meant is not None:
                place[i] = len(rows)
                rows.add(meant)
        found = {name: column[: scanner.count] for name, column in scanner.columns.items()}
        index = place[found["text"]]
        plain = index >= 0
        odd = scanner.odd
        if not plain.all():
            lines = zip(found["position"][~plain].tolist(), found["start"][~plain].tolist(), strict=True)
            odd = sorted([*odd, *((n, o, data.find(b"\n", o) + 1 or len(data)) for n, o in lines)])
            found = {name: column[plain] for name, column in found.items()}
            index = index[plain]
        if len(index):
            self.reader.records += len(index)
            yield Block(rows, _columns(rows, index, found))
        yield from self.reader.read(self.odd_lines(data, odd), self.parser)

    def meaning(self, text: bytes) -> Observation | None:
        """What lines with this text say, but for ends and times; ``None`` if the lines must be read one by one."""
        if text in self.known:
            return self.known[text]
        made: Observation | None = None
        odd = self.trial.faults.values
        with suppress(BadValue):
            made = self.trial.parse(b"{" + text + (b"," if text else b"") + _ENDS, 1)
        if made is not None and (odd != self.trial.faults.values or made.protocol not in PORTED):
            made = None
        if len(text) <= _LONGEST:
            if len(self.known) >= _MEMORY:
                self.known.clear()
            self.known[text] = made
        return made

    def odd_lines(self, data: bytes, odd: list[tuple[int, int, int]]) -> Iterator[tuple[int, bytes]]:
        """Numbered lines that are not plain; those that are too long become faults."""
        for number, start, end in odd:
            line = data[start:end]
            if len(line) > MAX_LINE:
                self.reader.faults.broken(number, f"longer than {MAX_LINE} bytes")
                continue
            if number == 1 and line.startswith(b"\xef\xbb\xbf"):
                line = line[3:]
            if not line.isspace():
                yield number, line


def _columns(rows: Observations, index: Column, found: dict[str, Column]) -> dict[str, Column]:
    """Columns of plain lines: ``index`` says which of ``rows`` each repeats, ``found`` its ends and times."""
    columns = {name: column[index] for name, column in rows.columns().items()}
    for name in ("local_hi", "local_lo", "local_port", "remote_hi", "remote_lo", "remote_port", "position"):
        columns[name] = found[name].copy()
    for name, of in (("ws", "first"), ("we", "last"), ("seen", "written")):
        columns[name] = found[of].copy()
    return columns
