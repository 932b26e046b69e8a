"""What a log of Zeek consists of: its fields, and the SQL over a session that each of them comes from."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

SET, VECTOR = "set[", "vector["

NUMBERS = frozenset({"count", "int", "port", "double"})
"""Types whose values are numbers in JSON, besides times and intervals."""


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a log."""

    name: str
    type: str
    """Zeek's type."""
    sql: str = ""
    """Expression of the value: of a time in nanoseconds since 1970, of an interval in microseconds, of a set or vector
    a list of texts, else of Zeek's value. Empty if a session does not have the value."""
    text: str = ""
    """For the documentation: what the value is, if the expression is no plain column, or why there is none."""
    change: Callable[[Any], Any] | None = None
    """Function from what the expression yields, a text or a list of texts, to Zeek's value."""

    @property
    def is_list(self) -> bool:
        """Whether a row has several values."""
        return self.type.startswith((SET, VECTOR))


@dataclass(frozen=True, slots=True)
class Log:
    """A log: one file."""

    path: str
    """Name of the log, as in its header."""
    tables: tuple[str, ...]
    """Tables of the session that it is made of; there is no log without all of them."""
    source: str
    """What follows FROM: `f` is the flow, and `m`, where there is one, the message."""
    fields: tuple[Field, ...]
    order: tuple[str, ...]
    """Expressions by which rows are sorted."""
    text: str
    """For the documentation: which rows it has, and what of them has no place."""
    needs: tuple[str, ...] = ()
    """Names of common table expressions of `COMMON` that the source uses."""
    common: tuple[str, ...] = ()
    """Further common table expressions."""

    @property
    def shown(self) -> str:
        """For the documentation: the table that its messages are of."""
        return next((table for table in self.tables if table != "flows"), "flows")


def quoted(text: str) -> str:
    """A text of this program as SQL."""
    return "'" + text.replace("'", "''") + "'"


def cases(column: str, values: Mapping[str, str], otherwise: str = "NULL") -> str:
    """CASE over the texts of a column, which yields the expressions in ``values``."""
    branches = " ".join(f"WHEN {quoted(key)} THEN {sql}" for key, sql in values.items())
    return f"CASE {column} {branches} ELSE {otherwise} END"


def renamed(column: str, names: Mapping[str, str]) -> str:
    """CASE over the texts of a column, which yields the texts in ``names``."""
    return cases(column, {key: quoted(name) for key, name in names.items()})


def identifier(*parts: str) -> str:
    """Expression of an identifier's 17 characters, the same for the same parts."""
    joined = f"concat_ws('|', {', '.join(parts)})"
    return f"left(translate(to_base64(unhex(md5({joined}))), '+/', 'xy'), 17)"


def uid_of(flow: str) -> str:
    """Expression of a flow's uid. It changes with the Community ID: logs of a redacted session have other uids."""
    return "'C' || " + identifier(
        f"{flow}.capture_id", f"{flow}.flow_id", f"{flow}.community_id", f"epoch_ns({flow}.started_at)"
    )


UID = uid_of("f")

COUNTERPARTS = (
    ("icmp", ((8, 0), (13, 14), (15, 16), (10, 9), (17, 18))),
    ("icmpv6", ((128, 129), (133, 134), (135, 136), (130, 131), (139, 140), (144, 145))),
)
"""ICMP types whose replies have a type of their own; Zeek shows that as the responder's port, else the code."""


def _icmp_reply() -> str:
    cases = [
        f"WHEN f.protocol = '{protocol}' AND f.icmp_type = {one} THEN {other}"
        for protocol, pairs in COUNTERPARTS
        for first, second in pairs
        for one, other in ((first, second), (second, first))
    ]
    return f"CASE WHEN f.protocol NOT IN ('icmp', 'icmpv6') THEN 0 {' '.join(cases)} ELSE f.icmp_code END"


FLOW_FIELDS = (
    Field("uid", "string", UID, "made of the flow's Community ID, start and number: the same in all logs"),
    Field("id.orig_h", "addr", "f.src_ip"),
    Field("id.orig_p", "port", "coalesce(f.src_port, f.icmp_type, 0)", "`flows.src_port`; of ICMP the type; else 0"),
    Field("id.resp_h", "addr", "f.dst_ip"),
    Field(
        "id.resp_p",
        "port",
        f"coalesce(f.dst_port, {_icmp_reply()}, 0)",
        "`flows.dst_port`; of ICMP the type of replies, or the code if it has none; else 0",
    ),
)
PROTO = (
    "CASE f.protocol WHEN 'tcp' THEN 'tcp' WHEN 'udp' THEN 'udp' WHEN 'icmp' THEN 'icmp' WHEN 'icmpv6' THEN 'icmp' "
    "ELSE 'unknown_transport' END"
)
WITH_FLOW = "JOIN flows f ON f.capture_id = m.capture_id AND f.flow_id = m.flow_id"


def message_fields(*fields: Field, ts: str = "epoch_ns(m.ts)", text: str = "") -> tuple[Field, ...]:
    """Fields of a log with one row for each message: time, flow, then ``fields``."""
    return (Field("ts", "time", ts, text), *FLOW_FIELDS, *fields)


def message_log(
    path: str,
    table: str,
    text: str,
    *fields: Field,
    where: str = "",
    needs: tuple[str, ...] = (),
    tables: tuple[str, ...] = (),
    joins: str = "",
    rows: str = "",
    common: str = "",
    order: tuple[str, ...] = (),
    ts: str = "",
) -> Log:
    """A log with a row for each row of a table that ``where`` selects, or of ``rows``, a common table expression."""
    source = f"{rows or table} m {WITH_FLOW} {joins}" + (f" WHERE {where}" if where else "")
    expressions = (common,) if common else ()
    key = ("m.ts", "m.packet", *order)
    return Log(
        path,
        tuple(dict.fromkeys(("flows", table, *tables))),
        source,
        message_fields(*fields, text=ts),
        key,
        text,
        needs,
        expressions,
    )


def unset(name: str, kind: str, text: str = "not in a session") -> Field:
    """A field that no session has a value for."""
    return Field(name, kind, "", text)


def plain(name: str, kind: str, column: str = "", text: str = "") -> Field:
    """A field that a column of the message has the value of."""
    return Field(name, kind, f"m.{column or name}", text)


def milliseconds(name: str, column: str, text: str = "") -> Field:
    """An interval that a column of the message has in milliseconds."""
    return Field(name, "interval", f"round(m.{column} * 1000)::BIGINT", text)


COMMON = {
    "places": "places AS (SELECT ip, scope NOT IN ('global', 'multicast') AS local FROM addresses)",
    "handshakes": """handshakes AS (
    SELECT capture_id, flow_id FROM tls WHERE version IS NOT NULL
    UNION SELECT capture_id, flow_id FROM quic WHERE cipher IS NOT NULL)""",
}
"""Common table expressions by name."""


def is_local(column: str, place: str) -> str:
    """Whether an address of the flow is local to Zeek; the unspecified one, of which there is no row, is."""
    return f"CASE WHEN f.{column} = '::' THEN true ELSE {place}.local END"


JOIN_PLACES = "LEFT JOIN places o ON o.ip = f.src_ip LEFT JOIN places r ON r.ip = f.dst_ip"
