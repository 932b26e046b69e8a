"""Who: the hosts with names, vendors and roles, and pairs of them."""

from rustnet.export.report.blocks import Section
from rustnet.export.report.cells import plain
from rustnet.export.report.source import Show, Source
from rustnet.i18n import _

_HOSTS = """-- title: Hosts
-- description: Addresses that sent packets, with what is known of them.
-- parameter: limit int 50 Most rows
-- column: ip address
-- column: hostname host
-- column: vendor software
-- column: os software
-- column: device software
-- column: roles word
-- column: scope word
SELECT hosts.ip, hostname, hostname_source, mac, vendor, os, device, roles, country, as_name, flows,
    bytes_sent, bytes_received, bytes_sent + bytes_received AS bytes, hosts.first_seen, hosts.last_seen
FROM hosts LEFT JOIN talkers ON talkers.ip = hosts.ip
ORDER BY bytes DESC NULLS LAST, hosts.ip
LIMIT $limit"""

_HOSTS_OF = """SELECT count(*) FROM (
    SELECT src_ip FROM flows WHERE src_packets > 0 UNION SELECT dst_ip FROM flows WHERE dst_packets > 0
) AS hosts(ip) WHERE ip NOT IN ('0.0.0.0', '::')"""
_PAIRS_OF = """SELECT count(*) FROM (
    SELECT DISTINCT least(src_ip, dst_ip), greatest(src_ip, dst_ip) FROM flows
    WHERE src_ip IS NOT NULL AND dst_ip IS NOT NULL)"""
ADDRESSES = 20
"""Rows of the addresses by bytes."""
ADDRESSES_OF = """SELECT count(*) FROM (
    SELECT src_ip FROM flows WHERE protocol <> 'arp' UNION SELECT dst_ip FROM flows WHERE protocol <> 'arp'
) AS ends(ip) WHERE ip IS NOT NULL"""


def section(source: Source) -> Section:
    """Hosts, addresses by bytes, and conversations."""
    part = Section("talkers", _("Hosts"), _("Who talked, what is known of these hosts, and who talked with whom?"))
    if source.hides_addresses:
        part.absent(_("Addresses are hidden by the policy of redaction."))
        return part
    hosts = source.own(_HOSTS, of=_HOSTS_OF)
    if not hosts:
        part.absent(_("No packet has an address of the network layer."))
        return part
    part.add(hosts.table(_("Hosts that sent packets"), [
        Show("ip", _("address")), Show("hostname", _("name"), wide=True), Show("mac", _("hardware address")),
        Show("vendor", _("vendor"), wide=True), Show("roles", _("roles"), wide=True),
        Show("os", _("system"), wide=True),
        Show("device", _("device"), wide=True), Show("country", _("country")), Show("flows", _("flows")),
        Show("bytes_sent", _("sent")), Show("bytes_received", _("received")), Show("bytes", _("bytes"), bar=True),
        Show("first_seen", _("first")), Show("last_seen", _("last")),
    ], _("Roles and systems: what hosts disclosed, or how they were used. Names may be old.")))  # fmt: skip
    ends = source.query("endpoints", ADDRESSES, of=ADDRESSES_OF)
    part.add(ends.table(_("Addresses by bytes, whether they answered or not"), [
        Show("ip", _("address")), Show("hostnames", _("reached as"), further="further_hostnames", wide=True),
        Show("country", _("country")), Show("asn", "AS", plain), Show("as_name", _("network"), wide=True),
        Show("peers", _("peers")), Show("flows", _("flows")), Show("flows_initiated", _("begun by it")),
        Show("packets", _("packets")), Show("bytes_sent", _("sent")), Show("bytes_received", _("received")),
        Show("bytes", _("bytes"), bar=True),
    ], _("Without ARP, which the other tables and the summary count.")))  # fmt: skip
    part.add(source.query("conversations", 30, of=_PAIRS_OF).table(_("Pairs of addresses by bytes"), [
        Show("a", _("one end")), Show("b", _("other end")),
        Show("apps", _("applications"), further="further_apps", wide=True),
        Show("flows", _("flows")), Show("packets", _("packets")), Show("a_to_b_bytes", "→"), Show("b_to_a_bytes", "←"),
        Show("bytes", _("bytes"), bar=True), Show("first_seen", _("first")), Show("last_seen", _("last")),
    ]))  # fmt: skip
    return part
