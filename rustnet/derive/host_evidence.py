"""What each protocol's rows state about hosts: the facts of the table ``host_facts``, by table.

An `Evidence` names a table and what each of its rows states; `statement` makes one SELECT of it. In the expressions
``r`` is the row and ``f`` its flow. docs/hosts.md is made from these declarations (`rustnet.derive.hosts_page`).
"""

# ruff: noqa: S608 -- the parts of these statements are constants of this package; values are bound

from typing import NamedTuple

COLUMNS = "capture_id, flow_id, ts, last, packet, ip, mac, fact, value, source, count"
"""Columns of the statements."""


class Stated(NamedTuple):
    """One fact that a row states."""

    fact: str
    value: str
    """Expression of the value; NULL and an empty one state nothing."""
    ip: str = "NULL"
    """Expression of the address that it is about, or one of `LISTS`."""
    mac: str = "NULL"
    """Expression of the hardware address that it is about."""
    when: str = "true"
    """Condition of the row."""
    text: str = ""
    """From what it is taken, for the page."""
    source: str = ""
    """Source, if it is not that of the evidence."""


class Evidence(NamedTuple):
    """What the rows of a table state."""

    table: str
    source: str
    stated: tuple[Stated, ...]
    needs_flow: bool = True
    """Whether an expression uses the row's flow."""
    where: str = "true"
    """Condition of the rows that may state anything."""
    rows: str = "SELECT *, 1 AS count FROM {table} WHERE {span} AND {where}"
    """The rows; those that state the same may be one, with their number."""
    repeats: bool = False
    """Repetitions have no row: the statement of a flow's only row holds until the flow's last packet."""


_TO_GROUP = "f.direction IN ('multicast', 'broadcast')"
_ONE_WAY = f"({_TO_GROUP} OR f.dst_packets = 0)"
_SENDER = f"CASE WHEN {_ONE_WAY} THEN f.src_ip WHEN f.src_packets = 0 THEN f.dst_ip END"
"""Sender of a row that does not state its direction, where the flow leaves no doubt."""


def _quoted(text: str) -> str:
    return f"'{text}'"


ROUTER, GATEWAY, DHCP_SERVER, DNS_SERVER, NTP_SERVER = map(
    _quoted, ("router", "default gateway", "dhcp server", "dns server", "ntp server")
)

_ARP = Evidence(
    "arp",
    "arp",
    (
        Stated("mac", "r.sender_mac", "r.sender_ip", "r.sender_mac", text="address that the sender claims"),
        Stated("vlan", "f.vlan_id", "r.sender_ip", "r.sender_mac", text="802.1Q tag of the frame"),
    ),
    where="operation IN ('request', 'reply') AND hardware_type = 1 AND sender_ip <> '0.0.0.0' "
    "AND sender_mac NOT IN ('ff:ff:ff:ff:ff:ff', '00:00:00:00:00:00')",
    repeats=True,
)

_ADVERTISES = "r.message = 'router_advertisement' AND r.protocol = 'icmpv6'"
_V6 = "r.protocol = 'icmpv6'"
_BETTER = "r.message = 'redirect' AND r.gateway NOT IN (coalesce(r.target, ''), coalesce(r.quoted_dst_ip, ''))"
_NDP = Evidence(
    "icmp",
    "ndp",
    (
        Stated(
            "mac", "r.target_mac", "r.target", "r.target_mac", "r.message = 'neighbor_advertisement'",
            "target of a neighbour advertisement",
        ),
        Stated(
            "mac", "r.source_mac", _SENDER, "r.source_mac", f"{_SENDER} <> '::'",
            "sender of a solicitation or a router advertisement",
        ),
        Stated(
            "role", ROUTER, "r.target", "r.target_mac", "r.router AND r.message = 'neighbor_advertisement'",
            "router flag of a neighbour advertisement",
        ),
        Stated("role", ROUTER, _SENDER, "r.source_mac", _ADVERTISES, "sender of a router advertisement"),
        Stated(
            "role", GATEWAY, _SENDER, "r.source_mac", f"{_ADVERTISES} AND r.lifetime > 0",
            "router advertisement with a lifetime",
        ),
        Stated("role", DNS_SERVER, "r.dns_servers", when=_ADVERTISES, text="router advertisement"),
        Stated("role", ROUTER, "r.routers", when=f"NOT {_V6}", text="ICMP router discovery", source="icmp"),
        Stated("role", ROUTER, "f.src_ip", when="r.message = 'redirect'", text="sender of a redirect", source="icmp"),
        Stated(
            "role", ROUTER, "r.gateway", when=_BETTER,
            text="better gateway by a redirect", source="icmp",
        ),
        Stated(
            "role", ROUTER, "f.src_ip", text="a packet's hops ended at it", source="icmp",
            when="r.message = 'time_exceeded' AND r.reason IN ('ttl_exceeded', 'hop_limit_exceeded')",
        ),
    ),
    where="message IN ('redirect', 'time_exceeded') OR starts_with(message, 'router_') "
    "OR starts_with(message, 'neighbor_')",
    repeats=True,
)  # fmt: skip

