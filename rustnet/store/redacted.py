"""A session as it may be shown: its tables and views with every value replaced by its kind.

The tables are views over those of the session's file that replace the values of each column as they are read. Whatever
a statement works out of them, under whichever name, is of replacements, and its conditions are about replacements too.
"""

import functools
import os
import re
import threading
import typing
from collections.abc import Callable
from typing import Any

from rustnet.policy.redaction import REDACTED, Method, Redactor
from rustnet.records import Kind
from rustnet.store import schema
from rustnet.store.flows_at import FLOWS_AT_SQL
from rustnet.store.meanings import FACT_COLUMNS, kind_of
from rustnet.store.redacted_facts import by_fact, replaced_fact
from rustnet.store.schema import quote_identifier, quote_literal
from rustnet.store.session import ATTACHED, close, open_readonly, session_cursor

if typing.TYPE_CHECKING:
    import duckdb

CATALOG = "memory"
"""Database in which the views are."""
KNOWN = 50_000
"""Most values of one kind whose replacements are kept."""
LONGEST_KNOWN = 512
"""Most characters of a value that is kept."""

_NUMBERED = "numbered"
"""Schema of views with the numbers of rows (`rowid`), which a view does not have by itself."""
_ORDERED = ("neighbour_changes", "socket_changes")
"""Tables of which other views need them."""
JOINED = (Kind.ADDRESS, Kind.ADDRESS_NUMBER, Kind.MAC)
"""Kinds whose hidden values are missing: views join tables by them, and one word for all would join everything."""
_NUMBERS = ("BIGINT", "UBIGINT", "INTEGER", "UINTEGER", "SMALLINT", "USMALLINT", "TINYINT", "UTINYINT")
_TYPES = ("VARCHAR", "VARCHAR[]", "UHUGEINT", *_NUMBERS)
"""Types that functions replace."""
_PLAIN_TYPES = ("BOOLEAN", "DOUBLE", "FLOAT", *_NUMBERS)
"""Types of which values of no known kind stay."""
_LEAST, _MOST = -(1 << 63) + 1, (1 << 63) - 1


class RedactedTables:
    """Connection to a finished session with replaced values. The caller closes it."""

    def __init__(
        self, path: "str | os.PathLike[str]", redactor: Redactor, *, threads: int | None, memory_limit: str
    ) -> None:
        self.con = open_readonly(path, threads=threads, memory_limit=memory_limit)
        self._lock = threading.Lock()
        self._numbered = set(_ORDERED)
        try:
            every = schema.existing_columns(self.con)
            self._tables = {name: existing for name, existing in every.items() if name not in schema.VIEWS}
            self._views = _Views(self.con, redactor)
            self._create()
        except BaseException:
            self.close()
            raise

    def _create(self) -> None:
        self.con.execute(f"USE {CATALOG}")
        statements = [self._views.view(table, existing) for table, existing in self._tables.items()]
        statements.append(f"CREATE SCHEMA {_NUMBERED}")
        statements += [self._views.view(table, self._tables[table], numbered=True) for table in _ORDERED]
        numbered = re.compile(rf"\b({'|'.join(_ORDERED)})\b")
        statements += [numbered.sub(rf"{_NUMBERED}.\1", sql) for sql, _ in schema.VIEWS.values()]
        statements.append(FLOWS_AT_SQL)
        self.con.execute(";\n".join(statements))

    def cursor(self) -> "duckdb.DuckDBPyConnection":
        """Return another connection to the replaced tables."""
        cursor = self.con.cursor()
        cursor.execute(f"USE {CATALOG}")
        return cursor

    def numbered_cursor(self) -> "duckdb.DuckDBPyConnection":
        """Return another connection to the replaced tables, which have the numbers of their rows there."""
        with self._lock:
            missing = [name for name in self._tables if name not in self._numbered]
            if missing:
                views = [self._views.view(name, self._tables[name], numbered=True) for name in missing]
                self.con.execute(";\n".join(views))
                self._numbered.update(missing)
        cursor = self.con.cursor()
        cursor.execute(f"SET search_path = '{CATALOG}.{_NUMBERED},{CATALOG}.main'")
        return cursor

    def original_cursor(self) -> "duckdb.DuckDBPyConnection":
        """Return another connection to the session's own tables."""
        return session_cursor(self.con)

    def close(self) -> None:
        """Close the session."""
        close(self.con)


