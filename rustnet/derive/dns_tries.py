"""Tries of DNS questions across flows, as part of the pass ``relations``: `dns.tries`, `answer_ms`, `unanswered_ms`.

A parser sees the tries that have the same ports and id. Most resolvers repeat a query from another port, with another
id, to another server or over TCP. Only questions that this may concern are sorted: those with a query that nothing
answered, a slow answer, one that was cut, or one that is stored ahead of its query.
"""

# ruff: noqa: S608 -- the parts of these statements are constants of this package; values are bound

import typing

from rustnet.derive.passes import Span
from rustnet.dissect.dns.parser import EARLY_MS, RETRY_SECONDS
from rustnet.store.tables import FLOWS_ENDED

if typing.TYPE_CHECKING:
    import duckdb

SLOW_MS = 50
"""Resolvers wait at least this long before they repeat a query."""

SMALL = 2_000
"""Up to so many messages, the optimizer takes longer than the statements."""

_COUNTS = f"""
SELECT count(*), count(*) FILTER (NOT response), count(*) FILTER (response AND rtt_ms IS NOT NULL),
    count(*) FILTER (response AND rtt_ms IS NULL), count(*) FILTER (response AND (rtt_ms >= {SLOW_MS} OR truncated))
FROM dns WHERE capture_id IN (SELECT unnest($captures)) AND transport <> 'mdns' AND query IS NOT NULL"""
"""Messages: all, queries, responses with and without a query, slow or cut responses."""

_MESSAGES = """(
    SELECT dns.rowid AS row_number, dns.capture_id, dns.flow_id, dns.packet, epoch_ns(dns.ts) AS ts, dns.txid,
        dns.query, dns.qtype, dns.qclass, dns.response, dns.truncated, dns.rtt_ms
    FROM dns
    WHERE dns.capture_id IN (SELECT unnest($captures)) AND dns.transport <> 'mdns' AND dns.query IS NOT NULL)"""

_SAME = "a.flow_id = q.flow_id AND a.txid = q.txid AND a.query = q.query AND a.qtype = q.qtype AND a.qclass = q.qclass"

_EARLY = f"""
CREATE OR REPLACE TEMP TABLE dns_early AS
SELECT a.row_number, min(q.ts) AS ts
FROM {_MESSAGES} a JOIN {_MESSAGES} q ON {_SAME} AND a.response AND NOT q.response AND a.rtt_ms IS NULL
    AND q.packet > a.packet AND abs(q.ts - a.ts) <= {EARLY_MS * 1_000_000}
ANTI JOIN {_MESSAGES} b ON b.flow_id = a.flow_id AND b.txid = a.txid AND b.query = a.query AND b.packet < a.packet
GROUP BY a.row_number"""
"""Responses without an earlier query whose query is stored up to 10 ms behind them, with its time."""

_EARLY_TIMES = """
UPDATE dns SET rtt_ms = (epoch_ns(dns.ts) - e.ts) / 1000000.0 FROM dns_early e
WHERE dns.rowid = e.row_number AND epoch_ns(dns.ts) >= e.ts"""
"""Where the times are reversed as well, how long it took is unknown."""

_QUESTIONS = f"""
CREATE OR REPLACE TEMP TABLE dns_questions AS
SELECT row_number() OVER () AS key, * FROM (SELECT DISTINCT flows.capture_id, flows.src_ip AS client, m.query, m.qtype,
    m.qclass FROM (
    SELECT * FROM {_MESSAGES} WHERE response AND (rtt_ms >= {SLOW_MS} OR truncated)
    UNION ALL
    SELECT * FROM {_MESSAGES} WHERE row_number IN (SELECT row_number FROM dns_early)
    UNION ALL
    SELECT q.* FROM {_MESSAGES} q ANTI JOIN {_MESSAGES} a ON {_SAME} AND a.response WHERE NOT q.response
) m JOIN flows ON flows.flow_id = m.flow_id)"""