_DHCP_OS = r"""CASE WHEN starts_with(r.vendor_class, 'MSFT ') THEN 'Windows'
    WHEN starts_with(r.vendor_class, 'android-dhcp-') THEN 'Android ' || r.vendor_class[14:]
    WHEN regexp_matches(r.vendor_class, ':Linux-') THEN regexp_extract(r.vendor_class, ':(Linux-[^:]+)', 1) END"""
_OFFERS = "r.message IN ('OFFER', 'ACK')"
_GIVEN = "coalesce(r.assigned_ip, r.client_ip)"
_DHCP = Evidence(
    "dhcp",
    "dhcp",
    (
        Stated("mac", "r.client_mac", _GIVEN, "r.client_mac", "r.message = 'ACK'", "address that a server confirms"),
        Stated("hostname", "r.hostname", mac="r.client_mac", when="r.message NOT IN ('OFFER', 'ACK', 'NAK')",
               text="option 12 of a client"),
        Stated("hostname", "r.fqdn", mac="r.client_mac", when="r.message NOT IN ('OFFER', 'ACK', 'NAK')",
               text="option 81 of a client"),
        Stated("domain", "r.domain", _GIVEN, "r.client_mac", "r.message = 'ACK'", "option 15 of a server's answer"),
        Stated("software", "r.vendor_class", mac="r.client_mac", text="option 60 (vendor class) of a client",
               when="r.message NOT IN ('OFFER', 'ACK', 'NAK')"),
        Stated("operating_system", _DHCP_OS, mac="r.client_mac", text="vendor class, where it names a system",
               when="r.message NOT IN ('OFFER', 'ACK', 'NAK')"),
        Stated("role", DHCP_SERVER, "r.server_ip", when="r.message IN ('OFFER', 'ACK', 'NAK')", text="option 54"),
        Stated("role", GATEWAY, "r.routers", when=_OFFERS, text="option 3"),
        Stated("role", DNS_SERVER, "r.dns_servers", when=_OFFERS, text="option 6"),
        Stated("role", NTP_SERVER, "r.ntp_servers", when=_OFFERS, text="option 42"),
        Stated("role", "'dhcp relay'", "r.relay_ip", text="giaddr"),
        Stated("role", "'boot server'", "r.next_server", when=f"{_OFFERS} AND r.boot_file IS NOT NULL", text="siaddr"),
    ),
    needs_flow=False,
)  # fmt: skip

_CLIENT_V6 = "CASE WHEN f.src_port = 546 THEN f.src_ip WHEN f.dst_port = 546 THEN f.dst_ip END"
_SERVER_V6 = (
    "CASE WHEN f.src_port = 547 AND f.dst_port = 546 THEN f.src_ip "
    "WHEN f.dst_port = 547 AND f.src_port = 546 AND NOT starts_with(f.dst_ip, 'ff') THEN f.dst_ip END"
)
_ANSWERS = "r.message IN ('ADVERTISE', 'REPLY')"
_DHCPV6 = Evidence(
    "dhcpv6",
    "dhcpv6",
    (
        Stated("hostname", "r.fqdn", _CLIENT_V6, text="option 39 of a client", when=f"NOT {_ANSWERS}"),
        Stated("software", "r.vendor_class", _CLIENT_V6, when=f"NOT {_ANSWERS}", text="vendor class of a client"),
        Stated("operating_system", "'Windows'", _CLIENT_V6, text="vendor class `MSFT`",
               when=f"starts_with(r.vendor_class, 'MSFT ') AND NOT {_ANSWERS}"),
        Stated("role", DHCP_SERVER, _SERVER_V6, when=_ANSWERS, text="sender of an answer"),
        Stated("role", DNS_SERVER, "r.dns_servers", when=_ANSWERS, text="option 23"),
    ),
)  # fmt: skip

