"""What a session contains, as results: its tables, their columns, and the saved queries that can be asked."""

import difflib
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rustnet.errors import UsageError
from rustnet.query import catalogue
from rustnet.query.execute import ResultSet, Row
from rustnet.store.meanings import about_table, kind_of, text_of
from rustnet.store.schema import VIEWS, quote_identifier
from rustnet.store.tables import FLOWS_ENDED, FLOWS_OPEN

if TYPE_CHECKING:
    from rustnet.query.session import Session


def list_tables(session: "Session", *, empty: bool = False) -> ResultSet:
    """Tables and views by name, with the numbers of rows (not of views, which are computed) and of columns."""
    begun = time.perf_counter()
    tables = {name: columns for name, columns in session.columns().items() if name not in (FLOWS_ENDED, FLOWS_OPEN)}
    counted = [name for name in tables if name == "flows" or name not in VIEWS]
    union = " UNION ALL ".join(
        f"SELECT {at} AS place, count(*) AS rows FROM {quote_identifier(name)}"  # noqa: S608 -- quoted
        for at, name in enumerate(counted)
    )
    rows = {counted[at]: count for at, count in session.execute(union).rows} if union else {}
    listed = [
        (name, rows.get(name), len(columns), about_table(name) or None)
        for name, columns in tables.items()
        if empty or rows.get(name) != 0
    ]
    return _result(
        ("table", "rows", "columns", "description"), ("VARCHAR", "BIGINT", "BIGINT", "VARCHAR"), listed, begun
    )


def describe_table(session: "Session", table: str) -> ResultSet:
    """Columns of a table or view: name, type, kind and meaning. Raises `UsageError` if there is no such table."""
    begun = time.perf_counter()
    tables = session.columns()
    if table not in tables:
        near = difflib.get_close_matches(str(table), tables, 1)
        hint = near[0] if near else "flows"
        raise UsageError("there is no table {table!r} in this session; there is {hint!r}", table=table, hint=hint)
    listed = []
    for column, sql_type in tables[table].items():
        kind = kind_of(table, column)
        listed.append((column, sql_type, None if kind is None else str(kind), text_of(table, column) or None))
    return _result(("column", "type", "kind", "description"), ("VARCHAR",) * 4, listed, begun)


def list_queries() -> ResultSet:
    """Saved queries, the user's own among them, with the parameters that each takes; of a broken one, what is wrong."""
    begun = time.perf_counter()
    broken: dict[str, catalogue.CatalogueError] = {}
    queries = catalogue.load(catalogue.own_folders(), broken).values()
    listed: list[Row] = [
        (query.name, query.subject, query.title, query.description, [_parameter(p) for p in query.parameters])
        for query in sorted(queries, key=lambda query: (_place(query.subject), query.name))
    ]
    listed += [(name, None, None, str(error), []) for name, error in sorted(broken.items())]
    columns = ("name", "subject", "title", "description", "parameters")
    return _result(columns, ("VARCHAR", "VARCHAR", "VARCHAR", "VARCHAR", "VARCHAR[]"), listed, begun)


def _place(subject: str | None) -> int:
    """Place of a subject in lists; queries without one come last."""
    return catalogue.SUBJECTS.index(subject) if subject in catalogue.SUBJECTS else len(catalogue.SUBJECTS)


def _parameter(parameter: catalogue.Parameter) -> str:
    default = "required" if parameter.required else "none" if parameter.default is None else parameter.default
    return f"{parameter.name}={default} ({parameter.type}): {parameter.help}"


def _result(columns: Sequence[str], types: Sequence[str], rows: list[Row], begun: float) -> ResultSet:
    return ResultSet(tuple(columns), tuple(types), rows, truncated=False, elapsed=time.perf_counter() - begun)
