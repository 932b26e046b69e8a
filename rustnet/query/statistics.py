"""Statistics of a session, or of the flows that match a filter. Each is a saved query over ``flows`` or ``packets``."""

import re
import typing
from collections.abc import Mapping
from dataclasses import dataclass

from rustnet.query import catalogue
from rustnet.query.compile import Scope, compile_filter
from rustnet.query.execute import Params, ResultSet, RowStream

if typing.TYPE_CHECKING:
    from rustnet.query.session import Session

QUERIES: dict[str, str] = {
    "hierarchy": "protocol-hierarchy",
    "rates": "rates",
    "endpoints": "endpoints",
    "conversations": "conversations",
    "sizes": "flow-sizes",
    "durations": "flow-durations",
    "packets": "flow-packets",
    "percentiles": "flow-percentiles",
    "lengths": "packet-lengths",
    "response-times": "response-times",
}
"""Saved queries by the names that ``rustnet stats --show`` has for them."""

ALL_ROWS = 10**15
"""Value of a query's ``limit`` if all rows are wanted."""

_HEAD = re.compile(r"(?:\s*--[^\n]*\n)*\s*(WITH\s+(?:RECURSIVE\s+)?)?", re.IGNORECASE)
"""Comments, and the keyword of the first WITH, at the beginning of a statement."""

_TOTALS = """
SELECT (SELECT count(*) FROM flows) AS flows, count(*) AS packets, coalesce(sum(length), 0)::BIGINT AS bytes,
    epoch_ns(min(ts)) AS first_ts, epoch_ns(max(ts)) AS last_ts
FROM packets"""


@dataclass(frozen=True, slots=True)
class Totals:
    """Flows and packets of a session or a filter, and the times of the first and last packet (nanoseconds UTC)."""

    flows: int
    packets: int
    bytes: int
    first_ts: int | None
    last_ts: int | None


def filtered(sql: str, params: Mapping[str, object], text: str, scope: Scope) -> tuple[str, dict[str, object]]:
    """Restrict a statement to the flows that match a filter, and their packets.

    The statement reads ``flows`` and ``packets``, whose names then mean what is left of them.
    """
    condition = compile_filter(text, scope)
    if not text.strip():
        return sql, dict(params)
    parts = condition.sql.split("?")
    names = [f"filter_{number}" for number in range(len(condition.params))]
    where = "".join(f"{part}${name}" for part, name in zip(parts, names, strict=False)) + parts[-1]
    match = _HEAD.match(sql)
    begin, word = (match.end(), match[1]) if match else (0, None)
    own = (
        f"{word or 'WITH '}flows AS (SELECT * FROM main.flows WHERE {where}), "  # noqa: S608 -- values are bound
        "packets AS (SELECT * FROM main.packets WHERE flow_id IN (SELECT flow_id FROM flows))"
    )
    statement = f"{own}{', ' if word else ' '}{sql[begin:]}"
    return statement, {**params, **dict(zip(names, condition.params, strict=True))}


def show(
    session: "Session", name: str, text: str, scope: Scope, given: Mapping[str, str], limit: int | None = None
) -> RowStream:
    """Rows of one of `QUERIES` for the flows that match a filter; at most ``limit``, if the query can have more."""
    saved = catalogue.load()[QUERIES[name]]  # ours, whatever the user's own are called
    if any(parameter.name == "limit" for parameter in saved.parameters):
        given = {"limit": str(ALL_ROWS if limit is None else limit), **given}
    return session.stream(*filtered(saved.sql, saved.bind(given), text, scope))


def result_of(session: "Session", name: str, text: str, scope: Scope, given: Mapping[str, str]) -> ResultSet:
    """All rows of one of `QUERIES`."""
    with show(session, name, text, scope, given) as rows:
        return rows.result()


def totals(session: "Session", text: str, scope: Scope) -> Totals:
    """Sums over the flows that match a filter; a packet in a tunnel counts once."""
    sql, params = filtered(_TOTALS, {}, text, scope)
    bound: Params = params or ()
    return Totals(*session.execute(sql, bound).rows[0])
