"""Which name a flow's responder gets: the one order of all sources of names, and the page that tells it.

Names said within a flow are set by its parser (`Conversation.name_host`), the others by one statement at the end of a
run (`rustnet.derive.names`). Both follow `SOURCES`. ``docs/names.md`` is written by
``python -m rustnet.policy.names``; a test holds it to what stands here.
"""

import sys
from typing import NamedTuple

GRACE_SECONDS = 300
"""Programs go on using an answer for a while when its time to live is over."""

HOST_SECONDS = 3600
"""A host keeps the name that it gave itself: it holds this long before it was heard, and after its lease or TTL."""


class Group(NamedTuple):
    """Sources of one kind: ten ranks."""

    first: int
    means: str
    holds: str
    before: int = 0
    """Seconds that a name holds before it was learned."""
    after: int = 0
    """Seconds that it holds beyond its TTL."""
    own_capture: bool = False
    """It holds in the capture that it was learned from only."""


GROUPS = (
    Group(10, "the initiator asked for it in the flow itself", "for this flow"),
    Group(
        20,
        "an answer of DNS named the address before the flow began",
        f"from the answer until its TTL and {GRACE_SECONDS} seconds are over; a later answer takes its place",
        after=GRACE_SECONDS,
    ),
    Group(
        30,
        "the host gave itself this name on the local network",
        f"from {HOST_SECONDS} seconds before it was heard until its TTL or lease and {HOST_SECONDS} seconds are over",
        before=HOST_SECONDS,
        after=HOST_SECONDS,
        own_capture=True,
    ),
    Group(40, "the responder said it of itself in the flow", "for this flow"),
    Group(
        50,
        "the host said it of itself in another flow",
        f"from {HOST_SECONDS} seconds before it was heard until {HOST_SECONDS} seconds behind",
        before=HOST_SECONDS,
        after=HOST_SECONDS,
        own_capture=True,
    ),
    Group(
        60,
        "the capture file says it, without a time",
        "for the whole capture",
        before=10 * 365 * 86400,
        after=10 * 365 * 86400,
        own_capture=True,
    ),
)
"""``rank // 10`` is the group; within it the rank orders."""

ASKED, ANSWERED, LOCAL, SAID, HEARD, FILE = (group.first for group in GROUPS)


class Named(NamedTuple):
    """One source of names: a value of ``names.source``, or of ``flows.hostname_source``, or of both."""

    source: str
    rank: int
    means: str


SOURCES = (
    Named("sni", ASKED, "server name of a TLS, DTLS or QUIC hello"),
    Named("http", ASKED + 1, "`Host` or authority of a request"),
    Named("socks", ASKED + 2, "host that a proxy was asked for"),
    Named("xmpp", ASKED + 3, "domain that a stream was opened to"),
    Named("coap", ASKED + 4, "`Uri-Host` of a request"),
    Named("dns", ANSWERED, "answer to the flow's own initiator"),
    Named("dns", ANSWERED + 1, "answer to anybody else"),
    Named("dhcp", LOCAL, "name that a client told the DHCP server, once it has the address"),
    Named("mdns", LOCAL + 1, "multicast DNS"),
    Named("netbios", LOCAL + 2, "NetBIOS name service, datagrams and sessions"),
    Named("llmnr", LOCAL + 3, "link-local multicast name resolution"),
    Named("cert", SAID, "first subject alternative name of the certificate"),
    Named("smtp", SAID + 1, "greeting"),
    Named("irc", SAID + 2, "origin of the server's welcome"),
    Named("smb", SAID + 3, "what an SMB server tells while it authenticates a client"),
    Named("ntlm", SAID + 4, "what another server tells in an NTLM challenge"),
    Named("snmp", SAID + 5, "`sysName` in the agent's response"),
    Named("smb", HEARD, "the same, heard elsewhere"),
    Named("snmp", HEARD + 1, "the same, heard elsewhere"),
    Named("kerberos", HEARD + 2, "NetBIOS name that a client states in its request"),
    Named("rpc", HEARD + 3, "machine name in the credentials of a remote procedure call"),
    Named("bgp", HEARD + 4, "host name that a router tells by its FQDN capability"),
    Named("lldp", HEARD + 5, "system name that a device announces, for its management addresses"),
    Named("cdp", HEARD + 6, "the same of Cisco's protocol"),
    Named("nrb", FILE, "name resolution block of a pcapng"),
)
"""The order: the smallest rank wins; among equals, the name that was learned last before the flow began."""

RANKS = {named.source: named.rank for named in reversed(SOURCES)}
"""Source to its best rank, for names said within a flow."""

LEARNED = tuple(n for n in SOURCES if n.rank // 10 * 10 not in {ASKED, SAID})
"""Sources that are rows of ``names``."""

UNKNOWN = 99
"""Rank of a source that the table does not list."""


def group(rank: int) -> Group:
    """Group that a rank belongs to."""
    return GROUPS[rank // 10 - 1]


def names_page() -> str:
    """Text of ``docs/names.md``: the rule, the order and the times of validity, from this module."""
    lines = [
        "# What a flow's responder is called",
        "",
        "Written by `python -m rustnet.policy.names`; do not edit.",
        "",
        "`flows.hostname` is the best name for `dst`, `hostname_source` where it comes from, `hostname_ts` when it was",
        "learned. Every name that the capture gives for an address is a row of `names` and stays there. Nobody is",
        "asked anything. The verdict:",
        "",
        "1. A source takes part if its name holds at the time at which the flow began (at any time, for what is said",
        "   within the flow).",
        "2. The smallest rank wins.",
        "3. Among equals the name that was learned last before the flow began wins; where there is none, the one that",
        "   was learned soonest after. An answer of DNS behind the flow's beginning never names it.",
        "4. A later name for the same address by the same source (of rank 20: to the same client) takes the place of",
        "   an earlier one, even if the earlier one would still hold.",
        "",
        "| rank | source | what it is |",
        "| --- | --- | --- |",
        *(f"| {n.rank} | `{n.source}` | {n.means} |" for n in SOURCES),
        "",
        "| ranks | said by | holds | in |",
        "| --- | --- | --- | --- |",
        *(
            f"| {g.first} to {g.first + 9} | {g.means} | {g.holds} | "
            f"{'its own capture' if g.own_capture else 'all captures of the session' if g.after else 'its own flow'} |"
            for g in GROUPS
        ),
        "",
        "A name that is heard again within a minute, with no other in between, is not written again. A literal address",
        "in a `Host` header is no name. ARP asks for addresses and is not named. Flows are named at the end of the run",
        "that stored them. The view `hosts` gives each address one name by the same order, whatever the time.",
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.stdout.write(names_page())
