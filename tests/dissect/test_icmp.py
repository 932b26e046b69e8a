from pathlib import Path

import pytest

from rustnet.dissect.framework.conversation import NO, YES, DissectError
from rustnet.dissect.framework.repeated import MAX_MESSAGES, MAX_SUBJECTS
from rustnet.dissect.icmp import ICMP, MAX_ECHOES, Icmp, quoted
from rustnet.dissect.icmpv6 import ICMPV6, domains
from tests.dissect import samples_layer2 as s
from tests.dissect.harness import CLIENT, SERVER, Flow, parsed, rows
from tests.dissect.samples_layer2 import ping, said
from tests.support.packets import SECOND, ethernet, ip, ip_frame, padded, udp_frame
from tests.support.pcap import write_pcap
from tests.support.sessions import replay

A, B = "192.0.2.1", "198.51.100.2"


def test_echoes_are_matched() -> None:
    talk = (
        (CLIENT, ping(8, 1)),
        (CLIENT, ping(8, 2)),
        (SERVER, ping(0, 2)),
        (SERVER, ping(0, 1)),
        (SERVER, ping(0, 1)),
    )
    found = rows(Icmp, ICMP, *talk, transport="icmp")
    assert [(r.message, r.icmp_id, r.icmp_seq, r.rtt_ms) for r in found] == [
        ("echo_request", 77, 1, None), ("echo_request", 77, 2, None), ("echo_reply", 77, 2, 1.0),
        ("echo_reply", 77, 1, 3.0), ("echo_reply", 77, 1, None),
    ]  # fmt: skip
    assert found[0].data_bytes == 8


def test_an_echo_is_not_answered_by_its_own_sender() -> None:
    _, reply = rows(Icmp, ICMP, (CLIENT, ping(8, 1)), (CLIENT, ping(0, 1)), transport="icmp")
    assert reply.rtt_ms is None


def test_other_requests_are_matched_by_type() -> None:
    asks, answers = rows(Icmp, ICMP, (CLIENT, s.STAMP_REQUEST), (SERVER, s.STAMP_REPLY), transport="icmp")
    assert (asks.message, answers.message, answers.rtt_ms, answers.data_bytes) == (
        "timestamp_request",
        "timestamp_reply",
        1.0,
        None,
    )


def test_a_flood_of_echoes_is_read_at_its_beginning_only() -> None:
    flow = Flow(ICMP, "icmp")
    for i in range(MAX_ECHOES):
        assert not flow.talk.finished
        flow.datagram(ping(8, i))
    assert flow.talk.finished
    assert len(flow.rows) == MAX_ECHOES
    assert flow.sink.anomalies == []


def test_errors_say_what_they_quote() -> None:
    unreachable, large, redirect, expired, bad, routers = rows(
        Icmp,
        ICMP,
        *said(s.PORT_UNREACHABLE, s.TOO_LARGE, s.REDIRECT, s.TIME_EXCEEDED, s.BAD_PARAMETER, s.ROUTERS),
        transport="icmp",
    )
    assert (unreachable.reason, unreachable.quoted_protocol, unreachable.quoted_icmp_id) == (
        "port_unreachable",
        "udp",
        None,
    )
    assert (unreachable.quoted_src_ip, unreachable.quoted_src_port) == (A, 40000)
    assert (unreachable.quoted_dst_ip, unreachable.quoted_dst_port) == (B, 53)
    assert (large.reason, large.mtu) == ("fragmentation_needed", 1400)
    assert (redirect.reason, redirect.gateway) == ("host", "192.0.2.254")
    assert (expired.reason, expired.quoted_protocol, expired.quoted_icmp_id) == ("ttl_exceeded", "icmp", 77)
    assert (bad.reason, bad.pointer) == ("pointer", 20)
    assert (routers.routers, routers.lifetime, routers.quoted_protocol) == (["192.0.2.1", "192.0.2.2"], 1800, None)


def test_errors_about_one_conversation_have_one_row() -> None:
    later = bytearray(s.PORT_UNREACHABLE)
    later[12:14] = b"\0\x09"  # the quoted packet's identification
    assert len(rows(Icmp, ICMP, *said(s.PORT_UNREACHABLE, bytes(later)), transport="icmp")) == 1
    later[31] = 54  # another port
    assert len(rows(Icmp, ICMP, *said(s.PORT_UNREACHABLE, bytes(later)), transport="icmp")) == 2


def test_many_errors_are_bounded() -> None:
    flow = Flow(ICMP, "icmp")
    message = bytearray(s.PORT_UNREACHABLE)
    for i in range(MAX_MESSAGES):
        if flow.talk.finished:
            break
        message[28:30] = (i % (MAX_SUBJECTS * 2)).to_bytes(2, "big")
        flow.datagram(bytes(message))
    assert flow.talk.finished
    assert len(flow.rows) == 10_000
    assert [kind for kind, _ in flow.sink.anomalies] == ["many_messages"]


