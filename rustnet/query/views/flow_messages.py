"""Messages and packets of one flow, page by page, and its traffic over time."""

import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rustnet.query.detail import Fields, StoredPacket, message_tables
from rustnet.query.execute import ResultSet
from rustnet.query.selection import IngestedFile, ingested_files
from rustnet.query.views.spec import Statement, ViewSpec
from rustnet.store.meanings import kind_of
from rustnet.store.schema import quote_identifier

if typing.TYPE_CHECKING:
    from rustnet.query.session import Session
    from rustnet.records import Kind

PAGE = 200
"""Messages of one page."""
PACKET_PAGE = 2_000
"""Packets of one page."""
SEEN = 1_000
"""Messages that are read for the first value of each column."""
MAX_BUCKETS = 1_000
"""Most spans that traffic over time is divided into."""

_UP_TO = "AND ($at IS NULL OR ts <= make_timestamp_ns($at))"

_PACKETS = f"""
SELECT number, epoch_ns(ts) AS ts, from_src, length, captured, payload, tcp_flags, duplicate, capture_id, file_offset,
    interface, file, (SELECT link_type FROM interfaces AS i
        WHERE i.capture_id = p.capture_id AND i.interface = p.interface) AS link_type
FROM packets AS p WHERE flow_id = $flow {_UP_TO}
ORDER BY capture_id, number LIMIT {{limit}} OFFSET {{offset}}"""  # noqa: S608 -- our own words

_CAPTURE = 8
"""Place of the capture among their columns."""

_TRAFFIC = f"""
WITH own AS (
    SELECT epoch_ns(ts) AS ts, from_src, length FROM packets WHERE flow_id = $flow {_UP_TO}
), span AS (
    SELECT min(ts) AS first, greatest(max(ts) - min(ts), 1) AS wide FROM own
)
SELECT least(((ts - first)::HUGEINT * $width // wide)::BIGINT, $width - 1) AS bucket,
    coalesce(sum(length) FILTER (from_src), 0)::BIGINT AS src_bytes,
    coalesce(sum(length) FILTER (NOT from_src), 0)::BIGINT AS dst_bytes,
    count(*) FILTER (from_src) AS src_packets, count(*) FILTER (NOT from_src) AS dst_packets,
    any_value(first) AS first, any_value(wide) AS wide
FROM own, span GROUP BY bucket ORDER BY bucket"""  # noqa: S608 -- our own words

_ROUND_TRIPS = f"""
SELECT from_src, epoch_ns(began_at) AS began_at, epoch_ns(ts) AS ts, rtt_samples, min_rtt_ms, rtt_ms, max_rtt_ms,
    in_flight_bytes, retransmissions
FROM tcp_intervals WHERE flow_id = $flow {_UP_TO} AND rtt_ms IS NOT NULL ORDER BY ts LIMIT 20000"""  # noqa: S608


@dataclass(frozen=True, slots=True)
class FlowMessage:
    """One decoded message."""

    table: str
    ts: int | None
    """Nanoseconds since 1970 UTC."""
    packet: int | None
    """Number of the packet that completed it."""
    fields: Fields
    """Columns that have a value, by name."""
    types: Mapping[str, str]

    def kind(self, column: str) -> "Kind | None":
        """Kind of one of its columns."""
        return kind_of(self.table, column)


@dataclass(frozen=True, slots=True)
class MessagePage:
    """A page of a flow's messages in time order."""

    messages: tuple[FlowMessage, ...]
    offset: int
    """Number of messages before the first one."""
    total: int
    """Number of all messages of the flow, up to the time that is shown."""
    statement: Statement

    @property
    def more(self) -> bool:
        """Whether messages follow."""
        return self.offset + len(self.messages) < self.total


@dataclass(frozen=True, slots=True)
class PacketPage:
    """A page of a flow's packets: rows of the packet index."""

    rows: ResultSet
    offset: int
    files: tuple[IngestedFile, ...]
    """Files of their capture, by index."""
    statement: Statement

    @property
    def more(self) -> bool:
        """Whether packets follow."""
        return self.rows.truncated


