"""The keywords of the filter language: the columns that each matches, and the form of its values.

A target is a column of ``flows``, an expression over such columns, or ``table.column`` of a table with a ``flow_id`` or
of ``processes`` (by ``process_id``).
"""

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from rustnet.i18n import N_


class Kind(Enum):
    """How the values of a keyword are read."""

    TEXT = N_("text: part of it, a*b, =all of it, or /regex/")
    WORD = N_("word: all of it, a*b, or /regex/")
    NUMBER = N_("number: 80, 80-90, >80, or /regex/")
    BYTES = N_("size: 1500, >10M, 1Ki-2Ki")
    DURATION = N_("duration: >200ms, <1s, 1m-5m")
    TIME = N_("time: 2024-05-01, >2024-05-01T10:00Z, or epoch seconds")
    ADDRESS = N_("address: 10.0.0.1, 10.0.0.0/8, 10.0.0.1-10.0.0.9, 10.0., a name, or /regex/")
    MAC = N_("hardware address or part of it")
    ASN = N_("AS number or part of its name")
    SCOPE = N_("scope: global, private, loopback, link-local, cgnat, multicast, documentation …")
    FLAG = N_("yes or no")


@dataclass(frozen=True, slots=True)
class Keyword:
    """One keyword of the filter language."""

    name: str
    kind: Kind
    targets: tuple[str, ...]
    """Columns of which one must match. For an address: pairs of text column and number column."""
    help: str
    """Description for users."""
    example: str
    aliases: tuple[str, ...] = ()
    top: int | None = None
    """Largest valid number."""
    scale: int = 1
    """Nanoseconds per unit of a duration's target."""
    missing: str = ""
    """What a session lacks that has none of the targets."""
    paths: bool = False
    """Its values often begin with a slash: only a complete /regex/ is one."""


HOST_TARGETS = ("hostname", "tls.sni", "quic.sni", "http.host", "dns.query")
_PROCESS = ("processes.name", "processes.exe")
_MS = 1_000_000

