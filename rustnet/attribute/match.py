"""`attribute`: determine the owners of one capture's flows from sidecars, logs and statements on packets.

Readers yield observations (`rustnet.attribute.observation`), `stage` loads them into temporary tables, `processes`
deduplicates their processes, `claims` matches them with flows, `verdict` applies the policy.
"""

import contextlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rustnet.attribute.claims import select_flows, store_claims
from rustnet.attribute.clock import Clock, Correction
from rustnet.attribute.discover import open_sidecar
from rustnet.attribute.observation import NAMESPACE, BlockReader, Faults, Observations, SidecarReader
from rustnet.attribute.packet_statements import PacketStatements
from rustnet.attribute.processes import store_processes
from rustnet.attribute.reasons import INVALID, sentence
from rustnet.attribute.silence import claimed, unmatched
from rustnet.attribute.stage import Stage, drop, run
from rustnet.attribute.values import bounded_text
from rustnet.attribute.verdict import apply_policy
from rustnet.errors import InputError, UsageError
from rustnet.filenames import as_text
from rustnet.i18n import _
from rustnet.policy.explain import clock_sentence
from rustnet.policy.ownership import SLACK_SECONDS
from rustnet.store.tables import FLOWS_ENDED

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

SMALL = 2_000
"""Up to so many observations and flows, the optimizer takes longer than the statements."""

_TEMPORARY = (
    "own_covered", "own_duplicate", "own_earlier_claim",
    "own_eligible", "own_flow", "own_nat", "own_candidate", "own_origin", "own_rival",
    "own_packet_statement", "own_shift", "own_verdict",
)  # fmt: skip
"""Temporary tables that are dropped at the end."""

