"""All data of one flow: its row, its messages of every protocol, the claims on it, its packets."""

import heapq
import json
import typing
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from rustnet.errors import RustnetError, UsageError
from rustnet.i18n import marked
from rustnet.policy.explain import Explanation, explain
from rustnet.present.text import printable
from rustnet.query.execute import ResultSet, Row
from rustnet.records import Kind
from rustnet.store.meanings import kind_of
from rustnet.store.schema import LEADING, quote_identifier

if typing.TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    import pyarrow as pa

    from rustnet.query.session import Session

Fields = dict[str, typing.Any]

_MAX_FLOW_ID = 1 << 62
_NOT_MESSAGES = ("packets", "flows", "anomalies", "connections", "claims", "names", "clocks")

APP_TEMPLATES = {
    "port": marked("{app} (guessed from the port)"),
    "tshark": marked("{app} (by tshark)"),
    "inherited": marked("{app} (of the flow that this one continues)"),
}
"""Text around an application that was not read from payload, by `flows.app_source`."""

_CLAIMS = """
SELECT p.pid, p.name AS process, p.username, p.exe, p.cmdline, p.container_name, p.pod, c.source, c.quality, c.rank,
    c.match, c.distance_ms, c.window_start, c.window_end, c.observed_at, c.reversed, c.evidence, c.process_id, p.host,
    p.started_at, p.ppid, p.lineage, c.offset_ms, c.behind,
    coalesce(f.process_id = c.process_id, false) AS won
FROM claims AS c JOIN flows AS f ON f.flow_id = c.flow_id LEFT JOIN processes AS p ON p.process_id = c.process_id
WHERE c.flow_id = ? ORDER BY won DESC, c.rank, c.distance_ms, c.observed_at, p.pid"""

_CLOCKS = "SELECT * FROM clocks WHERE capture_id = ? ORDER BY origin, host"

_PACKETS = """
SELECT number, ts, from_src, length, captured, payload, tcp_flags, interface
FROM packets WHERE flow_id = ? ORDER BY capture_id, number"""


@dataclass(frozen=True, slots=True)
class Message:
    """One decoded message of a flow."""

    table: str
    """Table of its protocol."""
    ts: int | None
    """Nanoseconds since 1970 UTC."""
    packet: int | None
    """Number of the packet that completed it."""
    fields: Fields
    """Columns of the table, by name."""
    types: dict[str, str]
    """DuckDB type of each field."""

    def set_fields(self) -> Fields:
        """Fields that have a value."""
        return {name: value for name, value in self.fields.items() if value is not None and value not in ([], "")}


class Messages(list[Message]):
    """Messages of a flow in time order: a list of `Message`, and a result with a row for each."""

    columns = ("ts", "packet", "table", "fields")
    """``fields`` is a JSON object of those that have a value."""
    types = ("TIMESTAMP_NS", "BIGINT", "VARCHAR", "VARCHAR")

    def __init__(self, messages: Iterable[Message], truncated: bool) -> None:
        super().__init__(messages)
        self.truncated = truncated
        """There are more messages than the limit."""

    @property
    def rows(self) -> list[Row]:
        """A row for each message, with its fields as JSON."""
        return [(m.ts, m.packet, m.table, json.dumps(m.set_fields(), ensure_ascii=False, default=str)) for m in self]

    @property
    def kinds(self) -> "tuple[object | None, ...]":
        """Kinds of the columns."""
        return self.result().kinds

    def result(self) -> ResultSet:
        """Return the messages as a result."""
        return ResultSet(self.columns, self.types, self.rows, self.truncated, elapsed=0.0)

    def df(self) -> "pd.DataFrame":
        """Return a pandas frame with a row for each message."""
        return self.result().df()

    def arrow(self) -> "pa.Table":
        """Return an Arrow table, where pyarrow is installed."""
        return self.result().arrow()

    def pl(self) -> "pl.DataFrame":
        """Return a Polars frame, where polars is installed."""
        return self.result().pl()

    def _repr_html_(self) -> str:
        """Return a table for notebooks."""
        from rustnet.query.html import messages_html  # noqa: PLC0415

        return messages_html(self)


