"""What all events of ``eve.json`` have in common: time, ends, protocol, and the number that joins a flow's events."""

import datetime as dt
import functools
import hashlib
from typing import Any

from rustnet.export.timeline import Fields
from rustnet.query.session import Session

FLOW_COLUMNS = (
    "flow_id", "capture_id", "community_id", "protocol", "src_ip", "src_port", "dst_ip", "dst_port", "vlan_id",
    "outer_vlan_id", "icmp_type", "icmp_code", "interface", "outer_flow_id", "app", "app_source",
)  # fmt: skip
"""Columns of a flow that `Header.common` needs."""

PROTOCOLS = {
    "tcp": "TCP", "udp": "UDP", "sctp": "SCTP", "icmp": "ICMP", "icmpv6": "IPv6-ICMP", "igmp": "IGMP", "gre": "GRE",
    "esp": "ESP", "ah": "AH", "ipip": "IPIP", "ipv6": "IPv6", "ospf": "OSPFIGP", "eigrp": "EIGRP", "pim": "PIM",
    "vrrp": "VRRP", "l2tp": "L2TP", "etherip": "ETHERIP", "ipcomp": "IPComp", "rsvp": "RSVP", "dccp": "DCCP",
    "udplite": "UDPLite", "egp": "EGP", "igp": "IGP", "ggp": "GGP", "hopopt": "HOPOPT", "ipv6-nonxt": "IPv6-NoNxt",
    "mpls-in-ip": "MPLS-in-IP",
}  # fmt: skip
"""Names of IP protocols as Suricata writes them (those of IANA)."""

IP_ONLY = "CASE WHEN f.protocol IS NOT NULL THEN f.src_ip IS NOT NULL AND f.protocol <> 'arp' END"
"""SQL condition on flows of IP; those below it are no flows to Suricata. NULL without a flow."""

APPLICATIONS = {
    "ftp-data": "ftp-data", "ipsec": "ike", "kerberos": "krb5", "vnc": "rfb", "postgresql": "pgsql",
    "bittorrent": "bittorrent-dht",
}  # fmt: skip
"""Suricata's names of application protocols that differ from ours."""

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_CAPTURE_BITS, _FLOW_BITS = 21, 32


@functools.lru_cache(maxsize=4096)
def _second(seconds: int) -> str:
    return f"{_EPOCH + dt.timedelta(seconds=seconds):%Y-%m-%dT%H:%M:%S}"


def stamp(ns: int) -> str:
    """Time in Suricata's form, in UTC: ``2024-05-01T10:00:05.250000+0000``; digits below microseconds are cut."""
    seconds, rest = divmod(ns, 1_000_000_000)
    return f"{_second(seconds)}.{rest // 1000:06d}+0000"


def plain_stamp(ns: int) -> str:
    """Time of a certificate: ``2024-05-01T10:00:05``."""
    return _second(ns // 1_000_000_000)


def application(app: str | None, source: str | None, transport: str | None) -> str | None:
    """Suricata's name of an application protocol that was recognised; a guess by the port is none."""
    if app is None or source == "port" or app == transport:
        return None
    return APPLICATIONS.get(app, app)


class Header:
    """Makes the fields that all events begin with."""

    def __init__(self, session: Session) -> None:
        captures = session.execute_own(
            "SELECT capture_id, coalesce(head_sha256, source || coalesce(epoch_ns(first_ts)::VARCHAR, '')), "
            "CASE WHEN kind = 'file' AND files < 2 THEN source END FROM captures"
        ).rows
        self._bases = {capture: _capture_number(identity) for capture, identity, _file in captures}
        self._files = {capture: file for capture, _identity, file in captures if file}
        interfaces = session.execute_own("SELECT capture_id, interface, name FROM interfaces WHERE name <> ''").rows
        self._interfaces = {(capture, number): name for capture, number, name in interfaces}

    def flow_number(self, capture: int, flow: int) -> int:
        """Return the number that joins the events of a flow: of 53 bits, the low 32 are the session's own number."""
        return self._bases.get(capture, 0) | (flow & ((1 << _FLOW_BITS) - 1))

    def common(self, row: Fields, event_type: str, packet: int | None) -> Fields:
        """Fields from the time to the Community ID, of a row with the columns `FLOW_COLUMNS` of its flow."""
        event: Fields = {"timestamp": stamp(row["moment"])}
        capture = row["f.capture_id"]
        if row["f.flow_id"] is not None:
            event["flow_id"] = self.flow_number(capture, row["f.flow_id"])
            if row["f.outer_flow_id"] is not None:
                event["parent_id"] = self.flow_number(capture, row["f.outer_flow_id"])
            name = self._interfaces.get((capture, row["f.interface"]))
            if name:
                event["in_iface"] = name
        else:
            capture = row.get("capture_id")
        if packet is not None:
            event["pcap_cnt"] = packet
        event["event_type"] = event_type
        tags = [tag for tag in (row["f.outer_vlan_id"], row["f.vlan_id"]) if tag is not None]
        if tags:
            event["vlan"] = tags
        _ends(event, row)
        if packet is not None and capture in self._files:
            event["pcap_filename"] = self._files[capture]
        if row["f.community_id"]:
            event["community_id"] = row["f.community_id"]
        return event


def _ends(event: Fields, row: Fields) -> None:
    """Set addresses, ports and the protocol."""
    for name, column in (("src_ip", "f.src_ip"), ("src_port", "f.src_port"), ("dest_ip", "f.dst_ip"),
                         ("dest_port", "f.dst_port")):  # fmt: skip
        value = row[column]
        if value is not None:
            event[name] = value
    protocol = row["f.protocol"]
    if protocol is not None:
        event["proto"] = proto(protocol)
    if protocol in ("icmp", "icmpv6"):
        for name in ("icmp_type", "icmp_code"):
            if row[f"f.{name}"] is not None:
                event[name] = row[f"f.{name}"]


def proto(protocol: str) -> str:
    """Suricata's name of an IP protocol; of one without a name three digits, as Suricata writes them."""
    name = PROTOCOLS.get(protocol)
    if name is None and protocol.startswith("ip_proto_"):
        name = protocol.removeprefix("ip_proto_").zfill(3)
    return name or protocol


def _capture_number(identity: Any) -> int:
    """Bits that tell the flows of captures apart, by a hash of what identifies a capture."""
    digest = hashlib.sha256(str(identity).encode("utf-8", "surrogatepass")).digest()
    return (int.from_bytes(digest[:4]) >> (32 - _CAPTURE_BITS)) << _FLOW_BITS
