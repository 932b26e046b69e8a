"""The hosts of a session: every address that sent packets, and one host with all that is known of it."""

import ipaddress
import re
import typing
from dataclasses import dataclass

from rustnet.errors import RustnetError, UsageError
from rustnet.query.execute import ResultSet, RowStream

if typing.TYPE_CHECKING:
    from rustnet.query.session import Session

COLUMNS = (
    "ip", "mac", "vendor", "hostname", "hostname_source", "hostnames", "learned_from", "macs", "flows", "bytes_sent",
    "bytes_received", "first_seen", "last_seen", "os", "os_source", "systems", "device", "device_source", "roles",
    "scope", "country", "asn", "as_name",
)  # fmt: skip

MOST_LISTED = 1000
"""Rows of each part of a host's page."""

MOST_CARDS, MOST_ADDRESSES = 8, 256
"""Hardware addresses of an address, and addresses of a hardware address, that a host's page takes in."""

_LIST = f"""
SELECT {", ".join(f"hosts.{name}" if name.endswith("_seen") else name for name in COLUMNS)}
FROM hosts LEFT JOIN (SELECT ip, flows, bytes_sent, bytes_received FROM talkers) USING (ip)
WHERE mac IS NOT NULL OR NOT ?
ORDER BY bytes_sent + bytes_received DESC NULLS LAST, ip"""  # noqa: S608 -- our columns

_CARDS_ONLY = """
SELECT DISTINCT mac FROM host_facts
WHERE ip IS NULL AND fact <> 'vendor' AND source <> 'address'
    AND mac NOT IN (SELECT mac FROM host_facts WHERE fact = 'mac')"""
_ALSO_LISTED = "SELECT count(*) FROM (SELECT DISTINCT mac FROM hosts WHERE mac IN (SELECT unnest(?)))"

# Constants reach the flows within the views, a subquery does not: it would take the time of all hosts.
_HOST = f"""
SELECT {", ".join(COLUMNS)}
FROM (FROM hosts WHERE ip IN ({{ips}})) LEFT JOIN (
    SELECT ip, flows, bytes_sent, bytes_received FROM talkers WHERE ip IN ({{ips}})) USING (ip)
ORDER BY bytes_sent + bytes_received DESC NULLS LAST, ip"""  # noqa: S608 -- our columns

_ADDRESSES_OF_CARD = """
SELECT ip FROM host_facts WHERE fact = 'mac' AND mac = ? AND ip IS NOT NULL
UNION SELECT ip FROM hosts WHERE mac = ? ORDER BY ip"""

_CARDS_OF_ADDRESS = """
SELECT mac FROM hosts WHERE ip = ? AND mac IS NOT NULL
UNION SELECT mac FROM host_facts WHERE fact = 'mac' AND ip = ? ORDER BY mac"""

_FACTS = """
SELECT fact, value, source, ip, mac, first_seen, last_seen, count, capture_id, flow_id, packet FROM host_facts
WHERE ip IN (SELECT unnest(?)) OR ip IS NULL AND mac IN (SELECT unnest(?)) OR mac = ?
ORDER BY fact, count DESC, value, source, ip, mac, capture_id"""

_NAMES = """
SELECT name, source, ip, min(ts) AS first_seen, max(ts) AS last_seen, count(*) AS times FROM (
    SELECT name, source, ip, ts FROM names WHERE ip IN (SELECT unnest(?))
    UNION ALL
    SELECT hostname, hostname_source, dst_ip, started_at FROM flows
    WHERE hostname IS NOT NULL AND hostname_source NOT IN (SELECT DISTINCT source FROM names)
        AND dst_ip IN (SELECT unnest(?)))
GROUP BY name, source, ip ORDER BY times DESC, name, source, ip"""

_SERVICES = """
SELECT protocol, {port} AS port, app, app_source, service, count(*) AS flows,
    count(DISTINCT {other}) AS peers, sum(src_bytes + dst_bytes)::BIGINT AS bytes, min(started_at) AS first_seen,
    max(ended_at) AS last_seen, min(flow_id) AS example_flow
FROM flows WHERE {end} IN (SELECT unnest(?)) AND {condition}
GROUP BY protocol, {port}, app, app_source, service ORDER BY flows DESC, protocol, port, app"""

