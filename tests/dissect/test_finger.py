import pytest
from harness import CLIENT, SERVER, Flow, fields
from samples_lookup import FINGER_ANSWER, FINGER_LIST
from telling import told
from through import Through

from rustnet.dissect.finger import FINGER, Finger
from rustnet.dissect.framework.conversation import NO, DissectError


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (b"root\r\n", {"username": "root", "detailed": False}),
        (b"/W root\n", {"username": "root", "detailed": True}),
        (b"\r\n", {"detailed": False}),
        (b"/W\r\n", {"detailed": True}),
        (b"alice@a.example@b.example\r\n", {"username": "alice", "host": "a.example@b.example", "detailed": False}),
        (b"@[2001:db8::1]\r\n", {"host": "[2001:db8::1]", "detailed": False}),
    ],
)
def test_queries(query: bytes, expected: dict[str, object]) -> None:
    (row,) = told(FINGER, [(CLIENT, query), (SERVER, FINGER_ANSWER)]).rows
    assert fields(row) == {**expected, "response_bytes": len(FINGER_ANSWER), "response_ms": 1.0}


def test_the_answer_is_not_kept() -> None:
    (row,) = told(FINGER, [(CLIENT, b"root\r\n"), (SERVER, FINGER_ANSWER)]).rows
    assert "/root" not in str(fields(row))


def test_missing_bytes_of_the_answer_are_counted() -> None:
    flow = told(FINGER, [(CLIENT, b"root\r\n"), (SERVER, FINGER_ANSWER)])
    assert len(flow.rows) == 1
    flow = Flow(FINGER)
    flow.feed(b"root\r\n")
    flow.feed(FINGER_ANSWER, SERVER)
    flow.lose(1000, SERVER)
    flow.close()
    assert flow.rows[0].response_bytes == len(FINGER_ANSWER) + 1000  # type: ignore[attr-defined]


def test_an_answer_without_its_query() -> None:
    (row,) = told(FINGER, [(SERVER, FINGER_LIST)]).rows
    assert fields(row) == {"detailed": False, "response_bytes": len(FINGER_LIST)}


@pytest.mark.parametrize("query", [b"two words\r\n", b"\x16\x03\x01\n", b"GET / HTTP/1.1\r\n", b"u" * 600])
def test_other_lines_are_no_queries(query: bytes) -> None:
    with pytest.raises(DissectError):
        told(FINGER, [(CLIENT, query)])
    assert Flow(FINGER).probe(query) == NO


def test_only_its_port_is_believed() -> None:
    talk = [(CLIENT, b"root\r\n"), (SERVER, FINGER_ANSWER)]
    assert Through(talk, 79).talk.app == "finger"
    assert len(Through(talk, 79).rows(Finger)) == 1
    assert Through(talk, 9999).talk.app is None