@dataclass(frozen=True, slots=True)
class Traffic:
    """Bytes of a flow over time."""

    first: int
    """Time of its first packet, in nanoseconds since 1970 UTC."""
    wide: int
    """Nanoseconds from the first to the last packet."""
    src: tuple[int, ...]
    """Bytes that ``src`` sent in each span."""
    dst: tuple[int, ...]
    src_peak: float
    """Most bytes per second of a span."""
    dst_peak: float
    round_trips: ResultSet
    """Rows of `tcp_intervals` with a round-trip time."""
    statement: Statement

    @property
    def seconds(self) -> float:
        """Length of one span; 0 for a flow of one moment."""
        return self.wide / 1e9 / len(self.src) if self.src and self.wide > 1 else 0.0


@dataclass(frozen=True, slots=True)
class FirstValue:
    """The first value of a column among a flow's messages."""

    value: typing.Any
    ts: int | None
    packet: int | None
    several: bool
    """Later messages have others."""


_LEADING = ("capture_id", "flow_id", "ts", "packet")


def message_columns(session: "Session", table: str) -> tuple[str, ...]:
    """Columns of a protocol's table without the leading ones; none if there is no such table."""
    return tuple(name for name in session.scope().tables.get(table, {}) if name not in _LEADING)


def message_counts(session: "Session", spec: ViewSpec, flow_id: int) -> dict[str, int]:
    """Number of messages of a flow by table, of the tables that have any."""
    tables = message_tables(session)
    if not tables:
        return {}
    union = " UNION ALL ".join(
        f"SELECT {at} AS place, count(*) AS messages FROM {quote_identifier(table)} WHERE flow_id = $flow {_UP_TO}"  # noqa: S608 -- quoted
        for at, table in enumerate(tables)
    )
    sql = f"SELECT place, messages FROM ({union}) WHERE messages > 0 ORDER BY place"  # noqa: S608
    rows = session.execute_own(sql, {"flow": flow_id, "at": spec.at}).rows
    return {tables[place]: count for place, count in rows}


def messages(
    session: "Session",
    spec: ViewSpec,
    flow_id: int,
    offset: int = 0,
    limit: int = PAGE,
    counts: Mapping[str, int] | None = None,
) -> MessagePage:
    """Messages of a flow over all protocols in time order; ``counts`` are those of `message_counts`, if known."""
    if counts is None:
        counts = message_counts(session, spec, flow_id)
    tables = list(counts)
    shown = Statement(
        "\n".join(
            f"FROM {quote_identifier(table)} WHERE flow_id = {flow_id:d} ORDER BY ts, packet;" for table in tables
        )
        or f"-- flow {flow_id:d} has no messages"
    )
    if not tables:
        return MessagePage((), offset, 0, shown)
    union = " UNION ALL ".join(
        f"SELECT {at} AS place, rowid AS row_number, ts, packet FROM {quote_identifier(table)} "  # noqa: S608 -- quoted
        f"WHERE flow_id = $flow {_UP_TO}"
        for at, table in enumerate(tables)
    )
    sql = (
        f"SELECT place, row_number FROM ({union}) ORDER BY ts, packet, place, row_number "  # noqa: S608
        f"LIMIT {limit:d} OFFSET {offset:d}"
    )
    order = session.execute_own(sql, {"flow": flow_id, "at": spec.at}).rows
    read = {
        (place, number): message
        for place in sorted({row[0] for row in order})
        for number, message in _read(session, tables[place], [row[1] for row in order if row[0] == place])
    }
    listed = tuple(read[row] for row in order if row in read)
    return MessagePage(listed, offset, sum(counts.values()), shown)


def _shown(tables: list[str], flow_id: int) -> Statement:
    """The SQL by which a person finds a flow's messages."""
    asked = [f"SELECT * FROM {quote_identifier(each)} WHERE flow_id = ? ORDER BY ts, packet" for each in tables]  # noqa: S608
    return Statement(";\n".join(asked), (flow_id,) * len(tables))


