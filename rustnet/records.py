"""Record classes: their fields, types and docstrings define the tables of DuckDB and the documentation.

A record class is defined once, next to the code that fills it::

    @record("ntp")
    class Ntp:
        \"\"\"One NTP packet (RFC 5905).\"\"\"

        version: Word | None = None
        \"\"\"Version number of the packet.\"\"\"

Each column has a `Kind`. The annotation of a text states it (``Word``, ``Host``, ``FreeText`` …); that of a number
follows from its type or name (``response_ms``), unless the annotation states one (``Port``, ``Bytes64``).

Every protocol table has ``capture_id``, ``flow_id``, ``ts`` and ``packet`` before the fields of its record; the writer
fills them.
"""

import ast
import dataclasses
import enum
import functools
import sys
import types
import typing
from pathlib import Path
from typing import Annotated, Any, TypeVar, dataclass_transform


class Kind(enum.StrEnum):
    """Meaning of a column's values beyond their type; for a list, of its elements.

    Redaction, presentation and help depend on it, so a text has the kind of the most sensitive of its possible values.
    """

    ADDRESS = "address"
    """An IP address, or a network as address and prefix length."""
    ADDRESS_NUMBER = "address number"
    """An IP address as a number, for ranges; IPv4 as IPv4-mapped IPv6."""
    MAC = "mac"
    """A hardware address."""
    HOST = "host"
    """Name of a machine, domain or realm, or the address in its place, with or without a port; reverse names too."""
    USER = "user"
    """A person or an account: a bare name, `user@domain`, `DOMAIN\\user`, or a mail address."""
    PATH = "path"
    """A file, a directory, or a share, by name or by path."""
    COMMAND_LINE = "command line"
    """A program with its arguments."""
    URI = "uri"
    """A URI or a part of one, which may contain users, hosts, paths and any query values."""
    SOFTWARE = "software"
    """Self-description of a program, device or system: product, version, maker and other text."""
    DISTINGUISHED_NAME = "distinguished name"
    """A name of a directory or a certificate (RFC 4514)."""
    FINGERPRINT = "fingerprint"
    """Traits of a program's messages, as a hash or a list: the same for all installations of the program."""
    DIGEST = "digest"
    """A hash of a particular thing (file, certificate, ends of a flow), recognisable to those who have the thing."""
    IDENTIFIER = "identifier"
    """Text or number that identifies a device, client, session or object: equal values mean the same one."""
    OBJECT = "object"
    """A name chosen by users for something other than a host: database, queue, topic, interface, container."""
    PLACE = "place"
    """The country or city of an address."""
    AUTONOMOUS_SYSTEM = "autonomous system"
    """The autonomous system of an address, by number or name."""
    WORD = "word"
    """A word of a closed vocabulary, the protocol's or rustnet's own: method, state, version, algorithm."""
    TERM = "term"
    """A word that the protocol defines but a sender chooses: mechanism, content type, name of an algorithm."""
    SECRET = "secret"  # noqa: S105 - a kind of column
    """A password, or a value used in its place."""
    MIXED = "mixed"
    """Addresses, names or other texts in one column: each value has to be classified."""
    FREE_TEXT = "free text"
    """Text written by people or programs, with any content."""
    TIME = "time"
    """A moment, in UTC."""
    DURATION = "duration"
    """A span of time: in milliseconds where the column's name ends in `_ms`, else in seconds."""
    BYTES = "bytes"
    """A size in bytes."""
    COUNT = "count"
    """A number of packets, entries, hops and so on."""
    RATIO = "ratio"
    """A share, from 0 to 1."""
    PORT = "port"
    """A port of TCP, UDP or SCTP."""
    NUMBER = "number"
    """A number that is not a quantity (code, index, priority), or a quantity in another unit."""
    FLAGS = "flags"
    """A number whose bits have separate meanings."""
    BOOLEAN = "boolean"
    """True or false."""
    FLOW = "flow"
    """Number of a flow: `flows.flow_id`."""
    PACKET = "packet"
    """Number of a packet within its capture: `packets.number`."""
    KEY = "key"
    """Number of another row: a capture, an interface, a process."""


U8 = Annotated[int, "UTINYINT"]
U16 = Annotated[int, "USMALLINT"]
U32 = Annotated[int, "UINTEGER"]
U64 = Annotated[int, "UBIGINT"]
I32 = Annotated[int, "INTEGER"]
I64 = Annotated[int, "BIGINT"]
Ts = Annotated[int, "TIMESTAMP_NS"]
"""Nanoseconds since 1970-01-01 UTC."""

