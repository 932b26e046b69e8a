"""Passes: what is worked out over stored rows. Each can run again at any time, and twice gives the same rows as once.

The end of a run does all of them over its captures, a session that is being written does the live ones at each flush
over what is new (`Span`), and ``rustnet refresh`` does them again later. `rustnet.derive.order` lists them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from rustnet.attribute.clock import Correction
from rustnet.attribute.packets import PacketClaims
from rustnet.store.tables import FLOWS_ENDED

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from rustnet.derive.unknown_apps import PacketDecoder


@dataclass(frozen=True, slots=True)
class Span:
    """The part of a session that a pass works on."""

    captures: tuple[int, ...]
    """Numbers of the captures."""
    since: Mapping[str, int] = field(default_factory=dict)
    """First row id of interest by table; of tables that are not named, all rows are."""
    flows: str = FLOWS_ENDED
    """Base table of the flows: those that have ended, or those that are open."""

    def first_row(self, table: str) -> int:
        """First row id of ``table`` in the span."""
        return self.since.get(table, 0)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What passes are given besides the session itself."""

    sidecars: tuple[Path, ...] = ()
    """Sidecar files; they hold for every capture of the span."""
    sidecar_format: str | None = None
    """Format of these, where their content is not to decide."""
    discover: bool = True
    """Without sidecars given, look for them next to each capture's file."""
    correction: Correction = None
    """Seconds that are added to the sidecars' times, or ``auto``."""
    packet_claims: Mapping[int, PacketClaims] = field(default_factory=dict)
    """Statements that packets of a capture carry themselves, by capture."""
    decoder: "PacketDecoder | None" = None
    """Names the protocols of packets that no parser knew."""


@dataclass(slots=True)
class Outcome:
    """What a pass did."""

    changed: int = 0
    """Rows that are new or have other values than before."""
    notes: list[str] = field(default_factory=list)
    """One sentence each, for the summary."""
    losses: list[str] = field(default_factory=list)
    """One sentence for each thing that was left out because of a bound."""
    failures: list[str] = field(default_factory=list)
    """One sentence for each input that could not be used."""


Work = Callable[["DuckDBPyConnection", Span, Evidence], Outcome]


@dataclass(frozen=True, slots=True)
class Pass:
    """One pass: its name on the command line, what it does, and its function."""

    name: str
    title: str
    """What it works out, in a few words."""
    needs: tuple[str, ...]
    """Tables without whose rows there is nothing to do; one of them is enough."""
    run: Work
    live: bool = False
    """Quick enough, over the span since the last flush, to run at each flush."""
    on_demand: bool = False
    """Runs only if asked for by name."""


def run_live(passes: Sequence[Pass], con: "DuckDBPyConnection", span: Span) -> None:
    """Run the live passes over a span, with no other evidence than the session."""
    for each in passes:
        if each.live:
            each.run(con, span, Evidence(discover=False))