def _read(session: "Session", table: str, numbers: list[int]) -> list[tuple[int, FlowMessage]]:
    """Rows of a protocol's table by their numbers."""
    types = session.scope().tables[table]
    exact = [
        f"epoch_ns({quote_identifier(name)}) AS {quote_identifier(name)}"
        for name, sql_type in types.items() if sql_type == "TIMESTAMP_NS"
    ]  # fmt: skip
    sql = (
        f"SELECT rowid AS row_number, * EXCLUDE (capture_id, flow_id) REPLACE ({', '.join(exact)}) "  # noqa: S608 -- quoted
        f"FROM {quote_identifier(table)} WHERE rowid IN ({', '.join('?' for _ in numbers)})"
    )
    result = session.execute_own(sql, numbers)
    names = result.columns[3:]
    return [
        (row[0], FlowMessage(table, row[1], row[2], {n: v for n, v in zip(names, row[3:], strict=True)
                                                     if v is not None and v not in ([], "")}, types))
        for row in result.rows
    ]  # fmt: skip


def first_values(
    session: "Session", spec: ViewSpec, flow_id: int, table: str, names: Sequence[str]
) -> tuple[dict[str, FirstValue], bool]:
    """First value of each of these columns among the first `SEEN` messages of a flow, and whether there are more."""
    types = session.scope().tables.get(table, {})
    names = [name for name in names if name in types]
    if not names:
        return {}, False
    exact = (
        f"epoch_ns({quote_identifier(name)})" if types[name] == "TIMESTAMP_NS" else quote_identifier(name)
        for name in names
    )
    sql = (
        f"SELECT epoch_ns(ts), packet, {', '.join(exact)} FROM {quote_identifier(table)} "  # noqa: S608 -- quoted
        f"WHERE flow_id = $flow {_UP_TO} ORDER BY ts, packet"
    )
    result = session.execute_own(sql, {"flow": flow_id, "at": spec.at}, SEEN)
    found: dict[str, FirstValue] = {}
    for at, name in enumerate(names, 2):
        rows = [row for row in result.rows if row[at] is not None and row[at] != []]
        if rows:
            several = any(row[at] != rows[0][at] for row in rows)
            found[name] = FirstValue(rows[0][at], rows[0][0], rows[0][1], several)
    return found, result.truncated


def packets(session: "Session", spec: ViewSpec, flow_id: int, offset: int = 0, limit: int = PACKET_PAGE) -> PacketPage:
    """Packets of a flow, as the index has them."""
    sql = _PACKETS.format(limit=limit + 1, offset=int(offset))
    given = {"flow": flow_id, "at": spec.at}
    result = session.execute_own(sql, given, None, ("ts",))
    rows = ResultSet(result.columns, result.types, result.rows[:limit], len(result.rows) > limit, result.elapsed)
    files = ingested_files(session, rows.rows[0][_CAPTURE]) if rows.rows else ()
    return PacketPage(rows, offset, files, Statement(sql, given))


def stored_packet(page: PacketPage, row: int, flow_id: int) -> StoredPacket:
    """Position of the bytes of a packet of a page."""
    number, ts, _from_src, length, captured, _payload, _flags, _duplicate, capture_id, offset, interface, file, link = (
        page.rows.rows[row]
    )
    return StoredPacket(capture_id, number, ts, length, captured, offset, interface, link, flow_id, file)


def traffic(session: "Session", spec: ViewSpec, flow_id: int, width: int) -> Traffic:
    """Bytes of a flow over time in ``width`` spans of equal length, and its round-trip times."""
    width = max(1, min(width, MAX_BUCKETS))
    given = {"flow": flow_id, "at": spec.at, "width": width}
    rows = session.execute_own(_TRAFFIC, given).rows
    src, dst = [0] * width, [0] * width
    first, wide = (rows[0][5], rows[0][6]) if rows else (0, 0)
    for bucket, src_bytes, dst_bytes, *_rest in rows:
        src[bucket], dst[bucket] = src_bytes, dst_bytes
    seconds = wide / 1e9 / width
    trips = session.execute_own(_ROUND_TRIPS, {"flow": flow_id, "at": spec.at}, None, ("began_at", "ts"))
    return Traffic(
        first, wide, tuple(src), tuple(dst), max(src) / seconds if wide > 1 else 0.0,
        max(dst) / seconds if wide > 1 else 0.0, trips, Statement(_TRAFFIC, given),
    )  # fmt: skip