Ip = Annotated[str, "VARCHAR", Kind.ADDRESS]
IpNumber = Annotated[int, "UHUGEINT", Kind.ADDRESS_NUMBER]
Mac = Annotated[str, "VARCHAR", Kind.MAC]
Host = Annotated[str, "VARCHAR", Kind.HOST]
User = Annotated[str, "VARCHAR", Kind.USER]
FilePath = Annotated[str, "VARCHAR", Kind.PATH]
CommandLine = Annotated[str, "VARCHAR", Kind.COMMAND_LINE]
Uri = Annotated[str, "VARCHAR", Kind.URI]
Software = Annotated[str, "VARCHAR", Kind.SOFTWARE]
DistinguishedName = Annotated[str, "VARCHAR", Kind.DISTINGUISHED_NAME]
Fingerprint = Annotated[str, "VARCHAR", Kind.FINGERPRINT]
Digest = Annotated[str, "VARCHAR", Kind.DIGEST]
Identifier = Annotated[str, "VARCHAR", Kind.IDENTIFIER]
ObjectName = Annotated[str, "VARCHAR", Kind.OBJECT]
Place = Annotated[str, "VARCHAR", Kind.PLACE]
AsNumber = Annotated[int, "UINTEGER", Kind.AUTONOMOUS_SYSTEM]
AsName = Annotated[str, "VARCHAR", Kind.AUTONOMOUS_SYSTEM]
Word = Annotated[str, "VARCHAR", Kind.WORD]
Term = Annotated[str, "VARCHAR", Kind.TERM]
Secret = Annotated[str, "VARCHAR", Kind.SECRET]
Mixed = Annotated[str, "VARCHAR", Kind.MIXED]
FreeText = Annotated[str, "VARCHAR", Kind.FREE_TEXT]
Port = Annotated[int, "USMALLINT", Kind.PORT]
Seconds = Annotated[int, "UINTEGER", Kind.DURATION]
Bytes16 = Annotated[int, "USMALLINT", Kind.BYTES]
Bytes32 = Annotated[int, "UINTEGER", Kind.BYTES]
Bytes64 = Annotated[int, "UBIGINT", Kind.BYTES]
Count8 = Annotated[int, "UTINYINT", Kind.COUNT]
Count16 = Annotated[int, "USMALLINT", Kind.COUNT]
Count32 = Annotated[int, "UINTEGER", Kind.COUNT]
Flags32 = Annotated[int, "UINTEGER", Kind.FLAGS]
Id32 = Annotated[int, "UINTEGER", Kind.IDENTIFIER]
Ratio = Annotated[float, "DOUBLE", Kind.RATIO]

_T = TypeVar("_T")


@dataclass_transform(eq_default=False)
def record(table: str) -> "typing.Callable[[type[_T]], type[_T]]":
    """Create the slotted row class of ``table``, with an attribute and an argument for each annotation.

    Dataclasses would take a third of the program's start for methods that rows do not need. ``__init__`` is created
    with the first row, since a capture has few of the protocols.
    """

    def wrap(cls: type[_T]) -> type[_T]:
        names = tuple(cls.__annotations__)
        attributes = vars(cls)
        body = {k: v for k, v in attributes.items() if k not in names and k not in {"__dict__", "__weakref__"}}
        defaults = {f"_{name}": attributes[name] for name in names if name in attributes}

        def first(self: Any, *values: object, **named: object) -> None:
            row_class.__init__ = _constructor(names, defaults)
            self.__init__(*values, **named)

        row_class: Any = type(cls.__name__, cls.__bases__, {**body, "__slots__": names, "__init__": first})
        row_class.__table__ = table
        return typing.cast("type[_T]", row_class)

    return wrap


def _constructor(names: tuple[str, ...], defaults: dict[str, object]) -> Any:
    """``__init__`` of a row with these attributes; the names of ``defaults`` begin with ``_``."""
    arguments = ", ".join(f"{name}=_{name}" if f"_{name}" in defaults else name for name in names)
    assignments = "; ".join(f"self.{name} = {name}" for name in names)
    scope = dict(defaults)
    exec(f"def __init__(self, {arguments}):\n    {assignments}", scope)  # noqa: S102 - our own names
    return scope["__init__"]


@dataclasses.dataclass(frozen=True, slots=True)
class Column:
    """One column of a table: name, DuckDB type, whether it may be NULL, and kind (`field_docs` has its description)."""

    name: str
    sql_type: str
    nullable: bool
    kind: Kind


