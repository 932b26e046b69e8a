"""Lists that screens show as tables: rows, and what each column holds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rustnet.query.views.scoped import scoped
from rustnet.query.views.spec import Statement, ViewSpec
from rustnet.records import Kind

if TYPE_CHECKING:
    from rustnet.query.session import Session

MOST_ROWS = 1000
"""Most rows of a list."""


@dataclass(frozen=True, slots=True)
class Field:
    """A column of a list; a `Kind.TIME` is in nanoseconds since 1970 UTC."""

    name: str
    kind: Kind | None = None

    @property
    def sql_type(self) -> str:
        """Type by which its values are shown."""
        return "TIMESTAMP_NS" if self.kind is Kind.TIME else ""


@dataclass(frozen=True, slots=True)
class Listing:
    """Rows of one table."""

    fields: tuple[Field, ...]
    rows: Sequence[Sequence[Any]]
    truncated: bool
    """There are more rows."""
    statement: Statement

    def value(self, row: Sequence[Any], name: str) -> Any:
        """Value of a row's column."""
        return next(value for value, field in zip(row, self.fields, strict=True) if field.name == name)


def listed(
    session: "Session", spec: ViewSpec, sql: str, fields: Sequence[Field], params: Mapping[str, object] | None = None
) -> Listing:
    """Ask a statement that ends in ``LIMIT $most``, over what ``spec`` leaves; its columns are ``fields``."""
    question = scoped(session, spec, sql, {**(params or {}), "most": MOST_ROWS + 1})
    rows = question.rows(session)
    return Listing(tuple(fields), rows[:MOST_ROWS], len(rows) > MOST_ROWS, question.statement)
