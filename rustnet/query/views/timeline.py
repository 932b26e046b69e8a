"""Packets over the whole time of a session, in the cells of a bar; long times without packets are cut out.

The session is asked once for packets and bytes in a bounded number of spans of equal length (`read`), and later only
for packets that came since (`read` with the timeline that is known). A bar of any width is made of these (`bar`).
"""

import itertools
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from rustnet.query.session import Session
from rustnet.query.views.spec import Statement

MOST_SPANS = 4096
"""Most spans in which packets are counted, gaps not included."""
FEWEST_PER_CELL = 4
"""Spans per cell of a usual bar, below which they are counted once more in shorter ones."""
USUAL_CELLS = 256
"""Cells of a bar for which a timeline has enough spans."""
ROUNDS = 6
"""Most countings of one reading: each makes the spans up to `MOST_SPANS` times shorter."""
GAP_CELLS = 20
"""Cells without packets that are cut to one."""
MOST_CELLS = 1024
"""Most cells of a bar."""

_EXTENT = "SELECT epoch_ns(min(ts)), epoch_ns(max(ts)), max(rowid) FROM packets WHERE rowid >= ?"
_PACKETS = """
SELECT epoch_ns(ts) >> ? AS span, count(*)::BIGINT AS packets, sum(length)::BIGINT AS bytes
FROM packets WHERE rowid BETWEEN ? AND ? GROUP BY span ORDER BY span"""
_ANOMALIES = """
SELECT (epoch_ns(ts) >> ?) << ? AS start_ns, count(*)::BIGINT AS anomalies
FROM anomalies WHERE ts IS NOT NULL GROUP BY start_ns ORDER BY start_ns"""
_NEXT = """
SELECT epoch_ns(ts), capture_id, packet, flow_id, kind, detail, count(*) OVER (PARTITION BY ts)
FROM anomalies WHERE ts = (SELECT {end}(ts) FROM anomalies WHERE epoch_ns(ts) {than} ?)
ORDER BY packet, kind LIMIT 1"""


@dataclass(frozen=True, slots=True)
class Span:
    """What came within one span of a timeline."""

    number: int
    """Its beginning in nanoseconds, divided by the length."""
    packets: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Timeline:
    """Packets over time. Spans without packets are not listed."""

    first: int | None
    """Time of the earliest packet, in nanoseconds since 1970 UTC; None: there are no packets."""
    last: int | None
    """Time of the latest packet."""
    shift: int = 0
    """Spans are ``1 << shift`` nanoseconds long."""
    spans: tuple[Span, ...] = ()
    anomalies: tuple[tuple[int, int], ...] = ()
    """Beginnings of spans with anomalies, and the number of anomalies."""
    rows: int = 0
    """Rows of the table of packets that were counted."""
    statement: Statement | None = None

    @property
    def packets(self) -> int:
        """Number of packets."""
        return sum(span.packets for span in self.spans)


@dataclass(frozen=True, slots=True)
class Progress:
    """A timeline, and whether it goes on."""

    timeline: Timeline
    written: bool = False
    """Another process is writing the session."""
    live: bool = False
    """It captures on an interface."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of a bar: ``start <= time < end``."""

    start: int
    end: int
    packets: int = 0
    bytes: int = 0
    anomalies: int = 0
    gap: bool = False
    """Time without packets that was cut to this cell."""

    @property
    def rate(self) -> float:
        """Bytes per second."""
        return self.bytes * 1e9 / max(1, self.end - self.start)


@dataclass(frozen=True, slots=True)
class Bar:
    """Cells in the order of time, each beginning where the one before ends."""

    cells: tuple[Cell, ...]
    starts: tuple[int, ...]
    first: int
    last: int

    @property
    def gaps(self) -> tuple[tuple[int, int], ...]:
        """Spans that were cut: beginning and end."""
        return tuple((cell.start, cell.end) for cell in self.cells if cell.gap)

    @property
    def peak(self) -> float:
        """Largest rate of a cell."""
        return max((cell.rate for cell in self.cells), default=0.0)

    def cell_at(self, ns: int) -> int:
        """Number of the cell of a time; of the nearest one for times outside."""
        return max(0, bisect_right(self.starts, ns) - 1)

    def time_of(self, cell: int) -> int:
        """Time that a cell stands for: its middle, and for the outer ones the first and last packet."""
        if cell <= 0:
            return self.first
        if cell >= len(self.cells) - 1:
            return self.last
        chosen = self.cells[cell]
        return chosen.start + (chosen.end - chosen.start) // 2

    def gap_at(self, ns: int) -> Cell | None:
        """The cut time that contains a time."""
        cell = self.cells[self.cell_at(ns)]
        return cell if cell.gap and cell.start <= ns < cell.end else None


