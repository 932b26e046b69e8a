"""Which name a flow's responder gets: the order of all sources of names, and the page that documents it.

Names in a flow's own messages are set by its parser (`Conversation.name_host`), the others by one statement at the end
of a run (`rustnet.derive.names`). Both follow `SOURCES`. ``docs/names.md`` is written by
``python -m rustnet.policy.names``; a test compares it with this module.
"""

import sys
from typing import NamedTuple

GRACE_SECONDS = 300
"""Programs often use an answer for a while after its time to live has expired."""

HOST_SECONDS = 3600
"""A host's own name is valid this long before it was seen, and after its lease or TTL has expired."""


class Group(NamedTuple):
    """A group of sources with ten ranks."""

    first: int
    meaning: str
    validity: str
    before: int = 0
    """Seconds for which a name is valid before it was learned."""
    after: int = 0
    """Seconds for which it is valid after its TTL."""
    own_capture: bool = False
    """It is valid only in the capture that it was learned from."""


GROUPS = (
    Group(10, "the initiator requested it in the flow itself", "for this flow"),
    Group(
        20,
        "a DNS answer before the flow",
        f"from the answer until {GRACE_SECONDS} seconds after its TTL; a later answer replaces it",
        after=GRACE_SECONDS,
    ),
    Group(
        30,
        "the host announced it on the local network",
        f"from {HOST_SECONDS} seconds before the announcement until {HOST_SECONDS} seconds after its TTL or lease",
        before=HOST_SECONDS,
        after=HOST_SECONDS,
        own_capture=True,
    ),
    Group(40, "the responder stated it in the flow itself", "for this flow"),
    Group(
        50,
        "the host stated it in another flow",
        f"from {HOST_SECONDS} seconds before it was seen until {HOST_SECONDS} seconds after",
        before=HOST_SECONDS,
        after=HOST_SECONDS,
        own_capture=True,
    ),
    Group(
        60,
        "the capture file contains it, without a time",
        "for the whole capture",
        before=10 * 365 * 86400,
        after=10 * 365 * 86400,
        own_capture=True,
    ),
    Group(
        70,
        "reverse DNS has it, asked for after the capture (`refresh --resolve`)",
        "always: whether it was the same at the time of the flow is not known",
        before=100 * 365 * 86400,
        after=100 * 365 * 86400,
    ),
)
"""``rank // 10`` selects the group; within a group a smaller rank is better."""

REQUESTED, ANSWERED, LOCAL, STATED, ELSEWHERE, FILE, REVERSE = (group.first for group in GROUPS)

INHERITED = "inherited"
"""Source of what a flow has from an earlier one that it continues (`rustnet.derive.continuations`)."""


class NameSource(NamedTuple):
    """One source of names: a value of ``names.source``, or of ``flows.hostname_source``, or of both."""

    source: str
    rank: int
    meaning: str


