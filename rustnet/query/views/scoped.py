"""Statements over tables as a screen sees them: the flows of its filter, as of its time, counted from its beginning.

A statement is written over `flows`, `packets`, `names` … as any other. `scoped` puts parts of a WITH in front of it, in
which these names mean what is left of them; without filter and times nothing is added.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rustnet.query.compile import compile_filter
from rustnet.query.views.spec import Statement, ViewSpec

if TYPE_CHECKING:
    from rustnet.query.session import Session

_HEAD = re.compile(r"(?:\s*--[^\n]*\n)*\s*(WITH\s+(?:RECURSIVE\s+)?)?", re.IGNORECASE)
_NAME = re.compile(r"\b(flows|packets|names|host_facts|anomalies|tcp_intervals|arp|connections|talkers|hosts)\b")
_LOOPBACK = "(flows.{0}_num BETWEEN 281472812449792 AND 281472829227007 OR flows.{0}_num = 1)"
LOOPBACK = f"({_LOOPBACK.format('src')} AND {_LOOPBACK.format('dst')})"
"""Condition of the flows whose both ends are loopback addresses."""

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


def scoped(session: "Session", spec: ViewSpec, sql: str, params: Mapping[str, object] | None = None) -> Statement:
    """Return the statement over the flows, packets and facts that ``spec`` names. Its parameters are ``$name``.

    It may read the tables in `_NAME`; those of protocols are whole. The views ``connections`` and ``talkers`` are their
    own statements over what is left.
    """
    wanted = set(_NAME.findall(sql))
    parts: list[str] = []
    bound: dict[str, object] = dict(params or {})
    filtered = bool(spec.filter.strip())
    narrowed = filtered or (not spec.loopback and _has_loopback(session))
    if wanted & {"flows", "packets", "tcp_intervals", "anomalies", "connections", "talkers", "hosts"}:
        parts += _flows(session, spec, bound, narrowed=narrowed)
    for table in ("packets", "tcp_intervals", "anomalies"):
        if table in wanted:
            parts += _limited(table, spec, narrowed=narrowed, whole=not filtered)
    learned = ViewSpec(at=spec.at)  # what was learned before the beginning is still known
    if wanted & {"names", "hosts"}:
        parts += _limited("names", learned)
    if "arp" in wanted:
        parts += _limited("arp", learned)
    if wanted & {"host_facts", "hosts"} and spec.at is not None:
        parts.append(
            "host_facts AS (SELECT * REPLACE (CASE WHEN last_seen <= {at} THEN last_seen END AS last_seen, "  # noqa: S608
            "CASE WHEN last_seen <= {at} THEN count END AS count) FROM main.host_facts WHERE first_seen <= {at})".format(
                at=stamp(spec.at)
            )
        )
    if parts:
        parts += [f"{name} AS ({body})" for name, body in _views().items() if name in wanted]
    if not parts:
        return Statement(sql.strip(), bound)
    match = _HEAD.match(sql)
    begin, word = (match.end(), match[1]) if match else (0, None)
    joint = ",\n" if word else "\n"
    return Statement(f"{(word or 'WITH ').strip()} " + ",\n".join(parts) + joint + sql[begin:].strip(), bound)


def span(session: "Session", spec: ViewSpec) -> Span:
    """Times of the first and last packet between the beginning and the time of a screen, whatever the filter."""
    sql = "SELECT epoch_ns(min(ts)), epoch_ns(max(ts)) FROM packets" + _between(spec, "ts")
    return Span(*session.execute_own(sql).rows[0])


def _views() -> dict[str, str]:
    """Statements of the views over flows, which a WITH does not reach into."""
    from rustnet.store.hosts_view import HOSTS_SQL  # noqa: PLC0415 -- only where something is left out
    from rustnet.store.schema import CONNECTIONS_SQL, TALKERS_SQL  # noqa: PLC0415

    texts = {"connections": CONNECTIONS_SQL, "talkers": TALKERS_SQL, "hosts": HOSTS_SQL}
    return {name: text.partition(" AS\n")[2] for name, text in texts.items()}


def _between(spec: ViewSpec, column: str) -> str:
    """WHERE of what lies between the beginning and the time of a screen."""
    conditions = [] if spec.at is None else [f"{column} <= {stamp(spec.at)}"]
    if spec.since is not None:
        conditions.append(f"{column} >= {stamp(spec.since)}")
    return f" WHERE {' AND '.join(conditions)}" if conditions else ""


def _limited(table: str, spec: ViewSpec, *, narrowed: bool = False, whole: bool = True) -> list[str]:
    """Part with the rows of a table between the times; ``narrowed``: of the flows that are left.

    ``whole``: and those of no flow, such as packets that could not be decoded.
    """
    where = _between(spec, "ts")
    if narrowed:
        where += (" AND " if where else " WHERE ") + (
            "(flow_id IS NULL OR flow_id IN (SELECT flow_id FROM flows))"
            if whole
            else "flow_id IN (SELECT flow_id FROM flows)"
        )
    return [f"{table} AS (SELECT * FROM main.{table}{where})"] if where else []  # noqa: S608 -- our own names


def _flows(session: "Session", spec: ViewSpec, bound: dict[str, object], *, narrowed: bool) -> list[str]:
    """Parts that leave of `flows` those of the filter, as of the time, with what they moved since the beginning."""
    if not narrowed and spec.at is None and spec.since is None:
        return []
    conditions = []
    if spec.filter.strip():
        condition = compile_filter(spec.filter, session.scope())
        pieces = condition.sql.split("?")
        names = [f"filter_{number}" for number in range(len(condition.params))]
        conditions.append("".join(f"{piece}${name}" for piece, name in zip(pieces, names, strict=False)) + pieces[-1])
        bound.update(zip(names, condition.params, strict=True))
    if narrowed and not spec.loopback:
        conditions.append(f"{LOOPBACK} IS NOT TRUE")
    if spec.since is not None:
        conditions.append(f"flows.ended_at >= {stamp(spec.since)}")
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    parts = []
    source = "main.flows"
    if spec.at is not None:
        parts.append(f"standing AS (SELECT * FROM flows_at({stamp(spec.at)}))")  # noqa: S608 -- a number
        source = "standing AS flows"
    if spec.since is None:
        return [*parts, f"flows AS (SELECT * FROM {source}{where})"]  # noqa: S608 -- our own parts
    since = stamp(spec.since)
    return [
        *parts, f"chosen AS (SELECT * FROM {source}{where})", _EARLIER.format(since=since),  # noqa: S608
        f"flows AS (SELECT chosen.* REPLACE ({_LATER.format(since=since)}) FROM chosen "  # noqa: S608
        "LEFT JOIN earlier ON earlier.flow_id = chosen.flow_id "
        "LEFT JOIN carriers ON carriers.flow_id = chosen.flow_id)",
    ]  # fmt: skip


def _has_loopback(session: "Session") -> bool:
    """Whether any flow is between loopback addresses: if none is, no packet needs to be joined with its flow."""
    return bool(session.execute_own(f"SELECT EXISTS (FROM flows WHERE {LOOPBACK})").rows[0][0])
