"""The values of a session that may not be in an output: collected by kind, and kept as hashes."""

import re
import struct
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from rustnet.export.leaks import sought
from rustnet.export.leaks.hashes import HashSet, Windows
from rustnet.export.leaks.sought import SOUGHT, Part
from rustnet.records import Kind
from rustnet.store.meanings import FACT_COLUMNS, FACT_VALUE, kind_of, kind_of_fact
from rustnet.store.redacted_facts import by_fact
from rustnet.store.schema import INPUT, VIEWS, quote_identifier, quote_literal
from rustnet.store.tables import FLOWS_ENDED, FLOWS_OPEN

if TYPE_CHECKING:
    from rustnet.policy.redaction import Redactor
    from rustnet.query.session import Session

MOST = 20_000_000
"""Most texts that are looked for; a session with more is searched for the first ones, which the result states."""
LEAST_BYTES = 4
"""Least different bytes of what is looked for as bytes: zeros are common."""
LONGEST_PHRASES = 128
"""Characters of a value that stays whose phrases are not looked for."""
KINDS = tuple(Kind)
_BATCH = 20_000

_VERSION = re.compile(r"v\d{1,4}", re.ASCII)
"""First part of a version, which stays with the rest of it."""
_TYPES = re.compile(r"(\A|[,+;])\s*[012](?:\.\d+)+\s*=", re.ASCII)
"""Types of the parts of distinguished names that are object identifiers, such as `2.5.4.15`, which is no address."""

Group = tuple[Kind, str, str, str]
"""Kind, type of numbers, and name and table where the policy depends on them, of columns collected together."""


def number_of(kind: Kind) -> int:
    """Number of a kind in the sets."""
    return _NUMBERS[kind]


_NUMBERS = {kind: at for at, kind in enumerate(KINDS)}


