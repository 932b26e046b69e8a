import pytest

from rustnet.dissect.embedded import sdp
from rustnet.dissect.framework.conversation import MORE, NO, YES, DissectError
from rustnet.dissect.sip import SIP, Sip
from tests.dissect.harness import CLIENT, SERVER, Flow, fields, parsed, rows
from tests.dissect.samples_services import SDP, SIP_INVITE, SIP_RINGING


def test_request() -> None:
    (row,) = rows(Sip, SIP, (CLIENT, SIP_INVITE))
    assert (row.method, row.uri, row.cseq) == ("INVITE", "sip:bob@biloxi.example", "314159 INVITE")
    assert (row.from_uri, row.to_uri) == ("sip:alice@atlanta.example", "sip:bob@biloxi.example")
    assert (row.contact, row.call_id, row.user_agent) == ("sip:alice@192.0.2.5", "a84b4c76e66710", "Phone/1")
    assert row.media == ["audio 192.0.2.5:49170 RTP/AVP", "video [2001:db8::5]:51372 RTP/SAVP"]
    assert (row.has_authorization, row.username) == (True, "alice")
    assert "secret" not in str(fields(row))


def test_response() -> None:
    (row,) = rows(Sip, SIP, (SERVER, SIP_RINGING))
    assert (row.method, row.status, row.reason, row.server) == (None, 180, "Ringing", "Proxy/2")


def test_keep_alives_are_nothing() -> None:
    assert rows(Sip, SIP, (CLIENT, b"\r\n\r\n"), (CLIENT, b"jaK"), (CLIENT, bytes(30))) == []


def test_stream_without_length_and_with_a_wrong_one() -> None:
    flow = parsed(SIP, [(CLIENT, SIP_RINGING.replace(b"Content-Length: 0\r\n", b"") * 2)])
    assert len(flow.rows) == 2
    with pytest.raises(DissectError):
        parsed(SIP, [(CLIENT, SIP_RINGING.replace(b"Length: 0", b"Length: x"))])


def test_heads_are_bounded() -> None:
    with pytest.raises(DissectError):
        parsed(SIP, [(CLIENT, b"INVITE sip:a@b SIP/2.0\r\n" + b"X: y\r\n" * 10_000)])


def test_session_descriptions() -> None:
    assert sdp.media(SDP) == ["audio 192.0.2.5:49170 RTP/AVP", "video [2001:db8::5]:51372 RTP/SAVP"]
    assert sdp.media(b"o=x") is None
    assert sdp.media(b"v=0\nm=audio\nm=audio x RTP/AVP 0\nm=audio 99999 RTP/AVP 0\n") is None
    assert len(sdp.media(b"v=0\n" + b"m=audio 1 RTP/AVP 0\n" * 1000) or []) == sdp.MAX_MEDIA


@pytest.mark.parametrize(
    ("data", "transport", "verdict"),
    [
        (SIP_INVITE, "udp", YES),
        (SIP_RINGING, "udp", YES),
        (b"INVITE", "udp", NO),
        (b"INVITE", "tcp", MORE),
        (b"SIP/2.0 2", "tcp", MORE),
        (b"GET / HTTP/1.1\r\n\r\n", "tcp", NO),
        (b"GET / HTT", "tcp", NO),
        (b"OPTIONS rtsp://x RTSP/1.0\r\n", "tcp", NO),
        (b"hello", "tcp", NO),
    ],
)
def test_probe(data: bytes, transport: str, verdict: int) -> None:
    assert Flow(SIP, transport).probe(data) == verdict
