"""The protocol hierarchy of sessions against tshark's (`-z io,phs`) and against rows checked by eye."""

import shutil
from pathlib import Path

import pytest

from benchmarks.hierarchy import Comparison, compare, session_tree, tshark_tree
from rustnet.query import catalogue
from rustnet.query.session import open_session
from tests.engine import decode_cases, tunnel_cases
from tests.support.packets import ETHERNET, SECOND, arp_frame, ethernet, ip, udp, udp_frame
from tests.support.paths import CORPUS, SAMPLES
from tests.support.pcap import write_pcap
from tests.support.sessions import replay

needs_tshark = pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed")

SAMPLE_FILES = sorted(
    p.name for p in SAMPLES.iterdir() if p.suffix in (".pcap", ".pcapng") and p.name != "damaged.pcap"
)
PUBLIC = (
    "ndpi/6in4tunnel.pcap", "ndpi/4in6tunnel.pcap", "ndpi/teredo.pcap", "ndpi/dns_fragmented.pcap", "ndpi/tor.pcap",
    "ndpi/instagram.pcap", "ndpi/dos_win98_smb_netbeui.pcap", "ndpi/opc-ua.pcap", "ndpi/sctp.cap", "ndpi/pim.pcap",
    "ndpi/http_ipv6.pcap", "ndpi/alexa-app.pcapng", "ndpi/dns2tcp_tunnel.pcap", "ndpi/stun_wa_call.pcapng",
    "ptcpdump/icmp.pcapng", "ptcpdump/arp.pcapng", "ptcpdump/test_loopback.pcap", "scapy/pfcp.pcap",
)  # fmt: skip
"""Captures of Ethernet, cooked, loopback and raw frames with tags, tunnels, fragments and LLC."""

UNKNOWN_LAYERS = frozenset((
    "vlan with llc", "mpls", "mpls ipv6", "mpls pseudowire", "pppoe", "pppoe ipv6", "802.3 snap", "ppp mpls",
    "gre pptp", "ppi", "ppi ethernet", "pktap v1, 258", "authentication header around ipip", "ah", "ah with esp",
))  # fmt: skip
"""Frames with headers between those that a flow names (docs/statistics.md lists them)."""
OTHER_NAMES = frozenset((
    "null family 10", "cisco hdlc in ppp", "nflog", "nflog big-endian", "pktap v1", "pktap v2", "gre ethernet",
    "geneve", "unassigned", "6in6",
))  # fmt: skip
"""Frames that tshark does not read so, or calls otherwise; bridged frames with the outer frame's addresses; and a
conversation whose first packet came through another tunnel."""
CASES = [
    case
    for cases in (decode_cases.ethernet_cases(), decode_cases.link_cases(), decode_cases.wireless_cases(),
                  decode_cases.tunnel_cases(), decode_cases.network_cases(), decode_cases.protocol_cases())
    for case in cases
    if case.name not in UNKNOWN_LAYERS | OTHER_NAMES
]  # fmt: skip


def compared(capture: Path, scratch: Path) -> Comparison:
    session = scratch / "session.duckdb"
    replay(session, capture).con.close()
    return compare(tshark_tree(capture), session_tree(session))


def rows(session: Path) -> list[tuple[str, int, int, int, bool]]:
    """Layers, frames, bytes, frames that end there, and whether the layer is a guess."""
    with open_session(str(session)) as reader:
        result = catalogue.find("protocol-hierarchy").execute(reader)
    at = [result.columns.index(name) for name in ("layers", "frames", "bytes", "frames_end", "guessed")]
    return [(row[at[0]], row[at[1]], row[at[2]], row[at[3]], row[at[4]]) for row in result.rows]


@needs_tshark
@pytest.mark.parametrize("name", SAMPLE_FILES)
def test_samples_have_the_layers_that_tshark_sees(name: str, tmp_path: Path) -> None:
    assert compared(SAMPLES / name, tmp_path).different_up_to_transport() == []


@needs_tshark
@pytest.mark.corpus
@pytest.mark.skipif(not CORPUS.is_dir(), reason="no public captures")
@pytest.mark.parametrize("name", PUBLIC)
def test_public_captures_have_the_layers_that_tshark_sees(name: str, tmp_path: Path) -> None:
    assert compared(CORPUS / name, tmp_path).different_up_to_transport() == []