class Originals:
    """What is looked for. A value that the policy keeps is not in it, but for addresses, which are judged when met."""

    def __init__(self, redactor: "Redactor", *, known_key: bool = True) -> None:
        self.redactor = redactor
        self.known_key = known_key
        """Whether the redactor has the key of the output; if not, any address may be a replacement."""
        self.v4, self.v6, self.hardware = HashSet(), HashSet(), HashSet()
        self.words, self.phrases, self.allowed = HashSet(), HashSet(), HashSet()
        self.whole, self.replaced = HashSet(), HashSet()
        """Values with their kind, and their replacements."""
        self.allowed_phrases = HashSet()
        """Phrases of values that stay, such as vendors of network cards."""
        self.networks: set[int] = set()
        """Replacements of networks, whose numbers are not those of addresses."""
        self.texts, self.raw, self.cards = Windows(8), Windows(8), Windows(6)
        """Texts in lower case, addresses of 16 bytes and pairs of 4, hardware addresses."""
        self.count = 0
        self.complete = True

    # ---- collecting ------------------------------------------------------------------------------------------------

    def add(self, kind: Kind, value: Any, name: str = "", sql_type: str = "", table: str = "") -> None:
        """Add a value of a column."""
        part = SOUGHT[kind]
        if isinstance(value, str):
            if part is None:
                self._allow(value)
            elif value:
                self._add_text(kind, part, value, name, table)
        elif part is not None and isinstance(value, int) and not isinstance(value, bool):
            self._add_number(kind, value, sql_type, name, table)

    def _allow(self, text: str) -> None:
        for word in sought.words_of(text):
            self.allowed.add(hash(word))

    def _add_text(self, kind: Kind, part: Part, text: str, name: str, table: str) -> None:
        at = _NUMBERS[kind]
        if kind is Kind.IDENTIFIER and not text.strip("0"):  # none, which packets keep
            return
        if kind is Kind.ADDRESS and "/" not in text and self._add_addresses(at, text.lower()):
            return
        replacement = str(self.redactor.value(kind, text, name, table=table))
        if replacement == text:
            self._allow(text)
            for phrase in sought.phrases_of(text[:LONGEST_PHRASES]):
                self.allowed_phrases.add(hash(phrase))
            return
        self.count += 1
        typeless = _TYPES.sub(r"\1", text) if kind is Kind.DISTINGUISHED_NAME else text
        if Part.ADDRESSES in part and self._add_addresses(at, typeless.lower()) and "/" in text:
            self.networks.update(number for number, *_ in sought.addresses_in(replacement.lower()))
        hardware = Part.HARDWARE in part and self._add_hardware(at, text.lower())
        self.whole.add(hash((at, text)), at)
        self.replaced.add(hash((at, replacement)), at)
        if Part.WORDS in part and not (kind is Kind.MAC and hardware):
            self._add_words(at, text, replacement)
        if Part.WHOLE in part and len(text) >= sought.SHORTEST_ANYWHERE and not text.isdigit():
            self.texts.add(text.lower().encode("utf-8", "replace"), at)

    def _add_words(self, at: int, text: str, replacement: str) -> None:
        """Add the words of a text, but for composed ones that are in its replacement too."""
        words, left = sought.words_of(text), sought.words_of(replacement)
        if "xn--" in text.lower():
            words |= {sought.unicode_of(word) for word in words if word.startswith("xn--")}
        strong = [word for word in words if not sought.is_weak(word)]
        for word in strong:
            version = KINDS[at] is Kind.SOFTWARE and _VERSION.fullmatch(word)
            if word in left and (version or sought.is_composed(word)):
                self.allowed.add(hash(word))  # of common words, which the policy keeps next to each other
            self.words.add(hash(word), at)
            encoded = word.encode("utf-8", "replace")
            if len(encoded) >= sought.SHORTEST_ANYWHERE:
                self.texts.add(encoded, at)
        if not strong and (phrase := sought.phrase_of(text)) and phrase not in sought.phrases_of(replacement):
            self.phrases.add(hash(phrase), at)

    def _add_addresses(self, at: int, lower: str) -> bool:
        """Add the addresses in a text; returns whether there is one."""
        present = False
        for number, is_v4, _spelling, _form in sought.addresses_in(lower):
            present = True
            self._add_address(at, number, is_v4=is_v4)
        return present

    def _add_address(self, at: int, number: int, *, is_v4: bool) -> None:
        self.count += 1
        if is_v4:
            self.v4.add(number, at)
            return
        inner = sought.v4_within(number)
        if inner is not None:
            self.v4.add(inner, at)
        if number >> 32 == 0xFFFF:
            return
        self.v6.add(hash(number), at)
        plain = len(set(number.to_bytes(16))) < LEAST_BYTES
        if number >> 64 and not plain:  # of others the first bytes are zeros, as much of any file is
            self.raw.add(number.to_bytes(16), at)
        if number & (1 << 64) - 1 > 0xFFFF_FFFF and not plain:
            self.raw.add(number.to_bytes(16, "little"), at)

    def _add_hardware(self, at: int, lower: str) -> bool:
        """Add the hardware addresses in a text; returns whether there is one."""
        present = False
        for number, _spelling in sought.hardware_in(lower):
            present = True
            self.count += 1
            self.hardware.add(number, at)
            if len(set(number.to_bytes(6))) >= LEAST_BYTES:
                self.cards.add(number.to_bytes(6), at)
        return present

    def _add_number(self, kind: Kind, value: int, sql_type: str, name: str, table: str) -> None:
        at = _NUMBERS[kind]
        if kind is Kind.ADDRESS_NUMBER or sql_type == "UHUGEINT":
            self._add_address(at, value, is_v4=False)
            return
        replacement = self.redactor.value(kind, value, name, sql_type, table)
        if replacement != value:
            self.count += 1
            self.whole.add(hash((at, value)), at)
            self.replaced.add(hash((at, replacement)), at)

    def add_pair(self, first: str, second: str) -> None:
        """Add the ends of a flow of IPv4, which are next to each other in headers."""
        one, two = (sought.v4_of(text) if sought.V4.fullmatch(text) else None for text in (first, second))
        if one is not None and two is not None:
            for pair in (struct.pack("!II", one, two), struct.pack("!II", two, one)):
                if len(set(pair)) >= LEAST_BYTES:
                    self.raw.add(pair, _NUMBERS[Kind.ADDRESS])

    def seal(self) -> None:
        """Sort everything, and leave out words and phrases that are also in values that stay."""
        self.allowed.seal()
        self.words.seal(self.allowed)
        self.allowed_phrases.seal()
        self.phrases.seal(self.allowed_phrases)
        for each in (self.v4, self.v6, self.hardware, self.whole, self.replaced):
            each.seal()
        for windows in (self.texts, self.raw, self.cards):
            windows.seal()

    # ---- judging ---------------------------------------------------------------------------------------------------

    def has_address(self, number: int, *, is_v4: bool) -> bool:
        """Whether an address is one of the session's."""
        return number in self.v4 if is_v4 else hash(number) in self.v6

    def address_stays(self, text: str) -> bool:
        """Whether an address means the same everywhere, such as that of loopback, or the policy keeps it."""
        return text in (self.redactor.names.address(text), self.redactor.value(Kind.ADDRESS, text))

    def address_replaces(self, text: str, number: int, *, is_v4: bool) -> bool:
        """Whether an address is, or could be, the replacement of one of the session's."""
        if not self.known_key or number in self.networks:
            return True
        original = self.redactor.names.any_address(text, back=True)
        if not original or self.redactor.value(Kind.ADDRESS, original) != text:
            return False
        before = sought.v4_of(original) if is_v4 else sought.v6_of(original)
        return before is not None and self.has_address(before, is_v4=is_v4)

    def hardware_stays(self, text: str) -> bool:
        """Whether a hardware address means the same everywhere, as the broadcast address, or the policy keeps it."""
        return text in (self.redactor.names.mac(text), self.redactor.value(Kind.MAC, text))

    def hardware_replaces(self, number: int) -> bool:
        """Whether a hardware address is, or could be, the replacement of one of the session's."""
        if not self.redactor.policy.kept.vendors:
            return False
        return not self.known_key or self.redactor.names.addresses.hardware.original(number) in self.hardware

    def could_replace(self, at: int, value: str | int) -> bool:
        """Whether a value of a kind is, or could be, the replacement of another one."""
        if hash((at, value)) in self.replaced:
            return True
        if self.known_key:
            return False
        return (
            isinstance(value, int)
            or any(True for _ in sought.addresses_in(value))
            or sought.MAC.search(value) is not None
        )


