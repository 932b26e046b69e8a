"""Traffic over time, round-trip times, losses, states, applications and talkers: what the graphs show."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rustnet.query.views.scoped import Span, scoped, span
from rustnet.query.views.spans import Spans, cut, even
from rustnet.query.views.spec import Statement, ViewSpec

if TYPE_CHECKING:
    from rustnet.query.session import Session

Values = list[float | None]

LAYERS = 7
"""Most layers of a stack; all others are one more."""
MOST_ROWS = 10
"""Rows of the lists beside the plots."""

_APP = """CASE WHEN flows.app IS NULL THEN flows.protocol WHEN flows.app_source = 'port' THEN flows.app || '?'
    ELSE flows.app END"""
_WAY = """CASE WHEN flows.direction = 'outbound' THEN '{0}' WHEN flows.direction = 'inbound' THEN '{1}'
    ELSE flows.direction END"""
_COUNTRY = "coalesce(flows.dst_country, flows.src_country)"

STACKS: dict[str, tuple[str, str]] = {
    "app": (_APP, _APP),
    "protocol": ("flows.protocol", "flows.protocol"),
    "process": ("processes.name", "processes.name"),
    "direction": (_WAY.format("out", "in"), _WAY.format("in", "out")),
    "country": (_COUNTRY, _COUNTRY),
}
"""What the layers of the stack can be, as SQL over a flow: for what its initiator sent, and for what it received."""

_STACK = """
WITH keys AS MATERIALIZED (
    SELECT flow_id, {sent} AS sent, {received} AS received, src_bytes, dst_bytes
    FROM flows LEFT JOIN processes ON processes.process_id = flows.process_id
), layers AS MATERIALIZED (
    SELECT layer, (row_number() OVER (ORDER BY bytes DESC, layer NULLS LAST))::UTINYINT AS place FROM (
        SELECT layer, sum(bytes) AS bytes FROM (
            SELECT sent AS layer, coalesce(src_bytes, 0) AS bytes FROM keys
            UNION ALL SELECT received, coalesce(dst_bytes, 0) FROM keys)
        GROUP BY layer ORDER BY bytes DESC, layer NULLS LAST LIMIT $layers)
), places AS MATERIALIZED (
    SELECT flow_id, coalesce(s.place, 200)::UTINYINT AS sent, coalesce(r.place, 200)::UTINYINT AS received
    FROM keys LEFT JOIN layers AS s ON s.layer IS NOT DISTINCT FROM keys.sent
    LEFT JOIN layers AS r ON r.layer IS NOT DISTINCT FROM keys.received
), moved AS (
    SELECT {column} AS span, coalesce(CASE WHEN from_src THEN sent ELSE received END, 0) AS place,
        sum(length)::BIGINT AS bytes, count(*) FILTER (tcp_flags > 0 AND payload > 0) AS segments,
        epoch_ns(min(ts)) AS first, epoch_ns(max(ts)) AS last
    FROM packets LEFT JOIN places ON places.flow_id = packets.flow_id
    WHERE ts >= make_timestamp_ns($first) AND ts < make_timestamp_ns($last) GROUP BY ALL
)
SELECT span, place, layer, bytes, segments, first, last FROM moved LEFT JOIN layers USING (place)
WHERE span IS NOT NULL ORDER BY span, place"""
_OTHER, _UNDECODED = 200, 0
"""Places of what is in no layer: packets of other flows, and of none."""

_INTERVALS = """
SELECT {column} AS span,
    sum(rtt_ms * rtt_samples) FILTER (from_src = local_initiated) / nullif(sum(rtt_samples)
        FILTER (from_src = local_initiated AND rtt_ms IS NOT NULL), 0) AS remote_ms,
    sum(rtt_ms * rtt_samples) FILTER (from_src <> local_initiated) / nullif(sum(rtt_samples)
        FILTER (from_src <> local_initiated AND rtt_ms IS NOT NULL), 0) AS local_ms,
    sum(retransmissions)::BIGINT AS retransmissions
FROM tcp_intervals JOIN (SELECT flow_id, local_initiated FROM connections) USING (flow_id)
WHERE ts >= make_timestamp_ns($first) AND ts < make_timestamp_ns($last) GROUP BY span HAVING span IS NOT NULL"""

_LIFECYCLE = """
SELECT span, sum(opened)::BIGINT, sum(closed)::BIGINT FROM (
    SELECT {opened} AS span, count(*) AS opened, 0 AS closed FROM flows GROUP BY span
    UNION ALL
    SELECT {closed}, 0, count(*) FROM flows WHERE end_reason NOT IN ('open', 'interrupted') GROUP BY ALL)
