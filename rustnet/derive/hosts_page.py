"""The page ``docs/hosts.md``: what is known of hosts, and from what.

It is written by ``python -m rustnet.derive.hosts_page``. A test compares the page with the declarations that the pass
works by.
"""

import sys
from collections.abc import Iterator

from rustnet.derive.host_evidence import EVIDENCE
from rustnet.derive.hosts import MOST_CARDS, MOST_VALUES, NETWORKS
from rustnet.enrich.vendors import GROUPS, LOCAL, VIRTUAL_CARDS, VIRTUAL_ROUTERS
from rustnet.store.hosts_view import DEVICE_FACTS, MAC_EVIDENCE, SYSTEM_SOURCES

FACTS = {
    "mac": "hardware address of the address",
    "hostname": "a name that the host states as its own",
    "name": "a name for people: of a service, or a friendly name",
    "domain": "DNS domain or Kerberos realm",
    "workgroup": "workgroup or NT domain",
    "vendor": "maker of the network card, or of the device (LLDP)",
    "operating_system": "operating system, as far as the text names one",
    "os_version": "version number of a system that is not named",
    "software": "product and version of a program",
    "user_agent": "client of HTTP; there are often many, and any may lie",
    "model": "model of the device",
    "device_type": "type of the device",
    "hardware": "hardware and system, as the host states them",
    "description": "the device's description of itself",
    "serial_number": "serial number",
    "role": "what it does in the network; see below",
    "service": "a service that it announces",
    "user": "an account that is used from it",
    "vlan": "VLAN of the link",
    "port": "port of a switch that sends the message",
    "bridge": "address that names a bridge",
    "lacp_system": "address that names a system which aggregates ports",
    "initial_ttl": "TTL with which it sends: 64 is usual of Linux and Apple's systems, 128 of Windows, 255 of routers",
}
"""Meaning of each fact."""

TRAFFIC = (
    ("role: next hop", "traffic", f"carries global addresses of {NETWORKS} networks or more (/16, or /32 of IPv6)"),
    ("role: dns server, ntp server", "traffic", "answered requests of the protocol, by content"),
    ("initial_ttl", "ip", "TCP of a host whose hardware address is known, with the value 64, 128 or 255"),
    ("hostname", "as `names.source`", "names that a host states, or that are stated on its link: docs/names.md"),
    ("vendor", "ieee", "the IEEE's blocks of 24, 28 and 36 bits; the longest one counts"),
    ("vendor", "address", "in parentheses: what the hardware address itself shows"),
    ("role: virtual router", "address", "addresses of VRRP, HSRP and GLBP"),
)  # fmt: skip
"""Facts that no single message states: fact, source, from what."""

HEAD = """# Hosts

Written by `python -m rustnet.derive.hosts_page`; do not edit.

What a capture discloses of the hosts in it, without a packet being sent. Each statement is a row of `host_facts`: the
address or hardware address that it is about, the fact, its value, its source, when it was first and last stated, how
often, and the flow and packet of the first time. Nothing is resolved: if two sources disagree, both have their rows.
`rustnet hosts S` lists the addresses that sent packets, `rustnet hosts S ADDRESS` shows everything about one of them,
`rustnet query S host-facts` has the rows, `rustnet refresh S hosts` derives them again.

A row with an address is about that address. A row with a hardware address alone is about all addresses of that network
card. A packet that came through a router carries the router's hardware address; so the view `hosts` shows one only
with evidence that it is the host's own (`learned_from`). It is a claim of the sender in any case, like most of what
follows: whoever sends a packet decides on what it says.
"""

TAIL = f"""
## Order

`hosts.mac` is that of the best evidence: {", ".join(f"`{each}`" for each in MAC_EVIDENCE)}, then the latest.
`hosts.os` is the operating system by the best source: {", ".join(f"`{each}`" for each in SYSTEM_SOURCES)}; `systems`
counts all statements. `hosts.device` is the most precise of
{", ".join(f"`{each}`" for each in DEVICE_FACTS)}.

## Hardware addresses

The vendor is that of the longest block of the IEEE's registries. In parentheses there is a description instead:

| address | shown as |
| --- | --- |
"""

END = f"""
## Gateways

`rustnet query S gateways` joins what betrays a default gateway, and says in words how certain it is: announced by DHCP
or a router advertisement and next hop of traffic to several networks (high), one of the two (medium), or merely a
router (low). Without packets of other networks, or an announcement, there is none: a capture on a single link does not
show a gateway that nobody used.

## Limits

- Of each fact of an address by one source at most {MOST_VALUES} values are kept, the most frequent ones; a row of
  `anomalies` (`host_facts_left_out`) counts the others. The vendors of at most {MOST_CARDS:,} hardware addresses are
  looked up.
- Repetitions of ARP, LLDP, CDP, spanning tree and LACP have no row. `last_seen` is then the flow's last packet if the
  flow has one message only, and otherwise that of the last message with a row.
- While a session is being written, new rows are read every few seconds, flows that are still open do not count in
  `count`, and what needs several flows (next hop) is looked for in the new ones; the end of the run derives all of it
  from all rows.
- Names in DNS answers and in requests (SNI, HTTP) are not facts of a host: they say what others call it. The table
  `names` and the view `hosts` have them.
"""


def hosts_page() -> str:
    """Text of the page."""
    lines = [HEAD, "## Facts", "", "| fact | meaning |", "| --- | --- |"]
    lines += [f"| `{fact}` | {meaning} |" for fact, meaning in FACTS.items()]
    lines += ["", "## Sources", "", "| source | fact | taken from |", "| --- | --- | --- |", *_statements()]
    lines += [f"| {source} | {fact} | {text} |" for fact, source, text in TRAFFIC]
    kinds = [*GROUPS, *((f"{start}…", f"(virtual router: {name})") for start, name in VIRTUAL_ROUTERS), *VIRTUAL_CARDS]
    rows = [f"| `{start}` | {kind} |" for start, kind in (*kinds, ("others with the second-lowest bit set", LOCAL))]
    return "\n".join(lines) + "\n" + TAIL + "\n".join(rows) + "\n" + END


def _statements() -> Iterator[str]:
    """Rows of the table of sources, each once."""
    seen = set()
    for each in EVIDENCE:
        for stated in each.stated:
            role = f": {stated.value[1:-1]}" if stated.fact == "role" and stated.value.startswith("'") else ""
            row = f"| {stated.source or each.source} | {stated.fact}{role} | {stated.text} |"
            if row not in seen:
                seen.add(row)
                yield row


if __name__ == "__main__":
    sys.stdout.write(hosts_page())