KEYWORDS: tuple[Keyword, ...] = (
    Keyword("port", Kind.NUMBER, ("src_port", "dst_port"), "port of either end", "port:80,443", top=65_535),
    Keyword(
        "sport", Kind.NUMBER, ("src_port",), "port of the initiator", "sport:>1023", ("srcport", "source-port"), 65_535
    ),
    Keyword(
        "dport",
        Kind.NUMBER,
        ("dst_port",),
        "port of the responder",
        "dport:8000-9000",
        ("dstport", "dest-port", "destination-port"),
        65_535,
    ),
    Keyword("src", Kind.ADDRESS, ("src_ip", "src_num"), "address of the initiator", "src:10.0.0.0/8", ("source",)),
    Keyword(
        "dst",
        Kind.ADDRESS,
        ("dst_ip", "dst_num"),
        "address or name of the responder",
        "dst:2001:db8::/32",
        ("dest", "destination"),
    ),
    Keyword(
        "ip",
        Kind.ADDRESS,
        ("src_ip", "src_num", "dst_ip", "dst_num"),
        "address or name of either end",
        "ip:192.0.2.1",
        ("addr", "address", "net"),
    ),
    Keyword("mac", Kind.MAC, ("src_mac", "dst_mac"), "hardware address of either end", "mac:00:11:22"),
    Keyword(
        "host",
        Kind.TEXT,
        HOST_TARGETS,
        "name of the responder, from TLS, QUIC, HTTP or DNS",
        "host:*.example.com",
        ("sni", "hostname", "domain"),
    ),
    Keyword("proto", Kind.TEXT, ("protocol",), "transport or link protocol", "proto:udp", ("protocol",)),
    Keyword("app", Kind.TEXT, ("app",), "application protocol", "app:tls", ("application",)),
    Keyword("service", Kind.TEXT, ("service",), "service of the well-known port", "service:https", ("svc",)),
    Keyword("state", Kind.TEXT, ("state",), "state of the protocol", "state:syn_sent"),
    Keyword("conn_state", Kind.WORD, ("conn_state",), "Zeek's connection state", "conn_state:S0,REJ", ("conn",)),
    Keyword("history", Kind.TEXT, ("history",), "Zeek's history letters", "history:=ShADadFf"),
    Keyword("ended", Kind.WORD, ("end_reason",), "why the flow ended", "ended:rst"),
    Keyword("dir", Kind.WORD, ("direction",), "direction", "dir:outbound", ("direction",)),
    Keyword(
        "vlan",
        Kind.NUMBER,
        ("vlan_id", "outer_vlan_id", "dst_vlan_id", "dst_outer_vlan_id"),
        "VLAN, inner or outer, of either end",
        "vlan:100",
        top=4095,
    ),
    Keyword("tunnel", Kind.TEXT, ("tunnel",), "tunnel that carried the flow", "tunnel:vxlan"),
    Keyword("icmp", Kind.NUMBER, ("icmp_type",), "ICMP type", "icmp:8", top=255),
    Keyword("bytes", Kind.BYTES, ("src_bytes + dst_bytes",), "bytes on the wire", "bytes:>10M", ("size",)),
    Keyword("sbytes", Kind.BYTES, ("src_bytes",), "bytes that the initiator sent", "sbytes:>1M", ("sent",)),
    Keyword("dbytes", Kind.BYTES, ("dst_bytes",), "bytes that the responder sent", "dbytes:<100", ("received",)),
    Keyword("payload", Kind.BYTES, ("src_payload + dst_payload",), "bytes of transport payload", "payload:0"),
    Keyword("packets", Kind.BYTES, ("src_packets + dst_packets",), "packets", "packets:>1K", ("pkts",)),
    Keyword(
        "duration",
        Kind.DURATION,
        ("epoch_ns(ended_at) - epoch_ns(started_at)",),
        "first packet to last",
        "duration:<1s",
    ),
    Keyword("rtt", Kind.DURATION, ("rtt_ms",), "smoothed round-trip time", "rtt:>=200ms", scale=_MS),
    Keyword("handshake", Kind.DURATION, ("handshake_rtt_ms",), "time of the TCP handshake", "handshake:>1s", scale=_MS),
    Keyword(
        "retrans",
        Kind.BYTES,
        ("src_retransmissions + dst_retransmissions",),
        "retransmitted segments",
        "retrans:>0",
        ("retransmissions", "retr"),
    ),
    Keyword(
        "missed", Kind.BYTES, ("src_missed_bytes + dst_missed_bytes",), "stream bytes the capture lacks", "missed:>0"
    ),
    Keyword("start", Kind.TIME, ("started_at",), "time of the first packet", "start:2024-05-01", ("started",)),
    Keyword("end", Kind.TIME, ("ended_at",), "time of the last packet", "end:>2024-05-01T10:00"),
    Keyword("after", Kind.TIME, ("started_at",), "started at this time or later", "after:2024-05-01T10:00"),
    Keyword("before", Kind.TIME, ("started_at",), "started before this time", "before:2024-05-02"),
    Keyword("process", Kind.TEXT, _PROCESS, "owner's name or path", "process:firefox", ("proc",), paths=True),
    Keyword("pid", Kind.NUMBER, ("processes.pid",), "owner's process id", "pid:4242"),
    Keyword("ppid", Kind.NUMBER, ("processes.ppid",), "owner's parent", "ppid:1"),
    Keyword("cmd", Kind.TEXT, ("processes.cmdline",), "owner's command line", "cmd:--daemon", ("cmdline",), paths=True),
    Keyword("user", Kind.TEXT, ("processes.username",), "owner's user name", "user:root", ("username",)),
    Keyword("uid", Kind.NUMBER, ("processes.uid",), "owner's user id", "uid:0"),
    Keyword(
        "container",
        Kind.TEXT,
        ("processes.container_name", "processes.container_id"),
        "owner's container",
        "container:nginx",
        ("cont",),
    ),
    Keyword("pod", Kind.TEXT, ("processes.pod",), "owner's Kubernetes pod", "pod:nginx"),
    Keyword(
        "ns", Kind.TEXT, ("processes.namespace",), "owner's Kubernetes namespace", "ns:kube-system", ("namespace",)
    ),
    Keyword("owned", Kind.FLAG, ("process_id IS NOT NULL",), "whether a process is known", "owned:no"),
    Keyword(
        "contested", Kind.FLAG, ("coalesce(process_contested, false)",), "whether claims disagree", "contested:yes"
    ),
    Keyword("reason", Kind.TEXT, ("unowned_reason",), "why no process is known", "reason:outside_window"),
    Keyword("claim", Kind.TEXT, ("process_source", "claims.source"), "source of an ownership claim", "claim:sidecar"),
    Keyword(
        "country",
        Kind.WORD,
        ("src_country", "dst_country"),
        "country code of either end",
        "country:DE",
    ),
    Keyword(
        "asn",
        Kind.ASN,
        ("src_asn", "dst_asn", "src_as_name", "dst_as_name"),
        "AS of either end",
        "asn:15169",
        ("as",),
    ),
    Keyword(
        "scope", Kind.SCOPE, ("src_num", "dst_num"), "what the address of either end is reserved for", "scope:global"
    ),
    Keyword(
        "ja4",
        Kind.TEXT,
        ("tls.ja4", "tls.retry_ja4", "quic.ja4", "quic.retry_ja4"),
        "JA4 fingerprint",
        "ja4:t13d*",
        missing=N_("this session has no TLS or QUIC messages"),
    ),
    Keyword(
        "ja3",
        Kind.TEXT,
        ("tls.ja3", "tls.ja3s", "tls.retry_ja3", "tls.retry_ja3s", "quic.ja3", "quic.retry_ja3"),
        "JA3 or JA3S fingerprint",
        "ja3:771*",
        ("ja3s",),
        missing=N_("this session has no TLS or QUIC messages"),
    ),
    Keyword(
        "hassh",
        Kind.TEXT,
        ("ssh.hassh", "ssh.hassh_server"),
        "HASSH fingerprint",
        "hassh:ec7*",
        missing=N_("this session has no SSH messages"),
    ),
    Keyword(
        "cert",
        Kind.TEXT,
        ("tls.subject", "tls.issuer", "tls.sans", "tls.cert_sha256"),
        "subject, issuer, names or hash of a certificate",
        "cert:example.com",
        missing=N_("this session has no TLS messages"),
    ),
    Keyword(
        "dns",
        Kind.TEXT,
        ("dns.query", "dns.answers", "dns.updates"),
        "name asked for, or answer",
        "dns:example",
        missing=N_("this session has no DNS messages"),
    ),
    Keyword(
        "uri",
        Kind.TEXT,
        ("http.uri",),
        "URI of an HTTP request",
        "uri:/admin*",
        ("url",),
        missing=N_("this session has no HTTP messages"),
        paths=True,
    ),
    Keyword(
        "agent",
        Kind.TEXT,
        ("http.user_agent",),
        "user agent",
        "agent:curl",
        ("ua", "user_agent"),
        missing=N_("this session has no HTTP messages"),
    ),
    Keyword(
        "status",
        Kind.NUMBER,
        ("http.status",),
        "status of an HTTP response",
        "status:>=400",
        missing=N_("this session has no HTTP messages"),
    ),
    Keyword("anomaly", Kind.TEXT, ("anomalies.kind",), "kind of an anomaly in it", "anomaly:malformed", ("weird",)),
    Keyword("flow", Kind.NUMBER, ("flow_id",), "number of the flow", "flow:12", ("id",)),
    Keyword("packet", Kind.NUMBER, ("packets.number",), "flow that holds this packet", "packet:345"),
    Keyword("capture", Kind.NUMBER, ("capture_id",), "number of the capture", "capture:1"),
    Keyword("community", Kind.WORD, ("community_id",), "Community ID", 'community:"1:wCb3OG7yAFWelaUydu0D+125CLM="'),
)
"""Every keyword, in the order in which help lists them."""