WHERE span IS NOT NULL GROUP BY span"""

_STATES = """
SELECT protocol, state, count(*) AS flows FROM flows GROUP BY protocol, state ORDER BY flows DESC, protocol, state"""

_APPS = """
SELECT coalesce(app, protocol) AS app, app IS NOT NULL AND app_source = 'port' AS guessed, count(*) AS flows,
    coalesce(sum(src_bytes + dst_bytes), 0)::BIGINT AS bytes
FROM flows GROUP BY ALL ORDER BY bytes DESC, flows DESC, app, guessed LIMIT $most"""

_TALKERS = """
WITH top AS (FROM talkers ORDER BY bytes_sent + bytes_received DESC NULLS LAST, ip LIMIT $most), called AS (
    SELECT dst_ip AS ip, arg_max(hostname, (bytes, hostname)) AS name FROM (
        SELECT dst_ip, hostname, coalesce(sum(src_bytes + dst_bytes), 0) AS bytes FROM flows
        WHERE hostname IS NOT NULL AND dst_ip IN (SELECT ip FROM top) GROUP BY dst_ip, hostname)
    GROUP BY dst_ip)
SELECT top.ip, name, flows, coalesce(bytes_sent, 0), coalesce(bytes_received, 0) FROM top LEFT JOIN called USING (ip)
ORDER BY bytes_sent + bytes_received DESC NULLS LAST, top.ip"""

_CAPTURES = """
SELECT coalesce(epoch_ns(first_ts), seen.first), coalesce(epoch_ns(last_ts), seen.last) FROM captures LEFT JOIN (
    SELECT capture_id, epoch_ns(min(ts)) AS first, epoch_ns(max(ts)) AS last FROM packets
    WHERE capture_id IN (SELECT capture_id FROM captures WHERE first_ts IS NULL OR last_ts IS NULL)
    GROUP BY capture_id) AS seen USING (capture_id)
WHERE coalesce(first_ts, make_timestamp_ns(seen.first)) IS NOT NULL ORDER BY 1"""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a screen asks for."""

    columns: int
    """Columns of the plots."""
    stack: str = "app"
    """One of `STACKS`."""
    seconds: int | None = None
    """Only so many seconds before the time of the screen; None: all."""
    parts: frozenset[str] = frozenset({"traffic", "quality", "lifecycle", "states", "apps", "talkers"})
    """What is visible."""


@dataclass(frozen=True, slots=True)
class Layer:
    """Bytes per second of one layer of the stack."""

    name: str | None
    """Value of what is stacked; None: it has none (no process, no country), or what ``kind`` says."""
    kind: str
    """``value``, ``none``, ``undecoded`` (packets of no flow) or ``other`` (all that are not listed)."""
    values: Values
    bytes: int
    """Bytes in all."""


@dataclass(frozen=True, slots=True)
class State:
    """Flows in a state."""

    protocol: str
    state: str | None
    """None: the packets up to the time do not decide it."""
    flows: int


@dataclass(frozen=True, slots=True)
class App:
    """Flows of an application protocol, or where that is unknown of a transport protocol."""

    name: str
    guessed: bool
    """By the port alone."""
    flows: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Talker:
    """An address by its traffic."""

    ip: str
    name: str | None
    flows: int
    sent: int
    received: int


@dataclass(frozen=True, slots=True)
class Traffic:
    """Plots as of a time; a part that was not asked for is empty."""

    times: tuple[int | None, ...] = ()
    """Begin of each column; None where time was cut out."""
    column_seconds: float = 1.0
    """Span of a column."""
    layers: list[Layer] = field(default_factory=list)
    remote_rtt: Values = field(default_factory=list)
    """Mean round-trip time in milliseconds between the place of capture and the remote ends of TCP flows."""
    local_rtt: Values = field(default_factory=list)
    """The same to the local ends."""
    retransmitted: Values = field(default_factory=list)
    """Retransmitted segments in percent of the TCP segments with data."""
    opened: Values = field(default_factory=list)
    """Flows that began, per second."""
    closed: Values = field(default_factory=list)
    """Flows that ended (closed, timed out or evicted), per second."""
    states: list[State] = field(default_factory=list)
    apps: list[App] = field(default_factory=list)
    talkers: list[Talker] = field(default_factory=list)
    statement: Statement | None = None
    """Of the stack."""


def traffic(session: "Session", spec: ViewSpec, wanted: Wanted) -> Traffic:
    """What the graphs show."""
    times = _limited(span(session, spec), spec, wanted.seconds)
    states = _states(session, spec) if "states" in wanted.parts else []
    apps = _apps(session, spec) if "apps" in wanted.parts else []
    talkers = _talkers(session, spec) if "talkers" in wanted.parts else []
    if times.first is None or times.last is None:
        return Traffic(states=states, apps=apps, talkers=talkers)
    spans = even(times.first, times.last, max(1, wanted.columns))
    statement, rows = _stack_rows(session, spec, wanted.stack, spans)
    shorter = cut(spans, _busy(rows))
    if shorter is not spans:
        spans = shorter
        statement, rows = _stack_rows(session, spec, wanted.stack, spans)
    covered = spans.covered((low, high) for low, high in session.execute_own(_CAPTURES).rows)
    seconds = spans.length / 1e9
    quality: tuple[Values, Values, Values] = ([], [], [])
    if "quality" in wanted.parts:
        quality = _quality(session, spec, spans, rows)
    opened, closed = _lifecycle(session, spec, spans, covered) if "lifecycle" in wanted.parts else ([], [])
    return Traffic(
        spans.times, seconds, _layers(rows, covered, seconds), *quality, opened, closed, states, apps, talkers,
        statement,
    )  # fmt: skip


