"""The functions that a reader's statement may call in the process that writes the session.

DuckDB lists the functions of a statement as JSON. Those that change the instance, which is the writer's, are refused,
and so are those whose result may be far larger than what they are given: DuckDB allocates it at once, outside its
memory limit, and looks for no interrupt meanwhile. They are possible where sizes are small constants, and in a session
that is finished, whose reader has a process of its own.
"""

import json
import re
import typing

from rustnet.query.execute import EXPLAIN, QueryError, check_reading

if typing.TYPE_CHECKING:
    import duckdb

    Connection = duckdb.DuckDBPyConnection

MOST = 1000
"""Greatest constant size, in characters or elements."""
MOST_JOINED = 64
"""Most operators that join texts or lists in one statement: each copies all that those before it joined."""

MOST_EXPANDED = 512
"""Most tables of a statement, each part of WITH counted as often as it is used: columns may double with each use."""

_TABLE_FUNCTIONS = frozenset((
    "duckdb_columns", "duckdb_constraints", "duckdb_databases", "duckdb_functions", "duckdb_indexes",
    "duckdb_keywords", "duckdb_memory", "duckdb_schemas", "duckdb_settings", "duckdb_tables", "duckdb_temporary_files",
    "duckdb_types", "duckdb_views", "generate_series", "json_each", "json_tree", "pragma_database_size",
    "pragma_storage_info", "pragma_table_info", "pragma_version", "range", "repeat", "repeat_row", "unnest",
))  # fmt: skip
"""Permitted table functions; others of DuckDB change the instance."""
_ACTING = frozenset(("nextval", "setval", "sleep_ms", "write_log"))
"""Functions with side effects, or that wait."""
_SIZED: dict[str, tuple[int, ...]] = {
    "repeat": (1,), "lpad": (1,), "rpad": (1,), "left_pad": (1,), "right_pad": (1,), "list_resize": (1,),
    "array_resize": (1,), "bitstring": (1,), "bar": (3,), "range": (0, 1, 2), "generate_series": (0, 1, 2),
    "replace": (2,), "regexp_replace": (2,), "printf": (0,), "format": (0,),
}  # fmt: skip
"""Functions whose result is as large as arguments say, which must be small constants: their places."""
_DOUBLING = frozenset(("list_reduce", "array_reduce", "reduce"))
"""Functions whose result may double with each element."""
_JOINING = frozenset((
    "||", "concat", "concat_ws", "list_concat", "list_cat", "array_concat", "array_cat", "list_append", "array_append",
    "list_prepend", "array_prepend", "hex", "to_hex", "bin", "to_binary", "to_base64", "base64", "url_encode",
))  # fmt: skip
"""Functions whose result is a small multiple of what they are given."""
_LONG_FIELD = re.compile(r"\d{4}|\*|\{[^{}]*\{")
"""A field of a format that is wider than `MOST`, or whose width is a value."""


def check_functions(cursor: "Connection", sql: str) -> None:
    """Raise `QueryError` for a statement that does more than read, or that calls a function it may not call here."""
    inner = EXPLAIN.sub("", sql, count=1) if check_reading(cursor, sql) == "EXPLAIN" else sql
    text = cursor.execute("SELECT json_serialize_sql(?)", [inner]).fetchall()[0][0]
    try:
        waiting = [json.loads(text)]
    except RecursionError:
        raise QueryError("SQL: nested too deeply") from None
    if waiting[0].get("error"):
        raise QueryError("SQL: this form of statement is not possible while the session is being written")
    if _expanded(waiting[0]) > MOST_EXPANDED:
        raise QueryError("SQL: the parts of WITH are used too often while the session is being written")
    joined = 0
    while waiting:
        node = waiting.pop()
        if isinstance(node, list):
            waiting += node
        elif isinstance(node, dict):
            if node.get("type") == "TABLE_FUNCTION":
                node = _checked_table_function(node)
            elif "function_name" in node:
                _check_function(node)
                joined += str(node["function_name"]).lower() in _JOINING
            waiting += node.values()
    if joined > MOST_JOINED:
        raise QueryError("SQL: more than {most} texts or lists joined", most=MOST_JOINED)


