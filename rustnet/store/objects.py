"""What a session may contain: base tables, and the views and the macro that this program makes, by name and text.

DuckDB resolves a name in the session before its own functions, so a macro or view in the file would run within the
statements of this program. Nothing of the file is a default here: the connection's default database is another one,
every function is named with its schema, and what they list is compared in Python.
"""

import threading
import typing
from collections.abc import Sequence
from dataclasses import dataclass

from rustnet.errors import SessionError
from rustnet.records import columns
from rustnet.store import schema
from rustnet.store.flows_at import FLOWS_AT_SQL
from rustnet.store.tables import CORE_TABLES

if typing.TYPE_CHECKING:
    import duckdb

    Connection = duckdb.DuckDBPyConnection

FLOWS_AT = "flows_at"
"""Name of the macro that a session has."""

PARAMETERS = ("t", "seconds")
"""Its parameters."""

LONGEST_NAME = 80
"""Characters of an object's name that a message shows."""

Shapes = dict[str, dict[str, tuple[str, bool]]]
"""Tables by name: their columns with type and whether they may be NULL."""

_WHERE = "WHERE database_name = '{database}'"
_OTHERS = f"""
SELECT 'schema', schema_name FROM system.main.duckdb_schemas() {_WHERE} AND schema_name <> 'main'
UNION ALL SELECT 'sequence', sequence_name FROM system.main.duckdb_sequences() {_WHERE}
UNION ALL SELECT 'index', index_name FROM system.main.duckdb_indexes() {_WHERE}
UNION ALL SELECT 'type', type_name FROM system.main.duckdb_types() {_WHERE} AND NOT internal
UNION ALL SELECT 'constraint of table', table_name FROM system.main.duckdb_constraints()
    {_WHERE} AND constraint_type <> 'NOT NULL'"""  # noqa: S608 - our own parts
_TRIGGERS = f"UNION ALL SELECT 'trigger', trigger_name FROM system.main.duckdb_triggers() {_WHERE}"  # noqa: S608
_VIEWS = f"SELECT view_name, sql FROM system.main.duckdb_views() {_WHERE}"  # noqa: S608
_MACROS = f"""
SELECT function_name, function_type, macro_definition, parameters FROM system.main.duckdb_functions()
{_WHERE}"""  # noqa: S608
_COLUMNS = f"""
SELECT table_name, column_name, data_type, is_nullable, column_default IS NOT NULL
FROM system.main.duckdb_columns() {_WHERE} AND schema_name = 'main'"""  # noqa: S608
_PRINTED = """
SELECT system.main.json_deserialize_sql(system.main.json_serialize_sql(text)) FROM (SELECT unnest(?) AS text)"""

_SPELLINGS = (
    ("CAST('f' AS BOOLEAN)", "false"),
    ("CAST('t' AS BOOLEAN)", "true"),
    ('main."row"(', '"row"('),
    ("main.list_value(", "list_value("),
)
"""What versions of DuckDB parse in different ways, for the same meaning."""

_Views = dict[str, str]
_Macro = tuple[str, str, str, Sequence[str]]


class ForeignObjectsError(SessionError):
    """A session has objects that this program does not make; nothing of them was run."""

    def __init__(self, template: str, objects: Sequence[str], **fields: object) -> None:
        super().__init__(template, **fields)
        self.objects = tuple(objects)
        """Every one of them, by type and name."""


@dataclass(frozen=True, slots=True)
class Contents:
    """What an attached session contains."""

    foreign: tuple[str, ...]
    """Objects that this program never makes, by type and name."""
    differing: tuple[str, ...]
    """Views and macro of our names with another text: another version's, or somebody else's."""
    shapes: Shapes
    """Base tables; empty if `foreign` is not."""


def read_contents(con: "Connection", database: str) -> Contents:
    """List what the attached ``database`` contains, without running any of it."""
    macros: list[_Macro] = []
    listing = threading.Thread(target=_list_macros, args=(con.cursor(), database, macros), name="rustnet-macros")
    listing.start()  # the list of all functions takes as long as everything else together
    try:
        views = dict(con.execute(_VIEWS.format(database=database)).fetchall())
        others = _list_others(con, database)
        printed = _printed_texts(con)
    finally:
        listing.join()
    foreign = [described(kind, name) for kind, name in others]
    foreign += [described("view", name) for name in sorted(views) if name not in schema.VIEWS]
    foreign += [described("macro", name) for name, kind, *_ in macros if (name, kind) != (FLOWS_AT, "table_macro")]
    stored = {name: _query_of(name, views.get(name, "")) for name in schema.VIEWS}
    stored[FLOWS_AT] = _body_of(macros)
    kinds = {FLOWS_AT: "macro"}
    differing = [
        described(kinds.get(name, "view"), name)
        for name, text in stored.items()
        if text != printed[name] and not _same(con, text, printed[name])
    ]
    if foreign:
        return Contents(tuple(foreign), tuple(differing), {})
    shapes, computed = _read_shapes(con, database, views)
    foreign = [described("expression of column", name) for name in computed]
    foreign += [described("table", name) for name in schema.VIEWS if name in shapes]
    return Contents(tuple(foreign), tuple(differing), shapes)


