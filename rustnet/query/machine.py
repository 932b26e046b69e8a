"""What a live capture's machine was: its sockets and routes, over the whole recording or at one time."""

import datetime as dt
import typing
from dataclasses import dataclass

from rustnet.errors import RustnetError, UsageError
from rustnet.i18n import N_
from rustnet.present.values import moment as shown_moment
from rustnet.query.arguments import Moment
from rustnet.query.compile import Scope, compile_filter
from rustnet.query.execute import ResultSet, RowStream
from rustnet.query.filters import And, FilterError, Node, Not, Or, parse
from rustnet.query.matching import Condition
from rustnet.query.views import moments
from rustnet.store.machine_views import sockets_sql

if typing.TYPE_CHECKING:
    from rustnet.query.session import Session

SOCKET_COLUMNS = (
    "protocol", "local_addr", "local_port", "remote_addr", "remote_port", "listening", "state", "process_name", "pid",
    "username", "uid", "first_seen", "opened_at", "closed_at", "exe", "cmdline", "holders", "holder_count",
    "ipv6_only", "inode", "process_started_at", "process_id", "network_namespace", "opened_after", "capture_id",
    "socket",
)  # fmt: skip
ROUTE_COLUMNS = (
    "routing_table", "destination", "gateway", "interface_name", "metric", "type", "protocol", "preferred_source",
    "first_seen", "added_at", "removed_at", "from_network", "tos", "weight", "capture_id", "route",
)  # fmt: skip

SOCKETS, ROUTES = "socket_changes", "route_changes"
_TABLES = ("machine", "machine_interfaces", "interface_stats", "route_changes", "neighbour_changes", "socket_changes")
LATEST_ROWS = " UNION ALL ".join(
    f"SELECT capture_id, min(ts) AS first, max(ts) AS ts FROM {name} GROUP BY capture_id"  # noqa: S608 -- our tables
    for name in _TABLES
)
"""SQL of the times of the first and the latest row of each table about the machine."""
_RECORDED = f"""
SELECT own.capture_id, min(epoch_ns(own.first)), max(greatest(epoch_ns(latest.ts), coalesce(epoch_ns(c.last_ts), 0)))
FROM (SELECT capture_id, min(ts) AS first FROM {{table}} GROUP BY capture_id) AS own
JOIN ({LATEST_ROWS}) AS latest ON latest.capture_id = own.capture_id
LEFT JOIN captures AS c ON c.capture_id = own.capture_id
GROUP BY own.capture_id ORDER BY own.capture_id"""  # noqa: S608 -- our tables

_AT = "ts <= make_timestamp_ns({at})"
_OPEN_AT = "capture_id IN ({captures}) AND (closed_at IS NULL OR closed_at > make_timestamp_ns({at}))"

_KEY = "((capture_id::BIGINT << 32) + socket)"
_AS_FLOWS = """keyed AS (
    SELECT *, {key} AS key FROM shown
), processes AS (
    SELECT key AS process_id, process_name AS name, exe, cmdline, pid, username, uid FROM keyed
), flows AS (
    SELECT key AS flow_id, CASE WHEN pid IS NOT NULL THEN key END AS process_id, capture_id, protocol, state,
        local_addr AS src_ip, CASE local_addr WHEN '::' THEN 0 ELSE local_num END AS src_num, local_port AS src_port,
        remote_addr AS dst_ip, CASE remote_addr WHEN '::' THEN 0 ELSE remote_num END AS dst_num,
        remote_port AS dst_port, first_seen AS started_at, NULL::VARCHAR AS hostname
    FROM keyed
), matching AS (
    SELECT flow_id FROM flows WHERE {condition}
)"""
"""Sockets as if they were flows that begin at their own end, for the language of filters."""
_FLOW_TYPES = {
    "process_id": "BIGINT", "capture_id": "INTEGER", "protocol": "VARCHAR", "state": "VARCHAR", "src_ip": "VARCHAR",
    "src_num": "UHUGEINT", "src_port": "USMALLINT", "dst_ip": "VARCHAR", "dst_num": "UHUGEINT",
    "dst_port": "USMALLINT", "started_at": "TIMESTAMP_NS",
}  # fmt: skip
_PROCESS_TYPES = {
    "name": "VARCHAR", "exe": "VARCHAR", "cmdline": "VARCHAR", "username": "VARCHAR", "pid": "BIGINT", "uid": "BIGINT",
}  # fmt: skip
KEYWORDS = frozenset((
    "port", "sport", "dport", "src", "dst", "ip", "proto", "state", "start", "after", "before", "process", "pid", "cmd",
    "user", "uid", "owned", "scope", "capture",
))  # fmt: skip
"""Keywords of filters that make sense for sockets: `src` and `sport` are the own end, `dst` and `dport` the other."""

WAITING = "(listening OR remote_addr IS NULL)"
"""Condition of the sockets that wait for peers."""

_ROUTES = """
SELECT {columns} FROM routes WHERE {condition}
ORDER BY capture_id, routing_table <> 'main', routing_table, contains(destination, ':'),
    split_part(destination, '/', 2)::INTEGER, destination, metric, route"""
_ROUTES_AT = """capture_id IN (SELECT unnest(?)) AND first_seen <= make_timestamp_ns(?)
    AND (removed_at IS NULL OR removed_at > make_timestamp_ns(?))"""


@dataclass(frozen=True, slots=True)
class Recorded:
    """Times between which the machine of a capture was recorded, in nanoseconds since 1970 UTC."""

    capture_id: int
    first: int
    last: int


