import pytest

from rustnet.dissect.framework.conversation import NO, YES, DissectError
from rustnet.dissect.ipsec import IPSEC, MAX_ROWS, PATIENCE, Ike
from tests.dissect.harness import CLIENT, SERVER, Flow
from tests.dissect.samples_udp_secure import AGGRESSIVE, IKE_ANSWER, IKE_AUTH, IKE_INIT, SPI_I, SPI_R, esp, ike


def talk(*said: tuple[bool, bytes], port: int = 500) -> tuple[Flow, list[Ike]]:
    flow = Flow(IPSEC, "udp", dst_port=port)
    for from_src, data in said:
        if not flow.talk.finished:
            flow.datagram(data, from_src)
    flow.close()
    return flow, [row for row in flow.rows if isinstance(row, Ike)]


def test_version_2() -> None:
    flow, (asked, answer, auth) = talk((CLIENT, IKE_INIT), (SERVER, IKE_ANSWER), (CLIENT, IKE_AUTH))
    assert (asked.version, asked.exchange, asked.response) == ("IKEv2", "IKE_SA_INIT", False)
    assert (asked.initiator_spi, asked.responder_spi) == (SPI_I.hex(), "00" * 8)
    assert asked.proposals == ["AES-CBC-256 PRF-SHA256 SHA256-128 ECP256"]
    assert (asked.key_group, asked.vendor_ids) == ("ECP256", ["strongSwan"])
    assert (answer.response, answer.responder_spi, answer.notifications) == (True, SPI_R.hex(), ["16388"])
    assert (auth.exchange, auth.encrypted, auth.message_id, auth.proposals) == ("IKE_AUTH", True, 1, None)
    assert flow.talk.state == "HANDSHAKE"


def test_version_1() -> None:
    _, (row,) = talk((CLIENT, AGGRESSIVE))
    assert (row.version, row.exchange, row.identity) == ("IKEv1", "Aggressive", "me@vpn.test")
    assert row.proposals == ["AES-CBC-256 SHA1 PSK MODP2048"]
    flow, (row,) = talk((CLIENT, ike(((8, bytes(40)),), 32, 0x10, 1, number=77)))
    assert (row.exchange, row.encrypted, row.message_id, flow.talk.state) == ("Quick", True, 77, "ESTABLISHED")


def test_behind_a_nat() -> None:
    flow, rows = talk(
        (CLIENT, bytes(4) + IKE_AUTH),
        (CLIENT, b"\xff"),
        (CLIENT, esp(SPI_R[:4], 1)),
        (CLIENT, esp(SPI_R[:4], 2)),
        (SERVER, esp(SPI_I[:4], 1)),
        port=4500,
    )
    assert [(row.version, row.esp_spi) for row in rows] == [("IKEv2", None), ("ESP", "98d56d32"), ("ESP", "89922c91")]
    assert flow.talk.state == "ESTABLISHED"


def test_esp_is_not_read_for_ever() -> None:
    flow, rows = talk(*((CLIENT, esp(SPI_R[:4], n)) for n in range(PATIENCE + 100)), port=4500)
    assert (len(rows), flow.talk.finished) == (1, True)
    flow, rows = talk(*((CLIENT, IKE_AUTH) for _ in range(MAX_ROWS + 10)))
    assert (len(rows), flow.talk.finished) == (MAX_ROWS, True)


def test_malformed() -> None:
    with pytest.raises(DissectError):
        talk((CLIENT, b"\1" * 20))
    with pytest.raises(DissectError):
        talk((CLIENT, b"\1" * 40))
    flow, (row,) = talk((CLIENT, IKE_INIT[:80]))
    assert row.exchange == "IKE_SA_INIT"
    assert [kind for kind, _ in flow.sink.anomalies] == ["malformed_ipsec"]
    _, (row,) = talk((CLIENT, ike(((33, b"\0\0\xff\xff" + bytes(20)),))))
    assert row.proposals is None


@pytest.mark.parametrize(
    ("data", "port", "verdict"),
    [
        (IKE_INIT, 9999, YES),
        (AGGRESSIVE, 9999, YES),
        (IKE_INIT + b"\0", 500, NO),
        (IKE_INIT[:17] + b"\x30" + IKE_INIT[18:], 500, NO),
        (IKE_INIT[:18] + b"\x02" + IKE_INIT[19:], 500, NO),
        (bytes(4) + IKE_AUTH, 4500, YES),
        (bytes(4) + IKE_AUTH, 500, NO),
        (bytes(100), 4500, NO),
        (esp(SPI_R[:4], 1), 4500, NO),
    ],
)
def test_probe(data: bytes, port: int, verdict: int) -> None:
    assert Flow(IPSEC, "udp", dst_port=port).probe(data) == verdict


def test_esp_needs_two_packets() -> None:
    flow = Flow(IPSEC, "udp", dst_port=4500)
    assert flow.probe(esp(SPI_R[:4], 7)) == NO
    assert flow.probe(esp(SPI_R[:4], 8), SERVER) == NO
    assert flow.probe(esp(SPI_R[:4], 8)) == YES