def described(kind: str, name: str) -> str:
    """An object's type and name, in one line that is safe to print."""
    shown = name if len(name) <= LONGEST_NAME else name[:LONGEST_NAME] + "…"
    return f"{kind} {shown!r}"


def _list_macros(cursor: "Connection", database: str, macros: list[_Macro]) -> None:
    with cursor:
        macros += cursor.execute(_MACROS.format(database=database)).fetchall()


def _list_others(con: "Connection", database: str) -> list[tuple[str, str]]:
    import duckdb  # noqa: PLC0415 -- costs 40 ms, which `rustnet --help` must not pay

    try:
        return con.execute((_OTHERS + _TRIGGERS).format(database=database)).fetchall()
    except duckdb.CatalogException:  # triggers are new in DuckDB 2.0
        return con.execute(_OTHERS.format(database=database)).fetchall()


def _printed_texts(con: "Connection") -> dict[str, str]:
    """The texts of our views and macro as this DuckDB prints them."""
    queries = [sql.partition(" AS\n")[2] for sql, _ in schema.VIEWS.values()]
    queries.append(FLOWS_AT_SQL.partition(" AS TABLE\n")[2])
    texts = [str(text) for (text,) in con.execute(_PRINTED, [queries]).fetchall()]
    return dict(zip((*schema.VIEWS, FLOWS_AT), texts, strict=True))


def _query_of(name: str, sql: str) -> str:
    """The query of a view without names for its columns, or nothing."""
    head = f"CREATE VIEW {name} AS "
    return sql[len(head) : -1] if sql.startswith(head) and sql.endswith(";") else ""


def _body_of(macros: Sequence[_Macro]) -> str:
    """The query of the macro `FLOWS_AT`, or nothing if it has several forms or other parameters."""
    bodies = [text for name, _, text, parameters in macros if name == FLOWS_AT and tuple(parameters) == PARAMETERS]
    return bodies[0] if len(bodies) == 1 else ""


def _same(con: "Connection", stored: str, printed: str) -> bool:
    """Whether two texts are parsed alike: a session may have been written with another version of DuckDB."""
    import duckdb  # noqa: PLC0415

    try:
        one, other = (str(text) for (text,) in con.execute(_PRINTED, [[stored, printed]]).fetchall())
    except duckdb.Error:  # not a query
        return False
    for spelling, usual in _SPELLINGS:
        one, other = one.replace(spelling, usual), other.replace(spelling, usual)
    return one == other


def _read_shapes(con: "Connection", database: str, views: _Views) -> tuple[Shapes, list[str]]:
    """Base tables with their columns, and the columns that have a default or are computed."""
    shapes: Shapes = {}
    computed = []
    for table, column, sql_type, nullable, expression in con.execute(_COLUMNS.format(database=database)).fetchall():
        if table not in views:
            shapes.setdefault(table, {})[column] = sql_type, nullable
            if expression:
                computed.append(f"{table}.{column}")
    return shapes, computed


def core_shapes() -> Shapes:
    """Base tables that every session has."""
    shapes: Shapes = {"meta": {"key": ("VARCHAR", False), "value": ("VARCHAR", True)}}
    for cls in CORE_TABLES:
        for name in schema.base_tables(cls):
            shapes[name] = {column.name: (column.sql_type, column.nullable) for column in columns(cls)}
    return shapes


def missing_columns(shapes: Shapes) -> list[str]:
    """Core tables and columns that a session lacks, as ``table`` or ``table.column``."""
    missing = []
    for table, expected in core_shapes().items():
        present = shapes.get(table, {})
        missing += [f"{table}.{column}" for column in expected if column not in present] if present else [table]
    return missing


def wrong_columns(shapes: Shapes) -> list[str]:
    """Columns of core tables that have another type, or that refuse values which this program leaves out."""
    wrong = []
    for table, expected in core_shapes().items():
        for column, (sql_type, nullable) in shapes.get(table, {}).items():
            own_type, own_nullable = expected.get(column, (sql_type, True))
            if sql_type != own_type or (own_nullable and not nullable):
                wrong.append(described("column", f"{table}.{column}"))
    return wrong


def required_columns(shapes: Shapes, tables: Sequence[str]) -> list[str]:
    """Columns of protocols' ``tables`` that refuse NULL: this program lets all of them be NULL."""
    return [
        described("column", f"{table}.{column}")
        for table in tables
        for column, (_, nullable) in shapes.get(table, {}).items()
        if not nullable
    ]