@dataclass(frozen=True, slots=True)
class FlowDetail:
    """All data of one flow. Notebooks show it as a page."""

    flow: Fields
    """Columns of its row in `flows`, by name; times are nanoseconds since 1970 UTC."""
    types: dict[str, str]
    """DuckDB type of each field."""
    messages: list[Message]
    """Its first messages in time order."""
    more_messages: bool
    """There are more messages."""
    claims: ResultSet
    """Claims of processes on it, the winning one first."""
    clocks: ResultSet
    """Rows of `clocks` of its capture."""
    anomalies: ResultSet
    """What was wrong in its packets."""
    packets: ResultSet
    """Its first packets."""
    inner: int
    """Number of flows that it carries as a tunnel."""
    judged: Fields | None = None
    """Its row at the end, which the verdict over its owner is about, where ``flow`` is as of an earlier time."""

    def explanation(self, redact: "Redact | None" = None) -> Explanation:
        """Explain the verdict in sentences, one for each claim; ``redact`` replaces what they name."""
        return explained(self.judged or self.flow, fields_of(self.claims), fields_of(self.clocks), redact)

    def __repr__(self) -> str:
        """Number and ends of the flow."""
        f = self.flow
        ends = f"{f['src_ip'] or f['src_mac']} → {f['dst_ip'] or f['dst_mac']}"
        return printable(
            f"<FlowDetail {f['flow_id']}: {f['app'] or f['protocol']} {ends}, {len(self.messages)} messages>"
        )

    def _repr_html_(self) -> str:
        """Return a page for notebooks."""
        from rustnet.query.html import flow_html  # noqa: PLC0415

        return flow_html(self)


@dataclass(frozen=True, slots=True)
class StoredPacket:
    """Position of a packet's bytes."""

    capture_id: int
    number: int
    ts: int
    length: int
    captured: int
    file_offset: int
    interface: int
    link_type: int | None
    flow_id: int | None
    """Innermost flow."""
    file: int
    """Index of its file among those of the capture."""


def fields_of(result: ResultSet) -> list[Fields]:
    """Rows of a result by column."""
    return [dict(zip(result.columns, row, strict=True)) for row in result.rows]


Redact = Callable[[typing.Any, str, Kind | None], typing.Any]
"""Replaces a value, given the name of its column and its kind."""

_CLAIM_COLUMNS = {
    "process": ("processes", "name"), "host": ("processes", "host"), "behind": ("claims", "behind"),
}  # fmt: skip
_CLOCK_COLUMNS = {"host": ("clocks", "host")}


def _replaced(fields: Fields, named: dict[str, tuple[str, str]], redact: Redact) -> Fields:
    """Fields with the texts that sentences name replaced; the file of the evidence keeps its line number."""
    result = dict(fields)
    for name, (table, column) in named.items():
        if result.get(name) is not None:
            result[name] = redact(result[name], column, kind_of(table, column))
    for name, table in (("evidence", "claims"), ("origin", "clocks")):
        if result.get(name) is not None:
            path, mark, line = result[name].rpartition(":") if name == "evidence" else (result[name], "", "")
            result[name] = f"{redact(path, name, kind_of(table, name))}{mark}{line}"
    return result


def explained(
    flow: Fields, claims: Iterable[Fields], clocks: Iterable[Fields], redact: Redact | None = None
) -> Explanation:
    """Explain the verdict over a flow in sentences, one for each claim; ``redact`` replaces what they name."""
    if redact is not None:
        claims = [_replaced(claim, _CLAIM_COLUMNS, redact) for claim in claims]
        clocks = [_replaced(clock, _CLOCK_COLUMNS, redact) for clock in clocks]
    return explain(flow, list(claims), list(clocks))


