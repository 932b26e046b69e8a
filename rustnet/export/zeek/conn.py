"""conn.log: the flows of IP."""

from rustnet.export.zeek.spec import FLOW_FIELDS, JOIN_PLACES, PROTO, Field, Log, cases, is_local, uid_of

LINK_LAYER = ("arp", "lldp", "cdp", "lacp", "stp", "qinq")
BELOW_IP = f"f.protocol IN {LINK_LAYER} OR f.src_ip IS NULL OR f.dst_ip IS NULL"
"""Condition of the flows that are no connections to Zeek."""

IP_NUMBERS = {
    "hopopt": 0, "icmp": 1, "igmp": 2, "ggp": 3, "tcp": 6, "egp": 8, "igp": 9, "udp": 17, "dccp": 33, "ipv6": 41,
    "rsvp": 46, "gre": 47, "esp": 50, "ah": 51, "icmpv6": 58, "ipv6-nonxt": 59, "eigrp": 88, "ospf": 89,
    "etherip": 97, "pim": 103, "ipcomp": 108, "vrrp": 112, "l2tp": 115, "sctp": 132, "udplite": 136,
    "mpls-in-ip": 137,
}  # fmt: skip
"""Numbers of `flows.protocol`; `ipip` is the name of two."""

SERVICES = {
    "bittorrent": "bittorrent", "dcerpc": "dce_rpc", "dhcp": "dhcp", "dns": "dns", "dtls": "dtls",
    "finger": "finger", "ftp": "ftp", "http": "http", "imap": "imap", "irc": "irc", "llmnr": "dns", "lmtp": "smtp",
    "mdns": "dns", "modbus": "modbus", "mqtt": "mqtt", "mysql": "mysql", "ntp": "ntp", "pop3": "pop3",
    "postgresql": "postgresql", "quic": "quic", "radius": "radius", "rdp": "rdp", "sip": "sip", "smb": "smb",
    "smtp": "smtp", "snmp": "snmp", "socks": "socks", "ssh": "ssh", "syslog": "syslog", "tls": "ssl", "vnc": "rfb",
    "xmpp": "xmpp",
}  # fmt: skip
"""Zeek's names of application protocols; of others it has no analyzer, or does not confirm them."""
SERVICES_BY_TRANSPORT = {
    "kerberos": ("krb_tcp", "krb"),
    "ldap": ("ldap_tcp", "ldap_udp"),
    "dnp3": ("dnp3_tcp", "dnp3_udp"),
}
"""Zeek's names over TCP and over UDP."""

NO_TUNNELS = ("fragments", "qinq")
"""Values of `flows.tunnel` that lead to flows which are no connections of a tunnel to Zeek."""

RAW_LINKS, NULL_LINKS = (12, 14, 101, 228, 229), (0, 108)
"""Link types without a header, and with one of four bytes; on neither are packets padded."""


def _ip_number() -> str:
    other = "try_cast(regexp_extract(f.protocol, '^ip_proto_(\\d+)$', 1) AS INTEGER)"
    return cases("f.protocol", {name: str(number) for name, number in IP_NUMBERS.items()}, other)


def _service() -> str:
    names = {app: f"'{name}'" for app, name in SERVICES.items()}
    for app, (tcp, udp) in SERVICES_BY_TRANSPORT.items():
        names[app] = f"CASE f.protocol WHEN 'tcp' THEN '{tcp}' ELSE '{udp}' END"
    app = f"CASE WHEN f.app_source = 'payload' THEN {cases('f.app', names)} END"
    tls = (
        "CASE WHEN h.flow_id IS NOT NULL AND NOT (f.app IN ('tls', 'dtls') AND f.app_source = 'payload') THEN 'ssl' END"
    )
    return f"nullif(concat_ws(',', {app}, {tls}), '')"


def _payload(side: str) -> str:
    """Payload of a side, as Zeek counts it: with the bytes that the capture lacks, and without ICMP's header."""
    return (
        "CASE WHEN f.ended_at <= f.started_at THEN NULL "
        f"WHEN f.protocol NOT IN ('icmp', 'icmpv6') THEN f.{side}_payload + f.{side}_missed_bytes "
        f"WHEN f.fragments = 0 THEN greatest(f.{side}_payload - 8 * f.{side}_packets, 0) END"
    )


def _ip_bytes(side: str) -> str:
    """Bytes of IP packets, on links on which they can be known."""
    return (
        f"CASE WHEN f.outer_flow_id IS NOT NULL THEN NULL WHEN i.link_type IN {RAW_LINKS} THEN f.{side}_bytes "
        f"WHEN i.link_type IN {NULL_LINKS} THEN f.{side}_bytes - 4 * f.{side}_packets END"
    )


