"""The view `hosts`: every address that sent a packet, with what the session knows of it."""

from rustnet.policy.names import LEARNED, UNKNOWN

NAME_RANK = "CASE source " + " ".join(f"WHEN '{n.source}' THEN {n.rank}" for n in LEARNED) + f" ELSE {UNKNOWN} END"
"""Rank of a row of `names` by the order of docs/names.md (the better rank, for sources that have two)."""

MAC_EVIDENCE = ("arp", "ndp", "link-local", "multicast", "dhcp")
"""Evidence for a hardware address, the best first: values of `learned_from`."""

_PLACE = """CASE WHEN protocol = 'arp' THEN 1 WHEN tunnel IS NOT NULL THEN NULL
        WHEN starts_with(src_ip, 'fe80:') THEN 3 WHEN dst_mac = 'ff:ff:ff:ff:ff:ff' THEN 4
        WHEN starts_with(dst_ip, '224.0.0.') OR starts_with(dst_ip, 'ff02:') THEN 4 END"""
"""Evidence that `src_mac` belongs to the initiator and not to a router: place in `MAC_EVIDENCE`, from 1."""

SYSTEM_SOURCES = ("smb", "cdp", "ssh", "dhcp", "dhcpv6", "ssdp", "http")
"""Sources of operating systems, those that know best first."""

DEVICE_FACTS = ("model", "device_type", "hardware", "description")
"""Facts that describe a device, the most precise first."""


def _rank(column: str, values: tuple[str, ...]) -> str:
    return (
        f"CASE {column} " + " ".join(f"WHEN '{v}' THEN {i}" for i, v in enumerate(values)) + f" ELSE {len(values)} END"
    )


def _best(rank: str) -> str:
    """A struct whose smallest one is the best; its fields have names because DuckDB 1.5 reads no others in a view."""
    return f"{{'rank': {rank}, 'less': -count, 'value': value, 'source': source}}"


_ABOUT = f"""min(value) FILTER (fact = 'vendor' AND source IN ('ieee', 'address')) AS vendor,
        min({_best(_rank("source", SYSTEM_SOURCES))}) FILTER (fact = 'operating_system') AS system,
        list_distinct(list(value) FILTER (fact = 'operating_system')) AS systems,
        min({_best(_rank("fact", DEVICE_FACTS))}) FILTER (fact IN {DEVICE_FACTS}) AS device,
        list(value) FILTER (fact = 'role') AS roles"""
"""What facts about an address, or about a hardware address, say: of systems and devices the best by order."""

_BETTER = "CASE WHEN of_mac.{0} < of_ip.{0} OR of_ip.{0} IS NULL THEN of_mac.{0} ELSE of_ip.{0} END"

HOSTS_SQL = f"""CREATE OR REPLACE VIEW hosts AS
WITH seen AS (
    SELECT ip, min(place) FILTER (mac IS NOT NULL) AS place,
        arg_max(mac, (-place, seen)) FILTER (mac IS NOT NULL AND place > 0) AS mac,
        count(DISTINCT mac) FILTER (place > 0) AS macs, min(started_at) AS first_seen,
        max(seen) FILTER (started_at IS NOT NULL) AS last_seen
    FROM (
        SELECT src_ip AS ip, src_mac AS mac, {_PLACE} AS place, started_at, ended_at AS seen
        FROM flows WHERE src_packets > 0
        UNION ALL
        SELECT dst_ip, dst_mac, CASE WHEN starts_with(dst_ip, 'fe80:') AND tunnel IS NULL THEN 3 END,
            started_at, ended_at
        FROM flows WHERE dst_packets > 0
        UNION ALL
        SELECT ip, mac, CASE source WHEN 'ndp' THEN 2 ELSE 5 END, NULL, last_seen
        FROM host_facts WHERE fact = 'mac' AND source IN ('ndp', 'dhcp'))
    WHERE ip NOT IN ('0.0.0.0', '::') GROUP BY ip HAVING count(started_at) > 0
), called AS (
    SELECT ip, min_by(name, (rank, -bytes, -ts, name)) AS name, min_by(source, (rank, -bytes, -ts, name)) AS source,
        count(DISTINCT lower(name)) AS names
    FROM (
        SELECT ip, name, source, epoch_ns(ts) AS ts, {NAME_RANK} AS rank, 0 AS bytes FROM names
        UNION ALL
        SELECT dst_ip, hostname, hostname_source, epoch_ns(max(started_at)), {UNKNOWN}, sum(src_bytes + dst_bytes)
        FROM flows WHERE hostname IS NOT NULL GROUP BY dst_ip, hostname, hostname_source)
    GROUP BY ip
), of_ip AS (
    SELECT ip, {_ABOUT} FROM host_facts WHERE ip IS NOT NULL GROUP BY ip
), of_mac AS (
    SELECT mac, {_ABOUT} FROM host_facts WHERE ip IS NULL GROUP BY mac
), joined AS (
    SELECT seen.*, called.name AS hostname, called.source AS hostname_source, coalesce(called.names, 0) AS hostnames,
        of_mac.vendor, {_BETTER.format("system")} AS system, {_BETTER.format("device")} AS machine,
        len(list_distinct(list_concat(of_ip.systems, of_mac.systems))) AS systems,
        nullif(list_sort(list_distinct(list_concat(of_ip.roles, of_mac.roles))), []) AS roles,
        scope, country, asn, as_name
    FROM seen LEFT JOIN called ON called.ip = seen.ip LEFT JOIN of_ip ON of_ip.ip = seen.ip
    LEFT JOIN of_mac ON of_mac.mac = seen.mac LEFT JOIN addresses ON addresses.ip = seen.ip
)
SELECT ip, mac, vendor, first_seen, last_seen,
    CASE WHEN mac IS NULL THEN 'traffic' ELSE {list(MAC_EVIDENCE)}[place] END AS learned_from,
    macs, hostname, hostname_source, hostnames,
    struct_extract(system, 'value') AS os, struct_extract(system, 'source') AS os_source,
    coalesce(systems, 0) AS systems, struct_extract(machine, 'value') AS device,
    struct_extract(machine, 'source') AS device_source, roles, scope, country, asn, as_name
FROM joined"""  # noqa: S608 - our own parts

HOSTS_RULE = (
    "One row per address that sent a packet: its name, what it discloses of itself (host_facts), and its hardware "
    "address where ARP, neighbour discovery, a link-local address, a packet to all on the link, or a DHCP lease shows "
    "it (learned_from). An address may have several: the one of the best source is shown, of those the one with most "
    "bytes, then the latest; macs, hostnames and systems count all. Facts about its hardware address are its own."
)
