import pytest

from rustnet.dissect.framework.conversation import MORE, NO, YES, DissectError
from rustnet.dissect.pop3 import POP3, Pop3
from rustnet.dissect.tls.parser import Tls
from tests.dissect.dispatched import DispatchedFlow
from tests.dissect.harness import CLIENT, SERVER, Flow, fields
from tests.dissect.samples_streams import MESSAGE, POP3_TALK, lines
from tests.dissect.samples_web import tls_talk


def talk(said: tuple[tuple[bool, bytes], ...]) -> tuple[Flow, list[Pop3]]:
    flow = Flow(POP3)
    for from_src, data in said:
        flow.tick()
        flow.feed(data, from_src)
    flow.close()
    return flow, [row for row in flow.rows if isinstance(row, Pop3)]


def test_a_session() -> None:
    _, rows = talk(POP3_TALK)
    assert [(r.command, r.argument, r.ok, r.response_bytes) for r in rows] == [
        (None, None, True, 0),
        ("CAPA", None, True, 11),
        ("USER", "jane", True, 0),
        ("PASS", None, True, 0),
        ("LIST", None, True, 7),
        ("LIST", "1", True, 0),
        ("RETR", "1", True, len(MESSAGE)),
        ("TOP", "1 0", True, 0),
        ("DELE", "2", False, 0),
        ("QUIT", None, True, 0),
    ]
    assert {r.user for r in rows[2:]} == {"jane"}
    assert [r.has_password for r in rows].index(True) == 3
    assert "Sesame" not in repr([fields(r) for r in rows])
    assert "secret" not in repr([fields(r) for r in rows])


def test_logins() -> None:
    _, rows = talk(
        lines("< +OK <1@x>", "> APOP jane c4c9334bac560ecc979e58001b3e22fb", "< +OK", "> AUTH PLAIN", "< + ")
        + lines("> AGpvaG4AU2VzYW1lMQ==", "< +OK in", "> XXXX Sesame1", "< -ERR")
    )
    assert [(r.command, r.user, r.argument, r.has_password) for r in rows[1:]] == [
        ("APOP", "jane", None, True),
        ("AUTH", "john", "PLAIN", True),
        ("unknown (12 bytes)", "john", None, False),
    ]


def test_one_direction_only() -> None:
    _, rows = talk(tuple(said for said in POP3_TALK if said[0] == CLIENT))
    assert [r.command for r in rows][:2] == ["CAPA", "USER"]
    _, rows = talk(tuple(said for said in POP3_TALK if said[0] == SERVER))
    assert all(r.command is None for r in rows)
    assert "secret" not in repr([fields(r) for r in rows])


def test_losses() -> None:
    flow = Flow(POP3)
    for from_src, data in lines("< +OK hello", "> RETR 1", "< +OK", "< begin"):
        flow.feed(data, from_src)
    flow.lose(500, SERVER)
    flow.feed(b"end\r\n.\r\n", SERVER)
    flow.feed(b"RETR 2\r\n", CLIENT)
    flow.lose(5, SERVER)
    flow.feed(b"x\r\n+OK\r\n", SERVER)
    flow.close()
    assert [(r.command, r.response_bytes, r.ok) for r in flow.rows] == [  # type: ignore[attr-defined]
        (None, 0, True),
        ("RETR", 512, True),
        ("RETR", 0, True),
    ]


def test_tls_inside() -> None:
    flow = DispatchedFlow((*lines("< +OK POP3", "> STLS", "< +OK Begin TLS"), *tls_talk(13)), port=110)
    assert [r.get("command") for r in flow.rows(Pop3)] == [None, "STLS"]
    assert [r["sni"] for r in flow.rows(Tls)] == ["www.example.org"]


def test_malformed() -> None:
    with pytest.raises(DissectError):
        talk(((SERVER, b"what? is this\r\n"),))


@pytest.mark.parametrize(
    ("data", "port", "verdict"),
    [
        (b"+OK\r\n", 9999, NO),
        (b"+OK\r\n", 110, YES),
        (b"+OK Dovecot ready.\r\n", 9999, MORE),
        (b"+OK POP3 ready\r\n", 9999, YES),
        (b"CAPA\r\n", 9999, YES),
        (b"USER x\r\n", 9999, NO),
        (b"USER x\r\n", 110, YES),
        (b"+PONG\r\n", 9999, NO),
        (b"\0\0", 110, NO),
    ],
)
def test_probe(data: bytes, port: int, verdict: int) -> None:
    assert Flow(POP3, dst_port=port).probe(data) == verdict