def find_flows(session: "Session", text: str) -> list[int]:
    """Numbers of the flows with a number or community id: several if the same ends had several conversations.

    Raises `UsageError` for any other text, `RustnetError` if there is no such flow.
    """
    if text.isascii() and text.isdecimal() and len(text) < 19:
        rows = session.execute("SELECT flow_id FROM flows WHERE flow_id = ?", [int(text)]).rows
    elif text.startswith("1:"):
        rows = session.execute("SELECT flow_id FROM flows WHERE community_id = ? ORDER BY flow_id", [text]).rows
    else:
        raise UsageError(
            "{text!r} is neither a flow's number nor a community id (1:…); 'rustnet flows' lists them", text=text
        )
    if not rows:
        raise RustnetError("there is no flow {text} in this session; 'rustnet flows' lists them", text=text)
    return [row[0] for row in rows]


def flow_detail(session: "Session", flow_id: int, most_messages: int, most_packets: int) -> FlowDetail:
    """Read one flow with its first messages and packets, at most ``most_messages`` and ``most_packets``."""
    result = session.execute("SELECT * FROM flows WHERE flow_id = ?", [flow_id])
    fields = dict(zip(result.columns, result.rows[0], strict=True))
    merged, more = messages(session, flow_id, most_messages)
    return FlowDetail(
        fields,
        dict(zip(result.columns, result.types, strict=True)),
        merged,
        more,
        session.execute(_CLAIMS, [flow_id]),
        session.execute(_CLOCKS, [fields["capture_id"]]),
        session.execute("SELECT ts, packet, kind, detail, count FROM anomalies WHERE flow_id = ? ORDER BY packet, ts",
                [flow_id], limit=most_messages),
        packets(session, flow_id, most_packets),
        session.execute("SELECT count(*) FROM flows WHERE outer_flow_id = ?", [flow_id]).rows[0][0],
    )  # fmt: skip


def message_tables(session: "Session") -> list[str]:
    """Tables of a session with decoded messages: those that begin with the leading columns."""
    leading = [column.name for column in LEADING]
    tables = session.scope().tables
    return sorted(t for t, existing in tables.items() if list(existing)[:4] == leading and t not in _NOT_MESSAGES)


def messages(session: "Session", flow_id: int, limit: int) -> tuple[list[Message], bool]:
    """First ``limit`` messages of a flow over all protocols in time order, and whether there are more."""
    per_table: list[list[Message]] = []
    truncated = False
    for table in message_tables(session):
        result = session.execute(
            f"SELECT * EXCLUDE (capture_id, flow_id) FROM {quote_identifier(table)} "  # noqa: S608 -- quoted
            "WHERE flow_id = ? ORDER BY ts, packet",
            [flow_id],
            limit=limit,
        )
        truncated |= result.truncated
        types = dict(zip(result.columns, result.types, strict=True))
        per_table.append(
            [Message(table, row[0], row[1], dict(zip(result.columns[2:], row[2:], strict=True)), types)
             for row in result.rows]
        )  # fmt: skip
    merged = list(heapq.merge(*per_table, key=lambda m: (m.ts or 0, m.packet or 0)))
    return merged[:limit], truncated or len(merged) > limit


def packets(session: "Session", flow_id: int, limit: int | None) -> ResultSet:
    """First packets of a flow."""
    return session.execute(_PACKETS, [flow_id], limit)


def stored_packet(session: "Session", capture_id: int, number: int) -> StoredPacket:
    """Look up one packet of a capture. Raises `RustnetError` if there is none."""
    if number > _MAX_FLOW_ID:
        raise UsageError("packet {number}: no capture has so many packets", number=number)
    rows = session.execute(
        "SELECT p.capture_id, p.number, p.ts, p.length, p.captured, p.file_offset, p.interface, i.link_type, "
        "p.flow_id, p.file "
        "FROM packets AS p LEFT JOIN interfaces AS i ON i.capture_id = p.capture_id AND i.interface = p.interface "
        "WHERE p.capture_id = ? AND p.number = ?",
        [capture_id, number],
    ).rows
    if not rows:
        raise RustnetError("capture {capture_id} has no packet {number}", capture_id=capture_id, number=number)
    return StoredPacket(*rows[0])
