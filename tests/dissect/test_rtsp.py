import pytest

from rustnet.dissect.framework.conversation import MORE, NO, YES, DissectError
from rustnet.dissect.rtsp import RTSP, Rtsp
from tests.dissect.harness import CLIENT, SERVER, Flow, parsed, rows
from tests.dissect.samples_services import RTSP_TALK


def test_transactions() -> None:
    described, set_up, torn = rows(Rtsp, RTSP, *RTSP_TALK, transport="tcp")
    assert (described.method, described.uri, described.status) == ("DESCRIBE", "rtsp://h.example/s", 200)
    assert (described.user_agent, described.server, described.response_ms) == ("VLC", "Cam/1", 1.0)
    assert described.media is not None
    assert described.has_authorization
    assert (set_up.session, set_up.media_transport) == ("77", "RTP/AVP;client_port=50;server_port=60")
    assert (torn.method, torn.status) == ("TEARDOWN", None)


def test_a_response_alone() -> None:
    (row,) = rows(Rtsp, RTSP, (SERVER, b"RTSP/1.0 404 Not Found\r\nCSeq: 9\r\n\r\n"), transport="tcp")
    assert (row.method, row.status, row.reason) == (None, 404, "Not Found")


def test_neither() -> None:
    with pytest.raises(DissectError):
        parsed(RTSP, [(CLIENT, b"HELLO\r\n\r\n")])


@pytest.mark.parametrize(
    ("data", "verdict"),
    [
        (RTSP_TALK[0][1], YES),
        (RTSP_TALK[1][1], YES),
        (b"OPTIONS * RTSP/1.0\r\n", YES),
        (b"OPTIONS rtsp://x", MORE),
        (b"RTSP/1.", MORE),
        (b"GET / HTTP/1.1\r\n", NO),
        (b"RCPT TO:<a@b>", NO),
    ],
)
def test_probe(data: bytes, verdict: int) -> None:
    assert Flow(RTSP).probe(data) == verdict
