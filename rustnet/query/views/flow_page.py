"""Everything that a session knows of one flow, as cards of rows: the screen *Details*.

Each row has its values with their columns and kinds, where they were learned from, and when. The rows depend on the
flow's protocols alone, never on what is known, so that nothing moves when one flow is shown after another.
"""

import typing
from dataclasses import dataclass

from rustnet.policy.explain import Explanation
from rustnet.query.detail import Fields, Redact, explained, fields_of
from rustnet.query.execute import Params, ResultSet
from rustnet.query.views import at
from rustnet.query.views.spec import Statement, ViewSpec

if typing.TYPE_CHECKING:
    from collections.abc import Mapping

    from rustnet.query.session import Session
    from rustnet.query.views.flow_messages import FirstValue
    from rustnet.records import Kind


MAX_CLAIMS = 200
"""Most claims of a page."""
MAX_ANOMALIES = 200
"""Most anomalies of a page."""
MAX_FACTS = 500
"""Most statements about the hardware and names of both ends."""

_TIMES = ("started_at", "ended_at", "closed_at", "hostname_ts")
_EXACT = ", ".join(f"epoch_ns({name}) AS {name}" for name in _TIMES)

_FLOW = f"SELECT * REPLACE ({_EXACT}) FROM {{source}} WHERE flow_id = ?"  # noqa: S608 -- our columns

_CLAIMS = """
SELECT p.pid, p.name AS process, p.username, p.exe, p.cmdline, p.container_name, p.pod, c.source, c.quality, c.rank,
    c.match, c.distance_ms, epoch_ns(c.window_start) AS window_start, epoch_ns(c.window_end) AS window_end,
    epoch_ns(c.observed_at) AS observed_at, c.reversed, c.evidence, c.process_id, p.host,
    epoch_ns(p.started_at) AS started_at, p.ppid, p.lineage, c.offset_ms, c.behind,
    coalesce(f.process_id = c.process_id, false) AS won
FROM claims AS c JOIN flows AS f ON f.flow_id = c.flow_id LEFT JOIN processes AS p ON p.process_id = c.process_id
WHERE c.flow_id = ? ORDER BY won DESC, c.rank, c.distance_ms, c.observed_at, p.pid"""
_CLAIM_TIMES = ("window_start", "window_end", "observed_at", "started_at")

_PROCESS_TIMES = ", ".join(f"epoch_ns({name}) AS {name}" for name in ("started_at", "changed_at", "parent_started_at"))
_PROCESS = f"SELECT * REPLACE ({_PROCESS_TIMES}) FROM processes WHERE process_id = ?"  # noqa: S608 -- our columns

_ADDRESSES = """
SELECT ip, scope, country, city, asn, as_name, country_source, asn_source FROM addresses WHERE ip IN (?, ?)"""

_FACTS = """
SELECT fact, value, source, ip, mac, epoch_ns(first_seen) AS first_seen FROM host_facts
WHERE (ip IN (?, ?) AND fact = 'hostname') OR (mac IN (?, ?) AND fact = 'vendor')
ORDER BY count DESC, first_seen, value"""

_ANOMALIES = """
SELECT epoch_ns(ts) AS ts, packet, kind, detail, count FROM anomalies
WHERE flow_id = $flow AND ($at IS NULL OR ts IS NULL OR ts <= make_timestamp_ns($at)) ORDER BY packet, ts"""


Form = typing.Literal["one", "end", "sides", "process", "user"]
"""How the values of a row belong together. ``one``: next to each other; ``end``: address and port; ``sides``: of the
local end and of the remote one; ``process``: name and pid; ``user``: name, user id and group id."""


@dataclass(frozen=True, slots=True)
class Value:
    """One value of a row."""

    value: typing.Any
    column: str = ""
    """Column that it is of: of `flows` by name alone, of other tables as ``table.column``; empty for a computed one."""
    kind: "Kind | None" = None
    sql_type: str = ""

    @property
    def name(self) -> str:
        """Name of its column, without the table."""
        return self.column.rpartition(".")[2]


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a card."""

    name: str
    """Identifies the row among those of its card."""
    label: str
    """English text of its label, marked for translation."""
    values: tuple[Value, ...]
    form: Form = "one"
    source: str = ""
    """Word for where it was learned from: a protocol, a kind of claim, or the name of a table of addresses."""
    learned_at: int | None = None
    """When it was learned, in nanoseconds since 1970 UTC."""
    remark: str = ""
    """English remark about the value, marked for translation."""
    template: str = ""
    """English text around the value, marked for translation, with the row's name as its field."""
    flow_id: int | None = None
    """Flow that it leads to."""
    packet: int | None = None
    """Packet that it leads to."""

    @property
    def known(self) -> bool:
        """Whether any value is known."""
        return any(each.value not in (None, "", []) for each in self.values)


