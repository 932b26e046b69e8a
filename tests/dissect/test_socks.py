import pytest

from rustnet.dissect.framework.conversation import MORE, NO, YES, DissectError
from rustnet.dissect.http.record import Http
from rustnet.dissect.socks import SOCKS, Socks
from rustnet.dissect.tls.parser import Tls
from tests.dissect.dispatched import DispatchedFlow
from tests.dissect.harness import CLIENT, SERVER, Flow, fields
from tests.dissect.samples_streams import SOCKS4_TALK, SOCKS5_TALK
from tests.dissect.samples_web import HTTP_TALK, tls_talk


def talk(*said: tuple[bool, bytes]) -> tuple[Flow, list[dict[str, object]]]:
    flow = Flow(SOCKS)
    for from_src, data in said:
        flow.tick()
        flow.feed(data, from_src)
    flow.close()
    return flow, [fields(row) for row in flow.rows]


def test_version_5() -> None:
    flow, (row,) = talk(*SOCKS5_TALK)
    assert row == {
        "version": "5",
        "command": "connect",
        "host": "example.org",
        "target_port": 443,
        "username": "jane",
        "has_password": True,
        "auth_method": "password",
        "ok": True,
        "result_code": 0,
        "bound_ip": "198.51.100.7",
        "bound_port": 1080,
    }
    assert flow.talk.hostname == "example.org"
    assert flow.talk.parser is None


def test_version_4() -> None:
    _, (row,) = talk(*SOCKS4_TALK)
    assert (row["version"], row["host"], row["username"], row["target_port"]) == ("4a", "example.org", "jane", 80)
    assert (row["ok"], row["result_code"], row["bound_ip"]) == (True, 90, "198.51.100.7")
    flow, (row,) = talk((CLIENT, b"\x04\x01\0\x50\xc0\0\x02\x07\0"), (SERVER, b"\0\x5b" + bytes(6)))
    assert (row["version"], row["target_ip"], row["ok"]) == ("4", "192.0.2.7", False)
    assert flow.talk.finished


def test_addresses() -> None:
    six = bytes.fromhex("20010db8000000000000000000000001")
    _, (row,) = talk((CLIENT, b"\x05\x01\0"), (SERVER, b"\x05\0"), (CLIENT, b"\x05\x01\0\x04" + six + b"\0\x50"))
    assert (row["target_ip"], row["target_port"]) == ("2001:db8::1", 80)
    flow, (row,) = talk(
        (CLIENT, b"\x05\x01\0"),
        (SERVER, b"\x05\0"),
        (CLIENT, b"\x05\x03\0\x01" + bytes(6)),
        (SERVER, b"\x05\0\0\x01" + bytes(6)),
    )
    assert row["command"] == "udp associate"
    assert flow.talk.finished


@pytest.mark.parametrize("start", [SOCKS4_TALK, SOCKS5_TALK])
@pytest.mark.parametrize("chunk", [0, 100])
def test_what_runs_inside(start: tuple[tuple[bool, bytes], ...], chunk: int) -> None:
    flow = DispatchedFlow((*start, *tls_talk(13)), port=1080, chunk=chunk)
    assert [r["host"] for r in flow.rows(Socks)] == ["example.org"]
    assert [r["sni"] for r in flow.rows(Tls)] == ["www.example.org"]
    http = DispatchedFlow((*start, *HTTP_TALK), port=1080)
    assert [r["method"] for r in http.rows(Http) if r["status"] != 100] == ["GET", "POST", "HEAD", "GET"]


def test_unknown_ports() -> None:
    for start in (SOCKS4_TALK, SOCKS5_TALK):
        flow = DispatchedFlow((*start, *tls_talk(13)))
        assert len(flow.rows(Socks)) == 1
        assert len(flow.rows(Tls)) == 1
    junk = DispatchedFlow((start[0], (SERVER, b"\x05\x07hello")))
    assert junk.rows(Socks) == []


def test_one_direction_only() -> None:
    flow = DispatchedFlow((*(s for s in SOCKS5_TALK if s[0]), *(s for s in tls_talk(13) if s[0])), port=1080)
    assert [(r["host"], r["username"], r.get("ok")) for r in flow.rows(Socks)] == [("example.org", "jane", None)]
    assert [r["sni"] for r in flow.rows(Tls)] == ["www.example.org"]
    _, (row,) = talk(*(s for s in SOCKS5_TALK if not s[0]))
    assert row["auth_method"] == "password"


def test_refusals() -> None:
    flow, (row,) = talk((CLIENT, b"\x05\x01\0"), (SERVER, b"\x05\xff"))
    assert row["auth_method"] == "refused"
    flow, (row,) = talk(*SOCKS5_TALK[:5], (SERVER, b"\x05\x05\0\x01" + bytes(6)))
    assert (row["ok"], row["result_code"]) == (False, 5)
    assert flow.talk.finished


@pytest.mark.parametrize("bad", [b"\x06\x01\0", b"\x04\x09" + bytes(7), b"\x04\x01\0\x50\1\1\1\1" + b"u" * 600])
def test_malformed(bad: bytes) -> None:
    with pytest.raises(DissectError):
        talk((CLIENT, bad), (CLIENT, b"\x06\x01\0"))


@pytest.mark.parametrize(
    ("data", "port", "verdict"),
    [
        (b"\x05\x01\0", 1080, YES),
        (b"\x05\x01\0", 9999, MORE),
        (b"\x05\x01\x77", 1080, NO),
        (b"\x05\0\0\x03\x10\0\0\0", 1080, NO),
        (b"\x05\0\x0b\x03\x10\0\0\0", 9999, NO),
        (SOCKS4_TALK[0][1], 1080, YES),
        (SOCKS4_TALK[0][1], 9999, MORE),
        (b"\x04\x01\0\x50\xc0\0\x02\x07\xff\xff\0", 1080, NO),
        (b"\0\x5a" + bytes(6), 1080, YES),
        (b"\0\x5a" + bytes(6), 9999, NO),
        (b"GET / HTTP/1.1\r\n", 1080, NO),
    ],
)
def test_probe(data: bytes, port: int, verdict: int) -> None:
    assert Flow(SOCKS, dst_port=port).probe(data) == verdict
