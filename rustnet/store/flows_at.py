"""``flows_at(t)``: the table `flows` as of a packet time, computed from `flows` and the packet index.

A flow whose last packet is not after ``t`` keeps its row; of a flow with packets before and after ``t``, the packets up
to ``t`` are summed. The values are those of a replay of the capture up to ``t``; columns that the index does not
determine are NULL.
"""

from rustnet.records import columns
from rustnet.store.tables import FLOWS_ENDED, FLOWS_OPEN, FlowRow

IDLE_STATE_SECONDS = 30
"""Silence after which a UDP flow's state is `UDP_IDLE`, as in the engine."""

SWEEP_SLACK_SECONDS = 10
"""Time beyond its timeout after which the engine ends a silent flow."""
COPY_NS = 20_000_000
"""Time after a flow's end within which copies of its packets may come, as in the engine."""
CLOCK_PACKETS = 256
"""Number of last packets whose smallest time is the clock that ends idle flows, as in the engine."""

UNDETERMINED = (
    "app_state", "conn_state", "history", "rtt_ms", "min_rtt_ms", "handshake_rtt_ms", "open_ms", "syn_tries",
    "src_retransmissions", "dst_retransmissions", "src_fast_retransmissions", "dst_fast_retransmissions",
    "src_out_of_order", "dst_out_of_order", "src_duplicate_acks", "dst_duplicate_acks", "src_zero_windows",
    "dst_zero_windows", "src_missed_bytes", "dst_missed_bytes", "src_ttl", "dst_ttl", "fragments", "tunnel",
    "outer_flow_id", "proxied_src_ip", "proxied_src_port",
)  # fmt: skip
"""Columns that the packet index does not determine for a flow with packets before and after ``t``."""

COUNTED = ("src_packets", "dst_packets", "src_bytes", "dst_bytes", "src_payload", "dst_payload", "duplicates")
FLAGS = ("src_flags", "dst_flags")

STATE = f"""CASE
    WHEN c.flow_id IS NULL AND epoch_ns(s.started_at) <= m.t THEN f.state
    WHEN c.flow_id IS NULL AND f.protocol = 'udp' AND starts_with(f.state, 'UDP_') THEN CASE
        WHEN w.now - epoch_ns(f.ended_at) > 1000000 * f.idle_timeout_ms + m.slack THEN 'UDP_STALE'
        WHEN w.now - epoch_ns(f.ended_at) > {IDLE_STATE_SECONDS}000000000 THEN 'UDP_IDLE' ELSE 'UDP_ACTIVE' END
    WHEN c.flow_id IS NULL THEN f.state
    WHEN f.protocol = 'udp' THEN CASE WHEN f.app_state IS NOT NULL THEN NULL
        WHEN w.now - epoch_ns(c.ended_at) > {IDLE_STATE_SECONDS}000000000 THEN 'UDP_IDLE' ELSE 'UDP_ACTIVE' END
    WHEN f.protocol <> 'tcp' THEN NULL
    WHEN (c.src_flags | c.dst_flags) & 4 > 0 THEN 'CLOSED'
    WHEN c.src_flags & 1 > 0 THEN NULL
    WHEN c.dst_flags & 1 > 0 THEN 'CLOSE_WAIT'
    WHEN c.last_syn IS NULL AND c.last_syn_ack IS NULL THEN 'ESTABLISHED'
    WHEN c.last_syn_ack IS NULL THEN CASE
        WHEN c.first_dst IS NULL OR coalesce(c.last_data, 0) < c.first_dst THEN 'SYN_SENT'
        WHEN c.last_syn < c.first_dst THEN 'ESTABLISHED' END
    WHEN c.last_syn > c.last_syn_ack THEN NULL
    WHEN c.last_plain_src > c.last_syn_ack THEN 'ESTABLISHED'
    WHEN c.last_plain > c.last_syn_ack OR c.first_dst < c.last_syn_ack THEN NULL
    ELSE 'SYN_RECV' END"""

END_REASON = """CASE
    WHEN c.flow_id IS NOT NULL THEN CASE WHEN f.closed_at IS NULL OR epoch_ns(f.closed_at) > m.t THEN 'open'
        WHEN (c.src_flags | c.dst_flags) & 4 > 0 THEN 'rst' ELSE 'fin' END
    WHEN f.end_reason IN ('fin', 'rst') THEN f.end_reason
    WHEN s.started_at IS NOT NULL AND epoch_ns(s.started_at) <= m.t THEN f.end_reason
    WHEN f.end_reason = 'evicted' THEN 'evicted'
    WHEN w.now - epoch_ns(f.ended_at) > 1000000 * f.idle_timeout_ms + m.slack THEN 'idle'
    ELSE 'open' END"""


