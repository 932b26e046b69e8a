import pytest

from rustnet.dissect.framework.conversation import MORE, NO, YES, DissectError
from rustnet.dissect.modbus import MAX_POLLS, MODBUS, Modbus
from tests.dissect.harness import CLIENT, SERVER, Flow, parsed, rows
from tests.dissect.samples_services import MODBUS_TALK, mbap


def test_polls_are_counted() -> None:
    polled, refused, lost = rows(Modbus, MODBUS, *MODBUS_TALK, transport="tcp")
    assert (polled.function, polled.address, polled.quantity, polled.times) == ("read_holding_registers", 107, 3, 2)
    assert (polled.unit_id, polled.answered, polled.writes, polled.rtt_ms) == (17, True, False, 1.0)
    assert (refused.function, refused.exception, refused.writes) == ("write_coil", "illegal data address", True)
    assert (lost.function, lost.answered) == ("read_input_registers", False)


def test_what_schneider_adds() -> None:
    made = rows(Modbus, MODBUS, (CLIENT, mbap(1, b"\0\x5a\0\x02")), (SERVER, mbap(1, b"\0\x5a\0\xfe")), transport="tcp")
    assert [(row.function, row.answered) for row in made] == [("umas 0x02", True)]


def test_distinct_requests_are_bounded() -> None:
    flow = Flow(MODBUS)
    for i in range(3000):
        flow.feed(mbap(i, b"\x01\x03" + i.to_bytes(2, "big") + b"\0\1"))
        flow.feed(mbap(i, b"\x01\x03\x02\0\0"), SERVER)
    assert len(flow.rows) == 1000
    assert len(flow.parser.polls) <= MAX_POLLS  # type: ignore[attr-defined]


def test_broken_framing() -> None:
    for data in (b"\0\1\0\1\0\6\x11\x03\0\x6b\0\3", b"\0\1\0\0\0\1\x11\x03", b"\0\1\0\0\2\0\x11\x03"):
        with pytest.raises(DissectError):
            parsed(MODBUS, [MODBUS_TALK[0], (CLIENT, data)])


@pytest.mark.parametrize(
    ("data", "port", "verdict"),
    [
        (MODBUS_TALK[0][1], 502, YES),
        (MODBUS_TALK[0][1], 9999, YES),
        (MODBUS_TALK[1][1], 9999, NO),
        (MODBUS_TALK[5][1], 502, YES),
        (MODBUS_TALK[0][1][:4], 502, MORE),
        (MODBUS_TALK[0][1][:4], 9999, NO),
        (mbap(1, b"\x11\x63\0\0"), 502, NO),
        (b"GET / HTTP/1.1", 502, NO),
    ],
)
def test_probe(data: bytes, port: int, verdict: int) -> None:
    assert Flow(MODBUS, dst_port=port).probe(data) == verdict
