"""`Alerts`: checks the alerts of a run over what is stored, and stores what they raise.

    writer's thread:   … flush, commit ─► store what was noticed ─► wake ─► go on …
    thread of checks:                                               └─► ask one query after another, as a reader

While a capture is read, the queries run on a thread of their own, as a reader of the session: with less priority than
the writer, within the memory of readers, each within `QUERY_SECONDS`, and all together in at most `SHARE` of the time.
What they notice is stored with the next flush. At the end everything is checked once more, in the writer's thread.
"""

import contextlib
import threading
import time
from collections.abc import Callable, Container, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rustnet.alerts.definitions import Definition
from rustnet.alerts.findings import Finding, as_json, findings, key_of
from rustnet.errors import RustnetError
from rustnet.store.alert_tables import Alert, AlertCheck
from rustnet.store.batches import insert
from rustnet.store.rows import record_batch
from rustnet.store.schema import quote_identifier

if TYPE_CHECKING:
    import duckdb

    from rustnet.query.session import Session

SECONDS = 2.0
"""Shortest time between the beginnings of two rounds of checks."""
STATE_SECONDS = 10.0
"""Longest time for which what was checked is not stored."""
SHARE = 0.1
"""Share of the time in which checks may work while a capture is read."""
QUERY_SECONDS = 10.0
"""Longest time of one query while a capture is read."""
LAST_QUERY_SECONDS = 30.0
"""Longest time of one query at the end."""
MOST_ALERTS = 1_000
"""Most rows that one alert raises in a session; a further row states that there are more."""
MOST_ROWS = 10_000
"""Most rows of a query that are looked at."""
MOST_KNOWN = 100_000
"""Most findings of a baseline session that are remembered for each alert."""

CHECKED, LATE, IMPOSSIBLE, LIMIT = "checked", "late", "impossible", "limit"
"""States of `AlertCheck`."""

_LIMIT_WORDS = "{title}: more than {most} findings; further ones are not raised in this session"
_NOT_YET = "not checked yet"
_MORE_ROWS = "the query has more than {most} rows; the others were not looked at"

_BEGINNING = "SELECT epoch_ns(min(first_ts)), epoch_ns(max(last_ts)) FROM captures"
_SPANS = "SELECT capture_id, epoch_ns(first_ts), epoch_ns(last_ts) FROM captures"
_RAISED = """
SELECT alert, key_values, epoch_ns(max(ts)), count(*) FROM alerts WHERE alert IN (SELECT unnest(?))
GROUP BY alert, key_values"""
_FLOW_CAPTURES = "SELECT flow_id, capture_id FROM flows WHERE flow_id IN (SELECT unnest(?))"
_NEXT = "SELECT coalesce(max(alert_id), 0) + 1 FROM alerts"

Asking = Callable[[], "AbstractContextManager[Session | None]"]
"""Opens what answers questions about what is committed; None: not now."""


@dataclass(frozen=True, slots=True)
class Raised:
    """An alert that was raised, for those who are to learn of it at once."""

    alert_id: int
    capture_id: int
    name: str
    title: str
    severity: str
    summary: str
    """One sentence, without control characters."""
    ts: int | None
    """Packet time of what it is about, in nanoseconds since 1970 UTC."""
    raised_at: int | None
    """Packet time at which it was raised."""
    flow_id: int | None
    query: str
    parameters: Mapping[str, str]
    keys: str
    """As JSON."""
    row: str
    """As JSON."""


@dataclass(slots=True)
class _State:
    """How far one alert was checked."""

    definition: Definition
    state: str = LATE
    detail: str | None = _NOT_YET
    checks: int = 0
    stopped: int = 0
    checked_until: int | None = None
    work: float = 0.0
    raised: dict[str, int | None] = field(default_factory=dict)
    """Latest evidence by the key of each finding that was raised."""
    rows: int = 0
    """Rows that it has raised in the session."""
    known: frozenset[str] | None = None
    """Keys of the baseline session; None: without one."""


@dataclass(frozen=True, slots=True)
class _Noticed:
    """A finding that is to be stored; without one, the row that states the limit."""

    state: _State
    finding: Finding | None
    capture_id: int
    until: int | None


