"""Statements over tables as a screen sees them: the flows of its filter, as of its time, counted from its beginning.

A statement is written over `flows`, `packets`, `names` … as any other. `scoped` puts parts of a WITH in front of it, in
which these names mean what is left of them; without filter and times nothing is added.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from rustnet.query.compile import compile_filter
from rustnet.query.views import at
from rustnet.query.views.flow_order import LOOPBACK
from rustnet.query.views.spec import Statement, ViewSpec

if TYPE_CHECKING:
    from rustnet.query.session import Session

_HEAD = re.compile(r"(?:\s*--[^\n]*\n)*\s*(WITH\s+(?:RECURSIVE\s+)?)?", re.IGNORECASE)
_NAME = re.compile(r"\b(flows|packets|names|host_facts|anomalies|tcp_intervals|arp|connections|talkers|hosts)\b")
_OF_FLOWS = frozenset({"flows", "packets", "tcp_intervals", "anomalies", "connections", "talkers", "hosts"})
"""Names that need the flows that are left."""

_COUNTERS = {
    "src_packets": "count(*) FILTER (from_src)", "dst_packets": "count(*) FILTER (NOT from_src)",
    "src_bytes": "coalesce(sum(length) FILTER (from_src), 0)",
    "dst_bytes": "coalesce(sum(length) FILTER (NOT from_src), 0)",
}  # fmt: skip
_EARLIER = f"""earlier AS (
    SELECT flow_id, {", ".join(f"{sql} AS {name}" for name, sql in _COUNTERS.items())}
    FROM main.packets LEFT JOIN (SELECT capture_id AS dropping FROM captures WHERE without_duplicates)
        ON dropping = capture_id AND duplicate
    WHERE ts < {{since}} AND dropping IS NULL AND flow_id IN (SELECT flow_id FROM chosen WHERE started_at < {{since}})
    GROUP BY flow_id
), carriers AS (SELECT DISTINCT outer_flow_id AS flow_id FROM main.flows WHERE outer_flow_id IS NOT NULL)"""  # noqa: S608
"""Counts of the packets before the beginning; those of a tunnel are in the flows within it, so its own are unknown."""
_LATER = ", ".join(
    f"CASE WHEN chosen.started_at >= {{since}} THEN chosen.{name} WHEN carriers.flow_id IS NULL "
    f"THEN chosen.{name} - coalesce(earlier.{name}, 0) END AS {name}"
    for name in _COUNTERS
)


def stamp(ns: int) -> str:
    """Return a packet time as SQL."""
    return f"make_timestamp_ns({int(ns)})"


@dataclass(frozen=True, slots=True)
class Span:
    """Times of the first and last packet that a screen counts, in nanoseconds; None without packets."""

    first: int | None
    last: int | None

    @property
    def seconds(self) -> float:
        """Its length."""
        return 0.0 if self.first is None or self.last is None else (self.last - self.first) / 1e9


@dataclass(frozen=True, slots=True)
class Question:
    """A statement over what is left, as it is asked, and as a person would write it."""

    sql: str
    statement: Statement

    def rows(self, session: "Session") -> list[tuple[Any, ...]]:
        """Ask it."""
        return session.execute_own(self.sql, self.statement.params).rows


def scoped(session: "Session", spec: ViewSpec, sql: str, params: Mapping[str, object] | None = None) -> Question:
    """Return the statement over the flows, packets and facts that ``spec`` names. Its parameters are ``$name``.

    It may read the tables in `_NAME`; those of protocols are whole. The views ``connections``, ``talkers`` and
    ``hosts`` are their own statements over what is left.
    """
    wanted = set(_NAME.findall(sql))
    bound: dict[str, object] = dict(params or {})
    scope = _Scope(session, spec, bound)
    views = {name: body for name, body in _views().items() if name in wanted}
    parts: list[tuple[str, str]] = []
    if wanted & _OF_FLOWS:
        parts += scope.flows(" ".join((sql, *views.values())))
    for table in ("packets", "tcp_intervals", "anomalies"):
        if table in wanted:
            parts += _both(scope.limited(table))
    for table in ("names", "arp"):
        if table in wanted or (table == "names" and "hosts" in wanted):
            parts += _both(scope.learned(table))
    if wanted & {"host_facts", "hosts"}:
        parts += _both(scope.facts())
    if not parts:
        return Question(sql.strip(), Statement(sql.strip(), bound))
    parts += [(f"{name} AS ({body})",) * 2 for name, body in views.items()]
    asked, shown = (_joined(sql, [part[which] for part in parts]) for which in (0, 1))
    return Question(asked, Statement(shown, bound))


def span(session: "Session", spec: ViewSpec) -> Span:
    """Times of the first and last packet between the beginning and the time of a screen, whatever the filter."""
    sql = f"SELECT epoch_ns(min(ts)), epoch_ns(max(ts)) FROM packets{_between(spec)}"  # noqa: S608 -- numbers
    return Span(*session.execute_own(sql).rows[0])


def _joined(sql: str, parts: list[str]) -> str:
    """A statement with parts of a WITH in front of its own."""
    match = _HEAD.match(sql)
    begin, word = (match.end(), match[1]) if match else (0, None)
    return f"{(word or 'WITH ').strip()} " + ",\n".join(parts) + (",\n" if word else "\n") + sql[begin:].strip()


def _both(parts: list[str]) -> list[tuple[str, str]]:
    """Parts that are asked as they are shown."""
    return [(part, part) for part in parts]


def _views() -> dict[str, str]:
    """Statements of the views over flows, which a WITH does not reach into."""
    from rustnet.store.hosts_view import HOSTS_SQL  # noqa: PLC0415 -- only where something is left out
    from rustnet.store.schema import CONNECTIONS_SQL, TALKERS_SQL  # noqa: PLC0415

    texts = {"connections": CONNECTIONS_SQL, "talkers": TALKERS_SQL, "hosts": HOSTS_SQL}
    return {name: text.partition(" AS\n")[2] for name, text in texts.items()}


def _between(spec: ViewSpec) -> str:
    """WHERE of what lies between the beginning and the time of a screen."""
    conditions = [] if spec.at is None else [f"ts <= {stamp(spec.at)}"]
    if spec.since is not None:
        conditions.append(f"ts >= {stamp(spec.since)}")
    return f" WHERE {' AND '.join(conditions)}" if conditions else ""


class _Scope:
    """Makes the parts of a WITH for one spec."""

    def __init__(self, session: "Session", spec: ViewSpec, bound: dict[str, object]) -> None:
        self.session, self.spec, self.bound = session, spec, bound
        self.filtered = bool(spec.filter.strip())
        self.loopback_hidden = not spec.loopback and _mixed_loopback(session)
        self.narrowed = self.filtered or self.loopback_hidden

    def flows(self, sql: str) -> list[tuple[str, str]]:
        """Parts that leave of `flows` those of the filter, as of the time, with what they moved since the beginning."""
        spec = self.spec
        if not self.narrowed and spec.at is None and spec.since is None:
            return []
        where = self._where()
        moment = at.moment(self.session, spec.at)
        counters = " ".join(_COUNTERS) if spec.since is not None else ""
        asked = at.source(moment, sql, where, counters, "ended_at") if moment else "main.flows"
        shown = at.shown(moment) if moment else "main.flows"
        if spec.since is None:
            return [_chosen("flows", asked, shown, where)]
        since = stamp(spec.since)
        later = (
            f"flows AS (SELECT chosen.* REPLACE ({_LATER.format(since=since)}) FROM chosen "  # noqa: S608 -- ours
            "LEFT JOIN earlier ON earlier.flow_id = chosen.flow_id "
            "LEFT JOIN carriers ON carriers.flow_id = chosen.flow_id)"
        )
        return [_chosen("chosen", asked, shown, where), *_both([_EARLIER.format(since=since), later])]

    def _where(self) -> str:
        """Condition of the flows that are left; its values are bound by name."""
        conditions = []
        if self.filtered:
            condition = compile_filter(self.spec.filter, self.session.scope())
            pieces = condition.sql.split("?")
            names = [f"filter_{number}" for number in range(len(condition.params))]
            conditions.append("".join(f"{p}${name}" for p, name in zip(pieces, names, strict=False)) + pieces[-1])
            self.bound.update(zip(names, condition.params, strict=True))
        if self.loopback_hidden:
            conditions.append(f"NOT {LOOPBACK}")
        if self.spec.since is not None:
            conditions.append(f"flows.ended_at >= {stamp(self.spec.since)}")
        return f" WHERE {' AND '.join(conditions)}" if conditions else ""

    def limited(self, table: str) -> list[str]:
        """Part with the rows of a table between the times and of the flows that are left.

        Without a filter, those of no flow are left too, such as packets that could not be decoded.
        """
        where = _between(self.spec)
        if self.narrowed:
            of_flows = "flow_id IN (SELECT flow_id FROM flows)"
            where += " AND " if where else " WHERE "
            where += of_flows if self.filtered else f"(flow_id IS NULL OR {of_flows})"
        return [f"{table} AS (SELECT * FROM main.{table}{where})"] if where else []  # noqa: S608 -- our own names

    def learned(self, table: str) -> list[str]:
        """Part with what was known at the time: also what was learned before the beginning."""
        where = _between(replace(self.spec, since=None))
        return [f"{table} AS (SELECT * FROM main.{table}{where})"] if where else []  # noqa: S608 -- our own names

    def facts(self) -> list[str]:
        """Part with the facts that had been stated at the time; how often is unknown if they were stated later too."""
        if self.spec.at is None:
            return []
        known = f"CASE WHEN last_seen <= {stamp(self.spec.at)} THEN {{0}} END AS {{0}}"
        stated = f"FROM main.host_facts WHERE first_seen <= {stamp(self.spec.at)}"
        return [f"host_facts AS (SELECT * REPLACE ({known.format('last_seen')}, {known.format('count')}) {stated})"]


def _chosen(name: str, asked: str, shown: str, where: str) -> tuple[str, str]:
    asked_sql, shown_sql = (f"{name} AS (SELECT * FROM {source}{where})" for source in (asked, shown))  # noqa: S608
    return asked_sql, shown_sql


def _mixed_loopback(session: "Session") -> bool:
    """Whether there are flows between loopback addresses, and others: only then they are left out."""
    if not session.scope().has("flows", "src_num"):
        return False
    sql = f"SELECT bool_or({LOOPBACK}) AND NOT bool_and({LOOPBACK}) FROM flows"  # noqa: S608 -- our own condition
    return bool(session.execute_own(sql).rows[0][0])
