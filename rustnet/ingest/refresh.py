"""Runs passes again over a finished session, with newer tables or additional evidence."""

from collections.abc import Sequence
from dataclasses import replace

from rustnet.derive.enrichment import ENRICHMENT
from rustnet.derive.order import PASSES
from rustnet.derive.passes import Evidence, Outcome, Pass, Span
from rustnet.dissect import registry
from rustnet.enrich.geofiles import GeoFiles
from rustnet.enrich.lookup import open_lookup
from rustnet.errors import UsageError
from rustnet.store.memory import bounded_memory
from rustnet.store.session import close, create_or_open

MEMORY = "1GB"
"""Changes of all flows stay in memory until a pass has ended: 580 MB for a million."""


def choose(names: Sequence[str]) -> list[Pass]:
    """Passes by name, in the order in which they run; without names, all that are not on demand.

    Raises `UsageError` for an unknown name.
    """
    known = {each.name: each for each in PASSES}
    for name in names:
        if name not in known:
            raise UsageError("unknown pass {name}; known passes: {known}", name=name, known=", ".join(known))
    return [each for each in PASSES if (each.name in names if names else not each.on_demand)]


def refresh(
    session: str,
    passes: Sequence[Pass],
    evidence: Evidence,
    captures: Sequence[int] | None = None,
    geo: GeoFiles | None = None,
) -> list[tuple[Pass, Outcome]]:
    """Run passes over a session that no other process has open, one transaction each, and return their outcomes.

    ``captures``: numbers of the captures, or all. ``geo``: databases in which addresses are looked up. Raises
    `SessionError` if the session cannot be written or a pass needs more than `MEMORY`, `InputError` if a database
    cannot be used.
    """
    if ENRICHMENT in passes:
        evidence = replace(evidence, lookup=open_lookup(geo or GeoFiles()))
    con = create_or_open(session, registry.tables(), memory_limit=MEMORY)
    try:
        numbers = [number for (number,) in con.execute("SELECT capture_id FROM captures ORDER BY 1").fetchall()]
        selected = tuple(number for number in numbers if captures is None or number in captures)
        outcomes = []
        for each in passes:
            con.execute("BEGIN")
            with bounded_memory(session, each.name, MEMORY):
                outcomes.append((each, each.run(con, Span(selected, again=True), evidence)))
                con.execute("COMMIT")
        return outcomes
    finally:
        close(con)
