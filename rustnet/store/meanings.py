"""What every column of a session's tables and views means: its kind, and a sentence about it.

Of a table, the record says it; of a view, the column of `flows` or `processes` that it shows unchanged, or `COMPUTED`.
"""

import functools
import typing

from rustnet.records import Column, Kind, columns, field_docs, table_name
from rustnet.store.migrations import TABLE_SQL
from rustnet.store.schema import META_SQL, VIEWS, all_tables, existing_columns, reconcile
from rustnet.store.tables import CORE_TABLES, FlowRow, Process

_VIEWED = (FlowRow, Process)
"""Records whose columns the views show; of a name that both have, they show that of the first."""

LEADING_TEXTS = {
    "capture_id": "Capture it was seen in.",
    "flow_id": "Flow it belongs to.",
    "ts": "Time of the packet that completed the message.",
    "packet": "Number of that packet.",
}
"""Meaning of the columns that stand before those of a protocol's record."""


class Meaning(typing.NamedTuple):
    """What a column is that no record describes."""

    kind: Kind
    text: str


_LOCAL = {
    "local_addr": Meaning(Kind.ADDRESS, "Address of the local end."),
    "local_port": Meaning(Kind.PORT, "Port of the local end."),
    "remote_addr": Meaning(Kind.ADDRESS, "Address of the remote end."),
    "remote_port": Meaning(Kind.PORT, "Port of the remote end."),
    "local_initiated": Meaning(Kind.BOOLEAN, "The local end began the conversation."),
    "process_name": Meaning(Kind.SOFTWARE, "Short name of its process."),
    "sni": Meaning(Kind.HOST, "Server name that a TLS client asked for, where `hostname` is that."),
    "bytes_sent": Meaning(Kind.BYTES, "Wire bytes that the local end sent."),
    "bytes_received": Meaning(Kind.BYTES, "Wire bytes that the local end received."),
    "packets_sent": Meaning(Kind.COUNT, "Packets that the local end sent."),
    "packets_received": Meaning(Kind.COUNT, "Packets that the local end received."),
    "retransmissions_sent": Meaning(Kind.COUNT, "Segments that the local end sent again."),
    "retransmissions_received": Meaning(Kind.COUNT, "Segments that the remote end sent again."),
    "first_seen": Meaning(Kind.TIME, "Time of its first packet."),
    "last_seen": Meaning(Kind.TIME, "Time of its last packet."),
    "duration_ms": Meaning(Kind.DURATION, "From its first to its last packet, in milliseconds."),
}

COMPUTED: dict[str, dict[str, Meaning]] = {
    "connections": _LOCAL,
    "talkers": {
        "ip": Meaning(Kind.ADDRESS, "Address."),
        "flows": Meaning(Kind.COUNT, "Flows that it is an end of."),
        "flows_initiated": Meaning(Kind.COUNT, "Of these, those that it began."),
        "packets_sent": Meaning(Kind.COUNT, "Packets that it sent."),
        "packets_received": Meaning(Kind.COUNT, "Packets that it received."),
        "bytes_sent": Meaning(Kind.BYTES, "Wire bytes that it sent."),
        "bytes_received": Meaning(Kind.BYTES, "Wire bytes that it received."),
        "first_seen": Meaning(Kind.TIME, "Time of the first packet of its flows."),
        "last_seen": Meaning(Kind.TIME, "Time of the last packet of its flows."),
    },
    "hosts": {
        "ip": Meaning(Kind.ADDRESS, "Address that sent a packet."),
        "mac": Meaning(Kind.MAC, "Its hardware address, where the traffic shows that."),
        "vendor": Meaning(Kind.SOFTWARE, "Maker of its network card."),
        "first_seen": Meaning(Kind.TIME, "Time of the first packet of the flows in which it sent."),
        "last_seen": Meaning(Kind.TIME, "Time of the last packet of the flows in which it sent."),
        "learned_from": Meaning(Kind.WORD, "What shows `mac`: `arp`, `link-local` or `multicast`; else `traffic`."),
        "macs": Meaning(Kind.COUNT, "Different hardware addresses that were seen for it."),
        "hostname": Meaning(Kind.HOST, "Best name for the address, by the order of docs/names.md."),
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
}
"""Columns of each view that no table has under that name and with that meaning."""


_OWN = {
    "meta": {
        "key": Meaning(Kind.WORD, "`schema_version`, `rustnet_version` or `created`."),
        "value": Meaning(Kind.WORD, "Its value, as text."),
    },
    "migrations": {
        "version": Meaning(Kind.NUMBER, "Version of the schema that the file has had since then."),
        "name": Meaning(Kind.WORD, "What was done: `created`, or the name of a migration."),
        "applied_at": Meaning(Kind.TIME, "When that was (wall clock)."),
        "rustnet_version": Meaning(Kind.WORD, "Version of rustnet that did it."),
    },
}
"""Tables about the file itself."""

_UNRECORDED = COMPUTED | _OWN

_Recorded = tuple[type, tuple[Column, ...]]
"""A record class, and the columns that its table has before those of the record."""

_CORE: dict[str, _Recorded] = {table_name(cls): (cls, ()) for cls in CORE_TABLES}


@functools.cache
def _all_recorded() -> dict[str, _Recorded]:
    """Every table that a record describes."""
    from rustnet.dissect.registry import tables  # noqa: PLC0415 -- slow, and few ask about a protocol's table

    return {table_name(cls): (cls, leading) for cls, leading in all_tables(tables())}


def _recorded(table: str) -> _Recorded | None:
    return _CORE.get(table) or _all_recorded().get(table)


@functools.cache
def _kinds(table: str) -> dict[str, Kind]:
    """Kinds of a table's or view's columns by name; of a view also those that it could show."""
    if table in _UNRECORDED:
        made = {c.name: c.kind for cls in reversed(_VIEWED) for c in columns(cls)} if table in VIEWS else {}
        return made | {name: meaning.kind for name, meaning in _UNRECORDED[table].items()}
    recorded = _recorded(table)
    return {c.name: c.kind for c in (*recorded[1], *columns(recorded[0]))} if recorded else {}


def kind_of(table: str, column: str) -> Kind | None:
    """Kind of a column of a table or view; None for a column that is not rustnet's."""
    return _kinds(table).get(column)


def text_of(table: str, column: str) -> str:
    """What a column of a table or view holds, in a sentence; empty for a column that is not rustnet's."""
    if table in _UNRECORDED:
        meaning = _UNRECORDED[table].get(column)
        shown = _VIEWED if table in VIEWS else ()
        return meaning.text if meaning else next((t for cls in shown if (t := field_docs(cls).get(column))), "")
    recorded = _recorded(table)
    if recorded is None:
        return ""
    cls, leading = recorded
    return LEADING_TEXTS[column] if any(c.name == column for c in leading) else field_docs(cls).get(column, "")


def unrecorded() -> dict[str, dict[str, str]]:
    """Columns, with DuckDB's types, of the views and of the tables about the file itself."""
    import duckdb  # noqa: PLC0415 -- only where needed

    with duckdb.connect() as con:
        con.execute(f"{META_SQL}; {TABLE_SQL}")
        reconcile(con, ())
        present = existing_columns(con)
    return {name: present[name] for name in _UNRECORDED}
