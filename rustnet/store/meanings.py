"""Meaning of every column of a session's tables and views: its kind, and a sentence about it.

For a table it comes from the record; for a view from the column of `flows` or `processes` that it shows unchanged, or
from `COMPUTED`.
"""

import functools
import typing
from collections.abc import Iterator

from rustnet.records import Column, Kind, columns, field_docs, table_name
from rustnet.store.live_tables import NeighbourChange, RouteChange, SocketChange
from rustnet.store.machine_views import NEIGHBOURS_COMPUTED, ROUTES_COMPUTED, SOCKETS_COMPUTED, Computed
from rustnet.store.migrations import TABLE_SQL
from rustnet.store.schema import META_SQL, VIEWS, all_tables, base_tables, existing_columns, reconcile
from rustnet.store.tables import CORE_TABLES, FlowRow, Process

_VIEWED: dict[str, tuple[type, ...]] = {
    "routes": (RouteChange,),
    "neighbours": (NeighbourChange,),
    "sockets": (SocketChange,),
}
_FLOWS_VIEWED = (FlowRow, Process)
"""Records whose columns a view shows, these if it is not in the table; for a name in several, the first counts."""


def _shown_by(view: str) -> tuple[type, ...]:
    """Records whose columns a view shows."""
    return _VIEWED.get(view, _FLOWS_VIEWED)


LEADING_TEXTS = {
    "capture_id": "Capture it was seen in.",
    "flow_id": "Flow it belongs to.",
    "ts": "Time of the packet that completed the message.",
    "packet": "Number of that packet.",
}
"""Meaning of the leading columns of a protocol's table."""


class Meaning(typing.NamedTuple):
    """Kind and description of a column that no record describes."""

    kind: Kind
    text: str


def _meanings(computed: Computed) -> dict[str, Meaning]:
    """Meanings of the columns that a view of the machine computes."""
    return {name: Meaning(kind, text) for name, (kind, text) in computed.items()}


_LOCAL = {
    "local_addr": Meaning(Kind.ADDRESS, "Address of the local end."),
    "local_port": Meaning(Kind.PORT, "Port of the local end."),
    "remote_addr": Meaning(Kind.ADDRESS, "Address of the remote end."),
    "remote_port": Meaning(Kind.PORT, "Port of the remote end."),
    "local_initiated": Meaning(Kind.BOOLEAN, "The local end initiated the conversation."),
    "process_name": Meaning(Kind.SOFTWARE, "Short name of its process."),
    "sni": Meaning(Kind.HOST, "Server name that a TLS client requested, if `hostname` is that name."),
    "bytes_sent": Meaning(Kind.BYTES, "Wire bytes that the local end sent."),
    "bytes_received": Meaning(Kind.BYTES, "Wire bytes that the local end received."),
    "packets_sent": Meaning(Kind.COUNT, "Packets that the local end sent."),
    "packets_received": Meaning(Kind.COUNT, "Packets that the local end received."),
    "retransmissions_sent": Meaning(Kind.COUNT, "Segments that the local end retransmitted."),
    "retransmissions_received": Meaning(Kind.COUNT, "Segments that the remote end retransmitted."),
    "first_seen": Meaning(Kind.TIME, "Time of its first packet."),
    "last_seen": Meaning(Kind.TIME, "Time of its last packet."),
    "duration_ms": Meaning(Kind.DURATION, "From its first to its last packet, in milliseconds."),
}

