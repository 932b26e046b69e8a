"""The filter language: tree to SQL. The result is a condition over ``flows``; every value in it is bound.

A session may lack tables and columns (such as those of an unknown protocol): `Scope` holds those that exist. Every
condition is TRUE or FALSE, never NULL, so that NOT matches rows without a value.
"""

import re
import typing
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from rustnet.errors import Phrase
from rustnet.i18n import N_, _
from rustnet.query import values
from rustnet.query.execute import QueryError
from rustnet.query.filters import And, FilterError, Node, Not, Or, Term, Value, parse
from rustnet.query.keywords import FREE_LOOKUPS, Keyword, Kind
from rustnet.query.matching import (
    ALWAYS,
    Condition,
    address_match,
    any_of,
    compare_number,
    endpoint,
    mac_match,
    number_match,
    partial_address,
    scope_match,
    text_match,
)
from rustnet.store.schema import quote_identifier

if typing.TYPE_CHECKING:
    from rustnet.query.session import Session

MAX_LOOKUPS = 48
"""Subqueries in one condition: planning them costs time and memory, and a filter is hostile input like any other."""


@dataclass(frozen=True, slots=True)
class Scope:
    """Tables and columns of a session that a filter can use."""

    tables: Mapping[str, Mapping[str, str]]
    """Columns and their types by table."""
    bad_regex: Callable[[str], str | None]
    """Error of a regular expression; ``None`` if it is valid."""

    @classmethod
    def of(cls, session: "Session") -> "Scope":
        """Read the scope of a session; it stays valid while the session is only read."""

        def bad_regex(pattern: str) -> str | None:
            try:
                session.execute_own("SELECT regexp_matches('', ?)", [pattern])
            except QueryError as error:
                return str(error).partition(": ")[2] or _("not understood")
            return None

        return cls(session.columns(), bad_regex)

    def has(self, table: str, column: str) -> bool:
        """Whether ``table`` exists and has ``column``."""
        return column in self.tables.get(table, {})


def compile_filter(text: str, scope: Scope) -> Condition:
    """Compile a filter to a condition for ``SELECT … FROM flows WHERE``. Raises `FilterError` and nothing else."""
    node = parse(text)
    return ALWAYS if node is None else _Compiler(text, scope).node(node)