@dataclass(frozen=True, slots=True)
class AnomalyAt:
    """An anomaly with a time."""

    ns: int
    capture_id: int
    packet: int | None
    flow_id: int | None
    kind: str
    detail: str
    together: int
    """Number of anomalies at the same time."""


def read(session: Session, known: Timeline | None = None) -> Timeline:
    """Count the packets of a session over time; ``known`` is what was counted before, to which later rows are added."""
    if known is None or known.first is None or known.last is None:
        return _counted(session)
    first, last, newest = session.execute_own(_EXTENT, [known.rows]).rows[0]
    if first is None:
        return _with_anomalies(session, known)
    shift = max(known.shift, _shift(first, last))
    later = _spans(session, shift, known.rows, newest)
    earlier = (Span(s.number >> shift - known.shift, s.packets, s.bytes) for s in known.spans)
    first, last = min(first, known.first), max(last, known.last)
    return _with_anomalies(session, _timeline(first, last, shift, newest, _merged(earlier, later)))


def _counted(session: Session) -> Timeline:
    """Count all packets, in shorter and shorter spans until those between the gaps are short enough."""
    first, last, newest = session.execute_own(_EXTENT, [0]).rows[0]
    if first is None:
        return Timeline(None, None)
    shift = _shift(first, last)
    spans = _spans(session, shift, 0, newest)
    for _round in range(0 if session.being_written else ROUNDS):  # what comes will lengthen them again
        finer = _finer(spans, shift)
        if finer == shift:
            break
        shift, spans = finer, _spans(session, finer, 0, newest)
    return _with_anomalies(session, _timeline(first, last, shift, newest, _merged((), spans)))


def _spans(session: Session, shift: int, since: int, newest: int) -> list[Span]:
    """Count the packets of some rows."""
    return [Span(*row) for row in session.execute_own(_PACKETS, [shift, since, newest]).rows]


def _timeline(first: int, last: int, shift: int, newest: int, sums: dict[int, tuple[int, int]]) -> Timeline:
    """Make a timeline of sums by span."""
    shift, spans = _bounded(shift, sums)
    return Timeline(first, last, shift, spans, (), newest + 1, Statement(_PACKETS.strip(), [shift, 0, newest]))


def progress(session: Session, known: Progress | None = None) -> Progress:
    """Count what came since; once more from the beginning when the writer has ended."""
    timeline = read(session, known.timeline if known is not None and known.written else None)
    if not session.being_written:
        return Progress(timeline if known is None or not known.written else read(session))
    if known is not None and known.written:
        return Progress(timeline, written=True, live=known.live)
    live = session.execute_own("SELECT count(*) FROM captures WHERE kind = 'live' AND NOT finished").rows[0][0]
    return Progress(timeline, written=True, live=bool(live))


def _with_anomalies(session: Session, timeline: Timeline) -> Timeline:
    """Set the anomalies of a timeline, at most as many marks as there can be spans."""
    rows = session.execute_own(_ANOMALIES, [timeline.shift, timeline.shift], MOST_SPANS).rows
    return replace(timeline, anomalies=tuple((int(at), int(count)) for at, count in rows))


def _shift(first: int, last: int) -> int:
    """Length of spans, as a power of two, at which there are at most `MOST_SPANS`."""
    shift = max(0, (last - first).bit_length() - MOST_SPANS.bit_length() + 1)
    while (last >> shift) - (first >> shift) >= MOST_SPANS:
        shift += 1
    return shift


