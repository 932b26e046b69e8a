import struct

import pytest

from rustnet.dissect.framework.conversation import MORE, NO, YES, DissectError
from rustnet.dissect.postgresql import POSTGRESQL, Postgresql
from rustnet.dissect.tls.parser import Tls
from tests.dissect.dispatched import DispatchedFlow
from tests.dissect.harness import CLIENT, SERVER, Flow, fields
from tests.dissect.samples_streams import POSTGRESQL_TALK, pg, pg_startup
from tests.dissect.samples_web import tls_talk

SSL = struct.pack(">II", 8, 80877103)
GSS = struct.pack(">II", 8, 80877104)


def talk(*said: tuple[bool, bytes]) -> tuple[Flow, list[Postgresql]]:
    flow = Flow(POSTGRESQL)
    for from_src, data in said:
        flow.tick()
        flow.feed(data, from_src)
    flow.close()
    return flow, [row for row in flow.rows if isinstance(row, Postgresql)]


def test_a_start() -> None:
    flow, (row,) = talk(*POSTGRESQL_TALK)
    assert {k: v for k, v in fields(row).items() if v} == {
        "username": "jane",
        "database": "shop",
        "application_name": "psql",
        "server_version": "16.2",
        "auth_method": "scram-sha-256",
        "authenticated": True,
        "backend_pid": 0x1234,
    }
    assert flow.talk.finished


def test_refusals() -> None:
    error = pg(b"E", b"SFATAL\0C28P01\0Mpassword authentication failed\0\0")
    _, (row,) = talk((CLIENT, GSS), (SERVER, b"N"), (CLIENT, SSL), (SERVER, b"N"), POSTGRESQL_TALK[0], (SERVER, error))
    assert (row.authenticated, row.sqlstate, row.error) == (False, "28P01", "password authentication failed")
    assert (row.tls_requested, row.gss_requested, row.tls, row.username) == (True, True, False, "jane")


def test_tls_inside() -> None:
    for said in (((CLIENT, SSL), (SERVER, b"S"), *tls_talk(13)), ((CLIENT, SSL), *(s for s in tls_talk(13) if s[0]))):
        flow = DispatchedFlow(said)
        assert [(r["tls_requested"], r["tls"]) for r in flow.rows(Postgresql)] == [(True, True)]
        assert [r["sni"] for r in flow.rows(Tls)] == ["www.example.org"]
        assert flow.talk.app == "postgresql"


def test_other_starts() -> None:
    _, (row,) = talk((CLIENT, struct.pack(">IIII", 16, 80877102, 4711, 1)))
    assert (row.cancel, row.backend_pid) == (True, 4711)
    _, (row,) = talk((CLIENT, GSS), (SERVER, b"G"))
    assert row.gss_requested
    _, (row,) = talk((CLIENT, pg_startup(b"user", b"r", b"replication", b"database")), (SERVER, pg(b"R", bytes(4))))
    assert (row.replication, row.auth_method) == ("database", "trust")


def test_one_direction_only() -> None:
    _, (row,) = talk(*(said for said in POSTGRESQL_TALK if said[0] == SERVER))
    assert (row.server_version, row.username) == ("16.2", None)
    _, (row,) = talk(*(said for said in POSTGRESQL_TALK if said[0] == CLIENT))
    assert (row.username, row.authenticated) == ("jane", None)


def test_gap_and_malformed() -> None:
    flow = Flow(POSTGRESQL)
    flow.feed(POSTGRESQL_TALK[0][1])
    flow.lose(9, SERVER)
    assert len(flow.rows) == 1
    with pytest.raises(DissectError):
        talk((CLIENT, bytes(20)))
    with pytest.raises(DissectError):
        talk((SERVER, b"Xwhat is this"))
    flow, rows = talk(POSTGRESQL_TALK[0], (SERVER, b"Xwhat is this"))
    assert len(rows) == 1
    assert flow.sink.anomalies


@pytest.mark.parametrize(
    ("data", "port", "verdict"),
    [
        (SSL, 9999, YES),
        (SSL[:7], 9999, MORE),
        (POSTGRESQL_TALK[0][1], 9999, YES),
        (POSTGRESQL_TALK[0][1][:10], 9999, MORE),
        (POSTGRESQL_TALK[1][1], 5432, YES),
        (POSTGRESQL_TALK[1][1], 9999, NO),
        (b"\0\0\0\x20\0\x03\0\0junk\0", 5432, NO),
        (b"N", 5432, MORE),
        (bytes(40), 5432, NO),
        (b"GET / HTTP/1.1\r\n", 5432, NO),
    ],
)
def test_probe(data: bytes, port: int, verdict: int) -> None:
    assert Flow(POSTGRESQL, dst_port=port).probe(data) == verdict