def test_repetitions_are_looked_at_for_a_while_only() -> None:
    flow = Flow(ICMP, "icmp")
    for _ in range(MAX_MESSAGES):
        flow.datagram(s.PORT_UNREACHABLE)
    assert flow.talk.finished
    assert len(flow.rows) == 1
    assert [kind for kind, _ in flow.sink.anomalies] == ["many_messages"]


@pytest.mark.parametrize("size", [20, 24, 27])
def test_quotes_may_be_cut_off(size: int) -> None:
    about = quoted(s.QUOTED_UDP[:size], 0)
    assert about is not None
    assert (about.src, about.dst, about.src_port) == (A, B, 40000 if size >= 24 else None)


def test_what_is_no_quote() -> None:
    assert quoted(b"", 0) is None
    assert quoted(s.QUOTED_UDP[:19], 0) is None
    assert quoted(s.QUOTED6[:39], 0) is None
    assert quoted(b"\x44" + s.QUOTED_UDP[1:], 0) is None


def test_later_fragments_have_no_ports() -> None:
    about = quoted(ip(A, B, 17, bytes(8), ident=7, offset=0x80, more=True), 0)
    assert about is not None
    assert (about.protocol, about.src_port) == (17, None)
    first, later = quoted(s.QUOTED6_FRAGMENT, 0), quoted(s.QUOTED6_LATER, 0)
    assert first is not None
    assert later is not None
    assert (first.protocol, first.src_port, first.dst_port) == (17, 40000, 53)
    assert (later.protocol, later.src_port) == (17, None)


def test_short_messages() -> None:
    for dissector in (ICMP, ICMPV6):
        with pytest.raises(DissectError):
            parsed(dissector, said(b"\x08\0\0\0\0\0\0"), "icmp")


@pytest.mark.parametrize(
    ("message", "verdict"),
    [
        (ping(8, 1), YES),
        (b"\x08\1" + bytes(6), NO),
        (b"\x03\x10" + bytes(6), NO),
        (b"\xa5" + bytes(7), NO),
        (b"\3\3\0", NO),
    ],
)
def test_probe(message: bytes, verdict: int) -> None:
    assert Flow(ICMP, "icmp").probe(message) == verdict


# ---- version 6 ---------------------------------------------------------------------------------------------------


def test_neighbours() -> None:
    asks, answers, router = rows(
        Icmp, ICMPV6, *said(s.SOLICITATION, s.ADVERTISEMENT, s.ROUTER_ADVERTISEMENT), transport="icmpv6"
    )
    assert (asks.message, asks.target, asks.source_mac) == ("neighbor_solicitation", "2001:db8::2", "02:00:00:00:00:01")
    assert (answers.target_mac, answers.router, answers.solicited, answers.override) == (
        "02:00:00:00:00:02",
        False,
        True,
        True,
    )
    assert (router.hop_limit, router.managed, router.other_config, router.lifetime, router.mtu) == (
        64,
        True,
        True,
        1800,
        1500,
    )
    assert (router.prefixes, router.dns_servers) == (["2001:db8::/64"], ["2001:db8::1", "2001:db8::2"])
    assert router.search_domains == ["example.org", "lab"]


def test_redirect_and_errors() -> None:
    redirect, big, later = rows(Icmp, ICMPV6, *said(s.REDIRECT6, s.TOO_BIG6, s.EXPIRED6), transport="icmpv6")
    assert (redirect.gateway, redirect.target, redirect.target_mac) == (
        "2001:db8::1",
        "2001:db8::2",
        "02:00:00:00:00:02",
    )
    assert (redirect.quoted_protocol, redirect.quoted_dst_port) == ("udp", 53)
    assert (big.message, big.mtu, big.reason, big.quoted_src_port) == ("packet_too_big", 1280, None, 40000)
    assert (later.reason, later.quoted_protocol, later.quoted_src_port) == ("ttl_exceeded", "udp", None)


def test_listeners() -> None:
    first, second, report = rows(
        Icmp, ICMPV6, *said(s.LISTENER_QUERY_1, s.LISTENER_QUERY_2, s.LISTENER_REPORT_2), transport="icmpv6"
    )
    assert (first.groups, first.max_response_ms) == (["::"], 10_000.0)
    assert (second.groups, second.max_response_ms) == (["ff02::fb"], 65_792.0)
    assert report.groups == ["ff02::fb", "ff02::fc"]


@pytest.mark.parametrize(
    ("raw", "found"),
    [(b"\1a\0\1b\1c\0\0\0", ["a", "b.c"]), (b"\1a", []), (b"\x05ab", []), (b"", []), (b"\xc0\0\1a\0", [])],
)
def test_search_lists(raw: bytes, found: list[str]) -> None:
    assert domains(raw) == found