def column_at(name: str) -> str:
    """A column of `flows` at the time ``m.t``, as SQL over ``f`` (flows), ``c``, ``k``, ``s``, ``w`` and ``m``."""
    whole = f"f.{name}"
    if name in UNDETERMINED:
        whole = f"CASE WHEN c.flow_id IS NULL THEN f.{name} END AS {name}"
    elif name in COUNTED:
        whole = f"CASE WHEN c.flow_id IS NULL THEN f.{name} WHEN k.flow_id IS NULL THEN c.{name} END AS {name}"
    elif name in FLAGS:
        whole = f"CASE WHEN c.flow_id IS NULL THEN f.{name} ELSE c.{name}::UTINYINT END AS {name}"
    elif name == "ended_at":
        whole = "coalesce(c.ended_at, f.ended_at) AS ended_at"
    elif name == "state":
        whole = f"{STATE} AS state"
    elif name == "end_reason":
        whole = f"{END_REASON} AS end_reason"
    elif name in ("closed_at", "hostname_ts"):
        whole = f"CASE WHEN epoch_ns(f.{name}) <= m.t THEN f.{name} END AS {name}"
    elif name in ("hostname", "hostname_source"):
        whole = f"CASE WHEN f.hostname_ts IS NULL OR epoch_ns(f.hostname_ts) <= m.t THEN f.{name} END AS {name}"
    return whole


def _select_list() -> str:
    """SELECT list of the columns of `flows`, as expressions."""
    return ",\n    ".join(column_at(column.name) for column in columns(FlowRow))


_KEYS = (
    "flow_id, capture_id, protocol, generation, vlan_id, src_ip, src_port, dst_ip, dst_port, outer_flow_id, "
    "end_reason, started_at, ended_at, duplicates"
)
"""Columns of a flow that the steps before the last one need."""

COUNTING = """whole AS (
    SELECT flow_id, count(*) FILTER (from_src AND included) AS src_packets,
        count(*) FILTER (NOT from_src AND included) AS dst_packets,
        coalesce(sum(length) FILTER (from_src AND included), 0)::BIGINT AS src_bytes,
        coalesce(sum(length) FILTER (NOT from_src AND included), 0)::BIGINT AS dst_bytes,
        count(*) FILTER (duplicate) AS duplicates
    FROM (SELECT *, NOT (duplicate AND dropped) AS included FROM every) GROUP BY flow_id
), analysed AS (
    SELECT flow_id, max(ts) AS ended_at,
        coalesce(sum(payload) FILTER (from_src), 0)::BIGINT AS src_payload,
        coalesce(sum(payload) FILTER (NOT from_src), 0)::BIGINT AS dst_payload,
        coalesce(bit_or(tcp_flags) FILTER (from_src), 0) AS src_flags,
        coalesce(bit_or(tcp_flags) FILTER (NOT from_src), 0) AS dst_flags,
        max(number) FILTER (tcp_flags & 18 = 2) AS last_syn, max(number) FILTER (tcp_flags & 18 = 18) AS last_syn_ack,
        coalesce(max(number) FILTER (from_src AND tcp_flags & 7 = 0), 0) AS last_plain_src,
        coalesce(max(number) FILTER (tcp_flags & 7 = 0), 0) AS last_plain,
        max(number) FILTER (payload > 0 AND tcp_flags & 7 = 0) AS last_data,
        min(number) FILTER (NOT from_src) AS first_dst
    FROM every WHERE NOT duplicate GROUP BY flow_id
), counted AS (
    SELECT * FROM analysed JOIN whole USING (flow_id)"""
"""Sums over the packets in `every`, as the steps `whole`, `analysed` and `counted`; the last one is left open."""

_FORWARD = "n.src_ip = g.src_ip AND n.src_port = g.src_port AND n.dst_ip = g.dst_ip AND n.dst_port = g.dst_port"
_REVERSED = "n.src_ip = g.dst_ip AND n.src_port = g.dst_port AND n.dst_ip = g.src_ip AND n.dst_port = g.src_port"
SUCCESSORS = "\n    UNION ALL\n".join(
    f"""    SELECT g.flow_id, n.started_at FROM earlier g JOIN later n ON n.capture_id = g.capture_id
        AND n.protocol = g.protocol AND n.generation = g.generation + 1 AND n.vlan_id IS NOT DISTINCT FROM g.vlan_id
        AND {ends}"""  # noqa: S608 -- our own names
    for ends in (_FORWARD, _REVERSED)
)
"""Starts of next generations, `later`, of flows, `earlier`. Each direction is a join by all its columns: one for both
would compare every flow with every later one of its protocol."""

