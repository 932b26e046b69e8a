"""Pass ``ownership``: turns sidecars, logs and packet comments into claims, and claims into owners of flows."""

from pathlib import Path
from typing import TYPE_CHECKING

from rustnet.attribute.discover import find_sidecars
from rustnet.attribute.match import OwnershipReport, Sidecar, attribute
from rustnet.attribute.stage import run
from rustnet.derive.passes import Evidence, Outcome, Pass, Span
from rustnet.filenames import as_path, as_text
from rustnet.i18n import _
from rustnet.store.schema import INPUT

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


def sidecar_files(source: str, evidence: Evidence) -> list[Path]:
    """Sidecars of one capture: those given by name, else those next to its file."""
    if evidence.sidecars or not evidence.discover or source == "-":
        return list(evidence.sidecars)
    return find_sidecars(Path(as_path(source)))


def sources_of(con: "DuckDBPyConnection", capture_id: int) -> list[str]:
    """Paths of a capture's files, as they were given."""
    rows = run(con, "SELECT source FROM capture_files WHERE capture_id = ? ORDER BY file", [capture_id])
    rows = rows or run(con, "SELECT source FROM captures WHERE capture_id = ?", [capture_id])
    return [source for (source,) in rows]


def _is_live(con: "DuckDBPyConnection", capture_id: int) -> bool:
    return bool(run(con, "SELECT 1 FROM captures WHERE capture_id = ? AND kind = 'live'", [capture_id]))


def _sentence(names: str, report: OwnershipReport) -> str:
    """Summary of the records and claims of a capture's sidecars."""
    if report.bad_records:
        template = _(
            "{names}: records {records:,}, {bad:,} invalid; claims {claims:,}; "
            "flows with an owner {owned:,} of {flows:,}"
        )
    else:
        template = _("{names}: records {records:,}; claims {claims:,}; flows with an owner {owned:,} of {flows:,}")
    return template.format(
        names=names,
        records=report.records,
        bad=report.bad_records,
        claims=report.claims,
        owned=report.owned,
        flows=report.flows,
    )


def _remember(con: "DuckDBPyConnection", files: list[Path]) -> None:
    """Store where the inputs are, so that no output of a later command replaces one."""
    for file in files:
        if file.exists():
            key = INPUT + as_text(str(file.absolute()))
            run(con, "DELETE FROM meta WHERE key = ?", [key])
            run(con, "INSERT INTO meta VALUES (?, NULL)", [key])


def _run(con: "DuckDBPyConnection", span: Span, evidence: Evidence) -> Outcome:
    outcome = Outcome()
    for capture_id in span.captures:
        sources = sources_of(con, capture_id)
        if _is_live(con, capture_id):  # a sidecar next to a recording has been made of this session's claims
            files = list(evidence.sidecars)
        else:
            files = list(dict.fromkeys(file for source in sources for file in sidecar_files(source, evidence)))
        _remember(con, [*files, *(Path(as_path(source)) for source in sources if source != "-")])
        packet_claims = evidence.packet_claims.get(capture_id)
        if not files and packet_claims is None:
            continue
        stated_format = evidence.sidecar_format if evidence.sidecars else None
        report = attribute(
            con,
            capture_id,
            [Sidecar(file, format=stated_format) for file in files],
            packet_claims=packet_claims,
            correction=evidence.correction,
            flows=span.flows,
            first_row=span.first_row(span.flows),
        )
        names = [str(file) for file in files]
        if packet_claims is not None:
            names.append(_("packets of {source}").format(source=sources[0]))
        outcome.notes.append(_sentence(", ".join(names), report))
        outcome.notes += report.silent
        outcome.notes += report.clocks
        outcome.failures += report.unreadable
        outcome.changed += report.changed
    return outcome


OWNERSHIP = Pass("ownership", _run)
