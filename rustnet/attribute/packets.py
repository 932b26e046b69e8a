"""`PacketClaims`: statements on the packets of a capture, collected while it is read and aggregated by flow.

Millions of packets repeat a few statements. A packet's note (or header) is parsed once for all packets with the same
content and becomes the number of a statement set; one row per flow and set is kept, with the first and the last time.
Rows are built from a whole batch at once and spill to a temporary table when they are many, so that memory does not
grow with the capture. Only batches with comments, process options or PKTAP headers are examined.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from rustnet.attribute.formats.apple import (
    LINKS,
    V1_FULL,
    V1_LEAST,
    V2_LEAST,
    apple_comments,
    block_process,
    block_statements,
    is_v2,
    pktap_v1,
    pktap_v2,
    v1_core,
    v2_core,
)
from rustnet.attribute.formats.etl2pcapng import etl2pcapng_comments
from rustnet.attribute.formats.ptcpdump import ptcpdump_comments
from rustnet.attribute.formats.rustnet_comments import rustnet_comments, script_comments
from rustnet.attribute.formats.statement import ANYWHERE, Statement, direction
from rustnet.attribute.observation import Column, ProcessFacts
from rustnet.attribute.packet_statements import FIELDS, MAX_STATEMENTS, PacketStatements
from rustnet.columnar import NULL
from rustnet.engine.index import PacketIndex
from rustnet.sources.frames import Frames, Note, SourceInfo

COMMENTS: tuple[Callable[[list[str]], list[Statement]], ...] = (
    rustnet_comments,
    script_comments,
    ptcpdump_comments,
    apple_comments,
)
"""Parsers of comments; each ignores comments of other formats."""

MAX_TEXT = 64 << 20
"""Maximum number of characters in them."""

ROWS = 1 << 19
"""Pending rows at which equal ones are merged; if half of it remain, they spill to a table."""

_HEADERS = 1 << 16
"""Cached distinct PKTAP headers."""

_SLICE = 4096
"""PKTAP headers copied at a time: their index array takes eight times their memory."""


class PacketClaims:
    """Statements on the packets of one capture; ``origin`` is the prefix of their evidence (the capture's name)."""

    def __init__(self, capture_id: int, origin: str) -> None:
        self.capture_id = capture_id
        self.origin = origin
        self.dropped = 0
        """Statements beyond the limits, which were dropped."""
        self.unknown = 0
        """References to process blocks that do not precede the packet in the file."""
        self.spill: Callable[[dict[str, Column]], None] | None = None
        """Receives rows that exceed the memory limit."""
        self._statements: dict[Statement, int] = {}
        self._text = 0
        self._statement_sets: dict[tuple[tuple[int, int], ...], int] = {(): 0}
        """Number of each distinct combination of (place, statement) on one packet."""
        self._headers: dict[bytes, int] = {}
        self._blocks: dict[int, list[int]] = {}
        self._blocks_seen = 0
        self._pending: list[dict[str, Column]] = []
        self._rows = 0

    def __len__(self) -> int:
        return len(self._statements)

    def take(self, frames: Frames, index: PacketIndex, info: SourceInfo, pktap: bool) -> None:
        """Collect the statements of a batch of frames that was just indexed and tracked."""
        start = index.count - frames.count
        rows = {name: index.arrays[name][start : index.count] for name in ("flow_id", "from_src", "ts", "number")}
        if pktap:
            self._append(*self._parse_headers(frames), rows)
        notes = frames.notes
        if notes and info.annotated:
            sets = np.fromiter((note.said for note in notes.values()), np.int64, len(notes))
            if (sets < 0).any():
                for note in notes.values():
                    if note.said < 0:
                        note.said = self._parse_note(note, info)
                sets = np.fromiter((note.said for note in notes.values()), np.int64, len(notes))
            self._append(np.fromiter(notes, np.int64, len(notes)), sets, rows)

    # ---- statements ----------------------------------------------------------------------------------------------

    def _parse_note(self, note: Note, info: SourceInfo) -> int:
        """Statement set of a pcapng packet's options."""
        statements: list[Statement] = []
        if note.comments:
            for reader in COMMENTS:
                statements += reader(note.comments)
            statements += etl2pcapng_comments(note.comments, note.flags)
        if note.process >= 0 or note.effective_process >= 0:
            statements += block_statements(
                lambda number: self._block(note.section, number, info), note.process, note.effective_process, note.flags
            )
        place = direction(note.flags)
        return self._set_of([s if s.place != ANYWHERE else s._replace(place=place) for s in statements])

    def _block(self, section: int, number: int, info: SourceInfo) -> ProcessFacts | None:
        """Process block ``number`` of a section."""
        for at in range(self._blocks_seen, len(info.processes)):
            self._blocks.setdefault(info.processes[at][0], []).append(at)
        self._blocks_seen = len(info.processes)
        of_section = self._blocks.get(section, [])
        if number >= len(of_section):
            self.unknown += 1
            return None
        at = of_section[number]
        return block_process(info.processes[at], info.process_uuids.get(at))

    def _set_of(self, statements: list[Statement]) -> int:
        """Number of the set of a packet's statements; 0 for the empty set."""
        key: list[tuple[int, int]] = []
        for statement in statements:
            bare = statement._replace(place=ANYWHERE)
            number = self._statements.get(bare)
            if number is None:
                if len(self._statements) >= MAX_STATEMENTS or self._text >= MAX_TEXT:
                    self.dropped += 1
                    continue
                number = self._statements[bare] = len(self._statements)
                self._text += sum(len(value) for value in bare.process if isinstance(value, str))
            key.append((statement.place, number))
        statement_set = self._statement_sets.get(tuple(key))
        if statement_set is None:
            if len(self._statement_sets) >= 2 * MAX_STATEMENTS:
                self.dropped += 1
                return 0
            statement_set = self._statement_sets[tuple(key)] = len(self._statement_sets)
        return statement_set

    def _parse_headers(self, frames: Frames) -> tuple[Column, Column]:
        """Indices of frames with PKTAP headers, and the statement set of each."""
        links = frames.column("link")
        at = np.flatnonzero(np.isin(links, LINKS))
        captured = np.asarray(frames.column("captured")[at], np.int64)
        at, captured = at[captured >= V2_LEAST], captured[captured >= V2_LEAST]
        data = np.asarray(frames.data)
        offsets = np.asarray(frames.column("offset")[at], np.int64)
        sets = np.zeros(len(at), np.int64)
        first = data[offsets].astype(np.int64)
        second = (first >= V2_LEAST) & (data[offsets + 1] <= first) & ((data[offsets + 38] & 8) > 0)
        size = first + 256 * data[offsets + 1].astype(np.int64)
        sane = ~second & (data[offsets + 2] == 0) & (data[offsets + 3] == 0) & (size <= captured)
        for least, most in ((V1_FULL, 1 << 16), (V1_LEAST, V1_FULL)):
            rows = np.flatnonzero(sane & (size >= least) & (size < most))
            if len(rows):
                mask = np.frombuffer(v1_core(b"\xff" * least)[:least], np.uint8)
                blob = b"".join(
                    (data[offsets[part, None] + np.arange(least)] & mask).tobytes()
                    for part in np.split(rows, range(_SLICE, len(rows), _SLICE))
                )
                for k, row in enumerate(rows.tolist()):
                    sets[row] = self._parse_header(blob[k * least : (k + 1) * least])
        view = frames.data
        for row in np.flatnonzero(second & (first <= captured)).tolist():
            start = int(offsets[row])
            sets[row] = self._parse_header(v2_core(bytes(view[start : start + int(first[row])])))
        return at, sets

    def _parse_header(self, core: bytes) -> int:
        """Statement set of a PKTAP header; in ``core`` all other fields are zero."""
        statement_set = self._headers.get(core)
        if statement_set is None:
            statement_set = self._set_of(list(pktap_v2(core) if is_v2(core) else pktap_v1(core)))
            if len(self._headers) >= _HEADERS:
                self._headers.clear()
            self._headers[core] = statement_set
        return statement_set

    # ---- rows ----------------------------------------------------------------------------------------------------

    def _append(self, at: Column, sets: Column, rows: dict[str, Column]) -> None:
        """Append rows for the packets at indices ``at`` of the batch; ``rows`` are the columns of the batch."""
        flows = rows["flow_id"][at]
        relevant = (sets > 0) & (flows != NULL)
        if not relevant.any():
            return
        at, sets, flows = at[relevant], sets[relevant], flows[relevant]
        ts = rows["ts"][at]
        from_src = rows["from_src"][at].astype(np.bool_)
        columns = (flows, sets, from_src, ts, ts, np.ones(len(at), np.int64), rows["number"][at])
        self._pending.append(_merged(dict(zip(FIELDS, columns, strict=True))))
        self._rows += len(self._pending[-1]["flow_id"])
        if self._rows >= ROWS:
            self._compact()

    def _compact(self) -> None:
        """Merge equal rows; if they are still many, spill them."""
        self._pending = [_merged(_concatenated(self._pending))]
        self._rows = len(self._pending[0]["flow_id"])
        if self._rows >= ROWS // 2 and self.spill is not None:
            self.spill(self._pending[0])
            self._pending, self._rows = [], 0

    def finish(self) -> PacketStatements:
        """All statements of the capture; they move to the result."""
        rows = _merged(_concatenated(self._pending)) if self._pending else {}
        self._pending, self._rows = [], 0
        members = [(number, place, n) for key, number in self._statement_sets.items() for place, n in key]
        return PacketStatements(
            self.capture_id,
            self.origin,
            list(self._statements),
            np.array(members, np.int64).reshape(-1, 3),
            rows,
            self.dropped,
            self.unknown,
        )


def _concatenated(parts: list[dict[str, Column]]) -> dict[str, Column]:
    return {name: np.concatenate([part[name] for part in parts]) for name in FIELDS}


def _merged(rows: dict[str, Column]) -> dict[str, Column]:
    """Rows with those of the same flow, statement set and direction merged."""
    order = np.lexsort((rows["from_src"], rows["statement_set"], rows["flow_id"]))
    rows = {name: column[order] for name, column in rows.items()}
    keys = [rows[name] for name in ("flow_id", "statement_set", "from_src")]
    new = np.ones(len(order), np.bool_)
    new[1:] = np.logical_or.reduce([key[1:] != key[:-1] for key in keys])
    at = np.flatnonzero(new)
    reducers: dict[str, Any] = {"first": np.minimum, "last": np.maximum, "packets": np.add, "number": np.minimum}
    return {
        name: reducers[name].reduceat(column, at) if name in reducers else column[at] for name, column in rows.items()
    }
