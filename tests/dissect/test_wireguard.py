import pytest

from rustnet.dissect.framework.conversation import NO, YES, DissectError
from rustnet.dissect.wireguard import WIREGUARD, Wireguard
from tests.dissect.harness import CLIENT, SERVER, Flow
from tests.dissect.samples_udp_secure import COOKIE, INITIATION, RESPONSE, WIREGUARD_TALK, wireguard_data

INDEX = b"\x55\x66\x77\x88"


def talk(*said: tuple[bool, bytes]) -> tuple[Flow, list[Wireguard]]:
    flow = Flow(WIREGUARD, "udp")
    for from_src, data in said:
        if not flow.talk.finished:
            flow.datagram(data, from_src)
    flow.close()
    return flow, [row for row in flow.rows if isinstance(row, Wireguard)]


def test_a_handshake() -> None:
    flow, (asked, answer) = talk(*WIREGUARD_TALK)
    assert (asked.message, asked.sender_index, asked.under_load) == ("initiation", 0x44332211, False)
    assert (answer.message, answer.sender_index, answer.receiver_index) == ("response", 0x88776655, 0x44332211)
    assert answer.response_ms == 1.0
    assert (flow.talk.state, flow.talk.finished) == ("ESTABLISHED", True)


def test_under_load() -> None:
    loaded = INITIATION[:-16] + b"\1" * 16
    _, rows = talk((CLIENT, INITIATION), (SERVER, COOKIE), (CLIENT, loaded))
    assert [row.message for row in rows] == ["initiation", "cookie", "initiation"]
    assert rows[1].receiver_index == 0x44332211
    assert rows[2].under_load


def test_a_session_from_its_middle() -> None:
    flow, (row,) = talk(*((CLIENT, wireguard_data(INDEX, n)) for n in range(200)))
    assert (row.message, row.receiver_index) == ("data", 0x88776655)
    assert flow.talk.finished


def test_data_needs_two_messages_or_the_port() -> None:
    flow = Flow(WIREGUARD, "udp", dst_port=9999)
    assert flow.probe(wireguard_data(INDEX, 5)) == NO
    assert flow.probe(wireguard_data(INDEX, 5)) == NO
    assert flow.probe(wireguard_data(INDEX, 6), SERVER) == NO
    assert flow.probe(wireguard_data(INDEX, 6)) == YES
    assert Flow(WIREGUARD, "udp").probe(wireguard_data(INDEX, 5)) == YES


@pytest.mark.parametrize(
    ("data", "verdict"),
    [
        (INITIATION, YES),
        (RESPONSE, YES),
        (COOKIE, YES),
        (INITIATION + b"\0", NO),
        (b"\5" + INITIATION[1:], NO),
        (b"\1\1" + INITIATION[2:], NO),
    ],
)
def test_probe(data: bytes, verdict: int) -> None:
    assert Flow(WIREGUARD, "udp", dst_port=9999).probe(data) == verdict


def test_malformed() -> None:
    with pytest.raises(DissectError):
        talk((CLIENT, b"\1\0\0\0"))
