"""One ingest run: reads all inputs into a session.

    source ─► frames ─► analysis (tracker: headers, flows, streams ─► dispatcher: parsers ─► collector) ─► writer
                                                                                      attribution on DuckDB ◄─┘

A small input is analysed in this thread, a larger one by several processes (`rustnet.analysis.workers`) that this
thread feeds. The writer runs in a second thread, the hash of the input in a third. The writer's thread creates a new
session while this one begins to read. Signals and garbage collection are left to the caller, so that any thread may
run this.
"""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from rustnet.analysis.capture import Analysis
from rustnet.analysis.workers import Workers, worker_count
from rustnet.attribute.packets import drop_table
from rustnet.derive.passes import Evidence, Outcome, Pass, Span
from rustnet.dissect import registry
from rustnet.errors import InputError, StoppedError
from rustnet.ingest.capture import Analyser, CaptureIngest, begin_capture
from rustnet.ingest.malloc import return_large_blocks
from rustnet.ingest.options import Options
from rustnet.ingest.report import Progress, Report
from rustnet.ingest.serving import Serving
from rustnet.ingest.stop import StopToken
from rustnet.sources.files import open_source
from rustnet.sources.frames import Source
from rustnet.sources.paced import PacedSource
from rustnet.store.items import OnFlush
from rustnet.store.session import reading_cursor
from rustnet.store.tables import FlowRow, Name
from rustnet.store.writer import Writer

if TYPE_CHECKING:
    import duckdb

    from rustnet.query.session import Session


def ingest(
    paths: Sequence[str],
    session: str,
    options: Options,
    progress: Callable[[Progress], None] | None = None,
    ask: "Callable[[Session], None] | None" = None,
    stop: StopToken | None = None,
) -> Report:
    """Ingest all inputs into a session, which is created if it does not exist; the report lists unreadable inputs.

    ``stop`` ends the run early: everything read so far is stored, and the capture is not complete. ``ask`` is called
    with a reader of the session after the last commit.
    Raises `SessionError` if the session cannot be opened or written, `UsageError` for an unknown sidecar format.
    """
    if options.sidecar_format is not None:
        from rustnet.attribute.discover import named_format  # noqa: PLC0415 - rarely needed

        named_format(options.sidecar_format)
    return_large_blocks()
    report = Report(session)
    stop = stop or StopToken()
    first: Source | None = None
    if len(paths) == 1:  # an unreadable single input must not leave an empty session
        first = _open(paths[0], report, options, stop)
        if first is None:
            return report
    workers: Workers | None = None
    try:
        workers = _start_workers(paths, options)  # before the writer's thread: they are forked
        deferred = workers is not None and first is not None and first.info.kind == "file"
        writer = Writer(
            session,
            registry.tables(),
            deferred=deferred,
            cadence=options.cadence,
            on_flush=None if options.speed is None else _live_passes(),
            on_open=partial(Serving, session),
        )
    except BaseException:
        if first is not None:
            first.close()
        if workers is not None:
            workers.close()
        raise
    try:
        tables = _captures(paths, first, writer, workers, report, options, progress, stop)
        _finish(writer, report, tables)
        _attribute(writer, report, options)
        if ask is not None and report.captures:
            writer.execute_last(partial(_ask, ask, session))
    finally:
        if workers is not None:
            workers.close()
        writer.close()
    report.not_stored += writer.losses
    report.note_losses()
    return report


def _ask(ask: "Callable[[Session], None]", path: str, con: "duckdb.DuckDBPyConnection") -> None:
    """Call ``ask`` with a reader on the writer's connection."""
    from rustnet.query.session import InlineSession  # noqa: PLC0415 - needed at the end only

    with InlineSession(path, reading_cursor(con)) as session:
        ask(session)


def _live_passes() -> OnFlush:
    from rustnet.ingest.live import LivePasses  # noqa: PLC0415 - for paced runs only

    return LivePasses()


def _start_workers(paths: Sequence[str], options: Options) -> Workers | None:
    """Start analysis processes if the inputs are large enough."""
    alone = options.strict_parsers or options.speed is not None
    count = 0 if alone else worker_count(options.workers, paths)
    return Workers(count, options.dissect, options.cadence) if count else None


