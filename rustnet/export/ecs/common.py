"""What all events have in common: time, ends, network, observer, and what they are related to."""

import re
from typing import Any

from rustnet import __version__
from rustnet.export.timeline import Fields, present
from rustnet.present.values import timestamp_ns
from rustnet.query.session import Session

ECS_VERSION = "9.4.0"
"""Version of the Elastic Common Schema."""

FLOW_COLUMNS = (
    "flow_id", "capture_id", "community_id", "protocol", "src_ip", "src_port", "dst_ip", "dst_port", "src_mac",
    "dst_mac", "vlan_id", "outer_vlan_id", "direction", "app", "app_source", "hostname", "interface", "src_country",
    "dst_country", "src_city", "dst_city", "src_asn", "dst_asn", "src_as_name", "dst_as_name",
)  # fmt: skip
"""Columns of a flow that `Common.event` needs."""

TRANSPORTS = {
    "hopopt": 0, "icmp": 1, "igmp": 2, "ggp": 3, "ipip": 4, "tcp": 6, "egp": 8, "igp": 9, "udp": 17, "dccp": 33,
    "ipv6": 41, "rsvp": 46, "gre": 47, "esp": 50, "ah": 51, "icmpv6": 58, "ipv6-nonxt": 59, "eigrp": 88, "ospf": 89,
    "etherip": 97, "pim": 103, "ipcomp": 108, "vrrp": 112, "l2tp": 115, "sctp": 132, "udplite": 136, "mpls-in-ip": 137,
}  # fmt: skip
"""IP protocols and their numbers."""
_TRANSPORT_NAMES = {"icmpv6": "ipv6-icmp"}
_DIRECTIONS = frozenset({"outbound", "inbound", "internal", "external"})
_ADDRESS = re.compile(r"[0-9A-Fa-f.:]+")


def moment(ns: int) -> str:
    """Time with all digits of nanoseconds."""
    return timestamp_ns(ns)


def is_address(text: str | None) -> bool:
    """Whether a text can be an IP address, as fields of that type need."""
    return text is not None and ("." in text or ":" in text) and _ADDRESS.fullmatch(text) is not None


def hardware(mac: str | None) -> str | None:
    """Hardware address in the form of RFC 7042."""
    return mac and mac.replace(":", "-").upper()


class Common:
    """Makes what all events begin with."""

    def __init__(self, session: Session) -> None:
        interfaces = session.execute_own("SELECT capture_id, interface, name FROM interfaces").rows
        self._interfaces = {(capture, number): name for capture, number, name in interfaces}
        self._machines: dict[int, str] = {}
        if "hostname" in session.columns().get("machine", {}):
            self._machines = dict(
                session.execute_own("SELECT capture_id, max(hostname) FROM machine GROUP BY capture_id").rows
            )

    def event(self, row: Fields, dataset: str, categories: list[str], types: list[str]) -> Fields:
        """Return the common fields of a row with the columns `FLOW_COLUMNS` of its flow."""
        made: Fields = {
            "@timestamp": moment(row["moment"]),
            "ecs": {"version": ECS_VERSION},
            "event": {"kind": "event", "category": categories, "type": types, "module": "rustnet",
                      "dataset": f"rustnet.{dataset}"},
            "network": _network(row),
            "source": _end(row, "src"),
            "destination": _end(row, "dst"),
            "observer": self._observer(row),
            "related": present({"ip": _distinct(row["f.src_ip"], row["f.dst_ip"]),
                                "hosts": _distinct(row["f.hostname"])}),
            "labels": present({"flow_id": _text(row["f.flow_id"]), "capture_id": _text(row["f.capture_id"])}),
        }  # fmt: skip
        name = row["f.hostname"]
        if name:
            made["destination"]["domain"] = name
        return made

    def _observer(self, row: Fields) -> Fields:
        """Return this program, the machine that it captured on, and the interface."""
        capture, number = row["f.capture_id"], row["f.interface"]
        interface = present({"id": _text(number), "name": self._interfaces.get((capture, number))})
        return present({
            "product": "rustnet", "version": __version__, "type": "sensor", "hostname": self._machines.get(capture),
            "ingress": present({"interface": interface}),
        })  # fmt: skip


def _text(number: int | None) -> str | None:
    return None if number is None else str(number)


def _distinct(*values: str | None) -> list[str]:
    return list(dict.fromkeys(value for value in values if value))


def _end(row: Fields, side: str) -> Fields:
    """One end of a flow: addresses, port, place and autonomous system."""
    ip = row[f"f.{side}_ip"]
    return present({
        "address": ip,
        "ip": ip if is_address(ip) else None,
        "port": row[f"f.{side}_port"],
        "mac": hardware(row[f"f.{side}_mac"]),
        "geo": present({"country_iso_code": row[f"f.{side}_country"], "city_name": row[f"f.{side}_city"]}),
        "as": present({
            "number": row[f"f.{side}_asn"], "organization": present({"name": row[f"f.{side}_as_name"]}),
        }),
    })  # fmt: skip


def _network(row: Fields) -> Fields:
    """Protocols, VLANs, direction and Community ID."""
    protocol, ip = row["f.protocol"], row["f.src_ip"] or row["f.dst_ip"]
    inner, outer = row["f.vlan_id"], row["f.outer_vlan_id"]
    tags = [str(tag) for tag in (outer, inner) if tag is not None]
    transport = number = kind = None
    if protocol in TRANSPORTS:
        transport, number = _TRANSPORT_NAMES.get(protocol, protocol), str(TRANSPORTS[protocol])
        kind = None if ip is None else "ipv6" if ":" in ip else "ipv4"
    elif protocol is not None and protocol.startswith("ip_proto_"):
        number = protocol.removeprefix("ip_proto_")
        kind = None if ip is None else "ipv6" if ":" in ip else "ipv4"
    else:
        kind = protocol
    direction = row["f.direction"]
    app = row["f.app"] if row["f.app_source"] != "port" and row["f.app"] != protocol else None
    return present({
        "transport": transport,
        "iana_number": number,
        "type": kind,
        "protocol": app,
        "direction": direction if direction in _DIRECTIONS else None if direction is None else "unknown",
        "community_id": row["f.community_id"],
        "vlan": present({"id": tags[0]}) if tags else None,
        "inner": {"vlan": {"id": tags[1]}} if len(tags) > 1 else None,
    })  # fmt: skip


def nanoseconds(ms: Any) -> int | None:
    """Duration in nanoseconds of one in milliseconds."""
    return None if ms is None else round(ms * 1_000_000)
