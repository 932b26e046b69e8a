from base64 import b64encode

import pytest

from rustnet.dissect.framework.conversation import MORE, NO, YES
from rustnet.dissect.smtp import SMTP, Smtp
from rustnet.dissect.tls.parser import Tls
from tests.dissect.dispatched import DispatchedFlow
from tests.dissect.harness import CLIENT, SERVER, Flow, fields
from tests.dissect.samples_streams import MESSAGE, SMTP_TALK, lines
from tests.dissect.samples_web import tls_talk


def talk(said: tuple[tuple[bool, bytes], ...], **ends: object) -> tuple[Flow, list[Smtp]]:
    flow = Flow(SMTP, **ends)  # type: ignore[arg-type]
    for from_src, data in said:
        flow.tick()
        flow.feed(data, from_src)
    flow.close()
    return flow, [row for row in flow.rows if isinstance(row, Smtp)]


def test_a_session() -> None:
    flow, rows = talk(SMTP_TALK)
    assert [(r.command, r.reply_code) for r in rows] == [
        (None, 220),
        ("EHLO", 250),
        ("AUTH", 235),
        ("MAIL", 250),
        ("RCPT", 250),
        ("DATA", 250),
        ("MAIL", 250),
        ("BDAT", 503),
        ("unknown (12 bytes)", 500),
        ("QUIT", 221),
    ]
    assert (rows[2].argument, rows[2].user, rows[2].has_password) == ("LOGIN", "jane", True)
    assert (rows[3].mail_from, rows[3].declared_bytes) == ("jane@example.net", 57)
    assert (rows[4].mail_from, rows[4].rcpt_to) == ("jane@example.net", "bob@example.org")
    assert rows[5].mail_bytes == len(MESSAGE)
    assert rows[7].mail_bytes == 12
    assert {r.helo for r in rows[1:]} == {"client.example.net"}
    assert "secret" not in repr([fields(r) for r in rows])
    assert "Sesame" not in repr([fields(r) for r in rows])
    assert (flow.talk.hostname, flow.talk.hostname_source) == ("mail.example.org", "smtp")


def test_messages_are_not_read_without_the_server() -> None:
    _, rows = talk(tuple(said for said in SMTP_TALK if said[0] == CLIENT))
    assert [r.command for r in rows] == [
        "EHLO",
        "AUTH",
        "MAIL",
        "RCPT",
        "DATA",
        "MAIL",
        "BDAT",
        "unknown (12 bytes)",
        "QUIT",
    ]
    assert "no@body" not in repr([fields(r) for r in rows])


@pytest.mark.parametrize(
    ("said", "user"),
    [
        (("> AUTH PLAIN " + b64encode(b"\0jane\0Sesame1").decode(),), "jane"),
        (("> AUTH PLAIN", "< 334 ", "> " + b64encode(b"jane\0\0Sesame1").decode()), "jane"),
        (("> AUTH LOGIN " + b64encode(b"jane").decode(), "< 334 x", "> U2VzYW1lMQ=="), "jane"),
        (("> AUTH CRAM-MD5", "< 334 x", "> " + b64encode(b"jane doe " + b"01234567" * 4).decode()), "jane doe"),
        (("> AUTH XOAUTH2 " + b64encode(b"user=jane@x\x01auth=Bearer Sesame1\x01\x01").decode(),), "jane@x"),
        (("> AUTH SCRAM-SHA-256 " + b64encode(b"n,,n=jane,r=Sesame1").decode(),), "jane"),
        (("> AUTH PLAIN not base64!",), None),
        (("> AUTH GSSAPI", "< 334 ", "> *"), None),
    ],
)
def test_users_of_mechanisms(said: tuple[str, ...], user: str | None) -> None:
    _, rows = talk(lines("< 220 x", *said, "< 235 ok", "> NOOP", "< 250 ok"))
    assert [(r.command, r.reply_code) for r in rows[1:]] == [("AUTH", 235), ("NOOP", 250)]
    assert rows[1].user == user
    assert "Sesame" not in repr([fields(r) for r in rows])


