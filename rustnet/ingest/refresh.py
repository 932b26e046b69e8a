"""Runs passes again over a finished session, with newer tables or additional evidence."""

from collections.abc import Iterable, Sequence

from rustnet.derive.order import PASSES
from rustnet.derive.passes import Evidence, Outcome, Pass, Span
from rustnet.dissect import registry
from rustnet.errors import UsageError
from rustnet.store.session import close, create_or_open


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
    session: str, passes: Iterable[Pass], evidence: Evidence, captures: Sequence[int] | None = None
) -> list[tuple[Pass, Outcome]]:
    """Run passes over a session that no other process has open, one transaction each, and return their outcomes.

    ``captures``: numbers of the captures, or all. Raises `SessionError` if the session cannot be written.
    """
    con = create_or_open(session, registry.tables())
    try:
        numbers = [number for (number,) in con.execute("SELECT capture_id FROM captures ORDER BY 1").fetchall()]
        selected = tuple(number for number in numbers if captures is None or number in captures)
        outcomes = []
        for each in passes:
            con.execute("BEGIN")
            outcomes.append((each, each.run(con, Span(selected, again=True), evidence)))
            con.execute("COMMIT")
        return outcomes
    finally:
        close(con)