class _Compiler:
    def __init__(self, text: str, scope: Scope) -> None:
        self.text = text
        self.scope = scope
        self.lookups = 0

    def node(self, node: Node) -> Condition:
        """Compile any node. Its depth is bounded by the parser."""
        match node:
            case Term():
                return any_of([self._value(node, value) for value in node.values])
            case Not():
                inner = self.node(node.item)
                return Condition(f"NOT {inner.sql}", inner.params)
            case And() | Or():
                parts = [self.node(item) for item in node.items]
                joint = " AND " if isinstance(node, And) else " OR "
                return Condition(f"({joint.join(p.sql for p in parts)})", tuple(v for p in parts for v in p.params))

    def _value(self, term: Term, value: Value) -> Condition:
        """Compile one value of a term; ``!=`` is the negation of ``=``."""
        if value.op == "!=":
            same = Value(value.form, value.text, value.start, value.end, "=", value.case)
            inner = self._value(term, same)
            return Condition(f"NOT {inner.sql}", inner.params)
        if value.form == "regex":
            wrong = self.scope.bad_regex(value.text)
            if wrong:
                raise self._error(N_("bad regular expression: {wrong}"), value, wrong=wrong)
        try:
            condition = self._free(value) if term.keyword is None else self._keyword(term.keyword, value)
        except ValueError as error:
            words = N_("'{value_text}' {problem}")
            problem = error if isinstance(error, Phrase) else Phrase(str(error))
            hint = "" if term.keyword is None else N_("{keyword}: takes a {form}")
            name, form = (term.keyword.name, Phrase(term.keyword.kind.value)) if term.keyword else ("", None)
            raise self._error(
                words, value, hint, value_text=value.text, problem=problem, keyword=name, form=form
            ) from None
        return Condition(f"({condition.sql}) IS TRUE", condition.params).wrapped()

    def _error(self, reason: str, value: Value, hint: str = "", **fields: object) -> FilterError:
        return FilterError(reason, self.text, value.start, value.end, hint, **fields)

    def _keyword(self, keyword: Keyword, value: Value) -> Condition:
        if keyword.name in ("after", "before"):
            return self._moment(keyword, value)
        if keyword.kind is Kind.ADDRESS:
            return self._address(keyword, value)
        if keyword.kind is Kind.ASN:
            return self._asn(keyword, value)
        if keyword.kind is Kind.SCOPE:
            return any_of([scope_match(value, f"flows.{target}") for target in keyword.targets])
        if keyword.kind is Kind.FLAG:
            return self._flag(keyword, value)
        return self._targets(self._present(keyword, value), lambda column: _match(keyword, column, value), value)

    def _present(self, keyword: Keyword, value: Value) -> list[str]:
        """Return the targets that this session has. Raises `FilterError` if there are none."""
        present = [t for t in keyword.targets if self._has(t)]
        if not present:
            if keyword.missing:
                raise self._error(keyword.missing, value)
            raise self._error(N_("this session has nothing that {keyword}: could look at"), value, keyword=keyword.name)
        return present

    def _has(self, target: str) -> bool:
        table, dot, column = target.partition(".")
        if dot and table.isidentifier():
            return self.scope.has(table, column)
        return not target.isidentifier() or self.scope.has("flows", target)

    def _targets(self, targets: Iterable[str], match: Callable[[str], Condition], value: Value) -> Condition:
        """Match any of ``targets``: expressions over flows, and columns of tables that are looked up.

        There is one subquery for all tables with flow ids and one for processes: every subquery is a join, and
        joins make planning slow.
        """
        parts: list[Condition] = []
        tables: dict[str, list[Condition]] = {}
        for target in targets:
            table, dot, column = target.partition(".")
            if not dot:
                parts.append(match(f"flows.{target}" if target.isidentifier() else target))
                continue
            name = f"{quote_identifier(table)}.{quote_identifier(column)}"
            is_list = self.scope.tables[table][column] == "VARCHAR[]"
            tables.setdefault(table, []).append(match(f"array_to_string({name}, ' ')" if is_list else name))
        for key in ("process_id", "flow_id"):
            conditions = {t: any_of(c) for t, c in tables.items() if (t == "processes") == (key == "process_id")}
            if conditions:
                self._count_lookup(value)
                froms = (f"{key} FROM {quote_identifier(table)} WHERE {c.sql}" for table, c in conditions.items())
                params = tuple(param for c in conditions.values() for param in c.params)
                parts.append(Condition(f"flows.{key} IN (SELECT {' UNION ALL SELECT '.join(froms)})", params))
        return any_of(parts)

    def _count_lookup(self, value: Value) -> None:
        self.lookups += 1
        if self.lookups > MAX_LOOKUPS:
            raise self._error(N_("too many searches in one filter"), value, N_("ask for less at once"))

    def _moment(self, keyword: Keyword, value: Value) -> Condition:
        if value.op or value.form == "regex":
            raise Phrase("is a comparison, and {keyword}: is one already", keyword=keyword.name)
        op = ">=" if keyword.name == "after" else "<"
        return compare_number("epoch_ns(flows.started_at)", op, values.time(value.text).low)

    def _address(self, keyword: Keyword, value: Value) -> Condition:
        parts = []
        for ip, num in zip(keyword.targets[::2], keyword.targets[1::2], strict=True):
            side = ip.removesuffix("_ip")
            known = address_match(value, f"flows.{ip}", f"flows.{num}", f"flows.{side}_port")
            parts.append(known or self._named_address(side, value))
        return any_of(parts)

    def _named_address(self, side: str, value: Value) -> Condition:
        """Match an end by the beginning of its address, its host name, or a name learned for its address."""
        if value.op not in ("", "="):
            raise Phrase("is neither an address nor a network, and cannot be compared")
        if "/" in value.text and value.form == "word":
            values.address_span(value.text)
        parts = [partial_address(value, f"flows.{side}_ip")]
        if side == "dst":
            parts.append(text_match(value, "flows.hostname"))
        if self.scope.has("names", "name"):
            inner = text_match(value, "names.name")
            self._count_lookup(value)
            sql = f"flows.{side}_ip IN (SELECT ip FROM names WHERE {inner.sql})"  # noqa: S608 -- our own parts
            parts.append(Condition(sql, inner.params))
        return any_of(parts)

    def _asn(self, keyword: Keyword, value: Value) -> Condition:
        present = self._present(keyword, value)
        digits = re.sub(r"\bas(?=\d)", "", value.text, flags=re.IGNORECASE)
        if value.form != "regex" and re.fullmatch(r"\d+(?:(?:-|\.\.)\d+)?", digits, re.ASCII):
            number = Value(value.form, digits, value.start, value.end, value.op, value.case)
            return any_of([number_match(number, f"flows.{t}", 2**32 - 1) for t in present if t.endswith("asn")])
        return any_of([text_match(value, f"flows.{t}") for t in present if t.endswith("name")])

    @staticmethod
    def _flag(keyword: Keyword, value: Value) -> Condition:
        answer = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}.get(value.text.lower())
        if answer is None or value.op not in ("", "="):
            raise Phrase("is neither yes nor no")
        return Condition(keyword.targets[0] if answer else f"NOT ({keyword.targets[0]})", ())

    def _free(self, value: Value) -> Condition:
        """Match text in every text column; addresses and networks also by value, numbers also as port or pid."""
        if value.form == "word":
            if value.text == "*":
                return ALWAYS
            known = [address_match(value, f"flows.{s}_ip", f"flows.{s}_num", f"flows.{s}_port") for s in ("src", "dst")]
            conditions = [condition for condition in known if condition]
            if conditions:
                return any_of(conditions)
            if "/" in value.text and endpoint(value.text.partition("/")[0]):
                values.address_span(value.text)
        flows = self.scope.tables.get("flows", {})
        texts = [c for c, t in flows.items() if t == "VARCHAR" and c.isidentifier() and _may_hold(c, value)]
        texts += [target for target in FREE_LOOKUPS if self._has(target)]
        parts = [self._targets(texts, lambda column: text_match(value, column), value)]
        if value.form == "word" and value.text.isdecimal() and value.text.isascii() and len(value.text) <= 7:
            numbers = ("src_port", "dst_port", "processes.pid")
            parts.append(self._targets(numbers, lambda column: compare_number(column, "=", int(value.text)), value))
        return any_of(parts)


