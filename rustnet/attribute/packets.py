"""`PacketClaims`: what stands on the packets of a capture, gathered while it is read and lifted to flows.

Millions of packets repeat a few statements. A packet's note (or header) is read once for all packets that say the
same, and becomes a number; what is kept is one row per flow and number, with the first and the last time. Rows are
made of a whole batch at once, and go to a temporary table when they are many, so that memory does not grow with the
capture. Only batches that carry comments, process options or PKTAP headers come here at all.
"""

# ruff: noqa: S608 -- the parts of these statements are constants of this module; values are bound

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

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
from rustnet.attribute.formats.statement import ANSWERED, ANYWHERE, RECEIVES, SENDS, Statement, direction
from rustnet.attribute.observation import Column, Observation, Observations, ProcessFacts
from rustnet.attribute.stage import Stage, run
from rustnet.attribute.values import words
from rustnet.columnar import NULL
from rustnet.engine.index import PacketIndex
from rustnet.sources.frames import Frames, Note, SourceInfo

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

COMMENTS: tuple[Callable[[list[str]], list[Statement]], ...] = (
    rustnet_comments,
    script_comments,
    ptcpdump_comments,
    apple_comments,
)
"""Readers of comments that need nothing but the comments; each leaves alone what is not its own."""

MAX_STATEMENTS = 1 << 18
"""Different statements that are kept of one capture."""

MAX_TEXT = 64 << 20
"""Characters of text in them."""

ROWS = 1 << 19
"""Rows that are held before those that are alike are added up, and half of it: before they go to a table."""

_HEADERS = 1 << 16
"""Different PKTAP headers that are remembered."""

_SLICE = 4096
"""PKTAP headers that are copied at a time: their places take eight times as much memory as they do."""

TABLE = "said_on_packets"
_FIELDS = ("flow_id", "saying", "from_src", "first", "last", "packets", "number")
_TABLE = f"""
CREATE TEMP TABLE IF NOT EXISTS {TABLE} (capture_id INTEGER, flow_id BIGINT, saying BIGINT, from_src BOOLEAN,
    first BIGINT, last BIGINT, packets BIGINT, number BIGINT)"""
_LIFT = f"""
INSERT INTO own_lifted
SELECT t.flow_id, s.seq, CASE s.place WHEN {ANSWERED} THEN true WHEN {RECEIVES} THEN t.from_src
    WHEN {SENDS} THEN NOT t.from_src ELSE false END AS reversed, min(t.first), max(t.last), sum(t.packets),
    min(t.number)
FROM said_on_packets t JOIN own_says s ON s.saying = t.saying
WHERE t.capture_id = ? GROUP BY ALL"""


