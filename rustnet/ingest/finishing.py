"""The end of an ingest run: the passes over what was stored, and owners."""

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from rustnet.attribute.formats.input_file import stopped_by
from rustnet.attribute.packet_statements import drop_table
from rustnet.derive.passes import Evidence, Pass, Span
from rustnet.derive.passes import Outcome as PassOutcome
from rustnet.errors import StoppedError
from rustnet.i18n import _
from rustnet.ingest.options import Options
from rustnet.ingest.report import Report
from rustnet.ingest.stop import StopToken
from rustnet.store.finish import NamedWork
from rustnet.store.tables import FlowRow, Name
from rustnet.store.writer import Writer

if TYPE_CHECKING:
    import duckdb

LATE = 0.4
"""Seconds that matching of owners may take after the run was stopped."""


def store_and_name(writer: Writer, report: Report, tables: set[str], enrichment: NamedWork) -> None:
    """Store the last rows, and run the passes that need no evidence of owners."""
    captures = tuple(capture.capture_id for capture in report.captures)
    if not captures:
        return
    from rustnet.derive.continuations import name_all  # noqa: PLC0415 - only where there are captures
    from rustnet.derive.hosts import discover  # noqa: PLC0415
    from rustnet.derive.relations import relate  # noqa: PLC0415

    span = Span(captures)
    names = partial(name_all, span=span, expected=sum(capture.flows for capture in report.captures))
    relations, hosts = (partial(work, span=span, tables=tables) for work in (relate, discover))
    writer.finish([("names", names), enrichment], [("relations", relations), ("hosts", hosts)], (FlowRow, Name))


def _pass(
    each: Pass, con: "duckdb.DuckDBPyConnection", span: Span, evidence: Evidence, stopped: Callable[[], bool]
) -> PassOutcome:
    """Run one pass on the writer's connection."""
    with stopped_by(stopped):
        return each.run(con, span, evidence)


def stopped_late(stop: StopToken, seconds: float) -> Callable[[], bool]:
    """Whether a run that was stopped has continued for so many seconds since, and since this call."""
    since: list[float] = []

    def late() -> bool:
        if stop.is_set() and not since:
            since.append(time.monotonic())
        return bool(since) and time.monotonic() - since[0] >= seconds

    return late


def match_owners(writer: Writer, report: Report, options: Options, stop: StopToken) -> None:
    """Match the claims of sidecars and packets with the flows of every capture of this run."""
    from rustnet.derive.ownership import OWNERSHIP, sidecar_files  # noqa: PLC0415 - only where there are captures

    evidence = Evidence(
        tuple(map(Path, options.sidecars)),
        options.sidecar_format,
        options.discover,
        options.sidecar_offset,
        report.packet_claims,
    )
    for capture in report.captures:
        if not sidecar_files(capture.source, evidence) and capture.capture_id not in report.packet_claims:
            continue
        late = stopped_late(stop, LATE)
        work = partial(_pass, OWNERSHIP, span=Span((capture.capture_id,)), evidence=evidence, stopped=late)
        try:
            outcome: PassOutcome | None = writer.execute_pass(OWNERSHIP.name, work, capture.capture_id, late)
        except StoppedError:
            report.interrupted = True
            words = _("interrupted before owners were matched; `rustnet refresh {session} ownership` matches them")
            report.not_stored.append(words.format(session=report.session))
            break
        if outcome is None:
            continue
        report.failed += [("sidecar", sentence) for sentence in outcome.failures]
        report.sidecars += outcome.notes
    report.packet_claims.clear()
    writer.execute(drop_table)
