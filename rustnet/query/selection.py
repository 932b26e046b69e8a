"""Packets that a filter or a query selects, for ``rustnet extract``."""

import typing
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rustnet.errors import UsageError
from rustnet.query.compile import Scope, compile_filter
from rustnet.query.execute import RowStream
from rustnet.query.redaction_mark import redaction_of

if typing.TYPE_CHECKING:
    from rustnet.query.session import Session

REDACTED = "redacted"
"""Kind of the files of a redacted session: neither their names nor their hashes are those of the originals."""


@dataclass(frozen=True, slots=True)
class OriginalFile:
    """A file as it was ingested."""

    capture_id: int
    source: str
    kind: str
    bytes: int | None
    sha256: str | None
    first_packet: int | None = None
    """Number of its first packet, where it is one of several files or a recording."""


@dataclass(frozen=True, slots=True)
class IngestedFile:
    """A file of a capture, as it was ingested."""

    original: OriginalFile
    head_sha256: str | None
    alone: bool
    """It is the only file of all captures."""
    recorded: bool
    """Packets of a live capture were recorded to it."""


@dataclass(frozen=True, slots=True)
class Original:
    """A capture as it was ingested: its files, and whether they were merged by time."""

    capture_id: int
    files: tuple[OriginalFile, ...]
    merged: bool
    recorded: bool
    """Packets of a live capture were recorded to the files: each can be read without the others."""

    @property
    def sha256(self) -> str | None:
        """SHA-256 of a capture of one file."""
        return self.files[0].sha256 if len(self.files) == 1 else None


@dataclass(frozen=True, slots=True)
class Selection:
    """A set of packets, as SQL that yields ``capture_id`` and ``number``, perhaps more than once."""

    sql: str
    params: tuple[object, ...]

    def counts(self, session: "Session") -> dict[int, int]:
        """Packets of the selection by capture."""
        sql = f"SELECT capture_id, count(DISTINCT number) FROM ({self.sql}) GROUP BY capture_id ORDER BY capture_id"  # noqa: S608
        return {row[0]: row[1] for row in session.execute(sql, self.params).rows}

    def counts_by_file(self, session: "Session", capture_id: int) -> dict[int | None, int]:
        """Packets of the selection in each file of a recorded capture; None: in no file."""
        sql = (
            f"SELECT CASE WHEN p.file_offset > 0 THEN p.file END, count(*) FROM packets AS p "  # noqa: S608
            f"SEMI JOIN ({self.sql}) AS s ON s.capture_id = p.capture_id AND s.number = p.number "
            f"WHERE p.capture_id = {int(capture_id)} GROUP BY 1 ORDER BY 1"
        )
        return {row[0]: row[1] for row in session.execute(sql, self.params).rows}

    def numbers(self, session: "Session", capture_id: int, file: int | None = None) -> Iterator[int]:
        """Packet numbers of one capture, or one file of it, each once, ascending, as they come."""
        capture_id = int(capture_id)
        sql = f"SELECT DISTINCT number FROM ({self.sql}) WHERE capture_id = {capture_id} ORDER BY number"  # noqa: S608
        if file is not None:
            sql = (
                f"SELECT p.number FROM packets AS p SEMI JOIN ({self.sql}) AS s "  # noqa: S608
                f"ON s.capture_id = p.capture_id AND s.number = p.number "
                f"WHERE p.capture_id = {capture_id} AND p.file = {int(file)} AND p.file_offset > 0 ORDER BY p.number"
            )
        with session.stream(sql, self.params) as rows:
            for batch in rows.batches():
                for row in batch:
                    yield row[0]


_WITH_INNER = """
WITH RECURSIVE chosen(flow_id) AS (
    ({flows})
    UNION
    SELECT flows.flow_id FROM flows JOIN chosen ON flows.outer_flow_id = chosen.flow_id
)
SELECT packets.capture_id, packets.number FROM packets JOIN chosen ON chosen.flow_id = packets.flow_id
UNION ALL
SELECT packets.capture_id, packets.number
FROM chosen JOIN flows ON flows.flow_id = chosen.flow_id AND flows.tunnel = 'fragments'
JOIN packets ON packets.flow_id = flows.outer_flow_id
    AND packets.ts BETWEEN flows.started_at - INTERVAL 30 SECOND AND flows.ended_at"""
"""Also selects all packets inside chosen tunnels, and the fragments of chosen datagrams: these belong to their carrier,
so a few fragments of other datagrams between the same hosts may be among them."""