ANSWERED = """dst_packets > 0 AND dst_port IS NOT NULL AND direction NOT IN ('multicast', 'broadcast')
    AND (protocol <> 'tcp' OR app_source = 'payload' OR conn_state IN ('SF', 'S1', 'S2', 'S3', 'RSTO', 'RSTR'))"""
"""Condition of the flows whose responder answered."""

_OWNERS = """
SELECT process_name, pid, username, count(*) AS flows, sum(bytes_sent)::BIGINT AS bytes_sent,
    sum(bytes_received)::BIGINT AS bytes_received, min(first_seen) AS first_seen, max(last_seen) AS last_seen
FROM connections WHERE process_id IS NOT NULL AND local_addr IN (SELECT unnest(?))
GROUP BY process_name, pid, username ORDER BY flows DESC, process_name, pid"""


@dataclass(frozen=True, slots=True)
class HostDetail:
    """What a session knows of one host."""

    address: str
    """The address or hardware address that was asked for."""
    hosts: ResultSet
    """Rows of the list: the address, or those of the hardware address."""
    other_addresses: list[str]
    """Other addresses with the same hardware address."""
    macs: list[str]
    facts: ResultSet
    names: ResultSet
    offered: ResultSet
    """Services that answered at it."""
    used: ResultSet
    """Services that it asked for."""
    owners: ResultSet
    """Processes that own its flows."""


def list_hosts(session: "Session", *, local: bool = False, limit: int | None = None) -> RowStream:
    """Hosts as rows of `COLUMNS`, the most bytes first; ``local``: only those whose hardware address is known."""
    return session.stream(_LIST if limit is None else f"{_LIST} LIMIT {int(limit)}", (local,))


def cards_only(session: "Session") -> int:
    """Number of hardware addresses that disclose something, and have no address in the list."""
    macs = [row[0] for row in session.execute(_CARDS_ONLY).rows]
    return len(macs) - int(session.execute(_ALSO_LISTED, [macs]).rows[0][0]) if macs else 0


def canonical(text: str) -> tuple[str, bool]:
    """An address as the tables have it, and whether it is a hardware address. Raises `UsageError` for another text."""
    digits = re.sub(r"[:.-]", "", text)
    if re.fullmatch(r"[0-9a-fA-F]{12}", digits) and re.fullmatch(r"([0-9a-fA-F]{2,4}[:.-])*[0-9a-fA-F]{2,12}", text):
        return ":".join(digits[i : i + 2] for i in range(0, 12, 2)).lower(), True
    try:
        return str(ipaddress.ip_address(text.strip("[]"))), False
    except ValueError:
        raise UsageError(
            "{text!r} is neither an address nor a hardware address; 'rustnet hosts SESSION' lists them", text=text
        ) from None


def host_detail(session: "Session", text: str) -> HostDetail:
    """What a session knows of an address or a hardware address. Raises `RustnetError` if that is nothing."""
    address, is_mac = canonical(text)

    def ask(sql: str, *values: object) -> ResultSet:
        return session.execute(sql, list(values), MOST_LISTED)

    def column(sql: str, *values: object) -> list[str]:
        return [row[0] for row in ask(sql, *values).rows]

    macs = [address] if is_mac else column(_CARDS_OF_ADDRESS, address, address)
    of_cards = sorted({ip for mac in macs[:MOST_CARDS] for ip in column(_ADDRESSES_OF_CARD, mac, mac)})
    ips = of_cards[:MOST_ADDRESSES] if is_mac else [address]
    facts = ask(_FACTS, ips, macs, address)
    hosts = ask(_HOST.format(ips=", ".join("?" for _ in ips) or "NULL"), *ips, *ips)
    if not facts.rows and not hosts.rows:
        raise RustnetError(
            "no packet of {address} is in this session, and nothing is stated about it; 'rustnet hosts' lists hosts",
            address=address,
        )
    offered = _SERVICES.format(end="dst_ip", other="src_ip", port="dst_port", condition=ANSWERED)
    used = _SERVICES.format(end="src_ip", other="dst_ip", port="dst_port", condition="dst_port IS NOT NULL")
    return HostDetail(
        address, hosts, [ip for ip in of_cards if ip not in ips], macs, facts, ask(_NAMES, ips, ips), ask(offered, ips),
        ask(used, ips), ask(_OWNERS, ips),
    )  # fmt: skip
