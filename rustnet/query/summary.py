"""Summary of a session: health of each capture, and the top rows of each table."""

import dataclasses
import functools
import typing
from collections.abc import Sequence
from dataclasses import dataclass

from rustnet.policy.names import UNKNOWN
from rustnet.query import catalogue
from rustnet.query.execute import ResultSet
from rustnet.store.hosts_view import NAME_RANK

if typing.TYPE_CHECKING:
    from rustnet.query.session import Session

TOP = 10
"""Default number of rows of each table."""
MAX_DAMAGE = 20
"""Most damaged places of a capture that are listed."""
MAX_KINDS = 20
"""Most kinds of packets without a decoder that are listed of a capture."""

_UNDECODED = ("unknown_link_type", "headers_cut_off", "malformed_headers")

_CAPTURES = """
WITH counted AS (
    SELECT capture_id, count(*) AS flows,
        count(*) FILTER (protocol = 'tcp' AND (src_packets = 0 OR dst_packets = 0)
            AND conn_state IS DISTINCT FROM 'S0') AS one_sided,
        count(*) FILTER (protocol = 'tcp') AS tcp_flows,
        count(*) FILTER (src_missed_bytes + dst_missed_bytes > 0) AS flows_with_gaps,
        sum(src_missed_bytes + dst_missed_bytes)::BIGINT AS missed_bytes
    FROM flows GROUP BY capture_id
)
SELECT captures.capture_id, source, kind, format, application, link_types, snaplen, bytes, sha256, packets, wire_bytes,
    captured_bytes, epoch_ns(first_ts) AS first_ts, epoch_ns(last_ts) AS last_ts, complete, truncated, undecoded,
    out_of_order, coalesce(duplicates, 0) AS duplicates, coalesce(without_duplicates, false) AS without_duplicates,
    dropped_kernel, dropped_interface, assembly,
    coalesce(flows, 0) AS flows, coalesce(tcp_flows, 0) AS tcp_flows, coalesce(one_sided, 0) AS one_sided,
    coalesce(flows_with_gaps, 0) AS flows_with_gaps, coalesce(missed_bytes, 0) AS missed_bytes
FROM captures LEFT JOIN counted ON counted.capture_id = captures.capture_id
ORDER BY captures.capture_id"""

_FILES = """
SELECT capture_id, source, format, bytes, sha256, packets, complete FROM capture_files ORDER BY capture_id, file"""

_SHARED = """
WITH seen AS (SELECT DISTINCT community_id, capture_id FROM flows WHERE community_id IS NOT NULL),
shared AS (SELECT community_id, min(capture_id) AS other FROM seen GROUP BY community_id HAVING count(*) > 1)
SELECT seen.capture_id, other.source, count(*)
FROM shared JOIN seen USING (community_id)
JOIN captures AS own ON own.capture_id = seen.capture_id JOIN captures AS other ON other.capture_id = shared.other
WHERE seen.capture_id <> shared.other AND own.first_ts <= other.last_ts AND other.first_ts <= own.last_ts
GROUP BY seen.capture_id, shared.other, other.source ORDER BY seen.capture_id, shared.other"""

_REASONS = """
SELECT capture_id, kind, detail, sum(count)::BIGINT AS packets FROM anomalies
WHERE kind IN (?, ?, ?) GROUP BY capture_id, kind, detail ORDER BY capture_id, packets DESC, kind, detail"""

_BELOW_IP = "SELECT 1 FROM flows WHERE src_ip IS NULL LIMIT 1"
"""Cheap check: planning the whole statement takes longer than most sessions' answers."""

_WITHOUT_DECODER = """
SELECT capture_id, kind, packets, bytes, total, whole FROM (
    SELECT *, row_number() OVER (PARTITION BY capture_id ORDER BY packets DESC, kind) AS place,
        count(*) OVER (PARTITION BY capture_id) AS total, (sum(packets) OVER (PARTITION BY capture_id))::BIGINT AS whole
    FROM ({undecoded}) WHERE flows > 0
) WHERE place <= ? ORDER BY capture_id, place"""

_DAMAGE = """
SELECT capture_id, kind, packet, "offset", detail, count, total FROM (
    SELECT *, row_number() OVER (PARTITION BY capture_id ORDER BY "offset", packet) AS place,
        count(*) OVER (PARTITION BY capture_id) AS total
    FROM anomalies WHERE "offset" IS NOT NULL
) WHERE place <= ? ORDER BY capture_id, "offset", packet"""

_PROTOCOLS = """
SELECT protocol, app, app_source, count(*) AS flows, sum(src_packets + dst_packets)::BIGINT AS packets,
    sum(src_bytes + dst_bytes)::BIGINT AS bytes,
    100.0 * sum(src_bytes + dst_bytes) / nullif(sum(sum(src_bytes + dst_bytes)) OVER (), 0) AS percent
FROM flows GROUP BY protocol, app, app_source ORDER BY bytes DESC, flows DESC, protocol, app NULLS LAST"""

