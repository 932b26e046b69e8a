import pytest

from rustnet.dissect.framework.conversation import MORE, NO, YES, DissectError
from rustnet.dissect.irc import IRC, Irc
from rustnet.dissect.tls.parser import Tls
from tests.dissect.dispatched import DispatchedFlow
from tests.dissect.harness import CLIENT, Flow, fields
from tests.dissect.samples_streams import IRC_TALK, lines
from tests.dissect.samples_web import tls_talk


def talk(*said: tuple[bool, bytes]) -> tuple[Flow, list[dict[str, object]]]:
    flow = Flow(IRC)
    for from_src, data in said:
        flow.tick()
        flow.feed(data, from_src)
    flow.close()
    return flow, [fields(row) for row in flow.rows]


def test_a_session() -> None:
    flow, rows = talk(*IRC_TALK)
    assert [(r["command"], r.get("irc_channel"), r.get("target"), r["from_server"]) for r in rows] == [
        ("CAP", None, None, False),
        ("NICK", None, "jane", False),
        ("USER", None, None, False),
        ("NOTICE", None, "*", True),
        ("001", None, None, True),
        ("JOIN", "#chat", None, False),
        ("JOIN", "#chat", None, True),
        ("PRIVMSG", "#chat", None, False),
        ("PRIVMSG", None, "bob", False),
        ("PRIVMSG", None, "jane", True),
        ("433", None, "joe", True),
        ("QUIT", None, None, False),
    ]
    assert (rows[2]["username"], rows[2]["real_name"], rows[2]["nick"]) == ("jdoe", "Jane Doe", "jane")
    assert (rows[9]["origin"], rows[10]["reply_code"]) == ("bob!b@host", 433)
    assert flow.talk.hostname == "irc.example.org"
    for secret in ("Sesame", "secret"):
        assert secret not in repr(rows)


def test_logins() -> None:
    _, rows = talk(
        *lines("> PASS Sesame1", "> OPER root Sesame1", "> AUTHENTICATE PLAIN", "< AUTHENTICATE +"),
        *lines("> AUTHENTICATE AGphbmUAU2VzYW1lMQ==", "< :s 900 * x jane :You are now logged in"),
        *lines("> KICK #chat bob :why", "> INVITE bob #chat", "> WHOIS bob"),
    )
    assert [(r["command"], r.get("username"), r["has_password"]) for r in rows][:5] == [
        ("PASS", None, True),
        ("OPER", "root", True),
        ("AUTHENTICATE", None, False),
        ("AUTHENTICATE", "jane", True),
        ("900", None, False),
    ]
    assert [(r.get("irc_channel"), r.get("target")) for r in rows][5:] == [
        ("#chat", "bob"),
        ("#chat", "bob"),
        (None, "bob"),
    ]
    assert "Sesame" not in repr(rows)


def test_tls_inside() -> None:
    start = lines("> CAP LS 302", "> STARTTLS", "< :s 670 x :go")
    for said in (start, start[:2]):
        flow = DispatchedFlow((*said, *tls_talk(13)), port=6667)
        assert flow.rows(Irc)[1]["command"] == "STARTTLS"
        assert [r["sni"] for r in flow.rows(Tls)] == ["www.example.org"]


def test_malformed_and_bounds() -> None:
    with pytest.raises(DissectError):
        talk((CLIENT, b"\xff\xff\r\n"))
    flow, rows = talk((CLIENT, b"PRIVMSG #a :x\r\n" * 2000))
    assert len(rows) == 1000
    assert flow.talk.finished


@pytest.mark.parametrize(
    ("data", "verdict"),
    [
        (b"NICK jane\r\n", YES),
        (b"USER a b c :d\r\n", YES),
        (b"CAP LS 302\r\n", YES),
        (b"PASS x\r\nNICK jane\r\n", YES),
        (b"PASS x\r\n", MORE),
        (b"USER x\r\n", NO),
        (b"NICK", MORE),
        (b":irc.example.org NOTICE AUTH :*** Looking\r\n", YES),
        (b":1\r\n", NO),
        (b"NOTIFY * HTTP/1.1\r\n", NO),
        (b"POST / HTTP/1.1\r\n", NO),
    ],
)
def test_probe(data: bytes, verdict: int) -> None:
    assert Flow(IRC, dst_port=9999).probe(data) == verdict