class PacketClaims:
    """Statements on the packets of one capture. ``origin`` is what evidence starts with (the capture's name)."""

    def __init__(self, capture_id: int, origin: str) -> None:
        self.capture_id = capture_id
        self.origin = words(origin) or "capture"
        self.left_out = 0
        """Notes whose statements were too many to be kept."""
        self.unknown = 0
        """Notes that name process blocks which the file does not have (before them)."""
        self.spill: Callable[[dict[str, Column]], None] | None = None
        """Takes rows that are too many to be held."""
        self._statements: dict[Statement, int] = {}
        self._text = 0
        self._sayings: dict[tuple[tuple[int, int], ...], int] = {(): 0}
        """What one packet says: (place, statement) for each process, and the number of that."""
        self._headers: dict[bytes, int] = {}
        self._blocks: dict[int, list[int]] = {}
        self._blocks_seen = 0
        self._held: list[dict[str, Column]] = []
        self._rows = 0

    def __len__(self) -> int:
        return len(self._statements)

    def take(self, frames: Frames, index: PacketIndex, info: SourceInfo, pktap: bool) -> None:
        """Take what stands on a batch of frames that was just entered in ``index`` and tracked."""
        start = index.count - frames.count
        rows = {name: index.arrays[name][start : index.count] for name in ("flow_id", "from_src", "ts", "number")}
        if pktap:
            self._gather(*self._of_headers(frames), rows)
        notes = frames.notes
        if notes and info.annotated:
            sayings = np.fromiter((note.said for note in notes.values()), np.int64, len(notes))
            if (sayings < 0).any():
                for note in notes.values():
                    if note.said < 0:
                        note.said = self._of_note(note, info)
                sayings = np.fromiter((note.said for note in notes.values()), np.int64, len(notes))
            self._gather(np.fromiter(notes, np.int64, len(notes)), sayings, rows)

    # ---- what is said --------------------------------------------------------------------------------------------

    def _of_note(self, note: Note, info: SourceInfo) -> int:
        """Number of what a pcapng packet's options say."""
        made: list[Statement] = []
        if note.comments:
            for reader in COMMENTS:
                made += reader(note.comments)
            made += etl2pcapng_comments(note.comments, note.flags)
        if note.process >= 0 or note.effective_process >= 0:
            made += block_statements(
                lambda number: self._block(note.section, number, info), note.process, note.effective_process, note.flags
            )
        place = direction(note.flags)
        return self._saying([s if s.place != ANYWHERE else s._replace(place=place) for s in made])

    def _block(self, section: int, number: int, info: SourceInfo) -> ProcessFacts | None:
        """Process of the section's block of this number."""
        for at in range(self._blocks_seen, len(info.processes)):
            self._blocks.setdefault(info.processes[at][0], []).append(at)
        self._blocks_seen = len(info.processes)
        of_section = self._blocks.get(section, [])
        if number >= len(of_section):
            self.unknown += 1
            return None
        at = of_section[number]
        return block_process(info.processes[at], info.process_uuids.get(at))

    def _saying(self, made: list[Statement]) -> int:
        """Number of a packet's statements; 0 if there are none."""
        key: list[tuple[int, int]] = []
        for statement in made:
            bare = statement._replace(place=ANYWHERE)
            number = self._statements.get(bare)
            if number is None:
                if len(self._statements) >= MAX_STATEMENTS or self._text >= MAX_TEXT:
                    self.left_out += 1
                    continue
                number = self._statements[bare] = len(self._statements)
                self._text += sum(len(value) for value in bare.process if isinstance(value, str))
            key.append((statement.place, number))
        saying = self._sayings.get(tuple(key))
        if saying is None:
            if len(self._sayings) >= 2 * MAX_STATEMENTS:
                self.left_out += 1
                return 0
            saying = self._sayings[tuple(key)] = len(self._sayings)
        return saying

    def _of_headers(self, frames: Frames) -> tuple[Column, Column]:
        """Frames with PKTAP headers, and the number of what each says."""
        links = frames.column("link")
        found = np.flatnonzero(np.isin(links, LINKS))
        captured = np.asarray(frames.column("captured")[found], np.int64)
        found, captured = found[captured >= V2_LEAST], captured[captured >= V2_LEAST]
        data = np.asarray(frames.data)
        offsets = np.asarray(frames.column("offset")[found], np.int64)
        sayings = np.zeros(len(found), np.int64)
        first = data[offsets].astype(np.int64)
        second = (first >= V2_LEAST) & (data[offsets + 1] <= first) & ((data[offsets + 38] & 8) > 0)
        size = first + 256 * data[offsets + 1].astype(np.int64)
        sane = ~second & (data[offsets + 2] == 0) & (data[offsets + 3] == 0) & (size <= captured)
        for least, most in ((V1_FULL, 1 << 16), (V1_LEAST, V1_FULL)):
            rows = np.flatnonzero(sane & (size >= least) & (size < most))
            if len(rows):
                kept = np.frombuffer(v1_core(b"\xff" * least)[:least], np.uint8)
                blob = b"".join(
                    (data[offsets[part, None] + np.arange(least)] & kept).tobytes()
                    for part in np.split(rows, range(_SLICE, len(rows), _SLICE))
                )
                for k, row in enumerate(rows.tolist()):
                    sayings[row] = self._of_header(blob[k * least : (k + 1) * least])
        view = frames.data
        for row in np.flatnonzero(second & (first <= captured)).tolist():
            start = int(offsets[row])
            sayings[row] = self._of_header(v2_core(bytes(view[start : start + int(first[row])])))
        return found, sayings

    def _of_header(self, core: bytes) -> int:
        """Number of what a PKTAP header says; ``core`` is the header with all else blanked."""
        saying = self._headers.get(core)
        if saying is None:
            saying = self._saying(list(pktap_v2(core) if is_v2(core) else pktap_v1(core)))
            if len(self._headers) >= _HEADERS:
                self._headers.clear()
            self._headers[core] = saying
        return saying

    # ---- rows ----------------------------------------------------------------------------------------------------

    def _gather(self, at: Column, sayings: Column, rows: dict[str, Column]) -> None:
        """Make rows of packets: ``at`` are their places in the batch, ``rows`` the batch's packets."""
        flows = rows["flow_id"][at]
        speaks = (sayings > 0) & (flows != NULL)
        if not speaks.any():
            return
        at, sayings, flows = at[speaks], sayings[speaks], flows[speaks]
        ts = rows["ts"][at]
        from_src = rows["from_src"][at].astype(np.bool_)
        columns = (flows, sayings, from_src, ts, ts, np.ones(len(at), np.int64), rows["number"][at])
        self._held.append(_summed(dict(zip(_FIELDS, columns, strict=True))))
        self._rows += len(self._held[-1]["flow_id"])
        if self._rows >= ROWS:
            self._compact()

    def _compact(self) -> None:
        """Add up the rows that are alike; if they are still many, hand them on."""
        self._held = [_summed(_joined(self._held))]
        self._rows = len(self._held[0]["flow_id"])
        if self._rows >= ROWS // 2 and self.spill is not None:
            self.spill(self._held[0])
            self._held, self._rows = [], 0

    def store(self, con: "DuckDBPyConnection", columns: dict[str, Column] | None = None) -> None:
        """Put rows (by default, those that are held) into the temporary table `TABLE`."""
        if columns is None:
            if not self._held:
                return
            columns, self._held, self._rows = _summed(_joined(self._held)), [], 0
        run(con, _TABLE)
        con.register("said_batch", columns)
        try:
            run(con, f"INSERT INTO {TABLE} SELECT ?, {', '.join(_FIELDS)} FROM said_batch", [self.capture_id])
        finally:
            con.unregister("said_batch")

    def stage(self, con: "DuckDBPyConnection", stage: Stage) -> None:
        """Stage every statement as an observation, and fill ``own_lifted`` with the flows that each is about."""
        if not self._statements:
            return
        run(con, _TABLE)
        self.store(con)
        seqs = [0] * len(self._statements)
        by_source: dict[str, list[tuple[Statement, int]]] = {}
        for statement, number in self._statements.items():
            by_source.setdefault(statement.source, []).append((statement, number))
        for source, said in by_source.items():
            batch = Observations(source, self.origin)
            for statement, number in said:
                seqs[number] = stage.said + len(batch)
                batch.add(_observation(statement))
                if batch.full:
                    stage.add(batch, 0)
                    batch = Observations(source, self.origin)
            stage.add(batch, 0)
        said_so = [(saying, place, seqs[n]) for key, saying in self._sayings.items() for place, n in key]
        made = np.array(said_so, np.int64)
        con.register("own_batch", {"saying": made[:, 0].copy(), "place": made[:, 1].copy(), "seq": made[:, 2].copy()})
        try:
            run(con, "CREATE OR REPLACE TEMP TABLE own_says AS SELECT saying, place, seq FROM own_batch")
        finally:
            con.unregister("own_batch")
        run(con, _LIFT, [self.capture_id])
        stage.lifted = True
        run(con, f"DELETE FROM {TABLE} WHERE capture_id = ?", [self.capture_id])

    def losses(self) -> list[tuple[str, str, int]]:
        """Kind, words and count of what was said in vain."""
        made = []
        if self.left_out:
            words_ = f"statements on packets beyond the first {MAX_STATEMENTS:,} different ones were left out"
            made.append(("claims_left_out", words_, self.left_out))
        if self.unknown:
            made.append(
                ("packet_process_unknown", "packets name process blocks that the file does not have", self.unknown)
            )
        return made


