"""Flows as they stood at a packet time, for screens over millions of flows: `flows_at(t)` computing what is asked only.

Usage, on the thread that asks the session::

    moment = at.moment(session, spec.at)                  # once per time; None for None
    condition = compile_filter(spec.filter, scope)
    order = "flows.src_bytes + flows.dst_bytes DESC NULLS LAST, flows.flow_id"
    flows = at.source(moment, condition.sql, order)       # "flows", or "(SELECT …) AS flows": names those columns that
    f"SELECT flows.flow_id FROM {flows} WHERE …"          # the given SQL mentions
    rows = at.source(moment, *shown, ids=page)            # the same for at most `MAX_IDS` flows, faster

Without a moment, `source` is the view ``flows``, so that one statement serves both. With one, its columns are those of
`flows_at`, with `src_rate` and `dst_rate`, and `is_open`: whether the flow was open then (`at.OPEN` is the condition).
Write columns as ``flows.column``; ``*`` counts as all of them. ``at.shown`` is the same as a person would write it.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from rustnet.query.execute import Row
from rustnet.query.session import Session
from rustnet.records import columns
from rustnet.store import flows_at as truth
from rustnet.store.tables import FLOWS_ENDED, FLOWS_OPEN, FlowRow

MAX_IDS = 512
"""Most flows whose values are asked for at once."""
MAX_CLOCKS = 64
"""Most captures whose clocks are written into a statement; those of more are computed by each statement."""
FEW = 8
"""Most captures whose clocks are read one by one."""
LARGEST = (1 << 63) - 2
"""Largest time of DuckDB, in nanoseconds since 1970 UTC."""
RATE_SECONDS = 10
"""Span of the rates."""
OPEN = "flows.is_open"
"""Condition of the flows that were open at the moment."""

_NAMES = tuple(column.name for column in columns(FlowRow))
_WORD = re.compile(r"\w+|\*")
_RATES = frozenset(("src_rate", "dst_rate"))
_REASONS = frozenset(("state", "end_reason"))
_COUNTS = frozenset((*truth.COUNTED, *truth.FLAGS, *truth.UNDETERMINED, *_REASONS, "ended_at"))
"""Columns that depend on the packets up to the moment."""
_ENDS = "capture_id, protocol, generation, vlan_id, src_ip, src_port, dst_ip, dst_port, started_at"


@dataclass(frozen=True, slots=True)
class Moment:
    """A packet time, and the clocks that end idle flows there."""

    ns: int
    """Nanoseconds since 1970 UTC."""
    clocks: tuple[tuple[int, int], ...] | None
    """Captures with packets up to then, and the smallest time among the last of those packets; None: too many."""

    @property
    def stamp(self) -> str:
        """The time as SQL."""
        return f"make_timestamp_ns({self.ns})"


def moment(session: Session, ns: int | None) -> Moment | None:
    """Read what all statements about one time need; None for the end of the session."""
    if ns is None:
        return None
    ns = min(max(ns, 0), LARGEST)
    stamp = f"make_timestamp_ns({ns})"
    captures = session.execute_own("SELECT capture_id FROM captures ORDER BY capture_id", (), MAX_CLOCKS + 1).rows
    if len(captures) > MAX_CLOCKS:
        return Moment(ns, None)
    if len(captures) > FEW:
        rows = session.execute_own(f"WITH {_clocks(stamp)} FROM clocks ORDER BY ALL").rows
    else:
        rows = _few_clocks(session, stamp, captures)
    return Moment(ns, tuple((int(capture), int(now)) for capture, now in rows))


def _few_clocks(session: Session, stamp: str, captures: Sequence[Row]) -> list[Row]:
    """Clocks of a few captures, read from the few rows that decide them."""
    last = " UNION ALL ".join(
        f"(SELECT capture_id, number FROM packets WHERE capture_id = {int(capture)} AND ts <= {stamp} "  # noqa: S608
        "ORDER BY number DESC LIMIT 1)"
        for (capture,) in captures
    )
    ends = session.execute_own(last).rows if captures else []
    clocks = " UNION ALL ".join(
        f"SELECT {capture}, min(epoch_ns(ts)) FROM packets WHERE capture_id = {capture} "  # noqa: S608 -- our own names
        f"AND number BETWEEN {number - truth.CLOCK_PACKETS + 1} AND {number}"
        for capture, number in ends
    )
    return session.execute_own(clocks).rows if ends else []


def source(moment: Moment | None, *uses: str, ids: Sequence[int] | None = None) -> str:
    """Return the relation ``flows`` at a moment, with the columns that ``uses`` mention; ``ids``: of these flows only.

    The values of ``ids`` come in no certain order.
    """
    if ids is not None and len(ids) > MAX_IDS:
        raise ValueError(f"at most {MAX_IDS} flows")
    only = None if ids is None else ", ".join(str(int(each)) for each in ids) or "NULL"
    if moment is None:
        return "flows" if only is None else f"(SELECT * FROM flows WHERE flow_id IN ({only})) AS flows"  # noqa: S608
    words = {word for text in uses for word in _WORD.findall(text)}
    if "*" in words:
        words.update(_NAMES, _RATES)
    return f"({_relation(moment, words, only)}) AS flows"


def shown(moment: Moment | None) -> str:
    """Return the relation ``flows`` as a person would write it, for a statement that is shown and copied."""
    return "flows" if moment is None else f"flows_at({moment.stamp}) AS flows"


def _relation(moment: Moment, words: set[str], only: str | None) -> str:
    """SELECT of the flows that had begun, with the columns in ``words``."""
    counts = bool(words & _COUNTS)
    reasons = bool(words & _REASONS) or "is_open" in words
    picked = [truth.column_at(name) for name in _NAMES if name in words or name in ("flow_id", "started_at")]
    steps = [f"m AS MATERIALIZED (SELECT {moment.ns} AS t, {truth.SWEEP_SLACK_SECONDS}000000000 AS slack)"]
    joins = ["CROSS JOIN m"]
    if counts or reasons:
        steps.append(_crossing(moment, only))
        steps += _counting(moment) if counts else [_present(moment)]
        joins.append("LEFT JOIN counted AS c ON c.flow_id = f.flow_id")
    if reasons:
        steps += [_clock_rows(moment), _successors(moment, words, only)]
        joins.append("LEFT JOIN clocks AS w ON w.capture_id = f.capture_id")
        joins.append("LEFT JOIN successors AS s ON s.flow_id = f.flow_id")
    if words & set(truth.COUNTED):
        steps.append(_carriers(only))
        joins.append("LEFT JOIN carriers AS k ON k.flow_id = f.flow_id")
    if words & _RATES:
        steps.append(_recent(moment, only))
        joins.append("LEFT JOIN recent AS r ON r.flow_id = f.flow_id")
        picked += [f"coalesce(r.{name}, 0) / {RATE_SECONDS}.0::DOUBLE AS {name}" for name in sorted(_RATES)]
    if "is_open" in words:
        picked.append(f"{_is_open()} AS is_open")
    within = "" if only is None else f" AND f.flow_id IN ({only})"
    return (
        f"WITH {', '.join(steps)} SELECT {', '.join(picked)} FROM flows AS f {' '.join(joins)} "  # noqa: S608 -- our own
        f"WHERE f.started_at <= {moment.stamp}{within}"
    )


def _crossing(moment: Moment, only: str | None) -> str:
    """Step `crossing`: flows with packets before and after the moment."""
    where = (
        f"started_at <= {moment.stamp} AND (ended_at > {moment.stamp} "
        f"OR duplicates > 0 AND ended_at > make_timestamp_ns({moment.ns - truth.COPY_NS}))"
    )
    if only is not None:
        where += f" AND flow_id IN ({only})"
    tables = (
        f"SELECT flow_id, started_at, duplicates FROM {table} WHERE {where}"  # noqa: S608 -- our own names
        for table in (FLOWS_ENDED, FLOWS_OPEN)
    )
    return f"crossing AS MATERIALIZED ({' UNION ALL '.join(tables)})"


def _counting(moment: Moment) -> list[str]:
    """Steps to `counted`: sums over the packets up to the moment of the flows that cross it."""
    every = (
        "every AS (SELECT flow_id, from_src, length, payload, tcp_flags, ts, number, "  # noqa: S608 -- our own names
        "coalesce(duplicate, false) AS duplicate, capture_id IN (SELECT capture_id FROM dropping) AS dropped "
        f"FROM packets WHERE ts <= {moment.stamp} AND ts >= (SELECT min(started_at) FROM crossing) "
        "AND flow_id IN (SELECT flow_id FROM crossing))"
    )
    return ["dropping AS (SELECT capture_id FROM captures WHERE without_duplicates)", every, f"{truth.COUNTING})"]


def _present(moment: Moment) -> str:
    """Step `counted` where only its flows matter: those that cross the moment and have a packet of their own there."""
    return (
        "counted AS (SELECT flow_id FROM crossing WHERE duplicates = 0 UNION ALL "  # noqa: S608 -- our own names
        f"SELECT DISTINCT flow_id FROM packets WHERE ts <= {moment.stamp} AND NOT coalesce(duplicate, false) "
        "AND ts >= (SELECT min(started_at) FROM crossing WHERE duplicates > 0) "
        "AND flow_id IN (SELECT flow_id FROM crossing WHERE duplicates > 0))"
    )


def _clocks(stamp: str) -> str:
    """Steps to `clocks`: for each capture, the smallest time among its last packets up to a time."""
    return (
        f"last AS (SELECT capture_id, max(number) AS number FROM packets WHERE ts <= {stamp} GROUP BY capture_id), "  # noqa: S608
        "clocks AS MATERIALIZED (SELECT p.capture_id, min(epoch_ns(p.ts)) AS now FROM packets AS p "
        f"JOIN last USING (capture_id) WHERE p.number > last.number - {truth.CLOCK_PACKETS} "
        "AND p.number <= last.number GROUP BY p.capture_id)"
    )


def _clock_rows(moment: Moment) -> str:
    """Step `clocks` of a moment."""
    if moment.clocks is None:
        return _clocks(moment.stamp)
    values = ", ".join(f"({capture}, {now})" for capture, now in moment.clocks) or "(NULL::INTEGER, NULL::BIGINT)"
    return f"clocks(capture_id, now) AS (VALUES {values})"


def _successors(moment: Moment, words: set[str], only: str | None) -> str:
    """Step `successors`: flows whose next generation had begun. Each direction is a join by all its columns.

    Left out are flows of which the clock says the same: those that had been silent for longer than their timeout.
    """
    begun = f"started_at <= {moment.stamp}"
    matters = _not_idle(moment)
    if "end_reason" in words:
        matters += " OR end_reason = 'reused'"
    if "state" in words:
        matters += " OR protocol = 'udp' AND starts_with(state, 'UDP_')"
    earlier = f"{begun} AND end_reason IN ('reused', 'idle') AND ({matters})"
    if only is not None:
        earlier += f" AND flow_id IN ({only})"
    return (
        f"earlier AS ({_both(earlier)}), later AS ({_both(f'generation > 0 AND {begun}')}), "  # noqa: S608 -- our own
        f"successors AS (SELECT flow_id, min(started_at) AS started_at FROM ({truth.SUCCESSORS}) GROUP BY flow_id)"
    )


def _both(where: str) -> str:
    """Ends and generations of the ended and the open flows that match a condition."""
    columns = f"SELECT flow_id, {_ENDS} FROM"
    return f"{columns} {FLOWS_ENDED} WHERE {where} UNION ALL {columns} {FLOWS_OPEN} WHERE {where}"


def _not_idle(moment: Moment) -> str:
    """Condition of the flows that the earliest clock has not ended; of further ones, too, if the clocks are unknown."""
    if not moment.clocks:
        return "true"
    now = min(now for _capture, now in moment.clocks)
    slack = f"{truth.SWEEP_SLACK_SECONDS}000000000"
    return f"idle_timeout_ms IS NULL OR {now} - epoch_ns(ended_at) <= 1000000 * idle_timeout_ms + {slack}"


def _carriers(only: str | None) -> str:
    """Step `carriers`: flows that carry other flows."""
    where = "IS NOT NULL" if only is None else f"IN ({only})"
    tables = (f"SELECT outer_flow_id FROM {table} WHERE outer_flow_id {where}" for table in (FLOWS_ENDED, FLOWS_OPEN))  # noqa: S608
    return f"carriers AS (SELECT DISTINCT outer_flow_id AS flow_id FROM ({' UNION ALL '.join(tables)}))"  # noqa: S608


def _recent(moment: Moment, only: str | None) -> str:
    """Step `recent`: bytes of each direction during the last seconds."""
    which = "flow_id IS NOT NULL" if only is None else f"flow_id IN ({only})"
    return (
        "recent AS (SELECT flow_id, sum(length) FILTER (from_src) AS src_rate, "  # noqa: S608 -- our own names
        f"sum(length) FILTER (NOT from_src) AS dst_rate FROM packets WHERE {which} AND ts <= {moment.stamp} "
        f"AND ts > make_timestamp_ns({moment.ns - RATE_SECONDS * 10**9}) GROUP BY flow_id)"
    )


def _is_open() -> str:
    """Whether a flow was open, as `truth.END_REASON` decides it."""
    return (
        "CASE WHEN c.flow_id IS NOT NULL THEN f.closed_at IS NULL OR epoch_ns(f.closed_at) > m.t "
        "WHEN f.end_reason IN ('fin', 'rst') OR s.started_at IS NOT NULL OR f.end_reason = 'evicted' THEN false "
        "ELSE coalesce(w.now - epoch_ns(f.ended_at) <= 1000000 * f.idle_timeout_ms + m.slack, true) END"
    )
