import pytest

from rustnet.dissect.dnp3 import DNP3, Dnp3, checksum
from rustnet.dissect.framework.conversation import MORE, NO, YES, DissectError
from tests.dissect.harness import CLIENT, Flow, parsed, rows
from tests.dissect.samples_services import DNP3_TALK, dnp3


def test_messages() -> None:
    asked, answered, link = rows(Dnp3, DNP3, *DNP3_TALK, transport="tcp")
    assert (asked.function, asked.link_source, asked.link_destination) == ("read", 2, 1)
    assert (asked.from_master, asked.sequence, asked.object_type) == (True, 1, "g60v2")
    assert (answered.function, answered.indications) == ("response", ["need_time", "device_restart"])
    assert (answered.from_master, answered.object_type) == (False, "g30v2")
    assert (link.link_function, link.function) == ("reset_link", None)


def test_later_parts_of_a_message_are_no_rows() -> None:
    assert rows(Dnp3, DNP3, (CLIENT, dnp3(0xC4, 1, 2, b"\x81" + bytes(100))), transport="tcp") == []


def test_checksums() -> None:
    assert checksum(bytes.fromhex("056405c001000004")) == 0x21E9
    frame = bytearray(DNP3_TALK[0][1])
    frame[12] ^= 1
    flow = parsed(DNP3, [(CLIENT, bytes(frame))])
    assert [kind for kind, _ in flow.sink.anomalies] == ["malformed_dnp3"]
    assert flow.rows == []


def test_malformed() -> None:
    for data in (DNP3_TALK[0][1][:-1], DNP3_TALK[0][1] + b"\5"):
        with pytest.raises(DissectError):
            parsed(DNP3, [(CLIENT, data)], "udp")
    with pytest.raises(DissectError):
        parsed(DNP3, [(CLIENT, b"\5\x65" + bytes(20))])


@pytest.mark.parametrize(
    ("data", "transport", "verdict"),
    [
        (DNP3_TALK[0][1], "tcp", YES),
        (DNP3_TALK[2][1], "udp", YES),
        (DNP3_TALK[0][1][:5], "tcp", MORE),
        (DNP3_TALK[0][1][:5], "udp", NO),
        (DNP3_TALK[0][1][:8] + bytes(12), "tcp", NO),
        (b"\5\1\0", "tcp", NO),
    ],
)
def test_probe(data: bytes, transport: str, verdict: int) -> None:
    assert Flow(DNP3, transport, dst_port=9999).probe(data) == verdict