@needs_tshark
@pytest.mark.parametrize("link", sorted({case.link for case in CASES}))
def test_every_kind_of_frame_has_the_layers_that_tshark_sees(link: int, tmp_path: Path) -> None:
    frames = [case.data for case in CASES if case.link == link]
    capture = write_pcap(tmp_path / "frames.pcap", frames, link, step=SECOND)
    assert compared(capture, tmp_path).different_up_to_transport() == []


@needs_tshark
@pytest.mark.parametrize("name", [
    "gre wccp version 1", "gre in udp", "eoip frame", "geneve arp", "lisp ipv4", "lisp ipv6", "ayiya to server",
    "pim register",
])  # fmt: skip
def test_tunnels_have_the_layers_that_tshark_sees(name: str, tmp_path: Path) -> None:
    (case,) = (case for case in tunnel_cases.TUNNELS if case.name == name)
    capture = write_pcap(tmp_path / "frame.pcap", [case.data], ETHERNET)
    assert compared(capture, tmp_path).different_up_to_transport() == []


@pytest.mark.parametrize(("name", "around"), [
    ("mpls in udp", "ip:udp:mpls"), ("mpls in ip", "ip:mpls"), ("vxlan-gpe ipv4", "ip:udp:vxlan-gpe"),
    ("l2tpv3 in udp", "ip:udp:l2tpv3:eth"),
    ("l2tpv3 after 4 bytes", "ip:l2tp:eth"), ("aruba wireless", "ip:gre"), ("tzsp ethernet", "ip:udp:tzsp"),
])  # fmt: skip
def test_layers_of_tunnels_that_tshark_calls_otherwise(name: str, around: str, tmp_path: Path) -> None:
    (case,) = (case for case in tunnel_cases.TUNNELS if case.name == name)
    replay(tmp_path / "s.duckdb", write_pcap(tmp_path / "x.pcap", [case.data], ETHERNET)).con.close()
    assert f"eth:{around}:ip:tcp:http" in [layers for layers, *_ in rows(tmp_path / "s.duckdb")]


def test_a_sample_row_by_row(tmp_path: Path) -> None:
    replay(tmp_path / "s.duckdb", SAMPLES / "dns.pcap").con.close()
    assert rows(tmp_path / "s.duckdb") == [
        ("eth", 86, 21364, 0, False),
        ("eth:ip", 72, 16686, 0, False),
        ("eth:ip:tcp", 40, 10202, 29, False),
        ("eth:ip:tcp:dns", 11, 8240, 11, False),
        ("eth:ip:udp", 30, 3456, 0, False),
        ("eth:ip:udp:dns", 30, 3456, 30, False),
        ("eth:ip:fragment", 2, 3028, 2, False),
        ("eth:ipv6", 12, 4594, 0, False),
        ("eth:ipv6:icmpv6", 6, 612, 6, False),
        ("eth:ipv6:udp", 4, 1394, 0, False),
        ("eth:ipv6:udp:dns", 4, 1394, 4, False),
        ("eth:ipv6:fragment", 2, 2588, 2, False),
        ("eth:arp", 2, 84, 2, False),
    ]


def test_what_is_guessed_unrecognised_tagged_one_way_or_unreadable(tmp_path: Path) -> None:
    client, server = ("10.1.1.1", 40_000), ("10.1.1.2", 2_222)
    odd = bytes(range(64))
    tag = ethernet(ip(server[0], client[0], 17, udp(server[1], client[1], odd)), vlans=(7,))
    frames = [
        udp_frame(client, server, odd),
        tag,  # the answer is tagged, the question is not
        udp_frame(client, ("10.1.1.2", 443), odd),
        udp_frame(client, server),  # no payload
        arp_frame("10.1.1.1", "10.1.1.9"),
        ethernet(b"\x45\0", 0x0800),
    ]
    replay(tmp_path / "s.duckdb", write_pcap(tmp_path / "x.pcap", frames, ETHERNET)).con.close()
    assert [(layers, count, end, guess) for layers, count, _, end, guess in rows(tmp_path / "s.duckdb")] == [
        ("eth", 6, 0, False),
        ("eth:ip", 3, 0, False),
        ("eth:ip:udp", 3, 1, False),
        ("eth:ip:udp:data", 1, 1, False),
        ("eth:ip:udp:quic", 1, 1, True),
        ("eth:arp", 1, 1, False),
        ("eth:undecoded", 1, 1, False),
        ("eth:vlan", 1, 0, False),
        ("eth:vlan:ip", 1, 0, False),
        ("eth:vlan:ip:udp", 1, 0, False),
        ("eth:vlan:ip:udp:data", 1, 1, False),
    ]
