import pytest

from rustnet.dissect.framework.conversation import MORE, NO, YES
from rustnet.dissect.nntp import NNTP, Nntp
from tests.dissect.harness import CLIENT, SERVER, Flow, fields, parsed
from tests.dissect.samples_streams import MESSAGE, NNTP_TALK, lines
from tests.support.effort import assert_linear


def rows_of(said: tuple[tuple[bool, bytes], ...]) -> list[Nntp]:
    return [row for row in parsed(NNTP, said).rows if isinstance(row, Nntp)]


def test_a_session() -> None:
    rows = rows_of(NNTP_TALK)
    size = len(MESSAGE)
    assert [(r.command, r.argument, r.reply_code, r.request_bytes, r.response_bytes) for r in rows] == [
        (None, None, 200, 0, 0),
        ("CAPABILITIES", None, 101, 0, 21),
        ("AUTHINFO USER", None, 381, 0, 0),
        ("AUTHINFO PASS", None, 281, 0, 0),
        ("MODE READER", None, 200, 0, 0),
        ("GROUP", "misc.test", 211, 0, 0),
        ("LISTGROUP", "misc.test 1-2", 211, 0, 6),
        ("ARTICLE", "1", 220, 0, size),
        ("STAT", "9", 423, 0, 0),
        ("POST", None, 240, size, 0),
        ("TAKETHIS", "<i.am@example.com>", 239, size, 0),
        ("unknown (12 bytes)", None, 500, 0, 0),
        ("QUIT", None, 205, 0, 0),
    ]
    assert {r.user for r in rows[2:]} == {"jane"}
    assert [r.command for r in rows if r.has_password] == ["AUTHINFO PASS"]
    assert all(r.response_ms is not None for r in rows[1:])
    shown = repr([fields(r) for r in rows])
    assert "Sesame" not in shown
    assert "secret" not in shown


def test_sasl_and_a_quoted_password() -> None:
    rows = rows_of(
        lines("< 200 NNTP", "> AUTHINFO SASL PLAIN", "< 383 =", "> AGpvaG4AU2VzYW1lMQ==", "< 481 no Sesame1 for you")
        + lines("> AUTHINFO PASS Sesame3", "< 482 AUTHINFO PASS Sesame3 out of sequence", "> QUIT", "< 205 Sesame3")
    )
    assert [(r.command, r.argument, r.user, r.has_password, r.reply_code) for r in rows[1:3]] == [
        ("AUTHINFO SASL", "PLAIN", "john", True, 481),
        ("AUTHINFO PASS", None, "john", True, 482),
    ]
    assert "Sesame" not in repr([fields(r) for r in rows])


@pytest.mark.parametrize("side", [CLIENT, SERVER])
def test_one_direction_only(side: bool) -> None:
    rows = rows_of(tuple(said for said in NNTP_TALK if said[0] == side))
    assert rows
    assert "Sesame" not in repr([fields(r) for r in rows])


def test_bytes_that_are_missing() -> None:
    flow = Flow(NNTP)
    for from_src, data in NNTP_TALK[:13]:
        flow.feed(data, from_src)
    flow.lose(40, SERVER)
    for from_src, data in NNTP_TALK[16:]:
        flow.feed(data, from_src)
    flow.close()
    assert [r.command for r in flow.rows if isinstance(r, Nntp)][-1] == "QUIT"
    assert "Sesame" not in repr([fields(r) for r in flow.rows])


@pytest.mark.parametrize(
    ("said", "port", "answer"),
    [
        (b"200 news.example.org ready\r\n", 119, YES),
        (b"200 news.example.org ready\r\n", 9999, NO),
        (b"201 NNTP service, no posting\r\n", 9999, YES),
        (b"200 OK\r\n", 9999, NO),
        (b"20", 9999, MORE),
        (b"220 NNTP\r\n", 119, NO),
        (b"MODE READER\r\n", 9999, YES),
        (b"CAPABILITIES\r\n", 9999, YES),
        (b"GROUP misc.test\r\n", 119, YES),
        (b"GROUP misc.test\r\n", 9999, NO),
        (b"GET / HTTP/1.1\r\n", 119, NO),
        (b"IHAVE <a@b>\r\n", 9999, YES),
    ],
)
def test_what_is_believed(said: bytes, port: int, answer: int) -> None:
    assert Flow(NNTP, dst_port=port).probe(said) == answer


def test_a_command_without_its_end_costs_as_much_as_its_size() -> None:
    def command(size: int) -> None:
        data = b"AUTHINFO USER " + b"a" * size + b"\n"
        assert Flow(NNTP, dst_port=4000).probe(data, CLIENT) == NO

    assert_linear(command, 4_000)


def test_a_user_is_one_word() -> None:
    rows = rows_of(lines("< 200 ready", "> AUTHINFO USER bob Sesame1", "< 481 not Sesame1", "> QUIT", "< 205 bye"))
    assert [row.user for row in rows] == [None, "bob", "bob"]
    assert "Sesame" not in repr([fields(row) for row in rows])


@pytest.mark.parametrize("login", ["GENERIC ntlm Sesame1", "PASS\tSesame1", "SIMPLE Sesame1"])
def test_a_reply_repeats_no_secret(login: str) -> None:
    rows = rows_of(lines("< 200 ready", f"> AUTHINFO {login}", "< 481 not Sesame1", "> QUIT", "< 205 bye Sesame1"))
    assert [row.reply_code for row in rows] == [200, 481, 205]
    assert rows[1].has_password
    assert "Sesame" not in repr([fields(row) for row in rows])