_TALKERS = f"""
WITH top AS (SELECT * FROM talkers ORDER BY bytes_sent + bytes_received DESC, ip LIMIT ?),
named AS (
    SELECT ip, name,
        row_number() OVER (PARTITION BY ip ORDER BY sum(bytes) DESC, min(rank), max(ts) DESC, name) AS place,
        count(*) OVER (PARTITION BY ip) AS names
    FROM (
        SELECT dst_ip AS ip, lower(hostname) AS name, src_bytes + dst_bytes AS bytes, {UNKNOWN} AS rank,
            started_at AS ts
        FROM flows WHERE hostname IS NOT NULL AND dst_ip IN (SELECT ip FROM top)
        UNION ALL
        SELECT ip, lower(name), 0, {NAME_RANK}, ts FROM names WHERE ip IN (SELECT ip FROM top))
    GROUP BY ip, name
)
SELECT top.ip, named.name, names, flows, bytes_sent, bytes_received, epoch_ns(first_seen) AS first_seen,
    epoch_ns(last_seen) AS last_seen
FROM top LEFT JOIN named ON named.ip = top.ip AND place = 1
ORDER BY bytes_sent + bytes_received DESC, top.ip"""  # noqa: S608 -- ours

_NAMES = """
SELECT hostname, string_agg(DISTINCT hostname_source, ', ' ORDER BY hostname_source) AS sources, count(*) AS flows,
    count(DISTINCT dst_ip) AS addresses, sum(src_bytes + dst_bytes)::BIGINT AS bytes
FROM flows WHERE hostname IS NOT NULL GROUP BY hostname ORDER BY bytes DESC, flows DESC, hostname"""

_PROCESSES = """
WITH best AS (
    SELECT flow_id, process_id, arg_min(quality, rank) AS quality FROM claims GROUP BY flow_id, process_id
)
SELECT process_name AS process, pid, username, count(*) AS flows,
    sum(bytes_sent)::BIGINT AS bytes_sent, sum(bytes_received)::BIGINT AS bytes_received,
    count(DISTINCT remote_addr) AS remote_hosts, string_agg(DISTINCT quality, ', ' ORDER BY quality) AS quality,
    count(*) FILTER (process_contested) AS contested_flows
FROM connections LEFT JOIN best ON best.flow_id = connections.flow_id AND best.process_id = connections.process_id
WHERE connections.process_id IS NOT NULL GROUP BY connections.process_id, process_name, pid, username
ORDER BY sum(bytes_sent) + sum(bytes_received) DESC, flows DESC, process, pid"""

_UNOWNED = """
SELECT coalesce(unowned_reason, 'not judged') AS reason, count(*) AS flows,
    sum(src_bytes + dst_bytes)::BIGINT AS bytes
FROM flows WHERE process_id IS NULL GROUP BY reason ORDER BY flows DESC, reason"""

_ANOMALIES = """
SELECT kind, sum(count)::BIGINT AS times, count(DISTINCT flow_id) AS flows, min(packet) AS first_packet,
    arg_min(detail, (coalesce(packet, 0), detail)) AS example, count(DISTINCT detail) AS details
FROM anomalies GROUP BY kind ORDER BY times DESC, kind"""


@dataclass(frozen=True, slots=True)
class Reason:
    """Reason why packets could not be decoded, and their number."""

    kind: str
    detail: str
    packets: int


@dataclass(frozen=True, slots=True)
class WithoutDecoder:
    """Packets of one kind that became flows below IP, without being decoded further."""

    kind: str
    packets: int
    bytes: int


@dataclass(frozen=True, slots=True)
class DamagedPlace:
    """A place of the input that could not be read."""

    kind: str
    packet: int | None
    """The packet that it concerns, or the last one before it."""
    offset: int
    """Byte offset in the uncompressed input."""
    detail: str
    count: int


@dataclass(frozen=True, slots=True)
class CapturedFile:
    """One of the files of a capture."""

    source: str
    format: str
    bytes: int | None
    sha256: str | None
    packets: int
    complete: bool


@dataclass(frozen=True, slots=True)
class Shared:
    """Conversations that are also in another capture of the same time."""

    source: str
    """The other capture."""
    conversations: int


