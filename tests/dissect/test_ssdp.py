import pytest

from rustnet.dissect.framework.conversation import NO, YES, DissectError
from rustnet.dissect.ssdp import SSDP, Ssdp
from tests.dissect.harness import CLIENT, SERVER, Flow, parsed, rows
from tests.dissect.samples_services import SSDP_ANSWER, SSDP_NOTIFY, SSDP_SEARCH


def test_search_and_answer() -> None:
    asked, answered = rows(Ssdp, SSDP, (CLIENT, SSDP_SEARCH), (SERVER, SSDP_ANSWER))
    assert (asked.method, asked.target, asked.max_wait) == ("M-SEARCH", "ssdp:all", 2)
    assert (asked.user_agent, asked.host) == ("Test/1.0", "239.255.255.250:1900")
    assert (answered.method, answered.status, answered.target) == (None, 200, "upnp:rootdevice")
    assert (answered.location, answered.max_age) == ("http://192.0.2.7:80/d.xml", 1800)
    assert (answered.server, answered.usn) == ("Linux UPnP/1.0 Hue/1.0", "uuid:1::upnp:rootdevice")


def test_notify_with_bare_line_ends() -> None:
    (row,) = rows(Ssdp, SSDP, (CLIENT, SSDP_NOTIFY.replace(b"\r\n", b"\n")))
    assert (row.method, row.notification, row.target) == ("NOTIFY", "ssdp:byebye", "upnp:rootdevice")


def test_no_first_line() -> None:
    with pytest.raises(DissectError):
        parsed(SSDP, [(CLIENT, b"hello\r\n\r\n")], "udp")


@pytest.mark.parametrize(
    ("data", "verdict"),
    [
        (SSDP_SEARCH, YES),
        (SSDP_NOTIFY, YES),
        (SSDP_ANSWER, YES),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", NO),
        (b"NOTIFY sip:a@b SIP/2.0\r\nEvent: x\r\n\r\n", NO),
        (b"M-SEARCH", NO),
    ],
)
def test_probe(data: bytes, verdict: int) -> None:
    for port in (1900, 9999):
        assert Flow(SSDP, "udp", dst_port=port).probe(data) == verdict