COMPUTED: dict[str, dict[str, Meaning]] = {
    "connections": _LOCAL,
    "talkers": {
        "ip": Meaning(Kind.ADDRESS, "Address."),
        "flows": Meaning(Kind.COUNT, "Flows that it is an end of."),
        "flows_initiated": Meaning(Kind.COUNT, "Of these, those that it initiated."),
        "packets_sent": Meaning(Kind.COUNT, "Packets that it sent."),
        "packets_received": Meaning(Kind.COUNT, "Packets that it received."),
        "bytes_sent": Meaning(Kind.BYTES, "Wire bytes that it sent."),
        "bytes_received": Meaning(Kind.BYTES, "Wire bytes that it received."),
        "first_seen": Meaning(Kind.TIME, "Time of the first packet of its flows."),
        "last_seen": Meaning(Kind.TIME, "Time of the last packet of its flows."),
    },
    "hosts": {
        "ip": Meaning(Kind.ADDRESS, "Address that sent a packet."),
        "mac": Meaning(Kind.MAC, "Its hardware address, if the traffic shows it."),
        "vendor": Meaning(
            Kind.SOFTWARE, "Vendor of its network card, or in parentheses what kind of hardware address it has."
        ),
        "first_seen": Meaning(Kind.TIME, "Time of the first packet of the flows in which it sent."),
        "last_seen": Meaning(Kind.TIME, "Time of the last packet of the flows in which it sent."),
        "learned_from": Meaning(
            Kind.WORD, "Evidence for `mac`: `arp`, `ndp`, `link-local`, `multicast` or `dhcp`; else `traffic`."
        ),
        "macs": Meaning(Kind.COUNT, "Different hardware addresses that were seen for it."),
        "hostnames": Meaning(Kind.COUNT, "Different names that it had, `hostname` included."),
        "hostname": Meaning(Kind.HOST, "Best name for the address, by the order of docs/names.md."),
        "os": Meaning(Kind.SOFTWARE, "Operating system that it states, by the source that knows best."),
        "os_source": Meaning(Kind.WORD, "That source."),
        "systems": Meaning(Kind.COUNT, "Different statements about its operating system, `os` included."),
        "device": Meaning(Kind.SOFTWARE, "Model, type or description of the device, as a protocol states it."),
        "device_source": Meaning(Kind.WORD, "That protocol."),
        "roles": Meaning(Kind.WORD, "What it does in the network: `router`, `dns server` …"),
        "scope": Meaning(Kind.WORD, "Scope of the address, as in `addresses`."),
        "country": Meaning(Kind.PLACE, "Its country, as in `addresses`."),
        "asn": Meaning(Kind.AUTONOMOUS_SYSTEM, "Number of its autonomous system, as in `addresses`."),
        "as_name": Meaning(Kind.AUTONOMOUS_SYSTEM, "Name of its autonomous system."),
    },
    "activity": {
        "process_name": Meaning(Kind.SOFTWARE, "Short name of the process."),
        "flows": Meaning(Kind.COUNT, "Flows that it owns."),
        "contested_flows": Meaning(Kind.COUNT, "Of these, those whose claims disagree."),
        "packets_sent": Meaning(Kind.COUNT, "Packets that it sent."),
        "packets_received": Meaning(Kind.COUNT, "Packets that it received."),
        "bytes_sent": Meaning(Kind.BYTES, "Wire bytes that it sent."),
        "bytes_received": Meaning(Kind.BYTES, "Wire bytes that it received."),
        "remote_hosts": Meaning(Kind.COUNT, "Different remote addresses."),
        "first_seen": Meaning(Kind.TIME, "Time of the first packet of its flows."),
        "last_seen": Meaning(Kind.TIME, "Time of the last packet of its flows."),
        "process_id": Meaning(Kind.KEY, "Process: `processes.process_id`."),
    },
    "routes": _meanings(ROUTES_COMPUTED),
    "neighbours": _meanings(NEIGHBOURS_COMPUTED),
    "sockets": _meanings(SOCKETS_COMPUTED),
}
"""Columns of each view that no table has with the same name and meaning."""


_OWN = {
    "meta": {
        "key": Meaning(
            Kind.WORD,
            "`schema_version`, `rustnet_version`, `created`; `input` and a path; of a redacted session "
            "`redaction_policy`, `redaction_version` and `redaction_key`, its fingerprint.",
        ),
        "value": Meaning(Kind.WORD, "Its value, as text."),
    },
    "migrations": {
        "version": Meaning(Kind.NUMBER, "Schema version of the file since then."),
        "name": Meaning(Kind.WORD, "`created`, or the name of a migration."),
        "applied_at": Meaning(Kind.TIME, "When it was applied (wall clock)."),
        "rustnet_version": Meaning(Kind.WORD, "Version of rustnet that applied it."),
    },
}
"""Tables about the file itself."""

OWN_TABLES = {
    "meta": "Format and version of the file.",
    "migrations": "Schema migrations that were applied to the file.",
}
"""What the tables about the file itself hold."""

_UNRECORDED = COMPUTED | _OWN

_Recorded = tuple[type, tuple[Column, ...]]
"""A record class and the leading columns of its table."""

_CORE: dict[str, _Recorded] = {name: (cls, ()) for cls in CORE_TABLES for name in (table_name(cls), *base_tables(cls))}