# ---- through the engine ------------------------------------------------------------------------------------------


def icmp_frame(src: str, dst: str, message: bytes) -> bytes:
    return padded(ip_frame(src, dst, 58 if ":" in src else 1, message))


def unreachable(port: int, reply_port: int = 53) -> bytes:
    quote = s.QUOTED_UDP[:20] + port.to_bytes(2, "big") + reply_port.to_bytes(2, "big") + bytes(4)
    return icmp_frame(B, A, s.summed(b"\3\3", bytes(4) + quote))


def test_errors_find_their_flow(tmp_path: Path) -> None:
    frames = [
        udp_frame((A, 40000), (B, 53)), unreachable(40000), unreachable(40001),
        udp_frame((B, 4444), (A, 5555)),  # the quoted packet was its answer
        udp_frame((A, 5555), (B, 4444)), unreachable(5555, 4444),
    ]  # fmt: skip
    con = replay(tmp_path / "s.duckdb", write_pcap(tmp_path / "a.pcap", frames))
    found = con.ask("""SELECT i.packet, f.src_port, f.first_packet FROM icmp i LEFT JOIN flows f
        ON i.about_flow_id = f.flow_id ORDER BY 1""")  # fmt: skip
    assert found == [(2, 40000, 1), (3, None, None), (6, 4444, 4)]
    assert con.ask("SELECT app, app_source FROM flows WHERE protocol = 'icmp'") == [("icmp", "payload")]


def test_an_error_is_about_the_flow_before_it(tmp_path: Path) -> None:
    # Two conversations of the same ends with an hour between them, and an error behind each.
    frames = [
        udp_frame((A, 40000), (B, 53)),
        unreachable(40000),
        udp_frame((A, 40000), (B, 53)),
        unreachable(40000),
        udp_frame((A, 40000), (B, 53)),
    ]
    con = replay(tmp_path / "s.duckdb", write_pcap(tmp_path / "a.pcap", frames, step=3_600 * SECOND))
    found = con.ask(
        "SELECT i.packet, f.first_packet FROM icmp i JOIN flows f ON i.about_flow_id = f.flow_id ORDER BY 1"
    )
    assert found == [(2, 1), (4, 3)]


def test_an_error_is_about_the_flow_of_its_vlan(tmp_path: Path) -> None:
    def tagged(frame: bytes, vlan: int) -> bytes:
        return ethernet(frame[14:], vlans=(vlan,))

    query, error = udp_frame((A, 40000), (B, 53)), unreachable(40000)
    frames = [tagged(query, 5), tagged(query, 6), tagged(error, 5), error]
    con = replay(tmp_path / "s.duckdb", write_pcap(tmp_path / "a.pcap", frames))
    found = con.ask(
        "SELECT i.packet, f.vlan_id FROM icmp i LEFT JOIN flows f ON i.about_flow_id = f.flow_id ORDER BY 1"
    )
    assert found == [(3, 5), (4, 6)]  # untagged, the latest is as good as any


def test_quoted_pings_and_version_6(tmp_path: Path) -> None:
    frames = [
        icmp_frame(A, B, ping(8, 3)), icmp_frame("203.0.113.9", A, s.TIME_EXCEEDED),
        ip_frame(s.A6, s.B6, 17, s.QUOTED6[40:]), icmp_frame(s.B6, s.A6, s.UNREACHABLE6),
    ]  # fmt: skip
    con = replay(tmp_path / "s.duckdb", write_pcap(tmp_path / "a.pcap", frames))
    found = con.ask(
        "SELECT i.packet, f.first_packet FROM icmp i JOIN flows f ON i.about_flow_id = f.flow_id ORDER BY 1"
    )
    assert found == [(2, 1), (4, 3)]
    assert {app for (app,) in con.ask("SELECT app FROM flows WHERE protocol = 'icmpv6'")} == {"icmpv6"}


def test_echoes_without_data_and_cut_off_headers(tmp_path: Path) -> None:
    empty, reply, cut = ping(8, 1, data=b""), ping(0, 1, data=b""), ping(8, 2)
    frames = [icmp_frame(A, B, empty), icmp_frame(B, A, reply), icmp_frame(A, B, cut)[: 34 + 7]]
    con = replay(tmp_path / "s.duckdb", write_pcap(tmp_path / "a.pcap", frames))
    assert con.ask("SELECT packet, icmp_seq, rtt_ms, data_bytes FROM icmp ORDER BY 1") == [
        (1, 1, None, 0),
        (2, 1, 1.0, 0),
    ]
    assert con.ask("SELECT sum(src_packets + dst_packets)::INT FROM flows") == [(3,)]
