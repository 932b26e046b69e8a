import pytest

from rustnet.dissect.framework.conversation import NO, YES, DissectError
from rustnet.dissect.mysql import MAX_CHANGES, MYSQL, Mysql
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
        "command": "login",
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
    assert not any(flow.pending)


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


def change_user(user: str, proof: bytes, database: str, plugin: str = "caching_sha2_password") -> bytes:
    body = b"\x11" + user.encode() + b"\0" + bytes([len(proof)]) + proof + database.encode() + b"\0\x21\0"
    return mysql_packet(0, body + plugin.encode() + b"\0" + b"\x0e\x0cprogram_name"[:1] + b"\x03_os\x05Linux\x03x\0")


OK = b"\0\0\0\x02\0\0\0"
QUERY = mysql_packet(0, b"\x03select 1")
ROWS = mysql_packet(1, b"\1") + mysql_packet(2, b"\x03defsomething") + mysql_packet(3, b"\xfe\0\0\2\0")


def test_a_change_of_the_user() -> None:
    flow, (first, second, third) = talk(
        *MYSQL_TALK, (SERVER, ROWS),
        (CLIENT, change_user("ann", b"Sesame3Sesame3Sesame", "stock")),
        (SERVER, mysql_packet(1, b"\xfemysql_native_password\0saltsalt\0")),
        (CLIENT, mysql_packet(2, b"Sesame4Sesame4Sesame")), (SERVER, mysql_packet(3, OK)),
        (CLIENT, QUERY), (SERVER, ROWS),
        (CLIENT, change_user("bob", b"Sesame5Sesame5Sesame", "")),
        (SERVER, mysql_packet(1, b"\xff\x15\x04#28000Access denied for user 'bob' Sesame4Sesame4Sesame")),
        (CLIENT, QUERY),
    )  # fmt: skip
    assert (first.command, first.username, first.authenticated) == ("login", "jane", True)
    assert (second.command, second.username, second.database) == ("change_user", "ann", "stock")
    assert (second.auth_plugin, second.authenticated, second.connection_id) == ("mysql_native_password", True, 4711)
    assert (third.username, third.database, third.authenticated, third.error_code) == ("bob", None, False, 1045)
    shown = repr([getattr(row, name) for row in flow.rows for name in row.__slots__])  # type: ignore[attr-defined]
    assert "Sesame" not in shown
    assert flow.sink.stamps[1][1] == len(MYSQL_TALK) + 2
    assert flow.sink.anomalies == []


@pytest.mark.parametrize("chunk", [1, 3, 50])
def test_a_change_in_pieces_after_long_packets(chunk: int) -> None:
    flow = Flow(MYSQL)
    load = mysql_packet(0, b"\x03load data local infile") + b"\xff\xff\xff\2" + bytes(0xFFFFFF) + mysql_packet(3, b"")
    for from_src, data in MYSQL_TALK:
        flow.feed(data, from_src)
    flow.feed(load, CLIENT)
    flow.feed(mysql_packet(1, OK), SERVER)
    flow.feed(mysql_packet(0, b"\x1f"), CLIENT)
    flow.feed(mysql_packet(1, OK), SERVER)
    flow.feed(change_user("ann", b"x" * 20, "stock"), CLIENT, chunk)
    flow.feed(mysql_packet(1, OK), SERVER, chunk)
    flow.close()
    assert [(r.username, r.authenticated) for r in flow.rows if isinstance(r, Mysql)] == [("jane", True), ("ann", True)]


def test_a_password_in_the_clear_is_not_kept() -> None:
    _, made = talk(
        *MYSQL_TALK, (SERVER, ROWS),
        (CLIENT, change_user("ann", b"Sesame6\0", "Sesame6", "mysql_clear_password")),
        (SERVER, mysql_packet(1, b"\xff\x15\x04#28000no Sesame6 here")),
    )  # fmt: skip
    assert made[1].username == "ann"
    assert "Sesame6" not in repr([getattr(made[1], name) for name in made[1].__slots__])  # type: ignore[attr-defined]


def test_a_change_of_the_database() -> None:
    _, (_, used, refused) = talk(
        *MYSQL_TALK, (SERVER, ROWS),
        (CLIENT, mysql_packet(0, b"\2stock")), (SERVER, mysql_packet(1, OK)),
        (CLIENT, mysql_packet(0, b"\2nowhere")), (SERVER, mysql_packet(1, b"\xff\x19\x04#42000Unknown database")),
    )  # fmt: skip
    assert (used.command, used.database, used.username, used.authenticated) == ("init_db", "stock", None, None)
    assert (refused.database, refused.error_code, refused.authenticated) == ("nowhere", 1049, None)


def test_an_answer_that_may_be_to_an_earlier_command() -> None:
    _, (_, row) = talk(
        *MYSQL_TALK, (CLIENT, change_user("ann", b"x" * 20, "")), (SERVER, mysql_packet(1, OK) + mysql_packet(1, OK)),
    )  # fmt: skip
    assert (row.username, row.authenticated) == ("ann", None)
    _, (_, row) = talk(
        *MYSQL_TALK, (SERVER, ROWS), (CLIENT, mysql_packet(0, b"\x19\1\0\0\0") + change_user("ann", b"x" * 20, "")),
        (SERVER, mysql_packet(1, OK)),
    )  # fmt: skip
    assert (row.username, row.authenticated) == ("ann", True)


def test_losses_after_the_login() -> None:
    flow = Flow(MYSQL)
    for from_src, data in MYSQL_TALK:
        flow.feed(data, from_src)
    flow.lose(5000, SERVER)
    flow.feed(ROWS, SERVER)
    flow.feed(change_user("ann", b"x" * 20, ""), CLIENT)
    flow.lose(11, SERVER)
    assert flow.talk.finished
    assert [(r.username, r.authenticated) for r in flow.rows if isinstance(r, Mysql)] == [("jane", True), ("ann", None)]


@pytest.mark.parametrize(("flag", "name"), [(0x20, "zlib"), (0x400_0000, "zstd")])
def test_compression(flag: int, name: str) -> None:
    flags = (int.from_bytes(MYSQL_FIXED[:4], "little") | flag).to_bytes(4, "little")
    login = mysql_packet(1, flags + MYSQL_LOGIN[8:])
    flow, (row,) = talk(
        (SERVER, MYSQL_GREETING), (CLIENT, login), (SERVER, mysql_packet(2, OK)),
        (CLIENT, b"\x0a\0\0\0\0\0\0" + QUERY), (SERVER, b"\x0a\0\0\1\0\0\0" + ROWS),
    )  # fmt: skip
    assert (row.compression, row.username) == (name, "jane")
    assert flow.sink.anomalies == []


def test_commands_are_bounded() -> None:
    flow = Flow(MYSQL)
    for from_src, data in MYSQL_TALK:
        flow.feed(data, from_src)
    for _ in range(MAX_CHANGES + 5):
        flow.feed(mysql_packet(0, b"\2stock"), CLIENT)
        flow.feed(mysql_packet(1, OK), SERVER)
    assert flow.talk.finished
    assert len(flow.rows) == MAX_CHANGES + 1


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
