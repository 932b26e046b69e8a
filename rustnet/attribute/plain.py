"""A large sidecar, block by block: plain lines through `Scanner`, each distinct text and each odd line through the
reader's own `LineParser`. What comes out is the same, whichever way a line takes.
"""

from collections.abc import Iterator
from typing import BinaryIO

import numpy as np

from rustnet.attribute.observation import PORTED, Column, Faults, Observation, Observations
from rustnet.attribute.rustnet_sidecar import MAX_LINE, PROCESS_KEYS, LineParser, RustnetSidecar
from rustnet.attribute.scan import Scanner
from rustnet.attribute.values import BadValue

BLOCK = 8 << 20
"""Bytes that are read at a time."""

ROWS = 65_536
"""Plain lines in a batch at most."""

KEPT = ("protocol", "ip_protocol", "attribution_match", "recorder", "ipv6_only", "icmp_id", *PROCESS_KEYS)
"""Keys that `LineParser` reads besides ends and times: the same text of them means the same."""

UNFIT = ("nat_local_addr", "nat_remote_addr")
"""Keys that `LineParser` reads and that hardly repeat: their lines are left to it."""

_ENDS = b'"local_addr":"192.0.2.1:1","remote_addr":"192.0.2.2:2","first_seen":{"secs_since_epoch":1},"last_seen":null}'
_MEMORY = 8192


class Block:
    """One block's observations as columns (a `rustnet.attribute.observation.Batch`)."""

    def __init__(self, rows: Observations, columns: dict[str, Column]) -> None:
        self.source, self.origin, self.host, self.keep_last = rows.source, rows.origin, rows.host, rows.keep_last
        self._rows = rows
        self._columns = columns

    def __len__(self) -> int:
        return len(self._columns["position"])

    def columns(self) -> dict[str, Column]:
        """Return the observations in the order of their lines."""
        return dict(self._columns)

    def facts(self) -> dict[str, Column]:
        """Return the processes that they name."""
        return self._rows.facts()


def read_blocks(file: BinaryIO, reader: RustnetSidecar) -> Iterator[Block]:
    """Observations of a sidecar that is open in ``file``; broken lines become faults of its ``reader``."""
    blocks = _Blocks(reader)
    number = 1
    for data in _whole_lines(file):
        blocks.scanner.attach(data)
        while blocks.scanner.place < blocks.scanner.size:
            number = blocks.scanner.scan(number)
            block = blocks.take(data)
            if len(block):
                yield block
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
        self.parser = LineParser(reader.faults)
        self.trial = LineParser(Faults())
        self.known: dict[bytes, Observation | None] = {}

    def take(self, data: bytes) -> Block:
        """Make a block of the scanner's rows and odd lines, which stand in ``data``."""
        scanner = self.scanner
        rows = self.reader.batch()
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
        self.reader.records += len(index)
        singles = len(rows)
        self.read_odd(rows, data, odd)
        return _joined(rows, index, found, singles)

    def meaning(self, text: bytes) -> Observation | None:
        """What lines with this text say, but for ends and times; ``None`` if the lines must be read one by one."""
        if text in self.known:
            return self.known[text]
        made: Observation | None = None
        odd = self.trial.faults.values
        try:
            made = self.trial.parse(b"{" + text + (b"," if text else b"") + _ENDS, 1)
        except BadValue:
            pass
        if made is not None and (odd != self.trial.faults.values or made.protocol not in PORTED):
            made = None
        if len(self.known) >= _MEMORY:
            self.known.clear()
        self.known[text] = made
        return made

    def read_odd(self, rows: Observations, data: bytes, odd: list[tuple[int, int, int]]) -> None:
        """Read the lines that are not plain, as ``batches`` reads them."""
        for number, start, end in odd:
            line = data[start:end]
            if len(line) > MAX_LINE:
                self.reader.faults.broken(number, f"longer than {MAX_LINE} bytes")
                continue
            if number == 1 and line.startswith(b"\xef\xbb\xbf"):
                line = line[3:]
            if line.isspace():
                continue
            said = self.reader.take(self.parser, line, number)
            if said is not None:
                rows.add(said)


def _joined(rows: Observations, index: Column, found: dict[str, Column], singles: int) -> Block:
    """Columns of the plain lines, which repeat the first ``singles`` of ``rows``, and of the others."""
    if not len(rows):
        return Block(rows, {"position": np.zeros(0, np.int64)})
    plain = len(index)
    index = np.concatenate([index, np.arange(singles, len(rows))])
    columns = {name: column[index] for name, column in rows.columns().items()}
    for name in ("local_hi", "local_lo", "local_port", "remote_hi", "remote_lo", "remote_port", "position"):
        columns[name][:plain] = found[name]
    for name, of in (("ws", "first"), ("we", "last"), ("seen", "written")):
        columns[name][:plain] = found[of]
    if plain < len(index):
        order = np.argsort(columns["position"], kind="stable")
        columns = {name: column[order] for name, column in columns.items()}
    return Block(rows, columns)