_RECORDS = """SELECT capture_id, flow_id, ts, packet, 1 AS count, unnest(answers) AS answer,
    unnest(answer_types) AS type, unnest(coalesce(answer_names, list_transform(answers, lambda a: query))) AS owner
FROM dns WHERE {span} AND {where}"""
_SPOKEN = f"CASE WHEN {_ONE_WAY} THEN f.src_ip END"
_TXT = """nullif(regexp_extract(r.answer, '"{0}=([^"]*)"', 1), '')"""
_MDNS = Evidence(
    "dns",
    "mdns",
    (
        Stated("service", r"regexp_replace(r.owner, '\.local$', '')", _SPOKEN, text="types of its PTR records",
               when="r.type = 'PTR' AND starts_with(r.owner, '_') AND NOT starts_with(r.owner, '_services.')"),
        Stated("name", "r.answer[:length(r.answer) - length(r.owner) - 1]", _SPOKEN, text="instances of its services",
               when="r.type = 'PTR' AND starts_with(r.owner, '_') AND NOT starts_with(r.owner, '_services.') "
                    "AND ends_with(r.answer, '.' || r.owner)"),
        Stated("model", f"coalesce({_TXT.format('model')}, {_TXT.format('md')}, {_TXT.format('ty')})", _SPOKEN,
               when="r.type = 'TXT'", text="TXT keys `model`, `md` and `ty`"),
        Stated("hardware", "r.answer", _SPOKEN, when="r.type = 'HINFO'", text="HINFO records"),
    ),
    where="transport = 'mdns' AND response AND list_has_any(answer_types, ['PTR', 'TXT', 'HINFO'])",
    rows=f"SELECT * FROM ({_RECORDS}) WHERE type IN ('PTR', 'TXT', 'HINFO')",
)  # fmt: skip

_DEVICE = "nullif(regexp_extract(r.target, '^urn:[^:]+:device:([^:]+)', 1), '')"
_SEARCHER = "CASE WHEN r.method = 'M-SEARCH' THEN f.src_ip END"
_UPNP = (
    "CASE WHEN r.method = 'NOTIFY' THEN f.src_ip WHEN r.status IS NULL THEN NULL "
    "WHEN f.src_port = 1900 AND f.dst_port <> 1900 THEN f.src_ip "
    f"WHEN f.dst_port = 1900 AND f.src_port <> 1900 AND NOT {_TO_GROUP} THEN f.dst_ip END"
)
_UPNP_OS = r"replace(nullif(regexp_extract(r.server, '^([^, ][^,]*?)[, ]+UPnP/[0-9]', 1), ''), '/', ' ')"
_ALIVE = "(r.status = 200 OR r.notification IN ('ssdp:alive', 'ssdp:update'))"
_SSDP = Evidence(
    "ssdp",
    "ssdp",
    (
        Stated("software", "r.server", _UPNP, text="`SERVER` of a device"),
        Stated("software", "r.user_agent", _SEARCHER, text="`USER-AGENT` of a searcher"),
        Stated("operating_system", _UPNP_OS, _UPNP, text="first part of `SERVER`"),
        Stated("device_type", _DEVICE, _UPNP, when=_ALIVE, text="announced device"),
        Stated("role", "'internet gateway'", _UPNP, when=f"{_DEVICE} = 'InternetGatewayDevice' AND {_ALIVE}",
               text="announced device"),
        Stated("name", "r.friendly_name", f"coalesce({_UPNP}, {_SEARCHER})", text="friendly name"),
    ),
)  # fmt: skip