class Alerts:
    """The alerts of one run. `flushed` is an `OnFlush`; `finish` is for the writer's connection at the end."""

    def __init__(
        self,
        definitions: Iterable[Definition],
        baseline: "Mapping[str, frozenset[str]] | None" = None,
        on_alert: Callable[[Raised], None] | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        known = baseline or {}
        self._states = [_State(each, known=known.get(each.name)) for each in definitions]
        self._on_alert = on_alert
        self._now = now
        self._asking: Asking | None = None
        self._captures: set[int] = set()
        """Captures of this run."""
        self._noticed: list[_Noticed] = []
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._ending = threading.Event()
        self._thread: threading.Thread | None = None
        self._next_id: int | None = None
        self._written: dict[str, tuple[str, str | None]] = {}
        """State and detail of each alert as last stored."""
        self._written_at = 0.0
        self._due = 0.0

    # ---- in the writer's thread --------------------------------------------------------------------------------------

    def serve(self, asking: Asking) -> None:
        """Check while a capture is read, too, by asking what ``asking`` opens."""
        self._asking = asking

    def flushed(self, con: "duckdb.DuckDBPyConnection", capture_id: int) -> None:
        """Store what was noticed since the last flush, and let the next round of checks begin if it is due."""
        self._captures.add(capture_id)
        if not self._states:
            return
        if self._next_id is None:
            self._load(con)
        self._store(con, capture_id)
        if self._asking is None:
            return
        if self._thread is None:
            self._thread = threading.Thread(target=self._check_again, name="rustnet-alerts", daemon=True)
            self._thread.start()
        self._wake.set()

    def finish(
        self,
        con: "duckdb.DuckDBPyConnection",
        captures: Iterable[int],
        session: "Session",
        seconds: float = LAST_QUERY_SECONDS,
    ) -> None:
        """Check everything that is committed once more, by asking ``session``, and store the rest."""
        self.stop()
        self._captures |= set(captures)
        if not self._states or not self._captures:
            return
        if self._next_id is None:
            self._load(con)
        self._round(session, seconds, last=True)
        self._store(con, max(self._captures), last=True)

    @property
    def ending(self) -> bool:
        """Whether no check is to begin any more, and one that works is to be stopped."""
        return self._ending.is_set()

    def stop(self) -> None:
        """End the thread of checks; waits until the query that works was stopped."""
        self._ending.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _load(self, con: "duckdb.DuckDBPyConnection") -> None:
        """Read what earlier runs raised."""
        self._next_id = int(con.execute(_NEXT).fetchall()[0][0])
        states = {state.definition.name: state for state in self._states}
        for name, key, ts, count in con.execute(_RAISED, [list(states)]).fetchall():
            state = states[name]
            state.rows += count
            if key is None:
                state.state, state.detail = LIMIT, self._limit_words(state)
            else:
                state.raised[key] = ts

    def _store(self, con: "duckdb.DuckDBPyConnection", capture_id: int, *, last: bool = False) -> None:
        """Store what was noticed, and what changed of the states of alerts; with ``last``, all of them."""
        with self._lock:
            noticed, self._noticed = self._noticed, []
        raised = [self._raise(each) for each in noticed]
        if raised:
            rows = [self._row(each, item) for each, item in zip(noticed, raised, strict=True)]
            batch = record_batch(Alert, rows)
            insert(con, (Alert, tuple(batch)), [batch])
        whole = last or self._now() - self._written_at >= STATE_SECONDS
        changed = [
            state for state in self._states
            if whole or self._written.get(state.definition.name) != (state.state, state.detail)
        ]  # fmt: skip
        if changed:
            self._store_states(con, changed, capture_id)
        if whole:
            self._written_at = self._now()
        for each in raised if self._on_alert is not None else ():
            with contextlib.suppress(OSError, ValueError):  # a stream that is closed must not cost the rows
                self._on_alert(each)  # type: ignore[misc]

    def _store_states(self, con: "duckdb.DuckDBPyConnection", states: list[_State], capture_id: int) -> None:
        names = [state.definition.name for state in states]
        captures = [capture_id, *self._captures]
        con.execute(
            "DELETE FROM alert_checks WHERE capture_id IN (SELECT unnest(?)) AND alert IN (SELECT unnest(?))",
            [captures, names],
        )
        rows = [
            AlertCheck(
                number, state.definition.name, state.state, state.detail, state.checks, state.stopped,
                state.checked_until, round(state.work * 1e3, 1),
            )
            for number in sorted(set(captures)) for state in states
        ]  # fmt: skip
        batch = record_batch(AlertCheck, rows)
        insert(con, (AlertCheck, tuple(batch)), [batch])
        self._written |= {state.definition.name: (state.state, state.detail) for state in states}

    def _raise(self, noticed: _Noticed) -> Raised:
        definition, finding = noticed.state.definition, noticed.finding
        assert self._next_id is not None
        number, self._next_id = self._next_id, self._next_id + 1
        summary = self._limit_words(noticed.state) if finding is None else finding.summary
        return Raised(
            number, noticed.capture_id, definition.name, definition.title, definition.severity, summary,
            noticed.until if finding is None else finding.again if finding.again is not None else finding.ts,
            noticed.until, None if finding is None else finding.flow_id, definition.query, definition.parameters,
            "null" if finding is None else finding.key, "null" if finding is None else finding.row,
        )  # fmt: skip

    @staticmethod
    def _row(noticed: _Noticed, raised: Raised) -> Alert:
        finding = noticed.finding
        return Alert(
            raised.alert_id, raised.capture_id, raised.ts, raised.raised_at, raised.name, raised.severity,
            raised.summary, raised.flow_id, raised.query, as_json(dict(raised.parameters)),
            None if finding is None else finding.key, None if finding is None else finding.row,
        )  # fmt: skip

    @staticmethod
    def _limit_words(state: _State) -> str:
        return _LIMIT_WORDS.format(title=state.definition.title, most=MOST_ALERTS)

    # ---- in the thread of checks -------------------------------------------------------------------------------------

    def _check_again(self) -> None:
        while not self._ending.is_set():
            self._wake.wait()
            self._wake.clear()
            left = self._due - self._now()
            if left > 0 and self._ending.wait(left):
                return
            if self._ending.is_set():
                return
            begun = self._now()
            assert self._asking is not None
            with contextlib.suppress(Exception), self._asking() as session:  # a reader that is refused asks later
                if session is None:  # the next flush asks again
                    continue
                self._round(session, QUERY_SECONDS)
            self._due = begun + max(SECONDS, (self._now() - begun) / SHARE)

    def _round(self, session: "Session", seconds: float, *, last: bool = False) -> None:
        """Check every alert once."""
        tables = session.columns()
        beginning, until = session.execute_own(_BEGINNING).rows[0]
        spans = {row[0]: (row[1], row[2]) for row in session.execute_own(_SPANS).rows if row[0] in self._captures}
        if not spans:
            return
        for state in self._states:
            if state.state == LIMIT:
                continue
            if self._ending.is_set() and not last:
                return
            begun = self._now()
            try:
                wanting = _wanting(state.definition, session, tables)
                if wanting is None:
                    self._check(state, session, seconds, _Span(beginning, until, spans))
                else:
                    state.state, state.detail = IMPOSSIBLE, wanting
            except Exception as error:  # noqa: BLE001 -- one alert must not end the others
                words = str(error) if isinstance(error, RustnetError) else f"{type(error).__name__}: {error}"
                state.state, state.detail, state.stopped = LATE, words[:300], state.stopped + 1
            state.work += self._now() - begun

    def _check(self, state: _State, session: "Session", seconds: float, span: "_Span") -> None:
        """Check one alert, and keep what is new. Raises `RustnetError` if its query fails."""
        definition = state.definition
        assert definition.saved is not None
        with definition.saved.stream(session, _without_limit(definition), seconds=seconds, limit=MOST_ROWS) as rows:
            result = rows.result(MOST_ROWS)
        every = findings(definition, result)
        if definition.new:
            every = _only_new(definition, every, state.known, span.beginning)
        chosen: dict[str, Finding] = {}
        for finding in every:
            if self._is_due(state, finding, span) and finding.key not in chosen:
                chosen[finding.key] = finding
        captures = self._captures_of(session, list(chosen.values()), span)
        for finding in chosen.values():
            self._notice(state, finding, captures.get(finding.flow_id), span)
        state.checks += 1
        state.checked_until = span.until
        if state.state != LIMIT:
            more = _MORE_ROWS.format(most=MOST_ROWS) if result.truncated else None
            state.state, state.detail = CHECKED, more

    def _is_due(self, state: _State, finding: Finding, span: "_Span") -> bool:
        """Whether a finding is of this run, and not raised yet, or long ago."""
        latest = finding.again if finding.again is not None else finding.ts
        if finding.capture_id is not None:
            if finding.capture_id not in span.captures:
                return False
        elif latest is not None and not span.first <= latest <= span.last:
            return False
        if finding.key not in state.raised:
            return True
        cool_down, before = state.definition.cool_down, state.raised[finding.key]
        return cool_down is not None and latest is not None and (before is None or latest - before >= cool_down)

    @staticmethod
    def _captures_of(session: "Session", chosen: list[Finding], span: "_Span") -> dict[int | None, int]:
        """Captures of the flows of findings, by flow."""
        flows = [finding.flow_id for finding in chosen if finding.flow_id is not None]
        if not flows or len(span.captures) == 1:
            return {}
        return dict(session.execute_own(_FLOW_CAPTURES, [flows]).rows)

    def _notice(self, state: _State, finding: Finding, capture_id: int | None, span: "_Span") -> None:
        number = finding.capture_id if finding.capture_id is not None else capture_id
        if number not in span.captures:
            number = max(span.captures)
        full = state.rows >= MOST_ALERTS
        if full and state.state == LIMIT:
            return
        if full:
            state.state, state.detail = LIMIT, self._limit_words(state)
        else:
            state.raised[finding.key] = finding.again if finding.again is not None else finding.ts
        state.rows += 1
        with self._lock:
            self._noticed.append(_Noticed(state, None if full else finding, number, span.until))


class _Span:
    """Packet times of a round of checks."""

    def __init__(
        self, beginning: int | None, until: int | None, captures: dict[int, tuple[int | None, int | None]]
    ) -> None:
        self.beginning, self.until = beginning, until
        """Of the session; None: it has no packet."""
        self.captures = captures
        """First and last packet time of each capture of the run."""
        self.first = min((first for first, _ in captures.values() if first is not None), default=0)
        self.last = max((last for _, last in captures.values() if last is not None), default=0)


def _wanting(definition: Definition, session: "Session", tables: Container[str]) -> str | None:
    """Return what a session lacks without which an alert means nothing."""
    for table in definition.needs:
        if table not in tables:
            return f"the session has no table {table}"
        if not session.execute_own(f"SELECT 1 FROM {quote_identifier(table)} LIMIT 1").rows:  # noqa: S608 -- quoted
            return f"the session has nothing in its table {table}"
    return None


def _without_limit(definition: Definition) -> dict[str, str]:
    """Return the parameters of the query; its own limit of rows is replaced by that of the engine."""
    return {name: value for name, value in definition.parameters.items() if name != "limit"}


def _only_new(
    definition: Definition, every: list[Finding], known: frozenset[str] | None, beginning: int | None
) -> list[Finding]:
    """Return the findings whose key appeared after the warm-up only, and which the baseline does not know."""
    warm_up = 0 if known is not None and definition.warm_up is None else definition.warm_up_ns
    old = {
        finding.key for finding in every
        if finding.ts is None or (warm_up and (beginning is None or finding.ts < beginning + warm_up))
    }  # fmt: skip
    return [finding for finding in every if finding.key not in old and (known is None or finding.key not in known)]


def baseline_keys(definitions: Iterable[Definition], session: "Session") -> dict[str, frozenset[str]]:
    """Return the keys that a baseline session knows, for each alert that looks for what is new.

    An alert whose query fails there is left out: for it, there is no baseline.
    """
    known: dict[str, frozenset[str]] = {}
    for each in definitions:
        if not each.new or each.saved is None:
            continue
        with contextlib.suppress(RustnetError):
            keys: set[str] = set()
            given = _without_limit(each)
            with each.saved.stream(session, given, seconds=LAST_QUERY_SECONDS, limit=MOST_KNOWN) as rows:
                places = [rows.columns.index(name) for name in each.keys if name in rows.columns]
                if len(places) < len(each.keys):
                    continue
                for batch in rows.batches():
                    for row in batch:
                        keys.add(_key(each, places, row))
            known[each.name] = frozenset(keys)
    return known


def _key(definition: Definition, places: list[int], row: tuple[Any, ...]) -> str:
    return key_of({name: row[at] for name, at in zip(definition.keys, places, strict=True)})
