"""The policy that turns claims into a verdict: one table of ranks, one rule, and the page that tells both.

``docs/ownership.md`` is written by ``python -m rustnet.policy.ownership``; a test holds it to what stands here.
"""

import sys
from typing import NamedTuple


class Class(NamedTuple):
    """Claims of one class are equally good: where they name different processes, the flow is contested."""

    first: int
    name: str
    means: str


CLASSES = (
    Class(10, "witnessed", "the kernel named the process while it handled this very packet or socket"),
    Class(20, "exact", "a socket with exactly these two ends was in the process's hands"),
    Class(30, "wildcard", "a socket with this local port, this remote end and an unstated local address"),
    Class(40, "listener", "a socket that listened or waited on the local port, for anybody"),
    Class(50, "relaxed", "a search that had to leave parts of the tuple out"),
    Class(60, "unstated", "the source names a process and does not say how it knows"),
    Class(70, "delegate", "the process did the work of another, which the same source names"),
    Class(80, "unreliable", "by the source's own documentation this names bystanders too"),
    Class(90, "untimed", "the source does not say when, so the claim may be about another time"),
)
"""Every ten ranks are one class (``rank // 10``); within a class the rank only orders."""

ANY = "*"
"""Stands in `RANKS` for every quality that is not listed: sources invent new words."""

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
    ("auditd", "connect"): 15,
    ("auditd", ANY): 16,
    ("osquery-socket-events", "connect"): 15,
    ("osquery-socket-events", "accept"): 15,
    ("osquery-socket-events", "bind"): 40,
    ("osquery-socket-events", ANY): 62,
    ("osquery-open-sockets", ANY): 26,
    ("rustnet-sidecar", "exact-tuple"): 20,
    ("rustnet-sidecar", "procfs-exact"): 21,
    ("rustnet-sidecar", "wildcard-local-address"): 30,
    ("rustnet-sidecar", "listener-socket"): 40,
    ("rustnet-sidecar", "wildcard-remote-address"): 41,
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
"""(source, quality as the source words it) -> rank; the smaller, the better."""

UNTIMED_RANK = 90
"""A claim without a time is never better than this."""


class Match(NamedTuple):
    """A way in which an observation's ends are held against a flow's."""

    name: str
    best: int
    """A claim matched in this way is never better than this rank, whatever its source says."""
    means: str