_REGISTERS = "r.operation IN ('registration', 'refresh', 'multihomed') AND NOT r.response"
_BROWSER = r"r.mailslot = '\MAILSLOT\BROWSE'"
_ANNOUNCES = f"{_BROWSER} AND r.operation IN ('host_announcement', 'local_master_announcement')"
_NETBIOS = Evidence(
    "netbios",
    "netbios",
    (
        Stated("workgroup", "r.name", "r.addresses", when=f'{_REGISTERS} AND r."group" AND r.suffix = 0',
               text="group that it registers"),
        Stated("role", "'domain master browser'", "r.addresses",
               when=f'{_REGISTERS} AND NOT r."group" AND r.suffix = 27', text="name with suffix 1B that it registers"),
        Stated("role", "'domain controller'", "r.addresses", when=f'{_REGISTERS} AND r."group" AND r.suffix = 28',
               text="group with suffix 1C that it registers"),
        Stated("service", "'smb'", "r.addresses", when=f'{_REGISTERS} AND NOT r."group" AND r.suffix = 32',
               text="name with suffix 20 that it registers"),
        Stated("role", "'master browser'", "f.src_ip", text="local master announcement",
               when=f"{_BROWSER} AND r.operation = 'local_master_announcement' AND f.dst_packets = 0"),
        Stated("os_version", "r.os_version", "f.src_ip", when=f"{_ANNOUNCES} AND f.dst_packets = 0",
               text="browser announcement"),
        Stated("description", "r.comment", "f.src_ip", when=f"{_ANNOUNCES} AND f.dst_packets = 0",
               text="browser announcement"),
    ),
)  # fmt: skip

_ROLES = (
    ("switch", ("bridge", "switch")),
    ("router", ("router",)),
    ("telephone", ("telephone", "phone")),
    ("access point", ("wlan_access_point",)),
    ("cable modem", ("docsis_cable_device",)),
    ("station", ("station",)),
    ("host", ("host",)),
)
"""Roles by the capabilities that LLDP and CDP name."""


def _roles(capabilities: str, ips: str, text: str) -> tuple[Stated, ...]:
    """A role for each capability in a list."""
    return tuple(
        Stated("role", f"'{role}'", ips, "f.src_mac", f"list_has_any({capabilities}, {list(words)})", text)
        for role, words in _ROLES
    )


_LLDP_IPS = (
    r"list_filter(management_addresses, lambda a: regexp_matches(a, '^[0-9]+(\.[0-9]+)+$') OR contains(a, '::') "
    "OR length(a) - length(replace(a, ':', '')) = 7)"
)
_LLDP = Evidence(
    "lldp",
    "lldp",
    tuple(
        Stated(fact, value, "r.ips", "f.src_mac", text=text)
        for fact, value, text in (
            ("hostname", "r.system_name", "system name"),
            ("description", "r.system_description", "system description"),
            ("port", "coalesce(r.port_description, r.port_id)", "port that sends"),
            ("vlan", "nullif(r.port_vlan, 0)", "VLAN of untagged frames"),
            ("vendor", "r.manufacturer", "inventory (MED)"),
            ("model", "r.model", "inventory (MED)"),
            ("serial_number", "r.serial_number", "inventory (MED)"),
            ("software", "r.software_revision", "inventory (MED)"),
            ("software", "r.firmware_revision", "inventory (MED)"),
        )
    )
    + _roles("coalesce(r.enabled_capabilities, r.capabilities)", "r.ips", "enabled capabilities"),
    rows=f"SELECT *, 1 AS count, {_LLDP_IPS} AS ips FROM lldp WHERE {{span}} AND {{where}}",
    repeats=True,
)

_CDP = Evidence(
    "cdp",
    "cdp",
    tuple(
        Stated(fact, value, "r.ips", "f.src_mac", text=text)
        for fact, value, text in (
            ("hostname", "r.device_id", "device id"),
            ("hostname", "r.system_name", "system name"),
            ("model", "r.platform", "platform"),
            ("operating_system", "r.software_version", "software version"),
            ("port", "r.port_id", "port that sends"),
            ("vlan", "r.native_vlan", "native VLAN"),
        )
    )
    + _roles("r.capabilities", "r.ips", "capabilities"),
    rows="SELECT *, 1 AS count, list_distinct(list_concat(addresses, management_addresses)) AS ips "
    "FROM cdp WHERE {span} AND {where}",
    repeats=True,
)

_STP = Evidence(
    "stp",
    "stp",
    (
        Stated("role", "'switch'", mac="f.src_mac", text="sends spanning tree messages"),
        Stated("role", "'root bridge'", mac="f.src_mac", when="r.root_mac = r.bridge_mac AND r.root_cost = 0",
               text="names itself as the root"),
        Stated("bridge", "r.bridge_mac", mac="f.src_mac", text="bridge's own address"),
    ),
    repeats=True,
)  # fmt: skip

