"""Every field of the protocols without ports against what tshark reads in the same frames."""

import functools
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.dissect import samples_layer2 as s
from tests.support.packets import (
    CHDLC,
    CISCO_SNAP,
    COOKED,
    COOKED2,
    ETHERNET,
    MAC_A,
    MAC_B,
    MAC_C,
    NEAREST,
    PPP,
    PVST_GROUP,
    SLOW,
    TYPE_ARP,
    TYPE_LLDP,
    arp,
    bridge,
    cooked,
    cooked2,
    ethernet,
    ip_frame,
    padded,
    snap,
)
from tests.support.paths import CORPUS
from tests.support.pcap import write_pcap
from tests.support.sessions import ReplayedSession, replay

pytestmark = pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed")

PUBLIC = (
    "ndpi/gnutella.pcap", "ndpi/6in4tunnel.pcap", "ndpi/instagram.pcap", "ndpi/nintendo.pcap", "ndpi/tor.pcap",
    "ndpi/alexa-app.pcapng", "ptcpdump/icmp.pcapng",
)  # fmt: skip
A4, B4 = "192.0.2.1", "198.51.100.2"
ALERT = b"\x94\4\0\0"

V4 = [
    s.ping(8, 1), s.ping(0, 1), s.ping(8, 2, data=b""), s.PORT_UNREACHABLE, s.TOO_LARGE, s.REDIRECT, s.TIME_EXCEEDED,
    s.BAD_PARAMETER, s.ROUTERS, s.STAMP_REQUEST, s.STAMP_REPLY,
]  # fmt: skip
V6 = [
    s.ping(128, 1), s.ping(129, 1), s.UNREACHABLE6, s.TOO_BIG6, s.EXPIRED6, s.PARAMETER6, s.SOLICITATION,
    s.ADVERTISEMENT, s.ROUTER_SOLICITATION, s.ROUTER_ADVERTISEMENT, s.REDIRECT6, s.LISTENER_QUERY_1,
    s.LISTENER_QUERY_2, s.LISTENER_REPORT_1, s.LISTENER_DONE, s.LISTENER_REPORT_2,
]  # fmt: skip
BPDUS = [s.STP_CONFIGURATION, s.STP_NOTIFICATION, s.RSTP, s.MSTP]
GROUPS = [
    s.IGMP_QUERY_1,
    s.IGMP_QUERY_2,
    s.IGMP_REPORT_1,
    s.IGMP_REPORT_2,
    s.IGMP_LEAVE,
    s.IGMP_QUERY_3,
    s.IGMP_REPORT_3,
]
ARPS = [
    arp(1, "192.0.2.1", "192.0.2.2"), arp(2, "192.0.2.2", "192.0.2.1", MAC_B, MAC_A),
    arp(1, "0.0.0.0", "192.0.2.3"), arp(1, "192.0.2.3", "192.0.2.3"), arp(2, "192.0.2.9", "192.0.2.9"),
    arp(2, "192.0.2.2", "192.0.2.1", MAC_C, MAC_A), arp(8, "192.0.2.1", "192.0.2.2"),
]  # fmt: skip

FRAMES: dict[int, list[bytes]] = {
    ETHERNET: [
        *(padded(ethernet(m, TYPE_LLDP, dst=NEAREST)) for m in (s.LLDP_SWITCH, s.LLDP_PHONE, s.LLDP_BYE)),
        padded(ethernet(s.LLDP_SWITCH, TYPE_LLDP, (5,), dst=NEAREST)),
        *(snap(0x2000, m) for m in (s.CDP_SWITCH, s.CDP_PHONE, s.CDP_OLD)),
        snap(0x2000, s.CDP_SWITCH, vlans=(7,)),
        *(bridge(m) for m in BPDUS),
        snap(0x010B, s.PVST, PVST_GROUP),
        snap(0x010B, s.RAPID_PVST, PVST_GROUP, vlans=(300,)),
        *(padded(ethernet(m, 0x8809, dst=SLOW)) for m in (s.lacp(0x3D), s.lacp(0x45, bytes(6)))),
        *(padded(ethernet(m, TYPE_ARP)) for m in ARPS),
        padded(ethernet(arp(1, "10.0.0.1", "10.0.0.2"), TYPE_ARP, (3, 4))),
        *(padded(ip_frame(A4, "224.0.0.22", 2, m, options=ALERT)) for m in GROUPS),
        *(padded(ip_frame(A4, B4, 1, m)) for m in V4),
        *(padded(ip_frame(s.A6, s.B6, 58, m, ttl=255)) for m in V6),
    ],
    COOKED: [
        cooked(0x88CC, s.LLDP_PHONE), cooked(0x0806, ARPS[0]),
        cooked(4, b"\x42\x42\3" + s.RSTP), cooked(4, CISCO_SNAP + b"\x20\0" + s.CDP_OLD),
    ],
    COOKED2: [cooked2(0x88CC, s.LLDP_SWITCH), cooked2(0x0806, ARPS[1])],
    CHDLC: [b"\x8f\0\x20\0" + s.CDP_SWITCH],
    PPP: [b"\xff\x03\x02\x07" + s.CDP_OLD],
}  # fmt: skip

