import pytest

from rustnet.dissect.framework.conversation import NO, YES, DissectError
from rustnet.dissect.mysql import MYSQL, Mysql
from rustnet.dissect.tls.parser import Tls
from tests.dissect.dispatched import DispatchedFlow
from tests.dissect.harness import CLIENT, SERVER, Flow, fields
from tests.dissect.samples_streams import MYSQL_FIXED, MYSQL_GREETING, MYSQL_LOGIN, MYSQL_TALK, mysql_packet
from tests.dissect.samples_web import tls_talk


def talk(*said: tuple[bool, bytes]) -> tuple[Flow, list[Mysql]]:
    flow = Flow(MYSQL)
    for from_src, data in said:
        flow.tick()
        flow.feed(data, from_src)
    flow.close()
    return flow, [row for row in flow.rows if isinstance(row, Mysql)]


def test_a_login() -> None:
    flow, (row,) = talk(*MYSQL_TALK)
    assert fields(row) == {
        "server_version": "8.0.36-0ubuntu0.22.04.1",
        "connection_id": 4711,
        "username": "jane",
        "database": "shop",
        "auth_plugin": "mysql_native_password",
        "client_name": "libmysql",
        "client_version": "8.0.36",
        "program_name": "mysql",
        "charset": 255,
        "tls": False,
        "authenticated": True,
    }
    assert flow.talk.finished


def test_refusals() -> None:
    denied = b"\xff\x15\x04#28000Access denied for user 'jane'"
    _, (row,) = talk((SERVER, MYSQL_GREETING), (CLIENT, MYSQL_LOGIN), (SERVER, mysql_packet(2, denied)))
    assert (row.authenticated, row.error_code, row.error) == (False, 1045, "Access denied for user 'jane'")
    _, (row,) = talk((SERVER, mysql_packet(0, b"\xff\x6a\x04Host 'x' is not allowed to connect")))
    assert (row.error_code, row.server_version) == (1130, None)


def test_one_direction_only() -> None:
    _, (row,) = talk((CLIENT, MYSQL_LOGIN))
    assert (row.username, row.server_version) == ("jane", None)
    _, (row,) = talk(*(said for said in MYSQL_TALK if said[0] == SERVER))
    assert (row.authenticated, row.auth_plugin) == (True, "mysql_native_password")


def test_old_logins() -> None:
    _, (row,) = talk((SERVER, MYSQL_GREETING), (CLIENT, mysql_packet(1, b"\x01\0\0\0\x10jane\0secret")))
    assert row.username == "jane"
    native = (0x8208).to_bytes(4, "little") + MYSQL_FIXED[4:]
    _, (row,) = talk((CLIENT, mysql_packet(1, native + b"jane\0\x03xyzshop\0")))
    assert (row.username, row.database) == ("jane", "shop")


def test_tls_inside() -> None:
    request = mysql_packet(1, (0x0AAE8D).to_bytes(4, "little") + MYSQL_FIXED[4:])
    flow = DispatchedFlow(((SERVER, MYSQL_GREETING), (CLIENT, request), *tls_talk(13)), port=3306)
    assert [(r["tls"], r["server_version"]) for r in flow.rows(Mysql)] == [(True, "8.0.36-0ubuntu0.22.04.1")]
    assert [r["sni"] for r in flow.rows(Tls)] == ["www.example.org"]
    assert flow.talk.app == "mysql"


def test_gap_and_malformed() -> None:
    flow = Flow(MYSQL)
    flow.feed(MYSQL_GREETING, SERVER)
    flow.lose(9, CLIENT)
    assert len(flow.rows) == 1
    with pytest.raises(DissectError):
        talk((SERVER, b"\0\0\0\0\0"))
    flow, rows = talk((SERVER, MYSQL_GREETING), (CLIENT, mysql_packet(1, MYSQL_FIXED + b"no end")))
    assert len(rows) == 1
    assert [kind for kind, _ in flow.sink.anomalies] == ["malformed_mysql"]


@pytest.mark.parametrize(
    ("data", "port", "verdict"),
    [
        (MYSQL_GREETING, 9999, YES),
        (MYSQL_LOGIN, 9999, YES),
        (mysql_packet(0, b"\xff\x6a\x04Host"), 3306, YES),
        (mysql_packet(0, b"\xff\x6a\x04Host"), 9999, NO),
        (mysql_packet(0, b"\n8.0\0" + bytes(4)), 3306, NO),
        (b"\x4a\0\0\0\n5.5\0" + b"\x01" * 80, 9999, NO),
        (b"GET / HTTP/1.1\r\n", 3306, NO),
    ],
)
def test_probe(data: bytes, port: int, verdict: int) -> None:
    assert Flow(MYSQL, dst_port=port).probe(data) == verdict