_LACP = Evidence(
    "lacp", "lacp",
    (Stated("lacp_system", "r.actor_system", mac="f.src_mac", text="system that aggregates its ports"),),
    repeats=True,
)  # fmt: skip

_USER = r"coalesce(nullif(r.domain, '') || '\', '') || r.username"
_SMB = Evidence(
    "smb",
    "smb",
    (
        Stated("hostname", "r.workstation", "f.src_ip", text="client's machine name"),
        Stated("operating_system", r"CASE WHEN regexp_matches(r.server_os, '^[0-9]+\.[0-9]+\.[0-9]+$') THEN CASE WHEN "
               "NOT ends_with(r.server_os, '.0') THEN 'Windows ' || r.server_os END ELSE r.server_os END",
               "f.dst_ip", text="server's system; a version with a build number is Windows'"),
        Stated("os_version", r"CASE WHEN regexp_matches(r.server_os, '^[0-9]+\.[0-9]+\.[0-9]+$') THEN r.server_os END",
               "f.dst_ip", text="version and build in the server's NTLM challenge"),
        Stated("operating_system", "r.client_os", "f.src_ip", text="client's system (SMB 1)"),
        Stated("user", _USER, "f.src_ip", when="r.username <> ''", text="account that logs on from it"),
        Stated("domain", r"CASE WHEN contains(r.server_dns_name, '.') THEN "
               r"regexp_extract(r.server_dns_name, '\.(.+)$', 1) END", "f.dst_ip", text="server's DNS name"),
    ),
    where="workstation IS NOT NULL OR server_os IS NOT NULL OR client_os IS NOT NULL OR username <> '' "
    "OR server_dns_name IS NOT NULL",
)  # fmt: skip

_KERBEROS = Evidence(
    "kerberos",
    "kerberos",
    (
        Stated("role", "'kerberos server'", "f.dst_ip", when="r.message IN ('AS-REP', 'TGS-REP', 'KRB-ERROR')",
               text="answers requests for tickets"),
        Stated("domain", "r.realm", "f.src_ip", when="r.message IN ('AS-REQ', 'AS-REP')",
               text="realm of a client's first ticket"),
        Stated("user", "r.cname || coalesce('@' || r.realm, '')", "f.src_ip", when="r.message = 'AS-REP'",
               text="account that got its first ticket"),
    ),
)  # fmt: skip

_SSH_OS = r"""CASE WHEN contains({0}, 'OpenSSH_for_Windows') THEN 'Windows'
    WHEN regexp_matches({0}, 'Ubuntu|Debian|Raspbian|FreeBSD|NetBSD')
    THEN regexp_extract({0}, '(Ubuntu|Debian|Raspbian|FreeBSD|NetBSD)', 1) END"""
_SSH = Evidence(
    "ssh",
    "ssh",
    (
        Stated("software", "r.server_software", "f.dst_ip", text="server's identification"),
        Stated("software", "r.client_software", "f.src_ip", text="client's identification"),
        Stated("operating_system", _SSH_OS.format("r.server_banner"), "f.dst_ip", text="named in the identification"),
        Stated("operating_system", _SSH_OS.format("r.client_banner"), "f.src_ip", text="named in the identification"),
    ),
)  # fmt: skip

_AGENT_OS = r"""CASE WHEN regexp_matches(r.user_agent, 'Windows NT [0-9]') THEN
        regexp_extract(r.user_agent, '(Windows NT [0-9.]+)', 1)
    WHEN regexp_matches(r.user_agent, 'Android [0-9]') THEN regexp_extract(r.user_agent, '(Android [0-9.]+)', 1)
    WHEN regexp_matches(r.user_agent, '(iPhone|iPad|iPod).* OS [0-9]') THEN
        'iOS ' || replace(regexp_extract(r.user_agent, ' OS ([0-9_]+)', 1), '_', '.')
    WHEN contains(r.user_agent, 'Mac OS X') THEN 'macOS' WHEN contains(r.user_agent, '(X11; Linux') THEN 'Linux' END"""
