"""`diff`: what is new, gone or changed between two sessions, or between two time ranges.

Both sides list their items in the same order, so that they are merged as they are read: only what is reported is kept.
docs/diff.md describes the columns and how surprise is reckoned.
"""

import heapq
import math
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from rustnet.errors import UsageError
from rustnet.i18n import _
from rustnet.query.compile import compile_filter
from rustnet.query.diff_sets import KINDS, ItemKind, items_sql, missing
from rustnet.query.diff_sides import Side, SideFacts, SideText, facts_of, parse_side, same_file
from rustnet.query.execute import ResultSet, Row, RowStream
from rustnet.query.session import Session, open_session
from rustnet.records import Kind

CHANGES = ("new", "gone", "changed")
FACTOR = 2.0
"""Factor by which a volume must differ to be reported."""
LEAST_BYTES = 10_000
"""Bytes by which it must differ as well, over the time of the shorter side."""
LEAST_NUMBER = 10
"""The same for numbers of flows or messages."""
KEPT = 10_000
"""Most rows of one kind and change that are kept: the most surprising ones."""
MOST_CHARACTERS = 4_000_000
"""Most characters of items and details of one kind and change that are kept."""
MOST_PROCESSES = 10_000
"""Most new or gone processes that are remembered, to mark what they did."""

_TYPES: dict[str, tuple[str, Kind | None]] = {
    "change": ("VARCHAR", Kind.WORD),
    "kind": ("VARCHAR", Kind.WORD),
    "item": ("VARCHAR", Kind.MIXED),
    "detail": ("VARCHAR", Kind.MIXED),
    "surprise": ("DOUBLE", Kind.NUMBER),
    "reasons": ("VARCHAR[]", Kind.WORD),
    "processes": ("VARCHAR[]", Kind.SOFTWARE),
    "attribute": ("VARCHAR", Kind.WORD),
    "before": ("VARCHAR", Kind.MIXED),
    "after": ("VARCHAR", Kind.MIXED),
    "factor": ("DOUBLE", Kind.NUMBER),
    "counted": ("VARCHAR", Kind.WORD),
    "count_before": ("BIGINT", Kind.COUNT),
    "count_after": ("BIGINT", Kind.COUNT),
    "bytes_before": ("BIGINT", Kind.BYTES),
    "bytes_after": ("BIGINT", Kind.BYTES),
    "first_seen": ("TIMESTAMP_NS", Kind.TIME),
    "last_seen": ("TIMESTAMP_NS", Kind.TIME),
    "flow_id": ("BIGINT", Kind.FLOW),
}
COLUMNS = tuple(_TYPES)
"""Columns of a result."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What is compared, and what counts as a change."""

    filter: str = ""
    """Filter of the flows of both sides."""
    kinds: tuple[str, ...] = tuple(KINDS)
    only: tuple[str, ...] = CHANGES
    factor: float = FACTOR
    least_bytes: int = LEAST_BYTES
    least_number: int = LEAST_NUMBER


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Difference(ResultSet):
    """A `ResultSet` of what differs, the most surprising first, and what was compared."""

    before: SideFacts
    """The first side."""
    after: SideFacts
    """The second side."""
    rules: Rules
    """What was compared, and what counts as a change."""
    counts: dict[str, dict[str, int]]
    """Items by kind: ``new``, ``gone``, ``changed``, ``same``."""
    not_compared: dict[str, str]
    """Kinds that could not be compared, with the reason."""
    notes: list[str]
    """What restricts the meaning of the rows."""


def _kinds(_names: Sequence[str], _types: Sequence[str]) -> tuple[Kind | None, ...]:
    """Kinds of the columns."""
    return tuple(kind for _type, kind in _TYPES.values())


class _Item(NamedTuple):
    """An item of one side: a row of `items_sql`."""

    item: str
    detail: str | None
    first_process: str | None
    last_process: str | None
    number: int
    bytes: int | None
    first_seen: int | None
    last_seen: int | None
    flow_id: int
    is_external: bool
    unowned: int
    facts: list[str] | None


_NUMBER, _BYTES, _FACTS = (_Item._fields.index(name) for name in ("number", "bytes", "facts"))


