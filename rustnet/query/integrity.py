"""Consistency checks of a session: counts, references, completeness."""

import typing
from dataclasses import dataclass

from rustnet.i18n import _
from rustnet.query.detail import message_tables
from rustnet.store.schema import quote_identifier

if typing.TYPE_CHECKING:
    from rustnet.query.session import ForeignObjectsError, Session


@dataclass(frozen=True, slots=True)
class Finding:
    """The outcome of one check."""

    check: str
    ok: bool
    detail: str
    serious: bool = True
    """A failure means that the session is inconsistent; otherwise that data are missing, with the reason."""


_COUNTS = """
SELECT c.capture_id, c.packets, coalesce(p.n, 0), coalesce(p.low, 0), coalesce(p.high, 0), coalesce(p.different, 0),
    c.wire_bytes, coalesce(p.bytes, 0), c.complete
FROM captures AS c LEFT JOIN (
    SELECT capture_id, count(*) AS n, min(number) AS low, max(number) AS high, count(DISTINCT number) AS different,
        sum(length)::BIGINT AS bytes
    FROM packets GROUP BY capture_id
) AS p ON p.capture_id = c.capture_id ORDER BY c.capture_id"""

# A tunnel counts packets that the index assigns to the flows inside it.
_FLOW_PACKETS = """
WITH counted AS (
    SELECT flow_id, count(*) AS packets, sum(length)::BIGINT AS bytes FROM packets
    WHERE flow_id IS NOT NULL GROUP BY flow_id
), carriers AS (
    SELECT outer_flow_id AS flow_id FROM flows WHERE outer_flow_id IS NOT NULL
    UNION
    SELECT flow_id FROM flows WHERE app IN (SELECT tunnel FROM flows WHERE tunnel IS NOT NULL)
)
SELECT count(*) FROM flows LEFT JOIN counted ON counted.flow_id = flows.flow_id
WHERE coalesce(counted.packets, 0) <> flows.src_packets + flows.dst_packets
    AND flows.flow_id NOT IN (SELECT flow_id FROM carriers)"""


def check(session: "Session") -> list[Finding]:
    """Run every check of a session."""
    return [*_counts(session), *_references(session), _flow_packets(session)]


def foreign_objects(error: "ForeignObjectsError") -> list[Finding]:
    """One finding for each object of a session that this program does not make."""
    words = _("not made by rustnet: nothing of it was used, and no other check was made")
    return [Finding(name, ok=False, detail=words) for name in error.objects]


def _counts(session: "Session") -> list[Finding]:
    findings = []
    for number, packets, rows, low, high, different, wire, stored_wire, complete in session.execute(_COUNTS).rows:
        name = f"capture {number}"
        findings.append(Finding(f"{name}: packet rows", rows == packets, f"{rows:,} rows, {packets:,} packets counted"))
        if rows:
            whole = low == 1 and high == rows and different == rows
            findings.append(Finding(f"{name}: packet numbers", whole, f"{low:,} to {high:,}, {different:,} different"))
        findings.append(
            Finding(f"{name}: wire bytes", wire == stored_wire, f"{stored_wire:,} in rows, {wire:,} counted")
        )
        words = "read to a clean end" if complete else "not complete: the input is damaged, or ingest was interrupted"
        findings.append(Finding(f"{name}: completeness", bool(complete), words, serious=False))
    return findings


def _references(session: "Session") -> list[Finding]:
    """Check that every reference has its row; tables without a broken reference are counted together."""
    tables = session.columns()
    links = [(t, "flow_id", "flows") for t in ("packets", "claims", "anomalies", *message_tables(session))]
    links += [("flows", "outer_flow_id", "flows"), ("flows", "process_id", "processes")]
    links += [("claims", "process_id", "processes")]
    links += [(t, "capture_id", "captures") for t in ("packets", "flows", "interfaces", "anomalies", "names")]
    links += [(t, "capture_id", "captures") for t in message_tables(session)]
    findings = []
    sound: dict[str, int] = {}
    for table, column, target in links:
        if column not in tables.get(table, {}):
            continue
        key = {"flows": "flow_id", "processes": "process_id", "captures": "capture_id"}[target]
        sql = (
            f"SELECT count(*) FROM {quote_identifier(table)} AS t WHERE t.{column} IS NOT NULL "  # noqa: S608 -- quoted
            f"AND NOT EXISTS (SELECT 1 FROM {target} AS o WHERE o.{key} = t.{column})"
        )
        lost = session.execute(sql).rows[0][0]
        if lost:
            words = f"{lost:,} rows refer to one that does not exist"
            findings.append(Finding(f"{table}.{column} in {target}", ok=False, detail=words))
        else:
            link = f"{column} in {target}"
            sound[link] = sound.get(link, 0) + 1
    for link, count in sound.items():
        tables_of = "1 table" if count == 1 else f"{count} tables"
        findings.append(Finding(link, ok=True, detail=f"every one is there, in {tables_of}"))
    return findings


def _flow_packets(session: "Session") -> Finding:
    wrong = session.execute(_FLOW_PACKETS).rows[0][0]
    words = "agree with the packet index" if not wrong else f"{wrong:,} flows count other packets than the index has"
    return Finding("flows: packet counts", not wrong, words)
