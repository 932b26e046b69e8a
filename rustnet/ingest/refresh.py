"""Passes over a finished session once more: with newer tables, or with evidence that came later."""

from collections.abc import Iterable, Sequence

from rustnet.derive.order import PASSES
from rustnet.derive.passes import Evidence, Outcome, Pass, Span
from rustnet.dissect import registry
from rustnet.errors import UsageError
from rustnet.store.session import create_or_open


def choose(names: Sequence[str]) -> list[Pass]:
    """Passes by name, in the order in which they run; without names, all that need not be asked for.

    Raises `UsageError` for an unknown name.
    """
    known = {each.name: each for each in PASSES}
    for name in names:
        if name not in known:
            raise UsageError("there is no pass {name}; these are known: {known}", name=name, known=", ".join(known))
    return [each for each in PASSES if (each.name in names if names else not each.on_demand)]


def refresh(
    session: str, passes: Iterable[Pass], evidence: Evidence, captures: Sequence[int] | None = None
) -> list[tuple[Pass, Outcome]]:
    """Run passes over a session that nobody else has open, in one transaction each; returns what each did.

    ``captures``: numbers of the captures, or all. Raises `SessionError` if the session cannot be written.
    """
    con = create_or_open(session, registry.tables())
    try:
        numbers = [number for (number,) in con.execute("SELECT capture_id FROM captures ORDER BY 1").fetchall()]
        chosen = tuple(number for number in numbers if captures is None or number in captures)
        outcomes = []
        for each in passes:
            con.execute("BEGIN")
            outcomes.append((each, each.run(con, Span(chosen), evidence)))
            con.execute("COMMIT")
        return outcomes
    finally:
        con.close()