_PLAIN = {int: "BIGINT", str: "VARCHAR", bool: "BOOLEAN", float: "DOUBLE", bytes: "BLOB"}
_KIND_BY_TYPE = {"TIMESTAMP_NS": Kind.TIME, "BOOLEAN": Kind.BOOLEAN}
_KIND_BY_NAME = {
    "flow_id": Kind.FLOW,
    "packet": Kind.PACKET,
    "capture_id": Kind.KEY,
    "process_id": Kind.KEY,
    "interface": Kind.KEY,
    "ms": Kind.DURATION,
    "s": Kind.DURATION,
    "seconds": Kind.DURATION,
    "bytes": Kind.BYTES,
    "packets": Kind.COUNT,
    "count": Kind.COUNT,
    "flags": Kind.FLAGS,
}
"""Kind of a number whose annotation states none, by the last word or two of its name."""


@functools.cache
def _described(hint: Any) -> tuple[str, bool, Kind | None]:
    """DuckDB type of an annotation, whether it may be NULL, and the kind if it states one."""
    if typing.get_origin(hint) is Annotated:
        sql_type, *kinds = hint.__metadata__
        return sql_type, False, kinds[-1] if kinds else None
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        inner = [a for a in typing.get_args(hint) if a is not type(None)]
        if len(inner) != 1:
            raise TypeError(f"a column has one type, not {hint}")
        sql_type, _, kind = _described(inner[0])
        return sql_type, True, kind
    if typing.get_origin(hint) is list:
        sql_type, _, kind = _described(typing.get_args(hint)[0])
        return f"{sql_type}[]", False, kind
    return _PLAIN[hint], False, None


def _default_kind(table: str, name: str, sql_type: str) -> Kind:
    """Kind of a column by its type, or of a number by its name. Raises ``TypeError`` for text, which has no default."""
    if sql_type.startswith(("VARCHAR", "BLOB")):
        raise TypeError(f"{table}.{name}: a text column needs a kind in its annotation, such as `Host` or `FreeText`")
    known = _KIND_BY_TYPE.get(sql_type)
    if known is not None:
        return known
    words = name.rsplit("_", 2)
    return _KIND_BY_NAME.get(words[-1]) or _KIND_BY_NAME.get("_".join(words[-2:]), Kind.NUMBER)


@functools.cache
def table_name(cls: type) -> str:
    """Name of the table whose row type ``cls`` is."""
    return str(cls.__table__)  # type: ignore[attr-defined]


@functools.cache
def columns(cls: type) -> tuple[Column, ...]:
    """Columns of a record class, in the order of its fields."""
    hints = cls.__annotations__
    if any(isinstance(hint, str) for hint in hints.values()):  # in compiled modules they are strings
        hints = typing.get_type_hints(cls, include_extras=True)
    described = []
    for name in cls.__slots__:  # type: ignore[attr-defined]
        sql_type, nullable, kind = _described(hints[name])
        described.append(Column(name, sql_type, nullable, kind or _default_kind(table_name(cls), name, sql_type)))
    return tuple(described)


@functools.cache
def _module_tree(module: str) -> ast.Module:
    """Syntax tree of a module's source, which is installed next to its compiled form."""
    file = sys.modules[module].__file__
    if file is None:
        raise ValueError(f"{module} has no source file")
    source = Path(file).with_name(Path(file).name.split(".")[0] + ".py")
    return ast.parse(source.read_text("utf-8"))


@functools.cache
def field_docs(cls: type) -> dict[str, str]:
    """Docstrings of the fields of a record class, or of the members of an enumeration."""
    docs: dict[str, str] = {}
    for node in ast.walk(_module_tree(cls.__module__)):
        if isinstance(node, ast.ClassDef) and node.name == cls.__name__:
            for field, after in zip(node.body, node.body[1:], strict=False):
                if not isinstance(field, ast.AnnAssign | ast.Assign):
                    continue
                target = field.target if isinstance(field, ast.AnnAssign) else field.targets[0]
                text = after.value if isinstance(after, ast.Expr) else None
                if isinstance(target, ast.Name) and isinstance(text, ast.Constant):
                    docs[target.id] = " ".join(str(text.value).split())
    return docs


def kind_docs() -> dict[Kind, str]:
    """Kinds of columns with their descriptions."""
    docs = field_docs(Kind)
    return {kind: docs[kind.name] for kind in Kind}
