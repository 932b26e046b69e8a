"""Looks into tables: databases, Parquet, CSV and lines of JSON, column by column."""

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from rustnet.export.leaks.findings import Findings
from rustnet.export.leaks.searching import Hit, Searcher, Verdict
from rustnet.export.leaks.sought import SOUGHT, Part, addresses_in, is_weak, words_of
from rustnet.query.kinds import kinds_of
from rustnet.records import Kind
from rustnet.store.meanings import FACT_VALUE, kind_of
from rustnet.store.schema import quote_identifier

if TYPE_CHECKING:
    from rustnet.query.session import Session
    from rustnet.store.foreign_tables import ForeignTables

CELLS = 1 << 22
"""Most characters of different values that are looked through together."""
FLOW = "flow_id"
"""Column of tables whose rows are in the order of packets; others are looked into after them."""
PLACED = 20
"""Most hits of a column whose row is looked up; of others the column is named."""
_OF_PROTOCOLS = frozenset((Kind.TERM, Kind.FREE_TEXT, Kind.SOFTWARE, Kind.MIXED))
"""Kinds of which values of common words may stay in packets, as the reason of a status does."""
_DEFINITIONS = "SELECT sql FROM duckdb_views() UNION ALL SELECT sql FROM duckdb_tables()"
_INTEGERS = (
    "UTINYINT",
    "USMALLINT",
    "UINTEGER",
    "UBIGINT",
    "TINYINT",
    "SMALLINT",
    "INTEGER",
    "BIGINT",
    "HUGEINT",
    "UHUGEINT",
)