def _finer(spans: Sequence[Span], shift: int) -> int:
    """Length at which a usual bar has enough spans per cell, gaps not counted."""
    runs = _runs([span.number for span in spans], USUAL_CELLS)
    active = sum(end - start for start, end in runs)
    wanted = USUAL_CELLS * FEWEST_PER_CELL
    if active >= wanted or not shift:
        return shift
    return max(0, shift - (MOST_SPANS // active).bit_length() + 1)


def _merged(old: Iterable[Span], new: Iterable[Span]) -> dict[int, tuple[int, int]]:
    """Sum up spans of one length by number."""
    sums: dict[int, tuple[int, int]] = {}
    for span in (*old, *new):
        packets, size = sums.get(span.number, (0, 0))
        sums[span.number] = (packets + span.packets, size + span.bytes)
    return sums


def _bounded(shift: int, sums: dict[int, tuple[int, int]]) -> tuple[int, tuple[Span, ...]]:
    """Make spans longer until there are at most `MOST_SPANS` of them."""
    while len(sums) > MOST_SPANS:
        shift += 1
        sums = _merged((), (Span(number >> 1, *counts) for number, counts in sums.items()))
    return shift, tuple(Span(number, *sums[number]) for number in sorted(sums))


def _runs(numbers: Sequence[int], cells: int) -> list[tuple[int, int]]:
    """Ranges ``start <= number < end`` of the spans that a bar of some cells shows; between them are the gaps.

    A gap is longer than `GAP_CELLS` cells. Cutting gaps makes cells shorter, by which others become gaps: the longest
    are cut first, until there are no more, or too many to leave three quarters of the bar for packets.
    """
    start, end = numbers[0], numbers[-1] + 1
    gaps = sorted((b - a - 1, a + 1, b) for a, b in itertools.pairwise(numbers) if b - a > 1)
    active = end - start
    cut: list[tuple[int, int]] = []
    most = max(0, (cells - 1) // 4)
    while gaps and len(cut) < most and gaps[-1][0] * (cells - len(cut)) > GAP_CELLS * active:
        length, a, b = gaps.pop()
        active -= length
        cut.append((a, b))
    cut.sort()
    edges = [start, *(edge for gap in cut for edge in gap), end]
    return list(zip(edges[::2], edges[1::2], strict=True))


def bar(timeline: Timeline, columns: int) -> Bar | None:
    """Lay a timeline out over at most ``columns`` cells; None without packets."""
    if timeline.first is None or timeline.last is None or not timeline.spans or columns < 1:
        return None
    columns = min(columns, MOST_CELLS)
    numbers = [span.number for span in timeline.spans]
    runs = _runs(numbers, columns)
    edges: list[tuple[int, int, bool]] = []
    for (start, end), cells in zip(runs, _shares([end - start for start, end in runs], columns), strict=True):
        if edges:
            edges.append((edges[-1][1], start, True))
        length = end - start
        bounds = [start + length * i // cells for i in range(cells + 1)]
        edges += [(a, b, False) for a, b in itertools.pairwise(bounds)]
    return _filled(timeline, edges)


def _shares(lengths: Sequence[int], columns: int) -> list[int]:
    """Cells of each run: by its length, at least one, at most its spans."""
    room = columns - (len(lengths) - 1)
    active = sum(lengths)
    shares = [min(length, max(1, room * length // active)) for length in lengths]
    order = sorted(range(len(lengths)), key=lambda i: room * lengths[i] % active, reverse=True)
    over = sum(shares) - room
    while over > 0:  # runs that got their one cell take it from the longest
        longest = max(range(len(shares)), key=lambda i: shares[i])
        taken = min(over, max(1, shares[longest] // 2), shares[longest] - 1)
        if taken < 1:
            break
        shares[longest] -= taken
        over -= taken
    for i in order:
        if over < 0 and shares[i] < lengths[i]:
            shares[i] += 1
            over += 1
    return shares


def _filled(timeline: Timeline, edges: list[tuple[int, int, bool]]) -> Bar:
    """Sum the spans up in the cells."""
    shift, first, last = timeline.shift, timeline.first or 0, timeline.last or 0
    starts = [start << shift for start, _end, _gap in edges]
    packets, sizes, anomalies = [0] * len(edges), [0] * len(edges), [0] * len(edges)
    for span in timeline.spans:
        at = bisect_right(starts, span.number << shift) - 1
        packets[at] += span.packets
        sizes[at] += span.bytes
    for start, count in timeline.anomalies:
        anomalies[max(0, bisect_right(starts, start) - 1)] += count
    starts[0] = first
    ends = [*starts[1:], last + 1]
    cells = tuple(Cell(starts[i], ends[i], packets[i], sizes[i], anomalies[i], edges[i][2]) for i in range(len(edges)))
    return Bar(cells, tuple(starts), first, last)


def anomaly(session: Session, ns: int, step: int) -> AnomalyAt | None:
    """Return the first anomaly after a time, or with a ``step`` of -1 the last before it; None if there is none."""
    sql = _NEXT.format(end="min" if step > 0 else "max", than=">" if step > 0 else "<")
    rows = session.execute_own(sql, [ns]).rows
    return AnomalyAt(*rows[0]) if rows else None
