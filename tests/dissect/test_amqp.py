import pytest

from rustnet.dissect.amqp.parser import AMQP
from rustnet.dissect.amqp.types import value
from rustnet.dissect.framework.conversation import MORE, NO, YES, DissectError
from rustnet.dissect.tls.parser import Tls
from tests.dissect.dispatched import DispatchedFlow
from tests.dissect.harness import CLIENT, SERVER, Flow, fields
from tests.dissect.samples_streams import AMQP1_TALK, AMQP_TALK, amqp, amqp1, amqp_method, amqp_table
from tests.dissect.samples_web import tls_talk


def talk(*said: tuple[bool, bytes]) -> tuple[Flow, list[dict[str, object]]]:
    flow = Flow(AMQP)
    for from_src, data in said:
        flow.tick()
        flow.feed(data, from_src)
    flow.close()
    return flow, [fields(row) for row in flow.rows]


def test_version_0_9_1() -> None:
    _, rows = talk(*AMQP_TALK)
    assert [r["method"] for r in rows] == [
        "header",
        "connection.start",
        "connection.start-ok",
        "connection.open",
        "channel.open",
        "queue.declare",
        "queue.declare-ok",
        "basic.publish",
        "basic.deliver",
        "connection.close",
    ]
    assert {r["version"] for r in rows} == {"0-9-1"}
    assert (rows[1]["program_name"], rows[1]["program_version"], rows[1]["auth_method"]) == (
        "RabbitMQ",
        "3.12",
        "PLAIN",
    )
    assert (rows[2]["program_name"], rows[2]["username"], rows[2]["has_password"]) == ("pika", "jane", True)
    assert (rows[3]["virtual_host"], rows[5]["queue"], rows[6]["queue"]) == ("shop", "orders", "orders")
    assert [(r["exchange"], r["routing_key"], r["payload_bytes"]) for r in rows[7:9]] == [
        ("ex", "key", 600),
        ("ex", "key", 6),
    ]
    assert (rows[9]["reply_code"], rows[9]["error"]) == (320, "bye")
    for secret in ("Sesame", "secret"):
        assert secret not in repr(rows)


def test_version_1() -> None:
    _, rows = talk(*AMQP1_TALK)
    assert [r["method"] for r in rows] == [
        "header",
        "sasl-mechanisms",
        "sasl-init",
        "sasl-outcome",
        "open",
        "attach",
        "transfer",
        "close",
    ]
    assert (rows[2]["auth_method"], rows[2]["username"], rows[2]["virtual_host"]) == ("PLAIN", "jane", "bus.example")
    assert (rows[3]["reply_code"], rows[4]["client_id"], rows[4]["virtual_host"]) == (0, "cont", "bus.example")
    assert (rows[5]["queue"], rows[7]["error"]) == ("q1", "amqp:x")
    for secret in ("Sesame", "secret"):
        assert secret not in repr(rows)


def test_tls_inside() -> None:
    header = b"AMQP\x02\x01\0\0"
    flow = DispatchedFlow(((CLIENT, header), (SERVER, header), *tls_talk(13)), port=5672)
    assert [r["sni"] for r in flow.rows(Tls)] == ["www.example.org"]


def test_methods() -> None:
    arguments = {
        (40, 10): b"\0\0\x02ex\x06direct\0" + bytes(4),
        (50, 20): b"\0\0\x01q\x02ex\x03key\0" + bytes(4),
        (60, 20): b"\0\0\x01q\x03tag\0" + bytes(4),
        (60, 50): b"\x01\x38\x08NO_ROUTE\x02ex\x03key",
        (20, 40): b"\x01\x94\x09NOT_FOUND" + bytes(4),
    }
    _, rows = talk(*((CLIENT, amqp_method(1, *number, body)) for number, body in arguments.items()))
    assert [(r.get("exchange"), r.get("queue"), r.get("routing_key"), r.get("reply_code")) for r in rows] == [
        ("ex", None, None, None),
        ("ex", "q", "key", None),
        (None, "q", None, None),
        (None, None, None, 404),
        ("ex", None, "key", 312),
    ]
    plain = amqp_table((b"LOGIN", b"jane"), (b"PASSWORD", b"Sesame1"))[4:]
    start_ok = bytes(4) + b"\x08AMQPLAIN" + len(plain).to_bytes(4, "big") + plain + b"\0"
    _, (row,) = talk((CLIENT, amqp_method(0, 10, 11, start_ok)))
    assert (row["username"], row["has_password"]) == ("jane", True)
    assert "Sesame" not in repr(row)


def test_bounds_and_losses() -> None:
    flow, rows = talk((CLIENT, amqp_method(1, 60, 20, b"\0\0\x01q\0") * 2000))
    assert len(rows) == 1000
    flow, rows = talk(*((CLIENT, amqp_method(n, 60, 40, b"\0\0\x01e\0\0")) for n in range(200)))
    assert len(rows) == 200
    flow = Flow(AMQP)
    whole = amqp(3, 1, bytes(500_000))
    flow.feed(whole[:100])
    flow.lose(len(whole) - 100)
    flow.feed(amqp_method(1, 20, 10, b"\0"))
    flow.lose(1)
    assert len(flow.rows) == 1
    assert flow.talk.finished
    with pytest.raises(DissectError):
        value(b"\0" * 100, 0)


@pytest.mark.parametrize(
    "bad",
    [
        b"\x07" + bytes(10),
        b"AMQP\x09\x09\x09\x09",
        amqp_method(1, 99, 99, b""),
        amqp_method(1, 60, 40, b"\0\0\x50e"),
        amqp(1, 1, b"\0\x14\0\x0a\0")[:-1] + b"\0" * 9,
        b"AMQP\0\x01\0\0" + b"\0\0\0\x04\x02\0\0\0",
        b"AMQP\0\x01\0\0" + b"\0\0\0\x0c\x02\0\0\0junk",
        b"AMQP\0\x01\0\0" + amqp1(0x10, b"\xa1\x50x", 1),
    ],
)
def test_malformed(bad: bytes) -> None:
    with pytest.raises(DissectError):
        talk((CLIENT, bad))


@pytest.mark.parametrize(
    ("data", "port", "verdict"),
    [
        (b"AMQP\0\0\x09\x01", 9999, YES),
        (b"AMQP", 9999, MORE),
        (b"AMQP1234", 5672, NO),
        (AMQP_TALK[1][1], 5672, YES),
        (AMQP_TALK[1][1], 9999, NO),
        (amqp_method(1, 99, 99, bytes(9)), 5672, NO),
        (b"GET / HTTP/1.1\r\n", 5672, NO),
    ],
)
def test_probe(data: bytes, port: int, verdict: int) -> None:
    assert Flow(AMQP, dst_port=port).probe(data) == verdict
