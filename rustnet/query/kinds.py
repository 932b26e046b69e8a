"""Kinds of the columns of a result, by their names, from the annotations of the records.

A saved query also has the names that mean the same in all saved queries (`CONVENTIONS`), and declares the kinds of
other columns itself.
"""

import functools
from collections.abc import Mapping, Sequence

from rustnet.records import Kind
from rustnet.store.meanings import kind_of, shared_kinds

__all__ = ["CONVENTIONS", "kind_of", "kinds_of", "kinds_of_saved"]

CONVENTIONS: Mapping[Kind, str] = {
    Kind.COUNT: "flows captures clients servers sources attempts asked answered handshakes connections established "
    "requests messages names addresses processes times packets packets_sent packets_received retransmissions "
    "mixed_flows contested_flows flows_initiated remote_hosts peers zero_windows",
    Kind.BYTES: "bytes bytes_sent bytes_received",
    Kind.TIME: "first_seen last_seen begins",
    Kind.ADDRESS: "client server client_ips server_ips source_ips src_ips dst_ips remote_addr",
    Kind.HOST: "hostname hostnames sni host",
    Kind.PORT: "port remote_port",
    Kind.WORD: "app apps protocol protocols service outcome",
    Kind.SOFTWARE: "process_name parent",
    Kind.NUMBER: "percent cumulative_percent",
}
"""Names that mean the same in all saved queries, by kind."""

_ENDS = {"_ms": Kind.DURATION, "_bytes": Kind.BYTES, "_flow": Kind.FLOW, "_packets": Kind.COUNT, "_share": Kind.RATIO}
_NUMBERS = frozenset(
    {Kind.ADDRESS_NUMBER, Kind.TIME, Kind.DURATION, Kind.BYTES, Kind.COUNT, Kind.RATIO, Kind.PORT, Kind.NUMBER,
     Kind.FLAGS, Kind.BOOLEAN, Kind.FLOW, Kind.PACKET, Kind.KEY}
)  # fmt: skip
_BY_TYPE = {"BOOLEAN": Kind.BOOLEAN, "TIMESTAMP_NS": Kind.TIME}


@functools.cache
def _in_saved_queries() -> dict[str, Kind]:
    """Kind of each column name that means the same in all tables, or in all saved queries."""
    agreed = {name: kind for kind, names in CONVENTIONS.items() for name in names.split()}
    return {**shared_kinds(protocols=True), **agreed}


def kinds_of(names: Sequence[str]) -> tuple[Kind | None, ...]:
    """Kind of each column of a result; ``None`` if it differs between core tables or none of them has the column."""
    known = shared_kinds()
    return tuple(known.get(name) for name in names)


def kinds_of_saved(names: Sequence[str], types: Sequence[str], declared: Mapping[str, Kind]) -> tuple[Kind | None, ...]:
    """Kind of each column of a saved query's result; ``None`` if neither its header nor its name gives it."""
    return tuple(declared.get(name) or _of_saved(name, sql_type) for name, sql_type in zip(names, types, strict=True))


def _of_saved(name: str, sql_type: str) -> Kind | None:
    if sql_type in _BY_TYPE:
        return _BY_TYPE[sql_type]
    text = sql_type.startswith("VARCHAR")
    if not text:
        if name.startswith("further_"):
            return Kind.COUNT
        for end, kind in _ENDS.items():
            if name.endswith(end):
                return kind
    known = _in_saved_queries().get(name)
    return known if known is None or (known not in _NUMBERS) == text else None
