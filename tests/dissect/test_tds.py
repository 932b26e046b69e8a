import pytest

from rustnet.dissect.framework.conversation import MORE, NO, YES, DissectError
from rustnet.dissect.tds import TDS, Tds
from rustnet.dissect.tls.parser import Tls
from tests.dissect.dispatched import DispatchedFlow
from tests.dissect.harness import CLIENT, SERVER, Flow, fields
from tests.dissect.samples_streams import TDS_LOGIN, TDS_TALK, tds, tds_prelogin
from tests.dissect.samples_web import tls_talk


def talk(*said: tuple[bool, bytes]) -> tuple[Flow, list[dict[str, object]]]:
    flow = Flow(TDS)
    for from_src, data in said:
        flow.tick()
        flow.feed(data, from_src)
    flow.close()
    return flow, [fields(row) for row in flow.rows]


def test_a_login() -> None:
    flow, (row,) = talk(*TDS_TALK)
    assert row == {
        "version": "7.4",
        "server_version": "15.0.2000",
        "client_version": "18.3.258",
        "encryption": "not supported",
        "instance": "inst",
        "hostname": "DESK-1",
        "username": "jane",
        "application_name": "sqlcmd",
        "client_name": "ODBC",
        "server_name": "db.example",
        "database": "shop",
        "integrated": False,
        "authenticated": True,
        "program_name": "SQL",
    }
    assert flow.talk.finished


def test_a_refusal() -> None:
    said = "Login failed for user 'jane'."
    body = (18456).to_bytes(4, "little") + b"\x01\x0e" + len(said).to_bytes(2, "little") + said.encode("utf-16-le")
    error = b"\xaa" + (len(body) + 6).to_bytes(2, "little") + body + bytes(6)
    _, (row,) = talk(*TDS_TALK[:3], (SERVER, tds(4, error + b"\xfd" + bytes(12))))
    assert (row["authenticated"], row["error_number"], row["error"]) == (False, 18456, said)


@pytest.mark.parametrize("version", [12, 13])
def test_tls_inside(version: int) -> None:
    start = (TDS_TALK[0], (SERVER, tds(4, tds_prelogin(b"\x0f\0\x07\xd0\0\0", 0))))
    wrapped = [(side, tds(0x12, data)) for side, data in tls_talk(version)]
    flow = DispatchedFlow((*start, *wrapped))
    assert [(r["encryption"], r["server_version"]) for r in flow.rows(Tds)] == [("login only", "15.0.2000")]
    assert [r["sni"] for r in flow.rows(Tls)] == ["www.example.org"]
    assert flow.talk.app == "tds"


def test_bounds_gap_and_malformed() -> None:
    flow, rows = talk(*TDS_TALK[:2], *((CLIENT, tds(0x10, bytes(30_000), 0)) for _ in range(4)))
    assert len(rows) == 1
    assert flow.sink.anomalies
    flow = Flow(TDS)
    flow.feed(TDS_TALK[0][1])
    flow.lose(5, SERVER)
    assert len(flow.rows) == 1
    with pytest.raises(DissectError):
        talk((CLIENT, bytes(20)))
    for bad in (tds(0x10, TDS_LOGIN[:80]), tds(0x10, TDS_LOGIN[:100]), b"\x77" * 20):
        flow, rows = talk(*TDS_TALK[:2], (CLIENT, bad))
        assert len(rows) == 1
        assert flow.sink.anomalies


def test_one_direction_only() -> None:
    _, (row,) = talk(*(s for s in TDS_TALK if s[0]))
    assert (row["username"], row.get("authenticated")) == ("jane", None)
    _, (row,) = talk(*(s for s in TDS_TALK if not s[0]))
    assert (row["server_version"], row["authenticated"]) == ("15.0.2000", True)


@pytest.mark.parametrize(
    ("data", "port", "verdict"),
    [
        (TDS_TALK[0][1], 9999, YES),
        (TDS_TALK[0][1][:20], 9999, MORE),
        (TDS_TALK[1][1], 1433, YES),
        (TDS_TALK[1][1], 9999, NO),
        (tds(0x10, TDS_LOGIN), 9999, YES),
        (tds(0x10, bytes(100)), 1433, NO),
        (tds(0x12, b"\0\0\x15\0\x06" + bytes(30)), 1433, NO),
        (b"GET / HTTP/1.1\r\n", 1433, NO),
    ],
)
def test_probe(data: bytes, port: int, verdict: int) -> None:
    assert Flow(TDS, dst_port=port).probe(data) == verdict
