"""What sections ask: saved queries and the report's own, restricted to its scope, redacted, and kept to be copied."""

import shlex
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from rustnet.export.report.blocks import Column, Statement, Table
from rustnet.export.report.cells import NUMBERS, Cell, Form, cell
from rustnet.export.report.scope import Scope, hides_numbers, inline
from rustnet.i18n import _
from rustnet.policy.redaction import POLICIES, REDACTED, Method
from rustnet.present.text import printable
from rustnet.query import catalogue
from rustnet.query.catalogue import SavedQuery
from rustnet.query.execute import QueryTimeoutError, RowStream
from rustnet.records import Kind

if TYPE_CHECKING:
    from rustnet.policy.redaction import Redactor
    from rustnet.query.session import Session

ROWS = 50
"""Most rows of a table of the report."""
ALL_ROWS = 10**15
"""Value of a query's ``limit`` if all rows are wanted."""
COUNT_SECONDS = 2.0
"""Time limit of counting all rows of a table that has more than are shown."""

ONLY_IF_TRUE = frozenset({"guessed"})
"""Columns that are left out where no row has them."""

COUNTS_OF_ADDRESSES = frozenset({"addresses", "clients", "peers", "servers", "source_ips", "sources"})
"""Columns that count addresses, and are left out where a session has none because they were hidden."""

Fields = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Show:
    """A column of a result, as a table of the report has it."""

    name: str
    heading: str
    form: Form | None = None
    further: str = ""
    """Column with the number of items that a list lacks."""
    bar: bool = False
    """Draw it as a share of the largest value."""
    wide: bool = False
    """Its texts may be long."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Rows of a statement, redacted if the report is."""

    columns: tuple[str, ...]
    kinds: tuple[Kind | None, ...]
    rows: list[Fields]
    total: int | None
    """Number of all rows; None: there are more, and counting them would take too long."""
    statement: Statement
    uncounted: frozenset[str] = frozenset()
    """Columns whose zeros are no counts."""

    def __bool__(self) -> bool:
        """Whether there is a row."""
        return bool(self.rows)

    def __iter__(self) -> Iterator[Fields]:
        """Iterate over the rows."""
        return iter(self.rows)

    @property
    def first(self) -> Fields:
        """The first row, of a statement that always has one."""
        return self.rows[0]

    def table(self, caption: str, shows: Sequence[Show], note: str = "", *, tree: bool = False) -> Table | None:
        """Make a table of some columns; None without rows."""
        if not self.rows:
            return None
        kinds = dict(zip(self.columns, self.kinds, strict=True))
        shows = [show for show in shows if show.name in kinds and self._filled(show.name)]
        largest = {show.name: _largest(self.rows, show.name) for show in shows if show.bar}
        rows = [[self._cell(row, show, kinds[show.name], largest) for show in shows] for row in self.rows]
        columns = [Column(show.heading, number=self._is_number(show, kinds), wide=show.wide) for show in shows]
        return Table(caption, columns, rows, self.statement, note, self._shown(), tree=tree)

    def _filled(self, name: str) -> bool:
        """Whether any row has a value of a column."""
        if name in ONLY_IF_TRUE:
            return any(row[name] is True for row in self.rows)
        nothing: tuple[Any, ...] = (None, "", [], 0) if name in self.uncounted else (None, "", [])
        return any(row[name] not in nothing for row in self.rows)

    def _is_number(self, show: Show, kinds: Mapping[str, Kind | None]) -> bool:
        values = (row[show.name] for row in self.rows)
        first = next((value for value in values if value is not None), None)
        numeric = isinstance(first, int | float) and not isinstance(first, bool)
        return numeric and (show.form is not None or kinds[show.name] in NUMBERS or kinds[show.name] is None)

    def _cell(self, row: Fields, show: Show, kind: Kind | None, largest: Mapping[str, float]) -> Cell:
        value, further = row[show.name], row.get(show.further) if show.further else 0
        shown = cell(value, kind, show.form, further if isinstance(further, int) else 0)
        depth = row.get("depth", 0) if show.name == "layer" else 0
        top = largest.get(show.name)
        bar = float(value) / top if top and isinstance(value, int | float) else None
        return replace(shown, bar=bar, depth=depth) if bar is not None or depth else shown

    def _shown(self) -> str:
        if self.total == len(self.rows):
            return ""
        if self.total is None:
            return _("The first {n} rows; there are more, which the statement below gives without its limit.").format(
                n=f"{len(self.rows):,}"
            )
        return _("The first {n} of {total} rows; the statement below gives all without its limit.").format(
            n=f"{len(self.rows):,}", total=f"{self.total:,}"
        )


def _largest(rows: Sequence[Fields], name: str) -> float:
    return max((float(row[name]) for row in rows if isinstance(row[name], int | float)), default=0.0)


