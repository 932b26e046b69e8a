import pytest

from rustnet.dissect.cassandra import CASSANDRA
from rustnet.dissect.framework.conversation import MORE, NO, YES, DissectError
from tests.dissect.harness import CLIENT, SERVER, Flow, fields
from tests.dissect.samples_streams import CASSANDRA_STARTUP, CASSANDRA_TALK, cql, mqtt_text


def talk(*said: tuple[bool, bytes]) -> tuple[Flow, list[dict[str, object]]]:
    flow = Flow(CASSANDRA)
    for from_src, data in said:
        flow.tick()
        flow.feed(data, from_src)
    flow.close()
    return flow, [fields(row) for row in flow.rows]


def test_a_login() -> None:
    flow, (row,) = talk(*CASSANDRA_TALK)
    assert row == {
        "version": "4",
        "cql_version": "3.0.0",
        "client_name": "DataStax",
        "client_version": "3.29",
        "auth_method": "PasswordAuthenticator",
        "username": "jane",
        "has_password": True,
        "authenticated": True,
    }
    assert flow.talk.finished


def test_refusals_and_versions() -> None:
    error = (0x100).to_bytes(4, "big") + mqtt_text("Bad credentials")
    _, (row,) = talk((CLIENT, cql(5, 1, CASSANDRA_STARTUP)), (SERVER, cql(0x85, 0, error)))
    assert (row["authenticated"], row["error_number"], row["error"]) == (False, 256, "Bad credentials")
    old = b"\x02\0\0\x01" + len(CASSANDRA_STARTUP).to_bytes(4, "big") + CASSANDRA_STARTUP
    _, (row,) = talk((CLIENT, old), (SERVER, b"\x82\0\0\x02\0\0\0\0\0"))
    assert (row["version"], row["cql_version"], row["authenticated"]) == ("2", "3.0.0", True)


def test_late_captures_losses_and_malformed() -> None:
    flow, (row,) = talk((CLIENT, cql(4, 7, b"select secret")))
    assert row == {"version": "4", "has_password": False}
    assert flow.talk.finished
    flow, rows = talk((CLIENT, cql(4, 7, bytes(100_000))))
    assert len(rows) == 1
    flow = Flow(CASSANDRA)
    flow.feed(CASSANDRA_TALK[0][1])
    flow.lose(1, SERVER)
    assert len(flow.rows) == 1
    for bad in (bytes(9), cql(4, 0x44), cql(0x7F, 1)):
        with pytest.raises(DissectError):
            talk((CLIENT, bad))


@pytest.mark.parametrize(
    ("data", "port", "verdict"),
    [
        (cql(4, 5), 9999, YES),
        (cql(4, 1, CASSANDRA_STARTUP), 9999, YES),
        (cql(4, 1, CASSANDRA_STARTUP)[:12], 9999, MORE),
        (cql(4, 1, bytes(40)), 9042, NO),
        (cql(0x84, 6, b"\0\0"), 9042, YES),
        (cql(0x84, 6, b"\0\0"), 9999, NO),
        (bytes(20), 9042, NO),
        (b"GET / HTTP/1.1\r\n", 9042, NO),
    ],
)
def test_probe(data: bytes, port: int, verdict: int) -> None:
    assert Flow(CASSANDRA, dst_port=port).probe(data) == verdict
