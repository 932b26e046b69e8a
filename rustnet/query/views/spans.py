"""Columns of a plot over time: spans of equal length; long silences are cut out."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

LONG_SILENCE = 20
"""Empty columns in a row that are cut out."""
MOST_PIECES = 8
"""Most stretches of time on one axis: the longest silences between them are cut."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of time without a long silence."""

    first: int
    """Its beginning, in nanoseconds."""
    columns: int
    start: int
    """Number of its first column."""


@dataclass(frozen=True, slots=True)
class Spans:
    """The columns of a plot."""

    pieces: tuple[Piece, ...]
    length: int
    """Nanoseconds of a column."""
    columns: int

    @property
    def times(self) -> tuple[int | None, ...]:
        """Begin of each column; None where time was cut out."""
        times: list[int | None] = [None] * self.columns
        for piece in self.pieces:
            for at in range(piece.columns):
                times[piece.start + at] = piece.first + at * self.length
        return tuple(times)

    @property
    def first(self) -> int:
        """Beginning of the plot."""
        return self.pieces[0].first

    @property
    def last(self) -> int:
        """End of the plot."""
        return self.pieces[-1].first + self.pieces[-1].columns * self.length

    def sql(self, column: str) -> str:
        """Return the number of the column that a time belongs to, as SQL; NULL outside of all."""
        cases = " ".join(
            f"WHEN {column} < make_timestamp_ns({p.first + p.columns * self.length}) "
            f"THEN (epoch_ns({column}) - {p.first}) // {self.length} + {p.start}"
            for p in self.pieces
        )
        one = f"(epoch_ns({column}) - {self.first}) // {self.length}"
        within = f"{column} >= make_timestamp_ns({self.first}) AND {column} < make_timestamp_ns({self.last})"
        if len(self.pieces) == 1:
            return f"CASE WHEN {within} THEN {one} END"
        return f"CASE WHEN {within} THEN CASE {cases} END END"

    def covered(self, captures: Iterable[tuple[int, int]]) -> list[bool]:
        """Whether a capture was running in each column; cut columns count as not covered."""
        spans = sorted(captures)
        return [
            time is not None and any(low < time + self.length and high >= time for low, high in spans)
            for time in self.times
        ]


def even(first: int, last: int, columns: int) -> Spans:
    """Columns over a time without cuts. Their length is a whole number of nanoseconds."""
    length = max(1, -(-(last - first + 1) // columns))
    return Spans((Piece(first, columns, 0),), length, columns)


def cut(spans: Spans, busy: Sequence[tuple[int, int, int]]) -> Spans:
    """Columns over the same time without its long silences.

    ``busy`` are the columns that have anything, in order, each with its first and last time.
    """
    stretches: list[list[int]] = []
    before: int | None = None
    for column, low, high in busy:
        if before is None or column - before > LONG_SILENCE:
            stretches.append([low, high])
        else:
            stretches[-1][1] = high
        before = column
    while len(stretches) > MOST_PIECES:
        at = min(range(1, len(stretches)), key=lambda n: stretches[n][0] - stretches[n - 1][1])
        stretches[at - 1 : at + 1] = [[stretches[at - 1][0], stretches[at][1]]]
    if len(stretches) < 2:
        return spans
    return _laid(stretches, spans.columns)


def _laid(stretches: list[list[int]], columns: int) -> Spans:
    """Columns for stretches of time, one column between each two."""
    free = columns - (len(stretches) - 1)
    whole = sum(high - low + 1 for low, high in stretches)
    length = max(1, -(-whole // max(1, free - len(stretches))))
    pieces, start = [], 0
    for low, high in stretches:
        count = max(1, -(-(high - low + 1) // length))
        pieces.append(Piece(low, count, start))
        start += count + 1
    return Spans(tuple(pieces), length, start - 1)