FACT_KINDS = {
    "mac": Kind.MAC, "hostname": Kind.HOST, "name": Kind.MIXED, "domain": Kind.HOST, "workgroup": Kind.HOST,
    "vendor": Kind.SOFTWARE, "operating_system": Kind.SOFTWARE, "os_version": Kind.SOFTWARE, "software": Kind.SOFTWARE,
    "user_agent": Kind.SOFTWARE, "model": Kind.SOFTWARE, "device_type": Kind.SOFTWARE, "hardware": Kind.SOFTWARE,
    "description": Kind.SOFTWARE, "serial_number": Kind.IDENTIFIER, "role": Kind.WORD, "user": Kind.USER,
    "vlan": Kind.NUMBER, "initial_ttl": Kind.NUMBER,
}  # fmt: skip
"""Kinds of `host_facts.value` by `fact`; of others it is mixed."""
FACT_VALUE = ("host_facts", "value")
"""The column whose kind depends on others."""
FACT_COLUMNS = ("fact", "source")
"""These other columns."""


def kind_of_fact(fact: str, source: str) -> tuple[Kind, str]:
    """Kind of a value of `host_facts`, and the name of a column that has such values."""
    if fact == "vendor":
        return (Kind.WORD, "") if source == "address" else (Kind.SOFTWARE, "vendor" if source == "ieee" else "")
    return FACT_KINDS.get(fact, Kind.MIXED), ""


@functools.cache
def protocol_tables() -> tuple[type, ...]:
    """Record classes of the protocols' tables."""
    from rustnet.dissect.registry import tables  # noqa: PLC0415 -- slow, and rarely needed

    return tuple(tables())


@functools.cache
def _all_recorded() -> dict[str, _Recorded]:
    """Every table that a record describes."""
    return {table_name(cls): (cls, leading) for cls, leading in all_tables(protocol_tables())}


@functools.cache
def shared_kinds(*, protocols: bool = False) -> dict[str, Kind]:
    """Kinds of the columns whose name means the same in all core tables, or in those of ``protocols`` too."""
    kinds: dict[str, set[Kind]] = {}
    for cls in (*CORE_TABLES, *(protocol_tables() if protocols else ())):
        for column in columns(cls):
            kinds.setdefault(column.name, set()).add(column.kind)
    return {name: next(iter(several)) for name, several in kinds.items() if len(several) == 1}


def _recorded(table: str) -> _Recorded | None:
    return _CORE.get(table) or _all_recorded().get(table)


@functools.cache
def _kinds(table: str) -> dict[str, Kind]:
    """Kinds of a table's or view's columns by name; for a view all that it could show."""
    if table in _UNRECORDED:
        kinds = {c.name: c.kind for cls in reversed(_shown_by(table)) for c in columns(cls)} if table in VIEWS else {}
        return kinds | {name: meaning.kind for name, meaning in _UNRECORDED[table].items()}
    recorded = _recorded(table)
    return {c.name: c.kind for c in (*recorded[1], *columns(recorded[0]))} if recorded else {}


def kind_of(table: str, column: str) -> Kind | None:
    """Kind of a column of a table or view; None for a column that is not rustnet's."""
    return _kinds(table).get(column)


def text_of(table: str, column: str) -> str:
    """Description of a column of a table or view; empty for a column that is not rustnet's."""
    if table in _UNRECORDED:
        meaning = _UNRECORDED[table].get(column)
        shown = _shown_by(table) if table in VIEWS else ()
        return meaning.text if meaning else next((t for cls in shown if (t := field_docs(cls).get(column))), "")
    recorded = _recorded(table)
    if recorded is None:
        return ""
    cls, leading = recorded
    return LEADING_TEXTS[column] if any(c.name == column for c in leading) else field_docs(cls).get(column, "")


def about_table(table: str) -> str:
    """Description of a table or view; empty for a table that is not rustnet's."""
    if table in VIEWS:
        return VIEWS[table][1]
    recorded = _recorded(table)
    return " ".join((recorded[0].__doc__ or "").split()) if recorded else OWN_TABLES.get(table, "")


def described_columns() -> Iterator[str]:
    """Descriptions of all tables, views and columns that this program knows."""
    for cls, leading in all_tables(protocol_tables()):
        table = table_name(cls)
        yield about_table(table)
        yield from (text_of(table, column.name) for column in (*leading, *columns(cls)))
    for table, meanings in _UNRECORDED.items():
        yield about_table(table)
        yield from (meaning.text for meaning in meanings.values())


def unrecorded() -> dict[str, dict[str, str]]:
    """Columns, with DuckDB's types, of the views and of the tables about the file itself."""
    import duckdb  # noqa: PLC0415 -- only where needed

    with duckdb.connect() as con:
        con.execute(f"{META_SQL}; {TABLE_SQL}")
        reconcile(con, ())
        present = existing_columns(con)
    return {name: present[name] for name in _UNRECORDED}
