"""Replaces values by their kind, the same value always by the same replacement."""

import datetime as dt
import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from rustnet.errors import UsageError
from rustnet.policy.redaction.addresses import Addresses
from rustnet.policy.redaction.keys import Key
from rustnet.policy.redaction.moments import Moments
from rustnet.policy.redaction.names import Names
from rustnet.policy.redaction.numbers import Numbers
from rustnet.policy.redaction.policies import NUMBERS, SHARE, Method, Policy
from rustnet.policy.redaction.pseudonyms import (
    DIGEST,
    FINGERPRINT,
    PLACE,
    PSEUDONYM,
    REDACTED,
    REMEMBERED,
    SOFTWARE,
    SYSTEM,
    Pseudonyms,
)
from rustnet.policy.redaction.texts import MAX_DEPTH, MAX_ITEMS, SQL_PARTS, Texts, is_address_number
from rustnet.records import Kind

PRIVATE_SYSTEMS = (4_200_000_000, 4_294_967_294)
"""Numbers of autonomous systems for private use (RFC 6996)."""
SMALL = 999
"""Largest number of an identifier that stays: users of systems, and what is counted."""
_OF_NUMBERS = (Method.KEEP, Method.PORT, Method.TTL, Method.SHIFT)
"""Methods of kinds of numbers and moments; a text in the place of one is replaced by what it is."""
CLOCK_COLUMNS = ("ingested_at",)
"""Columns with times of the computer that ran rustnet; under a shift they would show its span."""
TTL_COLUMNS = frozenset(("src_ttl", "dst_ttl"))
"""Columns with times to live of IP packets."""
_COUNTRY = re.compile(r"[A-Z]{2}")
_SQL_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")


