"""Consistency checks of a session: counts, references, completeness."""

import typing
from dataclasses import dataclass

from rustnet.i18n import _, ngettext
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

# A tunnel counts packets that the index assigns to the flows inside it. An 802.11 frame may carry packets of several
# flows, among which its bytes are divided, and the index has the first. Such frames come from interfaces for 802.11 and
# those whose link type may contain it (Linux's cooked captures, PPI, PKTAP), and in tunnels to access points.
_FLOW_PACKETS = """
WITH counted AS (
    SELECT flow_id, count(*) AS packets, sum(length)::BIGINT AS bytes FROM packets
    WHERE flow_id IS NOT NULL GROUP BY flow_id
), carriers AS (
    SELECT outer_flow_id AS flow_id FROM flows WHERE outer_flow_id IS NOT NULL
    UNION
    SELECT flow_id FROM flows WHERE app IN (SELECT tunnel FROM flows WHERE tunnel IS NOT NULL)
), innermost AS (
    SELECT flows.capture_id, coalesce(counted.packets, 0) AS indexed, src_packets + dst_packets AS stated,
        src_bytes + dst_bytes AS bytes
    FROM flows LEFT JOIN counted ON counted.flow_id = flows.flow_id
    WHERE flows.flow_id NOT IN (SELECT flow_id FROM carriers)
), aggregating AS (
    SELECT capture_id FROM (
        SELECT capture_id FROM interfaces WHERE link_type IN (105, 113, 119, 127, 149, 163, 192, 258, 276)
        UNION
        SELECT capture_id FROM flows WHERE tunnel IN ('aruba', 'capwap', 'tzsp')
    ) AS one WHERE coalesce((SELECT sum(bytes) FROM innermost WHERE innermost.capture_id = one.capture_id), 0)
        <= coalesce((SELECT sum(length) FROM packets WHERE packets.capture_id = one.capture_id), 0)
)
SELECT count(*) FROM innermost
WHERE indexed > stated OR (indexed < stated AND capture_id NOT IN (SELECT capture_id FROM aggregating))"""


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
        name = _("capture {n}: packet rows").format(n=number)
        words = _("{rows} rows, {packets} packets counted").format(rows=f"{rows:,}", packets=f"{packets:,}")
        findings.append(Finding(name, rows == packets, words))
        if rows:
            whole = low == 1 and high == rows and different == rows
            words = _("{first} to {last}, {different} different")
            words = words.format(first=f"{low:,}", last=f"{high:,}", different=f"{different:,}")
            findings.append(Finding(_("capture {n}: packet numbers").format(n=number), whole, words))
        words = _("{stored} in rows, {counted} counted").format(stored=f"{stored_wire:,}", counted=f"{wire:,}")
        findings.append(Finding(_("capture {n}: wire bytes").format(n=number), wire == stored_wire, words))
        words = _("not complete: the input is damaged, or ingest was interrupted")
        if complete:
            words = _("read to a clean end")
        findings.append(Finding(_("capture {n}: completeness").format(n=number), bool(complete), words, serious=False))
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
            words = _("{n} rows refer to one that does not exist").format(n=f"{lost:,}")
            name = _("{column} in {table}").format(column=f"{table}.{column}", table=target)
            findings.append(Finding(name, ok=False, detail=words))
        else:
            link = _("{column} in {table}").format(column=column, table=target)
            sound[link] = sound.get(link, 0) + 1
    for link, count in sound.items():
        words = ngettext("every one is there, in {n} table", "every one is there, in {n} tables", count)
        findings.append(Finding(link, ok=True, detail=words.format(n=count)))
    return findings


def _flow_packets(session: "Session") -> Finding:
    wrong = session.execute(_FLOW_PACKETS).rows[0][0]
    words = _("agree with the packet index")
    if wrong:
        words = _("{n} flows count other packets than the index has").format(n=f"{wrong:,}")
    return Finding(_("flows: packet counts"), not wrong, words)
