import pytest

from rustnet.dissect.framework.conversation import MORE, NO, YES, DissectError
from rustnet.dissect.imap import IMAP, Imap
from rustnet.dissect.tls.parser import Tls
from tests.dissect.dispatched import DispatchedFlow
from tests.dissect.harness import CLIENT, SERVER, Flow, fields
from tests.dissect.samples_streams import IMAP_TALK, lines
from tests.dissect.samples_web import tls_talk


def talk(said: tuple[tuple[bool, bytes], ...], chunk: int = 0) -> tuple[Flow, list[Imap]]:
    flow = Flow(IMAP)
    for from_src, data in said:
        flow.tick()
        flow.feed(data, from_src, chunk)
    flow.close()
    return flow, [row for row in flow.rows if isinstance(row, Imap)]


def test_a_session() -> None:
    _, rows = talk(IMAP_TALK)
    assert [(r.tag, r.command, r.result) for r in rows] == [
        (None, None, "OK"),
        ("a1", "LOGIN", "OK"),
        ("a2", "SELECT", "OK"),
        ("a3", "FETCH", "OK"),
        ("a4", "APPEND", "OK"),
        ("a5", "SEARCH", "OK"),
        ("a6", "IDLE", "OK"),
        (None, None, "BYE"),
        ("a7", "LOGOUT", "OK"),
    ]
    assert (rows[1].user, rows[1].has_password, rows[1].argument) == ("jane", True, None)
    assert (rows[3].by_uid, rows[3].argument) == (True, "1:* (FLAGS BODY.PEEK[HEADER])")
    assert (rows[3].response_bytes, rows[4].request_bytes) == (12, 11)
    assert rows[5].argument is None
    for secret in ("Sesame", "secret"):
        assert secret not in repr([fields(r) for r in rows])


@pytest.mark.parametrize("chunk", [0, 1, 3])
def test_logins(chunk: int) -> None:
    _, rows = talk(
        (
            *lines("< * OK x", '> a LOGIN "jane doe" "Sesame1"', "< a NO x", "> b LOGIN {8}", "< + go"),
            (CLIENT, b"jane doe {7}\r\n"),
            (SERVER, b"+ go\r\n"),
            (CLIENT, b"Sesame1\r\n"),
            *lines("< b NO x", "> c AUTHENTICATE PLAIN", "< + ", "> AGpvaG4AU2VzYW1lMQ==", "< c OK x", "> d NOOP"),
        ),
        chunk,
    )
    assert [(r.tag, r.user, r.result) for r in rows[1:]] == [
        ("a", "jane doe", "NO"),
        ("b", "jane doe", "NO"),
        ("c", "john", "OK"),
        ("d", None, None),
    ]
    assert "Sesame" not in repr([fields(r) for r in rows])


def test_long_literals_are_skipped() -> None:
    flow = Flow(IMAP)
    for from_src, data in lines("< * OK x", "> a FETCH 1 BODY[]"):
        flow.feed(data, from_src)
    flow.feed(b"* 1 FETCH (BODY[] {1000000}\r\nabc", SERVER)
    flow.lose(999_997, SERVER)
    flow.feed(b" FLAGS ())\r\na OK done\r\n", SERVER)
    assert [(r.command, r.response_bytes, r.result) for r in flow.rows[1:]] == [("FETCH", 1_000_000, "OK")]  # type: ignore[attr-defined]


def test_one_direction_only() -> None:
    _, rows = talk(tuple(said for said in IMAP_TALK if said[0] == CLIENT))
    assert [r.command for r in rows] == ["LOGIN", "SELECT", "FETCH", "APPEND", "SEARCH", "IDLE", "LOGOUT"]
    _, rows = talk(tuple(said for said in IMAP_TALK if said[0] == SERVER))
    assert [r.result for r in rows] == ["OK", "BYE"]


def test_tls_and_compression() -> None:
    flow = DispatchedFlow((*lines("< * OK IMAP4 ready", "> a STARTTLS", "< a OK go"), *tls_talk(13)), port=143)
    assert [r.get("command") for r in flow.rows(Imap)] == [None, "STARTTLS"]
    assert [r["sni"] for r in flow.rows(Tls)] == ["www.example.org"]
    plain, rows = talk((*lines("< * OK x", "> a COMPRESS DEFLATE", "< a OK go"), (CLIENT, b"x\x9c")))
    assert rows[-1].argument == "DEFLATE"
    assert plain.talk.finished


def test_waiting_is_bounded() -> None:
    _, rows = talk(((SERVER, b"* OK x\r\n"), (CLIENT, b"".join(b"t%d NOOP\r\n" % i for i in range(2000)))))
    assert len(rows) == 1000


def test_losses_and_malformed() -> None:
    flow = Flow(IMAP)
    for from_src, data in lines("< * OK x", "> a NOOP"):
        flow.feed(data, from_src)
    flow.lose(9, SERVER)
    flow.feed(b"x\r\na OK late\r\n", SERVER)
    assert [(r.command, r.result) for r in flow.rows] == [(None, "OK"), ("NOOP", "OK")]  # type: ignore[attr-defined]
    with pytest.raises(DissectError):
        talk(((CLIENT, b"\xff\xff\r\n"),))


@pytest.mark.parametrize(
    ("data", "port", "verdict"),
    [
        (b"* OK IMAP4rev1 ready\r\n", 9999, YES),
        (b"* OK ready\r\n", 9999, NO),
        (b"* OK ready\r\n", 143, YES),
        (b"* O", 9999, MORE),
        (b"*3\r\n$3\r\nSET\r\n", 143, NO),
        (b"a1 CAPABILITY\r\n", 9999, YES),
        (b"a1 LOGIN x y\r\n", 9999, NO),
        (b"a1 LOGIN x y\r\n", 143, YES),
        (b"GET / HTTP/1.1\r\n", 143, NO),
    ],
)
def test_probe(data: bytes, port: int, verdict: int) -> None:
    assert Flow(IMAP, dst_port=port).probe(data) == verdict