Show = Callable[[Any], str]
Fields = dict[str, tuple[str, Show]]


def joined(value: Any) -> str:
    return "|".join(map(str, value))


def number(value: Any) -> str:
    return str(int(value))


def seconds(value: Any) -> str:
    return f"{value:g}"


def flag(value: Any) -> str:
    return "1" if value else "0"


def names(value: Any) -> str:
    return "|".join(v.partition(" ")[2] for v in value)


ARP: Fields = {
    "sender_mac": ("arp.src.hw_mac", str), "sender_ip": ("arp.src.proto_ipv4", str),
    "target_mac": ("arp.dst.hw_mac", str), "target_ip": ("arp.dst.proto_ipv4", str),
    "hardware_type": ("arp.hw.type", number), "gratuitous": ("arp.isgratuitous", flag),
    "probe": ("arp.isprobe", flag), "announcement": ("arp.isannouncement", flag),
}  # fmt: skip
LLDP: Fields = {
    "chassis_id": ("lldp.chassis.id.mac,lldp.chassis.id.ip4", str),
    "port_id": ("lldp.port.id.mac,lldp.port.id", str), "ttl": ("lldp.time_to_live", number),
    "system_name": ("lldp.tlv.system.name", str), "port_description": ("lldp.port.desc", str),
    "management_addresses": ("lldp.mgn.addr.ip4,lldp.mgn.addr.ip6", joined),
    "port_vlan": ("lldp.ieee.802_1.port_vlan.id", number), "vlans": ("lldp.ieee.802_1.vlan.name", names),
    "max_frame": ("lldp.ieee.802_3.max_frame_size", number), "voice_vlan": ("lldp.media.vlan_id", number),
    "manufacturer": ("lldp.media.manufacturer", str), "model": ("lldp.media.model", str),
    "serial_number": ("lldp.media.sn", str), "hardware_revision": ("lldp.media.hardware", str),
    "firmware_revision": ("lldp.media.firmware", str), "software_revision": ("lldp.media.software", str),
    "asset": ("lldp.media.asset", str),
}  # fmt: skip
CDP: Fields = {
    "version": ("cdp.version", str), "ttl": ("cdp.ttl", number), "device_id": ("cdp.deviceid", str),
    "port_id": ("cdp.portid", str), "platform": ("cdp.platform", str),
    "software_version": ("cdp.software_version", str),
    "native_vlan": ("cdp.native_vlan", number), "voice_vlan": ("cdp.voice_vlan", number),
    "duplex": ("cdp.duplex", lambda v: flag(v == "full")), "vtp_domain": ("cdp.vtp_management_domain", str),
    "system_name": ("cdp.system_name", str), "location": ("cdp.location", str), "mtu": ("cdp.mtu", number),
    "power_mw": ("cdp.power_consumption", number),
}  # fmt: skip
LACP: Fields = {
    "version": ("lacp.version", lambda v: f"0x{int(v):02x}"),
    "collector_max_delay": ("lacp.collector.max_delay", number),
    **{
        f"{end}_{ours}": (f"lacp.{end}.{theirs}", show)
        for end in ("actor", "partner")
        for ours, theirs, show in (
            ("system", "sysid", str), ("system_priority", "sys_priority", number), ("key", "key", number),
            ("port", "port", number), ("port_priority", "port_priority", number),
        )
    },
}  # fmt: skip
STP: Fields = {
    "root_mac": ("stp.root.hw", str), "root_priority": ("stp.root.prio", number),
    "root_extension": ("stp.root.ext", number), "root_cost": ("stp.root.cost", number),
    "bridge_mac": ("stp.bridge.hw", str), "bridge_priority": ("stp.bridge.prio", number),
    "bridge_extension": ("stp.bridge.ext", number), "stp_port": ("stp.port", lambda v: f"0x{v:04x}"),
    "flags": ("stp.flags", lambda v: f"0x{v:02x}"), "topology_change": ("stp.flags.tc", flag),
    "topology_change_ack": ("stp.flags.tcack", flag), "proposal": ("stp.flags.proposal", flag),
    "agreement": ("stp.flags.agreement", flag), "learning": ("stp.flags.learning", flag),
    "forwarding": ("stp.flags.forwarding", flag), "message_age_s": ("stp.msg_age", seconds),
    "max_age_s": ("stp.max_age", seconds), "hello_time_s": ("stp.hello", seconds),
    "forward_delay_s": ("stp.forward", seconds), "pvst_vlan": ("stp.pvst.origvlan", number),
    "mst_region": ("mstp.config_name", str), "mst_revision": ("mstp.config_revision_level", number),
    "mst_digest": ("mstp.config_digest", str), "mst_internal_cost": ("mstp.cist_internal_root_path_cost", number),
    "mst_bridge_mac": ("mstp.cist_bridge.hw", str), "mst_bridge_priority": ("mstp.cist_bridge.prio", number),
    "mst_hops": ("mstp.cist_remaining_hops", number),
}  # fmt: skip
IGMP: Fields = {
    "version": ("igmp.version", str), "group_ip": ("igmp.maddr", str), "sources": ("igmp.saddr", joined),
    "robustness": ("igmp.qrv", number),
}  # fmt: skip
ICMP: Fields = {
    "icmp_type": ("icmp.type,icmpv6.type", number), "icmp_code": ("icmp.code,icmpv6.code", number),
    "icmp_id": ("icmp.ident,icmpv6.echo.identifier", number),
    "icmp_seq": ("icmp.seq,icmpv6.echo.sequence_number", number),
    "gateway": ("icmp.redir_gw,icmpv6.nd.rd.target_address", str),
    "mtu": ("icmp.mtu,icmpv6.mtu,icmpv6.opt.mtu", number), "pointer": ("icmp.pointer,icmpv6.pointer", number),
    "target": (
        "icmpv6.nd.ns.target_address,icmpv6.nd.na.target_address,icmpv6.rd.na.destination_address", str,
    ),
    "source_mac": ("icmpv6.opt.src_linkaddr", str), "target_mac": ("icmpv6.opt.target_linkaddr", str),
    "hop_limit": ("icmpv6.nd.ra.cur_hop_limit", number), "managed": ("icmpv6.nd.ra.flag.m", flag),
    "other_config": ("icmpv6.nd.ra.flag.o", flag), "router": ("icmpv6.nd.na.flag.r", flag),
    "solicited": ("icmpv6.nd.na.flag.s", flag), "override": ("icmpv6.nd.na.flag.o", flag),
    "lifetime": ("icmp.lifetime,icmpv6.nd.ra.router_lifetime", number), "routers": ("icmp.router_address", joined),
    "prefixes": ("icmpv6.opt.prefix", lambda v: "|".join(p.partition("/")[0] for p in v)),
    "dns_servers": ("icmpv6.opt.rdnss", joined), "search_domains": ("icmpv6.opt.dnssl", joined),
    "groups": ("icmpv6.mld.multicast_address,icmpv6.mldr.mar.multicast_address", joined),
}  # fmt: skip
TABLES: dict[str, tuple[set[str], Fields]] = {
    "arp": ({"arp"}, ARP), "lldp": ({"lldp"}, LLDP), "cdp": ({"cdp"}, CDP), "lacp": ({"lacp"}, LACP),
    "stp": ({"stp"}, STP), "igmp": ({"igmp"}, IGMP), "icmp": ({"icmp", "icmpv6"}, ICMP),
}  # fmt: skip
"""For each table, tshark's protocols, and for each column the fields that say the same."""
QUOTED = {"icmp_id", "icmp_seq"}
"""Fields that tshark also gives for the packet that an error quotes."""
NO_TEXT = {"chassis_id", "port_id"}
"""Identifiers that tshark shows in fields of their own where they are no text and no address."""