def collect(
    session: "Session",
    redactor: "Redactor",
    *,
    pairs: bool,
    known_key: bool = True,
    step: "Callable[[str], None] | None" = None,
) -> Originals:
    """Collect the original values of a session; ``pairs``: also the ends of its flows next to each other."""
    originals = Originals(redactor, known_key=known_key)
    for table, names in session.columns().items():
        for name in (table, *names):
            originals.add(Kind.WORD, name)
    # Words of values that stay are needed first.
    groups = sorted(_groups(session, redactor).items(), key=lambda item: SOUGHT[item[0][0]] is not None)
    for (kind, sql_type, name, own_table), columns in groups:
        if step is not None:
            step(kind.value)
        for value in _distinct(session, columns):
            originals.add(kind, value, name, sql_type, own_table)
            if originals.count >= MOST:
                originals.complete = False
                break
        originals.allowed.seal()
    if by_fact(redactor, *FACT_VALUE):
        _add_facts(session, originals)
    _add_inputs(session, originals)
    if pairs:
        _add_pairs(session, originals)
    originals.seal()
    return originals


def _add_inputs(session: "Session", originals: Originals) -> None:
    """Add the paths of the session's inputs."""
    for (path,) in session.execute_own(
        f"SELECT DISTINCT substr(key, {len(INPUT) + 1}) FROM meta WHERE key LIKE {quote_literal(INPUT + '%')}"  # noqa: S608 -- our own words
    ).rows:
        originals.add(Kind.PATH, path)


def _add_pairs(session: "Session", originals: Originals) -> None:
    """Add the ends of the session's flows."""
    for table in (FLOWS_ENDED, FLOWS_OPEN):
        for first, second in _rows(session, f"SELECT DISTINCT src_ip, dst_ip FROM {table} WHERE src_ip LIKE '%.%'"):  # noqa: S608
            originals.add_pair(first, second or "")


def _add_facts(session: "Session", originals: Originals) -> None:
    """Add what hosts disclose, each by the kind of its fact."""
    table, value = FACT_VALUE
    if table not in session.columns():
        return
    names = ", ".join(map(quote_identifier, (value, *FACT_COLUMNS)))
    for text, fact, source in _rows(session, f"SELECT DISTINCT {names} FROM {table} WHERE {value} IS NOT NULL"):  # noqa: S608
        kind, name = kind_of_fact(fact or "", source or "")
        originals.add(kind, text, name)


def _groups(session: "Session", redactor: "Redactor") -> dict[Group, list[tuple[str, str, str]]]:
    """Columns whose values are collected together: table, column and type of each."""
    groups: dict[Group, list[tuple[str, str, str]]] = {}
    for table, columns in session.columns().items():
        if table in VIEWS or table in ("meta", "migrations"):
            continue
        for column, sql_type in columns.items():
            kind = kind_of(table, column) or Kind.MIXED
            text = sql_type.startswith("VARCHAR") or "(" in sql_type
            if SOUGHT[kind] is None and not text:
                continue
            own = f"{table}.{column}" in redactor.policy.columns
            if (table, column) == FACT_VALUE and not own:
                continue
            name = column if own or (kind is Kind.SOFTWARE and column == "vendor") else ""
            group = kind, "" if text else sql_type.removesuffix("[]"), name, table if own else ""
            groups.setdefault(group, []).append((table, column, sql_type))
    return groups


def _distinct(session: "Session", columns: list[tuple[str, str, str]]) -> Iterator[Any]:
    selects = []
    for table, column, sql_type in columns:
        name = quote_identifier(column)
        shown = f"unnest({name})" if sql_type.endswith("[]") and sql_type.count("[") == 1 else name
        cast = "::VARCHAR" if "(" in sql_type else ""
        selects.append(f"SELECT {shown}{cast} AS value FROM {quote_identifier(table)} WHERE {name} IS NOT NULL")  # noqa: S608
    for (value,) in _rows(session, f"SELECT DISTINCT value FROM ({' UNION ALL '.join(selects)})"):  # noqa: S608
        yield value


def _rows(session: "Session", sql: str) -> Iterator[tuple[Any, ...]]:
    with session.stream(sql, own=True) as rows:
        while batch := rows.fetch(_BATCH):
            yield from batch