def _expanded(tree: dict[str, typing.Any]) -> int:
    """Number of tables of a statement in whose place its parts of WITH are put, or little more than the limit."""
    parts: dict[str, list[str]] = {}
    tables = _tables(tree, parts)
    counts: dict[str, int] = {}

    def count(name: str) -> int:
        if name not in counts:
            counts[name] = 1  # a recursive part's own name is one table
            total = 1 + sum(count(each) for each in parts.get(name, ()))
            counts[name] = min(total, MOST_EXPANDED + 1)
        return counts[name]

    if len(parts) > MOST_EXPANDED:
        return len(parts)
    return sum(count(name) for name in tables)


def _tables(tree: typing.Any, parts: dict[str, list[str]]) -> list[str]:
    """Names of the tables in a tree; those of its parts of WITH are put into ``parts``."""
    tables: list[str] = []
    waiting: list[tuple[typing.Any, list[str]]] = [(tree, tables)]
    while waiting:
        node, names = waiting.pop()
        if isinstance(node, list):
            waiting += [(each, names) for each in node]
        elif isinstance(node, dict):
            if node.get("type") == "BASE_TABLE":
                names.append(str(node.get("table_name", "")).lower())
            for key, value in node.items():
                if key == "cte_map" and isinstance(value, dict):
                    for part in value.get("map", ()):
                        waiting.append((part.get("value"), parts.setdefault(str(part.get("key", "")).lower(), [])))
                else:
                    waiting.append((value, names))
    return tables


def _checked_table_function(node: dict[str, typing.Any]) -> dict[str, typing.Any]:
    """Check a table function, which gives its rows little by little; returns what its arguments consist of."""
    name = str(node["function"].get("function_name", "")).lower()
    if name not in _TABLE_FUNCTIONS:
        raise _refused(name)
    inner = {key: value for key, value in node["function"].items() if key != "function_name"}
    return {**node, "function": inner}


def _check_function(node: dict[str, typing.Any]) -> None:
    name = str(node["function_name"]).lower()
    if name in _ACTING or name in _DOUBLING:
        raise _refused(name)
    places = _SIZED.get(name, ())
    for place, argument in enumerate(_arguments(node)):
        if place in places and not _is_small(argument, formats=name in ("printf", "format")):
            raise QueryError(
                "SQL: {name}() needs a constant size of at most {most} while the session is being written",
                name=name,
                most=MOST,
            )


def _arguments(node: dict[str, typing.Any]) -> list[typing.Any]:
    """Arguments of a function, as either version of DuckDB writes them."""
    if "arguments" in node:
        return [argument.get("expression") for argument in node["arguments"]]
    return list(node.get("children") or [])


def _is_small(argument: typing.Any, *, formats: bool) -> bool:
    """Whether an argument is a small number, a short text, or a format without wide fields."""
    if not isinstance(argument, dict):
        return False
    if argument.get("class") == "FUNCTION" and argument.get("function_name") == "-":
        operands = _arguments(argument)
        return len(operands) == 1 and _is_small(operands[0], formats=formats)
    if argument.get("class") != "CONSTANT":
        return False
    value = argument["literal"].get("text") if "literal" in argument else argument["value"].get("value")
    if formats:
        return isinstance(value, str) and not _LONG_FIELD.search(value)
    text = str(value)
    is_number = not isinstance(value, bool) and re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", text) is not None
    return abs(float(text)) <= MOST if is_number and len(text) < MOST else len(text) <= MOST


def _refused(name: str) -> QueryError:
    return QueryError("SQL: {name}() is not possible while the session is being written", name=name[:100])
