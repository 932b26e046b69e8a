"""The policy that turns claims into a verdict: a table of ranks, a rule, and the page that documents both.

``python -m rustnet.policy.ownership`` writes ``docs/ownership.md``; a test keeps it current.
"""

import sys
import textwrap
from typing import NamedTuple

from rustnet.i18n import marked


class Class(NamedTuple):
    """Claims of one class are equally good: if they name different processes, the flow is contested."""

    first: int
    name: str
    means: str


CLASSES = (
    Class(10, "witnessed", "the kernel named the process while it handled this very packet or socket"),
    Class(20, "exact", "the process held a socket with exactly these two ends"),
    Class(
        30, "wildcard", "the process held a socket with this local port and remote end and an unspecified local address"
    ),
    Class(40, "listener", "the process held a listening or unconnected socket on the local port"),
    Class(50, "relaxed", "a lookup that had to ignore parts of the tuple"),
    Class(60, "unstated", "the source names a process without stating how it was determined"),
    Class(70, "delegate", "the process acted on behalf of another one that the same source names"),
    Class(80, "unreliable", "according to its own documentation the source may name an unrelated process"),
    Class(90, "untimed", "the source states no time, so the claim may be about an earlier or later connection"),
)
"""Every ten ranks are one class (``rank // 10``); within a class the rank is only an order."""

ANY = "*"
"""Wildcard in `RANKS` for every source or quality that is not listed: sources may add new ones."""

RANKS: dict[tuple[str, str], int] = {
    ("pktap", "effective-process"): 10,
    ("pktap", "process"): 11,
    ("pktap", "delegate"): 70,
    ("pktap", ANY): 69,
    ("apple-pcapng", "effective-process"): 10,
    ("apple-pcapng", "process"): 11,
    ("apple-pcapng", "delegate"): 70,
    ("apple-pcapng", ANY): 69,
    ("apple-comment", ANY): 13,
    ("ptcpdump", ANY): 12,
    ("sysmon", ANY): 14,
    ("windows-security", ANY): 18,
    ("auditd", "connect"): 15,
    ("auditd", ANY): 16,
    ("ausearch-csv", "connect"): 18,
    ("ausearch-csv", "zone-unknown"): 86,
    ("ausearch-csv", ANY): 19,
    ("osquery-socket-events", "connect"): 15,
    ("osquery-socket-events", "accept"): 15,
    ("osquery-socket-events", "accept4"): 15,
    ("osquery-socket-events", "bind"): 40,
    ("osquery-socket-events", ANY): 62,
    ("osquery-open-sockets", ANY): 26,
    ("rustnet-sidecar", "ebpf"): 17,
    ("rustnet-sidecar", "exact-tuple"): 20,
    ("rustnet-sidecar", "procfs-exact"): 21,
    ("rustnet-sidecar", "ebpf-other-namespace"): 27,
    ("rustnet-sidecar", "exact-tuple-other-namespace"): 28,
    ("rustnet-sidecar", "wildcard-local-address"): 30,
    ("rustnet-sidecar", "listener-socket"): 40,
    ("rustnet-sidecar", "wildcard-remote-address"): 41,
    ("rustnet-sidecar", "listener-socket-other-namespace"): 46,
    ("rustnet-sidecar", "wildcard-remote-address-other-namespace"): 47,
    ("rustnet-sidecar", "procfs-relaxed"): 50,
    ("rustnet-sidecar", "unspecified"): 60,
    ("rustnet-sidecar", "unstated"): 61,
    ("rustnet-sidecar", ANY): 62,
    ("rustnet-json-log", "exact-tuple"): 22,
    ("rustnet-json-log", "procfs-exact"): 23,
    ("rustnet-json-log", "wildcard-local-address"): 32,
    ("rustnet-json-log", "listener-socket"): 42,
    ("rustnet-json-log", "wildcard-remote-address"): 43,
    ("rustnet-json-log", "procfs-relaxed"): 52,
    ("rustnet-json-log", ANY): 63,
    ("rustnet-comment", "exact-tuple"): 24,
    ("rustnet-comment", "procfs-exact"): 25,
    ("rustnet-comment", "wildcard-local-address"): 34,
    ("rustnet-comment", "listener-socket"): 44,
    ("rustnet-comment", "wildcard-remote-address"): 45,
    ("rustnet-comment", "procfs-relaxed"): 54,
    ("rustnet-comment", ANY): 64,
    ("rustnet-script-comment", ANY): 66,
    ("etl2pcapng", "outbound"): 67,
    ("etl2pcapng", "direction-unknown"): 80,
    ("etl2pcapng", "inbound"): 82,
    ("etl2pcapng", "system"): 84,
    ("etl2pcapng", ANY): 84,
    (ANY, ANY): 69,
}
"""(source, quality in the source's vocabulary) -> rank; a smaller rank is better."""