def _limited(times: Span, spec: ViewSpec, seconds: int | None) -> Span:
    """Span of the plots: up to the time of the screen, also if the last packet is earlier."""
    if times.first is None or times.last is None:
        return times
    last = times.last if spec.at is None else spec.at
    return Span(times.first if seconds is None else max(times.first, last - seconds * 10**9), last)


Row = tuple[int, int, str | None, int, int, int, int]
"""Column, place of the layer, its value, bytes, TCP segments with data, times of the first and last packet."""


def _stack_rows(session: "Session", spec: ViewSpec, stack: str, spans: Spans) -> tuple[Statement, list[Row]]:
    sent, received = STACKS[stack]
    sql = _STACK.format(column=spans.sql("ts"), sent=sent, received=received)
    bound = {"first": spans.first, "last": spans.last, "layers": LAYERS}
    question = scoped(session, spec, sql, bound)
    rows: list[Any] = question.rows(session)
    return question.statement, rows


def _busy(rows: Iterable[Row]) -> list[tuple[int, int, int]]:
    """Columns with packets, and the times of the first and last of each."""
    busy: dict[int, tuple[int, int]] = {}
    for column, _place, _name, _size, _segments, first, last in rows:
        low, high = busy.get(column, (first, last))
        busy[column] = (min(low, first), max(high, last))
    return [(column, *busy[column]) for column in sorted(busy)]


def _layers(rows: list[Row], covered: list[bool], seconds: float) -> list[Layer]:
    """Layers by size; a column that a capture covers and that has no packets is zero, any other one unknown."""
    sums: dict[int, dict[int, int]] = {}
    names: dict[int, str | None] = {}
    for column, place, name, size, *_rest in rows:
        sums.setdefault(place, {})[column] = size
        names[place] = name
    layers = []
    for place, own in sorted(sums.items(), key=lambda item: (item[0] == _OTHER, -sum(item[1].values()), item[0])):
        kind = {_OTHER: "other", _UNDECODED: "undecoded"}.get(place, "none" if names[place] is None else "value")
        values: Values = [
            own[at] / seconds if at in own else 0.0 if inside else None for at, inside in enumerate(covered)
        ]
        layers.append(Layer(names[place], kind, values, sum(own.values())))
    return layers


def _quality(session: "Session", spec: ViewSpec, spans: Spans, rows: list[Row]) -> tuple[Values, Values, Values]:
    """Round-trip times to both sides, and the share of retransmitted segments."""
    segments: dict[int, int] = {}
    for column, _place, _name, _size, count, *_rest in rows:
        segments[column] = segments.get(column, 0) + count
    sql = _INTERVALS.format(column=spans.sql("ts"))
    question = scoped(session, spec, sql, {"first": spans.first, "last": spans.last})
    remote: Values = [None] * spans.columns
    local: Values = [None] * spans.columns
    again: Values = [0.0 if segments.get(at) else None for at in range(spans.columns)]
    for column, remote_ms, local_ms, retransmissions in question.rows(session):
        remote[column], local[column] = remote_ms, local_ms
        if segments.get(column):
            again[column] = min(100.0, 100.0 * retransmissions / segments[column])
    return remote, local, again


def _lifecycle(session: "Session", spec: ViewSpec, spans: Spans, covered: list[bool]) -> tuple[Values, Values]:
    sql = _LIFECYCLE.format(opened=spans.sql("started_at"), closed=spans.sql("ended_at"))
    opened: Values = [0.0 if inside else None for inside in covered]
    closed = list(opened)
    seconds = spans.length / 1e9
    for column, began, ended in scoped(session, spec, sql).rows(session):
        opened[column], closed[column] = began / seconds, ended / seconds
    return opened, closed


def _states(session: "Session", spec: ViewSpec) -> list[State]:
    return [State(*row) for row in scoped(session, spec, _STATES).rows(session)]


def _apps(session: "Session", spec: ViewSpec) -> list[App]:
    return [App(*row) for row in scoped(session, spec, _APPS, {"most": MOST_ROWS}).rows(session)]


def _talkers(session: "Session", spec: ViewSpec) -> list[Talker]:
    return [Talker(*row) for row in scoped(session, spec, _TALKERS, {"most": MOST_ROWS}).rows(session)]
