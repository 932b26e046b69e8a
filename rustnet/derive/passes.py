"""`Pass`: derives values from stored rows. A pass can be run again at any time and is idempotent.

All passes run at the end of an ingest over its captures, live passes also at each flush over the new rows (`Span`), and
``rustnet refresh`` runs them again. `rustnet.derive.order` lists them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from rustnet.attribute.clock import Correction
from rustnet.attribute.packet_statements import PacketStatements
from rustnet.store.tables import FLOWS_ENDED

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from rustnet.derive.resolving import Which
    from rustnet.derive.unknown_apps import PacketDecoder
    from rustnet.enrich.lookup import Lookup


@dataclass(frozen=True, slots=True)
class Span:
    """The part of a session that a pass works on."""

    captures: tuple[int, ...]
    """Numbers of the captures."""
    since: Mapping[str, int] = field(default_factory=dict)
    """First row id of the span by table; of tables that are not listed, all rows belong to it."""
    flows: str = FLOWS_ENDED
    """Base table of the flows: that of ended or that of open flows."""
    again: bool = False
    """Work out again what was worked out before, for the whole session."""

    def first_row(self, table: str) -> int:
        """First row id of ``table`` in the span."""
        return self.since.get(table, 0)


@dataclass(frozen=True, slots=True)
class Evidence:
    """Inputs of passes other than the session."""

    sidecars: tuple[Path, ...] = ()
    """Sidecar files, used for every capture of the span."""
    sidecar_format: str | None = None
    """Format of these files; None: detected from their content."""
    discover: bool = True
    """Use sidecars next to each capture if ``sidecars`` is empty."""
    correction: Correction = None
    """Seconds added to the times of sidecars, or ``auto``."""
    packet_claims: Mapping[int, PacketStatements] = field(default_factory=dict)
    """Claims carried by the packets of a capture, by capture number."""
    decoder: "PacketDecoder | None" = None
    """Decodes packets for the pass ``unknown-apps``."""
    lookup: "Lookup | None" = None
    """Where addresses are looked up; None: the shipped tables alone."""
    resolve: "Which | None" = None
    """Of which addresses names are asked for by reverse DNS; None: of none."""


_NO_EVIDENCE = Evidence(discover=False)


@dataclass(slots=True)
class Outcome:
    """Result of a pass."""

    changed: int = 0
    """Number of rows added or changed."""
    notes: list[str] = field(default_factory=list)
    """Sentences for the summary."""
    losses: list[str] = field(default_factory=list)
    """Sentences about data that was skipped because of a limit."""
    failures: list[str] = field(default_factory=list)
    """Sentences about inputs that could not be used."""


Work = Callable[["DuckDBPyConnection", Span, Evidence], Outcome]


@dataclass(frozen=True, slots=True)
class Pass:
    """One pass: its name on the command line, and its function, which returns at once if there is nothing to do."""

    name: str
    run: Work
    live: bool = False
    """Whether it also runs at each flush, over the span since the previous one."""
    seldom: bool = False
    """Whether it runs at some of these flushes only, because nobody waits for its result."""
    on_demand: bool = False
    """Whether it runs only if requested by name."""


def run_live(passes: Sequence[Pass], con: "DuckDBPyConnection", span: Span, evidence: Evidence = _NO_EVIDENCE) -> None:
    """Run the live passes over a span, with hardly any other inputs than the session."""
    for each in passes:
        if each.live:
            each.run(con, span, evidence)