@functools.cache
def known_fields() -> frozenset[str]:
    """Fields that the tshark here has; their names differ a little between its versions."""
    done = subprocess.run(["tshark", "-G", "fields"], capture_output=True, text=True, check=True)
    return frozenset(line.split("\t")[2] for line in done.stdout.splitlines() if line.startswith("F\t"))


@functools.cache
def tshark(path: Path) -> dict[int, tuple[set[str], dict[str, str]]]:
    """Protocols and fields of every frame, by number."""
    wanted = {f for _, columns in TABLES.values() for fields, _ in columns.values() for f in fields.split(",")}
    fields = sorted(wanted & known_fields())
    command = ["tshark", "-n", "-r", str(path), "-T", "fields", "-E", "aggregator=|", "-e", "frame.number"]
    for field in ("frame.protocols", *fields):
        command += ["-e", field]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    rows = (line.split("\t") for line in done.stdout.splitlines())
    return {int(row[0]): (set(row[1].split(":")), dict(zip(fields, row[2:], strict=True))) for row in rows}


def same(said: str, shown: str, column: str) -> bool:
    """Whether a value is what tshark says, or a part of that.

    A quoted packet's fields follow those of its quoter, and a report has one row for each group.
    """
    if not said:
        return column in NO_TEXT
    if column == "icmp_id":
        said = "|".join(str(int(part, 0)) for part in said.split("|"))
    if not shown:
        return column == "sources"
    return set(shown.split("|")) <= set(said.split("|"))


