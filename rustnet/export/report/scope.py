"""Statements over what a report is about: the flows of its filter and time, and all that belongs to these flows.

A statement is written over `flows`, `packets`, `dns` … as any other. `scoped` puts parts of a WITH in front of it, in
which these names mean what is left of them; without filter and time nothing is added. `inline` writes the values of its
parameters into it, so that what is run is what readers can copy.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

from rustnet.policy.redaction import REDACTED
from rustnet.query.compile import compile_filter
from rustnet.store.schema import quote_identifier

if TYPE_CHECKING:
    from rustnet.policy.redaction import Redactor
    from rustnet.query.session import Session

_HEAD = re.compile(r"(?:\s*--[^\n]*\n)*\s*(WITH\s+(?:RECURSIVE\s+)?)?", re.IGNORECASE)
_READ = re.compile(r"(?:\b(?:from|join)\s+|,\s*)\"?([a-z_][a-z0-9_]*)\"?", re.IGNORECASE)
"""Names that a statement may read."""
_DEFINED = re.compile(r"\b([a-z_]\w*)(?:\([^()]*\))?\s+AS\s+(?:NOT\s+)?(?:MATERIALIZED\s+)?\(", re.IGNORECASE)
"""Names that a statement gives to parts of itself."""
_PARTS = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|--[^\n]*|\$([a-z_][a-z0-9_]*)", re.IGNORECASE)
_LARGEST = 2**127 - 1
"""Largest number that SQL takes as it is."""
_OF_HOSTS = "SELECT src_ip FROM flows UNION SELECT dst_ip FROM flows"
_OF_CARDS = "SELECT src_mac FROM flows UNION SELECT dst_mac FROM flows"
_STORED = ("flows_ended", "flows_open")
"""Tables of the view `flows`."""


def literal(value: object) -> str:
    """A value as SQL."""
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value) if abs(value) <= _LARGEST else f"CAST('{value}' AS UHUGEINT)"
    if isinstance(value, float | Decimal):
        return repr(value) if isinstance(value, float) else str(value)
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(literal, value))}]"
    if isinstance(value, str):
        quoted = "'" + value.replace("'", "''") + "'"
        return "(" + quoted.replace("\n", "' || chr(10) || '") + ")" if "\n" in value else quoted
    raise TypeError(f"no literal of {type(value).__name__}")


def inline(sql: str, params: Mapping[str, object], shown: Callable[[str], str] = str) -> str:
    """Write the values of ``$name`` into a statement, each as ``shown`` makes of it."""
    return _PARTS.sub(lambda match: shown(literal(params[match[1]])) if match[1] else match[0], sql)


class Scope:
    """What a report is about, as parts of statements, which are asked with originals and shown with replacements."""

    def __init__(self, session: "Session", text: str, redactor: "Redactor | None" = None) -> None:
        self.text = text.strip()
        condition = compile_filter(self.text, session.scope())
        values = [literal(value) for value in condition.params]
        self._where = self._shown_where = _filled(condition.sql, values)
        if redactor is not None:
            self._shown_where = _filled(condition.sql, [redactor.sql(value) for value in values])
            if hides_numbers(redactor):
                self._shown_where = f"true /* {REDACTED} */"
        columns = session.columns()
        self._views = _views()
        self._of_flows = {
            name for name, has in columns.items()
            if "flow_id" in has and name not in ("flows", *_STORED) and name not in self._views
        }  # fmt: skip

    def scoped(self, sql: str, *, shown: bool = False) -> str:
        """Restrict a statement to what is left; ``shown``: as it may be shown."""
        if not self.text:
            return sql
        wanted = self._wanted(sql) - {name.lower() for name in _DEFINED.findall(sql)}
        parts = []
        if wanted:
            where = self._shown_where if shown else self._where
            parts.append(f"flows AS (SELECT * FROM main.flows WHERE {where})")  # noqa: S608 -- literals
        chosen = "rowid, *" if "rowid" in sql else "*"  # which a part of a WITH has only if it is named
        for name in sorted(wanted - {"flows"} - self._views.keys()):
            table = quote_identifier(name)
            parts.append(f"{table} AS (SELECT {chosen} FROM main.{table} WHERE {_left(name)})")  # noqa: S608 -- our tables
        parts += [f"{name} AS ({body})" for name, body in self._views.items() if name in wanted]
        if not parts:
            return sql
        match = _HEAD.match(sql)
        begin, word = (match.end(), match[1]) if match else (0, None)
        return (word or "WITH ").strip() + " " + ",\n".join(parts) + (",\n" if word else "\n") + sql[begin:].strip()

    def _wanted(self, sql: str) -> set[str]:
        """Tables and views of flows that a statement reads, and those that the views read."""
        known = {"flows", "names", "host_facts", "addresses", *self._of_flows, *self._views}
        wanted: set[str] = set()
        texts = [sql]
        while texts:
            read = {name.lower() for name in _READ.findall(texts.pop())} & known
            texts += [self._views[name] for name in read - wanted if name in self._views]
            wanted |= read
        return wanted | {"flows"} if wanted else wanted


def _filled(sql: str, values: Sequence[str]) -> str:
    """A condition with literals in the places of its parameters."""
    pieces = sql.split("?")
    return "".join(f"{piece}{value}" for piece, value in zip(pieces, values, strict=False)) + pieces[-1]


def hides_numbers(redactor: "Redactor") -> bool:
    """Whether a redactor replaces numbers that a filter may hold: times, ports, times to live."""
    numbers = redactor.policy.numbers
    return bool(redactor.moments.span_ns or numbers.ports or numbers.ttl)


def _left(table: str) -> str:
    """Condition of the rows of a table that belong to the flows that are left."""
    if table in ("names", "addresses"):
        return f"ip IN ({_OF_HOSTS})"
    if table == "host_facts":  # facts of a host may come from other flows than its own
        return f"(ip IN ({_OF_HOSTS}) OR ip IS NULL AND mac IN ({_OF_CARDS}))"
    return "flow_id IN (SELECT flow_id FROM flows)"


def _views() -> dict[str, str]:
    """Statements of the views over flows, which a WITH does not reach into, each after those that it reads."""
    from rustnet.store.hosts_view import HOSTS_SQL  # noqa: PLC0415 -- only with a filter
    from rustnet.store.schema import ACTIVITY_SQL, CONNECTIONS_SQL, TALKERS_SQL  # noqa: PLC0415

    texts = {"connections": CONNECTIONS_SQL, "activity": ACTIVITY_SQL, "talkers": TALKERS_SQL, "hosts": HOSTS_SQL}
    return {name: text.partition(" AS\n")[2].strip() for name, text in texts.items()}
