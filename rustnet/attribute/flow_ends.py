"""The flows of a capture as they are compared with observations: ends, protocol and times in one form."""

# ruff: noqa: S608 -- the parts of these statements are constants of this package; values are bound

from typing import TYPE_CHECKING

from rustnet.attribute.observation import PORTED
from rustnet.attribute.stage import run
from rustnet.attribute.values import MAX_TIME

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

V4_FIRST = 0xFFFF << 32
"""`::ffff:0.0.0.0`, the first IPv4 address as `flows.src_num` has it."""

FAMILY = f"CASE WHEN {{0}} BETWEEN {V4_FIRST}::UHUGEINT AND {V4_FIRST + 0xFFFFFFFF}::UHUGEINT THEN 4 ELSE 6 END"
"""SQL for the IP version of an address."""

PROTOCOL = "CASE WHEN protocol = 'icmpv6' THEN 'icmp' ELSE protocol END"
"""SQL for the protocol as observations have it."""

_PORTED = ", ".join(f"'{name}'" for name in sorted(PORTED))


def _clamped(time: str) -> str:
    """SQL for the nanoseconds of a time, clamped so that a difference of two fits 64 bits."""
    return f"least(greatest(epoch_ns({time}), {-MAX_TIME}), {MAX_TIME})"


def port(name: str) -> str:
    """SQL for the port of a flow's end; -1 where the protocol has none."""
    return f"CASE WHEN protocol IN ({_PORTED}) THEN coalesce({name}, 0)::INTEGER ELSE -1 END"


_FLOWS = f"""
CREATE OR REPLACE TEMP TABLE own_flow AS
SELECT flow_id, {PROTOCOL} AS protocol,
    src_num AS src, {port("src_port")} AS src_port, dst_num AS dst, {port("dst_port")} AS dst_port,
    {FAMILY.format("src_num")} AS family,
    coalesce((src_flags | dst_flags) & 2 <> 0, false) AS syn, coalesce(icmp_id, -1)::INTEGER AS echo,
    {_clamped("started_at")} AS fs, greatest({_clamped("started_at")}, {_clamped("ended_at")}) AS fe
FROM {{flows}} WHERE capture_id = $capture AND rowid >= $row"""


def fill_flows(con: "DuckDBPyConnection", capture_id: int, table: str, first_row: int = 0) -> None:
    """Fill ``own_flow`` with a capture's flows, from row ``first_row`` of ``table`` on."""
    run(con, _FLOWS.format(flows=table), {"capture": capture_id, "row": first_row})