class Redactor:
    """Replaces values under one key and policy.

    The originals of the last ``remembered`` pseudonyms are known to `original`; with 0 none are, which is faster.
    """

    def __init__(self, key: Key, policy: Policy = SHARE, remembered: int = REMEMBERED) -> None:
        self.policy = policy
        self.pseudonyms = Pseudonyms(key, remembered)
        self.numbers = Numbers(key, policy.numbers)
        self.moments = Moments(policy.shift.span(key) if policy.shift else 0)
        self.moment_ns = self.moments.moment_ns
        self.names = Names(
            self.pseudonyms, Addresses(key.derived("addresses"), key.derived("hardware addresses")), policy.kept,
            self.numbers,
        )  # fmt: skip
        self.texts = Texts(self.names)
        self.paths = self.texts.paths
        self._texts: dict[Method, Callable[[str], str]] = {
            Method.KEEP: lambda text: text,
            Method.ADDRESS: lambda text: self.names.address(text) or self.names.host(text),
            Method.MAC: lambda text: self.names.mac(text) or self.names.identifier(text),
            Method.HOST: self.names.host,
            Method.USER: self.names.user,
            Method.PATH: self.paths.path,
            Method.URI: self.paths.uri,
            Method.COMMAND_LINE: self.paths.command_line,
            Method.SOFTWARE: self.paths.software,
            Method.SOFTWARE_WHOLE: lambda text: self.pseudonyms.of(SOFTWARE, text) if text else text,
            Method.DISTINGUISHED: self.names.distinguished,
            Method.IDENTIFIER: self.names.identifier,
            Method.DIGEST: lambda text: self.pseudonyms.of(DIGEST, text) if text else text,
            Method.FINGERPRINT: lambda text: self.pseudonyms.of(FINGERPRINT, text) if text else text,
            Method.OBJECT: self.names.object,
            Method.TERM: self.paths.term,
            Method.PLACE: lambda text: text if _COUNTRY.fullmatch(text) else self.pseudonyms.of(PLACE, text),
            Method.SYSTEM: lambda text: self.pseudonyms.of(SYSTEM, text) if text else text,
            Method.VALUE: self.texts.by_value,
            Method.RECOGNISED: self.texts.by_value,
            Method.TEXT: self.texts.words,
            Method.HIDE: lambda text: REDACTED if text else text,
        }

        self._methods: dict[Kind | None, Method] = {None: policy.methods[Kind.MIXED]}
        self._methods.update(policy.methods.items())
        if self.moments.span_ns:
            self._methods[Kind.TIME] = Method.SHIFT
        if policy.numbers.ports:
            self._methods[Kind.PORT] = Method.PORT
        self._named: dict[tuple[Kind | None, str], Method] = {}
        if self.moments.span_ns:
            # When a file was read is close to when it is shared, and to when a live capture began.
            self._named.update({(Kind.TIME, name): Method.HIDE for name in CLOCK_COLUMNS})
        if policy.kept.vendors:  # of the shipped table, for the part of the hardware address that stays
            self._named[Kind.SOFTWARE, "vendor"] = Method.KEEP
        if policy.numbers.ttl:
            self._named |= {(Kind.NUMBER, name): Method.TTL for name in TTL_COLUMNS}
        self._of_numbers: dict[Method, Callable[[int], int]] = {
            Method.PORT: self.numbers.port,
            Method.TTL: self.numbers.ttl,
            Method.SHIFT: self.moment_ns,
        }

    def value(self, kind: Kind | None, value: Any, name: str = "", sql_type: str = "", table: str = "") -> Any:
        """Replace a value of a column by its kind; without a kind, by what it is; of a list, element by element.

        ``name``, ``sql_type`` and ``table`` are the column's; its table counts for policies with columns of their own.
        """
        return self._value(kind, self.method(kind, name, table), value, sql_type, 0)

    def many(
        self, kind: Kind | None, values: Sequence[Any], name: str = "", sql_type: str = "", table: str = ""
    ) -> list[Any]:
        """Replace the values of a column; faster than `value` for each."""
        method = self.method(kind, name, table)
        return [self._value(kind, method, value, sql_type, 0) for value in values]

    def replacer(self, kind: Kind | None, method: Method, sql_type: str = "") -> Callable[[Any], Any]:
        """Function that replaces values of a kind by a method."""
        return lambda value: self._value(kind, method, value, sql_type, 0)

    def method(self, kind: Kind | None, name: str = "", table: str = "") -> Method:
        """What becomes of the values of a column."""
        if self.policy.columns and (own := self._own_method(name, table)):
            return own
        return self._named.get((kind, name)) or self._methods[kind]

    def _own_method(self, name: str, table: str) -> Method | None:
        """Method that the policy has for a column; of one whose table is not known, only that which hides it."""
        if table:
            return self.policy.columns.get(f"{table}.{name}")
        end = f".{name}"
        hidden = any(key.endswith(end) and own is Method.HIDE for key, own in self.policy.columns.items())
        return Method.HIDE if hidden else None

    def stays(self, kind: Kind | None, name: str = "", sql_type: str = "", table: str = "") -> bool:
        """Whether all values of a column of numbers, words or moments stay as they are, so that it may be copied."""
        if kind is None or self.method(kind, name, table) is not Method.KEEP:
            return False
        return "VARCHAR" not in sql_type or kind not in NUMBERS

    def _value(self, kind: Kind | None, method: Method, value: Any, sql_type: str, depth: int) -> Any:
        if isinstance(value, str):
            return self._text(kind, method, value)
        if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
            return self._number(kind, method, value, sql_type)
        if value is None or isinstance(value, bool | dt.date | dt.time | dt.timedelta):
            return self.moments.moment(value) if isinstance(value, dt.date) else value
        if depth < MAX_DEPTH and isinstance(value, list | tuple):
            inner = sql_type.removesuffix("[]") if sql_type.endswith("[]") else ""
            return [self._value(kind, method, each, inner, depth + 1) for each in value[:MAX_ITEMS]]
        if depth < MAX_DEPTH and isinstance(value, Mapping):
            is_map = not sql_type.startswith("STRUCT")
            return {
                self._key(key, is_map=is_map): self._value(kind, method, each, "", depth + 1)
                for key, each in list(value.items())[:MAX_ITEMS]
            }
        return REDACTED

    def _text(self, kind: Kind | None, method: Method, text: str) -> str:
        if method in _OF_NUMBERS and (kind is None or kind in NUMBERS):
            method = self.policy.methods[Kind.MIXED]  # a text in the place of a number
        return self._texts[method](text)

    def _key(self, key: Any, *, is_map: bool) -> Any:
        """Replace a key of a map; the name of a field of a structure stays."""
        if not is_map and isinstance(key, str) and _SQL_NAME.fullmatch(key):
            return key
        return self._value(None, self.method(None), key, "", MAX_DEPTH)

    def _number(self, kind: Kind | None, method: Method, value: int | float | Decimal, sql_type: str) -> Any:  # noqa: PYI041
        whole = value if isinstance(value, int) else None
        if method is Method.KEEP and sql_type != "TIMESTAMP_NS":
            return value
        address = whole is not None and (sql_type == "UHUGEINT" or is_address_number(whole))
        if method in _OF_NUMBERS or (kind is None and not address):
            shifted = method is Method.SHIFT or sql_type == "TIMESTAMP_NS"
            change = self._of_numbers.get(Method.SHIFT if shifted else method)
            return value if change is None or whole is None else change(whole)
        if method is Method.HIDE or whole is None:
            return REDACTED
        if address or method is Method.ADDRESS:
            return self.names.address_number(whole)
        return self._identifying_number(method, whole)

    def _identifying_number(self, method: Method, whole: int) -> int:
        if method is Method.SYSTEM:
            first, last = PRIVATE_SYSTEMS
            return self._other_number(whole, first + self.pseudonyms.number(f"as {whole}") % (last - first + 1))
        if 0 <= whole <= SMALL:
            return whole
        return self._other_number(whole, SMALL + 1 + (self.pseudonyms.number(f"id {whole}") >> 33))

    def _other_number(self, number: int, replacement: int) -> int:
        self.pseudonyms.remember(str(replacement), str(number))
        return replacement

    # ---- other texts -------------------------------------------------------------------------------------------------

    def sql(self, text: str) -> str:
        """Replace the texts in a statement and in its comments."""
        return self.texts.sql(text)

    def original_sql(self, text: str) -> str:
        """Statement over the originals of one over replacements. Raises `UsageError` where one is not known."""
        return SQL_PARTS.sub(self._original_sql_part, text)

    def _original_sql_part(self, match: re.Match[str]) -> str:
        part = match[0]
        if match["number"] is not None:
            return str(self.names.address_number(int(part), back=True)) if is_address_number(int(part)) else part
        if match["text"] is None:
            return part
        quote = part.index("'")
        inner = part[quote + 1 :].removesuffix("'").replace("''", "'")
        if self.is_unknown(inner):
            raise UsageError("in redact mode: it is not known what {text} stands for", text=part)
        bare = inner.strip("%*")
        original = (self.original(bare) or bare) if bare else ""
        changed = inner.replace(bare, original, 1) if bare else inner
        return part[: quote + 1] + changed.replace("'", "''") + "'"

    # ---- back to the originals ---------------------------------------------------------------------------------------

    def original(self, replacement: str) -> str | None:
        """What a replacement stands for, as a whole or part by part; None: nothing in it is a replacement.

        Addresses are worked out from the key; pseudonyms are known as long as they are remembered.
        """
        whole = self.pseudonyms.original(replacement) or self.names.any_address(replacement, back=True)
        if whole:
            return whole
        named = self.names.original_name(replacement)
        if named:
            return named
        parts = PSEUDONYM.sub(lambda match: self.pseudonyms.original(match[0]) or match[0], replacement)
        return parts if parts != replacement else None

    def is_unknown(self, text: str) -> bool:
        """Whether a text has a replacement whose original is not known."""
        if REDACTED.strip("[]") in text:
            return True
        return any(self.pseudonyms.original(match[0]) is None for match in PSEUDONYM.finditer(text))
