import pytest

from rustnet.dissect.framework.conversation import DissectError
from rustnet.dissect.gopher import GOPHER, Gopher
from tests.dissect.dispatched import DispatchedFlow
from tests.dissect.harness import CLIENT, SERVER, Flow, fields, parsed
from tests.dissect.samples_lookup import GOPHER_ERROR, GOPHER_MENU


@pytest.mark.parametrize(
    ("request_line", "answer", "expected"),
    [
        (b"\r\n", GOPHER_MENU, {"selector": "", "item": "menu"}),
        (
            b"/v2/vs\tgopher clients\r\n",
            GOPHER_MENU,
            {"selector": "/v2/vs", "search": "gopher clients", "item": "menu"},
        ),
        (b"/v2/vs\twords\t+\r\n", b".\r\n", {"selector": "/v2/vs", "search": "words", "item": "menu"}),
        (b"/none\n", GOPHER_ERROR, {"selector": "/none", "item": "error"}),
        (b"0/about.txt\r\n", b"3 lines of text\r\nhere\r\n.\r\n", {"selector": "0/about.txt", "item": "file"}),
        (b"I/logo.gif\r\n", b"GIF89a\x01\x00\x01\x00", {"selector": "I/logo.gif", "item": "file"}),
    ],
)
def test_requests(request_line: bytes, answer: bytes, expected: dict[str, object]) -> None:
    (row,) = parsed(GOPHER, [(CLIENT, request_line), (SERVER, answer)]).rows
    assert fields(row) == {**expected, "response_bytes": len(answer), "response_ms": 1.0}


def test_no_answer() -> None:
    (row,) = parsed(GOPHER, [(CLIENT, b"/about\r\n")]).rows
    assert fields(row) == {"selector": "/about", "response_bytes": 0}


def test_missing_bytes_of_the_answer_are_counted() -> None:
    flow = Flow(GOPHER)
    flow.feed(b"9/archive.zip\r\n")
    flow.feed(b"PK\x03\x04" * 100, SERVER)
    flow.lose(5000, SERVER)
    flow.feed(bytes(600), SERVER)
    flow.close()
    assert fields(flow.rows[0])["response_bytes"] == 400 + 5000 + 600


def test_a_menu_is_recognised_on_any_port() -> None:
    talk = [(CLIENT, b"/overbite\r\n"), (SERVER, GOPHER_MENU)]
    for port in (70, 7070):
        through = DispatchedFlow(talk, port)
        assert through.talk.app == "gopher"
        (row,) = through.rows(Gopher)
        assert (row["selector"], row["item"]) == ("/overbite", "menu")


def test_a_request_is_recognised_on_its_port_only() -> None:
    talk = [(CLIENT, b"/overbite\r\n"), (SERVER, b"plain text\r\n.\r\n")]
    assert DispatchedFlow(talk, 70).talk.app == "gopher"
    assert DispatchedFlow(talk, 7070).talk.app is None


@pytest.mark.parametrize("line", [b"\x16\x03\x01\x02\x00\n", b"a" * 1100])
def test_other_lines_are_no_requests(line: bytes) -> None:
    with pytest.raises(DissectError):
        parsed(GOPHER, [(CLIENT, line)])