def test_data() -> None:
    for body, size in ((b".\r\n", 0), (b"\r\n.\r\n", 2), (b".x\n.\n", 3), (b"a\r\n.\r\r\n.\r\n", 7)):
        start = lines("< 220 x", "> DATA", "< 354 go")
        for chunk in (0, 1, 2, 3):
            flow = Flow(SMTP)
            for from_src, data in (*start, (CLIENT, body + b"QUIT\r\n"), *lines("< 250 ok", "< 221 bye")):
                flow.feed(data, from_src, chunk)
            replies = [(r.command, r.mail_bytes) for r in flow.rows if isinstance(r, Smtp)]
            assert replies == [(None, None), ("DATA", size), ("QUIT", None)]
    _, rows = talk(lines("< 220 x", "> DATA", "< 503 no", "> QUIT", "< 221 bye"))
    assert [(r.command, r.reply_code, r.mail_bytes) for r in rows[1:]] == [("DATA", 503, 0), ("QUIT", 221, None)]


def test_losses_in_a_message() -> None:
    flow = Flow(SMTP)
    for from_src, data in lines("< 220 x", "> DATA", "< 354 go", "> begin"):
        flow.feed(data, from_src)
    flow.lose(1000, CLIENT)
    flow.feed(b"end\r\n.\r\n", CLIENT)
    flow.feed(b"250 ok\r\n", SERVER)
    row = flow.rows[-1]
    assert isinstance(row, Smtp)
    assert (row.command, row.mail_bytes, row.reply_code) == ("DATA", 1012, 250)


def test_a_lost_end_of_a_message_is_known_by_the_reply() -> None:
    _, rows = talk(lines("< 220 x", "> DATA", "< 354 go", "> text", "< 250 ok", "> QUIT", "< 221 x"))
    assert [(r.command, r.reply_code) for r in rows[1:]] == [("DATA", 250), ("QUIT", 221)]


def test_bytes_of_bdat_are_skipped() -> None:
    flow = Flow(SMTP)
    for from_src, data in lines("< 220 x", "> EHLO a", "< 250 ok"):
        flow.feed(data, from_src)
    flow.feed(b"BDAT 100000 LAST\r\nQUIT\r\n", CLIENT)
    flow.lose(99_994, CLIENT)
    flow.feed(b"NOOP\r\n", CLIENT)
    flow.feed(b"250 ok\r\n250 ok\r\n", SERVER)
    assert [(r.command, r.mail_bytes) for r in flow.rows[2:]] == [("BDAT", 100_000), ("NOOP", None)]  # type: ignore[attr-defined]


def test_tls_inside() -> None:
    start = lines("< 220 mx.example.org ESMTP", "> EHLO c", "< 250 STARTTLS", "> STARTTLS", "< 220 go")
    flow = DispatchedFlow((*start, *tls_talk(12)), port=25)
    assert [r.get("command") for r in flow.rows(Smtp)] == [None, "EHLO", "STARTTLS"]
    assert [(r["sni"], r["version"]) for r in flow.rows(Tls)] == [("www.example.org", "TLS 1.2")]
    assert flow.talk.app == "smtp"


@pytest.mark.parametrize(
    ("data", "port", "verdict"),
    [
        (b"220 x.example ESMTP Postfix\r\n", 9999, YES),
        (b"220 x.example ready\r\n", 9999, NO),
        (b"220 x.example ready\r\n", 587, YES),
        (b"554 5.7.1 blocked\r\n", 25, YES),
        (b"220", 9999, MORE),
        (b"EHLO x\r\n", 9999, YES),
        (b"EHLO \xff\r\n", 25, NO),
        (b"MAIL FROM:<x@y>\r\n", 9999, YES),
        (b"HEL", 9999, MORE),
        (b"HELP\r\n", 9999, NO),
        (b"GET / HTTP/1.1\r\n", 25, NO),
        (b"\x16\x03\x01", 25, NO),
    ],
)
def test_probe(data: bytes, port: int, verdict: int) -> None:
    assert Flow(SMTP, dst_port=port).probe(data) == verdict