MATCHES = (
    Match("tuple", 0, "protocol, both addresses and both ports, in either orientation"),
    Match("addresses", 0, "protocol and both addresses, in either orientation: ICMP, IGMP, ARP have no ports"),
    Match("nat", 25, "as `tuple`, with the ends behind a translation of addresses that the source states itself"),
    Match("wildcard", 30, "protocol, local port, remote address and port; the source left the local address open"),
    Match("listener", 40, "protocol, local address and port; the source left the remote end open"),
    Match("port", 45, "protocol and local port; the source left everything else open"),
    Match(
        "remote", 55, "protocol, remote address and port, and the time of the flow's first packet: a call of connect"
    ),
    Match("echo", 30, "identifier of an ICMP echo, and what the source states of the addresses"),
    Match("protocol", 48, "protocol alone (of ICMP only echoes): a raw socket that is bound to nothing"),
    Match("fragments", 0, "a portless flow of IP fragments carries datagrams of a flow that the claim is about"),
    Match("packet", 0, "written on a packet of the flow itself"),
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
"""Protocols that kernels and switches speak by themselves: without a claim, no process is missing."""

KERNEL_ICMP = {"icmp": (3, 4, 5, 9, 10, 11, 12), "icmpv6": (1, 2, 3, 4, 130, 131, 132, *range(133, 138), 143)}
"""Types of ICMP that kernels speak by themselves: errors, routers, neighbours, multicast listeners."""

REASONS = {
    "not_attributable": "its protocol is spoken by kernels and switches, not by processes",
    "contested": "two processes have equally good claims, and nothing tells which is right",
    "pid_reused": "its claims name processes that began after it had ended: their pids had been used again",
    "ownerless": "a source saw it at its time and knew no process for it",
    "outside_window": "its ends are named, but not at its time; the nearest claims say how far off (`distance_ms`)",
    "no_claim": "sources were read, and none names its ends",
    "no_sidecar": "no source of ownership was given or could be read",
}
"""Values of `flows.unowned_reason`, the first that applies."""

WRONG_SECONDS, TOLERANCE_SECONDS, PAIRS, AGREEING = 1.0, 0.5, 4, 0.6
"""When a clock is called wrong: by at least so much, give or take that much, on so many and such a share of flows."""

SLACK_SECONDS = 2.0
"""How far outside a claim's window a flow may lie and still be its."""

RULE = (
    "A claim is eligible if its window and the flow are at most {slack:g} seconds apart (`--slack`).",
    "A process that began more than that after the flow's end never owned it: its pid had been used again.",
    "The best (smallest) rank wins.",
    (
        "Among equals, a claim whose window overlaps the flow goes before one that only comes near; the longer "
        "overlap goes first."
    ),
    "Then the smallest distance, then the latest observation.",
    ("Processes that share a socket have equal claims. Observations within one second of each other are equally late."),
    (
        "The flow is contested (`process_contested`) if a claim of the winner's class names a different process and "
        "its window overlaps the winner's. Same host and same pid are one process, whatever its threads are called, "
        "unless the start times differ."
    ),
    "If the two cannot be told apart by any of this, nobody wins: `unowned_reason` is `contested`.",
)


def ownership_page() -> str:
    """Text of ``docs/ownership.md``: the rule, the ranks, the ways of matching and the reasons, from this module."""
    return "\n".join([*_rule_part(), *_rank_part(), *_matching_part(), *_unowned_part()])


def _rule_part() -> list[str]:
    """Lines about claims, the verdict over them, and clocks."""
    return [
        "# Who owned a flow",
        "",
        "Written by `python -m rustnet.policy.ownership`; do not edit.",
        "",
        "Every statement of a source about ownership that concerns a flow is a row of `claims` and stays there.",
        "`flows.process_id`, `process_source`, `process_contested` and `unowned_reason` are the verdict over them:",
        "",
        *(f"{i}. {text.format(slack=SLACK_SECONDS)}" for i, text in enumerate(RULE, 1)),
        "",
        "A claim that lies outside the window is stored only where no claim lies inside: the nearest one before the",
        "flow and the nearest one after it, with their distance.",
        "",
        "A wrong clock shows as one and the same distance on most flows. It is measured (`clocks`) by connections that",
        "only one flow and one record name; those that a source found open when it began say nothing. If at least",
        f"{AGREEING:.0%} of them, and {PAIRS} in all, begin the same {WRONG_SECONDS:g} s or more apart (give or take",
        f"{TOLERANCE_SECONDS:g} s), the summary says so, and `anomalies` too (`sidecar_clock_offset`). Times are moved",
        "only on demand: `--sidecar-offset auto` by what was",
        "measured, `--sidecar-offset SECONDS` by so much; `claims.offset_ms` and `clocks.added_ms` say by how much.",
        "",
        "Where more than a handful of records with the same ends overlap one flow, the latest of them, the longest and",
        "the longest of another process become claims; `anomalies` counts such flows (`claims_left_out`).",
        "",
    ]


def _rank_part() -> list[str]:
    """Lines about ranks and their classes."""
    return [
        "## Ranks",
        "",
        "| class | ranks | what it means |",
        "| --- | --- | --- |",
        *(f"| {c.name} | {c.first} to {c.first + 9} | {c.means} |" for c in CLASSES),
        "",
        "| source | quality, in the source's words | rank |",
        "| --- | --- | --- |",
        *(
            f"| {_named(source, 'any other source')} | {_named(quality, 'any other word')} | {rank} |"
            for (source, quality), rank in RANKS.items()
        ),
        "",
    ]


def _matching_part() -> list[str]:
    """Lines about what is held against what."""
    return [
        "## Matching",
        "",
        f"`claims.match` says what was compared. A claim without a time has rank {UNTIMED_RANK} or worse.",
        "",
        "| match | best rank | compared |",
        "| --- | --- | --- |",
        *(f"| {m.name} | {m.best or 'as ranked'} | {m.means} |" for m in MATCHES),
        "",
        "IPv4-mapped IPv6 addresses are IPv4 addresses; scope ids are dropped; ICMP in a source is ICMPv6 too.",
        "A socket bound to `0.0.0.0` takes IPv4, one bound to `::` takes IPv4 too unless it says otherwise.",
        "A listening TCP socket is matched with the responder only, unless the capture did not see the SYN. Where a",
        "source left the local address open and its other records call addresses of that IP version local, the flow's",
        "end must be one of them: who listens on port 22 does not own connections to another host's port 22.",
        "`claims.reversed` says that the source's local end is the flow's `dst`.",
        "",
    ]


def _unowned_part() -> list[str]:
    """Lines about flows without an owner."""
    return [
        "## Flows without an owner",
        "",
        "| `unowned_reason` | why |",
        "| --- | --- |",
        *(f"| `{reason}` | {why} |" for reason, why in REASONS.items()),
        "",
        f"Not attributable without a claim: {', '.join(NOT_ATTRIBUTABLE)},",
        "and " + "; ".join(f"{name} of type {', '.join(map(str, types))}" for name, types in KERNEL_ICMP.items()) + ".",
        "",
        "Traffic that only passes through a recording host is `no_claim`: sources do not say which addresses were",
        "theirs.",
        "",
    ]


def _named(word: str, any_: str) -> str:
    """Set a word of the rank table in code type, or say what stands for all others."""
    return any_ if word == ANY else f"`{word}`"


if __name__ == "__main__":
    sys.stdout.write(ownership_page())
