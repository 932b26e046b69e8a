"""Rows of several tables as texts of events in the order of time, in bounded memory.

The session's span is divided into windows of at most `WINDOW_ROWS` rows or so; of one window at a time, the rows of all
tables are read and sorted. A window of more rows is a single moment, which needs no sorting.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from rustnet.query.session import Session
from rustnet.store.schema import quote_identifier

WINDOW_ROWS = 60_000
"""Rows of a window, except for rows of the same moment."""

Fields = dict[str, Any]
"""A row: columns by name, those of its flow as ``f.name``, of the flow's process as ``p.name``; times as integers."""
Texts = Callable[[Fields], Iterator[str]]


@dataclass(frozen=True, slots=True)
class Source:
    """Rows of a table that become events, with columns of their flow and its process."""

    table: str
    time: str
    """Column with the time of the events."""
    texts: Texts
    """Texts of a row's events."""
    columns: Sequence[str] = ()
    flow: Sequence[str] = ()
    process: Sequence[str] = ()
    more: Mapping[str, str] = field(default_factory=dict)
    """Further columns: name to SQL over ``m`` (the row), ``f`` and ``p``."""
    where: str = ""
    """Condition over ``m``, ``f`` and ``p``."""


class Timeline:
    """The events of a session, in the order of time."""

    def __init__(self, session: Session, sources: Sequence[Source]) -> None:
        self._session = session
        self._tables = session.columns()
        self._sources = [source for source in sources if source.time in self._tables.get(source.table, {})]
        self._live = session.being_written
        self._open: set[int] = set()
        """Flows of a session that is being written that were open when they were read: they may end meanwhile."""

    def __iter__(self) -> Iterator[str]:
        for begin, end in pairwise(self._cuts()):
            if end - begin == 1:
                for source in self._sources:
                    for _at, text in self._texts(source, begin, end):
                        yield text
                continue
            window = [each for source in self._sources for each in self._texts(source, begin, end)]
            window.sort(key=lambda each: each[0])
            for _at, text in window:
                yield text

    def _cuts(self) -> list[int]:
        """Limits of the windows, in nanoseconds."""
        times = " UNION ALL ".join(
            f"SELECT epoch_ns({quote_identifier(source.time)}) AS moment FROM {quote_identifier(source.table)}"  # noqa: S608 -- our own names
            for source in self._sources
        )
        if not times:
            return []
        rows = self._session.execute_own(
            f"WITH times AS MATERIALIZED ({times}), "  # noqa: S608 -- our own statement
            "placed AS (SELECT moment, row_number() OVER (ORDER BY moment) AS place FROM times "
            "WHERE moment IS NOT NULL) "
            f"SELECT moment FROM placed WHERE (place - 1) % {WINDOW_ROWS} = 0 "
            "UNION ALL SELECT max(moment) + 1 FROM times ORDER BY moment"
        ).rows
        cuts = [row[0] for row in rows if row[0] is not None]
        # A moment that fills a window is a window of its own.
        full = {at + 1 for before, at in pairwise(cuts) if before == at}
        return sorted({*cuts, *full})

    def _texts(self, source: Source, begin: int, end: int) -> Iterator[tuple[int, str]]:
        """Texts of a table's rows within a window, in order, with their times."""
        flows = source.table == "flows"
        with self._session.stream(self._sql(source, begin, end), own=True) as rows:
            names = rows.columns
            for batch in rows.batches():
                for values in batch:
                    row = dict(zip(names, values, strict=True))
                    if flows and self._live and self._repeated(row):
                        continue
                    for text in source.texts(row):
                        yield row["moment"], text

    def _repeated(self, row: Fields) -> bool:
        """Whether a flow was read while it was open, and has ended since."""
        flow = row["f.flow_id"]
        if flow in self._open:
            return True
        if row["f.end_reason"] == "open":
            self._open.add(flow)
        return False

    def _sql(self, source: Source, begin: int, end: int) -> str:
        """Select the rows within a window."""
        flows = source.table == "flows"
        at = f"{'f' if flows else 'm'}.{quote_identifier(source.time)}"
        shown = [f"epoch_ns({at}) AS moment"]
        shown += self._columns("m", source.table, source.columns, "")
        shown += self._columns("f", "flows", source.flow, "f.")
        shown += self._columns("p", "processes", source.process, "p.")
        shown += [f"{sql} AS {quote_identifier(name)}" for name, sql in source.more.items()]
        tables = "flows AS f" if flows else f"{quote_identifier(source.table)} AS m"
        if source.flow and not flows:
            tables += " LEFT JOIN flows AS f ON f.flow_id = m.flow_id"
        if source.process:
            tables += " LEFT JOIN processes AS p ON p.process_id = f.process_id"
        order = "f.flow_id" if flows else "m.packet, m.flow_id"
        where = f" AND ({source.where})" if source.where else ""
        return (
            f"SELECT {', '.join(shown)} FROM {tables} "  # noqa: S608 -- our own names
            f"WHERE {at} >= make_timestamp_ns({begin:d}) AND {at} < make_timestamp_ns({end:d}){where} "
            f"ORDER BY moment, {order}"
        )

    def _columns(self, alias: str, table: str, names: Sequence[str], prefix: str) -> list[str]:
        """Select columns of a table; those that an older session lacks are NULL."""
        known = self._tables.get(table, {})
        shown = []
        for name in names:
            column = f"{alias}.{quote_identifier(name)}"
            kind = known.get(name)
            if kind is None:
                column = "NULL"
            elif kind == "TIMESTAMP_NS":
                column = f"epoch_ns({column})"
            shown.append(f"{column} AS {quote_identifier(prefix + name)}")
        return shown


_EMPTY: tuple[object, ...] = ("", [], {})


def present(values: Mapping[str, Any]) -> Fields:
    """Leave out what is unknown or empty."""
    return {name: value for name, value in values.items() if value is not None and value not in _EMPTY}
