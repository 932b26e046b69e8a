"""Ownership data of a session, as rows from which a sidecar can be written."""

import typing
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

if typing.TYPE_CHECKING:
    from rustnet.query.session import Session

Fields = dict[str, Any]

# A listening socket is one statement, although it became a claim on every flow that it fits.
# Claims on carriers of fragments follow from those on the datagrams.
_STATEMENTS = """
WITH claimed AS (
    SELECT c.*, f.protocol, f.icmp_id, f.state, f.src_num > 281474976710655 OR f.src_num < 281470681743360 AS six,
        CASE WHEN c.reversed THEN f.dst_ip ELSE f.src_ip END AS near_ip,
        CASE WHEN c.reversed THEN f.dst_port ELSE f.src_port END AS near_port,
        CASE WHEN c.reversed THEN f.src_ip ELSE f.dst_ip END AS far_ip,
        CASE WHEN c.reversed THEN f.src_port ELSE f.dst_port END AS far_port,
        CASE WHEN c.reversed THEN f.dst_bytes ELSE f.src_bytes END AS sent,
        CASE WHEN c.reversed THEN f.src_bytes ELSE f.dst_bytes END AS received
    FROM claims c JOIN flows f ON f.flow_id = c.flow_id
    WHERE c.match <> 'fragments' AND ({chosen})
)
SELECT min(flow_id) AS flow, process_id, source, quality, match, evidence, six, lower(protocol) AS protocol,
    CASE WHEN match = 'echo' THEN icmp_id END AS icmp_id,
    CASE WHEN match NOT IN ('wildcard', 'port', 'protocol') THEN near_ip END AS near_ip,
    CASE WHEN match <> 'protocol' THEN near_port END AS near_port,
    CASE WHEN match NOT IN ('listener', 'port', 'protocol') THEN far_ip END AS far_ip,
    CASE WHEN match NOT IN ('listener', 'port', 'protocol') THEN far_port END AS far_port,
    epoch_ns(observed_at) AS observed, epoch_ns(window_start) AS first, epoch_ns(window_end) AS last,
    coalesce(sum(sent), 0)::BIGINT AS sent, coalesce(sum(received), 0)::BIGINT AS received,
    CASE WHEN count(*) = 1 THEN max(state) END AS state
FROM claimed
GROUP BY ALL"""

_PROCESSES = """SELECT * REPLACE (epoch_ns(started_at) AS started_at, epoch_ns(changed_at) AS changed_at,
    epoch_ns(parent_started_at) AS parent_started_at) FROM processes"""

_CLAIMING = """ WHERE process_id IN (
    SELECT c.process_id FROM claims AS c JOIN flows AS f ON f.flow_id = c.flow_id WHERE {chosen})"""

_STATEMENTS_WITH_PROCESS = f"""
SELECT s.*, p AS process FROM ({_STATEMENTS}) s JOIN ({_PROCESSES}) p ON p.process_id = s.process_id
ORDER BY s.flow, s.process_id, s.evidence, s.first"""  # noqa: S608 -- our own parts

_OWNERLESS = """
SELECT flow_id, lower(protocol) AS protocol, icmp_id, src_ip AS near_ip, src_port AS near_port, dst_ip AS far_ip,
    dst_port AS far_port, epoch_ns(started_at) AS first, epoch_ns(ended_at) AS last, src_bytes AS sent,
    dst_bytes AS received, state
FROM flows AS f WHERE unowned_reason = 'ownerless' AND ({chosen}) ORDER BY flow_id"""

# For a listening socket matched by its port alone, the addresses of its host decide which flows it fits.
_HOMES = """
SELECT p.host, list(DISTINCT CASE WHEN c.reversed THEN f.dst_ip ELSE f.src_ip END) AS addresses
FROM claims c JOIN flows f ON f.flow_id = c.flow_id JOIN processes p ON p.process_id = c.process_id
WHERE p.host IS NOT NULL AND ({chosen})
GROUP BY p.host HAVING bool_or(c.match IN ('listener', 'port', 'protocol', 'echo')) ORDER BY p.host"""


@dataclass(frozen=True, slots=True)
class Chosen:
    """The flows of one capture that have packets within a span of time, in nanoseconds since 1970 UTC."""

    capture_id: int
    first: int
    last: int

    def condition(self) -> str:
        """Condition for the flow ``f``."""
        return (
            f"f.capture_id = {int(self.capture_id)} AND f.started_at <= make_timestamp_ns({int(self.last)}) "
            f"AND f.ended_at >= make_timestamp_ns({int(self.first)})"
        )


def _rows(session: "Session", sql: str, chosen: Chosen | None) -> Iterator[Fields]:
    """Stream the rows of a statement about the chosen flows, or all."""
    sql = sql.replace("{chosen}", "true" if chosen is None else chosen.condition())
    with session.stream(sql, own=True) as answer:
        for rows in answer.batches():
            for row in rows:
                yield dict(zip(answer.columns, row, strict=True))


def statements(session: "Session", chosen: Chosen | None = None) -> Iterator[Fields]:
    """Distinct statements about ownership that became claims, with their processes."""
    return _rows(session, _STATEMENTS_WITH_PROCESS, chosen)


def ownerless(session: "Session", chosen: Chosen | None = None) -> Iterator[Fields]:
    """Flows that a source saw at their time without an owner."""
    return _rows(session, _OWNERLESS, chosen)


def processes(session: "Session", chosen: Chosen | None = None) -> Iterator[Fields]:
    """Every process, with its start in nanoseconds; of chosen flows only those with a claim on one of them."""
    return _rows(session, _PROCESSES + (_CLAIMING if chosen else "") + " ORDER BY process_id", chosen)


def homes(session: "Session", chosen: Chosen | None = None) -> Iterator[Fields]:
    """Addresses of hosts with listening sockets."""
    return _rows(session, _HOMES, chosen)


def span(session: "Session", chosen: Chosen | None = None) -> tuple[int | None, int | None]:
    """First and last time of the flows."""
    condition = "true" if chosen is None else chosen.condition()
    sql = f"SELECT epoch_ns(min(started_at)), epoch_ns(max(ended_at)) FROM flows AS f WHERE {condition}"  # noqa: S608
    first, last = session.execute_own(sql).rows[0]
    return first, last


def known(session: "Session") -> bool:
    """Whether there is any data about ownership."""
    sql = (
        "SELECT EXISTS (FROM processes) OR EXISTS (FROM claims) "
        "OR EXISTS (FROM flows WHERE unowned_reason = 'ownerless')"
    )
    return bool(session.execute_own(sql).rows[0][0])


def owned(session: "Session", origin: str | None = None) -> tuple[int, int, int]:
    """Number of flows, of those with an owner, and of those with a claim from a file of this name."""
    whole, owned_flows, claimed = session.execute_own(
        "SELECT count(*), count(process_id), count(*) FILTER (WHERE flow_id IN "
        "(SELECT flow_id FROM claims WHERE starts_with(evidence, ?))) FROM flows",
        [f"{origin}:"],
    ).rows[0]
    return whole, owned_flows, claimed