def recorded(session: "Session", table: str) -> list[Recorded]:
    """The captures whose machine was recorded: from the first row of ``table``, which holds changes, to the end."""
    return [Recorded(*map(int, row)) for row in session.execute_own(_RECORDED.format(table=table)).rows]


def moment(session: "Session", table: str, text: str, zone: dt.tzinfo = dt.UTC) -> int:
    """A typed time within the record of the machine, in nanoseconds since 1970 UTC.

    Raises `UsageError` for a text that is no time, and `RustnetError` for a time of which there is no record.
    """
    spans = recorded(session, table)
    if not spans:
        raise RustnetError(N_("the session has no record of a machine: only 'rustnet live' makes one"))
    extent = moments.Extent(min(span.first for span in spans), max(span.last for span in spans))
    target = moments.parse(text, extent, zone)
    if target.what == "packet":
        ns = moments.find(session, target).ns or extent.last
    else:
        ns = extent.last if target.what in ("end", "live") else target.ns
    if not any(span.first <= ns <= span.last for span in spans):
        raise RustnetError(
            N_("the machine was not recorded at {time}: its record goes from {first} to {last}"),
            time=shown_moment(ns), first=shown_moment(extent.first), last=shown_moment(extent.last),
        )  # fmt: skip
    return ns


def list_sockets(
    session: "Session", text: str = "", *, at: int | None = None, listening: bool = False, limit: int | None = None
) -> RowStream:
    """Sockets as rows of `SOCKET_COLUMNS` that match a filter; those that wait for peers come first.

    ``at``: those that were open at that time, as they were then. ``listening``: only those that wait for peers.
    """
    condition = _condition(session, text)
    shown, matching, where = "SELECT * FROM sockets", "", "TRUE"
    if at is not None:
        captures = ", ".join(map(str, _at(session, SOCKETS, at))) or "NULL"
        shown = sockets_sql(_AT.format(at=int(at)), _OPEN_AT.format(at=int(at), captures=captures))
    if text.strip():
        matching = f", {_AS_FLOWS.format(key=_KEY, condition=condition.sql)}"
        where = f"{_KEY} IN (SELECT flow_id FROM matching)"  # noqa: S608 -- our own key
    sql = (
        f"WITH shown AS ({shown}){matching} SELECT {', '.join(SOCKET_COLUMNS)} FROM shown "  # noqa: S608 -- our columns
        f"WHERE {where} AND ({WAITING} OR {not listening}) "
        "ORDER BY capture_id, NOT listening, remote_addr IS NOT NULL, pid IS NULL, local_port, protocol, local_addr, "
        "remote_addr, remote_port, socket"
    )
    return session.stream(sql if limit is None else f"{sql} LIMIT {int(limit)}", condition.params)


def list_routes(session: "Session", *, at: int | None = None, limit: int | None = None) -> RowStream:
    """Routes as rows of `ROUTE_COLUMNS`; ``at``: those that there were at that time."""
    params: list[object] = [] if at is None else [_at(session, ROUTES, at), at, at]
    sql = _ROUTES.format(columns=", ".join(ROUTE_COLUMNS), condition="TRUE" if at is None else _ROUTES_AT)
    return session.stream(sql if limit is None else f"{sql} LIMIT {int(limit)}", params)


def _at(session: "Session", table: str, at: int) -> list[int]:
    """The captures whose machine was recorded at a time."""
    return [span.capture_id for span in recorded(session, table) if span.first <= at <= span.last]


def _condition(session: "Session", text: str) -> Condition:
    """A filter as a condition over sockets. Raises `FilterError` for what sockets do not have."""
    _check(parse(text), text)
    own = session.scope()
    scope = Scope({"flows": _FLOW_TYPES, "processes": _PROCESS_TYPES, "names": own.tables["names"]}, own.bad_regex)
    return compile_filter(text, scope)


def _check(node: Node | None, text: str) -> None:
    """Raise `FilterError` for a keyword that is about something else than sockets."""
    match node:
        case Not():
            _check(node.item, text)
        case And() | Or():
            for item in node.items:
                _check(item, text)
        case None:
            return
        case _:
            keyword = node.keyword
            if keyword is not None and keyword.name not in KEYWORDS:
                value = node.values[0]
                words = N_("sockets have nothing that {keyword}: could look at")
                hint = N_("there are {known}")
                raise FilterError(
                    words, text, value.start, value.end, hint, keyword=keyword.name, known=", ".join(sorted(KEYWORDS))
                )


def sockets(session: "Session", text: str, at: Moment | None, *, listening: bool) -> ResultSet:
    """Rows of `list_sockets`."""
    with list_sockets(session, text, at=_given(session, SOCKETS, at), listening=listening) as rows:
        return rows.result()


def routes(session: "Session", at: Moment | None) -> ResultSet:
    """Rows of `list_routes`."""
    with list_routes(session, at=_given(session, ROUTES, at)) as rows:
        return rows.result()


def _given(session: "Session", table: str, at: Moment | None) -> int | None:
    """A time in nanoseconds since 1970 UTC; one without a zone is UTC."""
    if at is None:
        return None
    if isinstance(at, dt.datetime):
        at = at.isoformat()
    elif isinstance(at, int) and not isinstance(at, bool):
        at = f"{at // 10**9}.{at % 10**9:09d}"
    if not isinstance(at, str):
        raise UsageError(N_("at: needs a time such as '12:03' or '50%', not {kind}"), kind=type(at).__name__)
    return moment(session, table, at)
