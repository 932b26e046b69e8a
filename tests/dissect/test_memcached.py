import pytest
from harness import CLIENT, SERVER, Flow, fields
from samples_streams import MEMCACHED_BINARY, MEMCACHED_TALK, MEMCACHED_UDP, memcached

from rustnet.dissect.framework.conversation import MORE, NO, YES, DissectError
from rustnet.dissect.memcached import MEMCACHED


def talk(*said: tuple[bool, bytes], transport: str = "tcp") -> tuple[Flow, list[dict[str, object]]]:
    flow = Flow(MEMCACHED, transport)
    for from_src, data in said:
        if transport == "udp":
            flow.datagram(data, from_src)
            continue
        flow.tick()
        flow.feed(data, from_src)
    flow.close()
    return flow, [fields(row) for row in flow.rows]


def test_text() -> None:
    _, rows = talk(*MEMCACHED_TALK)
    assert [(r["command"], r["argument_count"], r.get("result"), r["request_bytes"]) for r in rows] == [
        ("set", 4, "STORED", 13),
        ("incr", 3, None, 0),
        ("get", 2, "END", 0),
        ("quit", 0, None, 0),
        ("version", 0, "VERSION", 0),
        ("stats", 0, "END", 0),
    ]
    assert (rows[2]["response_bytes"], rows[4]["server_version"]) == (13, "1.6.21")
    for secret in ("secret", "key"):
        assert secret not in repr(rows)


def test_meta_commands_and_long_values() -> None:
    _, rows = talk(
        (CLIENT, b"mg key v\r\nms key 6 T0\r\nsecret\r\nmn\r\n"), (SERVER, b"VA 6\r\nsecret\r\nHD\r\nMN\r\n")
    )
    assert [(r["command"], r["result"]) for r in rows] == [("mg", "VA"), ("ms", "HD"), ("mn", "MN")]
    flow = Flow(MEMCACHED)
    flow.feed(b"get k\r\n")
    flow.feed(b"VALUE k 0 1000000\r\nabc", SERVER)
    flow.lose(999_997, SERVER)
    flow.feed(b"\r\nEND\r\n", SERVER)
    assert [(r.command, r.response_bytes) for r in flow.rows] == [("get", 1_000_000)]  # type: ignore[attr-defined]


def test_binary() -> None:
    _, rows = talk(*MEMCACHED_BINARY)
    assert [(r["command"], r["result"], r["status_code"], r["request_bytes"]) for r in rows] == [
        ("sasl_auth", "ok", 0, 13),
        ("set", "error", 5, 1200),
    ]
    assert (rows[0]["username"], rows[0]["has_password"], rows[0]["binary"]) == ("jane", True, True)
    assert "Sesame" not in repr(rows)
    _, rows = talk((CLIENT, memcached(0x80, 0x09, b"k") + memcached(0x80, 0x0A)), (SERVER, memcached(0x81, 0x0A)))
    assert [r["command"] for r in rows] == ["getq", "noop"]


def test_datagrams() -> None:
    _, (row,) = talk(*MEMCACHED_UDP, transport="udp")
    assert (row["command"], row["result"]) == ("stats", "STAT")
    assert row["response_bytes"] == 199 * 10 + 5
    _, (row,) = talk(MEMCACHED_UDP[1], transport="udp")
    assert "command" not in row
    _, rows = talk(*((CLIENT, n.to_bytes(2, "big") + MEMCACHED_UDP[0][1][2:]) for n in range(600)), transport="udp")
    assert len(rows) == 600


def test_losses_bounds_and_malformed() -> None:
    flow = Flow(MEMCACHED)
    flow.feed(b"get k\r\n")
    flow.lose(5, SERVER)
    assert flow.talk.finished
    flow.close()
    assert len(flow.rows) == 1
    flow, rows = talk((CLIENT, b"get k\r\n" * 3000))
    assert len(rows) == 1000
    with pytest.raises(DissectError):
        talk((SERVER, b"what is this\r\n"))
    with pytest.raises(DissectError):
        talk((CLIENT, memcached(0x80, 0) + bytes(24)))


@pytest.mark.parametrize(
    ("data", "port", "verdict"),
    [
        (b"get k\r\n", 11211, YES),
        (b"get k\r\n", 9999, NO),
        (b"set k 0 0 5\r\nhello\r\n", 9999, YES),
        (b"get", 11211, MORE),
        (b"END\r\n", 11211, YES),
        (MEMCACHED_BINARY[0][1], 11211, YES),
        (MEMCACHED_BINARY[0][1], 9999, NO),
        (b"\x80" + b"\xff" * 30, 11211, NO),
        (b"GET / HTTP/1.1\r\n", 11211, NO),
    ],
)
def test_probe(data: bytes, port: int, verdict: int) -> None:
    assert Flow(MEMCACHED, dst_port=port).probe(data) == verdict


def test_probe_of_datagrams() -> None:
    flow = Flow(MEMCACHED, "udp")
    assert flow.probe(MEMCACHED_UDP[0][1]) == YES
    assert flow.probe(MEMCACHED_UDP[1][1], SERVER) == YES
    assert flow.probe(bytes(40)) == NO
    assert flow.probe(b"\0\x01\0\0\0\x01\0\0what\r\n") == NO
