"""`attribute`: the owners of one capture's flows, from everything that was recorded about them.

The road: readers yield observations (`rustnet.attribute.observation`), `stage` puts them into temporary tables,
`people` makes processes of them, `claims` matches them with flows, `verdict` applies the policy.
"""

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rustnet.attribute.claims import select_flows, store_claims
from rustnet.attribute.clock import Clock, Correction
from rustnet.attribute.discover import open_sidecar
from rustnet.attribute.observation import BlockReader, Faults, Observations
from rustnet.attribute.packets import PacketClaims
from rustnet.attribute.people import store_processes
from rustnet.attribute.stage import Stage, drop, run
from rustnet.attribute.values import words
from rustnet.attribute.verdict import judge
from rustnet.errors import InputError, UsageError
from rustnet.policy.explain import clock_sentence
from rustnet.policy.ownership import SLACK_SECONDS
from rustnet.store.tables import FLOWS_ENDED

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

FEW = 2_000
"""Observations, and flows, that are few."""

_LEFT = (
    "own_covered", "own_double", "own_earlier",
    "own_eligible", "own_flow", "own_nat", "own_near", "own_origin", "own_rival",
    "own_says", "own_shift", "own_verdict",
)  # fmt: skip
"""Temporary tables that are there until the end."""

_FORGET_CLOCK = """
DELETE FROM clocks WHERE capture_id = ? AND source = ? AND origin = ? AND host IS NOT DISTINCT FROM ?"""
_CLOCK = """
INSERT INTO clocks (capture_id, source, origin, host, offset_ms, spread_ms, pairs, agreeing, wrong, added_ms)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""


@dataclass(frozen=True, slots=True)
class Sidecar:
    """A file of ownership data, and what its giver knows of it."""

    path: Path
    host: str | None = None
    """Machine it was recorded on: processes of one host are recognised across captures."""
    format: str | None = None
    """Name of its format, where the content is not to decide."""


@dataclass(slots=True)
class Report:
    """What `attribute` did, for the summary."""

    sidecars: int = 0
    """Sidecars that were read."""
    of_owners: int = 0
    """Of these, files of formats that know processes."""
    unreadable: list[str] = field(default_factory=list)
    """One sentence for each sidecar that could not be read; the others were used."""
    records: int = 0
    """Records read, from sidecars and from the capture itself."""
    doubles: int = 0
    """Of these, records that their source had written several times."""
    bad_records: int = 0
    """Records that could not be read; the first ones stand in `anomalies`."""
    unsupported: int = 0
    """Of the records read, those of sockets that no flow can be matched with."""
    processes: int = 0
    """New rows of `processes`."""
    claims: int = 0
    """New rows of `claims`."""
    crowded: int = 0
    """Flows about which there were more overlapping observations than became claims."""
    clocks: list[str] = field(default_factory=list)
    """One sentence for each sidecar whose clock is wrong."""
    changed: int = 0
    """Flows whose verdict is new."""
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
    on_packets: PacketClaims | None = None,
    slack: float = SLACK_SECONDS,
    correction: Correction = None,
    flows: str = FLOWS_ENDED,
    first_row: int = 0,
) -> Report:
    """Claims and verdicts for the flows of one capture, which must all be stored.

    ``on_packets`` is what stands on the capture's own packets, ``observed`` are batches from anywhere else; ``slack``
    is how many seconds outside of a claim's window a flow may lie; ``correction`` is added to the sources' times.
    Adds rows to `processes`, `claims`, `clocks` and `anomalies` and updates `flows`, in the caller's transaction if
    there is one. A sidecar that cannot be read is named in the report and in `anomalies`, and the others are used. A
    later call for the same capture adds what is new and judges over all claims; the flows are those of the table
    ``flows`` from ``first_row`` on. Raises `UsageError` for a slack that
    is no time.
    """
    if not 0 <= slack <= 1e9:
        raise UsageError(f"a slack of {slack} seconds makes no sense: give 0 or more, {SLACK_SECONDS:g} is usual")
    slack_ns = round(slack * 1e9)
    report = Report()
    stage = Stage(con)
    for number, given in enumerate(sidecars, 1):
        _read(con, stage, number, given if isinstance(given, Sidecar) else Sidecar(given), capture_id, report)
    for batch in observed:
        stage.add(batch, 0)
    if on_packets is not None:
        on_packets.stage(con, stage)
        for kind, detail, count in on_packets.losses():
            _anomaly(con, capture_id, kind, [detail], count)
    report.records = stage.said + report.unsupported
    with _planning(con, stage.said, capture_id):
        report.doubles = stage.drop_doubles()
        repeated = select_flows(con, capture_id, flows, first_row)
        report.processes = store_processes(con, repeated=repeated)
        report.claims, report.crowded, clocks = store_claims(
            con, stage, capture_id, slack_ns, correction, repeated=repeated
        )
        _store_clocks(con, capture_id, clocks, stage, report)
        if report.crowded:
            detail = f"flows with more overlapping ownership records than became claims: {report.crowded}"
            _anomaly(con, capture_id, "claims_left_out", [detail], report.crowded)
        report.changed = judge(con, capture_id, slack_ns, given=bool(report.of_owners or stage.of_owners), flows=flows)
        _count(con, capture_id, report)
    drop(con, *_LEFT)
    return report


@contextlib.contextmanager
def _planning(con: "DuckDBPyConnection", said: int, capture_id: int) -> Iterator[None]:
    """Spare few observations on few flows the optimizer, which takes longer over them than the rest."""
    ((flows,),) = run(con, "SELECT count(*) FROM flows WHERE capture_id = ?", [capture_id])
    small = said <= FEW and flows <= FEW
    if small:
        run(con, "PRAGMA disable_optimizer")
    try:
        yield
    finally:
        if small:
            run(con, "PRAGMA enable_optimizer")


def _read(
    con: "DuckDBPyConnection", stage: Stage, number: int, sidecar: Sidecar, capture_id: int, report: Report
) -> None:
    """Stage one sidecar; what of it cannot be read goes to `anomalies`."""
    try:
        reader = open_sidecar(sidecar.path, sidecar.host, sidecar.format)
        of_owners = True
        for batch in reader.blocks() if isinstance(reader, BlockReader) else reader.batches():
            stage.add(batch, number)
            of_owners = not batch.names_only
    except InputError as error:
        report.unreadable.append(str(error))
        _anomaly(con, capture_id, "sidecar_unreadable", [str(error)])
        return
    report.sidecars += 1
    report.of_owners += of_owners
    report.bad_records += reader.faults.bad
    report.unsupported += reader.faults.unsupported
    _store_faults(con, capture_id, reader.origin, reader.faults)


def _store_faults(con: "DuckDBPyConnection", capture_id: int, origin: str, faults: Faults) -> None:
    """Store the first broken records of a file as rows of their own, the rest as one that counts them."""
    _anomaly(con, capture_id, "sidecar_line", [f"{origin}:{position}: {reason}" for position, reason in faults.kept])
    if more := faults.bad - len(faults.kept):
        _anomaly(con, capture_id, "sidecar_line", [f"{origin}: {more} more lines that cannot be read"], more)
    if faults.first_value:
        position, reason = faults.first_value
        detail = f"{origin}:{position}: {reason}; left out, the record was used"
        _anomaly(con, capture_id, "sidecar_value", [detail], faults.values)


def _anomaly(con: "DuckDBPyConnection", capture_id: int, kind: str, details: list[str], count: int = 1) -> None:
    """Rows of `anomalies`, one for each detail; those of an earlier reading are replaced."""
    if details:
        texts = [words(detail, 1000) for detail in details]
        sql = "DELETE FROM anomalies WHERE capture_id = ? AND kind = ? AND detail IN (SELECT unnest(?::VARCHAR[]))"
        run(con, sql, [capture_id, kind, texts])
        sql = "INSERT INTO anomalies (capture_id, kind, detail, count) SELECT ?, ?, unnest(?::VARCHAR[]), ?"
        run(con, sql, [capture_id, kind, texts, count])


def _store_clocks(
    con: "DuckDBPyConnection", capture_id: int, clocks: list[Clock], stage: Stage, report: Report
) -> None:
    """Rows of `clocks`; a clock that is wrong is an anomaly too."""
    for clock in clocks:
        source, name = stage.origins[clock.origin]
        host = stage.hosts.get(clock.host) or None
        offset, spread, added = clock.offset / 1e6, clock.spread / 1e6, clock.added / 1e6
        run(con, _FORGET_CLOCK, [capture_id, source, name, host])
        measured = [offset, spread, clock.pairs, clock.agreeing, clock.wrong, added]
        run(con, _CLOCK, [capture_id, source, name, host, *measured])
        if clock.wrong:
            named = f"{name} ({host})" if host else name
            sentence = clock_sentence(named, offset, spread, clock.pairs, clock.agreeing, added_ms=added)
            report.clocks.append(sentence)
            _anomaly(con, capture_id, "sidecar_clock_offset", [sentence], clock.agreeing)


def _count(con: "DuckDBPyConnection", capture_id: int, report: Report) -> None:
    """Fill in what the capture's flows came to."""
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