class TableScan:
    """Looks into the tables of one file."""

    def __init__(
        self, searcher: Searcher, session: "Session", findings: Findings, file: str, tables: "ForeignTables"
    ) -> None:
        self._searcher = searcher
        self._session = session
        self._findings = findings
        self._file = file
        self._tables = tables
        self.aligned: Callable[[Collection[str]], bool] = lambda _columns: True
        """Whether a table of the same name and length, with some columns, has the rows of the session's."""
        self.skip: Callable[[str, str, Kind | None], bool] = lambda _table, _column, _kind: False
        """Columns that are not looked into."""
        self.words_of_protocols = False
        """Values that consist of common words are a protocol's own."""
        self.decided: set[str] = set()
        """Values that are originals and replacements, and that are replacements in every row that has them."""
        self.schema = True
        """Whether what the file defines is looked into."""

    def scan(self) -> None:
        """Look into all tables, and into what the file defines."""
        every = self._tables.tables
        for table, columns in sorted(every.items(), key=lambda item: FLOW not in item[1]):
            if self._tables.count(table):
                for column, sql_type in columns.items():
                    self._column(table, column, sql_type)
        if not self.schema:
            return
        own = words_of(" ".join(str(text) for (text,) in self._session.execute_own(_DEFINITIONS).rows))
        for text in self._tables.definitions():
            for hit in self._searcher.text(text):
                if hit.text not in own:
                    self._findings.add(hit, self._file, "schema")

    def _column(self, table: str, column: str, sql_type: str) -> None:
        kind = None if (table, column) == FACT_VALUE else kind_of(table, column) or kinds_of((column,))[0]
        plain = sql_type.removesuffix("[]")
        is_number = plain in _INTEGERS
        if self.skip(table, column, kind) or (not is_number and _has_no_text(plain)):
            return
        part = SOUGHT[kind] if kind is not None else None
        if is_number and not (plain.endswith("HUGEINT") or (part and part & (Part.NUMBERS | Part.ADDRESSES))):
            return
        hits: dict[Hit, list[Any]] = {}
        for chunk in self._chunks(table, column):
            if is_number:
                self._numbers(chunk, kind, part, hits)
            else:
                self._texts(chunk, kind, part, hits)
        self._report(table, column, kind, hits)

    def _chunks(self, table: str, column: str) -> Iterator[list[Any]]:
        """Different values of a column, not too many at once."""
        chunk: list[Any] = []
        size = 0
        for batch in self._tables.distinct(table, column):
            for value in batch:
                size += len(value) if isinstance(value, str | bytes) else 24
                chunk.append(value)
                if size >= CELLS:
                    yield chunk
                    chunk, size = [], 0
        if chunk:
            yield chunk

    def _numbers(self, chunk: list[Any], kind: Kind | None, part: Part | None, hits: dict[Hit, list[Any]]) -> None:
        values = [value for value in chunk if isinstance(value, int)]
        if part is not None and part & Part.NUMBERS and kind is not None:
            for value, hit in self._searcher.whole(kind, values):
                hits.setdefault(hit, []).append(value)
        else:
            for hit, number in self._searcher.numbers(values):
                hits.setdefault(hit, []).append(number)

    def _texts(self, chunk: list[Any], kind: Kind | None, part: Part | None, hits: dict[Hit, list[Any]]) -> None:
        values = [value if isinstance(value, str) else _text_of(value) for value in chunk]
        if kind is not None and part is not None:
            for value, hit in self._searcher.whole(kind, values):
                hits.setdefault(hit, []).append(value)
        for hit in self._searcher.text("\n".join(values), cells=kind is None or part is not None):
            hits.setdefault(hit, []).extend(self._holders(values, hit))
        for value in chunk:
            if isinstance(value, bytes):
                for _offset, hit in self._searcher.data(value):
                    hits.setdefault(hit, []).append(value.hex())

    def _holders(self, values: list[str], hit: Hit) -> list[str]:
        """Values that have a hit: all of them where it is a replacement too, else the first."""
        wanted = hit.shown or hit.text
        if hit.verdict is Verdict.EITHER:
            exact = [value for value in values if value.lower() == wanted]
            return exact or [value for value in values if wanted in value.lower()]
        return _first_holder(values, lambda some: hit in self._searcher.text("\n".join(some), cells=True))

    # ---- reporting -------------------------------------------------------------------------------------------------

    def _report(self, table: str, column: str, kind: Kind | None, hits: dict[Hit, list[Any]]) -> None:
        if self.words_of_protocols:
            hits = {hit: values for hit, values in hits.items() if not _is_common(hit)}
        place = f"{table}.{column}"
        either = {hit: values for hit, values in hits.items() if hit.verdict is Verdict.EITHER}
        if either and (checked := self._by_row(table, column, kind, either)) is not None:
            self.decided |= {hit.text for hit in either} - {hit.text for _row, hit in checked}
            for row, hit in checked:
                self._findings.add(Hit(hit.kind, hit.form, hit.text, Verdict.LEAK, hit.shown), self._file, place, row)
        else:
            for hit in either:
                if hit.text not in self.decided:
                    self._findings.add(hit, self._file, place)
            self.decided |= {hit.text for hit in either}  # named once, with its column
        placed = 0
        texts = set()
        for hit, values in sorted(hits.items(), key=lambda item: (item[0].form == "whole value", item[0].text)):
            if hit.verdict is Verdict.EITHER or (hit.form == "whole value" and _covered(hit, texts)):
                continue
            texts.add(hit.text)
            placed += 1
            row = self._tables.row_of(table, column, values[0]) if placed <= PLACED and values else None
            self._findings.add(hit, self._file, place, row)

    def _by_row(
        self, table: str, column: str, kind: Kind | None, hits: dict[Hit, list[Any]]
    ) -> list[tuple[int, Hit]] | None:
        """Leaks among values that are originals and replacements, by the session's own rows; None without them."""
        own = self._session.columns().get(table)
        if own is None or column not in own or not self.aligned(own) or not self._same_length(table):
            return None
        by_value = {value: hit for hit, values in hits.items() for value in values}
        leaks: dict[Hit, int] = {}
        expected = self._expected(table, column, own[column], kind)
        keys = [
            name for name in (FLOW, "packet") if name in own and name in self._tables.tables[table] and name != column
        ]
        names = [*keys, column]
        shown = ", ".join(map(quote_identifier, names))
        with self._session.stream(f"SELECT {shown} FROM {quote_identifier(table)}", own=True) as rows:  # noqa: S608
            originals = (row for batch in rows.batches() for row in batch)
            for number, (original, row) in enumerate(zip(originals, self._tables.rows(table, names), strict=False), 1):
                value = row[-1]
                elements = value if isinstance(value, list) else (value,)
                held = next((by_value[element] for element in elements if element in by_value), None)
                if held is None:
                    continue
                if any(str(one) != str(other) for one, other in zip(original[:-1], row[:-1], strict=True)):
                    return None  # the rows are not those of the session
                if not expected(original[-1], value, held):
                    leaks.setdefault(held, number)
        return [(number, hit) for hit, number in leaks.items()]

    def _expected(self, table: str, column: str, sql_type: str, kind: Kind | None) -> Callable[[Any, Any, Hit], bool]:
        """Function that knows whether a value with a hit may be in the place of an original."""
        originals = self._searcher.originals
        known: dict[Any, Any] = {}

        def same(original: Any, value: Any, hit: Hit) -> bool:
            text = hit.shown or hit.text
            if not originals.known_key:
                return not _holds(original, text) or not _holds(value, text)
            key = tuple(original) if isinstance(original, list) else original
            if key not in known:
                known[key] = originals.redactor.value(kind, original, column, sql_type, table)
            return _holds(known[key], text)

        return same

    def _same_length(self, table: str) -> bool:
        count = self._session.execute_own(f"SELECT count(*) FROM {quote_identifier(table)}").rows[0][0]  # noqa: S608
        return bool(count == self._tables.count(table))


def _holds(value: Any, text: str) -> bool:
    """Whether a value, or an element of it, is a text or has it between other characters."""
    return re.search(rf"(?<![\w.:-]){re.escape(text)}(?![\w:-]|\.\w)", str(value).lower()) is not None


def _has_no_text(sql_type: str) -> bool:
    return sql_type.startswith(("TIMESTAMP", "DATE", "TIME", "BOOLEAN", "DOUBLE", "FLOAT", "DECIMAL", "INTERVAL"))


def _text_of(value: Any) -> str:
    return value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else str(value)


def _is_common(hit: Hit) -> bool:
    """Whether a hit is a text of common words alone."""
    if hit.kind not in _OF_PROTOCOLS or hit.form not in ("text", "whole value"):
        return False
    plain = all(map(is_weak, words_of(hit.text))) and next(addresses_in(hit.text), None) is None
    return plain and (" " in hit.text or hit.form == "whole value")


def _covered(hit: Hit, texts: set[str]) -> bool:
    """Whether a hit of a whole value says what a hit of its words has said."""
    return any(text in hit.text.lower() for text in texts)


def _first_holder(values: Sequence[str], has: Callable[[Sequence[str]], bool]) -> list[str]:
    """The first value that has a hit, by halving; none if only several together have it."""
    while len(values) > 1:
        half = len(values) // 2
        values = values[:half] if has(values[:half]) else values[half:]
    return list(values) if values and has(values) else []