def drop_table(con: "DuckDBPyConnection") -> None:
    """Give back what `PacketClaims.store` took."""
    run(con, f"DROP TABLE IF EXISTS temp.{TABLE}")


def _observation(said: Statement) -> Observation:
    """One statement as an observation without ends: its flows are known."""
    return Observation("", None, None, None, None, None, None, None, said.process, said.quality, 0, packet=0)


def _joined(parts: list[dict[str, Column]]) -> dict[str, Column]:
    return {name: np.concatenate([part[name] for part in parts]) for name in _FIELDS}


def _summed(rows: dict[str, Column]) -> dict[str, Column]:
    """Rows with those of the same flow and saying added up."""
    order = np.lexsort((rows["from_src"], rows["saying"], rows["flow_id"]))
    rows = {name: column[order] for name, column in rows.items()}
    keys = [rows[name] for name in ("flow_id", "saying", "from_src")]
    new = np.ones(len(order), np.bool_)
    new[1:] = np.logical_or.reduce([key[1:] != key[:-1] for key in keys])
    at = np.flatnonzero(new)
    how: dict[str, Any] = {"first": np.minimum, "last": np.maximum, "packets": np.add, "number": np.minimum}
    return {n: how[n].reduceat(column, at) if n in how else column[at] for n, column in rows.items()}