UNTIMED_RANK = 90
"""Best rank of a claim without a time."""


class Match(NamedTuple):
    """A way of comparing an observation's ends with a flow's."""

    name: str
    best: int
    """Best rank of a claim matched in this way, whatever its quality."""
    means: str


MATCHES = (
    Match("tuple", 0, marked("protocol, both addresses and both ports, in either orientation")),
    Match("addresses", 0, marked("protocol and both addresses, in either orientation (ICMP, IGMP, ARP have no ports)")),
    Match("nat", 25, marked("protocol, addresses and ports after NAT, as stated by the source")),
    Match("wildcard", 30, marked("protocol, local port, remote address and port; the local address is unspecified")),
    Match("listener", 40, marked("protocol, local address and port; the remote end is unspecified")),
    Match("port", 45, marked("protocol and local port; everything else is unspecified")),
    Match(
        "remote",
        55,
        marked("protocol, remote address and port, and the time of the flow's first packet (a call of connect)"),
    ),
    Match("accepted", 35, marked("protocol, and the remote address and port of a connection that accept took")),
    Match("echo", 30, marked("identifier of an ICMP echo, and the addresses that the source states")),
    Match("protocol", 48, marked("protocol only (of ICMP only echoes): an unbound raw socket")),
    Match("fragments", 0, marked("a claim on the flow of the datagrams whose IP fragments this portless flow carries")),
    Match("packet", 0, marked("a statement on a packet of the flow itself")),
)

NOT_ATTRIBUTABLE = (
    "ah",
    "arp",
    "cdp",
    "eapol",
    "esp",
    "gre",
    "igmp",
    "lacp",
    "lldp",
    "rarp",
    "stp",
)
"""Protocols of kernels and switches: without a claim, no process is missing."""

KERNEL_ICMP = {"icmp": (3, 4, 5, 9, 10, 11, 12), "icmpv6": (1, 2, 3, 4, 130, 131, 132, *range(133, 138), 143)}
"""ICMP types that kernels send themselves: errors, router and neighbour discovery, multicast listeners."""

REASONS = {
    "not_attributable": marked("its protocol is spoken by kernels and switches, not by processes"),
    "contested": marked("two processes have equally good claims, and no rule prefers one of them"),
    "pid_reused": marked("its claims name processes that began after it had ended: the pids were reused"),
    "ownerless": marked("a source saw it at its time, but knew no process"),
    "outside_window": marked("a source has its ends, but at another time (`distance_ms` of the nearest claims)"),
    "no_claim": marked("no source has its ends"),
    "no_sidecar": marked("no source of ownership was given, or none could be read"),
}
"""Values of `flows.unowned_reason`; the first that applies is used."""

WRONG_SECONDS, TOLERANCE_SECONDS, PAIRS, AGREEING = 1.0, 0.5, 4, 0.6
"""A clock is wrong from this offset on, if this many connections and this share of them agree within the tolerance."""

SLACK_SECONDS = 2.0
"""Maximum distance between a claim's window and a flow."""

RULE = (
    "A claim is eligible if its window and the flow are at most {slack:g} seconds apart (`--slack`).",
    "A process that began more than that after the flow's end is excluded: its pid was reused.",
    "The best (smallest) rank wins.",
    "Among equal ranks, a claim whose window overlaps the flow precedes one that is only near.",
    "Then a claim about the process at the flow's `src` precedes one about the process at its `dst`.",
    "Then the longest overlap, the smallest distance, and the latest observation.",
    "Processes that share a socket have equal claims. Observations within one second of each other are simultaneous.",
    (
        "The flow is contested (`process_contested`) if a claim of the winner's class names a different process at the "
        "same end and its window overlaps the winner's. The same host and pid are one process, whatever its threads "
        "are called, unless the start times differ."
    ),
    "If none of this distinguishes two processes, the flow has no owner: `unowned_reason` is `contested`.",
)


def ownership_page() -> str:
    """Text of ``docs/ownership.md``: rule, ranks, ways of matching and reasons."""
    return "\n".join([*_rule_part(), *_rank_part(), *_matching_part(), *_unowned_part()])


