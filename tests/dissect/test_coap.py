import pytest

from rustnet.dissect.coap import COAP, MAX_ROWS, Coap
from rustnet.dissect.framework.conversation import NO, YES, DissectError
from tests.dissect.harness import CLIENT, SERVER, Flow
from tests.dissect.samples_udp_secure import COAP_CONTENT, COAP_GET, coap

PING = coap(0, 0, 1)


def talk(*said: tuple[bool, bytes]) -> tuple[Flow, list[Coap]]:
    flow = Flow(COAP, "udp")
    for from_src, data in said:
        if not flow.talk.finished:
            flow.datagram(data, from_src)
    flow.close()
    return flow, [row for row in flow.rows if isinstance(row, Coap)]


def test_a_request_and_its_answer() -> None:
    flow, (asked, answer) = talk((CLIENT, COAP_GET), (SERVER, COAP_CONTENT))
    assert (asked.method, asked.code, asked.message_class) == ("GET", None, "confirmable")
    assert (asked.host, asked.uri, asked.token) == ("sensor.test", "/rooms/temperature?unit=c", "20")
    assert (answer.method, answer.code, answer.message_class) == (None, "2.05 Content", "acknowledgement")
    assert (answer.uri, answer.response_ms) == ("/rooms/temperature?unit=c", 1.0)
    assert (answer.content_format, answer.body_bytes) == (0, 6)
    assert flow.talk.hostname == "sensor.test"


def test_notifications() -> None:
    note = coap(1, 0x45, 9, b"ab", ((6, b"\x01\x02"), (12, b"\x32")), b"{}")
    _, rows = talk(
        (CLIENT, coap(0, 1, 1, b"ab", ((6, b""), (11, b"t")))), (SERVER, PING), (SERVER, note), (SERVER, note)
    )
    assert rows[0].observe == 0
    assert rows[1].code == "Empty"
    assert [(r.uri, r.observe, r.content_format) for r in rows[2:]] == [("/t", 258, 50)] * 2
    assert (rows[2].response_ms, rows[3].response_ms) == (2.0, None)


def test_long_options() -> None:
    path = b"x" * 20
    far = coap(0, 2, 1, b"", ((11, path), (35, b"coap://far.test/" + b"y" * 300), (292, b"0123456789")))
    _, (row,) = talk((CLIENT, far))
    assert (row.method, row.uri) == ("POST", "coap://far.test/" + "y" * 300)


@pytest.mark.parametrize("tail", [b"\xff", b"\xf0", b"\x0f", b"\xb9x", b"\xd0", b"\xe0\0", b"\x00" * 65])
def test_malformed(tail: bytes) -> None:
    with pytest.raises(DissectError):
        talk((CLIENT, PING[:1] + b"\1" + PING[2:] + tail))


def test_rows_are_bounded() -> None:
    flow, rows = talk(*((CLIENT, COAP_GET) for _ in range(MAX_ROWS + 5)))
    assert len(rows) == MAX_ROWS
    assert flow.talk.finished


@pytest.mark.parametrize(
    ("data", "port", "verdict"),
    [
        (COAP_GET, 9999, YES),
        (COAP_CONTENT, 9999, NO),
        (COAP_CONTENT, 5683, YES),
        (PING, 5683, YES),
        (PING, 9999, NO),
        (PING + b"x", 5683, NO),
        (coap(2, 1, 5, b"", ((11, b"path"),)), 5683, NO),
        (coap(0, 1, 5, b"", ((2, b"odd"),)), 5683, NO),
        (coap(0, 1, 5, b"", ((11, b"\xff\x00\x01"),)), 9999, NO),
        (b"\x49\x01\0\0" + bytes(20), 5683, NO),
        (b"\x40\x1f\0\0" + bytes(20), 5683, NO),
    ],
)
def test_probe(data: bytes, port: int, verdict: int) -> None:
    assert Flow(COAP, "udp", dst_port=port).probe(data) == verdict
