import pytest

from rustnet.dissect.framework.conversation import MORE, NO, YES, DissectError
from rustnet.dissect.ftp import FTP, Ftp
from rustnet.dissect.tls.parser import Tls
from tests.dissect.dispatched import DispatchedFlow
from tests.dissect.harness import CLIENT, SERVER, Flow, fields
from tests.dissect.samples_streams import FTP_TALK, lines
from tests.dissect.samples_web import tls_talk


def talk(said: tuple[tuple[bool, bytes], ...], **ends: object) -> tuple[Flow, list[Ftp]]:
    flow = Flow(FTP, **ends)  # type: ignore[arg-type]
    for from_src, data in said:
        flow.tick()
        flow.feed(data, from_src)
    flow.close()
    return flow, [row for row in flow.rows if isinstance(row, Ftp)]


def test_a_session() -> None:
    _, rows = talk(FTP_TALK)
    assert [(r.command, r.reply_code) for r in rows] == [
        (None, 220),
        ("USER", 331),
        ("PASS", 230),
        ("FEAT", 211),
        ("PASV", 227),
        ("LIST", 226),
        ("EPSV", 229),
        ("EPRT", 200),
        ("PORT", 200),
        ("RETR", 550),
        ("unknown (12 bytes)", 500),
        ("QUIT", 221),
    ]
    assert {r.user for r in rows[1:]} == {"anonymous"}
    assert fields(rows[2]) == {
        "command": "PASS",
        "user": "anonymous",
        "has_password": True,
        "reply_code": 230,
        "replies": ["230 Login successful."],
        "response_ms": 1.0,
        "pair_unknown": False,
    }
    assert rows[3].replies == ["211-Features:", " EPRT", " UTF8", "211 End"]
    assert rows[5].preliminary_code == 150
    places = [(r.data_ip, r.data_port) for r in rows if r.data_port is not None]
    own = ("198.51.100.2", 25685)
    assert places == [own, ("198.51.100.2", 6446), ("2001:db8::1", 5282), ("192.0.2.1", 1025)]
    assert rows[9].argument == "a file.txt"
    assert "Sesame" not in repr([fields(r) for r in rows])


def test_who_is_the_server_follows_from_the_lines() -> None:
    _, rows = talk(tuple((not side, data) for side, data in FTP_TALK), src_port=21, dst_port=50000)
    assert [r.user for r in rows][-1] == "anonymous"
    assert next(r.data_ip for r in rows if r.command == "EPSV") == "192.0.2.1"


def test_one_direction_only() -> None:
    _, rows = talk(tuple(said for said in FTP_TALK if said[0] == CLIENT))
    assert [r.command for r in rows][:2] == ["USER", "PASS"]
    assert all(r.reply_code is None for r in rows)
    _, rows = talk(tuple(said for said in FTP_TALK if said[0] == SERVER))
    assert [r.reply_code for r in rows][:3] == [220, 331, 230]


def test_tls_inside() -> None:
    start = lines("< 220 ready", "> AUTH TLS", "< 234 Proceed")
    flow = DispatchedFlow((*start, *tls_talk(13)), port=21)
    assert [r["command"] for r in flow.rows(Ftp) if "command" in r] == ["AUTH"]
    assert [r["sni"] for r in flow.rows(Tls)] == ["www.example.org"]
    assert flow.talk.app == "ftp"
    silent = DispatchedFlow((*start[1:2], *(said for said in tls_talk(13) if said[0])), port=21)
    assert [r["sni"] for r in silent.rows(Tls)] == ["www.example.org"]
    (early_hello, *others) = tls_talk(13)
    early = DispatchedFlow((*start[:2], early_hello, start[2], *others), port=21)
    assert [r["sni"] for r in early.rows(Tls)] == ["www.example.org"]
    refused = DispatchedFlow(lines("< 220 ready", "> AUTH TLS", "< 530 no", "> USER x", "< 331 y"), port=21)
    assert [r.get("command") for r in refused.rows(Ftp)] == [None, "AUTH", "USER"]


def test_long_lines_and_losses() -> None:
    flow, rows = talk(((SERVER, b"220 " + b"x" * 9000 + b"\r\n"), (CLIENT, b"USER " + b"u" * 5000 + b"\r\nPWD\r\n")))
    assert [r.command for r in rows] == [None, "USER", "PWD"]
    assert len(rows[1].user or "") == 512
    flow = Flow(FTP)
    flow.feed(b"220 x\r\n", SERVER)
    flow.feed(b"USER a\r\n", CLIENT)
    flow.lose(10, SERVER)
    flow.feed(b"rest of a line\r\n230 in\r\n", SERVER)
    assert [(r.command, r.reply_code) for r in flow.rows] == [(None, 220), ("USER", 230)]  # type: ignore[attr-defined]


def test_rows_are_bounded() -> None:
    flow, rows = talk(((SERVER, b"220 x\r\n"), *(((CLIENT, b"NOOP\r\n"), (SERVER, b"200 ok\r\n")) * 1100)))
    assert len(rows) == 1000
    assert flow.talk.finished
    flow, rows = talk(((CLIENT, b"NOOP\r\n" * 300),))
    assert len(rows) == 300


def test_malformed() -> None:
    with pytest.raises(DissectError):
        talk(((CLIENT, b"USER x\r\n"), (SERVER, b"what\r\n")))
    _, rows = talk(((SERVER, b"220 x\r\n"), (CLIENT, b"\xff\xf4\xffABOR\r\n"), (CLIENT, b"PORT 1,2,3,4,999,1\r\n")))
    assert [(r.command, r.data_port) for r in rows] == [(None, None), ("ABOR", None), ("PORT", None)]


@pytest.mark.parametrize(
    ("data", "port", "verdict"),
    [
        (b"220 welcome\r\n", 21, YES),
        (b"220 welcome\r\n", 9999, MORE),
        (b"220 ProFTPD ready\r\n", 9999, YES),
        (b"220 mail ESMTP\r\n", 21, NO),
        (b"200 OK\r\n", 21, YES),
        (b"200 OK\r\n", 9999, NO),
        (b"USER x\r\n", 21, YES),
        (b"USER x\r\n", 9999, NO),
        (b"AUTH TLS\r\n", 9999, YES),
        (b"EPSV\r\n", 9999, YES),
        (b"RETR 1\r\n", 110, NO),
        (b"GET / HTTP/1.1\r\n", 21, NO),
        (b"\x16\x03\x01", 21, NO),
    ],
)
def test_probe(data: bytes, port: int, verdict: int) -> None:
    assert Flow(FTP, dst_port=port).probe(data) == verdict


def test_a_greeting_that_waits_decides() -> None:
    flow = Flow(FTP, dst_port=9999)
    flow.talk.pending_dst = b"220 welcome\r\n"
    assert flow.probe(b"USER x\r\n", CLIENT) == YES


def test_lines_are_bounded() -> None:
    flow, rows = talk(((SERVER, b"220 x\r\n"), (CLIENT, b"USER a\r\n"), *((CLIENT, b"\r\n" * 30_000),) * 7))
    assert len(rows) == 2
    assert flow.talk.finished
