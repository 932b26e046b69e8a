"""What all events have in common: time, ends, network, observer, and what they are related to."""

import datetime as dt
import functools
import re
from typing import Any

from rustnet import __version__
from rustnet.export.formats import COMPACT, dumps
from rustnet.export.timeline import Fields, present
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
CACHED = 4096
"""Values of a kind that are kept because they repeat."""
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_ADDRESS = re.compile(r"[0-9A-Fa-f.:]+")


@functools.lru_cache(maxsize=4096)
def _second(seconds: int) -> str:
    return f"{_EPOCH + dt.timedelta(seconds=seconds):%Y-%m-%dT%H:%M:%S}"


def moment(ns: int) -> str:
    """Time with all digits of nanoseconds."""
    seconds, rest = divmod(ns, 1_000_000_000)
    return f"{_second(seconds)}.{rest:09d}Z"


@functools.lru_cache(maxsize=CACHED)
def is_address(text: str | None) -> bool:
    """Whether a text can be an IP address, as fields of that type need."""
    return text is not None and ("." in text or ":" in text) and _ADDRESS.fullmatch(text) is not None


@functools.lru_cache(maxsize=CACHED)
def hardware(mac: str) -> str:
    """Hardware address in the form of RFC 7042."""
    return mac.replace(":", "-").upper()


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
        self._observer = functools.lru_cache(maxsize=CACHED)(self._make_observer)

    def event(self, row: Fields, dataset: str, categories: list[str], types: list[str]) -> Fields:
        """Return the common fields of a row with the columns `FLOW_COLUMNS` of its flow."""
        source, destination = _end(row, *_SOURCE), _end(row, *_DESTINATION)
        name = row["f.hostname"]
        related: Fields = {}
        addresses = _distinct(row["f.src_ip"], row["f.dst_ip"])
        if addresses:
            related["ip"] = addresses
        if name:
            destination["domain"] = name
            related["hosts"] = [name]
        return {
            "@timestamp": moment(row["moment"]),
            "ecs": {"version": ECS_VERSION},
            "event": {
                "kind": "event",
                "category": categories,
                "type": types,
                "module": "rustnet",
                "dataset": f"rustnet.{dataset}",
            },
            "network": _network(row),
            "source": source,
            "destination": destination,
            "observer": self._observer(row["f.capture_id"], row["f.interface"]),
            "related": related,
            "labels": {
                name: str(row[f"f.{name}"]) for name in ("flow_id", "capture_id") if row[f"f.{name}"] is not None
            },
        }

    def _make_observer(self, capture: int, number: int) -> Fields:
        """Return this program, the machine that it captured on, and the interface."""
        name = self._interfaces.get((capture, number))
        interface = present({"id": None if number is None else str(number), "name": name})
        return present({
            "product": "rustnet", "version": __version__, "type": "sensor", "hostname": self._machines.get(capture),
            "ingress": present({"interface": interface}),
        })  # fmt: skip


def _distinct(one: str | None, other: str | None) -> list[str]:
    if one and other and one != other:
        return [one, other]
    return [one or other or ""] if one or other else []


_SOURCE, _DESTINATION = (
    tuple(f"f.{side}_{name}" for name in ("ip", "port", "mac", "country", "city", "asn", "as_name"))
    for side in ("src", "dst")
)


def _end(row: Fields, ip: str, port: str, mac: str, country: str, city: str, asn: str, as_name: str) -> Fields:
    """One end of a flow: addresses, port, place and autonomous system."""
    end: Fields = {}
    address = row[ip]
    if address:
        end["address"] = address
        if is_address(address):
            end["ip"] = address
    if row[port] is not None:
        end["port"] = row[port]
    if row[mac]:
        end["mac"] = hardware(row[mac])
    if row[country] or row[city]:
        end["geo"] = present({"country_iso_code": row[country], "city_name": row[city]})
    if row[asn] is not None or row[as_name]:
        end["as"] = present({"number": row[asn], "organization": present({"name": row[as_name]})})
    return end


def _network(row: Fields) -> Fields:
    """Protocols, VLANs, direction and Community ID."""
    ip = row["f.src_ip"] or row["f.dst_ip"]
    made = dict(
        _described(row["f.protocol"], None if ip is None else "ipv6" if ":" in ip else "ipv4", row["f.direction"],
                   row["f.vlan_id"], row["f.outer_vlan_id"])
    )  # fmt: skip
    app = row["f.app"]
    if app and row["f.app_source"] != "port" and app != row["f.protocol"]:
        made["protocol"] = app
    if row["f.community_id"]:
        made["community_id"] = row["f.community_id"]
    return made


@functools.lru_cache(maxsize=CACHED)
def _described(
    protocol: str | None, family: str | None, direction: str | None, inner: int | None, outer: int | None
) -> Fields:
    """Return what few values of a flow decide."""
    tags = [str(tag) for tag in (outer, inner) if tag is not None]
    transport = number = None
    kind = protocol
    if protocol in TRANSPORTS:
        transport, number, kind = _TRANSPORT_NAMES.get(protocol, protocol), str(TRANSPORTS[protocol]), family
    elif protocol is not None and protocol.startswith("ip_proto_"):
        number, kind = protocol.removeprefix("ip_proto_"), family
    return present({
        "transport": transport,
        "iana_number": number,
        "type": kind,
        "direction": direction if direction in _DIRECTIONS else None if direction is None else "unknown",
        "vlan": {"id": tags[0]} if tags else None,
        "inner": {"vlan": {"id": tags[1]}} if len(tags) > 1 else None,
    })  # fmt: skip


def line(made: Fields) -> str:
    """JSON of an event; objects that turned out empty are left out."""
    for name in ("network", "source", "destination", "related", "labels"):
        if not made[name]:
            del made[name]
    return dumps(made, COMPACT)


def nanoseconds(ms: Any) -> int | None:
    """Duration in nanoseconds of one in milliseconds."""
    return None if ms is None else round(ms * 1_000_000)