BY_NAME: dict[str, Keyword] = {name: word for word in KEYWORDS for name in (word.name, *word.aliases)}
"""Keywords by name and alias."""

FREE_LOOKUPS: tuple[str, ...] = (
    *(t for t in HOST_TARGETS if "." in t),
    *_PROCESS,
    "processes.cmdline",
    "processes.username",
    "processes.container_name",
    "processes.pod",
    "http.uri",
    "http.user_agent",
    "anomalies.kind",
)
"""Targets of free text in addition to every text column of ``flows``."""


def help_rows(words: Iterable[Keyword] = KEYWORDS) -> list[tuple[str, str, str]]:
    """(keyword with aliases, what it finds, example) of every keyword, for help screens and the manual."""
    return [(" ".join(f"{n}:" for n in (w.name, *w.aliases)), w.help, w.example) for w in words]


PAGE_HEAD = """# The filter language

`rustnet flows`, `stats` and `extract` take filters. Terms side by side must all hold (`AND`), `OR` and parentheses
group, `NOT`, `!` or `-` negate. `keyword:value` compares one thing, a bare word is looked for in all text of a flow (an
address or network matches either end).

| value | means |
| --- | --- |
| `text` | contains it, whatever the case; `=text` is exactly it, `te*t` has wildcards, `"two words"` keeps a space |
| `/regex/` | a regular expression (RE2) that need not match from the start; `/regex/c` minds the case |
| `80`, `80,443`, `8000-9000` | exact numbers, several, ranges |
| `>10M`, `>=200ms`, `<1s` | comparisons with units |
| `10.0.0.0/8`, `2001:db8::/32` | networks |

| keyword | finds | example |
| --- | --- | --- |
"""


def page() -> str:
    """The manual's page of the language, for ``docs/filters.md``."""
    rows = (
        f"| {' '.join(f'`{n}`' for n in names.split())} | {found} | `{example}` |"
        for names, found, example in help_rows()
    )
    return PAGE_HEAD + "\n".join(row.replace("||", "\\|\\|") for row in rows) + "\n"


if __name__ == "__main__":
    sys.stdout.write(page())