_EVENTS = f"""
CREATE OR REPLACE TEMP TABLE dns_events AS
WITH events AS (
    SELECT m.row_number, q.key, m.ts, m.response, m.response AND NOT m.truncated AS final, m.packet,
        coalesce(e.ts, m.ts) AS placed, m.response AND (m.rtt_ms IS NULL OR e.row_number IS NOT NULL) AS alone
    FROM {_MESSAGES} m JOIN flows ON flows.flow_id = m.flow_id
    JOIN dns_questions q ON q.capture_id = flows.capture_id AND q.client = flows.src_ip AND q.query = m.query
        AND q.qtype = m.qtype AND q.qclass = m.qclass
    LEFT JOIN dns_early e ON e.row_number = m.row_number
)
SELECT *, NOT response AND (coalesce(lag(final) OVER w, false)
    OR coalesce(ts - max(CASE WHEN NOT response THEN ts END) OVER (w ROWS BETWEEN UNBOUNDED PRECEDING
        AND 1 PRECEDING) > {RETRY_SECONDS * 1_000_000_000}, true)) AS begins,
    coalesce(NOT lead(response) OVER w, true) AS last
FROM events
WINDOW w AS (PARTITION BY key ORDER BY placed, response, packet)"""
"""Messages of these questions. A question begins with the first query, with one long after the latest query, and with
one after an answer; ``last``: no response follows."""

_TRIES = """
CREATE OR REPLACE TEMP TABLE dns_tries AS
WITH repeated AS (
    SELECT DISTINCT key FROM dns_events WHERE NOT response AND NOT begins OR alone
), numbered AS (
    SELECT dns_events.*, sum(begins::INT) OVER (PARTITION BY key
        ORDER BY placed, response, packet ROWS UNBOUNDED PRECEDING) AS question
    FROM dns_events SEMI JOIN repeated USING (key)
), counted AS (
    SELECT row_number, response, final, ts,
        count(*) FILTER (NOT response) OVER (w ROWS UNBOUNDED PRECEDING) AS tries,
        count(*) FILTER (final) OVER (w ROWS UNBOUNDED PRECEDING) AS answers,
        min(ts) FILTER (NOT response) OVER whole AS first,
        count(*) FILTER (NOT response) OVER whole AS all_tries, count(*) FILTER (response) OVER whole AS all_answers
    FROM numbered WHERE question > 0
    WINDOW w AS (PARTITION BY key, question ORDER BY placed, response, packet), whole AS (PARTITION BY key, question)
)
SELECT row_number, least(tries, 65535) AS tries,
    CASE WHEN final AND answers = 1 AND ts >= first THEN (ts - first) / 1000000.0 END AS answer_ms,
    CASE WHEN NOT response AND tries = all_tries AND all_answers = 0 THEN (ts - first) / 1000000.0 END AS unanswered_ms
FROM counted
UNION ALL
SELECT row_number, 1, NULL, 0.0 FROM dns_events ANTI JOIN repeated USING (key) WHERE NOT response AND last"""
"""Values of the messages whose parser could not know them: of questions that were repeated, and of queries that nothing
answered."""

_UPDATE = """
UPDATE dns SET tries = t.tries, answer_ms = t.answer_ms, unanswered_ms = t.unanswered_ms FROM dns_tries t
WHERE dns.rowid = t.row_number AND (dns.tries IS DISTINCT FROM t.tries OR dns.answer_ms IS DISTINCT FROM t.answer_ms
    OR dns.unanswered_ms IS DISTINCT FROM t.unanswered_ms)"""


def count_tries(con: "duckdb.DuckDBPyConnection", span: Span) -> int:
    """Number the tries of whole captures; a session that is being written has those that its parsers saw."""
    values = {"captures": list(span.captures)}
    if span.flows != FLOWS_ENDED or "dns" in span.since:
        return 0
    messages, asked, paired, alone, slow = con.execute(_COUNTS, values).fetchall()[0]
    if not alone and not slow and asked <= paired:
        return 0
    if messages <= SMALL:
        con.execute("PRAGMA disable_optimizer")
    try:
        return _count_tries(con, values, early=alone > 0)
    finally:
        if messages <= SMALL:
            con.execute("PRAGMA enable_optimizer")


def _count_tries(con: "duckdb.DuckDBPyConnection", values: dict[str, list[int]], *, early: bool) -> int:
    """Number the tries; ``early``: some response may be stored ahead of its query."""
    if early:
        con.execute(_EARLY, values)
        con.execute(_EARLY_TIMES).fetchall()
    else:
        con.execute("CREATE OR REPLACE TEMP TABLE dns_early (row_number BIGINT, ts BIGINT)")
    con.execute(_QUESTIONS, values)
    con.execute(_EVENTS, values)
    con.execute(_TRIES)
    changed = con.execute(_UPDATE).fetchall()[0][0]
    con.execute("DROP TABLE dns_early; DROP TABLE dns_questions; DROP TABLE dns_events; DROP TABLE dns_tries")
    return int(changed)