def by_filter(text: str, scope: Scope) -> Selection:
    """Packets of the flows that match a filter, with packets inside tunnels among them and with their fragments.

    An empty filter selects every packet, also those without a flow.
    """
    if not text.strip():
        return Selection("SELECT capture_id, number FROM packets", ())
    condition = compile_filter(text, scope)
    flows = f"SELECT flow_id FROM flows WHERE {condition.sql}"  # noqa: S608 -- compiled
    return Selection(_WITH_INNER.format(flows=flows), condition.params)


def by_sql(session: "Session", sql: str) -> Selection:
    """Packets that a query selects: rows with ``capture_id`` and ``number`` (or ``packet``), or with ``flow_id``.

    Raises `UsageError` if its columns are neither.
    """
    sql = sql.strip().rstrip(";")
    with session.stream(sql) as rows:
        columns = _lower(rows)
    inner = f"(\n{sql}\n)"
    if "capture_id" in columns and ("number" in columns or "packet" in columns):
        number = "number" if "number" in columns else "packet"
        return Selection(
            f"SELECT packets.capture_id, packets.number FROM packets JOIN {inner} AS q "  # noqa: S608 -- checked by stream
            f"ON q.capture_id = packets.capture_id AND q.{number} = packets.number",
            (),
        )
    if "flow_id" in columns:
        return Selection(_WITH_INNER.format(flows=f"SELECT flow_id FROM {inner}"), ())  # noqa: S608
    raise UsageError(
        "the query must yield capture_id and number (packets), or flow_id (whole flows); it yields {columns}",
        columns=", ".join(rows.columns) or "nothing",
    )


def _lower(rows: RowStream) -> set[str]:
    return {name.lower() for name in rows.columns}


_FILES = """
SELECT c.capture_id, coalesce(f.file, 0) AS file, coalesce(f.source, c.source), coalesce(f.kind, c.kind),
    coalesce(f.bytes, c.bytes), coalesce(f.sha256, c.sha256), coalesce(f.head_sha256, c.head_sha256),
    (SELECT count(*) FROM captures ANTI JOIN capture_files USING (capture_id)) + (SELECT count(*) FROM capture_files)
        AS files, c.kind = 'live' AND f.file IS NOT NULL AS recorded, f.first_packet
FROM captures AS c LEFT JOIN capture_files AS f USING (capture_id)
WHERE c.capture_id = ? ORDER BY file"""


def ingested_files(session: "Session", capture_id: int) -> tuple[IngestedFile, ...]:
    """Files of a capture, by their index."""
    kind = _kind(session)
    return tuple(
        IngestedFile(
            OriginalFile(row[0], row[2], kind or row[3], row[4], row[5], row[9]),
            row[6],
            alone=row[7] == 1,
            recorded=row[8],
        )
        for row in session.execute_own(_FILES, (capture_id,)).rows
    )


def _kind(session: "Session") -> str | None:
    """Kind of all files of a redacted session; None: each has its own."""
    return REDACTED if redaction_of(session) else None


def originals(session: "Session", captures: Sequence[int] | None = None) -> list[Original]:
    """List the captures of a session, or those of the given numbers, in order."""
    kind = _kind(session)
    files: dict[int, list[OriginalFile]] = {}
    for row in session.execute(
        "SELECT capture_id, source, kind, bytes, sha256, first_packet FROM capture_files ORDER BY capture_id, file"
    ).rows:
        files.setdefault(row[0], []).append(OriginalFile(row[0], row[1], kind or row[2], *row[3:]))
    result = []
    for *values, assembly in session.execute(
        "SELECT capture_id, source, kind, bytes, sha256, assembly FROM captures ORDER BY capture_id"
    ).rows:
        if captures is None or values[0] in captures:
            own = files.get(values[0], [OriginalFile(values[0], values[1], kind or values[2], values[3], values[4])])
            recorded = values[2] == "live" and values[0] in files
            result.append(Original(values[0], tuple(own), assembly == "merged", recorded))
    return result


def link_types(session: "Session", selection: Selection) -> set[int]:
    """Link types of the selected packets, as far as the session knows their interfaces."""
    sql = (
        f"SELECT DISTINCT i.link_type FROM ({selection.sql}) AS s "  # noqa: S608
        "JOIN packets AS p ON p.capture_id = s.capture_id AND p.number = s.number "
        "JOIN interfaces AS i ON i.capture_id = p.capture_id AND i.interface = p.interface"
    )
    return {row[0] for row in session.execute(sql, selection.params).rows}