def differences(con: ReplayedSession, capture_id: int, path: Path, table: str) -> tuple[int, list[str]]:
    """How many values of a table's rows were compared, and those that tshark reads otherwise."""
    protocols, columns = TABLES[table]
    wrong: list[str] = []
    compared = 0
    rows = con.ask(f"SELECT packet, {', '.join(columns)} FROM {table} WHERE capture_id = {capture_id}")
    for packet, *values in rows:
        seen, given = tshark(path)[packet]
        if not seen & protocols:
            wrong.append(f"{path.name} packet {packet}: tshark sees no {table}")
        for (ours, (theirs, show)), value in zip(columns.items(), values, strict=True):
            said = "|".join(given[f] for f in theirs.split(",") if given.get(f))
            if value is None or not (value or said):
                if said and ours not in QUOTED:
                    wrong.append(f"{path.name} packet {packet}: {ours} is missing, {said!r}")
                continue
            compared += 1
            if not same(said, show(value), ours):
                wrong.append(f"{path.name} packet {packet}: {ours} is {show(value)!r}, {said!r}")
    return compared, wrong


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[ReplayedSession, list[Path]]:
    folder = tmp_path_factory.mktemp("tshark")
    captures = [write_pcap(folder / f"{link}.pcap", frames, link) for link, frames in FRAMES.items()]
    return replay(folder / "s.duckdb", *captures), captures


@pytest.mark.parametrize(
    ("table", "least"),
    [("arp", 50), ("lldp", 50), ("cdp", 60), ("lacp", 22), ("stp", 110), ("igmp", 20), ("icmp", 100)],
)
def test_crafted_frames(made: tuple[ReplayedSession, list[Path]], table: str, least: int) -> None:
    con, captures = made
    total = 0
    for i, path in enumerate(captures):
        compared, wrong = differences(con, i + 1, path, table)
        assert not wrong
        total += compared
        # Every frame that tshark reads as this protocol has a row.
        seen = {number for number, (protocols, _) in tshark(path).items() if protocols & TABLES[table][0]}
        assert seen == {p for (p,) in con.ask(f"SELECT packet FROM {table} WHERE capture_id = {i + 1}")}
    assert total >= least


@pytest.mark.corpus
@pytest.mark.skipif(not CORPUS.exists(), reason="the corpus is not here")
@pytest.mark.parametrize("name", PUBLIC)
def test_public_captures(tmp_path: Path, name: str) -> None:
    path = CORPUS / name
    con = replay(tmp_path / "s.duckdb", path)
    total = 0
    for table in TABLES:
        compared, wrong = differences(con, 1, path, table)
        assert not wrong
        total += compared
    assert total > 5
