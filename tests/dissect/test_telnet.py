import pytest

from rustnet.dissect.framework.conversation import MORE, NO, YES
from rustnet.dissect.telnet import TELNET
from tests.dissect.harness import CLIENT, SERVER, Flow, fields
from tests.dissect.samples_streams import TELNET_TALK


def talk(*said: tuple[bool, bytes], chunk: int = 0, **ends: object) -> tuple[Flow, list[dict[str, object]]]:
    flow = Flow(TELNET, **ends)  # type: ignore[arg-type]
    for from_src, data in said:
        flow.tick()
        flow.feed(data, from_src, chunk)
    flow.close()
    return flow, [fields(row) for row in flow.rows]


@pytest.mark.parametrize("chunk", [0, 1])
def test_a_login(chunk: int) -> None:
    flow, (row,) = talk(*TELNET_TALK, chunk=chunk)
    assert row == {
        "client_options": ["WILL TERMINAL-TYPE", "WONT TERMINAL-SPEED", "DO ECHO", "WILL WINDOW-SIZE"],
        "server_options": ["DO TERMINAL-TYPE", "DO TERMINAL-SPEED", "WILL ECHO", "DO WINDOW-SIZE"],
        "terminal": "xterm",
        "width": 80,
        "height": 24,
        "username": "jane",
        "has_password": True,
    }
    assert flow.talk.finished


def test_what_is_typed_elsewhere_is_not_kept() -> None:
    _, (row,) = talk(
        (SERVER, b"\xff\xfb\x01\r\nPassword: "),
        (CLIENT, b"Ses"),
        (SERVER, b"***"),
        (CLIENT, b"ame1\r\n"),
        (SERVER, b"\r\nlogin: "),
        (CLIENT, b"later\r\n"),
    )
    assert "Ses" not in repr(row)
    assert row["has_password"]
    _, (row,) = talk((SERVER, b"\xff\xfb\x01$ "), (CLIENT, b"secret\r\n"), (SERVER, b"user> "), (CLIENT, b"secret\r\n"))
    assert "username" not in row


def test_environment_sides_and_gaps() -> None:
    _, (row,) = talk((CLIENT, b"\xff\xfb\x27\xff\xfa\x27\0\0USER\x01jane\0DISPLAY\x01x\xff\xf0"))
    assert row["username"] == "jane"
    _, (row,) = talk(*((not side, data) for side, data in TELNET_TALK), src_port=23, dst_port=50000)
    assert row["username"] == "jane"
    flow = Flow(TELNET)
    for from_src, data in TELNET_TALK[:5]:
        flow.feed(data, from_src)
    flow.feed(b"ja", CLIENT)
    flow.lose(1, CLIENT)
    flow.feed(b"e\r\n", CLIENT)
    flow.close()
    assert flow.rows[0].username is None  # type: ignore[attr-defined]


def test_bounds() -> None:
    flow, (row,) = talk((SERVER, b"\xff\xfb\x01" * 500), *((SERVER, bytes(range(32, 127)) * 100),) * 30)
    assert isinstance(row["server_options"], list)
    assert len(row["server_options"]) == 64
    assert flow.talk.finished
    flow, _ = talk((CLIENT, b"\xff\xfa\x18" + b"x" * 3000), (CLIENT, b"\xff\xf1\xff\xff"))
    assert flow.calls
    _, (row,) = talk((SERVER, b"\xff\xfb\x01login: "), (CLIENT, b"u" * 5000 + b"\r"), (CLIENT, b"\r"))
    assert len(str(row["username"])) == 64


@pytest.mark.parametrize(
    ("data", "port", "verdict"),
    [
        (TELNET_TALK[0][1], 9999, YES),
        (b"\xff\xfd\x18", 23, YES),
        (b"\xff\xfd\x18", 9999, MORE),
        (b"\xff\xfd\xc8\xff\xff", 23, NO),
        (b"\xff\xd8\xff\xe0", 23, NO),
        (b"Welcome\r\nlogin: ", 23, YES),
        (b"Welcome\r\nlogin: ", 9999, NO),
        (b"GET / HTTP/1.1\r\n", 9999, NO),
    ],
)
def test_probe(data: bytes, port: int, verdict: int) -> None:
    assert Flow(TELNET, dst_port=port).probe(data) == verdict