@dataclass(frozen=True, slots=True)
class Card:
    """A group of rows."""

    name: str
    title: str
    """English text of its title, marked for translation."""
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class FlowPage:
    """Everything that a session knows of one flow."""

    flow_id: int
    flow: Fields
    """Its row in `flows`, or in `flows_at`; empty if there is none."""
    judged: Fields
    """Its row at the end, which the verdict over its owner is about."""
    at: int | None
    """Packet time as of which it is shown; None: the end."""
    local_is_dst: bool
    """The local end is ``dst``, by the rule of the view `connections`."""
    cards: tuple[Card, ...]
    claims: tuple[Fields, ...]
    """Claims of processes on it, the winning one first."""
    more_claims: bool
    clocks: tuple[Fields, ...]
    anomalies: ResultSet
    messages: dict[str, int]
    """Number of its messages by table."""
    statement: Statement

    @property
    def exists(self) -> bool:
        """Whether there is such a flow, at the time that is shown."""
        return bool(self.flow)

    def explanation(self, redact: Redact | None = None) -> Explanation:
        """Verdict over its owner in sentences; ``redact`` replaces what they name."""
        return explained(self.judged, self.claims, self.clocks, redact)


def flow_page(session: "Session", spec: ViewSpec, flow_id: int) -> FlowPage:
    """Read everything of one flow, as of the time of ``spec``."""
    from rustnet.query.views import flow_cards, flow_messages, flow_relations  # noqa: PLC0415 -- they need this module

    moment = at.moment(session, spec.at)
    statement = Statement(_FLOW.format(source=at.shown(moment)), (flow_id,))
    source = at.source(moment, "*", ids=(flow_id,)) if moment else "flows"
    found = _rows(session, _FLOW.format(source=source), (flow_id,))
    if not found:
        empty = ResultSet((), (), [], False, 0.0)
        return FlowPage(flow_id, {}, {}, spec.at, False, (), (), False, (), empty, {}, statement)
    flow = judged = found[0]
    if moment is not None:
        judged = _rows(session, _FLOW.format(source="flows"), (flow_id,))[0]
    claims = _rows(session, _CLAIMS, (flow_id,), MAX_CLAIMS + 1)
    clocks = (
        _rows(session, "SELECT * FROM clocks WHERE capture_id = ? ORDER BY origin, host", (flow["capture_id"],))
        if claims
        else []
    )
    messages = flow_messages.message_counts(session, spec, flow_id)
    table = flow_cards.application_table(flow, messages)
    columns = flow_cards.application_columns(table, flow_messages.message_columns(session, table))
    first, more = flow_messages.first_values(session, spec, flow_id, table, columns)
    known = Known(
        flow=flow,
        local_is_dst=_local_is_dst(flow, claims),
        won=next((claim for claim in claims if claim["won"]), None),
        process=_process(session, flow),
        addresses={row["ip"]: row for row in _rows(session, _ADDRESSES, (flow["src_ip"], flow["dst_ip"]))},
        facts=_rows(session, _FACTS, (flow["src_ip"], flow["dst_ip"], flow["src_mac"], flow["dst_mac"]), MAX_FACTS),
        messages=messages,
        related=flow_relations.related(session, spec, flow),
        table=table,
        columns=columns,
        fields=first,
        more_messages=more,
    )
    anomalies = session.execute_own(_ANOMALIES, {"flow": flow_id, "at": spec.at}, MAX_ANOMALIES, ("ts",))
    return FlowPage(
        flow_id, flow, judged, spec.at, known.local_is_dst, flow_cards.cards(known), tuple(claims[:MAX_CLAIMS]),
        len(claims) > MAX_CLAIMS, tuple(clocks), anomalies, messages, statement,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Known:
    """What the cards of a flow are made of."""

    flow: Fields
    local_is_dst: bool
    won: Fields | None
    """The claim that won."""
    process: Fields
    """Its process, or an empty dict."""
    addresses: dict[str, Fields]
    """What tables of addresses state about its ends, by address."""
    facts: list[Fields]
    messages: dict[str, int]
    related: tuple[Row, ...]
    table: str
    """Table of its application; empty if there is none."""
    columns: tuple[str, ...]
    """Columns of that table that the cards show."""
    fields: "Mapping[str, FirstValue]"
    """First value of each of them that has one."""
    more_messages: bool
    """There are messages beyond those whose values are known."""


def _rows(session: "Session", sql: str, params: Params, limit: int | None = None) -> list[Fields]:
    return fields_of(session.execute_own(sql, params, limit))


def _local_is_dst(flow: Fields, claims: list[Fields]) -> bool:
    """Apply the rule of the view `connections`."""
    own = [claim for claim in claims if claim["won"]]
    if own:
        return bool(min(own, key=lambda claim: claim["rank"])["reversed"])
    return bool(flow["direction"] == "inbound")


def _process(session: "Session", flow: Fields) -> Fields:
    if flow["process_id"] is None:
        return {}
    return next(iter(_rows(session, _PROCESS, (flow["process_id"],))), {})
