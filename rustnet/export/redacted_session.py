"""Writes a new session of another one, as it is or with every value replaced by its kind.

All commands, the browser and notebooks read it like any other. What the program does not know, it does not copy.
"""

import functools
import typing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from rustnet import __version__
from rustnet.i18n import _, ngettext
from rustnet.policy.redaction import Method, Redactor
from rustnet.query.execute import Caller
from rustnet.query.redaction_mark import KEY, POLICY, VERSION, fingerprint, redaction_of
from rustnet.query.session import FileSession, Session
from rustnet.records import Column, Kind, columns, table_name
from rustnet.store.meanings import FACT_COLUMNS, protocol_tables
from rustnet.store.redacted import JOINED
from rustnet.store.redacted_copy import CopiedColumn, Count, SessionCopy
from rustnet.store.redacted_facts import by_fact, replaced_fact
from rustnet.store.schema import INPUT, VIEWS, all_tables, base_tables, quote_identifier
from rustnet.store.session import explained
from rustnet.store.tables import FLOWS_ENDED, FLOWS_OPEN

if typing.TYPE_CHECKING:
    from rustnet.export.folder import ExportFolder

FILE = "session.duckdb"
"""Name of the session within an export."""
TEMPORARY = ".session.duckdb"
"""Its name while other formats are made of it, where it is not part of the export."""
OWN_TABLES = ("meta", "migrations")
"""Tables about a file itself, which each file has of its own."""
REFERRED = ("flows", "processes", "captures")
"""Tables that others refer to: of a session that is being written, they are read last."""
ADDRESSES = "addresses"
"""The table with one row for each address: where addresses are hidden, its rows would say nothing."""

EVIDENCE = "evidence"
"""Name of columns with a file and the number of a line in it."""
WHOLE = "packets"
"""The largest table, which has no values to replace under most policies: it is copied while others are replaced."""

Progress = Callable[[float, str], None]
"""Gets the share of the work that is done, and the table at hand."""


@dataclass(frozen=True, slots=True)
class Done:
    """What was done to a column."""

    table: str
    column: str
    kind: Kind
    method: Method | None
    """None: copied, by a copy without redaction."""
    count: Count


@dataclass(slots=True)
class Copied:
    """What a copy consists of, and what it lacks."""

    columns: list[Done] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    """Tables, and columns as `table.column`, that this program does not know."""
    hidden: list[str] = field(default_factory=list)
    """Tables about addresses that were left out because the policy hides addresses."""

    def remarks(self) -> list[str]:
        """Sentences on what was not copied."""
        hidden = _("table {table} was left out: without addresses it says nothing")
        remarks = [hidden.format(table=table) for table in self.hidden]
        if not self.left_out:
            return remarks
        words = ngettext(
            "{n} table or column was left out, since this program does not know it",
            "{n} tables or columns were left out, since this program does not know them",
            len(self.left_out),
        )
        return [*remarks, words.format(n=len(self.left_out))]


@dataclass(frozen=True, slots=True)
class _Table:
    """A table of the session that is copied."""

    name: str
    """Name of the record's table, by which policies name it."""
    source: str
    """Table, or view, that is read."""
    columns: tuple[Column, ...]


def write(session: Session, folder: "ExportFolder") -> list[str]:
    """Write a session as it is."""
    return copy(session, folder.new(FILE), None).remarks()


def copy(session: Session, path: Path, redactor: Redactor | None, progress: Progress | None = None) -> Copied:
    """Write a session to the new file ``path``, with values replaced by ``redactor``.

    Raises `SessionError` or `QueryFailedError` if that is not possible; the file is then incomplete.
    """
    with ThreadPoolExecutor(1, "rustnet-copy") as pool:
        source = Path(session.path) if isinstance(session, FileSession) else None
        with SessionCopy(path, source) as target:
            call = Caller(pool, target.interrupt, None)
            work = _Work(session, target, source is not None, redactor, progress)
            with explained(Path(path.name)):
                return call(work.run)


