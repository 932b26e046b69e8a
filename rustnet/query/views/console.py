"""The SQL screen: run a statement, complete names, take over saved queries and save new ones."""

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from rustnet.errors import RustnetError, UsageError
from rustnet.query import catalogue
from rustnet.query.contents import list_tables
from rustnet.query.execute import ResultSet
from rustnet.query.session import Session
from rustnet.query.views.spec import Statement

MOST_ROWS = 10_000
"""Rows of a result that are kept."""
SECONDS = 60.0
"""Time limit of a statement."""
MOST_COMPLETIONS = 50

KEYWORDS = (
    "SELECT", "FROM", "WHERE", "GROUP", "ORDER", "BY", "HAVING", "LIMIT", "JOIN", "LEFT", "USING", "WITH", "UNION",
    "ALL", "DISTINCT", "BETWEEN", "LIKE", "ILIKE", "NULL", "COUNT", "SUM", "AVG", "MIN", "MAX", "MEDIAN", "QUANTILE",
    "FILTER", "OVER", "PARTITION", "CASE", "WHEN", "THEN", "ELSE", "END", "DESC", "ASC", "NULLS", "LAST", "COALESCE",
    "APPROX_COUNT_DISTINCT", "TIME_BUCKET", "EPOCH_NS", "MAKE_TIMESTAMP_NS", "INTERVAL", "REGEXP_MATCHES",
)  # fmt: skip
_WORD = re.compile(r"([A-Za-z_][\w.-]*)\Z")
_TABLE = re.compile(r"\b(?:from|join)\s+([A-Za-z_]\w*)(?:\s+(?:as\s+)?([A-Za-z_]\w*))?", re.IGNORECASE)
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_AT = re.compile(r"\$at\b")


@dataclass(frozen=True, slots=True)
class Names:
    """Names that complete a statement."""

    tables: dict[str, tuple[str, ...]]
    """Columns by table or view."""
    queries: dict[str, str]
    """Titles of the saved queries by name."""


@dataclass(frozen=True, slots=True)
class Completion:
    """One way to go on."""

    text: str
    """The whole word."""
    rest: str
    """What it adds to what has been typed."""
    about: str = ""
    """What it is: a table, a column, a saved query's title; empty for a word of SQL."""


def run_statement(session: Session, text: str, at: int | None = None) -> ResultSet:
    """Run a user's statement: at most `MOST_ROWS` rows, at most `SECONDS`.

    ``$at`` in it is the packet time that is shown, in nanoseconds since 1970 UTC.
    """
    params = {"at": at} if _AT.search(text) else {}
    return session.sql(text.strip().rstrip(";"), params, limit=MOST_ROWS, seconds=SECONDS)


def names(session: Session, folders: tuple[Path, ...] = ()) -> Names:
    """Names of tables, columns and saved queries; tables without rows come last."""
    columns = session.columns()
    filled = [row[0] for row in list_tables(session).rows]
    tables = {table: tuple(columns[table]) for table in (*filled, *(t for t in columns if t not in filled))}
    queries = catalogue.load(folders, {})
    return Names(tables, {name: query.title for name, query in queries.items()})


def completions(text: str, known: Names) -> list[Completion]:
    """Ways to go on with the last word of ``text``: columns of its tables first, then tables, queries and SQL.

    After ``.`` these are the columns of the table or alias before it.
    """
    match = _WORD.search(text)
    if match is None:
        return []
    word = match[1]
    aliases = {}
    for table, alias in _TABLE.findall(text):
        aliases[table.lower()] = table
        if alias:
            aliases[alias.lower()] = table
    before, dot, last = word.rpartition(".")
    if dot:
        columns = known.tables.get(aliases.get(before.lower(), before), ())
        return _starting(last, ((name, "column") for name in columns), word_length=len(last))
    used = [name for table in dict.fromkeys(aliases.values()) for name in known.tables.get(table, ())]
    candidates = [
        *((name, "column") for name in dict.fromkeys(used)),
        *((name, "table") for name in known.tables),
        *known.queries.items(),
        *((name, "") for name in KEYWORDS),
    ]
    return _starting(word, candidates, word_length=len(word))


def _starting(word: str, candidates: Iterable[tuple[str, str]], word_length: int) -> list[Completion]:
    found: dict[str, Completion] = {}
    lower = word.lower()
    for name, about in candidates:
        if name.lower().startswith(lower) and len(name) > word_length and name not in found:
            rest = name[word_length:]
            found[name] = Completion(name, rest.lower() if word.islower() and not about else rest, about)
            if len(found) >= MOST_COMPLETIONS:
                break
    return list(found.values())


def saved_statement(name: str, folders: tuple[Path, ...] = ()) -> Statement:
    """SQL of a saved query with the default values of its parameters. Raises `RustnetError`."""
    query = catalogue.find(name, folders)
    given = {p.name: "" for p in query.parameters if p.required}
    bound = query.bind(given) if not given else {p.name: None for p in query.parameters}
    return Statement(query.sql, bound)


def save_query(folder: Path, name: str, title: str, sql: str) -> Path:
    """Save a statement as a query of the user's own; returns its file. Raises `UsageError` or `RustnetError`."""
    if not _NAME.fullmatch(name):
        raise UsageError("{name!r}: a query's name has small letters, digits, - and _ only", name=name[:80])
    title = " ".join(title.split()) or name
    path = folder / f"{name}.sql"
    text = f"-- title: {title[:200]}\n-- description: A statement of the browser.\n{sql.strip().rstrip(';')}\n"
    catalogue.read(name, text)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        raise UsageError("{path}: there is a query of this name already; choose another one", path=path) from None
    except OSError as error:
        raise RustnetError("{path}: cannot be written: {reason}", path=path, reason=error.strerror) from None
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
    return path