_DELETE_CLOCK = """
DELETE FROM clocks WHERE capture_id = ? AND source = ? AND origin = ? AND host IS NOT DISTINCT FROM ?"""
_INSERT_CLOCK = """
INSERT INTO clocks (capture_id, source, origin, host, offset_ms, spread_ms, pairs, agreeing, wrong, added_ms)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""


@dataclass(frozen=True, slots=True)
class Sidecar:
    """A file of ownership data with its options."""

    path: Path
    host: str | None = None
    """Recording host: processes of one host are recognised across captures."""
    format: str | None = None
    """Name of its format; ``None``: recognised by content."""


@dataclass(slots=True)
class OwnershipReport:
    """Counts of one run of `attribute`, for the summary."""

    sidecars: int = 0
    """Sidecars read."""
    of_owners: int = 0
    """Of these, sidecars of formats that know processes."""
    unreadable: list[str] = field(default_factory=list)
    """One sentence for each unreadable sidecar; the others were used."""
    records: int = 0
    """Records read, from sidecars and from the capture itself."""
    duplicates: int = 0
    """Of these, records that their source wrote several times."""
    bad_records: int = 0
    """Malformed records; the first ones are in `anomalies`."""
    unsupported: int = 0
    """Of the records read, those of sockets that cannot match a flow."""
    processes: int = 0
    """New rows of `processes`."""
    claims: int = 0
    """New rows of `claims`."""
    crowded: int = 0
    """Flows with more overlapping observations than became claims."""
    clocks: list[str] = field(default_factory=list)
    """One sentence for each sidecar whose clock is wrong."""
    silent: list[str] = field(default_factory=list)
    """One sentence for each sidecar without a claim, which says why."""
    changed: int = 0
    """Flows whose verdict changed."""
    flows: int = 0
    """Flows of the capture."""
    owned: int = 0
    """Of these, flows with an owner."""
    contested: int = 0
    """Of all, flows whose claims disagree."""
    unowned: dict[str, int] = field(default_factory=dict)
    """Flows without an owner, by `unowned_reason`."""


def attribute(
    con: "DuckDBPyConnection",
    capture_id: int,
    sidecars: Sequence[Sidecar | Path] = (),
    *,
    observed: Iterable[Observations] = (),
    packet_claims: PacketStatements | None = None,
    slack: float = SLACK_SECONDS,
    correction: Correction = None,
    flows: str = FLOWS_ENDED,
    first_row: int = 0,
) -> OwnershipReport:
    """Insert claims and verdicts for the stored flows of one capture, those of table ``flows`` from ``first_row`` on.

    ``packet_claims`` are the statements on the capture's own packets, ``observed`` are batches of any other origin;
    ``slack`` is the permitted distance in seconds between a flow and a claim's window; ``correction`` is added to the
    sources' times. Adds rows to `processes`, `claims`, `clocks` and `anomalies` and updates `flows`, in the caller's
    transaction if there is one. An unreadable sidecar is listed in the report and in `anomalies`; the others are used.
    A later call for the same capture adds new claims and applies the policy to all. Raises `UsageError` for a slack out
    of range.
    """
    if not 0 <= slack <= 1e9:
        raise UsageError(
            "invalid slack of {slack} seconds: expected 0 to 1e9 (default {default:g})",
            slack=slack,
            default=SLACK_SECONDS,
        )
    slack_ns = round(slack * 1e9)
    report = OwnershipReport()
    stage = Stage(con)
    readers = {}
    for number, file in enumerate(sidecars, 1):
        sidecar = file if isinstance(file, Sidecar) else Sidecar(file)
        reader = _read(con, stage, number, sidecar, capture_id, report)
        if reader is not None:
            readers[number] = sidecar.path, reader
    of_files = stage.observations
    for batch in observed:
        stage.add(batch, 0)
    if packet_claims is not None:
        packet_claims.stage(con, stage)
        for kind, detail, count in packet_claims.losses():
            anomaly(con, capture_id, kind, [detail], count)
    report.records += stage.observations - of_files
    with _planning(con, stage.observations, capture_id):
        report.duplicates = stage.drop_duplicates()
        repeated = select_flows(con, capture_id, flows, first_row)
        report.processes = store_processes(con, repeated=repeated)
        report.claims, report.crowded, clocks = store_claims(
            con, stage, capture_id, slack_ns, correction, repeated=repeated
        )
        report.silent = _silent(con, stage, readers, slack_ns)
        drop(con, "own_observation")
        _store_clocks(con, capture_id, clocks, stage, report)
        if report.crowded:
            detail = f"flows with more overlapping ownership records than became claims: {report.crowded}"
            anomaly(con, capture_id, "claims_left_out", [detail], report.crowded)
        has_sources = bool(report.of_owners or stage.of_owners)
        report.changed = apply_policy(con, capture_id, slack_ns, has_sources, flows)
        count_flows(con, capture_id, report)
    drop(con, *_TEMPORARY)
    return report


@contextlib.contextmanager
def _planning(con: "DuckDBPyConnection", observations: int, capture_id: int) -> Iterator[None]:
    """Disable the optimizer for small inputs, where it takes longer than the statements themselves."""
    ((flows,),) = run(con, "SELECT count(*) FROM flows WHERE capture_id = ?", [capture_id])
    small = observations <= SMALL and flows <= SMALL
    if small:
        run(con, "PRAGMA disable_optimizer")
    try:
        yield
    finally:
        if small:
            run(con, "PRAGMA enable_optimizer")


def _read(
    con: "DuckDBPyConnection", stage: Stage, number: int, sidecar: Sidecar, capture_id: int, report: OwnershipReport
) -> SidecarReader | None:
    """Stage one sidecar; its malformed records go to `anomalies`. Returns its reader if it knows processes."""
    try:
        reader = open_sidecar(sidecar.path, sidecar.host, sidecar.format)
        of_owners = True
        for batch in reader.blocks() if isinstance(reader, BlockReader) else reader.batches():
            stage.add(batch, number)
            of_owners = not batch.names_only
    except InputError as error:
        report.unreadable.append(error.sentence(_))
        anomaly(con, capture_id, "sidecar_unreadable", [str(error)])
        return None
    report.sidecars += 1
    report.of_owners += of_owners
    report.records += reader.records
    report.bad_records += reader.faults.bad
    report.unsupported += reader.faults.unsupported
    store_faults(con, capture_id, reader.origin, reader.faults)
    return reader if of_owners else None


def _silent(
    con: "DuckDBPyConnection", stage: Stage, readers: dict[int, tuple[Path, SidecarReader]], slack_ns: int
) -> list[str]:
    """Why each sidecar without a claim has none."""
    origins = stage.origins_by_number
    claims = claimed(con, slack_ns) if readers else {}
    silent = {number: reader for number, reader in readers.items() if not any(map(claims.get, origins.get(number, ())))}
    reasons = unmatched(con, slack_ns) if silent else {}
    sentences = []
    for number, (path, reader) in silent.items():
        counted = reader.faults.skipped + Counter({INVALID: reader.faults.bad})
        for origin in origins.get(number, ()):
            counted += reasons.get(origin, Counter())
        if counted:
            late = not claims.keys().isdisjoint(origins.get(number, ()))
            sentences.append(sentence(as_text(str(path)), counted, late=late))
    return sentences


def store_faults(con: "DuckDBPyConnection", capture_id: int, origin: str, faults: Faults) -> None:
    """Store the first malformed records of a file as one row each, the rest as one row with a count."""
    anomaly(con, capture_id, "sidecar_line", [f"{origin}:{position}: {reason}" for position, reason in faults.kept])
    if more := faults.bad - len(faults.kept):
        anomaly(con, capture_id, "sidecar_line", [f"{origin}: {more} more malformed lines"], more)
    if faults.first_value:
        position, reason = faults.first_value
        detail = f"{origin}:{position}: {reason}; the value was ignored"
        anomaly(con, capture_id, "sidecar_value", [detail], faults.values)


def anomaly(con: "DuckDBPyConnection", capture_id: int, kind: str, details: list[str], count: int = 1) -> None:
    """Insert one anomaly for each detail, replacing those of an earlier run."""
    if details:
        texts = [bounded_text(detail, 1000) for detail in details]
        sql = "DELETE FROM anomalies WHERE capture_id = ? AND kind = ? AND detail IN (SELECT unnest(?::VARCHAR[]))"
        run(con, sql, [capture_id, kind, texts])
        sql = "INSERT INTO anomalies (capture_id, kind, detail, count) SELECT ?, ?, unnest(?::VARCHAR[]), ?"
        run(con, sql, [capture_id, kind, texts, count])


def _store_clocks(
    con: "DuckDBPyConnection", capture_id: int, clocks: list[Clock], stage: Stage, report: OwnershipReport
) -> None:
    """Insert rows of `clocks`; a wrong clock is also an anomaly."""
    for clock in clocks:
        source, name = stage.origins[clock.origin]
        host = stage.hosts.get(clock.host, "").partition(NAMESPACE)[0] or None
        offset, spread, added = clock.offset / 1e6, clock.spread / 1e6, clock.added / 1e6
        run(con, _DELETE_CLOCK, [capture_id, source, name, host])
        measured = [offset, spread, clock.pairs, clock.agreeing, clock.wrong, added]
        run(con, _INSERT_CLOCK, [capture_id, source, name, host, *measured])
        if clock.wrong:
            recorder = f"{name} ({host})" if host else name
            figures = recorder, offset, spread, clock.pairs, clock.agreeing
            report.clocks.append(clock_sentence(*figures, added_ms=added, translate=_))
            detail = clock_sentence(*figures, added_ms=added)
            anomaly(con, capture_id, "sidecar_clock_offset", [detail], clock.agreeing)


def count_flows(con: "DuckDBPyConnection", capture_id: int, report: OwnershipReport) -> None:
    """Fill in the counts of the capture's flows."""
    rows: list[tuple[Any, ...]] = run(
        con,
        "SELECT unowned_reason, count(*), count(*) FILTER (WHERE process_contested) FROM flows WHERE capture_id = ? "
        "GROUP BY unowned_reason ORDER BY count(*) DESC, unowned_reason",
        [capture_id],
    )
    report.flows = sum(count for _, count, _ in rows)
    report.contested = sum(contested for _, _, contested in rows)
    report.owned = sum(count for reason, count, _ in rows if reason is None)
    report.unowned = {reason: count for reason, count, _ in rows if reason is not None}