FLOWS_AT_SQL = f"""CREATE OR REPLACE MACRO flows_at(t, seconds := 10) AS TABLE
WITH moment AS MATERIALIZED (
    SELECT t::TIMESTAMP_NS AS stamp, epoch_ns(t::TIMESTAMP_NS) AS t,
        {SWEEP_SLACK_SECONDS}000000000 AS slack, seconds::DOUBLE AS seconds
), last AS (
    SELECT capture_id, max(number) AS number FROM packets WHERE ts <= (SELECT stamp FROM moment) GROUP BY capture_id
), clocks AS MATERIALIZED (
    SELECT p.capture_id, min(epoch_ns(p.ts)) AS now FROM packets p JOIN last USING (capture_id)
    WHERE p.number > last.number - {CLOCK_PACKETS} AND p.number <= last.number GROUP BY p.capture_id
), keys AS (
    SELECT {_KEYS} FROM {FLOWS_ENDED} UNION ALL SELECT {_KEYS} FROM {FLOWS_OPEN}
), crossing AS MATERIALIZED (
    SELECT flow_id, started_at FROM keys, moment WHERE started_at <= moment.stamp AND (ended_at > moment.stamp
        OR duplicates > 0 AND ended_at > make_timestamp_ns(moment.t - {COPY_NS}))
), dropping AS (
    SELECT capture_id FROM captures WHERE without_duplicates
), every AS (
    SELECT flow_id, from_src, length, payload, tcp_flags, ts, number, coalesce(duplicate, false) AS duplicate,
        capture_id IN (SELECT capture_id FROM dropping) AS dropped
    FROM packets WHERE ts <= (SELECT stamp FROM moment) AND ts >= (SELECT min(started_at) FROM crossing)
        AND flow_id IN (SELECT flow_id FROM crossing)
), {COUNTING}
), recent AS (
    SELECT flow_id, sum(length) FILTER (from_src) AS src_bytes, sum(length) FILTER (NOT from_src) AS dst_bytes
    FROM packets, moment WHERE flow_id IS NOT NULL AND ts <= moment.stamp
        AND ts > make_timestamp_ns(moment.t - (moment.seconds * 1000000000)::BIGINT)
    GROUP BY flow_id
), carriers AS (
    SELECT DISTINCT outer_flow_id AS flow_id FROM keys WHERE outer_flow_id IS NOT NULL
), earlier AS (
    SELECT * FROM keys WHERE end_reason IN ('reused', 'idle')
), later AS (
    SELECT * FROM keys WHERE generation > 0
), successors AS (
    SELECT flow_id, min(started_at) AS started_at FROM (
{SUCCESSORS}
    ) GROUP BY flow_id
)
SELECT
    {_select_list()},
    coalesce(r.src_bytes, 0) / m.seconds AS src_rate, coalesce(r.dst_bytes, 0) / m.seconds AS dst_rate
FROM flows f CROSS JOIN moment m LEFT JOIN clocks w ON w.capture_id = f.capture_id
LEFT JOIN counted c ON c.flow_id = f.flow_id LEFT JOIN recent r ON r.flow_id = f.flow_id
LEFT JOIN carriers k ON k.flow_id = f.flow_id LEFT JOIN successors s ON s.flow_id = f.flow_id
WHERE f.started_at <= m.stamp"""  # noqa: S608 - our own columns

FLOWS_AT_RULE = (
    "flows_at(t): the flows that had begun at packet time t, as they stood then. end_reason is 'open' for those that "
    "were open: not closed, and not idle by the smallest time among the last 256 packets up to t. ended_at, packets, "
    "bytes, payload and flags count up to t (NULL for a tunnel that goes on after t: the index gives its packets to "
    "the flows inside); src_rate and dst_rate are bytes per second over the last 10 seconds (seconds := n for another "
    "span). For a flow with packets after t, state is what flags decide (SYN_SENT, SYN_RECV, ESTABLISHED, CLOSE_WAIT, "
    "CLOSED, UDP_ACTIVE, UDP_IDLE), otherwise NULL: which of FIN_WAIT1, FIN_WAIT2, CLOSING, LAST_ACK and TIME_WAIT it "
    "was depends on acknowledgement numbers, application states on payload. Round-trip times, retransmissions, "
    "conn_state, history and tunnel of such a flow are NULL. app, service and owner are as known at the end, a "
    "hostname only from when it was learned."
)