@dataclass(frozen=True, slots=True)
class Health:
    """One capture: its properties and its completeness. Times are nanoseconds since 1970 UTC."""

    capture_id: int
    source: str
    kind: str
    format: str
    application: str | None
    link_types: list[str] | None
    snaplen: int | None
    bytes: int | None
    sha256: str | None
    packets: int
    wire_bytes: int
    captured_bytes: int
    first_ts: int | None
    last_ts: int | None
    complete: bool
    truncated: int
    undecoded: int
    out_of_order: int
    duplicates: int
    """Packets that are copies of others."""
    without_duplicates: bool
    """They are left out of the counts of flows."""
    dropped_kernel: int | None
    dropped_interface: int | None
    assembly: str | None
    """``joined`` or ``merged`` for a capture of several files."""
    flows: int
    tcp_flows: int
    one_sided: int
    """TCP flows of which only one direction was captured (unanswered attempts are not counted)."""
    flows_with_gaps: int
    missed_bytes: int
    reasons: list[Reason]
    damage: list[DamagedPlace]
    """At most `MAX_DAMAGE`."""
    damaged: int
    """Number of damaged places."""
    files: list[CapturedFile]
    """Its files, if there are several."""
    shared: list[Shared]
    without_decoder: list[WithoutDecoder]
    """At most `MAX_KINDS`, those of most packets first."""
    kinds_without_decoder: int
    """Number of kinds."""
    packets_without_decoder: int
    being_read: bool = False
    """Its packets are still coming in."""


@dataclass(frozen=True, slots=True)
class Summary:
    """A session on one page. ``tables``: `protocols`, `talkers`, `names`, `processes`, `unowned`, `anomalies`."""

    captures: list[Health]
    flows: int
    owned: int
    contested: int
    tables: dict[str, ResultSet]


def summarise(session: "Session", top: int = TOP) -> Summary:
    """Return the summary of an open session with at most ``top`` rows in each table."""
    flows, owned, contested = session.execute_own(
        "SELECT count(*), count(process_id), count(*) FILTER (process_contested) FROM flows"
    ).rows[0]
    tables = {
        name: session.execute_own(sql, limit=top)
        for name, sql in (
            ("protocols", _PROTOCOLS),
            ("names", _NAMES),
            ("processes", _PROCESSES),
            ("unowned", _UNOWNED),
            ("anomalies", _ANOMALIES),
        )
    }
    talkers = session.execute_own(_TALKERS, [top + 1], limit=top, times=("first_seen", "last_seen"))
    return Summary(health(session), flows, owned, contested, {**tables, "talkers": talkers})


def health(session: "Session") -> list[Health]:
    """Health of every capture of a session, in order."""
    reasons: dict[int, list[Reason]] = {}
    for capture_id, kind, detail, packets in session.execute_own(_REASONS, _UNDECODED).rows:
        reasons.setdefault(capture_id, []).append(Reason(kind, detail, packets))
    damage: dict[int, list[DamagedPlace]] = {}
    totals: dict[int, int] = {}
    for capture_id, kind, packet, offset, detail, count, total in session.execute_own(_DAMAGE, [MAX_DAMAGE]).rows:
        damage.setdefault(capture_id, []).append(DamagedPlace(kind, packet, offset, detail, count))
        totals[capture_id] = total
    rows = _dicts(session.execute_own(_CAPTURES))
    files: dict[int, list[CapturedFile]] = {}
    if any(row["assembly"] for row in rows):
        for capture_id, *values in session.execute_own(_FILES).rows:
            files.setdefault(capture_id, []).append(CapturedFile(*values))
    shared: dict[int, list[Shared]] = {}
    if len(rows) > 1:
        for capture_id, source, conversations in session.execute_own(_SHARED).rows:
            shared.setdefault(capture_id, []).append(Shared(source, conversations))
    kinds, sums = _without_decoder(session)
    captures = []
    for row in rows:
        number = row["capture_id"]
        total, whole = sums.get(number, (0, 0))
        captures.append(Health(**row, reasons=reasons.get(number, []), damage=damage.get(number, []),
                           damaged=totals.get(number, 0), files=files.get(number, []),
                           shared=shared.get(number, []), without_decoder=kinds.get(number, []),
                           kinds_without_decoder=total, packets_without_decoder=whole))  # fmt: skip
    if captures and session.being_written and not captures[-1].complete:
        captures[-1] = dataclasses.replace(captures[-1], being_read=True)
    return captures


def _without_decoder(session: "Session") -> tuple[dict[int, list[WithoutDecoder]], dict[int, tuple[int, int]]]:
    """By capture: kinds of packets without a decoder; the number of all kinds and of their packets."""
    kinds: dict[int, list[WithoutDecoder]] = {}
    sums: dict[int, tuple[int, int]] = {}
    if session.execute_own(_BELOW_IP).rows:
        for capture_id, kind, packets, size, total, whole in session.execute_own(_listed_kinds(), [MAX_KINDS]).rows:
            kinds.setdefault(capture_id, []).append(WithoutDecoder(kind, packets, size))
            sums[capture_id] = total, whole
    return kinds, sums


@functools.cache
def _listed_kinds() -> str:
    """Statement on packets without a decoder, from the saved query."""
    return _WITHOUT_DECODER.format(undecoded=catalogue.shipped().joinpath("undecoded.sql").read_text("utf-8"))


def _dicts(result: ResultSet) -> Sequence[dict[str, typing.Any]]:
    return [dict(zip(result.columns, row, strict=True)) for row in result.rows]
