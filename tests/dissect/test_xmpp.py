import pytest

from rustnet.dissect.framework.conversation import MORE, NO, YES, DissectError
from rustnet.dissect.tls.parser import Tls
from rustnet.dissect.xmpp import XMPP, Xmpp
from tests.dissect.dispatched import DispatchedFlow
from tests.dissect.harness import CLIENT, SERVER, Flow, fields
from tests.dissect.samples_streams import XMPP_TALK
from tests.dissect.samples_web import tls_talk

STARTTLS = (
    *XMPP_TALK[:2],
    (CLIENT, b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"),
    (SERVER, b"<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"),
)


def talk(*said: tuple[bool, bytes]) -> tuple[Flow, list[dict[str, object]]]:
    flow = Flow(XMPP)
    for from_src, data in said:
        flow.tick()
        flow.feed(data, from_src)
    flow.close()
    return flow, [fields(row) for row in flow.rows]


def test_a_login() -> None:
    flow, (row,) = talk(*XMPP_TALK)
    assert row == {
        "host": "example.org",
        "origin": "jane@example.org",
        "namespace": "jabber:client",
        "version": "1.0",
        "tls": False,
        "auth_method": "PLAIN",
        "username": "jane",
        "has_password": True,
        "authenticated": True,
        "jid": "jane@example.org/x",
    }
    assert (flow.talk.hostname, flow.talk.finished) == ("example.org", True)


def test_tls_inside() -> None:
    flow = DispatchedFlow((*STARTTLS, *tls_talk(13)))
    assert [(r["host"], r["tls"]) for r in flow.rows(Xmpp)] == [("example.org", True)]
    assert [r["sni"] for r in flow.rows(Tls)] == ["www.example.org"]
    assert flow.talk.app == "xmpp"


def test_jabber_before_xmpp() -> None:
    _, (row,) = talk(
        XMPP_TALK[0],
        (CLIENT, b"<iq type='set'><query xmlns='jabber:iq:auth'><username>jane</username><password>Sesame1</password>"),
        (CLIENT, b"</query></iq><presence/>"),
    )
    assert (row["username"], row["has_password"], row["auth_method"]) == ("jane", True, "iq-auth")


def test_failures_and_mechanisms() -> None:
    _, (row,) = talk(
        *XMPP_TALK[:2],
        (CLIENT, b"<auth mechanism='DIGEST-MD5'/>"),
        (SERVER, b"<challenge>cmVhbG0=</challenge>"),
        (CLIENT, b"<response>dXNlcm5hbWU9ImphbmUiLHJlYWxtPSJ4Ig==</response>"),
        (SERVER, b"<failure><not-authorized/></failure></stream:stream>"),
    )
    assert (row["username"], row["authenticated"], row["auth_method"]) == ("jane", False, "DIGEST-MD5")


def test_a_capture_that_begins_late() -> None:
    flow, (row,) = talk((CLIENT, b"<iq type='set' id='p'/>"), (SERVER, b"<iq to='tom@x/y' type='result' id='p'></iq>"))
    assert row["jid"] == "tom@x/y"
    assert flow.talk.finished
    _, (row,) = talk((CLIENT, b"</stream:stream>"))
    assert "jid" not in row


def test_bounds() -> None:
    flow, rows = talk(XMPP_TALK[0], (CLIENT, b"<a/>" * 1000))
    assert len(rows) == 1
    assert flow.talk.finished
    flow, rows = talk(XMPP_TALK[0], (CLIENT, b"<" + b"x" * 10000))
    assert flow.sink.anomalies
    with pytest.raises(DissectError):
        talk((CLIENT, b"what > is this"))


@pytest.mark.parametrize(
    ("data", "port", "verdict"),
    [
        (XMPP_TALK[0][1], 9999, YES),
        (b"<?xml version='1.0' ?>", 9999, MORE),
        (b"<?xml version='1.0' ?><html>", 5222, NO),
        (b"<stream:stream to='x' xmlns='y'>", 5222, NO),
        (b"<iq type='get' id='1'/>", 5222, YES),
        (b"<iq type='get' id='1'/>", 9999, NO),
        (b"</stream:stream>", 9999, YES),
        (b"<html>", 5222, NO),
        (b"\x16\x03\x01", 5222, NO),
    ],
)
def test_probe(data: bytes, port: int, verdict: int) -> None:
    assert Flow(XMPP, dst_port=port).probe(data) == verdict