class Source:
    """Answers the questions of sections."""

    def __init__(self, session: "Session", name: str, text: str = "", redactor: "Redactor | None" = None) -> None:
        self.session = session
        self.redactor = redactor
        self.scope = Scope(session, text, redactor)
        self.shown_filter = self._filter()
        """The filter as it may be shown."""
        self.name = self.value(Kind.PATH, name)
        """Path of the session, as it may be shown."""
        self._answers: dict[tuple[object, ...], Answer] = {}
        self._shipped = catalogue.load()  # ours, whatever the user's own are called

    def value(self, kind: Kind | None, value: Any, name: str = "") -> Any:
        """A value as it may be shown."""
        return value if self.redactor is None else self.redactor.value(kind, value, name)

    @cached_property
    def hides_addresses(self) -> bool:
        """Whether addresses are hidden: by the policy of the report, or of the session."""
        from rustnet.query.redaction_mark import redaction_of  # noqa: PLC0415 -- only then

        policies = [each.policy for each in (self.redactor, getattr(self.session, "redactor", None)) if each]
        mark = redaction_of(self.session)
        policies += [POLICIES[name] for name in (mark.policy.split(",") if mark else ()) if name in POLICIES]
        return any(policy.methods.get(Kind.ADDRESS) is Method.HIDE for policy in policies)

    def _filter(self) -> str:
        if self.redactor is None:
            return self.scope.text
        from rustnet.query.filter_redaction import redacted_filter  # noqa: PLC0415 -- only then

        return REDACTED if hides_numbers(self.redactor) else redacted_filter(self.scope.text, self.redactor)

    def query(self, name: str, rows: int = ROWS, *, of: str = "", **params: str) -> Answer:
        """Ask a shipped query; a parameter ``limit`` is that of the report.

        ``of`` is a statement that counts all rows, where that is faster than asking for all of them.
        """
        return self._once(self._shipped[name], rows, of, params, shipped=True)

    def own(self, text: str, rows: int = ROWS, *, of: str = "", **params: str) -> Answer:
        """Ask a query of the report itself, which has the header of a saved one."""
        return self._once(catalogue.read("report", text), rows, of, params, shipped=False)

    def _once(self, saved: SavedQuery, rows: int, of: str, params: Mapping[str, str], *, shipped: bool) -> Answer:
        """Ask what was not asked before."""
        key = (saved.sql, rows, tuple(sorted(params.items())))
        if key not in self._answers:
            self._answers[key] = self._ask(saved, rows, of, params, shipped=shipped)
        return self._answers[key]

    def _ask(self, saved: SavedQuery, rows: int, of: str, params: Mapping[str, str], *, shipped: bool) -> Answer:
        limited = any(parameter.name == "limit" for parameter in saved.parameters)
        given = {**params, "limit": str(rows + 1)} if limited else dict(params)
        begun = time.perf_counter()
        with self._stream(saved, given) as stream:
            columns, kinds, types = stream.columns, saved.kinds(stream.columns, stream.types), stream.types
            fetched: list[tuple[Any, ...]] = []
            while len(fetched) <= rows and (batch := stream.fetch(rows + 1 - len(fetched))):
                fetched += batch
        total: int | None = len(fetched)
        if len(fetched) > rows:
            fetched = fetched[:rows]
            if not of and time.perf_counter() - begun < COUNT_SECONDS / 2:
                every = self._sql(saved, {**params, "limit": str(ALL_ROWS)} if limited else params)
                total = self._count(f"SELECT count(*) FROM (\n{every}\n)")  # noqa: S608 -- a shipped query
            else:
                total = self._count(self.scope.scoped(of)) if of else None
        shown = {**params, "limit": str(rows)} if limited else dict(params)
        return Answer(
            columns, kinds, [self._row(columns, kinds, types, row) for row in fetched], total,
            self._statement(saved, shown, shipped=shipped),
            COUNTS_OF_ADDRESSES if self.hides_addresses else frozenset(),
        )  # fmt: skip

    def _stream(self, saved: SavedQuery, given: Mapping[str, str], seconds: float | None = None) -> RowStream:
        return self.session.stream(self._sql(saved, given), seconds=seconds)

    def _sql(self, saved: SavedQuery, given: Mapping[str, str]) -> str:
        return inline(self.scope.scoped(saved.sql), saved.bind(given))

    def _shown_sql(self, saved: SavedQuery, given: Mapping[str, str], redactor: "Redactor") -> str:
        """A statement whose values are replaced; all other text of it is this program's."""
        return inline(self.scope.scoped(saved.sql, shown=True), saved.bind(given), redactor.sql)

    def _count(self, sql: str) -> int | None:
        try:
            return int(self.session.execute(sql, seconds=COUNT_SECONDS).rows[0][0])
        except QueryTimeoutError:
            return None

    def _row(
        self, columns: Sequence[str], kinds: Sequence[Kind | None], types: Sequence[str], row: Sequence[Any]
    ) -> Fields:
        if self.redactor is None:
            return dict(zip(columns, row, strict=True))
        replaced = self.redactor.value
        return {
            name: replaced(kind, value, name, sql_type)
            for name, kind, sql_type, value in zip(columns, kinds, types, row, strict=True)
        }

    def _statement(self, saved: SavedQuery, given: Mapping[str, str], *, shipped: bool) -> Statement:
        sql = self._sql(saved, given) if self.redactor is None else self._shown_sql(saved, given, self.redactor)
        sql = "\n".join(map(printable, sql.split("\n")))
        session = printable(shlex.quote(self.name))
        short = shipped and not self.scope.text
        if short:
            words = "".join(f" -p {shlex.quote(f'{key}={value}')}" for key, value in given.items())
            command = f"rustnet query {session} {saved.name}{words}"
        else:
            command = f"rustnet query {session} --sql - <<'SQL'\n{sql}\nSQL"
        return Statement(sql, command, short)
