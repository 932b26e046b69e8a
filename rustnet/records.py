"""The record is the table: dataclasses whose fields, types and docstrings make the DuckDB schema and the docs.

A record class is written once, beside the code that fills it::

    @record("ntp")
    class Ntp:
        \"\"\"One NTP packet (RFC 5905).\"\"\"

        version: U8 | None = None
        \"\"\"Version number of the packet.\"\"\"

``capture_id``, ``flow_id``, ``ts`` and ``packet`` stand before the fields of every protocol table; whoever emits
a record does not set them.
"""

import ast
import dataclasses
import functools
import sys
import types
import typing
from pathlib import Path
from typing import Annotated, Any, TypeVar, dataclass_transform

U8 = Annotated[int, "UTINYINT"]
U16 = Annotated[int, "USMALLINT"]
U32 = Annotated[int, "UINTEGER"]
U64 = Annotated[int, "UBIGINT"]
I32 = Annotated[int, "INTEGER"]
I64 = Annotated[int, "BIGINT"]
U128 = Annotated[int, "UHUGEINT"]
Ts = Annotated[int, "TIMESTAMP_NS"]
"""Nanoseconds since 1970-01-01 UTC."""

_T = TypeVar("_T")


@dataclass_transform(eq_default=False)
def record(table: str) -> "typing.Callable[[type[_T]], type[_T]]":
    """Make a slotted class that is the row type of ``table``: an attribute and an argument for each annotation.

    What dataclasses make beside that (nobody compares or prints rows) would be a third of the program's start; its
    ``__init__`` is made when the first row is, since a capture has few of the protocols.
    """

    def wrap(cls: type[_T]) -> type[_T]:
        names = tuple(cls.__annotations__)
        given = vars(cls)
        body = {k: v for k, v in given.items() if k not in names and k not in {"__dict__", "__weakref__"}}
        defaults = {f"_{name}": given[name] for name in names if name in given}

        def first(self: Any, *values: object, **named: object) -> None:
            made.__init__ = _constructor(names, defaults)
            self.__init__(*values, **named)

        made: Any = type(cls.__name__, cls.__bases__, {**body, "__slots__": names, "__init__": first})
        made.__table__ = table
        return typing.cast("type[_T]", made)

    return wrap


def _constructor(names: tuple[str, ...], defaults: dict[str, object]) -> Any:
    """``__init__`` of a row with these attributes, whose ``defaults`` have a ``_`` in front of their names."""
    arguments = ", ".join(f"{name}=_{name}" if f"_{name}" in defaults else name for name in names)
    assignments = "; ".join(f"self.{name} = {name}" for name in names)
    scope = dict(defaults)
    exec(f"def __init__(self, {arguments}):\n    {assignments}", scope)  # noqa: S102 - our own names
    return scope["__init__"]


@dataclasses.dataclass(frozen=True, slots=True)
class Column:
    """One column of a table: its name, its DuckDB type, and whether it may be NULL (`field_docs`: what it means)."""

    name: str
    sql_type: str
    nullable: bool


_PLAIN = {int: "BIGINT", str: "VARCHAR", bool: "BOOLEAN", float: "DOUBLE", bytes: "BLOB"}


@functools.cache
def _sql_type(hint: Any) -> tuple[str, bool]:
    """DuckDB type of an annotation, and whether NULL may stand there."""
    if typing.get_origin(hint) is Annotated:
        return hint.__metadata__[0], False
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        inner = [a for a in typing.get_args(hint) if a is not type(None)]
        if len(inner) != 1:
            raise TypeError(f"a column has one type, not {hint}")
        return _sql_type(inner[0])[0], True
    if typing.get_origin(hint) is list:
        return _sql_type(typing.get_args(hint)[0])[0] + "[]", False
    return _PLAIN[hint], False


@functools.cache
def table_name(cls: type) -> str:
    """Name of the table whose row type ``cls`` is."""
    return str(cls.__table__)  # type: ignore[attr-defined]


@functools.cache
def columns(cls: type) -> tuple[Column, ...]:
    """Columns of a record class, in the order of its fields."""
    hints = cls.__annotations__
    if any(isinstance(hint, str) for hint in hints.values()):  # compiled modules write them as texts
        hints = typing.get_type_hints(cls, include_extras=True)
    made = []
    for name in cls.__slots__:  # type: ignore[attr-defined]
        sql_type, nullable = _sql_type(hints[name])
        made.append(Column(name, sql_type, nullable))
    return tuple(made)


@functools.cache
def _module_tree(module: str) -> ast.Module:
    """Syntax tree of a module's source, which is installed beside its compiled form."""
    file = sys.modules[module].__file__
    if file is None:
        raise ValueError(f"{module} has no source file")
    source = Path(file).with_name(Path(file).name.split(".")[0] + ".py")
    return ast.parse(source.read_text("utf-8"))


@functools.cache
def field_docs(cls: type) -> dict[str, str]:
    """Docstrings that stand under the fields of a record class."""
    docs: dict[str, str] = {}
    for node in ast.walk(_module_tree(cls.__module__)):
        if isinstance(node, ast.ClassDef) and node.name == cls.__name__:
            for field, after in zip(node.body, node.body[1:], strict=False):
                if not isinstance(field, ast.AnnAssign) or not isinstance(field.target, ast.Name):
                    continue
                if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
                    docs[field.target.id] = " ".join(str(after.value.value).split())
    return docs