_BYTES = (
    "payload and missed bytes, retransmissions included; of ICMP without its headers; "
    "as in Zeek unset for flows without a duration"
)
_IP_BYTES = "bytes on the wire less the link's header, where no link pads packets (raw IP, loopback); else unset"
_TCP_OR_UDP = "CASE WHEN f.protocol IN ('tcp', 'udp') THEN f.{} {} END"

FIELDS = (
    Field("ts", "time", "epoch_ns(f.started_at)"),
    *FLOW_FIELDS,
    Field("proto", "enum", PROTO, "`tcp`, `udp`, `icmp` (both versions), else `unknown_transport`"),
    Field(
        "service",
        "string",
        _service(),
        "Zeek's names of what a parser confirmed, and `ssl` where there was a handshake",
    ),
    Field(
        "duration",
        "interval",
        "nullif(epoch_ns(f.ended_at) // 1000 - epoch_ns(f.started_at) // 1000, 0)",
        "from the first to the last packet",
    ),
    Field("orig_bytes", "count", _payload("src"), _BYTES),
    Field("resp_bytes", "count", _payload("dst"), _BYTES),
    Field(
        "conn_state",
        "string",
        _TCP_OR_UDP.format("conn_state", "ELSE 'OTH'"),
        "`flows.conn_state`; `OTH` unless TCP or UDP",
    ),
    Field("local_orig", "bool", is_local("src_ip", "o"), "by `addresses.scope`: neither global nor multicast"),
    Field("local_resp", "bool", is_local("dst_ip", "r"), "by `addresses.scope`: neither global nor multicast"),
    Field(
        "missed_bytes",
        "count",
        "f.src_missed_bytes + f.dst_missed_bytes",
        "`flows.src_missed_bytes` and `flows.dst_missed_bytes`",
    ),
    Field(
        "history",
        "string",
        f"nullif({_TCP_OR_UDP.format('history', '')}, '')",
        "`flows.history`; unset unless TCP or UDP",
    ),
    Field("orig_pkts", "count", "f.src_packets"),
    Field("orig_ip_bytes", "count", _ip_bytes("src"), _IP_BYTES),
    Field("resp_pkts", "count", "f.dst_packets"),
    Field("resp_ip_bytes", "count", _ip_bytes("dst"), _IP_BYTES),
    Field(
        "tunnel_parents",
        "set[string]",
        f"CASE WHEN p.flow_id IS NOT NULL THEN [{uid_of('p')}] END",
        "uid of the flow of the tunnel that it was carried in",
    ),
    Field("ip_proto", "count", _ip_number(), "number of `flows.protocol`; since Zeek 7.1"),
    Field("orig_l2_addr", "string", "f.src_mac", "as by Zeek's script mac-logging"),
    Field("resp_l2_addr", "string", "f.dst_mac", "as by Zeek's script mac-logging"),
    Field("vlan", "int", "coalesce(f.outer_vlan_id, f.vlan_id)", "the outer tag; as by Zeek's script vlan-logging"),
    Field(
        "inner_vlan",
        "int",
        "CASE WHEN f.outer_vlan_id IS NOT NULL THEN f.vlan_id END",
        "the inner one of two tags; as by Zeek's script vlan-logging",
    ),
    Field("community_id", "string", "f.community_id", "as by Zeek's script community-id-logging"),
)

CONN = Log(
    "conn",
    ("flows", "tls", "quic", "addresses", "interfaces"),
    f"""flows f LEFT JOIN handshakes h ON h.capture_id = f.capture_id AND h.flow_id = f.flow_id
  {JOIN_PLACES}
  LEFT JOIN interfaces i ON i.capture_id = f.capture_id AND i.interface = f.interface
  LEFT JOIN parents p ON p.capture_id = f.capture_id AND p.flow_id = f.outer_flow_id
    AND f.tunnel NOT IN {NO_TUNNELS}
  WHERE NOT ({BELOW_IP})""",
    FIELDS,
    ("f.started_at", "f.flow_id"),
    "One row for each flow of IP. Flows below IP (ARP, LLDP, STP …) have no place in it.",
    ("places", "handshakes"),
    (
        """parents AS (SELECT capture_id, flow_id, community_id, started_at FROM flows
    WHERE flow_id IN (SELECT outer_flow_id FROM flows WHERE outer_flow_id IS NOT NULL))""",
    ),
)