def diff(
    before: "Session | Side | str | os.PathLike[str]",
    after: "Session | Side | str | os.PathLike[str]",
    *,
    filter: str = "",  # noqa: A002 -- the usual word
    kinds: Sequence[str] | None = None,
    only: Sequence[str] | None = None,
    factor: float = FACTOR,
    limit: int | None = None,
) -> Difference:
    """Compare two sessions: what is new, gone or changed in ``after``, the most surprising first (see docs/diff.md).

    A side is an open session, a path, or a time range of one: ``"day.duckdb@2024-05-01T10:00..2024-05-01T11:00"``,
    where either time may be left out. ``filter`` chooses the flows of both sides, ``kinds`` what is compared and
    ``only`` which changes are reported (by default all); volumes have changed if they differ by ``factor`` per second.

    >>> sides = "web.duckdb@..2026-11-23T16:23:34", "web.duckdb@2026-11-23T16:23:34.."
    >>> changes = rustnet.diff(*sides, kinds=["app", "user", "service"], only=["new"])
    >>> [(kind, item, detail) for change, kind, item, detail, *more in changes]
    [('user', 'bob', None), ('app', 'tls', None), ('service', 'tcp/443', 'https')]
    >>> changes.counts["app"]
    {'new': 1, 'gone': 1, 'changed': 0, 'same': 3}
    """
    kinds = tuple(KINDS) if kinds is None else kinds
    only = CHANGES if only is None else only
    for name in kinds:
        if name not in KINDS:
            raise UsageError("unknown kind {name!r}; there is {known}", name=name, known=", ".join(KINDS))
    for name in only:
        if name not in CHANGES:
            raise UsageError("unknown change {name!r}; there is {known}", name=name, known=", ".join(CHANGES))
    if not factor > 1:
        raise UsageError("a volume changes by a factor of more than 1, not {factor}", factor=factor)
    rules = Rules(filter, tuple(dict.fromkeys(kinds)), tuple(dict.fromkeys(only)), factor)
    with ExitStack() as stack:
        first, second = _opened(before, after, stack)
        return compare(first, second, rules, limit)


def _opened(before: Any, after: Any, stack: ExitStack) -> tuple[Side, Side]:
    """Open the sides that are not open; a session that both are of is opened once."""
    texts: list[SideText] = []
    sides: list[Side] = []
    for side in (before, after):
        if isinstance(side, Side):
            sides.append(side)
        elif isinstance(side, Session):
            sides.append(Side(side))
        else:
            text = parse_side(os.fspath(side))
            shared = [s for t, s in zip(texts, sides, strict=False) if same_file(t.path, text.path)]
            session = shared[0].session if shared else stack.enter_context(open_session(text.path))
            texts.append(text)
            sides.append(Side(session, text.start, text.end))
    return sides[0], sides[1]


def compare(before: Side, after: Side, rules: Rules, limit: int | None = None) -> Difference:
    """Compare two sides."""
    begun = time.perf_counter()
    scopes = [side.session.scope() for side in (before, after)]
    conditions = [compile_filter(rules.filter, scope) for scope in scopes]
    facts = [facts_of(s, c, scope) for s, c, scope in zip((before, after), conditions, scopes, strict=True)]
    comparison = _Comparison(rules, facts[0], facts[1])
    lacking = [{name: missing(KINDS[name], scope) for name in rules.kinds} for scope in scopes]
    for name in rules.kinds:
        for words, lacks in zip((_("before"), _("after")), lacking, strict=True):
            if lacks[name]:
                reason = _("the session of '{side}' has no column {columns}")
                comparison.not_compared[name] = reason.format(side=words, columns=", ".join(lacks[name]))
    asked = [name for name in KINDS if name in rules.kinds and name not in comparison.not_compared]
    # Processes are always listed: what a new one does is more surprising.
    for name in dict.fromkeys(["process", *asked]) if asked else ():
        with ExitStack() as stack:
            streams = [
                stack.enter_context(
                    side.session.stream(items_sql(KINDS[name], side.start, side.end, c, scope), c.params, own=True)
                )
                for side, c, scope in zip((before, after), conditions, scopes, strict=True)
            ]
            comparison.merge(KINDS[name], streams[0], streams[1], asked=name in asked)
    return comparison.result(limit, begun)


def _rows(stream: RowStream) -> Iterator[Row]:
    for batch in stream.batches():
        yield from batch