_ALPHABETS = {
    "src_ip": frozenset("0123456789abcdef.:*"),
    "dst_ip": frozenset("0123456789abcdef.:*"),
    "src_mac": frozenset("0123456789abcdef:*"),
    "dst_mac": frozenset("0123456789abcdef:*"),
}
_COUNTRIES = ("src_country", "dst_country")
"""Possible characters, and ``*``, of the columns that take most of the time of a free-text search."""


def _may_hold(column: str, value: Value) -> bool:
    """Whether a column can contain the text; skipping one with distinct values per flow saves much time."""
    if value.form == "regex":
        return True
    if column == "community_id":
        return value.text.startswith("1:")
    if column in _COUNTRIES:  # a part of a code means nothing
        return False
    alphabet = _ALPHABETS.get(column)
    return alphabet is None or alphabet.issuperset(value.text.lower())


_READERS: dict[Kind, Callable[[str], values.Span]] = {
    Kind.BYTES: lambda text: values.Span(values.size(text), values.size(text) + 1),
    Kind.DURATION: values.duration,
    Kind.TIME: values.time,
}


def _match(keyword: Keyword, column: str, value: Value) -> Condition:
    """Match one value against one column or expression, by the keyword's kind."""
    kind = keyword.kind
    if kind is Kind.MAC:
        return mac_match(value, column)
    if kind in (Kind.TEXT, Kind.WORD):
        return text_match(value, column, whole=kind is Kind.WORD)
    if kind is Kind.TIME:
        column = f"epoch_ns({column})"
    elif keyword.scale != 1:
        column = f"({column}) * {keyword.scale}"
    return number_match(value, column, keyword.top, read=_READERS.get(kind), open_end=kind is Kind.TIME)
