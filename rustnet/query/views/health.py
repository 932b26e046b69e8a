"""Health of the captures, anomalies with their packets, quality by path, where data came from, and checks."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rustnet.query import catalogue, integrity, summary
from rustnet.query.redaction_mark import POLICY
from rustnet.query.views.listed import Field, Listing, listed
from rustnet.query.views.scoped import scoped
from rustnet.query.views.spec import Statement, ViewSpec
from rustnet.records import Kind

if TYPE_CHECKING:
    from rustnet.query.partial import PartialCapture
    from rustnet.query.session import Session

ANOMALIES = (
    Field("kind", Kind.WORD), Field("times", Kind.COUNT), Field("flows", Kind.COUNT),
    Field("first_packet", Kind.PACKET), Field("first", Kind.TIME), Field("last", Kind.TIME),
    Field("example", Kind.FREE_TEXT), Field("details", Kind.COUNT),
)  # fmt: skip
PLACES = (
    Field("ts", Kind.TIME), Field("capture_id", Kind.KEY), Field("packet", Kind.PACKET), Field("flow_id", Kind.FLOW),
    Field("detail", Kind.FREE_TEXT), Field("count", Kind.COUNT), Field("offset", Kind.NUMBER),
)  # fmt: skip
QUALITY = (
    Field("local_ip", Kind.ADDRESS), Field("remote_ip", Kind.ADDRESS), Field("flows", Kind.COUNT),
    Field("rtt_p50_ms", Kind.DURATION), Field("rtt_p95_ms", Kind.DURATION), Field("handshake_p50_ms", Kind.DURATION),
    Field("segments", Kind.COUNT), Field("sent_again_percent", Kind.NUMBER),
    Field("received_again_percent", Kind.NUMBER), Field("out_of_order", Kind.COUNT), Field("zero_windows", Kind.COUNT),
    Field("missed_bytes", Kind.BYTES), Field("payload_bytes", Kind.BYTES), Field("note", Kind.FREE_TEXT),
)  # fmt: skip
SOURCES = (
    Field("about", Kind.WORD), Field("name", Kind.PATH), Field("version", Kind.TERM), Field("dated", Kind.TIME),
    Field("rows", Kind.COUNT), Field("note", Kind.FREE_TEXT),
)  # fmt: skip

_ANOMALIES = """
SELECT kind, sum(count)::BIGINT AS times, count(DISTINCT flow_id) AS flows, min(packet) AS first_packet,
    epoch_ns(min(ts)), epoch_ns(max(ts)), arg_min(detail, (coalesce(packet, 0), detail)) AS example,
    count(DISTINCT detail) AS details
FROM anomalies GROUP BY kind ORDER BY times DESC, kind LIMIT $most"""

_PLACES = """
SELECT epoch_ns(ts), capture_id, packet, flow_id, detail, count, "offset"
FROM anomalies WHERE kind = $kind ORDER BY ts NULLS LAST, capture_id, packet, detail LIMIT $most"""

_SO_FAR = """
SELECT capture_id, count(*), coalesce(sum(length), 0)::BIGINT, count(*) FILTER (captured < length),
    count(*) FILTER (flow_id IS NULL), count(*) FILTER (duplicate)
FROM packets GROUP BY capture_id ORDER BY capture_id"""

_CONFINEMENT = """
SELECT capture_id, process, layer, state, detail FROM confinement ORDER BY capture_id, process, layer"""

_WITHOUT_TIME = "SELECT count(*) FROM anomalies WHERE ts IS NULL"

_SOURCES = """
SELECT kind AS about, name, version, epoch_ns(built_at) AS dated, NULL::BIGINT AS rows,
    concat_ws(' · ', licence, attribution) AS note FROM data_sources
UNION ALL
SELECT 'ownership', regexp_replace(evidence, ':[^:]*$', ''), source, NULL, count(*), NULL
FROM claims GROUP BY ALL
UNION ALL
SELECT 'clock', origin, source, NULL, pairs,
    format('{:.3f} s', offset_ms / 1000) || CASE WHEN wrong THEN ' !' ELSE '' END FROM clocks
ORDER BY about, name, version LIMIT $most"""


@dataclass(frozen=True, slots=True)
class SoFar:
    """Packets of a capture between the beginning and the time of a screen."""

    packets: int
    bytes: int
    truncated: int
    undecoded: int
    duplicates: int


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer of the confinement under which a capture was parsed (`rustnet.store.tables.Confinement`)."""

    capture_id: int
    process: str
    layer: str
    state: str
    detail: str | None


@dataclass(frozen=True, slots=True)
class Captures:
    """Captures with what is known of their completeness."""

    captures: list[summary.Health]
    so_far: dict[int, SoFar]
    """By capture; only if the screen is limited to a time."""
    meta: dict[str, str]
    """Properties of the session's file."""
    partial: "list[PartialCapture]"
    statement: Statement
    confinement: list[Layer] = field(default_factory=list)
    """Empty where the session does not record it."""


def captures(session: "Session", spec: ViewSpec) -> Captures:
    """Health of every capture. What its file states is of the whole; at a time, its packets so far are counted too."""
    so_far: dict[int, SoFar] = {}
    if spec.at is not None or spec.since is not None:
        only_times = ViewSpec(at=spec.at, since=spec.since, loopback=True)
        rows = scoped(session, only_times, _SO_FAR).rows(session)
        so_far = {capture: SoFar(*counts) for capture, *counts in rows}
    meta = {
        key: value
        for key, value in session.execute_own("SELECT key, value FROM meta ORDER BY key").rows
        if key in ("schema_version", "rustnet_version", "created", POLICY)
    }
    statement = Statement(catalogue.load()["capture-health"].sql)
    layers = [Layer(*row) for row in session.execute_own(_CONFINEMENT).rows]
    return Captures(summary.health(session), so_far, meta, session.partial_captures(), statement, layers)


def anomalies(session: "Session", spec: ViewSpec) -> Listing:
    """Anomalies by kind, the most frequent first."""
    return listed(session, spec, _ANOMALIES, ANOMALIES)


def places(session: "Session", spec: ViewSpec, kind: str) -> Listing:
    """Packets of the anomalies of one kind."""
    return listed(session, spec, _PLACES, PLACES, {"kind": kind})


def without_time(session: "Session") -> int:
    """Anomalies that have no time, and so belong to no moment."""
    return int(session.execute_own(_WITHOUT_TIME).rows[0][0])


def quality(session: "Session", spec: ViewSpec) -> Listing:
    """Round-trip times, retransmissions and losses between two addresses, by the saved query ``path-quality``."""
    names = ", ".join(field.name for field in QUALITY)
    saved = catalogue.load()["path-quality"].sql.strip().rstrip(";")
    sql = f"SELECT {names} FROM (\n{saved}\n) LIMIT $most"  # noqa: S608 -- our own query
    return listed(session, spec, sql, QUALITY, {"host": None, "limit": 1001})


def sources(session: "Session", spec: ViewSpec) -> Listing:
    """Where data about addresses and owners came from; none of it depends on a filter or a time."""
    return listed(session, ViewSpec(loopback=spec.loopback), _SOURCES, SOURCES)


def checks(session: "Session") -> list[integrity.Finding]:
    """Consistency of the session: takes seconds where there are millions of packets."""
    return integrity.check(session)
