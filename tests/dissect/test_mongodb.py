import pytest

from rustnet.dissect.framework.conversation import MORE, NO, YES, DissectError
from rustnet.dissect.mongodb.bson import elements
from rustnet.dissect.mongodb.parser import MONGODB
from tests.dissect.harness import CLIENT, SERVER, Flow, fields
from tests.dissect.samples_streams import MONGODB_TALK, OK, bson, bson_text, mongo


def talk(*said: tuple[bool, bytes]) -> tuple[Flow, list[dict[str, object]]]:
    flow = Flow(MONGODB)
    for from_src, data in said:
        flow.tick()
        flow.feed(data, from_src)
    flow.close()
    return flow, [fields(row) for row in flow.rows]


def test_requests() -> None:
    _, rows = talk(*MONGODB_TALK)
    assert [(r["command"], r.get("database"), r.get("collection"), r["ok"]) for r in rows] == [
        ("isMaster", "admin", None, True),
        ("saslStart", "admin", None, False),
        ("find", "shop", "users", True),
    ]
    assert (rows[0]["application_name"], rows[0]["client_name"], rows[0]["client_version"]) == (
        "shop",
        "PyMongo",
        "4.6",
    )
    assert rows[0]["client_os"] == "Linux"
    assert (rows[1]["auth_method"], rows[1]["username"], rows[1]["error"]) == (
        "SCRAM-SHA-256",
        "jane",
        "AuthenticationFailed",
    )
    for secret in ("Sesame", "secret"):
        assert secret not in repr(rows)


def test_other_operations() -> None:
    _, rows = talk(
        (CLIENT, mongo(1, 0, 2002, bytes(4) + b"shop.users\0" + bson(OK))),
        (CLIENT, mongo(2, 0, 2004, bytes(4) + b"shop.users\0" + bytes(8) + bson(OK))),
        (CLIENT, mongo(3, 0, 2012, (2013).to_bytes(4, "little") + bytes(4) + b"\x02" + bytes(30))),
        (CLIENT, mongo(4, 0, 2007, bytes(20))),
        (CLIENT, mongo(5, 0, 2013, b"\x02\0\0\0\0" + bson(bson_text(b"insert", b"x"), bson_text(b"$db", b"d")))),
        (SERVER, mongo(9, 3, 2012, (2013).to_bytes(4, "little") + bytes(4) + b"\x02" + bytes(30))),
    )
    assert [(r.get("command"), r.get("collection"), r["compressed"]) for r in rows] == [
        ("insert", "users", False),
        ("killCursors", None, False),
        ("insert", "x", False),
        (None, None, True),
        ("find", "users", False),
    ]


def test_long_messages_losses_and_bounds() -> None:
    flow = Flow(MONGODB)
    whole = mongo(5, 0, 2013, bytes(5) + bson(bson_text(b"insert", b"x"), bson_text(b"blob", bytes(500_000))))
    flow.feed(whole[:5000])
    flow.lose(len(whole) - 5000)
    flow.feed(mongo(6, 0, 2013, bytes(5) + bson(bson_text(b"find", b"y"))))
    flow.lose(1, SERVER)
    got = [(fields(row)["command"], fields(row)["collection"]) for row in flow.rows]
    assert got == [("insert", "x"), ("find", "y")]
    flow, rows = talk((CLIENT, b"".join(mongo(n, 0, 2013, bytes(5) + bson(OK)) for n in range(3000))))
    assert len(rows) == 1000


def test_bson() -> None:
    document = bson(
        (8, b"a", b"\x01"), (0x0F, b"b", b"\x09\0\0\0" + bytes(5)), bson_text(b"c", b"d"), (0x99, b"e", b"")
    )
    assert [(kind, name) for kind, name, _ in elements(document, 0)] == [(8, b"a"), (15, b"b"), (2, b"c")]
    for cut in range(5, len(document)):
        list(elements(document[:cut], 0))
    with pytest.raises(DissectError):
        list(elements(bytes(4), 0))


@pytest.mark.parametrize("bad", [bytes(16), mongo(1, 0, 7, b"x"), mongo(1, 0, 2013, bytes(10))])
def test_malformed(bad: bytes) -> None:
    with pytest.raises(DissectError):
        talk((CLIENT, bad))


@pytest.mark.parametrize(
    ("data", "port", "verdict"),
    [
        (MONGODB_TALK[0][1], 9999, YES),
        (MONGODB_TALK[1][1], 9999, YES),
        (MONGODB_TALK[4][1], 9999, YES),
        (MONGODB_TALK[0][1][:20], 9999, MORE),
        (MONGODB_TALK[0][1][:14], 27017, MORE),
        (mongo(1, 0, 2013, b"\xff" * 20), 27017, NO),
        (mongo(1, 0, 2004, bytes(30)), 27017, NO),
        (b"GET / HTTP/1.1\r\n", 27017, NO),
    ],
)
def test_probe(data: bytes, port: int, verdict: int) -> None:
    assert Flow(MONGODB, dst_port=port).probe(data) == verdict