class _Views:
    """Writes views that replace the values of tables, and registers the functions that they need."""

    def __init__(self, con: "duckdb.DuckDBPyConnection", redactor: Redactor) -> None:
        self._con = con
        self._redactor = redactor
        self._functions: dict[tuple[Kind | None, Method, str], str] = {}
        self._facts = ""

    def view(self, table: str, existing: dict[str, str], *, numbered: bool = False) -> str:
        """Statement of the view of a table with columns of some types."""
        shown = ", ".join(
            f"{self._expression(table, column, sql_type)} AS {quote_identifier(column)}"
            for column, sql_type in existing.items()
        )
        name = quote_identifier(table)
        if numbered:
            shown += ", rowid AS rowid"
        view = f"{_NUMBERED}.{name}" if numbered else name
        # The keys of inputs contain their paths.
        rows = f" WHERE NOT starts_with(key, {quote_literal(schema.INPUT)})" if table == "meta" else ""
        return f"CREATE VIEW {view} AS SELECT {shown} FROM {ATTACHED}.main.{name}{rows}"  # noqa: S608 -- quoted

    def _expression(self, table: str, column: str, sql_type: str) -> str:
        """SQL of a column's replaced values; those of a type that has no replacements are missing."""
        kind, name = kind_of(table, column), quote_identifier(column)
        if by_fact(self._redactor, table, column):
            return f"{self._fact_function()}({', '.join(map(quote_identifier, (column, *FACT_COLUMNS)))})"
        method = self._redactor.method(kind, column, table)
        plain = kind is None and sql_type in _PLAIN_TYPES
        if plain or self._redactor.stays(kind, column, sql_type, table):
            return name
        return self._replaced(name, kind, method, sql_type)

    def _replaced(self, name: str, kind: Kind | None, method: Method, sql_type: str) -> str:
        """SQL of the replaced values of a column that does not stay."""
        text = sql_type in ("VARCHAR", "VARCHAR[]")
        if method is Method.SHIFT and sql_type == "TIMESTAMP_NS":
            return _shifted(name, self._redactor.moments.span_ns)
        if sql_type not in _TYPES or (method is Method.HIDE and (not text or kind in JOINED)):
            return f"CAST(NULL AS {sql_type})"
        if method is Method.HIDE and sql_type == "VARCHAR":
            return f"CASE WHEN {name} = '' THEN {name} WHEN {name} IS NOT NULL THEN {quote_literal(REDACTED)} END"
        return f"{self._function(kind, method, sql_type)}({name})"

    def _fact_function(self) -> str:
        """Name of the function that replaces what hosts disclose, from the value, the fact and its source."""
        if not self._facts:
            known = functools.lru_cache(KNOWN)(functools.partial(replaced_fact, self._redactor))

            def replace(value: str, fact: str, source: str) -> str | None:
                return known(value, fact, source)

            self._facts = "redacted_fact"
            self._con.create_function(self._facts, replace, ["VARCHAR", "VARCHAR", "VARCHAR"], "VARCHAR")
        return self._facts

    def _function(self, kind: Kind | None, method: Method, sql_type: str) -> str:
        name = self._functions.get((kind, method, sql_type))
        if name is None:
            name = self._functions[kind, method, sql_type] = f"redacted_{len(self._functions)}"
            replace = _remembering(self._redactor.replacer(kind, method, sql_type.removesuffix("[]")))
            function = _each(replace) if sql_type.endswith("[]") else replace
            self._con.create_function(name, function, [sql_type], sql_type)
        return name


def _shifted(name: str, span_ns: int) -> str:
    moved = f"greatest(least(epoch_ns({name})::HUGEINT + {span_ns}, {_MOST}), {_LEAST})::BIGINT"
    return f"CASE WHEN epoch_ns({name}) <> 0 THEN make_timestamp_ns({moved}) ELSE {name} END"


def _remembering(replace: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Keep the last replacements: the same values come again and again."""
    known: dict[Any, Any] = {}

    def replaced(value: Any) -> Any:
        result = known.get(value)
        if result is None:
            result = replace(value)
            if len(known) >= KNOWN:
                known.clear()
            if not isinstance(value, str) or len(value) <= LONGEST_KNOWN:
                known[value] = result
        return result

    return replaced


def _each(replace: Callable[[Any], Any]) -> Callable[[list[Any]], list[Any]]:
    return lambda values: [None if value is None else replace(value) for value in values]
