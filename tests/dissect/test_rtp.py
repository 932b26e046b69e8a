import struct

import pytest

from rustnet.dissect.framework.conversation import NO, YES, Conversation
from rustnet.dissect.framework.dispatch import Dispatcher
from rustnet.dissect.rtp import MAX_QUIET, RTCP, RTP, Rtcp, Rtp
from rustnet.engine.flow import Flow as EngineFlow
from tests.dissect.harness import CLIENT, SERVER, Flow, ListSink
from tests.dissect.samples_udp_secure import REPORT, RTP_TALK, rtcp, rtp


def through(*said: tuple[bool, bytes]) -> tuple[ListSink, Conversation]:
    """Offer datagrams of a flow on unknown ports to the dispatcher."""
    sink = ListSink()
    dispatcher = Dispatcher((RTCP, RTP), sink, strict=True)
    flow = EngineFlow()
    talk = Conversation(sink, 1, "udp", "192.0.2.1", 40000, "198.51.100.2", 40002)
    flow.talk = talk
    for n, (from_src, data) in enumerate(said, 1):
        dispatcher.datagram(flow, from_src, data, n * 1_000_000, n)
    dispatcher.close(flow)
    return sink, talk


def test_a_call() -> None:
    sink, talk = through(*RTP_TALK)
    first, other, report = sink.rows
    assert talk.app == "rtp"
    assert isinstance(first, Rtp)
    assert (first.ssrc, first.payload_type, first.codec, first.first_sequence) == ("abcdef01", 0, "PCMU", 65534)
    assert (first.from_src, first.media_bytes) == (True, 160)
    assert isinstance(other, Rtp)
    assert (other.ssrc, other.codec, other.from_src) == ("00000022", "PCMA", False)
    assert isinstance(report, Rtcp)
    assert sink.stamps[:2] == [(1_000_000, 1), (2_000_000, 2)]


def test_reports() -> None:
    sink, talk = through((CLIENT, REPORT), (CLIENT, REPORT + rtcp(203, b"\x11\x22\x33\x44\x04done", 1)))
    assert talk.app == "rtcp"
    first, last = sink.rows
    assert isinstance(first, Rtcp)
    assert isinstance(last, Rtcp)
    assert (first.ssrc, first.types, first.cname, first.tool) == ("11223344", ["SR", "SDES"], "me@a.test", "tool")
    assert (first.sent_packets, first.sent_bytes) == (50, 8000)
    assert (first.reported_ssrc, first.fraction_lost, first.lost, first.jitter) == ("abcdef01", 0.25, -2, 17)
    assert (last.types, last.reason) == (["SR", "SDES", "BYE"], "done")


def test_encrypted_reports_have_one_row() -> None:
    flow = Flow(RTP, "udp")
    for _ in range(5):
        flow.datagram(b"\x80\xc9\0\5" + b"\1\2\3\4" + bytes(17))
    (row,) = flow.rows
    assert isinstance(row, Rtcp)
    assert (row.ssrc, row.types, row.encrypted) == ("01020304", ["RR"], True)


def test_one_packet_proves_nothing() -> None:
    sink, talk = through((CLIENT, rtp(1)), (SERVER, rtp(2)), (CLIENT, rtp(1, ssrc=5)), (CLIENT, rtp(900, ssrc=5)))
    assert (sink.rows, talk.app) == ([], None)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (rtp(5), rtp(5)),
        (rtp(5), rtp(6, ssrc=9)),
        (rtp(5), rtp(6, 8)),
        (rtp(5), rtp(5 - 1)),
        (rtp(5, 50), rtp(6, 50)),
        (rtp(5, 75), rtp(6, 75)),
        (rtp(5)[:4] + b"\xff\0\0\0" + rtp(5)[8:], rtp(6)),
        (rtp(5, first=0x8F, size=10), rtp(6, first=0x8F, size=10)),
    ],
)
def test_what_does_not_continue(first: bytes, second: bytes) -> None:
    sink, talk = through((CLIENT, first), (CLIENT, second))
    assert (sink.rows, talk.app) == ([], None)


def test_media_is_not_read_for_ever() -> None:
    flow = Flow(RTP, "udp")
    for n in range(MAX_QUIET + 10):
        if not flow.talk.finished:
            flow.datagram(rtp(n))
    assert flow.talk.finished
    assert len(flow.rows) == 1


def test_many_sources_are_bounded() -> None:
    flow = Flow(RTP, "udp")
    for n in range(300):
        flow.datagram(rtp(1, ssrc=n))
    for n in range(300):
        if not flow.talk.finished:
            flow.datagram(rtp(2, ssrc=n))
    assert len(flow.rows) <= 32
    assert len(flow.parser.media.candidates) <= 32  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("data", "verdict"),
    [
        (REPORT, YES),
        (REPORT + b"\0\0\0\0", NO),
        (rtcp(201, bytes(4)), NO),
        (rtcp(200, bytes(8)) + rtcp(202, bytes(4)), NO),
        (rtcp(202, bytes(8)), NO),
    ],
)
def test_probe_of_reports(data: bytes, verdict: int) -> None:
    assert Flow(RTCP, "udp", dst_port=9998).probe(data) == verdict


def test_a_lone_report_on_odd_ports() -> None:
    report = rtcp(201, struct.pack(">I", 7))
    assert Flow(RTCP, "udp", src_port=40001, dst_port=40003).probe(report) == YES
