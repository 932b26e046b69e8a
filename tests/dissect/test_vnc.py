import pytest

from rustnet.dissect.framework.conversation import MORE, NO, YES, DissectError
from rustnet.dissect.vnc import VNC
from tests.dissect.harness import CLIENT, SERVER, Flow, fields
from tests.dissect.samples_streams import VNC_TALK


def talk(*said: tuple[bool, bytes]) -> tuple[Flow, list[dict[str, object]]]:
    flow = Flow(VNC)
    for from_src, data in said:
        flow.tick()
        flow.feed(data, from_src)
    flow.close()
    return flow, [fields(row) for row in flow.rows]


def test_version_8() -> None:
    flow, (row,) = talk(*VNC_TALK)
    assert row == {
        "server_version": "3.8",
        "client_version": "3.8",
        "security_types": ["vnc", "vencrypt"],
        "security_type": "vnc",
        "authenticated": True,
        "desktop_name": "jane:1",
        "width": 1920,
        "height": 1080,
    }
    assert flow.talk.finished


def test_version_3() -> None:
    hello = b"RFB 003.003\n"
    _, (row,) = talk((SERVER, hello), (CLIENT, hello), (SERVER, b"\0\0\0\x01"), (CLIENT, b"\x01"), VNC_TALK[-1])
    assert (row["security_type"], row["authenticated"], row["desktop_name"]) == ("none", True, "jane:1")
    _, (row,) = talk((SERVER, hello), (CLIENT, hello), (SERVER, bytes(4) + b"\0\0\0\x04busy"))
    assert (row["authenticated"], row["error"]) == (False, "busy")


def test_refusals() -> None:
    _, (row,) = talk(*VNC_TALK[:6], (SERVER, b"\0\0\0\x01\0\0\0\x05wrong"))
    assert (row["authenticated"], row["error"]) == (False, "wrong")
    seven = b"RFB 003.007\n"
    _, (row,) = talk((SERVER, seven), (CLIENT, seven), *VNC_TALK[2:6], (SERVER, b"\0\0\0\x01"))
    assert (row["client_version"], row["authenticated"]) == ("3.7", False)
    _, (row,) = talk(*VNC_TALK[:2], (SERVER, b"\0\0\0\0\x04busy"))
    assert row["error"] == "busy"
    flow, (row,) = talk(*VNC_TALK[:3], (CLIENT, b"\x13"))
    assert (row["security_type"], flow.talk.finished) == ("vencrypt", True)


def test_one_direction_and_malformed() -> None:
    _, (row,) = talk(*(s for s in VNC_TALK if not s[0]))
    assert row == {"server_version": "3.8"}
    for bad in (b"\xff\xff\xff\xff" * 8, b"\0" * 20 + b"\xff" * 4):
        with pytest.raises(DissectError):
            talk(*VNC_TALK[:7], (SERVER, bad))
    with pytest.raises(DissectError):
        talk((SERVER, b"RFB 003.008\n"), (CLIENT, b"what is this"))


@pytest.mark.parametrize(
    ("data", "verdict"),
    [(b"RFB 003.008\n", YES), (b"RF", MORE), (b"RFB 00", MORE), (b"RFB what 123", NO), (b"GET /", NO)],
)
def test_probe(data: bytes, verdict: int) -> None:
    assert Flow(VNC, dst_port=9999).probe(data) == verdict