def _rule_part() -> list[str]:
    """Section on claims, the verdict, and clocks."""
    return [
        "# Who owned a flow",
        "",
        "Written by `python -m rustnet.policy.ownership`; do not edit.",
        "",
        "Every statement of a source about the owner of a flow is a row of `claims`. The verdict over them is in",
        "`flows.process_id`, `process_source`, `process_contested` and `unowned_reason`:",
        "",
        *(f"{i}. {text.format(slack=SLACK_SECONDS)}" for i, text in enumerate(RULE, 1)),
        "",
        *_paragraph(
            "A claim outside the window is stored only if no claim is inside: the nearest one before and the nearest "
            "one after the flow, with their distance."
        ),
        "",
        *_paragraph(
            "A wrong clock shows as the same distance on most flows. It is measured (`clocks`) by connections whose "
            "ends only one flow and one record have, without those that were already open when the source started. If "
            f"at least {AGREEING:.0%} of them, and {PAIRS} in all, begin the same {WRONG_SECONDS:g} s or more apart "
            f"(within {TOLERANCE_SECONDS:g} s), the summary and `anomalies` (`sidecar_clock_offset`) report it. Times "
            "are corrected only on request: `--sidecar-offset auto` by the measured offset, `--sidecar-offset SECONDS` "
            "by a given one; `claims.offset_ms` and `clocks.added_ms` hold the correction."
        ),
        "",
        *_paragraph(
            "If more than a handful of records with the same ends overlap one flow, the latest of them, the longest "
            "one and the longest one of another process become claims; `anomalies` counts such flows "
            "(`claims_left_out`)."
        ),
        "",
    ]


def _rank_part() -> list[str]:
    """Section on ranks and their classes."""
    return [
        "## Ranks",
        "",
        "| class | ranks | meaning |",
        "| --- | --- | --- |",
        *(f"| {c.name} | {c.first} to {c.first + 9} | {c.means} |" for c in CLASSES),
        "",
        "| source | quality, in the source's vocabulary | rank |",
        "| --- | --- | --- |",
        *(
            f"| {_named(source, 'any other source')} | {_named(quality, 'any other')} | {rank} |"
            for (source, quality), rank in RANKS.items()
        ),
        "",
    ]


def _matching_part() -> list[str]:
    """Section on ways of matching."""
    return [
        "## Matching",
        "",
        f"`claims.match` is the way of matching. A claim without a time has rank {UNTIMED_RANK} or worse.",
        "",
        "| match | best rank | compared |",
        "| --- | --- | --- |",
        *(f"| {m.name} | {m.best or 'as ranked'} | {m.means} |" for m in MATCHES),
        "",
        *_paragraph(
            "IPv4-mapped IPv6 addresses are treated as IPv4, scope ids are dropped, and ICMP in a source includes "
            "ICMPv6. A socket bound to `0.0.0.0` accepts IPv4, one bound to `::` also IPv4 unless the source states "
            "otherwise. A listening TCP socket matches only the responder, unless the capture lacks the SYN. If a "
            "source leaves the local address open and its other records have local addresses of that IP version, the "
            "flow's end must be one of them: a process that listens on port 22 does not own connections to port 22 of "
            "other hosts. With `claims.reversed` the source's local end is the flow's `dst`."
        ),
        "",
    ]


def _unowned_part() -> list[str]:
    """Section on flows without an owner."""
    return [
        "## Flows without an owner",
        "",
        "| `unowned_reason` | meaning |",
        "| --- | --- |",
        *(f"| `{reason}` | {why} |" for reason, why in REASONS.items()),
        "",
        f"Not attributable without a claim: {', '.join(NOT_ATTRIBUTABLE)},",
        "and " + "; ".join(f"{name} of type {', '.join(map(str, types))}" for name, types in KERNEL_ICMP.items()) + ".",
        "",
        "Traffic that a recording host only forwards has reason `no_claim`.",
        "",
    ]


def _paragraph(text: str) -> list[str]:
    """Text wrapped to the width of a page."""
    return textwrap.wrap(text, 118, break_long_words=False, break_on_hyphens=False)


def _named(word: str, any_: str) -> str:
    """A word of the rank table as code, or ``any_`` for the wildcard."""
    return any_ if word == ANY else f"`{word}`"


if __name__ == "__main__":
    sys.stdout.write(ownership_page())
