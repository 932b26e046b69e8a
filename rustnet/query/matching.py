"""SQL conditions for single values: text, numbers, addresses. Values are always bound."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rustnet.enrich.scope import SCOPES, scope_sql, spans
from rustnet.errors import Phrase
from rustnet.query import values
from rustnet.query.filters import Value
from rustnet.query.values import MAPPED, Span


@dataclass(frozen=True, slots=True)
class Condition:
    """A SQL condition over ``flows`` and the values of its ``?``, in order."""

    sql: str
    params: tuple[object, ...]

    def wrapped(self) -> "Condition":
        """Return it in parentheses."""
        return Condition(f"({self.sql})", self.params)


ALWAYS = Condition("TRUE", ())
NEVER = Condition("FALSE", ())


def any_of(parts: Sequence[Condition]) -> Condition:
    """At least one of ``parts`` holds."""
    if len(parts) == 1:
        return parts[0]
    if not parts:
        return NEVER
    return Condition(" OR ".join(f"({p.sql})" for p in parts), tuple(v for p in parts for v in p.params)).wrapped()


def _escape_ascii(text: str) -> str:
    """Escape RE2's special characters; it takes no backslash before letters, digits and non-ASCII characters.

    A ``*`` becomes an RE2 pattern, which takes linear time; LIKE with many wildcards does not.
    """
    return "".join(f"\\{c}" if c.isascii() and c.isprintable() and not c.isalnum() else c for c in text)


def text_match(value: Value, column: str, *, whole: bool = False) -> Condition:
    """Match text regardless of case: a part of it, all of it (``=``, or ``whole``), a ``*`` pattern, a regex."""
    if value.form == "regex":
        flag = "c" if value.case else "i"
        return Condition(f"regexp_matches({column}, ?, '{flag}')", (value.text,))
    if value.op not in ("", "="):
        raise Phrase("is text, and cannot be compared by size")
    if value.form == "word" and "*" in value.text:
        if not value.text.strip("*"):
            return Condition(f"{column} <> ''", ())
        pattern = ".*".join(_escape_ascii(part) for part in re.split(r"\*+", value.text))
        return Condition(f"regexp_full_match({column}, ?, 'is')", (pattern,))
    if whole or value.op == "=":
        return Condition(f"lower({column}) = lower(?)", (value.text,))
    return Condition(f"contains(lower({column}), lower(?))", (value.text,))


def compare_number(column: str, op: str, number: int) -> Condition:
    """Compare a number; ``op`` is checked to be an operator."""
    if op not in ("=", "<", "<=", ">", ">="):
        raise ValueError(f"no operator: {op}")
    return Condition(f"{column} {op} ?", (number,))


def number_match(
    value: Value,
    column: str,
    top: int | None,
    *,
    read: Callable[[str], Span] | None = None,
    open_end: bool = False,
) -> Condition:
    """Match a number: exact, a range ``a-b`` or ``a..b``, a comparison, ``*`` (not NULL), a regex over its digits.

    ``read`` turns text into a span. With ``open_end`` (times), ``>`` is after the span, ``<=`` up to its end.
    """
    if value.form == "regex":
        flag = "c" if value.case else "i"
        return Condition(f"regexp_matches(CAST({column} AS VARCHAR), ?, '{flag}')", (value.text,))
    text = value.text
    if text == "*" and value.op in ("", "="):
        return Condition(f"{column} IS NOT NULL", ())

    def plain(part: str) -> Span:
        exact = values.number(part, top)
        return Span(exact, exact + 1)

    reader = read or plain
    first, mark, last = text.partition("..") if ".." in text or open_end else text.partition("-")
    if mark:
        if value.op:
            raise Phrase("is a range, and cannot be compared")
        low, high = reader(first), reader(last)
        if low.low > high.low:
            raise Phrase("ends before it begins")
        end = high.high if open_end or read is None else high.low + 1
        return Condition(f"({column} >= ? AND {column} < ?)", (low.low, end))
    span = reader(text)
    if value.op in ("<", "<=", ">", ">="):
        at_end = open_end and value.op in (">", "<=")
        op = {">": ">=", "<=": "<"}[value.op] if at_end else value.op
        return compare_number(column, op, span.high if at_end else span.low)
    if (value.op == "=" and not open_end) or span.high == span.low + 1:
        return compare_number(column, "=", span.low)
    return Condition(f"({column} >= ? AND {column} < ?)", (span.low, span.high))


def mac_match(value: Value, column: str) -> Condition:
    """Match a hardware address in any notation, or a part of one."""
    digits = re.sub(r"[:.-]", "", value.text).lower()
    if value.form != "regex" and len(digits) == 12 and re.fullmatch(r"[0-9a-f]+", digits):
        spelled = ":".join(digits[i : i + 2] for i in range(0, 12, 2))
        return text_match(Value("quoted", spelled, value.start, value.end, value.op), column, whole=True)
    if value.form != "regex":
        value = Value(value.form, value.text.replace("-", ":"), value.start, value.end, value.op)
    return text_match(value, column)


_ENDPOINT = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([0-9.]+)):(\d{1,5})", re.ASCII)


def endpoint(text: str) -> tuple[Span, int | None] | None:
    """Read an address, network, range, or ``address:port`` (IPv6 in brackets); ``None`` for any other text."""
    port = None
    match = _ENDPOINT.fullmatch(text)
    if match:
        text, port = match[1] or match[2], int(match[3])
        if port > 65_535:
            return None
    try:
        return values.address_span(text), port
    except ValueError:
        return None


def address_match(value: Value, ip: str, num: str, port: str) -> Condition | None:
    """Match an address by its number; ``None`` if the value is not an address."""
    if value.form == "regex":
        return text_match(value, ip)
    if value.op in ("", "=") and value.form == "word" and value.text == "*":
        return Condition(f"{ip} IS NOT NULL", ())
    known = endpoint(value.text)
    if known is None:
        return None
    span, number = known
    if value.op not in ("", "="):
        raise Phrase("is an address; for several write a network or a range a-b")
    if span.high == span.low + 1:
        condition = Condition(f"{num} = CAST(? AS UHUGEINT)", (str(span.low),))
    else:
        condition = _between(num, span)
    if number is None:
        return condition
    return Condition(f"({condition.sql} AND {port} = ?)", (*condition.params, number))


def _between(num: str, span: Span) -> Condition:
    """Match a range; an IPv6 network that contains the IPv4-mapped addresses excludes them."""
    within = f"{num} BETWEEN CAST(? AS UHUGEINT) AND CAST(? AS UHUGEINT)"
    bounds = (str(span.low), str(span.high - 1))
    if span.low < MAPPED and span.high > MAPPED + 2**32:
        return Condition(
            f"({within} AND NOT {num} BETWEEN CAST(? AS UHUGEINT) AND CAST(? AS UHUGEINT))",
            (*bounds, str(MAPPED), str(MAPPED + 2**32 - 1)),
        )
    return Condition(f"({within})", bounds)


def scope_match(value: Value, num: str) -> Condition:
    """Match the scope of an address by its number: a word, a ``*`` pattern or a regex."""
    if value.op not in ("", "="):
        raise Phrase("is a word, and cannot be compared")
    if value.form == "regex" or "*" in value.text:
        return text_match(value, scope_sql(num), whole=True)
    scope = value.text.lower()
    if scope not in SCOPES:
        raise Phrase("is no scope: there are {scopes}", scopes=", ".join(SCOPES))
    every = [(str(first), str(last)) for first, last in spans(scope)]
    within = " OR ".join([f"{num} BETWEEN CAST(? AS UHUGEINT) AND CAST(? AS UHUGEINT)"] * len(every))
    return Condition(within, tuple(bound for span in every for bound in span)).wrapped()


def partial_address(value: Value, ip: str) -> Condition:
    """Match the beginning of an address (``192.168``, ``fe80:``), or a ``*`` pattern of one."""
    if (value.form == "word" and "*" in value.text) or value.op == "=":
        return text_match(value, ip)
    return Condition(f"starts_with({ip}, lower(?))", (value.text,))
