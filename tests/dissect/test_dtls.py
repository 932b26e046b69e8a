import random

import pytest

from rustnet.dissect.framework.conversation import NO, YES, DissectError
from rustnet.dissect.tls.dtls import DTLS
from rustnet.dissect.tls.parser import Tls
from tests.dissect.harness import CLIENT, SERVER, Flow
from tests.dissect.samples_udp_secure import (
    dtls,
    dtls_hello,
    dtls_server_hello,
    dtls_talk,
    fragment,
    server_certificate,
)
from tests.dissect.samples_web import vector


def talk(*said: tuple[bool, bytes]) -> tuple[Flow, list[Tls]]:
    flow = Flow(DTLS, "udp")
    for from_src, data in said:
        if not flow.talk.finished:
            flow.datagram(data, from_src)
    flow.close()
    return flow, [row for row in flow.rows if isinstance(row, Tls)]


def test_a_handshake() -> None:
    flow, (row,) = talk(*dtls_talk())
    assert (row.sni, row.version, row.established) == ("dtls.example", "DTLS 1.2", True)
    assert row.cipher == "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"
    assert (row.subject, row.chain_length) == ("CN=server.example", 1)
    assert row.ja4 is not None
    assert row.ja4.startswith("dd2d0202")
    assert row.offered_versions == ["DTLS 1.2"]
    assert (flow.talk.state, flow.talk.finished, flow.talk.hostname) == ("ESTABLISHED", True, "dtls.example")


def test_fragments_in_any_order_and_repeated() -> None:
    chain = vector(vector(server_certificate(), 3), 3)
    pieces = [dtls(22, fragment(11, chain, 2, at, 37), n) for n, at in enumerate(range(0, len(chain), 30))]
    random.Random(1).shuffle(pieces)
    start = dtls_talk()[:3]
    server = [(SERVER, dtls(22, fragment(2, dtls_server_hello(), 1), 1)), *((SERVER, p) for p in pieces + pieces)]
    flow = Flow(DTLS, "udp")
    for from_src, data in (*start, *server):
        flow.parser.datagrams = 0  # type: ignore[attr-defined]
        flow.datagram(data, from_src)
    flow.close()
    (row,) = flow.rows
    assert isinstance(row, Tls)
    assert row.subject == "CN=server.example"


def test_lost_fragments_and_one_side() -> None:
    _, (row,) = talk(*dtls_talk()[:5])
    assert (row.sni, row.subject, row.established) == ("dtls.example", None, False)
    _, (row,) = talk(*((side, data) for side, data in dtls_talk() if side == SERVER))
    assert (row.sni, row.version, row.established) == (None, "DTLS 1.2", True)
    flow, (row,) = talk((CLIENT, dtls_talk()[0][1]), *((CLIENT, dtls(23, bytes(40), n, 1)) for n in range(80)))
    assert row.sni == "dtls.example"
    assert flow.talk.finished


def test_version_1_3() -> None:
    chosen = b"\x00\x2b\x00\x02\xfe\xfc"
    answer = dtls_server_hello()[:-3] + b"\x13\x01\x00" + vector(chosen)
    flow, (row,) = talk((CLIENT, dtls_talk()[0][1]), (SERVER, dtls(22, fragment(2, answer, 0))))
    assert (row.version, row.cipher, row.established) == ("DTLS 1.3", "TLS_AES_128_GCM_SHA256", True)
    assert flow.talk.finished
    flow, (row,) = talk((CLIENT, dtls_talk()[0][1]), (CLIENT, b"\x2f\x01\x02" + bytes(40)))
    assert row.established


def test_an_alert() -> None:
    flow, (row,) = talk((CLIENT, dtls_talk()[0][1]), (SERVER, dtls(21, b"\2\x28")))
    assert (row.alert, row.alert_level, row.alert_from_client) == ("handshake_failure", "fatal", False)
    assert flow.talk.finished


def test_a_session_from_its_middle() -> None:
    data = dtls(23, bytes(80), 77, 1)
    assert Flow(DTLS, "udp", dst_port=9999).probe(data) == YES
    flow, rows = talk(*((CLIENT, data) for _ in range(30)))
    assert (rows, flow.talk.state, flow.talk.finished) == ([], "ESTABLISHED", True)


def test_malformed() -> None:
    with pytest.raises(DissectError):
        talk((CLIENT, b"\x16\x03\x01" + bytes(30)))
    with pytest.raises(DissectError):
        talk((CLIENT, dtls(22, fragment(1, dtls_hello()[:60], 0))))
    flow, rows = talk((CLIENT, dtls_talk()[0][1]), (SERVER, dtls(22, b"\x63" + bytes(11))))
    assert [kind for kind, _ in flow.sink.anomalies] == ["malformed_dtls"]
    assert len(rows) == 1


def test_a_message_of_many_fragments_is_bounded() -> None:
    flow = Flow(DTLS, "udp")
    flow.datagram(dtls_talk()[0][1])
    for n in range(50):
        head = b"\x0b\x01\xff\xff" + n.to_bytes(2, "big") + bytes(3) + b"\0\0\x0a"
        flow.datagram(dtls(22, head + bytes(10), n), SERVER)
    assert len(flow.parser.parts[0]) == 8  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("data", "verdict"),
    [
        (dtls(22, fragment(1, dtls_hello(), 0)), YES),
        (dtls(22, fragment(1, dtls_hello(), 0))[:100], YES),
        (dtls(22, fragment(1, dtls_hello(), 0), version=0x0100), YES),
        (dtls(22, fragment(1, dtls_hello(), 0)) + b"x", NO),
        (dtls(22, fragment(99, dtls_hello(), 0)), NO),
        (dtls(23, bytes(40)), NO),
        (dtls(23, bytes(40), 1, 1)[:30], NO),
        (dtls(23, bytes(40), 1, 1) + dtls(23, bytes(9), 2, 1), YES),
        (dtls(22, fragment(1, dtls_hello(), 0), version=0x0303), NO),
    ],
)
def test_probe(data: bytes, verdict: int) -> None:
    assert Flow(DTLS, "udp", dst_port=9999).probe(data) == verdict