_HTTP = Evidence(
    "http",
    "http",
    (
        Stated("software", "r.server", "f.dst_ip", text="`Server`, unless through a proxy"),
        Stated("user_agent", "r.user_agent", "f.src_ip", text="`User-Agent`, unless through a proxy"),
        Stated("operating_system", _AGENT_OS, "f.src_ip", text="named in the `User-Agent`"),
    ),
    where="NOT proxy AND forwarded_for IS NULL AND (server IS NOT NULL OR user_agent IS NOT NULL)",
    rows="SELECT capture_id, flow_id, min(ts) AS ts, min(packet) AS packet, server, user_agent, count(*) AS count "
    "FROM http WHERE {span} AND {where} GROUP BY ALL",
)

_AGENT = "CASE WHEN f.dst_port IN (161, 162) THEN CASE f.dst_port WHEN 161 THEN f.dst_ip ELSE f.src_ip END END"
_SNMP = Evidence(
    "snmp",
    "snmp",
    (Stated("description", "r.system_description", _AGENT, text="`sysDescr` of an agent"),),
    where="system_description IS NOT NULL",
)

FLOW_COLUMNS = """flow_id, src_ip, dst_ip, src_port, dst_port, src_mac, dst_mac, src_packets, dst_packets, direction,
    vlan_id, ended_at"""
"""Columns of flows that the expressions use."""

EVIDENCE: tuple[Evidence, ...] = (
    _ARP, _NDP, _DHCP, _DHCPV6, _MDNS, _SSDP, _NETBIOS, _LLDP, _CDP, _STP, _LACP, _SMB, _KERBEROS, _SSH, _HTTP,
    _SNMP,
)  # fmt: skip
"""Of each protocol; several may read one table."""


LISTS = ("r.dns_servers", "r.routers", "r.ntp_servers", "r.addresses", "r.ips")
"""Columns with lists of addresses: a row states the fact of each."""


def statement(each: Evidence, flows: str, span: str) -> str:
    """SELECT of what the rows of a table within a span state, with the columns `COLUMNS`.

    Each row becomes one for each fact, by lists that are unnested together. It has no more levels than it needs:
    planning it takes longer than the rows of a small capture.
    """
    rows = each.rows.format(table=each.table, span=span, where=f"({each.where})")
    last = "r.ts"
    if each.repeats:
        last = "CASE WHEN count(*) OVER (PARTITION BY r.flow_id) = 1 THEN greatest(r.ts, f.ended_at) ELSE r.ts END"
    joined = f"LEFT JOIN {flows} f ON f.flow_id = r.flow_id" if each.needs_flow else ""
    listed = any(stated.ip in LISTS for stated in each.stated)
    columns = {
        "ip": [_addresses(stated.ip) if listed else stated.ip for stated in each.stated],
        "mac": [stated.mac for stated in each.stated],
        "fact": [f"'{stated.fact}'" for stated in each.stated],
        "value": [_value(stated) for stated in each.stated],
        "source": [f"'{stated.source or each.source}'" for stated in each.stated],
    }
    types = {"ip": "VARCHAR[][]" if listed else "VARCHAR[]"}
    facts = ", ".join(
        f"unnest([{', '.join(values)}]::{types.get(name, 'VARCHAR[]')}) AS {name}" for name, values in columns.items()
    )
    inner = f"SELECT r.capture_id, r.flow_id, r.ts, {last} AS last, r.packet, r.count, {facts} FROM ({rows}) r {joined}"
    if listed:
        inner = f"SELECT * REPLACE (unnest(ip) AS ip) FROM ({inner}) WHERE value <> ''"
    return f"""SELECT {COLUMNS} FROM ({inner})
WHERE value <> '' AND (ip IS NOT NULL OR mac IS NOT NULL) AND ip IS DISTINCT FROM '0.0.0.0'"""


def _value(stated: Stated) -> str:
    """The value of a fact, NULL where its condition is false."""
    value = stated.value if stated.when == "true" else f"CASE WHEN {stated.when} THEN {stated.value} END"
    return value if stated.value.startswith("'") else f"({value})::VARCHAR"


def _addresses(ip: str) -> str:
    """The addresses of a fact as a list that is not empty."""
    return f"CASE WHEN len({ip}) > 0 THEN {ip} ELSE [NULL] END" if ip in LISTS else f"[{ip}]"