class _Work:
    """The copy of one session."""

    def __init__(
        self,
        session: Session,
        target: SessionCopy,
        attached: bool,
        redactor: Redactor | None,
        progress: Progress | None,
    ) -> None:
        self.session = session
        self.target = target
        self.attached = attached
        self.redactor = redactor
        self.progress = progress
        self.present = session.columns()
        self.copied = Copied()

    def run(self) -> Copied:
        """Copy all tables."""
        tables = list(self._tables())
        if not self.attached:
            tables.sort(key=lambda table: REFERRED.index(table.name) if table.name in REFERRED else -1)
        self._note_unknown({table.source for table in tables})
        with ThreadPoolExecutor(1, "rustnet-copy-2") as second:
            whole = [second.submit(self._copy, table) for table in tables if self._is_whole(table)]
            for number, table in enumerate(tables):
                if self.progress is not None:
                    self.progress(number / len(tables), table.name)
                if not self._is_whole(table):
                    self._copy(table)
            for copied in whole:
                copied.result()
        self._set_properties()
        self.target.finish()
        return self.copied

    def _is_whole(self, table: _Table) -> bool:
        """Whether a table is copied as it is, on a thread of its own."""
        return (
            self.attached
            and table.name == WHOLE
            and not any(plan.replace or plan.absent for plan in (self._plan(table, column) for column in table.columns))
        )

    def _tables(self) -> Iterator[_Table]:
        """Tables of the session that this program knows, with their columns of the same type."""
        for cls, leading in all_tables(protocol_tables()):
            name = table_name(cls)
            if name == ADDRESSES and self._hides_addresses():
                self.copied.hidden.append(name)
                continue
            every = (*leading, *columns(cls))
            sources = base_tables(cls) if self.attached else (name,)
            for source in sources:
                present = self.present.get(source)
                if present is not None:
                    known = tuple(column for column in every if present.get(column.name) == column.sql_type)
                    yield _Table(name, source, known)

    def _hides_addresses(self) -> bool:
        return self.redactor is not None and self.redactor.method(Kind.ADDRESS, "ip", ADDRESSES) is Method.HIDE

    def _note_unknown(self, known: set[str]) -> None:
        """Remember the names of what is not copied."""
        own = {*OWN_TABLES, *VIEWS, FLOWS_ENDED, FLOWS_OPEN, *self.copied.hidden} - known
        for table, names in self.present.items():
            if table in own:
                continue
            kept = self.target.columns(FLOWS_ENDED if table == "flows" else table)
            if table not in known:
                self.copied.left_out.append(table)
            else:
                self.copied.left_out += [
                    f"{table}.{name}" for name, sql_type in names.items() if kept.get(name, ("",))[0] != sql_type
                ]

    def _copy(self, table: _Table) -> None:
        plans = [self._plan(table, column) for column in table.columns]
        if self.attached:
            copy = self.target.copy_whole if self._is_whole(table) else self.target.copy
            counts = copy(f"source.main.{quote_identifier(table.source)}", table.source, plans)
        else:
            names = ", ".join(quote_identifier(plan.name) for plan in plans)
            with self.session.stream(f"SELECT {names} FROM {quote_identifier(table.source)}") as rows:  # noqa: S608
                staged = self.target.stage({plan.name: plan.sql_type for plan in plans}, rows.batches())
            if table.name == "flows":
                counts = self.target.copy(staged, FLOWS_ENDED, plans, "end_reason <> 'open'")
                counts = _sums(counts, self.target.copy(staged, FLOWS_OPEN, plans, "end_reason = 'open'"))
            else:
                counts = self.target.copy(staged, table.source, plans)
        for column in table.columns:
            method = None if self.redactor is None else self.redactor.method(column.kind, column.name, table.name)
            self.copied.columns.append(Done(table.name, column.name, column.kind, method, counts[column.name]))

    def _plan(self, table: _Table, column: Column) -> CopiedColumn:
        """What becomes of a column."""
        name, sql_type = column.name, column.sql_type
        place = FLOWS_ENDED if table.name == "flows" else table.name
        required = not self.target.columns(place)[name][1]
        redactor = self.redactor
        if redactor is None or redactor.stays(column.kind, name, sql_type, table.name):
            return CopiedColumn(name, sql_type, required)
        if sql_type == "TIMESTAMP_NS" and redactor.method(column.kind, name, table.name) is Method.SHIFT:
            return CopiedColumn(name, sql_type, required, shift_ns=redactor.moments.span_ns)
        if not required and column.kind in JOINED and redactor.method(column.kind, name, table.name) is Method.HIDE:
            return CopiedColumn(name, sql_type, absent=True)
        if by_fact(redactor, table.name, name):
            return CopiedColumn(name, sql_type, required, functools.partial(_facts, redactor), by=FACT_COLUMNS)
        method = redactor.method(column.kind, name, table.name)
        lines = name == EVIDENCE and sql_type == "VARCHAR" and method is Method.PATH
        replace = functools.partial(redactor.many, column.kind, name=name, sql_type=sql_type, table=table.name)
        return CopiedColumn(name, sql_type, required, replace, lines=lines)

    def _set_properties(self) -> None:
        """Mark the new session as redacted, also if the one that was given is."""
        before = redaction_of(self.session)
        if self.redactor is None:
            for key, value in self.session.execute_own("SELECT key, value FROM meta").rows:
                if key.startswith(INPUT) or key in (POLICY, VERSION, KEY):
                    self.target.set_property(key, value)
            return
        policies = self.redactor.policy.name
        self.target.set_property(POLICY, f"{before.policy}, {policies}" if before else policies)
        self.target.set_property(VERSION, __version__)
        self.target.set_property(KEY, fingerprint(self.redactor))


def _facts(redactor: Redactor, facts: Sequence[tuple[str, str, str]]) -> list[str | None]:
    """Replacements of what hosts disclose."""
    return [replaced_fact(redactor, *fact) for fact in facts]


def _sums(first: dict[str, Count], second: dict[str, Count]) -> dict[str, Count]:
    """Counts of two parts of a table together; values in both count twice."""
    return {
        name: Count(
            count.cells + second[name].cells,
            None if count.distinct is None else count.distinct + (second[name].distinct or 0),
        )
        for name, count in first.items()
    }