def _captures(
    paths: Sequence[str],
    first: Source | None,
    writer: Writer,
    workers: Workers | None,
    report: Report,
    options: Options,
    progress: Callable[[Progress], None] | None,
    stop: StopToken,
) -> set[str]:
    """Ingest the inputs one after another; ``first`` is the first one if it is already open.

    Returns the names of the tables with new rows.
    """
    tables: set[str] = set()
    capture_id, flow_id = writer.next_ids()
    earlier = [] if options.again else writer.earlier_captures()
    for index, path in enumerate(paths):
        source = first if first is not None else _open(path, report, options, stop)
        first = None
        if source is None:
            if report.interrupted:
                break
            continue
        try:
            if already_ingested(source, earlier, report):
                continue
            row = begin_capture(writer, source, capture_id)
            analysis: Analyser
            if workers is None:
                analysis = Analysis(
                    capture_id, flow_id, options.dissect, options.strict_parsers, cadence=options.cadence
                )
            else:
                analysis = workers.begin(capture_id, flow_id)
                source.ring = workers.ring
            capture = CaptureIngest(writer, source, row, analysis, stop, options.cadence)
            capture.set_progress(progress, index, len(paths))
            capture.run(report)
            tables |= capture.tables
        finally:
            source.close()
        if report.interrupted:
            break
        capture_id += 1
        flow_id = analysis.next_flow
        if row.bytes is not None and row.sha256 is not None and not options.again:
            earlier.append((row.capture_id, row.source, row.bytes, row.sha256))
    if workers is not None:
        workers.dismiss()
    return tables


def _open(path: str, report: Report, options: Options, stop: StopToken) -> Source | None:
    """Open an input; returns None, and updates the report, if it cannot be read or the run was stopped meanwhile."""
    try:
        source = open_source(path, stop.is_set)
    except StoppedError:
        report.interrupted = True
        return None
    except InputError as error:
        report.failed.append((path, str(error)))
        return None
    return source if options.speed is None else PacedSource(source, options.speed, stop.wait)


def already_ingested(source: Source, earlier: list[tuple[int, str, int, str]], report: Report) -> bool:
    """Whether the file is one of the ``earlier`` captures; it is hashed only if one of them has the same size."""
    info = source.info
    if info.kind != "file":
        return False
    same = [capture for capture in earlier if capture[2] == info.bytes]
    if not same:
        return False
    from rustnet.sources.stored import hash_file  # noqa: PLC0415 - rarely needed

    digest = hash_file(info.source)
    for capture_id, name, _, sha256 in same:
        if sha256 == digest:
            words = (
                f"{info.source}: already in the session as capture {capture_id} ({name}, same SHA-256); "
                "use --again to ingest it again"
            )
            report.skipped.append((info.source, words))
            report.known.append((capture_id, info.source))
            return True
    return False


def _finish(writer: Writer, report: Report, tables: set[str]) -> None:
    """Store the last rows, and run the passes names and relations, which need no other evidence."""
    captures = tuple(capture.capture_id for capture in report.captures)
    if captures:
        from rustnet.derive.names import name_flows  # noqa: PLC0415 - only where there are captures
        from rustnet.derive.relations import relate  # noqa: PLC0415

        flows = sum(capture.flows for capture in report.captures)
        span = Span(captures)
        names = partial(name_flows, span=span, expected=flows)
        writer.finish(names, partial(relate, span=span, tables=tables), (FlowRow, Name))


def _pass(each: Pass, con: "duckdb.DuckDBPyConnection", span: Span, evidence: Evidence) -> Outcome:
    """Run one pass on the writer's connection."""
    return each.run(con, span, evidence)


def _attribute(writer: Writer, report: Report, options: Options) -> None:
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
        work = partial(_pass, OWNERSHIP, span=Span((capture.capture_id,)), evidence=evidence)
        outcome: Outcome | None = writer.execute_pass(OWNERSHIP.name, work, capture.capture_id)
        if outcome is None:
            continue
        report.failed += [("sidecar", sentence) for sentence in outcome.failures]
        report.sidecars += outcome.notes
    report.packet_claims.clear()
    writer.execute(drop_table)