SOURCES = (
    NameSource("sni", REQUESTED, "server name of a TLS, DTLS or QUIC hello"),
    NameSource("http", REQUESTED + 1, "`Host` or authority of a request"),
    NameSource("socks", REQUESTED + 2, "host requested of a proxy"),
    NameSource("xmpp", REQUESTED + 3, "domain in the initiator's stream header"),
    NameSource("coap", REQUESTED + 4, "`Uri-Host` of a request"),
    NameSource(INHERITED, REQUESTED + 9, "an earlier part of the same connection had it, before it was idle"),
    NameSource("dns", ANSWERED, "answer to the flow's own initiator"),
    NameSource("dns", ANSWERED + 1, "answer to another client"),
    NameSource("dhcp", LOCAL, "name that a client sent to the DHCP server, once it has the address"),
    NameSource("mdns", LOCAL + 1, "multicast DNS"),
    NameSource("netbios", LOCAL + 2, "NetBIOS name service, datagrams and sessions"),
    NameSource("llmnr", LOCAL + 3, "link-local multicast name resolution"),
    NameSource("cert", STATED, "first subject alternative name of the certificate"),
    NameSource("smtp", STATED + 1, "greeting"),
    NameSource("irc", STATED + 2, "origin of the server's welcome"),
    NameSource("smb", STATED + 3, "name in an SMB server's authentication messages"),
    NameSource("ntlm", STATED + 4, "name in another server's NTLM challenge"),
    NameSource("snmp", STATED + 5, "`sysName` in the agent's response"),
    NameSource("smb", ELSEWHERE, "the same, in another flow"),
    NameSource("snmp", ELSEWHERE + 1, "the same, in another flow"),
    NameSource("kerberos", ELSEWHERE + 2, "NetBIOS name in a client's request"),
    NameSource("rpc", ELSEWHERE + 3, "machine name in the credentials of a remote procedure call"),
    NameSource("bgp", ELSEWHERE + 4, "host name in a router's FQDN capability"),
    NameSource("lldp", ELSEWHERE + 5, "system name that a device announces, for its management addresses"),
    NameSource("cdp", ELSEWHERE + 6, "the same in Cisco's protocol"),
    NameSource("nrb", FILE, "name resolution block of a pcapng"),
    NameSource("ptr", REVERSE, "PTR record, by the resolver of the system that ran rustnet"),
)
"""The smallest rank wins; among equals, the name that was learned last before the flow began."""

RANKS = {named.source: named.rank for named in reversed(SOURCES)}
"""Best rank of each source, for names in a flow's own messages."""

LEARNED = tuple(n for n in SOURCES if n.rank // 10 * 10 not in {REQUESTED, STATED})
"""Sources whose names are rows of ``names``."""

UNKNOWN = 99
"""Rank of a source that is not listed."""


def group(rank: int) -> Group:
    """Group of a rank."""
    return GROUPS[rank // 10 - 1]


def names_page() -> str:
    """Text of ``docs/names.md``: rules, order and validity."""
    lines = [
        "# How a flow's responder is named",
        "",
        "Written by `python -m rustnet.policy.names`; do not edit.",
        "",
        "`flows.hostname` is the best name of `dst`, `hostname_source` its source, `hostname_ts` the time at which it",
        "was learned. Every name that the capture contains for an address is a row of `names`. No lookups are made,",
        "unless `rustnet refresh SESSION enrichment --resolve` asks for them.",
        "The rules:",
        "",
        "1. A name is a candidate if it was valid when the flow began. Names in the flow's own messages always are.",
        "2. The smallest rank wins.",
        "3. Among equal ranks the name that was learned last before the flow began wins; if there is none, the one",
        "   that was learned first after that. A DNS answer after the beginning of the flow never names it.",
        "4. A later name for the same address from the same source (for rank 20: to the same client) replaces an",
        "   earlier one, even if that is still valid.",
        "5. A flow that continues an earlier one after its idle timeout (a TCP flow without a SYN; UDP within half an",
        "   hour) has the best name of the flows that it continues, unless its own rank is better or as good.",
        "",
        "| rank | source | name |",
        "| --- | --- | --- |",
        *(f"| {n.rank} | `{n.source}` | {n.meaning} |" for n in SOURCES),
        "",
        "| ranks | origin | valid | in |",
        "| --- | --- | --- | --- |",
        *(
            f"| {g.first} to {g.first + 9} | {g.meaning} | {g.validity} | "
            f"{'its own capture' if g.own_capture else 'all captures of the session' if g.after else 'its own flow'} |"
            for g in GROUPS
        ),
        "",
        "A name that is learned again within a minute, with no other in between, gets no second row. A literal address",
        "in a `Host` header is not a name. ARP flows are not named. Flows are named at the end of the run that stored",
        "them. The view `hosts` gives each address one name by the same order, regardless of time, and counts all; of",
        "those that flows requested the one with most bytes wins.",
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.stdout.write(names_page())