@dataclass(slots=True)
class _Kept:
    """Rows of one kind and change: all are counted, the most surprising are kept."""

    number: int = 0
    rows: list[tuple[float, str, Row]] = field(default_factory=list)
    characters: int = 0

    def add(self, surprise: float, row: Row) -> None:
        """Count a row, and keep it if it may be one of the most surprising."""
        self.number += 1
        self.rows.append((-surprise, row[2], row))
        self.characters += len(row[2]) + len(row[3] or "")
        if len(self.rows) >= 2 * KEPT or self.characters > MOST_CHARACTERS:
            self.rows = heapq.nsmallest(min(KEPT, len(self.rows) // 2), self.rows)
            self.characters = sum(len(each[2]) + len(each[3] or "") for _surprise, _item, each in self.rows)


class _Comparison:
    """Merges the items of two sides and reckons how surprising each difference is."""

    def __init__(self, rules: Rules, before: SideFacts, after: SideFacts) -> None:
        self.rules = rules
        self.before = before
        self.after = after
        self.not_compared: dict[str, str] = {}
        self.notes: list[str] = []
        self.counts: dict[str, dict[str, int]] = {}
        self.comparable = before.seconds > 0 and after.seconds > 0
        self._shorter = min(before.seconds, after.seconds)
        self._processes: dict[str, set[str]] = {"new": set(), "gone": set()}
        self._owned = {"new": 2 * after.owned > after.flows, "gone": 2 * before.owned > before.flows}
        self._reported: list[Row] = []
        self._cut = False

    def merge(self, kind: ItemKind, before: RowStream, after: RowStream, *, asked: bool) -> None:
        """Compare all items of one kind, which both sides list in the same order."""
        left, right = _rows(before), _rows(after)
        old, new = next(left, None), next(right, None)
        kept = {change: _Kept() for change in CHANGES}
        same = 0
        while old is not None or new is not None:
            if new is None or (old is not None and old[0] < new[0]):
                assert old is not None
                self._one_sided("gone", kind, _Item._make(old), kept["gone"])
                old = next(left, None)
            elif old is None or new[0] < old[0]:
                self._one_sided("new", kind, _Item._make(new), kept["new"])
                new = next(right, None)
            else:
                same += not self._changed(kind, old, new, kept["changed"])
                old, new = next(left, None), next(right, None)
        counts = {change: each.number for change, each in kept.items()} | {"same": same}
        if kind.name == "process" and _one_side_lacks(counts):
            self._processes = {"new": set(), "gone": set()}
        if asked:
            self._finish(kind, counts, kept)

    def _finish(self, kind: ItemKind, counts: dict[str, int], kept: dict[str, _Kept]) -> None:
        """Report the rows of one kind, or why nothing can be said about it."""
        lacking = _one_side_lacks(counts)
        if lacking:
            side = _("before") if lacking == "before" else _("after")
            if kind.evidence:
                self.not_compared[kind.name] = _("'{side}' has none at all: it lacks this evidence").format(side=side)
                return
            self.notes.append(_("{kind}: '{side}' has none at all").format(kind=kind.name, side=side))
        self.counts[kind.name] = counts
        total = sum(counts.values())
        for change in self.rules.only:
            novelty = math.log2((total + 2) / (counts[change] + 1))
            rows = sorted(kept[change].rows)[:KEPT]
            for surprise, _item, row in rows:
                self._reported.append((*row[:4], round(novelty - surprise, 2), *row[5:]))
            if counts[change] > len(rows):
                self._cut = True
                words = _("{kind}, {change}: the {kept} most surprising of {number} are listed")
                self.notes.append(words.format(
                    kind=kind.name, change=change, kept=f"{len(rows):,}", number=f"{counts[change]:,}"))  # fmt: skip

    def _one_sided(self, change: str, kind: ItemKind, item: _Item, kept: _Kept) -> None:
        """Take an item that one side has."""
        if kind.name == "process" and len(self._processes[change]) < MOST_PROCESSES:
            self._processes[change].add(item.item)
        if change not in self.rules.only:
            kept.number += 1
            return
        bits, reasons = self._traits(change, item)
        bits += kind.weight
        if item.bytes:
            bits += min(4.0, max(0.0, math.log10(item.bytes / LEAST_BYTES)))
        is_new = change == "new"
        kept.add(bits, (
            change, kind.name, item.item, item.detail, 0.0, reasons, _processes(item), None, None, None, None,
            kind.counted, None if is_new else item.number, item.number if is_new else None,
            None if is_new else item.bytes, item.bytes if is_new else None, item.first_seen, item.last_seen,
            item.flow_id,
        ))  # fmt: skip

    def _traits(self, change: str, item: _Item) -> tuple[float, list[str]]:
        """What makes an item more surprising, in bits and in words."""
        bits = 0.0
        reasons: list[str] = []
        if item.is_external:
            bits, reasons = bits + 2, [*reasons, "external"]
        if item.unowned and self._owned[change]:
            bits, reasons = bits + 2, [*reasons, "unowned"]
        if not self._processes[change].isdisjoint((item.first_process or "", item.last_process or "")):
            bits, reasons = bits + 2, [*reasons, f"{change}_process"]
        return bits, reasons

    def _changed(self, kind: ItemKind, old_row: Row, new_row: Row, kept: _Kept) -> bool:
        """Take an item that both sides have, if it changed; returns whether it did."""
        change = _changed_fact(old_row[_FACTS], new_row[_FACTS])
        factor: float | None = None
        if change is None:
            rules = self.rules
            changed, factor = self._volume(old_row[_BYTES], new_row[_BYTES], rules.least_bytes)
            at, attribute = _BYTES, "bytes"
            if not changed:
                changed, factor = self._volume(old_row[_NUMBER], new_row[_NUMBER], rules.least_number)
                at, attribute = _NUMBER, kind.counted
            if not changed:
                return False
            change = attribute, str(old_row[at]), str(new_row[at])
            bits = 10.0 if factor is None else min(10.0, abs(math.log2(factor)))
        else:
            bits = 6.0
        if "changed" not in self.rules.only:
            kept.number += 1
            return True
        old, new = _Item._make(old_row), _Item._make(new_row)
        traits = self._traits("new", new), self._traits("gone", old)
        reasons = sorted({*traits[0][1], *traits[1][1]})
        kept.add(bits + max(traits[0][0], traits[1][0]) / 2, (
            "changed", kind.name, new.item, new.detail or old.detail, 0.0, reasons, _processes(new), *change,
            factor and round(factor, 3), kind.counted, old.number, new.number, old.bytes, new.bytes, new.first_seen,
            new.last_seen, new.flow_id,
        ))  # fmt: skip
        return True

    def _volume(self, old: int | None, new: int | None, least: int) -> tuple[bool, float | None]:
        """Whether a volume changed, and by which factor per second; None if one is 0."""
        if old is None or new is None or not self.comparable:
            return False, None
        then, now = old / self.before.seconds, new / self.after.seconds
        low, high = (then, now) if then < now else (now, then)
        if high < low * self.rules.factor or (high - low) * self._shorter < least:
            return False, None
        return True, now / then if low else None

    def result(self, limit: int | None, begun: float) -> Difference:
        """Return all rows, or the first ``limit``."""
        if not self.comparable and "changed" in self.rules.only:
            self.notes.append(_("volumes are not compared: a side covers no time"))
        for side, words in ((self.before, _("before")), (self.after, _("after"))):
            if not side.flows:
                self.notes.append(_("'{side}' has no flows").format(side=words))
        order = {name: number for number, name in enumerate(KINDS)}
        rows = sorted(self._reported, key=lambda row: (-row[4], order[row[1]], row[2], row[0]))
        cut = limit is not None and len(rows) > limit
        return Difference(
            columns=COLUMNS,
            types=tuple(sql for sql, _kind in _TYPES.values()),
            rows=rows[:limit] if cut else rows,
            truncated=cut or self._cut,
            elapsed=time.perf_counter() - begun,
            own_kinds=_kinds,
            before=self.before,
            after=self.after,
            rules=self.rules,
            counts=self.counts,
            not_compared=self.not_compared,
            notes=self.notes,
        )


def _one_side_lacks(counts: dict[str, int]) -> str:
    """The side that has no item of a kind, if the other one has; else nothing."""
    if counts["same"] or counts["changed"] or bool(counts["new"]) == bool(counts["gone"]):
        return ""
    return "before" if counts["new"] else "after"


def _processes(item: _Item) -> list[str]:
    first, last = item.first_process, item.last_process
    if first is None or last is None:
        return []
    return [first] if first == last else [first, last]


def _changed_fact(old: list[str] | None, new: list[str] | None) -> tuple[str, str, str] | None:
    """Attribute of a host that changed, with its values: hardware addresses, or its system by the same source."""
    if not old or not new or old == new:
        return None
    then, now = _by_source(old), _by_source(new)
    for source in sorted(then.keys() & now.keys()):
        if then[source] != now[source] if source == "mac" else then[source].isdisjoint(now[source]):
            return source, ", ".join(sorted(then[source])), ", ".join(sorted(now[source]))
    return None


def _by_source(facts: list[str]) -> dict[str, set[str]]:
    stated: dict[str, set[str]] = {}
    for fact in facts:
        source, _colon, value = fact.partition(": ")
        stated.setdefault(source, set()).add(value)
    return stated
