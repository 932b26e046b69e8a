import pytest

from rustnet.dissect.framework.conversation import MORE, NO, YES, DissectError
from rustnet.dissect.redis import REDIS
from tests.dissect.harness import CLIENT, SERVER, Flow, fields
from tests.dissect.samples_streams import REDIS_TALK, resp


def talk(*said: tuple[bool, bytes], **ends: object) -> tuple[Flow, list[dict[str, object]]]:
    flow = Flow(REDIS, **ends)  # type: ignore[arg-type]
    for from_src, data in said:
        flow.tick()
        flow.feed(data, from_src)
    flow.close()
    return flow, [fields(row) for row in flow.rows]


def test_commands_and_replies() -> None:
    _, rows = talk(*REDIS_TALK)
    assert [(r["command"], r["argument_count"], r["result"], r.get("error")) for r in rows] == [
        ("AUTH", 2, "string", None),
        ("SET", 2, "string", None),
        ("LRANGE", 3, "array", None),
        ("HGETALL", 1, "map", None),
        ("GET", 1, "error", "WRONGTYPE"),
        ("PING", 0, "string", None),
    ]
    assert (rows[0]["username"], rows[0]["has_password"]) == ("jane", True)
    assert rows[1]["request_bytes"] == 3 + 12
    for secret in ("Sesame", "secret", "key"):
        assert secret not in repr(rows)


def test_logins() -> None:
    _, rows = talk(
        (CLIENT, resp(b"AUTH", b"Sesame1") + resp(b"HELLO", b"3", b"AUTH", b"jane", b"Sesame1", b"SETNAME", b"x"))
    )
    assert [(r["command"], r.get("username"), r["has_password"]) for r in rows] == [
        ("AUTH", None, True),
        ("HELLO", "jane", True),
    ]
    assert "Sesame" not in repr(rows)


def test_long_values_are_skipped() -> None:
    flow = Flow(REDIS)
    flow.feed(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1000000\r\nabc", CLIENT)
    flow.lose(999_997, CLIENT)
    flow.feed(b"\r\n" + resp(b"PING"), CLIENT)
    flow.feed(b"+OK\r\n$2000000\r\nx", SERVER)
    flow.lose(1_999_999, SERVER)
    flow.feed(b"\r\n:1\r\n", SERVER)
    assert [(r.command, r.request_bytes, r.result) for r in flow.rows] == [  # type: ignore[attr-defined]
        ("SET", 1_000_001, "string"),
        ("PING", 0, "bulk"),
        (None, 0, "integer"),
    ]


def test_inline_commands_subscriptions_and_bounds() -> None:
    _, rows = talk((CLIENT, b"PING\r\n\r\nINFO all\r\n"), (SERVER, b"+PONG\r\n$0\r\n\r\n"))
    assert [(r["command"], r["result"]) for r in rows] == [("PING", "string"), ("INFO", "bulk")]
    flow, rows = talk((CLIENT, resp(b"SUBSCRIBE", b"x")), (SERVER, b"*3\r\n$9\r\nsubscribe\r\n"))
    assert flow.talk.finished
    assert rows[0]["result"] == "array"
    flow, rows = talk((CLIENT, resp(b"PING") * 3000))
    assert len(rows) == 1000
    assert flow.talk.finished


def test_sides_and_losses() -> None:
    _, rows = talk(*((not side, data) for side, data in REDIS_TALK), src_port=6379, dst_port=50000)
    assert rows[0]["command"] == "AUTH"
    _, rows = talk(*(s for s in REDIS_TALK if not s[0]))
    assert [r["result"] for r in rows][:3] == ["string", "string", "array"]
    flow = Flow(REDIS)
    flow.feed(resp(b"PING"))
    flow.lose(4, SERVER)
    assert len(flow.rows) == 1


@pytest.mark.parametrize(
    ("side", "bad"),
    [
        (CLIENT, b"*x\r\n"),
        (CLIENT, b"*1\r\n+x\r\n"),
        (CLIENT, b"*1\r\n$-1\r\n"),
        (CLIENT, b"*1\r\n$500\r\n"),
        (CLIENT, b"x" * 5000),
        (SERVER, b"what\r\n"),
        (SERVER, b"$999999999999999\r\n"),
    ],
)
def test_malformed(side: bool, bad: bytes) -> None:
    with pytest.raises(DissectError):
        talk((side, bad))


@pytest.mark.parametrize(
    ("data", "port", "verdict"),
    [
        (resp(b"PING"), 9999, YES),
        (resp(b"PING")[:7], 9999, MORE),
        (b"*1\r\n$5\r\nPING\r\n", 9999, NO),
        (b"+OK\r\n", 6379, YES),
        (b"+OK\r\n", 9999, NO),
        (b"PING\r\n", 6379, YES),
        (b"GET / HTTP/1.1\r\n", 6379, NO),
    ],
)
def test_probe(data: bytes, port: int, verdict: int) -> None:
    assert Flow(REDIS, dst_port=port).probe(data) == verdict
